"""Audits over a CloudTrail that is blind, hostile or broken: none of it becomes a pass, code, or a crash."""

import csv
import html.parser
import io
import json
import xml.etree.ElementTree as ET

import pytest

from lab import Lab

FINDINGS, INCOMPLETE = 1, 3
AUDITS = ["audit run daily", "audit run weekly", "access report --since 30d"]
# Beginnings of cells that a spreadsheet runs.
FORMULAS = ("=", "+", "-", "@", "\t", "\r")


class Elements(html.parser.HTMLParser):
    """The elements of a page and the events that they would react to."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: set[str] = set()
        self.texts = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen |= {tag, *(name for name, _ in attrs if name.startswith("on"))}
        self.seen |= {value[:11] for _, value in attrs if value and value.startswith("javascript:")}

    def handle_data(self, data: str) -> None:
        self.texts += data


@pytest.mark.parametrize("scenario", ["hostile-trail"])
@pytest.mark.parametrize("form", ["table", "json", "csv", "markdown", "html", "junit", "asff", "ocsf"])
@pytest.mark.parametrize("words", AUDITS)
def test_hostile_records_are_text_in_every_form(lab: Lab, words: str, form: str) -> None:
    done = lab.cli(*words.split(), "--output", form)
    assert done.returncode in (FINDINGS, INCOMPLETE), done.stdout[-2000:] + done.stderr
    shown = done.stdout + done.stderr
    unprintable = {char for char in shown if (ord(char) < 32 and char != "\n") or "\u202a" <= char <= "\u202e"}
    assert not unprintable - {"\r"} and "\u2066" not in shown, "neither a terminal nor a reader is led astray"
    if form == "json":
        json.loads(done.stdout)
    elif form in ("asff", "ocsf"):
        assert [json.loads(line) for line in done.stdout.splitlines()]
    elif form == "csv":
        cells = [cell for row in csv.reader(io.StringIO(done.stdout)) for cell in row]
        assert [cell for cell in cells if cell.startswith(FORMULAS)] == []
    elif form == "junit":
        root = ET.fromstring(done.stdout)
        known = "testsuites testsuite testcase failure skipped error properties property system-out system-err"
        assert {element.tag for element in root.iter()} <= set(known.split())
    elif form == "html":
        page = Elements()
        page.feed(done.stdout)
        assert not {"script", "img", "b", "i", "u", "onerror", "javascript:"} & page.seen
    elif form == "markdown":
        assert "<script>" not in done.stdout and "\n# all is well" not in done.stdout
        assert "](javascript:" not in done.stdout


@pytest.mark.parametrize("scenario", ["hostile-trail"])
def test_records_that_cannot_be_read_are_told(lab: Lab) -> None:
    """They may be the very ones: a secret that nobody was seen to read may still have been read."""
    done = lab.cli("audit", "run", "weekly", "--output", "json")
    assert done.returncode == INCOMPLETE, done.stdout[-2000:] + done.stderr
    report = json.loads(done.stdout)
    assert [gap for gap in report["gaps"] if gap["what"] == "cloudtrail:LookupEvents"]
    checks, letters = report["verdicts"]["checks"], report["verdicts"]["secrets"]["goal-mandala-prod-secret-jwt"]
    assert dict(zip(checks, letters, strict=True))["used-recently"] == "u"


@pytest.mark.parametrize("scenario", ["blind-trail"])
def test_a_trail_that_is_blind_is_told(lab: Lab) -> None:
    done = lab.cli("audit", "run", "weekly", "--output", "json")
    assert done.returncode in (FINDINGS, INCOMPLETE), done.stdout[-2000:] + done.stderr
    findings = json.dumps(json.loads(done.stdout)["findings"])
    assert "goal-mandala-prod-trail" in findings, "stopped, without reads, without KMS, without deliveries"


@pytest.mark.parametrize("scenario", ["blind-trail"])
@pytest.mark.parametrize(
    "match", ["cloudtrail.DescribeTrails", "cloudtrail.GetTrailStatus", "cloudtrail.GetEventSelectors"]
)
@pytest.mark.parametrize("effect", ["deny", "throttle", "5xx"])
def test_a_trail_that_cannot_be_looked_at_is_unknown(lab: Lab, match: str, effect: str) -> None:
    lab.aws.faults({"match": match, "effect": effect})
    done = lab.cli("audit", "run", "weekly", "--output", "json")
    assert done.returncode == INCOMPLETE, done.stdout[-2000:] + done.stderr
    service, operation = match.split(".")
    assert [gap for gap in json.loads(done.stdout)["gaps"] if gap["what"] == f"{service}:{operation}"]
