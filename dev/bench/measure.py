"""Single measurements: a cold start, a backup, a boto3 loop. Memory and CPU are the child's own."""

import collections
import contextlib
import json
import os
import pathlib
import signal
import socket
import subprocess
import sys
import threading
import time

from process import CREDENTIALS, Run, peak_mib, run

Start = collections.namedtuple("Start", "init_ms call_ms peak_mib")

# As in crates/core/src/aws/mod.rs.
POLICY_RATE = 40.0

LAMBDA = {
    "AWS_LAMBDA_FUNCTION_NAME": "bench",
    "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
    "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "256",
    "AWS_LAMBDA_LOG_LEVEL": "ERROR",
    **CREDENTIALS,
}


class RuntimeApi:
    """Just enough of the Lambda Runtime API, on a bare socket: hands out one event, keeps the times."""

    def __init__(self, event):
        self.event = json.dumps(event).encode()
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.address = "127.0.0.1:%d" % self.listener.getsockname()[1]
        self.first_poll = None
        self.answered = threading.Event()
        self.closed = threading.Event()
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self._talk, args=(connection,), daemon=True).start()

    def _talk(self, connection):
        # A function that is ended hangs up as it likes.
        with contextlib.suppress(OSError), connection, connection.makefile("rb") as reader:
            while True:
                line = reader.readline()
                if not line:
                    return
                length = 0
                while (header := reader.readline().strip()):
                    name, _, value = header.partition(b":")
                    if name.lower() == b"content-length":
                        length = int(value)
                reader.read(length)
                if b"/invocation/next" in line:
                    if self.first_poll is None:
                        self.first_poll = time.perf_counter()
                        self._send_event(connection)
                        continue
                    # There is no second event: the function waits, as it would on Lambda, until it is measured.
                    self.closed.wait(60)
                    return
                connection.sendall(b"HTTP/1.1 202 Accepted\r\ncontent-length: 0\r\n\r\n")
                self.answered.set()

    def _send_event(self, connection):
        deadline = int((time.time() + 900) * 1000)
        head = (
            "HTTP/1.1 200 OK\r\nlambda-runtime-aws-request-id: 1\r\n"
            f"lambda-runtime-deadline-ms: {deadline}\r\n"
            "lambda-runtime-invoked-function-arn: arn:aws:lambda:ap-northeast-1:123456789012:function:bench\r\n"
            f"content-type: application/json\r\ncontent-length: {len(self.event)}\r\n\r\n"
        )
        connection.sendall(head.encode() + self.event)

    def close(self):
        self.closed.set()
        self.listener.close()


# What makes each function call AWS at once, and what hello answers to.
HTTP_EVENT = {
    "version": "2.0", "routeKey": "GET /health", "rawPath": "/health", "rawQueryString": "", "headers": {},
    "requestContext": {
        "accountId": "1", "apiId": "x", "domainName": "x", "domainPrefix": "x", "requestId": "x", "routeKey": "GET /health",
        "stage": "$default", "time": "01/Jan/2026:00:00:00 +0000", "timeEpoch": 0,
        "http": {"method": "GET", "path": "/health", "protocol": "HTTP/1.1", "sourceIp": "127.0.0.1", "userAgent": "x"},
    },
    "isBase64Encoded": False,
}


def cold_start(bootstrap, endpoint, folder):
    """Spawn to first poll; then, for ours, from the event to the first AWS call's answer: clients, TLS roots, handshake
    and one request."""
    api = RuntimeApi(HTTP_EVENT if bootstrap.name in ("hello", "api-health") else {})
    environment = {
        **LAMBDA,
        "AWS_LAMBDA_RUNTIME_API": api.address,
        "AWS_ENDPOINT_URL": endpoint.url,
        "SSL_CERT_FILE": f"{folder}/ca.pem",
        "SECRETS_OPS_PACING": "off",
    }
    endpoint.forget()
    began = time.perf_counter()
    process = subprocess.Popen([bootstrap], env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    first_answer = None if bootstrap.name == "hello" else endpoint.first_answer(10)
    # Some of what the cheap endpoint answers is no answer to the audit; its memory counts all the same.
    api.answered.wait(10 if bootstrap.name in ("hello", "api-health", "secrets-backup", "rotation-checker") else 1)
    peak = peak_mib(process.pid)
    process.kill()
    process.wait()
    api.close()
    call_ms = (first_answer - api.first_poll) * 1000 if first_answer else None
    return Start((api.first_poll - began) * 1000, call_ms, peak)


def backup(release, endpoint, pacing="off"):
    """One run of the real secrets-backup, by its own Runtime API."""
    api = RuntimeApi({"job": "backup-manual"})
    environment = {
        **LAMBDA, "AWS_LAMBDA_RUNTIME_API": api.address, "AWS_ENDPOINT_URL": endpoint.url, "SECRETS_OPS_PACING": pacing,
    }
    began = time.perf_counter()
    process = subprocess.Popen([release / "secrets-backup"], env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    answered = api.answered.wait(600)
    wall = time.perf_counter() - began
    peak = peak_mib(process.pid)
    process.send_signal(signal.SIGKILL)
    output = process.stdout.read()
    _, _, usage = os.wait4(process.pid, 0)
    process.returncode = 0
    api.close()
    if not answered or b'"JobSuccess":1' not in output:
        sys.exit(f"the backup did not succeed: {output[-500:].decode(errors='replace')}")
    return Run(usage.ru_utime + usage.ru_stime, wall, peak, 0, "")


def boto3_backup(endpoint):
    """The same calls in a loop as one would write it, in a process of its own."""
    script = pathlib.Path(__file__).with_name("boto3_loop.py")
    environment = {**os.environ, **LAMBDA, "AWS_ENDPOINT_URL": endpoint.url, "AWS_DEFAULT_REGION": "ap-northeast-1"}
    loop = run([sys.executable, script], environment)
    if loop.status:
        sys.exit(f"the boto3 loop failed: {loop.output[-500:]}")
    return loop
