"""IAM GetAccountAuthorizationDetails: in pages, with boundaries, and with the AWS-managed policies that are in use.

ministack answers all on one page, and leaves the boundaries and AWS's own policies out.
"""

import base64
import json
import xml.etree.ElementTree as ET
from urllib.parse import quote

from ministack.core.iam_evaluator import _resolve_managed_policy_document
from ministack.services import iam as ministack_iam

from .errors import error_response
from .iam_simulator import NAMESPACE, members
from .state import State
from .wire import Forward, Request, Response, with_body

ET.register_namespace("", NAMESPACE)
LISTS = ("UserDetailList", "GroupDetailList", "RoleDetailList", "Policies")
PAGE = 100
OF_AWS = "arn:aws:iam::aws:policy/"


async def get_account_authorization_details(request: Request, state: State, forward: Forward) -> Response:
    response = await forward(request)
    if response.status != 200:
        return response
    root = ET.fromstring(response.body)
    result = root[0]
    lists = {name: find(result, name) for name in LISTS}
    for kind, name, store in (
        ("Role", "RoleDetailList", ministack_iam._roles),
        ("User", "UserDetailList", ministack_iam._users),
    ):
        for entry in lists[name]:
            record = store.get_scoped(request.account, None, find(entry, f"{kind}Name").text)
            add_boundary(entry, (record or {}).get("PermissionsBoundary"))
    wanted = set(members(request, "Filter"))
    if not wanted or "AWSManagedPolicy" in wanted:
        lists["Policies"].extend(policies_of_aws(result, request.account))
    try:
        start = int(base64.b64decode(request.params.get("Marker", "MA=="), validate=True))
    except ValueError:
        return error_response(request, "InvalidInput", "Invalid Marker.")
    cut(result, lists, start, int(request.params.get("MaxItems", PAGE)))
    return with_body(response, ET.tostring(root))


def find(parent: ET.Element, name: str) -> ET.Element:
    found = parent.find(f"{{{NAMESPACE}}}{name}")
    assert found is not None, name
    return found


def add(parent: ET.Element, name: str, text: str = "") -> ET.Element:
    child = ET.SubElement(parent, f"{{{NAMESPACE}}}{name}")
    child.text = text or None
    return child


def add_boundary(entry: ET.Element, arn: str | None) -> None:
    if arn:
        boundary = add(entry, "PermissionsBoundary")
        add(boundary, "PermissionsBoundaryType", "PermissionsBoundaryPolicy")
        add(boundary, "PermissionsBoundaryArn", arn)


def policies_of_aws(result: ET.Element, account: str) -> list[ET.Element]:
    """Those of AWS's own policies that somebody in the account has."""
    arns = {arn.text or "" for arn in result.iter(f"{{{NAMESPACE}}}PolicyArn")}
    made = []
    for arn in sorted(arn for arn in arns if arn.startswith(OF_AWS)):
        document = _resolve_managed_policy_document(arn, account)
        text = document if isinstance(document, str) else json.dumps(document)
        entry = ET.Element(f"{{{NAMESPACE}}}member")
        add(entry, "PolicyName", arn.rpartition("/")[2])
        add(entry, "Arn", arn)
        add(entry, "Path", "/")
        add(entry, "DefaultVersionId", "v1")
        version = add(add(entry, "PolicyVersionList"), "member")
        add(version, "Document", quote(text, safe=""))
        add(version, "VersionId", "v1")
        add(version, "IsDefaultVersion", "true")
        made.append(entry)
    return made


def cut(result: ET.Element, lists: dict[str, ET.Element], start: int, size: int) -> None:
    """Leaves one page: users, then groups, roles and policies, counted through."""
    place = 0
    for members_of_kind in lists.values():
        for entry in list(members_of_kind):
            if not start <= place < start + size:
                members_of_kind.remove(entry)
            place += 1
    truncated = place > start + size
    find(result, "IsTruncated").text = str(truncated).lower()
    if truncated:
        add(result, "Marker", base64.b64encode(str(start + size).encode()).decode())


AMENDS = {"iam.GetAccountAuthorizationDetails": get_account_authorization_details}
