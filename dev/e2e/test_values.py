"""Values in a backup: encrypted, only into a bucket that is fit for them, back with their versions, and readable by
AWS's own command as docs/VALUES.md says.
"""

import base64
import io
import json
import os
import re
import shutil
import stat
import subprocess
import sys
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from estate import CLEAN, FINDINGS, INCOMPLETE, KEY, PREFIX, SECRETS_KEY, Estate, actions, left, value, without_values
from lab import ACCOUNT, DATABASE, REGION, ROOT

READ_VALUES = "secretsmanager.*GetSecretValue"


@pytest.fixture
def values(estate: Estate) -> Estate:
    """Secrets with values of every kind in an account that can back them up: keys and a bucket that is fit."""
    estate.take_values()
    on = {"kms_key": "secrets", "description": "d", "tags": {"a": "b"}}
    rotation = {"function": "goal-mandala-prod-rotation", "days": 30}
    names = [DATABASE, *(PREFIX + end for end in ("binary", "labels", "large", "pending", "unicode"))]
    seeded: list[dict[str, Any]] = [{**on, "name": name} for name in names]
    seeded[0] |= {"rotation": rotation, "policy": "cross-account"}
    pending = [{"stages": ["AWSCURRENT"]}, {"stages": ["AWSPENDING"]}]
    seeded[4] |= {"versions": pending}
    # Named otherwise: its value is not asked for. And one that never had a value.
    estate.seed(*seeded, {**on, "name": "goal-mandala-prod-other"}, {**on, "name": f"{PREFIX}none", "no_value": True})
    put = estate.sm.put_secret_value
    put(SecretId=DATABASE, SecretString=value("second"))
    put(SecretId=DATABASE, SecretString=value("third, and so the first has no label"))
    put(SecretId=f"{PREFIX}binary", SecretBinary=b"\0\xff" + value("old binary").encode())
    put(SecretId=f"{PREFIX}binary", SecretBinary=b"\xfe\0" + value("new binary").encode() + bytes(range(256)))
    put(SecretId=f"{PREFIX}labels", SecretString=value("of one's own"), VersionStages=["mine", "another"])
    put(SecretId=f"{PREFIX}large", SecretString=(value("large") * 3000)[:65536])
    put(SecretId=f"{PREFIX}unicode", SecretString=value("日本\r\n\0 \U0001f600"))
    estate.aws.reset()
    return estate


def kept(state: dict[str, Any]) -> dict[str, Any]:
    """What comes back: versions that had a label which was not only that of a rotation under way."""
    ids = [version for version, labels in state["versions"].items() if labels not in ([], ["AWSPENDING"])]
    return state | {part: {version: state[part][version] for version in ids} for part in ("versions", "values")}


def test_values_come_back(values: Estate) -> None:
    before = values.state(values=True)
    values.aws.reset()
    archive = values.backup()
    read = {call["secret"].rpartition(":")[2][:-7] for call in values.aws.journal(READ_VALUES)}
    asked = {name for name, one in before.items() if name.startswith(PREFIX) and one["versions"]}
    assert read == asked and len(asked) == 6
    manifest = values.json(archive.replace(".tar.gz", ".manifest.json"))
    assert (manifest["values"], manifest["status"]) == (6, "ok")
    assert values.cli("backup", "verify", "latest").returncode == CLEAN

    values.wipe()
    plan = values.plan()
    assert not values.aws.journal("kms.Decrypt"), "a plan opens nothing"
    assert left(plan)["goal-mandala-prod-other"] == {"value-missing"} and not asked & set(left(plan))
    done = values.apply()
    assert done.returncode == FINDINGS, done.stdout + done.stderr
    after = values.state(values=True)
    assert {name: after[name] for name in asked} == {name: kept(before[name]) for name in asked}
    binary = [one for name in asked for one in after[name]["values"].values() if isinstance(one, bytes)]
    assert len(binary) == 2, "bytes are bytes"
    rest = {name: one for name, one in before.items() if name not in asked}
    assert {name: after[name] for name in rest} == {
        name: one | {"values": {}} for name, one in without_values(rest).items()
    }
    changes = values.changes()
    assert changes[-1]["operation"] == "RotateSecret" and changes[-1]["flags"] == {"RotateImmediately": False}
    assert actions(values.plan(name="again.json")) == []


def test_the_backup_and_the_restored_values_do_not_differ(values: Estate) -> None:
    values.backup()
    values.wipe()
    values.restored("--filter", f"{PREFIX}*", code=CLEAN)
    done = values.diff("latest", "live", "--filter", f"{PREFIX}*")
    assert done.returncode == CLEAN, done.stdout + done.stderr


def test_reading_a_value_does_not_hide_when_it_was_last_used(values: Estate) -> None:
    """Whoever is asked for a date gets the one from before the backup's own reading."""
    used = {**{"name": DATABASE, "kms_key": "secrets"}, "accessed": "-40d"}
    values.aws.control("POST", "secrets", [used])
    accessed = values.sm.describe_secret(SecretId=DATABASE)["LastAccessedDate"]
    folder = unpacked(values, values.backup())
    config = json.loads((folder / f"{DATABASE}-config.json").read_text("utf-8"))
    assert config["LastAccessedDate"].startswith(accessed.strftime("%Y-%m-%d"))


def test_a_value_that_is_denied_is_a_gap(values: Estate) -> None:
    values.aws.faults({"match": READ_VALUES, "secret": f"{PREFIX}binary", "effect": "deny"})
    archive = values.backup(INCOMPLETE)
    manifest = values.json(archive.replace(".tar.gz", ".manifest.json"))
    assert {(gap["what"], gap["subject"]) for gap in manifest["gaps"]} == {
        ("secretsmanager:GetSecretValue", f"{PREFIX}binary")
    }
    assert manifest["values"] == 5
    values.aws.faults()
    values.wipe()
    assert left(values.plan("--filter", f"{PREFIX}b*")) == {f"{PREFIX}binary": {"value-missing"}}


def test_without_its_key_no_value_and_no_secret_is_made(values: Estate) -> None:
    before = values.state(values=True)
    values.backup()
    values.wipe()
    kms = values.aws.client("kms")
    key = kms.describe_key(KeyId=KEY)["KeyMetadata"]["KeyId"]
    kms.disable_key(KeyId=key)
    try:
        values.plan("--filter", f"{PREFIX}*")
        values.aws.reset()
        done = values.apply()
    finally:
        kms.enable_key(KeyId=key)
    assert done.returncode == INCOMPLETE and "disabled" in done.stdout.lower(), done.stdout
    assert set(values.state()) == {f"{PREFIX}none"}
    assert values.apply().returncode == CLEAN, "the same plan goes on"
    assert values.state(values=True)[DATABASE] == kept(before[DATABASE])


# --- Where values do not go

BLOCK = {"BlockPublicAcls": True, "IgnorePublicAcls": True, "BlockPublicPolicy": True, "RestrictPublicBuckets": False}
DEFECTS: dict[str, Callable[[Estate, Any], object]] = {
    "not versioned": lambda estate, s3: s3.put_bucket_versioning(
        Bucket=estate.bucket, VersioningConfiguration={"Status": "Suspended"}
    ),
    "not encrypted with a KMS key of your own": lambda estate, s3: estate.encrypt_bucket("AES256"),
    "public access is not blocked": lambda estate, s3: s3.put_public_access_block(
        Bucket=estate.bucket, PublicAccessBlockConfiguration=BLOCK
    ),
    "does not deny requests without TLS": lambda estate, s3: s3.delete_bucket_policy(Bucket=estate.bucket),
}


@pytest.mark.parametrize("defect", DEFECTS)
def test_no_value_goes_into_a_bucket_that_is_not_fit(values: Estate, defect: str) -> None:
    DEFECTS[defect](values, values.aws.client("s3"))
    values.aws.reset()
    manifest = values.json(values.backup(INCOMPLETE).replace(".tar.gz", ".manifest.json"))
    assert_configuration_only(values, manifest)
    [gap] = manifest["gaps"]
    assert (gap["what"], gap["subject"]) == ("values", f"{PREFIX}*") and defect in gap["detail"]


def test_no_value_goes_into_a_folder_or_an_unknown_bucket(values: Estate) -> None:
    done = values.cli("backup", "run", "--to", str(values.scratch))
    assert done.returncode == INCOMPLETE and "a local folder is no place for values" in done.stdout
    [manifest] = values.scratch.glob("*.manifest.json")
    assert_configuration_only(values, json.loads(manifest.read_text("utf-8")))
    values.aws.faults({"match": "s3.GetBucketPolicy", "effect": "deny"})
    manifest = values.json(values.backup(INCOMPLETE).replace(".tar.gz", ".manifest.json"))
    assert_configuration_only(values, manifest)
    assert [gap["what"] for gap in manifest["gaps"]] == ["s3:GetBucketPolicy"]


def assert_configuration_only(values: Estate, manifest: dict[str, Any]) -> None:
    assert not values.aws.journal(READ_VALUES)
    assert (manifest["values"], manifest["written"], manifest["status"]) == (0, 8, "incomplete")


# --- By AWS's own command

GUIDE = (ROOT / "docs" / "VALUES.md").read_text("utf-8")
COMMANDS = re.findall(r"```sh\n(.*?)```", GUIDE, re.DOTALL)

# For machines without the AWS command: what the guide needs of it, with names and parameters checked by boto3.
AWS = f"""#!{sys.executable}
import sys, boto3, jmespath
service, call, *words = sys.argv[1:]
if service == "s3":
    bucket, key = words[0].removeprefix("s3://").split("/", 1)
    boto3.client("s3").download_file(bucket, key, key.rpartition("/")[2])
    sys.exit()
options = dict(zip(words[::2], words[1::2], strict=True))
query, form = options.pop("--query"), options.pop("--output")
given = {{"".join(part.capitalize() for part in key[2:].split("-")): text for key, text in options.items()}}
print(jmespath.search(query, getattr(boto3.client(service), call.replace("-", "_"))(**given)))
"""


def unpacked(estate: Estate, archive: str) -> Path:
    with tarfile.open(fileobj=io.BytesIO(estate.get(archive))) as files:
        files.extractall(estate.scratch, filter="data")
    return estate.scratch / archive.rpartition("/")[2].removesuffix(".tar.gz")


def by_the_guide(values: Estate, secret: str, *more: str) -> subprocess.CompletedProcess[str]:
    """Runs the guide's commands for this secret of a new backup, and then `more`."""
    folder, _, name = values.backup().removesuffix(".tar.gz").rpartition("/")
    own = {"folder": f"s3://{values.bucket}/{folder}", "backup": name, "secret": secret}
    script = "\n".join([*COMMANDS, *more])
    for variable, wanted in own.items():
        script, replaced = re.subn(rf"(?m)^{variable}=.*$", f"{variable}={wanted}", script)
        assert replaced == 1, f"the guide sets {variable} otherwise"
    tools = values.scratch / "tools"
    tools.mkdir()
    if not shutil.which("aws"):
        (tools / "aws").write_text(AWS, encoding="utf-8")
        (tools / "aws").chmod(stat.S_IRWXU)
    path = f"{Path(sys.executable).parent}:{tools}:{os.environ['PATH']}"
    env = values.cli_env() | {"PATH": path, "HOME": str(values.scratch), "AWS_DEFAULT_REGION": REGION}
    options: dict[str, Any] = {"capture_output": True, "encoding": "utf-8", "cwd": values.scratch}
    return subprocess.run(["sh", "-c", script], env=env, **options)


def test_the_guide_opens_a_value(values: Estate) -> None:
    current = values.value(DATABASE)
    done = by_the_guide(values, DATABASE)
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    assert (values.scratch / "value").read_text("utf-8") == current
    arn = values.sm.describe_secret(SecretId=DATABASE)["ARN"]
    assert arn in done.stdout and "AWSCURRENT" in done.stdout and "AWSPREVIOUS" in done.stdout


# What is done to the guide's last commands, and what comes of it.
REFUSALS = [
    ('"SecretARN=$arn"', '"SecretARN=$arn-x"', "encryption context did not match required elements"),
    ("-d > message", "-d | head -c -1 > message; printf x >> message", "InvalidTag"),
    ('"key=$key"', '"key=$other"', "Unable to decrypt any data key"),
]


def test_the_guide_opens_nothing_that_it_calls_refused(values: Estate) -> None:
    """And before that a value of bytes, so that it is known to open what is not refused."""
    other = values.aws.client("kms").describe_key(KeyId=SECRETS_KEY)["KeyMetadata"]["Arn"]
    more = [f"mv value opened; other={other}"]
    for text, changed, _ in REFUSALS:
        assert text in COMMANDS[-1]
        more += [COMMANDS[-1].replace(text, changed), "rm -f value"]
    done = by_the_guide(values, f"{PREFIX}binary", *more)
    assert (values.scratch / "opened").read_bytes() == values.value(f"{PREFIX}binary")
    assert done.stderr.count("refused: there is no value") == len(REFUSALS)
    for *_, said in REFUSALS:
        assert said in done.stderr, done.stderr


def test_nothing_in_the_archive_is_in_the_clear(values: Estate) -> None:
    """Nor is what it says of two equal values alike, which would tell that they are equal."""
    for name in (DATABASE, f"{PREFIX}labels"):
        values.sm.put_secret_value(SecretId=name, SecretString=value("equal"))
    folder = unpacked(values, values.backup())
    sealed = [json.loads(path.read_text("utf-8")) for path in folder.glob("*-values.json")]
    assert len(sealed) == 6
    of_current = {
        one["Name"]: next(version for version in one["Versions"] if "AWSCURRENT" in version["VersionStages"])
        for one in sealed
    }
    first, second = of_current[DATABASE], of_current[f"{PREFIX}labels"]
    assert first["Message"] != second["Message"] and first["Mac"] != second["Mac"]
    for one in sealed:
        for version in one["Versions"]:
            assert b"CANARY" not in base64.b64decode(version["Message"])
    assert f":{REGION}:{ACCOUNT}:" in sealed[0]["ARN"]
