"""A request and its reply: sent over a connection of our own, and read while it comes.

What is read is bounded, decoded, and without echoes of the key.
"""

from __future__ import annotations

import io
import weakref
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Protocol

from bedrock_bearer.errors import BedrockError, ResponseDecodeError, TransportError
from bedrock_bearer.wire.decoding import Decoder, decoder_for
from bedrock_bearer.wire.http1 import RawHeaders, ReplyError, request_pieces
from bedrock_bearer.wire.messages import WireRequest, WireResponse
from bedrock_bearer.wire.translation import translate

if TYPE_CHECKING:
    from bedrock_bearer.keys.api_key import ApiKey
    from bedrock_bearer.wire.attempt import Attempt
    from bedrock_bearer.wire.origin import Origin
    from bedrock_bearer.wire.pool import Connection, Lease, Pool
    from bedrock_bearer.wire.scrub import Scrubber

DEFAULT_MAX_REPLY_BYTES = 100_000_000
MAX_ERROR_BYTES = 256 * 1024
"""How much is read of a body that explains an error."""


class Exchange(Protocol):
    """A request that was answered, over a connection of ours or of a caller's client."""

    async def next_data(self) -> bytes:
        """Return the next bytes of the body; nothing at its end."""

    async def close(self) -> None:
        """Give the connection back: to be used again if the body was read, else closed."""

    def abandon(self) -> None:
        """Do what `close` does, without waiting."""


class OwnExchange:
    """One request over a connection of our own, and its reply."""

    def __init__(self, pool: Pool, origin: Origin, attempt: Attempt) -> None:
        self._pool = pool
        self._origin = origin
        self._attempt = attempt
        self._lease: Lease | None = None
        self._connection: Connection | None = None
        self._head: tuple[int, RawHeaders] | None = None
        self._is_read = False

    async def open(self, request: WireRequest, key: ApiKey) -> tuple[int, RawHeaders]:
        """Send the request and return the status and the headers of the reply.

        Raises:
            OSError, ReplyError: the connection broke, or the reply is not HTTP.
            BedrockError: no connection could be made, or not in time.
        """
        self._lease = lease = await self._pool.lease(self._attempt)
        while True:
            connection = self._pool.take_unused()
            if connection is None:
                connection = await self._origin.connect(self._attempt)
            lease.hold(connection)
            connection.stream.attempt = self._attempt
            if await self._send(connection, request, key):
                self._connection = connection
                while self._head is None:
                    connection.http.receive(await connection.stream.read())
                    self._head = connection.http.next_head()
                return self._head
            # The server closed this unused connection before it had the request.
            lease.drop()

    async def _send(self, connection: Connection, request: WireRequest, key: ApiKey) -> bool:
        """Send the request; return False if the connection turned out to have ended."""
        attempt, is_new = self._attempt, connection.is_new
        connection.is_new = False
        attempt.begin_reply()
        connection.http.begin_request()
        pieces = request_pieces(request, self._origin.target(request.url), key)
        try:
            while not await connection.stream.write(pieces):
                connection.http.receive(await connection.stream.read())
                # An interim reply is no answer yet.
                self._head = connection.http.next_head()
                if self._head is not None:
                    return True
        except (OSError, ReplyError):
            if is_new:
                raise
            return False
        attempt.request_was_sent = True
        return True

    async def next_data(self) -> bytes:
        """Return the next bytes of the body; nothing at its end.

        Raises:
            OSError, ReplyError: the connection broke, or the body is not HTTP.
            RequestTimeoutError: nothing came in time.
        """
        connection = self._connection
        if connection is None or self._is_read:
            return b""
        while (data := connection.http.next_data()) is None:
            if not connection.is_ours:
                raise ReplyError("it belongs to the process that opened it")
            connection.http.receive(await connection.stream.read())
        self._is_read = not data and self._attempt.request_was_sent
        return data

    async def close(self) -> None:
        """Give the connection back."""
        self.abandon()

    def abandon(self) -> None:
        """Do what `close` does, without waiting."""
        if self._lease is not None:
            self._lease.end(reusable=self._is_read)


class OpenResponse:
    """A reply whose body is still to come. Close it."""

    def __init__(
        self,
        status: int,
        headers: RawHeaders,
        exchange: Exchange,
        attempt: Attempt,
        scrubber: Scrubber,
        max_bytes: int,
    ) -> None:
        self.status = status
        self.headers = _headers(headers, scrubber)
        self._scrubber = scrubber
        self._exchange = exchange
        self._attempt = attempt
        self._max_bytes = max_bytes
        self._count = 0
        self._decoder: Decoder | None = None
        self._finalizer: Any = None

    async def read(self) -> WireResponse:
        """Read the rest and return the whole response; of an error, as much as explains it.

        Raises:
            TransportError: the body is cut, or did not come in time.
            ResponseDecodeError: it is too large, or compressed in a way that we do not read.
        """
        # A BytesIO, and no variable for what came: a traceback may show this frame.
        body = io.BytesIO()
        check: Callable[[], object] = self._attempt.check_deadline
        if self.status == 200:
            check = self._attempt.whole_limit
            while body.write(await self.next_chunk()):
                pass
        else:
            # An error tells more than what is wrong with the page that explains it.
            with suppress(ResponseDecodeError, TransportError):
                while body.write(await self.next_chunk()) and body.tell() < MAX_ERROR_BYTES:
                    pass
        self._attempt.check_deadline()
        try:
            clean = self._scrubber.bytes(body.getvalue(), check)
            return WireResponse(self.status, self.headers, clean)
        except BedrockError as error:
            failure = without_context(error)
        raise failure

    async def next_chunk(self) -> bytes:
        """Return the next bytes of the body; nothing at its end. Echoes of the key are in it.

        Raises:
            TransportError: the body is cut, or did not come in time.
            ResponseDecodeError: it is too large, or compressed in a way that we do not read.
        """
        try:
            return await self._next_data()
        except Exception as error:
            failure = translate(error, self._attempt)
            if failure is None:
                raise
        raise without_context(failure)

    async def _next_data(self) -> bytes:
        if self._count == 0:
            self._begin()
        decoder = self._decoder
        if decoder is None:
            data = await self._exchange.next_data()
        else:
            while not (data := decoder.next_piece()):
                received = await self._exchange.next_data()
                if not received:
                    decoder.finish()
                    break
                decoder.feed(received)
        self._count += len(data)
        if self._count > self._max_bytes:
            raise self._too_large()
        return data

    def _begin(self) -> None:
        """Refuse a body by its headers, before it is read."""
        length = self.headers.get("content-length", "")
        if length.isdecimal() and len(length) < 20 and int(length) > self._max_bytes:
            raise self._too_large()
        if self._decoder is None:
            self._decoder = decoder_for(self.headers.get("content-encoding", ""))

    def _too_large(self) -> ResponseDecodeError:
        return ResponseDecodeError(
            f"The reply is larger than max_reply_bytes={self._max_bytes:,} allows.",
            status_code=self.status,
        )

    def has_echo(self, data: bytes) -> bool:
        """Return whether a part of the body holds an echo of the key.

        Raises:
            RequestTimeoutError: the time for the part is over.
        """
        return self._scrubber.finds_in_stream(data, self._attempt.whole_limit)

    def clean(self, data: bytes) -> bytes:
        """Return a part of the body without echoes of the key."""
        return self._scrubber.bytes(data)

    def begin_next_event(self) -> None:
        """Start the time until the next event of a stream."""
        self._attempt.begin_next_event()

    def begin_last_wait(self) -> None:
        """Start the time for the end of a body of which all that matters has come."""
        self._attempt.begin_last_wait()

    def watch(self, owner: object, abandon: Callable[[Exchange], None]) -> None:
        """Abandon the exchange when `owner` is dropped."""
        self._finalizer = weakref.finalize(owner, abandon, self._exchange)
        self._finalizer.atexit = False

    async def close(self) -> None:
        """Give the connection back: to be used again if the body was read, else closed."""
        if self._finalizer is not None:
            self._finalizer.detach()
        await self._exchange.close()


def without_context(error: BedrockError) -> BedrockError:
    """Return an error that leads neither to the request nor to what came.

    An error in its context may hold them, and so may the variables of the frames it came through.
    """
    error.__cause__ = error.__context__ = None
    return error.with_traceback(None)


def _headers(raw: RawHeaders, scrubber: Scrubber) -> dict[str, str]:
    joined = b"\n".join([value for _, value in raw])
    clean: Callable[[str], str] = scrubber.text if scrubber.finds(joined) else str
    return {name.decode("latin-1").lower(): clean(value.decode("latin-1")) for name, value in raw}
