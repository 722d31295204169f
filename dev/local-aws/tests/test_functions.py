"""Lambda functions as the audits read them."""

import json
from typing import Any

import pytest
from botocore.exceptions import ClientError
from conftest import error_code

from local_aws.running import Running

API, REPORT = "goal-mandala-prod-api", "goal-mandala-prod-report"
ROTATION, CLOSED, ELSEWHERE = (f"goal-mandala-prod-rotation{end}" for end in ("", "-closed", "-elsewhere"))


def policy(aws: Running, function: str) -> list[dict[str, Any]]:
    return list(json.loads(aws.client("lambda").get_policy(FunctionName=function)["Policy"])["Statement"])


@pytest.mark.parametrize(("function", "account"), [(ROTATION, "123456789012"), (ELSEWHERE, "999999999999")])
def test_who_may_invoke(aws: Running, function: str, account: str) -> None:
    [statement] = policy(aws, function)
    assert (statement["Effect"], statement["Principal"]) == ("Allow", {"Service": "secretsmanager.amazonaws.com"})
    assert statement["Condition"] == {"StringEquals": {"AWS:SourceAccount": account}}


@pytest.mark.parametrize("function", [CLOSED, "goal-mandala-prod-rotation-old"])
def test_no_policy_is_said_as_aws_says_it(aws: Running, function: str) -> None:
    with pytest.raises(ClientError) as error:
        policy(aws, function)
    assert error_code(error) == "ResourceNotFoundException"


def test_configuration(aws: Running) -> None:
    get = aws.client("lambda").get_function_configuration
    api, report = get(FunctionName=API), get(FunctionName=REPORT)
    assert (api["State"], api["LastUpdateStatus"], api["TracingConfig"]["Mode"]) == (
        "Active",
        "Successful",
        "PassThrough",
    )
    assert "KMSKeyArn" not in api and "StateReason" not in api
    assert "LEGACY_API_TOKEN" in api["Environment"]["Variables"]
    assert report["KMSKeyArn"].startswith("arn:aws:kms:") and report["TracingConfig"] == {"Mode": "Active"}
    assert api["Role"] == report["Role"]
    assert api["VpcConfig"]["SubnetIds"] == []


def test_functions_are_listed_in_pages_and_without_their_state(aws: Running) -> None:
    pages = aws.client("lambda").get_paginator("list_functions").paginate(PaginationConfig={"PageSize": 2})
    listed = [function for page in pages for function in page["Functions"]]
    names = [function["FunctionName"] for function in listed]
    assert {API, REPORT, ROTATION, CLOSED, ELSEWHERE} <= set(names) and len(names) == len(set(names))
    assert not any("State" in function or "LastUpdateStatus" in function for function in listed)
    assert all("Role" in function and "Runtime" in function for function in listed)
