"""Reading a ConverseStream reply, without I/O."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from bedrock_bearer.converse.accumulator import StreamAccumulator
from bedrock_bearer.converse.base import MAX_VALUES, load_json, read_model, values_in
from bedrock_bearer.converse.response import ConverseResponse
from bedrock_bearer.converse.stream import (
    EVENTS,
    ContentBlockDeltaEvent,
    StreamEvent,
    parse_event_json,
)
from bedrock_bearer.errors import (
    APIError,
    BedrockError,
    EventStreamDecodeError,
    RequestTimeoutError,
    StreamInterruptedError,
    TransportError,
)
from bedrock_bearer.wire.classify import error_from_event
from bedrock_bearer.wire.eventstream import EventStreamDecoder, EventStreamMessage
from bedrock_bearer.wire.scrub import REPLACEMENT, WINDOW

if TYPE_CHECKING:
    from bedrock_bearer.keys.description import KeyDescription
    from bedrock_bearer.wire.eventstream import HeaderValue

PART_CHARACTERS = 2 * 1024
OVERLAP = 512
"""So much of a part is looked at again with the next one: an echo may lie across."""


class StreamReader:
    """Turns the bytes of a ConverseStream reply into events, and the events into the reply."""

    def __init__(self, key: KeyDescription | None, request_id: str | None) -> None:
        self.ended = False
        """Whether the body has ended."""
        self.output_of: Callable[[ConverseResponse[Any]], ConverseResponse[Any]] | None = None
        """Puts the output of the call's `output_type` into the whole reply."""
        self.has_echo: Callable[[bytes], bool] = bool
        """Tells whether payloads hold an echo of the key."""
        self.clean: Callable[[bytes], bytes] = bytes
        """Takes echoes of the key out of a payload, or of what payloads make together."""
        self._key = key
        self._request_id = request_id
        self._decoder = EventStreamDecoder()
        self._messages: deque[EventStreamMessage] = deque()
        self._accumulator = StreamAccumulator(self._joined)
        self._next: StreamEvent | None = None
        self._has_begun = False
        self._kept_values = 0
        self._failure: BedrockError | None = None
        # The end of the text shown so far, and whether an echo goes on in it.
        self._shown = ""
        self._is_hiding = False

    @property
    def complete(self) -> bool:
        """Whether `messageStop` has come."""
        return self._accumulator.complete

    @property
    def has_all(self) -> bool:
        """Whether the last event of a reply has come: `messageStop` and the figures."""
        return self.complete and self._accumulator.has_figures

    def feed(self, data: bytes | None) -> None:
        """Take the next bytes of the body; None when there are no more.

        Raises:
            EventStreamDecodeError: the bytes are not valid framing.
            StreamInterruptedError: they end before `messageStop`, or inside a frame.
            RequestTimeoutError: looking for echoes of the key took too long.
        """
        self._messages.extend(self._without_echoes(self._decoder.feed(data or b"")))
        if data is not None:
            return
        self.ended = True
        try:
            self._decoder.close()
        except EventStreamDecodeError as error:
            cut = error.message
        else:
            if self.complete:
                return
            cut = "The stream ended before the model's message did"
        raise self.interrupted(cut)

    def next_event(self) -> StreamEvent | None:
        """Return the next event, or None if more bytes are needed.

        Raises:
            APIError: AWS sent an error inside the stream.
            EventStreamDecodeError: an event is not what the API promises.
            StreamInterruptedError: the stream was stopped before `messageStop`.
        """
        if self._next is not None:
            event, self._next = self._next, None
            return event
        if self._messages:
            message = self._messages.popleft()
            event = self._event(message)
            try:
                if self._accumulator.add(event):
                    self._count(message.payload)
            except ValueError as error:
                problem = str(error)
            else:
                self._has_begun = True
                return event
            raise self._broken(problem)
        if self.ended and not self.complete:
            raise self._failure or self.interrupted(
                "The stream was closed before the model's message ended"
            )
        return None

    def _without_echoes(self, messages: list[EventStreamMessage]) -> list[EventStreamMessage]:
        # Payloads that came together are looked at together: most hold none.
        if self.has_echo(b"\n".join([message.payload for message in messages])):
            for message in messages:
                message.payload = self.clean(message.payload)
        return messages

    def shown_text(self, event: StreamEvent) -> str | None:
        """Return the text that an event adds, without an echo that came in pieces, if any.

        The first pieces of an echo look like any text. Once 20 of its characters have come, the
        rest is not shown.
        """
        text = event.text if isinstance(event, ContentBlockDeltaEvent) else None
        if not text:
            return None
        joined = self._shown + text
        # No secret holds a space.
        self._shown = joined.rpartition(" ")[2][1 - WINDOW :]
        was_hiding, self._is_hiding = self._is_hiding, False
        if len(joined) >= WINDOW:
            data = joined.encode("utf-8", "replace")
            self._is_hiding = self.clean(data) is not data
        if not self._is_hiding:
            return text
        return None if was_hiding else REPLACEMENT

    def _count(self, payload: bytes) -> None:
        self._kept_values += values_in(payload)
        if self._kept_values > MAX_VALUES:
            raise ValueError("The stream holds more values than any reply.")

    def put_back(self, event: StreamEvent | None) -> None:
        """Make `event` the next one again."""
        self._next = event

    def stop(self) -> None:
        """Drop what was not read, and give no more events."""
        self.ended = True
        self._next = None
        self._messages.clear()

    def failure(self, error: BedrockError) -> BedrockError:
        """Return what `error` means to the reader of a stream that has begun."""
        is_cut = isinstance(error, TransportError) and not isinstance(error, RequestTimeoutError)
        self._failure = self.interrupted(error.message) if is_cut else error
        # The frames of its traceback hold what the server sent.
        return self._failure.with_traceback(None)

    def interrupted(self, message: str) -> StreamInterruptedError:
        """Return the error for a stream that broke off, with the reply so far."""
        return StreamInterruptedError(
            f"{message.rstrip('.')}. `partial` holds the reply so far.",
            partial=self.partial(),
            # Until the first event nothing was handed out that a new attempt would repeat.
            retryable=not self._has_begun,
            request_id=self._request_id,
            key=self._key,
        )

    def response(self) -> ConverseResponse:
        """Return the reply so far.

        Raises:
            EventStreamDecodeError: the events do not make a reply.
        """
        with suppress(ValueError):
            reply = self._accumulator.response()
            if self.output_of is not None:
                reply.with_output(None, missing="Only final_response() has the output of a stream.")
            return reply.with_origin(request_id=self._request_id, key=self._key)
        raise self._broken("The events of the stream do not make a reply that the API promises.")

    def final_response(self) -> ConverseResponse[Any]:
        """Return the whole reply, with the output that the call asked for.

        Raises:
            OutputError: the reply does not fit the `output_type`.
            EventStreamDecodeError: the events do not make a reply.
        """
        reply = self.response()
        return self.output_of(reply) if self.output_of is not None else reply

    def partial(self) -> ConverseResponse | None:
        """Return the reply so far, or None if the events do not make one."""
        with suppress(EventStreamDecodeError):
            return self.response()
        return None

    def _event(self, message: EventStreamMessage) -> StreamEvent:
        headers = message.headers
        if headers.get(":message-type", "event") != "event":
            raise self._error(message)
        event_type: Any = headers.get(":event-type", "")
        event = EVENTS.get(event_type)
        try:
            if event is not None:
                return read_model(event, load_json(message.payload))
            event_type = self._text(event_type)
            return parse_event_json(event_type, message.payload)
        except (ValueError, RecursionError):
            problem = f"The payload of a {event_type!r} event is not what the API promises."
        raise self._broken(problem)

    def _error(self, message: EventStreamMessage) -> APIError:
        headers = message.headers
        name = headers.get(":exception-type") or headers.get(":error-code") or "UnknownError"
        payload = self.clean(message.payload or str(headers.get(":error-message", "")).encode())
        error = error_from_event(self._text(name), payload, self._key, self._request_id)
        error.partial = self.partial()
        return error

    def _text(self, value: HeaderValue | None) -> str:
        """Return a header as text without echoes of the key."""
        text: str = self._joined("" if value is None else str(value))
        return text

    def _joined(self, joined: str | bytes) -> Any:
        """Return what was joined, without an echo of the key: each piece held a part of it."""
        if isinstance(joined, bytes):
            return self.clean(joined)
        # Part by part, since a long text that holds none is not worth a copy.
        for start in range(0, len(joined), PART_CHARACTERS):
            part = joined[start : start + PART_CHARACTERS + OVERLAP].encode("utf-8", "replace")
            if self.clean(part) is not part:
                return self.clean(joined.encode("utf-8", "replace")).decode("utf-8", "replace")
        return joined

    def _broken(self, problem: str) -> EventStreamDecodeError:
        return EventStreamDecodeError(problem, request_id=self._request_id, key=self._key)
