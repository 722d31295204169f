"""SNS Publish: ministack delivers it, and the overlay keeps a copy for GET /_local/notices."""

from .state import State
from .wire import Forward, Request, Response


async def publish(request: Request, state: State, forward: Forward) -> Response:
    response = await forward(request)
    if response.status == 200:
        notice = {"channel": "sns", "topic_arn": request.params.get("TopicArn", "")}
        notice |= {"subject": request.params.get("Subject", ""), "message": request.params.get("Message", "")}
        state.notices.append({"time": state.clock(), **notice})
    return response


AMENDS = {"sns.Publish": publish}
