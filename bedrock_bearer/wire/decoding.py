"""Bodies that come compressed, although we ask for none: mocks and other clients give them.

A piece of a few bytes may hold gigabytes: each step gives out only so much of it.
"""

from __future__ import annotations

import zlib

from bedrock_bearer.errors import ResponseDecodeError

PIECE_BYTES = 64 * 1024

_ZLIB_OR_GZIP = zlib.MAX_WBITS | 32
_PLAIN = ("", "identity")


def decoder_for(encoding: str) -> Decoder | None:
    """Return what decodes a body of this `Content-Encoding`, or None if nothing need be done.

    Raises:
        ResponseDecodeError: it is none that we read, or several on top of each other.
    """
    name = encoding.strip().lower()
    if name in _PLAIN:
        return None
    if name in ("gzip", "x-gzip", "deflate"):
        return Decoder()
    raise ResponseDecodeError("The reply is compressed in a way that was not asked for.")


class Decoder:
    """Decodes gzip and deflate, piece by piece."""

    def __init__(self) -> None:
        self._zlib = zlib.decompressobj(_ZLIB_OR_GZIP)
        self._received = b""

    def feed(self, data: bytes) -> None:
        """Take the next bytes of the body."""
        self._received += data

    def next_piece(self) -> bytes:
        """Return some of the decoded body; nothing if it takes more bytes.

        Raises:
            ResponseDecodeError: the bytes are not what they are said to be.
        """
        while self._received and not self._zlib.eof:
            try:
                piece = self._zlib.decompress(self._received, PIECE_BYTES)
            except zlib.error:
                break
            self._received = self._zlib.unconsumed_tail
            if piece:
                return piece
        else:
            if self._zlib.eof:
                self._received = b""
            return b""
        raise ResponseDecodeError("The reply is said to be compressed, and cannot be decoded.")

    def finish(self) -> None:
        """Mark the end of the body.

        Raises:
            ResponseDecodeError: the body is cut.
        """
        if not self._zlib.eof:
            raise ResponseDecodeError("The compressed reply is cut.")
