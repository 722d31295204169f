"""An AWS that never comes back: a job gives up after its retries, which take a minute or two, and says so.

The runs are begun with the very first test and looked at by the very last ones, so that nobody waits for them.
"""

from concurrent.futures import Future
from typing import Any

import pytest
from local_aws.runtime_api import Invocation

from lab import Lab, job_success

LIMIT_SECONDS = 240
ERRORS = [
    ("s3.PutObject", "5xx", "SecretsOps.Unavailable"),
    ("secretsmanager.ListSecrets", "throttle", "SecretsOps.Throttled"),
]
FAULTS: dict[str, dict[str, Any]] = {call: {"match": call, "effect": effect} for call, effect, _ in ERRORS}
Outages = dict[str, tuple[Lab, Future[Invocation]]]


@pytest.mark.parametrize(("call", "effect", "error"), ERRORS, ids=[row[0] for row in ERRORS])
def test_an_outage_ends_the_job_and_is_told(outages: Outages, call: str, effect: str, error: str) -> None:
    lab, running = outages[call]
    called = running.result(timeout=LIMIT_SECONDS)
    assert (called.outcome, called.error_type) == ("failed", error)
    assert called.error_message.startswith(call.replace(".", ":"))
    assert called.seconds > 20, "it was tried for a while"
    assert job_success(called) == [0]
    [notice] = lab.notices()
    assert notice["subject"].endswith("backup-daily FAILED") and called.error_message in notice["message"]
    assert lab.backups() == []
