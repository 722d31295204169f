"""AWS error answers in the protocol of the service: JSON, REST-JSON, XML (S3), query XML, CBOR."""

import json
from xml.sax.saxutils import escape

import cbor2

from .wire import Request, Response, with_body

QUERY_SERVICES = {"sns", "iam", "sts", "sqs", "cloudformation"}
REST_JSON_SERVICES = {"lambda", "scheduler"}

# kind -> service -> (code, status, message). "*" is what most JSON services say.
KINDS: dict[str, dict[str, tuple[str, int, str]]] = {
    "deny": {
        "*": ("AccessDeniedException", 400, "is not authorized to perform"),
        "lambda": ("AccessDeniedException", 403, "is not authorized to perform"),
        "cloudwatch": ("AccessDeniedException", 403, "is not authorized to perform"),
        "s3": ("AccessDenied", 403, "Access Denied"),
        "sns": ("AuthorizationError", 403, "is not authorized to perform"),
        "iam": ("AccessDenied", 403, "is not authorized to perform"),
        "sts": ("AccessDenied", 403, "is not authorized to perform"),
    },
    "throttle": {
        "*": ("ThrottlingException", 400, "Rate exceeded"),
        "lambda": ("TooManyRequestsException", 429, "Rate Exceeded."),
        "ce": ("LimitExceededException", 400, "Rate limit exceeded"),
        "s3": ("SlowDown", 503, "Please reduce your request rate."),
        "sns": ("Throttling", 400, "Rate exceeded"),
        "iam": ("Throttling", 400, "Rate exceeded"),
        "sts": ("Throttling", 400, "Rate exceeded"),
    },
    "5xx": {
        "*": ("InternalServiceError", 500, "An error occurred on the server side."),
        "kms": ("KMSInternalException", 500, "An error occurred on the server side."),
        "logs": ("ServiceUnavailableException", 503, "An error occurred on the server side."),
        "lambda": ("ServiceException", 500, "An error occurred on the server side."),
        "s3": ("InternalError", 500, "We encountered an internal error. Please try again."),
        "sns": ("InternalError", 500, "An error occurred on the server side."),
        "iam": ("ServiceFailure", 500, "An error occurred on the server side."),
    },
}


def error_of_kind(request: Request, kind: str) -> Response:
    """A denial, a throttle or a server error as this service words it."""
    table = KINDS[kind]
    code, status, message = table.get(request.service, table["*"])
    if kind == "deny" and message != "Access Denied":
        caller = f"arn:aws:sts::{request.account}:assumed-role/local/local"
        message = f"User: {caller} {message}: {request.service}:{request.operation} because of a local fault"
    return error_response(request, code, message, status)


def error_response(request: Request, code: str, message: str, status: int = 400) -> Response:
    content_type, body = "application/x-amz-json-1.1", b""
    extra = [(b"x-amzn-errortype", code.encode()), (b"x-amzn-requestid", b"00000000-0000-4000-8000-000000000000")]
    if request.path.startswith("/service/"):
        content_type, body = "application/cbor", cbor2.dumps({"__type": code, "message": message})
        extra.append((b"smithy-protocol", b"rpc-v2-cbor"))
    elif request.service == "s3":
        content_type = "application/xml"
        xml = f"<Error><Code>{escape(code)}</Code><Message>{escape(message)}</Message></Error>"
        body = b"" if request.method == "HEAD" else f'<?xml version="1.0" encoding="UTF-8"?>{xml}'.encode()
    elif request.service in QUERY_SERVICES:
        content_type = "text/xml"
        side = "Sender" if status < 500 else "Receiver"
        detail = f"<Type>{side}</Type><Code>{escape(code)}</Code><Message>{escape(message)}</Message>"
        body = f"<ErrorResponse><Error>{detail}</Error><RequestId>0</RequestId></ErrorResponse>".encode()
    elif request.service in REST_JSON_SERVICES:
        content_type, body = "application/json", json.dumps({"Type": "User", "message": message}).encode()
    else:
        body = json.dumps({"__type": code, "message": message}).encode()
    return with_body(Response(status, [(b"content-type", content_type.encode()), *extra], b""), body)


def error_code(response: Response) -> str:
    """The code of an error answer, whatever its protocol, for the journal; "" if it has none."""
    for name, value in response.headers:
        if name.lower() == b"x-amzn-errortype":
            return value.decode().split(":")[0]
    for start, end in ((b"<Code>", b"</Code>"), (b'"__type": "', b'"'), (b'"__type":"', b'"')):
        if start in response.body:
            return response.body.split(start, 1)[1].split(end, 1)[0].decode().rpartition("#")[2]
    return ""
