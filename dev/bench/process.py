"""Runs commands to their end and measures them; the programs that are measured, and what they are given."""

import collections
import os
import pathlib
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
Run = collections.namedtuple("Run", "cpu wall peak_mib status output")

CREDENTIALS = {"AWS_REGION": "ap-northeast-1", "AWS_ACCESS_KEY_ID": "bench", "AWS_SECRET_ACCESS_KEY": "bench"}


def run(command, environment):
    """CPU, wall time and peak of a command that ends by itself."""
    with tempfile.NamedTemporaryFile("r") as figures:
        # Isolated and without site packages, so that it is smaller than anything that is measured.
        helper = [sys.executable, "-I", "-S", pathlib.Path(__file__).with_name("measured.py"), figures.name]
        done = subprocess.run([*helper, *command], env=environment, stdin=subprocess.DEVNULL, capture_output=True)
        cpu, wall, peak = map(float, figures.read().split())
    return Run(cpu, wall, peak, done.returncode, (done.stdout + done.stderr).decode(errors="replace"))


def command_line(release, endpoint, *words, wanted=(0,), pacing="off", **settings):
    """The real `secrets-ops`; ends the benchmark unless the command ends as `wanted`."""
    environment = {
        **CREDENTIALS, "AWS_EC2_METADATA_DISABLED": "true", "AWS_ENDPOINT_URL": endpoint.url if endpoint else "",
        "HOME": "/nonexistent", "SECRETS_OPS_LANG": "en", "SECRETS_OPS_OUTPUT": "json", "SECRETS_OPS_PACING": pacing,
        **settings,
    }  # fmt: skip
    done = run([release / "secrets-ops", *map(str, words)], environment)
    if done.status not in wanted:
        sys.exit(f"secrets-ops {words[0]} {words[1]} ended with {done.status}: {done.output[-1000:]}")
    return done


def peak_mib(pid):
    """The highest the process itself has had. Not ru_maxrss, which a child starts with its parent's."""
    status = pathlib.Path(f"/proc/{pid}/status").read_text()
    return int(next(line.split()[1] for line in status.splitlines() if line.startswith("VmHWM"))) / 1024


def over(what, value, limit):
    return [f"{what} is {value:.2f}, wanted at most {limit}"] if value > limit else []


def under(what, value, limit):
    return [f"{what} is {value:.3f}, wanted at least {limit}"] if value < limit else []
