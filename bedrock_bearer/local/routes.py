"""What the routes of other APIs share: OpenAI's Chat Completions and Anthropic's Messages.

Their requests are translated into Converse requests, so that scripts, faults, keys and policies
work alike on every route; the replies and errors are translated back.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import replace
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from bedrock_bearer.local.framing import SERVER_SENT_EVENTS, server_sent_event
from bedrock_bearer.local.http import LocalResponse, json_response
from bedrock_bearer.local.service_errors import ServiceError, invalid
from bedrock_bearer.local.validation import read_json

CHAT_COMPLETIONS = "ChatCompletions"
MESSAGES = "Messages"

_CODE_OF_STATUS = {401: "invalid_api_key", 403: "access_denied", 404: "model_not_found"}
_ANTHROPIC_TYPE_OF_STATUS = {
    400: "invalid_request_error",
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    503: "overloaded_error",
}


class RouteModel(BaseModel):
    """A part of a request. Members that it does not name are ignored."""

    model_config = ConfigDict(extra="ignore", strict=True)


RequestT = TypeVar("RequestT", bound=RouteModel)


def read_request(model: type[RequestT], body: bytes) -> RequestT:
    """Return a request's body as a model, or refuse it."""
    document = {name: value for name, value in read_json(body).items() if value is not None}
    try:
        return model.model_validate(document)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        place = ".".join(map(str, first["loc"]))
        raise invalid(f"{place}: {first['msg']}") from None


def model_named_in(body: bytes) -> str:
    """Return the `model` of a request's body, or an empty text."""
    try:
        model = read_json(body).get("model")
    except ServiceError:
        return ""
    return model if isinstance(model, str) else ""


def server_sent_events(events: Iterable[tuple[str | None, Any]]) -> LocalResponse:
    """Return a stream of server-sent events, each with its name, if it has one, and its data."""
    chunks = tuple(server_sent_event(name, data) for name, data in events)
    return LocalResponse(200, {"Content-Type": SERVER_SENT_EVENTS}, chunks)


def in_the_form_of(operation: str, response: LocalResponse) -> LocalResponse:
    """Return Bedrock's own error in the form that the route's clients expect."""
    if response.status < 400 or operation not in (CHAT_COMPLETIONS, MESSAGES):
        return response
    try:
        body = json.loads(response.body)
        message = body.get("message") or body.get("Message")
    except (AttributeError, ValueError):
        return response
    status = _status_on(operation, response.status, message)
    error = _ERRORS[operation](status, message)
    rest = {n: v for n, v in response.headers.items() if n.startswith("x-amz")}
    rendered = json_response(status, error)
    return replace(
        response, status=status, headers={**rest, **rendered.headers}, chunks=rendered.chunks
    )


def _status_on(operation: str, status: int, message: str) -> int:
    # OpenAI's route answers every refusal of a key or by a policy with 401.
    is_denial = " is not authorized to perform: " in message
    if status == 403 and (operation == CHAT_COMPLETIONS or not is_denial):
        return 401
    return status


def _openai_error(status: int, message: str) -> dict[str, Any]:
    is_denial = " is not authorized to perform: " in message
    code = "access_denied" if is_denial else _CODE_OF_STATUS.get(status)
    kind = "server_error" if status >= 500 else "invalid_request_error"
    return {"error": {"code": code, "message": message, "param": None, "type": kind}}


def _anthropic_error(status: int, message: str) -> dict[str, Any]:
    kind = _ANTHROPIC_TYPE_OF_STATUS.get(status, "api_error")
    return {"type": "error", "error": {"type": kind, "message": message}}


_ERRORS = {CHAT_COMPLETIONS: _openai_error, MESSAGES: _anthropic_error}
