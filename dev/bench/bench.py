"""Measures what the documents promise, in one run, and prints ratios.

Cold starts: each bootstrap beside a hello-world built the same way, from spawn to the first poll of the Runtime API, then
the first AWS call over TLS and the peak of memory. Backup: N generated secrets from an endpoint that is cheap to answer,
beside a plain boto3 loop that makes the same calls. Wall times depend on the machine; the ratios much less.
"""

import argparse
import pathlib
import statistics
import subprocess
import sys
import tempfile

import measure

ROOT = pathlib.Path(__file__).resolve().parents[2]
RELEASE = ROOT / "target/release"
FUNCTIONS = ["api-health", "secrets-backup", "rotation-checker", "audit-runner"]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--starts", type=int, default=20, help="cold starts of each bootstrap")
    parser.add_argument("--secrets", type=int, default=2000, help="secrets of the smaller backup")
    options = parser.parse_args()
    missed = cold_starts(options.starts) + backups(options.secrets)
    for line in missed:
        print(f"MISSED  {line}")
    sys.exit(1 if missed else 0)


def cold_starts(times):
    print(f"\nCold start (median of {times})")
    print(f"{'':18} {'init ms':>8} {'x hello':>8} {'1st TLS call ms':>16} {'peak MiB':>9} {'size MB':>8}")
    missed = []
    with tempfile.TemporaryDirectory() as folder, measure.cheap_endpoint(RELEASE, 10, folder) as endpoint:
        # Alternating, so that a busy moment of the machine meets all alike.
        starts = {name: [] for name in ["hello", *FUNCTIONS]}
        for _ in range(times):
            for name in starts:
                starts[name].append(measure.cold_start(RELEASE / name, endpoint, folder))
        hello = statistics.median(start.init_ms for start in starts["hello"])
        for name, measured in starts.items():
            init = statistics.median(start.init_ms for start in measured)
            peak = max(start.peak_mib for start in measured)
            size = (RELEASE / name).stat().st_size / 1e6
            calls = [start.call_ms for start in measured if start.call_ms is not None]
            call = statistics.median(calls) if calls else None
            shown = f"{call:16.1f}" if call is not None else f"{'-':>16}"
            print(f"{name:18} {init:8.2f} {init / hello:8.2f} {shown} {peak:9.1f} {size:8.2f}")
            if name == "hello":
                continue
            limit = 1.5 if name == "api-health" else 2.0
            missed += over(f"{name}: init x hello", init / hello, limit)
            missed += over(f"{name}: peak MiB", peak, 20)
            missed += over(f"{name}: size MB", size, 8)
            missed += over(f"{name}: first TLS call ms", call, 10) if call is not None else [f"{name}: no TLS call seen"]
    return missed


def backups(small):
    large = 10 * small
    print(f"\nBackup of {small} secrets, pacing off, beside a boto3 loop making the same calls")
    with measure.cheap_endpoint(RELEASE, small) as endpoint:
        # One uncounted run each: the first pays for a cold page cache.
        measure.backup(RELEASE, endpoint)
        ours = measure.backup(RELEASE, endpoint)
        loop = measure.boto3_backup(endpoint)
        print(f"{'':18} {'CPU s':>8} {'wall s':>8} {'peak MiB':>9}")
        print(f"{'secrets-backup':18} {ours.cpu:8.2f} {ours.wall:8.2f} {ours.peak_mib:9.1f}")
        print(f"{'boto3 loop':18} {loop.cpu:8.2f} {loop.wall:8.2f} {loop.peak_mib:9.1f}")
        print(f"CPU ratio {ours.cpu / loop.cpu:.3f} of boto3")
        missed = over("backup: CPU of boto3", ours.cpu / loop.cpu, 0.1)

    with measure.cheap_endpoint(RELEASE, large) as endpoint:
        big = measure.backup(RELEASE, endpoint)
    print(f"\nBackup of {large} secrets: {big.cpu:.2f} CPU s, {big.wall:.2f} wall s, peak {big.peak_mib:.1f} MiB")
    print(f"memory ratio {big.peak_mib / ours.peak_mib:.2f} of {small} secrets")
    missed += over("backup: memory at ten times the secrets", big.peak_mib / ours.peak_mib, 1.2)

    paced = 400
    with measure.cheap_endpoint(RELEASE, paced) as endpoint:
        slow = measure.backup(RELEASE, endpoint, pacing="on")
    share = paced / slow.wall / measure.POLICY_RATE
    print(f"\nPacing on, {paced} secrets: {paced / slow.wall:.1f} policies a second, {100 * share:.1f} % of {measure.POLICY_RATE:.0f}")
    if share < 0.95:
        missed.append(f"pacing: {100 * share:.1f} %, wanted at least 95 %")
    return missed


def over(what, value, limit):
    return [f"{what} is {value:.2f}, wanted at most {limit}"] if value > limit else []


if __name__ == "__main__":
    main()
