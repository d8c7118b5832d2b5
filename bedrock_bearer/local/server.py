"""The local Bedrock on a socket: HTTP or HTTPS, on loopback unless told otherwise."""

from __future__ import annotations

import asyncio
import ipaddress
import os
import socket
import ssl
import tempfile
import threading
from contextlib import suppress
from dataclasses import replace
from types import TracebackType
from typing import TYPE_CHECKING, Self

import trustme
import uvicorn
from starlette.requests import ClientDisconnect, Request
from uvicorn.protocols.http.h11_impl import H11Protocol

from bedrock_bearer.local.http import MAX_BODY_BYTES, Cut, LocalRequest, LocalResponse

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

    from bedrock_bearer.local.http import Service

BACKLOG = 2048
KEEP_ALIVE_SECONDS = 75
SHUTDOWN_SECONDS = 1
MAX_BODY_BYTES_WITHOUT_KEY = 1_000_000
"""What is kept of a body whose sender has shown no good key; a request to IAM is far smaller."""


class LocalServer:
    """Serves a local Bedrock on a socket; a context manager that runs it in a thread.

    Args:
        bedrock: the service that answers.
        host: the address to listen on.
        port: 0 for a free one.
        tls: whether to serve HTTPS, with a certificate made for this server; boto3 sends a
            bearer key over HTTPS only.

    Attributes:
        url: the endpoint, such as `https://127.0.0.1:8443`.
        ca_file: the PEM file of the authority to trust, with `tls`; else None.
    """

    def __init__(
        self,
        bedrock: Service,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        tls: bool = False,
    ) -> None:
        self._socket = _listen(host, port)
        self.host = host
        self.port: int = self._socket.getsockname()[1]
        name = f"[{host}]" if ":" in host else host
        self.url = f"{'https' if tls else 'http'}://{name}:{self.port}"
        self.ca_file: str | None = None
        context = self._make_certificate() if tls else None
        config = uvicorn.Config(
            _Application(bedrock),
            http=_Protocol,
            ws="none",
            lifespan="off",
            log_level="critical",
            access_log=False,
            server_header=False,
            date_header=False,
            timeout_keep_alive=KEEP_ALIVE_SECONDS,
            timeout_graceful_shutdown=SHUTDOWN_SECONDS,
            ssl_context_factory=None if context is None else lambda *_: context,
        )
        self._server = _Server(config)
        self._thread = threading.Thread(target=self.run, name="local-bedrock", daemon=True)

    def run(self) -> None:
        """Serve until a signal or `close` stops it."""
        self._server.run(sockets=[self._socket])

    def close(self) -> None:
        """Stop serving, free the port and remove the file of the authority."""
        self._server.should_exit = True
        if self._thread.is_alive():
            self._thread.join()
        self._socket.close()
        if self.ca_file is not None:
            with suppress(FileNotFoundError):
                os.unlink(self.ca_file)

    def __enter__(self) -> Self:
        # The socket listens already: an early client waits in its backlog.
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _make_certificate(self) -> ssl.SSLContext:
        authority = trustme.CA()
        names = dict.fromkeys(["localhost", "127.0.0.1", "::1", _name_of(self.host)])
        certificate = authority.issue_cert(*names)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        certificate.configure_cert(context)
        descriptor, self.ca_file = tempfile.mkstemp(prefix="local-bedrock-ca-", suffix=".pem")
        with os.fdopen(descriptor, "wb") as file:
            file.write(authority.cert_pem.bytes())
        return context


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # asyncio sets TCP_NODELAY only on sockets with an explicit protocol.
    listening = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((host, port))
        listening.listen(BACKLOG)
    except OSError:
        listening.close()
        raise
    return listening


def _name_of(host: str) -> str:
    """The name or address for the certificate; `localhost` for an unspecified address."""
    try:
        return "localhost" if ipaddress.ip_address(host).is_unspecified else host
    except ValueError:
        return host


class _Server(uvicorn.Server):
    """Closes open connections when it stops: a client may keep them for ever."""

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        for protocol in list(self.server_state.connections):
            if isinstance(protocol, _Protocol):
                protocol.transport.abort()
        await super().shutdown(sockets)


class _Protocol(H11Protocol):
    """Gives each request its connection, so that a fault can break it off."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.app_state = {**self.app_state, "connection": transport}


class _Application:
    """The ASGI shell around a local Bedrock."""

    def __init__(self, bedrock: Service) -> None:
        self._bedrock = bedrock
        # A double of a test may take any key, and then has no such method.
        self._accepts_key_of = getattr(bedrock, "accepts_key_of", lambda _: True)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        with suppress(ClientDisconnect):
            head = _head_of(scope, receive)
            body = await self._read_body(head, Request(scope, receive))
            response = self._bedrock.handle(replace(head, body=body))
            await _send(response, scope, receive, send)

    async def _read_body(self, head: LocalRequest, request: Request) -> bytes:
        """The body, cut just beyond the limit; what is beyond is read and dropped."""
        body = bytearray()
        limit = MAX_BODY_BYTES_WITHOUT_KEY
        async for chunk in request.stream():
            if len(body) <= limit < len(body) + len(chunk) and self._accepts_key_of(head):
                limit = MAX_BODY_BYTES
            body += chunk[: limit + 1 - len(body)]
        return bytes(body)


def _head_of(scope: Scope, receive: Receive) -> LocalRequest:
    request = Request(scope, receive)
    return LocalRequest(
        method=request.method,
        path=scope["raw_path"].decode("latin-1"),
        query=scope["query_string"].decode("latin-1"),
        host=request.headers.get("host", ""),
        headers=dict(request.headers),
    )


async def _send(response: LocalResponse, scope: Scope, receive: Receive, send: Send) -> None:
    connection: asyncio.Transport = scope["state"]["connection"]
    if response.delay:
        await asyncio.sleep(response.delay)
    if response.cut is Cut.IN_HEADERS:
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
        await _break_off(connection, receive)


def _pieces(response: LocalResponse) -> tuple[bytes, ...]:
    if response.cut is Cut.AFTER_HEADERS:
        return ()
    return response.chunks if response.chunk_delay else (response.body,)


async def _break_off(connection: asyncio.Transport, receive: Receive) -> None:
    connection.close()
    # Uvicorn takes a response that is not finished for a mistake, unless the peer has gone.
    while (await receive())["type"] != "http.disconnect":
        pass
