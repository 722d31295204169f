"""Starts a local AWS as a process of its own, for tests written in Python.

with running(scenario="goal-mandala-prod", now="2026-11-22T09:00:00+09:00") as aws:
    aws.faults({"match": "secretsmanager.GetResourcePolicy", "effect": "throttle", "times": 2})
    aws.client("secretsmanager").list_secrets()
    assert aws.journal("secretsmanager.*")
"""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config

from .identify import DEFAULT_ACCOUNT, DEFAULT_REGION

START_LIMIT = 60.0


@dataclass
class Running:
    endpoint: str
    process: subprocess.Popen[bytes]

    def client(self, service: str, attempts: int = 1, **options: Any) -> Any:
        """A boto3 client that does not retry, so that each call is one line of the journal."""
        return boto3.client(
            service,
            endpoint_url=self.endpoint,
            **{
                "region_name": DEFAULT_REGION,
                "aws_access_key_id": DEFAULT_ACCOUNT,
                "aws_secret_access_key": "local",
                **options,
            },
            config=Config(retries={"total_max_attempts": attempts}),
        )

    def control(self, method: str, what: str, data: Any = None) -> Any:
        """The control API: see ../README.md."""
        body = None if data is None else json.dumps(data).encode()
        request = urllib.request.Request(f"{self.endpoint}/_local/{what}", data=body, method=method)
        with urllib.request.urlopen(request) as answer:
            return json.load(answer)

    def faults(self, *faults: dict[str, Any]) -> None:
        self.control("POST", "faults", list(faults))

    def journal(self, match: str = "*") -> list[dict[str, Any]]:
        return list(self.control("GET", f"journal?match={match}"))

    def reset(self) -> None:
        self.control("POST", "reset")


@contextmanager
def running(scenario: str = "goal-mandala-prod", now: str | None = None, *options: str) -> Iterator[Running]:
    with tempfile.TemporaryDirectory() as folder:
        ready_file = Path(folder) / "endpoint"
        command = [sys.executable, "-m", "local_aws", "--port", "0", "--scenario", scenario]
        command += ["--ready-file", str(ready_file), *(["--now", now] if now else []), *options]
        package = str(Path(__file__).parent.parent)
        process = subprocess.Popen(command, env={**os.environ, "PYTHONPATH": package}, stdout=subprocess.DEVNULL)
        try:
            yield Running(wait_for(ready_file, process), process)
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(timeout=20)


def wait_for(ready_file: Path, process: subprocess.Popen[bytes]) -> str:
    limit = time.monotonic() + START_LIMIT
    while not ready_file.exists():
        if process.poll() is not None:
            raise RuntimeError(f"the local AWS ended with status {process.returncode} before it was ready")
        if time.monotonic() > limit:
            process.kill()
            raise TimeoutError(f"the local AWS was not ready after {START_LIMIT} seconds")
        time.sleep(0.05)
    return ready_file.read_text(encoding="utf-8").strip()
