"""template.yaml, deployed to the local AWS with IAM in force: everything is made, each function does its job under its
own role, and each role is refused what it has no need of. What this cannot show is listed in `deployment.NOT_SHOWN`.
"""

import json
import subprocess
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.exceptions import ClientError
from local_aws.running import Running
from samtranslator.yaml_helper import yaml_parse

from deployment import ACCOUNT, CODE_BUCKET, ROOT, ROOT_MAY_ASSUME, TEMPLATE
from deployment import Deployment, account_before_the_stack, deploy
from estate import NOT_PROVEN
from lab import BUILT

HEALTH = "goal-mandala-prod-secrets-api-health"
BACKUP = "goal-mandala-secrets-backup"
ROTATION = "goal-mandala-prod-secrets-rotation-checker"
AUDIT = "goal-mandala-prod-secrets-audit-runner"
DRILL = "goal-mandala-prod-secrets-restore-drill"
MACHINE = f"arn:aws:states:ap-northeast-1:{ACCOUNT}:stateMachine:goal-mandala-prod-secrets-backup"
BUCKET = "goal-mandala-secrets-backup-prod"
CANARY = "goal-mandala-prod-secrets-ops-canary"
DATABASE = "goal-mandala-prod-secret-database"
TOPIC = f"arn:aws:sns:ap-northeast-1:{ACCOUNT}:goal-mandala-prod-alerts"
VALUES = "goal-mandala-prod-secret-"
OPTIONS = {"LargeEstate": "ENABLED", "ValueBackupPrefix": VALUES, "RestoreDrillState": "SCHEDULED"}
SECRETS = f"arn:aws:secretsmanager:ap-northeast-1:{ACCOUNT}:secret:"


@pytest.fixture(scope="module")
def stack(
    local_aws: Callable[..., Running], bootstraps: dict[str, Path], tmp_path_factory: pytest.TempPathFactory
) -> Deployment:
    scratch = tmp_path_factory.mktemp("deploy")
    return deploy(local_aws(account_before_the_stack(scratch), auth=True), bootstraps, scratch)


@pytest.fixture(scope="module")
def full(
    local_aws: Callable[..., Running], bootstraps: dict[str, Path], tmp_path_factory: pytest.TempPathFactory
) -> Deployment:
    """The stack with all that is off by default."""
    scratch = tmp_path_factory.mktemp("deploy-full")
    return deploy(local_aws(account_before_the_stack(scratch), auth=True), bootstraps, scratch, **OPTIONS)


@pytest.fixture(scope="module")
def template() -> dict[str, Any]:
    """As it is written, for what the local AWS does not keep."""
    return dict(yaml_parse(TEMPLATE.read_text(encoding="utf-8")))


# --- What is made


def test_every_resource_is_made(stack: Deployment) -> None:
    assert Counter(stack.types.values()) == {
        "AWS::ApiGatewayV2::Api": 1,
        "AWS::ApiGatewayV2::Integration": 1,
        "AWS::ApiGatewayV2::Route": 2,
        "AWS::ApiGatewayV2::Stage": 1,
        "AWS::CloudWatch::Alarm": 26,
        "AWS::Events::Rule": 1,
        "AWS::IAM::Role": 5,
        "AWS::KMS::Alias": 2,
        "AWS::KMS::Key": 2,
        "AWS::Lambda::EventInvokeConfig": 4,
        "AWS::Lambda::Function": 4,
        "AWS::Lambda::Permission": 2,
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
        "audit-weekly": (AUDIT, "cron(0 9 ? * MON *)", "ENABLED"),
        "audit-monthly": (AUDIT, "cron(30 9 1 * ? *)", "ENABLED"),
    }


def test_failed_events_are_kept(full: Deployment) -> None:
    for function in (HEALTH, BACKUP, ROTATION, AUDIT, DRILL):
        config = full.aws.client("lambda").get_function_event_invoke_config(FunctionName=function, Qualifier="$LATEST")
        destination = config["DestinationConfig"]["OnFailure"]["Destination"]
        assert destination.endswith(":goal-mandala-prod-secrets-ops-failed"), function


@pytest.mark.parametrize("which", ["stack", "full"])
def test_alarms_tell_both_ways(which: str, request: pytest.FixtureRequest) -> None:
    deployed = request.getfixturevalue(which)
    alarms = deployed.aws.client("cloudwatch").describe_alarms(MaxRecords=100)["MetricAlarms"]
    for alarm in alarms:
        assert alarm["AlarmActions"] == alarm["OKActions"] == [TOPIC], alarm["AlarmName"]
        # What PutMetricAlarm accepts: a day in all, or seven where a period is an hour or more.
        limit = 604_800 if alarm["Period"] >= 3600 else 86_400
        assert alarm["Period"] * alarm["EvaluationPeriods"] <= limit, alarm["AlarmName"]
    silent_on_no_data = {alarm["AlarmName"] for alarm in alarms if alarm["TreatMissingData"] != "breaching"}
    assert not [name for name in silent_on_no_data if name.endswith("-missed")]


# --- What the parameters decide

# What is there only under a condition. All but the last four are part of `full`.
CONDITIONAL = {
    "BackupMachine": "BacksUpInChunks",
    "BackupMachineLogGroup": "BacksUpInChunks",
    "BackupMachineRole": "BacksUpInChunks",
    "BackupMachineSchedulerRole": "BacksUpInChunks",
    "BackupMachineFailed": "BacksUpInChunks",
    "ValueBackupPolicy": "BacksUpValues",
    "ValueKey": "BacksUpValues",
    "ValueKeyAlias": "BacksUpValues",
    "ValueMacKey": "BacksUpValues",
    "ValueMacKeyAlias": "BacksUpValues",
    "RestoreDrillOverdue": "DrillsRestore",
    "DrillFunction": "SchedulesDrills",
    "DrillLogGroup": "SchedulesDrills",
    "DrillRole": "SchedulesDrills",
    "DrillErrors": "SchedulesDrills",
    "DrillThrottles": "SchedulesDrills",
    "AlertSubscription": "HasAlertEmail",
    "AssumeTargetRolesPolicy": "AssumesTargetRoles",
    "AuditWeeklyMissed": "AuditsWeekly",
    "AuditMonthlyMissed": "AuditsMonthly",
}
MADE_BY_SAM = {"BackupMachineDaily", "BackupMachineMonthly", "DrillFunctionWeekly", "DrillFunctionEventInvokeConfig"}


def test_options_are_off_unless_asked_for(stack: Deployment, full: Deployment, template: dict[str, Any]) -> None:
    written = {key: resource.get("Condition") for key, resource in template["Resources"].items()}
    assert {key: condition for key, condition in written.items() if condition} == CONDITIONAL
    assert full.types.keys() - stack.types.keys() == {*list(CONDITIONAL)[:-4], *MADE_BY_SAM}
    assert not stack.types.keys() - full.types.keys()


def test_a_drill_by_hand_is_watched_but_not_run(template: dict[str, Any]) -> None:
    conditions = template["Conditions"]
    assert conditions["DrillsRestore"] == {"Fn::Not": [{"Fn::Equals": [{"Ref": "RestoreDrillState"}, "DISABLED"]}]}
    assert conditions["SchedulesDrills"] == {"Fn::Equals": [{"Ref": "RestoreDrillState"}, "SCHEDULED"]}
    variables = template["Resources"]["AuditFunction"]["Properties"]["Environment"]["Variables"]
    parts = variables["SECRETS_OPS_WATCHED_JOBS"]["Fn::Sub"][1]
    assert parts["Drill"] == {"Fn::If": ["DrillsRestore", ",restore-drill", ""]}


def test_targets_alone_are_refused(stack: Deployment) -> None:
    """Without the state machine they would be backed up by nobody."""
    with pytest.raises(ClientError, match="LargeEstate"):
        stack.aws.client("cloudformation").create_stack(
            StackName="targets-alone",
            TemplateURL=f"{stack.aws.endpoint}/{CODE_BUCKET}/template.yaml",
            Parameters=[{"ParameterKey": "BackupTargets", "ParameterValue": '[{"region":"us-east-1"}]'}],
            Capabilities=["CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"],
        )


def test_each_kind_of_backup_is_kept_for_its_own_time(template: dict[str, Any]) -> None:
    rules = template["Resources"]["Bucket"]["Properties"]["LifecycleConfiguration"]["Rules"]
    days = {rule["Prefix"]: rule["ExpirationInDays"] for rule in rules if rule.get("Prefix", "").endswith("-backups/")}
    assert days == {
        "daily-backups/": {"Ref": "DailyBackupRetentionDays"},
        "monthly-backups/": {"Ref": "MonthlyBackupRetentionDays"},
        "manual-backups/": {"Ref": "ManualBackupRetentionDays"},
    }
    # All that the functions note, but for the ledger, which must outlive a job that has stopped running.
    notes = {rule["Prefix"] for rule in rules if rule.get("Prefix", "").startswith("runs/")}
    assert notes == {"runs/backup-", "runs/backup/", "runs/rotation", "runs/audit-", "runs/restore-drill/"}


def test_machine_replaces_the_schedules_of_the_backup(stack: Deployment, full: Deployment) -> None:
    direct, machine = backup_schedules(stack), backup_schedules(full)
    assert {key: schedule["State"] for key, schedule in direct.items()} == {
        (BACKUP, "backup-daily"): "ENABLED",
        (BACKUP, "backup-monthly"): "ENABLED",
    }
    assert {key: schedule["State"] for key, schedule in machine.items()} == {
        (BACKUP, "backup-daily"): "DISABLED",
        (BACKUP, "backup-monthly"): "DISABLED",
        ("goal-mandala-prod-secrets-backup", "backup-daily"): "ENABLED",
        ("goal-mandala-prod-secrets-backup", "backup-monthly"): "ENABLED",
    }
    for job in ("backup-daily", "backup-monthly"):
        before, after = direct[BACKUP, job], machine["goal-mandala-prod-secrets-backup", job]
        for what in ("ScheduleExpression", "ScheduleExpressionTimezone", "FlexibleTimeWindow"):
            assert after[what] == before[what], (job, what)
        for what in ("Input", "RetryPolicy", "DeadLetterConfig"):
            assert after["Target"][what] == before["Target"][what], (job, what)
        assert after["Target"]["Arn"] == full.outputs["BackupMachineArn"] == MACHINE
        assert after["Target"]["RoleArn"].endswith(f"role/{full.physical['BackupMachineSchedulerRole']}")


def backup_schedules(deployed: Deployment) -> dict[tuple[str, str], dict[str, Any]]:
    """By name of the target and job."""
    scheduler = deployed.aws.client("scheduler")
    found = {}
    for summary in scheduler.list_schedules()["Schedules"]:
        schedule = scheduler.get_schedule(Name=summary["Name"])
        job = json.loads(schedule["Target"]["Input"])["job"]
        if job.startswith("backup-"):
            found[schedule["Target"]["Arn"].rpartition(":")[2], job] = schedule
    return found


def test_functions_are_told_what_the_parameters_say(stack: Deployment, full: Deployment) -> None:
    told = {
        "SECRETS_OPS_POLICY_RATE": "40",
        "SECRETS_OPS_FULL_PASS_EVERY": "1",
        "SECRETS_OPS_VALUE_PREFIX": "",
        "SECRETS_OPS_VALUE_KEY": "",
        "SECRETS_OPS_VALUE_MAC_KEY": "",
    }
    assert told.items() <= variables(stack, BACKUP).items()
    kms = f"arn:aws:kms:ap-northeast-1:{ACCOUNT}:key/"
    told |= {
        "SECRETS_OPS_VALUE_PREFIX": VALUES,
        "SECRETS_OPS_VALUE_KEY": kms + full.physical["ValueKey"],
        "SECRETS_OPS_VALUE_MAC_KEY": kms + full.physical["ValueMacKey"],
    }
    assert told.items() <= variables(full, BACKUP).items()
    watched = "backup-daily,backup-monthly,rotation,audit-weekly,audit-monthly"
    assert variables(stack, AUDIT)["SECRETS_OPS_WATCHED_JOBS"] == watched
    assert set(variables(full, AUDIT)["SECRETS_OPS_WATCHED_JOBS"].split(",")) == {*watched.split(","), "restore-drill"}
    drill = variables(full, DRILL)
    assert drill["SECRETS_OPS_DRILL_PREFIX"] == "secrets-ops-drill/"
    assert {drill["SECRETS_OPS_BUCKET"], drill["SECRETS_OPS_TOPIC_ARN"]} == {BUCKET, TOPIC}


def variables(deployed: Deployment, function: str) -> dict[str, str]:
    configuration = deployed.aws.client("lambda").get_function_configuration(FunctionName=function)
    return dict(configuration["Environment"]["Variables"])


def test_an_overdue_drill_alarms(full: Deployment) -> None:
    name = "goal-mandala-prod-secrets-restore-drill-overdue"
    [alarm] = full.aws.client("cloudwatch").describe_alarms(AlarmNames=[name])["MetricAlarms"]
    assert alarm["Dimensions"] == [{"Name": "Job", "Value": "restore-drill"}]
    assert (alarm["MetricName"], alarm["ComparisonOperator"]) == ("HoursSinceSuccess", "GreaterThanThreshold")
    assert (alarm["Threshold"], alarm["TreatMissingData"]) == (744.0, "breaching")


def test_a_failed_machine_alarms(full: Deployment) -> None:
    name = "goal-mandala-prod-secrets-backup-machine-failed"
    [alarm] = full.aws.client("cloudwatch").describe_alarms(AlarmNames=[name])["MetricAlarms"]
    assert (alarm["Namespace"], alarm["MetricName"]) == ("AWS/States", "ExecutionsFailed")
    assert alarm["Dimensions"] == [{"Name": "StateMachineArn", "Value": MACHINE}]


def test_keys_of_the_values(full: Deployment, template: dict[str, Any]) -> None:
    kms = full.aws.client("kms")
    keys = {key: kms.describe_key(KeyId=full.physical[key])["KeyMetadata"] for key in ("ValueKey", "ValueMacKey")}
    assert (keys["ValueKey"]["KeySpec"], keys["ValueKey"]["KeyUsage"]) == ("SYMMETRIC_DEFAULT", "ENCRYPT_DECRYPT")
    assert (keys["ValueMacKey"]["KeySpec"], keys["ValueMacKey"]["KeyUsage"]) == ("HMAC_256", "GENERATE_VERIFY_MAC")
    assert kms.get_key_rotation_status(KeyId=full.physical["ValueKey"])["KeyRotationEnabled"]
    aliases = {alias["AliasName"]: alias.get("TargetKeyId") for alias in kms.list_aliases()["Aliases"]}
    assert aliases["alias/goal-mandala-prod-secrets-ops-values"] == full.physical["ValueKey"]
    assert aliases["alias/goal-mandala-prod-secrets-ops-values-mac"] == full.physical["ValueMacKey"]
    # Without them no value could ever be read again.
    for key in keys:
        resource = template["Resources"][key]
        assert (resource["DeletionPolicy"], resource["UpdateReplacePolicy"]) == ("Retain", "Retain"), key


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


@pytest.mark.parametrize("job", ["audit-weekly", "audit-monthly"])
def test_long_lists_have_what_their_role_may(stack: Deployment, job: str) -> None:
    """All that is denied is another account's key, which denies itself."""
    answer = invoke(stack, AUDIT, {"job": job})
    assert answer["success"], answer
    made = {key.partition(".")[2]: key for key in answer["artefacts"]}
    assert set(made) == {"json", "txt", "evidence.json"} and set(made.values()) <= set(keys(stack, f"reports/{job}/"))
    report = json.load(stack.aws.client("s3").get_object(Bucket=BUCKET, Key=made["json"])["Body"])
    refused = [gap for gap in report["gaps"] if gap["reason"] == "denied"]
    assert [gap["detail"] for gap in refused if ":999999999999:key/" not in gap["subject"]] == []
    assert keys(stack, f"state/{job}.json")


def test_findings_reach_the_topic(stack: Deployment) -> None:
    stack.aws.reset()
    # As at first: what was found before is not told again.
    stack.aws.client("s3").delete_object(Bucket=BUCKET, Key="state/rotation.json")
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
    for job in ("audit-weekly", "audit-monthly", "audit-daily"):
        invoke(stack, AUDIT, {"job": job})
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
    ("BackupRole", "s3", "get_object", {"Bucket": BUCKET, "Key": "reports/x"}),
    ("BackupRole", "s3", "list_objects_v2", {"Bucket": BUCKET}),
    ("BackupRole", "s3", "list_objects_v2", {"Bucket": BUCKET, "Prefix": "reports/"}),
    ("BackupRole", "s3", "delete_object", OTHER_OBJECT),
    ("BackupRole", "s3", "put_object", {"Bucket": BUCKET, "Key": "reports/x", "Body": b""}),
    ("BackupRole", "s3", "put_object", {"Bucket": "code", "Key": "secrets-backup.zip", "Body": b""}),
    ("RotationRole", "secretsmanager", "get_secret_value", SECRET),
    ("RotationRole", "secretsmanager", "get_resource_policy", SECRET),
    ("RotationRole", "secretsmanager", "rotate_secret", SECRET),
    ("RotationRole", "s3", "put_object", {**OTHER_OBJECT, "Body": b""}),
    ("RotationRole", "s3", "get_object", OTHER_OBJECT),
    ("AuditRole", "secretsmanager", "get_secret_value", SECRET),
    ("AuditRole", "secretsmanager", "put_secret_value", {**SECRET, "SecretString": "x"}),
    ("AuditRole", "secretsmanager", "delete_secret", SECRET),
    ("AuditRole", "iam", "create_role", {"RoleName": "x", "AssumeRolePolicyDocument": "{}"}),
    ("AuditRole", "kms", "list_keys", {}),
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
    assert_refused(stack, role, service, call, arguments)


def assert_refused(deployed: Deployment, role: str, service: str, call: str, arguments: dict[str, Any]) -> None:
    client = deployed.as_role(role, service)
    with pytest.raises(ClientError) as error:
        getattr(client, call)(**arguments)
    # The answer has to be a refusal, not a complaint about the arguments.
    assert error.value.response["Error"]["Code"] in ("AccessDenied", "AccessDeniedException", "AuthorizationError")


COPY = {"Name": "secrets-ops-drill/copy"}
POLICY = json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Deny", "Principal": "*", "Action": "*"}]})
REFUSED_WITH_OPTIONS: list[tuple[str, str, str, dict[str, Any]]] = [
    ("BackupRole", "secretsmanager", "get_secret_value", {"SecretId": CANARY}),
    ("BackupRole", "secretsmanager", "get_secret_value", {"SecretId": "goal-mandala-prod-unused-091d"}),
    ("BackupRole", "secretsmanager", "batch_get_secret_value", {"SecretIdList": [DATABASE]}),
    ("BackupRole", "secretsmanager", "put_secret_value", {**SECRET, "SecretString": "x"}),
    ("BackupRole", "secretsmanager", "create_secret", COPY),
    ("BackupRole", "lambda", "invoke", {"FunctionName": BACKUP}),
    ("DrillRole", "secretsmanager", "get_secret_value", SECRET),
    ("DrillRole", "secretsmanager", "batch_get_secret_value", {"SecretIdList": [DATABASE]}),
    ("DrillRole", "secretsmanager", "create_secret", {"Name": "goal-mandala-prod-secret-copy"}),
    ("DrillRole", "secretsmanager", "describe_secret", SECRET),
    ("DrillRole", "secretsmanager", "delete_secret", SECRET),
    ("DrillRole", "secretsmanager", "put_resource_policy", {**SECRET, "ResourcePolicy": POLICY}),
    ("DrillRole", "s3", "put_object", {**OTHER_OBJECT, "Body": b""}),
    ("DrillRole", "s3", "get_object", {"Bucket": BUCKET, "Key": "reports/x"}),
    ("DrillRole", "s3", "delete_object", OTHER_OBJECT),
    ("BackupMachineRole", "lambda", "invoke", {"FunctionName": DRILL}),
    ("BackupMachineRole", "secretsmanager", "list_secrets", {}),
    ("BackupMachineRole", "s3", "get_object", OTHER_OBJECT),
    ("BackupMachineSchedulerRole", "lambda", "invoke", {"FunctionName": BACKUP}),
    ("BackupMachineSchedulerRole", "stepfunctions", "start_execution", {"stateMachineArn": f"{MACHINE}-other"}),
    ("SchedulerRole", "stepfunctions", "start_execution", {"stateMachineArn": MACHINE}),
]


@pytest.mark.parametrize(
    ("role", "service", "call", "arguments"), REFUSED_WITH_OPTIONS, ids=lambda value: str(value)[:30]
)
def test_roles_are_refused_with_options(
    full: Deployment, role: str, service: str, call: str, arguments: dict[str, Any]
) -> None:
    assert_refused(full, role, service, call, arguments)


@pytest.mark.parametrize("role", ["SchedulerRole", "BackupMachineRole", "BackupMachineSchedulerRole"])
def test_other_accounts_cannot_use_a_role_through_a_service(template: dict[str, Any], role: str) -> None:
    [trust] = template["Resources"][role]["Properties"]["AssumeRolePolicyDocument"]["Statement"]
    assert trust["Condition"] == {"StringEquals": {"aws:SourceAccount": {"Ref": "AWS::AccountId"}}}


def test_denial_of_values_spares_exactly_the_prefix(stack: Deployment, full: Deployment) -> None:
    batches = {"Action": "secretsmanager:BatchGetSecretValue", "Resource": "*"}
    values = {"Action": "secretsmanager:GetSecretValue"}
    assert denials(stack) == [{**values, "Resource": "*"}, batches]
    assert denials(full) == [{**values, "NotResource": f"{SECRETS}{VALUES}*"}, batches]
    assert full.as_role("BackupRole", "secretsmanager").get_secret_value(**SECRET)["ARN"].startswith(SECRETS + VALUES)


def denials(deployed: Deployment) -> list[dict[str, Any]]:
    iam = deployed.aws.client("iam")
    policy = iam.get_role_policy(RoleName=deployed.physical["BackupRole"], PolicyName="secrets-backup")
    return [
        {key: value for key, value in statement.items() if key not in ("Sid", "Effect")}
        for statement in policy["PolicyDocument"]["Statement"]
        if statement["Effect"] == "Deny"
    ]


def test_backup_encrypts_values_and_cannot_decrypt_them(full: Deployment) -> None:
    """The account's root stands for the people who may restore."""
    kms, root = full.as_role("BackupRole", "kms"), full.aws.client("kms")
    context = {"SecretARN": f"{SECRETS}{DATABASE}-AbCdEf", "SecretVersionId": "v", "ValueType": "string"}
    key = kms.generate_data_key(KeyId=full.physical["ValueKey"], KeySpec="AES_256", EncryptionContext=context)
    sealed = {"CiphertextBlob": key["CiphertextBlob"], "EncryptionContext": context}
    assert_refused(full, "BackupRole", "kms", "decrypt", {**sealed, "KeyId": full.physical["ValueKey"]})
    assert root.decrypt(**sealed)["Plaintext"] == key["Plaintext"]
    mac = {"KeyId": full.physical["ValueMacKey"], "MacAlgorithm": "HMAC_SHA_256", "Message": b"x"}
    assert kms.generate_mac(**mac)["Mac"] == root.generate_mac(**mac)["Mac"]


def test_values_are_encrypted_for_one_secret_each(template: dict[str, Any]) -> None:
    """Read from the template, because the local AWS knows no condition on the encryption context."""
    statements = template["Resources"]["ValueBackupPolicy"]["Properties"]["PolicyDocument"]["Statement"]
    by_sid = {statement["Sid"]: statement for statement in statements}
    place = "${AWS::Partition}:secretsmanager:${AWS::Region}:${AWS::AccountId}"
    secrets = {"Fn::Sub": f"arn:{place}:secret:${{ValueBackupPrefix}}*"}
    of_the_prefix = {"kms:EncryptionContext:SecretARN": secrets}
    assert by_sid["ReadValues"]["Resource"] == secrets
    assert by_sid["DecryptValues"]["Condition"] == {
        "StringEquals": {"kms:ViaService": {"Fn::Sub": "secretsmanager.${AWS::Region}.amazonaws.com"}},
        "StringLike": of_the_prefix,
    }
    assert by_sid["EncryptValues"]["Resource"] == {"Fn::GetAtt": ["ValueKey", "Arn"]}
    assert by_sid["EncryptValues"]["Condition"] == {
        "ForAllValues:StringEquals": {"kms:EncryptionContextKeys": ["SecretARN", "SecretVersionId", "ValueType"]},
        "Null": {"kms:EncryptionContext:SecretVersionId": "false", "kms:EncryptionContext:ValueType": "false"},
        "StringLike": of_the_prefix,
    }


def test_drill_makes_and_deletes_under_its_prefix(full: Deployment) -> None:
    secrets = full.as_role("DrillRole", "secretsmanager")
    secrets.create_secret(**COPY, Tags=[{"Key": "drill", "Value": "x"}])
    assert secrets.describe_secret(SecretId=COPY["Name"])["Name"] == COPY["Name"]
    assert_refused(full, "DrillRole", "secretsmanager", "get_secret_value", {"SecretId": COPY["Name"]})
    secrets.delete_secret(SecretId=COPY["Name"], ForceDeleteWithoutRecovery=True)


def test_values_are_backed_up_into_the_bucket_of_the_template(full: Deployment) -> None:
    answer = invoke(full, BACKUP, {"job": "backup-manual"})
    assert answer["success"] and not answer["gaps"], answer
    assert answer["counts"]["values"] == 3, "of the runbook's three secrets"


def test_a_drill_works_with_what_its_role_may(full: Deployment) -> None:
    """First with an estate that cannot be restored as a whole, then without what keeps it from that."""
    secrets = full.aws.client("secretsmanager")
    invoke(full, BACKUP, {"job": "backup-daily"})
    full.aws.reset()
    answer = invoke(full, DRILL, "secrets-backup/restore-drill.json")
    assert (answer["status"], answer["success"]) == ("findings", False) and not denied(answer), answer
    assert answer["counts"]["findings-high"] == len(NOT_PROVEN)
    for name in NOT_PROVEN:
        secrets.delete_secret(SecretId=name, ForceDeleteWithoutRecovery=True)
    invoke(full, BACKUP, {"job": "backup-daily"})
    before = secrets.list_secrets(IncludePlannedDeletion=True)["SecretList"]
    later = {"job": "restore-drill", "scheduledTime": "2026-11-28T19:00:00Z", "scheduleArn": "arn:test"}
    answer = invoke(full, DRILL, later)
    assert (answer["status"], answer["success"]) == ("ok", True) and not answer["gaps"], answer
    assert answer["counts"]["restored"] > 25
    assert secrets.list_secrets(IncludePlannedDeletion=True)["SecretList"] == before, "nothing is left"
    lines = full.aws.client("logs").filter_log_events(logGroupName=f"/aws/lambda/{DRILL}")["events"]
    told = [json.loads(line["message"]) for line in lines if '"JobSuccess"' in line["message"]]
    assert [(line["Job"], line["JobSuccess"]) for line in told] == [("restore-drill", 0), ("restore-drill", 1)]
    assert keys(full, "runs/last-success/restore-drill") and keys(full, "reports/restore-drill/")


GUIDE = (ROOT / "docs" / "RESTORE.md").read_text(encoding="utf-8")
LOST = "goal-mandala-prod-secret-lost"
OTHERS_MAY_NOT_READ = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": {
            "Effect": "Deny",
            "Principal": {"AWS": "arn:aws:iam::999999999999:root"},
            "Action": "secretsmanager:GetSecretValue",
            "Resource": "*",
        },
    }
)


@dataclass
class Cli:
    """The command with the credentials of a session."""

    aws: Running
    folder: Path
    session: dict[str, str]

    def __call__(self, *words: str) -> subprocess.CompletedProcess[str]:
        env = {
            "AWS_ENDPOINT_URL": self.aws.endpoint,
            "AWS_REGION": "ap-northeast-1",
            "SECRETS_OPS_LANG": "en",
            "SECRETS_OPS_PACING": "off",
            **{name.upper(): text for name, text in self.session.items()},
        }
        command = [BUILT / "secrets-ops", *words]
        return subprocess.run(command, cwd=self.folder, env=env, capture_output=True, encoding="utf-8", timeout=120)


@pytest.fixture
def restorer(full: Deployment, tmp_path: Path) -> Cli:
    """Who has the permissions that docs/RESTORE.md gives, with the names of the stack's own keys."""
    written = GUIDE.partition("## Permissions")[2].partition("```json\n")[2].partition("```")[0]
    for name, key in ("THE-BUCKETS-KEY", "BucketKey"), ("THE-VALUES-KEY", "ValueKey"):
        assert name in written
        written = written.replace(name, full.physical[key])
    # The local AWS checks CreateAlias against `*`, and a call that names an alias against that and not the key behind it.
    assert "kms:CreateAlias" in written and "kms:DescribeKey" in written
    values = f"arn:aws:kms:ap-northeast-1:{ACCOUNT}:alias/goal-mandala-prod-secrets-ops-values"
    quirks = [
        {"Effect": "Allow", "Action": "kms:CreateAlias", "Resource": "*"},
        {"Effect": "Allow", "Action": "kms:DescribeKey", "Resource": values},
    ]
    iam = full.aws.client("iam")
    trust = {"Version": "2012-10-17", "Statement": [ROOT_MAY_ASSUME]}
    iam.create_role(RoleName="restorer", AssumeRolePolicyDocument=json.dumps(trust))
    for name, document in ("restore", written), ("emulator", json.dumps({**trust, "Statement": quirks})):
        iam.put_role_policy(RoleName="restorer", PolicyName=name, PolicyDocument=document)
    role = f"arn:aws:iam::{ACCOUNT}:role/restorer"
    session = full.aws.client("sts").assume_role(RoleArn=role, RoleSessionName="test")["Credentials"]
    names = {"AccessKeyId": "access_key_id", "SecretAccessKey": "secret_access_key", "SessionToken": "session_token"}
    return Cli(full.aws, tmp_path, {f"aws_{name}": session[key] for key, name in names.items()})


def test_a_restore_needs_no_more_than_the_guide_says(full: Deployment, restorer: Cli) -> None:
    """All in one: values, a key that is gone, a policy, tags, rotation, and a deletion that is taken back."""
    kms, secrets = full.aws.client("kms"), full.aws.client("secretsmanager")
    key = kms.create_key()["KeyMetadata"]["KeyId"]
    value = "CANARY-VALUE-lost-DO-NOT-LEAK"
    made = secrets.create_secret(Name=LOST, KmsKeyId=key, SecretString=value, Tags=[{"Key": "a", "Value": "b"}])
    secrets.put_resource_policy(SecretId=LOST, ResourcePolicy=OTHERS_MAY_NOT_READ)
    before = secrets.get_secret_value(**SECRET)
    invoke(full, BACKUP, {"job": "backup-manual"})
    for name in (LOST, DATABASE):
        secrets.delete_secret(SecretId=name, ForceDeleteWithoutRecovery=True)
    secrets.delete_secret(SecretId="goal-mandala-prod-secret-jwt", RecoveryWindowInDays=7)
    kms.schedule_key_deletion(KeyId=key, PendingWindowInDays=7)

    words = ("restore", "plan", "latest", "-o", "plan.json", "--create-keys", "--filter", "goal-mandala-prod-secret-*")
    planned = restorer(*words)
    assert planned.returncode == 1, planned.stdout + planned.stderr
    plan = json.loads((restorer.folder / "plan.json").read_text("utf-8"))
    done = restorer("restore", "apply", "plan.json", "--approve", plan["hash"])
    # What comes back from deletion has to be looked at again, and nothing else is left.
    assert done.returncode == 1, done.stdout + done.stderr
    assert done.stdout.count("- [") == 1 and "goal-mandala-prod-secret-jwt: " in done.stdout, done.stdout
    assert secrets.get_secret_value(SecretId=LOST)["VersionId"] == made["VersionId"]
    assert secrets.get_secret_value(SecretId=LOST)["SecretString"] == value
    after = secrets.get_secret_value(**SECRET)
    assert (after["SecretString"], after["VersionId"]) == (before["SecretString"], before["VersionId"])
    assert secrets.describe_secret(**SECRET)["RotationEnabled"]
    assert "DeletedDate" not in secrets.describe_secret(SecretId="goal-mandala-prod-secret-jwt")
    # And nothing else: the guide gives no way to a value that is there.
    refused = full.aws.client("secretsmanager", **restorer.session)
    with pytest.raises(ClientError, match="AccessDenied"):
        refused.get_secret_value(**SECRET)


def test_schedules_may_start_the_machine(full: Deployment) -> None:
    """With no target, so that no function is called."""
    role = full.as_role("BackupMachineSchedulerRole", "stepfunctions")
    role.start_execution(stateMachineArn=MACHINE, input='{"job":"backup-daily","targets":[]}')


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
