"""The ASGI application around a local Bedrock: reads requests and sends responses."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from bedrock_bearer.local.http import MAX_BODY_BYTES, Cut, LocalRequest, LocalResponse

if TYPE_CHECKING:
    from bedrock_bearer.local.http import Service

MAX_BODY_BYTES_WITHOUT_KEY = 1_000_000
"""What is kept of a body whose sender has shown no good key; a request to IAM is far smaller."""
SECONDS_TO_SEND_A_BODY = 0.05

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]


class Application:
    """An ASGI application. Its server puts the connection into the state of each request."""

    def __init__(self, bedrock: Service) -> None:
        self._bedrock = bedrock
        # A double of a test may take any key, and then has no such method.
        self._accepts_key_of = getattr(bedrock, "accepts_key_of", lambda _: True)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            await send({"type": "websocket.close"})
            return
        with suppress(_DisconnectedError):
            head = _head_of(scope)
            body = await self._read_body(head, receive)
            response = self._bedrock.handle(replace(head, body=body))
            await _send(response, scope, receive, send)

    async def _read_body(self, head: LocalRequest, receive: Receive) -> bytes:
        """The body, cut just beyond the limit; what is beyond is read and dropped."""
        body = bytearray()
        limit = MAX_BODY_BYTES_WITHOUT_KEY
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise _DisconnectedError
            chunk = message.get("body", b"")
            if len(body) <= limit < len(body) + len(chunk) and self._accepts_key_of(head):
                limit = MAX_BODY_BYTES
            body += chunk[: limit + 1 - len(body)]
            if not message.get("more_body"):
                return bytes(body)


class _DisconnectedError(Exception):
    pass


def _head_of(scope: Scope) -> LocalRequest:
    headers = {name.decode("latin-1"): text.decode("latin-1") for name, text in scope["headers"]}
    return LocalRequest(
        method=scope["method"],
        path=scope["raw_path"].decode("latin-1"),
        query=scope["query_string"].decode("latin-1"),
        host=headers.get("host", ""),
        headers=headers,
    )


async def _send(response: LocalResponse, scope: Scope, receive: Receive, send: Send) -> None:
    connection: asyncio.Transport = scope["state"]["connection"]
    if response.delay:
        await asyncio.sleep(response.delay)
    if response.cut is Cut.IN_HEADERS and scope["http_version"] != "2":
        connection.write(f"HTTP/1.1 {response.status} OK\r\ncontent-type: appl".encode())
    if response.cut in (Cut.BEFORE_HEADERS, Cut.IN_HEADERS):
        await _break_off(connection, receive)
        return
    headers = [(name.lower().encode(), value.encode()) for name, value in response.headers.items()]
    await send({"type": "http.response.start", "status": response.status, "headers": headers})
    if response.body_delay:
        await asyncio.sleep(response.body_delay)
    for chunk in _pieces(response):
        await send({"type": "http.response.body", "body": chunk, "more_body": True})
        if response.chunk_delay:
            await asyncio.sleep(response.chunk_delay)
    if response.cut is None:
        await send({"type": "http.response.body"})
    else:
        if scope["http_version"] == "2":
            # Another task of the server sends the body.
            await asyncio.sleep(SECONDS_TO_SEND_A_BODY)
        await _break_off(connection, receive)


def _pieces(response: LocalResponse) -> tuple[bytes, ...]:
    if response.cut is Cut.AFTER_HEADERS:
        return ()
    return response.chunks if response.chunk_delay else (response.body,)


async def _break_off(connection: asyncio.Transport, receive: Receive) -> None:
    connection.close()
    # A response that is not finished would be completed, unless the peer has gone.
    while (await receive())["type"] != "http.disconnect":
        pass
