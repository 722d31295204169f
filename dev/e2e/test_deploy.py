"""template.yaml, deployed to the local AWS with IAM in force: everything is made, each function does its job under its
own role, and each role is refused what it has no need of. What this cannot show is listed in `deployment.NOT_SHOWN`.
"""

import json
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.exceptions import ClientError
from local_aws.running import Running

from deployment import ACCOUNT, ROOT, Deployment, account_before_the_stack, deploy

HEALTH = "goal-mandala-prod-secrets-api-health"
BACKUP = "goal-mandala-secrets-backup"
ROTATION = "goal-mandala-prod-secrets-rotation-checker"
AUDIT = "goal-mandala-prod-secrets-audit-runner"
BUCKET = "goal-mandala-secrets-backup-prod"
CANARY = "goal-mandala-prod-secrets-ops-canary"
DATABASE = "goal-mandala-prod-secret-database"
TOPIC = f"arn:aws:sns:ap-northeast-1:{ACCOUNT}:goal-mandala-prod-alerts"


@pytest.fixture(scope="module")
def stack(
    local_aws: Callable[..., Running], bootstraps: dict[str, Path], tmp_path_factory: pytest.TempPathFactory
) -> Deployment:
    scratch = tmp_path_factory.mktemp("deploy")
    return deploy(local_aws(account_before_the_stack(scratch), auth=True), bootstraps, scratch)


# --- What is made


def test_every_resource_is_made(stack: Deployment) -> None:
    assert Counter(stack.types.values()) == {
        "AWS::ApiGatewayV2::Api": 1,
        "AWS::ApiGatewayV2::Integration": 1,
        "AWS::ApiGatewayV2::Route": 2,
        "AWS::ApiGatewayV2::Stage": 1,
        "AWS::CloudWatch::Alarm": 24,
        "AWS::IAM::Role": 5,
        "AWS::KMS::Alias": 2,
        "AWS::KMS::Key": 2,
        "AWS::Lambda::EventInvokeConfig": 4,
        "AWS::Lambda::Function": 4,
        "AWS::Lambda::Permission": 1,
        "AWS::Logs::LogGroup": 5,
        "AWS::S3::Bucket": 1,
        "AWS::S3::BucketPolicy": 1,
        "AWS::SNS::Topic": 1,
        "AWS::SNS::TopicPolicy": 1,
        "AWS::SQS::Queue": 2,
        "AWS::SQS::QueuePolicy": 1,
        "AWS::Scheduler::Schedule": 7,
        "AWS::SecretsManager::Secret": 1,
    }


def test_names_are_those_of_the_runbook(stack: Deployment) -> None:
    assert stack.outputs["BucketName"] == BUCKET
    assert stack.outputs["AlertTopicArn"] == TOPIC
    assert stack.outputs["CanarySecretArn"].partition(":secret:")[2].startswith(f"{CANARY}-")
    functions = {name for key, name in stack.physical.items() if stack.types[key] == "AWS::Lambda::Function"}
    assert functions == {HEALTH, BACKUP, ROTATION, AUDIT}


def test_schedules_name_job_and_time(stack: Deployment) -> None:
    scheduler = stack.aws.client("scheduler")
    found = {}
    for summary in scheduler.list_schedules()["Schedules"]:
        schedule = scheduler.get_schedule(Name=summary["Name"])
        event = json.loads(schedule["Target"]["Input"])
        assert event["scheduledTime"] == "<aws.scheduler.scheduled-time>"
        assert event["scheduleArn"] == "<aws.scheduler.schedule-arn>"
        assert schedule["Target"]["RoleArn"].endswith(f"role/{stack.physical['SchedulerRole']}")
        assert schedule["Target"]["DeadLetterConfig"]["Arn"].endswith(":goal-mandala-prod-secrets-ops-undelivered")
        function = schedule["Target"]["Arn"].rpartition(":")[2]
        found[event["job"]] = (function, schedule["ScheduleExpression"], schedule["State"])
    assert found == {
        "health": (HEALTH, "rate(5 minutes)", "ENABLED"),
        "backup-daily": (BACKUP, "cron(0 2 * * ? *)", "ENABLED"),
        "backup-monthly": (BACKUP, "cron(0 2 1 * ? *)", "ENABLED"),
        "rotation": (ROTATION, "cron(30 8 * * ? *)", "ENABLED"),
        "audit-daily": (AUDIT, "cron(0 9 * * ? *)", "ENABLED"),
        "audit-weekly": (AUDIT, "cron(0 9 ? * MON *)", "DISABLED"),
        "audit-monthly": (AUDIT, "cron(30 9 1 * ? *)", "DISABLED"),
    }


def test_failed_events_are_kept(stack: Deployment) -> None:
    for function in (HEALTH, BACKUP, ROTATION, AUDIT):
        config = stack.aws.client("lambda").get_function_event_invoke_config(FunctionName=function, Qualifier="$LATEST")
        destination = config["DestinationConfig"]["OnFailure"]["Destination"]
        assert destination.endswith(":goal-mandala-prod-secrets-ops-failed"), function


def test_alarms_tell_both_ways(stack: Deployment) -> None:
    alarms = stack.aws.client("cloudwatch").describe_alarms(MaxRecords=100)["MetricAlarms"]
    for alarm in alarms:
        assert alarm["AlarmActions"] == alarm["OKActions"] == [TOPIC], alarm["AlarmName"]
        # What PutMetricAlarm accepts: a day in all, or seven where a period is an hour or more.
        limit = 604_800 if alarm["Period"] >= 3600 else 86_400
        assert alarm["Period"] * alarm["EvaluationPeriods"] <= limit, alarm["AlarmName"]
    silent_on_no_data = {alarm["AlarmName"] for alarm in alarms if alarm["TreatMissingData"] != "breaching"}
    assert not [name for name in silent_on_no_data if name.endswith("-missed")]


# --- What the functions do


def invoke(stack: Deployment, function: str, event: str | dict[str, Any]) -> dict[str, Any]:
    """Calls a function with an event of its own, or with a file of events/."""
    payload = json.dumps(event) if isinstance(event, dict) else (ROOT / "events" / event).read_text(encoding="utf-8")
    answer = stack.aws.client("lambda").invoke(FunctionName=function, Payload=payload)
    body = answer["Payload"].read().decode()
    assert "FunctionError" not in answer, body
    return dict(json.loads(body))


def keys(stack: Deployment, prefix: str) -> list[str]:
    found = stack.aws.client("s3").list_objects_v2(Bucket=BUCKET, Prefix=prefix)
    return [entry["Key"] for entry in found.get("Contents", [])]


def denied(answer: dict[str, Any]) -> list[dict[str, Any]]:
    return [gap for gap in answer["gaps"] if gap["reason"] == "denied"]


def get(stack: Deployment, path: str, credentials: Credentials | None = None) -> tuple[int, dict[str, Any]]:
    """Asks the HTTP API, in the form of address that does not need a host name of its own."""
    url = f"{stack.aws.endpoint}/_aws/execute-api/{stack.physical['HealthApi']}/$default{path}"
    request = AWSRequest("GET", url)
    if credentials:
        SigV4Auth(credentials, "execute-api", "ap-northeast-1").add_auth(request)
    try:
        with urllib.request.urlopen(urllib.request.Request(url, headers=dict(request.headers))) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


def test_health_answers_the_public(stack: Deployment) -> None:
    status, health = get(stack, "/health")
    assert status == 200, health
    assert health["status"] in ("pass", "warn"), health
    assert DATABASE not in json.dumps(health), "the public answer names no secret"


def test_health_gives_details_to_principals_only(stack: Deployment) -> None:
    assert get(stack, "/health/detail")[0] == 403
    status, health = get(stack, "/health/detail", Credentials(ACCOUNT, "local"))
    assert status == 200, health
    assert DATABASE in json.dumps(health)


@pytest.mark.parametrize("case", ["http-api-v2", "function-url", "rest-v1", "runbook"])
def test_health_answers_every_caller(stack: Deployment, case: str) -> None:
    answer = invoke(stack, HEALTH, f"api-health/{case}.json")
    assert answer["statusCode"] == 200, answer


def test_backup_is_in_the_bucket_and_made_once(stack: Deployment) -> None:
    event = "secrets-backup/scheduled-daily.json"
    answer = invoke(stack, BACKUP, event)
    assert answer["success"] and not denied(answer), answer
    assert answer["coverage"]["wanted"] == answer["coverage"]["seen"] > 30
    archives = keys(stack, "daily-backups/")
    assert [key for key in archives if key.endswith(".tar.gz")]
    assert [key for key in archives if key.endswith(".manifest.json")]
    assert invoke(stack, BACKUP, event)["status"] == "already-done"
    assert keys(stack, "daily-backups/") == archives


def test_rotation_report_is_in_the_bucket(stack: Deployment) -> None:
    answer = invoke(stack, ROTATION, "rotation-checker/scheduled.json")
    assert answer["success"] and not denied(answer), answer
    assert answer["counts"]["findings"] > 0
    assert [key for key in keys(stack, "reports/rotation/") if key.endswith(".json")]


def test_daily_list_is_in_the_bucket(stack: Deployment) -> None:
    answer = invoke(stack, AUDIT, "audit-runner/scheduled-daily.json")
    assert answer["success"] and not denied(answer), answer
    assert [key for key in keys(stack, "reports/audit-daily/") if key.endswith(".json")]


def test_findings_reach_the_topic(stack: Deployment) -> None:
    stack.aws.reset()
    invoke(stack, ROTATION, {"job": "rotation"})
    notices = stack.aws.control("GET", "notices")
    assert [notice["topic_arn"] for notice in notices] == [TOPIC]


def test_alarms_watch_metrics_that_exist(stack: Deployment) -> None:
    """An alarm on a metric that nobody prints stays silent for ever, and CloudWatch does not say so."""
    invoke(stack, HEALTH, "api-health/direct.json")
    invoke(stack, BACKUP, {"job": "backup-daily"})
    # A time of its own: a second delivery of an event prints nothing.
    invoke(stack, BACKUP, {"job": "backup-monthly", "scheduledTime": "2026-12-31T17:00:00Z", "scheduleArn": "arn:test"})
    invoke(stack, ROTATION, "rotation-checker/empty.json")
    invoke(stack, AUDIT, "audit-runner/empty.json")
    printed = set()
    for function in (HEALTH, BACKUP, ROTATION, AUDIT):
        for line in stack.aws.client("logs").filter_log_events(logGroupName=f"/aws/lambda/{function}")["events"]:
            if line["message"].startswith('{"_aws"'):
                printed |= series(json.loads(line["message"]))
    watched = {
        (alarm["Namespace"], alarm["MetricName"], tuple(sorted((d["Name"], d["Value"]) for d in alarm["Dimensions"])))
        for alarm in stack.aws.client("cloudwatch").describe_alarms(MaxRecords=100)["MetricAlarms"]
        if not alarm["Namespace"].startswith("AWS/")
    }
    assert len(watched) > 10
    assert watched - printed == set()


def series(line: dict[str, Any]) -> set[tuple[str, str, tuple[tuple[str, str], ...]]]:
    """The time series that CloudWatch takes from a line of embedded metrics."""
    return {
        (directive["Namespace"], metric["Name"], tuple(sorted((name, line[name]) for name in names)))
        for directive in line["_aws"]["CloudWatchMetrics"]
        for names in directive["Dimensions"]
        for metric in directive["Metrics"]
    }


# --- What the roles are refused

SECRET = {"SecretId": DATABASE}
OTHER_OBJECT = {"Bucket": BUCKET, "Key": "daily-backups/x"}
REFUSED: list[tuple[str, str, str, dict[str, Any]]] = [
    ("HealthRole", "secretsmanager", "get_secret_value", SECRET),
    ("HealthRole", "secretsmanager", "describe_secret", {"SecretId": "goal-mandala-prod-unused-091d"}),
    ("HealthRole", "secretsmanager", "list_secrets", {}),
    ("HealthRole", "s3", "put_object", {"Bucket": BUCKET, "Key": "runs/x", "Body": b""}),
    ("HealthRole", "sns", "publish", {"TopicArn": TOPIC, "Message": "x"}),
    ("BackupRole", "secretsmanager", "get_secret_value", SECRET),
    ("BackupRole", "secretsmanager", "get_secret_value", {"SecretId": CANARY}),
    ("BackupRole", "secretsmanager", "batch_get_secret_value", {"SecretIdList": [DATABASE]}),
    ("BackupRole", "secretsmanager", "put_secret_value", {**SECRET, "SecretString": "x"}),
    ("BackupRole", "secretsmanager", "delete_secret", SECRET),
    ("BackupRole", "s3", "get_object", OTHER_OBJECT),
    ("BackupRole", "s3", "delete_object", OTHER_OBJECT),
    ("BackupRole", "s3", "put_object", {"Bucket": BUCKET, "Key": "reports/x", "Body": b""}),
    ("BackupRole", "s3", "put_object", {"Bucket": "code", "Key": "secrets-backup.zip", "Body": b""}),
    ("RotationRole", "secretsmanager", "get_secret_value", SECRET),
    ("RotationRole", "secretsmanager", "describe_secret", SECRET),
    ("RotationRole", "secretsmanager", "rotate_secret", SECRET),
    ("RotationRole", "s3", "put_object", {**OTHER_OBJECT, "Body": b""}),
    ("RotationRole", "s3", "get_object", OTHER_OBJECT),
    ("AuditRole", "secretsmanager", "get_secret_value", SECRET),
    ("AuditRole", "secretsmanager", "list_secrets", {}),
    ("AuditRole", "s3", "put_object", {**OTHER_OBJECT, "Body": b""}),
    ("AuditRole", "s3", "get_object", OTHER_OBJECT),
    ("AuditRole", "logs", "filter_log_events", {"logGroupName": "/aws/cloudtrail"}),
    (
        "AuditRole",
        "logs",
        "start_query",
        {"logGroupName": f"/aws/lambda/{BACKUP}", "startTime": 0, "endTime": 1, "queryString": "fields @message"},
    ),
    ("SchedulerRole", "secretsmanager", "list_secrets", {}),
    ("SchedulerRole", "lambda", "invoke", {"FunctionName": "goal-mandala-prod-api"}),
]


@pytest.mark.parametrize(("role", "service", "call", "arguments"), REFUSED, ids=lambda value: str(value)[:30])
def test_roles_are_refused(stack: Deployment, role: str, service: str, call: str, arguments: dict[str, Any]) -> None:
    with pytest.raises(ClientError) as error:
        getattr(stack.as_role(role, service), call)(**arguments)
    # The answer has to be a refusal, not a complaint about the arguments.
    assert error.value.response["Error"]["Code"] in ("AccessDenied", "AccessDeniedException", "AuthorizationError")


def test_bucket_refuses_other_encryption(stack: Deployment) -> None:
    """Under a role that may write there: the refusal is the bucket's own."""
    s3 = stack.as_role("BackupRole", "s3")
    s3.put_object(Bucket=BUCKET, Key="manual-backups/default", Body=b"")
    with pytest.raises(ClientError, match="AccessDenied"):
        s3.put_object(Bucket=BUCKET, Key="manual-backups/other", Body=b"", ServerSideEncryption="AES256")


def test_plain_http_is_refused(stack: Deployment) -> None:
    s3 = stack.as_role("BackupRole", "s3")
    s3.meta.events.register(
        "before-send.s3.PutObject", lambda request, **_: request.headers.update({"x-forwarded-proto": "http"})
    )
    with pytest.raises(ClientError, match="AccessDenied"):
        s3.put_object(Bucket=BUCKET, Key="manual-backups/transport", Body=b"")
