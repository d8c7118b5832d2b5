"""The local Bedrock on a socket: HTTP/1.1 and HTTP/2, on loopback unless told otherwise."""

from __future__ import annotations

import asyncio
import ipaddress
import os
import signal
import socket
import ssl
import tempfile
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Self

from bedrock_bearer.errors import ConfigurationError, install_hint
from bedrock_bearer.local.application import Application

try:
    import trustme
    from hypercorn.app_wrappers import ASGIWrapper
    from hypercorn.asyncio.tcp_server import TCPServer
    from hypercorn.asyncio.worker_context import WorkerContext
    from hypercorn.config import Config
except ImportError as error:
    raise ConfigurationError(
        f"A local server needs {error.name}. {install_hint('local', 'hypercorn', 'trustme')}"
    ) from None

if TYPE_CHECKING:
    from bedrock_bearer.local.http import Service

BACKLOG = 2048
KEEP_ALIVE_SECONDS = 75
SHUTDOWN_SECONDS = 1
HTTP2_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
FRAME_HEAD_BYTES = 9
GOAWAY = 7
"""The type of the frame."""


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
        self._context = self._make_certificate() if tls else None
        self._application = ASGIWrapper(Application(bedrock))  # type: ignore[arg-type]
        self._config = _config()
        self._connections: dict[asyncio.StreamWriter, asyncio.Event] = {}
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stopping = asyncio.Event()
        self._interrupted = False
        self._worker = WorkerContext(None)
        self._thread = threading.Thread(target=self.run, name="local-bedrock", daemon=True)
        self._ready = threading.Event()

    def variables(self, region: str) -> dict[str, str]:
        """Return the environment variables, but the key, that lead SDKs to this server."""
        certificates = ("AWS_CA_BUNDLE", "NODE_EXTRA_CA_CERTS")
        return {
            "AWS_ENDPOINT_URL": self.url,
            "AWS_REGION": region,
            # boto3 reads this one only.
            "AWS_DEFAULT_REGION": region,
            **(dict.fromkeys(certificates, self.ca_file) if self.ca_file else {}),
        }

    def run(self) -> None:
        """Serve until a signal or `close` stops it.

        Raises:
            KeyboardInterrupt: SIGINT came; the server has stopped.
        """
        asyncio.run(self._serve())
        if self._interrupted:
            raise KeyboardInterrupt

    def close(self) -> None:
        """Stop serving, free the port and remove the file of the authority."""
        if self._thread.is_alive() and self._loop is not None:
            self._loop.call_soon_threadsafe(self._stopping.set)
            self._thread.join()
        self._socket.close()
        if self.ca_file is not None:
            with suppress(FileNotFoundError):
                os.unlink(self.ca_file)

    def __enter__(self) -> Self:
        # An early client waits in the backlog of the socket; only `close` needs the loop.
        self._thread.start()
        self._ready.wait()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._loop.set_exception_handler(_ignore_failed_handshakes)
        if threading.current_thread() is threading.main_thread():
            # Set even where the shell has SIGINT ignored, as it does for a job in the background.
            with suppress(NotImplementedError):
                self._loop.add_signal_handler(signal.SIGINT, self._interrupt)
                self._loop.add_signal_handler(signal.SIGTERM, self._stopping.set)
        server = await asyncio.start_server(
            self._connected, sock=self._socket, ssl=self._context, backlog=BACKLOG
        )
        self._ready.set()
        try:
            await self._stopping.wait()
        finally:
            server.close()
            await self._close_connections()

    def _interrupt(self) -> None:
        self._interrupted = True
        self._stopping.set()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        closed = self._connections[writer] = asyncio.Event()
        loop = asyncio.get_running_loop()
        state = {"connection": writer.transport}
        try:
            await _Connection(
                self._application,
                loop,
                self._config,
                self._worker,
                state,
                _WithoutGoaway(reader, writer),  # type: ignore[arg-type]
                writer,
            )
        finally:
            del self._connections[writer]
            closed.set()

    async def _close_connections(self) -> None:
        """Close what is open: a client may keep its connections for ever."""
        await self._worker.terminated.set()
        for writer in self._connections:
            writer.transport.abort()
        with suppress(TimeoutError):
            async with asyncio.timeout(SHUTDOWN_SECONDS):
                for closed in list(self._connections.values()):
                    await closed.wait()

    def _make_certificate(self) -> ssl.SSLContext:
        authority = trustme.CA()
        names = dict.fromkeys(["localhost", "127.0.0.1", "::1", _name_of(self.host)])
        certificate = authority.issue_cert(*names)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.set_alpn_protocols(["h2", "http/1.1"])
        certificate.configure_cert(context)
        descriptor, self.ca_file = tempfile.mkstemp(prefix="local-bedrock-ca-", suffix=".pem")
        with os.fdopen(descriptor, "wb") as file:
            file.write(authority.cert_pem.bytes())
        return context


class _Connection(TCPServer):
    """One connection; it ends with its peer, and not only when it has been idle for long."""

    async def _read_data(self) -> None:
        await super()._read_data()
        await self.idle_task.stop()


class _WithoutGoaway:
    """Reads from a connection and leaves out the GOAWAY frames of HTTP/2.

    With one, AWS's JavaScript SDK says that it will open no further stream, as soon as a reply
    begins: https://www.rfc-editor.org/rfc/rfc9113#name-goaway. hypercorn would close the connection
    in the middle of the reply. The client closes it once the reply has ended.
    """

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.at_eof = reader.at_eof
        self._reader = reader
        tls = writer.get_extra_info("ssl_object")
        # Without TLS, the first bytes tell.
        self._is_http2: bool | None = tls.selected_alpn_protocol() == "h2" if tls else None
        self._unread = b""
        # What is left of the current frame. The preface comes before the first one.
        self._left = len(HTTP2_PREFACE)
        self._is_goaway = False

    async def read(self, size: int) -> bytes:
        """Return the next bytes, or none at the end."""
        while data := await self._reader.read(size):
            if self._is_http2 is None:
                self._is_http2 = data.startswith(HTTP2_PREFACE[:3])
            if kept := self._without_goaway(data) if self._is_http2 else data:
                return kept
        return b""

    def _without_goaway(self, data: bytes) -> bytes:
        data = self._unread + data
        kept = bytearray()
        place = 0
        while place < len(data):
            if not self._left:
                head = data[place : place + FRAME_HEAD_BYTES]
                if len(head) < FRAME_HEAD_BYTES:
                    break
                self._left = FRAME_HEAD_BYTES + int.from_bytes(head[:3])
                self._is_goaway = head[3] == GOAWAY
            part = data[place : place + self._left]
            if not self._is_goaway:
                kept += part
            place += len(part)
            self._left -= len(part)
        self._unread = data[place:]
        return bytes(kept)


def _config() -> Config:
    config = Config()
    config.include_date_header = False
    config.include_server_header = False
    config.keep_alive_timeout = KEEP_ALIVE_SECONDS
    config.keep_alive_max_requests = 2**31
    config.accesslog = config.errorlog = None
    return config


def _ignore_failed_handshakes(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    if not isinstance(context.get("exception"), ssl.SSLError):
        loop.default_exception_handler(context)


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
