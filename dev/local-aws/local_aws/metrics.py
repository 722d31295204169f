"""CloudWatch GetMetricData: the scenario's past metrics, merged with what PutMetricData really stored.

The Rust SDK and boto3 speak CBOR here; the older JSON protocol works too.
"""

import json
from datetime import UTC, datetime
from typing import Any

import cbor2

from .dates import resolve
from .scenario import Scenario, check_keys
from .state import State
from .wire import Forward, Request, Response, with_body

ITEM_KEYS = {"namespace", "name", "dimensions", "why", "per_hour", "value", "stats", "since", "points"}
HOUR = 3600
MAX_POINTS = 100_800


async def get_metric_data(request: Request, state: State, forward: Forward) -> Response:
    response = await forward(request)
    is_cbor = request.path.startswith("/service/")
    if response.status != 200 or not (is_cbor or "x-amz-target" in request.headers):
        return response
    answer = cbor2.loads(response.body) if is_cbor else response.json()
    queries = {query["Id"]: query for query in request.params.get("MetricDataQueries", [])}
    start, end = epoch(request.params["StartTime"]), epoch(request.params["EndTime"])
    newest_first = request.params.get("ScanBy", "TimestampDescending") == "TimestampDescending"
    for result in answer["MetricDataResults"]:
        stored = zip(map(epoch, result["Timestamps"]), result["Values"], strict=True)
        told = scenario_points(queries[result["Id"]].get("MetricStat"), state.scenario, start, end)
        points = sorted({**told, **dict(stored)}.items(), reverse=newest_first)
        result["Timestamps"] = [datetime.fromtimestamp(at, UTC) if is_cbor else at for at, _ in points]
        result["Values"] = [float(value) for _, value in points]
    if is_cbor:
        return with_body(response, cbor2.dumps(answer, datetime_as_timestamp=True))
    return with_body(response, json.dumps(answer).encode())


def epoch(moment: Any) -> float:
    return moment.timestamp() if isinstance(moment, datetime) else float(moment)


def scenario_points(stat: dict[str, Any] | None, scenario: Scenario, start: float, end: float) -> dict[float, float]:
    """Values by the start of their period; none for a metric that the scenario does not tell."""
    if stat is None:
        return {}
    metric = stat["Metric"]
    dimensions = {dimension["Name"]: dimension["Value"] for dimension in metric.get("Dimensions", [])}
    for item in scenario.metrics:
        check_keys(item, ITEM_KEYS, "metrics item")
        same = (item["namespace"], item["name"]) == (metric["Namespace"], metric["MetricName"])
        if same and item.get("dimensions", {}) == dimensions:
            return item_points(item, stat["Stat"], int(stat["Period"]), scenario, start, end)
    return {}


def item_points(
    item: dict[str, Any], stat: str, period: int, scenario: Scenario, start: float, end: float
) -> dict[float, float]:
    if "points" in item:
        return sums_of_points(item["points"], period, scenario, start, end)
    oldest = resolve(item.get("since", "-90d"), scenario.now)
    newest = min(end, scenario.now.timestamp())
    first = int(max(start, oldest)) // period * period
    # `per_hour` is a count, spread evenly; `value` is a measure that is the same at any time; `stats` are the figures
    # of a measure that is spread, each under the name that a query asks for it by.
    if stat in item.get("stats", {}):
        value = float(item["stats"][stat])
    elif "stats" in item and stat != "SampleCount":
        return {}
    elif "value" in item:
        value = float(item["value"])
    else:
        value = item["per_hour"] * period / HOUR if stat in ("Sum", "SampleCount") else 1.0
    moments = range(first, int(newest), period)[:MAX_POINTS]
    return {float(moment): value for moment in moments}


def sums_of_points(
    points: list[dict[str, Any]], period: int, scenario: Scenario, start: float, end: float
) -> dict[float, float]:
    sums: dict[float, float] = {}
    for point in points:
        moment = resolve(point["at"], scenario.now)
        if start <= moment < end:
            bucket = float(moment // period * period)
            sums[bucket] = sums.get(bucket, 0.0) + point["value"]
    return sums


AMENDS = {"cloudwatch.GetMetricData": get_metric_data}
