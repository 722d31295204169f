"""CloudWatch Logs Insights: canned answers, chosen by what the query contains.

ministack runs a small part of the query language and ignores the rest, so its answers prove nothing.
A query without a canned answer is refused, so that a test cannot pass on an empty result.
"""

from typing import Any

from .errors import error_response
from .scenario import check_keys
from .state import State
from .wire import Forward, Request, Response, json_response

ITEM_KEYS = {"log_group", "contains", "why", "results", "status", "running_polls", "never_ends", "error", "message"}


async def start_query(request: Request, state: State, forward: Forward) -> Response:
    response = await forward(request)
    if response.status != 200:
        return response
    query, group = request.params.get("queryString", ""), log_group(request.params)
    answer = next((item for item in state.scenario.insights if suits(item, query, group)), None)
    if answer is None:
        message = f"the scenario has no Insights answer for log group {group!r} and this query: {query}"
        return error_response(request, "MalformedQueryException", message)
    if "error" in answer:
        return error_response(request, answer["error"], answer.get("message", ""))
    state.queries[response.json()["queryId"]] = {**answer, "polls_left": answer.get("running_polls", 1)}
    return response


def suits(item: dict[str, Any], query: str, group: str) -> bool:
    check_keys(item, ITEM_KEYS, "insights item")
    texts = item["contains"] if isinstance(item["contains"], list) else [item["contains"]]
    return item["log_group"] == group and all(text in query for text in texts)


def log_group(params: dict[str, Any]) -> str:
    """The first group the query names, by name or ARN."""
    names = [params.get("logGroupName"), *params.get("logGroupNames", []), *params.get("logGroupIdentifiers", [])]
    first = str(next(filter(None, names), ""))
    return first.partition(":log-group:")[2].removesuffix(":*") if first.startswith("arn:") else first


async def get_query_results(request: Request, state: State, forward: Forward) -> Response:
    query = state.queries.get(request.params.get("queryId", ""))
    if query is None:
        return await forward(request)
    if query["polls_left"] > 0:
        query["polls_left"] -= 0 if query.get("never_ends") else 1
        return json_response({"status": "Running", "results": [], "statistics": statistics(0)})
    status = query.get("status", "Complete")
    rows = query.get("results", []) if status == "Complete" else []
    results = [[{"field": field, "value": str(value)} for field, value in row.items()] for row in rows]
    return json_response({"status": status, "results": results, "statistics": statistics(len(rows))})


def statistics(matched: int) -> dict[str, float]:
    return {"recordsMatched": float(matched), "recordsScanned": float(matched), "bytesScanned": 0.0}


async def stop_query(request: Request, state: State, forward: Forward) -> Response:
    query = state.queries.get(request.params.get("queryId", ""))
    if query is None:
        return await forward(request)
    query["status"], query["polls_left"] = "Cancelled", 0
    return json_response({"success": True})


AMENDS = {
    "logs.StartQuery": start_query,
    "logs.GetQueryResults": get_query_results,
    "logs.StopQuery": stop_query,
}
