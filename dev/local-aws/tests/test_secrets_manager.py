"""Secrets Manager calls other than the lists: what is read back after a change, and what is refused."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from botocore.exceptions import ClientError
from conftest import error_code

from local_aws.running import Running

TODAY = datetime(2026, 11, 22, tzinfo=UTC)
LAMBDA = "arn:aws:lambda:ap-northeast-1:123456789012:function:goal-mandala-prod-rotation"


def refusal(call: Any, **options: Any) -> str:
    with pytest.raises(ClientError) as error:
        call(**options)
    return error_code(error)


def test_a_secret_lives_and_dies_in_every_answer(sm: Any, fresh_name: str) -> None:
    arn = sm.create_secret(Name=fresh_name, SecretString="v", Description="d")["ARN"]
    sm.tag_resource(SecretId=arn, Tags=[{"Key": "k", "Value": "v"}])
    sm.update_secret(SecretId=arn, Description="changed")
    wanted = {"Filters": [{"Key": "name", "Values": [fresh_name]}]}
    listed = sm.list_secrets(**wanted)["SecretList"][0]
    described = sm.describe_secret(SecretId=fresh_name)
    for secret in (listed, described):
        assert (secret["ARN"], secret["Description"], secret["Tags"][0]["Key"]) == (arn, "changed", "k")
        assert "LastAccessedDate" not in secret
    sm.get_secret_value(SecretId=arn)
    assert sm.describe_secret(SecretId=arn)["LastAccessedDate"] == TODAY
    sm.delete_secret(SecretId=arn, RecoveryWindowInDays=7)
    assert sm.list_secrets(**wanted)["SecretList"] == []
    assert "DeletedDate" in sm.describe_secret(SecretId=arn)
    sm.restore_secret(SecretId=arn)
    assert "DeletedDate" not in sm.describe_secret(SecretId=arn)
    sm.delete_secret(SecretId=arn, ForceDeleteWithoutRecovery=True)
    assert refusal(sm.describe_secret, SecretId=arn) == "ResourceNotFoundException"


def test_describe_alone_shows_replicas(sm: Any) -> None:
    name = "goal-mandala-prod-primary-with-replica"
    states = [replica["Status"] for replica in sm.describe_secret(SecretId=name)["ReplicationStatus"]]
    assert states == ["InSync", "Failed"]
    assert refusal(sm.delete_secret, SecretId=name) == "InvalidRequestException"


def test_a_replica_is_removed_at_its_primary(aws: Running, sm: Any, fresh_name: str) -> None:
    sm.create_secret(Name=fresh_name, SecretString="v")
    there = aws.client("secretsmanager", region_name="us-west-2")
    sm.replicate_secret_to_regions(SecretId=fresh_name, AddReplicaRegions=[{"Region": "us-west-2"}])
    assert there.describe_secret(SecretId=fresh_name)["PrimaryRegion"] == "ap-northeast-1"
    remove = {"SecretId": fresh_name, "RemoveReplicaRegions": ["us-west-2"]}
    assert sm.remove_regions_from_replication(**remove)["ReplicationStatus"] == []
    assert refusal(there.describe_secret, SecretId=fresh_name) == "ResourceNotFoundException"
    assert refusal(sm.remove_regions_from_replication, **remove) == "InvalidParameterException"
    sm.delete_secret(SecretId=fresh_name, ForceDeleteWithoutRecovery=True)


def test_a_secret_of_a_service_cannot_be_deleted(sm: Any) -> None:
    name = "rds!cluster-7d3c1a52-4f0e-4a4e-9a55-5a0a6e1f2b11"
    assert refusal(sm.delete_secret, SecretId=name) == "InvalidRequestException"


def test_old_versions_become_deprecated(sm: Any, fresh_name: str) -> None:
    first = sm.create_secret(Name=fresh_name, SecretString="1", ClientRequestToken="1" * 32)["VersionId"]
    assert first == "1" * 32
    for number in "23":
        sm.put_secret_value(SecretId=fresh_name, SecretString=number)
    versions = sm.list_secret_version_ids(SecretId=fresh_name, IncludeDeprecated=True)["Versions"]
    assert {version["VersionId"]: version.get("VersionStages") for version in versions}[first] is None
    assert sm.get_secret_value(SecretId=fresh_name, VersionId=first)["SecretString"] == "1"
    current = sm.describe_secret(SecretId=fresh_name)["VersionIdsToStages"]
    assert sorted(current.values()) == [["AWSCURRENT"], ["AWSPREVIOUS"]]


def test_a_repeated_put_is_one_version(sm: Any, fresh_name: str) -> None:
    sm.create_secret(Name=fresh_name)
    put = {"SecretId": fresh_name, "SecretString": "1", "ClientRequestToken": "1" * 32, "VersionStages": ["mine"]}
    sm.put_secret_value(**put)
    assert sorted(stages(sm, fresh_name)["1" * 32]) == ["AWSCURRENT", "mine"], "the first version is the current one"
    sm.put_secret_value(**put | {"SecretString": "2", "ClientRequestToken": "2" * 32})
    assert stages(sm, fresh_name) == {"1" * 32: ["AWSCURRENT"], "2" * 32: ["mine"]}
    assert sm.put_secret_value(**put)["VersionStages"] == ["AWSCURRENT"]
    assert stages(sm, fresh_name) == {"1" * 32: ["AWSCURRENT"], "2" * 32: ["mine"]}
    assert refusal(sm.put_secret_value, **put | {"SecretString": "other"}) == "ResourceExistsException"


def stages(sm: Any, name: str) -> dict[str, list[str]]:
    return dict(sm.describe_secret(SecretId=name)["VersionIdsToStages"])


def test_rollback_moves_both_labels(sm: Any, fresh_name: str) -> None:
    old = sm.create_secret(Name=fresh_name, SecretString="old")["VersionId"]
    new = sm.put_secret_value(SecretId=fresh_name, SecretString="new")["VersionId"]
    move = {"SecretId": fresh_name, "VersionStage": "AWSCURRENT", "MoveToVersionId": old}
    assert refusal(sm.update_secret_version_stage, **move) == "InvalidParameterException"
    sm.update_secret_version_stage(**move, RemoveFromVersionId=new)
    assert sm.describe_secret(SecretId=fresh_name)["VersionIdsToStages"] == {old: ["AWSCURRENT"], new: ["AWSPREVIOUS"]}


def test_a_secret_without_a_value_has_no_version(sm: Any, fresh_name: str) -> None:
    assert "VersionId" not in sm.create_secret(Name=fresh_name)
    for name in (fresh_name, "goal-mandala-prod-no-value"):
        assert "VersionIdsToStages" not in sm.describe_secret(SecretId=name)
        assert refusal(sm.get_secret_value, SecretId=name) == "ResourceNotFoundException"


def test_values_that_cannot_be_read(sm: Any) -> None:
    assert refusal(sm.get_secret_value, SecretId="goal-mandala-prod-pending-deletion") == "InvalidRequestException"
    assert refusal(sm.get_secret_value, SecretId="goal-mandala-prod-key-pending-deletion") == "DecryptionFailure"
    assert refusal(sm.get_secret_value, SecretId="nobody") == "ResourceNotFoundException"


def test_binary_values_are_marked_too(sm: Any) -> None:
    value = sm.get_secret_value(SecretId="goal-mandala-prod-binary")
    assert "SecretString" not in value
    assert b"CANARY-VALUE-goal-mandala-prod-binary-DO-NOT-LEAK" in value["SecretBinary"]


def test_a_partial_arn_that_ends_like_a_suffix_finds_nothing(sm: Any) -> None:
    name = "goal-mandala-prod-legacy-aB3dE9"
    arn = sm.describe_secret(SecretId=name)["ARN"]
    assert sm.describe_secret(SecretId=arn)["Name"] == name
    assert refusal(sm.describe_secret, SecretId=arn[:-7]) == "ResourceNotFoundException"
    plain = sm.describe_secret(SecretId="goal-mandala-prod-secret-jwt")["ARN"]
    assert sm.describe_secret(SecretId=plain[:-7])["ARN"] == plain


def test_policies(sm: Any, fresh_name: str) -> None:
    sm.create_secret(Name=fresh_name, SecretString="v")
    assert "ResourcePolicy" not in sm.get_resource_policy(SecretId=fresh_name)
    for text in ("not json", "[]", "{}"):
        refused = refusal(sm.put_resource_policy, SecretId=fresh_name, ResourcePolicy=text)
        assert refused == "MalformedPolicyDocumentException"
    public = sm.get_resource_policy(SecretId="goal-mandala-prod-policy-public")["ResourcePolicy"]
    attach = {"SecretId": fresh_name, "ResourcePolicy": public}
    assert refusal(sm.put_resource_policy, **attach, BlockPublicPolicy=True) == "PublicPolicyException"
    sm.put_resource_policy(**attach)
    assert json.loads(sm.get_resource_policy(SecretId=fresh_name)["ResourcePolicy"]) == json.loads(public)
    sm.delete_resource_policy(SecretId=fresh_name)
    assert "ResourcePolicy" not in sm.get_resource_policy(SecretId=fresh_name)


def test_rotation(sm: Any, fresh_name: str) -> None:
    sm.create_secret(Name=fresh_name, SecretString="v")
    assert refusal(sm.rotate_secret, SecretId=fresh_name) == "InvalidRequestException"
    rules = {"RotationLambdaARN": LAMBDA, "RotationRules": {"AutomaticallyAfterDays": 30}}
    before = sm.describe_secret(SecretId=fresh_name)["VersionIdsToStages"]
    sm.rotate_secret(SecretId=fresh_name, **rules, RotateImmediately=False)
    later = sm.describe_secret(SecretId=fresh_name)
    assert later["VersionIdsToStages"] == before
    assert later["RotationEnabled"] and "NextRotationDate" in later and "LastRotatedDate" not in later
    sm.rotate_secret(SecretId=fresh_name)
    at_once = sm.describe_secret(SecretId=fresh_name)
    assert len(at_once["VersionIdsToStages"]) == 2
    assert (at_once["NextRotationDate"] - at_once["LastRotatedDate"]).days == 30
    sm.cancel_rotate_secret(SecretId=fresh_name)
    assert sm.describe_secret(SecretId=fresh_name)["RotationEnabled"] is False


def test_a_partner_rotates_without_a_function(sm: Any, fresh_name: str) -> None:
    sm.create_secret(Name=fresh_name, Type="SalesforceClientSecret")
    known = {
        "ExternalSecretRotationMetadata": [{"Key": "adminSecretArn", "Value": "arn"}],
        "ExternalSecretRotationRoleArn": "arn:aws:iam::123456789012:role/x",
    }
    rules = {"ScheduleExpression": "rate(30 days)"}
    sm.rotate_secret(SecretId=fresh_name, RotationRules=rules, RotateImmediately=False, **known)
    described = sm.describe_secret(SecretId=fresh_name)
    assert described["RotationEnabled"] and described["Type"] == "SalesforceClientSecret"
    assert {name: described[name] for name in known} == known


def test_a_stuck_rotation_refuses_the_next(sm: Any) -> None:
    assert refusal(sm.rotate_secret, SecretId="goal-mandala-prod-rotation-stuck") == "InvalidRequestException"


def test_seeding_more(aws: Running, sm: Any, fresh_name: str) -> None:
    aws.control("POST", "secrets", [{"name": fresh_name, "accessed": "-91d", "kms_key": "secrets"}])
    assert sm.describe_secret(SecretId=fresh_name)["LastAccessedDate"] == datetime(2026, 8, 23, tzinfo=UTC)
