"""Faults as a table: what each job makes of a call that is denied, throttled, broken, cut, gone or too slow."""

from typing import Any

import pytest

from lab import ANSWERED, Lab, gaps, job_success, scheduled, secret_names

BACKUP, ROTATION, AUDIT = "secrets-backup", "rotation-checker", "audit-runner"
JOBS = {BACKUP: "backup-daily", ROTATION: "rotation", AUDIT: "audit-daily"}
PAGES = "generated:250"
TOKEN = {"effect": "error", "code": "InvalidNextTokenException"}

# --- A fault that passes is outlasted

CALLS = [
    (BACKUP, "secretsmanager.ListSecrets"),
    (BACKUP, "secretsmanager.DescribeSecret"),
    (BACKUP, "secretsmanager.GetResourcePolicy"),
    (ROTATION, "secretsmanager.ListSecrets"),
    (ROTATION, "sns.Publish"),
    (AUDIT, "cloudtrail.LookupEvents"),
    (AUDIT, "cloudwatch.GetMetricData"),
    (AUDIT, "logs.StartQuery"),
    (AUDIT, "logs.GetQueryResults"),
    (AUDIT, "s3.GetObject"),
]


# Each service words its errors in its own way; a broken connection is the same for all.
PASSING = [
    *[(function, call, effect) for function, call in CALLS for effect in ("throttle", "5xx")],
    *[(BACKUP, "secretsmanager.ListSecrets", effect) for effect in ("drop", "lost", "cut")],
    (AUDIT, "s3.GetObject", "cut"),
    (ROTATION, "sns.Publish", "drop"),
]


@pytest.mark.parametrize(("function", "call", "effect"), PASSING)
def test_a_fault_that_passes_is_outlasted(lab: Lab, function: str, call: str, effect: str) -> None:
    lab.aws.faults({"match": call, "effect": effect, "times": 2 if function == BACKUP else 1})
    called = lab.one(function, scheduled(JOBS[function]))
    assert called.outcome == ANSWERED, called
    assert called.answer["success"] and gaps(called.answer) == set(), called.answer
    [fault] = lab.aws.control("GET", "faults")
    assert fault["struck"] > 0, "a fault that never struck proves nothing"


@pytest.mark.parametrize("scenario", [PAGES])
def test_throttling_for_a_while_loses_nothing(lab: Lab) -> None:
    lab.aws.faults({"match": "secretsmanager.*", "effect": "throttle", "every": 4, "times": 60})
    answer = lab.one(BACKUP, scheduled("backup-daily"), timeout_ms=60_000).answer
    assert answer["coverage"] == {"wanted": 250, "seen": 250} and answer["gaps"] == []


# --- A list that fails fails the job: half a list would read like a whole one

LISTS: list[tuple[str, dict[str, Any], str]] = [
    ("denied", {"effect": "deny"}, "SecretsOps.Denied"),
    ("half denied", {"effect": "deny", "after": 1}, "SecretsOps.Denied"),
    ("token refused", {**TOKEN, "after": 1}, "SecretsOps.Refused"),
    ("credentials expired", {"effect": "error", "code": "ExpiredTokenException"}, "SecretsOps.Denied"),
]


@pytest.mark.parametrize("scenario", [PAGES])
@pytest.mark.parametrize(("fault", "error"), [row[1:] for row in LISTS], ids=[row[0] for row in LISTS])
@pytest.mark.parametrize("function", [BACKUP, ROTATION])
def test_a_list_that_fails_fails_the_job(lab: Lab, function: str, fault: dict[str, Any], error: str) -> None:
    lab.aws.faults({"match": "secretsmanager.ListSecrets", **fault})
    called = lab.one(function, scheduled(JOBS[function]))
    assert (called.outcome, called.error_type) == ("failed", error)
    assert called.error_message.startswith("secretsmanager:ListSecrets: ")
    assert job_success(called) == [0]
    assert [key for key in lab.keys() if not key.startswith(f"runs/{JOBS[function]}/")] == []
    [notice] = lab.notices()
    assert called.error_message in notice["message"]


# --- What else cannot be read is a gap, by name, and does not hide the rest

SOURCES = [
    # call, the gap's name, items of the daily list that then are unknown
    ("cloudtrail.LookupEvents", "cloudtrail:LookupEvents", {"unusual-access"}),
    ("cloudwatch.GetMetricData", "cloudwatch:GetMetricData", {"error-rate", "cache-hit-rate"}),
    ("logs.StartQuery", "logs:StartQuery", {"success-rate", "error-rate"}),
    ("logs.GetQueryResults", "logs:GetQueryResults", {"success-rate", "error-rate"}),
    ("s3.GetObject", "s3:GetObject", {"jobs-succeeded"}),
]


@pytest.mark.parametrize(("call", "what", "unknown"), SOURCES)
@pytest.mark.parametrize(
    ("effect", "reason"), [({"effect": "deny"}, "denied"), ({"effect": "error", "code": "Strange"}, "malformed")]
)
def test_a_source_that_fails_is_a_gap(
    lab: Lab, call: str, what: str, unknown: set[str], effect: dict[str, Any], reason: str
) -> None:
    lab.aws.faults({"match": call, **effect})
    called = lab.one(AUDIT, scheduled("audit-daily"))
    answer = called.answer
    assert (answer["status"], answer["success"]) == ("incomplete", True), answer
    assert gaps(answer) == {(what, reason)}
    lab.aws.faults()
    report = lab.json(answer["artefacts"][0])
    outcomes = {item["subject"]: item["outcome"] for item in report["items"]}
    assert {item for item, outcome in outcomes.items() if outcome == "unknown"} == unknown
    assert report["coverage"] == {"wanted": len(outcomes), "seen": len(outcomes) - len(unknown)}
    [notice] = lab.notices()
    assert what in notice["message"]


@pytest.mark.parametrize("scenario", ["empty"])
@pytest.mark.parametrize("function", [ROTATION, AUDIT])
def test_where_nothing_is_nothing_is_well(lab: Lab, function: str) -> None:
    answer = lab.one(function, scheduled(JOBS[function]), SECRETS_OPS_TOPIC_ARN="").answer
    assert answer["status"] == "incomplete" and answer["counts"]["gaps"] > 0
    report = lab.json(answer["artefacts"][0])
    assert "pass" not in {item["outcome"] for item in report["items"]}
    assert report["coverage_percent"] in (None, 0, 20), "only the ledger could be read"


# --- A failed channel hides nothing


@pytest.mark.parametrize("effect", [{"effect": "deny"}, {"effect": "error", "code": "NotFound", "status": 404}])
@pytest.mark.parametrize("function", [ROTATION, AUDIT])
def test_a_topic_that_refuses_hides_no_report(lab: Lab, function: str, effect: dict[str, Any]) -> None:
    lab.aws.faults({"match": "sns.Publish", **effect})
    called = lab.one(function, scheduled(JOBS[function]))
    answer = called.answer
    assert (answer["status"], answer["success"]) == ("incomplete", True)
    assert {what for what, _ in gaps(answer)} == {"sns:Publish"}
    assert answer["counts"]["gaps"] == len(answer["gaps"]) <= 2 and lab.notices() == []
    assert set(answer["artefacts"]) <= set(lab.keys()) and len(answer["artefacts"]) == 2
    assert any("a notice could not be sent" in line for line in called.logs)


def test_a_topic_that_refuses_hides_no_failure(lab: Lab) -> None:
    lab.aws.faults({"match": "sns.Publish", "effect": "deny"}, {"match": "secretsmanager.*", "effect": "deny"})
    called = lab.one(ROTATION, scheduled("rotation"))
    assert called.error_type == "SecretsOps.Denied" and "ListSecrets" in called.error_message
    assert any("notice of a failed job could not be sent" in line for line in called.logs)


@pytest.mark.parametrize("function", [ROTATION, AUDIT])
def test_a_bucket_that_refuses_the_report_hides_no_finding(lab: Lab, function: str) -> None:
    # The marker is written, the two forms of the report are not.
    lab.aws.faults({"match": "s3.PutObject", "effect": "deny", "after": 1, "times": 2})
    called = lab.one(function, scheduled(JOBS[function]))
    answer = called.answer
    assert (answer["status"], answer["success"], answer["artefacts"]) == ("incomplete", False, [])
    assert gaps(answer) == {("s3:PutObject", "denied")} and job_success(called) == [0]
    assert len(lab.notices()) == 1


# --- Out of time


@pytest.mark.parametrize("scenario", [PAGES])
def test_rotation_tells_how_far_it_got(lab: Lab) -> None:
    lab.aws.faults({"match": "secretsmanager.ListSecrets", "after": 1, "delay_ms": 5000})
    called = lab.one(ROTATION, scheduled("rotation"), timeout_ms=2500)
    answer = called.answer
    assert (answer["status"], answer["counts"]["items"]) == ("incomplete", 100)
    assert answer["coverage"] == {"wanted": 101, "seen": 100}, "what was not reached does not count as covered"
    assert gaps(answer) == {("secretsmanager:ListSecrets", "deadline")}
    assert len(answer["artefacts"]) == 2 and called.seconds < 2.5


@pytest.mark.parametrize(
    ("call", "service", "unknown"),
    [
        ("cloudtrail.LookupEvents", "cloudtrail", 1),
        ("logs.GetQueryResults", "logs", 2),
        ("logs.StartQuery", "logs", 2),
        ("cloudwatch.GetMetricData", "cloudwatch", 2),
        ("s3.GetObject", "s3", 1),
    ],
)
def test_the_daily_list_tells_what_it_did_not_reach(lab: Lab, call: str, service: str, unknown: int) -> None:
    lab.aws.faults({"match": call, "delay_ms": 5000})
    called = lab.one(AUDIT, scheduled("audit-daily"), timeout_ms=3000)
    answer = called.answer
    assert called.outcome == ANSWERED and called.seconds < 3, called
    assert answer["status"] == "incomplete" and len(answer["artefacts"]) == 2
    # The state of earlier runs comes from S3 too, and is not waited for.
    state = {("s3", "timed-out")} if service == "s3" else set()
    assert {(what.partition(":")[0], reason) for what, reason in gaps(answer)} == {(service, "deadline")} | state
    assert answer["coverage"]["wanted"] - answer["coverage"]["seen"] == unknown


# --- What a notice says


@pytest.mark.parametrize("lang", ["ja", "en"])
def test_a_notice_counts_what_the_report_counts(lab: Lab, lang: str) -> None:
    called = lab.one(ROTATION, scheduled("rotation"), SECRETS_OPS_LANG=lang)
    found, unseen = called.answer["counts"]["findings"], called.answer["counts"]["gaps"]
    assert found > 20, "more than a notice carries"
    [notice] = lab.notices()
    assert f"{found} findings, {unseen} gaps" in notice["subject"]
    headline = notice["message"].splitlines()[1]
    assert f"（検出 {found} 件、" in headline or f"({found} findings, " in headline
    assert f"s3://{lab.bucket}/{called.answer['artefacts'][-1]}" in notice["message"]
    assert notice["subject"].isascii() and len(notice["subject"]) < 100


def test_every_secret_has_one_verdict(lab: Lab) -> None:
    answer = lab.one(ROTATION, scheduled("rotation")).answer
    items = lab.json(answer["artefacts"][0])["items"]
    assert [item["subject"] for item in items] == sorted(secret_names())
