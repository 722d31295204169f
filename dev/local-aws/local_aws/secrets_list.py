"""ListSecrets and ListSecretVersionIds: order, filters, and pages by token.

ministack pages by offset, matches a name anywhere, leaves out half of the fields and drops versions
without labels.
"""

import base64
import json
import re
from typing import Any

from . import secrets_store as store
from .dates import midnight
from .errors import error_response
from .secrets_fields import list_entry, tag_list
from .state import State
from .wire import Forward, Request, Response, json_response

MAX_PAGE = 100
SORT_KEYS = {
    "created-date": lambda record: record["CreatedDate"],
    "last-changed-date": lambda record: record["LastChangedDate"],
    "last-accessed-date": lambda record: midnight(record["LastAccessedDate"] or 0),
    "name": lambda record: record["Name"],
}


async def list_secrets(request: Request, state: State, forward: Forward) -> Response:
    params = request.params
    order = params.get("SortBy", "created-date")
    size = params.get("MaxResults", MAX_PAGE)
    if order not in SORT_KEYS or not 1 <= size <= MAX_PAGE:
        return error_response(request, "ValidationException", "1 validation error detected: SortBy or MaxResults")
    try:
        position = decode_token(params.get("NextToken"))
    except ValueError:
        return error_response(request, "InvalidNextTokenException", "The NextToken value is invalid.")
    if order == "last-accessed-date":
        store.touch()  # reading a value moves this date, which no one else counts as a change
    page: list[dict[str, Any]] = []
    last = None
    down = params.get("SortOrder") == "desc"
    for place, record in store.after(request.account, request.region, order, SORT_KEYS[order], position, down):
        if record.get("DeletedDate") and not params.get("IncludePlannedDeletion"):
            continue
        if not all(passes(record, wanted) for wanted in params.get("Filters", [])):
            continue
        if len(page) == size:
            return json_response({"SecretList": page, "NextToken": encode_token(last)})
        page.append(list_entry(record, request))
        last = place
    return json_response({"SecretList": page})


def passes(record: store.Record, wanted: dict[str, Any]) -> bool:
    """One filter: any of its values; "!" turns a value around; prefixes as the API documents them."""
    return any(
        matches(record, wanted["Key"], value.removeprefix("!")) != value.startswith("!")
        for value in wanted.get("Values", [])
    )


def matches(record: store.Record, key: str, value: str) -> bool:
    tags = tag_list(record)
    texts = {
        "name": [record["Name"]],
        "description": [record.get("Description") or ""],
        "tag-key": [tag["Key"] for tag in tags],
        "tag-value": [tag.get("Value", "") for tag in tags],
        "primary-region": [store.extra(record).get("PrimaryRegion") or ""],
        "owning-service": [store.extra(record).get("OwningService") or ""],
    }
    if key == "all":
        words = re.split(r"\W+", value.lower())
        everything = " ".join(text for values in texts.values() for text in values).lower()
        return all(word in everything for word in words)
    if key == "description":
        return texts[key][0].lower().startswith(value.lower())
    return any(text.startswith(value) for text in texts.get(key, []))


async def list_secret_version_ids(request: Request, state: State, forward: Forward) -> Response:
    record = store.find(request)
    if record is None:
        return await forward(request)
    size = request.params.get("MaxResults", MAX_PAGE)
    try:
        position = decode_token(request.params.get("NextToken"))
    except ValueError:
        return error_response(request, "InvalidNextTokenException", "The NextToken value is invalid.")
    wanted = [
        ((version["CreatedDate"], version_id), version_entry(record, version_id, version))
        for version_id, version in record["Versions"].items()
        if version["Stages"] or request.params.get("IncludeDeprecated")
    ]
    rest = sorted((item for item in wanted if position is None or item[0] > position), key=lambda item: item[0])
    answer = {"ARN": record["ARN"], "Name": record["Name"], "Versions": [entry for _, entry in rest[:size]]}
    if len(rest) > size:
        answer["NextToken"] = encode_token(rest[size - 1][0])
    return json_response(answer)


def version_entry(record: store.Record, version_id: str, version: dict[str, Any]) -> dict[str, Any]:
    entry = {
        "VersionId": version_id,
        "CreatedDate": version["CreatedDate"],
        "KmsKeyIds": [record.get("KmsKeyId") or "DefaultEncryptionKey"],
    }
    if version["Stages"]:
        entry["VersionStages"] = list(version["Stages"])
    if version.get("LastAccessedDate"):
        entry["LastAccessedDate"] = midnight(version["LastAccessedDate"])
    return entry


def encode_token(position: tuple[Any, str] | None) -> str:
    return base64.b64encode(json.dumps(position).encode()).decode()


def decode_token(token: str | None) -> tuple[Any, str] | None:
    """Raises ValueError on a token that was never given out."""
    if token is None:
        return None
    sort_value, name = json.loads(base64.b64decode(token, validate=True))
    return sort_value, name
