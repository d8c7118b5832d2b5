"""One connection's HTTP/1.1, without I/O: the bytes to send, and the meaning of those received.

Replies are read by h11. Requests are written here, in one expression: nothing in a frame or an
attribute shows the key, whatever interrupts the sending. h11 only gets to know that one went out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import h11

if TYPE_CHECKING:
    from bedrock_bearer.keys.api_key import ApiKey
    from bedrock_bearer.wire.chunks import ChunkMerger
    from bedrock_bearer.wire.messages import WireRequest

MAX_HEAD_BYTES = 100 * 1024
MAX_INTERIM_REPLIES = 10_000
SMALL_BODY_BYTES = 64 * 1024
"""A body up to here leaves in one piece with its head."""

RawHeaders = list[tuple[bytes, bytes]]

_A_REQUEST = h11.Request(
    method="POST", target="/", headers=[("host", "host"), ("content-length", "0")]
)
_END_OF_REQUEST = h11.EndOfMessage()


class ReplyError(Exception):
    """A reply is broken. The text says how, and quotes nothing of it."""


def request_pieces(request: WireRequest, target: str, key: ApiKey) -> list[memoryview]:
    """Return the bytes of a request with its key, as views: their repr shows nothing."""
    head = memoryview(
        "".join(
            [
                f"{request.method} {target} HTTP/1.1\r\n",
                f"host: {request.url.split('/', 3)[2]}\r\n",
                *[f"{name}: {value}\r\n" for name, value in request.headers],
                f"content-length: {len(request.body)}\r\n",
                f"authorization: Bearer {key.get_secret_value()}\r\n\r\n",
            ]
        ).encode("ascii")
    )
    if not request.body:
        return [head]
    if len(request.body) > SMALL_BODY_BYTES:
        return [head, memoryview(request.body)]
    return [memoryview(b"".join((head, request.body)))]


class Http1:
    """The state of a connection's HTTP: requests and replies take turns."""

    def __init__(self, merger: ChunkMerger | None) -> None:
        self._h11 = h11.Connection(h11.CLIENT, max_incomplete_event_size=MAX_HEAD_BYTES)
        self._merger = merger
        self._interim_replies = 0
        self.has_received = False
        """Whether anything has come since the request went out."""

    def begin_request(self) -> None:
        """Expect the reply to a request that is about to be sent."""
        self._h11.send(_A_REQUEST)
        self._h11.send(_END_OF_REQUEST)
        self.has_received = False
        self._interim_replies = 0
        if self._merger is not None:
            self._merger.expect_reply()

    def receive(self, data: bytes) -> None:
        """Take bytes from the network; none are the end of the connection.

        Raises:
            ReplyError: the connection has ended before the reply began.
        """
        handed_on = data if self._merger is None else self._merger.merge(data)
        if handed_on:
            self.has_received = True
            self._h11.receive_data(handed_on)
        if data:
            return
        if self._h11.their_state is h11.SEND_RESPONSE:
            raise ReplyError("the server closed the connection before its reply")
        self._h11.receive_data(b"")

    def next_head(self) -> tuple[int, RawHeaders] | None:
        """Return the status and the headers of the reply, or None if it takes more bytes.

        Raises:
            ReplyError: it is not an HTTP reply.
        """
        while True:
            event = self._next_event("head")
            if event is h11.NEED_DATA:
                return None
            if isinstance(event, h11.Response):
                return event.status_code, event.headers.raw_items()
            self._interim_replies += 1
            if self._interim_replies > MAX_INTERIM_REPLIES:
                raise ReplyError("the server sent interim replies without end")

    def next_data(self) -> bytes | None:
        """Return the next bytes of the body; none at its end, None if it takes more bytes.

        Raises:
            ReplyError: the body is broken or cut.
        """
        event = self._next_event("body")
        if event is h11.NEED_DATA:
            return None
        return bytes(event.data) if isinstance(event, h11.Data) else b""

    def _next_event(self, part: str) -> object:
        try:
            return self._h11.next_event()
        except h11.RemoteProtocolError:
            is_cut = self._h11.trailing_data[1]
        if is_cut:
            raise ReplyError("the server closed the connection within its reply")
        raise ReplyError(f"the {part} of the reply is not valid HTTP")

    def end_cycle(self) -> bool:
        """Make ready for the next request; return False if this connection cannot take one.

        It cannot if the reply was not read to its end, if either side wants to close, or if more
        has come than the reply.
        """
        http = self._h11
        if http.our_state is not h11.DONE or http.their_state is not h11.DONE:
            return False
        if http.trailing_data[0]:
            return False
        http.start_next_cycle()
        return True
