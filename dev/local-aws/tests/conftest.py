"""One local AWS for all tests of a run, at a fixed `now`; faults and journal are cleared before each test."""

import itertools
from collections.abc import Iterator
from typing import Any

import pytest

from local_aws.running import Running, running

NOW = "2026-11-22T09:00:00+09:00"
_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def shared() -> Iterator[Running]:
    with running("goal-mandala-prod", NOW) as aws:
        yield aws


@pytest.fixture
def aws(shared: Running) -> Running:
    shared.reset()
    return shared


@pytest.fixture
def sm(aws: Running) -> Any:
    return aws.client("secretsmanager")


@pytest.fixture
def fresh_name() -> str:
    """A name that no other test uses: changes to it disturb nobody."""
    return f"test-{next(_numbers):03d}"


def error_code(error: Any) -> str:
    return str(error.value.response["Error"]["Code"])
