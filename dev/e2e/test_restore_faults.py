"""`secrets-ops restore apply` when it is killed at every change, interrupted, started twice, throttled or denied."""

import json
import os
import pty
import signal
import subprocess
import time
from collections.abc import Iterator
from typing import Any

import pytest

from estate import CHANGES, FAILED, FINDINGS, INCOMPLETE, PREFIX, Estate, actions, sample, value
from lab import ACCOUNT, BUILT, PATIENCE_SECONDS, REGION

A, B, C = (f"{PREFIX}{name}" for name in "abc")
# AWS never sees the call, and the caller waits for an answer.
HELD = {"effect": "drop", "delay_ms": 600_000}
ROTATION = {
    "RotationLambdaARN": f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:goal-mandala-prod-rotation",
    "RotationRules": {"AutomaticallyAfterDays": 30},
    "RotateImmediately": False,
}
STATEMENT = {"Effect": "Deny", "Principal": "*", "Action": "secretsmanager:GetSecretValue", "Resource": "*"}
POLICY = json.dumps({"Version": "2012-10-17", "Statement": [STATEMENT]})


# --- Killed


@pytest.fixture
def half_lost(estate: Estate) -> Iterator[Estate]:
    """A backup, with values, of what `lose_half` leaves half of. The key of A is gone."""
    estate.take_values()
    estate.seed()
    kms, sm = estate.aws.client("kms"), estate.sm
    old = kms.create_key()["KeyMetadata"]["Arn"]
    make(estate, A, "1", KmsKeyId=old, Tags=[{"Key": "a", "Value": "b"}])
    sm.put_secret_value(SecretId=A, SecretString=value("2"), ClientRequestToken="2" * 32)
    sm.put_secret_value(SecretId=A, SecretString=value("3"), ClientRequestToken="3" * 32, VersionStages=["mine"])
    sm.replicate_secret_to_regions(SecretId=A, AddReplicaRegions=[{"Region": "us-west-2"}])
    sm.put_resource_policy(SecretId=A, ResourcePolicy=POLICY)
    sm.rotate_secret(SecretId=A, **ROTATION)
    make(estate, B, "1", Description="b", Tags=[{"Key": "a", "Value": "b"}])
    make(estate, C, "1")
    estate.backup()
    kms.schedule_key_deletion(KeyId=old, PendingWindowInDays=7)
    yield estate
    forget_new_keys(estate)


def make(estate: Estate, name: str, number: str, **options: Any) -> None:
    estate.sm.create_secret(Name=name, SecretString=value(number), ClientRequestToken=number * 32, **options)


def lose_half(estate: Estate) -> None:
    """A is gone, B is another one, C is being deleted; what an earlier round has made is gone too."""
    forget_new_keys(estate)
    estate.wipe()
    make(estate, B, "9", Tags=[{"Key": "surplus", "Value": "x"}])
    estate.sm.put_resource_policy(SecretId=B, ResourcePolicy=POLICY)
    estate.sm.rotate_secret(SecretId=B, **ROTATION)
    make(estate, C, "1", Description="other")
    estate.sm.delete_secret(SecretId=C, RecoveryWindowInDays=7)
    estate.file("plan.json.journal").unlink(missing_ok=True)
    estate.aws.reset()


def new_keys(estate: Estate) -> list[str]:
    kms = estate.aws.client("kms")
    keys = [key["KeyId"] for page in kms.get_paginator("list_keys").paginate() for key in page["Keys"]]
    known = [kms.describe_key(KeyId=key)["KeyMetadata"] for key in keys]
    made = [key for key in known if key["Description"].startswith("In place of ") and key["KeyState"] == "Enabled"]
    return [key["Arn"] for key in made]


def forget_new_keys(estate: Estate) -> None:
    kms = estate.aws.client("kms")
    for alias in kms.list_aliases()["Aliases"]:
        if "-restored-" in alias["AliasName"]:
            kms.delete_alias(AliasName=alias["AliasName"])
    for key in new_keys(estate):
        kms.schedule_key_deletion(KeyId=key, PendingWindowInDays=7)


def outcome(estate: Estate) -> dict[str, dict[str, Any]]:
    """All secrets with all versions and values; the one new key by what it is."""
    state = estate.state(values=True)
    kms = estate.aws.client("kms")
    [key] = new_keys(estate)
    assert kms.describe_key(KeyId=state[A]["key"])["KeyMetadata"]["Arn"] == key
    assert kms.get_key_rotation_status(KeyId=key)["KeyRotationEnabled"]
    state[A]["key"] = "new"
    return state


def begin(estate: Estate) -> subprocess.Popen[str]:
    plan = str(estate.file("plan.json"))
    command = [BUILT / "secrets-ops", "restore", "apply", plan, "--approve", estate.approval()]
    pipes: dict[str, Any] = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return subprocess.Popen(command, env=estate.cli_env(), encoding="utf-8", **pipes)


def is_held(estate: Estate, run: subprocess.Popen[str]) -> bool:
    """Waits until the last fault holds a call of it; false if it has ended before that."""
    limit = time.monotonic() + PATIENCE_SECONDS
    while run.poll() is None:
        if estate.aws.control("GET", "faults")[-1]["struck"]:
            return True
        assert time.monotonic() < limit, "neither held nor done"
        time.sleep(0.01)
    return False


def is_killed(estate: Estate, call: str, number: int, acted: bool) -> bool:
    """Kills an apply at its n-th such call: before AWS sees it, or when AWS has acted and its answer is lost."""
    lost = [{"match": call, "after": number - 1, "times": 1, "effect": "lost"}] if acted else []
    estate.aws.faults(*lost, {"match": call, "after": number - 1, **HELD})
    run = begin(estate)
    held = is_held(estate, run)
    run.kill()
    out, err = run.communicate()
    estate.left_behind.append(("output of a killed run", (out + err).encode()))
    estate.aws.reset()
    return held


def test_killed_at_any_change_it_goes_on(half_lost: Estate) -> None:
    lose_half(half_lost)
    plan = half_lost.plan("--create-keys", "--overwrite")
    assert {action for _, action in actions(plan)} == {
        "create-key", "create", "put-value", "replicate", "put-policy", "schedule-rotation",
        "update", "untag", "tag", "delete-policy", "cancel-rotation", "undelete",
    }  # fmt: skip
    half_lost.aws.reset()
    # What else C needs can only be told once its deletion is taken back.
    assert half_lost.apply().returncode == FINDINGS
    wanted = outcome(half_lost)
    assert wanted[A]["versions"] == {"1" * 32: ["AWSPREVIOUS"], "2" * 32: ["AWSCURRENT"], "3" * 32: ["mine"]}
    assert wanted[B]["versions"] == {"1" * 32: ["AWSCURRENT"], "9" * 32: ["AWSPREVIOUS"]}
    changes = half_lost.changes()
    assert len(changes) == len(plan["steps"]) + 2, "one call a step, and two more for a new key"
    points = [(CHANGES, number) for number in range(1, len(changes))] + [("*.DeleteResourcePolicy", 1)]
    kills = 0
    for call, number in points:
        for acted in (False, True):
            lose_half(half_lost)
            assert is_killed(half_lost, call, number, acted), f"{call} {number} was not reached"
            kills += 1
            done = half_lost.apply()
            assert done.returncode == FINDINGS, f"{call} {number} {acted}: {done.stdout + done.stderr}"
            assert "going on where an earlier run left off" in done.stderr
            assert outcome(half_lost) == wanted, f"{call} {number} {acted}"
    assert kills == 2 * len(changes)
    print(f"killed {kills} times")
    half_lost.aws.reset()
    assert half_lost.apply().returncode == FINDINGS
    # Said again to KMS, to which it makes no difference.
    assert [call["operation"] for call in half_lost.changes()] == ["EnableKeyRotation"], "all was done already"


# --- Twice, interrupted, approved by hand


@pytest.fixture
def planned(estate: Estate) -> Estate:
    """A plan that makes three secrets."""
    estate.seed(*({"name": name, "kms_key": "secrets", "tags": {"a": "b"}} for name in "xyz"))
    estate.backup()
    estate.wipe()
    estate.plan()
    estate.aws.reset()
    return estate


def test_a_plan_is_applied_by_one_at_a_time(planned: Estate) -> None:
    planned.aws.faults({"match": CHANGES, **HELD})
    first = begin(planned)
    assert is_held(planned, first)
    second = planned.apply()
    first.kill()
    first.communicate()
    assert (second.returncode, second.stdout) == (FAILED, "")
    assert second.stderr.rstrip().endswith("plan.json.journal is in use: this plan is being applied already")
    planned.aws.reset()
    assert planned.apply().returncode == FINDINGS


def test_interrupted_it_says_so_and_goes_on(planned: Estate) -> None:
    planned.aws.faults({"match": CHANGES, "after": 1, **HELD})
    run = begin(planned)
    assert is_held(planned, run)
    run.send_signal(signal.SIGINT)
    out, err = run.communicate(timeout=5)
    assert (run.returncode, out) == (FAILED, "")
    assert err.startswith("secrets-ops: interrupted") and "when it is applied again" in err and err.count("\n") == 1
    planned.aws.reset()
    assert planned.apply().returncode == FINDINGS
    assert set(planned.state()) == {"x", "y", "z"}


@pytest.mark.parametrize("typed", ["<hash>", "yes"])
def test_on_a_terminal_the_steps_are_shown_and_the_hash_is_asked_for(planned: Estate, typed: str) -> None:
    ours, theirs = pty.openpty()
    os.write(ours, f"{typed.replace('<hash>', planned.approval())}\n".encode())
    command = [BUILT / "secrets-ops", "restore", "apply", str(planned.file("plan.json"))]
    done = subprocess.run(
        command, env=planned.cli_env(), stdin=theirs, capture_output=True, encoding="utf-8", timeout=PATIENCE_SECONDS
    )
    os.close(ours)
    os.close(theirs)
    assert "create-without-value" in done.stderr and f"account {ACCOUNT}, {REGION}; type the first 8" in done.stderr
    if typed == "yes":
        assert done.returncode == 2 and '"yes" was given' in done.stderr and planned.changes() == []
    else:
        assert done.returncode == FINDINGS and len(planned.changes()) == 3


# --- Throttled, denied, changed


def test_throttling_is_outlasted(planned: Estate) -> None:
    planned.aws.faults({"match": "secretsmanager.*", "effect": "throttle", "every": 2})
    done = planned.apply()
    assert done.returncode == FINDINGS and "done" in done.stdout, done.stdout + done.stderr
    planned.aws.faults()
    assert set(planned.state()) == {"x", "y", "z"}


def test_a_permission_that_is_lost_on_the_way_is_told_and_the_rest_done_later(estate: Estate) -> None:
    secrets = sample(restorable=True)
    estate.seed(*secrets)
    estate.backup()
    estate.wipe()
    estate.plan()
    estate.aws.reset()
    estate.aws.faults({"match": "secretsmanager.CreateSecret", "after": 5, "effect": "deny"})
    done = estate.apply("plan.json", "--output", "json")
    assert done.returncode == INCOMPLETE, done.stdout + done.stderr
    report = json.loads(done.stdout)
    assert 0 < report["coverage"]["seen"] < report["coverage"]["wanted"]
    told = json.dumps(report)
    assert "secretsmanager:CreateSecret" in told and "stopped after too many failures in a row" in told
    assert len(estate.listed()) == 5
    estate.aws.faults()
    assert estate.apply().returncode == FINDINGS
    assert len(estate.listed()) == len(secrets)


def test_what_has_changed_since_is_left_alone(planned: Estate) -> None:
    """A name that somebody has used meanwhile."""
    planned.sm.create_secret(Name="y", SecretString=value("somebody's"), Description="somebody's")
    done = planned.apply()
    assert done.returncode == INCOMPLETE and "changed since the plan was made" in done.stdout, done.stdout
    assert planned.value("y") == value("somebody's")
    assert set(planned.state()) == {"x", "y", "z"}
