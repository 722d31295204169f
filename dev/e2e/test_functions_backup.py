"""secrets-backup: what is in the archive, how it is written, and that it is a backup only when it is finished."""

import base64
import hashlib
import json
import subprocess
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from local_aws.running import Running

from lab import ACCOUNT, Lab, configs, gaps, job_success, metrics, scheduled, secret_names

DAILY = "backup-daily"


def archive_and_manifest(lab: Lab) -> tuple[bytes, dict[str, Any]]:
    """Of the only backup in the bucket."""
    manifest, archive = sorted(lab.backups())
    assert manifest.removesuffix(".manifest.json") == archive.removesuffix(".tar.gz")
    return lab.get(archive), lab.json(manifest)


# --- What is in it


def test_every_secret_is_in_the_archive(lab: Lab) -> None:
    answer = lab.one("secrets-backup", scheduled(DAILY)).answer
    archive, manifest = archive_and_manifest(lab)
    names = set(secret_names())
    assert "goal-mandala-prod-pending-deletion" in names
    assert set(configs(archive)) == names
    assert answer["counts"] == {
        "listed": len(names),
        "described": len(names),
        "written": len(names),
        "gaps": 0,
        "parts": 1,
        "archive-bytes": len(archive),
    }
    assert manifest["schema"] == "secrets-ops/backup/v1"
    assert (manifest["account"], manifest["region"], manifest["kind"]) == (ACCOUNT, "ap-northeast-1", "daily")
    assert manifest["status"] == "ok" and manifest["gaps"] == []
    assert manifest["archive"]["sha256"] == hashlib.sha256(archive).hexdigest()


def test_a_configuration_is_what_aws_says_of_the_secret(lab: Lab) -> None:
    """As `aws secretsmanager describe-secret` would have written it, with the resource policy."""
    lab.one("secrets-backup", "manual")
    archive, _ = archive_and_manifest(lab)
    client = lab.aws.client("secretsmanager")
    for name, config in configs(archive).items():
        described = client.describe_secret(SecretId=config["ARN"])
        del described["ResponseMetadata"]
        for got, want in zip(config.get("ReplicationStatus", []), described.pop("ReplicationStatus", []), strict=True):
            if "LastAccessedDate" in want:
                want["LastAccessedDate"] = want["LastAccessedDate"].astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
            assert {key: got[key] for key in want} == want
        for key, want in described.items():
            got = config.get(key, [] if key == "Tags" else None)
            if isinstance(want, datetime):
                got, want = round(datetime.fromisoformat(got).timestamp(), 3), round(want.timestamp(), 3)
            elif key in ("Tags", "ExternalSecretRotationMetadata"):
                got, want = sorted(got, key=str), sorted(want, key=str)
            assert got == want, (name, key)
        policy = client.get_resource_policy(SecretId=config["ARN"]).get("ResourcePolicy")
        assert json.loads(config.get("ResourcePolicy") or "null") == json.loads(policy or "null")
        assert not {"SecretString", "SecretBinary"} & set(config)


def test_common_tools_read_the_archive(lab: Lab, tmp_path: Path) -> None:
    lab.one("secrets-backup", "manual")
    archive, manifest = archive_and_manifest(lab)
    path = tmp_path / "backup.tar.gz"
    path.write_bytes(archive)

    def output(*command: str) -> str:
        return subprocess.run(command, check=True, capture_output=True, encoding="utf-8", cwd=tmp_path).stdout

    listed = output("tar", "tzf", "backup.tar.gz").splitlines()
    folder = manifest["name"]
    assert {entry["path"] for entry in manifest["entries"]} | {f"{folder}/manifest.json"} == set(listed)
    assert f"{folder}/goal-mandala-prod%2Fteam%2Fa%2Fb-config.json" in listed
    assert f"{folder}/goal-mandala-prod%2Fteam%2Fa_b-config.json" in listed
    output("tar", "xzf", "backup.tar.gz")
    for entry in manifest["entries"]:
        data = (tmp_path / entry["path"]).read_bytes()
        assert (len(data), hashlib.sha256(data).hexdigest()) == (entry["size"], entry["sha256"])
    metadata = json.loads((tmp_path / folder / "secrets-metadata.json").read_text("utf-8"))
    assert [brief["Name"] for brief in metadata] and {brief["Name"] for brief in metadata} == set(secret_names())
    modes = {line.split()[0] for line in output("tar", "tvzf", "backup.tar.gz").splitlines()}
    assert modes == {"-rw-------"}, "a backup is nobody else's to read"


@pytest.mark.parametrize("scenario", ["generated:250"])
def test_an_estate_of_many_pages_is_complete(lab: Lab) -> None:
    answer = lab.one("secrets-backup", scheduled(DAILY)).answer
    assert answer["coverage"] == {"wanted": 250, "seen": 250} and answer["status"] == "ok"
    assert len(configs(archive_and_manifest(lab)[0])) == 250
    assert len(lab.aws.journal("secretsmanager.ListSecrets")) == 3


@pytest.mark.parametrize("scenario", ["empty"])
def test_an_empty_estate_is_not_a_complete_backup(lab: Lab) -> None:
    answer = lab.one("secrets-backup", scheduled(DAILY), SECRETS_OPS_TOPIC_ARN="").answer
    assert (answer["status"], answer["success"]) == ("incomplete", False)
    assert gaps(answer) == {("secretsmanager:ListSecrets", "no-data")}


# --- How it is written


def test_nothing_is_overwritten_and_the_manifest_comes_last(lab: Lab) -> None:
    key = lab.aws.client("kms").describe_key(KeyId="alias/goal-mandala-prod-backup-key")["KeyMetadata"]["Arn"]
    lab.aws.reset()
    answer = lab.one("secrets-backup", scheduled(DAILY), SECRETS_OPS_BUCKET_KMS_KEY=key).answer
    writes = lab.aws.journal("s3.*")
    assert {call["operation"] for call in writes} == {"PutObject"}
    written = [call["resource"].removeprefix(f"{lab.bucket}/") for call in writes]
    archive, manifest = answer["artefacts"]
    assert written[0].startswith(f"runs/{DAILY}/"), "the marker first"
    assert written[1:3] == [archive, manifest], "the manifest only when the archive is there"
    assert written[3:] == [written[0], f"runs/last-success/{DAILY}.json"]
    for call in writes[:3]:
        assert call["headers"]["if-none-match"] == "*"
    assert "if-match" in writes[3]["headers"], "a marker is replaced only by its owner"
    for call in writes:
        assert call["headers"]["x-amz-server-side-encryption"] == "aws:kms"
        assert call["headers"]["x-amz-server-side-encryption-aws-kms-key-id"] == key
        assert call["headers"]["x-amz-expected-bucket-owner"] == ACCOUNT


def test_without_a_key_the_bucket_decides(lab: Lab) -> None:
    lab.one("secrets-backup", scheduled(DAILY))
    for call in lab.aws.journal("s3.PutObject"):
        assert not [name for name in call["headers"] if "encryption" in name]


# --- When something fails


def test_an_absent_bucket_is_told(lab: Lab) -> None:
    for event in (scheduled(DAILY), {}):
        lab.aws.reset()
        called = lab.one("secrets-backup", event, SECRETS_OPS_BUCKET="e2e-absent")
        assert (called.outcome, called.error_type) == ("failed", "SecretsOps.NotFound")
        assert "s3:PutObject: NoSuchBucket" in called.error_message
        assert job_success(called) == [0]
        [notice] = lab.notices()
        assert notice["subject"].endswith(" FAILED") and "NoSuchBucket" in notice["message"]


@pytest.mark.parametrize("call", ["DescribeSecret", "GetResourcePolicy"])
@pytest.mark.parametrize(("effect", "reason"), [("deny", "denied"), ("vanish", "vanished")])
def test_one_secret_that_cannot_be_read_does_not_hide_the_others(lab: Lab, call: str, effect: str, reason: str) -> None:
    name = "goal-mandala-prod-policy-public"
    vanished = {"effect": "error", "code": "ResourceNotFoundException"}
    how = {"effect": "deny"} if effect == "deny" else vanished
    lab.aws.faults({"match": f"secretsmanager.{call}", "secret": name, **how})
    called = lab.one("secrets-backup", scheduled(DAILY))
    answer = called.answer
    assert (answer["status"], answer["success"]) == ("incomplete", False)
    assert job_success(called) == [0] and metrics(called)[0]["Gaps"] == 1
    names = set(secret_names())
    archive, manifest = archive_and_manifest(lab)
    for told in (answer["gaps"], manifest["gaps"]):
        assert [(gap["what"], gap["subject"], gap["reason"]) for gap in told] == [
            (f"secretsmanager:{call}", name, reason)
        ]
    assert manifest["status"] == "incomplete"
    assert answer["coverage"] == manifest["coverage"] == {"wanted": len(names), "seen": len(names) - 1}
    found = configs(archive)
    gone = (call, effect) == ("DescribeSecret", "vanish")
    assert set(found) == (names - {name} if gone else names), "what is gone is not one to restore; what is denied is"
    if not gone:
        unread = {"GetResourcePolicy": "ResourcePolicy", "DescribeSecret": "ReplicationStatus"}[call]
        assert unread in json.dumps(found[name]), "the file says what it lacks"
    [notice] = lab.notices()
    assert name in notice["message"] and "incomplete" in notice["subject"]


def test_a_refused_list_leaves_nothing(lab: Lab) -> None:
    lab.aws.faults({"match": "secretsmanager.ListSecrets", "effect": "deny"})
    called = lab.one("secrets-backup", scheduled(DAILY))
    assert called.error_type == "SecretsOps.Denied"
    assert "secretsmanager:ListSecrets" in called.error_message
    assert lab.backups() == []


def test_the_deadline_leaves_a_finished_archive_of_what_was_read(lab: Lab) -> None:
    # 16 secrets at a time: the first are there after 1.2 s, the next would be after 2.4.
    lab.aws.faults({"match": "secretsmanager.DescribeSecret", "delay_ms": 1200})
    called = lab.one("secrets-backup", scheduled(DAILY), timeout_ms=3000)
    answer = called.answer
    assert (answer["status"], answer["success"]) == ("incomplete", False)
    assert gaps(answer) == {("secretsmanager:ListSecrets", "deadline")}
    archive, manifest = archive_and_manifest(lab)
    assert 0 < len(configs(archive)) == manifest["written"] < len(secret_names())
    assert manifest["coverage"]["seen"] < manifest["coverage"]["wanted"]
    assert called.seconds < 3 and len(lab.notices()) == 1


@pytest.mark.parametrize("effect", ["5xx", "throttle", "drop"])
def test_storage_that_fails_for_a_while_is_outlasted(lab: Lab, effect: str) -> None:
    lab.aws.faults({"match": "s3.PutObject", "effect": effect, "times": 3})
    answer = lab.one("secrets-backup", scheduled(DAILY)).answer
    assert answer["status"] == "ok" and answer["success"], answer


def test_storage_that_refuses_leaves_nothing_that_looks_like_a_backup(lab: Lab) -> None:
    """Refused after the archive: without its manifest it is none."""
    lab.aws.faults({"match": "s3.PutObject", "effect": "deny", "after": 2})
    called = lab.one("secrets-backup", scheduled(DAILY))
    assert called.error_type == "SecretsOps.Denied"
    assert [key.endswith(".tar.gz") for key in lab.backups()] == [True]
    listed = lab.cli("backup", "list", "--output", "json")
    assert listed.returncode == 3 and [item["verdict"] for item in json.loads(listed.stdout)["items"]] == ["unsealed"]


# --- An archive of several parts


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> str:
    """So much policy that does not compress that the archive has more than the 5 MiB of one part."""
    secrets = []
    for number in range(400):
        noise = base64.b64encode(b"".join(hashlib.sha512(b"%d %d" % (number, n)).digest() for n in range(225))).decode()
        statement = {"Effect": "Deny", "Principal": "*", "Action": "x:y", "Resource": "*", "Sid": noise}
        policy = {"Version": "2012-10-17", "Statement": [statement]}
        secrets.append({"name": f"large-{number:03}", "created": "-9d", "policy": policy})
    path = tmp_path_factory.mktemp("large") / "large.json"
    path.write_text(json.dumps({"secrets": secrets, "topics": ["goal-mandala-prod-alerts"]}), encoding="utf-8")
    return str(path)


@pytest.fixture
def large_lab(large: str, common_aws: Callable[[str], Running], left_behind: list[tuple[str, bytes]]) -> Any:
    lab = Lab(common_aws(large), left_behind)
    yield lab
    lab.finish()


def test_a_large_archive_is_sent_in_parts(large_lab: Lab) -> None:
    large_lab.aws.faults({"match": "s3.UploadPart", "effect": "5xx", "times": 2})
    answer = large_lab.one("secrets-backup", scheduled(DAILY), timeout_ms=60_000).answer
    assert answer["status"] == "ok" and answer["counts"]["archive-bytes"] > 5 * 1024 * 1024
    calls = [call["operation"] for call in large_lab.aws.journal("s3.*") if call["status"] == 200]
    assert calls.count("CreateMultipartUpload") == calls.count("CompleteMultipartUpload") == 1
    assert calls.count("UploadPart") == 2
    completed = large_lab.aws.journal("s3.CompleteMultipartUpload")[0]
    assert completed["headers"]["if-none-match"] == "*"
    assert large_lab.cli("backup", "verify", "latest").returncode == 0


@pytest.mark.parametrize(("call", "after"), [("s3.UploadPart", 1), ("s3.CompleteMultipartUpload", 0)])
def test_an_upload_that_fails_is_given_up(large_lab: Lab, call: str, after: int) -> None:
    large_lab.aws.faults({"match": call, "effect": "deny", "after": after})
    called = large_lab.one("secrets-backup", scheduled(DAILY), timeout_ms=60_000)
    assert called.error_type == "SecretsOps.Denied", called
    assert large_lab.backups() == []
    uploads = large_lab.aws.client("s3").list_multipart_uploads(Bucket=large_lab.bucket)
    assert uploads.get("Uploads", []) == [], "parts that nobody sees would be paid for"
