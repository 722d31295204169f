"""The ASGI app in front of ministack: names each call, applies faults, answers or passes on, keeps the journal.

READS answer in place of ministack. AMENDS call ministack themselves and put the call or its answer
right. Everything else passes through unchanged.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from . import (
    cloudtrail,
    control,
    cost_explorer,
    iam_details,
    iam_simulator,
    journal,
    kms,
    lambda_functions,
    logs,
    metrics,
    secrets_manager,
    sns,
)
from .faults import Fault, fault_response, strike
from .identify import identify
from .state import State
from .wire import Forward, Request, Response, call_asgi, read_request, write_response

Handler = Callable[[Request, State, Forward], Awaitable[Response]]

READS: Mapping[str, Handler] = secrets_manager.READS | cloudtrail.READS | cost_explorer.READS | kms.READS
AMENDED = (cloudtrail, iam_details, iam_simulator, kms, lambda_functions, logs, metrics, secrets_manager, sns)
AMENDS: Mapping[str, Handler] = {name: handler for module in AMENDED for name, handler in module.AMENDS.items()}

DENIALS = (
    b"AccessDenied",
    b"InvalidSignature",
    b"SignatureDoesNotMatch",
    b"UnrecognizedClient",
    b"MissingAuthentication",
)


def make_app(ministack: Any, state: State) -> Any:
    async def forward(request: Request) -> Response:
        return await call_asgi(ministack, request)

    async def app(scope: dict[str, Any], receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            await ministack(scope, receive, send)
            return
        request = await read_request(scope, receive)
        if request.path.startswith("/_local/"):
            await write_response(send, control.answer(request, state))
            return
        identify(request)
        if state.auth and "x-forwarded-proto" not in request.headers:
            # AWS is reached over TLS, and policies say that it must be. A caller's own header stands.
            scope["headers"] = [*scope["headers"], (b"x-forwarded-proto", b"https")]
        # After a reset, a call that began before it is in nobody's journal any more.
        lines = state.journal
        started = time.time()
        fault = strike(state.faults, request)
        response = await answer(request, state, forward, fault)
        lines.append(journal.entry(request, response, started, fault.effect if fault else ""))
        await deliver(send, scope, state, response, fault)

    return app


async def answer(request: Request, state: State, forward: Forward, fault: Fault | None) -> Response | None:
    """The answer to a call; None when a fault keeps the call from AWS and the caller from an answer."""
    if fault:
        await asyncio.sleep(fault.delay_ms / 1000)
        if fault.effect == "drop":
            return None
        if response := fault_response(fault, request):
            return response
    if refusal := secrets_manager.refuse_unknown_arn(request):
        return refusal
    if handler := AMENDS.get(request.name):
        return await handler(request, state, forward)
    if handler := READS.get(request.name):
        # With --auth ministack decides who may call; its answer is used only if it is a refusal.
        if state.auth and is_denial(denial := await forward(request)):
            return denial
        return await handler(request, state, forward)
    return await forward(request)


def is_denial(response: Response) -> bool:
    return response.status >= 400 and any(word in response.body for word in DENIALS)


async def deliver(
    send: Any, scope: dict[str, Any], state: State, response: Response | None, fault: Fault | None
) -> None:
    """Send the answer, or what a fault leaves of it."""
    connection = state.connections.get((scope["client"][0], scope["client"][1]))
    if connection is None:
        return  # the caller did not wait
    effect = fault.effect if fault else ""
    if response is None or effect == "lost" or (effect == "cut" and not response.body):
        connection.transport.abort()
        return
    if effect == "cut":
        await send({"type": "http.response.start", "status": response.status, "headers": response.headers})
        await send({"type": "http.response.body", "body": response.body[: len(response.body) // 2], "more_body": True})
        connection.close()
        return
    await write_response(send, response)
