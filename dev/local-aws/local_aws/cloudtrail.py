"""CloudTrail LookupEvents: the past that a scenario tells.

Only the scenario's events are shown. CloudTrail is minutes late, so a run never sees its own calls.
"""

import base64
import json
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from .dates import DAY, resolve
from .errors import error_response
from .scenario import Scenario, check_keys
from .secrets_seed import arn_suffix
from .state import State
from .wire import Forward, Request, Response, json_response

PAGE = 50
DAYS_KEPT = 90
SERVICE = "secretsmanager.amazonaws.com"
ITEM_KEYS = {
    "event", "why", "from", "times", "every", "secret", "secrets", "role", "session", "user", "root",
    "ip", "error", "message", "key",
}  # fmt: skip


def build(scenario: Scenario, key_arns: dict[str, str]) -> list[dict[str, Any]]:
    """All events in the form LookupEvents answers, newest first."""
    events = []
    for number, item in enumerate(scenario.trail):
        check_keys(item, ITEM_KEYS, f"trail item {number}")
        for turn, moment in enumerate(moments(item, scenario)):
            detail = make_detail(item, moment, f"{number}/{turn}", scenario, key_arns)
            events.append(lookup_item(detail, moment))
    return sorted(events, key=lambda event: -event["EventTime"])


def moments(item: dict[str, Any], scenario: Scenario) -> Iterator[float]:
    """`times` moments, `every` so often, beginning at `from`."""
    start = resolve(item["from"], scenario.now)
    step = resolve("+" + item.get("every", "1h"), scenario.now) - scenario.now.timestamp()
    for turn in range(item.get("times", 1)):
        yield start + turn * step


def make_detail(
    item: dict[str, Any], moment: float, seed: str, scenario: Scenario, key_arns: dict[str, str]
) -> dict[str, Any]:
    """The event record itself: shapes as seen in public samples of AWS's own logs."""
    name = item["event"]
    detail: dict[str, Any] = {
        "eventVersion": "1.09",
        "userIdentity": identity(item, scenario.account),
        "eventTime": datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "eventSource": SERVICE,
        "eventName": name,
        "awsRegion": scenario.region,
        "sourceIPAddress": item.get("ip", "203.0.113.10"),
        "userAgent": "aws-sdk-rust/1.3",
        "requestParameters": None,
        "responseElements": None,
        "requestID": str(uuid.uuid5(uuid.NAMESPACE_OID, f"request {seed}")),
        "eventID": str(uuid.uuid5(uuid.NAMESPACE_OID, f"event {seed}")),
        "readOnly": True,
        "eventType": "AwsApiCall",
        "managementEvent": True,
        "recipientAccountId": scenario.account,
        "eventCategory": "Management",
    }
    if name.startswith(("Rotation", "TestRotation")):
        detail |= service_event(item, scenario)
    elif name == "BatchGetSecretValue":
        detail["requestParameters"] = {"secretIdList": item["secrets"]}
    elif name == "Decrypt":
        detail |= decrypt_event(item, scenario, key_arns)
    elif "secret" in item:
        detail["requestParameters"] = {"secretId": item["secret"]}
    if not name.startswith(("Get", "BatchGet", "List", "Describe", "Decrypt")):
        detail["readOnly"] = False
    if "error" in item:
        detail["errorCode"] = item["error"]
        detail["errorMessage"] = item.get("message") or denial_message(detail["userIdentity"], item)
    return detail


def identity(item: dict[str, Any], account: str) -> dict[str, Any]:
    if item.get("root"):
        arn = f"arn:aws:iam::{account}:root"
        return {"type": "Root", "principalId": account, "arn": arn, "accountId": account, "accessKeyId": "ASIAROOT"}
    if "user" in item:
        arn = f"arn:aws:iam::{account}:user/{item['user']}"
        return {
            "type": "IAMUser", "principalId": "AIDAEXAMPLE", "arn": arn, "accountId": account,
            "accessKeyId": "AKIAEXAMPLE", "userName": item["user"],
        }  # fmt: skip
    if "role" not in item:
        return {"accountId": account, "invokedBy": SERVICE}
    role, session = item["role"], item.get("session", item["role"])
    return {
        "type": "AssumedRole",
        "principalId": f"AROAEXAMPLE:{session}",
        "arn": f"arn:aws:sts::{account}:assumed-role/{role}/{session}",
        "accountId": account,
        "accessKeyId": "ASIAEXAMPLE",
        "sessionContext": {
            "sessionIssuer": {
                "type": "Role",
                "principalId": "AROAEXAMPLE",
                "arn": f"arn:aws:iam::{account}:role/{role}",
                "accountId": account,
                "userName": role,
            }
        },
    }


def service_event(item: dict[str, Any], scenario: Scenario) -> dict[str, Any]:
    """Rotation events come from the service, and name the secret in another place."""
    arn = secret_arn(scenario, item["secret"])
    event = {
        "userIdentity": {"accountId": scenario.account, "invokedBy": SERVICE},
        "sourceIPAddress": SERVICE,
        "userAgent": SERVICE,
        "additionalEventData": {"SecretId": arn},
        "eventType": "AwsServiceEvent",
    }
    return event | ({"errorMessage": item["message"]} if "message" in item else {})


def decrypt_event(item: dict[str, Any], scenario: Scenario, key_arns: dict[str, str]) -> dict[str, Any]:
    """What KMS records when Secrets Manager decrypts a value for a caller."""
    key_arn = key_arns[item["key"]]
    return {
        "userIdentity": identity(item, scenario.account) | {"invokedBy": SERVICE},
        "eventSource": "kms.amazonaws.com",
        "sourceIPAddress": SERVICE,
        "userAgent": SERVICE,
        "requestParameters": {
            "encryptionContext": {"SecretARN": secret_arn(scenario, item["secret"])},
            "encryptionAlgorithm": "SYMMETRIC_DEFAULT",
        },
        "resources": [{"accountId": scenario.account, "type": "AWS::KMS::Key", "ARN": key_arn}],
    }


def denial_message(caller: dict[str, Any], item: dict[str, Any]) -> str:
    action = f"secretsmanager:{item['event']}"
    return (
        f"User: {caller.get('arn')} is not authorized to perform: {action} on resource: {item.get('secret')} "
        f"because no identity-based policy allows the {action} action"
    )


def secret_arn(scenario: Scenario, name: str) -> str:
    return f"arn:aws:secretsmanager:{scenario.region}:{scenario.account}:secret:{name}-{arn_suffix(name)}"


def lookup_item(detail: dict[str, Any], moment: float) -> dict[str, Any]:
    caller = detail["userIdentity"]
    item = {
        "EventId": detail["eventID"],
        "EventName": detail["eventName"],
        "ReadOnly": str(detail["readOnly"]).lower(),
        "EventTime": moment,
        "EventSource": detail["eventSource"],
        "Resources": [
            {"ResourceType": each["type"], "ResourceName": each["ARN"]} for each in detail.get("resources", [])
        ],
        "CloudTrailEvent": json.dumps(detail),
    }
    if "accessKeyId" in caller:
        item["AccessKeyId"] = caller["accessKeyId"]
    if "arn" in caller:
        item["Username"] = caller["arn"].rpartition("/")[2].rpartition(":")[2]
    return item


async def lookup_events(request: Request, state: State, forward: Forward) -> Response:
    params = request.params
    size = params.get("MaxResults", PAGE)
    if not 1 <= size <= PAGE:
        return error_response(request, "InvalidMaxResultsException", "MaxResults must be between 1 and 50.")
    if len(params.get("LookupAttributes", [])) > 1:
        return error_response(request, "InvalidLookupAttributesException", "You can specify only one lookup attribute.")
    try:
        start = int(base64.b64decode(params.get("NextToken", "MA=="), validate=True))
    except ValueError:
        return error_response(request, "InvalidNextTokenException", "Invalid NextToken.")
    oldest = max(params.get("StartTime", 0), state.scenario.now.timestamp() - DAYS_KEPT * DAY)
    newest = params.get("EndTime", float("inf"))
    found = [
        event
        for event in state.events
        if oldest <= event["EventTime"] <= newest
        and all(has_attribute(event, wanted) for wanted in params.get("LookupAttributes", []))
    ]
    answer: dict[str, Any] = {"Events": found[start : start + size]}
    if start + size < len(found):
        answer["NextToken"] = base64.b64encode(str(start + size).encode()).decode()
    return json_response(answer)


def has_attribute(event: dict[str, Any], wanted: dict[str, str]) -> bool:
    key, value = wanted["AttributeKey"], wanted["AttributeValue"]
    if key.startswith("Resource"):
        return any(resource[key] == value for resource in event["Resources"])
    return event.get(key) == value


READS = {"cloudtrail.LookupEvents": lookup_events}
