"""The control API for tests, under /_local/. It is no part of AWS and needs no signature."""

import fnmatch
import json
from typing import Any

from .faults import parse_faults
from .secrets_seed import seed
from .state import State
from .wire import Request, Response, json_response


def answer(request: Request, state: State) -> Response:
    """A wrong request is answered with 400 and the reason."""
    try:
        data = json.loads(request.body) if request.body else None
        result = act(request.method, request.path.removeprefix("/_local/"), request.query, data, state)
    except (ValueError, TypeError, KeyError) as error:
        return json_response({"error": f"{type(error).__name__}: {error}"}, 400, "application/json")
    if result is None:
        return json_response({"error": f"unknown: {request.method} {request.path}"}, 404, "application/json")
    return json_response(result, content_type="application/json")


def act(method: str, what: str, query: dict[str, str], data: Any, state: State) -> Any:
    match (method, what):
        case ("GET", "health"):
            now = state.scenario.now.isoformat()
            return {"scenario": state.scenario.name, "now": now, "account": state.scenario.account}
        case ("GET", "faults"):
            return [vars(fault) for fault in state.faults]
        case ("POST", "faults"):
            state.faults[:] = parse_faults(data)
            return {"faults": len(state.faults)}
        case ("GET", "journal"):
            wanted = query.get("match", "*").lower()
            return [line for line in state.journal if fnmatch.fnmatchcase(line_name(line), wanted)]
        case ("GET", "notices"):
            return state.notices
        case ("POST", "webhook"):
            state.notices.append({"time": state.clock(), "channel": "webhook", "message": data})
            return {"ok": True}
        case ("POST", "secrets"):
            return {"secrets": seed(state.scenario, data, state.key_arns)}
        case ("POST", "reset"):
            state.faults.clear()
            state.notices.clear()
            state.journal = []
            return {"ok": True}
    return None


def line_name(line: dict[str, Any]) -> str:
    return f"{line['service']}.{line['operation']}".lower()
