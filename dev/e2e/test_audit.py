"""The weekly and the monthly list: as a function over several runs, offline against live, in every form, and under faults."""

import csv
import gzip
import io
import json
import re
from collections.abc import Callable, Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from local_aws.running import Running

import labels
from lab import ANSWERED, Lab, job_success, load, metrics, scheduled, secret_names

CLEAN, FINDINGS, WRONG_USE, INCOMPLETE, FAILED = range(5)
NOWHERE = "http://127.0.0.1:9"
OFFLINE = {"AWS_ENDPOINT_URL": NOWHERE, "AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": ""}
PUBLIC = "goal-mandala-prod-policy-public"
FORMS = ["table", "json", "csv", "csv-bom", "markdown", "html", "junit", "asff", "ocsf"]


@pytest.fixture(scope="module")
def frozen_aws(local_aws: Callable[..., Running]) -> Running:
    """The labelled estate at the moment that its labels are about."""
    return local_aws("goal-mandala-prod", now=labels.NOW)


@pytest.fixture
def frozen(frozen_aws: Running, left_behind: list[tuple[str, bytes]], bootstraps: object) -> Iterator[Lab]:
    made = at_now(Lab(frozen_aws, left_behind))
    yield made
    values = made.aws.journal("secretsmanager.*GetSecretValue")
    made.finish()
    assert values == [], "no audit reads a value"


def at_now(lab: Lab) -> Lab:
    lab.env |= labels.SETTINGS | {"SECRETS_OPS_AS_OF": labels.NOW}
    return lab


def audited(lab: Lab, *words: str, code: int = INCOMPLETE, kind: str = "weekly", **env: str) -> dict[str, Any]:
    done = lab.cli("audit", "run", kind, *words, "--output", "json", **env)
    assert done.returncode == code, done.stdout[-2000:] + done.stderr
    return dict(json.loads(done.stdout))


def letters(report: dict[str, Any]) -> dict[tuple[str, str], str]:
    verdicts = report["verdicts"]
    return {
        (name, check): letter
        for name, row in verdicts["secrets"].items()
        for check, letter in zip(verdicts["checks"], row, strict=True)
    }


def outcomes(report: dict[str, Any]) -> dict[str, str]:
    return {item["subject"]: item["outcome"] for item in report["items"]}


# --- The lists

# Lines that ask the same in two lists stand in each under that list's own step: R42 of the month is R07 of the week.
LINES = {
    "daily": {"R01", "R02", "R03", "R04"},
    "weekly": {"R05", "R06", "R07", "R08", "R40", "R41", "R43", "R44", "R45", "R46"},
    "monthly": {"R09", "R10", "R11", "R18", "R19", "R20", *(f"R{step}" for step in range(40, 47))},
}


@pytest.mark.parametrize(("kind", "lines"), LINES.items())
def test_every_line_of_the_runbook_is_answered(frozen: Lab, kind: str, lines: set[str]) -> None:
    """With a result in both languages, and with what to do next wherever it is not a pass."""
    report = audited(frozen, kind=kind, code=FINDINGS if kind == "daily" else INCOMPLETE)
    assert report["schema"] == f"secrets-ops/audit-{kind}/v1"
    items = report["items"]
    missing = lines - {item["runbook"] for item in items}
    assert not missing, f"no item for {sorted(missing)}"
    assert len({item["subject"] for item in items}) == len(items)
    for item in items:
        assert item["detail"]["ja"] and item["detail"]["en"] and item["title"]["ja"], item
        if item["outcome"] in ("fail", "unknown"):
            assert item["next"] and item["next"]["ja"] and item["next"]["en"], item


def test_only_the_monthly_list_asks_what_costs_money(frozen: Lab) -> None:
    weekly = audited(frozen)
    assert not frozen.aws.journal("ce.*") and not frozen.aws.journal("cloudwatch.*")
    assert not {"R09", "R11"} & {item["runbook"] for item in weekly["items"]}
    first = audited(frozen, kind="monthly")
    calls = len(frozen.aws.journal("ce.*"))
    assert first["calls"]["ce:GetCostAndUsage"] == calls > 0
    assert first["calls_usd"] >= 0.01 * calls
    assert weekly["calls_usd"] < 0.01
    again = audited(frozen, kind="monthly")
    assert len(frozen.aws.journal("ce.*")) == calls, "whole months do not change, and are kept"
    # What the unused ones cost is open where it is not known of each whether it is used.
    assert outcomes(first)["cost"] == outcomes(again)["cost"] == "pass"


def test_each_call_is_counted_and_none_is_made_twice(frozen: Lab) -> None:
    report = audited(frozen)
    journal = frozen.aws.journal()
    made: dict[str, int] = {}
    for call in journal:
        made[call["operation"]] = made.get(call["operation"], 0) + 1
    counted = {name.partition(":")[2]: number for name, number in report["calls"].items()}
    assert counted == {name: number for name, number in made.items() if name in counted}
    # Who one is, and what is accepted or was found before, is asked before the looking begins.
    assert set(made) - set(counted) <= {"GetCallerIdentity", "GetObject"}


# --- The function


@pytest.fixture(scope="module")
def own_aws(local_aws: Callable[..., Running]) -> Running:
    """For tests that mend something in it."""
    return local_aws()


@pytest.fixture
def mine(own_aws: Running, left_behind: list[tuple[str, bytes]], bootstraps: object) -> Iterator[Lab]:
    made = Lab(own_aws, left_behind)
    yield made
    values = made.aws.journal("secretsmanager.*GetSecretValue")
    made.finish()
    assert values == [], "no audit reads a value"


def ran(lab: Lab, job: str, **env: str) -> Any:
    called = lab.one("audit-runner", scheduled(job), SECRETS_OPS_LANG="en", **env)
    assert called.outcome == ANSWERED, called
    return called


@pytest.mark.parametrize("job", ["audit-weekly", "audit-monthly"])
def test_the_function_goes_through_a_list(lab: Lab, job: str) -> None:
    called = ran(lab, job)
    answer = called.answer
    assert (answer["schema"], answer["job"], answer["success"]) == ("secrets-ops/answer/v1", job, True)
    assert answer["status"] == "incomplete", "the labelled estate has what nobody can look at"
    assert answer["gaps"] and answer["counts"]["findings"] > 100
    kinds = {key.partition(".")[2]: key for key in answer["artefacts"]}
    assert set(kinds) == {"json", "txt", "evidence.json"} and set(answer["artefacts"]) <= set(lab.keys())
    assert {key.rpartition("/")[0] for key in answer["artefacts"]} == {f"reports/{job}"}
    report = lab.json(kinds["json"])
    assert report["schema"] == f"secrets-ops/{job}/v1" and set(report["verdicts"]["secrets"]) == set(secret_names())
    text = lab.get(kinds["txt"]).decode()
    assert PUBLIC in text and len(report["findings"]) == answer["counts"]["findings"]
    evidence = lab.json(kinds["evidence.json"])
    assert evidence["account"] == "123456789012" and "Ok" in evidence["surroundings"]["accesses"]
    # Figures for alarms.
    assert job_success(called) == [1]
    lines = metrics(called)
    assert {line["Job"] for line in lines if "Job" in line} == {job}
    by_severity = {line["Severity"]: line["Findings"] for line in lines if "Findings" in line}
    assert by_severity["critical"] == answer["counts"]["findings-critical"] > 0
    # One notice of what is new, not one for each finding.
    [notice] = lab.notices()
    assert "New findings" in notice["message"] and len(notice["message"].encode()) < 256 * 1024
    assert kinds["txt"] in notice["message"] or kinds["json"] in notice["message"]


def test_the_same_event_is_gone_through_once(lab: Lab) -> None:
    event = scheduled("audit-weekly")
    assert lab.one("audit-runner", event).answer["status"] == "incomplete"
    assert lab.one("audit-runner", event).answer["status"] == "already-done"
    assert len(lab.notices()) == 1


def test_what_is_mended_is_told_as_resolved(mine: Lab) -> None:
    sm = mine.aws.client("secretsmanager")
    policy = sm.get_resource_policy(SecretId=PUBLIC)["ResourcePolicy"]
    first = ran(mine, "audit-weekly").answer["counts"]
    assert first["opened"] > 0 and first["still-open"] == first["resolved"] == 0
    second = ran(mine, "audit-weekly").answer["counts"]
    assert (second["opened"], second["still-open"], second["resolved"]) == (0, first["opened"], 0)
    # What comes once a week is a digest by itself: it says what is still open, and nothing as new.
    digest = mine.notices()[-1]
    assert len(mine.notices()) == 2 and "New findings" not in digest["message"]
    sm.delete_resource_policy(SecretId=PUBLIC)
    try:
        third = ran(mine, "audit-weekly").answer["counts"]
    finally:
        sm.put_resource_policy(SecretId=PUBLIC, ResourcePolicy=policy, BlockPublicPolicy=False)
    assert third["resolved"] >= 1 and third["still-open"] + third["resolved"] == first["opened"]
    told = mine.notices()[-1]
    assert f"{third['resolved']} resolved" in told["subject"]
    assert "policy-not-public" in told["message"] and PUBLIC in told["message"]
    # Broken again, it is new again.
    fourth = ran(mine, "audit-weekly").answer["counts"]
    assert fourth["opened"] == third["resolved"] and fourth["resolved"] == 0
    assert PUBLIC in mine.notices()[-1]["message"]


def test_what_was_not_looked_at_is_not_resolved(mine: Lab) -> None:
    first = ran(mine, "audit-weekly").answer["counts"]
    mine.aws.faults({"match": "secretsmanager.GetResourcePolicy", "secret": PUBLIC, "effect": "deny"})
    second = ran(mine, "audit-weekly").answer["counts"]
    assert second["resolved"] == 0 and second["not-looked-at-again"] >= 1
    assert second["still-open"] + second["not-looked-at-again"] == first["opened"]
    mine.aws.faults()
    assert ran(mine, "audit-weekly").answer["counts"]["opened"] == 0, "it was open all the time"


@pytest.mark.parametrize("job", ["audit-daily", "audit-weekly"])
def test_a_state_that_cannot_be_read_is_told_and_all_is_new(lab: Lab, job: str) -> None:
    ran(lab, job)
    before = lab.get(f"state/{job}.json")
    lab.aws.faults({"effect": "deny", "match": "s3.GetObject"})
    answer = ran(lab, job).answer
    counts = answer["counts"]
    assert answer["status"] == "incomplete" and counts["opened"] > 0
    assert counts["still-open"] == counts["resolved"] == counts["not-looked-at-again"] == 0
    assert ("s3:GetObject", f"state/{job}.json") in {(gap["what"], gap["subject"]) for gap in answer["gaps"]}
    notice = lab.notices()[-1]
    assert "could not be used" in notice["message"]
    lab.aws.faults()
    assert lab.get(f"state/{job}.json") == before, "what it says may be right: it is left alone"


def test_a_quiet_day_is_told_by_nobody(lab: Lab) -> None:
    ran(lab, "audit-daily")
    number = len(lab.notices())
    again = ran(lab, "audit-daily").answer["counts"]
    assert again["opened"] == again["resolved"] == 0 and again["still-open"] > 0
    assert len(lab.notices()) == number


def test_evidence_that_cannot_be_written_is_a_gap(lab: Lab) -> None:
    # Marker, report twice and state come before it.
    lab.aws.faults({"match": "s3.PutObject", "effect": "deny", "after": 4})
    answer = ran(lab, "audit-weekly").answer
    assert answer["status"] == "incomplete"
    assert {gap["what"] for gap in answer["gaps"]} >= {"s3:PutObject"}
    assert not [key for key in lab.keys() if key.endswith(".evidence.json")]


def test_the_functions_evidence_serves_the_command_line(lab: Lab, tmp_path: Path) -> None:
    answer = ran(lab, "audit-weekly", **labels.SETTINGS).answer
    kinds = {key.partition(".")[2]: key for key in answer["artefacts"]}
    evidence = tmp_path / "evidence.json"
    evidence.write_bytes(lab.get(kinds["evidence.json"]))
    assert lab.cli("backup", "run", "--to", str(tmp_path)).returncode == CLEAN
    [archive] = tmp_path.glob("*.tar.gz")
    offline = audited(lab, "--archive", str(archive), "--evidence", str(evidence), **OFFLINE, **labels.SETTINGS)
    told = lab.json(kinds["json"])
    assert letters(offline) == letters(told) and offline["findings"] == told["findings"]


# --- Offline


@pytest.fixture
def kept(frozen: Lab, tmp_path: Path) -> tuple[dict[str, Any], list[str]]:
    """What a live run said, and the options with which it is gone through again."""
    evidence = tmp_path / "evidence.json"
    live = audited(frozen, "--save-evidence", str(evidence))
    assert frozen.cli("backup", "run", "--to", str(tmp_path)).returncode == CLEAN
    [archive] = tmp_path.glob("*.tar.gz")
    frozen.aws.reset()
    return live, ["--archive", str(archive), "--evidence", str(evidence)]


def without_calls(report: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in report.items() if key not in ("calls", "calls_usd")}


def test_offline_says_what_the_live_run_said(frozen: Lab, kept: tuple[dict[str, Any], list[str]]) -> None:
    """All of it, but for the calls: there were none."""
    live, options = kept
    del frozen.env["SECRETS_OPS_AS_OF"], frozen.env["SECRETS_OPS_BUCKET"], frozen.env["SECRETS_OPS_TOPIC_ARN"]
    offline = audited(frozen, *options, **OFFLINE)
    assert without_calls(offline) == without_calls(live)
    assert not offline.get("calls") and not offline.get("calls_usd")
    assert frozen.aws.journal() == []


def test_offline_with_the_monthly_list(frozen: Lab, kept: tuple[dict[str, Any], list[str]], tmp_path: Path) -> None:
    _, options = kept
    evidence = tmp_path / "monthly.json"
    live = audited(frozen, "--save-evidence", str(evidence), kind="monthly")
    offline = audited(frozen, *options[:2], "--evidence", str(evidence), kind="monthly", **OFFLINE)
    assert without_calls(offline) == without_calls(live)
    # A week's evidence knows nothing of costs and times.
    weekly = audited(frozen, *options, kind="monthly", **OFFLINE)
    unknown = {item["subject"]: item["outcome"] for item in weekly["items"] if item["runbook"] in ("R09", "R11")}
    assert unknown and set(unknown.values()) == {"unknown"}, unknown


DECRYPTIONS = "key-decrypt-failures"


@pytest.mark.parametrize("packed", [True, False])
def test_offline_with_cloudtrails_files(
    frozen: Lab, kept: tuple[dict[str, Any], list[str]], tmp_path: Path, packed: bool
) -> None:
    """The files that a trail delivers, in place of what LookupEvents told."""
    live, options = kept
    trail = tmp_path / "trail"
    pages = frozen.aws.client("cloudtrail").get_paginator("lookup_events").paginate()
    records = [json.loads(event["CloudTrailEvent"]) for page in pages for event in page["Events"]]
    assert len(records) > 300
    for number in range(0, len(records), 100):
        text = json.dumps({"Records": records[number : number + 100]}).encode()
        path = trail / "AWSLogs" / "2026" / f"{number:04}.json{'.gz' if packed else ''}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(gzip.compress(text) if packed else text)
    # The evidence's own history is taken out, so that only the files can have told it.
    evidence = json.loads(Path(options[3]).read_text("utf-8"))
    nothing = {"Err": {"what": "cloudtrail:LookupEvents", "subject": "", "reason": "denied", "detail": "taken out"}}
    evidence["surroundings"] |= {"rotations": nothing, "accesses": nothing}
    Path(options[3]).write_text(json.dumps(evidence), encoding="utf-8")
    offline = audited(frozen, *options, "--trail", str(trail), **OFFLINE)
    assert letters(offline) == letters(live)
    # Live, decryptions come from Insights, whose answers are not made of the local AWS's records.
    others = [[found for found in one["findings"] if found["check"] != DECRYPTIONS] for one in (live, offline)]
    assert others[0] == others[1]
    assert outcomes(offline) | {DECRYPTIONS: ""} == outcomes(live) | {DECRYPTIONS: ""}
    assert outcomes(offline)[DECRYPTIONS] in ("pass", "fail"), "the files tell of them too"
    blind = audited(frozen, *options, **OFFLINE)
    assert letters(blind) != letters(live) and outcomes(blind)["access-root"] == "unknown"


# The day after the labels' moment: what passes on its last day, and fails then.
LAST_DAY = {
    "goal-mandala-prod-unused-090d": "used",
    "goal-mandala-prod-unused-never-090d": "used",
    "goal-mandala-prod-unused-030d": "used-recently",
    "goal-mandala-prod-unused-never-030d": "used-recently",
    "goal-mandala-prod-rotation-age-090d": "rotation-age",
}


def test_another_moment_is_judged_by(frozen: Lab, kept: tuple[dict[str, Any], list[str]]) -> None:
    live, options = kept
    same = letters(audited(frozen, *options, "--as-of", labels.NOW, **OFFLINE))
    assert same == letters(live)
    report = audited(frozen, *options, "--as-of", "2026-11-23T16:30:00Z", **OFFLINE)
    later = letters(report)
    assert report["as_of"] == "2026-11-23T16:30:00Z"
    for name, check in LAST_DAY.items():
        assert (same[name, check], later[name, check]) == ("p", "f"), (name, check)
    untouched = ("tagged", "named", "policy-not-public", "replicas-in-sync", "key-usable")
    assert {at: letter for at, letter in later.items() if at[1] in untouched} == {
        at: letter for at, letter in same.items() if at[1] in untouched
    }


# What an archive alone cannot tell of any secret.
NEEDS_MORE = {"rotation-succeeding", "rotation-function", "key-rotation", "stage-separated", "deletion-untouched"}


def test_without_evidence_nothing_passes_that_was_not_seen(
    frozen: Lab, kept: tuple[dict[str, Any], list[str]]
) -> None:
    live, options = kept
    alone = audited(frozen, *options[:2], **OFFLINE)
    was, now = letters(live), letters(alone)
    assert {at: letter for at, letter in now.items() if letter == "p" and was[at] in "fu"} == {}
    assert {at for at, letter in now.items() if at[1] in NEEDS_MORE and letter == "p"} == set()
    keys = {at: letter for at, letter in now.items() if at[1] == "key-usable" and was[at] in "pf"}
    # The key that AWS manages cannot be switched off.
    assert {letter for at, letter in keys.items() if was[at[0], "key-customer-managed"] == "p"} == {"u"}
    assert outcomes(alone)["key-health"] == outcomes(alone)["access-root"] == outcomes(alone)["iam-write"] == "unknown"
    assert alone["coverage_percent"] < live["coverage_percent"]
    passed = {item["subject"] for item in alone["items"] if item["outcome"] == "pass"}
    assert passed <= {item["subject"] for item in live["items"] if item["outcome"] == "pass"}


def test_a_damaged_archive_or_evidence_is_refused(frozen: Lab, kept: tuple[dict[str, Any], list[str]]) -> None:
    _, [_, archive, _, evidence] = kept
    for path, options in ((archive, []), (evidence, ["--archive", archive, "--evidence", evidence])):
        whole = Path(path).read_bytes()
        Path(path).write_bytes(whole[: len(whole) // 2])
        done = frozen.cli("audit", "run", "weekly", *(options or ["--archive", archive]), **OFFLINE)
        assert (done.returncode, done.stdout) == (FAILED, "") and is_one_line(done.stderr), done.stderr
        Path(path).write_bytes(whole)


# --- Wrong use


def is_one_line(message: str) -> bool:
    return message.startswith("secrets-ops: ") and message.endswith("\n") and message.count("\n") == 1


@pytest.mark.parametrize(
    ("words", "code", "named"),
    [
        ("weekly --archive nothing.tar.gz", FAILED, "nothing.tar.gz"),
        ("weekly --archive latest", FAILED, "backup"),
        ("weekly --archive THERE", FAILED, "THERE"),
        ("weekly --trail THERE", WRONG_USE, "--archive"),
        ("weekly --evidence THERE", WRONG_USE, "--archive"),
        ("weekly --archive THERE --save-evidence new", WRONG_USE, "--save-evidence"),
        ("weekly --save-evidence THERE", WRONG_USE, "THERE"),
        ("weekly --save-evidence /nonexistent/new", FAILED, "/nonexistent/new"),
        ("daily --archive THERE", WRONG_USE, "--archive"),
        ("daily --save-evidence new", WRONG_USE, "--save-evidence"),
        ("weekly --as-of yesterday", WRONG_USE, "yesterday"),
        ("weekly --as-of 2026-02-30", WRONG_USE, "2026-02-30"),
        ("yearly", WRONG_USE, "yearly"),
        ("", WRONG_USE, "<LIST>"),
    ],
)
def test_wrong_use_is_named(lab: Lab, tmp_path: Path, words: str, code: int, named: str) -> None:
    there = tmp_path / "there"
    there.write_text("not what it should be", encoding="utf-8")
    done = lab.cli("audit", "run", *words.replace("THERE", str(there)).split())
    assert (done.returncode, done.stdout) == (code, ""), done.stdout + done.stderr
    assert named.replace("THERE", str(there)) in done.stderr
    assert done.stderr.startswith("error: ") or is_one_line(done.stderr), done.stderr
    assert there.read_text("utf-8") == "not what it should be", "nothing is written over"
    if "latest" not in words:
        assert lab.aws.journal() == [], "told before anything is looked at"


@pytest.mark.parametrize("kind", ["weekly", "monthly"])
@pytest.mark.parametrize("how", ["denied", "no network", "no credentials"])
def test_without_permission_network_or_credentials(lab: Lab, kind: str, how: str) -> None:
    env = {"denied": {}, "no network": {"AWS_ENDPOINT_URL": NOWHERE}, "no credentials": OFFLINE}[how]
    if how == "denied":
        lab.aws.faults({"match": "*", "effect": "deny"})
    done = lab.cli("audit", "run", kind, **env)
    assert (done.returncode, done.stdout) == (FAILED, "") and is_one_line(done.stderr), done.stdout + done.stderr
    assert not [sign for sign in ("DispatchFailure", "ConnectorError", "Some(") if sign in done.stderr], done.stderr


# --- Faults

# Every operation of the monthly list but that of the secrets' list itself, which everything hangs on.
OPERATIONS = [
    *(f"secretsmanager.{name}" for name in ("DescribeSecret", "GetResourcePolicy", "ListSecretVersionIds")),
    *(f"cloudtrail.{name}" for name in ("LookupEvents", "DescribeTrails", "GetTrailStatus", "GetEventSelectors")),
    *(f"kms.{name}" for name in ("DescribeKey", "GetKeyRotationStatus", "GetKeyLastUsage", "GetKeyPolicy")),
    *(f"lambda.{name}" for name in ("GetFunctionConfiguration", "GetPolicy", "ListFunctions")),
    *(f"iam.{name}" for name in ("GetAccountAuthorizationDetails", "SimulatePrincipalPolicy")),
    "logs.StartQuery",
    "logs.GetQueryResults",
    "cloudwatch.GetMetricData",
    "ce.GetCostAndUsage",
]


@pytest.fixture(scope="module")
def clean(frozen_aws: Running, left_behind: list[tuple[str, bytes]], bootstraps: object) -> dict[str, Any]:
    """The monthly report without a fault. In a bucket of its own: costs that are kept are not asked for again."""
    lab = at_now(Lab(frozen_aws, left_behind))
    report = audited(lab, kind="monthly")
    lab.finish()
    return report


def nothing_turned_good(clean: dict[str, Any], report: dict[str, Any]) -> None:
    was, now = letters(clean), letters(report)
    assert was.keys() == now.keys()
    assert {at: was[at] + now[at] for at in was if now[at] == "p" and was[at] in "fu"} == {}
    before, after = outcomes(clean), outcomes(report)
    assert {one for one in after if after[one] == "pass" and before.get(one) in ("fail", "unknown")} == set()


@pytest.mark.parametrize("operation", OPERATIONS)
def test_what_is_denied_is_a_gap_and_turns_nothing_good(
    clean: dict[str, Any], frozen: Lab, operation: str
) -> None:
    frozen.aws.faults({"match": operation, "effect": "deny"})
    report = audited(frozen, kind="monthly")
    [fault] = frozen.aws.control("GET", "faults")
    assert fault["struck"] > 0, "the operation is one of the audit's"
    nothing_turned_good(clean, report)
    name = operation.replace(".", ":", 1)
    denied = {gap["what"] for gap in report["gaps"] if gap["reason"] == "denied"}
    undecided = {gap["detail"] for gap in report["gaps"] if gap["reason"] == "undecidable"}
    assert name in denied or any(name in detail for detail in undecided), "it is told, by its name"
    assert report["coverage"]["seen"] <= clean["coverage"]["seen"]
    assert told_gaps(report) - told_gaps(clean), "and was not before"


def told_gaps(report: dict[str, Any]) -> set[tuple[str, str, str]]:
    return {(gap["what"], gap["subject"], gap["reason"]) for gap in report["gaps"]}


@pytest.mark.parametrize(("effect", "times"), [("5xx", 2), ("throttle", 1), ("drop", 1), ("cut", 1)])
def test_what_passes_by_changes_nothing(clean: dict[str, Any], frozen: Lab, effect: str, times: int) -> None:
    """Each operation is struck, and asked again."""
    operations = ["secretsmanager.ListSecrets", *OPERATIONS]
    frozen.aws.faults(*({"match": operation, "effect": effect, "times": times} for operation in operations))
    report = audited(frozen, kind="monthly")
    struck = {fault["match"]: fault["struck"] for fault in frozen.aws.control("GET", "faults")}
    assert struck == dict.fromkeys(operations, times)
    assert letters(report) == letters(clean) and outcomes(report) == outcomes(clean)
    assert (report["findings"], report["gaps"]) == (clean["findings"], clean["gaps"])


@pytest.mark.parametrize("effect", ["deny", "5xx", "drop"])
@pytest.mark.parametrize("after", [0, 1])
def test_half_a_list_is_no_list(frozen: Lab, effect: str, after: int) -> None:
    frozen.aws.faults({"match": "secretsmanager.ListSecrets", "effect": effect, "after": after})
    done = frozen.cli("audit", "run", "weekly", "--output", "json")
    assert (done.returncode, done.stdout) == (FAILED, "") and is_one_line(done.stderr), done.stderr
    assert "secretsmanager:ListSecrets" in done.stderr


# --- Forms


def plain(text: str) -> bool:
    """Nothing that a terminal would obey, nor what turns text round or hides it."""
    return not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u202a-\u202e\u2066-\u2069\ufffe]", text)


class Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.seen: set[str] = set()
        self.attributes: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.add(tag)
        self.attributes |= {name for name, _ in attrs}


def parsed(form: str, text: str) -> None:
    """Raises or fails where a form is not what it says."""
    if form in ("csv", "csv-bom"):
        assert text.startswith("\ufeff") == (form == "csv-bom")
        rows = list(csv.reader(io.StringIO(text.removeprefix("\ufeff"))))
        assert rows[0][0] == "kind" and len({len(row) for row in rows}) == 1
        assert [cell for row in rows for cell in row if cell.startswith(("=", "+", "-", "@", "\t", "\r"))] == []
    elif form == "html":
        tags = Tags()
        tags.feed(text)
        assert not tags.seen & {"script", "img", "iframe", "b", "i", "u", "link", "object"}, tags.seen
        assert not {name for name in tags.attributes if name.startswith("on") or name in ("src", "href")}
        assert "<script" not in text.lower() and "</html>" in text
    elif form == "junit":
        ElementTree.fromstring(text.encode())
    elif form in ("asff", "ocsf"):
        assert [json.loads(line) for line in text.splitlines()]
    elif form == "json":
        json.loads(text)
    elif form == "markdown":
        assert not re.search(r"(?<!\\)<", text) and text.startswith("# "), "each sign that HTML begins with is escaped"
        # No row of a table has another number of cells than its heading: a bar in a text is no border.
        for block in re.findall(r"(?:^\|.*\n)+", text, re.MULTILINE):
            cells = {len(re.findall(r"(?<!\\)\|", row)) for row in block.splitlines()}
            assert len(cells) == 1, block[:500]
        assert "](javascript:" not in re.sub(r"\\.", "", text)


@pytest.mark.parametrize("scenario", ["hostile-trail", "goal-mandala-prod"])
@pytest.mark.parametrize("lang", ["ja", "en"])
@pytest.mark.parametrize("form", FORMS)
def test_each_form_is_whole_whatever_the_trail_says(lab: Lab, form: str, lang: str) -> None:
    done = lab.cli("audit", "run", "weekly", "--output", form, "--lang", lang)
    assert done.returncode == INCOMPLETE and done.stderr == "", done.stderr
    assert done.stdout.endswith("\n") and plain(done.stdout)
    parsed(form, done.stdout)


@pytest.mark.parametrize("scenario", ["hostile-trail"])
def test_hostile_text_stays_text_in_notices_and_logs(lab: Lab) -> None:
    called = ran(lab, "audit-weekly")
    assert all(plain(notice["subject"] + notice["message"]) for notice in lab.notices()) and lab.notices()
    assert all(plain(line) for line in called.logs)
    for key in called.answer["artefacts"]:
        # Evidence is what AWS said, for machines: JSON, and not shown to anybody.
        assert key.endswith(".evidence.json") or plain(lab.get(key).decode()), key


@pytest.mark.parametrize("scenario", ["blind-trail"])
def test_a_blind_trail_is_told_and_passes_nothing(lab: Lab) -> None:
    report = audited(lab)
    assert outcomes(report)["trail-sees"] == "fail"
    [found] = {finding["check"] for finding in report["findings"] if finding["check"] == "trail-sees"}
    assert found


@pytest.mark.parametrize("scenario", ["empty"])
def test_an_empty_account_is_not_a_good_one(lab: Lab) -> None:
    for kind in ("weekly", "monthly"):
        report = audited(lab, kind=kind)
        assert report["verdicts"]["secrets"] == {} and report["gaps"]
        checks = set(report["verdicts"]["checks"])
        passed = {item["subject"] for item in report["items"] if item["outcome"] == "pass"} & checks
        assert passed == set(), "no secret was looked at"


def test_the_documented_events_are_the_lists(lab: Lab) -> None:
    assert load("audit-runner", "empty") == {}
    for job in ("audit-weekly", "audit-monthly"):
        called = lab.one("audit-runner", {"job": job})
        assert called.answer["job"] == job and called.answer["artefacts"]
