"""CloudTrail: LookupEvents over the past that a scenario tells, and what a trail's status says of its deliveries.

Only the scenario's events are shown. CloudTrail is minutes late, so a run never sees its own calls.
"""

import base64
import json
from typing import Any

from .dates import DAY
from .errors import error_response
from .state import State
from .wire import Forward, Request, Response, json_response, with_body

PAGE = 50
DAYS_KEPT = 90
MINUTES_LATE = 5


async def lookup_events(request: Request, state: State, forward: Forward) -> Response:
    params = request.params
    size = params.get("MaxResults", PAGE)
    if not 1 <= size <= PAGE:
        return error_response(request, "InvalidMaxResultsException", "MaxResults must be between 1 and 50.")
    if len(params.get("LookupAttributes", [])) > 1:
        return error_response(request, "InvalidLookupAttributesException", "You can specify only one lookup attribute.")
    try:
        start = int(base64.b64decode(params.get("NextToken", "MA=="), validate=True))
    except ValueError:
        return error_response(request, "InvalidNextTokenException", "Invalid NextToken.")
    oldest = max(params.get("StartTime", 0), state.scenario.now.timestamp() - DAYS_KEPT * DAY)
    newest = params.get("EndTime", float("inf"))
    if params.get("StartTime", 0) > newest:
        return error_response(request, "InvalidTimeRangeException", "The start time is after the end time.")
    found = [
        event
        for event in state.events
        if oldest <= event["EventTime"] <= newest
        and all(has_attribute(event, wanted) for wanted in params.get("LookupAttributes", []))
    ]
    answer: dict[str, Any] = {"Events": found[start : start + size]}
    if start + size < len(found):
        answer["NextToken"] = base64.b64encode(str(start + size).encode()).decode()
    return json_response(answer)


def has_attribute(event: dict[str, Any], wanted: dict[str, str]) -> bool:
    key, value = wanted["AttributeKey"], wanted["AttributeValue"]
    if key.startswith("Resource"):
        return any(resource[key] == value for resource in event["Resources"])
    return event.get(key) == value


async def describe_trails(request: Request, state: State, forward: Forward) -> Response:
    """ministack forgets the log group of a trail."""
    response = await forward(request)
    if response.status != 200:
        return response
    answer = response.json()
    for trail in answer["trailList"]:
        if group := told(state, trail["Name"]).get("log_group"):
            account = f"{request.region}:{request.account}"
            trail["CloudWatchLogsLogGroupArn"] = f"arn:aws:logs:{account}:log-group:{group}:*"
            trail["CloudWatchLogsRoleArn"] = f"arn:aws:iam::{request.account}:role/cloudtrail-to-logs"
    return with_body(response, json.dumps(answer).encode())


def told(state: State, name_or_arn: str) -> dict[str, Any]:
    name = name_or_arn.rpartition("/")[2]
    return next((trail for trail in state.scenario.trails if trail["name"] == name), {})


async def get_trail_status(request: Request, state: State, forward: Forward) -> Response:
    """ministack delivers nothing, so that its trails neither deliver nor fail to."""
    response = await forward(request)
    if response.status != 200:
        return response
    answer = response.json()
    trail = told(state, str(request.params["Name"]))
    delivered = int(state.clock()) - MINUTES_LATE * 60
    for key, what in (("delivery_error", "LatestDelivery"), ("log_delivery_error", "LatestCloudWatchLogsDelivery")):
        if key in trail:
            answer[f"{what}Error"] = trail[key]
        elif answer["IsLogging"] and (key == "delivery_error" or "log_group" in trail):
            answer[f"{what}Time"] = delivered
    return with_body(response, json.dumps(answer).encode())


READS = {"cloudtrail.LookupEvents": lookup_events}
AMENDS = {"cloudtrail.DescribeTrails": describe_trails, "cloudtrail.GetTrailStatus": get_trail_status}
