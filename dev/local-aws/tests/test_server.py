"""The process: other scenarios, --auth, --faults, wrong use, and a clean end."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from conftest import NOW, error_code

from local_aws.running import Running, running

FOLDER = Path(__file__).parent.parent


def refusal(call: Any, **options: Any) -> str:
    with pytest.raises(ClientError) as error:
        call(**options)
    return error_code(error)


def test_the_empty_account_and_a_clean_end(tmp_path: Path) -> None:
    faults = tmp_path / "faults.json"
    faults.write_text(json.dumps([{"match": "kms.*", "effect": "deny"}]))
    with running("empty", NOW, "--faults", str(faults)) as aws:
        assert aws.client("secretsmanager").list_secrets()["SecretList"] == []
        assert aws.client("cloudtrail").lookup_events()["Events"] == []
        assert refusal(aws.client("s3").head_bucket, Bucket="goal-mandala-secrets-backup-prod") == "404"
        topic = "arn:aws:sns:ap-northeast-1:123456789012:goal-mandala-prod-alerts"
        assert refusal(aws.client("sns").publish, TopicArn=topic, Message="m") == "NotFound"
        assert refusal(aws.client("kms").list_keys) == "AccessDeniedException"
        period = {"Start": "2026-10-01", "End": "2026-11-01"}
        cost = aws.client("ce").get_cost_and_usage
        refused = refusal(cost, TimePeriod=period, Granularity="MONTHLY", Metrics=["UnblendedCost"])
        assert refused == "DataUnavailableException"
    assert aws.process.returncode == 0


def test_insights_that_fail_and_a_scenario_of_ones_own(tmp_path: Path) -> None:
    own = tmp_path / "own.yaml"
    own.write_text("""
log_groups: [/g]
insights:
  - {log_group: /g, contains: [slow, query], status: Timeout, running_polls: 0}
  - {log_group: /g, contains: forbidden, error: AccessDeniedException, message: not yours}
""")
    with running(str(own), NOW) as aws:
        logs = aws.client("logs")
        group = "arn:aws:logs:ap-northeast-1:123456789012:log-group:/g"
        query: dict[str, Any] = {"logGroupIdentifiers": [group], "startTime": 0, "endTime": 1}
        slow = logs.start_query(**query, queryString="a slow query")["queryId"]
        assert logs.get_query_results(queryId=slow)["status"] == "Timeout"
        assert refusal(logs.start_query, **query, queryString="forbidden") == "AccessDeniedException"


def test_ten_thousand_secrets() -> None:
    with running("generated:10000", NOW) as aws:
        pages = aws.client("secretsmanager").get_paginator("list_secrets").paginate()
        arns = {secret["ARN"] for page in pages for secret in page["SecretList"]}
        assert len(arns) == 10_000
        assert len(aws.journal("secretsmanager.ListSecrets")) == 100


@pytest.fixture(scope="module")
def strict() -> Any:
    with running("goal-mandala-prod", NOW, "--auth") as aws:
        yield aws


def as_role(aws: Running, service: str) -> Any:
    role = "arn:aws:iam::123456789012:role/goal-mandala-prod-lambda-secrets-role"
    session = aws.client("sts").assume_role(RoleArn=role, RoleSessionName="test")["Credentials"]
    return aws.client(
        service,
        aws_access_key_id=session["AccessKeyId"],
        aws_secret_access_key=session["SecretAccessKey"],
        aws_session_token=session["SessionToken"],
    )


def test_auth_allows_what_the_role_may(strict: Running) -> None:
    client = as_role(strict, "secretsmanager")
    assert client.describe_secret(SecretId="goal-mandala-prod-secret-jwt")["KmsKeyId"]
    assert client.get_secret_value(SecretId="goal-mandala-prod-secret-jwt")["SecretString"]


def test_auth_refuses_the_rest_even_where_the_overlay_answers(strict: Running) -> None:
    client = as_role(strict, "secretsmanager")
    assert refusal(client.list_secrets) == "AccessDeniedException"
    assert refusal(client.get_resource_policy, SecretId="goal-mandala-prod-secret-jwt") == "AccessDeniedException"
    assert refusal(as_role(strict, "cloudtrail").lookup_events) == "AccessDeniedException"
    metrics = as_role(strict, "cloudwatch").get_metric_data
    assert refusal(metrics, StartTime=0, EndTime=1, MetricDataQueries=[]) == "AccessDeniedException"


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (["--scenario", "nope"], "no scenario 'nope'"),
        (["--now", "2026-11-22"], "needs an offset"),
        (["--faults", "/does/not/exist"], "/does/not/exist"),
    ],
)
def test_wrong_use_ends_with_2_and_the_reason(options: list[str], expected: str) -> None:
    command = [sys.executable, "-m", "local_aws", "--port", "0", *options]
    done = subprocess.run(command, cwd=FOLDER, capture_output=True, text=True, timeout=30)
    assert done.returncode == 2
    assert expected in done.stderr


def test_a_role_of_another_account_sees_that_account(aws: Running) -> None:
    theirs = aws.client("secretsmanager", aws_access_key_id="111111111111")
    theirs.create_secret(Name="theirs", SecretString="v")
    role = "arn:aws:iam::111111111111:role/secrets-backup"
    session = aws.client("sts").assume_role(RoleArn=role, RoleSessionName="test")["Credentials"]
    assumed = aws.client(
        "secretsmanager",
        aws_access_key_id=session["AccessKeyId"],
        aws_secret_access_key=session["SecretAccessKey"],
        aws_session_token=session["SessionToken"],
    )
    assert [secret["Name"] for secret in assumed.list_secrets()["SecretList"]] == ["theirs"]
    assert assumed.describe_secret(SecretId="theirs")["ARN"].split(":")[4] == "111111111111"
