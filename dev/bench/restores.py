"""A restore below the quotas: as fast as the slowest family of calls allows, and never faster."""

import json
import pathlib
import tempfile

from endpoint import cheap_endpoint
from estates import backup
from process import command_line, over, under

# https://docs.aws.amazon.com/secretsmanager/latest/userguide/reference_limits.html
QUOTA = 50
FAMILIES = ["CreateSecret", "ResourcePolicy", "ListSecretVersionIds"]


def pace(release, secrets):
    with tempfile.TemporaryDirectory() as folder:
        plan = pathlib.Path(folder) / "plan.json"
        archive, _ = backup(release, folder, secrets)
        # Secrets without values and rotation functions that are not there are told, which is a code of its own.
        told = (0, 1, 3)
        with cheap_endpoint(release, secrets, "--empty") as endpoint:
            command_line(release, endpoint, "restore", "plan", archive, "-o", plan, wanted=told)
        approval = json.loads(plan.read_text())["hash"]
        # Another endpoint, so that only what is applied is counted.
        with cheap_endpoint(release, secrets, "--empty", "--quotas") as endpoint:
            apply = ["restore", "apply", plan, "--approve", approval]
            run = command_line(release, endpoint, *apply, wanted=told, pacing="on")
            figures = endpoint.figures()
    share = secrets / QUOTA / run.wall
    families = {name: counted for name, counted in figures["families"].items() if name in FAMILIES}
    print(f"\nRestore of {secrets:,} secrets without values, pacing on, against AWS's quotas")
    print(f"{run.wall:.1f} s, {100 * share:.1f} % of what {QUOTA} CreateSecret a second allow (limit 95 %); peak {run.peak_mib:.1f} MiB")
    missed = under("restore: share of the quota", share, 0.95)
    for name, counted in families.items():
        most = counted["most_in_a_second"]
        print(f"{name:22} {counted['calls']:6} calls, {most} at most in any second (limit {QUOTA}), {counted['throttled']} refused")
        # A window of a second catches one call more now and then, as the clock falls; AWS refuses by a bucket, and so does
        # the endpoint.
        missed += over(f"restore: {name} in one second", most, QUOTA + 1) + over(f"restore: {name} refused", counted["throttled"], 0)
    return missed if figures["created"] == secrets else [*missed, f"restore: {figures['created']} secrets were made"]
