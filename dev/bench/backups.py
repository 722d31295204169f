"""A backup by the function: beside a plain boto3 loop that makes the same calls, with ten times the secrets, and paced."""

import measure
from endpoint import cheap_endpoint
from process import over, under

SMALL, PACED, TIMES = 2_000, 400, 3


def compare(release):
    print(f"\nBackup of {SMALL:,} secrets, pacing off, beside a boto3 loop making the same calls")
    with cheap_endpoint(release, SMALL) as endpoint:
        # In turns, and the best of each: a busy moment of the machine costs CPU time too.
        runs = [(measure.backup(release, endpoint), measure.boto3_backup(endpoint)) for _ in range(TIMES)]
        ours, loop = (min(times, key=lambda run: run.cpu) for times in zip(*runs))
    with cheap_endpoint(release, 10 * SMALL) as endpoint:
        big = measure.backup(release, endpoint)
    print(f"{'':24} {'CPU s':>8} {'wall s':>8} {'peak MiB':>9}")
    for name, run in [("secrets-backup", ours), ("boto3 loop", loop), (f"secrets-backup, {10 * SMALL:,}", big)]:
        print(f"{name:24} {run.cpu:8.2f} {run.wall:8.2f} {run.peak_mib:9.1f}")
    ratio, growth = ours.cpu / loop.cpu, big.peak_mib / ours.peak_mib
    print(f"CPU {ratio:.3f} of boto3 (limit 0.1); memory at ten times the secrets x {growth:.2f} (limit 1.2)")
    missed = over("backup: CPU of boto3", ratio, 0.1) + over("backup: memory at ten times the secrets", growth, 1.2)

    with cheap_endpoint(release, PACED) as endpoint:
        slow = measure.backup(release, endpoint, pacing="on")
    rate = PACED / slow.wall
    share = rate / measure.POLICY_RATE
    print(f"pacing on, {PACED} secrets: {rate:.1f} policies a second, {100 * share:.1f} % of {measure.POLICY_RATE:.0f} (limit 95 %)")
    return missed + under("backup: share of the paced rate", share, 0.95)
