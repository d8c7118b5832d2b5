"""A model's reply as a stream, for threads and for an event loop.

The two differ only in how they wait for bytes: what the bytes mean is `StreamReader`'s.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import TYPE_CHECKING, Any, Generic, Self

from bedrock_bearer.call import run_blocking
from bedrock_bearer.converse.response import OutputT_co
from bedrock_bearer.errors import BedrockError, StreamError, TransportError

if TYPE_CHECKING:
    from bedrock_bearer.call import Call
    from bedrock_bearer.converse.response import ConverseResponse
    from bedrock_bearer.converse.stream import StreamEvent
    from bedrock_bearer.stream_reader import StreamReader
    from bedrock_bearer.wire.exchange import OpenResponse


class _Stream(Generic[OutputT_co]):
    """What both streams have in common: everything but the waiting."""

    def __init__(self, call: Call[StreamReader]) -> None:
        self._call = call
        self._reader: StreamReader | None = None
        self._response: OpenResponse | None = None
        self._is_over = False

    @property
    def request_id(self) -> str | None:
        """AWS's id of the request."""
        return self._call.request_id

    @property
    def partial(self) -> ConverseResponse[OutputT_co]:
        """The reply so far.

        Raises:
            StreamError: the stream was not opened.
        """
        reply: ConverseResponse[Any] = self._opened().response()
        return reply

    async def _open(self) -> None:
        if self._call.attempts:
            raise StreamError("A stream is opened once. Call converse_stream(...) for another.")
        self._response, self._reader = await self._call.open_stream(self)

    async def _wait(self) -> StreamEvent | None:
        """Wait for the next event; return None at the end."""
        reader, response = self._opened(), self._response
        if reader.ended or response is None:
            return None
        response.begin_next_event()
        while (event := reader.next_event()) is None and not reader.ended:
            if reader.has_all:
                response.begin_last_wait()
            try:
                reader.feed(await response.next_chunk() or None)
            except TransportError:
                if not reader.has_all:
                    raise
                # The reply is whole; a connection that does not end as it should is only closed.
                reader.ended = True
        return event

    async def _close(self) -> None:
        try:
            await self._end()
        finally:
            if self._response is not None:
                await self._response.close()

    def _opened(self) -> StreamReader:
        if self._reader is None:
            raise StreamError(
                "The stream was not opened. Use `with client.converse_stream(...) as stream:`, "
                "for an AsyncBedrockClient `async with`."
            )
        return self._reader

    async def _end(self, error: BedrockError | None = None) -> None:
        """Read no more, and tell `on_event` once that the call is over."""
        if self._is_over or self._reader is None:
            return
        self._is_over = True
        self._reader.stop()
        reply = self._reader.partial() if self._call.has_observer else None
        await self._call.emit_call(error=error, reply=reply)


class ConverseStream(_Stream[OutputT_co]):
    """A model's reply as it is written: iterate over it for typed events.

    The `with` sends the request, and gives the connection back:

        with client.converse_stream(model_id, "Tell a story.") as stream:
            for text in stream.text_stream:
                print(text, end="")
            reply = stream.final_response()
    """

    def __enter__(self) -> Self:
        run_blocking(self._open())
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __iter__(self) -> Iterator[StreamEvent]:
        return self

    def __next__(self) -> StreamEvent:
        reader = self._reader or self._opened()
        try:
            event = reader.next_event() or run_blocking(self._wait())
        except BedrockError as error:
            failure = reader.failure(error)
        else:
            if event is not None:
                return event
            self.close()
            raise StopIteration
        run_blocking(self._end(failure))
        self.close()
        raise failure

    @property
    def text_stream(self) -> Iterator[str]:
        """The text of the reply, piece by piece."""
        return (text for event in self if (text := self._opened().shown_text(event)))

    def final_response(self) -> ConverseResponse[OutputT_co]:
        """Read what is left of the stream and return the whole reply, as `converse` would.

        Raises:
            StreamInterruptedError: the stream broke or was closed before the message ended.
            OutputError: the reply does not fit the `output_type` of the call.
            BedrockError: as while iterating.
        """
        for _ in self:
            pass
        return self._opened().final_response()

    def close(self) -> None:
        """Give the connection back. What was not read is lost."""
        run_blocking(self._close())


class AsyncConverseStream(_Stream[OutputT_co]):
    """A model's reply as it is written, for an event loop; otherwise as `ConverseStream`.

    async with client.converse_stream(model_id, "Tell a story.") as stream:
        async for text in stream.text_stream:
            print(text, end="")
        reply = await stream.final_response()
    """

    async def __aenter__(self) -> Self:
        await self._open()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    def __aiter__(self) -> AsyncIterator[StreamEvent]:
        return self

    async def __anext__(self) -> StreamEvent:
        reader = self._reader or self._opened()
        try:
            event = reader.next_event() or await self._wait()
        except BedrockError as error:
            failure = reader.failure(error)
        else:
            if event is not None:
                return event
            await self.aclose()
            raise StopAsyncIteration
        await self._end(failure)
        await self.aclose()
        raise failure

    @property
    def text_stream(self) -> AsyncIterator[str]:
        """The text of the reply, piece by piece."""
        return (text async for event in self if (text := self._opened().shown_text(event)))

    async def final_response(self) -> ConverseResponse[OutputT_co]:
        """Read what is left and return the whole reply; see `ConverseStream.final_response`."""
        async for _ in self:
            pass
        return self._opened().final_response()

    async def aclose(self) -> None:
        """Give the connection back. What was not read is lost."""
        await self._close()

    close = aclose
