"""The state machine of the template, deployed to the local AWS: which calls it makes of the backup function, and when
it gives up. A script stands in for the function and answers what the test wants, but for the last part, where it is the
real one. Waits and back-offs are shortened, so their lengths are read from the definition.
"""

import json
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from local_aws.running import Running

from deployment import ACCOUNT, Deployment, account_before_the_stack, deploy
from lab import configs

EVENT = {
    "job": "backup-daily",
    "scheduledTime": "2026-11-21T17:00:00Z",
    "scheduleArn": "arn:aws:scheduler:ap-northeast-1:123456789012:schedule/default/daily",
}
RUN = "secrets-backup-20261122_020000"
FIRST = EVENT | {"chunk": {"part": 1}}
TARGETS = [
    {"roleArn": f"arn:aws:iam::{account}:role/secrets-backup", "region": region}
    for account, region in (("111111111111", "us-east-1"), ("111111111111", "eu-west-1"), ("222222222222", "us-east-1"))
]
ACCOUNTS = ("111111111111", "222222222222")
PATIENCE_SECONDS = 60

# Not what the backup function is made of, only what Lambda is: it takes events and answers with the next step of the
# script for their target. Each target has its own, because targets run side by side.
FUNCTION = """
import fcntl, json, os, urllib.request
from pathlib import Path

FOLDER = Path(__file__).parent
API = f"http://{os.environ['AWS_LAMBDA_RUNTIME_API']}/2018-06-01/runtime/invocation"
while True:
    with urllib.request.urlopen(f"{API}/next", timeout=900) as message:
        request_id, event = message.headers["Lambda-Runtime-Aws-Request-Id"], json.load(message)
    with open(FOLDER / "calls.jsonl", "a+") as calls:
        fcntl.flock(calls, fcntl.LOCK_EX)
        calls.seek(0)
        earlier = [json.loads(line) for line in calls]
        calls.write(json.dumps(event) + "\\n")
    target = event.get("target", {})
    number = sum(call.get("target", {}) == target for call in earlier)
    steps = json.loads((FOLDER / "script.json").read_text())[json.dumps(target, sort_keys=True)]
    step = steps[min(number, len(steps) - 1)]
    path = "error" if "errorType" in step else "response"
    body = json.dumps(step).encode()
    urllib.request.urlopen(urllib.request.Request(f"{API}/{request_id}/{path}", data=body, method="POST")).close()
"""


@dataclass
class Machine:
    """The deployed state machine."""

    stack: Deployment

    @property
    def endpoint(self) -> str:
        return self.stack.aws.endpoint

    @property
    def arn(self) -> str:
        return self.stack.outputs["BackupMachineArn"]

    def definition(self) -> dict[str, Any]:
        described = self.stack.aws.client("stepfunctions").describe_state_machine(stateMachineArn=self.arn)
        return dict(json.loads(described["definition"]))

    def run(self, event: dict[str, Any]) -> dict[str, Any]:
        """Executes it to its end. `status` says how it ended, `children` the errors of the targets that failed."""
        states = self.stack.aws.client("stepfunctions")
        execution = states.start_execution(stateMachineArn=self.arn, input=json.dumps(event))["executionArn"]
        limit = time.monotonic() + PATIENCE_SECONDS
        while (ended := states.describe_execution(executionArn=execution))["status"] == "RUNNING":
            if time.monotonic() > limit:
                raise TimeoutError(f"{execution} is still running")
            time.sleep(0.05)
        runs = states.list_map_runs(executionArn=execution)["mapRuns"]
        children = [child for run in runs for child in states.list_executions(mapRunArn=run["mapRunArn"])["executions"]]
        described = [states.describe_execution(executionArn=child["executionArn"]) for child in children]
        return {**ended, "children": [child["error"] for child in described if child["status"] == "FAILED"]}


@dataclass
class Script:
    """What stands in for the backup function."""

    folder: Path
    bootstrap: Path

    def is_(self, *steps: dict[str, Any], **by_target: list[dict[str, Any]]) -> None:
        """Sets the answers, for the estate itself or by number of the target; the last one is repeated."""
        script = {"{}": list(steps)} if steps else {}
        for number, answers in by_target.items():
            script[json.dumps(TARGETS[int(number.removeprefix("target"))], sort_keys=True)] = answers
        (self.folder / "script.json").write_text(json.dumps(script), encoding="utf-8")
        (self.folder / "calls.jsonl").write_text("", encoding="utf-8")

    def calls(self, target: dict[str, str] | None = None) -> list[dict[str, Any]]:
        lines = (self.folder / "calls.jsonl").read_text(encoding="utf-8").splitlines()
        return [call for call in map(json.loads, lines) if target is None or call.get("target") == target]


def deployed_machine(
    local_aws: Callable[..., Running], bootstraps: dict[str, Path], scratch: Path, **parameters: str
) -> Machine:
    """The stack with the state machine, on a local AWS of its own whose waits take a thousandth of their time."""
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("SFN_WAIT_SCALE", "0.001")
        aws = local_aws(account_before_the_stack(scratch), auth=True)
    return Machine(deploy(aws, bootstraps, scratch, LargeEstate="ENABLED", **parameters))


@pytest.fixture(scope="module")
def script(tmp_path_factory: pytest.TempPathFactory) -> Script:
    folder = tmp_path_factory.mktemp("script")
    (folder / "function.py").write_text(FUNCTION, encoding="utf-8")
    bootstrap = folder / "bootstrap"
    bootstrap.write_text(f"#!/bin/sh\nexec '{sys.executable}' '{folder / 'function.py'}'\n", encoding="utf-8")
    return Script(folder, bootstrap)


@pytest.fixture(scope="module")
def state_machine(
    local_aws: Callable[..., Running],
    bootstraps: dict[str, Path],
    script: Script,
    tmp_path_factory: pytest.TempPathFactory,
) -> Machine:
    """The machine with the script for its function. `deployed_machine` makes one with the real function."""
    scratch = tmp_path_factory.mktemp("machine")
    return deployed_machine(
        local_aws,
        bootstraps | {"secrets-backup": script.bootstrap},
        scratch,
        BackupConcurrency="3",
        BackupTargets=json.dumps(TARGETS),
        BackupTargetRoleName="secrets-backup",
    )


def answer(status: str = "ok", success: bool = True, **more: Any) -> dict[str, Any]:
    """As the function answers; what the machine has no use for included."""
    artefacts = [] if status == "already-done" else ["daily-backups/x.tar.gz"]
    return {"schema": "secrets-ops/answer/v1", "status": status, "success": success, "artefacts": artefacts, **more}


def unfinished(part: int, **more: Any) -> dict[str, Any]:
    return answer(success=False, more={"run": RUN, "part": part}, **more)


def error(kind: str) -> dict[str, str]:
    return {"errorType": kind, "errorMessage": "of the script"}


def chunk(part: int) -> dict[str, Any]:
    return EVENT | {"chunk": {"run": RUN, "part": part}}


BUSY = answer("already-done", success=False)


def test_it_goes_on_until_there_is_no_more(state_machine: Machine, script: Script) -> None:
    script.is_(unfinished(2), unfinished(3), answer())
    ended = state_machine.run(EVENT)
    assert ended["status"] == "SUCCEEDED", ended
    assert script.calls() == [FIRST, chunk(2), chunk(3)]
    assert json.loads(ended["output"]) == [{"status": "ok", "success": True}]


def test_one_chunk_is_enough_for_a_small_estate(state_machine: Machine, script: Script) -> None:
    script.is_(answer())
    assert state_machine.run(EVENT)["status"] == "SUCCEEDED"
    assert script.calls() == [FIRST]


def test_a_backup_that_is_not_whole_has_been_made(state_machine: Machine, script: Script) -> None:
    """Its notice, its metrics and their alarms tell; a second attempt would find the same gaps."""
    script.is_(answer("incomplete", success=False))
    ended = state_machine.run(EVENT)
    assert ended["status"] == "SUCCEEDED", ended
    assert json.loads(ended["output"]) == [{"status": "incomplete", "success": False}]
    assert script.calls() == [FIRST]


def test_only_what_is_known_goes_to_the_function(state_machine: Machine, script: Script) -> None:
    """By hand, without a time, and with something that is not its business."""
    script.is_(unfinished(2), answer())
    assert state_machine.run({"job": "backup-manual", "comment": "x"})["status"] == "SUCCEEDED"
    chunks = [{"part": 1}, {"run": RUN, "part": 2}]
    assert script.calls() == [{"job": "backup-manual", "chunk": chunk} for chunk in chunks]


@pytest.mark.parametrize(
    "kind",
    [
        "SecretsOps.Throttled",
        "SecretsOps.Unavailable",
        "SecretsOps.TimedOut",
        "SecretsOps.Io",
        "Lambda.ServiceException",
        "Lambda.TooManyRequestsException",
        "Sandbox.Timedout",
        "Runtime.ExitError",
    ],
)
def test_a_chunk_is_tried_again(state_machine: Machine, script: Script, kind: str) -> None:
    script.is_(unfinished(2), error(kind), error(kind), answer())
    ended = state_machine.run(EVENT)
    assert ended["status"] == "SUCCEEDED", ended
    assert script.calls() == [FIRST, chunk(2), chunk(2), chunk(2)]


@pytest.mark.parametrize("kind", ["SecretsOps.BadEvent", "SecretsOps.BadSetting", "SecretsOps.Denied"])
def test_what_cannot_pass_is_not_tried_again(state_machine: Machine, script: Script, kind: str) -> None:
    script.is_(error(kind), answer())
    ended = state_machine.run(EVENT)
    assert (ended["status"], ended["error"]) == ("FAILED", "SecretsOps.NotAllBackedUp")
    assert "0 of 1 targets are backed up" in ended["cause"]
    assert ended["children"] == [kind]
    assert script.calls() == [FIRST]


def test_what_does_not_pass_is_given_up(state_machine: Machine, script: Script) -> None:
    script.is_(error("SecretsOps.Unavailable"))
    ended = state_machine.run(EVENT)
    assert (ended["status"], ended["children"]) == ("FAILED", ["SecretsOps.Unavailable"])
    assert script.calls() == [FIRST] * 6


def test_each_chunk_has_attempts_of_its_own(state_machine: Machine, script: Script) -> None:
    failures = [error("SecretsOps.Throttled")] * 4
    script.is_(*failures, unfinished(2), *failures, answer())
    assert state_machine.run(EVENT)["status"] == "SUCCEEDED"
    assert script.calls() == [FIRST] * 5 + [chunk(2)] * 5


def test_it_waits_while_another_backup_has_the_function(state_machine: Machine, script: Script) -> None:
    """Longer than for any other error: one large backup may take hours."""
    script.is_(*[error("Lambda.TooManyRequestsException")] * 30, answer())
    assert state_machine.run(EVENT)["status"] == "SUCCEEDED"
    assert script.calls() == [FIRST] * 31


def test_it_waits_for_an_invocation_that_is_still_at_work(state_machine: Machine, script: Script) -> None:
    script.is_(unfinished(2), BUSY, BUSY, unfinished(3), answer())
    assert state_machine.run(EVENT)["status"] == "SUCCEEDED"
    assert script.calls() == [FIRST, chunk(2), chunk(2), chunk(2), chunk(3)]


def test_it_does_not_wait_for_ever(state_machine: Machine, script: Script) -> None:
    script.is_(BUSY)
    ended = state_machine.run(EVENT)
    assert (ended["status"], ended["children"]) == ("FAILED", ["SecretsOps.StillBusy"])
    assert script.calls() == [FIRST] * 21


def test_waits_are_counted_anew_for_each_chunk(state_machine: Machine, script: Script) -> None:
    script.is_(*[BUSY] * 15, unfinished(2), *[BUSY] * 15, answer())
    assert state_machine.run(EVENT)["status"] == "SUCCEEDED"
    assert script.calls() == [FIRST] * 16 + [chunk(2)] * 16


@pytest.mark.parametrize("artefacts", [["daily-backups/x.tar.gz"], []])
@pytest.mark.parametrize("success", [True, False])
def test_a_chunk_that_was_done_before_says_what_comes_next(
    state_machine: Machine, script: Script, success: bool, artefacts: list[str]
) -> None:
    """The machine was started twice, or an answer was lost: the second call gets the first one's answer."""
    done = answer("already-done", success, more={"run": RUN, "part": 2}) | {"artefacts": artefacts}
    script.is_(done, answer())
    assert state_machine.run(EVENT)["status"] == "SUCCEEDED"
    assert script.calls() == [FIRST, chunk(2)]


def test_a_last_chunk_that_was_done_before_is_not_waited_for(state_machine: Machine, script: Script) -> None:
    """Not whole, and so without success, but it names what was written: nobody is at work on it any more."""
    script.is_(BUSY | {"artefacts": ["daily-backups/x.tar.gz"]})
    assert state_machine.run(EVENT)["status"] == "SUCCEEDED"
    assert script.calls() == [FIRST]


def test_it_does_not_go_in_circles(state_machine: Machine, script: Script) -> None:
    script.is_(unfinished(2), unfinished(2))
    ended = state_machine.run(EVENT)
    assert (ended["status"], ended["children"]) == ("FAILED", ["SecretsOps.GoesInCircles"])
    assert script.calls() == [FIRST, chunk(2)]


def test_a_long_answer_is_not_carried_along(state_machine: Machine, script: Script) -> None:
    """A state may have 256 KiB, and three such answers would be more."""
    gaps = [{"subject": "x" * 1000}] * 100
    script.is_(unfinished(2, gaps=gaps), unfinished(3, gaps=gaps), answer(gaps=gaps))
    ended = state_machine.run(EVENT)
    assert json.loads(ended["output"]) == [{"status": "ok", "success": True}]
    assert script.calls() == [FIRST, chunk(2), chunk(3)]


# --- Targets


def of(target: int, *calls: dict[str, Any]) -> list[dict[str, Any]]:
    return [call | {"target": TARGETS[target]} for call in calls]


def test_a_target_that_fails_does_not_stop_the_others(state_machine: Machine, script: Script) -> None:
    script.is_(
        target0=[unfinished(2), answer()],
        target1=[unfinished(2), error("SecretsOps.Denied")],
        target2=[error("SecretsOps.Throttled"), unfinished(2), unfinished(3), answer()],
    )
    ended = state_machine.run(EVENT | {"targets": TARGETS})
    assert (ended["status"], ended["error"]) == ("FAILED", "SecretsOps.NotAllBackedUp")
    assert "2 of 3 targets are backed up" in ended["cause"]
    assert ended["children"] == ["SecretsOps.Denied"]
    assert script.calls(TARGETS[0]) == of(0, FIRST, chunk(2))
    assert script.calls(TARGETS[1]) == of(1, FIRST, chunk(2))
    assert script.calls(TARGETS[2]) == of(2, FIRST, FIRST, chunk(2), chunk(3))


def test_all_targets_are_backed_up(state_machine: Machine, script: Script) -> None:
    script.is_(target0=[answer()], target1=[unfinished(2), answer("incomplete", success=False)], target2=[answer()])
    ended = state_machine.run(EVENT | {"targets": TARGETS})
    assert ended["status"] == "SUCCEEDED", ended
    ok = {"status": "ok", "success": True}
    assert json.loads(ended["output"]) == [ok, {"status": "incomplete", "success": False}, ok]
    assert len(script.calls()) == 4


def test_one_target_is_a_target(state_machine: Machine, script: Script) -> None:
    script.is_(target1=[unfinished(2), answer()])
    assert state_machine.run(EVENT | {"targets": TARGETS[1:2]})["status"] == "SUCCEEDED"
    assert script.calls() == of(1, FIRST, chunk(2))


def test_no_targets_is_no_success(state_machine: Machine, script: Script) -> None:
    """A list that has become empty must not look like a backup."""
    script.is_(answer())
    ended = state_machine.run(EVENT | {"targets": []})
    assert (ended["status"], ended["error"]) == ("FAILED", "SecretsOps.NotAllBackedUp")
    assert script.calls() == []


def test_schedules_name_the_targets(state_machine: Machine) -> None:
    scheduler = state_machine.stack.aws.client("scheduler")
    schedules = [scheduler.get_schedule(Name=found["Name"]) for found in scheduler.list_schedules()["Schedules"]]
    inputs = [
        json.loads(found["Target"]["Input"]) for found in schedules if found["Target"]["Arn"] == state_machine.arn
    ]
    times = {"scheduledTime": "<aws.scheduler.scheduled-time>", "scheduleArn": "<aws.scheduler.schedule-arn>"}
    assert sorted(inputs, key=lambda event: str(event["job"])) == [
        {"job": job, **times, "targets": TARGETS} for job in ("backup-daily", "backup-monthly")
    ]


def test_backup_may_assume_the_role_of_the_targets_only(state_machine: Machine) -> None:
    stack = state_machine.stack
    policy = stack.aws.client("iam").get_role_policy(
        RoleName=stack.physical["BackupRole"], PolicyName="secrets-backup-targets"
    )
    [statement] = policy["PolicyDocument"]["Statement"]
    assert statement["Action"] == "sts:AssumeRole"
    assert statement["Resource"] == "arn:aws:iam::*:role/secrets-backup"


# --- With the real function

MANY = 220
THEIRS = [{"roleArn": f"arn:aws:iam::{account}:role/secrets-backup", "region": "us-east-1"} for account in ACCOUNTS]
READ = ["ListSecrets", "DescribeSecret", "GetResourcePolicy", "ListSecretVersionIds"]
BUCKET = "goal-mandala-secrets-backup-prod"


@pytest.fixture(scope="module")
def real(
    local_aws: Callable[..., Running], bootstraps: dict[str, Path], tmp_path_factory: pytest.TempPathFactory
) -> Machine:
    """An estate for which one invocation is too short, and two other accounts that let it read theirs."""
    scratch = tmp_path_factory.mktemp("real")
    targets = {"BackupTargets": json.dumps(THEIRS), "BackupTargetRoleName": "secrets-backup"}
    machine = deployed_machine(local_aws, bootstraps, scratch, PolicyRate="50", **targets)
    aws = machine.stack.aws
    function = machine.stack.physical["BackupFunction"]
    aws.client("lambda").update_function_configuration(FunctionName=function, Timeout=3)
    aws.control("POST", "secrets", [{"name": f"many-{number:03}"} for number in range(MANY)])
    for account in ACCOUNTS:
        let_in(aws, account, f"arn:aws:iam::{ACCOUNT}:role/{machine.stack.physical['BackupRole']}")
        secrets = aws.client("secretsmanager", aws_access_key_id=account, region_name="us-east-1")
        secrets.create_secret(Name=f"of-{account}", SecretString="CANARY-VALUE-theirs-DO-NOT-LEAK")
    aws.reset()
    return machine


def let_in(aws: Running, account: str, role: str) -> None:
    iam = aws.client("iam", aws_access_key_id=account)
    trust = {"Effect": "Allow", "Principal": {"AWS": role}, "Action": "sts:AssumeRole"}
    allow = {"Effect": "Allow", "Action": [f"secretsmanager:{call}" for call in READ], "Resource": "*"}
    for_role = {"RoleName": "secrets-backup"}
    iam.create_role(**for_role, AssumeRolePolicyDocument=document(trust))
    iam.put_role_policy(**for_role, PolicyName="read", PolicyDocument=document(allow))


def document(statement: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def backups(machine: Machine, folder: str) -> dict[str, Any]:
    """What lies directly in a folder: sealed manifests by name, archives by name."""
    s3 = machine.stack.aws.client("s3")
    found = {}
    for entry in s3.list_objects_v2(Bucket=BUCKET, Prefix=folder, Delimiter="/").get("Contents", []):
        found[entry["Key"].removeprefix(folder)] = s3.get_object(Bucket=BUCKET, Key=entry["Key"])["Body"].read()
    return found


def test_a_large_estate_is_backed_up_in_chunks(real: Machine) -> None:
    ended = real.run(EVENT)
    assert ended["status"] == "SUCCEEDED", ended
    assert json.loads(ended["output"]) == [{"status": "ok", "success": True}]
    found = backups(real, "daily-backups/")
    [sealed] = [name for name in found if name.endswith(".manifest.json") and ".part-" not in name]
    manifest = json.loads(found[sealed])
    assert len(manifest["parts"]) >= 3
    names = [name for part in manifest["parts"] for name in configs(found[part["path"]])]
    assert len(names) == len(set(names)) == manifest["listed"] > MANY, "nothing lost, nothing twice"
    again = real.run(EVENT)
    assert again["status"] == "SUCCEEDED" and backups(real, "daily-backups/") == found, "the same event is done once"


def test_other_accounts_are_backed_up_by_their_roles(real: Machine) -> None:
    ended = real.run(EVENT | {"scheduledTime": "2026-11-22T17:00:00Z", "targets": THEIRS})
    assert ended["status"] == "SUCCEEDED", ended
    assert json.loads(ended["output"]) == [{"status": "ok", "success": True}] * 2
    for account in ACCOUNTS:
        found = backups(real, f"daily-backups/{account}/us-east-1/")
        [archive] = [name for name in found if name.endswith(".tar.gz")]
        assert set(configs(found[archive])) == {f"of-{account}"}
        assert json.loads(found[archive.replace(".tar.gz", ".manifest.json")])["account"] == account


def test_an_account_that_lets_nobody_in_is_told(real: Machine) -> None:
    real.stack.aws.client("iam", aws_access_key_id=ACCOUNTS[1]).update_assume_role_policy(
        RoleName="secrets-backup", PolicyDocument=document({"Effect": "Deny", "Principal": "*", "Action": "*"})
    )
    ended = real.run(EVENT | {"scheduledTime": "2026-11-23T17:00:00Z", "targets": THEIRS})
    assert (ended["status"], ended["children"]) == ("FAILED", ["SecretsOps.Denied"])
    assert "1 of 2 targets are backed up" in ended["cause"]


# --- What the shortened time and the emulator hide


def test_waits_are_long_enough(state_machine: Machine) -> None:
    states = state_machine.definition()["States"]["BackUpTargets"]["ItemProcessor"]["States"]
    task = states["BackUpChunk"]
    function = state_machine.stack.aws.client("lambda").get_function_configuration(
        FunctionName=task["Arguments"]["FunctionName"]
    )
    assert task["TimeoutSeconds"] > function["Timeout"] == 900
    # A dead invocation's marker is in force for as long as it could have lived.
    assert states["WaitAMinute"]["Seconds"] == 60
    assert 20 * states["WaitAMinute"]["Seconds"] > function["Timeout"]
    never, throttled, rest = task["Retry"]
    assert never["MaxAttempts"] == 0
    # Six hours, as long as Lambda itself keeps an event that it cannot deliver.
    assert throttled["IntervalSeconds"] * throttled["MaxAttempts"] == 21_600
    assert throttled["BackoffRate"] == 1
    assert (rest["IntervalSeconds"], rest["BackoffRate"], rest["MaxAttempts"]) == (30, 2, 5)
    assert rest["ErrorEquals"] == ["States.ALL"]


def test_targets_share_the_functions_concurrency(state_machine: Machine) -> None:
    states = state_machine.definition()["States"]
    assert states["Prepare"]["Output"]["concurrency"] == "{% 3 %}"
    assert states["BackUpTargets"]["MaxConcurrencyPath"] == "$.concurrency"
    assert states["BackUpTargets"]["ToleratedFailurePercentage"] == 100
    assert states["BackUpTargets"]["ItemProcessor"]["ProcessorConfig"]["Mode"] == "DISTRIBUTED"
