"""KMS: what ministack opens or allows where AWS refuses, and the last use of a key, which it does not know."""

from typing import Any

from . import secrets_store as store
from .dates import resolve
from .errors import error_response
from .state import State
from .wire import Forward, Request, Response, json_response

CIPHERTEXTS = ("CiphertextBlob", "PrivateKeyCiphertextBlob")


async def remember_ciphertext(request: Request, state: State, forward: Forward) -> Response:
    """Note which key made a ciphertext, for Decrypt."""
    response = await forward(request)
    if response.status == 200:
        answer = response.json()
        state.ciphertexts.update({answer[name]: answer["KeyId"] for name in CIPHERTEXTS if name in answer})
    return response


async def decrypt(request: Request, state: State, forward: Forward) -> Response:
    """ministack checks the context only: an altered ciphertext, or one of another key, it opens to noise."""
    response = await forward(request)
    if response.status != 200:
        return response
    named = str(request.params.get("KeyId", ""))
    key = store.find_key(request.account, request.region, named) if named else None
    if named and key is None:
        return unknown_key(request)
    if key and key["KeySpec"] != "SYMMETRIC_DEFAULT":
        return response  # the public key encrypts anywhere; a wrong key cannot open
    maker = state.ciphertexts.get(str(request.params.get("CiphertextBlob")))
    if maker is None:
        return error_response(request, "InvalidCiphertextException", "")
    if key and key["Arn"] != maker:
        message = "The key ID in the request does not identify a CMK that can perform this operation."
        return error_response(request, "IncorrectKeyException", message)
    return response


async def create_alias(request: Request, state: State, forward: Forward) -> Response:
    if "alias/" in str(request.params.get("TargetKeyId", "")):
        return error_response(request, "ValidationException", "Aliases must refer to keys. Not aliases")
    return refusal_by_state(request, "TargetKeyId", "PendingDeletion") or await forward(request)


async def change_rotation(request: Request, state: State, forward: Forward) -> Response:
    refusal = refusal_of_alias(request) or refusal_by_state(request, "KeyId", "Disabled", "PendingDeletion")
    return refusal or await forward(request)


async def get_key_rotation_status(request: Request, state: State, forward: Forward) -> Response:
    """A key on its way out does not rotate; the setting is kept for the case that it stays."""
    response = refusal_of_alias(request) or await forward(request)
    if response.status == 200 and refusal_by_state(request, "KeyId", "PendingDeletion"):
        return json_response({**response.json(), "KeyRotationEnabled": False})
    return response


async def get_key_policy(request: Request, state: State, forward: Forward) -> Response:
    return refusal_of_alias(request) or await forward(request)


async def describe_key(request: Request, state: State, forward: Forward) -> Response:
    """Of another account's key only its policy lets us know anything; ministack says that it is not there."""
    key_id = str(request.params.get("KeyId", ""))
    if key_id.startswith("arn:") and key_id.split(":")[4] != request.account:
        caller = f"arn:aws:sts::{request.account}:assumed-role/local/local"
        message = (
            f"User: {caller} is not authorized to perform: kms:DescribeKey on resource: {key_id} because no "
            "resource-based policy allows the kms:DescribeKey action"
        )
        return error_response(request, "AccessDeniedException", message)
    return await forward(request)


async def get_key_last_usage(request: Request, state: State, forward: Forward) -> Response:
    """A key that the scenario gives no `last_used` was never used."""
    key_id = str(request.params.get("KeyId", ""))
    key = store.find_key(request.account, request.region, key_id)
    if key is None or "alias/" in key_id:
        return unknown_key(request)
    answer: dict[str, Any] = {"KeyId": key["KeyId"], "KeyLastUsage": {}}
    answer |= {"TrackingStartDate": key["CreationDate"], "KeyCreationDate": key["CreationDate"]}
    for told in state.scenario.keys:
        if "last_used" in told and state.key_arns[told["id"]] == key["Arn"]:
            moment = resolve(told["last_used"], state.scenario.now)
            answer["KeyLastUsage"] = {"Operation": "Decrypt", "Timestamp": moment}
    return json_response(answer)


def refusal_of_alias(request: Request) -> Response | None:
    """Some calls take a key's id or ARN only, where ministack takes an alias too."""
    return unknown_key(request) if "alias/" in str(request.params.get("KeyId", "")) else None


def refusal_by_state(request: Request, parameter: str, *states: str) -> Response | None:
    """What AWS says of a key that is in one of these states."""
    key = store.find_key(request.account, request.region, str(request.params.get(parameter, "")))
    if key is None or key["KeyState"] not in states:
        return None
    if key["KeyState"] == "Disabled":
        return error_response(request, "DisabledException", f"{key['Arn']} is disabled.")
    return error_response(request, "KMSInvalidStateException", f"{key['Arn']} is pending deletion.")


def unknown_key(request: Request) -> Response:
    return error_response(request, "NotFoundException", f"Invalid keyId '{request.params.get('KeyId')}'")


READS = {"kms.GetKeyLastUsage": get_key_last_usage}
AMENDS = {
    "kms.CreateAlias": create_alias,
    "kms.Decrypt": decrypt,
    "kms.DescribeKey": describe_key,
    "kms.DisableKeyRotation": change_rotation,
    "kms.EnableKeyRotation": change_rotation,
    "kms.Encrypt": remember_ciphertext,
    "kms.GenerateDataKey": remember_ciphertext,
    "kms.GenerateDataKeyPair": remember_ciphertext,
    "kms.GenerateDataKeyPairWithoutPlaintext": remember_ciphertext,
    "kms.GenerateDataKeyWithoutPlaintext": remember_ciphertext,
    "kms.GetKeyPolicy": get_key_policy,
    "kms.GetKeyRotationStatus": get_key_rotation_status,
}
