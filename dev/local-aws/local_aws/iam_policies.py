"""What IAM policies say about one call, as the policy simulator evaluates them.

The matching of actions, resources and conditions is ministack's; here is what it leaves out: the permissions
boundary, context keys that nobody gave, and which statements decided.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from ministack.core import iam_evaluator as engine
from ministack.services import iam as ministack_iam

# Keys that the simulator knows by itself; every other one has to be given.
KNOWN_KEYS = ("aws:principalarn", "aws:principalaccount", "aws:principaltype", "aws:currenttime", "aws:epochtime")


@dataclass
class Named:
    """A policy document with the name that the simulator calls it by."""

    source: str
    kind: str
    statements: list[engine.ParsedStatement]


@dataclass
class Principal:
    arn: str
    account: str
    policies: list[Named]
    # None: it has no boundary. An empty list: the boundary's policy is gone, and so nothing is allowed.
    boundary: list[Named] | None = None


@dataclass
class Decision:
    word: str = "implicitDeny"
    matched: list[Named] = field(default_factory=list)
    missing: set[str] = field(default_factory=set)
    allowed_by_boundary: bool | None = None


def principal(arn: str, account: str) -> Principal | None:
    """A role or user with all its policies; None if there is none of that ARN."""
    kind, _, path_and_name = arn.partition(f":iam::{account}:")[2].partition("/")
    name = path_and_name.rpartition("/")[2]
    store = {"role": ministack_iam._roles, "user": ministack_iam._users}.get(kind)
    found = store.get_scoped(account, None, name) if store is not None else None
    if found is None or found["Arn"] != arn:
        return None
    inline = found.get("InlinePolicies") or {}
    if kind == "user":
        inline = ministack_iam._user_inline_policies.get_scoped(account, None, name) or {}
    policies = [named(f"{kind}_{name}_{policy}", kind, document) for policy, document in inline.items()]
    policies += managed(found.get("AttachedPolicies", []), account)
    if kind == "user":
        policies += of_groups(name, account)
    bounded_by = found.get("PermissionsBoundary")
    return Principal(arn, account, policies, managed([bounded_by], account) if bounded_by else None)


def of_groups(user: str, account: str) -> Iterator[Named]:
    for (owner, name), group in ministack_iam._groups._data.items():
        if owner == account and user in group.get("Users", []):
            inline = ministack_iam._group_inline_policies.get_scoped(account, None, name) or {}
            yield from (named(f"group_{name}_{policy}", "group", document) for policy, document in inline.items())
            yield from managed(group.get("AttachedPolicies", []), account)


def managed(arns: list[str], account: str) -> list[Named]:
    documents = [(arn, engine._resolve_managed_policy_document(arn, account)) for arn in arns]
    return [named(arn.rpartition("/")[2], "none", document) for arn, document in documents if document]


def named(source: str, kind: str, document: Any) -> Named:
    return Named(source, kind, engine.parse_policy_document(document))


def decide(who: Principal, action: str, resource: str, given: dict[str, Any]) -> Decision:
    """A Deny anywhere denies; an Allow of the policies counts only if the boundary allows too."""
    context = engine.EvalContext(
        principal_arn=who.arn,
        principal_type="AssumedRole" if ":role/" in who.arn else "User",
        principal_account=who.account,
        action=action,
        resource_arn=resource,
        region="",
    )
    decision = Decision()
    layers = [who.policies] + ([who.boundary] if who.boundary is not None else [])
    denied, allowed = [], []
    for layer in layers:
        met = [(policy, effect) for policy in layer for effect in effects(policy, context, given, decision.missing)]
        denied += [policy for policy, effect in met if effect == "Deny"]
        allowed.append([policy for policy, effect in met if effect == "Allow"])
    if who.boundary is not None:
        decision.allowed_by_boundary = bool(allowed[1])
    if denied:
        decision.word, decision.matched = "explicitDeny", denied
    elif all(allowed):
        decision.word, decision.matched = "allowed", allowed[0]
    return decision


def effects(policy: Named, context: engine.EvalContext, given: dict[str, Any], missing: set[str]) -> Iterator[str]:
    for statement in policy.statements:
        about_it = engine._action_matches(
            context.action, statement.actions, statement.not_actions
        ) and engine._resource_matches(context.resource_arn, statement.resources, statement.not_resources)
        if about_it and is_met(statement.conditions, context, given, missing):
            yield statement.effect


def is_met(conditions: dict[str, Any], context: engine.EvalContext, given: dict[str, Any], missing: set[str]) -> bool:
    """Whether all conditions are met by the keys that were given; the others are noted as missing."""
    result = True
    for operator, wanted in conditions.items():
        for key, values in wanted.items():
            lower = key.lower()
            actual = given.get(lower)
            if lower in KNOWN_KEYS:
                actual = engine._resolve_condition_key(key, context)
            elif lower not in given:
                missing.add(key)
            texts = [str(value) for value in (values if isinstance(values, list) else [values])]
            result = engine._evaluate_single_condition(operator, actual, texts) and result
    return result
