"""api-health: every form of call, what the public may see, and what a broken or silent AWS is answered with."""

import json
import time
from typing import Any

import pytest
from local_aws.runtime_api import Invocation, Sandbox

from lab import ANSWERED, BUILT, CANARY, DATABASE, EVENTS, Lab, load, metrics, secret_names

FILES = sorted(path.stem for path in (EVENTS / "api-health").glob("*.json"))
PUBLIC = ["function-url", "http-api-v2", "rest-v1"]
KEY = "alias/goal-mandala-prod-secrets-key"
PUBLIC_EVENT = "http-api-v2"
UNHEALTHY = 503


def body(called: Invocation) -> dict[str, Any]:
    """The health, whether it came over HTTP or not."""
    assert called.outcome == ANSWERED, called
    return dict(json.loads(called.answer["body"])) if "body" in called.answer else called.answer


def names_in(text: str) -> list[str]:
    return [name for name in [*secret_names(), KEY] if name in text]


def components(health: dict[str, Any]) -> dict[str, str]:
    return {entry["componentId"]: entry["status"] for entries in health["checks"].values() for entry in entries}


@pytest.mark.parametrize("case", FILES)
def test_every_event_file_is_healthy(lab: Lab, case: str) -> None:
    called = lab.one("api-health", case)
    health = body(called)
    assert health["status"] == "pass", health
    assert set(health["checks"]) == {"secret:describe", "kms-key:state", "canary:decrypt"}
    if "httpMethod" in (event := load("api-health", case)) or "version" in event:
        assert called.answer["statusCode"] == 200
        assert called.answer["headers"]["content-type"] == "application/health+json"
        assert called.answer["headers"]["cache-control"] == "no-store"
        assert called.answer["isBase64Encoded"] is False
    if case in PUBLIC:
        assert names_in(json.dumps(called.answer)) == []
        assert [len(entries) for entries in health["checks"].values()] == [1, 1, 1]
    else:
        assert set(components(health).values()) == {"pass"}
        assert {DATABASE, CANARY, KEY} < set(components(health))


def changed(case: str, **changes: Any) -> dict[str, Any]:
    """An event of a file with parts of it changed: `path`, `method` and `stage` where its form has them."""
    event = load("api-health", case)
    context = event.get("requestContext", {})
    for name, value in changes.items():
        if name == "stage":
            context["stage"] = value
        elif "http" in context:
            context["http"][name] = value
            event |= {"rawPath": value} if name == "path" else {}
        else:
            event[{"path": "path", "method": "httpMethod"}[name]] = value
    return dict(event)


@pytest.mark.parametrize("case", [*PUBLIC, "runbook"])
@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"path": "/health/"}, 200),
        ({"path": "/"}, 404),
        ({"path": "/healthz"}, 404),
        ({"path": "/health/other"}, 404),
        ({"method": "HEAD"}, 200),
        ({"method": "POST"}, 405),
        ({"method": "DELETE"}, 405),
        ({"method": "OPTIONS", "path": "/"}, 404),
        ({"path": "/health/detail"}, 403),
    ],
)
def test_other_paths_and_methods(lab: Lab, case: str, changes: dict[str, str], status: int) -> None:
    if case == "runbook" and status == 403:
        status = 200  # a direct call, which IAM has let through
    answer = lab.one("api-health", changed(case, **changes)).answer
    assert answer["statusCode"] == status
    if status != 200:
        assert answer["body"] == "" and lab.aws.journal() == [], "nothing is asked of AWS, nothing is told"
    assert answer["headers"].get("allow") == ("GET, HEAD" if status == 405 else None)
    if changes.get("method") == "HEAD":
        assert answer["body"] == ""


def test_the_path_may_begin_with_the_stage(lab: Lab) -> None:
    event = changed("http-api-v2", path="/prod/health", stage="prod")
    assert lab.one("api-health", event).answer["statusCode"] == 200


# --- A broken or silent AWS

DESCRIBE = {"match": "secretsmanager.DescribeSecret", "secret": DATABASE}
READ = {"match": "secretsmanager.GetSecretValue"}
NO_FAULT = {"match": "none"}
SECRETS, CANARY_NAME, KEY_NAME = "SECRETS_OPS_HEALTH_SECRETS", "SECRETS_OPS_CANARY_SECRET", "SECRETS_OPS_KMS_KEY"
DELETED, NO_VALUE = "goal-mandala-prod-pending-deletion", "goal-mandala-prod-no-value"
RETIRED = "alias/goal-mandala-prod-retired-key"

FAULTS: list[tuple[str, dict[str, Any], dict[str, str], int, str, str]] = [
    # name, fault, settings, status, the part that is not well, its state
    ("denied", {**DESCRIBE, "effect": "deny"}, {}, 503, DATABASE, "fail"),
    ("throttled", {**DESCRIBE, "effect": "throttle"}, {}, 200, DATABASE, "warn"),
    ("5xx", {**DESCRIBE, "effect": "5xx"}, {}, 503, DATABASE, "fail"),
    ("no answer", {**DESCRIBE, "effect": "drop"}, {}, 503, DATABASE, "fail"),
    ("half an answer", {**DESCRIBE, "effect": "cut"}, {}, 503, DATABASE, "fail"),
    ("slow", {**DESCRIBE, "delay_ms": 1200}, {}, 200, DATABASE, "warn"),
    ("canary denied", {**READ, "effect": "deny"}, {}, 503, CANARY, "fail"),
    ("canary not decrypted", {**READ, "effect": "error", "code": "DecryptionFailure"}, {}, 503, CANARY, "fail"),
    ("key denied", {"match": "kms.DescribeKey", "effect": "deny"}, {}, 503, KEY, "fail"),
    ("no such secret", NO_FAULT, {SECRETS: "gone"}, 503, "gone", "fail"),
    ("no such canary", NO_FAULT, {CANARY_NAME: "gone"}, 503, "gone", "fail"),
    ("no such key", NO_FAULT, {KEY_NAME: "alias/gone"}, 503, "alias/gone", "fail"),
    ("to be deleted", NO_FAULT, {SECRETS: DELETED}, 503, DELETED, "fail"),
    ("without a value", NO_FAULT, {SECRETS: NO_VALUE}, 503, NO_VALUE, "fail"),
    ("key to be deleted", NO_FAULT, {KEY_NAME: RETIRED}, 503, RETIRED, "fail"),
]


@pytest.mark.parametrize(
    ("fault", "env", "status", "part", "state"), [row[1:] for row in FAULTS], ids=[row[0] for row in FAULTS]
)
def test_what_is_not_well_is_told(
    lab: Lab, fault: dict[str, Any], env: dict[str, str], status: int, part: str, state: str
) -> None:
    lab.aws.faults(fault)
    public, direct = lab.run("api-health", PUBLIC_EVENT, {}, SECRETS_OPS_HEALTH_CACHE_SECONDS="0", **env)
    assert public.answer["statusCode"] == status
    assert public.answer["headers"].get("retry-after") == ("5" if status == UNHEALTHY else None)
    assert body(public)["status"] == body(direct)["status"] == state
    text = json.dumps(public.answer)
    assert names_in(text) == [] and "output" not in text and part not in text
    told = components(body(direct))
    assert told.pop(part) == state
    # Where the alias cannot be looked up, the key that the secrets name is asked for by itself.
    others = {told[name] for name in told if not name.startswith("arn:aws:kms:")}
    assert others <= {"pass"}, "the others are told as they are"
    healthy = [line["Healthy"] for line in metrics(direct) if "Healthy" in line]
    assert healthy == [0 if state == "fail" else 1]
    assert metrics(public) == [], "visitors do not count towards uptime"


def test_a_key_that_only_a_secret_names_is_looked_at(lab: Lab) -> None:
    name = "goal-mandala-prod-key-pending-deletion"
    health = body(lab.one("api-health", {}, SECRETS_OPS_HEALTH_SECRETS=f"{DATABASE},{name}"))
    keys = [entry["status"] for entry in health["checks"]["kms-key:state"]]
    assert sorted(keys) == ["fail", "pass"]


@pytest.mark.parametrize(
    "match", ["*", "kms.*", "secretsmanager.GetSecretValue", "secretsmanager.DescribeSecret"], ids=str
)
def test_a_hung_aws_is_answered_for_within_3_seconds(lab: Lab, match: str) -> None:
    lab.aws.faults({"match": match, "delay_ms": 15_000})
    begun = time.monotonic()
    called = lab.one("api-health", PUBLIC_EVENT)
    assert time.monotonic() - begun < 3.5, "the start of the process included"
    assert called.seconds < 3
    assert called.answer["statusCode"] == UNHEALTHY and body(called)["status"] == "fail"


def test_an_aws_that_cannot_be_reached_is_answered_for_at_once(lab: Lab) -> None:
    called = lab.one("api-health", PUBLIC_EVENT, AWS_ENDPOINT_URL="http://127.0.0.1:9")
    assert called.answer["statusCode"] == UNHEALTHY and called.seconds < 3


def test_a_wrong_setting_is_not_told_to_the_public(lab: Lab) -> None:
    called = lab.one("api-health", PUBLIC_EVENT, SECRETS_OPS_TIME_ZONE="Tokyo")
    assert called.answer["statusCode"] == UNHEALTHY
    assert json.loads(called.answer["body"]) == {"status": "fail"}
    assert any("SECRETS_OPS_TIME_ZONE" in line for line in called.logs)


# --- The cache


def calls_made(lab: Lab) -> int:
    made = len(lab.aws.journal())
    lab.aws.reset()
    return made


@pytest.mark.parametrize(("seconds", "again"), [("60", False), ("0", True)])
def test_an_answer_is_reused_while_it_is_fresh(lab: Lab, seconds: str, again: bool) -> None:
    """Many probes must not become many calls to AWS."""
    with Sandbox(
        BUILT / "api-health",
        lab.env | {"SECRETS_OPS_HEALTH_CACHE_SECONDS": seconds},
        endpoint=lab.aws.endpoint,
        function_name="api-health",
    ) as sandbox:
        [first] = lab.keep([sandbox.invoke(load("api-health", PUBLIC_EVENT))])
        made = calls_made(lab)
        assert made >= 5
        [second] = lab.keep([sandbox.invoke(load("api-health", "http-api-v2-detail"))])
        assert calls_made(lab) == (made if again else 0)
    times = {body(called)["checks"]["canary:decrypt"][0]["time"] for called in (first, second)}
    assert len(times) == (2 if again else 1)
    assert "componentId" in json.dumps(body(second)) and "componentId" not in json.dumps(body(first))


def test_an_answer_is_not_reused_for_longer(lab: Lab) -> None:
    with Sandbox(
        BUILT / "api-health",
        lab.env | {"SECRETS_OPS_HEALTH_CACHE_SECONDS": "1"},
        endpoint=lab.aws.endpoint,
        function_name="api-health",
    ) as sandbox:
        lab.keep([sandbox.invoke({})])
        calls_made(lab)
        time.sleep(1.1)
        lab.aws.faults({"match": "secretsmanager.GetSecretValue", "effect": "deny"})
        [later] = lab.keep([sandbox.invoke({})])
    assert later.answer["status"] == "fail"


def test_only_the_canary_is_read(lab: Lab) -> None:
    lab.run("api-health", *FILES, SECRETS_OPS_HEALTH_CACHE_SECONDS="0")
    reads = lab.aws.journal("secretsmanager.*GetSecretValue")
    assert len(reads) == len(FILES) and {call["resource"] for call in reads} == {CANARY}
