"""Faults: what each effect looks like in each protocol, when it strikes, and what the journal says."""

import json
import time
import urllib.error
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError, ConnectionClosedError, HTTPClientError
from conftest import error_code

from local_aws.faults import Fault, is_above_rate, parse_faults
from local_aws.running import Running

BUCKET = "goal-mandala-secrets-backup-prod"
CALLS = {
    "secretsmanager": lambda client: client.list_secrets(),
    "s3": lambda client: client.put_object(Bucket=BUCKET, Key="fault", Body=b"1"),
    "sns": lambda client: client.publish(TopicArn="arn:aws:sns:ap-northeast-1:123456789012:x", Message="m"),
    "cloudwatch": lambda client: client.get_metric_data(StartTime=0, EndTime=1, MetricDataQueries=[]),
    "lambda": lambda client: client.list_functions(),
    "iam": lambda client: client.list_roles(),
    "cloudtrail": lambda client: client.lookup_events(),
    "ce": lambda client: client.get_cost_and_usage(
        TimePeriod={"Start": "2026-10-01", "End": "2026-11-01"}, Granularity="MONTHLY", Metrics=["UnblendedCost"]
    ),
}


@pytest.mark.parametrize(
    ("service", "effect", "code", "status"),
    [
        ("secretsmanager", "deny", "AccessDeniedException", 400),
        ("secretsmanager", "throttle", "ThrottlingException", 400),
        ("secretsmanager", "5xx", "InternalServiceError", 500),
        ("cloudtrail", "deny", "AccessDeniedException", 400),
        ("ce", "throttle", "LimitExceededException", 400),
        ("s3", "deny", "AccessDenied", 403),
        ("s3", "throttle", "SlowDown", 503),
        ("s3", "5xx", "InternalError", 500),
        ("sns", "deny", "AuthorizationError", 403),
        ("sns", "throttle", "Throttling", 400),
        ("iam", "deny", "AccessDenied", 403),
        ("cloudwatch", "deny", "AccessDeniedException", 403),
        ("cloudwatch", "throttle", "ThrottlingException", 400),
        ("lambda", "throttle", "TooManyRequestsException", 429),
    ],
)
def test_errors_in_the_protocol_of_the_service(aws: Running, service: str, effect: str, code: str, status: int) -> None:
    aws.faults({"match": f"{service}.*", "effect": effect})
    with pytest.raises(ClientError) as error:
        CALLS[service](aws.client(service))
    assert error_code(error) == code
    assert error.value.response["ResponseMetadata"]["HTTPStatusCode"] == status
    [line] = aws.journal()
    assert (line["service"], line["status"], line["error"], line["fault"]) == (service, status, code, effect)


@pytest.mark.parametrize("service", ["secretsmanager", "s3", "cloudwatch"])
@pytest.mark.parametrize("effect", ["drop", "lost", "cut"])
def test_connections_that_break(aws: Running, service: str, effect: str) -> None:
    aws.faults({"match": f"{service}.*", "effect": effect})
    with pytest.raises((ConnectionClosedError, HTTPClientError)):
        CALLS[service](aws.client(service))


def test_dropped_calls_do_nothing_and_lost_calls_do(aws: Running, sm: Any, fresh_name: str) -> None:
    for effect, exists in (("drop", False), ("lost", True)):
        name = f"{fresh_name}-{effect}"
        aws.faults({"match": "secretsmanager.CreateSecret", "effect": effect})
        with pytest.raises(ConnectionClosedError):
            sm.create_secret(Name=name, SecretString="v")
        found = sm.list_secrets(Filters=[{"Key": "name", "Values": [name]}])["SecretList"]
        assert bool(found) == exists


def outcomes(sm: Any, calls: int) -> str:
    """One letter per call: "." passed, "x" struck."""
    seen = ""
    for _ in range(calls):
        try:
            sm.list_secrets(MaxResults=1)
            seen += "."
        except ClientError:
            seen += "x"
    return seen


@pytest.mark.parametrize(
    ("when", "expected"),
    [
        ({}, "xxxxxx"),
        ({"times": 2}, "xx...."),
        ({"every": 3}, "..x..x"),
        ({"after": 2}, "..xxxx"),
        ({"after": 2, "times": 1}, "..x..."),
        ({"after": 1, "every": 2}, "..x.x."),
        ({"secret": "nobody"}, "......"),
    ],
)
def test_when_a_fault_strikes(aws: Running, sm: Any, when: dict[str, Any], expected: str) -> None:
    aws.faults({"match": "secretsmanager.List*", "effect": "throttle", **when})
    assert outcomes(sm, 6) == expected
    [fault] = aws.control("GET", "faults")
    assert fault["struck"] == expected.count("x")


def test_a_fault_for_one_secret(aws: Running, sm: Any) -> None:
    aws.faults(
        {"match": "*.DescribeSecret", "secret": "secret-jwt", "effect": "error", "code": "ResourceNotFoundException"}
    )
    sm.describe_secret(SecretId="goal-mandala-prod-secret-database")
    with pytest.raises(ClientError) as error:
        sm.describe_secret(SecretId="goal-mandala-prod-secret-jwt")
    assert error_code(error) == "ResourceNotFoundException"


def test_a_rate_lets_so_many_pass() -> None:
    fault = Fault("*", rps=10, burst=2)
    assert [is_above_rate(fault, 0.0) for _ in range(3)] == [False, False, True]
    assert is_above_rate(fault, 0.05)
    assert not is_above_rate(fault, 0.16)


def test_the_quotas_of_aws_are_faults() -> None:
    quotas = Path(__file__).parent.parent / "faults" / "quotas.json"
    assert all(fault.effect == "throttle" and fault.rps for fault in parse_faults(json.loads(quotas.read_text())))


def test_a_delay_delays(aws: Running, sm: Any) -> None:
    aws.faults({"match": "secretsmanager.*", "delay_ms": 200})
    begun = time.monotonic()
    sm.list_secrets(MaxResults=1)
    assert time.monotonic() - begun >= 0.2


@pytest.mark.parametrize("fault", [{"mach": "*"}, {"match": "*", "effect": "explode"}, {"match": "*", "every": 0}])
def test_wrong_faults_are_refused(aws: Running, fault: dict[str, Any]) -> None:
    with pytest.raises(urllib.error.HTTPError) as error:
        aws.faults(fault)
    assert error.value.code == 400


def test_the_sdk_gets_through_a_short_throttle(aws: Running) -> None:
    aws.faults({"match": "secretsmanager.ListSecrets", "effect": "throttle", "times": 1})
    aws.client("secretsmanager", attempts=3).list_secrets(MaxResults=1)
    assert [line["status"] for line in aws.journal("secretsmanager.*")] == [400, 200]


def test_the_journal_names_what_was_touched_and_holds_no_value(aws: Running, sm: Any, fresh_name: str) -> None:
    sm.create_secret(Name=fresh_name, SecretString="CANARY")
    aws.client("s3").put_object(Bucket=BUCKET, Key="a/b", Body=b"CANARY")
    aws.client("lambda").get_function_configuration(FunctionName="goal-mandala-prod-api")
    lines = aws.journal()
    assert [(line["operation"], line["secret"], line["resource"]) for line in lines] == [
        ("CreateSecret", fresh_name, fresh_name),
        ("PutObject", "", f"{BUCKET}/a/b"),
        ("GetFunctionConfiguration", "", "goal-mandala-prod-api"),
    ]
    assert "CANARY" not in str(lines)


def test_a_call_that_began_before_a_reset_is_not_in_the_next_journal(aws: Running, sm: Any) -> None:
    aws.faults({"match": "*", "delay_ms": 500})
    with ThreadPoolExecutor(1) as pool:
        late = pool.submit(sm.list_secrets)
        while not aws.control("GET", "faults")[0]["seen"]:
            time.sleep(0.02)
        aws.reset()
        late.result()
    assert aws.journal() == []


def test_writes_to_s3_are_kept_with_their_conditions(aws: Running, fresh_name: str) -> None:
    asked = {"IfNoneMatch": "*", "ServerSideEncryption": "AES256"}
    aws.client("s3").put_object(Bucket=BUCKET, Key=f"{fresh_name}-conditions", Body=b"", **asked)
    [line] = aws.journal()
    assert line["headers"] == {"if-none-match": "*", "x-amz-server-side-encryption": "AES256"}


def test_multipart_operations_have_their_own_names(aws: Running, fresh_name: str) -> None:
    s3, upload = aws.client("s3"), {"Bucket": BUCKET, "Key": fresh_name}
    upload["UploadId"] = s3.create_multipart_upload(**upload)["UploadId"]
    part = s3.upload_part(**upload, PartNumber=1, Body=b"1")["ETag"]
    s3.complete_multipart_upload(**upload, MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": part}]})
    assert [line["operation"] for line in aws.journal()] == [
        "CreateMultipartUpload",
        "UploadPart",
        "CompleteMultipartUpload",
    ]


def test_the_journal_keeps_what_is_only_yes_or_no(aws: Running) -> None:
    aws.client("secretsmanager").list_secrets(IncludePlannedDeletion=True, MaxResults=1)
    assert aws.journal()[0]["flags"] == {"IncludePlannedDeletion": True}
