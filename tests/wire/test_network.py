"""Connections of our own: merged chunks, requests in one piece, tunnels, an event loop's socket."""

from __future__ import annotations

import asyncio
import socket
import socketserver
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import pairwise
from pathlib import Path
from typing import Any

import h11
import pytest
import trustme
from hypothesis import given
from hypothesis import strategies as st
from support.clients import KEY, MODEL, Colour
from support.hostile import Peer, hostile
from support.replies import FRAMES, REPLY, ok
from support.server import CLOSE, chunk, http_reply, serve, stream_head

from bedrock_bearer import AsyncBedrockClient, RetryPolicy, Timeout, errors
from bedrock_bearer.wire.asyncio_network import MAX_WAITING_BYTES, LoopStream, Protocol
from bedrock_bearer.wire.attempt import Attempt
from bedrock_bearer.wire.chunks import ChunkMerger
from bedrock_bearer.wire.clock import SYSTEM_CLOCK
from bedrock_bearer.wire.tls import load_authorities

ONCE = RetryPolicy(max_attempts=1)
HEAD = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n"
END = b"0\r\n\r\n"


def handed_on(pieces: list[bytes]) -> list[bytes]:
    """Return what h11 gets to read of a reply that comes in `pieces`, and then ends."""
    merger = ChunkMerger()
    merged = [merger.merge(piece) for piece in [*pieces, b""]]
    return [data for data in merged if data]


def cut(data: bytes, places: list[int]) -> list[bytes]:
    edges = [0, *sorted({place % (len(data) + 1) for place in places}), len(data)]
    return [data[a:b] for a, b in pairwise(edges) if a < b]


def understood(pieces: list[bytes]) -> tuple[bytes, object]:
    """Return the body that h11 reads out of a reply, and how the reading ends."""
    connection = h11.Connection(h11.CLIENT)
    connection.send(h11.Request(method="GET", target="/", headers=[("host", "a")]))
    connection.send(h11.EndOfMessage())
    body = b""
    try:
        for piece in [*pieces, b""]:
            connection.receive_data(piece)
            while True:
                event = connection.next_event()
                if isinstance(event, h11.Data):
                    body += bytes(event.data)
                elif event in (h11.NEED_DATA, h11.PAUSED) or isinstance(event, h11.EndOfMessage):
                    break
            if isinstance(event, h11.EndOfMessage):
                return body, [(bytes(name), bytes(value)) for name, value in event.headers]
    except h11.RemoteProtocolError:
        return body, "refused"
    return body, "cut"


# ------------------------------------------------------------------------------------------ chunks


def test_chunks_that_came_together_are_handed_on_as_one() -> None:
    data = HEAD + chunk(b"one") + chunk(b"two") + chunk(b"three") + END

    assert handed_on([data]) == [HEAD + b"b\r\nonetwothree\r\n" + END]


def test_a_chunk_that_came_in_part_is_not_held_back() -> None:
    first, rest = HEAD + chunk(b"one") + b"8\r\nab", b"cdefgh\r\n" + chunk(b"i") + chunk(b"j")

    assert handed_on([first, rest]) == [first, b"cdefgh\r\n2\r\nij\r\n"]


def test_a_size_cut_in_two_waits_for_its_other_half() -> None:
    assert handed_on([HEAD, b"1", b"0\r\n", b"0123456789abcdef\r\n"]) == [
        HEAD,
        b"10\r\n",
        b"0123456789abcdef\r\n",
    ]


def test_the_half_of_a_size_is_handed_on_when_the_connection_ends() -> None:
    assert handed_on([HEAD, b"1"]) == [HEAD, b"1"]


@pytest.mark.parametrize(
    "head",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n\r\n",
    ],
)
def test_a_body_that_is_not_plainly_chunked_stays_as_it_is(head: bytes) -> None:
    data = chunk(b"1") + chunk(b"2")

    assert handed_on([head + data]) == [head + data]
    assert handed_on([head, data]) == [head, data]


def test_an_interim_reply_comes_before_the_one_that_counts() -> None:
    interim = b"HTTP/1.1 100 Continue\r\nTransfer-Encoding: chunked\r\n\r\n"

    assert handed_on([interim + HEAD, chunk(b"1") + chunk(b"2")]) == [
        interim + HEAD,
        b"2\r\n12\r\n",
    ]


def test_the_next_reply_on_a_connection_begins_with_its_head() -> None:
    merger = ChunkMerger()
    merger.merge(HEAD + chunk(b"1") + END)
    merger.expect_reply()

    assert merger.merge(HEAD + chunk(b"2") + chunk(b"3")) == HEAD + b"2\r\n23\r\n"


sizes = st.sampled_from(["{:x}", "{:X}", "0{:x}", "{:x};name=value", "{:x} "])
bodies = st.lists(st.tuples(st.binary(min_size=1, max_size=40), sizes), max_size=12)
ends = st.sampled_from([END, b"0\r\nx-sum: 1\r\n\r\n", b"000\r\n\r\n", b""])


@given(bodies, ends, st.lists(st.integers(0, 2000)))
def test_merged_or_not_h11_reads_the_same(
    parts: list[tuple[bytes, str]], end: bytes, places: list[int]
) -> None:
    body = b"".join(
        size.format(len(data)).encode() + b"\r\n" + data + b"\r\n" for data, size in parts
    )
    pieces = cut(HEAD + body + end, places)

    assert understood(handed_on(pieces)) == understood(pieces)


@given(
    st.lists(st.binary(min_size=1, max_size=20), max_size=8),
    st.lists(st.tuples(st.integers(0, 300), st.binary(max_size=3)), max_size=3),
    st.lists(st.integers(0, 400)),
)
def test_a_malformed_chunk_is_left_for_h11_to_refuse(
    payloads: list[bytes], damage: list[tuple[int, bytes]], places: list[int]
) -> None:
    body = bytearray(b"".join(map(chunk, payloads)) + END)
    for place, junk in damage:
        start = place % (len(body) + 1)
        body[start : start + 1] = junk
    pieces = cut(HEAD + bytes(body), places)

    assert understood(handed_on(pieces)) == understood(pieces)


def test_the_client_reads_the_same_without_the_merger(
    colour: Colour, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bedrock_bearer.wire.origin.ChunkMerger", lambda: None)
    body = b"".join(chunk(frame) for frame in FRAMES) + chunk(b"")
    replies: list[Any] = [ok(), stream_head() + body, [stream_head() + body[:50], body[50:]]]
    with serve(replies) as server, colour.client(server.url) as client:
        assert client.converse().text == "Hello there"
        for _ in range(2):
            with client.stream() as stream:
                assert stream.final_response().text == "Hello there"

    assert server.connections == 1


def test_a_head_that_ends_in_bare_line_feeds_leaves_the_body_as_it_is() -> None:
    head = b"HTTP/1.1 200 OK\nContent-Length: 18\n\n"
    body = chunk(b"abc") + chunk(b"defgh")

    assert handed_on([head + body]) == [head + body]
    assert handed_on([HEAD.replace(b"\r", b""), chunk(b"1") + chunk(b"2")])[1] == b"2\r\n12\r\n"


def test_a_stream_of_chunks_that_came_together_is_read(colour: Colour) -> None:
    body = b"".join(chunk(frame) for frame in FRAMES) + chunk(b"")
    with (
        serve([stream_head() + body, [stream_head() + body[:50], body[50:]]]) as server,
        colour.client(server.url) as client,
    ):
        for _ in range(2):
            with client.stream() as stream:
                assert stream.final_response().text == "Hello there"

    assert server.connections == 1


# ---------------------------------------------------------------------------------------- requests


def test_a_large_request_and_a_large_reply_pass(colour: Colour) -> None:
    text = "x" * 3_000_000
    reply = {**REPLY, "output": {"message": {"role": "assistant", "content": [{"text": text}]}}}
    with serve([http_reply(reply)]) as server, colour.client(server.url) as client:
        assert client.converse(messages=text).text == text

    assert server.requests[0].json["messages"][0]["content"][0]["text"] == text


@contextmanager
def deaf_server() -> Iterator[str]:
    """Give the URL of a server that takes connections, and reads nothing."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"


def test_a_server_that_takes_nothing_ends_in_a_timeout_of_writing(colour: Colour) -> None:
    timeout = Timeout(connect=5, write=0.05, read=5)
    with (
        deaf_server() as url,
        colour.client(url, retry=ONCE, timeout=timeout) as client,
        pytest.raises(errors.RequestTimeoutError, match="could not be sent"),
    ):
        client.converse(messages="x" * 20_000_000)


def test_a_connection_that_the_server_ends_is_replaced(colour: Colour) -> None:
    goodbye = http_reply(REPLY, headers={"connection": "close"})
    with serve([[goodbye, CLOSE], ok()]) as server, colour.client(server.url) as client:
        client.converse()
        client.converse()

    assert server.connections == 2


# ------------------------------------------------------------------------------------------ httpx


@pytest.mark.parametrize("name", ["BedrockClient", "AsyncBedrockClient"])
def test_httpx_is_not_imported_unless_the_caller_brings_a_client_of_it(name: str) -> None:
    code = (
        f"import sys; from bedrock_bearer import {name}; "
        f"{name}({KEY!r}, region='us-east-1'); assert 'httpx' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


# ---------------------------------------------------------------------------------------- tunnels


class Tunnel(socketserver.StreamRequestHandler):
    """One CONNECT, and then whatever both sides say."""

    def handle(self) -> None:
        host, _, port = self.rfile.readline().split()[1].decode().partition(":")
        while self.rfile.readline().strip():
            pass
        with socket.create_connection((host, int(port))) as server:
            self.wfile.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
            back = threading.Thread(target=self._copy, args=(server.recv, self.wfile.write))
            back.start()
            self._copy(self.rfile.read1, server.sendall)
            server.shutdown(socket.SHUT_RDWR)
            back.join()

    def _copy(self, read: Any, write: Any) -> None:
        with suppress(OSError):
            while data := read(65536):
                write(data)


@contextmanager
def tunnel(tls: ssl.SSLContext | None) -> Iterator[str]:
    """Give the URL of a proxy that tunnels, itself reached over TLS where a context is given."""

    class Proxy(socketserver.ThreadingTCPServer):
        daemon_threads = True

        def get_request(self) -> tuple[Any, Any]:
            connection, address = super().get_request()
            if tls is not None:
                connection = tls.wrap_socket(
                    connection, server_side=True, do_handshake_on_connect=False
                )
            return connection, address

    with Proxy(("127.0.0.1", 0), Tunnel) as proxy:
        thread = threading.Thread(target=proxy.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"{'https' if tls else 'http'}://127.0.0.1:{proxy.server_address[1]}"
        finally:
            proxy.shutdown()
            thread.join()


def trusted_tls(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> ssl.SSLContext:
    """Return what a server needs to be believed by the clients of a test."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    monkeypatch.setenv("AWS_CA_BUNDLE", str(tmp_path / "ca.pem"))
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(tls)
    return tls


@pytest.mark.parametrize("proxy_over_tls", [False, True])
def test_tls_passes_through_a_tunnel(
    proxy_over_tls: bool, colour: Colour, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    tls = trusted_tls(monkeypatch, tmp_path)
    body = b"".join(chunk(frame) for frame in FRAMES) + chunk(b"")
    with (
        serve([ok(), stream_head() + body], tls) as server,
        tunnel(tls if proxy_over_tls else None) as proxy,
    ):
        monkeypatch.setenv("https_proxy", proxy)
        with colour.client(server.url, retry=ONCE) as client:
            assert client.converse().text == "Hello there"
            with client.stream() as stream:
                assert stream.final_response().text == "Hello there"

    assert server.connections == 1


async def test_what_a_proxy_sends_before_tls_is_not_taken_for_the_servers_reply(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    tls = trusted_tls(monkeypatch, tmp_path)

    def forge(peer: Peer) -> None:
        peer.send(ok())
        with tls.wrap_socket(peer.connection, server_side=True) as spoken:
            spoken.recv(1)

    with hostile(forge) as proxy:
        attempt = Attempt(SYSTEM_CLOCK, Timeout.of(5), SYSTEM_CLOCK.monotonic(), None)
        attempt.begin_connecting()
        stream = await LoopStream.connect("127.0.0.1", proxy.port, attempt)
        while not stream.is_readable():
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.05)
        with pytest.raises(OSError, match="before TLS"):
            await stream.start_tls(load_authorities(), "127.0.0.1")
        stream.close()


# ------------------------------------------------------------------------------- an event loop's


class Pausable(asyncio.Transport):
    """Notes whether it may read."""

    def __init__(self) -> None:
        super().__init__()
        self.paused = False

    def pause_reading(self) -> None:
        self.paused = True

    def resume_reading(self) -> None:
        self.paused = False

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        pass


@pytest.mark.parametrize("over_tls", [False, True])
def test_uvloop_serves_as_well_as_asyncios_own_loop(
    over_tls: bool, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    # It does not exist for Windows.
    uvloop: Any = pytest.importorskip("uvloop")
    tls = trusted_tls(monkeypatch, tmp_path) if over_tls else None
    body = b"".join(chunk(frame) for frame in FRAMES) + chunk(b"")

    async def calls(url: str) -> None:
        async with AsyncBedrockClient(KEY, endpoint_url=url, retry=ONCE) as client:
            reply = await client.converse(MODEL, "x" * 1_000_000)
            assert reply.text == "Hello there"
            async with client.converse_stream(MODEL, "Hello") as stream:
                assert (await stream.final_response()).text == "Hello there"

    with serve([ok(), stream_head() + body], tls) as server:
        uvloop.run(calls(server.url))

    assert server.connections == 1


async def test_a_server_is_held_up_while_nobody_reads() -> None:
    transport = Pausable()
    connection = Protocol(asyncio.get_running_loop())
    connection.connection_made(transport)

    connection.data_received(b"x" * MAX_WAITING_BYTES)
    assert not transport.paused
    connection.data_received(b"x")
    assert transport.paused

    connection.take(MAX_WAITING_BYTES // 4)
    assert transport.paused
    connection.take(MAX_WAITING_BYTES // 2)
    assert not transport.paused
