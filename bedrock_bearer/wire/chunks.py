"""Merges chunks of a reply that came together into one.

AWS sends each event of a stream in a chunk of its own, and h11 takes as long for a chunk of ten
bytes as for one of ten thousand: merging them saves about 8 us an event where a server is faster
than its reader. It is for speed alone: without it (`Http1(merger=None)`) the client reads the
same, and a test runs it so.
"""

from __future__ import annotations

import re

MAX_HEAD_BYTES = 64 * 1024

# A head may end in bare line feeds, which h11 takes as well.
_END_OF_HEAD = re.compile(rb"\n\r?\n")
_CHUNKED = re.compile(rb"\ntransfer-encoding:[ \t]*chunked[ \t]*\r?\n", re.IGNORECASE)
_CHUNK_SIZE = re.compile(rb"([0-9a-fA-F]{1,8})\r\n")
_LONGEST_CHUNK_SIZE = 10


class ChunkMerger:
    """Reads along with an HTTP/1.1 reply and merges its chunks.

    It holds nothing back but the size of a chunk that was cut in two, and judges nothing: what is
    not plainly a chunk goes on as it came, for h11 to refuse or to understand.
    """

    def __init__(self) -> None:
        self.expect_reply()

    def expect_reply(self) -> None:
        """Reset: a request was sent, so the next bytes are the head of a reply."""
        self._head: bytes | None = b""
        self._is_chunked = False
        # How much of a chunk that has begun is still to come, and the first half of a size.
        self._to_come = 0
        self._held = b""

    def merge(self, data: bytes) -> bytes | None:
        """Return the bytes to hand on, or None if it takes more to tell. No data is the end."""
        if not data:
            held, self._held = self._held, b""
            return held
        start = 0 if self._head is None else self._end_of_head(self._head, data)
        if not self._is_chunked:
            return data
        if start == 0:
            return self._merge_chunks(data)
        if start == len(data):
            return data
        return data[:start] + (self._merge_chunks(data[start:]) or b"")

    def _end_of_head(self, before: bytes, data: bytes) -> int:
        """Return where in `data` the body begins; its length if that is still to come."""
        head = before + data
        start = 0
        while end := _END_OF_HEAD.search(head, start):
            if head.startswith(b"HTTP/1.1 1", start):
                # An interim reply: the head of the real one follows.
                start = end.end()
                continue
            self._head = None
            self._is_chunked = _CHUNKED.search(head, start, end.end()) is not None
            return end.end() - len(before)
        rest = head[start:]
        self._head = rest if len(rest) <= MAX_HEAD_BYTES else None
        return len(data)

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
