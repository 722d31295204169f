"""The cheap endpoint of src/endpoint, started and asked."""

import contextlib
import json
import queue
import subprocess
import threading
import time
import urllib.request

import process


class Endpoint:
    """An endpoint's URL, when it last answered the first request of a connection, and what it has counted."""

    def __init__(self, url, child):
        self.url = url
        self.child = child
        self.answers = queue.SimpleQueue()
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self):
        for _ in self.child.stdout:
            self.answers.put(time.perf_counter())

    def forget(self):
        while not self.answers.empty():
            self.answers.get()

    def first_answer(self, seconds):
        with contextlib.suppress(queue.Empty):
            return self.answers.get(timeout=seconds)
        return None

    def figures(self):
        with urllib.request.urlopen(f"{self.url}/_figures") as answer:
            return json.load(answer)

    def expire_tokens(self):
        urllib.request.urlopen(f"{self.url}/_expire-tokens", data=b"").close()

    def peak_mib(self):
        return process.peak_mib(self.child.pid)


@contextlib.contextmanager
def cheap_endpoint(release, secrets, *options, tls_folder=None):
    tls = ["--tls", tls_folder] if tls_folder else []
    command = [release / "cheap-endpoint", secrets, *options, *tls]
    child = subprocess.Popen([str(word) for word in command], stdout=subprocess.PIPE, text=True)
    try:
        port = int(child.stdout.readline())
        yield Endpoint(f"https://localhost:{port}" if tls_folder else f"http://127.0.0.1:{port}", child)
    finally:
        child.kill()
        child.wait()
