"""What one running local AWS knows beside ministack: scenario, faults, journal, notices, queries."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from .faults import Fault
from .scenario import Scenario


@dataclass
class State:
    scenario: Scenario
    auth: bool = False
    faults: list[Fault] = field(default_factory=list)
    journal: list[dict[str, Any]] = field(default_factory=list)
    notices: list[dict[str, Any]] = field(default_factory=list)
    # ARNs of the seeded KMS keys, by the short name a scenario uses for them.
    key_arns: dict[str, str] = field(default_factory=dict)
    # CloudTrail events as LookupEvents shows them, newest first.
    events: list[dict[str, Any]] = field(default_factory=list)
    # ARNs of the KMS keys that made each ciphertext, by the ciphertext in base64.
    ciphertexts: dict[str, str] = field(default_factory=dict)
    # Running Insights queries by id.
    queries: dict[str, dict[str, Any]] = field(default_factory=dict)
    # Open connections by client address, so that a fault can cut one.
    connections: dict[tuple[str, int], Any] = field(default_factory=dict)
    clock: Callable[[], float] = time.time


def ticking_clock(start: float) -> Callable[[], float]:
    """A clock that began at `start` when the server did."""
    offset = start - time.time()
    return lambda: time.time() + offset
