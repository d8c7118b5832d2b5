"""Proxies: which one the environment names, and how a tunnel through one is opened."""

from __future__ import annotations

import base64
import os
import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol
from urllib.parse import unquote, urlsplit

import h11

from bedrock_bearer.errors import ConfigurationError, ConnectError
from bedrock_bearer.facts import DEFAULT_PORTS
from bedrock_bearer.wire.endpoint import is_loopback

if TYPE_CHECKING:
    from collections.abc import Awaitable

_PORTS = {**DEFAULT_PORTS, "socks5": 1080, "socks5h": 1080}
_SOCKS_REFUSALS = {
    1: "general failure",
    2: "not allowed by its rules",
    3: "network unreachable",
    4: "host unreachable",
    5: "connection refused",
    6: "time to live expired",
    7: "command not supported",
    8: "address type not supported",
}


@dataclass(frozen=True, slots=True)
class Proxy:
    """A proxy to connect through."""

    scheme: str
    host: str
    port: int
    user: str = field(repr=False)
    password: str = field(repr=False)

    @property
    def is_socks(self) -> bool:
        """Whether it speaks SOCKS, not HTTP."""
        return self.scheme.startswith("socks")

    @property
    def authorization(self) -> str:
        """The header that names its user, with the end of its line; empty without one."""
        if not self.user and not self.password:
            return ""
        credentials = base64.b64encode(f"{self.user}:{self.password}".encode()).decode()
        return f"proxy-authorization: Basic {credentials}\r\n"

    def __str__(self) -> str:
        return f"the proxy at {self.host}:{self.port}"


class Stream(Protocol):
    """What a tunnel needs of a connection."""

    def write(self, pieces: list[memoryview], phase: str = ...) -> Awaitable[bool]:
        """Send bytes; see `ThreadStream.write`."""

    def read(self, phase: str = ...) -> Awaitable[bytes]:
        """Return bytes that came; see `ThreadStream.read`."""


def environment_proxy(scheme: str, host: str, port: int) -> Proxy | None:
    """Return the proxy that HTTPS_PROXY, HTTP_PROXY, ALL_PROXY and NO_PROXY give for a server.

    Raises:
        ConfigurationError: what they name is not a proxy that can be used.
    """
    if sys.platform not in ("darwin", "win32") and not any(map(_names_a_proxy, os.environ)):
        return None
    from urllib.request import getproxies, proxy_bypass

    proxies = getproxies()
    url = proxies.get(scheme) or proxies.get("all")
    if not url or proxy_bypass(f"{host}:{port}"):
        return None
    found = _read_proxy(url if "://" in url else f"http://{url}")
    if found is None:
        raise ConfigurationError(
            "The proxy set in HTTPS_PROXY, HTTP_PROXY or ALL_PROXY is not a URL that can be used."
        )
    # Over plain http a proxy would see the key, which is not to leave this machine unencrypted.
    return found if scheme == "https" or is_loopback(found.host) else None


def _names_a_proxy(variable: str) -> bool:
    return variable.lower().endswith("_proxy")


def _read_proxy(url: str) -> Proxy | None:
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        return None
    if parts.scheme not in _PORTS or not host or not host.isascii():
        return None
    return Proxy(
        parts.scheme,
        host,
        port or _PORTS[parts.scheme],
        unquote(parts.username or ""),
        unquote(parts.password or ""),
    )


async def open_tunnel(stream: Stream, proxy: Proxy, host: str, port: int) -> None:
    """Let a proxy connect the stream to a server.

    Raises:
        ConnectError: the proxy refuses, or does not behave as one.
        OSError: the connection to the proxy broke.
        RequestTimeoutError: the time to connect is over.
    """
    if proxy.is_socks:
        await _open_over_socks(stream, proxy, host, port)
    else:
        await _open_over_http(stream, proxy, host, port)


async def _open_over_http(stream: Stream, proxy: Proxy, host: str, port: int) -> None:
    name = f"[{host}]" if ":" in host else host
    head = f"CONNECT {name}:{port} HTTP/1.1\r\nhost: {name}:{port}\r\n{proxy.authorization}\r\n"
    await stream.write([memoryview(head.encode("latin-1", "replace"))], "connect")
    del head
    http = h11.Connection(h11.CLIENT)
    http.send(h11.Request(method="CONNECT", target="host:1", headers=[("host", "host:1")]))
    status = None
    while status is None:
        try:
            event = http.next_event()
            if event is h11.NEED_DATA:
                http.receive_data(await stream.read("connect"))
            elif isinstance(event, h11.Response):
                status = event.status_code
            elif not isinstance(event, h11.InformationalResponse):
                status = 0
        except h11.RemoteProtocolError:
            status = 0
    if not 200 <= status < 300:
        raise _refusal(proxy, status)
    if http.trailing_data[0]:
        raise ConnectError(f"{_begun(proxy)} sent bytes of its own into the tunnel.")


def _refusal(proxy: Proxy, status: int) -> ConnectError:
    if status == 0:
        return ConnectError(
            f"{_begun(proxy)} closed the connection, or answered with something that is not HTTP."
        )
    if status == 407:
        problem = "asks for another user name and password (HTTP status 407)"
    else:
        problem = f"refuses the tunnel (HTTP status {status})"
    return ConnectError(f"{_begun(proxy)} {problem}.", retryable=status >= 500)


def _begun(proxy: Proxy) -> str:
    text = str(proxy)
    return text[0].upper() + text[1:]


async def _open_over_socks(stream: Stream, proxy: Proxy, host: str, port: int) -> None:
    """See https://datatracker.ietf.org/doc/html/rfc1928 and rfc1929."""
    reader = _Exactly(stream, proxy)
    has_user = bool(proxy.user or proxy.password)
    await reader.send(b"\x05\x02\x00\x02" if has_user else b"\x05\x01\x00")
    version, method = await reader.take(2)
    if version != 5 or method not in ((0, 2) if has_user else (0,)):
        problem = "asks for another user name and password" if version == 5 else "is not SOCKS 5"
        raise ConnectError(f"{_begun(proxy)} {problem}.", retryable=False)
    if method == 2:
        user, password = proxy.user.encode()[:255], proxy.password.encode()[:255]
        await reader.send(b"\x01" + bytes([len(user)]) + user + bytes([len(password)]) + password)
        if (await reader.take(2))[1] != 0:
            problem = "does not accept the user name and password"
            raise ConnectError(f"{_begun(proxy)} {problem}.", retryable=False)
    name = host.encode("ascii")
    target = b"\x03" + bytes([len(name)]) + name + port.to_bytes(2, "big")
    await reader.send(b"\x05\x01\x00" + target)
    version, refused, _, kind = await reader.take(4)
    if version != 5:
        raise ConnectError(f"{_begun(proxy)} is not SOCKS 5.", retryable=False)
    if refused:
        reason = _SOCKS_REFUSALS.get(refused, f"reason {refused}")
        raise ConnectError(f"{_begun(proxy)} refuses the tunnel: {reason}.")
    # The address that the proxy uses says nothing to us, but is to be read.
    length = {1: 4, 4: 16}.get(kind) or (await reader.take(1))[0]
    await reader.take(length + 2)
    if reader.received:
        raise ConnectError(f"{_begun(proxy)} sent bytes of its own into the tunnel.")


class _Exactly:
    """Reads a given number of bytes at a time."""

    def __init__(self, stream: Stream, proxy: Proxy) -> None:
        self._stream = stream
        self._proxy = proxy
        self.received = b""

    async def send(self, data: bytes) -> None:
        await self._stream.write([memoryview(data)], "connect")

    async def take(self, count: int) -> bytes:
        while len(self.received) < count:
            data = await self._stream.read("connect")
            if not data:
                raise ConnectError(f"{_begun(self._proxy)} closed the connection.")
            self.received += data
        taken, self.received = self.received[:count], self.received[count:]
        return taken
