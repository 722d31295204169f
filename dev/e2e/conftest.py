"""What the end-to-end tests share: the local AWS, and the functions as cargo has built them."""

import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
# The local AWS is run from its folder, never installed.
sys.path.insert(0, str(ROOT / "dev" / "local-aws"))

from local_aws.running import Running, running  # noqa: E402

FUNCTIONS = ("api-health", "secrets-backup", "rotation-checker", "audit-runner")


@pytest.fixture(scope="session")
def local_aws() -> Iterator[Callable[..., Running]]:
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
    folder = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")) / "debug"
    paths = {name: folder / name for name in FUNCTIONS}
    if missing := [str(path) for path in paths.values() if not path.is_file()]:
        pytest.fail(f"not built: {', '.join(missing)}; run `cargo build --workspace` first")
    return paths
