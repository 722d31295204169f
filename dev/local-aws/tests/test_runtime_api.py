"""The Runtime API, with a small stand-in for a Rust bootstrap."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from local_aws.runtime_api import Sandbox, invoke, invoke_at_once

# Does what the event says: echo, fail, exit or hang.
STAND_IN = f"""#!{sys.executable}
import json, os, sys, time, urllib.request as web
API = "http://" + os.environ["AWS_LAMBDA_RUNTIME_API"] + "/2018-06-01/runtime/"
def post(path, data):
    web.urlopen(web.Request(API + path, json.dumps(data).encode(), method="POST")).read()
print(json.dumps({{"level": "INFO", "message": "started"}}), flush=True)
if os.environ.get("BROKEN"):
    post("init/error", {{"errorType": "Settings", "errorMessage": "BROKEN is set"}})
    sys.exit(1)
while True:
    with web.urlopen(API + "invocation/next") as answer:
        event, headers = json.load(answer), answer.headers
    about = "invocation/" + headers["Lambda-Runtime-Aws-Request-Id"]
    if event["do"] == "fail":
        post(about + "/error", {{"errorType": "Boom", "errorMessage": "no"}})
    elif event["do"] == "exit":
        sys.exit(3)
    elif event["do"] == "hang":
        time.sleep(60)
    else:
        print("working", flush=True)
        left = int(headers["Lambda-Runtime-Deadline-Ms"]) - time.time() * 1000
        names = sorted(os.environ)
        post(about + "/response", {{"pid": os.getpid(), "left": left, "env": names,
                                   "arn": headers["Lambda-Runtime-Invoked-Function-Arn"]}})
"""
ECHO = {"do": "echo"}


@pytest.fixture(scope="module")
def bootstrap(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("audit-runner") / "bootstrap"
    path.write_text(STAND_IN)
    path.chmod(0o755)
    return path


def test_an_answer_with_deadline_name_and_logs(bootstrap: Path) -> None:
    [result] = invoke(bootstrap, [ECHO], timeout_ms=5_000, function_name="audit-runner")
    assert result.outcome == "answered"
    assert 4_000 < result.answer["left"] <= 5_000
    assert result.answer["arn"] == "arn:aws:lambda:ap-northeast-1:123456789012:function:audit-runner"
    assert result.log_records() == [{"level": "INFO", "message": "started"}]
    assert result.logs[-1] == "working"
    assert result.init_seconds > 0


def test_the_environment_is_only_what_was_given(bootstrap: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_PROFILE", "of-the-developer")
    [result] = invoke(bootstrap, [ECHO], {"ENVIRONMENT": "prod"}, endpoint="http://127.0.0.1:4566")
    names = set(result.answer["env"])
    assert {"ENVIRONMENT", "AWS_ENDPOINT_URL", "AWS_ACCESS_KEY_ID", "AWS_LAMBDA_LOG_FORMAT"} <= names
    assert not names & {"AWS_PROFILE", "HOME", "USER"}


def test_warm_calls_share_a_process(bootstrap: Path) -> None:
    first, failed, second = invoke(bootstrap, [ECHO, {"do": "fail"}, ECHO])
    assert first.answer["pid"] == second.answer["pid"]
    assert (failed.outcome, failed.error_type, failed.error_message) == ("failed", "Boom", "no")
    assert (second.init_seconds, second.logs) == (0.0, ["working"])


def test_two_at_once_are_two_processes(bootstrap: Path) -> None:
    first, second = invoke_at_once(bootstrap, [ECHO, ECHO])
    assert first.answer["pid"] != second.answer["pid"]


def test_a_timeout_kills(bootstrap: Path) -> None:
    begun = time.monotonic()
    with Sandbox(bootstrap, timeout_ms=300) as sandbox:
        assert sandbox.invoke({"do": "hang"}).outcome == "timeout"
    assert sandbox.process.returncode is not None
    assert time.monotonic() - begun < 5


def test_nothing_follows_a_process_that_ended(bootstrap: Path) -> None:
    [result] = invoke(bootstrap, [{"do": "exit"}, ECHO])
    assert (result.outcome, result.error_message) == ("exited", "exit status 3")


def test_a_failed_start_says_why(bootstrap: Path) -> None:
    [result] = invoke(bootstrap, [ECHO], {"BROKEN": "1"})
    assert (result.outcome, result.error_type, result.error_message) == ("init-failed", "Settings", "BROKEN is set")


def test_the_command_line(bootstrap: Path) -> None:
    command = [sys.executable, "-m", "local_aws.runtime_api", "--bootstrap", str(bootstrap), "--event", "-"]
    folder = Path(__file__).parent.parent
    for event, status in (('{"do": "echo"}', 0), ('{"do": "fail"}', 1)):
        done = subprocess.run(
            [*command, "--env", "A=B=C"], cwd=folder, env=os.environ, input=event, capture_output=True, text=True
        )
        assert done.returncode == status
        assert "started" in done.stderr and "started" not in done.stdout
