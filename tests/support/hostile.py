"""A server that does what no server should, byte for byte, and the ways to reach it.

It is a plain socket in a thread: no HTTP of anybody's stands between a test and what it sends.
"""

from __future__ import annotations

import contextlib
import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

STEP_SECONDS = 0.02
"""How long a server that drips waits between two bytes."""


class Peer:
    """One connection, as the server has it."""

    def __init__(self, connection: socket.socket, stopping: threading.Event) -> None:
        self.connection = connection
        self._stopping = stopping
        self._received = b""

    def request(self) -> bytes:
        """Read one request, head and body; nothing if the client has left."""
        while b"\r\n\r\n" not in self._received:
            if not self._receive():
                return b""
        head, _, rest = self._received.partition(b"\r\n\r\n")
        lower = head.lower()
        length = 0
        if b"content-length:" in lower:
            length = int(lower.partition(b"content-length:")[2].partition(b"\r\n")[0])
        while len(rest) < length:
            if not self._receive():
                return b""
            rest = self._received.partition(b"\r\n\r\n")[2]
        self._received = rest[length:]
        return head + b"\r\n\r\n" + rest[:length]

    def _receive(self) -> bool:
        data = self.connection.recv(65536)
        self._received += data
        return bool(data)

    def send(self, data: bytes) -> None:
        """Send all of it at once."""
        self.connection.sendall(data)

    def drip(self, data: bytes, seconds: float = STEP_SECONDS) -> None:
        """Send byte after byte."""
        for number in range(len(data)):
            self.send(data[number : number + 1])
            if self._stopping.wait(seconds):
                return

    def flood(self, data: bytes, seconds: float = 20.0) -> None:
        """Send the same again and again, as fast as the client takes it."""
        end = time.monotonic() + seconds
        while time.monotonic() < end and not self._stopping.is_set():
            self.send(data)

    def hold(self) -> None:
        """Send nothing more, and keep the connection."""
        self._stopping.wait(60)

    def reset(self) -> None:
        """Break the connection off with a reset."""
        linger = struct.pack("ii", 1, 0)
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        self.connection.close()


Behaviour = Callable[[Peer], None]


@dataclass
class HostileServer:
    """A server that is running."""

    url: str
    port: int
    connections: int = 0
    problems: list[BaseException] = field(default_factory=list)


@contextmanager
def hostile(
    behaviour: Behaviour, tls: ssl.SSLContext | None = None, *, backlog: int = 64
) -> Iterator[HostileServer]:
    """Run a server on loopback that treats each connection as `behaviour` says."""
    stopping = threading.Event()
    listener = socket.create_server(("127.0.0.1", 0), backlog=backlog)
    port = listener.getsockname()[1]
    server = HostileServer(f"{'https' if tls else 'http'}://127.0.0.1:{port}", port)
    open_connections: list[socket.socket] = []

    def serve(connection: socket.socket) -> None:
        try:
            if tls is not None:
                connection = tls.wrap_socket(connection, server_side=True)
                open_connections.append(connection)
            behaviour(Peer(connection, stopping))
        except (OSError, ValueError):
            pass
        except BaseException as error:  # noqa: BLE001 - the test is told of it
            server.problems.append(error)
        finally:
            with contextlib.suppress(OSError):
                connection.close()

    def accept() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            server.connections += 1
            open_connections.append(connection)
            threading.Thread(target=serve, args=(connection,), daemon=True).start()

    thread = threading.Thread(target=accept, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        stopping.set()
        with contextlib.suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        for connection in open_connections:
            with contextlib.suppress(OSError):
                socket.socket.shutdown(connection, socket.SHUT_RDWR)
            connection.close()
        thread.join()
    assert not server.problems, server.problems


@contextmanager
def tunnel() -> Iterator[str]:
    """Run a proxy that opens the tunnels it is asked for; give its URL."""

    def copy(source: socket.socket, target: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                target.sendall(data)
        for end in (source, target):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def behave(peer: Peer) -> None:
        request = peer.request()
        if not request:
            return
        host, _, port = request.split()[1].decode().partition(":")
        with socket.create_connection((host, int(port))) as server:
            peer.send(b"HTTP/1.1 200 Connection established\r\n\r\n")
            back = threading.Thread(target=copy, args=(server, peer.connection), daemon=True)
            back.start()
            copy(peer.connection, server)
            back.join()

    with hostile(behave) as proxy:
        yield proxy.url
