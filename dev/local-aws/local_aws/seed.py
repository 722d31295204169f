"""Sets up the account of a scenario through ministack's own API: keys, buckets, topics, roles, ...

Secrets are put into the store directly (secrets_seed), because thousands of calls would take minutes.
"""

import io
import zipfile
from typing import Any

import boto3
from botocore.config import Config

from .scenario import Scenario, check_keys
from .seed_iam import seed_iam

KEY_KEYS = {"id", "why", "alias", "rotation", "pending_deletion_days", "disabled", "last_used"}
BUCKET_KEYS = {"name", "versioned", "kms_key", "object_lock"}
TRAIL_KEYS = {
    "name", "why", "bucket", "stopped", "selectors", "advanced_selectors", "log_group", "one_region",
    "delivery_error", "log_delivery_error",
}  # fmt: skip
FUNCTION_KEYS = {
    "name", "why", "environment", "runtime", "role", "invocable_by", "invocable_from", "state", "kms_key", "tracing",
    "subnets",
}  # fmt: skip


def seed_account(scenario: Scenario, endpoint: str) -> dict[str, str]:
    """Returns the ARNs of the keys by the short name the scenario uses for them."""

    def client(service: str) -> Any:
        return boto3.client(
            service,
            endpoint_url=endpoint,
            region_name=scenario.region,
            # ministack takes a 12-digit access key for the account, and lets its root do anything.
            aws_access_key_id=scenario.account,
            aws_secret_access_key=scenario.account,
            config=Config(retries={"total_max_attempts": 1}),
        )

    key_arns = {key["id"]: seed_key(client("kms"), key) for key in scenario.keys}
    for bucket in scenario.buckets:
        seed_bucket(client("s3"), bucket, scenario.region, key_arns)
    for topic in scenario.topics:
        client("sns").create_topic(Name=topic)
    seed_iam(client("iam"), scenario, key_arns)
    for function in scenario.functions:
        seed_function(client("lambda"), function, scenario, key_arns)
    for trail in scenario.trails:
        seed_trail(client("cloudtrail"), trail)
    for group in scenario.log_groups:
        client("logs").create_log_group(logGroupName=group)
    return key_arns


def seed_key(kms: Any, key: dict[str, Any]) -> str:
    check_keys(key, KEY_KEYS, f"key {key.get('id')!r}")
    metadata = kms.create_key(Description=key.get("why", ""))["KeyMetadata"]
    if "alias" in key:
        kms.create_alias(AliasName=f"alias/{key['alias']}", TargetKeyId=metadata["KeyId"])
    if key.get("rotation"):
        kms.enable_key_rotation(KeyId=metadata["KeyId"])
    if key.get("disabled"):
        kms.disable_key(KeyId=metadata["KeyId"])
    if "pending_deletion_days" in key:
        kms.schedule_key_deletion(KeyId=metadata["KeyId"], PendingWindowInDays=key["pending_deletion_days"])
    return str(metadata["Arn"])


def seed_bucket(s3: Any, bucket: dict[str, Any], region: str, key_arns: dict[str, str]) -> None:
    check_keys(bucket, BUCKET_KEYS, f"bucket {bucket.get('name')!r}")
    s3.create_bucket(
        Bucket=bucket["name"],
        CreateBucketConfiguration={"LocationConstraint": region},
        ObjectLockEnabledForBucket=bucket.get("object_lock", False),
    )
    if bucket.get("versioned"):
        s3.put_bucket_versioning(Bucket=bucket["name"], VersioningConfiguration={"Status": "Enabled"})
    if "kms_key" in bucket:
        default = {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": key_arns[bucket["kms_key"]]}
        rules = [{"ApplyServerSideEncryptionByDefault": default, "BucketKeyEnabled": True}]
        s3.put_bucket_encryption(Bucket=bucket["name"], ServerSideEncryptionConfiguration={"Rules": rules})


def seed_trail(cloudtrail: Any, trail: dict[str, Any]) -> None:
    """The trail as a setting; its events are the scenario's `trail`."""
    check_keys(trail, TRAIL_KEYS, f"trail {trail.get('name')!r}")
    everywhere = not trail.get("one_region", False)
    cloudtrail.create_trail(Name=trail["name"], S3BucketName=trail["bucket"], IsMultiRegionTrail=everywhere)
    if "selectors" in trail:
        cloudtrail.put_event_selectors(TrailName=trail["name"], EventSelectors=trail["selectors"])
    if "advanced_selectors" in trail:
        cloudtrail.put_event_selectors(TrailName=trail["name"], AdvancedEventSelectors=trail["advanced_selectors"])
    if trail.get("stopped"):
        cloudtrail.stop_logging(Name=trail["name"])
    else:
        cloudtrail.start_logging(Name=trail["name"])


def seed_function(lambda_client: Any, function: dict[str, Any], scenario: Scenario, key_arns: dict[str, str]) -> None:
    """A function to be described and configured; nothing in the scenarios invokes it."""
    check_keys(function, FUNCTION_KEYS, f"function {function.get('name')!r}")
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as files:
        files.writestr("index.mjs", "export const handler = async () => ({ statusCode: 200 });\n")
    options: dict[str, Any] = {}
    if "kms_key" in function:
        options["KMSKeyArn"] = key_arns[function["kms_key"]]
    if "subnets" in function:
        options["VpcConfig"] = {"SubnetIds": function["subnets"], "SecurityGroupIds": ["sg-0123456789abcdef0"]}
    lambda_client.create_function(
        FunctionName=function["name"],
        Runtime=function.get("runtime", "nodejs22.x"),
        Handler="index.handler",
        Role=f"arn:aws:iam::{scenario.account}:role/{function['role']}",
        Code={"ZipFile": archive.getvalue()},
        Environment={"Variables": function.get("environment", {})},
        TracingConfig={"Mode": function.get("tracing", "PassThrough")},
        **options,
    )
    if "invocable_by" in function:
        lambda_client.add_permission(
            FunctionName=function["name"],
            StatementId="invoked",
            Action="lambda:InvokeFunction",
            Principal=function["invocable_by"],
            SourceAccount=function.get("invocable_from", scenario.account),
        )
