"""Connections of an event loop, over asyncio's own transports. See `network` for the rest."""

from __future__ import annotations

import asyncio
import os
import socket
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from bedrock_bearer.wire.network import (
    READ_BYTES,
    SEND_BYTES,
    SOCKET_OPTIONS,
    drop_sent,
    ready_for,
)
from bedrock_bearer.wire.resolver import look_up

if TYPE_CHECKING:
    import ssl

    from bedrock_bearer.wire.attempt import Attempt
    from bedrock_bearer.wire.resolver import Outcome

MAX_WAITING_BYTES = 256 * 1024
"""How much may wait to be read before the other side is held up, and is sent at once."""


ROUNDS_TO_READ = 4
"""In so many rounds, an event loop has read what had come before, and noticed an end."""


class LoopStream:
    """A connection of an event loop; see `ThreadStream`."""

    def __init__(self, protocol: Protocol, attempt: Attempt) -> None:
        self.attempt = attempt
        self._protocol = protocol

    @classmethod
    async def connect(cls, host: str, port: int, attempt: Attempt) -> LoopStream:
        """Connect to a host, one address after the other; see `ThreadStream.connect`."""
        addresses = await _look_up(host, port, attempt)
        if isinstance(addresses, OSError):
            raise type(addresses)(addresses.errno, addresses.strerror)
        failure: OSError = OSError(0, "the host has no address")
        while addresses:
            limit = attempt.limit("connect")
            # A dead address leaves the others their share of the time.
            share = None if limit is None else limit / len(addresses)
            try:
                async with asyncio.timeout(share):
                    return cls(await _connected(addresses.pop(0)), attempt)
            except OSError as error:
                failure = error
        attempt.limit("connect")
        if isinstance(failure, TimeoutError) and failure.errno is None:
            raise attempt.timeout_error("connect")
        raise failure

    async def start_tls(self, context: ssl.SSLContext, host: str) -> None:
        """Speak TLS from now on; see `ThreadStream.start_tls`."""
        protocol, limit = self._protocol, self.attempt.limit("connect")
        handshake: asyncio.Future[Any] = asyncio.ensure_future(
            protocol.loop.start_tls(protocol.transport, protocol, context, server_hostname=host)
        )
        try:
            # asyncio's handshake does not notice when the connection ends, so both are waited for.
            either: set[asyncio.Future[Any]] = {handshake, protocol.lost}
            await asyncio.wait(either, timeout=limit, return_when=asyncio.FIRST_COMPLETED)
            if not handshake.done() and protocol.lost.done():
                await asyncio.wait({handshake}, timeout=0)
        except BaseException:
            _drop(handshake, protocol)
            raise
        if not handshake.done():
            was_lost = protocol.lost.done()
            _drop(handshake, protocol)
            if was_lost:
                raise protocol.error or ConnectionResetError(0, "the connection was closed")
            raise self.attempt.timeout_error("connect")
        transport = handshake.result()
        # asyncio gives None for a connection that ended as the handshake did.
        if transport is None:
            raise ConnectionResetError(0, "the connection was closed")
        # They would be taken for what the server says over TLS.
        if protocol.received:
            raise ConnectionResetError(0, "bytes came before TLS was spoken")
        protocol.use(transport)

    async def write(self, pieces: list[memoryview], phase: str = "write") -> bool:
        """Send a request; see `ThreadStream.write`."""
        protocol = self._protocol
        while True:
            while protocol.is_writing_paused:
                if not await self._until_taken(phase):
                    return False
            if not pieces:
                return True
            if len(pieces) > 1 or len(pieces[0]) > SEND_BYTES:
                await self._let_loop_read()
            if protocol.is_at_end or protocol.received:
                return False
            piece = pieces[0][:MAX_WAITING_BYTES]
            drop_sent(pieces, len(piece))
            protocol.transport.write(piece)

    async def _let_loop_read(self) -> None:
        """Let the loop take what has come: asyncio drops that when a write fails."""
        for _ in range(ROUNDS_TO_READ):
            descriptor = self._protocol.descriptor()
            if descriptor >= 0 and not ready_for(descriptor, 0, to_write=False)[0]:
                break
            await asyncio.sleep(0)

    async def _until_taken(self, phase: str) -> bool:
        """Wait until the server takes some of what waits; return whether it still does."""
        protocol = self._protocol
        waiting = protocol.transport.get_write_buffer_size()
        try:
            await protocol.until_changed(self.attempt.limit(phase))
        except TimeoutError:
            if protocol.transport.get_write_buffer_size() >= waiting:
                raise self.attempt.timeout_error(phase) from None
        return not (protocol.is_at_end or protocol.received)

    async def read(self, phase: str = "read") -> bytes:
        """Return what the server sends next; see `ThreadStream.read`."""
        protocol = self._protocol
        limit = self.attempt.limit(phase)
        if not protocol.received and not protocol.is_at_end:
            try:
                await protocol.until_changed(limit)
            except TimeoutError:
                raise self.attempt.timeout_error(phase) from None
        if protocol.error is not None and not protocol.received:
            raise protocol.error
        return protocol.take(READ_BYTES)

    def is_readable(self) -> bool:
        """Return whether bytes, or the end, have come that nobody waits for."""
        protocol = self._protocol
        if protocol.received or protocol.is_at_end:
            return True
        # The loop may not have noticed yet.
        descriptor = protocol.descriptor()
        return descriptor < 0 or ready_for(descriptor, 0, to_write=False)[0]

    def close(self) -> None:
        """Close the connection. A task that waits for it sees its end."""
        protocol = self._protocol
        protocol.is_at_end = True
        protocol.wake()
        # Where its loop has ended, only the garbage collector can close it.
        with suppress(RuntimeError):
            if asyncio.get_running_loop() is protocol.loop:
                protocol.transport.abort()
                return
        with suppress(RuntimeError):
            protocol.loop.call_soon_threadsafe(protocol.transport.abort)

    def forget(self) -> None:
        """Close the copy that a fork made of the connection; the other side sees nothing of it."""
        # The transport would take the connection out of a selector that both processes share.
        descriptor = self._protocol.descriptor()
        if descriptor >= 0:
            null = os.open(os.devnull, os.O_RDWR)
            os.dup2(null, descriptor)
            os.close(null)


class Protocol(asyncio.Protocol):
    """Buffers received bytes, and wakes the coroutine that waits for them."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self.transport: Any = None
        self.received = bytearray()
        self.is_at_end = False
        self.is_writing_paused = False
        self.error: Exception | None = None
        self.lost: asyncio.Future[None] = loop.create_future()
        self._waiter: asyncio.Future[None] | None = None
        self._is_reading_paused = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.use(transport)

    def use(self, transport: Any) -> None:
        """Send over `transport` from now on: the socket's, then that of TLS."""
        self.transport = transport
        # Any byte that the socket did not take is one to wait for.
        transport.set_write_buffer_limits(high=1)

    def descriptor(self) -> int:
        """Return the socket's file descriptor, or -1 if it was closed."""
        connection = self.transport.get_extra_info("socket")
        return -1 if connection is None else int(connection.fileno())

    def data_received(self, data: bytes) -> None:
        self.received += data
        if len(self.received) > MAX_WAITING_BYTES and not self._is_reading_paused:
            self._is_reading_paused = True
            self.transport.pause_reading()
        self.wake()

    def eof_received(self) -> bool:
        self.is_at_end = True
        self.wake()
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        self.is_at_end = True
        self.error = exc
        self.is_writing_paused = False
        self.wake()
        if not self.lost.done():
            self.lost.set_result(None)

    def pause_writing(self) -> None:
        self.is_writing_paused = True

    def resume_writing(self) -> None:
        self.is_writing_paused = False
        self.wake()

    def wake(self) -> None:
        """End the wait for a change, if a task waits."""
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    async def until_changed(self, timeout: float | None) -> None:
        """Wait until something comes, the connection ends or the other side takes more.

        Raises:
            TimeoutError: nothing changed in time.
        """
        self._waiter = waiter = self.loop.create_future()
        # A timer costs a fraction of `asyncio.timeout`, and every call comes by here.
        timer = None if timeout is None else self.loop.call_later(timeout, _expire, waiter)
        try:
            await waiter
        finally:
            self._waiter = None
            if timer is not None:
                timer.cancel()

    def take(self, max_bytes: int) -> bytes:
        """Return what has come, up to `max_bytes`."""
        data = bytes(self.received[:max_bytes])
        del self.received[:max_bytes]
        if self._is_reading_paused and len(self.received) <= MAX_WAITING_BYTES // 2:
            self._is_reading_paused = False
            self.transport.resume_reading()
        return data


class LoopWaiter:
    """A task that waits for one of `max_connections`."""

    def __init__(self) -> None:
        self._woken = asyncio.Event()

    async def wait(self, seconds: float) -> None:
        """Wait for `wake`, at most so many seconds."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._woken.wait()
        self._woken.clear()

    def wake(self) -> None:
        """End the wait."""
        self._woken.set()


async def _look_up(host: str, port: int, attempt: Attempt) -> Outcome:
    loop = asyncio.get_running_loop()
    found: asyncio.Future[Outcome] = loop.create_future()

    def take(outcome: Outcome) -> None:
        if not found.done():
            found.set_result(outcome)

    # An address is known before this returns, a name comes from another thread.
    look_up(host, port, lambda outcome: loop.call_soon_threadsafe(take, outcome))
    try:
        async with asyncio.timeout(attempt.limit("connect")):
            return await found
    except TimeoutError:
        raise attempt.timeout_error("connect") from None


async def _connected(address: Any) -> Protocol:
    family, kind, protocol, _, name = address
    loop = asyncio.get_running_loop()
    connection = socket.socket(family, kind, protocol)
    try:
        connection.setblocking(False)
        for option in SOCKET_OPTIONS:
            connection.setsockopt(*option)
        await loop.sock_connect(connection, name)
        _, made = await loop.create_connection(lambda: Protocol(loop), sock=connection)
    except BaseException:
        connection.close()
        raise
    return made


def _drop(handshake: asyncio.Future[Any], protocol: Protocol) -> None:
    """Give up a handshake, whatever becomes of it."""
    handshake.cancel()
    handshake.add_done_callback(lambda task: task.cancelled() or task.exception())
    protocol.transport.abort()


def _expire(waiter: asyncio.Future[None]) -> None:
    if not waiter.done():
        waiter.set_exception(TimeoutError())
