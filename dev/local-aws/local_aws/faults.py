"""Faults on purpose: refuse, throttle, fail, delay or cut single AWS calls.

A fault names the operations it meets, what it does, and when. Without a "when" it always strikes.
"""

import fnmatch
import time
from dataclasses import dataclass, fields
from typing import Any

from .errors import error_of_kind, error_response
from .wire import Request, Response

EFFECTS = ("none", "deny", "throttle", "5xx", "drop", "lost", "cut", "error")


@dataclass
class Fault:
    """One fault; the fields are the keys of the JSON object.

    effect: deny | throttle | 5xx | drop (AWS never sees the call; no answer) | lost (AWS acts; no answer) |
    cut (AWS acts; half the answer) | error (`code`, `status`, `message`) | none (only `delay_ms`).
    """

    match: str
    effect: str = "none"
    secret: str = ""
    delay_ms: int = 0
    code: str = "InternalServiceError"
    status: int = 400
    message: str = "injected by a local fault"
    # When: the first `after` matching calls pass, then at most `times` strikes, on every `every`-th call,
    # or on the calls above `rps` per second (with room for `burst`).
    after: int = 0
    times: int | None = None
    every: int = 1
    rps: float | None = None
    burst: float | None = None
    # Counted here, shown by GET /_local/faults.
    seen: int = 0
    struck: int = 0
    tokens: float | None = None
    refilled: float = 0.0


def parse_faults(items: Any) -> list[Fault]:
    """Faults from JSON. A misspelt key is an error: a fault that silently never strikes proves nothing."""
    known = {field.name for field in fields(Fault)}
    faults = []
    for item in items:
        unknown = set(item) - known
        if unknown:
            raise ValueError(f"fault has unknown keys {sorted(unknown)}; known are {sorted(known)}")
        fault = Fault(**item)
        if fault.effect not in EFFECTS:
            raise ValueError(f"fault effect {fault.effect!r} is not one of {EFFECTS}")
        if fault.every < 1:
            raise ValueError("fault key 'every' must be 1 or more")
        faults.append(fault)
    return faults


def strike(faults: list[Fault], request: Request) -> Fault | None:
    """The first fault that meets this call, counted."""
    for fault in faults:
        if meets(fault, request) and is_due(fault):
            fault.struck += 1
            return fault
    return None


def meets(fault: Fault, request: Request) -> bool:
    if not fnmatch.fnmatchcase(request.name.lower(), fault.match.lower()):
        return False
    return fault.secret in request.secret


def is_due(fault: Fault) -> bool:
    fault.seen += 1
    if fault.seen <= fault.after or (fault.seen - fault.after) % fault.every:
        return False
    if fault.times is not None and fault.struck >= fault.times:
        return False
    return fault.rps is None or is_above_rate(fault, time.monotonic())


def is_above_rate(fault: Fault, now: float) -> bool:
    """A token bucket, as AWS throttles: `rps` tokens a second, at most `burst` saved up."""
    assert fault.rps is not None
    capacity = fault.burst or max(fault.rps, 1.0)
    if fault.tokens is None:
        fault.tokens = capacity
    else:
        fault.tokens = min(capacity, fault.tokens + (now - fault.refilled) * fault.rps)
    fault.refilled = now
    if fault.tokens < 1:
        return True
    fault.tokens -= 1
    return False


def fault_response(fault: Fault, request: Request) -> Response | None:
    """The answer of a fault that answers in place of AWS; None if AWS still answers (or nobody does)."""
    if fault.effect in ("none", "drop", "lost", "cut"):
        return None
    if fault.effect == "error":
        return error_response(request, fault.code, fault.message, fault.status)
    return error_of_kind(request, fault.effect)
