"""Made-up estates of any size: the same N always gives the same secrets.

Every fifth to hundredth secret has something for the checks to find, so that a large estate is
neither all well nor all broken.
"""

from collections.abc import Iterator
from typing import Any

# Keys, bucket, topic, answers and metrics of a generated estate are those of this scenario.
BASE_SCENARIO = "goal-mandala-prod"
PREFIX = "goal-mandala-prod"


def secrets(count: int) -> Iterator[dict[str, Any]]:
    """`count` secrets in the form of a scenario file. The canary is the first, as health checks need it."""
    if count > 0:
        yield {"name": f"{PREFIX}-secrets-ops-canary", "created": "-100d", "accessed": "-0d", "kms_key": "secrets"}
    for number in range(1, count):
        yield secret(number)


def secret(number: int) -> dict[str, Any]:
    made: dict[str, Any] = {
        "name": f"{PREFIX}-service-{number:06d}",
        "created": f"-{100 + number % 900}d",
        "changed": f"-{number % 60}d",
        "accessed": f"-{number % 30}d",
        "tags": {"Project": "goal-mandala", "Environment": "prod"},
    }
    if number % 5:
        made["kms_key"] = "secrets"
    if number % 7 == 0:
        made["accessed"] = f"-{91 + number % 200}d"
    if number % 3 == 0:
        last = 95 if number % 33 == 0 else number % 30
        made["rotation"] = {"function": "goal-mandala-prod-rotation", "days": 30, "last": f"-{last}d"}
    if number % 100 == 0:
        made["policy"] = "public" if number % 1000 == 0 else "cross-account"
    return made
