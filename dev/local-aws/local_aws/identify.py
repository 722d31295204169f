"""Which AWS operation is this request? Finds service, operation, account, Region and parameters.

Every AWS protocol says it differently: a target header (JSON), a path (CBOR and REST), a form
field (query), or method, path and query together (S3).
"""

import json
import re
from functools import cache
from typing import Any
from urllib.parse import parse_qsl

import botocore.exceptions
import botocore.loaders
import cbor2

from .wire import Request

DEFAULT_ACCOUNT = "123456789012"
DEFAULT_REGION = "ap-northeast-1"

# The name in a signature is not always the name in the documentation.
SIGNING_NAMES = {"monitoring": "cloudwatch"}
TARGET_PREFIXES = {"GraniteServiceVersion20100801": "cloudwatch", "Logs_20140328": "logs", "TrentService": "kms"}

CREDENTIAL = re.compile(r"Credential=([^/,\s]+)/\d+/([^/]+)/([^/]+)/aws4_request")
CBOR_PATH = re.compile(r"^/service/([^/]+)/operation/([^/]+)$")

# (method, on an object?, query parameter or None) -> operation; the first match wins.
S3_OPERATIONS = [
    ("POST", True, "uploads", "CreateMultipartUpload"),
    ("POST", True, "uploadId", "CompleteMultipartUpload"),
    ("PUT", True, "partNumber", "UploadPart"),
    ("DELETE", True, "uploadId", "AbortMultipartUpload"),
    ("GET", True, "uploadId", "ListParts"),
    ("PUT", True, "tagging", "PutObjectTagging"),
    ("GET", True, "tagging", "GetObjectTagging"),
    ("PUT", True, "retention", "PutObjectRetention"),
    ("GET", True, "retention", "GetObjectRetention"),
    ("GET", True, "attributes", "GetObjectAttributes"),
    ("PUT", True, None, "PutObject"),
    ("GET", True, None, "GetObject"),
    ("HEAD", True, None, "HeadObject"),
    ("DELETE", True, None, "DeleteObject"),
    ("GET", False, "list-type", "ListObjectsV2"),
    ("GET", False, "versions", "ListObjectVersions"),
    ("GET", False, "uploads", "ListMultipartUploads"),
    ("GET", False, "versioning", "GetBucketVersioning"),
    ("PUT", False, "versioning", "PutBucketVersioning"),
    ("GET", False, "encryption", "GetBucketEncryption"),
    ("PUT", False, "encryption", "PutBucketEncryption"),
    ("GET", False, "object-lock", "GetObjectLockConfiguration"),
    ("DELETE", False, "encryption", "DeleteBucketEncryption"),
    ("GET", False, "publicAccessBlock", "GetPublicAccessBlock"),
    ("PUT", False, "publicAccessBlock", "PutPublicAccessBlock"),
    ("DELETE", False, "publicAccessBlock", "DeletePublicAccessBlock"),
    ("GET", False, "policy", "GetBucketPolicy"),
    ("PUT", False, "policy", "PutBucketPolicy"),
    ("DELETE", False, "policy", "DeleteBucketPolicy"),
    ("GET", False, "location", "GetBucketLocation"),
    ("POST", False, "delete", "DeleteObjects"),
    ("GET", False, None, "ListObjects"),
    ("HEAD", False, None, "HeadBucket"),
    ("PUT", False, None, "CreateBucket"),
    ("DELETE", False, None, "DeleteBucket"),
]


def identify(request: Request) -> None:
    """Fill in service, operation, account, Region and parameters."""
    access_key, request.region, signing_name = credential_scope(request)
    request.account = account_of(access_key)
    request.service = SIGNING_NAMES.get(signing_name, signing_name)
    target_prefix, _, target = request.headers.get("x-amz-target", "").rpartition(".")
    if cbor_path := CBOR_PATH.match(request.path):
        request.service = TARGET_PREFIXES.get(cbor_path[1], request.service)
        request.operation = cbor_path[2]
        request.params = cbor2.loads(request.body) if request.body else {}
    elif target:
        request.service = TARGET_PREFIXES.get(target_prefix, request.service)
        request.operation = target
        request.params = json_object(request.body)
    elif request.service == "s3":
        bucket, key = s3_address(request)
        request.operation = s3_operation(request, bucket, key)
        request.params = {"Bucket": bucket, "Key": key}
    elif request.headers.get("content-type", "").startswith("application/x-www-form-urlencoded"):
        request.params = dict(parse_qsl(request.body.decode(), keep_blank_values=True))
        request.operation = request.params.get("Action", "?")
    else:
        request.operation, request.params = rest_operation(request)


def account_of(access_key: str) -> str:
    """The key itself, the account of the role that gave it, or the default one."""
    if re.fullmatch(r"\d{12}", access_key):
        return access_key
    # ministack reads its settings when it is imported, and clients import this module too.
    from ministack.core.responses import _account_from_sts_session

    return _account_from_sts_session(access_key) or DEFAULT_ACCOUNT


def credential_scope(request: Request) -> tuple[str, str, str]:
    """Access key, Region and service of the signature, in the header or in a presigned URL."""
    presigned = request.query.get("X-Amz-Credential", "")
    text = f"Credential={presigned}" if presigned else request.headers.get("authorization", "")
    found = CREDENTIAL.search(text)
    return (found[1], found[2], found[3]) if found else (DEFAULT_ACCOUNT, DEFAULT_REGION, "?")


def s3_address(request: Request) -> tuple[str, str]:
    """Bucket and key, path style or virtual-hosted."""
    host = request.headers.get("host", "").split(":")[0]
    if host.endswith(".localhost"):
        return host.removesuffix(".localhost"), request.path.lstrip("/")
    bucket, _, key = request.path.lstrip("/").partition("/")
    return bucket, key


def s3_operation(request: Request, bucket: str, key: str) -> str:
    if not bucket:
        return "ListBuckets"
    if request.method == "PUT" and key and "x-amz-copy-source" in request.headers:
        return "UploadPartCopy" if "partNumber" in request.query else "CopyObject"
    for method, on_object, parameter, operation in S3_OPERATIONS:
        if method == request.method and on_object == bool(key) and parameter in (None, *request.query):
            return operation
    return "?"


def rest_operation(request: Request) -> tuple[str, dict[str, Any]]:
    """Operation and path parameters of a REST service such as Lambda."""
    for method, pattern, operation in rest_routes(request.service):
        found = pattern.match(request.path)
        if method == request.method and found:
            return operation, found.groupdict()
    return "?", {}


@cache
def rest_routes(service: str) -> list[tuple[str, re.Pattern[str], str]]:
    """The routes of a service, from the model that botocore carries."""
    try:
        model = botocore.loaders.Loader().load_service_model(service, "service-2")
    except botocore.exceptions.UnknownServiceError:
        return []
    routes = []
    for operation, shape in model["operations"].items():
        path = shape["http"]["requestUri"].split("?")[0].rstrip("/")
        pattern = re.sub(r"\{(\w+)\+?\}", r"(?P<\1>[^/]+)", path)
        routes.append((shape["http"]["method"], re.compile(f"^{pattern}/?$"), operation))
    return routes


def json_object(body: bytes) -> dict[str, Any]:
    """A JSON object, or nothing: ministack answers malformed bodies itself."""
    try:
        data = json.loads(body) if body else {}
    except ValueError:
        return {}
    return data if isinstance(data, dict) else {}
