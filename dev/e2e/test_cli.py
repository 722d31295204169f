"""The real `secrets-ops`: exit codes, messages, forms of output, options and their environment variables."""

import csv
import io
import json
import time
from pathlib import Path

import pytest

from lab import DATABASE, REGION, Lab, secret_names

CLEAN, FINDINGS, WRONG_USE, INCOMPLETE, FAILED = range(5)
NOWHERE = "http://127.0.0.1:9"
JOBS = ["health", "backup run", "backup list", "rotation check", "audit run daily"]
AS_OF = "2026-11-22T09:00:00+09:00"


@pytest.mark.parametrize("words", ["", *{words.rpartition(" ")[0] for words in JOBS}, *JOBS, "backup verify", "backup diff"])
def test_everything_has_help(lab: Lab, words: str) -> None:
    done = lab.cli(*words.split(), "--help")
    assert (done.returncode, done.stderr) == (CLEAN, "")
    assert "Usage: secrets-ops" in done.stdout
    for option in ("--env", "--prefix", "--region", "--profile", "--endpoint-url", "--output", "--lang", "--as-of"):
        assert option in done.stdout
    assert "CANARY" not in done.stdout and lab.aws.journal() == []


def test_help_tells_the_exit_codes(lab: Lab) -> None:
    assert "0 clean, 1 findings, 2 wrong use, 3 incomplete coverage, 4 failed" in lab.cli("--help").stdout
    assert lab.cli("--version").stdout.startswith("secrets-ops ")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completions(lab: Lab, shell: str) -> None:
    done = lab.cli("completions", shell)
    assert done.returncode == CLEAN and "secrets-ops" in done.stdout and "rotation" in done.stdout


# --- Exit codes

CODES = [
    ("goal-mandala-prod", "health", CLEAN),
    ("goal-mandala-prod", "backup run", CLEAN),
    ("goal-mandala-prod", "backup list", INCOMPLETE),  # nothing there yet
    ("goal-mandala-prod", "backup verify latest", FAILED),
    ("goal-mandala-prod", "rotation check", INCOMPLETE),  # why one never ran lies before CloudTrail's 90 days
    ("goal-mandala-prod", "audit run daily", FINDINGS),  # somebody read who may not
    ("empty", "health", FINDINGS),  # that the canary is not there has been seen
    ("empty", "backup run", INCOMPLETE),
    ("empty", "backup list", INCOMPLETE),
    ("empty", "rotation check", INCOMPLETE),
    ("empty", "audit run daily", INCOMPLETE),
]


@pytest.mark.parametrize(("scenario", "words", "code"), CODES)
def test_exit_codes(lab: Lab, scenario: str, words: str, code: int) -> None:
    # There is no topic in an account with nothing in it.
    done = lab.cli(*words.split(), SECRETS_OPS_TOPIC_ARN="")
    assert done.returncode == code, done.stdout + done.stderr
    if code == FAILED:
        assert done.stdout == "" and is_one_line(done.stderr)
    else:
        assert done.stderr == "" and done.stdout.endswith("\n"), "no spinner where there is no terminal"
        word = {CLEAN: "ok", FINDINGS: "findings", INCOMPLETE: "incomplete"}[code]
        assert f"Result: {word} (" in done.stdout


def test_warnings_are_plain_text_where_there_is_no_terminal(lab: Lab) -> None:
    lab.aws.faults({"match": "secretsmanager.DescribeSecret", "secret": DATABASE, "effect": "deny"})
    done = lab.cli("backup", "run", SECRETS_OPS_TOPIC_ARN=f"arn:aws:sns:{REGION}:123456789012:absent")
    assert done.returncode == INCOMPLETE
    assert "a notice could not be sent" in done.stderr and "\x1b" not in done.stderr + done.stdout


def is_one_line(message: str) -> bool:
    return message.startswith("secrets-ops: ") and message.endswith("\n") and message.count("\n") == 1


WRONG = [
    # words, what the first line names
    ("", ["subcommand"]),
    ("halth", ["halth"]),
    ("health --colour red", ["--colour"]),
    ("health --output xml", ["--output", "xml", "table, json, csv, csv-bom, markdown, html, junit, asff or ocsf"]),
    ("health --region tokyo", ["--region", "tokyo"]),
    ("health --lang fr", ["--lang", "fr", "ja or en"]),
    ("health --pacing maybe", ["--pacing", "maybe", "on or off"]),
    ("health --env a,b", ["--env", "a,b"]),
    ("rotation check --as-of yesterday", ["--as-of", "yesterday", "2026-11-22"]),
    ("rotation check --as-of 2026-13-01", ["--as-of", "2026-13-01"]),
    ("audit run yearly", ["yearly"]),
    ("backup run --kind hourly", ["--kind", "hourly", "daily, monthly or manual"]),
    ("backup run --to /nonexistent", ["--to", "/nonexistent"]),
    ("backup run --to s3://bucket/x", ["--to", "s3://bucket/x", "slash"]),
    ("backup verify s3://bucket", ["s3://bucket", "s3://BUCKET/KEY"]),
    ("backup verify", ["not provided"]),
]


@pytest.mark.parametrize(("words", "named"), WRONG, ids=[row[0] for row in WRONG])
def test_wrong_use_is_named(lab: Lab, words: str, named: list[str]) -> None:
    done = lab.cli(*words.split())
    assert done.returncode == WRONG_USE, done.stdout + done.stderr
    first = done.stderr.splitlines()[0]
    assert done.stdout == "" and first.startswith(("secrets-ops: ", "error: "))
    assert [name for name in named if name not in first] == [] or named == ["not provided"], first
    assert not lab.aws.journal("secretsmanager.*") and lab.keys() == []


@pytest.mark.parametrize(("name", "value"), [("SECRETS_OPS_TIME_ZONE", "Tokyo"), ("SECRETS_OPS_BUCKET", "A Bucket")])
def test_a_wrong_variable_is_named(lab: Lab, name: str, value: str) -> None:
    done = lab.cli("backup", "list", **{name: value})
    assert done.returncode == WRONG_USE and is_one_line(done.stderr)
    assert name in done.stderr and value in done.stderr


@pytest.mark.parametrize(
    ("words", "code"),
    [*[(words, FAILED) for words in JOBS if words not in ("health", "audit run daily")], ("health", INCOMPLETE)]
    + [("audit run daily", INCOMPLETE), ("backup verify latest", FAILED)],
)
@pytest.mark.parametrize("how", ["denied", "no network", "no credentials"])
def test_without_permission_network_or_credentials(lab: Lab, words: str, code: int, how: str) -> None:
    """A checklist then consists of gaps; what cannot be done without is an error, told in one line."""
    env = {}
    if how == "denied":
        lab.aws.faults({"match": "*", "effect": "deny"})
    elif how == "no network":
        env = {"AWS_ENDPOINT_URL": NOWHERE}
    else:
        # Told once, before any call, rather than as a list of gaps.
        env, code = {"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": ""}, FAILED
    begun = time.monotonic()
    done = lab.cli(*words.split(), **env)
    assert time.monotonic() - begun < 15
    assert done.returncode == code, done.stdout + done.stderr
    if code == FAILED:
        assert done.stdout == "" and is_one_line(done.stderr)
    else:
        assert "coverage 0.0 %" in done.stdout, "nothing of it was seen, and it says so"
    said = done.stdout + done.stderr
    assert not [sign for sign in ("DispatchFailure", "ConnectorError", "{ ", "Some(") if sign in said], said


def test_a_refused_connection_is_not_blamed_on_credentials(lab: Lab) -> None:
    done = lab.cli("backup", "run", "--endpoint-url", NOWHERE)
    assert "onnect" in done.stderr or "not reached" in done.stderr, done.stderr


# --- Forms of output


@pytest.mark.parametrize("words", JOBS)
def test_json_has_a_schema_and_what_the_table_has(lab: Lab, words: str) -> None:
    done = lab.cli(*words.split(), "--output", "json")
    report = json.loads(done.stdout)
    kind = {"health": "health", "rotation check": "rotation", "audit run daily": "audit-daily"}.get(words)
    assert report["schema"] == f"secrets-ops/{kind or words.replace(' ', '-')}/v1"
    assert report["region"] == REGION
    assert {"title", "as_of", "items", "findings", "gaps", "coverage", "coverage_percent", "status"} <= set(report)
    for finding in report["findings"]:
        assert set(finding["detail"]) == set(finding["remediation"]) == {"ja", "en"}


def test_every_secret_is_in_every_form(lab: Lab) -> None:
    names = secret_names()
    outputs = {form: lab.cli("rotation", "check", "--output", form) for form in FORMS}
    assert {done.returncode for done in outputs.values()} == {INCOMPLETE}, "the form does not change the exit code"
    for form, done in outputs.items():
        text = done.stdout.replace("\\_", "_") if form == "markdown" else done.stdout
        assert [name for name in names if name not in text] == [], form
    rows = list(csv.reader(io.StringIO(outputs["csv"].stdout)))
    assert len({len(row) for row in rows}) == 1 and rows[0][0] == "kind"
    assert outputs["markdown"].stdout.startswith("# ") and "\n|---|" in outputs["markdown"].stdout
    html = outputs["html"].stdout
    assert html.lower().startswith("<!doctype html>") and "</html>" in html and "src=" not in html


FORMS = ["table", "json", "csv", "markdown", "html", "junit"]


@pytest.mark.parametrize("form", [form for form in FORMS if form != "json"])
def test_two_languages(lab: Lab, form: str) -> None:
    english = lab.cli("rotation", "check", "--output", form, "--lang", "en").stdout
    japanese = lab.cli("rotation", "check", "--output", form, "--lang", "ja").stdout
    assert "rotation is off" in english and "ローテーションは無効" in japanese
    assert "ローテーション" not in english


# --- The moment


def test_as_of_makes_runs_alike(lab: Lab, tmp_path: Path) -> None:
    runs = [("rotation check", form) for form in FORMS] + [("audit run daily", "json"), ("backup list", "table")]
    for words, form in runs:
        first, second = (lab.cli(*words.split(), "--as-of", AS_OF, "--output", form).stdout for _ in range(2))
        assert first == second, (words, form)
    made = []
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
        assert lab.cli("backup", "run", "--to", str(tmp_path / name), "--as-of", AS_OF).returncode == CLEAN
        [archive] = (tmp_path / name).glob("*.tar.gz")
        made.append((archive.name, archive.read_bytes()))
    assert made[0] == made[1] and made[0][0] == "secrets-backup-20261122_090000.tar.gz"


def test_as_of_is_what_is_judged_by(lab: Lab) -> None:
    def verdict(*words: str) -> str:
        items = json.loads(lab.cli("rotation", "check", "--output", "json", *words).stdout)["items"]
        return str({item["subject"]: item["verdict"] for item in items}[DATABASE])

    later = time.strftime("%Y-%m-%d", time.gmtime(time.time() + 200 * 86400))
    assert (verdict(), verdict("--as-of", later)) == ("on-time", "overdue")


# --- Variables in place of options


def test_variables_stand_in_for_options(lab: Lab) -> None:
    env = {"SECRETS_OPS_OUTPUT": "json", "SECRETS_OPS_AS_OF": AS_OF, "SECRETS_OPS_REGION": "ap-northeast-3"}
    report = json.loads(lab.cli("rotation", "check", **env).stdout)
    assert (report["as_of"], report["region"]) == ("2026-11-22T00:00:00Z", "ap-northeast-3")
    report = json.loads(lab.cli("rotation", "check", "--region", REGION, **env).stdout)
    assert report["region"] == REGION, "an option goes before its variable"
    done = lab.cli("rotation", "check", AWS_ENDPOINT_URL=NOWHERE, SECRETS_OPS_ENDPOINT_URL=lab.aws.endpoint)
    assert done.returncode == INCOMPLETE
    done = lab.cli("health", SECRETS_OPS_ENV="stg", SECRETS_OPS_PREFIX="acme")
    assert "acme-stg-secret-database" in done.stdout


def test_pacing_can_be_turned_off(lab: Lab) -> None:
    def seconds(*words: str, **env: str) -> float:
        lab.aws.reset()
        lab.cli("backup", "run", "--to", f"s3://{lab.bucket}/{time.monotonic_ns()}/", *words, **env)
        times = [call["time"] for call in lab.aws.journal("secretsmanager.GetResourcePolicy")]
        assert len(times) == len(secret_names())
        return float(times[-1] - times[0])

    paced = (len(secret_names()) - 1) / 40
    assert seconds("--pacing", "on") > 0.9 * paced, "calls cannot come faster than they are let through"
    # How fast it is without depends on the machine: only that it is taken is seen here.
    seconds(SECRETS_OPS_PACING="off")


def test_a_profile_that_is_named_is_the_one_that_is_used(lab: Lab, tmp_path: Path) -> None:
    """Not the credentials that happen to be in the environment: they may be of another account."""
    config = tmp_path / "config"
    config.write_text("[profile other]\naws_access_key_id = 210987654321\naws_secret_access_key = local\n")
    done = lab.cli("backup", "run", "--to", str(tmp_path), "--profile", "other", AWS_CONFIG_FILE=str(config))
    assert done.returncode == INCOMPLETE, "that account has no secrets"
    [manifest] = tmp_path.glob("*.manifest.json")
    assert json.loads(manifest.read_text("utf-8"))["account"] == "210987654321"


def test_a_profile_that_is_not_there_is_an_error(lab: Lab) -> None:
    done = lab.cli("rotation", "check", "--profile", "misspelt")
    assert done.returncode in (WRONG_USE, FAILED) and "misspelt" in done.stderr


def test_only_health_reads_a_value(lab: Lab) -> None:
    for words in (*JOBS[1:], "backup verify latest"):
        lab.cli(*words.split())
    assert lab.aws.journal("secretsmanager.*GetSecretValue") == []
