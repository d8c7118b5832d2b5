"""HTTP: requests and replies, over connections of our own or a caller's httpx client.

Our own are httpcore's, the engine of httpx: httpx itself takes as long again for a call, and as
long as all else to import.
"""

from __future__ import annotations

import functools
import io
import sys
import warnings
import weakref
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from types import ModuleType
from typing import TYPE_CHECKING, Any, Generic

import httpcore

from bedrock_bearer.errors import BedrockError, ConfigurationError, ConnectError, TransportError
from bedrock_bearer.wire.connections import (
    AsyncConnection,
    Connection,
    ConnectionSettings,
    FreeList,
    Lease,
    Slots,
    SyncConnection,
    can_be_used_again,
)

# asyncio is imported where it is used: a client for threads does without.
if TYPE_CHECKING:
    import asyncio

    from bedrock_bearer.keys.api_key import ApiKey
    from bedrock_bearer.wire.attempt import Attempt
    from bedrock_bearer.wire.clock import Clock


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

    @property
    def request_id(self) -> str | None:
        """AWS's id of the request."""
        return self.headers.get("x-amzn-requestid")


# ------------------------------------------------------------------------- requests and errors


def _headers(request: WireRequest, key: ApiKey) -> list[tuple[bytes, bytes]]:
    return [
        (b"host", request.url.split("/", 3)[2].encode("ascii")),
        *((name.encode("ascii"), value.encode("ascii")) for name, value in request.headers),
        (b"content-length", b"%d" % len(request.body)),
        (b"authorization", b"Bearer " + key.get_secret_value().encode("ascii")),
    ]


def _request(request: WireRequest, key: ApiKey, attempt: Attempt) -> httpcore.Request:
    """Build httpcore's request with the key on it; neither its repr nor a local shows the key."""
    built = httpcore.Request(
        request.method,
        _parsed_url(httpcore, request.url),
        content=request.body,
        extensions={"timeout": attempt.limits},
    )
    # Set afterwards, they spare httpcore a look at each; h11 looks at them in any case.
    built.headers = _headers(request, key)
    return built


def _httpx_request(family: ModuleType, request: WireRequest, key: ApiKey, attempt: Attempt) -> Any:
    """As `_request`, for a caller's own client."""
    return family.Request(
        request.method,
        _parsed_url(family, request.url),
        headers=_headers(request, key),
        # Given as a stream, the body spares httpx a look for the headers that are set above.
        stream=family.ByteStream(request.body),
        extensions={"timeout": attempt.limits},
    )


@functools.lru_cache(maxsize=256)
def _parsed_url(family: ModuleType, url: str) -> Any:
    """Parse a URL once: a client calls the same few again and again."""
    return family.URL(url)


_TIMEOUT_PHASES = {
    "ConnectTimeout": "connect",
    "WriteTimeout": "write",
    "PoolTimeout": "pool",
    "TimeoutException": "read",
}
_HTTP_PACKAGES = ("httpcore", "httpx", "httpcore2", "httpx2")


def _translate(error: BaseException, attempt: Attempt) -> BedrockError | None:
    """Return our error for one of HTTP's, whose text and attributes may hold the key.

    None for what is no failure of the wire: a cancellation, a bug. All of httpx's family, which a
    mock or a caller's own client may raise as well, have the same names for the same things.
    """
    names = [kind.__name__ for kind in type(error).__mro__ if _package(kind) in _HTTP_PACKAGES]
    for name in names:
        if name in _TIMEOUT_PHASES:
            return attempt.timeout_error(_TIMEOUT_PHASES[name])
    reason = _system_reason(error)
    if "ConnectError" in names or "ProxyError" in names:
        return ConnectError(f"No connection to the endpoint could be made: {reason}.")
    if "LocalProtocolError" in names or "UnsupportedProtocol" in names:
        return TransportError("The request is not valid HTTP and was not sent.")
    if names or isinstance(error, OSError):
        message = f"The connection broke before the reply was whole: {reason}."
        return TransportError(message, retryable=True)
    return None


def _package(kind: type) -> str:
    return kind.__module__.partition(".")[0]


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
    return context if module.partition(".")[0] in (*_HTTP_PACKAGES, "anyio") else None


def _family_of(http_client: Any, class_name: str, owner: str) -> ModuleType:
    """Return the module, httpx or httpx2, whose client of the right colour `http_client` is."""
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


class _Exchange(Generic[Connection]):
    """A request that was answered: the reply, and the connection that it holds."""

    __slots__ = ("is_read", "lease", "response")

    def __init__(self, response: Any, lease: Lease[Connection] | None) -> None:
        self.response = response
        self.lease: Lease[Connection] | None = lease
        self.is_read = False

    def status(self) -> int:
        """Return the HTTP status: httpcore's replies and httpx's differ in two names."""
        response = self.response
        status: int = response.status if self.lease is not None else response.status_code
        return status

    def raw_headers(self) -> list[tuple[bytes, bytes]]:
        """Return the headers as they came."""
        headers = self.response.headers
        raw: list[tuple[bytes, bytes]] = headers if self.lease is not None else headers.raw
        return raw

    def end(self) -> Connection | None:
        """Give the connection back; return one that cannot be used again, to close."""
        return None if self.lease is None else self.lease.end(reusable=self.is_read)


class _Opened(Generic[Connection]):
    """What a reply is before its body was read, whatever the colour."""

    def __init__(self, exchange: _Exchange[Connection], attempt: Attempt) -> None:
        self.status = exchange.status()
        self.headers = {
            name.decode("latin-1").lower(): value.decode("latin-1")
            for name, value in exchange.raw_headers()
        }
        self._exchange: _Exchange[Connection] = exchange
        self._attempt = attempt
        self._finalizer: Any = None

    def _encoded(self, chunks: Any) -> Any:
        """Return httpx's reply around a body that came encoded although nobody asked for that."""
        import httpx

        headers = self._exchange.raw_headers()
        return httpx.Response(self.status, headers=headers, content=chunks)

    def _watch(self, owner: object, give_up: Callable[..., None], *arguments: Any) -> None:
        self._finalizer = weakref.finalize(owner, give_up, *arguments)
        self._finalizer.atexit = False

    def _unwatch(self) -> None:
        if self._finalizer is not None:
            self._finalizer.detach()


def _limit_each_read(response: Any, attempt: Attempt) -> Any:
    """Let each read from the network end with the deadline: httpcore has one limit for them all.

    Return the network's stream, whose `read` is to be deleted at the end. None where there is no
    network, or HTTP/2 shares it between replies: there, that one limit must do.
    """
    extensions = response.extensions
    stream = extensions.get("network_stream")
    is_shared = extensions.get("http_version") == b"HTTP/2"
    if attempt.deadline_at is None or stream is None or is_shared:
        return None
    read = stream.read
    stream.read = lambda max_bytes, timeout=None: read(max_bytes, attempt.limit("read"))
    return stream


# ----------------------------------------------------------------------------------------- sync


class Transport:
    """Sends requests for threads, over connections of its own or a caller's `http_client`."""

    def __init__(self, url: str, clock: Clock, max_connections: int, http_client: Any) -> None:
        self._http_client = http_client
        if http_client is not None:
            self._family = _family_of(http_client, "Client", "BedrockClient")
        self._settings = ConnectionSettings(url)
        self._free: FreeList[SyncConnection] = FreeList(clock)
        self._slots = Slots(max_connections)
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
            if lease is not None:
                response = lease.connection.handle_request(_request(request, key, attempt))
            else:
                response = self._http_client.send(
                    _httpx_request(self._family, request, key, attempt),
                    stream=True,
                    auth=None,
                    follow_redirects=False,
                )
        except BaseException as error:
            _give_up(lease)
            failure = _translate(error, attempt)
            if failure is None:
                raise
        else:
            return OpenResponse(_Exchange(response, lease), attempt)
        # Outside the handler, so that the error's context does not lead to the request.
        raise failure

    def _lease(self, attempt: Attempt) -> Lease[SyncConnection]:
        if not self._slots.acquire(timeout=attempt.limit("pool")):
            raise attempt.timeout_error("pool")
        try:
            connection = self._unused() or self._settings.connection()
        except BaseException:
            self._slots.release()
            raise
        return Lease(connection, self._free, self._slots)

    def _unused(self) -> SyncConnection | None:
        """Return an open connection from the free list, if any; close those of no more use."""
        while True:
            connection, expired = self._free.take()
            for old in expired:
                old.close()
            if connection is None or can_be_used_again(connection):
                return connection
            connection.close()

    def close(self) -> None:
        """Close the unused connections. A caller's own `http_client` stays open."""
        self._is_closed = True
        for connection in self._free.close():
            connection.close()


def _give_up(lease: Lease[SyncConnection] | None) -> None:
    if lease is not None and (leftover := lease.end(reusable=False)) is not None:
        leftover.close()


class OpenResponse(_Opened[SyncConnection]):
    """A reply whose body is still to come. Close it."""

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
        self._watch(owner, _abandon, self._exchange)
        return self._chunks(self._attempt.check_deadline)

    def _chunks(self, check: Callable[[], None]) -> Iterator[bytes]:
        chunks = self._exchange.response.stream
        if "content-encoding" in self.headers:
            chunks = self._encoded(iter(chunks)).iter_bytes()
        return _read_chunks(chunks, self._exchange, self._attempt, check)

    def close(self) -> None:
        """Give the connection back: to be used again if the body was read, else closed."""
        self._unwatch()
        _close(self._exchange)


def _read_chunks(
    chunks: Any, exchange: _Exchange[SyncConnection], attempt: Attempt, check: Callable[[], None]
) -> Iterator[bytes]:
    # No method: a generator that held its owner would keep an abandoned stream's connection.
    try:
        limited = _limit_each_read(exchange.response, attempt)
        try:
            for chunk in chunks:
                yield chunk
                del chunk
                check()
        finally:
            if limited is not None:
                del limited.read
        exchange.response.close()
        exchange.is_read = True
    except Exception as error:
        failure = _translate(error, attempt)
        if failure is None:
            raise
    else:
        return
    raise failure


def _close(exchange: _Exchange[SyncConnection]) -> None:
    if not exchange.is_read:
        with suppress(Exception):
            exchange.response.close()
    if (leftover := exchange.end()) is not None:
        leftover.close()


def _abandon(exchange: _Exchange[SyncConnection]) -> None:
    _close(exchange)
    _warn_abandoned()


# ---------------------------------------------------------------------------------------- async


class AsyncTransport:
    """Sends requests for the tasks of one event loop; otherwise as `Transport`."""

    def __init__(self, url: str, clock: Clock, max_connections: int, http_client: Any) -> None:
        self._http_client = http_client
        if http_client is not None:
            self._family = _family_of(http_client, "AsyncClient", "AsyncBedrockClient")
        self._settings = ConnectionSettings(url)
        self._free: FreeList[AsyncConnection] = FreeList(clock)
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
            if lease is not None:
                response = await lease.connection.handle_async_request(
                    _request(request, key, attempt)
                )
            else:
                response = await self._http_client.send(
                    _httpx_request(self._family, request, key, attempt),
                    stream=True,
                    auth=None,
                    follow_redirects=False,
                )
        except BaseException as error:
            await _give_up_async(lease)
            failure = _translate(error, attempt)
            if failure is None:
                raise
        else:
            return AsyncOpenResponse(_Exchange(response, lease), attempt)
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

    async def _lease(self, attempt: Attempt) -> Lease[AsyncConnection]:
        await self._acquire_slot(attempt)
        try:
            connection = await self._unused() or self._settings.async_connection()
        except BaseException:
            self._slots.release()
            raise
        return Lease(connection, self._free, self._slots)

    async def _unused(self) -> AsyncConnection | None:
        """Return an open connection from the free list, if any; close those of no more use."""
        while True:
            connection, expired = self._free.take()
            try:
                for old in expired:
                    await old.aclose()
            except BaseException:
                # Cancelled meanwhile: what may be of use goes back.
                if connection is not None:
                    self._free.put(connection)
                raise
            if connection is None or can_be_used_again(connection):
                return connection
            await connection.aclose()

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


async def _give_up_async(lease: Lease[AsyncConnection] | None) -> None:
    if lease is not None and (leftover := lease.end(reusable=False)) is not None:
        await leftover.aclose()


class AsyncOpenResponse(_Opened[AsyncConnection]):
    """A reply whose body is still to come. Close it."""

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

        self._watch(owner, _abandon_async, asyncio.get_running_loop(), chunks, self._exchange)
        return chunks

    def _chunks(self, check: Callable[[], None]) -> AsyncIterator[bytes]:
        chunks = self._exchange.response.stream
        if "content-encoding" in self.headers:
            chunks = self._encoded(aiter(chunks)).aiter_bytes()
        return _read_chunks_async(chunks, self._exchange, self._attempt, check)

    async def close(self) -> None:
        """Give the connection back: to be used again if the body was read, else closed."""
        self._unwatch()
        await _close_async(self._exchange)


async def _read_chunks_async(
    chunks: Any, exchange: _Exchange[AsyncConnection], attempt: Attempt, check: Callable[[], None]
) -> AsyncIterator[bytes]:
    # No method: a generator that held its owner would keep an abandoned stream's connection.
    try:
        limited = _limit_each_read(exchange.response, attempt)
        try:
            async for chunk in chunks:
                yield chunk
                del chunk
                check()
        finally:
            if limited is not None:
                del limited.read
        await exchange.response.aclose()
        exchange.is_read = True
    except Exception as error:
        failure = _translate(error, attempt)
        if failure is None:
            raise
    else:
        return
    raise failure


async def _close_async(exchange: _Exchange[AsyncConnection]) -> None:
    try:
        if not exchange.is_read:
            with suppress(Exception):
                await exchange.response.aclose()
    finally:
        if (leftover := exchange.end()) is not None:
            await leftover.aclose()


def _abandon_async(
    loop: asyncio.AbstractEventLoop, chunks: Any, exchange: _Exchange[AsyncConnection]
) -> None:
    if not loop.is_closed():
        with suppress(RuntimeError):
            loop.call_soon_threadsafe(_start, loop, _finish(chunks, exchange))
    _warn_abandoned()


_finishing: set[asyncio.Task[None]] = set()
"""The loop itself keeps only weak references to its tasks."""


def _start(loop: asyncio.AbstractEventLoop, finish: Coroutine[Any, Any, None]) -> None:
    task = loop.create_task(finish)
    _finishing.add(task)
    task.add_done_callback(_finishing.discard)


async def _finish(chunks: Any, exchange: _Exchange[AsyncConnection]) -> None:
    with suppress(Exception):
        await chunks.aclose()
    await _close_async(exchange)
