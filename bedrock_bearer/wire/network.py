"""Sockets for httpcore: https://www.encode.io/httpcore/network-backends/.

A request leaves in one piece, head and body together, and the chunks of a reply that came together
are handed on together: httpcore and h11 take as long for a chunk of ten bytes as for one of ten
thousand, and AWS sends each event in a chunk of its own.
"""

from __future__ import annotations

import re
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import httpcore

if TYPE_CHECKING:
    import ssl
    from collections.abc import Iterable

HOLD_BACK_BYTES = 64 * 1024
"""How much of a request waits for the rest of it."""

MAX_HEAD_BYTES = 64 * 1024

_CHUNKED = re.compile(rb"\r\ntransfer-encoding:[ \t]*chunked[ \t]*\r\n", re.IGNORECASE)
_CHUNK_SIZE = re.compile(rb"([0-9a-fA-F]{1,8})\r\n")
_LONGEST_CHUNK_SIZE = 10


class ThreadBackend(httpcore.SyncBackend):
    """Opens connections for threads."""

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        """Connect to a host."""
        return _ThreadStream(
            super().connect_tcp(host, port, timeout, local_address, socket_options)
        )


class _ThreadStream(httpcore.NetworkStream):
    def __init__(self, connection: httpcore.NetworkStream) -> None:
        self._connection = connection
        self._unsent: list[bytes] = []
        self._write_timeout: float | None = None
        self._chunks = ChunkMerger()

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        if self._unsent:
            # A server may answer and hang up before it has heard everything.
            with suppress(httpcore.WriteError):
                self._send()
        data = None
        while data is None:
            data = self._chunks.merge(self._connection.read(max_bytes, timeout))
        return data

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        if not self._unsent:
            self._chunks.expect_reply()
        self._unsent.append(buffer)
        self._write_timeout = timeout
        if len(buffer) > HOLD_BACK_BYTES:
            self._send()

    def _send(self) -> None:
        data = b"".join(self._unsent)
        self._unsent.clear()
        self._connection.write(data, self._write_timeout)

    def close(self) -> None:
        self._connection.close()

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> httpcore.NetworkStream:
        return _ThreadStream(self._connection.start_tls(ssl_context, server_hostname, timeout))

    def get_extra_info(self, info: str) -> Any:
        return self._connection.get_extra_info(info)


class ChunkMerger:
    """Makes one chunk of the chunks of an HTTP/1.1 reply that have come together.

    It holds nothing back but the size of a chunk that was cut in two, and judges nothing: from
    what is not plainly a chunk, the bytes go on as they came, for h11 to refuse or to understand.
    """

    def __init__(self) -> None:
        self.expect_reply()

    def expect_reply(self) -> None:
        """Hear that a request was sent: what comes next begins with a head."""
        self._head: bytes | None = b""
        self._is_chunked = False
        # How much of a chunk that has begun is still to come, and the first half of a size.
        self._to_come = 0
        self._held = b""

    def merge(self, data: bytes) -> bytes | None:
        """Return what to hand on of the bytes that came, or None if that takes more of them."""
        if not data:
            held, self._held = self._held, b""
            return held
        if self._head is not None:
            return self._read_head(self._head, data)
        return self._merge_chunks(data) if self._is_chunked else data

    def _read_head(self, before: bytes, data: bytes) -> bytes | None:
        head = before + data
        end = head.find(b"\r\n\r\n") + 4
        if end < 4:
            self._head = head if len(head) <= MAX_HEAD_BYTES else None
            return data
        if head.startswith(b"HTTP/1.1 1"):
            # An interim reply: the head of the real one follows.
            self._head = b""
        else:
            self._head = None
            self._is_chunked = _CHUNKED.search(head, 0, end) is not None
        body = head[end:]
        if not body:
            return data
        return data[: len(data) - len(body)] + (self.merge(body) or b"")

    def _merge_chunks(self, data: bytes) -> bytes | None:
        if self._held:
            data, self._held = self._held + data, b""
        start = position = self._to_come
        length = len(data)
        if start >= length:
            self._to_come -= length
            return data
        self._to_come = 0
        payloads: list[bytes] = []
        while size_line := _CHUNK_SIZE.match(data, position):
            begin = size_line.end()
            end = begin + int(size_line[1], 16)
            if begin < end and end + 2 > length:
                self._to_come = end + 2 - length
                break
            if begin == end or not data.startswith(b"\r\n", end):
                # The last chunk, after which come trailers; or no chunk.
                self._is_chunked = False
                break
            payloads.append(data[begin:end])
            position = end + 2
        else:
            # A size that was cut, or no size at all.
            if length - position < _LONGEST_CHUNK_SIZE and b"\n" not in data[position:]:
                self._held = data[position:]
                data = data[:position]
            else:
                self._is_chunked = False
        if len(payloads) > 1:
            payload = b"".join(payloads)
            merged = b"%x\r\n%b\r\n" % (len(payload), payload)
            return data[:start] + merged + data[position:]
        return data or None
