"""ListSecrets and ListSecretVersionIds: fields, pages, filters, order, tokens."""

from datetime import UTC, datetime
from typing import Any

import pytest
from botocore.exceptions import ClientError
from conftest import error_code

from local_aws.running import Running

DATABASE = "goal-mandala-prod-secret-database"


def everything(sm: Any, **options: Any) -> dict[str, dict[str, Any]]:
    pages = sm.get_paginator("list_secrets").paginate(**options)
    return {secret["Name"]: secret for page in pages for secret in page["SecretList"]}


def only(sm: Any, key: str, *values: str) -> set[str]:
    return set(everything(sm, Filters=[{"Key": key, "Values": list(values)}]))


def test_all_fields_of_a_rotated_secret(sm: Any) -> None:
    secret = everything(sm)[DATABASE]
    assert secret["KmsKeyId"].startswith("arn:aws:kms:ap-northeast-1:123456789012:key/")
    assert secret["RotationEnabled"] is True
    assert secret["RotationRules"] == {"AutomaticallyAfterDays": 30}
    assert secret["RotationLambdaARN"].endswith(":function:goal-mandala-prod-rotation")
    assert secret["LastRotatedDate"] == datetime(2026, 11, 12, tzinfo=UTC)
    assert secret["NextRotationDate"] == datetime(2026, 12, 12, tzinfo=UTC)
    assert sorted(secret["SecretVersionsToStages"].values()) == [["AWSCURRENT"], ["AWSPREVIOUS"]]


def test_absent_facts_are_left_out(sm: Any) -> None:
    secrets = everything(sm)
    never_read = secrets["goal-mandala-prod-unused-never-old"]
    for absent in ("LastAccessedDate", "RotationEnabled", "NextRotationDate", "DeletedDate"):
        assert absent not in never_read
    assert "KmsKeyId" not in secrets["goal-mandala-prod-default-key"]
    assert "SecretVersionsToStages" not in secrets["goal-mandala-prod-no-value"]
    assert "LastRotatedDate" not in secrets["goal-mandala-prod-rotation-never-ran"]
    assert secrets["goal-mandala-prod-rotation-turned-off"]["RotationEnabled"] is False


@pytest.mark.parametrize(("days", "expected"), [("089", "2026-08-25"), ("090", "2026-08-24"), ("091", "2026-08-23")])
def test_last_access_is_a_day(sm: Any, days: str, expected: str) -> None:
    accessed = everything(sm)[f"goal-mandala-prod-unused-{days}d"]["LastAccessedDate"]
    assert accessed == datetime.fromisoformat(expected).replace(tzinfo=UTC)


def test_services_regions_and_partners(sm: Any) -> None:
    secrets = everything(sm)
    assert next(iter(only(sm, "owning-service", "rds"))).startswith("rds!")
    assert secrets["goal-mandala-prod-replica"]["PrimaryRegion"] == "us-east-1"
    assert secrets["goal-mandala-prod-rotation-cron"]["RotationRules"] == {
        "ScheduleExpression": "cron(0 16 1 * ? *)",
        "Duration": "4h",
    }
    partner = secrets["goal-mandala-prod-external-salesforce"]
    assert partner["Type"] == "SalesforceClientSecret"
    assert partner["ExternalSecretRotationRoleArn"].startswith("arn:aws:iam::")


def test_pending_deletion_only_when_asked(sm: Any) -> None:
    name = "goal-mandala-prod-pending-deletion"
    assert name not in everything(sm)
    assert everything(sm, IncludePlannedDeletion=True)[name]["DeletedDate"] == datetime(2026, 12, 4, tzinfo=UTC)


@pytest.mark.parametrize("size", [1, 7, 100])
def test_pages_hold_each_secret_once(sm: Any, size: int) -> None:
    pages = sm.get_paginator("list_secrets").paginate(MaxResults=size)
    names = [secret["Name"] for page in pages for secret in page["SecretList"]]
    assert len(names) == len(set(names)) == len(everything(sm))


def test_a_deletion_between_pages_skips_nobody(aws: Running, sm: Any, fresh_name: str) -> None:
    names = [f"{fresh_name}-{letter}" for letter in "abcdef"]
    aws.control("POST", "secrets", [{"name": name} for name in names])
    wanted = {"Filters": [{"Key": "name", "Values": [fresh_name]}], "MaxResults": 2, "SortBy": "name"}
    first = sm.list_secrets(**wanted)
    sm.delete_secret(SecretId=names[0], ForceDeleteWithoutRecovery=True)
    second = sm.list_secrets(**wanted, NextToken=first["NextToken"])
    assert [secret["Name"] for secret in second["SecretList"]] == names[2:4]


def test_order_both_ways(sm: Any) -> None:
    up = list(everything(sm, SortBy="name", SortOrder="asc", MaxResults=10))
    down = list(everything(sm, SortBy="name", SortOrder="desc", MaxResults=10))
    assert up == sorted(up) == down[::-1]


@pytest.mark.parametrize("token", ["x", "bm9ib2R5", "1"])
def test_a_token_never_given_out_is_refused(sm: Any, token: str) -> None:
    with pytest.raises(ClientError) as error:
        sm.list_secrets(NextToken=token)
    assert error_code(error) == "InvalidNextTokenException"


def test_name_filter_is_a_prefix_and_knows_case(sm: Any) -> None:
    assert only(sm, "name", "goal-mandala-prod-secret-") == {
        "goal-mandala-prod-secret-database",
        "goal-mandala-prod-secret-jwt",
        "goal-mandala-prod-secret-external-apis",
    }
    assert only(sm, "name", "mandala") == set()
    assert only(sm, "name", "Goal-mandala") == set()


def test_negated_and_tag_filters(sm: Any) -> None:
    assert all(not name.startswith("goal-mandala-prod") for name in only(sm, "name", "!goal-mandala-prod"))
    not_required = {"goal-mandala-prod-secrets-ops-canary", "goal-mandala-prod-rotation-not-required"}
    assert only(sm, "tag-key", "secrets-ops:rotation") == not_required


def test_versions_without_a_label_only_when_asked(sm: Any) -> None:
    labelled = sm.list_secret_version_ids(SecretId=DATABASE)["Versions"]
    every = sm.list_secret_version_ids(SecretId=DATABASE, IncludeDeprecated=True)["Versions"]
    assert [len(labelled), len(every)] == [2, 4]
    assert [version.get("VersionStages") for version in every] == [None, None, ["AWSPREVIOUS"], ["AWSCURRENT"]]
    assert every[0]["CreatedDate"] == datetime(2026, 8, 14, tzinfo=UTC)


def test_versions_come_in_pages(sm: Any) -> None:
    options = {"SecretId": DATABASE, "IncludeDeprecated": True, "MaxResults": 3}
    first = sm.list_secret_version_ids(**options)
    second = sm.list_secret_version_ids(**options, NextToken=first["NextToken"])
    assert [len(first["Versions"]), len(second["Versions"])] == [3, 1]
    assert "NextToken" not in second


def test_rotation_dates_go_when_rotation_is_turned_off(sm: Any) -> None:
    for found in (
        sm.describe_secret(SecretId="goal-mandala-prod-rotation-turned-off"),
        everything(sm)["goal-mandala-prod-rotation-turned-off"],
    ):
        assert found["RotationEnabled"] is False and found["RotationRules"] == {"AutomaticallyAfterDays": 30}
        assert not {"LastRotatedDate", "NextRotationDate"} & set(found)


def test_replicas_tell_the_day_of_their_last_read(sm: Any) -> None:
    found = sm.describe_secret(SecretId="goal-mandala-prod-unused-never-read-here")
    assert "LastAccessedDate" not in found
    days = [replica.get("LastAccessedDate") for replica in found["ReplicationStatus"]]
    assert days == [None, datetime(2026, 11, 20, tzinfo=UTC)]


def test_tags_may_hold_a_day_that_moves_along(sm: Any) -> None:
    tags = {
        tag["Key"]: tag["Value"] for tag in sm.describe_secret(SecretId="goal-mandala-prod-suppressed-valid")["Tags"]
    }
    assert tags["secrets-ops:suppress:key-customer-managed"].startswith("until=2026-12-22 owner=platform reason=")


def test_fifty_versions_and_one_more(sm: Any) -> None:
    for number in (50, 51):
        name = f"goal-mandala-prod-versions-{number:03}"
        versions = sm.list_secret_version_ids(SecretId=name, IncludeDeprecated=True)["Versions"]
        assert len(versions) == number
        assert [version.get("VersionStages") for version in versions][-1] == ["AWSCURRENT"], "the newest"


def test_a_rotation_makes_the_current_version(sm: Any) -> None:
    overdue = {"SecretId": "goal-mandala-prod-rotation-overdue"}
    [version] = sm.list_secret_version_ids(**overdue)["Versions"]
    assert version["CreatedDate"] == sm.describe_secret(**overdue)["LastRotatedDate"]
