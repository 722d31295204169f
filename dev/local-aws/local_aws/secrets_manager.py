"""Secrets Manager calls that ministack answers short or wrong, other than the lists.

Readings are answered here; changes go to ministack and are put right before or after.
"""

import copy
import json
from typing import Any

from . import secrets_store as store
from .dates import DAY
from .errors import error_response
from .secrets_fields import describe_answer
from .secrets_list import list_secret_version_ids, list_secrets
from .state import State
from .wire import Forward, Request, Response, json_response, with_body

NOT_FOUND = "Secrets Manager can't find the specified secret."
PARTNERS = ("ExternalSecretRotationMetadata", "ExternalSecretRotationRoleArn")
MARKED_FOR_DELETION = "You can't perform this operation on the secret because it was marked for deletion."


def refuse_unknown_arn(request: Request) -> Response | None:
    """ministack takes any beginning of an ARN for the secret, even one that AWS would not find."""
    if not request.secret.startswith("arn:") or store.find(request):
        return None
    return error_response(request, "ResourceNotFoundException", NOT_FOUND)


async def describe_secret(request: Request, state: State, forward: Forward) -> Response:
    record = store.find(request)
    return json_response(describe_answer(record)) if record else await forward(request)


async def get_resource_policy(request: Request, state: State, forward: Forward) -> Response:
    record = store.find(request)
    if record is None:
        return await forward(request)
    answer = {"ARN": record["ARN"], "Name": record["Name"]}
    policy = store.policy_of(request.account, request.region, record["ARN"])
    return json_response(answer | ({"ResourcePolicy": policy} if policy else {}))


async def put_resource_policy(request: Request, state: State, forward: Forward) -> Response:
    """ministack keeps any text as a policy and knows no BlockPublicPolicy."""
    record = store.find(request)
    if record and record.get("DeletedDate"):
        return error_response(request, "InvalidRequestException", MARKED_FOR_DELETION)
    try:
        statements = json.loads(request.params.get("ResourcePolicy", ""))["Statement"]
    except (ValueError, TypeError, KeyError):
        return error_response(
            request, "MalformedPolicyDocumentException", "This resource policy contains invalid Json."
        )
    statements = statements if isinstance(statements, list) else [statements]
    if request.params.get("BlockPublicPolicy") and is_public(statements):
        message = "You can't attach this resource policy because it allows public access to the secret."
        return error_response(request, "PublicPolicyException", message)
    return await forward(request)


def is_public(statements: list[dict[str, Any]]) -> bool:
    """Whether one lets anybody in, and none keeps those out who are not of an organization."""
    allows = [one for one in statements if one.get("Effect") == "Allow" and not one.get("Condition")]
    denies = [one for one in statements if one.get("Effect") == "Deny" and is_for_anybody(one)]
    bounded = any("aws:PrincipalOrgID" in one.get("Condition", {}).get("StringNotEquals", {}) for one in denies)
    return any(is_for_anybody(one) or "NotPrincipal" in one for one in allows) and not bounded


def is_for_anybody(statement: dict[str, Any]) -> bool:
    return statement.get("Principal") in ("*", {"AWS": "*"}, {"AWS": ["*"]})


async def create_secret(request: Request, state: State, forward: Forward) -> Response:
    """A secret without a value has no version; a given token is the id of the first version; the kind is kept."""
    response = await forward(request)
    if response.status != 200:
        return response
    store.touch()
    answer = response.json()
    record = store.by_name(request, answer["Name"])
    assert record is not None
    if kind := request.params.get("Type"):
        store.extra(record)["Type"] = kind
    if not any(request.params.get(key) for key in ("SecretString", "SecretBinary")):
        record["Versions"].clear()
        del answer["VersionId"]
    elif token := request.params.get("ClientRequestToken"):
        record["Versions"][token] = record["Versions"].pop(answer["VersionId"])
        answer["VersionId"] = token
    return with_body(response, json.dumps(answer).encode())


async def get_secret_value(request: Request, state: State, forward: Forward) -> Response:
    """As ministack, but in constant time by ARN, and not under a key that is disabled or pending deletion."""
    record = store.find(request)
    if record is None or record.get("DeletedDate"):
        return await forward(request)
    if not store.key_is_usable(request.account, request.region, record.get("KmsKeyId")):
        message = "Secrets Manager can't decrypt the protected secret text using the provided KMS key."
        return error_response(request, "DecryptionFailure", message)
    version_id, stage = request.params.get("VersionId"), request.params.get("VersionStage")
    label = stage if version_id else stage or "AWSCURRENT"
    for found_id, version in record["Versions"].items():
        if version_id in (None, found_id) and (label is None or label in version["Stages"]):
            record["LastAccessedDate"] = version["LastAccessedDate"] = state.clock()
            answer = {"ARN": record["ARN"], "Name": record["Name"], "VersionId": found_id}
            answer |= {"VersionStages": version["Stages"], "CreatedDate": version["CreatedDate"]}
            answer |= {key: version[key] for key in ("SecretString", "SecretBinary") if version[key] is not None}
            return json_response(answer)
    message = (
        f"Secrets Manager can't find the specified secret value for {version_id or 'staging label: ' + str(label)}"
    )
    return error_response(request, "ResourceNotFoundException", message)


async def put_secret_value(request: Request, state: State, forward: Forward) -> Response:
    """A version id that is there is a repetition, or refused; a label is on one version; the first is current."""
    record, token = store.find(request), request.params.get("ClientRequestToken")
    if record is None or record.get("DeletedDate"):
        return await forward(request)
    if there := record["Versions"].get(token):
        if any(there[kind] != request.params.get(kind) for kind in ("SecretString", "SecretBinary")):
            message = "You can't use ClientRequestToken because that value is already in use for a version of secret"
            return error_response(request, "ResourceExistsException", f"{message} {record['ARN']}.")
        answer = {"ARN": record["ARN"], "Name": record["Name"], "VersionId": token}
        return json_response(answer | {"VersionStages": there["Stages"]})
    is_first = not any(version["Stages"] for version in record["Versions"].values())
    response = await change_versions(request, state, forward)
    if response.status != 200:
        return response
    answer = response.json()
    for version_id, version in record["Versions"].items():
        if version_id != answer["VersionId"]:
            version["Stages"] = [stage for stage in version["Stages"] if stage not in answer["VersionStages"]]
        elif is_first and "AWSCURRENT" not in version["Stages"]:
            version["Stages"].append("AWSCURRENT")
    return response


async def change_versions(request: Request, state: State, forward: Forward) -> Response:
    """ministack forgets a version that loses its last label; AWS keeps it as deprecated."""
    record = store.find(request)
    before = dict(record["Versions"]) if record else {}
    response = await forward(request)
    if response.status == 200 and record:
        for version_id, version in before.items():
            record["Versions"].setdefault(version_id, {**version, "Stages": []})
    return response


async def rotate_secret(request: Request, state: State, forward: Forward) -> Response:
    """ministack turns the versions round without calling the function, and records no dates."""
    record = store.find(request)
    if record is None:
        return await forward(request)
    known = store.extra(record)
    if known.get("Type"):
        # A partner rotates it, without a function of the account's.
        given = {name: request.params[name] for name in PARTNERS if request.params.get(name)}
        known.update(given)
    elif not (request.params.get("RotationLambdaARN") or record.get("RotationLambdaARN")):
        message = "No Lambda rotation function ARN is associated with this secret."
        return error_response(request, "InvalidRequestException", message)
    if any(
        "AWSPENDING" in version["Stages"] and "AWSCURRENT" not in version["Stages"]
        for version in record["Versions"].values()
    ):
        message = "A previous rotation isn't complete. That rotation will be reattempted."
        return error_response(request, "InvalidRequestException", message)
    before = copy.deepcopy(record["Versions"])
    response = await change_versions(request, state, forward)
    if response.status != 200:
        return response
    now = int(state.clock())
    days = (record.get("RotationRules") or {}).get("AutomaticallyAfterDays")
    if days:
        store.extra(record)["NextRotationDate"] = now + days * DAY
    if request.params.get("RotateImmediately") is False:
        record["Versions"] = before
    else:
        store.extra(record)["LastRotatedDate"] = now
    return response


async def cancel_rotate_secret(request: Request, state: State, forward: Forward) -> Response:
    """Unknown to ministack."""
    record = store.find(request)
    if record is None:
        return error_response(request, "ResourceNotFoundException", NOT_FOUND)
    record["RotationEnabled"] = False
    return json_response({"ARN": record["ARN"], "Name": record["Name"]})


async def delete_secret(request: Request, state: State, forward: Forward) -> Response:
    """AWS refuses to delete a primary secret that has replicas, or one that a service owns."""
    record = store.find(request)
    if record and record.get("ReplicationStatus"):
        message = "You can't delete secret that still has replica regions."
        return error_response(request, "InvalidRequestException", message)
    if record and store.extra(record).get("OwningService"):
        message = "You can't perform this operation on a secret managed by another service."
        return error_response(request, "InvalidRequestException", message)
    response = await forward(request)
    store.touch()
    return response


async def replicate_secret(request: Request, state: State, forward: Forward) -> Response:
    response = await forward(request)
    store.touch()
    return response


async def remove_regions(request: Request, state: State, forward: Forward) -> Response:
    """Unknown to ministack. The replica goes with its entry."""
    record = store.find(request)
    if record is None:
        return error_response(request, "ResourceNotFoundException", NOT_FOUND)
    regions = set(request.params.get("RemoveReplicaRegions", []))
    known = {replica["Region"] for replica in record["ReplicationStatus"]}
    if regions - known:
        message = f"You can't remove regions that hold no replica: {', '.join(sorted(regions - known))}"
        return error_response(request, "InvalidParameterException", message)
    for region in regions:
        store.remove_replica(request.account, region, record)
    record["ReplicationStatus"] = [entry for entry in record["ReplicationStatus"] if entry["Region"] not in regions]
    store.touch()
    return json_response({"ARN": record["ARN"], "ReplicationStatus": record["ReplicationStatus"]})


READS = {
    "secretsmanager.ListSecrets": list_secrets,
    "secretsmanager.DescribeSecret": describe_secret,
    "secretsmanager.ListSecretVersionIds": list_secret_version_ids,
    "secretsmanager.GetSecretValue": get_secret_value,
    "secretsmanager.GetResourcePolicy": get_resource_policy,
    "secretsmanager.CancelRotateSecret": cancel_rotate_secret,
    "secretsmanager.RemoveRegionsFromReplication": remove_regions,
}
AMENDS = {
    "secretsmanager.CreateSecret": create_secret,
    "secretsmanager.PutSecretValue": put_secret_value,
    "secretsmanager.UpdateSecret": change_versions,
    "secretsmanager.UpdateSecretVersionStage": change_versions,
    "secretsmanager.RotateSecret": rotate_secret,
    "secretsmanager.DeleteSecret": delete_secret,
    "secretsmanager.ReplicateSecretToRegions": replicate_secret,
    "secretsmanager.PutResourcePolicy": put_resource_policy,
}
