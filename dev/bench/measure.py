"""Single measurements for bench.py: a cold start, a backup, a boto3 loop. Memory and CPU are the child's own, from wait4."""

import collections
import contextlib
import http.server
import json
import os
import pathlib
import socket
import subprocess
import sys
import threading
import time

Start = collections.namedtuple("Start", "init_ms call_ms peak_mib")
Run = collections.namedtuple("Run", "cpu wall peak_mib")

# As in crates/core/src/aws/mod.rs.
POLICY_RATE = 40.0

LAMBDA = {
    "AWS_LAMBDA_FUNCTION_NAME": "bench",
    "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
    "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "256",
    "AWS_LAMBDA_LOG_LEVEL": "ERROR",
    "AWS_REGION": "ap-northeast-1",
    "AWS_ACCESS_KEY_ID": "bench",
    "AWS_SECRET_ACCESS_KEY": "bench",
}


@contextlib.contextmanager
def cheap_endpoint(release, secrets, tls_folder=None):
    command = [release / "cheap-endpoint", str(secrets)]
    if tls_folder:
        command += ["--tls", tls_folder]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        port = int(process.stdout.readline())
        yield f"https://localhost:{port}" if tls_folder else f"http://127.0.0.1:{port}"
    finally:
        process.kill()
        process.wait()


class RuntimeApi:
    """Just enough of the Lambda Runtime API, on a bare socket: hands out one event, keeps the times."""

    def __init__(self, event):
        self.event = json.dumps(event).encode()
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.address = "127.0.0.1:%d" % self.listener.getsockname()[1]
        self.first_poll = None
        self.answered = threading.Event()
        self.ask = threading.Event()
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self._talk, args=(connection,), daemon=True).start()

    def _talk(self, connection):
        with connection, connection.makefile("rb") as reader:
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
                    # The second poll: the first event is done, there is no other.
                    return
                connection.sendall(b"HTTP/1.1 202 Accepted\r\ncontent-length: 0\r\n\r\n")
                self.answered.set()

    def _send_event(self, connection):
        deadline = int((time.time() + 60) * 1000)
        head = (
            "HTTP/1.1 200 OK\r\nlambda-runtime-aws-request-id: 1\r\n"
            f"lambda-runtime-deadline-ms: {deadline}\r\n"
            "lambda-runtime-invoked-function-arn: arn:aws:lambda:ap-northeast-1:123456789012:function:bench\r\n"
            f"content-type: application/json\r\ncontent-length: {len(self.event)}\r\n\r\n"
        )
        connection.sendall(head.encode() + self.event)

    def close(self):
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
    """Spawn to first poll; then, for ours, the event's first AWS call over TLS, timed by the function itself being traced
    at the proxy: see `FirstCall`."""
    proxy = FirstCall(endpoint)
    api = RuntimeApi(HTTP_EVENT if bootstrap.name in ("hello", "api-health") else {})
    environment = {
        **LAMBDA,
        "AWS_LAMBDA_RUNTIME_API": api.address,
        "AWS_ENDPOINT_URL": proxy.url,
        "SSL_CERT_FILE": f"{folder}/ca.pem",
        "SECRETS_OPS_PACING": "off",
    }
    began = time.perf_counter()
    process = subprocess.Popen([bootstrap], env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    if bootstrap.name == "hello":
        api.answered.wait(10)
    else:
        proxy.done.wait(10)
        api.answered.wait(0.5)
    process.terminate()
    _, _, usage = os.wait4(process.pid, 0)
    process.returncode = 0
    api.close()
    proxy.close()
    call_ms = None
    if proxy.done.is_set() and api.first_poll is not None:
        call_ms = (proxy.first_answer - proxy.connected) * 1000
    return Start((api.first_poll - began) * 1000, call_ms, usage.ru_maxrss / 1024)


class FirstCall:
    """Passes bytes to the TLS endpoint and notes when the first connection began and when its first answer came back:
    the handshake and one request, seen from outside."""

    def __init__(self, endpoint):
        self.port = int(endpoint.rsplit(":", 1)[1])
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = "https://localhost:%d" % self.listener.getsockname()[1]
        self.connected = self.first_answer = None
        self.done = threading.Event()
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            first = self.connected is None
            if first:
                self.connected = time.perf_counter()
            server = socket.create_connection(("127.0.0.1", self.port))
            for end in (client, server):
                end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            threading.Thread(target=self._up, args=(client, server), daemon=True).start()
            threading.Thread(target=self._down, args=(server, client, first), daemon=True).start()

    def _up(self, client, server):
        with contextlib.suppress(OSError):
            while data := client.recv(65536):
                self.sent = True
                server.sendall(data)

    def _down(self, server, client, first):
        """TLS 1.3: the server speaks once for its handshake (and tickets), then to answer; the answer is what comes after
        the client has sent its request, its second flight."""
        heard = 0
        with contextlib.suppress(OSError):
            while data := server.recv(65536):
                heard += len(data)
                client.sendall(data)
                if first and b"\x17\x03\x03" in data[:3]:
                    self.first_answer = time.perf_counter()
                    self.done.set()

    def close(self):
        self.listener.close()


def backup(release, endpoint, pacing="off"):
    """One run of the real secrets-backup, by its own Runtime API."""
    api = RuntimeApi({"job": "backup-manual"})
    environment = {
        **LAMBDA, "AWS_LAMBDA_RUNTIME_API": api.address, "AWS_ENDPOINT_URL": endpoint, "SECRETS_OPS_PACING": pacing,
    }
    began = time.perf_counter()
    process = subprocess.Popen([release / "secrets-backup"], env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    answered = api.answered.wait(600)
    wall = time.perf_counter() - began
    process.terminate()
    output = process.stdout.read() + process.stderr.read()
    _, _, usage = os.wait4(process.pid, 0)
    process.returncode = 0
    api.close()
    if not answered or b'"JobSuccess":1' not in output:
        sys.exit(f"the backup did not succeed: {output[-500:].decode(errors='replace')}")
    return Run(usage.ru_utime + usage.ru_stime, wall, usage.ru_maxrss / 1024)


def boto3_backup(endpoint):
    """The same calls in a loop as one would write it, in a process of its own."""
    script = pathlib.Path(__file__).with_name("boto3_loop.py")
    environment = {**os.environ, **LAMBDA, "AWS_ENDPOINT_URL": endpoint, "AWS_DEFAULT_REGION": "ap-northeast-1"}
    began = time.perf_counter()
    process = subprocess.Popen([sys.executable, script], env=environment)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit("the boto3 loop failed")
    return Run(usage.ru_utime + usage.ru_stime, time.perf_counter() - began, usage.ru_maxrss / 1024)
