"""What the end-to-end tests share: the local AWS, and the functions as cargo has built them."""

import sys
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
# The local AWS is run from its folder, never installed.
sys.path.insert(0, str(ROOT / "dev" / "local-aws"))

from local_aws.running import Running, running  # noqa: E402
from local_aws.runtime_api import Invocation  # noqa: E402

from estate import Estate  # noqa: E402
from lab import BUILT, CANARY, Lab, leaked, scheduled  # noqa: E402

FUNCTIONS = ("api-health", "secrets-backup", "rotation-checker", "audit-runner")
# Above the retries of a job, which take a minute or two.
LONGEST_MS = 300_000
Start = Callable[..., Running]


@pytest.fixture(scope="session")
def local_aws() -> Iterator[Start]:
    """Starts a local AWS: `local_aws("goal-mandala-prod", auth=True)`. Each call starts one; all end with the tests.

    The answer has `endpoint`, `client(service)`, `faults`, `journal` and `reset`. A scenario is a name or the path of a
    file. `now` is the moment that its relative dates count from.
    """
    # ministack unpacks functions into the folder for temporary files and leaves them there.
    with tempfile.TemporaryDirectory() as scratch, ExitStack() as started:

        def start(scenario: str | Path = "goal-mandala-prod", auth: bool = False, now: str | None = None) -> Running:
            with pytest.MonkeyPatch.context() as environment:
                environment.setenv("TMPDIR", scratch)
                return started.enter_context(running(str(scenario), now, *(["--auth"] if auth else [])))

        yield start


@pytest.fixture(scope="session")
def bootstraps() -> dict[str, Path]:
    """The functions' executables by name. Nothing is built here: two builds at once would only wait for each other."""
    return {name: built(name) for name in FUNCTIONS}


def built(name: str) -> Path:
    if not (BUILT / name).is_file():
        pytest.fail(f"not built: {BUILT / name}; run `cargo build --workspace` first")
    return BUILT / name


@pytest.fixture(scope="session")
def common_aws(local_aws: Start) -> Callable[[str], Running]:
    """A local AWS by scenario, one for all tests: each has a bucket of its own, and nothing changes the secrets."""
    return cache(local_aws)


@pytest.fixture(scope="session")
def left_behind() -> Iterator[list[tuple[str, bytes]]]:
    """All answers, logs, objects, notices and outputs. None may hold a value, which is looked at once, at the end."""
    kept: list[tuple[str, bytes]] = []
    yield kept
    found = leaked(kept)
    assert not found, f"planted secret values leaked: {found}"


@pytest.fixture
def scenario() -> str:
    """For `@pytest.mark.parametrize("scenario", ["empty"])`, and for modules that replace it."""
    return "goal-mandala-prod"


@pytest.fixture
def lab(
    scenario: str, common_aws: Callable[[str], Running], left_behind: list[tuple[str, bytes]], bootstraps: object
) -> Iterator[Lab]:
    built("secrets-ops")
    made = Lab(common_aws(scenario), left_behind)
    yield made
    reads = {call["resource"] for call in made.aws.journal("secretsmanager.*GetSecretValue") if call["status"] == 200}
    made.finish()
    assert reads <= {CANARY}, f"values were read of {reads}"


@pytest.fixture(scope="session")
def estate_aws(local_aws: Start) -> Running:
    """The account of the sample, for tests that destroy its secrets one after another."""
    return local_aws()


@pytest.fixture
def estate(
    estate_aws: Running, left_behind: list[tuple[str, bytes]], bootstraps: object, tmp_path: Path
) -> Iterator[Estate]:
    """A bucket of its own and an estate to be seeded."""
    built("secrets-ops")
    made = Estate(estate_aws, left_behind, scratch=tmp_path)
    yield made
    made.finish()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What waits for the slow runs comes last."""
    items.sort(key=lambda item: "outages" in getattr(item, "fixturenames", ()))


@pytest.fixture(scope="session", autouse=True)
def begin_outages(request: pytest.FixtureRequest) -> None:
    """Begins the slow runs with the first test, where any test waits for them."""
    if any("outages" in getattr(item, "fixturenames", ()) for item in request.session.items):
        request.getfixturevalue("outages")


@pytest.fixture(scope="session")
def outages(
    local_aws: Start, left_behind: list[tuple[str, bytes]], bootstraps: object
) -> Iterator[dict[str, tuple[Lab, Future[Invocation]]]]:
    """A backup under each fault that never ends, on a local AWS of its own."""
    from test_functions_outage import FAULTS

    with ThreadPoolExecutor(len(FAULTS)) as pool:
        begun = {}
        for call, fault in FAULTS.items():
            lab = Lab(local_aws(), left_behind)
            lab.aws.faults(fault)
            event = scheduled("backup-daily")
            begun[call] = (lab, pool.submit(lab.one, "secrets-backup", event, timeout_ms=LONGEST_MS))
        yield begun
    for lab, _ in begun.values():
        lab.finish()
