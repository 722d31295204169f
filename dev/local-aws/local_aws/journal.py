"""The journal: one line per AWS call, so that a test can say what was called, how often and in which order.

It never holds a body: a value in a request must not find its way into a test report.
"""

from typing import Any

from .errors import error_code
from .wire import Request, Response

# What a write to S3 depends on, and how it is encrypted.
KEPT_HEADERS = (
    "if-match",
    "if-none-match",
    "x-amz-expected-bucket-owner",
    "x-amz-server-side-encryption",
    "x-amz-server-side-encryption-aws-kms-key-id",
)


def entry(request: Request, response: Response | None, started: float, fault: str) -> dict[str, Any]:
    """`response` is None when the connection was dropped."""
    failed = response is not None and response.status >= 400
    return {
        "time": round(started, 6),
        "service": request.service,
        "operation": request.operation,
        "secret": request.secret,
        "resource": resource(request),
        "status": response.status if response else 0,
        "error": error_code(response) if failed and response else "",
        "fault": fault,
        "headers": {name: request.headers[name] for name in KEPT_HEADERS if name in request.headers},
        # Yes or no only, which cannot be a value.
        "flags": {name: given for name, given in request.params.items() if isinstance(given, bool)},
    }


def resource(request: Request) -> str:
    """What the call was about, when it names one thing."""
    if request.service == "s3":
        return "/".join(part for part in (request.params.get("Bucket"), request.params.get("Key")) if part)
    if request.secret:
        return request.secret
    for key in ("KeyId", "TopicArn", "logGroupName", "FunctionName", "RoleName", "PolicySourceArn"):
        if request.params.get(key):
            return str(request.params[key])
    return ""
