"""A large estate's backup in chunks: the real function behind a Runtime API, called as the state machine of template.yaml
calls it, against an endpoint that enforces AWS's quotas, in a time that passes `speed` times as fast.

Tokens of the list expire before the second chunk and before a late one, and one in between is killed in the middle.
"""

import collections
import json
import math
import pathlib
import sys
import tempfile
import threading
import time

from endpoint import cheap_endpoint
from every_secret import how_often
from process import ROOT, command_line, over, peak_mib

# Run from its folder, never installed.
sys.path.insert(0, str(ROOT / "dev/local-aws"))
from local_aws.runtime_api import Sandbox  # noqa: E402

SPEED = 20.0
# Calls a second: what AWS allows of each family, and what is asked of the function.
QUOTA, RATE = 50, 49
# Seconds, as in template.yaml: the function's time-out, and how long the state machine waits.
TIMEOUT, AFTER_FAILURE, WHILE_BUSY = 900, 30, 60
# Of the bound; and of the function's memory.
LATE, PEAK_MIB = 1.05, 48
BUCKET = "bench-backups"

Result = collections.namedtuple("Result", "answer chunks seconds lost peak_mib")


def simulate(release, secrets, speed):
    # A small estate would fit into one invocation; with a shorter one it takes some.
    timeout = TIMEOUT if secrets > 200_000 else TIMEOUT / 3
    print(f"\nBackup of {secrets:,} secrets in chunks of {timeout:.0f} s, {speed:g} times as fast as AWS's time")
    with tempfile.TemporaryDirectory() as folder:
        options = ["--quotas", "--speed", speed, "--objects", folder]
        with cheap_endpoint(release, secrets, *options) as endpoint:
            machine = Machine(release, endpoint, speed, timeout, secrets / RATE / timeout)
            result = machine.run()
            figures, endpoint_peak = endpoint.figures(), endpoint.peak_mib()
        manifest = pathlib.Path(folder) / BUCKET / result.answer["artefacts"][-1]
        archive = manifest.with_name(manifest.name.replace(".manifest.json", ".tar.gz"))
        verified = command_line(release, None, "backup", "verify", archive, wanted=(0, 1, 3))
        # An estate that fits into one chunk has no parts.
        parts = json.loads(manifest.read_text()).get("parts") or [{"path": archive.name}]
        found = how_often([manifest.parent / part["path"] for part in parts], secrets)
    return told(secrets, speed, result, figures, endpoint_peak, verified, found)


def told(secrets, speed, result, figures, endpoint_peak, verified, found):
    bound = secrets / QUOTA / speed
    # What a chunk costs at its beginning and end weighs more where chunks are short.
    late = LATE if secrets >= 500_000 else 1.1
    net = result.seconds - result.lost
    rate = secrets / net / speed
    refused = {name: counted["throttled"] for name, counted in figures["families"].items()}
    counts = result.answer["counts"]
    faults = json.loads(verified.output)["findings"]
    print(f"{net:.1f} s where {QUOTA} a second allow {bound:.1f} s: {100 * net / bound:.1f} % (limit {100 * late:.0f} %); {result.lost:.1f} s more by the kill")
    print(f"on AWS {duration(net * speed)}, {rate:.1f} secrets a second; {result.chunks} chunks; refused calls: {refused}")
    print(f"tokens refused: {figures['refused_tokens']}; peak {result.peak_mib:.1f} MiB (limit {PEAK_MIB}), endpoint {endpoint_peak:.1f} MiB")
    print(f"listed {counts['listed']}, described {counts['described']}, written {counts['written']}; in the archives {found[0]}, of them different {found[1]}")
    print(f"backup verify: {len(faults)} faults, status {verified.status}, {verified.cpu:.1f} CPU s, peak {verified.peak_mib:.1f} MiB")
    missed = over("simulation: time against the bound", net / bound, late) + over("simulation: peak MiB", result.peak_mib, PEAK_MIB)
    missed += over("simulation: peak MiB of verify", verified.peak_mib, PEAK_MIB)
    each = [counts["listed"], counts["described"], counts["written"], *found]
    if each != [secrets] * 5 or counts["gaps"]:
        missed.append(f"simulation: not every secret exactly once: {each} of {secrets}, {counts['gaps']} gaps")
    if verified.status or faults or not result.answer["success"]:
        missed.append(f"simulation: the backup is not whole: {verified.output[:500]}")
    # Otherwise this would not have shown what it is for.
    return missed if figures["refused_tokens"] else [*missed, "simulation: no token has expired"]


class Machine:
    """What BackUpChunk and its neighbours do in template.yaml; its waits pass as fast as all else."""

    def __init__(self, release, endpoint, speed, timeout, expected):
        self.release, self.endpoint, self.speed = release, endpoint, speed
        self.timeout = timeout / speed
        chunks = math.ceil(expected)
        self.killed = chunks // 2 + 1
        # The one that is killed keeps its token: what it has lost is lost by that alone.
        self.expired = {2, 3 * chunks // 4} - {self.killed}
        self.sandbox = None
        self.peak_mib = 0.0

    def run(self):
        event = json.loads((ROOT / "events/secrets-backup/chunk-first.json").read_text())
        began = time.monotonic()
        chunks, lost = 0, 0.0
        while True:
            chunks += 1
            if chunks in self.expired:
                self.endpoint.expire_tokens()
            first = time.monotonic()
            if chunks == self.killed:
                self.kill_in_the_middle(event)
                self.wait(AFTER_FAILURE)
            answer, attempt = self.answer(event)
            lost += attempt - first
            if answer.get("more") is None:
                self.end()
                return Result(answer, chunks, time.monotonic() - began, lost, self.peak_mib)
            if answer["more"]["part"] <= chunks:
                sys.exit(f"the function goes in circles: {answer}")
            event = {**event, "chunk": answer["more"]}

    def answer(self, event):
        """The answer, and when the attempt began that gave it: the marker of one that was killed keeps others away until
        its time is up."""
        while True:
            attempt = time.monotonic()
            invocation = self.invoke(event)
            answer = invocation.answer
            if invocation.outcome != "answered":
                sys.exit(f"a chunk {invocation.outcome}: {invocation.error_message} {invocation.logs[-3:]}")
            if answer["status"] != "already-done" or answer["success"] or answer["artefacts"]:
                return answer, attempt
            self.wait(WHILE_BUSY)

    def invoke(self, event):
        if self.sandbox is None:
            settings = {
                "SECRETS_OPS_BUCKET": BUCKET,
                "SECRETS_OPS_POLICY_RATE": str(RATE * self.speed),
                "AWS_LAMBDA_LOG_LEVEL": "ERROR",
            }
            self.sandbox = Sandbox(
                self.release / "secrets-backup", settings, endpoint=self.endpoint.url, function_name="secrets-backup",
                timeout_ms=int(self.timeout * 1000),
            )  # fmt: skip
            self.sandbox.__enter__()
        invocation = self.sandbox.invoke(event)
        if invocation.outcome == "answered":
            self.note_peak()
        return invocation

    def kill_in_the_middle(self, event):
        at_work = threading.Thread(target=self.invoke, args=(event,))
        at_work.start()
        time.sleep(self.timeout / 2)
        self.note_peak()
        self.sandbox.process.kill()
        at_work.join()
        self.end()

    def note_peak(self):
        self.peak_mib = max(self.peak_mib, peak_mib(self.sandbox.process.pid))

    def end(self):
        self.sandbox.__exit__()
        self.sandbox = None

    def wait(self, seconds):
        time.sleep(seconds / self.speed)


def duration(seconds):
    return f"{seconds // 3600:.0f} h {seconds % 3600 / 60:.0f} min"
