"""IAM as the audit reads it: who may do what, page by page, and what the simulator says of many secrets at once."""

import json
from typing import Any
from urllib.parse import unquote

import pytest
from botocore.exceptions import ClientError
from conftest import error_code

from local_aws.running import Running

ACCOUNT = "arn:aws:iam::123456789012"
APP, DEV, DEPLOY = (
    f"{ACCOUNT}:role/goal-mandala-{name}"
    for name in ("prod-lambda-secrets-role", "dev-lambda-secrets-role", "stg-deploy-role")
)
READ = "secretsmanager:GetSecretValue"
VIA = {
    "ContextKeyName": "kms:ViaService",
    "ContextKeyValues": ["secretsmanager.ap-northeast-1.amazonaws.com"],
    "ContextKeyType": "string",
}
KINDS = ("UserDetailList", "GroupDetailList", "RoleDetailList", "Policies")


def arns(sm: Any, *names: str) -> list[str]:
    return [sm.describe_secret(SecretId=f"goal-mandala-{name}")["ARN"] for name in names]


def results(aws: Running, role: str, resources: list[str], action: str = READ, **options: Any) -> list[dict[str, Any]]:
    answer = aws.client("iam").simulate_principal_policy(
        PolicySourceArn=role, ActionNames=[action], ResourceArns=resources, **options
    )
    assert answer["IsTruncated"] is False
    [one] = answer["EvaluationResults"]
    assert [each["EvalResourceName"] for each in one["ResourceSpecificResults"]] == resources
    return list(one["ResourceSpecificResults"])


def words(found: list[dict[str, Any]]) -> list[str]:
    return [one["EvalResourceDecision"] for one in found]


def test_each_resource_has_its_own_answer(aws: Running, sm: Any) -> None:
    found = results(aws, APP, arns(sm, "prod-secret-database", "stg-secret-payment"))
    assert words(found) == ["allowed", "implicitDeny"]
    [statement] = found[0]["MatchedStatements"]
    assert statement["SourcePolicyType"] == "role"
    assert "goal-mandala-prod-secrets-read-policy" in statement["SourcePolicyId"]


def test_the_whole_is_as_bad_as_its_worst_part(aws: Running, sm: Any) -> None:
    asked = arns(sm, "prod-stage-open", "prod-stage-denied", "prod-secret-database")
    assert words(results(aws, DEV, asked)) == ["allowed", "explicitDeny", "implicitDeny"]
    simulate = aws.client("iam").simulate_principal_policy
    answer = simulate(PolicySourceArn=DEV, ActionNames=[READ, "secretsmanager:DeleteSecret"], ResourceArns=asked)
    decisions = {one["EvalActionName"]: one["EvalDecision"] for one in answer["EvaluationResults"]}
    assert decisions == {READ: "explicitDeny", "secretsmanager:DeleteSecret": "implicitDeny"}


def test_a_boundary_takes_away_what_a_policy_gives(aws: Running, sm: Any) -> None:
    own, other = results(aws, DEPLOY, arns(sm, "stg-secret-payment", "prod-secret-database"))
    assert words([own, other]) == ["allowed", "implicitDeny"]
    assert own["PermissionsBoundaryDecisionDetail"] == {"AllowedByPermissionsBoundary": True}
    assert other["PermissionsBoundaryDecisionDetail"] == {"AllowedByPermissionsBoundary": False}
    # NotAction: everything but IAM; the boundary leaves Secrets Manager and one key.
    [iam] = results(aws, DEPLOY, arns(sm, "stg-secret-payment"), action="iam:PassRole")
    assert iam["EvalResourceDecision"] == "implicitDeny"


def test_what_a_condition_needs_is_named(aws: Running, sm: Any) -> None:
    asked = arns(sm, "prod-stage-condition")
    [unsure] = results(aws, DEV, asked)
    assert (unsure["EvalResourceDecision"], unsure["MissingContextValues"]) == ("implicitDeny", ["aws:SourceVpce"])
    endpoint = {"ContextKeyName": "aws:SourceVpce", "ContextKeyType": "string"}
    for given, want in ("vpce-0123456789abcdef0", "allowed"), ("vpce-other", "implicitDeny"):
        [sure] = results(aws, DEV, asked, ContextEntries=[{**endpoint, "ContextKeyValues": [given]}])
        assert (sure["EvalResourceDecision"], sure["MissingContextValues"]) == (want, [])


def test_decryption_depends_on_the_service_that_asks(aws: Running) -> None:
    key = aws.client("kms").describe_key(KeyId="alias/goal-mandala-shared-key")["KeyMetadata"]["Arn"]
    [without] = results(aws, DEV, [key], action="kms:Decrypt")
    assert (without["EvalResourceDecision"], without["MissingContextValues"]) == ("implicitDeny", ["kms:ViaService"])
    assert words(results(aws, DEV, [key], action="kms:Decrypt", ContextEntries=[VIA])) == ["allowed"]


def test_without_a_resource_what_is_missing_is_told_of_the_whole(aws: Running) -> None:
    answer = aws.client("iam").simulate_principal_policy(PolicySourceArn=APP, ActionNames=[READ, "kms:Decrypt"])
    first, second = answer["EvaluationResults"]
    assert (first["EvalResourceName"], first["EvalDecision"]) == ("*", "implicitDeny")
    assert first["ResourceSpecificResults"] == []
    assert second["EvalDecision"] == "allowed"


def test_users_have_what_their_groups_have(aws: Running, sm: Any) -> None:
    asked = arns(sm, "dev-secret-payment", "prod-secret-database")
    assert words(results(aws, f"{ACCOUNT}:user/taro", asked)) == ["allowed", "implicitDeny"]
    assert words(results(aws, f"{ACCOUNT}:user/admin", asked)) == ["allowed", "allowed"]


def test_simulation_comes_in_pages(aws: Running) -> None:
    actions = [f"secretsmanager:{name}" for name in ("GetSecretValue", "PutSecretValue", "DeleteSecret")]
    simulate = aws.client("iam").get_paginator("simulate_principal_policy").paginate
    pages = simulate(PolicySourceArn=APP, ActionNames=actions, PaginationConfig={"PageSize": 2})
    sizes = [[one["EvalActionName"] for one in page["EvaluationResults"]] for page in pages]
    assert sizes == [actions[:2], actions[2:]]


@pytest.mark.parametrize("arn", [f"{ACCOUNT}:role/nobody", APP.replace("123456789012", "999999999999")])
def test_nobody_cannot_be_simulated(aws: Running, arn: str) -> None:
    with pytest.raises(ClientError) as error:
        aws.client("iam").simulate_principal_policy(PolicySourceArn=arn, ActionNames=[READ])
    assert error_code(error) == "NoSuchEntity"


def test_a_resource_policy_is_refused_rather_than_left_out(aws: Running) -> None:
    with pytest.raises(ClientError) as error:
        aws.client("iam").simulate_principal_policy(PolicySourceArn=APP, ActionNames=[READ], ResourcePolicy="{}")
    assert error_code(error) == "InvalidInput"


@pytest.mark.parametrize("size", [1, 3, 1000])
def test_authorization_details_come_in_pages(aws: Running, size: int) -> None:
    iam = aws.client("iam")
    whole = iam.get_account_authorization_details()
    assert whole["IsTruncated"] is False
    pages = list(iam.get_paginator("get_account_authorization_details").paginate(PaginationConfig={"PageSize": size}))
    assert all(sum(len(page[kind]) for kind in KINDS) <= size for page in pages)
    for kind in KINDS:
        assert [entry for page in pages for entry in page[kind]] == whole[kind]
    assert {user["UserName"] for user in whole["UserDetailList"]} == {"admin", "taro"}


def test_authorization_details_hold_policies_and_boundaries(aws: Running) -> None:
    details = aws.client("iam").get_account_authorization_details()
    roles = {role["Arn"]: role for role in details["RoleDetailList"]}
    boundary = roles[DEPLOY]["PermissionsBoundary"]["PermissionsBoundaryArn"]
    assert boundary == f"{ACCOUNT}:policy/goal-mandala-stg-boundary"
    assert "PermissionsBoundary" not in roles[APP]
    [inline] = roles[DEPLOY]["RolePolicyList"]
    assert inline["PolicyDocument"]["Statement"] == [{"Effect": "Allow", "NotAction": "iam:*", "Resource": "*"}]
    policies = {policy["Arn"]: policy for policy in details["Policies"]}
    assert set(policies) == {boundary, "arn:aws:iam::aws:policy/AdministratorAccess"}
    for policy in policies.values():
        [version] = policy["PolicyVersionList"]
        assert version["IsDefaultVersion"] and version["Document"]["Statement"]


def test_authorization_details_by_kind(aws: Running) -> None:
    details = aws.client("iam").get_account_authorization_details(Filter=["Role"])
    assert details["RoleDetailList"] and not any(details[kind] for kind in KINDS if kind != "RoleDetailList")


def test_documents_are_encoded_as_in_a_url(aws: Running) -> None:
    """boto3 decodes them; other clients see them as they are sent."""
    iam, sent = aws.client("iam"), []
    iam.meta.events.register("before-parse.iam.*", lambda response_dict, **_: sent.append(response_dict["body"]))
    iam.get_account_authorization_details()
    encoded = sent[0].decode().split("<PolicyDocument>")[1].split("</PolicyDocument>")[0]
    assert encoded.startswith("%7B%22Version%22%3A%20") and json.loads(unquote(encoded))["Statement"]
