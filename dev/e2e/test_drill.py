"""`secrets-ops restore drill`: proves a backup under throw-away names, and leaves nothing, whatever goes wrong."""

import json
import signal
import subprocess
import time
from collections.abc import Iterator
from typing import Any

import pytest

from estate import CLEAN, FINDINGS, INCOMPLETE, NOT_PROVEN, PREFIX, UNRESTORABLE, WRONG_USE, Estate, sample, value
from lab import BUILT, DATABASE, PATIENCE_SECONDS

DRILL_PREFIX = "secrets-ops-drill/"
NOTE = "runs/last-success/restore-drill.json"
FEW = [{"name": f"{PREFIX}{name}", "kms_key": "secrets", "tags": {"a": "b"}} for name in "abc"]


def drill(estate: Estate, *words: str, code: int = CLEAN, **env: str) -> dict[str, Any]:
    done = estate.cli("restore", "drill", "latest", "--output", "json", *words, **env)
    assert done.returncode == code, done.stdout + done.stderr
    return dict(json.loads(done.stdout)) if done.stdout else {"said": done.stderr}


def described(estate: Estate) -> dict[str, Any]:
    """As DescribeSecret shows them, dates and all."""
    found = {one["Name"]: estate.sm.describe_secret(SecretId=one["ARN"]) for one in estate.listed()}
    return {name: {key: text for key, text in one.items() if key != "ResponseMetadata"} for name, one in found.items()}


def verdicts(report: dict[str, Any]) -> dict[str, str]:
    return {item["subject"]: item["verdict"] for item in report["items"] if item["verdict"] != "scope"}


def test_a_drill_proves_a_backup_and_leaves_nothing(estate: Estate) -> None:
    estate.seed(*sample(restorable=True))
    estate.backup()
    before = described(estate)
    estate.aws.reset()
    report = drill(estate)
    calls = [call for call in estate.changes() if call["service"] == "secretsmanager"]
    assert described(estate) == before, "no date of a live secret has moved, and nothing is left"
    assert report["schema"] == "secrets-ops/restore-drill/v1"
    assert (report["status"], report["findings"], report["gaps"]) == ("ok", [], [])
    assert verdicts(report) == dict.fromkeys(before, "restored")
    assert all(call["secret"].startswith(DRILL_PREFIX) for call in calls)
    assert {call["operation"] for call in calls} == {"CreateSecret", "PutResourcePolicy", "DeleteSecret"}
    assert all(call["flags"]["ForceDeleteWithoutRecovery"] for call in calls if call["operation"] == "DeleteSecret")
    assert not estate.aws.journal("secretsmanager.*GetSecretValue") and not estate.aws.journal("kms.Decrypt")
    assert "at" in estate.json(NOTE), "what is proven by hand counts"


def test_what_would_not_be_restored_is_a_finding(estate: Estate) -> None:
    estate.seed(*sample(restorable=False))
    estate.backup()
    before = described(estate)
    report = drill(estate, code=FINDINGS)
    found = {finding["subject"] for finding in report["findings"]}
    assert found == NOT_PROVEN
    not_ours = {name: why for name, why in UNRESTORABLE.items() if why.startswith(("was-", "managed-"))}
    assert {name: word for name, word in verdicts(report).items() if name in not_ours} == not_ours
    assert described(estate) == before and NOTE not in estate.keys()


@pytest.fixture
def few(estate: Estate) -> Iterator[Estate]:
    """Three secrets, backed up. Whatever a test does, no copy is there at its end."""
    estate.take_values()
    estate.seed(*FEW)
    estate.sm.put_secret_value(SecretId=f"{PREFIX}b", SecretBinary=b"\0\xff" + value("binary").encode())
    estate.backup()
    estate.aws.reset()
    yield estate
    assert not [one for one in estate.listed() if one["Name"].startswith("secrets-ops-drill")]


def test_values_are_drilled_where_asked_for(few: Estate) -> None:
    before = described(few)
    report = drill(few, "--values")
    assert set(verdicts(report).values()) == {"restored"}
    assert len(few.aws.journal("kms.Decrypt")) == 4, "each labelled version"
    assert not few.aws.journal("secretsmanager.*GetSecretValue") and described(few) == before


def test_a_denied_secret_is_a_finding_and_the_rest_is_proven(few: Estate) -> None:
    few.aws.faults({"match": "secretsmanager.CreateSecret", "secret": f"{PREFIX}b", "effect": "deny"})
    report = drill(few, code=FINDINGS)
    assert verdicts(report) == {f"{PREFIX}a": "restored", f"{PREFIX}b": "failed", f"{PREFIX}c": "restored"}
    [finding] = report["findings"]
    assert finding["subject"] == f"{PREFIX}b" and "secretsmanager:CreateSecret" in finding["detail"]["en"]
    assert NOTE not in few.keys()


def test_a_copy_that_cannot_be_looked_at_proves_nothing(few: Estate) -> None:
    few.aws.faults({"match": "secretsmanager.DescribeSecret", "secret": f"{PREFIX}c", "after": 1, "effect": "deny"})
    report = drill(few, code=INCOMPLETE)
    assert verdicts(report)[f"{PREFIX}c"] == "not-seen" and NOTE not in few.keys()


def test_a_copy_that_stays_is_a_finding_and_goes_with_the_next_drill(few: Estate) -> None:
    few.aws.faults({"match": "secretsmanager.DeleteSecret", "secret": f"{PREFIX}a", "effect": "deny"})
    report = drill(few, code=FINDINGS)
    [finding] = report["findings"]
    assert finding["check"] == "drill-removed" and "delete-secret" in finding["remediation"]["en"]
    assert finding["subject"].startswith(DRILL_PREFIX) and finding["subject"].endswith(f"{PREFIX}a")
    few.aws.faults()
    drill(few)


def test_what_a_killed_drill_has_left_goes_with_the_next(few: Estate) -> None:
    few.aws.faults({"match": "secretsmanager.CreateSecret", "after": 2, "effect": "drop", "delay_ms": 600_000})
    run = subprocess.Popen([BUILT / "secrets-ops", "restore", "drill", "latest"], env=few.cli_env())
    limit = time.monotonic() + PATIENCE_SECONDS
    while not few.aws.control("GET", "faults")[0]["struck"] and time.monotonic() < limit:
        time.sleep(0.01)
    run.send_signal(signal.SIGKILL)
    run.wait()
    few.aws.reset()
    assert len([one for one in few.listed() if one["Name"].startswith(DRILL_PREFIX)]) == 2
    drill(few)


@pytest.mark.parametrize(
    ("prefix", "said"),
    [(PREFIX, "3 secrets that no drill has made are under the drill's prefix"), ("goal", "at least 6 characters")],
)
def test_a_prefix_of_live_secrets_is_refused(few: Estate, prefix: str, said: str) -> None:
    before = described(few)
    report = drill(few, "--drill-prefix", prefix, code=WRONG_USE)
    assert said in report["said"] and few.changes() == [] and described(few) == before


def test_a_live_secret_that_has_come_under_the_prefix_is_never_removed(few: Estate) -> None:
    few.sm.create_secret(Name=f"{DRILL_PREFIX}mine", SecretString=value("mine"))
    few.aws.reset()
    assert f"(first: {DRILL_PREFIX}mine); choose another" in drill(few, code=WRONG_USE)["said"]
    assert few.changes() == []
    few.sm.delete_secret(SecretId=f"{DRILL_PREFIX}mine", ForceDeleteWithoutRecovery=True)


def test_another_prefix_is_used_as_given(few: Estate) -> None:
    drill(few, "--drill-prefix", "proof-of-restore-")
    made = [call["secret"] for call in few.changes() if call["operation"] == "CreateSecret"]
    assert len(made) == 3 and all(name.startswith("proof-of-restore-") for name in made)
    assert DATABASE not in str(made)
