"""Connections for threads: sockets, and TLS over them.

A stream knows the attempt it serves and asks it before each operation how long that may take. The
methods that wait are coroutines which never suspend: the flow over them is written once for
threads and for event loops.
"""

from __future__ import annotations

import select
import socket
import ssl
import time
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any

from bedrock_bearer.wire.resolver import look_up

if TYPE_CHECKING:
    from bedrock_bearer.wire.attempt import Attempt

READ_BYTES = 64 * 1024
SEND_BYTES = 64 * 1024

_WOULD_BLOCK = (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError)
_HAS_POLL = hasattr(select, "poll")


def socket_options() -> list[tuple[int, int, int]]:
    """Return the options of every socket: send at once, and notice a dead connection."""
    options = [
        (socket.IPPROTO_TCP, socket.TCP_NODELAY, 1),
        # NAT gateways drop connections that are silent for some minutes, and models think long.
        (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
    ]
    for name, value in (("TCP_KEEPIDLE", 60), ("TCP_KEEPINTVL", 60), ("TCP_KEEPCNT", 5)):
        if hasattr(socket, name):
            options.append((socket.IPPROTO_TCP, getattr(socket, name), value))
    return options


SOCKET_OPTIONS = socket_options()


def drop_sent(pieces: list[memoryview], count: int) -> None:
    """Take what was sent of the first piece out of `pieces`."""
    pieces[:1] = [pieces[0][count:]] if count < len(pieces[0]) else []


def ready_for(descriptor: int, seconds: float | None, *, to_write: bool) -> tuple[bool, bool]:
    """Wait until a socket can be read (or written); return which of the two it can."""
    if not _HAS_POLL:
        write_to = [descriptor] if to_write else []
        readable, writable, _ = select.select([descriptor], write_to, [], seconds)
        return bool(readable), bool(writable)
    # Unlike `select`, it takes file descriptors of any number.
    poll = select.poll()
    poll.register(descriptor, select.POLLIN | select.POLLOUT if to_write else select.POLLIN)
    found = poll.poll(None if seconds is None else max(0, seconds * 1000))
    events = found[0][1] if found else 0
    return bool(events & ~select.POLLOUT), bool(events & select.POLLOUT)


class ThreadStream:
    """A connection of a thread. Another thread may close it, which ends what it waits for."""

    def __init__(self, connected: socket.socket | TlsInTls, attempt: Attempt) -> None:
        self.attempt = attempt
        self._socket = connected
        # What the server sent before it had taken the whole request; none is its end.
        self._early: bytes | None = None
        # When the server must have taken more of what it takes nothing of now.
        self._blocked_until: float | None = None
        self._is_busy = False
        self._is_closed = False

    @classmethod
    async def connect(cls, host: str, port: int, attempt: Attempt) -> ThreadStream:
        """Connect to a host, one address after the other.

        Raises:
            OSError: no address answers.
            RequestTimeoutError: the time to connect is over.
        """
        outcome: SimpleQueue[Any] = SimpleQueue()
        look_up(host, port, outcome.put)
        try:
            addresses = outcome.get(timeout=attempt.limit("connect"))
        except Empty:
            raise attempt.timeout_error("connect") from None
        if isinstance(addresses, OSError):
            raise type(addresses)(addresses.errno, addresses.strerror)
        failure: OSError = OSError(0, "the host has no address")
        while addresses:
            limit = attempt.limit("connect")
            try:
                # A dead address leaves the others their share of the time.
                share = None if limit is None else limit / len(addresses)
                return cls(_connected(addresses.pop(0), share), attempt)
            except OSError as error:
                failure = error
        attempt.limit("connect")
        if _is_timeout(failure):
            raise attempt.timeout_error("connect")
        raise failure

    async def start_tls(self, context: ssl.SSLContext, host: str) -> None:
        """Speak TLS from now on, inside TLS where that is spoken already.

        Raises:
            OSError: TLS failed, or the connection broke.
            RequestTimeoutError: the time to connect is over.
        """
        try:
            self._socket.settimeout(self.attempt.limit("connect"))
            if isinstance(self._socket, ssl.SSLSocket):
                self._socket = TlsInTls(self._socket, context, host)
                self._socket.settimeout(self.attempt.limit("connect"))
            elif isinstance(self._socket, socket.socket):
                self._socket = context.wrap_socket(
                    self._socket, server_hostname=host, do_handshake_on_connect=False
                )
            self._socket.do_handshake()
        except TimeoutError as error:
            if not _is_timeout(error):
                raise
            raise self.attempt.timeout_error("connect") from None

    async def write(self, pieces: list[memoryview], phase: str = "write") -> bool:
        """Send a request; return False if the server sent something or left before it took all.

        `pieces` then holds what is still to be sent.

        Raises:
            RequestTimeoutError: the server took nothing in time.
        """
        self._is_busy = True
        self._blocked_until = None
        try:
            self._socket.settimeout(0)
            while pieces:
                try:
                    sent = self._socket.send(pieces[0][:SEND_BYTES])
                    drop_sent(pieces, sent)
                    self._blocked_until = None
                except _WOULD_BLOCK:
                    if not self._until_writable(phase):
                        return False
                except OSError:
                    # The server may have answered before it hung up.
                    return False
            return True
        finally:
            self._end_operation()

    def _until_writable(self, phase: str) -> bool:
        limit = self.attempt.limit(phase)
        if limit is not None:
            # Bytes of TLS's own may come again and again meanwhile.
            now = self.attempt.clock.monotonic()
            self._blocked_until = self._blocked_until or now + limit
            limit = max(0.0, self._blocked_until - now)
        readable, writable = ready_for(self._socket.fileno(), limit, to_write=True)
        if limit == 0 or (not readable and not writable):
            raise self.attempt.timeout_error(phase)
        if not readable:
            return True
        try:
            self._early = self._socket.recv(READ_BYTES)
        except _WOULD_BLOCK:
            # TLS had bytes of its own to read, which are no answer.
            return True
        except OSError:
            pass
        return False

    async def read(self, phase: str = "read") -> bytes:
        """Return what the server sends next; nothing at its end.

        Raises:
            OSError: the connection broke.
            RequestTimeoutError: nothing came in time.
        """
        limit = self.attempt.limit(phase)
        if self._early is not None:
            early, self._early = self._early, None
            return early
        self._is_busy = True
        try:
            if self._is_closed:
                return b""
            self._socket.settimeout(limit)
            return self._socket.recv(READ_BYTES)
        except TimeoutError as error:
            if not _is_timeout(error):
                raise
        except (OSError, ValueError):
            # Closed by another thread meanwhile.
            if not self._is_closed:
                raise
            return b""
        finally:
            self._end_operation()
        raise self.attempt.timeout_error(phase)

    def is_readable(self) -> bool:
        """Return whether bytes, or the end, have come that nobody waits for."""
        connected = self._socket
        if not isinstance(connected, socket.socket) and connected.pending():
            return True
        return ready_for(connected.fileno(), 0, to_write=False)[0]

    def close(self) -> None:
        """Close the connection. A thread that waits for it sees its end."""
        self._is_closed = True
        if self._is_busy:
            # The other thread still uses the file descriptor, and closes it.
            _shut_down(self._socket)
            return
        self._socket.close()

    def forget(self) -> None:
        """Close the copy that a fork made of the connection; the other side sees nothing of it."""
        self._socket.close()

    def _end_operation(self) -> None:
        self._is_busy = False
        if self._is_closed:
            self._socket.close()


def _connected(address: Any, seconds: float | None) -> socket.socket:
    family, kind, protocol, _, name = address
    connection = socket.socket(family, kind, protocol)
    try:
        for option in SOCKET_OPTIONS:
            connection.setsockopt(*option)
        connection.settimeout(seconds)
        connection.connect(name)
    except BaseException:
        connection.close()
        raise
    return connection


def _is_timeout(error: OSError) -> bool:
    """Return whether it is our own limit: the operating system's has a number."""
    return isinstance(error, TimeoutError) and error.errno is None


def _shut_down(connected: socket.socket | TlsInTls) -> None:
    below = connected.outer if isinstance(connected, TlsInTls) else connected
    # A socket of TLS has a `shutdown` that also forgets the state of TLS, which is in use.
    with suppress(OSError):
        socket.socket.shutdown(below, socket.SHUT_RDWR)


class TlsInTls:
    """A TLS connection inside another one, to reach a server through a proxy that speaks TLS.

    It has those methods of a socket that a `ThreadStream` uses.
    """

    def __init__(self, outer: ssl.SSLSocket, context: ssl.SSLContext, host: str) -> None:
        self.outer = outer
        self._received = ssl.MemoryBIO()
        self._to_send = ssl.MemoryBIO()
        self._unsent = memoryview(b"")
        self._tls = context.wrap_bio(self._received, self._to_send, server_hostname=host)
        self._ends: float | None = None

    def settimeout(self, seconds: float | None) -> None:
        """Set the time for the next operation, however many pieces it takes."""
        self._ends = None if seconds is None else time.monotonic() + seconds
        self.outer.settimeout(seconds)

    def do_handshake(self) -> None:
        """Shake hands with the inner server."""
        while True:
            try:
                self._tls.do_handshake()
                break
            except ssl.SSLWantReadError:
                self._flush()
                self._fill()
        self._flush()

    def send(self, data: memoryview) -> int:
        """Send some of the data; return how much."""
        self._flush()
        sent = self._tls.write(data)
        # The rest is sent first the next time.
        with suppress(*_WOULD_BLOCK):
            self._flush()
        return sent

    def recv(self, max_bytes: int) -> bytes:
        """Return what came; nothing at the end."""
        self._flush()
        while True:
            try:
                return self._tls.read(max_bytes)
            except ssl.SSLWantReadError:
                self._fill()
            except ssl.SSLZeroReturnError:
                return b""

    def _fill(self) -> None:
        if data := self._limited().recv(READ_BYTES):
            self._received.write(data)
        else:
            self._received.write_eof()

    def _flush(self) -> None:
        while self._unsent or self._to_send.pending:
            if not self._unsent:
                self._unsent = memoryview(self._to_send.read())
            sent = self._limited().send(self._unsent)
            self._unsent = self._unsent[sent:]

    def _limited(self) -> ssl.SSLSocket:
        if self._ends is not None and self.outer.gettimeout():
            left = self._ends - time.monotonic()
            if left <= 0:
                raise TimeoutError
            self.outer.settimeout(left)
        return self.outer

    def pending(self) -> int:
        """Return how many bytes have come that were not read."""
        return self._tls.pending() + self._received.pending + self.outer.pending()

    def fileno(self) -> int:
        """Return the file descriptor of the socket below."""
        return self.outer.fileno()

    def close(self) -> None:
        """Close the connection below."""
        self.outer.close()


class ThreadWaiter:
    """A thread that waits for one of `max_connections`."""

    def __init__(self) -> None:
        self._woken: SimpleQueue[None] = SimpleQueue()

    async def wait(self, seconds: float) -> None:
        """Wait for `wake`, at most so many seconds."""
        with suppress(Empty):
            self._woken.get(timeout=seconds)

    def wake(self) -> None:
        """End the wait."""
        self._woken.put(None)
