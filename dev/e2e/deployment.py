"""Deploys template.yaml to the local AWS, much as `sam deploy` does it to AWS."""

import io
import json
import subprocess
import time
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from local_aws.running import Running

ROOT = Path(__file__).resolve().parents[2]
TEMPLATE = ROOT / "template.yaml"
STACK = "goal-mandala-prod-secrets-ops"
CODE_BUCKET = "code"
ACCOUNT = "123456789012"
ROOT_MAY_ASSUME = {
    "Effect": "Allow",
    "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"},
    "Action": "sts:AssumeRole",
}

# What is changed in the template before it goes to the local AWS, and why: (text, replacement, reason).
# All else is deployed as it stands.
ADAPTATIONS = [
    (
        '"Null": {"s3:x-amz-server-side-encryption-aws-kms-key-id": "true"}',
        '"Null": {"s3:x-amz-server-side-encryption": "true"}',
        "ministack does not know the key that a request names: NoUnnamedKey would meet all that the functions write",
    ),
    (
        "${AWS::AccountId}:key/*",
        "${AWS::AccountId}:*",
        "ministack checks a call that names an alias against the alias; AWS against the key behind it",
    ),
    (
        "kms:${AWS::Region}:*:key/*",
        "kms:${AWS::Region}:*:*",
        "the same, of the audit's role",
    ),
    (
        "                  - !Sub arn:${AWS::Partition}:iam::${AWS::AccountId}:user/*\n",
        '                  - "*"\n',
        "ministack checks SimulatePrincipalPolicy against `*`, not against the principal that is simulated",
    ),
    (
        "                  - logs:StopQuery\n",
        "                  - logs:StopQuery\n                  - logs:GetQueryResults\n",
        "ministack does not know which log group a query belongs to, and checks GetQueryResults against `*`",
    ),
    (
        """\
            Condition:
              ForAllValues:StringEquals: {"kms:EncryptionContextKeys": [SecretARN, SecretVersionId, ValueType]}
              "Null":
                "kms:EncryptionContext:SecretVersionId": "false"
                "kms:EncryptionContext:ValueType": "false"
              StringLike:
                "kms:EncryptionContext:SecretARN": !Sub arn:${AWS::Partition}:secretsmanager:\
${AWS::Region}:${AWS::AccountId}:secret:${ValueBackupPrefix}*
""",
        "",
        "ministack knows no condition on the encryption context: EncryptValues would never hold",
    ),
]

# What the local AWS cannot deploy or enforce, so that no test here proves it. Only a real account does.
NOT_SHOWN = {
    "SAM build": "the functions are zipped from target/debug; `sam build` needs cargo-lambda and a release build",
    "Function.LoggingConfig": "only the log group counts; format and levels have no effect, all output is logged",
    "Function.ReservedConcurrentExecutions": "ministack ignores it: two backups could run at once",
    "Function.SSL_CERT_FILE": "the file is AL2023's; the local AWS speaks plain HTTP and needs no certificates",
    "Schedule.ScheduleExpressionTimezone": "ministack keeps UTC, so schedules fire nine hours late",
    "Schedule.RetryPolicy, Schedule.DeadLetterConfig": "kept, not acted on",
    "SchedulerRole": "ministack invokes a schedule's target without assuming the role",
    "Bucket.BucketEncryption": "not applied: objects written without headers get AES256",
    "Bucket.LifecycleConfiguration": "not applied by CloudFormation: nothing moves or expires",
    "Bucket.ObjectLockConfiguration": "not applied by CloudFormation",
    "BucketPolicy.NoOtherKey, NoUnnamedKey": "ministack does not know the key that a request names; see ADAPTATIONS",
    "BucketPolicy.ModernTlsOnly": "ministack does not know s3:TlsVersion",
    "kms:GenerateDataKey, kms:Decrypt": "ministack encrypts nothing and asks no key policy on behalf of S3, SNS or "
    "Secrets Manager, so kms:ViaService and the encryption context of DecryptValues are never looked at",
    "ValueBackupPolicy.EncryptValues": "its conditions are not deployed, see ADAPTATIONS; a test reads them",
    "BackupMachineRole": "ministack calls the function and starts the children of a map without assuming the role",
    "BackupMachine.Logging": "not kept; the log group stays empty",
    "BackupMachine.MaxConcurrencyPath": "ministack ignores it: all targets are backed up at once",
    "BackupMachine.Retry": "MaxDelaySeconds is ignored, and the tests shorten all waits: they read the times instead",
    "BackupMachine, limits": "ministack has none: 256 KiB of a state, 25,000 events; nor does a map run with too many "
    "failures end before all its items have",
    "BackupMachine, JSONPath": "a path that finds nothing is null; on AWS it fails the execution",
    "s3:ListBucket for absent objects": "an absent object answers 404 with or without it; AWS answers 403 without",
    "logs:CreateLogStream, logs:PutLogEvents": "ministack writes the functions' logs itself, not under their roles",
    "docs/RESTORE.md, permissions": "CreateAlias is checked against `*`, an alias in a call is not resolved to its key, "
    "and Secrets Manager uses no key on the caller's behalf: a test runs a restore with the rest of them",
    "HealthStage.DefaultRouteSettings": "kept, no throttling",
    "HealthStage.AccessLogSettings": "kept, no access log",
    "GET /health by host name": "ministack answers that path itself; the test uses its other form of address",
    "AlertTopic.KmsMasterKeyId": "not kept; nor is the queues' encryption more than an attribute",
    "AlertSubscription": "made, but no e-mail is sent",
    "Alarms": "the functions print their metrics (EMF) and nobody extracts them, so no alarm leaves its first state",
    "CloudFormation": "no drift, no rollback of a half-made function, no check of the deployer's own permissions",
}


@dataclass
class Deployment:
    """The deployed stack, and the account it is in."""

    aws: Running
    outputs: dict[str, str]
    physical: dict[str, str]
    types: dict[str, str]

    def as_role(self, logical_id: str, service: str) -> Any:
        """A client with a session of one of the stack's roles, which is first made to trust the account's root."""
        name = self.physical[logical_id]
        iam = self.aws.client("iam")
        trust = iam.get_role(RoleName=name)["Role"]["AssumeRolePolicyDocument"]
        if ROOT_MAY_ASSUME not in trust["Statement"]:
            trust["Statement"].append(ROOT_MAY_ASSUME)
            iam.update_assume_role_policy(RoleName=name, PolicyDocument=json.dumps(trust))
        arn = f"arn:aws:iam::{ACCOUNT}:role/{name}"
        session = self.aws.client("sts").assume_role(RoleArn=arn, RoleSessionName="test")["Credentials"]
        return self.aws.client(
            service,
            aws_access_key_id=session["AccessKeyId"],
            aws_secret_access_key=session["SecretAccessKey"],
            aws_session_token=session["SessionToken"],
        )


def adapted(template: str) -> str:
    """The template as the local AWS gets it; an adaptation that no longer fits is an error."""
    for text, replacement, reason in ADAPTATIONS:
        if text not in template:
            raise ValueError(f"template.yaml no longer has {text!r}, which is adapted because {reason}")
        template = template.replace(text, replacement)
    return template


def with_code(template: str, names: list[str]) -> str:
    """`sam package` puts the place of the code in; so does this."""
    template = template.replace("    CodeUri: .\n", "")
    for name in names:
        head = f"BuildProperties: {{Binary: {name}}}\n    Properties:\n"
        if head not in template:
            raise ValueError(f"template.yaml has no function whose Metadata ends with {head!r}")
        template = template.replace(head, f"{head}      CodeUri: s3://{CODE_BUCKET}/{name}.zip\n")
    return template


def zipped(bootstrap: Path, scratch: Path) -> bytes:
    """The archive that Lambda wants. Without debug information, which makes up most of a debug build."""
    with bootstrap.open("rb") as file:
        is_program = file.read(4) == b"\x7fELF"
    # A script that stands in for a function has nothing to strip.
    stripped = scratch / bootstrap.name if is_program else bootstrap
    if is_program:
        subprocess.run(["strip", "--strip-debug", "-o", str(stripped), str(bootstrap)], check=True)
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as files:
        entry = zipfile.ZipInfo("bootstrap")
        entry.compress_type = zipfile.ZIP_DEFLATED
        entry.external_attr = 0o755 << 16
        files.writestr(entry, stripped.read_bytes())
    return archive.getvalue()


def account_before_the_stack(scratch: Path) -> Path:
    """The runbook's account without what the stack makes itself: the bucket, the topic and the canary. Nor is there the
    secret that is denied to all outside of an organisation: the local AWS has none, so that it denies it to the roles.
    """
    text = (ROOT / "dev/local-aws/scenarios/goal-mandala-prod.yaml").read_text(encoding="utf-8")
    # The loader of the local AWS itself: PyYAML's other one refuses a `?` inside a flow mapping.
    scenario = yaml.load(text, Loader=yaml.CSafeLoader)
    del scenario["buckets"], scenario["topics"]
    without = {f"goal-mandala-prod-{name}" for name in ("secrets-ops-canary", "policy-open-outsiders-denied")}
    scenario["secrets"] = [secret for secret in scenario["secrets"] if secret["name"] not in without]
    path = scratch / "before-the-stack.yaml"
    path.write_text(yaml.safe_dump(scenario, allow_unicode=True), encoding="utf-8")
    return path


def deploy(aws: Running, bootstraps: dict[str, Path], scratch: Path, **parameters: str) -> Deployment:
    s3, cloudformation = aws.client("s3"), aws.client("cloudformation")
    s3.create_bucket(Bucket=CODE_BUCKET, CreateBucketConfiguration={"LocationConstraint": "ap-northeast-1"})
    for name, bootstrap in bootstraps.items():
        s3.put_object(Bucket=CODE_BUCKET, Key=f"{name}.zip", Body=zipped(bootstrap, scratch))
    template = with_code(adapted(TEMPLATE.read_text(encoding="utf-8")), list(bootstraps))
    # By URL, because a template in the call itself may have 51,200 bytes at most.
    s3.put_object(Bucket=CODE_BUCKET, Key="template.yaml", Body=template.encode())
    parameters = {"EndpointUrl": aws.endpoint, **parameters}
    cloudformation.create_stack(
        StackName=STACK,
        TemplateURL=f"{aws.endpoint}/{CODE_BUCKET}/template.yaml",
        Parameters=[{"ParameterKey": key, "ParameterValue": value} for key, value in parameters.items()],
        # The second is for the SAM transform; CAPABILITY_NAMED_IAM is not needed, because no role has a name.
        Capabilities=["CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"],
    )
    stack = wait(cloudformation)
    pages = cloudformation.get_paginator("list_stack_resources").paginate(StackName=STACK)
    resources = [resource for page in pages for resource in page["StackResourceSummaries"]]
    return Deployment(
        aws,
        {output["OutputKey"]: output["OutputValue"] for output in stack["Outputs"]},
        {resource["LogicalResourceId"]: resource["PhysicalResourceId"] for resource in resources},
        {resource["LogicalResourceId"]: resource["ResourceType"] for resource in resources},
    )


def wait(cloudformation: Any) -> dict[str, Any]:
    limit = time.monotonic() + 120
    while True:
        stack: dict[str, Any] = cloudformation.describe_stacks(StackName=STACK)["Stacks"][0]
        if not stack["StackStatus"].endswith("IN_PROGRESS"):
            break
        if time.monotonic() > limit:
            raise TimeoutError(f"the stack is still {stack['StackStatus']}")
        time.sleep(0.25)
    if stack["StackStatus"] != "CREATE_COMPLETE":
        events = cloudformation.describe_stack_events(StackName=STACK)["StackEvents"]
        reasons = [
            f"{e['LogicalResourceId']}: {e.get('ResourceStatusReason')}"
            for e in events
            if "FAILED" in e["ResourceStatus"]
        ]
        raise RuntimeError(f"{stack['StackStatus']}: {'; '.join(reversed(reasons))}")
    return stack
