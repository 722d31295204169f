"""Runs the local AWS: ministack and the overlay in one process, on one port, until it is told to stop."""

import asyncio
import os
import signal
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import Any

from hypercorn.app_wrappers import ASGIWrapper
from hypercorn.asyncio.lifespan import Lifespan
from hypercorn.asyncio.tcp_server import TCPServer
from hypercorn.asyncio.worker_context import WorkerContext
from hypercorn.config import Config

from .faults import Fault
from .scenario import Scenario
from .state import State, ticking_clock


def run(scenario: Scenario, bind: str, port: int, *, auth: bool, ready_file: Path | None, faults: list[Fault]) -> None:
    listener = socket.create_server((bind, port), backlog=512)
    # Without this every small answer waits 40 ms for the caller's acknowledgement.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    endpoint = f"http://{bind}:{listener.getsockname()[1]}"
    asyncio.run(serve(listener, endpoint, scenario, auth, ready_file, faults))


async def serve(
    listener: socket.socket, endpoint: str, scenario: Scenario, auth: bool, ready_file: Path | None, faults: list[Fault]
) -> None:
    configure_ministack(endpoint, scenario, auth)
    # ministack reads its settings when it is imported, so these imports come after them.
    from ministack.app import app as ministack

    from . import secrets_seed, trail_events
    from .overlay import make_app
    from .seed import seed_account

    state = State(scenario, auth, clock=ticking_clock(scenario.now.timestamp()))
    stop = asyncio.Event()
    for name in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(name, stop.set)
    async with connections(listener, make_app(ministack, state), state):
        state.key_arns = await asyncio.to_thread(seed_account, scenario, endpoint)
        secrets_seed.seed_all(scenario, state.key_arns)
        state.events = trail_events.build(scenario, state.key_arns)
        state.journal.clear()
        state.faults.extend(faults)
        announce(endpoint, scenario, ready_file)
        await stop.wait()


def configure_ministack(endpoint: str, scenario: Scenario, auth: bool) -> None:
    port = endpoint.rpartition(":")[2]
    os.environ.update(
        {
            "GATEWAY_PORT": port,
            "MINISTACK_HOST": "localhost",
            "MINISTACK_ACCOUNT_ID": scenario.account,
            "MINISTACK_REGION": scenario.region,
            "AUTH": str(auth).lower(),
            "AWS_ENDPOINT_URL": endpoint,
            "IOT_MTLS_ENABLED": "0",
            "SFTP_ENABLED": "0",
            "LOG_LEVEL": os.environ.get("LOG_LEVEL", "WARNING"),
        }
    )


@asynccontextmanager
async def connections(listener: socket.socket, app: Any, state: State) -> AsyncIterator[None]:
    """Hypercorn's connection handling, with the open connections kept so that a fault can cut one."""
    loop = asyncio.get_running_loop()
    wrapped, config, context = ASGIWrapper(app), Config(), WorkerContext(None)
    config.keep_alive_timeout = 75
    lifespan_state: dict[str, Any] = {}
    lifespan = Lifespan(wrapped, config, loop, lifespan_state)
    lifespan_task = loop.create_task(lifespan.handle_lifespan())
    await lifespan.wait_for_startup()
    tasks: set[asyncio.Task[Any]] = set()

    async def on_connection(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        client = writer.get_extra_info("peername")[:2]
        state.connections[client] = writer
        try:
            # asyncio would report a cancelled connection as an error; here it is the way to stop.
            with suppress(asyncio.CancelledError):
                await TCPServer(wrapped, loop, config, context, lifespan_state, reader, writer)
        finally:
            state.connections.pop(client, None)
            tasks.discard(task)

    server = await asyncio.start_server(on_connection, sock=listener)
    try:
        yield
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks)
        await lifespan.wait_for_shutdown()
        lifespan_task.cancel()
        with suppress(asyncio.CancelledError):
            await lifespan_task


def announce(endpoint: str, scenario: Scenario, ready_file: Path | None) -> None:
    print(f"local AWS {scenario.name} at {endpoint}", flush=True)
    if ready_file:
        # Written whole under another name first: a waiting script must not read half a line.
        unfinished = ready_file.with_name(ready_file.name + ".part")
        unfinished.write_text(endpoint + "\n", encoding="utf-8")
        unfinished.rename(ready_file)


def parse_now(text: str | None) -> datetime:
    if text is None:
        return datetime.now().astimezone()
    now = datetime.fromisoformat(text)
    if now.tzinfo is None:
        raise ValueError(f"--now {text!r} needs an offset such as +09:00")
    return now
