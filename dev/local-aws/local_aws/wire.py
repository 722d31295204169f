"""One HTTP request and one HTTP response, as plain data, under ASGI.

Whole bodies are kept in memory: nothing here streams, and the largest body is a backup archive.
"""

import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import parse_qsl

Header = tuple[bytes, bytes]


@dataclass
class Request:
    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes
    scope: dict[str, Any] = field(repr=False)
    service: str = "?"
    operation: str = "?"
    account: str = ""
    region: str = ""
    params: dict[str, Any] = field(default_factory=dict, repr=False)

    @property
    def name(self) -> str:
        return f"{self.service}.{self.operation}"

    @property
    def secret(self) -> str:
        """The secret the call names, by name or ARN as the caller wrote it."""
        if self.service != "secretsmanager":
            return ""
        return str(self.params.get("SecretId") or self.params.get("Name") or "")


@dataclass
class Response:
    status: int
    headers: list[Header]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


Forward = Callable[[Request], Awaitable[Response]]


async def read_request(scope: dict[str, Any], receive: Any) -> Request:
    chunks = []
    while True:
        message = await receive()
        chunks.append(message.get("body", b""))
        if not message.get("more_body"):
            break
    query = dict(parse_qsl(scope.get("query_string", b"").decode(), keep_blank_values=True))
    headers = {key.decode("latin-1").lower(): value.decode("latin-1") for key, value in scope["headers"]}
    return Request(scope["method"], scope["path"], query, headers, b"".join(chunks), scope)


async def write_response(send: Any, response: Response) -> None:
    await send({"type": "http.response.start", "status": response.status, "headers": response.headers})
    await send({"type": "http.response.body", "body": response.body})


async def call_asgi(app: Any, request: Request) -> Response:
    """Hand the request to another ASGI app and collect its answer."""
    body_sent = False
    parts: dict[str, Any] = {"status": 500, "headers": [], "body": []}

    async def receive() -> dict[str, Any]:
        nonlocal body_sent
        if body_sent:
            return {"type": "http.disconnect"}
        body_sent = True
        return {"type": "http.request", "body": request.body, "more_body": False}

    async def send(message: dict[str, Any]) -> None:
        if message["type"] == "http.response.start":
            parts["status"], parts["headers"] = message["status"], list(message["headers"])
        elif message["type"] == "http.response.body":
            parts["body"].append(message.get("body", b""))

    await app(request.scope, receive, send)
    return Response(parts["status"], parts["headers"], b"".join(parts["body"]))


def json_response(data: Any, status: int = 200, content_type: str = "application/x-amz-json-1.1") -> Response:
    body = json.dumps(data, ensure_ascii=False).encode()
    return with_body(Response(status, [(b"content-type", content_type.encode())], b""), body)


def with_body(response: Response, body: bytes) -> Response:
    """The same answer with another body; its length header follows."""
    headers = [header for header in response.headers if header[0].lower() != b"content-length"]
    headers.append((b"content-length", str(len(body)).encode()))
    return replace(response, headers=headers, body=body)
