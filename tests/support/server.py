"""A server on loopback that answers what a test tells it, byte for byte."""

from __future__ import annotations

import json
import socketserver
import ssl
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

HOLD = object()
"""As a part of a reply: send nothing more and keep the connection until the server stops."""
CLOSE = object()
"""As a part of a reply: close the connection."""


@dataclass(frozen=True)
class Received:
    """A request as it came."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


Reply = bytes | list[Any]
Answer = Callable[[Received], Reply]


def http_reply(
    body: bytes | dict[str, Any] = b"",
    *,
    status: int = 200,
    headers: dict[str, str] | None = None,
) -> bytes:
    """Return a whole HTTP/1.1 reply."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    lines = {
        "content-type": "application/json",
        "content-length": str(len(content)),
        "x-amzn-requestid": "11111111-2222-3333-4444-555555555555",
        **(headers or {}),
    }
    head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    return f"HTTP/1.1 {status} Status\r\n{head}\r\n".encode() + content


def stream_head(headers: dict[str, str] | None = None) -> bytes:
    """Return the head of a chunked event-stream reply."""
    lines = {
        "content-type": "application/vnd.amazon.eventstream",
        "transfer-encoding": "chunked",
        "x-amzn-requestid": "11111111-2222-3333-4444-555555555555",
        **(headers or {}),
    }
    head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    return f"HTTP/1.1 200 OK\r\n{head}\r\n".encode()


def chunk(data: bytes) -> bytes:
    """Return one chunk of a chunked body; an empty one ends it."""
    return f"{len(data):x}\r\n".encode() + data + b"\r\n"


@dataclass
class LoopbackServer:
    """Answers each request with the next reply, or with what a function makes of it."""

    answer: Answer
    requests: list[Received] = field(default_factory=list)
    connections: int = 0
    port: int = 0
    scheme: str = "http"
    stopping: threading.Event = field(default_factory=threading.Event)
    hung_up: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    """Released each time a connection has come to its end, on both sides."""

    @property
    def url(self) -> str:
        return f"{self.scheme}://127.0.0.1:{self.port}"


@contextmanager
def serve(
    answer: Answer | Sequence[Reply], tls: ssl.SSLContext | None = None
) -> Iterator[LoopbackServer]:
    """Serve on a free port of loopback while the block runs, over TLS where a context is given."""
    if not callable(answer):
        replies = iter(answer)
        server = LoopbackServer(lambda _: next(replies))
    else:
        server = LoopbackServer(answer)

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            server.connections += 1
            try:
                while self._one():
                    pass
            except (OSError, StopIteration):
                pass

        def _one(self) -> bool:
            first = self.rfile.readline().decode().split()
            if len(first) < 2:
                return False
            headers = {}
            while (line := self.rfile.readline().decode().strip()) != "":
                name, _, value = line.partition(":")
                headers[name.lower()] = value.strip()
            body = self.rfile.read(int(headers.get("content-length", "0")))
            received = Received(first[0], first[1], headers, body)
            server.requests.append(received)
            reply = server.answer(received)
            for part in [reply] if isinstance(reply, bytes) else reply:
                if part is CLOSE:
                    return False
                if part is HOLD:
                    server.stopping.wait(30)
                    return False
                self.wfile.write(part)
                self.wfile.flush()
            return True

    class Server(socketserver.ThreadingTCPServer):
        daemon_threads = True
        allow_reuse_address = True
        request_queue_size = 256

        def shutdown_request(self, request: Any) -> None:
            super().shutdown_request(request)
            server.hung_up.release()

        def get_request(self) -> tuple[Any, Any]:
            connection, address = super().get_request()
            if tls is None:
                return connection, address
            # The handshake happens with the first read, in the connection's own thread.
            return tls.wrap_socket(
                connection, server_side=True, do_handshake_on_connect=False
            ), address

    with Server(("127.0.0.1", 0), Handler) as tcp:
        server.port = tcp.server_address[1]
        server.scheme = "http" if tls is None else "https"
        thread = threading.Thread(target=tcp.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server
        finally:
            server.stopping.set()
            tcp.shutdown()
            thread.join()
