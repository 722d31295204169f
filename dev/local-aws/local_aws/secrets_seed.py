"""Puts the secrets of a scenario into the store, as fast as memory allows.

Every value holds a marked text, so that a test can search logs, reports and objects for it.
"""

import base64
import hashlib
import json
import re
import string
import uuid
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from . import secrets_store as store
from .dates import DAY, midnight, resolve
from .generated import secrets as generated_secrets
from .scenario import Scenario, check_keys

ITEM_KEYS = {
    "name", "why", "description", "tags", "kms_key", "type", "value", "binary", "no_value",
    "created", "changed", "accessed", "deleted", "rotation", "versions", "deprecated", "policy",
    "owning_service", "primary_region", "replicas", "external",
}  # fmt: skip
ROTATION_KEYS = {"function", "days", "schedule", "duration", "last", "next", "enabled"}
VERSION_KEYS = {"stages", "created", "accessed"}
# A day in a tag's value, such as {day:+30d}.
DAY_IN_TAG = re.compile(r"\{day:([^}]+)\}")
ALPHABET = string.ascii_letters + string.digits


def marked_value(name: str) -> str:
    return f"CANARY-VALUE-{name}-DO-NOT-LEAK"


def seed(scenario: Scenario, items: Iterable[dict[str, Any]], key_arns: dict[str, str]) -> int:
    count = 0
    for item in items:
        check_keys(item, ITEM_KEYS, f"secret {item.get('name')!r}")
        record = make_record(scenario, item, key_arns)
        store.put(scenario.account, scenario.region, record)
        if policy := item.get("policy"):
            store.put_policy(scenario.account, scenario.region, record["ARN"], policy_text(policy, record["ARN"]))
        count += 1
    return count


def seed_all(scenario: Scenario, key_arns: dict[str, str]) -> int:
    made = generated_secrets(scenario.generate)
    return seed(scenario, scenario.secrets, key_arns) + seed(scenario, made, key_arns)


def make_record(scenario: Scenario, item: dict[str, Any], key_arns: dict[str, str]) -> store.Record:
    """The form ministack keeps a secret in; what it has no field for goes to "_extra"."""
    name = item["name"]
    created = date(scenario, item.get("created", "-30d"))
    # A rotation, like the creation, makes the current version and changes the secret.
    made = date(scenario, item.get("rotation", {}).get("last", item.get("created", "-30d")))
    changed = date(scenario, item["changed"]) if "changed" in item else max(created, made)
    arn = f"arn:aws:secretsmanager:{scenario.region}:{scenario.account}:secret:{name}-{arn_suffix(name)}"
    record = {
        "ARN": arn,
        "Name": name,
        "Description": item.get("description", ""),
        "Tags": [{"Key": key, "Value": tag(scenario, value)} for key, value in item.get("tags", {}).items()],
        "CreatedDate": created,
        "LastChangedDate": changed,
        "LastAccessedDate": date(scenario, item["accessed"]) if "accessed" in item else None,
        "DeletedDate": date(scenario, item["deleted"]) if "deleted" in item else None,
        "RotationEnabled": False,
        "RotationLambdaARN": None,
        "RotationRules": None,
        "KmsKeyId": key_id(item["kms_key"], key_arns) if "kms_key" in item else None,
        "ReplicationStatus": [replica(scenario, one) for one in item.get("replicas", [])],
        "Versions": make_versions(scenario, item, changed),
        "_extra": {
            "Type": item.get("type"),
            "OwningService": item.get("owning_service"),
            "PrimaryRegion": item.get("primary_region"),
            **item.get("external", {}),
        },
    }
    if "rotation" in item:
        set_rotation(scenario, record, item["rotation"])
    return record


def make_versions(scenario: Scenario, item: dict[str, Any], changed: int) -> dict[str, dict[str, Any]]:
    if item.get("no_value"):
        return {}
    text = item.get("value") or json.dumps({"username": "app", "password": marked_value(item["name"])})
    value = {"SecretString": text, "SecretBinary": None}
    if item.get("binary"):
        value = {"SecretString": None, "SecretBinary": base64.b64encode(b"\x00\xff" + text.encode()).decode()}
    versions = {}
    told = item.get("versions", [{"stages": ["AWSCURRENT"]}])
    # One more each day before the oldest that is told.
    oldest = min((date(scenario, version["created"]) for version in told if "created" in version), default=changed)
    for number, version in enumerate(told):
        check_keys(version, VERSION_KEYS, f"version of {item['name']!r}")
        created = date(scenario, version["created"]) if "created" in version else changed
        # A version id is 32 to 64 characters; from the name, so that every start gives the same one.
        version_id = str(uuid.uuid5(uuid.NAMESPACE_URL, f"{item['name']}/{number}"))
        versions[version_id] = {**value, "CreatedDate": created, "Stages": list(version["stages"])}
        if "accessed" in version:
            versions[version_id]["LastAccessedDate"] = date(scenario, version["accessed"])
    for number in range(1, item.get("deprecated", 0) + 1):
        version_id = str(uuid.uuid5(uuid.NAMESPACE_URL, f"{item['name']}/deprecated/{number}"))
        versions[version_id] = {**value, "CreatedDate": oldest - number * DAY, "Stages": []}
    return versions


def key_id(told: str, key_arns: dict[str, str]) -> str:
    """A key of the scenario by its short name, or an ARN or alias as it stands."""
    return told if told.startswith(("arn:", "alias/")) else key_arns[told]


def replica(scenario: Scenario, told: dict[str, Any]) -> dict[str, Any]:
    """The day of the last access in that Region may be relative."""
    if "LastAccessedDate" not in told:
        return told
    return {**told, "LastAccessedDate": midnight(date(scenario, told["LastAccessedDate"]))}


def tag(scenario: Scenario, value: str) -> str:
    def day(found: re.Match[str]) -> str:
        return datetime.fromtimestamp(resolve(found[1], scenario.now), UTC).date().isoformat()

    return DAY_IN_TAG.sub(day, value)


def set_rotation(scenario: Scenario, record: store.Record, rotation: dict[str, Any]) -> None:
    check_keys(rotation, ROTATION_KEYS, f"rotation of {record['Name']!r}")
    rules: dict[str, Any] = {}
    if "days" in rotation:
        rules["AutomaticallyAfterDays"] = rotation["days"]
    if "schedule" in rotation:
        rules["ScheduleExpression"] = rotation["schedule"]
    if "duration" in rotation:
        rules["Duration"] = rotation["duration"]
    record["RotationRules"] = rules
    record["RotationEnabled"] = rotation.get("enabled", True)
    if "function" in rotation:
        record["RotationLambdaARN"] = (
            f"arn:aws:lambda:{scenario.region}:{scenario.account}:function:{rotation['function']}"
        )
    if "last" in rotation:
        store.extra(record)["LastRotatedDate"] = date(scenario, rotation["last"])
    if "next" in rotation:
        store.extra(record)["NextRotationDate"] = date(scenario, rotation["next"])
    elif "last" in rotation and "days" in rotation:
        store.extra(record)["NextRotationDate"] = date(scenario, rotation["last"]) + rotation["days"] * DAY


def policy_text(policy: str | dict[str, Any], arn: str) -> str:
    """A policy of the scenario; two common ones have a name."""
    principals = {"public": "*", "cross-account": {"AWS": "arn:aws:iam::999999999999:root"}}
    if isinstance(policy, dict):
        return json.dumps(policy)
    statement = {
        "Effect": "Allow",
        "Principal": principals[policy],
        "Action": "secretsmanager:GetSecretValue",
        "Resource": arn,
    }
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def date(scenario: Scenario, text: str) -> int:
    return int(resolve(text, scenario.now))


def arn_suffix(name: str) -> str:
    """Six characters, as AWS adds them; from the name, so that every start gives the same ARN."""
    number = int.from_bytes(hashlib.sha256(name.encode()).digest()[:8])
    suffix = ""
    for _ in range(6):
        number, index = divmod(number, len(ALPHABET))
        suffix += ALPHABET[index]
    return suffix
