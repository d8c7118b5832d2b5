"""A model's reply as a stream, for threads and for an event loop.

The two differ only in how they wait for bytes: what the bytes mean is `StreamReader`'s.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import TYPE_CHECKING, Any, Self

from bedrock_bearer.call import run_blocking
from bedrock_bearer.errors import BedrockError, StreamError
from bedrock_bearer.stream_reader import text_of

if TYPE_CHECKING:
    from bedrock_bearer.call import Call
    from bedrock_bearer.converse.response import ConverseResponse
    from bedrock_bearer.converse.stream import StreamEvent
    from bedrock_bearer.stream_reader import StreamReader


class _Stream:
    """What both streams have in common: everything but the waiting."""

    def __init__(self, call: Call[StreamReader]) -> None:
        self._call = call
        self._reader: StreamReader | None = None
        self._response: Any = None
        self._chunks: Any = None
        self._is_over = False

    @property
    def request_id(self) -> str | None:
        """AWS's id of the request."""
        return self._call.request_id

    @property
    def partial(self) -> ConverseResponse:
        """The reply so far.

        Raises:
            StreamError: the stream was not opened.
        """
        return self._opened().response()

    async def _open(self) -> None:
        if self._call.attempts:
            raise StreamError("A stream is opened once. Call converse_stream(...) for another.")
        self._response, self._chunks, self._reader = await self._call.open_stream(self)

    def _opened(self) -> StreamReader:
        if self._reader is None:
            raise StreamError(
                "The stream was not opened. Use `with client.converse_stream(...) as stream:`, "
                "for an AsyncBedrockClient `async with`."
            )
        return self._reader

    def _end(self, error: BedrockError | None = None) -> None:
        """Read no more, and tell `on_event` once that the call is over."""
        if self._is_over or self._reader is None:
            return
        self._is_over = True
        self._reader.stop()
        reply = self._reader.partial() if self._call.is_heard else None
        self._call.emit_call(error=error, reply=reply)


class ConverseStream(_Stream):
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
        reader = self._opened()
        try:
            while (event := reader.next_event()) is None and not reader.ended:
                reader.feed(next(self._chunks, None))
        except BedrockError as error:
            failure = reader.failure(error)
        else:
            if event is not None:
                return event
            self.close()
            raise StopIteration
        self._end(failure)
        self.close()
        raise failure

    @property
    def text_stream(self) -> Iterator[str]:
        """The text of the reply, piece by piece."""
        return (text for event in self if (text := text_of(event)))

    def final_response(self) -> ConverseResponse:
        """Read what is left of the stream and return the whole reply, as `converse` would.

        Raises:
            StreamInterruptedError: the stream broke or was closed before the message ended.
            BedrockError: as while iterating.
        """
        for _ in self:
            pass
        return self._opened().response()

    def close(self) -> None:
        """Give the connection back. What was not read is lost."""
        self._end()
        if self._response is not None:
            self._response.close()


class AsyncConverseStream(_Stream):
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
        reader = self._opened()
        try:
            while (event := reader.next_event()) is None and not reader.ended:
                reader.feed(await anext(self._chunks, None))
        except BedrockError as error:
            failure = reader.failure(error)
        else:
            if event is not None:
                return event
            await self.aclose()
            raise StopAsyncIteration
        self._end(failure)
        await self.aclose()
        raise failure

    @property
    def text_stream(self) -> AsyncIterator[str]:
        """The text of the reply, piece by piece."""
        return (text async for event in self if (text := text_of(event)))

    async def final_response(self) -> ConverseResponse:
        """Read what is left and return the whole reply; see `ConverseStream.final_response`."""
        async for _ in self:
            pass
        return self._opened().response()

    async def aclose(self) -> None:
        """Give the connection back. What was not read is lost."""
        self._end()
        if self._response is not None:
            await self._response.close()

    close = aclose
