"""`secrets-ops restore`: an estate is lost and comes back, without a value or with what the options ask for."""

import json
import subprocess
from collections import Counter
from typing import Any

import pytest

from estate import CLEAN, FAILED, FINDINGS, INCOMPLETE, IN_PART, PUBLIC, UNRESTORABLE, Estate, actions, left, sample
from estate import SECRETS_KEY, WRONG_USE, without_values
from lab import ACCOUNT, CANARY, DATABASE, REGION, configs

VALUE_MISSING = {"value-missing"}
PLAIN = {"name": "plain", "kms_key": "secrets", "description": "d", "tags": {"a": "b"}}
DENY_ALL = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Deny", "Principal": "*", "Action": "secretsmanager:*", "Resource": "*"}],
}


def test_an_estate_is_lost_and_comes_back(estate: Estate) -> None:
    secrets = sample(restorable=True)
    estate.seed(*secrets)
    before = estate.state()
    rotated = sum(secret["rotation"].get("enabled", True) for secret in secrets if "rotation" in secret)
    assert len(before) == len(secrets) and sum(bool(one["rotation"]) for one in before.values()) == rotated > 9
    estate.backup()
    estate.wipe()
    assert estate.state() == {}

    plan = estate.plan()
    assert estate.changes() == [], "a plan changes nothing"
    assert Counter(action for _, action in actions(plan)) == {
        "create": len(secrets),
        "schedule-rotation": rotated,
        "put-policy": sum("policy" in secret for secret in secrets),
        "replicate": sum(len(secret.get("replicas", [])) for secret in secrets),
    }
    done = estate.apply()
    assert done.returncode == FINDINGS, done.stdout + done.stderr
    assert estate.changes() and not estate.aws.journal("secretsmanager.*GetSecretValue")
    assert estate.state() == without_values(before)

    changes = estate.changes()
    rotations = [index for index, call in enumerate(changes) if call["operation"] == "RotateSecret"]
    assert rotations == list(range(len(changes) - rotated, len(changes))), "rotation after all the rest"
    assert {changes[index]["flags"].get("RotateImmediately") for index in rotations} == {False}
    assert all(estate.has_no_value(name) for name in before)
    assert "placeholder" not in json.dumps(plan) + estate.journal_of() + done.stdout

    again = estate.plan(name="again.json")
    assert again["steps"] == []
    had_value = {name for name, one in before.items() if any("AWSCURRENT" in each for each in one["versions"].values())}
    assert left(again) == dict.fromkeys(had_value, VALUE_MISSING)
    assert not [call for call in estate.changes() if call not in changes]


def test_the_backup_and_what_was_restored_do_not_differ(estate: Estate) -> None:
    estate.seed(*sample(restorable=True))
    estate.backup()
    estate.wipe()
    estate.restored()
    done = estate.diff("latest", "live", "--configuration")
    assert done.returncode == CLEAN, done.stdout + done.stderr
    estate.sm.tag_resource(SecretId=DATABASE, Tags=[{"Key": "Owner", "Value": "nobody"}])
    done = estate.diff("latest", "live", "--configuration")
    assert done.returncode == FINDINGS and DATABASE in done.stdout


def test_what_cannot_be_restored_is_named(estate: Estate) -> None:
    """All of the sample account. What a service owns could not be wiped either."""
    estate.seed(*sample(restorable=False))
    before = estate.state()
    estate.backup()
    estate.wipe()
    plan = estate.plan(code=INCOMPLETE)
    odd = {name: reasons - VALUE_MISSING for name, reasons in left(plan).items()}
    assert {name: reasons for name, reasons in odd.items() if reasons} == {
        name: {reason} for name, reason in UNRESTORABLE.items()
    }
    done = estate.apply("plan.json", "--output", "json")
    assert done.returncode == INCOMPLETE
    refused = [found for found in json.loads(done.stdout)["findings"] if "step" in found["detail"]["en"]]
    assert {found["subject"] for found in refused} == PUBLIC
    assert all("PublicPolicyException" in str(found) for found in refused)
    restored = estate.state()
    gone_for_good = {name for name, why in UNRESTORABLE.items() if why not in IN_PART}
    assert set(restored) == set(before) - gone_for_good
    assert restored["goal-mandala-prod-rotation-lambda-gone"]["rotation"] is False
    again = left(estate.plan(name="again.json", code=INCOMPLETE))
    for name in PUBLIC:
        assert restored[name]["policy"] is None and again[name] == {"differs", "value-missing"}


# --- The options of a plan


@pytest.fixture
def three(estate: Estate) -> Estate:
    """An estate of three, backed up."""
    estate.seed(*({**PLAIN, "name": name} for name in ("app/a", "app/b", "other")))
    estate.backup()
    return estate


def test_only_what_the_filter_names(three: Estate) -> None:
    three.wipe()
    three.restored("--filter", "app/*", "--filter", "oth")
    assert set(three.state()) == {"app/a", "app/b"}


def test_under_other_names_beside_the_old_ones(three: Estate) -> None:
    before = three.state()
    three.restored("--rename", "app/=copy/")
    after = three.state()
    assert set(after) == {*before, "copy/a", "copy/b"}
    assert {name: after[name] for name in before} == before, "what is there is left alone"
    assert after["copy/a"]["description"] == "d" and three.has_no_value("copy/a")


def test_a_plan_for_nothing_is_none(three: Estate) -> None:
    done = three.cli("restore", "plan", "latest", "-o", str(three.file("plan.json")), "--filter", "none")
    assert (done.returncode, done.stdout) == (FAILED, "") and "no secret that fits the filter" in done.stderr
    assert not three.file("plan.json").exists()


def key_of(estate: Estate, **options: Any) -> str:
    return str(estate.aws.client("kms").create_key(**options)["KeyMetadata"]["Arn"])


def lost_key(estate: Estate) -> str:
    """A secret under a key that is then scheduled for deletion, backed up and wiped."""
    key = key_of(estate)
    for name in ("under-it", "under-it-too"):
        estate.sm.create_secret(Name=name, KmsKeyId=key, SecretString="CANARY-VALUE-x-DO-NOT-LEAK")
    estate.backup()
    estate.wipe()
    estate.aws.client("kms").schedule_key_deletion(KeyId=key, PendingWindowInDays=7)
    estate.aws.reset()
    return key


def test_a_key_that_is_gone_keeps_its_secrets_out_of_the_plan(estate: Estate) -> None:
    estate.seed()
    lost_key(estate)
    assert left(estate.plan()) == {name: {"key-missing"} for name in ("under-it", "under-it-too")}


def test_another_key_in_its_place(estate: Estate) -> None:
    estate.seed()
    old = lost_key(estate)
    new = estate.aws.client("kms").describe_key(KeyId=SECRETS_KEY)["KeyMetadata"]["Arn"]
    estate.restored("--kms-map", f"{old}={SECRETS_KEY}")
    assert {one["key"] for one in estate.state().values()} == {new}


def test_a_new_key_is_made_once(estate: Estate) -> None:
    estate.seed()
    lost_key(estate)
    kms = estate.aws.client("kms")
    plan = estate.restored("--create-keys")
    alias = plan["steps"][0]["object"]
    assert [action for _, action in actions(plan)] == ["create-key", "create", "create"]
    made = [call for call in estate.changes() if call["service"] == "kms"]
    assert [call["operation"] for call in made] == ["CreateKey", "CreateAlias", "EnableKeyRotation"]
    key = kms.describe_key(KeyId=alias)["KeyMetadata"]
    assert key["KeyState"] == "Enabled" and alias.startswith("alias/goal-mandala-prod-restored-")
    assert kms.get_key_rotation_status(KeyId=key["KeyId"])["KeyRotationEnabled"]
    policy = kms.get_key_policy(KeyId=key["KeyId"], PolicyName="default")["Policy"]
    assert f"secretsmanager.{REGION}.amazonaws.com" in policy and f"arn:aws:iam::{ACCOUNT}:root" in policy
    assert {kms.describe_key(KeyId=one["key"])["KeyMetadata"]["Arn"] for one in estate.state().values()} == {key["Arn"]}
    # The journal lost with the machine: what is there is recognised.
    estate.file("plan.json.journal").unlink()
    assert estate.apply().returncode == FINDINGS
    assert [call for call in estate.changes() if call["operation"] == "CreateKey"] == made[:1]


def test_after_new_keys_nothing_is_left_to_do(estate: Estate) -> None:
    estate.seed()
    lost_key(estate)
    estate.restored("--create-keys")
    again = estate.plan("--create-keys", name="again.json")
    assert actions(again) == [] and set().union(*left(again).values()) == VALUE_MISSING


def test_what_is_there_is_changed_only_where_asked_for(estate: Estate) -> None:
    rotated = {**PLAIN, "name": "rotated", "rotation": {"function": "goal-mandala-prod-rotation", "days": 30}}
    estate.seed(rotated, {**PLAIN, "policy": "cross-account"}, {**PLAIN, "name": "same"})
    before = estate.state(values=True)
    estate.backup()
    estate.sm.update_secret(SecretId="plain", Description="other", KmsKeyId="alias/goal-mandala-prod-backup-key")
    estate.sm.untag_resource(SecretId="plain", TagKeys=["a"])
    estate.sm.tag_resource(SecretId="plain", Tags=[{"Key": "surplus", "Value": "x"}])
    estate.sm.delete_resource_policy(SecretId="plain")
    estate.sm.put_resource_policy(SecretId="rotated", ResourcePolicy=json.dumps(DENY_ALL | {"Statement": []}))
    estate.sm.cancel_rotate_secret(SecretId="rotated")
    estate.aws.reset()

    plan = estate.plan()
    assert actions(plan) == [] and left(plan) == {"plain": {"differs"}, "rotated": {"differs"}}
    plan = estate.plan("--overwrite", name="over.json")
    assert actions(plan) == [
        ("plain", "update"), ("plain", "untag"), ("plain", "tag"), ("plain", "put-policy"),
        ("rotated", "delete-policy"), ("rotated", "schedule-rotation"),
    ]  # fmt: skip
    done = estate.apply("over.json")
    assert done.returncode == CLEAN, done.stdout + done.stderr
    assert estate.state(values=True) == before, "the values too: none was touched"


def test_a_label_goes_back_to_the_version_of_the_backup(estate: Estate) -> None:
    estate.seed(PLAIN)
    estate.backup()
    before = estate.state(values=True)["plain"]
    estate.sm.put_secret_value(SecretId="plain", SecretString="CANARY-VALUE-new-DO-NOT-LEAK")
    plan = estate.plan("--overwrite")
    assert actions(plan) == [("plain", "move-stage")]
    assert estate.apply().returncode == CLEAN
    after = estate.state(values=True)["plain"]
    [(version, labels)] = before["versions"].items()
    assert after["versions"][version] == labels == ["AWSCURRENT"]
    assert estate.value("plain") == before["values"][version]


def test_a_policy_that_locks_out_is_left_unless_forced(estate: Estate) -> None:
    estate.seed({**PLAIN, "policy": DENY_ALL})
    estate.backup()
    estate.wipe()
    plan = estate.plan()
    assert left(plan) == {"plain": {"value-missing", "policy-locks-out"}}
    assert actions(plan) == [("plain", "create")]
    forced = estate.plan("--force-policies", name="forced.json")
    assert actions(forced) == [("plain", "create"), ("plain", "put-policy")]
    assert estate.apply("forced.json").returncode == FINDINGS
    assert estate.state()["plain"]["policy"] == DENY_ALL


def test_a_name_that_a_replica_has_is_not_taken(estate: Estate) -> None:
    estate.seed(PLAIN)
    estate.backup()
    estate.seed({**PLAIN, "primary_region": "us-east-1"})
    assert left(estate.plan()) == {"plain": {"name-is-replica"}}


def test_a_scheduled_deletion_is_taken_back(estate: Estate) -> None:
    estate.seed(PLAIN)
    before = estate.state(values=True)
    estate.backup()
    estate.sm.delete_secret(SecretId="plain", RecoveryWindowInDays=7)
    estate.aws.reset()
    plan = estate.restored()
    assert actions(plan) == [("plain", "undelete")]
    assert [call["operation"] for call in estate.changes()] == ["RestoreSecret"]
    assert estate.state(values=True) == before, "with its value, which was never gone"
    again = estate.plan(name="again.json", code=CLEAN)
    assert (again["steps"], left(again)) == ([], {})


def test_rotation_by_another_function(estate: Estate) -> None:
    estate.seed({**PLAIN, "rotation": {"function": "goal-mandala-prod-rotation-old", "days": 30}})
    estate.backup()
    estate.wipe()
    old, new = (f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:goal-mandala-prod-rotation{end}" for end in ("-old", ""))
    assert left(estate.plan()) == {"plain": {"value-missing", "rotation-function-missing"}}
    estate.file("plan.json").unlink()
    estate.restored("--lambda-map", f"{old}={new}")
    assert estate.state()["plain"]["rotation"] == (new, {"AutomaticallyAfterDays": 30})


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (["--rename", "x"], "--rename takes FROM=TO"),
        (["--kms-map", "=b"], "--kms-map takes FROM=TO, neither of them empty"),
        (["--key-policy", "/nonexistent"], "--create-keys"),
    ],
)
def test_wrong_options_are_named(three: Estate, words: list[str], named: str) -> None:
    done = three.cli("restore", "plan", "latest", "-o", str(three.file("plan.json")), *words)
    assert (done.returncode, done.stdout) == (WRONG_USE, "") and named in done.stderr
    assert not three.file("plan.json").exists()


# --- The runbook's own script

# These lines of it read what its own backup, and ours, have written.
RECOVERY = r"""
for config_file in "${BACKUP_DIR}"/*-config.json; do
  if [ -f "$config_file" ]; then
    secret_name=$(jq -r '.Name' "$config_file")
    description=$(jq -r '.Description' "$config_file")
    printf '%s\t%s\n' "$secret_name" "$description"
  fi
done
"""


def test_the_runbooks_script_reads_the_archive(estate: Estate) -> None:
    """Its loop as it stands, but for what it does with the two: here they are printed."""
    estate.seed(*sample(restorable=False))
    archive = estate.get(estate.backup())
    estate.file("b.tar.gz").write_bytes(archive)
    subprocess.run(["tar", "-xzf", "b.tar.gz"], cwd=estate.scratch, check=True)
    [folder] = [path for path in estate.scratch.iterdir() if path.is_dir()]
    script = subprocess.run(
        ["bash", "-eu", "-c", RECOVERY], env={"PATH": "/usr/bin:/bin", "BACKUP_DIR": str(folder)},
        capture_output=True, encoding="utf-8", check=True,
    )  # fmt: skip
    found = dict(line.split("\t") for line in script.stdout.splitlines())
    want = {secret["Name"]: secret.get("Description", "null") for secret in estate.listed()}
    assert found == want and CANARY in found and len(configs(archive)) == len(found)
