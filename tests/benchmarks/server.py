"""A Bedrock of canned replies over TLS, as cheap as possible so that the client dominates.

The model's id says what it does: `echo` answers at once, `delay-1000` after 1,000 milliseconds,
`events-5000` streams 5,000 pieces of text in a chunk each, `packed-5000` in chunks of many. Prints
its port.
"""

from __future__ import annotations

import asyncio
import functools
import json
import ssl
import sys

from bedrock_bearer.wire.eventstream import encode_message

REPLY = json.dumps(
    {
        "metrics": {"latencyMs": 551},
        "output": {
            "message": {
                "content": [{"text": "Hi there! How are you doing? How can I help you today?"}],
                "role": "assistant",
            }
        },
        "stopReason": "end_turn",
        "usage": {
            "cacheReadInputTokenCount": 0,
            "cacheReadInputTokens": 0,
            "cacheWriteInputTokenCount": 0,
            "cacheWriteInputTokens": 0,
            "inputTokens": 8,
            "outputTokens": 15,
            "serverToolUsage": {},
            "totalTokens": 23,
        },
    },
    separators=(",", ":"),
).encode()

_HEAD = (
    "HTTP/1.1 200 OK\r\nDate: Sun, 01 Mar 2026 12:00:00 GMT\r\nContent-Type: {}\r\n{}\r\n"
    "Connection: keep-alive\r\nx-amzn-RequestId: 8e6f5b0a-3b7f-4f0e-9d3c-2f6f4f1f5a11\r\n\r\n"
)
CONVERSE = _HEAD.format("application/json", f"Content-Length: {len(REPLY)}").encode() + REPLY


@functools.cache
def stream_reply(count: int, events_in_a_chunk: int) -> bytes:
    """Return a whole ConverseStream reply."""
    delta = {"contentBlockIndex": 0, "delta": {"text": " Hello"}, "p": "abcdefghijklmnopqrstuvwxyz"}
    figures = {
        "metrics": {"latencyMs": 551},
        "usage": {"inputTokens": 8, "outputTokens": count, "totalTokens": count + 8},
    }
    frames = [
        _frame("messageStart", {"role": "assistant", "p": "abcd"}),
        *[_frame("contentBlockDelta", delta)] * count,
        _frame("contentBlockStop", {"contentBlockIndex": 0, "p": "abcdefgh"}),
        _frame("messageStop", {"stopReason": "end_turn", "p": "abcdefghij"}),
        _frame("metadata", {**figures, "p": "abcdefghijkl"}),
    ]
    starts = range(0, len(frames), events_in_a_chunk)
    chunks = [_chunk(b"".join(frames[start : start + events_in_a_chunk])) for start in starts]
    head = _HEAD.format("application/vnd.amazon.eventstream", "Transfer-Encoding: chunked")
    return head.encode() + b"".join(chunks) + _chunk(b"")


def _frame(kind: str, payload: dict[str, object]) -> bytes:
    headers = {":event-type": kind, ":content-type": "application/json", ":message-type": "event"}
    return encode_message(headers, json.dumps(payload, separators=(",", ":")).encode())


def _chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


class Connection(asyncio.Protocol):
    """One keep-alive connection."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self.buffer = b""

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        while self._answer():
            pass

    def _answer(self) -> bool:
        """Answer the next request, if it has come whole."""
        head_end = self.buffer.find(b"\r\n\r\n") + 4
        if head_end < 4:
            return False
        head = self.buffer[:head_end].lower()
        length = int(head.partition(b"\r\ncontent-length:")[2].partition(b"\r\n")[0] or 0)
        if len(self.buffer) < head_end + length:
            return False
        self.buffer = self.buffer[head_end + length :]
        model, _, number = head.split(b"/", 3)[2].partition(b"-")
        if model in (b"events", b"packed"):
            self._write(stream_reply(int(number), 1 if model == b"events" else 100))
        elif model == b"delay":
            asyncio.get_running_loop().call_later(int(number) / 1000, self._write, CONVERSE)
        else:
            self._write(CONVERSE)
        return True

    def _write(self, reply: bytes) -> None:
        if not self.transport.is_closing():
            self.transport.write(reply)


async def serve(certificate: str) -> None:
    """Serve until the process ends; `certificate` is a PEM file with the key and the chain."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate)
    loop = asyncio.get_running_loop()
    server = await loop.create_server(
        Connection,
        "127.0.0.1",
        0,
        ssl=context,
        backlog=4096,
        ssl_handshake_timeout=600,
    )
    sys.stdout.write(f"{server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(serve(sys.argv[1]))
