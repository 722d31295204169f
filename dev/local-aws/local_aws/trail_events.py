"""Makes CloudTrail's records out of what a scenario's `trail` tells: shapes as in public samples of AWS's own logs.

CloudTrail's records are not all well-formed, and some are hostile: `fields`, `without` and `raw` of an item change a
record into any of those.
"""

import json
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from .dates import resolve
from .scenario import Scenario, check_keys
from .secrets_seed import arn_suffix
from .trail_callers import SERVICE, identity

ITEM_KEYS = {
    "event", "why", "from", "times", "every", "secret", "secrets", "each", "as", "place", "role", "session", "user",
    "root", "service", "identity", "ip", "user_agent", "error", "message", "key", "fields", "without", "raw",
}  # fmt: skip
READS = ("Get", "BatchGet", "List", "Describe", "Decrypt")
# Where a rotation event names its secret: the usual place, and those seen elsewhere.
ROTATION_PLACE = "additionalEventData.SecretId"


def build(scenario: Scenario, key_arns: dict[str, str]) -> list[dict[str, Any]]:
    """All events in the form LookupEvents answers, newest first."""
    events = []
    for number, told in enumerate(scenario.trail):
        check_keys(told, ITEM_KEYS, f"trail item {number}")
        for place, item in enumerate(one_by_one(told)):
            for turn, moment in enumerate(moments(item, scenario)):
                detail = make_detail(item, moment, f"{number}/{place}/{turn}", scenario, key_arns)
                events.append(lookup_item(detail, moment, item.get("raw")))
    return sorted(events, key=lambda event: -event["EventTime"])


def one_by_one(item: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """`each` is the same item for several secrets."""
    if "each" not in item:
        yield item
    for secret in item.get("each", []):
        yield {**item, "secret": secret}


def moments(item: dict[str, Any], scenario: Scenario) -> Iterator[float]:
    """`times` moments, `every` so often, beginning at `from`."""
    start = resolve(item["from"], scenario.now)
    step = resolve("+" + item.get("every", "1h"), scenario.now) - scenario.now.timestamp()
    for turn in range(item.get("times", 1)):
        yield start + turn * step


def make_detail(
    item: dict[str, Any], moment: float, seed: str, scenario: Scenario, key_arns: dict[str, str]
) -> dict[str, Any]:
    name = item["event"]
    caller = identity(item, scenario.account)
    detail: dict[str, Any] = {
        "eventVersion": "1.09",
        "userIdentity": caller,
        "eventTime": datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "eventSource": SERVICE,
        "eventName": name,
        "awsRegion": scenario.region,
        # A service that acts for somebody stands in place of the address.
        "sourceIPAddress": item.get("ip") or item.get("service", "203.0.113.10"),
        "userAgent": item.get("user_agent") or item.get("service", "aws-sdk-rust/1.3"),
        "requestParameters": None,
        "responseElements": None,
        "requestID": str(uuid.uuid5(uuid.NAMESPACE_OID, f"request {seed}")),
        "eventID": str(uuid.uuid5(uuid.NAMESPACE_OID, f"event {seed}")),
        "readOnly": name.startswith(READS),
        "eventType": "AwsApiCall",
        "managementEvent": True,
        "recipientAccountId": scenario.account,
        "eventCategory": "Management",
    }
    if name.startswith(("Rotation", "TestRotation")):
        detail |= rotation_event(item, scenario)
    elif name == "BatchGetSecretValue":
        detail["requestParameters"] = {"secretIdList": item["secrets"]}
    elif name == "Decrypt":
        detail |= decrypt_event(item, caller, scenario, key_arns)
    elif "secret" in item:
        detail["requestParameters"] = {"secretId": secret_id(item, scenario)}
    if "error" in item:
        detail["errorCode"] = item["error"]
        detail["errorMessage"] = item.get("message") or denial_message(caller, item)
    detail |= item.get("fields", {})
    return {key: value for key, value in detail.items() if key not in item.get("without", [])}


def secret_id(item: dict[str, Any], scenario: Scenario) -> str:
    """As the caller wrote it: by name, by ARN, or by an ARN without the six characters at its end."""
    forms = {"name": item["secret"], "arn": secret_arn(scenario, item["secret"])}
    forms["partial"] = forms["arn"][:-7]
    return str(forms[item.get("as", "name")])


def secret_arn(scenario: Scenario, name: str) -> str:
    return f"arn:aws:secretsmanager:{scenario.region}:{scenario.account}:secret:{name}-{arn_suffix(name)}"


def rotation_event(item: dict[str, Any], scenario: Scenario) -> dict[str, Any]:
    """Rotation events come from the service, and name the secret in another place."""
    part, _, key = item.get("place", ROTATION_PLACE).partition(".")
    event = {
        "userIdentity": {"accountId": scenario.account, "invokedBy": SERVICE},
        "sourceIPAddress": SERVICE,
        "userAgent": SERVICE,
        part: {key: secret_arn(scenario, item["secret"])},
        "eventType": "AwsServiceEvent",
    }
    return event | ({"errorMessage": item["message"]} if "message" in item else {})


def decrypt_event(
    item: dict[str, Any], caller: dict[str, Any], scenario: Scenario, key_arns: dict[str, str]
) -> dict[str, Any]:
    """What KMS records when Secrets Manager decrypts a value for a caller."""
    return {
        "userIdentity": caller | {"invokedBy": SERVICE},
        "eventSource": "kms.amazonaws.com",
        "sourceIPAddress": SERVICE,
        "userAgent": SERVICE,
        "requestParameters": {
            "encryptionContext": {"SecretARN": secret_arn(scenario, item["secret"])},
            "encryptionAlgorithm": "SYMMETRIC_DEFAULT",
        },
        "resources": [{"accountId": scenario.account, "type": "AWS::KMS::Key", "ARN": key_arns[item["key"]]}],
    }


def denial_message(caller: dict[str, Any], item: dict[str, Any]) -> str:
    action = f"secretsmanager:{item['event']}"
    return (
        f"User: {caller.get('arn')} is not authorized to perform: {action} on resource: {item.get('secret')} "
        f"because no identity-based policy allows the {action} action"
    )


def lookup_item(detail: dict[str, Any], moment: float, raw: str | None) -> dict[str, Any]:
    caller = detail.get("userIdentity") or {}
    item = {
        "EventId": detail.get("eventID"),
        "EventName": detail.get("eventName"),
        "ReadOnly": str(detail.get("readOnly")).lower(),
        "EventTime": moment,
        "EventSource": detail.get("eventSource"),
        "AccessKeyId": caller.get("accessKeyId"),
        "Username": str(caller.get("arn", "")).rpartition("/")[2].rpartition(":")[2] or None,
        "Resources": [
            {"ResourceType": each["type"], "ResourceName": each["ARN"]} for each in detail.get("resources", [])
        ],
        "CloudTrailEvent": json.dumps(detail) if raw is None else raw,
    }
    return {key: value for key, value in item.items() if value is not None}
