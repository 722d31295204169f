"""IAM's policy simulator, SimulatePrincipalPolicy.

ministack's looks at the first resource only, at no boundary and at no context, and knows no principal from another.
"""

import base64
from collections.abc import Iterator
from xml.sax.saxutils import escape

from . import iam_policies
from .errors import error_response
from .iam_policies import Decision
from .state import State
from .wire import Forward, Request, Response, with_body

NAMESPACE = "https://iam.amazonaws.com/doc/2010-05-08/"
MOST_ITEMS = 100


async def simulate_principal_policy(request: Request, state: State, forward: Forward) -> Response:
    response = await forward(request)
    if response.status != 200:
        return response
    params = request.params
    arn = str(params.get("PolicySourceArn"))
    who = iam_policies.principal(arn, request.account)
    if who is None:
        message = f"The entity {arn} cannot be found."
        return error_response(request, "NoSuchEntity", message, 404)
    if "ResourcePolicy" in params:
        # AWS takes one for an IAM user only; nothing here needs that, and leaving it out silently would be wrong.
        message = "The local simulator takes no resource policy; AWS takes one for IAM users only."
        return error_response(request, "InvalidInput", message)
    try:
        start = int(base64.b64decode(params.get("Marker", "MA=="), validate=True))
    except ValueError:
        return error_response(request, "InvalidInput", "Invalid Marker.")
    actions, resources = list(members(request, "ActionNames")), list(members(request, "ResourceArns")) or ["*"]
    given = context(request)
    page = actions[start : start + int(params.get("MaxItems", MOST_ITEMS))]
    answers = []
    for action in page:
        decisions = [(resource, iam_policies.decide(who, action, resource, given)) for resource in resources]
        answers.append(evaluation(action, decisions))
    end = start + len(page)
    rest = f"<Marker>{base64.b64encode(str(end).encode()).decode()}</Marker>" if end < len(actions) else ""
    return with_body(
        response,
        f'<SimulatePrincipalPolicyResponse xmlns="{NAMESPACE}"><SimulatePrincipalPolicyResult>'
        f"<EvaluationResults>{''.join(answers)}</EvaluationResults>"
        f"<IsTruncated>{str(bool(rest)).lower()}</IsTruncated>{rest}</SimulatePrincipalPolicyResult>"
        f"<ResponseMetadata><RequestId>0</RequestId></ResponseMetadata></SimulatePrincipalPolicyResponse>".encode(),
    )


def members(request: Request, name: str) -> Iterator[str]:
    number = 1
    while (key := f"{name}.member.{number}") in request.params:
        yield str(request.params[key])
        number += 1


def context(request: Request) -> dict[str, list[str] | str]:
    """The context keys that the caller gives, in lower case."""
    given: dict[str, list[str] | str] = {}
    number = 1
    while (entry := f"ContextEntries.member.{number}") + ".ContextKeyName" in request.params:
        values = list(members(request, f"{entry}.ContextKeyValues"))
        is_list = str(request.params.get(f"{entry}.ContextKeyType", "")).endswith("List")
        given[str(request.params[f"{entry}.ContextKeyName"]).lower()] = values if is_list else "".join(values[:1])
        number += 1
    return given


def evaluation(action: str, decisions: list[tuple[str, Decision]]) -> str:
    """One action on all resources. What is missing is told beside each resource, but of "*" it is told of the whole."""
    words = [decision.word for _, decision in decisions]
    # The whole is as bad as its worst part.
    word = next((bad for bad in ("explicitDeny", "implicitDeny") if bad in words), "allowed")
    resource, first = decisions[0]
    each = "" if resource == "*" else "".join(specific(*one) for one in decisions)
    return (
        f"<member><EvalActionName>{escape(action)}</EvalActionName><EvalResourceName>{escape(resource)}"
        f"</EvalResourceName><EvalDecision>{word}</EvalDecision>{matched(first)}"
        f"{missing(first if resource == '*' else Decision())}{boundary(first)}"
        f"<ResourceSpecificResults>{each}</ResourceSpecificResults></member>"
    )


def specific(resource: str, decision: Decision) -> str:
    return (
        f"<member><EvalResourceName>{escape(resource)}</EvalResourceName>"
        f"<EvalResourceDecision>{decision.word}</EvalResourceDecision>"
        f"{matched(decision)}{missing(decision)}{boundary(decision)}</member>"
    )


def matched(decision: Decision) -> str:
    each = "".join(
        f"<member><SourcePolicyId>{escape(policy.source)}</SourcePolicyId>"
        f"<SourcePolicyType>{policy.kind}</SourcePolicyType></member>"
        for policy in decision.matched
    )
    return f"<MatchedStatements>{each}</MatchedStatements>"


def missing(decision: Decision) -> str:
    each = "".join(f"<member>{escape(key)}</member>" for key in sorted(decision.missing))
    return f"<MissingContextValues>{each}</MissingContextValues>"


def boundary(decision: Decision) -> str:
    if decision.allowed_by_boundary is None:
        return ""
    word = str(decision.allowed_by_boundary).lower()
    return (
        f"<PermissionsBoundaryDecisionDetail><AllowedByPermissionsBoundary>{word}</AllowedByPermissionsBoundary>"
        f"</PermissionsBoundaryDecisionDetail>"
    )


AMENDS = {"iam.SimulatePrincipalPolicy": simulate_principal_policy}
