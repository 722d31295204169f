"""Sets up the roles, users, groups and managed policies of a scenario."""

import json
import re
from typing import Any

from .scenario import Scenario, check_keys

ROLE_KEYS = {"name", "why", "service", "policies", "attached", "boundary"}
USER_KEYS = {"name", "why", "policies", "attached", "boundary", "groups"}
GROUP_KEYS = {"name", "why", "policies", "attached"}
POLICY_KEYS = {"name", "why", "statements"}


def seed_iam(iam: Any, scenario: Scenario, key_arns: dict[str, str]) -> None:
    def document(statements: list[dict[str, Any]]) -> str:
        """`{key:ID}` in a policy is the ARN of the scenario's key."""
        text = json.dumps({"Version": "2012-10-17", "Statement": statements})
        return re.sub(r"\{key:(\w+)\}", lambda found: key_arns[found[1]], text)

    def arn(policy: str) -> str:
        """A policy of the scenario by its name, or one of AWS's own by its ARN."""
        return policy if policy.startswith("arn:") else f"arn:aws:iam::{scenario.account}:policy/{policy}"

    def bounded(item: dict[str, Any]) -> dict[str, str]:
        return {"PermissionsBoundary": arn(item["boundary"])} if "boundary" in item else {}

    def grant(kind: str, item: dict[str, Any]) -> None:
        who = {f"{kind.capitalize()}Name": item["name"]}
        for name, statements in item.get("policies", {}).items():
            getattr(iam, f"put_{kind}_policy")(**who, PolicyName=name, PolicyDocument=document(statements))
        for policy in item.get("attached", []):
            getattr(iam, f"attach_{kind}_policy")(**who, PolicyArn=arn(policy))

    for policy in scenario.policies:
        check_keys(policy, POLICY_KEYS, f"policy {policy.get('name')!r}")
        iam.create_policy(PolicyName=policy["name"], PolicyDocument=document(policy["statements"]))
    for group in scenario.groups:
        check_keys(group, GROUP_KEYS, f"group {group.get('name')!r}")
        iam.create_group(GroupName=group["name"])
        grant("group", group)
    for role in scenario.roles:
        check_keys(role, ROLE_KEYS, f"role {role.get('name')!r}")
        principal = {"Service": role.get("service", "lambda.amazonaws.com")}
        trust = document([{"Effect": "Allow", "Principal": principal, "Action": "sts:AssumeRole"}])
        iam.create_role(RoleName=role["name"], AssumeRolePolicyDocument=trust, **bounded(role))
        grant("role", role)
    for user in scenario.users:
        check_keys(user, USER_KEYS, f"user {user.get('name')!r}")
        iam.create_user(UserName=user["name"], **bounded(user))
        for group in user.get("groups", []):
            iam.add_user_to_group(UserName=user["name"], GroupName=group)
        grant("user", user)
