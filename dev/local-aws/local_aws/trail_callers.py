"""Who made a call, as CloudTrail writes it."""

from typing import Any

SERVICE = "secretsmanager.amazonaws.com"


def identity(item: dict[str, Any], account: str) -> Any:
    """`identity` of an item is taken as it stands: kinds that are rare, unknown or incomplete."""
    if "identity" in item:
        return item["identity"]
    if item.get("root"):
        arn = f"arn:aws:iam::{account}:root"
        return {"type": "Root", "principalId": account, "arn": arn, "accountId": account, "accessKeyId": "ASIAROOT"}
    if "user" in item:
        return iam_user(item["user"], account)
    if "role" in item:
        return assumed_role(item["role"], item.get("session", item["role"]), account)
    if "service" in item:
        return {"type": "AWSService", "invokedBy": item["service"]}
    return {"accountId": account, "invokedBy": SERVICE}


def iam_user(name: str, account: str) -> dict[str, Any]:
    return {
        "type": "IAMUser",
        "principalId": "AIDAEXAMPLE",
        "arn": f"arn:aws:iam::{account}:user/{name}",
        "accountId": account,
        "accessKeyId": "AKIAEXAMPLE",
        "userName": name,
    }


def assumed_role(role: str, session: str, account: str) -> dict[str, Any]:
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
