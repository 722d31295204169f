"""CloudTrail, Logs Insights, metrics, costs, KMS, SNS, Lambda and S3 as the scenario tells them."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError
from conftest import error_code

from local_aws.running import Running

NOW = datetime(2026, 11, 22, tzinfo=UTC)
BUCKET = "goal-mandala-secrets-backup-prod"
TOPIC = "arn:aws:sns:ap-northeast-1:123456789012:goal-mandala-prod-alerts"


def refusal(call: Any, **options: Any) -> str:
    with pytest.raises(ClientError) as error:
        call(**options)
    return error_code(error)


def look_up(aws: Running, event_name: str, **options: Any) -> list[dict[str, Any]]:
    wanted = [{"AttributeKey": "EventName", "AttributeValue": event_name}]
    pages = aws.client("cloudtrail").get_paginator("lookup_events").paginate(LookupAttributes=wanted, **options)
    return [event for page in pages for event in page["Events"]]


def test_trail_is_newest_first_in_pages_of_fifty(aws: Running) -> None:
    trail = aws.client("cloudtrail")
    assert len(trail.lookup_events()["Events"]) == 50
    times = [event["EventTime"] for event in look_up(aws, "GetSecretValue")]
    assert len(times) > 300
    assert times == sorted(times, reverse=True)
    assert refusal(trail.lookup_events, NextToken="nobody") == "InvalidNextTokenException"


def test_trail_keeps_to_the_times(aws: Running) -> None:
    window = {"StartTime": NOW - timedelta(hours=3), "EndTime": NOW - timedelta(hours=3) + timedelta(minutes=5)}
    burst = [event for event in look_up(aws, "GetSecretValue", **window) if event["Username"] == "nightly"]
    assert len(burst) > 100


def test_shapes_of_trail_events(aws: Running) -> None:
    details = [json.loads(event["CloudTrailEvent"]) for event in look_up(aws, "GetSecretValue")]
    denied = [detail for detail in details if detail.get("errorCode") == "AccessDenied"]
    assert {detail["userIdentity"]["type"] for detail in denied} == {"AssumedRole", "IAMUser"}
    assert all("is not authorized to perform" in detail["errorMessage"] for detail in denied)
    assert [detail["userIdentity"]["type"] for detail in details].count("Root") == 1
    assert all("resources" not in detail for detail in details)
    failed = json.loads(look_up(aws, "RotationFailed")[0]["CloudTrailEvent"])
    assert failed["eventType"] == "AwsServiceEvent"
    assert ":secret:goal-mandala-prod-rotation-" in failed["additionalEventData"]["SecretId"]
    decrypt = look_up(aws, "Decrypt")[0]
    assert decrypt["Resources"][0]["ResourceType"] == "AWS::KMS::Key"
    assert decrypt["ReadOnly"] == "true"


def test_insights_answer_after_running(aws: Running) -> None:
    logs = aws.client("logs")
    window = {"startTime": 0, "endTime": 1}
    query = logs.start_query(
        logGroupName="/aws/cloudtrail", queryString='filter eventName = "GetSecretValue"', **window
    )
    assert logs.get_query_results(queryId=query["queryId"])["status"] == "Running"
    answer = logs.get_query_results(queryId=query["queryId"])
    assert answer["status"] == "Complete"
    assert {cell["field"]: cell["value"] for cell in answer["results"][0]} == {"requests": "12000", "failures": "6"}
    stopped = logs.start_query(logGroupName="/aws/cloudtrail", queryString="GetSecretValue", **window)["queryId"]
    assert logs.stop_query(queryId=stopped)["success"]
    assert logs.get_query_results(queryId=stopped)["status"] == "Cancelled"


def test_insights_refuses_what_nobody_foresaw(aws: Running) -> None:
    start = aws.client("logs").start_query
    window = {"startTime": 0, "endTime": 1}
    assert refusal(start, logGroupName="/none", queryString="x", **window) == "ResourceNotFoundException"
    assert refusal(start, logGroupName="/aws/cloudtrail", queryString="x", **window) == "MalformedQueryException"


def metric(query_id: str, namespace: str, name: str, **dimensions: str) -> dict[str, Any]:
    listed = [{"Name": key, "Value": value} for key, value in dimensions.items()]
    about = {"Namespace": namespace, "MetricName": name, "Dimensions": listed}
    return {"Id": query_id, "MetricStat": {"Metric": about, "Period": 3600, "Stat": "Sum"}}


def test_metrics_of_scenario_and_of_put_metric_data(aws: Running) -> None:
    cloudwatch = aws.client("cloudwatch")
    stored = {"MetricName": "Probes", "Value": 3, "Timestamp": NOW - timedelta(minutes=90)}
    cloudwatch.put_metric_data(Namespace="Test", MetricData=[stored])
    usage = {"Service": "Secrets Manager", "Type": "API", "Resource": "GetSecretValue", "Class": "None"}
    queries = [
        metric("hits", "GoalMandala/SecretsManager", "CacheHits"),
        metric("rate", "GoalMandala/SecretsManager", "CacheHitRate"),
        metric("calls", "AWS/Usage", "CallCount", **usage),
        metric("other", "AWS/Usage", "CallCount", **{**usage, "Resource": "ListSecrets"}),
        metric("probes", "Test", "Probes"),
    ]
    answer = cloudwatch.get_metric_data(StartTime=NOW - timedelta(hours=3), EndTime=NOW, MetricDataQueries=queries)
    values = {result["Id"]: result["Values"] for result in answer["MetricDataResults"]}
    assert values == {"hits": [950.0] * 3, "rate": [], "calls": [500.0] * 3, "other": [], "probes": [3.0]}
    times = answer["MetricDataResults"][0]["Timestamps"]
    assert times == sorted(times, reverse=True)


def test_percentiles_are_those_that_the_scenario_tells(aws: Running) -> None:
    def query(number: int, stat: str, name: str, namespace: str, **dimensions: str) -> dict[str, Any]:
        made = metric(f"q{number}", namespace, name, **dimensions)
        return {**made, "MetricStat": {**made["MetricStat"], "Period": 86400, "Stat": stat}}

    stats = ("p50", "p95", "p99", "Average", "SampleCount", "p90")
    latency = ("SecretRetrievalLatency", "GoalMandala/SecretsManager")
    own = [query(number, stat, *latency) for number, stat in enumerate(stats)]
    function = query(9, "p99", "Duration", "AWS/Lambda", FunctionName="goal-mandala-prod-api")
    day = {"StartTime": NOW - timedelta(days=1), "EndTime": NOW}
    answer = aws.client("cloudwatch").get_metric_data(**day, MetricDataQueries=[*own, function])
    values = [result["Values"] for result in answer["MetricDataResults"]]
    assert values == [[31.0], [88.0], [145.0], [38.2], [12_000.0], [], [410.0]], "and nothing for what it does not tell"


def test_insights_rows_keep_the_names_of_their_columns(aws: Running) -> None:
    logs = aws.client("logs")
    text = 'filter eventName = "GetSecretValue" | stats count(*) by bin(5m), requestParameters.secretId'
    query = logs.start_query(logGroupName="/aws/cloudtrail", queryString=text, startTime=0, endTime=1)["queryId"]
    logs.get_query_results(queryId=query)
    [row] = logs.get_query_results(queryId=query)["results"]
    cells = {cell["field"]: cell["value"] for cell in row}
    assert cells["requestParameters.secretId"] == "goal-mandala-prod-secret-database" and cells["calls"] == "84"
    assert cells["bin(5m)"] == "2026-11-22 07:00:00.000"


def test_costs_of_a_month(aws: Running) -> None:
    cost = aws.client("ce").get_cost_and_usage
    october = {"TimePeriod": {"Start": "2026-10-01", "End": "2026-11-01"}, "Metrics": ["UnblendedCost"]}
    by_type = [{"Type": "DIMENSION", "Key": "USAGE_TYPE"}]
    result = cost(**october, Granularity="MONTHLY", GroupBy=by_type)["ResultsByTime"][0]
    assert [float(group["Metrics"]["UnblendedCost"]["Amount"]) for group in result["Groups"]] == [46.8, 1.8]
    assert result["Estimated"] is False
    total = cost(**october, Granularity="MONTHLY")["ResultsByTime"][0]["Total"]["UnblendedCost"]
    assert (float(total["Amount"]), total["Unit"]) == (48.6, "USD")
    split = {"TimePeriod": {"Start": "2026-10-15", "End": "2026-11-15"}, "Metrics": ["UnblendedCost"]}
    buckets = cost(**split, Granularity="MONTHLY")["ResultsByTime"]
    assert [bucket["TimePeriod"]["End"] for bucket in buckets] == ["2026-11-01", "2026-11-15"]


def test_keys(aws: Running) -> None:
    kms = aws.client("kms")
    key = kms.describe_key(KeyId="alias/goal-mandala-prod-secrets-key")["KeyMetadata"]
    assert key["KeyState"] == "Enabled"
    assert kms.get_key_rotation_status(KeyId=key["Arn"])["KeyRotationEnabled"] is True
    assert refusal(kms.get_key_rotation_status, KeyId="alias/goal-mandala-prod-secrets-key") == "NotFoundException"
    used = kms.get_key_last_usage(KeyId=key["KeyId"])["KeyLastUsage"]
    assert used["Timestamp"] == NOW - timedelta(hours=1)
    assert refusal(kms.get_key_last_usage, KeyId="alias/goal-mandala-prod-secrets-key") == "NotFoundException"
    retired = kms.describe_key(KeyId="alias/goal-mandala-prod-retired-key")["KeyMetadata"]
    assert retired["KeyState"] == "PendingDeletion"
    assert kms.get_key_last_usage(KeyId=retired["Arn"])["KeyLastUsage"] == {}


def test_keys_that_cannot_be_used_or_looked_at(aws: Running, sm: Any) -> None:
    kms = aws.client("kms")
    frozen = kms.describe_key(KeyId="alias/goal-mandala-prod-frozen-key")["KeyMetadata"]
    assert (frozen["KeyState"], frozen["Enabled"]) == ("Disabled", False)
    assert kms.get_key_rotation_status(KeyId=frozen["Arn"])["KeyRotationEnabled"] is True
    static = kms.describe_key(KeyId="alias/goal-mandala-prod-static-key")["KeyMetadata"]
    assert kms.get_key_rotation_status(KeyId=static["Arn"])["KeyRotationEnabled"] is False
    foreign = sm.describe_secret(SecretId="goal-mandala-prod-key-of-another-account")["KmsKeyId"]
    assert refusal(kms.describe_key, KeyId=foreign) == "AccessDeniedException"
    by_alias = sm.describe_secret(SecretId="goal-mandala-prod-key-by-alias")["KmsKeyId"]
    assert by_alias == "alias/goal-mandala-prod-secrets-key"
    assert refusal(kms.get_key_policy, KeyId="alias/goal-mandala-prod-frozen-key") == "NotFoundException"
    assert "kms:*" in kms.get_key_policy(KeyId=frozen["KeyId"])["Policy"]


def test_the_trail_is_on_and_logs_reads(aws: Running) -> None:
    cloudtrail = aws.client("cloudtrail")
    [trail] = cloudtrail.describe_trails()["trailList"]
    assert cloudtrail.get_trail_status(Name=trail["Name"])["IsLogging"] is True
    [selector] = cloudtrail.get_event_selectors(TrailName=trail["Name"])["EventSelectors"]
    assert (selector["ReadWriteType"], selector["ExcludeManagementEventSources"]) == ("All", [])


def test_notices_are_kept(aws: Running) -> None:
    aws.client("sns").publish(TopicArn=TOPIC, Subject="subject", Message="本文")
    aws.control("POST", "webhook", {"text": "hello"})
    sns, webhook = aws.control("GET", "notices")
    assert (sns["topic_arn"], sns["subject"], sns["message"]) == (TOPIC, "subject", "本文")
    assert (webhook["channel"], webhook["message"]) == ("webhook", {"text": "hello"})


def test_a_rotation_function_that_is_gone(aws: Running) -> None:
    get = aws.client("lambda").get_function_configuration
    assert get(FunctionName="goal-mandala-prod-rotation")["State"] == "Active"
    assert refusal(get, FunctionName="goal-mandala-prod-rotation-old") == "ResourceNotFoundException"


def test_conditional_writes(aws: Running, fresh_name: str) -> None:
    """ministack 1.5.33 does these itself; the markers of the jobs depend on them."""
    s3 = aws.client("s3")
    put = {"Bucket": BUCKET, "Key": fresh_name, "Body": b"1"}
    etag = s3.put_object(**put, IfNoneMatch="*")["ETag"]
    assert refusal(s3.put_object, **put, IfNoneMatch="*") == "PreconditionFailed"
    s3.put_object(**{**put, "Body": b"2"}, IfMatch=etag)
    assert refusal(s3.put_object, **put, IfMatch=etag) == "PreconditionFailed"
    upload = {"Bucket": BUCKET, "Key": fresh_name}
    upload["UploadId"] = s3.create_multipart_upload(**upload)["UploadId"]
    part = s3.upload_part(**upload, PartNumber=1, Body=b"3")["ETag"]
    parts = {"Parts": [{"PartNumber": 1, "ETag": part}]}
    refused = refusal(s3.complete_multipart_upload, **upload, MultipartUpload=parts, IfNoneMatch="*")
    assert refused == "PreconditionFailed"
    assert s3.get_object(Bucket=BUCKET, Key=fresh_name)["Body"].read() == b"2"


def test_a_bucket_tells_how_it_is_protected(aws: Running, fresh_name: str) -> None:
    """ministack 1.5.33 does these itself; the setup of the backup reads them."""
    s3 = aws.client("s3")
    bucket = {"Bucket": fresh_name}
    assert refusal(s3.get_bucket_versioning, **bucket) == "NoSuchBucket"
    s3.create_bucket(**bucket, CreateBucketConfiguration={"LocationConstraint": "ap-northeast-1"})
    assert "Status" not in s3.get_bucket_versioning(**bucket)
    [rule] = s3.get_bucket_encryption(**bucket)["ServerSideEncryptionConfiguration"]["Rules"]
    assert rule["ApplyServerSideEncryptionByDefault"] == {"SSEAlgorithm": "AES256"}
    assert refusal(s3.get_public_access_block, **bucket) == "NoSuchPublicAccessBlockConfiguration"
    assert refusal(s3.get_bucket_policy, **bucket) == "NoSuchBucketPolicy"

    for status in ("Enabled", "Suspended"):
        s3.put_bucket_versioning(**bucket, VersioningConfiguration={"Status": status})
        assert s3.get_bucket_versioning(**bucket)["Status"] == status
    key = aws.client("kms").describe_key(KeyId="alias/goal-mandala-prod-backup-key")["KeyMetadata"]["Arn"]
    default = {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": key}
    wanted = {"Rules": [{"ApplyServerSideEncryptionByDefault": default, "BucketKeyEnabled": True}]}
    s3.put_bucket_encryption(**bucket, ServerSideEncryptionConfiguration=wanted)
    assert s3.get_bucket_encryption(**bucket)["ServerSideEncryptionConfiguration"] == wanted
    block = {"BlockPublicAcls": True, "IgnorePublicAcls": True, "BlockPublicPolicy": True}
    for restrict in (False, True):
        block["RestrictPublicBuckets"] = restrict
        s3.put_public_access_block(**bucket, PublicAccessBlockConfiguration=block)
        assert s3.get_public_access_block(**bucket)["PublicAccessBlockConfiguration"] == block
    everything = f"arn:aws:s3:::{fresh_name}/*"
    statement = {"Effect": "Deny", "Principal": "*", "Action": "s3:PutObject", "Resource": everything}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    s3.put_bucket_policy(**bucket, Policy=policy)
    assert s3.get_bucket_policy(**bucket)["Policy"] == policy

    s3.delete_bucket_encryption(**bucket)
    s3.delete_public_access_block(**bucket)
    s3.delete_bucket_policy(**bucket)
    assert refusal(s3.get_public_access_block, **bucket) == "NoSuchPublicAccessBlockConfiguration"
    assert refusal(s3.get_bucket_policy, **bucket) == "NoSuchBucketPolicy"
    names = {entry["operation"] for entry in aws.journal("s3.*")}
    assert names == {
        f"{verb}{what}"
        for verb in ("Get", "Put", "Delete")
        for what in ("BucketEncryption", "PublicAccessBlock", "BucketPolicy")
    } | {"CreateBucket", "GetBucketVersioning", "PutBucketVersioning"}
