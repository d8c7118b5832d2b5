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
from types import TracebackType
from typing import TYPE_CHECKING, Self

import trustme
import uvicorn
from starlette.requests import ClientDisconnect, Request
from uvicorn.protocols.http.h11_impl import H11Protocol

from bedrock_bearer.local.http import Cut, LocalRequest, LocalResponse

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

    from bedrock_bearer.local.http import Service

BACKLOG = 2048
KEEP_ALIVE_SECONDS = 75
SHUTDOWN_SECONDS = 1


class LocalServer:
    """Serves a local Bedrock on a socket; a context manager that runs it in a thread.

    Args:
        bedrock: who answers.
        host: the address to listen on.
        port: 0 for a free one.
        tls: whether to serve HTTPS with a certificate made on the spot; boto3 sends a bearer
            key over nothing else.

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
        """Serve until stopped, by a signal or by `close`."""
        self._server.run(sockets=[self._socket])

    def close(self) -> None:
        """Stop serving and take back the port; the file of the authority is removed."""
        self._server.should_exit = True
        if self._thread.is_alive():
            self._thread.join()
        self._socket.close()
        if self.ca_file is not None:
            with suppress(FileNotFoundError):
                os.unlink(self.ca_file)

    def __enter__(self) -> Self:
        # The socket listens already: a client that comes early waits in its backlog.
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
    # Of asyncio's connections, only those of an explicit protocol send small writes at once.
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
    """The name or address for the certificate; an unspecified address is none."""
    try:
        return "localhost" if ipaddress.ip_address(host).is_unspecified else host
    except ValueError:
        return host


class _Server(uvicorn.Server):
    """Breaks off what is open when it stops: a client may keep its connections for ever."""

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        for protocol in list(self.server_state.connections):
            if isinstance(protocol, _Protocol):
                protocol.transport.abort()
        await super().shutdown(sockets)


class _Protocol(H11Protocol):
    """Hands each request its connection, so that it can be broken off."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.app_state = {**self.app_state, "connection": transport}


class _Application:
    """The ASGI shell around a local Bedrock."""

    def __init__(self, bedrock: Service) -> None:
        self._bedrock = bedrock

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        with suppress(ClientDisconnect):
            response = self._bedrock.handle(await _local_request(scope, receive))
            await _send(response, scope, receive, send)


async def _local_request(scope: Scope, receive: Receive) -> LocalRequest:
    request = Request(scope, receive)
    return LocalRequest(
        method=request.method,
        path=scope["raw_path"].decode("latin-1"),
        query=scope["query_string"].decode("latin-1"),
        host=request.headers.get("host", ""),
        headers=dict(request.headers),
        body=await request.body(),
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
