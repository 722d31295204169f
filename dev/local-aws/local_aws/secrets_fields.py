"""A secret as ListSecrets and DescribeSecret show it. Never a value."""

from typing import Any

from . import secrets_store as store
from .dates import midnight
from .wire import Request

# Facts that both calls show under the name they are kept by.
EXTRA_FIELDS = (
    "Type",
    "LastRotatedDate",
    "NextRotationDate",
    "OwningService",
    "PrimaryRegion",
    "ExternalSecretRotationMetadata",
    "ExternalSecretRotationRoleArn",
)

# Left out once rotation is turned off; the rules stay.
ROTATION_DATES = ("LastRotatedDate", "NextRotationDate")


def list_entry(record: store.Record, request: Request) -> dict[str, Any]:
    entry = common_fields(record)
    if "KmsKeyId" in entry:
        entry["KmsKeyId"] = key_arn(entry["KmsKeyId"], request)
    if stages := stages_by_version(record):
        entry["SecretVersionsToStages"] = stages
    return entry


def describe_answer(record: store.Record) -> dict[str, Any]:
    answer = common_fields(record)
    if stages := stages_by_version(record):
        answer["VersionIdsToStages"] = stages
    if record.get("ReplicationStatus"):
        answer["ReplicationStatus"] = record["ReplicationStatus"]
    return answer


def common_fields(record: store.Record) -> dict[str, Any]:
    """Absent facts are left out, as AWS does: a reader must not take "never" for a date."""
    fields = {
        "ARN": record["ARN"],
        "Name": record["Name"],
        "CreatedDate": record["CreatedDate"],
        "LastChangedDate": record["LastChangedDate"],
        "Tags": tag_list(record),
    }
    for name in ("Description", "KmsKeyId", "RotationLambdaARN", "RotationRules", "DeletedDate"):
        if record.get(name):
            fields[name] = record[name]
    if record.get("RotationEnabled") or record.get("RotationRules"):
        fields["RotationEnabled"] = bool(record.get("RotationEnabled"))
    if record.get("LastAccessedDate"):
        fields["LastAccessedDate"] = midnight(record["LastAccessedDate"])
    if record.get("_PrimaryRegion"):
        fields["PrimaryRegion"] = record["_PrimaryRegion"]
    known = store.extra(record)
    off = () if record.get("RotationEnabled") else ROTATION_DATES
    fields.update({name: known[name] for name in EXTRA_FIELDS if name not in off and known.get(name) is not None})
    return fields


def tag_list(record: store.Record) -> list[dict[str, str]]:
    return record.get("Tags") or []


def stages_by_version(record: store.Record) -> dict[str, list[str]]:
    return {version_id: version["Stages"] for version_id, version in record["Versions"].items() if version["Stages"]}


def key_arn(key_id: str, request: Request) -> str:
    """ListSecrets shows the key as an ARN however it was given; DescribeSecret shows what was given."""
    if key_id.startswith("arn:"):
        return key_id
    resource = key_id if key_id.startswith("alias/") else f"key/{key_id}"
    return f"arn:aws:kms:{request.region}:{request.account}:{resource}"
