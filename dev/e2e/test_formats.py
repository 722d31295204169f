"""Outputs for other systems, held to what those systems publish: JUnit to Jenkins' schema, ASFF to AWS's own service model,
OCSF to the models of py-ocsf-models. Also the notices of a job that remembers, over several runs of the real function."""

import csv
import io
import json
from datetime import datetime
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import botocore.session
import pytest
import xmlschema
from botocore.validate import ParamValidator
from py_ocsf_models.events.findings.compliance_finding import ComplianceFinding
from py_ocsf_models.objects.cloud import Cloud

from lab import ACCOUNT, DATABASE, NEVER_RAN, REGION, Lab, scheduled, secret_names

FINDINGS, INCOMPLETE, FAILED = 1, 3, 4
SCHEMAS = Path(__file__).parent / "schemas"
COMMANDS = ["health", "rotation check", "audit run daily", "backup list"]
STATE = "state/rotation.json"


def text(lab: Lab, words: str, form: str, **env: str) -> str:
    done = lab.cli(*words.split(), "--output", form, **env)
    assert done.returncode in (0, FINDINGS, INCOMPLETE), done.stderr
    return done.stdout


def deny_a_policy(lab: Lab) -> None:
    lab.aws.faults({"match": "secretsmanager.DescribeSecret", "secret": DATABASE, "effect": "deny"})


# --- CSV


def test_excel_sees_utf_8(lab: Lab) -> None:
    env = {"SECRETS_OPS_LANG": "ja", "SECRETS_OPS_AS_OF": datetime.now().astimezone().isoformat()}
    plain, marked = (text(lab, "rotation check", form, **env) for form in ("csv", "csv-bom"))
    assert marked == "\ufeff" + plain and "ローテーション" in plain
    assert text(lab, "rotation check", "table", SECRETS_OPS_OUTPUT="csv-bom") != marked, "an option goes before"
    rows = list(csv.reader(io.StringIO(plain)))
    assert {row[0] for row in rows[1:]} >= {"item", "finding"}


# --- JUnit


@pytest.mark.parametrize("words", COMMANDS)
@pytest.mark.parametrize("lang", ["ja", "en"])
def test_junit_is_what_jenkins_reads(lab: Lab, words: str, lang: str) -> None:
    deny_a_policy(lab)
    schema = xmlschema.XMLSchema(SCHEMAS / "junit-10.xsd")
    out = text(lab, words, "junit", SECRETS_OPS_LANG=lang)
    schema.validate(out)
    report = json.loads(text(lab, words, "json"))
    suite = ElementTree.fromstring(out.encode()).find("testsuite")
    assert suite is not None
    cases = suite.findall("testcase")
    wanted = len(report["items"]) + len(report["findings"]) + len(report["gaps"])
    assert int(suite.get("tests")) == len(cases) == wanted
    for kind, attribute in (("failure", "failures"), ("error", "errors"), ("skipped", "skipped")):
        assert int(suite.get(attribute)) == len([case for case in cases if case.find(kind) is not None])
    assert len([case for case in cases if case.get("classname").endswith(".gap")]) == len(report["gaps"])


# --- ASFF


def import_findings(document: Any) -> list[str]:
    """What AWS's service model says against it; besides types and required members, its patterns and enumerations."""
    model = botocore.session.get_session().get_service_model("securityhub")
    shape = model.operation_model("BatchImportFindings").input_shape
    complaints = ParamValidator().validate(document, shape)
    found = [complaints.generate_report()] if complaints.has_errors() else []

    def walk(value: Any, shape: Any, path: str) -> None:
        if shape.type_name == "structure":
            for name, inner in value.items():
                if name in shape.members:
                    walk(inner, shape.members[name], f"{path}.{name}")
        elif shape.type_name == "list":
            for index, inner in enumerate(value):
                walk(inner, shape.member, f"{path}[{index}]")
        elif shape.type_name == "string":
            if shape.enum and value not in shape.enum:
                found.append(f"{path}: {value!r} is none of {shape.enum}")
            # The one pattern that the service has for texts is `.*\\S.*`.
            if not value.strip() or "\n" in value:
                found.append(f"{path}: {value!r} has to have a visible character, on one line")

    walk(document, shape, "")
    return found


def documents(lines: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in lines.splitlines()]


@pytest.mark.parametrize("words", COMMANDS)
@pytest.mark.parametrize("lang", ["ja", "en"])
def test_asff_is_what_security_hub_imports(lab: Lab, words: str, lang: str) -> None:
    deny_a_policy(lab)
    pages = documents(text(lab, words, "asff", SECRETS_OPS_LANG=lang))
    report = json.loads(text(lab, words, "json"))
    assert [page for page in pages if import_findings(page)] == []
    findings = [finding for page in pages for finding in page["Findings"]]
    assert all(1 <= len(page["Findings"]) <= 100 for page in pages)
    keys = {(found["check"], found["subject"]) for found in report["findings"]}
    gaps = {(gap["what"], gap["subject"]) for gap in report["gaps"]}
    assert len(findings) == len(keys) + len(gaps) == len({finding["Id"] for finding in findings})
    for finding in findings:
        assert finding["AwsAccountId"] == ACCOUNT
        assert finding["ProductArn"] == f"arn:aws:securityhub:{REGION}:{ACCOUNT}:product/{ACCOUNT}/default"
        assert len(finding["Title"]) <= 256 and len(finding["Description"]) <= 1024
        assert len(json.dumps(finding).encode()) <= 240 * 1024
    statuses = [finding["Compliance"]["Status"] for finding in findings]
    assert statuses.count("FAILED") == len(keys) and set(statuses) <= {"FAILED", "WARNING", "NOT_AVAILABLE"}


def test_the_validator_finds_what_is_wrong(lab: Lab) -> None:
    [page] = documents(text(lab, "rotation check", "asff"))
    assert import_findings(page) == []
    for spoil in (
        lambda finding: finding.pop("Resources"),
        lambda finding: finding.update(Title=" "),
        lambda finding: finding["Compliance"].update(Status="MAYBE"),
        lambda finding: finding.update(Unheard="of"),
    ):
        [spoilt] = documents(json.dumps(page))
        spoil(spoilt["Findings"][0])
        assert import_findings(spoilt) != []


@pytest.mark.parametrize("form", ["asff", "ocsf"])
def test_without_an_account_nothing_is_exported(lab: Lab, form: str) -> None:
    lab.aws.faults({"match": "sts.*", "effect": "deny"})
    done = lab.cli("rotation", "check", "--output", form)
    assert (done.returncode, done.stdout) == (FAILED, "") and done.stderr.count("\n") == 1


# --- OCSF


def known(given: Any, model: Any, path: str = "") -> list[str]:
    """Attributes that the model does not know: pydantic passes over them."""
    if isinstance(given, dict):
        lost = [f"{path}.{name}" for name in given if name not in model]
        return lost + [one for name in given if name in model for one in known(given[name], model[name], f"{path}.{name}")]
    if isinstance(given, list):
        return [one for pair in zip(given, model, strict=True) for one in known(*pair, f"{path}[]")]
    return []


@pytest.mark.parametrize("words", COMMANDS)
@pytest.mark.parametrize("lang", ["ja", "en"])
def test_ocsf_is_a_compliance_finding(lab: Lab, words: str, lang: str) -> None:
    deny_a_policy(lab)
    events = documents(text(lab, words, "ocsf", SECRETS_OPS_LANG=lang))
    assert events
    for event in events:
        # The profile's attribute has a model of its own.
        cloud = event.pop("cloud")
        assert known(cloud, Cloud.model_validate(cloud).model_dump(mode="json")) == []
        assert cloud["account"]["uid"] == ACCOUNT and cloud["region"] == REGION
        finding = ComplianceFinding.model_validate(event)
        assert known(event, finding.model_dump(mode="json")) == []
        assert (event["class_uid"], event["category_uid"]) == (2003, 2)
        assert event["type_uid"] == 200300 + event["activity_id"] and event["activity_id"] in (1, 2, 3)
        assert event["metadata"]["version"] == "1.5.0" and event["metadata"]["profiles"] == ["cloud"]
        # Milliseconds, not seconds.
        assert event["time"] > 1_500_000_000_000 and event["finding_info"]["created_time"] <= event["time"]
    assert len({event["finding_info"]["uid"] for event in events}) == len(events)


# --- What a job remembers


def test_a_change_is_told_once_and_what_is_resolved_is_archived(lab: Lab) -> None:
    def run() -> dict[str, Any]:
        answer = lab.one("rotation-checker", scheduled("rotation"), SECRETS_OPS_LANG="en").answer
        assert isinstance(answer, dict)
        return answer

    first = run()
    assert first["counts"]["opened"] == first["counts"]["findings"] + first["counts"]["gaps"] > 0
    [notice] = lab.notices()
    assert "New findings" in notice["message"]
    second = run()
    assert (second["counts"]["opened"], second["counts"]["still-open"]) == (0, first["counts"]["opened"])
    assert len(lab.notices()) == 1, "nothing has changed"

    # As if an earlier run had found something that is no more, with a secret that is still there and well.
    state = lab.json(STATE)
    assert state["schema"] == "secrets-ops/state/v1"
    entry = {"check": "rotation-enabled", "subject": DATABASE, "severity": "medium", "stands": "open"}
    moment = "2026-01-01T00:00:00Z"
    state["entries"][f"rotation-enabled {DATABASE}"] = entry | {"first": moment, "last": moment}
    lab.aws.client("s3").put_object(Bucket=lab.bucket, Key=STATE, Body=json.dumps(state).encode())
    assert run()["counts"]["resolved"] == 1
    assert "1 resolved" in lab.notices()[-1]["subject"] and DATABASE in lab.notices()[-1]["message"]

    [page] = documents(text(lab, "rotation check", "asff"))
    assert import_findings(page) == []
    [archived] = [finding for finding in page["Findings"] if finding["RecordState"] == "ARCHIVED"]
    assert archived["Compliance"]["Status"] == "PASSED" and archived["CreatedAt"] == moment
    assert DATABASE in archived["Title"] and DATABASE in secret_names()
    closed = [event for event in documents(text(lab, "rotation check", "ocsf")) if event["activity_id"] == 3]
    assert [event["finding_info"]["uid"] for event in closed] == [archived["Id"]]


def test_a_state_that_cannot_be_read_hides_nothing(lab: Lab) -> None:
    lab.one("rotation-checker", scheduled("rotation"))
    lab.aws.client("s3").put_object(Bucket=lab.bucket, Key=STATE, Body=b"not JSON")
    answer = lab.one("rotation-checker", scheduled("rotation"), SECRETS_OPS_LANG="en").answer
    assert isinstance(answer, dict)
    assert answer["status"] == "incomplete" and {gap["subject"] for gap in answer["gaps"]} == {NEVER_RAN, STATE}
    assert "could not be used" in lab.notices()[-1]["message"]
    lab.one("rotation-checker", scheduled("rotation"))
    assert len(lab.notices()) == 2, "it was written anew"
