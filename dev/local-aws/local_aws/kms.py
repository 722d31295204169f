"""KMS: last use of a key, which ministack does not know, and calls that take no alias, where it takes one."""

from typing import Any

from . import secrets_store as store
from .dates import resolve
from .errors import error_response
from .state import State
from .wire import Forward, Request, Response, json_response


async def refuse_alias(request: Request, state: State, forward: Forward) -> Response:
    if "alias/" in str(request.params.get("KeyId", "")):
        return unknown_key(request)
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


def unknown_key(request: Request) -> Response:
    return error_response(request, "NotFoundException", f"Invalid keyId '{request.params.get('KeyId')}'")


READS = {"kms.GetKeyLastUsage": get_key_last_usage}
AMENDS = {
    "kms.GetKeyRotationStatus": refuse_alias,
    "kms.EnableKeyRotation": refuse_alias,
    "kms.DisableKeyRotation": refuse_alias,
}
