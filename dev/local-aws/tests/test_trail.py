"""CloudTrail: trails that see less than they seem to, and records of every kind."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError
from conftest import NOW, error_code

from local_aws.running import Running, running

MOMENT = datetime(2026, 11, 22, tzinfo=UTC)
DATABASE = "goal-mandala-prod-secret-database"


@pytest.fixture(scope="module")
def blind() -> Iterator[Running]:
    with running("blind-trail", NOW) as aws:
        yield aws


@pytest.fixture(scope="module")
def hostile() -> Iterator[Running]:
    with running("hostile-trail", NOW) as aws:
        yield aws


def events(aws: Running, **options: Any) -> list[dict[str, Any]]:
    pages = aws.client("cloudtrail").get_paginator("lookup_events").paginate(**options)
    return [event for page in pages for event in page["Events"]]


def named(aws: Running, name: str) -> list[dict[str, Any]]:
    found = events(aws, LookupAttributes=[{"AttributeKey": "EventName", "AttributeValue": name}])
    return [json.loads(event["CloudTrailEvent"]) for event in found]


# --- Trails


def test_trails_that_are_blind(blind: Running) -> None:
    client = blind.client("cloudtrail")
    listed = client.describe_trails()["trailList"]
    trails = {trail["Name"].removeprefix("goal-mandala-prod-"): trail for trail in listed}
    assert set(trails) == {"trail", "trail-writes", "trail-other"}
    status = {name: client.get_trail_status(Name=trail["TrailARN"]) for name, trail in trails.items()}
    assert [name for name, one in status.items() if not one["IsLogging"]] == ["trail"]
    assert "LatestDeliveryTime" not in status["trail"]
    assert status["trail-writes"]["LatestDeliveryError"] == "AccessDenied"
    assert status["trail-writes"]["LatestCloudWatchLogsDeliveryError"] == "AccessDenied"
    assert "LatestDeliveryError" not in status["trail-other"] and status["trail-other"]["LatestDeliveryTime"] < MOMENT
    assert "LatestCloudWatchLogsDeliveryTime" not in status["trail-other"]
    assert trails["trail-writes"]["CloudWatchLogsLogGroupArn"].endswith(":log-group:/aws/cloudtrail:*")
    assert "CloudWatchLogsLogGroupArn" not in trails["trail"]
    assert [name for name, trail in trails.items() if not trail["IsMultiRegionTrail"]] == ["trail-other"]


def test_selectors_that_leave_out_what_matters(blind: Running) -> None:
    get = blind.client("cloudtrail").get_event_selectors
    [basic] = get(TrailName="goal-mandala-prod-trail-writes")["EventSelectors"]
    assert (basic["ReadWriteType"], basic["ExcludeManagementEventSources"]) == ("WriteOnly", ["kms.amazonaws.com"])
    answer = get(TrailName="goal-mandala-prod-trail-other")
    assert "EventSelectors" not in answer
    [advanced] = answer["AdvancedEventSelectors"]
    fields = {field["Field"]: field for field in advanced["FieldSelectors"]}
    assert fields["eventSource"]["NotEquals"] == ["secretsmanager.amazonaws.com", "kms.amazonaws.com"]


@pytest.mark.parametrize(("call", "parameter"), [("get_trail_status", "Name"), ("get_event_selectors", "TrailName")])
def test_a_trail_that_is_not_there(blind: Running, call: str, parameter: str) -> None:
    with pytest.raises(ClientError) as error:
        getattr(blind.client("cloudtrail"), call)(**{parameter: "nobody"})
    assert error_code(error) == "TrailNotFoundException"


def test_queries_that_fail_and_queries_that_never_end(blind: Running) -> None:
    logs = blind.client("logs")
    window = {"startTime": 0, "endTime": 1}

    def start(group: str, text: str) -> str:
        return str(logs.start_query(logGroupName=group, queryString=text, **window)["queryId"])

    def status(query: str) -> str:
        return str(logs.get_query_results(queryId=query)["status"])

    endless = start("/aws/cloudtrail", "stats count(*) by bin(5m)")
    assert {status(endless) for _ in range(20)} == {"Running"}
    assert logs.stop_query(queryId=endless)["success"] and status(endless) == "Cancelled"
    failing = start("/aws/cloudtrail", "filter x = 1")
    assert [status(failing), status(failing)] == ["Running", "Failed"]
    slow = start("/aws/lambda/goal-mandala-prod-api", "filter x = 1")
    assert [status(slow), status(slow)] == ["Running", "Timeout"]


# --- Records


def test_rotation_events_name_the_secret_in_many_places(aws: Running) -> None:
    keys = {"additionalEventData": "SecretId", "responseElements": "aRN", "serviceEventDetails": "secretId"}
    found = set()
    for record in [*named(aws, "RotationFailed"), *named(aws, "RotationStarted"), *named(aws, "TestRotationFailed")]:
        assert record["eventType"] == "AwsServiceEvent" and record["readOnly"] is False
        [place] = [place for place, key in keys.items() if key in (record.get(place) or {})]
        assert record[place][keys[place]].startswith("arn:aws:secretsmanager:")
        found.add(place)
    assert found == set(keys)


def test_reads_name_the_secret_in_three_forms(aws: Running) -> None:
    ids = {record["requestParameters"]["secretId"] for record in named(aws, "GetSecretValue")}
    [arn] = [one for one in ids if one.startswith("arn:") and "read-by-arn-" in one]
    assert arn == aws.client("secretsmanager").describe_secret(SecretId="goal-mandala-prod-rotation-read-by-arn")["ARN"]
    assert [one for one in ids if one.endswith(":secret:goal-mandala-prod-rotation-read-by-partial-arn")]
    assert DATABASE in ids


def test_one_item_for_several_secrets_makes_events_of_their_own(aws: Running) -> None:
    day = {"StartTime": MOMENT - timedelta(days=1), "EndTime": MOMENT - timedelta(days=1)}
    found = [json.loads(event["CloudTrailEvent"]) for event in events(aws, **day)]
    secrets = [(record["requestParameters"] or {}).get("secretId") for record in found]
    assert {"goal-mandala-prod-rotation-failing-daily", "goal-mandala-prod-rotation-cron"} <= set(secrets)
    assert len({record["eventID"] for record in found}) == len(found)


def test_the_look_back_is_ninety_days_and_the_times_are_in_order(aws: Running) -> None:
    found = events(aws, StartTime=MOMENT - timedelta(days=900))
    assert min(event["EventTime"] for event in found) >= MOMENT - timedelta(days=90)
    with pytest.raises(ClientError) as error:
        aws.client("cloudtrail").lookup_events(StartTime=MOMENT, EndTime=MOMENT - timedelta(days=1))
    assert error_code(error) == "InvalidTimeRangeException"


def test_hostile_text_arrives_as_it_was_sent(hostile: Running) -> None:
    records = [json.loads(event["CloudTrailEvent"] or "{}") for event in events(hostile) if is_record(event)]
    agents = " ".join(str(record.get("userAgent")) for record in records)
    for text in ("<script>", "=HYPERLINK", "`reboot`", "\x1b[2J", "\u202e", "\n# all is well", "\x00"):
        assert text in agents


def is_record(event: dict[str, Any]) -> bool:
    try:
        return isinstance(json.loads(event["CloudTrailEvent"]), dict)
    except ValueError:
        return False


def test_records_that_are_none_and_records_without_fields(hostile: Running) -> None:
    found = events(hostile)
    assert len([event for event in found if not is_record(event)]) == 5
    records = [json.loads(event["CloudTrailEvent"]) for event in found if is_record(event)]
    assert any("eventTime" not in record and "eventID" not in record for record in records)
    assert any(record.get("userIdentity", "") is None for record in records)
    assert any(record.get("requestParameters", "") is None for record in records if "errorCode" in record)
    kinds = {(record["userIdentity"] or {}).get("type") for record in records if "userIdentity" in record}
    assert {"NewKindOfCaller", "AWSService", "AWSAccount", "FederatedUser", "IdentityCenterUser"} <= kinds
    codes = {str(record.get("errorCode")) for record in records}
    assert {"AccessDenied", "AccessDeniedException", "Client.UnauthorizedOperation"} <= codes
    assert [event for event in found if "EventName" not in event], "an event name that is null is left out"
