"""Runs the functions and the command line against a local AWS, and keeps all that they leave behind for `leaked`."""

import io
import itertools
import json
import os
import subprocess
import tarfile
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from local_aws import runtime_api, scenario
from local_aws.leaks import with_value
from local_aws.running import Running
from local_aws.runtime_api import Invocation

ROOT = Path(__file__).resolve().parents[2]
EVENTS = ROOT / "events"
BUILT = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")) / "debug"
ACCOUNT, REGION = "123456789012", "ap-northeast-1"
TOPIC = f"arn:aws:sns:{REGION}:{ACCOUNT}:goal-mandala-prod-alerts"
CANARY = "goal-mandala-prod-secrets-ops-canary"
DATABASE = "goal-mandala-prod-secret-database"
# Its first rotation was planned before the 90 days that CloudTrail keeps: why it never ran is a gap of every run.
NEVER_RAN = "goal-mandala-prod-rotation-never-ran"
ANSWERED = "answered"
PATIENCE_SECONDS = 60
_numbers = itertools.count(1)


@dataclass
class Lab:
    """One test's view of a local AWS: a bucket of its own, and faults, journal and notices that begin empty."""

    aws: Running
    left_behind: list[tuple[str, bytes]]
    bucket: str = ""
    env: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.aws.reset()
        self.bucket = f"e2e-{next(_numbers):04}"
        s3 = self.aws.client("s3")
        s3.create_bucket(Bucket=self.bucket, CreateBucketConfiguration={"LocationConstraint": REGION})
        s3.put_bucket_versioning(Bucket=self.bucket, VersioningConfiguration={"Status": "Enabled"})
        # Pacing is for AWS's quotas and only makes tests slow.
        self.env = {"SECRETS_OPS_BUCKET": self.bucket, "SECRETS_OPS_TOPIC_ARN": TOPIC, "SECRETS_OPS_PACING": "off"}
        self.aws.reset()

    def run(self, function: str, *events: Any, timeout_ms: int = 30_000, **env: str) -> list[Invocation]:
        """Sends events to one process. A text is the name of a file of events/<function>/."""
        sent = [load(function, event) if isinstance(event, str) else event for event in events]
        options: dict[str, Any] = {"endpoint": self.aws.endpoint, "function_name": function, "timeout_ms": timeout_ms}
        return self.keep(runtime_api.invoke(BUILT / function, sent, self.env | env, **options))

    def one(self, function: str, event: Any, timeout_ms: int = 30_000, **env: str) -> Invocation:
        return self.run(function, event, timeout_ms=timeout_ms, **env)[0]

    def at_once(self, function: str, *events: dict[str, Any]) -> list[Invocation]:
        """Sends each event to a process of its own, all at the same time."""
        options: dict[str, Any] = {"endpoint": self.aws.endpoint, "function_name": function}
        return self.keep(runtime_api.invoke_at_once(BUILT / function, events, self.env, **options))

    def keep(self, invocations: list[Invocation]) -> list[Invocation]:
        for invocation in invocations:
            text = json.dumps([invocation.answer, invocation.error_message, invocation.logs], ensure_ascii=False)
            self.left_behind.append((f"answer or log of {invocation.request_id}", text.encode()))
        return invocations

    def cli(self, *words: str, **env: str) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [BUILT / "secrets-ops", *words],
            env=self.cli_env() | env,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            timeout=PATIENCE_SECONDS,
        )
        self.left_behind.append((f"output of {' '.join(words)}", (done.stdout + done.stderr).encode()))
        return done

    def cli_env(self) -> dict[str, str]:
        """Nothing of this machine: a variable or profile of the developer's must not decide a test."""
        return {
            "PATH": os.environ["PATH"],
            "HOME": "/nonexistent",
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_ENDPOINT_URL": self.aws.endpoint,
            "AWS_REGION": REGION,
            "AWS_ACCESS_KEY_ID": ACCOUNT,
            "AWS_SECRET_ACCESS_KEY": "local",
            "SECRETS_OPS_LANG": "en",
            **self.env,
        }

    def keys(self, prefix: str = "") -> list[str]:
        pages = self.aws.client("s3").get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix=prefix)
        return [entry["Key"] for page in pages for entry in page.get("Contents", [])]

    def backups(self) -> list[str]:
        return [key for key in self.keys() if "-backups/" in key]

    def get(self, key: str) -> bytes:
        return bytes(self.aws.client("s3").get_object(Bucket=self.bucket, Key=key)["Body"].read())

    def json(self, key: str) -> Any:
        return json.loads(self.get(key))

    def versions(self) -> list[tuple[str, str]]:
        """All that ever lay in the bucket: a second write to a key is a second version."""
        pages = self.aws.client("s3").get_paginator("list_object_versions").paginate(Bucket=self.bucket)
        return [(entry["Key"], entry["VersionId"]) for page in pages for entry in page.get("Versions", [])]

    def notices(self) -> list[dict[str, Any]]:
        return list(self.aws.control("GET", "notices"))

    def finish(self) -> None:
        """Keeps what lies in the account, before the next test clears it."""
        self.aws.faults()
        for notice in self.notices():
            self.left_behind.append(("notice", json.dumps(notice, ensure_ascii=False).encode()))
        s3 = self.aws.client("s3")
        for key, version in self.versions():
            body = s3.get_object(Bucket=self.bucket, Key=key, VersionId=version)["Body"].read()
            self.left_behind.append((f"object {key}", body))


def leaked(left_behind: list[tuple[str, bytes]]) -> list[str]:
    return [what for what, data in left_behind if with_value(data)]


def load(function: str, case: str) -> Any:
    return json.loads((EVENTS / function / f"{case}.json").read_text(encoding="utf-8"))


def scheduled(job: str, minute: int = 0) -> dict[str, str]:
    """An event of a schedule that no other test uses."""
    arn = f"arn:aws:scheduler:{REGION}:{ACCOUNT}:schedule/default/{uuid.uuid4()}"
    return {"job": job, "scheduledTime": f"2026-11-21T17:{minute:02}:00Z", "scheduleArn": arn}


def secret_names(name: str = "goal-mandala-prod") -> list[str]:
    return [secret["name"] for secret in scenario.load(name, datetime.now().astimezone()).secrets]


def metrics(invocation: Invocation) -> list[dict[str, Any]]:
    return [line for line in invocation.log_records() if "_aws" in line]


def job_success(invocation: Invocation) -> list[float]:
    return [line["JobSuccess"] for line in metrics(invocation) if "JobSuccess" in line]


def gaps(answer: dict[str, Any]) -> set[tuple[str, str]]:
    """What could not be looked at, but for what nobody can look at in the estate of the sample."""
    return {(gap["what"], gap["reason"]) for gap in answer["gaps"] if gap["subject"] != NEVER_RAN}


def status(job: str) -> str:
    """How a job ends in the estate of the sample, if nothing goes wrong."""
    return {"backup": "ok", "rotation": "incomplete"}.get(job.partition("-")[0], "findings")


def configs(archive: bytes) -> dict[str, dict[str, Any]]:
    """The secrets' configurations in an archive, by name."""
    return {found["Name"]: found for found in _configs(archive)}


def _configs(archive: bytes) -> Iterator[dict[str, Any]]:
    with tarfile.open(fileobj=io.BytesIO(archive)) as files:
        for member in files:
            content = files.extractfile(member)
            if content and member.name.endswith("-config.json"):
                yield json.load(content)
