"""HTTP: the one module that knows httpx.

httpx's own pool does work in proportion to its connections at every request. Here each connection
is an httpx transport of its own, and the unused ones lie on a last-in-first-out free list.
"""

from __future__ import annotations

import functools
import io
import itertools
import os
import socket
import ssl
import sys
import threading
import urllib.request
import warnings
import weakref
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from importlib.util import find_spec
from queue import Empty, SimpleQueue
from types import ModuleType
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import httpx

from bedrock_bearer.errors import BedrockError, ConfigurationError, ConnectError, TransportError
from bedrock_bearer.wire.endpoint import is_loopback

# asyncio is imported where it is used: a client for threads does without.
if TYPE_CHECKING:
    import asyncio

    from bedrock_bearer.keys import ApiKey
    from bedrock_bearer.wire.attempt import Attempt
    from bedrock_bearer.wire.clock import Clock

CONNECTION_IDLE_SECONDS = 50.0
"""How long an unused connection is kept; load balancers commonly close theirs at 60 s."""

Connection = TypeVar("Connection", httpx.HTTPTransport, httpx.AsyncHTTPTransport)


@dataclass(frozen=True, slots=True)
class WireRequest:
    """A request without its key: the key is put on last, for each attempt."""

    method: str
    url: str
    headers: tuple[tuple[str, str], ...]
    body: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class WireResponse:
    """A reply that has come whole; its headers' names are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes = field(repr=False)


# ---------------------------------------------------------------------------------- connections


class _ConnectionSettings:
    """What every connection to one origin has in common: TLS, the proxy, TCP keepalive."""

    def __init__(self, url: str) -> None:
        self._is_tls = url.startswith("https:")
        self._proxy = _environment_proxy(url)
        self._ssl_context: ssl.SSLContext | None = None
        # Loading the authorities takes long, and threads begin together.
        self._lock = threading.Lock()

    def arguments(self) -> dict[str, Any]:
        """Return the arguments for an httpx transport that holds one connection."""
        with self._lock:
            if self._ssl_context is None:
                self._ssl_context = _ssl_context(needed=self._is_tls or self._proxy is not None)
        return {
            "verify": self._ssl_context,
            "proxy": self._proxy,
            "limits": _ONE_CONNECTION,
            "socket_options": _SOCKET_OPTIONS,
        }


_ONE_CONNECTION = httpx.Limits(
    max_connections=1, max_keepalive_connections=1, keepalive_expiry=CONNECTION_IDLE_SECONDS
)


def _ssl_context(*, needed: bool) -> ssl.SSLContext:
    if not needed:
        # Loading the authorities is slow, and plain http to loopback needs none.
        return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    bundle = os.environ.get("AWS_CA_BUNDLE")
    if not bundle:
        return httpx.create_ssl_context()
    try:
        return ssl.create_default_context(cafile=bundle)
    except OSError as error:
        reason = error.strerror or type(error).__name__
    raise ConfigurationError(f"AWS_CA_BUNDLE names {bundle!r}, which cannot be used: {reason}.")


def _environment_proxy(url: str) -> httpx.Proxy | None:
    """Return the proxy that HTTPS_PROXY, HTTP_PROXY, ALL_PROXY and NO_PROXY give for `url`."""
    target = httpx.URL(url)
    proxies = urllib.request.getproxies()
    proxy = proxies.get(target.scheme) or proxies.get("all")
    host = target.host if target.port is None else f"{target.host}:{target.port}"
    if not proxy or urllib.request.proxy_bypass(host):
        return None
    found: httpx.Proxy | None = None
    with suppress(ValueError, httpx.InvalidURL):
        found = httpx.Proxy(proxy if "://" in proxy else f"http://{proxy}")
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
    return found if target.scheme == "https" or is_loopback(found.url.host) else None


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


class _Slots:
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
        self._given_back.put(None)


class _FreeList(Generic[Connection]):
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


class _Lease(Generic[Connection]):
    """A connection in use, and its place among `max_connections`."""

    __slots__ = ("_free", "_slots", "connection")

    def __init__(
        self,
        connection: Connection,
        free: _FreeList[Connection],
        slots: _Slots | asyncio.Semaphore,
    ) -> None:
        self.connection: Connection = connection
        self._free: _FreeList[Connection] = free
        self._slots: _Slots | asyncio.Semaphore | None = slots

    def end(self, *, reusable: bool) -> Connection | None:
        """Give the connection back, once. One that cannot be used again is returned, to close."""
        slots, self._slots = self._slots, None
        if slots is None:
            return None
        is_kept = reusable and self._free.put(self.connection)
        slots.release()
        return None if is_kept else self.connection


# ------------------------------------------------------------------------- requests and errors


def _authorized(family: ModuleType, request: WireRequest, key: ApiKey, attempt: Attempt) -> Any:
    """Build httpx's request with the key on it; neither its repr nor a local here shows the key."""
    url = _parsed_url(family, request.url)
    return family.Request(
        request.method,
        url,
        headers=[
            ("host", url.netloc.decode("ascii")),
            *request.headers,
            ("content-length", str(len(request.body))),
            ("authorization", f"Bearer {key.get_secret_value()}"),
        ],
        # Given as a stream, the body spares httpx a look for the headers that are set above.
        stream=family.ByteStream(request.body),
        extensions={"timeout": attempt.limits},
    )


@functools.lru_cache(maxsize=256)
def _parsed_url(family: ModuleType, url: str) -> Any:
    """Parse a URL once: a client calls the same few again and again."""
    return family.URL(url)


_TIMEOUT_PHASES = (
    ("ConnectTimeout", "connect"),
    ("WriteTimeout", "write"),
    ("PoolTimeout", "pool"),
    ("TimeoutException", "read"),
)


def _translate(error: BaseException, attempt: Attempt, family: ModuleType) -> BedrockError | None:
    """Return our error for one of httpx's, whose text and attributes may hold the key.

    None for what is no failure of the wire: a cancellation, a bug.
    """
    for name, phase in _TIMEOUT_PHASES:
        if isinstance(error, getattr(family, name)):
            return attempt.timeout_error(phase)
    reason = _system_reason(error)
    if isinstance(error, (family.ConnectError, family.ProxyError)):
        return ConnectError(f"No connection to the endpoint could be made: {reason}.")
    if isinstance(error, (family.LocalProtocolError, family.UnsupportedProtocol)):
        return TransportError("The request is not valid HTTP and was not sent.")
    if isinstance(error, (family.HTTPError, family.StreamError, OSError)):
        message = f"The connection broke before the reply was whole: {reason}."
        return TransportError(message, retryable=True)
    return None


def _system_reason(error: BaseException) -> str:
    """Return the operating system's or TLS's words for it: httpx's own may hold the key."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, OSError):
            return str(cause.strerror or cause).rstrip(".")
        cause = cause.__cause__ or _network_context(cause)
    return type(error).__name__


def _network_context(error: BaseException) -> BaseException | None:
    """Return what was handled when `error` was raised, but not what our caller was handling."""
    context = error.__context__
    if context is None or context.__traceback__ is None:
        return None
    module = str(context.__traceback__.tb_frame.f_globals.get("__name__"))
    return context if module.partition(".")[0] in ("httpcore", "httpcore2", "anyio") else None


def _family_of(http_client: Any, class_name: str, owner: str) -> ModuleType:
    """Return the module, httpx or httpx2, whose client of the right colour `http_client` is."""
    if http_client is None:
        return httpx
    for name in ("httpx", "httpx2"):
        family = sys.modules.get(name)
        if family is not None and isinstance(http_client, getattr(family, class_name)):
            return family
    raise ConfigurationError(
        f"{owner}(http_client=...) takes an httpx.{class_name} or httpx2.{class_name}, "
        f"not a {type(http_client).__module__}.{type(http_client).__qualname__}."
    )


def _check_open(is_closed: bool, http_client: Any) -> None:
    if is_closed:
        raise ConfigurationError("This client is closed. Make a new one.")
    if http_client is not None and http_client.is_closed:
        raise ConfigurationError("The http_client= that was given is closed. Pass an open one.")


def _warn_abandoned() -> None:
    warnings.warn(
        "A stream was dropped without being closed. Use `with client.converse_stream(...)`.",
        ResourceWarning,
        stacklevel=3,
    )


class _Opened:
    """What a reply is before its body was read, whatever the colour."""

    def __init__(self, response: Any, attempt: Attempt, family: ModuleType) -> None:
        self.status: int = response.status_code
        self.headers = {
            name.decode("latin-1").lower(): value.decode("latin-1")
            for name, value in response.headers.raw
        }
        self._response = response
        self._attempt = attempt
        self._family = family
        self._finalizer: Any = None

    def _watch(self, owner: object, give_up: Callable[..., None], *arguments: Any) -> None:
        self._finalizer = weakref.finalize(owner, give_up, *arguments)
        self._finalizer.atexit = False

    def _unwatch(self) -> None:
        if self._finalizer is not None:
            self._finalizer.detach()


@contextmanager
def _each_read_limited(response: Any, attempt: Attempt) -> Iterator[None]:
    """Let each read from the network end with the deadline: httpx sets one limit for all of them.

    Where there is no network, or HTTP/2 shares it between replies, httpx's one limit must do.
    """
    stream = response.extensions.get("network_stream")
    if attempt.deadline_at is None or stream is None or response.http_version == "HTTP/2":
        yield
        return
    read = stream.read
    stream.read = lambda max_bytes, timeout=None: read(max_bytes, attempt.limit("read"))
    try:
        yield
    finally:
        del stream.read


# ----------------------------------------------------------------------------------------- sync


class Transport:
    """Sends requests for threads, over connections of its own or a caller's `http_client`."""

    def __init__(self, url: str, clock: Clock, max_connections: int, http_client: Any) -> None:
        self._family = _family_of(http_client, "Client", "BedrockClient")
        self._http_client = http_client
        self._settings = _ConnectionSettings(url)
        self._free: _FreeList[httpx.HTTPTransport] = _FreeList(clock)
        self._slots = _Slots(max_connections)
        self._is_closed = False

    def send(self, request: WireRequest, key: ApiKey, attempt: Attempt) -> WireResponse:
        """Send `request` and read the whole reply.

        Raises:
            TransportError: no whole reply came, or not in time.
        """
        opened = self.open(request, key, attempt)
        try:
            return WireResponse(opened.status, opened.headers, opened.read())
        finally:
            opened.close()

    def open(self, request: WireRequest, key: ApiKey, attempt: Attempt) -> OpenResponse:
        """Send `request` and return the reply as soon as its headers are there.

        Raises:
            TransportError: no reply came, or not in time.
        """
        _check_open(self._is_closed, self._http_client)
        lease = self._lease(attempt) if self._http_client is None else None
        try:
            httpx_request = _authorized(self._family, request, key, attempt)
            if lease is None:
                response = self._http_client.send(
                    httpx_request, stream=True, auth=None, follow_redirects=False
                )
            else:
                response = lease.connection.handle_request(httpx_request)
        except BaseException as error:
            _end(lease, reusable=False)
            failure = _translate(error, attempt, self._family)
            if failure is None:
                raise
        else:
            return OpenResponse(response, attempt, self._family, lease)
        # Outside the handler, so that the error's context does not lead to the request.
        raise failure

    def _lease(self, attempt: Attempt) -> _Lease[httpx.HTTPTransport]:
        if not self._slots.acquire(timeout=attempt.limit("pool")):
            raise attempt.timeout_error("pool")
        try:
            connection, expired = self._free.take()
            for old in expired:
                old.close()
            if connection is None:
                connection = httpx.HTTPTransport(**self._settings.arguments())
        except BaseException:
            self._slots.release()
            raise
        return _Lease(connection, self._free, self._slots)

    def close(self) -> None:
        """Close the unused connections. A caller's own `http_client` stays open."""
        self._is_closed = True
        for connection in self._free.close():
            connection.close()


def _end(lease: _Lease[httpx.HTTPTransport] | None, *, reusable: bool) -> None:
    leftover = lease.end(reusable=reusable) if lease is not None else None
    if leftover is not None:
        leftover.close()


class OpenResponse(_Opened):
    """A reply whose body is still to come. Close it."""

    def __init__(
        self,
        response: Any,
        attempt: Attempt,
        family: ModuleType,
        lease: _Lease[httpx.HTTPTransport] | None,
    ) -> None:
        super().__init__(response, attempt, family)
        self._lease = lease

    def read(self) -> bytes:
        """Return the whole body."""
        # BytesIO and `del`: a traceback may show this frame, and a proxy's page our own headers.
        body = io.BytesIO()
        for chunk in self._chunks(self._attempt.check_whole):
            body.write(chunk)
            del chunk
        return body.getvalue()

    def chunks(self, owner: object) -> Iterator[bytes]:
        """Yield the body as it comes. When `owner` is dropped, the connection is given back."""
        self._watch(owner, _abandon, self._response, self._lease)
        return self._chunks(self._attempt.check_deadline)

    def _chunks(self, check: Callable[[], None]) -> Iterator[bytes]:
        encoded = "content-encoding" in self.headers
        chunks = self._response.iter_bytes() if encoded else self._response.stream
        return _read_chunks(chunks, self._response, self._attempt, self._family, check)

    def close(self) -> None:
        """Give the connection back: to be used again if the body was read, else closed."""
        self._unwatch()
        reusable = self._response.is_closed
        if not reusable:
            with suppress(Exception):
                self._response.close()
        _end(self._lease, reusable=reusable)


def _read_chunks(
    chunks: Any, response: Any, attempt: Attempt, family: ModuleType, check: Callable[[], None]
) -> Iterator[bytes]:
    # No method: a generator that held its owner would keep an abandoned stream's connection.
    try:
        with _each_read_limited(response, attempt):
            for chunk in chunks:
                yield chunk
                del chunk
                check()
        response.close()
    except Exception as error:
        failure = _translate(error, attempt, family)
        if failure is None:
            raise
    else:
        return
    raise failure


def _abandon(response: Any, lease: _Lease[httpx.HTTPTransport] | None) -> None:
    with suppress(Exception):
        response.close()
    _end(lease, reusable=False)
    _warn_abandoned()


# ---------------------------------------------------------------------------------------- async


class AsyncTransport:
    """Sends requests for the tasks of one event loop; otherwise as `Transport`."""

    def __init__(self, url: str, clock: Clock, max_connections: int, http_client: Any) -> None:
        self._family = _family_of(http_client, "AsyncClient", "AsyncBedrockClient")
        self._http_client = http_client
        self._settings = _ConnectionSettings(url)
        self._free: _FreeList[httpx.AsyncHTTPTransport] = _FreeList(clock)
        import asyncio

        self._slots = asyncio.Semaphore(max_connections)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._is_closed = False

    async def send(self, request: WireRequest, key: ApiKey, attempt: Attempt) -> WireResponse:
        """Send `request` and read the whole reply.

        Raises:
            TransportError: no whole reply came, or not in time.
        """
        opened = await self.open(request, key, attempt)
        try:
            return WireResponse(opened.status, opened.headers, await opened.read())
        finally:
            await opened.close()

    async def open(self, request: WireRequest, key: ApiKey, attempt: Attempt) -> AsyncOpenResponse:
        """Send `request` and return the reply as soon as its headers are there.

        Raises:
            TransportError: no reply came, or not in time.
            ConfigurationError: the client was first used in another event loop.
        """
        _check_open(self._is_closed, self._http_client)
        self._check_loop()
        lease = await self._lease(attempt) if self._http_client is None else None
        try:
            httpx_request = _authorized(self._family, request, key, attempt)
            if lease is None:
                response = await self._http_client.send(
                    httpx_request, stream=True, auth=None, follow_redirects=False
                )
            else:
                response = await lease.connection.handle_async_request(httpx_request)
        except BaseException as error:
            await _end_async(lease, reusable=False)
            failure = _translate(error, attempt, self._family)
            if failure is None:
                raise
        else:
            return AsyncOpenResponse(response, attempt, self._family, lease)
        # Outside the handler, so that the error's context does not lead to the request.
        raise failure

    def _check_loop(self) -> None:
        import asyncio

        loop = asyncio.get_running_loop()
        if self._loop is None:
            self._loop = loop
        if self._loop is not loop:
            raise ConfigurationError(
                "This AsyncBedrockClient was first used in another event loop, where its "
                "connections live. Make one client for each asyncio.run(...)."
            )

    async def _lease(self, attempt: Attempt) -> _Lease[httpx.AsyncHTTPTransport]:
        await self._acquire_slot(attempt)
        connection: httpx.AsyncHTTPTransport | None = None
        try:
            connection, expired = self._free.take()
            for old in expired:
                await old.aclose()
            if connection is None:
                connection = httpx.AsyncHTTPTransport(**self._settings.arguments())
        except BaseException:
            if connection is not None:
                self._free.put(connection)
            self._slots.release()
            raise
        return _Lease(connection, self._free, self._slots)

    async def _acquire_slot(self, attempt: Attempt) -> None:
        if not self._slots.locked():
            await self._slots.acquire()
            return
        try:
            import asyncio

            async with asyncio.timeout(attempt.limit("pool")):
                await self._slots.acquire()
        except TimeoutError:
            failure = attempt.timeout_error("pool")
        else:
            return
        raise failure

    async def close(self) -> None:
        """Close the unused connections. A caller's own `http_client` stays open."""
        self._is_closed = True
        for connection in self._free.close():
            await connection.aclose()


async def _end_async(lease: _Lease[httpx.AsyncHTTPTransport] | None, *, reusable: bool) -> None:
    leftover = lease.end(reusable=reusable) if lease is not None else None
    if leftover is not None:
        await leftover.aclose()


class AsyncOpenResponse(_Opened):
    """A reply whose body is still to come. Close it."""

    def __init__(
        self,
        response: Any,
        attempt: Attempt,
        family: ModuleType,
        lease: _Lease[httpx.AsyncHTTPTransport] | None,
    ) -> None:
        super().__init__(response, attempt, family)
        self._lease = lease

    async def read(self) -> bytes:
        """Return the whole body."""
        body = io.BytesIO()
        async for chunk in self._chunks(self._attempt.check_whole):
            body.write(chunk)
            del chunk
        return body.getvalue()

    def chunks(self, owner: object) -> AsyncIterator[bytes]:
        """Yield the body as it comes. When `owner` is dropped, the connection is given back."""
        chunks = self._chunks(self._attempt.check_deadline)
        import asyncio

        loop = asyncio.get_running_loop()
        self._watch(owner, _abandon_async, loop, chunks, self._response, self._lease)
        return chunks

    def _chunks(self, check: Callable[[], None]) -> AsyncIterator[bytes]:
        encoded = "content-encoding" in self.headers
        chunks = self._response.aiter_bytes() if encoded else self._response.stream
        return _read_chunks_async(chunks, self._response, self._attempt, self._family, check)

    async def close(self) -> None:
        """Give the connection back: to be used again if the body was read, else closed."""
        self._unwatch()
        reusable = self._response.is_closed
        try:
            with suppress(Exception):
                await self._response.aclose()
        finally:
            await _end_async(self._lease, reusable=reusable)


async def _read_chunks_async(
    chunks: Any, response: Any, attempt: Attempt, family: ModuleType, check: Callable[[], None]
) -> AsyncIterator[bytes]:
    # No method: a generator that held its owner would keep an abandoned stream's connection.
    try:
        with _each_read_limited(response, attempt):
            async for chunk in chunks:
                yield chunk
                del chunk
                check()
        await response.aclose()
    except Exception as error:
        failure = _translate(error, attempt, family)
        if failure is None:
            raise
    else:
        return
    raise failure


def _abandon_async(
    loop: asyncio.AbstractEventLoop,
    chunks: Any,
    response: Any,
    lease: _Lease[httpx.AsyncHTTPTransport] | None,
) -> None:
    if not loop.is_closed():
        with suppress(RuntimeError):
            loop.call_soon_threadsafe(_start, loop, _finish(chunks, response, lease))
    _warn_abandoned()


_finishing: set[asyncio.Task[None]] = set()
"""The loop itself keeps only weak references to its tasks."""


def _start(loop: asyncio.AbstractEventLoop, finish: Coroutine[Any, Any, None]) -> None:
    task = loop.create_task(finish)
    _finishing.add(task)
    task.add_done_callback(_finishing.discard)


async def _finish(
    chunks: Any, response: Any, lease: _Lease[httpx.AsyncHTTPTransport] | None
) -> None:
    with suppress(Exception):
        await chunks.aclose()
    with suppress(Exception):
        await response.aclose()
    await _end_async(lease, reusable=False)
