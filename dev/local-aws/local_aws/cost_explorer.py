"""Cost Explorer GetCostAndUsage by month. ministack has no Cost Explorer.

A scenario gives the cost of whole months, counted from the present one (0, -1, ...). Part of a month
answers with the cost of the whole: it is the caller's task to ask for whole months.
"""

from datetime import date
from typing import Any

from .errors import error_response
from .scenario import check_keys
from .state import State
from .wire import Forward, Request, Response, json_response

ITEM_KEYS = {"month", "usage_type", "usd", "quantity"}
SERVICE = "AWS Secrets Manager"


async def get_cost_and_usage(request: Request, state: State, forward: Forward) -> Response:
    if not state.scenario.costs:
        message = "The requested data is unavailable: the scenario tells no costs."
        return error_response(request, "DataUnavailableException", message)
    period = request.params["TimePeriod"]
    start, end = date.fromisoformat(period["Start"]), date.fromisoformat(period["End"])
    if start >= end:
        return error_response(
            request, "ValidationException", "Start date (and hour) should be before end date (and hour)"
        )
    if request.params.get("Granularity") != "MONTHLY":
        return error_response(request, "ValidationException", "the local Cost Explorer knows only MONTHLY")
    buckets = []
    while start < end:
        next_start = min(first_of_next_month(start), end)
        buckets.append(bucket(start, next_start, request.params, state))
        start = next_start
    return json_response({"ResultsByTime": buckets, "DimensionValueAttributes": []})


def bucket(start: date, end: date, params: dict[str, Any], state: State) -> dict[str, Any]:
    today = state.scenario.now.date()
    month = (start.year - today.year) * 12 + start.month - today.month
    by_usage_type = any(group["Key"] == "USAGE_TYPE" for group in params.get("GroupBy", []))
    costs: dict[str, tuple[float, float]] = {}
    for item in state.scenario.costs:
        check_keys(item, ITEM_KEYS, "costs item")
        if item["month"] == month:
            key = item["usage_type"] if by_usage_type else SERVICE
            usd, quantity = costs.get(key, (0.0, 0.0))
            costs[key] = (usd + item["usd"], quantity + item.get("quantity", 0))
    names = params.get("Metrics", ["UnblendedCost"])
    grouped = bool(params.get("GroupBy"))
    return {
        "TimePeriod": {"Start": start.isoformat(), "End": end.isoformat()},
        # Figures of the running month still change.
        "Estimated": month >= 0,
        "Groups": [{"Keys": [key], "Metrics": amounts(names, *pair)} for key, pair in costs.items()] if grouped else [],
        "Total": {} if grouped else amounts(names, *costs.get(SERVICE, (0.0, 0.0))),
    }


def amounts(names: list[str], usd: float, quantity: float) -> dict[str, dict[str, str]]:
    """Amounts are texts, as AWS gives them."""
    return {
        name: {"Amount": str(quantity), "Unit": "N/A"}
        if name == "UsageQuantity"
        else {"Amount": f"{usd:.10f}", "Unit": "USD"}
        for name in names
    }


def first_of_next_month(day: date) -> date:
    return date(day.year + day.month // 12, day.month % 12 + 1, 1)


READS = {"ce.GetCostAndUsage": get_cost_and_usage}
