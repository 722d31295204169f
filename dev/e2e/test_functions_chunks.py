"""secrets-backup on an estate that is larger than one invocation, and backups that read only policies that may have
changed.
"""

import json
import time
from collections import Counter
from typing import Any

import pytest
from local_aws.runtime_api import Invocation

from estate import CLEAN, FINDINGS, Estate
from lab import ANSWERED, Lab, configs, job_success, load, scheduled

ESTATE = "generated:300"
# Time for some hundred secrets, at this pace, in each invocation.
SHORT_MS = 2_500
PACED = {"SECRETS_OPS_PACING": "on", "SECRETS_OPS_POLICY_RATE": "80"}
EXPIRED = {"effect": "error", "code": "InvalidNextTokenException", "times": 1}

large = pytest.mark.parametrize("scenario", [ESTATE])


def first() -> dict[str, Any]:
    """As events/secrets-backup/chunk-first.json, of a schedule of its own."""
    return load("secrets-backup", "chunk-first") | scheduled("backup-daily")


def next_of(event: dict[str, Any], called: Invocation) -> dict[str, Any]:
    """As events/secrets-backup/chunk-next.json: the answer's `more`."""
    return event | {"chunk": called.answer["more"]}


def chunk(lab: Lab, event: dict[str, Any]) -> Invocation:
    called = lab.one("secrets-backup", event, timeout_ms=SHORT_MS, **PACED)
    assert called.outcome == ANSWERED, called
    return called


def finish(lab: Lab, event: dict[str, Any], called: Invocation) -> list[Invocation]:
    """Calls it until there is no more."""
    calls = [called]
    while "more" in calls[-1].answer:
        calls.append(chunk(lab, next_of(event, calls[-1])))
        assert len(calls) < 20
    return calls


def assert_whole(lab: Lab, calls: list[Invocation]) -> dict[str, Any]:
    """Each secret once, one sealed backup, and proven."""
    *_, sealed = calls[-1].answer["artefacts"]
    manifest = lab.json(sealed)
    folder = sealed.rpartition("/")[0]
    found = Counter(name for part in manifest["parts"] for name in configs(lab.get(f"{folder}/{part['path']}")))
    assert len(found) == 300 and set(found.values()) == {1}, "nothing lost, nothing twice"
    assert (manifest["status"], manifest["written"], manifest["coverage"]) == ("ok", 300, {"wanted": 300, "seen": 300})
    assert lab.cli("backup", "verify", "latest").returncode == CLEAN
    items = json.loads(lab.cli("backup", "list", "--output", "json").stdout)["items"]
    [item] = items
    assert item["verdict"] == "latest" and f"{len(manifest['parts'])} parts" in item["detail"]["en"], item
    return dict(manifest)


@large
def test_a_large_estate_takes_several_invocations(lab: Lab, tmp_path: Any) -> None:
    event = first()
    begun = chunk(lab, event)
    run = begun.answer["more"]["run"]
    assert begun.answer["more"] == {"run": run, "part": 2} and not begun.answer["success"]
    assert set(lab.backups()) == {f"daily-backups/{run}.tar.gz", f"daily-backups/{run}.part-0001.manifest.json"}
    listed = json.loads(lab.cli("backup", "list", "--output", "json").stdout)["items"]
    assert [item["verdict"] for item in listed] == ["unsealed"], "a backup only when it is sealed"

    calls = finish(lab, event, begun)
    assert len(calls) >= 3
    assert [called.answer["success"] for called in calls] == [False] * (len(calls) - 1) + [True]
    assert [job_success(called) for called in calls] == [[]] * (len(calls) - 1) + [[1]], "counted once, at the end"
    manifest = assert_whole(lab, calls)
    assert [part["path"] for part in manifest["parts"]] == [
        f"{run}{f'.part-{number:04}' if number > 1 else ''}.tar.gz" for number in range(1, len(calls) + 1)
    ]
    assert calls[-1].answer["counts"]["written"] == 300 and lab.notices() == []
    assert "runs/last-success/backup-daily.json" in lab.keys()

    plan = tmp_path / "plan.json"
    done = lab.cli("restore", "plan", "latest", "-o", str(plan))
    assert done.returncode == CLEAN, done.stdout
    written = json.loads(plan.read_text("utf-8"))
    assert (written["steps"], written["context"]["equal"]) == ([], 300)


@large
def test_an_expired_page_loses_nothing_and_reads_nothing_twice(lab: Lab) -> None:
    event = first()
    begun = chunk(lab, event)
    lab.aws.reset()
    lab.aws.faults({"match": "secretsmanager.ListSecrets", **EXPIRED})
    called = chunk(lab, next_of(event, begun))
    assert lab.aws.journal("secretsmanager.ListSecrets")[0]["error"] == EXPIRED["code"]
    assert_whole(lab, finish(lab, event, called) if "more" in called.answer else [called])


@large
def test_a_chunk_that_dies_is_done_again(lab: Lab) -> None:
    """Killed by Lambda when its archive was there and its manifest was not."""
    event = first()
    begun = chunk(lab, event)
    lab.aws.faults({"match": "s3.PutObject", "after": 2, "effect": "drop", "delay_ms": 600_000})
    following = next_of(event, begun)
    called = lab.one("secrets-backup", following, timeout_ms=SHORT_MS, **PACED)
    assert called.outcome == "timeout", called
    lab.aws.faults()
    run = begun.answer["more"]["run"]
    assert f"daily-backups/{run}.part-0002.tar.gz" in lab.keys()
    while (called := chunk(lab, following)).answer["status"] == "already-done":
        time.sleep(0.1)
    manifest = assert_whole(lab, finish(lab, event, called))
    assert manifest["parts"][1]["path"] == f"{run}.part-0002-2.tar.gz", "what the dead one left is not touched"


@large
def test_a_chunk_that_is_delivered_twice_is_done_once(lab: Lab) -> None:
    event = first()
    begun = chunk(lab, event)
    before = lab.versions()
    again = chunk(lab, event)
    assert (again.answer["status"], again.answer["more"]) == ("already-done", begun.answer["more"])
    assert lab.versions() == before


@large
def test_a_run_that_is_not_known_cannot_go_on(lab: Lab) -> None:
    called = lab.one("secrets-backup", "chunk-next")
    assert called.error_type == "SecretsOps.BadEvent"
    assert "part 2 of secrets-backup-20261122_020000 cannot go on: there is no runs/backup/" in called.error_message
    assert lab.backups() == []


# --- Incremental

POLICY = {"Version": "2012-10-17", "Statement": []}
SECRETS = [{"name": name, "kms_key": "secrets", "policy": "cross-account"} for name in ("a", "b", "c")]


def policies_read(estate: Estate, day: int) -> tuple[set[str], dict[str, Any]]:
    """Of the backup of a day: whose policies were read, and its manifest."""
    estate.aws.reset()
    words = ["backup", "run", "--kind", "daily", "--as-of", f"2026-11-{day:02}"]
    done = estate.cli(*words, SECRETS_OPS_FULL_PASS_EVERY="3")
    assert done.returncode == CLEAN, done.stdout + done.stderr
    read = {call["secret"].rpartition(":")[2][:-7] for call in estate.aws.journal("secretsmanager.GetResourcePolicy")}
    return read, estate.json(f"daily-backups/secrets-backup-202611{day:02}_000000.manifest.json")


def policy_in(estate: Estate, day: int, name: str) -> Any:
    archive = estate.get(f"daily-backups/secrets-backup-202611{day:02}_000000.tar.gz")
    return json.loads(configs(archive)[name]["ResourcePolicy"])


def change(estate: Estate, name: str, policy: dict[str, Any], *, is_noticed: bool) -> None:
    if is_noticed:
        estate.sm.update_secret(SecretId=name, Description="changed")
    estate.sm.put_resource_policy(SecretId=name, ResourcePolicy=json.dumps(policy))


def test_only_policies_that_may_have_changed_are_read_again(estate: Estate) -> None:
    estate.seed(*SECRETS)
    everything = {"a", "b", "c"}
    assert policies_read(estate, 1)[0] == everything
    read, manifest = policies_read(estate, 2)
    assert read == set()
    assert manifest["incremental"] == {"base": "secrets-backup-20261101_000000", "reused": 3, "runs": 1}
    change(estate, "b", POLICY, is_noticed=True)
    # AWS nowhere says that the edit of a policy alone moves LastChangedDate; here it does not.
    change(estate, "c", POLICY, is_noticed=False)
    read, manifest = policies_read(estate, 3)
    assert read == {"b"}
    assert manifest["incremental"] == {"base": "secrets-backup-20261102_000000", "reused": 2, "runs": 2}
    assert policy_in(estate, 3, "b") == POLICY != policy_in(estate, 3, "c")
    read, manifest = policies_read(estate, 4)
    assert read == everything and "incremental" not in manifest, "the third run since reads all"
    assert policy_in(estate, 4, "c") == POLICY
    for day in (1, 2, 3, 4):
        archive = f"s3://{estate.bucket}/daily-backups/secrets-backup-202611{day:02}_000000.tar.gz"
        assert estate.cli("backup", "verify", archive).returncode == CLEAN


def test_policies_that_were_taken_over_are_restored(estate: Estate) -> None:
    estate.seed(*SECRETS)
    policies_read(estate, 1)
    change(estate, "b", POLICY, is_noticed=True)
    before = {name: one["policy"] for name, one in estate.state().items()}
    assert policies_read(estate, 2)[0] == {"b"}
    estate.wipe()
    estate.restored(code=FINDINGS)
    assert {name: one["policy"] for name, one in estate.state().items()} == before


def test_a_damaged_base_is_none(estate: Estate) -> None:
    estate.seed(*SECRETS)
    policies_read(estate, 1)
    key = "daily-backups/secrets-backup-20261101_000000.tar.gz"
    estate.aws.client("s3").put_object(Bucket=estate.bucket, Key=key, Body=estate.get(key)[:-9])
    read, manifest = policies_read(estate, 2)
    assert read == {"a", "b", "c"} and "incremental" not in manifest
