"""The local Bedrock in-process, as a transport for httpx and httpx2 clients."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import httpx

from bedrock_bearer.local.http import Cut, LocalRequest, LocalResponse, Service

MAX_HEADER_BYTES = 100_000
"""About what httpx accepts over a socket."""


class LocalTransport(httpx.BaseTransport, httpx.AsyncBaseTransport):
    """Carries requests to a local Bedrock without a socket, for sync and async clients alike.

    It never waits: a delay beyond the client's read timeout raises that timeout at once, a
    shorter one is skipped.

    Args:
        bedrock: the service that answers.
        on_delay: called with the seconds of each delay, so that a test can move its clock.
    """

    def __init__(
        self, bedrock: Service, *, on_delay: Callable[[float], None] | None = None
    ) -> None:
        self._bedrock = bedrock
        self._on_delay = on_delay

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Answer a request of a sync client."""
        response = self._bedrock.handle(local_request(request, request.read()))
        self._begin(request, response)
        return _response(request, response, self._chunks(request, response))

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Answer a request of an async client."""
        response = self._bedrock.handle(local_request(request, await request.aread()))
        self._begin(request, response)
        return _response(request, response, _async(self._chunks(request, response)))

    def _begin(self, request: httpx.Request, response: LocalResponse) -> None:
        self._delay(request, response.delay)
        if response.cut in (Cut.BEFORE_HEADERS, Cut.IN_HEADERS):
            raise _error(request, "RemoteProtocolError", "Server disconnected without a response.")
        if sum(len(value) for value in response.headers.values()) > MAX_HEADER_BYTES:
            raise _error(request, "RemoteProtocolError", "Receive buffer too long")

    def _chunks(self, request: httpx.Request, response: LocalResponse) -> Iterator[bytes]:
        self._delay(request, response.body_delay)
        for chunk in () if response.cut is Cut.AFTER_HEADERS else response.chunks:
            yield chunk
            self._delay(request, response.chunk_delay)
        if response.cut is not None:
            text = "peer closed connection without sending complete message body"
            raise _error(request, "RemoteProtocolError", text)

    def _delay(self, request: httpx.Request, seconds: float) -> None:
        limit = request.extensions.get("timeout", {}).get("read")
        if limit is not None and seconds > limit:
            self._pass_time(limit)
            raise _error(request, "ReadTimeout", "The read operation timed out")
        self._pass_time(seconds)

    def _pass_time(self, seconds: float) -> None:
        if self._on_delay is not None and seconds:
            self._on_delay(seconds)


def local_http_client(
    bedrock: Service, *, on_delay: Callable[[float], None] | None = None
) -> httpx.Client:
    """Return an httpx client whose every request goes to the local Bedrock."""
    return httpx.Client(transport=LocalTransport(bedrock, on_delay=on_delay))


def local_async_http_client(
    bedrock: Service, *, on_delay: Callable[[float], None] | None = None
) -> httpx.AsyncClient:
    """Return an async httpx client whose every request goes to the local Bedrock."""
    return httpx.AsyncClient(transport=LocalTransport(bedrock, on_delay=on_delay))


def local_request(request: httpx.Request, body: bytes) -> LocalRequest:
    """Return an httpx request as a `LocalRequest`."""
    path, _, query = request.url.raw_path.decode("ascii").partition("?")
    headers = {name.lower(): value for name, value in request.headers.items()}
    host = headers.get("host", request.url.host)
    return LocalRequest(request.method, path, query, host, headers, body)


def _family(request: httpx.Request) -> Any:
    # httpx2 has classes of its own under the same names; the response must match the request.
    return sys.modules[type(request).__module__.partition(".")[0]]


def _error(request: httpx.Request, name: str, text: str) -> Exception:
    error: Exception = getattr(_family(request), name)(text, request=request)
    return error


def _response(request: httpx.Request, response: LocalResponse, content: Any) -> httpx.Response:
    made: httpx.Response = _family(request).Response(
        response.status,
        headers=list(response.headers.items()),
        content=content,
        request=request,
        extensions={"http_version": b"HTTP/1.1"},
    )
    return made


async def _async(chunks: Iterator[bytes]) -> AsyncIterator[bytes]:
    for chunk in chunks:
        yield chunk
