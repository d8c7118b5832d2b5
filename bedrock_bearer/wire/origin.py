"""The server of a client, and how connections to it are opened."""

from __future__ import annotations

import socket
import ssl
import threading
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from bedrock_bearer.errors import ConnectError
from bedrock_bearer.wire.chunks import ChunkMerger
from bedrock_bearer.wire.endpoint import region_of_aws_host
from bedrock_bearer.wire.http1 import Http1
from bedrock_bearer.wire.pool import Connection
from bedrock_bearer.wire.proxies import environment_proxy, open_tunnel
from bedrock_bearer.wire.tls import load_authorities, reason_of

if TYPE_CHECKING:
    from bedrock_bearer.wire.asyncio_network import LoopStream
    from bedrock_bearer.wire.attempt import Attempt
    from bedrock_bearer.wire.network import ThreadStream


class Origin:
    """The server, and how a connection to it is opened: through which proxy, with which TLS."""

    def __init__(self, url: str, stream_class: type[ThreadStream] | type[LoopStream]) -> None:
        parts = urlsplit(url)
        self.scheme, self.host = parts.scheme, parts.hostname or ""
        self.port = parts.port or (443 if parts.scheme == "https" else 80)
        self._stream_class = stream_class
        self._proxy = environment_proxy(self.scheme, self.host, self.port)
        # Loading the authorities takes long, threads begin together, and plain http needs none.
        self._tls: ssl.SSLContext | None = None
        self._lock = threading.Lock()

    def target(self, url: str) -> str:
        """Return what a request line names: the path, or to a proxy that forwards, the URL."""
        return url if self._is_forwarded else "/" + url.split("/", 3)[3]

    @property
    def _is_forwarded(self) -> bool:
        proxy = self._proxy
        return proxy is not None and self.scheme == "http" and not proxy.is_socks

    async def connect(self, attempt: Attempt) -> Connection:
        """Open a connection.

        Raises:
            ConnectError: it could not be opened.
            ConfigurationError: the certificate authorities that are named cannot be read.
            RequestTimeoutError: it took too long.
        """
        proxy = self._proxy
        if self.scheme == "https" or (proxy is not None and proxy.scheme == "https"):
            tls = self._load_tls()
        attempt.begin_connecting()
        where = f"{self.host}:{self.port}" if proxy is None else str(proxy)
        stream = None
        try:
            address = (self.host, self.port) if proxy is None else (proxy.host, proxy.port)
            stream = await self._stream_class.connect(*address, attempt)
            if proxy is not None:
                if proxy.scheme == "https":
                    await stream.start_tls(tls, proxy.host)
                if not self._is_forwarded:
                    await open_tunnel(stream, proxy, self.host, self.port)
                where = f"{self.host}:{self.port} through {proxy}"
            if self.scheme == "https":
                await stream.start_tls(tls, self.host)
            return Connection(stream, Http1(ChunkMerger()))
        except BaseException as error:
            if stream is not None:
                stream.close()
            if not isinstance(error, OSError):
                raise
            reason = reason_of(error)
            hint = self._hint(error)
        raise ConnectError(f"No connection to {where} could be made: {reason}.{hint}")

    def _hint(self, error: OSError) -> str:
        region = region_of_aws_host(self.host)
        if region is None or self._proxy is not None or not isinstance(error, socket.gaierror):
            return ""
        return f" Check the network, and whether Amazon Bedrock is offered in the Region {region}."

    def _load_tls(self) -> ssl.SSLContext:
        with self._lock:
            if self._tls is None:
                self._tls = load_authorities()
            return self._tls
