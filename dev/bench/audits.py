"""The weekly audit: what judging costs, how near gathering comes to the quotas, no call twice, and memory."""

import json
import math

from endpoint import cheap_endpoint
from measure import POLICY_RATE
from process import CREDENTIALS, command_line, over, run, under

JUDGED, ROUNDS, CPU_SECONDS = 10_000, 10, 0.5
# The report is whole in memory, findings and all; this estate has nearly six findings a secret, which is a bad one.
SMALL, LARGE, PEAK_MIB = 2_000, 10_000, 128
# As in crates/core/src/aws/mod.rs and crates/core/src/runbook/readers/asks.rs.
SIMULATE_RATE, AT_ONCE = 4.8, 100
ONCE_A_SECRET = ["DescribeSecret", "GetResourcePolicy", "ListSecretVersionIds"]
# What is found, and what is not there, are codes of their own.
TOLD = (0, 1, 3)


def compare(release, secrets):
    return judging(release) + gathering(release, secrets) + memory(release)


def judging(release):
    def cpu(rounds):
        return min((run([release / "judge", str(JUDGED), str(rounds)], CREDENTIALS) for _ in range(3)), key=lambda one: one.cpu)

    once, more = cpu(1), cpu(1 + ROUNDS)
    cost = (more.cpu - once.cpu) / ROUNDS
    verdicts = JUDGED * json.loads(once.output)["checks"]
    print(f"\nJudging {JUDGED:,} secrets: {cost:.3f} s of CPU (limit {CPU_SECONDS}), {verdicts / cost:,.0f} checks a second")
    return over("audit: CPU s of judging", cost, CPU_SECONDS)


def gathering(release, secrets):
    with cheap_endpoint(release, secrets, "--quotas") as endpoint:
        audit = command_line(release, endpoint, "audit", "run", "weekly", wanted=TOLD, pacing="on")
        figures = endpoint.figures()
    told, counted = json.loads(audit.output)["calls"], figures["calls"]
    # Who can read what is asked last, because it takes all secrets and keys; everything else runs beside the policies.
    simulations = counted.get("iam:SimulatePrincipalPolicy", 0)
    bound = secrets / POLICY_RATE + simulations / SIMULATE_RATE
    share = bound / audit.wall
    print(f"Audit of {secrets:,} secrets, pacing on: {audit.wall:.1f} s, {100 * share:.1f} % of the bound (limit 95 %)")
    print(f"bound {bound:.1f} s: policies at {POLICY_RATE:.0f} a second, then {simulations} simulations at {SIMULATE_RATE}")
    print(f"calls: {', '.join(f'{name} {number}' for name, number in counted.items())}")
    missed = under("audit: share of the bound", share, 0.95)
    missed += over("audit: calls refused", sum(family["throttled"] for family in figures["families"].values()), 0)
    expected = {f"secretsmanager:{name}": secrets for name in ONCE_A_SECRET}
    expected |= {"secretsmanager:ListSecrets": math.ceil(secrets / 100), "iam:SimulatePrincipalPolicy": math.ceil(secrets / AT_ONCE)}
    wrong = {name: counted.get(name, 0) for name, number in expected.items() if counted.get(name, 0) != number}
    missed += [f"audit: calls that were not made once for each: {wrong}"] if wrong else []
    missed += [f"audit: calls made twice: {figures['repeated']}"] if figures["repeated"] else []
    apart = dict(set(told.items()) ^ set(counted.items()))
    return missed + ([f"audit: the report's calls are not those that the endpoint counted: {apart}"] if apart else [])


def memory(release):
    few, many = measured(release, SMALL), measured(release, LARGE)
    print(f"Pacing off: peak {few.peak_mib:.1f} MiB at {SMALL:,} secrets, {many.peak_mib:.1f} at {LARGE:,} (limit {PEAK_MIB});", end=" ")
    each = (many.peak_mib - few.peak_mib) * 1024 / (LARGE - SMALL)
    found = len(json.loads(many.output)["findings"])
    print(f"{each:.1f} KiB a secret, of which {found / LARGE:.1f} findings; {many.cpu:.2f} s of CPU")
    return over("audit: peak MiB", many.peak_mib, PEAK_MIB)


def measured(release, secrets):
    with cheap_endpoint(release, secrets) as endpoint:
        return command_line(release, endpoint, "audit", "run", "weekly", wanted=TOLD)
