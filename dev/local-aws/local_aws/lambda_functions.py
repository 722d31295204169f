"""Lambda: what ministack shows of functions that AWS does not, and a policy where AWS says that there is none."""

import json
from typing import Any

from .errors import error_response
from .state import State
from .wire import Forward, Request, Response, with_body

# ListFunctions leaves them to GetFunctionConfiguration.
NOT_LISTED = (
    "State", "StateReason", "StateReasonCode", "LastUpdateStatus", "LastUpdateStatusReason",
    "LastUpdateStatusReasonCode", "RuntimeVersionConfig",
)  # fmt: skip
# Left out where they are empty.
OPTIONAL = (
    "KMSKeyArn", "StateReason", "StateReasonCode", "LastUpdateStatusReason", "LastUpdateStatusReasonCode", "Layers",
)  # fmt: skip


async def get_policy(request: Request, state: State, forward: Forward) -> Response:
    response = await forward(request)
    if response.status == 200 and not json.loads(response.json()["Policy"])["Statement"]:
        message = "The resource you requested does not exist."
        return error_response(request, "ResourceNotFoundException", message, 404)
    return response


async def get_function_configuration(request: Request, state: State, forward: Forward) -> Response:
    response = await forward(request)
    if response.status != 200:
        return response
    configuration = as_aws_shows(response.json())
    told = next((one for one in state.scenario.functions if one["name"] == configuration["FunctionName"]), {})
    # Of a function that the scenario tells, ministack would say for some seconds that it is being made.
    if told:
        configuration |= {"State": told.get("state", "Active"), "LastUpdateStatus": "Successful"}
        configuration.pop("StateReason", None)
        configuration.pop("StateReasonCode", None)
    return with_body(response, json.dumps(configuration).encode())


async def list_functions(request: Request, state: State, forward: Forward) -> Response:
    response = await forward(request)
    if response.status != 200:
        return response
    answer = response.json()
    answer["Functions"] = [
        {key: value for key, value in as_aws_shows(one).items() if key not in NOT_LISTED} for one in answer["Functions"]
    ]
    return with_body(response, json.dumps(answer).encode())


def as_aws_shows(configuration: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in configuration.items() if value or key not in OPTIONAL}


AMENDS = {
    "lambda.GetPolicy": get_policy,
    "lambda.GetFunctionConfiguration": get_function_configuration,
    "lambda.ListFunctions": list_functions,
}
