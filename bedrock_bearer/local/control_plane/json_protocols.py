"""The JSON protocols of AWS's APIs: what errors look like, and how requests are read."""

from __future__ import annotations

from typing import Any

from bedrock_bearer.local.control_plane.account import ControlPlaneError
from bedrock_bearer.local.control_plane.query import is_whole_number
from bedrock_bearer.local.http import Document, LocalRequest, LocalResponse, json_response
from bedrock_bearer.local.service_errors import ServiceError
from bedrock_bearer.local.validation import read_json


def read_json_object(request: LocalRequest) -> dict[str, Any]:
    """Return the JSON object of a request's body."""
    try:
        return read_json(request.body)
    except ServiceError:
        message = "The request is not a JSON object."
        raise ControlPlaneError(400, "SerializationException", message) from None


def json_error(error: ControlPlaneError) -> LocalResponse:
    """Return an error with its name in the header and in the body, as both protocols read it."""
    # A message may repeat text of the request that is no valid Unicode.
    message = error.message.encode(errors="replace").decode()
    response = json_response(error.status, {"__type": error.code, "message": message})
    return response.with_headers({"x-amzn-ErrorType": error.code})


def page_of(name: str, items: list[Any], given: Document, default: int) -> dict[str, Any]:
    """Return one page of a list; the token is the index of the next item."""
    start, size = _whole_number(given, "NextToken", 0), _whole_number(given, "MaxResults", default)
    page = {name: items[start : start + size]}
    return page | ({"NextToken": str(start + size)} if start + size < len(items) else {})


def _whole_number(given: Document, name: str, default: int) -> int:
    text = str(given.get(name) or default)
    if is_whole_number(text):
        return int(text)
    raise ControlPlaneError(400, "InvalidInputException", f"{name} is not valid.")
