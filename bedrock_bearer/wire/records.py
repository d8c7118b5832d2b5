"""The records that `on_event` gets. They hold no content and no key."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from bedrock_bearer.wire.observers import logger

if TYPE_CHECKING:
    from datetime import datetime

    from bedrock_bearer.keys.description import KeyDescription


@dataclass(frozen=True, slots=True)
class AttemptRecord:
    """One attempt of a call has ended.

    Attributes:
        operation: AWS's name of the operation, such as `Converse`.
        model_id: the model, profile or prompt, as it was passed; None where there is none.
        attempt: 1 for the first.
        elapsed: seconds that the attempt took; to the first event, for a stream.
        key: a description of the key that was used; None if no key could be read.
        status_code: the HTTP status; None if no answer came.
        request_id: AWS's id of the request, or None.
        error: the name of the error's class; None for a success.
        code: AWS's name of the error, or None.
        retry_in: seconds until the next attempt; None if there will be none.
        reply_lost: whether the connection broke, or the time was over, after the request had gone
            out whole: the work may have been done, and be billed again if the call is retried.
    """

    operation: str
    model_id: str | None
    attempt: int
    elapsed: float
    key: KeyDescription | None
    status_code: int | None
    request_id: str | None
    error: str | None = None
    code: str | None = None
    retry_in: float | None = None
    reply_lost: bool = False


@dataclass(frozen=True, slots=True)
class CallRecord:
    """A call has ended; of a stream, when it was read to its end, broke or was closed.

    Attributes:
        operation: AWS's name of the operation.
        model_id: the model, profile or prompt, as it was passed; None where there is none.
        attempts: how many attempts were made.
        elapsed: seconds from the call to its end, waits included.
        key: a description of the key that was used last; None if no key could be read.
        request_id: AWS's id of the last request, or None.
        error: the name of the error's class; None for a success.
        stop_reason: why the model stopped; None where it does not apply.
        input_tokens, output_tokens: the usage that AWS reports, or None.
        latency_ms: AWS's own latency in milliseconds, or None.
        first_reply_after: seconds until the reply, or a stream's first event, had come; else None.
        cache_read_input_tokens, cache_write_input_tokens: the cached part of the input, which
            `input_tokens` leaves out; None if AWS does not report it.
        started_at: when the call was made, in UTC.
        region: the AWS Region; None for a custom endpoint without one.
        endpoint_url: where the call went.
        tags: the call's `request_metadata`, which AWS's invocation logs hold too.
        max_tokens, temperature, top_p: the call's own settings; None if it left them out.
        stop_sequences: those of the call.
        output_format: "json" if the call asked for an output of a type, or by a JSON Schema.
        guardrail: the id or ARN of the guardrail that was asked for, or None.
    """

    operation: str
    model_id: str | None
    attempts: int
    elapsed: float
    key: KeyDescription | None
    request_id: str | None
    error: str | None = None
    stop_reason: str | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    latency_ms: int | None = None
    first_reply_after: float | None = None
    cache_read_input_tokens: int | None = None
    cache_write_input_tokens: int | None = None
    started_at: datetime | None = None
    region: str | None = None
    endpoint_url: str | None = None
    tags: Mapping[str, str] = field(default_factory=dict)
    max_tokens: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    stop_sequences: tuple[str, ...] = ()
    output_format: str | None = None
    guardrail: str | None = None


@dataclass(frozen=True, slots=True)
class KeySwitchRecord:
    """Another key took over.

    Attributes:
        refused: the key that was refused; None if no key could be read.
        replacement: the key that took over.
        reason: the name of the class of the error that says why.
    """

    refused: KeyDescription | None
    replacement: KeyDescription
    reason: str


Record = AttemptRecord | CallRecord | KeySwitchRecord
OnEvent = Callable[[Record], object]


def emit(on_event: OnEvent | None, record: Record) -> Coroutine[Any, Any, object] | None:
    """Tell `on_event`; return what an async one has left to be awaited.

    What it raises is logged and does not break the call.
    """
    logger.debug("%r", record)
    if on_event is None:
        return None
    try:
        returned = on_event(record)
    except Exception:  # noqa: BLE001 - an observer's fault is not the caller's
        logger.warning("on_event raised; the call goes on.", exc_info=True)
        return None
    return returned if isinstance(returned, Coroutine) else None
