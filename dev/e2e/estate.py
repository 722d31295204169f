"""An estate that a test may destroy: made, wiped, restored, and compared with what it was."""

import json
import subprocess
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from local_aws import scenario

from lab import Lab

CLEAN, FINDINGS, WRONG_USE, INCOMPLETE, FAILED = range(5)
MARK = {"secrets-ops:value": "missing"}
# Whose values are backed up where a test asks for it, and the keys for that.
PREFIX = "goal-mandala-prod-secret-"
KEY, MAC_KEY = (f"alias/goal-mandala-prod-secrets-ops-values{end}" for end in ("", "-mac"))
SECRETS_KEY = "alias/goal-mandala-prod-secrets-key"
# Beginnings of calls that change nothing, and all others but DeleteResourcePolicy, for faults.
READS = ("Describe", "Get", "List", "BatchGet", "Head", "GenerateMac", "GenerateDataKey", "Decrypt")
CHANGES = "*.[!dgl]*"

# Of the sample account, what no restore can bring back, and why. A restore must say so of each.
UNRESTORABLE = {
    "goal-mandala-prod-pending-deletion": "was-deleted",
    "goal-mandala-prod-replica": "was-replica",
    "goal-mandala-prod-deletion-quiet": "was-deleted",
    "rds!cluster-7d3c1a52-4f0e-4a4e-9a55-5a0a6e1f2b11": "managed-by-service",
    "rds!cluster-0b9e77f4-2a65-4c0a-8d2b-3f1c5e7a9d20": "managed-by-service",
    "goal-mandala-prod-key-pending-deletion": "key-missing",
    "goal-mandala-prod-key-disabled": "key-missing",
    "goal-mandala-prod-key-of-another-account": "key-unknown",
    "goal-mandala-prod-rotation-lambda-gone": "rotation-function-missing",
    "goal-mandala-prod-policy-open-denied-elsewhere": "policy-locks-out",
    "goal-mandala-prod-policy-open-outsiders-denied": "policy-locks-out",
    "goal-mandala-prod-tags-of-aws": "tags-left-out",
}
# Of those, what comes back all the same, only not whole.
IN_PART = {"rotation-function-missing", "policy-locks-out", "tags-left-out"}
# Comes back under the key that the alias meant, not under the alias.
BY_ALIAS = "goal-mandala-prod-key-by-alias"
# AWS itself refuses the policies of these.
PUBLIC = {f"goal-mandala-prod-policy-{name}" for name in ("public", "open-aws", "not-principal")}
# What a drill finds: a secret cannot be made under these keys, nor get these policies.
NOT_PROVEN = PUBLIC | {
    f"goal-mandala-prod-key-{name}" for name in ("disabled", "of-another-account", "pending-deletion")
}


def sample(*, restorable: bool) -> list[dict[str, Any]]:
    """The secrets of the sample account, with or without those that cannot be restored whole."""
    secrets = scenario.load("goal-mandala-prod", datetime.now().astimezone()).secrets
    return [secret for secret in secrets if not restorable or secret["name"] not in {*UNRESTORABLE, *PUBLIC, BY_ALIAS}]


@dataclass
class Estate(Lab):
    """A lab on a local AWS whose secrets are its own."""

    scratch: Path = Path()

    def __post_init__(self) -> None:
        super().__post_init__()
        self.sm = self.aws.client("secretsmanager")

    def seed(self, *secrets: dict[str, Any]) -> None:
        """These secrets and no others."""
        self.wipe()
        self.aws.control("POST", "secrets", list(secrets))
        self.aws.reset()

    def wipe(self) -> None:
        for listed in self.listed():
            replicas = self.sm.describe_secret(SecretId=listed["ARN"]).get("ReplicationStatus", [])
            if replicas:
                regions = [replica["Region"] for replica in replicas]
                self.sm.remove_regions_from_replication(SecretId=listed["ARN"], RemoveReplicaRegions=regions)
            if "OwningService" in listed:
                # Nobody but the service may delete it: as a secret of our own it can go.
                self.aws.control("POST", "secrets", [{"name": listed["Name"]}])
            self.sm.delete_secret(SecretId=listed["Name"], ForceDeleteWithoutRecovery=True)
        self.aws.reset()

    def listed(self) -> list[dict[str, Any]]:
        pages = self.sm.get_paginator("list_secrets").paginate(IncludePlannedDeletion=True)
        return [listed for page in pages for listed in page["SecretList"]]

    def state(self, values: bool = False) -> dict[str, dict[str, Any]]:
        """All that a restore has to bring back, by name. Values only where asked for: reading them is noted."""
        return {listed["Name"]: self.state_of(listed["ARN"], values) for listed in self.listed()}

    def state_of(self, arn: str, values: bool) -> dict[str, Any]:
        found = self.sm.describe_secret(SecretId=arn)
        policy = self.sm.get_resource_policy(SecretId=arn).get("ResourcePolicy")
        versions = self.sm.list_secret_version_ids(SecretId=arn, IncludeDeprecated=True)["Versions"]
        on = found.get("RotationEnabled", False)
        rules = dict(found.get("RotationRules", {}))
        if "ScheduleExpression" in rules:
            # AWS computes them from the expression, at a rotation.
            rules.pop("AutomaticallyAfterDays", None)
        state = {
            "description": found.get("Description"),
            "key": found.get("KmsKeyId"),
            "type": found.get("Type"),
            "tags": {tag["Key"]: tag["Value"] for tag in found["Tags"]},
            # The end of an ARN is never given again, and a policy of a secret is about that secret alone.
            "policy": policy and json.loads(policy.replace(arn, "*")),
            "replicas": {(one["Region"], one.get("KmsKeyId")) for one in found.get("ReplicationStatus", [])},
            "rotation": on and (found.get("RotationLambdaARN"), rules),
            "partner": on and (found.get("ExternalSecretRotationMetadata"), found.get("ExternalSecretRotationRoleArn")),
            "versions": {one["VersionId"]: sorted(one.get("VersionStages", [])) for one in versions},
        }
        if values:
            state["values"] = {one["VersionId"]: self.value(arn, VersionId=one["VersionId"]) for one in versions}
        return state

    def value(self, name: str, **which: str) -> str | bytes:
        found = self.sm.get_secret_value(SecretId=name, **which)
        value: str | bytes = found["SecretString"] if "SecretString" in found else found["SecretBinary"]
        return value

    def has_no_value(self, name: str) -> bool:
        with pytest.raises(ClientError) as error:
            self.sm.get_secret_value(SecretId=name)
        return str(error.value.response["Error"]["Code"]) == "ResourceNotFoundException"

    def take_values(self) -> None:
        """Makes the keys, makes the bucket fit to keep values, and asks for those of `PREFIX`."""
        kms, s3 = self.aws.client("kms"), self.aws.client("s3")
        if KEY not in {alias["AliasName"] for alias in kms.list_aliases()["Aliases"]}:
            for alias, options in (KEY, {}), (MAC_KEY, {"KeySpec": "HMAC_256", "KeyUsage": "GENERATE_VERIFY_MAC"}):
                kms.create_alias(AliasName=alias, TargetKeyId=kms.create_key(**options)["KeyMetadata"]["KeyId"])
        ways = ("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets")
        block = dict.fromkeys(ways, True)
        s3.put_public_access_block(Bucket=self.bucket, PublicAccessBlockConfiguration=block)
        self.encrypt_bucket("aws:kms", "alias/goal-mandala-prod-backup-key")
        everything = {"Principal": "*", "Action": "s3:*", "Resource": f"arn:aws:s3:::{self.bucket}/*"}
        statement = {"Effect": "Deny", **everything, "Condition": {"Bool": {"aws:SecureTransport": "false"}}}
        policy = {"Version": "2012-10-17", "Statement": [statement]}
        s3.put_bucket_policy(Bucket=self.bucket, Policy=json.dumps(policy))
        self.env |= {"SECRETS_OPS_VALUE_PREFIX": PREFIX}

    def encrypt_bucket(self, algorithm: str, key: str = "") -> None:
        rule = {"SSEAlgorithm": algorithm} | ({"KMSMasterKeyID": key} if key else {})
        rules: dict[str, Any] = {"Rules": [{"ApplyServerSideEncryptionByDefault": rule}]}
        s3 = self.aws.client("s3")
        s3.put_bucket_encryption(Bucket=self.bucket, ServerSideEncryptionConfiguration=rules)

    # --- The command

    def backup(self, code: int = CLEAN, **env: str) -> str:
        """Takes one by hand and says where its archive lies."""
        before = set(self.keys("manual-backups/"))
        done = self.cli("backup", "run", **env)
        assert done.returncode == code, done.stdout + done.stderr
        [archive] = [key for key in self.keys("manual-backups/") if key.endswith(".tar.gz") and key not in before]
        return archive

    def file(self, name: str) -> Path:
        return self.scratch / name

    def plan(
        self, *words: str, archive: str = "latest", name: str = "plan.json", code: int = FINDINGS, **env: str
    ) -> dict[str, Any]:
        done = self.cli("restore", "plan", archive, "-o", str(self.file(name)), *words, **env)
        assert done.returncode == code, done.stdout + done.stderr
        self.left_behind.append((f"plan {name}", self.file(name).read_bytes()))
        return dict(json.loads(self.file(name).read_text("utf-8")))

    def apply(self, name: str = "plan.json", *words: str, **env: str) -> subprocess.CompletedProcess[str]:
        """Approves it by the first characters of its hash."""
        done = self.cli("restore", "apply", str(self.file(name)), "--approve", self.approval(name), *words, **env)
        self.left_behind.append((f"journal of {name}", self.journal_of(name).encode()))
        return done

    def approval(self, name: str = "plan.json") -> str:
        return str(json.loads(self.file(name).read_text("utf-8"))["hash"][:8])

    def journal_of(self, name: str = "plan.json") -> str:
        path = self.file(f"{name}.journal")
        return path.read_text("utf-8") if path.exists() else ""

    def restored(self, *words: str, code: int = FINDINGS) -> dict[str, Any]:
        """Plans and applies."""
        plan = self.plan(*words)
        done = self.apply()
        assert done.returncode == code, done.stdout + done.stderr
        return plan

    def changes(self) -> list[dict[str, Any]]:
        """Calls that changed something, or tried to."""
        calls = [call for call in self.aws.journal() if call["service"] in ("secretsmanager", "kms", "s3", "lambda")]
        return [call for call in calls if not call["operation"].startswith(READS)]

    def diff(self, *words: str) -> subprocess.CompletedProcess[str]:
        if self.cli("backup", "diff", "--help").returncode != CLEAN:
            pytest.skip("there is no `backup diff` yet")
        return self.cli("backup", "diff", *words)


def value(text: str) -> str:
    """As those of the scenarios: one that must never be seen outside of its secret."""
    return f"CANARY-VALUE-{text}-DO-NOT-LEAK"


def left(plan: dict[str, Any]) -> dict[str, set[str]]:
    """What a plan leaves to a person, by secret."""
    found: dict[str, set[str]] = {}
    for one in plan["context"]["left"]:
        found.setdefault(one["secret"], set()).add(one["reason"])
    return found


def actions(plan: dict[str, Any]) -> list[tuple[str, str]]:
    return [(step["object"], step["action"]) for step in plan["steps"]]


def without_values(state: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """What comes back where the backup has no values: all the rest, and a mark where there was one."""
    return {
        name: one | {"versions": {}, "tags": one["tags"] | (MARK if one["versions"] else {})}
        for name, one in state.items()
    }
