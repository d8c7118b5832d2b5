"""Connections of an event loop for httpcore, over asyncio's own transports.

httpcore's own way leads through anyio, which takes longer than HTTP itself. See
https://www.encode.io/httpcore/network-backends/.
"""

from __future__ import annotations

import asyncio
import select
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any

import httpcore

from bedrock_bearer.wire.network import HOLD_BACK_BYTES, ChunkMerger

if TYPE_CHECKING:
    import socket
    import ssl
    from collections.abc import AsyncIterator, Iterable

MAX_WAITING_BYTES = 256 * 1024
"""How much may wait to be read, or to be sent, before the other side is held up."""


class AsyncioBackend(httpcore.AsyncNetworkBackend):
    """Opens connections for the tasks of an event loop."""

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """Connect to a host."""
        loop = asyncio.get_running_loop()
        # One address after the other, as for threads: asyncio's race of them leaves a cycle that
        # keeps its task, and so what the task made, and uvloop has none.
        async with _translated(timeout, httpcore.ConnectTimeout, httpcore.ConnectError):
            transport, connection = await loop.create_connection(
                lambda: _Connection(loop),
                host,
                port,
                local_addr=None if local_address is None else (local_address, 0),
            )
        for option in socket_options or ():
            transport.get_extra_info("socket").setsockopt(*option)
        return _AsyncioStream(connection)


class _Connection(asyncio.Protocol):
    """Keeps what has come until it is read, and wakes who waits for it."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self.transport: Any = None
        self.received = bytearray()
        self.is_at_end = False
        self.error: Exception | None = None
        self.lost: asyncio.Future[None] = loop.create_future()
        self._reader: asyncio.Future[None] | None = None
        self._writer: asyncio.Future[None] | None = None
        self._is_reading_paused = False
        self._is_writing_paused = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.use(transport)

    def use(self, transport: Any) -> None:
        """Send over `transport` from now on: the socket's, then that of TLS."""
        self.transport = transport
        transport.set_write_buffer_limits(MAX_WAITING_BYTES)

    def data_received(self, data: bytes) -> None:
        self.received += data
        if len(self.received) > MAX_WAITING_BYTES and not self._is_reading_paused:
            self._is_reading_paused = True
            self.transport.pause_reading()
        _wake(self._reader)

    def eof_received(self) -> bool:
        self.is_at_end = True
        _wake(self._reader)
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        self.is_at_end = True
        self.error = exc
        self._is_writing_paused = False
        for waiter in (self._reader, self._writer, self.lost):
            _wake(waiter)

    def pause_writing(self) -> None:
        self._is_writing_paused = True

    def resume_writing(self) -> None:
        self._is_writing_paused = False
        _wake(self._writer)

    def is_readable(self) -> bool:
        """Return whether bytes, or the end, have come, even if the loop has not noticed yet."""
        if self.received or self.is_at_end:
            return True
        return _is_readable(self.transport.get_extra_info("socket"))

    async def until_readable(self, timeout: float | None) -> None:
        """Wait for bytes, or for the end.

        Raises:
            TimeoutError: neither came in time.
        """
        if self.received or self.is_at_end:
            return
        self._reader = self.loop.create_future()
        # A timer costs a fraction of `asyncio.timeout`, and every call comes by here.
        timer = None if timeout is None else self.loop.call_later(timeout, _expire, self._reader)
        try:
            await self._reader
        finally:
            self._reader = None
            if timer is not None:
                timer.cancel()

    async def until_writable(self) -> None:
        """Wait until the other side takes more."""
        while self._is_writing_paused:
            self._writer = self.loop.create_future()
            await self._writer

    def take(self, max_bytes: int) -> bytes:
        """Return what has come, up to `max_bytes`."""
        data = bytes(self.received[:max_bytes])
        del self.received[:max_bytes]
        if self._is_reading_paused and len(self.received) <= MAX_WAITING_BYTES // 2:
            self._is_reading_paused = False
            self.transport.resume_reading()
        return data


def _is_readable(connection: socket.socket) -> bool:
    if not hasattr(select, "poll"):
        return bool(select.select([connection], [], [], 0)[0])
    # Unlike `select`, it takes file descriptors of any number.
    poll = select.poll()
    poll.register(connection, select.POLLIN)
    return bool(poll.poll(0))


def _wake(waiter: asyncio.Future[None] | None) -> None:
    if waiter is not None and not waiter.done():
        waiter.set_result(None)


def _expire(waiter: asyncio.Future[None]) -> None:
    if not waiter.done():
        waiter.set_exception(TimeoutError())


class _AsyncioStream(httpcore.AsyncNetworkStream):
    def __init__(self, connection: _Connection) -> None:
        self._connection = connection
        self._unsent: list[bytes] = []
        self._chunks = ChunkMerger()

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        connection = self._connection
        if self._unsent:
            self._send()
        data = None
        while data is None:
            try:
                await connection.until_readable(timeout)
            except TimeoutError as error:
                raise httpcore.ReadTimeout from error
            if connection.error is not None and not connection.received:
                raise httpcore.ReadError from connection.error
            data = self._chunks.merge(connection.take(max_bytes))
        return data

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        if self._connection.lost.done():
            raise httpcore.WriteError from self._connection.error
        if not self._unsent:
            self._chunks.expect_reply()
        self._unsent.append(buffer)
        if len(buffer) > HOLD_BACK_BYTES:
            self._send()
            async with _translated(timeout, httpcore.WriteTimeout, httpcore.WriteError):
                await self._connection.until_writable()

    def _send(self) -> None:
        self._connection.transport.write(b"".join(self._unsent))
        self._unsent.clear()

    async def aclose(self) -> None:
        connection = self._connection
        # Where its loop has ended, only the garbage collector can close it.
        with suppress(RuntimeError):
            connection.transport.abort()
        if connection.loop is asyncio.get_running_loop():
            await asyncio.shield(connection.lost)

    async def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> httpcore.AsyncNetworkStream:
        connection = self._connection
        try:
            async with _translated(timeout, httpcore.ConnectTimeout, httpcore.ConnectError):
                transport = await connection.loop.start_tls(
                    connection.transport, connection, ssl_context, server_hostname=server_hostname
                )
        except BaseException:
            connection.transport.abort()
            raise
        connection.use(transport)
        return self

    def get_extra_info(self, info: str) -> Any:
        if info == "is_readable":
            return self._connection.is_readable()
        names = {"client_addr": "sockname", "server_addr": "peername"}
        return self._connection.transport.get_extra_info(names.get(info, info))


@asynccontextmanager
async def _translated(
    timeout: float | None, on_timeout: type[Exception], on_error: type[Exception]
) -> AsyncIterator[None]:
    try:
        async with asyncio.timeout(timeout):
            yield
    except TimeoutError as error:
        # The operating system's own time limit is a TimeoutError too, with a number.
        raise (on_error if error.errno else on_timeout) from error
    except OSError as error:
        raise on_error from error
