"""Connections: how one is made to an origin, and where it lies while it is not in use.

A pool like httpx's does work in proportion to its connections at every request. Here the unused
ones lie on a last-in-first-out free list, and a request looks at the one on top.
"""

from __future__ import annotations

import itertools
import os
import socket
import ssl
import sys
import threading
from contextlib import suppress
from importlib.util import find_spec
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import httpcore

from bedrock_bearer.errors import ConfigurationError
from bedrock_bearer.wire.endpoint import is_loopback
from bedrock_bearer.wire.network import ThreadBackend

# asyncio and what proxies take are imported where they are used: most clients do without.
if TYPE_CHECKING:
    import asyncio

    import httpx

    from bedrock_bearer.wire.clock import Clock

CONNECTION_IDLE_SECONDS = 50.0
"""How long an unused connection is kept; load balancers commonly close theirs at 60 s."""

# Through a proxy, httpcore makes a connection only as a pool: here, a pool of one.
SyncConnection = httpcore.HTTPConnection | httpcore.ConnectionPool
AsyncConnection = httpcore.AsyncHTTPConnection | httpcore.AsyncConnectionPool
Connection = TypeVar("Connection", SyncConnection, AsyncConnection)


class ConnectionSettings:
    """What every connection to one origin has in common: TLS, the proxy, TCP keepalive."""

    def __init__(self, url: str) -> None:
        self._origin = httpcore.URL(url).origin
        self._proxy = _environment_proxy(self._origin)
        # Loading the authorities is slow, and plain http to loopback needs none.
        self._needs_tls = url.startswith("https:") or self._proxy is not None
        self._ssl_context: ssl.SSLContext | None = None
        # Loading the authorities takes long, and threads begin together.
        self._lock = threading.Lock()

    def connection(self) -> SyncConnection:
        """Return a connection for threads; its first request opens it."""
        arguments = {**self._arguments(), "network_backend": ThreadBackend()}
        if self._proxy is not None:
            return httpcore.ConnectionPool(
                proxy=self._httpcore_proxy(self._proxy), max_connections=1, **arguments
            )
        return httpcore.HTTPConnection(self._origin, **arguments)

    def async_connection(self) -> AsyncConnection:
        """Return a connection for an event loop; its first request opens it."""
        from bedrock_bearer.wire.asyncio_network import AsyncioBackend

        arguments = {**self._arguments(), "network_backend": AsyncioBackend()}
        if self._proxy is not None:
            return httpcore.AsyncConnectionPool(
                proxy=self._httpcore_proxy(self._proxy), max_connections=1, **arguments
            )
        return httpcore.AsyncHTTPConnection(self._origin, **arguments)

    def _arguments(self) -> dict[str, Any]:
        return {"ssl_context": self._tls(), "socket_options": _SOCKET_OPTIONS}

    def _tls(self) -> ssl.SSLContext | None:
        with self._lock:
            if self._ssl_context is None and self._needs_tls:
                self._ssl_context = _load_authorities()
            return self._ssl_context

    def _httpcore_proxy(self, proxy: httpx.Proxy) -> httpcore.Proxy:
        return httpcore.Proxy(
            httpcore.URL(
                scheme=proxy.url.raw_scheme,
                host=proxy.url.raw_host,
                port=proxy.url.port,
                target=proxy.url.raw_path,
            ),
            auth=proxy.raw_auth,
            ssl_context=self._tls() if proxy.url.scheme == "https" else None,
        )


def can_be_used_again(connection: SyncConnection | AsyncConnection) -> bool:
    """Return whether neither side has closed an unused connection."""
    if isinstance(connection, (httpcore.ConnectionPool, httpcore.AsyncConnectionPool)):
        # A pool looks for itself.
        return True
    return not (connection.is_closed() or connection.has_expired())


def _load_authorities() -> ssl.SSLContext:
    for variable in ("AWS_CA_BUNDLE", "SSL_CERT_FILE", "SSL_CERT_DIR"):
        if path := os.environ.get(variable):
            return _context_of(variable, path)
    import certifi

    return ssl.create_default_context(cafile=certifi.where())


def _context_of(variable: str, path: str) -> ssl.SSLContext:
    try:
        if variable == "SSL_CERT_DIR":
            return ssl.create_default_context(capath=path)
        return ssl.create_default_context(cafile=path)
    except OSError as error:
        reason = error.strerror or type(error).__name__
    raise ConfigurationError(f"{variable} names {path!r}, which cannot be used: {reason}.")


def _environment_proxy(origin: httpcore.Origin) -> httpx.Proxy | None:
    """Return the proxy that HTTPS_PROXY, HTTP_PROXY, ALL_PROXY and NO_PROXY give for `origin`."""
    if sys.platform not in ("darwin", "win32") and not any(map(_names_a_proxy, os.environ)):
        return None
    from urllib.request import getproxies, proxy_bypass

    scheme, host = origin.scheme.decode("ascii"), origin.host.decode("ascii")
    proxies = getproxies()
    proxy = proxies.get(scheme) or proxies.get("all")
    if not proxy or proxy_bypass(f"{host}:{origin.port}"):
        return None
    found = _read_proxy(proxy if "://" in proxy else f"http://{proxy}")
    if found is None or not found.url.host:
        raise ConfigurationError(
            "The proxy set in HTTPS_PROXY, HTTP_PROXY or ALL_PROXY is not a URL that can be used."
        )
    if found.url.scheme.startswith("socks") and find_spec("socksio") is None:
        raise ConfigurationError(
            "The proxy set in HTTPS_PROXY, HTTP_PROXY or ALL_PROXY is a SOCKS proxy: "
            "pip install 'httpx[socks]' to use it."
        )
    # Over plain http a proxy would see the key, which is not to leave this machine unencrypted.
    return found if scheme == "https" or is_loopback(found.url.host) else None


def _names_a_proxy(variable: str) -> bool:
    return variable.lower().endswith("_proxy")


def _read_proxy(url: str) -> httpx.Proxy | None:
    import httpx

    with suppress(ValueError, httpx.InvalidURL):
        return httpx.Proxy(url)
    return None


def _socket_options() -> list[tuple[int, int, int]]:
    options = [
        (socket.IPPROTO_TCP, socket.TCP_NODELAY, 1),
        # NAT gateways drop connections that are silent for some minutes, and models think long.
        (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
    ]
    for name, value in (("TCP_KEEPIDLE", 60), ("TCP_KEEPINTVL", 60), ("TCP_KEEPCNT", 5)):
        if hasattr(socket, name):
            options.append((socket.IPPROTO_TCP, getattr(socket, name), value))
    return options


_SOCKET_OPTIONS = _socket_options()


class Slots:
    """The places for `max_connections` requests.

    No semaphore: its lock would hang a thread whose garbage collector, while the thread holds it,
    finds an abandoned stream that gives its place back. A SimpleQueue takes that.
    """

    def __init__(self, count: int) -> None:
        self._count = count
        self._numbers = itertools.count()
        self._given_back: SimpleQueue[None] = SimpleQueue()

    def acquire(self, timeout: float | None) -> bool:
        """Take a place; return whether there was one in time."""
        with suppress(Empty):
            self._given_back.get_nowait()
            return True
        if next(self._numbers) < self._count:
            return True
        with suppress(Empty):
            self._given_back.get(timeout=timeout)
            return True
        return False

    def release(self) -> None:
        """Give a place back."""
        self._given_back.put(None)


class FreeList(Generic[Connection]):
    """Unused connections, the last one used on top, so that surplus ones grow old and go."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._free: list[tuple[float, Connection]] = []
        self._lock = threading.Lock()
        self._is_closed = False

    def take(self) -> tuple[Connection | None, list[Connection]]:
        """Return the freshest connection, if any, and those that were idle for too long."""
        with self._lock:
            oldest_allowed = self._clock.monotonic() - CONNECTION_IDLE_SECONDS
            expired = 0
            while expired < len(self._free) and self._free[expired][0] < oldest_allowed:
                expired += 1
            to_close = [connection for _, connection in self._free[:expired]]
            del self._free[:expired]
            return (self._free.pop()[1] if self._free else None), to_close

    def put(self, connection: Connection) -> bool:
        """Keep a connection; return whether that was done, which it is not once closed."""
        with self._lock:
            if not self._is_closed:
                self._free.append((self._clock.monotonic(), connection))
            return not self._is_closed

    def close(self) -> list[Connection]:
        """Return all of them, and keep none from now on."""
        with self._lock:
            self._is_closed = True
            connections = [connection for _, connection in self._free]
            self._free.clear()
            return connections


class Lease(Generic[Connection]):
    """A connection in use, and its place among `max_connections`."""

    __slots__ = ("_free", "_slots", "connection")

    def __init__(
        self,
        connection: Connection,
        free: FreeList[Connection],
        slots: Slots | asyncio.Semaphore,
    ) -> None:
        self.connection: Connection = connection
        self._free: FreeList[Connection] = free
        self._slots: Slots | asyncio.Semaphore | None = slots

    def end(self, *, reusable: bool) -> Connection | None:
        """Give the connection back, once. One that cannot be used again is returned, to close."""
        slots, self._slots = self._slots, None
        if slots is None:
            return None
        is_kept = reusable and self._free.put(self.connection)
        slots.release()
        return None if is_kept else self.connection
