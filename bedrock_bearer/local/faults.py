"""Faults that the local Bedrock produces on request: queued, or at a rate."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace

from bedrock_bearer.local.framing import SERVER_SENT_EVENTS, exception_frame, server_sent_event
from bedrock_bearer.local.http import Cut, LocalResponse, whole_response
from bedrock_bearer.local.service_errors import MESSAGE_OF_CODE, ServiceError

Spoil = Callable[[LocalResponse], LocalResponse]


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault.

    Attributes:
        name: its name, on the command line too.
        spoil: makes the bad response from the good one.
        replaces_reply: whether it replaces the reply; then no scripted reply is used.
    """

    name: str
    spoil: Spoil
    replaces_reply: bool = False


def error(
    code: str = "ThrottlingException",
    message: str | None = None,
    *,
    status: int | None = None,
    retry_after_ms: int | None = None,
) -> Fault:
    """An error of Bedrock's, with AWS's status and sentence unless others are given.

    `retry_after_ms` is sent as `x-amz-retry-after`, in milliseconds.
    """
    response = ServiceError(code, message, status=status).response()
    if retry_after_ms is not None:
        response = response.with_headers({"x-amz-retry-after": str(retry_after_ms)})
    return Fault(code, lambda _: response, replaces_reply=True)


def throttling(retry_after_ms: int | None = None) -> Fault:
    """429: too many requests."""
    return error("ThrottlingException", retry_after_ms=retry_after_ms)


def daily_quota() -> Fault:
    """429: the daily token quota is used up."""
    message = "Too many tokens per day, please wait before trying again."
    return error("ThrottlingException", message)


def gateway_page(status: int = 502) -> Fault:
    """An HTML page from a gateway that could not reach Bedrock."""
    page = b"<html><head><title>Bad Gateway</title></head><body>Bad Gateway</body></html>"
    return Fault(
        "gateway-page", lambda _: whole_response(status, page, "text/html"), replaces_reply=True
    )


def empty_body(status: int = 503) -> Fault:
    """A status and an empty body."""
    return Fault(
        "empty-body", lambda _: whole_response(status, b"", "text/plain"), replaces_reply=True
    )


def latency(seconds: float) -> Fault:
    """The whole response is late by so many seconds."""
    return Fault("latency", lambda r: replace(r, delay=r.delay + seconds))


def slow_first_byte(seconds: float) -> Fault:
    """The headers come in time; the body is late by so many seconds."""
    return Fault("slow-first-byte", lambda r: replace(r, body_delay=r.body_delay + seconds))


def slow_frames(seconds: float) -> Fault:
    """The frames of a stream come one by one, with so many seconds between them."""
    return Fault("slow-frames", lambda r: replace(r, chunk_delay=seconds))


def close_before_headers() -> Fault:
    """The connection is closed before the status line."""
    return Fault("close-before-headers", lambda r: replace(r, cut=Cut.BEFORE_HEADERS))


def close_in_headers() -> Fault:
    """The connection is closed in the middle of the headers."""
    return Fault("close-in-headers", lambda r: replace(r, cut=Cut.IN_HEADERS))


def close_after_headers() -> Fault:
    """The connection is closed between the headers and the body."""
    return Fault("close-after-headers", lambda r: replace(r, cut=Cut.AFTER_HEADERS))


def close_at_frame_boundary(frames: int = 2) -> Fault:
    """The connection is closed after `frames` whole frames of a stream."""
    return Fault(
        "close-at-frame-boundary",
        lambda r: replace(r, chunks=_first(r, frames), cut=Cut.AFTER_CHUNKS),
    )


def close_mid_frame(frames: int = 2) -> Fault:
    """The connection is closed in the middle of the frame that follows `frames` whole ones."""

    def spoil(response: LocalResponse) -> LocalResponse:
        kept = _first(response, frames)
        half = tuple(chunk[: len(chunk) // 2] for chunk in response.chunks[len(kept) :][:1])
        return replace(response, chunks=kept + half, cut=Cut.AFTER_CHUNKS)

    return Fault("close-mid-frame", spoil)


def end_early(frames: int = 2) -> Fault:
    """The stream ends properly after `frames` whole frames, before `messageStop`."""
    return _of_streams("end-early", lambda r: replace(r, chunks=_first(r, frames)))


def corrupt_crc(frame: int = 1) -> Fault:
    """One frame of a stream, counted from 0, has a wrong checksum."""

    def spoil(response: LocalResponse) -> LocalResponse:
        before = _first(response, frame)
        good, *after = response.chunks[len(before) :]
        bad = good[:-1] + bytes([good[-1] ^ 0xFF])
        return replace(response, chunks=(*before, bad, *after))

    return _of_streams("corrupt-crc", spoil)


def exception_in_stream(
    code: str = "modelStreamErrorException", message: str | None = None, frames: int = 2
) -> Fault:
    """A stream ends with an exception after `frames` frames.

    `code` is lower camel case, as AWS names exceptions in a stream.
    """
    sentence = message or MESSAGE_OF_CODE.get(code[0].upper() + code[1:], code)

    def spoil(response: LocalResponse) -> LocalResponse:
        if response.headers["Content-Type"] == SERVER_SENT_EVENTS:
            error = {"type": "api_error", "message": sentence}
            last = server_sent_event("error", {"type": "error", "error": error})
        else:
            last = exception_frame(code, sentence)
        return replace(response, chunks=(*_first(response, frames), last))

    return _of_streams("exception-in-stream", spoil)


def wrong_content_type(content_type: str = "text/html") -> Fault:
    """The right body with a wrong `Content-Type`."""
    return Fault("wrong-content-type", lambda r: r.with_headers({"Content-Type": content_type}))


def oversized_headers(size: int = 200_000) -> Fault:
    """The response has a header of `size` bytes."""
    return Fault("oversized-headers", lambda r: r.with_headers({"x-oversized": "x" * size}))


def _first(response: LocalResponse, frames: int) -> tuple[bytes, ...]:
    """The first frames, but never all of them."""
    return response.chunks[: min(frames, len(response.chunks) - 1)]


def _of_streams(name: str, spoil: Spoil) -> Fault:
    return Fault(name, lambda r: r if "Content-Length" in r.headers else spoil(r))


BY_NAME: dict[str, Callable[[], Fault]] = {
    "throttling": throttling,
    "daily-quota": daily_quota,
    "internal-error": lambda: error("InternalServerException"),
    "unavailable": lambda: error("ServiceUnavailableException"),
    "model-not-ready": lambda: error("ModelNotReadyException"),
    "model-timeout": lambda: error("ModelTimeoutException"),
    "model-error": lambda: error("ModelErrorException"),
    "gateway-page": gateway_page,
    "empty-body": empty_body,
    "latency": lambda: latency(2.0),
    "slow-first-byte": lambda: slow_first_byte(2.0),
    "slow-frames": lambda: slow_frames(0.2),
    "close-before-headers": close_before_headers,
    "close-in-headers": close_in_headers,
    "close-after-headers": close_after_headers,
    "close-at-frame-boundary": close_at_frame_boundary,
    "close-mid-frame": close_mid_frame,
    "end-early": end_early,
    "corrupt-crc": corrupt_crc,
    "exception-in-stream": exception_in_stream,
    "wrong-content-type": wrong_content_type,
    "oversized-headers": oversized_headers,
}
"""Every fault by its name on the command line, with its defaults."""


class FaultPlan:
    """Which of the next calls get a fault."""

    def __init__(self) -> None:
        self._queue: deque[Fault] = deque()
        self._rates: list[_Rate] = []

    def queue(self, fault: Fault, times: int) -> None:
        """Give the next `times` calls this fault."""
        self._queue.extend([fault] * times)

    def at_rate(self, fault: Fault, rate: float) -> None:
        """Give this share of the calls the fault, evenly spread: with 0.1, every tenth."""
        if not 0 < rate <= 1:
            raise ValueError(f"a rate is above 0 and at most 1, not {rate}")
        self._rates.append(_Rate(fault, rate))

    def next_fault(self) -> Fault | None:
        """Return the fault of this call, or None."""
        if self._queue:
            return self._queue.popleft()
        due = [rate.fault for rate in self._rates if rate.is_due()]
        return due[0] if due else None


@dataclass(slots=True)
class _Rate:
    fault: Fault
    rate: float
    owed: float = 0.0

    def is_due(self) -> bool:
        self.owed += self.rate
        # Ten times 0.1 is a little less than 1.
        if self.owed < 1 - 1e-9:
            return False
        self.owed -= 1
        return True
