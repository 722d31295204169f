"""The labelled estate: every check on every secret says what is true, nothing else, and `u` where a reading is missing.

The true verdicts are written down in dev/local-aws/scenarios/goal-mandala-prod.verdicts.md; labels.py reads them.
"""

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from local_aws.running import Running

import labels
from lab import Lab, secret_names
from labels import Labels, changed, differences, rotation_differences

FINDINGS, INCOMPLETE, FAILED = 1, 3, 4
OWN_ROLE = "goal-mandala-prod-policy-own-role"
POLICY = {"policy-not-public", "policy-same-account", "policy-secure-transport", "policy-org-boundary"}
USE = {"used-recently", "used"}
TRUE = labels.read()
# Days since the last read that AWS's own date tells, of rotated secrets that were not read within the limits.
READ_LONG_AGO = {"goal-mandala-prod-rotation-unread-045d": 45, "goal-mandala-prod-rotation-unread-095d": 95}
# Whatever was rotating them, AWS's own date settles it: never read, or read by a replica's Region.
SETTLED = {
    "goal-mandala-prod-rotation-never-read",
    "goal-mandala-prod-rotation-new",
    "goal-mandala-prod-rotation-read-elsewhere",
}


@pytest.fixture(scope="module")
def labelled_aws(local_aws: Callable[..., Running]) -> Running:
    return local_aws("goal-mandala-prod", now=labels.NOW)


@pytest.fixture
def estate(labelled_aws: Running, left_behind: list[tuple[str, bytes]], bootstraps: object) -> Iterator[Lab]:
    made = Lab(labelled_aws, left_behind)
    made.env |= labels.SETTINGS | {"SECRETS_OPS_AS_OF": labels.NOW}
    yield made
    values = made.aws.journal("secretsmanager.*GetSecretValue")
    made.finish()
    assert values == [], "no audit reads a value"


def audited(estate: Lab, code: int) -> dict[str, Any]:
    done = estate.cli("audit", "run", "weekly", "--output", "json")
    assert done.returncode == code, done.stdout[-2000:] + done.stderr
    return dict(json.loads(done.stdout))


def checked(estate: Lab) -> dict[str, Any]:
    done = estate.cli("rotation", "check", "--output", "json")
    assert done.returncode in (FINDINGS, INCOMPLETE), done.stdout[-2000:] + done.stderr
    return dict(json.loads(done.stdout))


def agrees(found: list[str]) -> None:
    assert not found, f"{len(found)} differences:\n" + "\n".join(found)


# --- The table itself


def test_the_table_has_every_secret_of_the_scenario_and_no_other() -> None:
    assert list(TRUE.letters) == secret_names() and len(TRUE.letters) >= 60


# Checks for which a reading that has nothing wrong with it never leaves the answer open.
ALWAYS_SAID = {
    *(check for check in TRUE.checks if check.startswith("rotation-") and check != "rotation-succeeding"),
    *("key-customer-managed", "policy-secure-transport", "used-recently", "tagged", "deletion-untouched"),
    *("current-version", "version-count", "replicas-in-sync", "named"),
}


@pytest.mark.parametrize("check", TRUE.checks)
def test_every_check_has_each_answer(check: str) -> None:
    said = {row[check] for row in TRUE.letters.values()} - {"s"}
    assert said == ({"p", "f", "-"} if check in ALWAYS_SAID else {"p", "f", "-", "u"})


def test_every_verdict_on_rotation_is_there() -> None:
    words = "on-time due overdue failing abandoned stuck-pending pending new never-ran lambda-missing"
    words += " lambda-not-invocable disabled managed replica not-required pending-deletion"
    assert set(TRUE.rotation.values()) == set(words.split())


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("1. a: x\n3. b: y\n", "number the checks"),
        ("1. a: x\n\n| secret | rotation | 1 |\n|---|---|---|\n| s | due | x |\n", "not one of"),
        ("1. a: x\n\n| secret | rotation |\n|---|---|\n| s | due |\n", "no label"),
        ("1. a: x\n\n| secret | 1 |\n|---|---|\n| s | p |\n", "no label"),
        ("1. a: x\n\n| secret | rotation | 1 |\n|---|---|---|\n| s | due | p |\n| s | due | p |\n", "two rows"),
        ("1. a: x\n\n| secret | rotation | 1 |\n|---|---|---|\n| s | due |\n", "argument"),
    ],
)
def test_a_table_that_is_not_whole_is_refused(text: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        labels.read(text)


def test_every_difference_is_told() -> None:
    told = Labels(["a", "b"], {"s": "due", "t": "due"}, {"s": {"a": "p", "b": "f"}, "t": {"a": "p", "b": "f"}})
    report = {"verdicts": {"checks": ["b", "a"], "secrets": {"s": "fp", "x": "pp"}}}
    assert differences(told, report) == ["x: not in the table", "t: not in the report"]
    report = {"verdicts": {"checks": ["b", "c"], "secrets": {"s": "up", "t": "fp"}}}
    assert differences(told, report) == [
        "check a: not in the report",
        "check c: not in the table",
        "s: b: want f, got u",
    ]
    items = [{"subject": "s", "verdict": "overdue"}]
    wanted = ["s: rotation: want due, got overdue", "t: rotation: want due, got nothing"]
    assert rotation_differences(told, {"items": items}) == wanted


# --- The program


def test_every_check_on_every_secret_is_right(estate: Lab) -> None:
    report = audited(estate, INCOMPLETE)
    agrees(differences(TRUE, report))
    # A key that cannot be looked at is told once, by its own name.
    unsure = {name for name, row in TRUE.letters.items() if "u" in row.values() and row["key-usable"] != "u"}
    assert {gap["subject"] for gap in report["gaps"]} >= unsure, "each `u` has its reason among the gaps"


def test_every_verdict_on_rotation_is_right(estate: Lab) -> None:
    agrees(rotation_differences(TRUE, checked(estate)))


def test_no_call_is_made_twice(estate: Lab) -> None:
    audited(estate, INCOMPLETE)
    calls = [call for call in estate.aws.journal() if call["service"] == "secretsmanager"]
    named = [(call["operation"], call["secret"]) for call in calls if call["secret"]]
    assert len(named) == len(set(named))


def test_a_throttled_list_changes_nothing(estate: Lab) -> None:
    estate.aws.faults({"match": "secretsmanager.ListSecrets", "effect": "throttle", "times": 2})
    agrees(differences(TRUE, audited(estate, INCOMPLETE)))
    [fault] = estate.aws.control("GET", "faults")
    assert fault["struck"] == 2


def rotated(row: dict[str, str]) -> bool:
    return row["rotation-enabled"] == "p"


def without_events() -> Labels:
    """Nobody can say who read, nor how rotations ended."""
    told = changed(TRUE, {"rotation-succeeding", "deletion-untouched"}, "u")
    for name, row in told.letters.items():
        for check, limit in ("used-recently", 30), ("used", 90):
            if rotated(row) and name not in SETTLED and READ_LONG_AGO.get(name, 0) <= limit:
                row[check] = "u"
    return told


def of_one(secret: str, letters: dict[str, str]) -> Labels:
    told = changed(TRUE, set(), "u")
    told.letters[secret] |= letters
    return told


def without_function_policies() -> Labels:
    told = changed(TRUE, {"rotation-function"}, "u")
    # That a function is not there has nothing to do with its policy.
    told.letters["goal-mandala-prod-rotation-lambda-gone"]["rotation-function"] = "f"
    return told


def without_keys() -> Labels:
    told = changed(TRUE, {"key-usable", "key-rotation", "key-customer-managed"}, "u")
    for name, row in told.letters.items():
        was = TRUE.letters[name]
        # The default key needs no look, and neither does another account's key to be a customer key.
        if was["key-customer-managed"] in "fs" or name == "goal-mandala-prod-key-of-another-account":
            row |= {check: was[check] for check in ("key-usable", "key-rotation", "key-customer-managed")}
    # Whether a key that is pending deletion rotates is not asked; now nobody knows that it is.
    told.letters["goal-mandala-prod-key-pending-deletion"]["key-rotation"] = "u"
    return told


DENIED: dict[str, tuple[dict[str, Any], Callable[[], Labels]]] = {
    "one policy": (
        {"match": "secretsmanager.GetResourcePolicy", "secret": OWN_ROLE},
        lambda: of_one(OWN_ROLE, dict.fromkeys(POLICY, "u")),
    ),
    "one description": (
        {"match": "secretsmanager.DescribeSecret", "secret": "goal-mandala-prod-unused-read-elsewhere"},
        lambda: of_one("goal-mandala-prod-unused-read-elsewhere", dict.fromkeys([*USE, "replicas-in-sync"], "u")),
    ),
    "one list of versions": (
        {"match": "secretsmanager.ListSecretVersionIds", "secret": "goal-mandala-prod-rotation-failed-once"},
        lambda: of_one("goal-mandala-prod-rotation-failed-once", {"version-count": "u", "rotation-age": "u"}),
    ),
    "events": ({"match": "cloudtrail.LookupEvents"}, without_events),
    "function policies": ({"match": "lambda.GetPolicy"}, without_function_policies),
    "keys": ({"match": "kms.DescribeKey"}, without_keys),
    "key rotation": (
        {"match": "kms.GetKeyRotationStatus"},
        lambda: changed(TRUE, {"key-rotation"}, "u"),
    ),
    "simulation": (
        {"match": "iam.SimulatePrincipalPolicy"},
        lambda: changed(TRUE, {"stage-separated"}, "u"),
    ),
}


@pytest.mark.parametrize("what", DENIED)
def test_what_is_denied_is_unknown_and_the_rest_is_as_it_was(estate: Lab, what: str) -> None:
    fault, wanted = DENIED[what]
    estate.aws.faults({**fault, "effect": "deny"})
    report = audited(estate, INCOMPLETE)
    found = differences(wanted(), report)
    # Without its policy, or its key, who can read a secret may be unknown as well.
    unsure = {"one policy": f"{OWN_ROLE}: stage-separated", "keys": ": stage-separated"}.get(what)
    agrees([one for one in found if unsure is None or unsure not in one or not one.endswith("got u")])
    assert "denied" in {gap["reason"] for gap in report["gaps"]}


@pytest.mark.parametrize("effect", ["throttle", "5xx", "drop", "cut"])
@pytest.mark.parametrize(
    "match", ["secretsmanager.GetResourcePolicy", "cloudtrail.LookupEvents", "iam.Simulate*", "kms.*"]
)
def test_a_fault_that_passes_changes_nothing(estate: Lab, match: str, effect: str) -> None:
    estate.aws.faults({"match": match, "effect": effect, "times": 2})
    agrees(differences(TRUE, audited(estate, INCOMPLETE)))
    [fault] = estate.aws.control("GET", "faults")
    assert fault["struck"] == 2


def test_a_policy_that_vanishes_is_unknown(estate: Lab) -> None:
    vanished = {"effect": "error", "code": "ResourceNotFoundException"}
    estate.aws.faults({"match": "secretsmanager.GetResourcePolicy", "secret": OWN_ROLE, **vanished})
    found = differences(of_one(OWN_ROLE, dict.fromkeys(POLICY, "u")), audited(estate, INCOMPLETE))
    agrees([one for one in found if one != f"{OWN_ROLE}: stage-separated: want p, got u"])


def test_a_list_that_fails_fails(estate: Lab) -> None:
    estate.aws.faults({"match": "secretsmanager.ListSecrets", "effect": "deny", "after": 1})
    done = estate.cli("audit", "run", "weekly", "--output", "json")
    assert (done.returncode, done.stdout) == (FAILED, ""), "half a list must not pass for a whole one"
    assert "secretsmanager:ListSecrets" in done.stderr
