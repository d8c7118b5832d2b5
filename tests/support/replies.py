"""What Bedrock answers, as bytes: replies, errors and event streams."""

from __future__ import annotations

from typing import Any

from bedrock_bearer.local.framing import event_message, exception_frame
from support.server import chunk, http_reply, stream_head

REQUEST_ID = "11111111-2222-3333-4444-555555555555"

REPLY: dict[str, Any] = {
    "output": {"message": {"role": "assistant", "content": [{"text": "Hello there"}]}},
    "stopReason": "end_turn",
    "usage": {"inputTokens": 3, "outputTokens": 2, "totalTokens": 5},
    "metrics": {"latencyMs": 120},
}


def ok() -> bytes:
    """Return a reply of Converse."""
    return http_reply(REPLY)


def error(
    status: int, code: str, message: str = "No.", headers: dict[str, str] | None = None
) -> bytes:
    """Return an error as AWS gives it."""
    return http_reply(
        {"message": message}, status=status, headers={"x-amzn-errortype": code, **(headers or {})}
    )


def throttled(**headers: str) -> bytes:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return error(429, "ThrottlingException", "Too many requests", named)


INTERNAL = error(500, "InternalServerException")


def event(event_type: str, payload: dict[str, Any]) -> bytes:
    """Return one event of a stream."""
    return event_message(event_type, payload)


def exception(name: str, message: str = "No.") -> bytes:
    """Return an exception inside a stream."""
    return exception_frame(name, message)


def delta(text: str) -> bytes:
    return event("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"text": text}})


START = event("messageStart", {"role": "assistant"})
BLOCK_STOP = event("contentBlockStop", {"contentBlockIndex": 0})
STOP = event("messageStop", {"stopReason": "end_turn"})
METADATA = event("metadata", {"usage": REPLY["usage"], "metrics": REPLY["metrics"]})

FRAMES = [START, delta("Hello"), delta(" there"), BLOCK_STOP, STOP, METADATA]
"""The frames of a stream that make REPLY."""


def streamed(*frames: bytes) -> list[Any]:
    """Return a whole chunked reply of these frames; of FRAMES when none are given."""
    return [begun(*(frames or FRAMES)), chunk(b"")]


def begun(*frames: bytes) -> bytes:
    """Return the head of a stream and these frames, without an end."""
    return stream_head() + b"".join(chunk(frame) for frame in frames)
