"""What holds for every function: its documented events, its logs and metrics, settings, repeated events."""

import itertools
from datetime import datetime
from typing import Any

import pytest

from estate import NOT_PROVEN, UNRESTORABLE
from lab import ANSWERED, EVENTS, Lab, configs, gaps, job_success, load, metrics, scheduled, secret_names, status

JOBS = {"secrets-backup": "backup-daily", "rotation-checker": "rotation", "audit-runner": "audit-daily"}
FUNCTIONS = ("api-health", *JOBS)

# What each file of events/ is answered with: (job, folder of the artefacts), a health answer, or an error.
EVENT_FILES = {
    "api-health/direct": "details",
    "api-health/function-url": "public",
    "api-health/http-api-v2": "public",
    "api-health/http-api-v2-detail": "details over HTTP",
    "api-health/rest-v1": "public",
    "api-health/runbook": "details over HTTP",
    "api-health/scheduled": "details",
    "audit-runner/empty": ("audit-daily", "reports/audit-daily"),
    "audit-runner/scheduled-daily": ("audit-daily", "reports/audit-daily"),
    "rotation-checker/empty": ("rotation", "reports/rotation"),
    "rotation-checker/rotation-failed": ("rotation-failed", "reports/rotation-failed"),
    "rotation-checker/scheduled": ("rotation", "reports/rotation"),
    "secrets-backup/bad-job": 'there is no job "backup-hourly" here',
    "secrets-backup/bad-type": "`job` must be text; it is a number",
    "secrets-backup/chunk-first": ("backup-daily", "daily-backups"),
    "secrets-backup/chunk-next": "part 2 of secrets-backup-20261122_020000 cannot go on: there is no runs/backup/",
    "secrets-backup/empty": ("backup-manual", "manual-backups"),
    "secrets-backup/manual": ("backup-manual", "manual-backups"),
    # This account holds two secrets that cannot be restored, so that it is answered with findings.
    "secrets-backup/restore-drill": "drill",
    "secrets-backup/rule": ("backup-daily", "daily-backups"),
    "secrets-backup/scheduled-daily": ("backup-daily", "daily-backups"),
    "secrets-backup/scheduled-monthly": ("backup-monthly", "monthly-backups"),
    "secrets-backup/scheduler-default": ("backup-daily", "daily-backups"),
    "secrets-backup/with-target": "another account",
}


def test_every_event_file_is_looked_at() -> None:
    files = {f"{path.parent.name}/{path.stem}" for path in EVENTS.glob("*/*.json")}
    assert files == set(EVENT_FILES)


@pytest.mark.parametrize("file", [file for file, want in EVENT_FILES.items() if isinstance(want, tuple)])
def test_jobs_answer_their_events(lab: Lab, file: str) -> None:
    function, case = file.split("/")
    job, folder = EVENT_FILES[file]
    called = lab.one(function, case)
    assert called.outcome == ANSWERED, called
    answer = called.answer
    assert (answer["schema"], answer["job"]) == ("secrets-ops/answer/v1", job)
    assert answer["status"] == status(job), answer
    # The secret of the documented event is one of this name, not the one of this account.
    gone = {("secretsmanager:DescribeSecret", "vanished")} if job == "rotation-failed" else set()
    assert answer["success"] and gaps(answer) == gone
    assert answer["coverage"]["seen"] == answer["coverage"]["wanted"] - len(answer["gaps"])
    assert answer["coverage"]["wanted"] > 0
    assert answer["artefacts"] and set(answer["artefacts"]) <= set(lab.keys())
    assert {key.rpartition("/")[0] for key in answer["artefacts"]} == {folder}


@pytest.mark.parametrize("file", [file for file, want in EVENT_FILES.items() if file.startswith("secrets-backup/bad-")])
def test_bad_events_are_refused(lab: Lab, file: str) -> None:
    called = lab.one("secrets-backup", file.split("/")[1])
    assert (called.outcome, called.error_type) == ("failed", "SecretsOps.BadEvent")
    assert EVENT_FILES[file] in called.error_message
    assert lab.aws.journal() == [], "nothing is called for an event that is not understood"


def test_a_drill_answers_its_event(lab: Lab) -> None:
    lab.one("secrets-backup", "scheduled-daily")
    before = secrets_of(lab)
    called = lab.one("secrets-backup", "restore-drill")
    assert called.outcome == ANSWERED, called
    answer = called.answer
    assert (answer["job"], answer["status"], answer["success"]) == ("restore-drill", "findings", False)
    not_ours = sum(why.startswith(("was-", "managed-")) for why in UNRESTORABLE.values())
    restored = len(secret_names()) - not_ours - len(NOT_PROVEN)
    assert (answer["counts"]["restored"], answer["counts"]["findings-high"]) == (restored, len(NOT_PROVEN))
    assert not answer["gaps"]
    assert {key.rpartition("/")[0] for key in answer["artefacts"]} == {"reports/restore-drill"}
    assert job_success(called) == [0] and len(lab.notices()) == 1
    assert secrets_of(lab) == before, "nothing is left"


def secrets_of(lab: Lab) -> list[dict[str, Any]]:
    pages = lab.aws.client("secretsmanager").get_paginator("list_secrets").paginate(IncludePlannedDeletion=True)
    return [secret for page in pages for secret in page["SecretList"]]


def test_a_drill_without_a_backup_fails(lab: Lab) -> None:
    called = lab.one("secrets-backup", "restore-drill")
    assert (called.outcome, job_success(called)) == ("failed", [0])
    assert "there is no finished backup to drill with" in called.error_message


def test_another_account_is_backed_up_beside_this_one(lab: Lab) -> None:
    event = load("secrets-backup", "with-target")
    theirs = lab.aws.client("secretsmanager", aws_access_key_id="111111111111", region_name="us-east-1")
    theirs.create_secret(Name="theirs", SecretString="CANARY-VALUE-theirs-DO-NOT-LEAK")
    called = lab.one("secrets-backup", "with-target", SECRETS_OPS_VALUE_PREFIX="theirs")
    assert called.outcome == ANSWERED and called.answer["success"], called
    archive, manifest = called.answer["artefacts"]
    assert archive.startswith("daily-backups/111111111111/us-east-1/secrets-backup-")
    assert set(configs(lab.get(archive))) == {"theirs"} and "values" not in lab.json(manifest)
    assert {line["Job"] for line in metrics(called)} == {"backup-daily.111111111111.us-east-1"}
    assert lab.cli("backup", "list").returncode == 3, "it is not taken for one of this account"
    lab.aws.faults({"match": "sts.AssumeRole", "effect": "deny"})
    refused = lab.one("secrets-backup", event | scheduled("backup-daily"))
    assert refused.error_type == "SecretsOps.Denied" and "sts:AssumeRole" in refused.error_message


@pytest.mark.parametrize("function", FUNCTIONS)
@pytest.mark.parametrize(
    ("event", "message"),
    [
        ({"job": "no-such-job"}, 'there is no job "no-such-job" here'),
        ({"job": ["x"]}, "`job` must be text; it is a list"),
        ({"job": "x", "scheduleArn": "a"}, "`scheduleArn` needs `scheduledTime` beside it"),
        ({"Records": []}, "the event has neither `job` nor `detail-type`; it has Records"),
        ([], "the event must be a JSON object; it is a list"),
        (7, "the event must be a JSON object; it is a number"),
    ],
)
def test_what_would_have_to_be_guessed_is_refused(lab: Lab, function: str, event: Any, message: str) -> None:
    called = lab.one(function, event)
    assert (called.outcome, called.error_type) == ("failed", "SecretsOps.BadEvent")
    assert message in called.error_message


@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_wrong_setting_is_named(lab: Lab, function: str) -> None:
    called = lab.one(function, {}, SECRETS_OPS_TIME_ZONE="Tokyo")
    assert (called.outcome, called.error_type) == ("failed", "SecretsOps.BadSetting")
    wanted = 'SECRETS_OPS_TIME_ZONE must be an IANA time zone such as Asia/Tokyo; it is "Tokyo"'
    assert called.error_message == wanted
    assert wanted in [line.get("error") for line in called.log_records() if line["level"] == "ERROR"]
    assert lab.aws.journal() == []


OWN_SETTINGS = [
    ("api-health", "SECRETS_OPS_HEALTH_CACHE_SECONDS", "61"),
    ("api-health", "SECRETS_OPS_HEALTH_SECRETS", "a,,b"),
    ("secrets-backup", "SECRETS_OPS_BUCKET", "A Bucket"),
    ("rotation-checker", "SECRETS_OPS_ROTATION_MAX_DAYS", "0"),
    ("rotation-checker", "SECRETS_OPS_LANG", "fr"),
    ("audit-runner", "SECRETS_OPS_SUCCESS_MIN_PERCENT", "101"),
    ("audit-runner", "SECRETS_OPS_WATCHED_JOBS", "backup-daily,rotatoin"),
    ("audit-runner", "SECRETS_OPS_TOPIC_ARN", "alerts"),
]


@pytest.mark.parametrize(("function", "name", "value"), OWN_SETTINGS)
def test_each_functions_own_settings_are_checked(lab: Lab, function: str, name: str, value: str) -> None:
    called = lab.one(function, {}, **{name: value})
    assert called.error_type == "SecretsOps.BadSetting"
    assert called.error_message.startswith(f"{name} must be ") and f'it is "{value}"' in called.error_message


# --- Logs and metrics


@pytest.mark.parametrize("function", FUNCTIONS)
def test_logs_are_json_with_time_level_and_request(lab: Lab, function: str) -> None:
    calls = lab.run(function, {}, {"job": 7}, {"job": "no-such-job"})
    for cold, called in zip((True, False, False), calls, strict=True):
        assert called.logs and len(called.log_records()) == len(called.logs), called.logs
        lines = [line for line in called.log_records() if "_aws" not in line]
        assert lines
        for line in lines:
            at = datetime.fromisoformat(line["timestamp"])
            assert at.tzinfo is not None and "T" in line["timestamp"]
            assert line["level"] in ("INFO", "WARN", "ERROR") and line["message"]
            span = line.get("span", {})
            assert span.get("request_id") == called.request_id, line
            assert span.get("cold_start") is cold, "the first call of a process and no other is a cold start"
    assert [line["level"] for line in lines] == ["ERROR"]
    assert lines[0]["error_type"] == "SecretsOps.BadEvent"


@pytest.mark.parametrize("function", JOBS)
def test_logs_hold_no_answer_of_aws_as_it_came(lab: Lab, function: str) -> None:
    """What a service answers may hold anything. Its words are in the error's text; its bodies are never logged."""
    marked = "unexpected-words-of-aws"
    lab.aws.faults({"match": "*", "effect": "error", "code": "Strange", "status": 400, "message": marked})
    called = lab.one(function, scheduled(JOBS[function]))
    assert (called.outcome, called.error_type) == ("failed", "SecretsOps.Refused")
    for sign in ("SdkBody", "Response {", "headers: {", "x-amz"):
        assert not [line for line in called.logs if sign in line], sign


@pytest.mark.parametrize(("function", "job"), JOBS.items())
def test_metrics_are_the_figures_of_the_run(lab: Lab, function: str, job: str) -> None:
    called = lab.one(function, scheduled(job))
    answer = called.answer
    first, *others = metrics(called)
    directive = first["_aws"]["CloudWatchMetrics"][0]
    assert directive["Namespace"] == "GoalMandala/SecretsManager"
    assert directive["Dimensions"] == [["Job"]]
    names = [metric["Name"] for metric in directive["Metrics"]]
    assert names[:4] == ["JobSuccess", "JobDuration", "CoveragePercent", "Gaps"]
    assert names[4:] == (["RotationSuccessPercent"] if job == "rotation" else [])
    coverage, number = answer["coverage"], len(answer["gaps"])
    assert (first["Job"], first["JobSuccess"], first["Gaps"]) == (job, 1, number) and number == (job == "rotation")
    assert first["CoveragePercent"] == pytest.approx(100 * coverage["seen"] / coverage["wanted"], abs=0.1)
    assert 0 < first["JobDuration"] <= called.seconds * 1000
    assert abs(first["_aws"]["Timestamp"] / 1000 - datetime.now().timestamp()) < 60
    findings = {line["Severity"]: line["Findings"] for line in others if "Findings" in line}
    want = {name[9:]: count for name, count in answer["counts"].items() if name.startswith("findings-")}
    assert findings == want


@pytest.mark.parametrize(("function", "job"), JOBS.items())
def test_a_failed_run_counts_as_one(lab: Lab, function: str, job: str) -> None:
    """The audit has no call without which nothing can be done, but for its marker."""
    lab.aws.faults({"match": "secretsmanager.ListSecrets", "effect": "deny"}, {"match": "s3.*", "effect": "deny"})
    called = lab.one(function, scheduled(job))
    assert (called.outcome, called.error_type) == ("failed", "SecretsOps.Denied")
    [line] = metrics(called)
    assert (line["Job"], line["JobSuccess"]) == (job, 0)
    assert "CoveragePercent" not in line and "Gaps" not in line, "what is not known is not reported as 0"
    [notice] = lab.notices()
    assert notice["subject"] == f"[goal-mandala-prod] {job} FAILED"
    assert called.error_message in notice["message"]


# The list has two pages of a hundred.
@pytest.mark.parametrize(("fault", "want"), [({"after": 2}, [1, 0]), ({"times": 1}, [0, 1])])
def test_a_warm_call_reports_its_own_run(lab: Lab, fault: dict[str, int], want: list[int]) -> None:
    lab.aws.faults({"match": "secretsmanager.ListSecrets", "effect": "deny", **fault})
    assert [job_success(called) for called in lab.run("rotation-checker", {}, {})] == [[done] for done in want]


@pytest.mark.parametrize(("function", "job"), [("rotation-checker", "rotation"), ("audit-runner", "audit-daily")])
def test_two_events_in_one_second_are_two_runs(lab: Lab, function: str, job: str) -> None:
    """Such as two secrets whose rotation failed at the same moment: nothing of either may be lost."""
    calls = lab.at_once(function, scheduled(job, 1), scheduled(job, 2))
    assert [called.outcome for called in calls] == [ANSWERED] * 2, calls
    assert [gaps(called.answer) for called in calls] == [set(), set()]
    assert len({key for called in calls for key in called.answer["artefacts"]}) == 4


# --- The same event again


@pytest.mark.parametrize(("function", "job"), JOBS.items())
def test_a_second_delivery_does_nothing(lab: Lab, function: str, job: str) -> None:
    event = scheduled(job)
    first = lab.one(function, event)
    before, notices = lab.versions(), lab.notices()
    second = lab.one(function, event)
    assert (second.outcome, second.answer["status"]) == (ANSWERED, "already-done")
    for same in ("job", "success", "counts", "coverage", "artefacts"):
        assert second.answer[same] == first.answer[same]
    assert lab.versions() == before, "nothing is written or overwritten"
    assert lab.notices() == notices
    assert metrics(second) == [], "one run is counted once"


@pytest.mark.parametrize(("function", "job"), JOBS.items())
def test_twice_at_once_is_done_once(lab: Lab, function: str, job: str) -> None:
    event = scheduled(job)
    calls = lab.at_once(function, event, event, event)
    assert [called.outcome for called in calls] == [ANSWERED] * 3, calls
    [done] = [called for called in calls if called.answer["status"] != "already-done"]
    assert {key for key in lab.keys() if not key.startswith(("runs/", "state/"))} == set(done.answer["artefacts"])
    assert len(lab.notices()) == (0 if job == "backup-daily" else 1)
    assert list(itertools.chain(*map(job_success, calls))) == [1], "one run is counted once"


@pytest.mark.parametrize("function", ["secrets-backup", "rotation-checker"])
def test_a_failed_run_is_taken_up_again(lab: Lab, function: str) -> None:
    event = scheduled(JOBS[function])
    lab.aws.faults({"match": "secretsmanager.ListSecrets", "effect": "deny"})
    assert lab.one(function, event).error_type == "SecretsOps.Denied"
    lab.aws.faults()
    again = lab.one(function, event).answer
    assert again["status"] == status(JOBS[function]) and again["success"], again
    assert lab.one(function, event).answer["status"] == "already-done"


@pytest.mark.parametrize(("function", "job"), JOBS.items())
def test_a_marker_whose_answer_was_lost_is_still_ours(lab: Lab, function: str, job: str) -> None:
    """S3 has made the marker and the answer got lost: the SDK asks again and is told that there is one."""
    lab.aws.faults({"match": "s3.PutObject", "effect": "lost", "times": 1})
    answer = lab.one(function, scheduled(job)).answer
    assert answer["status"] == status(job) and answer["success"], answer


@pytest.mark.parametrize(("function", "job"), JOBS.items())
def test_calls_by_hand_always_run(lab: Lab, function: str, job: str) -> None:
    statuses = {called.answer["status"] for called in lab.run(function, {}) + lab.run(function, {"job": job})}
    assert "already-done" not in statuses


# --- What is never done


def test_no_job_reads_a_value(lab: Lab) -> None:
    """Reading one would also move its LastAccessedDate and blind the check for unused secrets."""
    for function, job in JOBS.items():
        lab.one(function, scheduled(job))
    called = {call["operation"] for call in lab.aws.journal("secretsmanager.*")}
    assert called == {"ListSecrets", "DescribeSecret", "GetResourcePolicy", "ListSecretVersionIds"}


def test_no_job_writes_outside_its_bucket_and_topic(lab: Lab) -> None:
    for function, job in JOBS.items():
        lab.one(function, scheduled(job))
    writes = [call for call in lab.aws.journal("s3.Put*") if not call["resource"].startswith(f"{lab.bucket}/")]
    assert writes == []


def test_names_come_from_settings(lab: Lab) -> None:
    env = {"SECRETS_OPS_PREFIX": "acme", "SECRETS_OPS_ENV": "stg", "SECRETS_OPS_METRICS_NAMESPACE": "Acme/Secrets"}
    called = lab.one("rotation-checker", "empty", SECRETS_OPS_LANG="en", **env)
    assert lab.notices()[0]["subject"].startswith("[acme-stg] rotation incomplete: ")
    assert {line["_aws"]["CloudWatchMetrics"][0]["Namespace"] for line in metrics(called)} == {"Acme/Secrets"}
    assert load("rotation-checker", "empty") == {} and len(secret_names()) == called.answer["coverage"]["wanted"]
