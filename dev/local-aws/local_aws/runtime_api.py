"""Runs a real Lambda `bootstrap` behind the Lambda Runtime API, as AWS does, and reports what it answered.

    with Sandbox("target/lambda/audit-runner/bootstrap", {"ENVIRONMENT": "prod"}) as sandbox:
        print(sandbox.invoke({"job": "daily"}).answer)

One sandbox is one process; a second event to the same sandbox is a warm call. Two sandboxes at once
are two concurrent executions. The process sees only the environment given here: a variable of the
developer's shell must not decide a test.
"""

import argparse
import json
import queue
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self

ACCOUNT, REGION = "123456789012", "ap-northeast-1"
# AWS allows ten seconds for the start.
INIT_LIMIT = 10.0
PREFIX = "/2018-06-01/runtime/"


@dataclass
class Invocation:
    """One call. `outcome` is answered, failed (the function said so), timeout, exited or init-failed."""

    outcome: str
    answer: Any = None
    error_type: str = ""
    error_message: str = ""
    logs: list[str] = field(default_factory=list)
    seconds: float = 0.0
    init_seconds: float = 0.0
    request_id: str = ""

    def log_records(self) -> list[dict[str, Any]]:
        """The log lines that are JSON objects."""
        return [json.loads(line) for line in self.logs if line.startswith("{")]


class Sandbox:
    """A running function. Use it as a context manager: it ends the process."""

    def __init__(
        self,
        bootstrap: str | Path,
        env: Mapping[str, str] | None = None,
        *,
        endpoint: str = "",
        function_name: str = "",
        timeout_ms: int = 30_000,
        memory_mb: int = 256,
    ) -> None:
        self.bootstrap = Path(bootstrap).resolve()
        self.name = function_name or self.bootstrap.parent.name
        self.timeout_ms = timeout_ms
        self.arn = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{self.name}"
        self.env = lambda_environment(self.name, memory_mb, endpoint) | dict(env or {})
        # The event that waits to be fetched, and what the process did last.
        self.events: queue.Queue[tuple[str, bytes, int] | None] = queue.Queue()
        self.done: queue.Queue[tuple[str, str, bytes, str]] = queue.Queue()
        self.polled = threading.Event()
        self.lines: list[str] = []

    def __enter__(self) -> Self:
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), handler_for(self))
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()
        self.env["AWS_LAMBDA_RUNTIME_API"] = f"127.0.0.1:{self.server.server_port}"
        self.started = time.monotonic()
        self.process = subprocess.Popen(
            [str(self.bootstrap)],
            env=self.env,
            cwd=self.bootstrap.parent,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            encoding="utf-8",
            errors="replace",
        )
        self.reader = threading.Thread(target=self.read_output, daemon=True)
        self.reader.start()
        threading.Thread(target=self.report_exit, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait()
        self.reader.join(timeout=2)
        self.events.put(None)
        self.server.shutdown()
        self.server.server_close()

    def invoke(self, event: Any) -> Invocation:
        """Send one event and wait for its end, at most until the deadline."""
        first_line = 0 if not self.polled.is_set() else len(self.lines)
        init_seconds = self.wait_for_first_poll()
        request_id = str(uuid.uuid4())
        deadline_ms = int(time.time() * 1000) + self.timeout_ms
        begun = time.monotonic()
        self.events.put((request_id, json.dumps(event).encode(), deadline_ms))
        invocation = self.wait_for_end(request_id)
        invocation.seconds = time.monotonic() - begun
        invocation.init_seconds, invocation.request_id = init_seconds, request_id
        self.wait_for_output(invocation)
        invocation.logs = self.lines[first_line:]
        return invocation

    def wait_for_first_poll(self) -> float:
        """How long the start took; 0 on a warm call."""
        if self.polled.is_set():
            return 0.0
        while not self.polled.wait(0.002):
            if self.process.poll() is not None or time.monotonic() - self.started > INIT_LIMIT:
                break
        return time.monotonic() - self.started

    def wait_for_end(self, request_id: str) -> Invocation:
        limit = time.monotonic() + self.timeout_ms / 1000
        while True:
            try:
                kind, about, body, error_type = self.done.get(timeout=max(limit - time.monotonic(), 0.001))
            except queue.Empty:
                # As AWS does: the process is killed in the middle of whatever it is doing.
                self.process.kill()
                return Invocation("timeout", error_type="Sandbox.Timedout")
            if kind == "response" and about == request_id:
                return Invocation("answered", answer=json.loads(body) if body else None)
            if kind == "error" and about == request_id:
                return failed("failed", body, error_type)
            if kind == "init-error":
                return failed("init-failed", body, error_type)
            if kind == "exit":
                return Invocation("exited", error_type="Runtime.ExitError", error_message=f"exit status {about}")

    def wait_for_output(self, invocation: Invocation) -> None:
        """The output comes by a pipe of its own, so it may be a moment behind the answer."""
        if invocation.outcome in ("timeout", "exited", "init-failed"):
            self.process.kill()
            self.reader.join(timeout=2)
        else:
            time.sleep(0.02)

    def read_output(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.append(line.rstrip("\n"))

    def report_exit(self) -> None:
        status = self.process.wait()
        self.done.put(("exit", str(status), b"", ""))


def invoke(
    bootstrap: str | Path, events: Sequence[Any], env: Mapping[str, str] | None = None, **options: Any
) -> list[Invocation]:
    """Send the events one after another to one process; after one that ended the process, none follows."""
    results: list[Invocation] = []
    with Sandbox(bootstrap, env, **options) as sandbox:
        for event in events:
            results.append(sandbox.invoke(event))
            if results[-1].outcome not in ("answered", "failed"):
                break
    return results


def invoke_at_once(
    bootstrap: str | Path, events: Sequence[Any], env: Mapping[str, str] | None = None, **options: Any
) -> list[Invocation]:
    """Send each event to a process of its own, all at the same time, as a scheduler may."""
    with ThreadPoolExecutor(len(events)) as pool:
        return list(pool.map(lambda event: invoke(bootstrap, [event], env, **options)[0], events))


def failed(outcome: str, body: bytes, error_type: str) -> Invocation:
    try:
        detail = json.loads(body)
    except ValueError:
        detail = {}
    kind = detail.get("errorType") or error_type
    return Invocation(outcome, answer=detail, error_type=kind, error_message=detail.get("errorMessage", ""))


def lambda_environment(name: str, memory_mb: int, endpoint: str) -> dict[str, str]:
    """What Lambda itself sets, and nothing from this machine. Credentials name the local account."""
    env = {
        "AWS_LAMBDA_FUNCTION_NAME": name,
        "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(memory_mb),
        "AWS_LAMBDA_LOG_GROUP_NAME": f"/aws/lambda/{name}",
        "AWS_LAMBDA_LOG_STREAM_NAME": "local",
        "AWS_LAMBDA_LOG_FORMAT": "JSON",
        "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
        "AWS_EXECUTION_ENV": "AWS_Lambda_provided.al2023",
        "AWS_REGION": REGION,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_ACCESS_KEY_ID": ACCOUNT,
        "AWS_SECRET_ACCESS_KEY": "local",
        "PATH": "/usr/local/bin:/usr/bin:/bin",
        "LANG": "en_US.UTF-8",
        "TZ": ":UTC",
    }
    return env | ({"AWS_ENDPOINT_URL": endpoint} if endpoint else {})


def handler_for(sandbox: Sandbox) -> type[BaseHTTPRequestHandler]:
    class RuntimeApi(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        # Answers are written in two small parts; without this the second waits 40 ms.
        disable_nagle_algorithm = True

        def do_GET(self) -> None:
            if self.path != PREFIX + "invocation/next":
                self.reply(404, b"{}")
                return
            sandbox.polled.set()
            item = sandbox.events.get()
            if item is None:
                self.close_connection = True
                return
            request_id, body, deadline_ms = item
            self.reply(200, body, {
                "Lambda-Runtime-Aws-Request-Id": request_id,
                "Lambda-Runtime-Deadline-Ms": str(deadline_ms),
                "Lambda-Runtime-Invoked-Function-Arn": sandbox.arn,
                "Lambda-Runtime-Trace-Id": "Root=1-00000000-000000000000000000000000;Parent=0000000000000000;Sampled=0",
            })  # fmt: skip

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            error_type = self.headers.get("Lambda-Runtime-Function-Error-Type", "")
            self.reply(202, b'{"status":"OK"}')
            request_id, _, kind = self.path.removeprefix(PREFIX + "invocation/").partition("/")
            if self.path == PREFIX + "init/error":
                request_id, kind = "", "init-error"
            sandbox.done.put((kind, request_id, body, error_type))

        def reply(self, status: int, body: bytes, headers: Mapping[str, str] | None = None) -> None:
            self.send_response(status)
            for name, value in {"Content-Type": "application/json", **(headers or {})}.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Quiet: the function's own output is what matters."""

    return RuntimeApi


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m local_aws.runtime_api", description="Run one bootstrap on one event."
    )
    parser.add_argument("--bootstrap", type=Path, required=True)
    parser.add_argument("--event", type=Path, required=True, help="JSON file, or - for standard input")
    parser.add_argument("--env", action="append", default=[], metavar="K=V", help="repeatable")
    parser.add_argument("--endpoint", default="", help="the local AWS, such as http://127.0.0.1:4566")
    parser.add_argument("--name", default="", help="function name (default: the folder of the bootstrap)")
    parser.add_argument("--timeout-ms", type=int, default=30_000)
    options = parser.parse_args()
    text = sys.stdin.read() if str(options.event) == "-" else options.event.read_text(encoding="utf-8")
    env = dict(pair.split("=", 1) for pair in options.env)
    with Sandbox(
        options.bootstrap, env, endpoint=options.endpoint, function_name=options.name, timeout_ms=options.timeout_ms
    ) as sandbox:
        result = sandbox.invoke(json.loads(text))
    for line in result.logs:
        print(line, file=sys.stderr)
    milliseconds = f"{result.seconds * 1000:.0f} ms (start {result.init_seconds * 1000:.0f} ms)"
    print(f"{result.outcome} in {milliseconds} {result.error_type} {result.error_message}".rstrip(), file=sys.stderr)
    print(json.dumps(result.answer, ensure_ascii=False, indent=2))
    return 0 if result.outcome == "answered" else 1


if __name__ == "__main__":
    sys.exit(main())
