"""Who uses which connection: the places of `max_connections`, and the connections in between.

A pool like httpx's does work in proportion to its connections at every request. Here the unused
ones lie on a stack, and a request looks at the one on top.
"""

from __future__ import annotations

import os
import threading
import weakref
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Protocol

from bedrock_bearer.wire.http1 import Http1

if TYPE_CHECKING:
    from bedrock_bearer.wire.asyncio_network import LoopStream
    from bedrock_bearer.wire.attempt import Attempt
    from bedrock_bearer.wire.clock import Clock
    from bedrock_bearer.wire.network import ThreadStream

CONNECTION_IDLE_SECONDS = 50.0
"""How long an unused connection is kept; load balancers commonly close theirs at 60 s."""

LONGEST_WAIT_SECONDS = 1.0
"""How long a wait for a place goes on without looking whether one is free."""


class Connection:
    """A connection to the server, the state of its HTTP, and the process that opened it."""

    __slots__ = ("_process", "http", "idle_since", "is_new", "stream")

    def __init__(self, stream: ThreadStream | LoopStream, http: Http1) -> None:
        self.stream = stream
        self.http = http
        self.is_new = True
        """Whether no request was sent over it yet."""
        self.idle_since = 0.0
        self._process = os.getpid()

    @property
    def is_ours(self) -> bool:
        """Whether this process opened it: a fork copies connections that only one may use."""
        return self._process == os.getpid()

    def close(self) -> None:
        """Close it; the copy that a fork made, so that the other process notices nothing."""
        if self.is_ours:
            self.stream.close()
        else:
            self.stream.forget()


class Lease:
    """A place of `max_connections`, and the connection that is used at it.

    The place is free again when `end` was called or when nobody has the lease any more: an
    interrupt may come between any two steps, and loses no place.
    """

    __slots__ = ("__weakref__", "_connection", "_pool")

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._connection: list[Connection] = []

    def hold(self, connection: Connection) -> Connection:
        """Use this connection."""
        self._connection.append(connection)
        return connection

    def drop(self) -> None:
        """Close the connection, and keep the place."""
        self._connection.pop().close()

    def end(self, *, reusable: bool) -> None:
        """Give the place and the connection back. Further calls do nothing."""
        try:
            for connection in self._taken_out():
                if not (reusable and self._pool.keep(connection)):
                    connection.close()
        finally:
            self._pool.release(self)

    def _taken_out(self) -> list[Connection]:
        connections, self._connection = self._connection, []
        return connections


class Waiter(Protocol):
    """A caller that waits for a place in the pool."""

    async def wait(self, seconds: float) -> None:
        """Wait for `wake`, at most so many seconds."""

    def wake(self) -> None:
        """End the wait."""


class Pool:
    """The places and the unused connections of one client, in one process."""

    def __init__(self, clock: Clock, size: int, make_waiter: Callable[[], Waiter]) -> None:
        self._clock = clock
        self._size = size
        self._make_waiter = make_waiter
        self.is_closed = False
        self._begin()

    def _begin(self) -> None:
        self._process = os.getpid()
        self._lock = threading.Lock()
        # A lease that is gone takes itself out: both are single steps, whatever interrupts us.
        self._leased: set[weakref.ref[Lease]] = set()
        self._unused: deque[Connection] = deque()
        self._waiting: deque[Waiter] = deque()
        self._woken: set[Waiter] = set()

    def leave_parent(self) -> None:
        """After a fork, start without the connections of the parent process."""
        if self._process != os.getpid():
            inherited = self._unused
            self._begin()
            for connection in inherited:
                connection.close()

    async def lease(self, attempt: Attempt) -> Lease:
        """Wait for a place, first come first served.

        Raises:
            RequestTimeoutError: none was free in time.
        """
        self.leave_parent()
        if not self._waiting and not self._woken and (lease := self._free_place()) is not None:
            return lease
        waiter = self._make_waiter()
        lease = None
        try:
            try:
                self._waiting.append(waiter)
                lease = await self._until_free(waiter, attempt)
            finally:
                self._woken.discard(waiter)
                with suppress(ValueError):
                    self._waiting.remove(waiter)
                if len(self._leased) < self._size:
                    self._wake_next()
        except BaseException:
            if lease is not None:
                lease.end(reusable=False)
            raise
        return lease

    async def _until_free(self, waiter: Waiter, attempt: Attempt) -> Lease:
        limit = attempt.limit("pool")
        started_at = attempt.clock.monotonic()
        while (lease := self._free_place()) is None:
            if waiter in self._woken:
                self._woken.discard(waiter)
                self._waiting.appendleft(waiter)
            left = LONGEST_WAIT_SECONDS
            if limit is not None:
                left = limit - (attempt.clock.monotonic() - started_at)
            if left <= 0:
                raise attempt.timeout_error("pool")
            await waiter.wait(min(left, LONGEST_WAIT_SECONDS))
        return lease

    def _free_place(self) -> Lease | None:
        lease = Lease(self)
        try:
            with self._lock:
                if len(self._leased) >= self._size:
                    return None
                self._leased.add(weakref.ref(lease, self._leased.discard))
        except BaseException:
            self.release(lease)
            raise
        return lease

    def release(self, lease: Lease) -> None:
        """Free the place of a lease, and wake the next caller that waits."""
        self._leased.discard(weakref.ref(lease))
        self._wake_next()

    def _wake_next(self) -> None:
        with suppress(IndexError):
            waiter = self._waiting.popleft()
            self._woken.add(waiter)
            waiter.wake()

    def take_unused(self) -> Connection | None:
        """Return the connection that was used last and is still open, or None.

        Those that were idle for too long are closed.
        """
        oldest_allowed = self._clock.monotonic() - CONNECTION_IDLE_SECONDS
        with suppress(IndexError):
            while self._unused[0].idle_since < oldest_allowed:
                self._unused.popleft().close()
        with suppress(IndexError):
            while True:
                connection = self._unused.pop()
                if not connection.stream.is_readable():
                    return connection
                # Closed by the server, or it has sent what nobody asked for.
                connection.close()
        return None

    def keep(self, connection: Connection) -> bool:
        """Keep a connection for the next request; return False if it cannot take one."""
        if self.is_closed or not connection.is_ours or not connection.http.end_cycle():
            return False
        connection.idle_since = self._clock.monotonic()
        connection.is_new = False
        self._unused.append(connection)
        if self.is_closed:
            self.close()
        return True

    def close(self) -> None:
        """Close the unused connections, and keep none from now on."""
        self.is_closed = True
        with suppress(IndexError):
            while True:
                self._unused.pop().close()
