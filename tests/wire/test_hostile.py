"""Every fault of the network, in every way to call: the right error, in time, and no harm done.

The tests are made out of the two tables below: each fault, in both colours, for a plain call and a
stream, directly, through a proxy's tunnel, and over a caller's own httpx and httpx2 clients.
"""

from __future__ import annotations

import asyncio
import gzip
import json
import socket
import ssl
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import httpx2
import pytest
import trustme
from support.clients import KEY, ClientHandle, Colour
from support.hostile import Behaviour, Peer, hostile, tunnel
from support.replies import FRAMES, REPLY, START, delta, event
from support.server import chunk, http_reply, stream_head

from bedrock_bearer import AsyncBedrockClient, BedrockError, RetryPolicy, Timeout, errors

ONCE = RetryPolicy(max_attempts=1)
LIMIT = 0.3
SLACK = 1.0
INTERIM = b"HTTP/1.1 100 Continue\r\n\r\n"
OK_HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n"
BOMB = gzip.compress(b" " * 20_000_000)
BOMB_IN_A_BOMB = gzip.compress(BOMB)
CHUNKED = b"transfer-encoding: chunked\r\n\r\n"


def whole(request: bytes) -> bytes:
    """Return the right reply to a request."""
    if b"/converse-stream " in request.partition(b"\r\n")[0]:
        return stream_head() + b"".join(map(chunk, FRAMES)) + chunk(b"")
    return http_reply(REPLY)


def parts(request: bytes) -> tuple[bytes, bytes]:
    """Return head and body of the right reply."""
    head, _, body = whole(request).partition(b"\r\n\r\n")
    return head + b"\r\n\r\n", body


def behave(peer: Peer) -> None:
    """Answer as a server should, request after request."""
    while request := peer.request():
        peer.send(whole(request))


# ------------------------------------------------------------------------------------------- faults


def close_at_once(peer: Peer) -> None:
    pass


def reset_at_once(peer: Peer) -> None:
    peer.reset()


def close_after_request(peer: Peer) -> None:
    peer.request()


def reset_after_request(peer: Peer) -> None:
    peer.request()
    peer.reset()


def say_nothing(peer: Peer) -> None:
    peer.request()
    peer.hold()


def drip_the_head(peer: Peer) -> None:
    peer.request()
    peer.drip(b"HTTP/1.1 200 OK\r\n" + b"x: " + b"y" * 100_000)


def flood_of_interim_replies(peer: Peer) -> None:
    peer.request()
    peer.flood(INTERIM * 50)


def drip_of_interim_replies(peer: Peer) -> None:
    peer.request()
    while True:
        peer.drip(INTERIM, 0.001)


def headers_without_end(peer: Peer) -> None:
    peer.request()
    peer.send(b"HTTP/1.1 200 OK\r\n")
    peer.flood(b"x-more: " + b"y" * 1000 + b"\r\n")


def one_header_without_end(peer: Peer) -> None:
    peer.request()
    peer.send(b"HTTP/1.1 200 OK\r\nx: ")
    peer.flood(b"y" * 10_000)


def cut_in_the_head(peer: Peer) -> None:
    peer.send(parts(peer.request())[0][:40])


def cut_after_the_head(peer: Peer) -> None:
    peer.send(parts(peer.request())[0])


def cut_in_the_body(peer: Peer) -> None:
    peer.send(whole(peer.request())[:-20])


def reset_in_the_body(peer: Peer) -> None:
    peer.send(whole(peer.request())[:-20])
    time.sleep(0.05)
    peer.reset()


def stall_in_the_body(peer: Peer) -> None:
    head, body = parts(peer.request())
    peer.send(head + body[:20])
    peer.hold()


def drip_the_body(peer: Peer) -> None:
    head, body = parts(peer.request())
    peer.send(head)
    peer.drip(body * 100)


def chunk_extensions_without_end(peer: Peer) -> None:
    peer.request()
    peer.send(OK_HEAD + CHUNKED + b"5;")
    peer.flood(b"a=b;" * 1000)


def trailers_without_end(peer: Peer) -> None:
    peer.request()
    peer.send(OK_HEAD + CHUNKED + b"0\r\n")
    peer.flood(b"x-more: " + b"y" * 1000 + b"\r\n")


def chunk_of_a_huge_size(peer: Peer) -> None:
    peer.request()
    peer.send(OK_HEAD + CHUNKED + b"f" * 20 + b"\r\nabc")


def chunk_size_that_is_none(peer: Peer) -> None:
    peer.request()
    peer.send(OK_HEAD + CHUNKED + b"-5\r\nabcde\r\n")


def length_that_is_none(peer: Peer) -> None:
    peer.request()
    peer.send(OK_HEAD + b"content-length: ten\r\n\r\n0123456789")


def two_lengths(peer: Peer) -> None:
    peer.request()
    peer.send(OK_HEAD + b"content-length: 2\r\ncontent-length: 5\r\n\r\n{}abc")


def length_that_is_too_long(peer: Peer) -> None:
    peer.request()
    peer.send(OK_HEAD + b"content-length: 100000\r\n\r\n{}")


def garbage(peer: Peer) -> None:
    peer.request()
    peer.send(bytes(range(256)) * 8)


def another_protocol(peer: Peer) -> None:
    peer.send(b"SSH-2.0-OpenSSH_9.6\r\n")
    peer.hold()


def switching_protocols(peer: Peer) -> None:
    peer.request()
    peer.send(b"HTTP/1.1 101 Switching Protocols\r\nupgrade: h2c\r\n\r\n")
    peer.hold()


def http_2(peer: Peer) -> None:
    peer.request()
    peer.send(b"\x00\x00\x12\x04\x00\x00\x00\x00\x00" + bytes(18))
    peer.hold()


def empty_reply(peer: Peer) -> None:
    peer.request()
    peer.send(b"HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n")


def json_that_is_none(peer: Peer) -> None:
    peer.request()
    peer.send(http_reply(b"{" * 100_000, headers={"connection": "close"}))


def nesting_without_end(peer: Peer) -> None:
    peer.request()
    body = b'{"output":' + b"[" * 200_000 + b"]" * 200_000 + b"}"
    peer.send(http_reply(body, headers={"connection": "close"}))


def gzip_that_is_none(peer: Peer) -> None:
    peer.request()
    peer.send(http_reply(b"not gzip", headers={"content-encoding": "gzip"}))


def gzip_within_gzip(peer: Peer) -> None:
    peer.request()
    peer.send(http_reply(BOMB_IN_A_BOMB, headers={"content-encoding": "gzip, gzip"}))


def gzip_bomb(peer: Peer) -> None:
    peer.request()
    peer.send(http_reply(BOMB, headers={"content-encoding": "gzip"}))


def body_without_end(peer: Peer) -> None:
    peer.request()
    peer.send(OK_HEAD + CHUNKED)
    peer.flood(chunk(b" " * 100_000))


def length_beyond_all_bounds(peer: Peer) -> None:
    peer.request()
    peer.send(OK_HEAD + b"content-length: 999999999999\r\n\r\n")
    peer.flood(b" " * 100_000)


def error_without_end(peer: Peer) -> None:
    peer.request()
    peer.send(b"HTTP/1.1 400 Bad Request\r\n" + CHUNKED)
    peer.flood(chunk(b"x" * 10_000))


def frame_of_a_huge_length(peer: Peer) -> None:
    peer.request()
    peer.send(stream_head() + chunk(b"\xff" * 64))
    peer.hold()


BROKEN = (errors.TransportError, errors.StreamInterruptedError)
TIMEOUT = (errors.RequestTimeoutError,)
UNREADABLE = (errors.ResponseDecodeError, errors.StreamError)
ANY = (BedrockError,)


@dataclass(frozen=True)
class Fault:
    """What the server does to the first connection, and which errors say it right."""

    behaviour: Behaviour
    expected: tuple[type[BedrockError], ...]


FAULTS = [
    Fault(close_at_once, BROKEN),
    Fault(reset_at_once, BROKEN),
    Fault(close_after_request, BROKEN),
    Fault(reset_after_request, BROKEN),
    Fault(say_nothing, TIMEOUT),
    Fault(drip_the_head, TIMEOUT),
    Fault(flood_of_interim_replies, BROKEN),
    Fault(drip_of_interim_replies, TIMEOUT),
    Fault(headers_without_end, BROKEN),
    Fault(one_header_without_end, BROKEN),
    Fault(cut_in_the_head, BROKEN),
    Fault(cut_after_the_head, BROKEN),
    Fault(cut_in_the_body, BROKEN),
    Fault(reset_in_the_body, BROKEN),
    Fault(stall_in_the_body, TIMEOUT),
    Fault(drip_the_body, TIMEOUT),
    Fault(chunk_extensions_without_end, (*BROKEN, *UNREADABLE)),
    Fault(trailers_without_end, (*BROKEN, *UNREADABLE)),
    Fault(chunk_of_a_huge_size, (*BROKEN, *UNREADABLE)),
    Fault(chunk_size_that_is_none, (*BROKEN, *UNREADABLE)),
    Fault(length_that_is_none, BROKEN),
    Fault(two_lengths, BROKEN),
    Fault(length_that_is_too_long, (*BROKEN, *UNREADABLE)),
    Fault(garbage, BROKEN),
    Fault(another_protocol, BROKEN),
    Fault(switching_protocols, (*BROKEN, errors.APIError)),
    Fault(http_2, BROKEN),
    Fault(empty_reply, (errors.APIError,)),
    Fault(json_that_is_none, UNREADABLE),
    Fault(nesting_without_end, UNREADABLE),
    Fault(gzip_that_is_none, UNREADABLE),
    Fault(gzip_within_gzip, UNREADABLE),
    Fault(gzip_bomb, UNREADABLE),
    Fault(body_without_end, UNREADABLE),
    Fault(length_beyond_all_bounds, UNREADABLE),
    Fault(error_without_end, (errors.InvalidRequestError,)),
    Fault(frame_of_a_huge_length, (*UNREADABLE, *TIMEOUT)),
]


# ------------------------------------------------------------------------------------- ways to call


@dataclass(frozen=True)
class Way:
    """How a client reaches the server."""

    name: str
    over_tls: bool = False
    through_proxy: bool = False
    family: Any = None


WAYS = [
    Way("directly"),
    Way("over TLS", over_tls=True),
    Way("through a proxy", over_tls=True, through_proxy=True),
    Way("httpx", family=httpx),
    Way("httpx2", family=httpx2),
]


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> tuple[ssl.SSLContext, Path]:
    issuer = trustme.CA()
    bundle = tmp_path_factory.mktemp("tls") / "ca.pem"
    issuer.cert_pem.write_to_path(str(bundle))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    issuer.issue_cert("127.0.0.1").configure_cert(context)
    return context, bundle


@contextmanager
def reached(
    behaviour: Behaviour,
    way: Way,
    colour: Colour,
    authority: tuple[ssl.SSLContext, Path],
    monkeypatch: pytest.MonkeyPatch,
    **options: Any,
) -> Iterator[ClientHandle]:
    """Give a client that reaches a server with this behaviour."""
    context, bundle = authority
    with ExitStack() as stack:
        monkeypatch.setenv("AWS_CA_BUNDLE", str(bundle))
        server = stack.enter_context(hostile(behaviour, context if way.over_tls else None))
        if way.through_proxy:
            monkeypatch.setenv("https_proxy", stack.enter_context(tunnel()))
        if way.family is not None:
            own = (way.family.AsyncClient if colour.is_async else way.family.Client)()
            stack.callback(colour.finish, own.aclose if colour.is_async else own.close)
            options["http_client"] = own
        yield stack.enter_context(colour.client(server.url, retry=ONCE, **options))


def call(client: ClientHandle, kind: str, **options: Any) -> str:
    """Make a call of a kind and return the text of the reply."""
    if kind == "converse":
        return str(client.converse(**options).text)
    with client.stream(**options) as stream:
        return str(stream.final_response().text)


def then_well(first: Behaviour) -> Behaviour:
    """Return what treats the first connection badly, and all others well."""
    connections = iter([first])

    def treat(peer: Peer) -> None:
        next(connections, behave)(peer)

    return treat


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.name)
@pytest.mark.parametrize("kind", ["converse", "stream"])
@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.behaviour.__name__)
def test_a_fault_is_told_in_time_and_the_next_call_is_well(
    fault: Fault,
    kind: str,
    way: Way,
    colour: Colour,
    authority: tuple[ssl.SSLContext, Path],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with reached(
        then_well(fault.behaviour),
        way,
        colour,
        authority,
        monkeypatch,
        max_connections=1,
        max_reply_bytes=1_000_000,
    ) as client:
        began = time.monotonic()
        with pytest.raises(BedrockError) as caught:
            call(client, kind, timeout=LIMIT)
        took = time.monotonic() - began

        assert isinstance(caught.value, fault.expected), repr(caught.value)
        assert took < LIMIT + SLACK
        assert call(client, kind, timeout=10) == "Hello there"


# ------------------------------------------------------------------- what a server may do to TLS


@pytest.mark.parametrize(
    "behaviour",
    [close_at_once, reset_at_once, Peer.hold, another_protocol],
    ids=["closes", "resets", "is silent", "does not speak TLS"],
)
@pytest.mark.parametrize("through_proxy", [False, True], ids=["directly", "through a proxy"])
def test_a_handshake_that_fails_ends_in_time(
    behaviour: Behaviour,
    through_proxy: bool,
    colour: Colour,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with ExitStack() as stack:
        server = stack.enter_context(hostile(behaviour))
        if through_proxy:
            monkeypatch.setenv("https_proxy", stack.enter_context(tunnel()))
        client = stack.enter_context(
            colour.client(server.url.replace("http:", "https:"), retry=ONCE, max_connections=1)
        )
        for kind in ("converse", "stream"):
            began = time.monotonic()
            with pytest.raises((errors.ConnectError, errors.RequestTimeoutError)) as caught:
                call(client, kind, timeout=LIMIT)
            assert time.monotonic() - began < LIMIT + SLACK
            assert ": ." not in str(caught.value)
            if behaviour is Peer.hold:
                assert isinstance(caught.value, errors.RequestTimeoutError)
                assert caught.value.phase == "connect"


async def test_a_stream_that_is_cancelled_while_a_tunnel_opens_holds_up_nothing(
    authority: tuple[ssl.SSLContext, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def read() -> str | None:
        async with client.converse_stream("model", "Hi") as stream:
            return (await stream.final_response()).text

    monkeypatch.setenv("AWS_CA_BUNDLE", str(authority[1]))
    with hostile(behave, authority[0]) as server, tunnel() as proxy:
        monkeypatch.setenv("https_proxy", proxy)
        async with AsyncBedrockClient(
            KEY, endpoint_url=server.url, retry=ONCE, max_connections=1
        ) as client:
            for number in range(80):
                task = asyncio.ensure_future(read())
                await asyncio.sleep(number * 0.0003)
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)
            assert await asyncio.wait_for(read(), 5) == "Hello there"


def test_a_certificate_that_is_not_trusted_is_named_through_a_proxy_too(
    colour: Colour, authority: tuple[ssl.SSLContext, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    with hostile(behave, authority[0]) as server, tunnel() as proxy:
        monkeypatch.setenv("https_proxy", proxy)
        with (
            colour.client(server.url, retry=ONCE) as client,
            pytest.raises(errors.ConnectError, match="certificate is not trusted") as caught,
        ):
            client.converse()

    assert f"127.0.0.1:{server.port} through the proxy at 127.0.0.1" in str(caught.value)


# --------------------------------------------------------------------------------- proxies' faults


def connect_answer(answer: bytes, *, holds: bool = False) -> Behaviour:
    def treat(peer: Peer) -> None:
        peer.request()
        peer.send(answer)
        if holds:
            peer.hold()

    return treat


def drip_the_answer(peer: Peer) -> None:
    peer.request()
    peer.drip(b"HTTP/1.1 200 OK\r\nx: " + b"y" * 10_000)


@pytest.mark.parametrize(
    ("behaviour", "sentence"),
    [
        (connect_answer(b"HTTP/1.1 407 Required\r\n\r\n"), "user name and password"),
        (connect_answer(b"HTTP/1.1 503 No\r\n\r\n"), r"refuses the tunnel \(HTTP status 503\)"),
        (connect_answer(b"garbage\r\n\r\n"), "not HTTP"),
        (connect_answer(b""), "closed the connection"),
        (connect_answer(b"HTTP/1.1 200 OK\r\n\r\nunasked", holds=True), "bytes of its own"),
        (reset_at_once, "the proxy at 127.0.0.1"),
        (say_nothing, r"0\.3 s"),
        (drip_the_answer, r"0\.3 s"),
    ],
    ids=["407", "503", "garbage", "closes", "talks", "resets", "is silent", "drips"],
)
def test_a_proxy_that_fails_is_named_in_time(
    behaviour: Behaviour, sentence: str, colour: Colour, monkeypatch: pytest.MonkeyPatch
) -> None:
    with hostile(behaviour) as proxy:
        monkeypatch.setenv("https_proxy", proxy.url)
        began = time.monotonic()
        with (
            colour.client("https://bedrock.example", retry=ONCE, timeout=LIMIT) as client,
            pytest.raises(errors.TransportError, match=sentence),
        ):
            client.converse()

    assert time.monotonic() - began < LIMIT + SLACK


def test_a_proxy_that_is_dead_is_named(colour: Colour, monkeypatch: pytest.MonkeyPatch) -> None:
    with hostile(behave) as proxy:
        pass
    monkeypatch.setenv("https_proxy", proxy.url)
    with (
        colour.client("https://bedrock.example", retry=ONCE) as client,
        pytest.raises(errors.ConnectError, match=f"the proxy at 127.0.0.1:{proxy.port}"),
    ):
        client.converse()


# ---------------------------------------------------------------------------------- surplus bytes


@pytest.mark.parametrize("way", WAYS[:3], ids=lambda way: way.name)
@pytest.mark.parametrize("kind", ["converse", "stream"])
@pytest.mark.parametrize("pause", [0.0, 0.05], ids=["at once", "later"])
def test_a_reply_that_nobody_asked_for_answers_no_call(
    pause: float,
    kind: str,
    way: Way,
    colour: Colour,
    authority: tuple[ssl.SSLContext, Path],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def twice(peer: Peer) -> None:
        while request := peer.request():
            reply = whole(request)
            if pause:
                peer.send(reply)
                time.sleep(pause)
                peer.send(reply.replace(b"Hello", b"Wrong"))
            else:
                peer.send(reply + reply.replace(b"Hello", b"Wrong"))

    with reached(twice, way, colour, authority, monkeypatch) as client:
        for _ in range(3):
            assert call(client, kind) == "Hello there"
            time.sleep(pause * 2)


@pytest.mark.parametrize("status", [204, 304])
def test_a_reply_behind_one_without_a_body_answers_no_call(status: int, colour: Colour) -> None:
    def answer(peer: Peer) -> None:
        peer.request()
        head = f"HTTP/1.1 {status} Status\r\n\r\n".encode()
        peer.send(head + http_reply(REPLY).replace(b"Hello", b"Wrong"))
        peer.hold()

    with (
        hostile(then_well(answer)) as server,
        colour.client(server.url, retry=ONCE) as client,
    ):
        with pytest.raises(errors.APIError):
            client.converse()
        assert client.converse().text == "Hello there"
        assert server.connections == 2


def test_many_interim_replies_in_one_piece_are_skipped(colour: Colour) -> None:
    def answer(peer: Peer) -> None:
        request = peer.request()
        peer.send(INTERIM * 600 + whole(request))
        peer.hold()

    with hostile(answer) as server, colour.client(server.url, retry=ONCE) as client:
        assert client.converse().text == "Hello there"


# ----------------------------------------------------------------------------- what the limits mean


def test_a_wait_for_a_connection_is_not_counted_as_one_for_the_reply(colour: Colour) -> None:
    """Three calls at once over one connection, each as long as `read` just allows."""

    def slowly(peer: Peer) -> None:
        while request := peer.request():
            time.sleep(0.4)
            peer.send(whole(request))

    limits = Timeout(read=1, pool=10)
    with (
        hostile(slowly) as server,
        colour.client(server.url, retry=ONCE, timeout=limits, max_connections=1) as client,
    ):
        assert colour.at_once(3, client.raw.converse, "model", "Hi") == ["Hello there"] * 3


def test_read_limits_each_wait_and_a_number_the_whole_reply(colour: Colour) -> None:
    def in_pieces(peer: Peer) -> None:
        while request := peer.request():
            head, body = parts(request)
            peer.send(head)
            for start in range(0, len(body), len(body) // 4):
                time.sleep(0.2)
                peer.send(body[start : start + len(body) // 4])

    with hostile(in_pieces) as server, colour.client(server.url, retry=ONCE) as client:
        assert client.converse(timeout=Timeout(read=0.7)).text == "Hello there"
        with pytest.raises(errors.RequestTimeoutError) as caught:
            client.converse(timeout=0.7)
        assert caught.value.phase == "read"


def test_a_number_limits_the_wait_for_each_event_of_a_stream(colour: Colour) -> None:
    def answer(peer: Peer) -> None:
        peer.request()
        peer.send(stream_head() + chunk(START))
        for word in ("a", "b", "c"):
            time.sleep(0.3)
            peer.send(chunk(delta(word)))
        peer.drip(chunk(delta("d" * 1000)), 0.05)

    with (
        hostile(answer) as server,
        colour.client(server.url, retry=ONCE, timeout=0.8) as client,
        client.stream() as stream,
        pytest.raises(errors.RequestTimeoutError),
    ):
        stream.final_response()
    assert stream.partial.text == "abc"


def test_an_upload_may_take_long_as_long_as_the_server_takes_some_of_it(colour: Colour) -> None:
    def slowly(peer: Peer) -> None:
        received = 0
        while received < 8_000_000:
            received += len(peer.connection.recv(200_000))
            time.sleep(0.02)
        peer.send(http_reply(REPLY))
        peer.hold()

    limits = Timeout(write=0.6, read=5)
    with hostile(slowly) as server, colour.client(server.url, timeout=limits, retry=ONCE) as client:
        assert client.converse(messages="x" * 8_000_000).text == "Hello there"


def test_a_server_that_takes_nothing_cannot_prolong_the_wait_with_bytes_of_tls(
    colour: Colour, authority: tuple[ssl.SSLContext, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    def take_nothing(peer: Peer) -> None:
        peer.connection.recv(100)
        with socket.socket(fileno=peer.connection.detach()) as below:
            # A record of TLS that does not end.
            below.sendall(b"\x17\x03\x03\x40\x00")
            for _ in range(100):
                below.sendall(b"x")
                time.sleep(0.05)

    over_tls = Way("over TLS", over_tls=True)
    with reached(take_nothing, over_tls, colour, authority, monkeypatch) as client:
        messages = "x" * 8_000_000
        began = time.monotonic()
        with pytest.raises(errors.RequestTimeoutError) as caught:
            client.converse(messages=messages, timeout=Timeout(write=0.3))
        assert caught.value.phase == "write"
        assert time.monotonic() - began < 3


def test_a_server_that_answers_before_it_took_the_request_is_heard(colour: Colour) -> None:
    def refuse(peer: Peer) -> None:
        peer.send(http_reply(b'{"message": "Too large."}', status=413))
        peer.hold()

    with hostile(then_well(refuse)) as server, colour.client(server.url, retry=ONCE) as client:
        began = time.monotonic()
        with pytest.raises(errors.InvalidRequestError, match="Too large"):
            client.converse(messages="x" * 20_000_000, timeout=30)
        assert time.monotonic() - began < SLACK
        assert client.converse().text == "Hello there"


def test_a_stream_is_whole_when_its_last_event_came_though_the_body_stays_open(
    colour: Colour,
) -> None:
    def answer(peer: Peer) -> None:
        peer.request()
        peer.send(stream_head() + b"".join(map(chunk, FRAMES)))
        peer.hold()

    with hostile(answer) as server, colour.client(server.url, retry=ONCE, timeout=30) as client:
        began = time.monotonic()
        assert call(client, "stream") == "Hello there"
    assert time.monotonic() - began < SLACK


def test_json_that_would_take_many_times_its_size_in_memory_is_refused(colour: Colour) -> None:
    objects = json.dumps(REPLY)[:-1].encode() + b', "x": [' + b"{}," * 290_000 + b"0]}"

    def answer(peer: Peer) -> None:
        peer.request()
        peer.send(http_reply(objects))
        behave(peer)

    with hostile(answer) as server, colour.client(server.url, timeout=20, retry=ONCE) as client:
        with pytest.raises(errors.ResponseDecodeError):
            client.converse()
        assert call(client, "stream") == "Hello there"


def test_events_without_end_after_the_last_one_do_not_hold_up_the_reply(colour: Colour) -> None:
    def answer(peer: Peer) -> None:
        peer.request()
        peer.send(stream_head() + b"".join(map(chunk, FRAMES)))
        for _ in range(200):
            peer.send(chunk(event("ping", {})))
            time.sleep(0.02)

    with hostile(answer) as server, colour.client(server.url, timeout=5, retry=ONCE) as client:
        began = time.monotonic()
        assert call(client, "stream") == "Hello there"
        assert time.monotonic() - began < SLACK


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.name)
def test_a_deadline_holds_whatever_the_server_does(
    way: Way,
    colour: Colour,
    authority: tuple[ssl.SSLContext, Path],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with reached(drip_the_head, way, colour, authority, monkeypatch, timeout=None) as client:
        began = time.monotonic()
        with pytest.raises(errors.RequestTimeoutError) as caught:
            client.converse(deadline=LIMIT)
    assert caught.value.phase == "deadline"
    assert time.monotonic() - began < LIMIT + SLACK


def test_dead_addresses_share_the_time_to_connect(
    colour: Colour, monkeypatch: pytest.MonkeyPatch
) -> None:
    import socket

    # A listener whose queue is full leaves further connections unanswered.
    with socket.socket() as full, socket.socket() as first, socket.socket() as second:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        for filler in (first, second):
            filler.setblocking(False)
            filler.connect_ex(full.getsockname())
        address = (socket.AF_INET, socket.SOCK_STREAM, 0, "", full.getsockname())
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: [address] * 4)
        began = time.monotonic()
        with (
            colour.client(
                "https://bedrock.example", timeout=Timeout(connect=0.4), retry=ONCE
            ) as client,
            pytest.raises(errors.RequestTimeoutError) as caught,
        ):
            client.converse()
    assert caught.value.phase == "connect"
    assert time.monotonic() - began < 0.4 + SLACK


def test_a_name_server_that_does_not_answer_ends_in_time(
    colour: Colour, monkeypatch: pytest.MonkeyPatch
) -> None:
    import socket
    import threading

    answers = threading.Event()

    def wait(*_: object, **__: object) -> Any:
        answers.wait(30)
        return []

    monkeypatch.setattr(socket, "getaddrinfo", wait)
    began = time.monotonic()
    try:
        with (
            colour.client("https://bedrock.example", timeout=LIMIT, retry=ONCE) as client,
            pytest.raises(errors.RequestTimeoutError) as caught,
        ):
            client.converse()
    finally:
        answers.set()
    assert caught.value.phase == "connect"
    assert time.monotonic() - began < LIMIT + SLACK


# --------------------------------------------------------------------------- what is sent again


def test_a_broken_reply_is_sent_again_unless_that_is_switched_off(colour: Colour) -> None:
    for policy, requests in (
        (RetryPolicy(jitter=lambda: 0.0), 3),
        (RetryPolicy(retry_broken_replies=False), 1),
    ):
        records: list[Any] = []
        with (
            hostile(cut_in_the_body) as server,
            colour.client(server.url, retry=policy, on_event=records.append) as client,
            pytest.raises(errors.TransportError) as caught,
        ):
            client.converse()

        assert server.connections == requests
        assert caught.value.reply_lost
        assert [record.reply_lost for record in records[:-1]] == [True] * requests


def test_a_stream_that_broke_before_its_first_event_follows_the_same_switch(
    colour: Colour,
) -> None:
    with (
        hostile(cut_after_the_head) as server,
        colour.client(server.url, retry=RetryPolicy(retry_broken_replies=False)) as client,
        pytest.raises((errors.StreamInterruptedError, errors.TransportError)),
        client.stream(),
    ):
        pass
    assert server.connections == 1


def test_a_connection_that_was_never_made_is_tried_again_whatever_the_switch(
    colour: Colour,
) -> None:
    records: list[Any] = []
    with hostile(behave) as server:
        pass
    policy = RetryPolicy(retry_broken_replies=False, jitter=lambda: 0.0)
    with (
        colour.client(server.url, retry=policy, on_event=records.append) as client,
        pytest.raises(errors.ConnectError),
    ):
        client.converse()
    assert len(records) == 4
    assert not any(record.reply_lost for record in records[:-1])
