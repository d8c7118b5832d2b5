"""The frames of a ConverseStream response, padding included, and the events of other routes."""

from __future__ import annotations

import secrets
import string
from collections.abc import Mapping
from typing import Any

from bedrock_bearer.local.http import LocalResponse, json_bytes
from bedrock_bearer.wire.eventstream import encode_message

CONTENT_TYPE = "application/vnd.amazon.eventstream"
SERVER_SENT_EVENTS = "text/event-stream; charset=utf-8"
PADDING = string.ascii_lowercase + string.ascii_uppercase + string.digits


def stream_response(events: list[tuple[str, dict[str, Any]]]) -> LocalResponse:
    """Return a response that streams events, one frame in each chunk."""
    frames = tuple(event_frame(name, payload) for name, payload in events)
    return LocalResponse(200, {"Content-Type": CONTENT_TYPE}, frames)


def event_frame(name: str, payload: Mapping[str, Any]) -> bytes:
    """Return one event with the padding `p`, which AWS adds to hide the length of the text."""
    padding = PADDING[: 2 + secrets.randbelow(len(PADDING) - 1)]
    return event_message(name, dict(sorted({**payload, "p": padding}.items())))


def event_message(name: str, payload: Mapping[str, Any]) -> bytes:
    """Return one event without padding."""
    return _frame({":event-type": name, ":message-type": "event"}, payload)


def exception_frame(code: str, message: str) -> bytes:
    """Return an exception inside a stream; `code` is in lower camel case."""
    return _frame({":exception-type": code, ":message-type": "exception"}, {"message": message})


def server_sent_event(name: str | None, data: Any) -> bytes:
    """Return an event of the other routes: its name, if it has one, and its data."""
    text = data.encode() if isinstance(data, str) else json_bytes(data)
    head = b"" if name is None else f"event: {name}\n".encode()
    return head + b"data: " + text + b"\n\n"


def _frame(headers: dict[str, str], payload: Mapping[str, Any]) -> bytes:
    kind, message_type = headers.items()
    ordered = dict([kind, (":content-type", "application/json"), message_type])
    return encode_message(ordered, json_bytes(payload))
