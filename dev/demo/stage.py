"""Runs functions and commands for the demo, and keeps what comes of them."""

import json
import os
import re
import subprocess
from datetime import datetime
from pathlib import Path
from typing import Any

import show
from local_aws import runtime_api, scenario
from local_aws.identify import DEFAULT_ACCOUNT, DEFAULT_REGION
from local_aws.running import Running

ROOT = Path(__file__).resolve().parents[2]
BUILT = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")) / "debug"
# By the names that template.yaml gives them.
FUNCTIONS = {
    "api-health": "goal-mandala-prod-secrets-api-health",
    "secrets-backup": "goal-mandala-secrets-backup",
    "rotation-checker": "goal-mandala-prod-secrets-rotation-checker",
    "audit-runner": "goal-mandala-prod-secrets-audit-runner",
}
BACKUP_KEY = "alias/goal-mandala-prod-backup-key"
# No step of the demo takes this long, so that one that hangs ends.
PATIENCE_SECONDS = 60


class Stage:
    """The running local AWS, and where the demo keeps things."""

    def __init__(self, aws: Running, out: Path, lang: str) -> None:
        self.aws, self.out, self.lang = aws, out, lang
        self.shown = out.relative_to(ROOT)
        account = scenario.load("goal-mandala-prod", datetime.now().astimezone())
        self.secrets = [secret["name"] for secret in account.secrets]
        self.canary = "goal-mandala-prod-secrets-ops-canary"
        self.bucket = account.buckets[0]["name"]
        # What template.yaml sets.
        self.environment = {
            "SECRETS_OPS_PREFIX": "goal-mandala",
            "SECRETS_OPS_ENV": "prod",
            "SECRETS_OPS_TIME_ZONE": "Asia/Tokyo",
            "SECRETS_OPS_LANG": lang,
            "SECRETS_OPS_METRICS_NAMESPACE": "GoalMandala/SecretsManager",
            "SECRETS_OPS_TOPIC_ARN": f"arn:aws:sns:{DEFAULT_REGION}:{DEFAULT_ACCOUNT}:{account.topics[0]}",
            "SECRETS_OPS_BUCKET": self.bucket,
            "SECRETS_OPS_BUCKET_KMS_KEY": aws.client("kms").describe_key(KeyId=BACKUP_KEY)["KeyMetadata"]["Arn"],
        }
        self.metrics: list[dict[str, Any]] = []
        self.problems: list[str] = []

    @staticmethod
    def executables() -> list[Path]:
        return [BUILT / name for name in (*FUNCTIONS, "secrets-ops")]

    def expect(self, holds: bool, what: str) -> None:
        """Says what was looked at. A demo that only shows could show something wrong."""
        if holds:
            show.good(what)
        else:
            show.bad(what)
            self.problems.append(f"not so: {what}")

    def invoke(self, function: str, *cases: str) -> list[runtime_api.Invocation]:
        """Sends events to one process of a function; what it prints is kept."""
        events = [json.loads((ROOT / "events" / function / f"{case}.json").read_text("utf-8")) for case in cases]
        called = runtime_api.invoke(
            BUILT / function,
            events,
            self.environment,
            endpoint=self.aws.endpoint,
            function_name=FUNCTIONS[function],
            timeout_ms=PATIENCE_SECONDS * 1000,
        )
        for number, (case, invocation) in enumerate(zip(cases, called, strict=False), 1):
            self.keep(f"answers/{function}-{number}-{case}.json", invocation.answer)
            metrics = [line for line in invocation.log_records() if "_aws" in line]
            self.metrics += metrics
            self.append("metrics.jsonl", [json.dumps(line) for line in metrics])
            self.append(f"logs/{function}.jsonl", [line for line in invocation.logs if '"_aws"' not in line])
            if invocation.outcome != "answered":
                error = f"{invocation.outcome}: {invocation.error_type} {invocation.error_message}"
                raise SystemExit(f"{function} on {case}.json: {error}; see {self.shown}/logs")
        return called

    def command(self, *words: str) -> tuple[int, str]:
        """Runs the command as an operator does, with an environment of its own."""
        environment = {
            "PATH": os.environ["PATH"],
            "AWS_ENDPOINT_URL": self.aws.endpoint,
            "AWS_ACCESS_KEY_ID": DEFAULT_ACCOUNT,
            "AWS_SECRET_ACCESS_KEY": "local",
            **self.environment,
        }
        done = subprocess.run(
            [BUILT / "secrets-ops", *words],
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            timeout=PATIENCE_SECONDS,
        )
        name = re.sub(r"[^A-Za-z0-9]+", "-", " ".join(Path(word).name for word in words)).strip("-")
        self.keep(f"commands/{name}.txt", done.stdout + done.stderr)
        return done.returncode, done.stdout + done.stderr

    def report(self, answer: dict[str, Any]) -> tuple[dict[str, Any], str]:
        """The two forms of a job's report, as they lie in the bucket."""
        s3 = self.aws.client("s3")
        bodies = {}
        for key in answer["artefacts"]:
            bodies[key.rpartition(".")[2]] = s3.get_object(Bucket=self.bucket, Key=key)["Body"].read()
        return json.loads(bodies["json"]), bodies["txt"].decode()

    def keep_the_bucket(self) -> None:
        s3 = self.aws.client("s3")
        for page in s3.get_paginator("list_objects_v2").paginate(Bucket=self.bucket):
            for entry in page.get("Contents", []):
                path = self.out / "bucket" / entry["Key"]
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(s3.get_object(Bucket=self.bucket, Key=entry["Key"])["Body"].read())

    def keep_notices(self) -> list[tuple[Path, dict[str, Any]]]:
        kept = []
        for number, notice in enumerate(self.aws.control("GET", "notices"), 1):
            text = f"Subject: {notice['subject']}\nTo: {notice['topic_arn']}\n\n{notice['message']}"
            kept.append((self.keep(f"notices/{number:02}.txt", text), notice))
        return kept

    def keep(self, name: str, content: Any) -> Path:
        text = content if isinstance(content, str) else json.dumps(content, ensure_ascii=False, indent=2) + "\n"
        path = self.out / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return path

    def append(self, name: str, lines: list[str]) -> None:
        path = self.out / name
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a", encoding="utf-8") as file:
            file.writelines(f"{line}\n" for line in lines)
