"""Requests over a caller's own httpx client, or over httpcore where a mock has replaced it.

They take their time limits once, as the request begins. Where the whole is limited as well, by a
number as `timeout=` or by a deadline, each wait is bounded from outside.
"""

from __future__ import annotations

import contextvars
import functools
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from types import ModuleType
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from bedrock_bearer.errors import ConfigurationError

# asyncio is imported where it is used: a client for threads does without.
if TYPE_CHECKING:
    import asyncio

    from bedrock_bearer.keys.api_key import ApiKey
    from bedrock_bearer.wire.attempt import Attempt
    from bedrock_bearer.wire.http1 import RawHeaders
    from bedrock_bearer.wire.messages import WireRequest

Result = TypeVar("Result")


class HttpxClient(Protocol):
    """An `httpx.Client` or `httpx2.Client`.

    Type checkers take a class of a package that is not installed for Any; they know this one.
    """

    def build_request(self, method: str, url: str) -> object: ...

    def close(self) -> None: ...


class AsyncHttpxClient(Protocol):
    """An `httpx.AsyncClient` or `httpx2.AsyncClient`."""

    def build_request(self, method: str, url: str) -> object: ...

    async def aclose(self) -> None: ...


def family_of(http_client: object, class_name: str, owner: str) -> ModuleType:
    """Return the module, httpx or httpx2, whose client of the right colour `http_client` is.

    Raises:
        ConfigurationError: it is none.
    """
    for name in ("httpx", "httpx2"):
        family = sys.modules.get(name)
        if family is not None and isinstance(http_client, getattr(family, class_name)):
            return family
    raise ConfigurationError(
        f"{owner}(http_client=...) takes an httpx.{class_name} or httpx2.{class_name}, "
        f"not a {type(http_client).__module__}.{type(http_client).__qualname__}."
    )


@dataclass(frozen=True, slots=True)
class Colour:
    """How the two kinds of client are called: ours, httpx's and httpcore's."""

    client_name: str
    httpx_name: str
    httpcore_name: str
    httpcore_method: str


THREADS = Colour("BedrockClient", "Client", "HTTPConnection", "handle_request")
EVENT_LOOP = Colour(
    "AsyncBedrockClient", "AsyncClient", "AsyncHTTPConnection", "handle_async_request"
)


class ForeignConnections:
    """Tells whether a request goes over a caller's own client, or to a mock."""

    def __init__(self, colour: Colour, http_client: Any) -> None:
        self._exchange_class = ThreadForeignExchange if colour is THREADS else LoopForeignExchange
        self._mock = MockSender(colour.httpcore_name, colour.httpcore_method)
        self._client = http_client
        self._sender: HttpxSender | None = None
        if http_client is not None:
            family = family_of(http_client, colour.httpx_name, colour.client_name)
            self._sender = HttpxSender(http_client, family)

    @property
    def is_closed(self) -> bool:
        """Whether the caller has closed the client."""
        return self._client is not None and bool(self._client.is_closed)

    def exchange(self, attempt: Attempt) -> ThreadForeignExchange | LoopForeignExchange | None:
        """Return what carries a request; None if our own connections do."""
        if self._sender is not None:
            return self._exchange_class(self._sender, attempt)
        return self._exchange_class(self._mock, attempt) if self._mock.is_active() else None


class HttpxSender:
    """Sends over a caller's own client."""

    def __init__(self, client: Any, family: ModuleType) -> None:
        self._client = client
        self._family = family

    def send(self, request: WireRequest, key: ApiKey, attempt: Attempt) -> Any:
        """Send a request; return httpx's response, in an event loop as a coroutine."""
        return self._client.send(
            self._family.Request(
                request.method,
                _parsed_url(self._family, request.url),
                headers=_headers(request, key),
                # httpx does not check the headers above if the body is given as a stream.
                stream=self._family.ByteStream(request.body),
                extensions={"timeout": attempt.limits()},
            ),
            stream=True,
            auth=None,
            follow_redirects=False,
        )

    def head(self, response: Any) -> tuple[int, RawHeaders]:
        """Return the status and the headers of a response."""
        headers = response.headers.raw
        if response.is_stream_consumed:
            # httpx has decoded the body.
            headers = [pair for pair in headers if pair[0].lower() != b"content-encoding"]
        return response.status_code, headers

    def pieces(self, response: Any) -> Any:
        """Return the body to iterate over, also where an event hook of the caller's has read it.

        Its connection may serve another request by then.
        """
        if response.is_stream_consumed:
            return self._family.ByteStream(response.content)
        return response.stream


class MockSender:
    """Sends over httpcore, whose methods a mock such as respx has replaced."""

    def __init__(self, class_name: str, method_name: str) -> None:
        self._class_name = class_name
        self._method_name = method_name

    def is_active(self) -> bool:
        """Return whether a mock has replaced httpcore's own method."""
        httpcore = sys.modules.get("httpcore")
        if httpcore is None:
            return False
        method = getattr(getattr(httpcore, self._class_name), self._method_name)
        module: str = getattr(method, "__globals__", {}).get("__name__", "")
        return not module.startswith("httpcore.")

    def send(self, request: WireRequest, key: ApiKey, attempt: Attempt) -> Any:
        """Send a request; return httpcore's response, in an event loop as a coroutine."""
        httpcore = sys.modules["httpcore"]
        url = _parsed_url(httpcore, request.url)
        connection = getattr(httpcore, self._class_name)(url.origin)
        return getattr(connection, self._method_name)(
            httpcore.Request(
                request.method,
                url,
                headers=_headers(request, key),
                content=request.body,
                extensions={"timeout": attempt.limits()},
            )
        )

    def head(self, response: Any) -> tuple[int, RawHeaders]:
        """Return the status and the headers of a response."""
        return response.status, response.headers

    def pieces(self, response: Any) -> Any:
        """Return the body to iterate over."""
        return response.stream


Sender = HttpxSender | MockSender


class _ForeignExchange:
    """One request over a `Sender`, and its reply."""

    def __init__(self, sender: Sender, attempt: Attempt) -> None:
        self._sender = sender
        self._attempt = attempt
        self._response: Any = None
        self._chunks: Any = None


class ThreadForeignExchange(_ForeignExchange):
    """One request of a thread over a `Sender`, and its reply."""

    async def open(self, request: WireRequest, key: ApiKey) -> tuple[int, RawHeaders]:
        """Send the request and return the status and the headers of the reply."""
        attempt = self._attempt
        attempt.begin_reply()
        attempt.request_was_sent = True
        send = functools.partial(self._sender.send, request, key, attempt)
        self._response = _within(attempt, send, _close)
        self._chunks = iter(self._sender.pieces(self._response))
        return self._sender.head(self._response)

    async def next_data(self) -> bytes:
        """Return the next bytes of the body; nothing at its end."""
        data: bytes = b""
        # An empty chunk is not the end.
        while not data and (chunk := _within(self._attempt, self._next_chunk)) is not None:
            data = chunk
        if not data:
            self.abandon()
        return data

    def _next_chunk(self) -> bytes | None:
        return next(self._chunks, None)

    async def close(self) -> None:
        """Give the connection back."""
        self.abandon()

    def abandon(self) -> None:
        """Do what `close` does."""
        response, self._response = self._response, None
        if response is not None:
            _close(response)


class LoopForeignExchange(_ForeignExchange):
    """One request of an event loop over a `Sender`, and its reply."""

    async def open(self, request: WireRequest, key: ApiKey) -> tuple[int, RawHeaders]:
        """Send the request and return the status and the headers of the reply."""
        attempt = self._attempt
        attempt.begin_reply()
        attempt.request_was_sent = True
        self._response = await _within_loop(attempt, self._sender.send(request, key, attempt))
        self._chunks = aiter(self._sender.pieces(self._response))
        return self._sender.head(self._response)

    async def next_data(self) -> bytes:
        """Return the next bytes of the body; nothing at its end."""
        data: bytes = b""
        # An empty chunk is not the end.
        while not data:
            chunk = await _within_loop(self._attempt, anext(self._chunks, None))
            if chunk is None:
                await self.close()
                break
            data = chunk
        return data

    async def close(self) -> None:
        """Give the connection back."""
        response, self._response = self._response, None
        if response is not None:
            with suppress(Exception):
                await response.aclose()

    def abandon(self) -> None:
        """Do what `close` does, in a task of its own."""
        if self._response is not None:
            import asyncio

            task = asyncio.get_running_loop().create_task(self.close())
            _closing.add(task)
            task.add_done_callback(_closing.discard)


_closing: set[asyncio.Task[None]] = set()
"""The loop itself keeps only weak references to its tasks."""


def _headers(request: WireRequest, key: ApiKey) -> list[tuple[bytes, bytes]]:
    return [
        (b"host", request.url.split("/", 3)[2].encode("ascii")),
        *((name.encode("ascii"), value.encode("ascii")) for name, value in request.headers),
        (b"content-length", b"%d" % len(request.body)),
        (b"authorization", b"Bearer " + key.get_secret_value().encode("ascii")),
    ]


@functools.lru_cache(maxsize=256)
def _parsed_url(family: ModuleType, url: str) -> Any:
    """Parse a URL once: a client calls the same few again and again."""
    return family.URL(url)


def _close(response: Any) -> None:
    with suppress(Exception):
        response.close()


def _within(
    attempt: Attempt,
    function: Callable[[], Result],
    discard: Callable[[Result], object] = lambda _: None,
) -> Result:
    """Call a function that blocks, for as long as the attempt may take.

    Raises:
        RequestTimeoutError: it took longer. It goes on in a thread of its own, and `discard` gets
            what it returns.
    """
    seconds = attempt.whole_limit()
    if seconds is None:
        return function()
    outcomes: SimpleQueue[tuple[Result | None, BaseException | None]] = SimpleQueue()
    is_late = threading.Event()

    def run() -> None:
        try:
            result = function()
        except BaseException as error:  # noqa: BLE001 - raised again in the thread that waits
            outcomes.put((None, error))
            return
        outcomes.put((result, None))
        if is_late.is_set():
            discard(result)

    context = contextvars.copy_context()
    threading.Thread(target=context.run, args=(run,), daemon=True).start()
    try:
        result, error = outcomes.get(timeout=seconds)
    except Empty:
        is_late.set()
        raise attempt.timeout_error("read") from None
    if error is not None:
        raise error
    return result  # type: ignore[return-value]


async def _within_loop(attempt: Attempt, waiting: Any) -> Any:
    """Wait for as long as the attempt may take; see `_within`."""
    seconds = attempt.whole_limit()
    if seconds is None:
        return await waiting
    import asyncio

    limit = asyncio.timeout(seconds)
    try:
        async with limit:
            return await waiting
    except TimeoutError:
        if not limit.expired():
            raise
    raise attempt.timeout_error("read")
