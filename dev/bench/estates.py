"""Backup, verification and comparison of a large estate by the command line: memory that does not grow, CPU that is bounded."""

import json
import sys
import tempfile

from endpoint import cheap_endpoint
from process import command_line, over

PEAK_MIB, VERIFY_CPU_SECONDS = 48, 10
# A comparison knows each secret of the first backup by some 70 bytes, the others by 16.
GROWTH = {"backup diff": 2.0}
# Every so many-th secret is another in the second backup, and the last ones are gone.
CHANGED, GONE = 1_000, 10


def compare(release, large):
    small = large // 10
    few, many = measured(release, small), measured(release, large)
    print(f"\nThe command line at {large:,} secrets, pacing off; memory beside that at {small:,}")
    print(f"{'':18} {'CPU s':>8} {'wall s':>8} {'peak MiB':>9} {'x small':>8}")
    missed = []
    for name, run in many.items():
        growth = run.peak_mib / few[name].peak_mib
        print(f"{name:18} {run.cpu:8.2f} {run.wall:8.2f} {run.peak_mib:9.1f} {growth:8.2f}")
        missed += over(f"{name}: peak MiB", run.peak_mib, PEAK_MIB)
        missed += over(f"{name}: memory at ten times the secrets", growth, GROWTH.get(name, 1.3))
    missed += over("backup verify: CPU s", many["backup verify"].cpu, VERIFY_CPU_SECONDS)
    print(f"limits: {PEAK_MIB} MiB, x 1.3 (diff x 2), {VERIFY_CPU_SECONDS} CPU s for verify")
    return missed


def measured(release, secrets):
    """One run of each command, against backups that it makes itself."""
    with tempfile.TemporaryDirectory() as folder:
        old, run = backup(release, folder, secrets)
        new, _ = backup(release, folder, secrets - GONE, "--changed", CHANGED)
        verified = command_line(release, None, "backup", "verify", old)
        compared = command_line(release, None, "backup", "diff", old, new, wanted=(0, 1))
    # One item tells of both backups together.
    found, wanted = len(json.loads(compared.output)["items"]) - 1, len(range(0, secrets - GONE, CHANGED)) + GONE
    if found != wanted:
        sys.exit(f"backup diff found {found} differing secrets, not {wanted}: {compared.output[:500]}")
    return {"backup run": run, "backup verify": verified, "backup diff": compared}


def backup(release, folder, secrets, *options):
    """The archive's path, and what it took."""
    with cheap_endpoint(release, secrets, *options) as endpoint:
        run = command_line(release, endpoint, "backup", "run", "--to", folder)
    answer = json.loads(run.output)
    archive = next(item["subject"] for item in answer["items"] if item["subject"].endswith(".tar.gz"))
    return archive, run
