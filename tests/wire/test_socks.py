"""A SOCKS 5 proxy carries calls, and whatever it does wrong is named in time."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from support.clients import Colour
from support.hostile import Behaviour, Peer, hostile
from support.replies import FRAMES, ok
from support.server import chunk, serve, stream_head

from bedrock_bearer import RetryPolicy, errors

ONCE = RetryPolicy(max_attempts=1)
LIMIT = 0.5
GRANTED = b"\x05\x00\x00\x01\0\0\0\0\0\0"


def receive(peer: Peer, count: int) -> bytes:
    """Read so many bytes."""
    data = b""
    while len(data) < count and (more := peer.connection.recv(count - len(data))):
        data += more
    return data


def take_login(peer: Peer, login: tuple[str, str] | None) -> bool:
    """Agree on how the client says who it is; return whether it is let in."""
    methods = receive(peer, receive(peer, 2)[1])
    if login is None:
        peer.send(b"\x05\x00")
        return True
    if 2 not in methods:
        peer.send(b"\x05\xff")
        return False
    peer.send(b"\x05\x02")
    user = receive(peer, receive(peer, 2)[1]).decode()
    password = receive(peer, receive(peer, 1)[0]).decode()
    peer.send(b"\x01\x00" if (user, password) == login else b"\x01\x01")
    return (user, password) == login


def take_target(peer: Peer) -> tuple[str, int]:
    """Read which server the client wants."""
    receive(peer, 4)
    host = receive(peer, receive(peer, 1)[0]).decode()
    return host, int.from_bytes(receive(peer, 2), "big")


@contextmanager
def socks(login: tuple[str, str] | None = None) -> Iterator[int]:
    """Run a SOCKS 5 proxy on loopback that asks for this user and password; give its port."""

    def copy(source: socket.socket, target: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                target.sendall(data)
            target.shutdown(socket.SHUT_RDWR)

    def behave(peer: Peer) -> None:
        if not take_login(peer, login):
            return
        with socket.create_connection(take_target(peer)) as server:
            peer.send(GRANTED)
            threading.Thread(target=copy, args=(server, peer.connection), daemon=True).start()
            copy(peer.connection, server)

    with hostile(behave) as proxy:
        yield proxy.port


@pytest.mark.parametrize("scheme", ["socks5", "socks5h"])
@pytest.mark.parametrize("login", [None, ("me", "p:ss@word")])
def test_calls_and_streams_pass_through_a_socks_proxy(
    login: tuple[str, str] | None, scheme: str, colour: Colour, monkeypatch: pytest.MonkeyPatch
) -> None:
    body = b"".join(chunk(frame) for frame in FRAMES) + chunk(b"")
    user = "me:p%3Ass%40word@" if login else ""
    with serve([ok(), stream_head() + body]) as server, socks(login) as port:
        monkeypatch.setenv("all_proxy", f"{scheme}://{user}127.0.0.1:{port}")
        with colour.client(server.url, retry=ONCE) as client:
            assert client.converse().text == "Hello there"
            with client.stream() as stream:
                assert stream.final_response().text == "Hello there"

    assert server.connections == 1


def after_login(answer: bytes) -> Behaviour:
    def behave(peer: Peer) -> None:
        take_login(peer, None)
        take_target(peer)
        peer.send(answer)
        peer.hold()

    return behave


def at_once(answer: bytes) -> Behaviour:
    def behave(peer: Peer) -> None:
        receive(peer, 3)
        peer.send(answer)
        peer.hold()

    return behave


def leave(peer: Peer) -> None:
    receive(peer, 3)


def say_nothing(peer: Peer) -> None:
    peer.hold()


def drip(peer: Peer) -> None:
    take_login(peer, None)
    take_target(peer)
    peer.drip(b"\x05\x00\x00\x03\xff" + b"x" * 255)


@pytest.mark.parametrize(
    ("behaviour", "sentence"),
    [
        (at_once(b"\x05\xff"), "asks for another user name and password"),
        (at_once(b"\x05\x02"), "asks for another user name and password"),
        (at_once(b"HTTP/1.1 400 No\r\n\r\n"), "is not SOCKS 5"),
        (after_login(b"\x05\x02\x00\x01"), "refuses the tunnel: "),
        (after_login(b"\x05\x63\x00\x01"), "refuses the tunnel: reason 99"),
        (after_login(GRANTED + b"unasked"), "bytes of its own"),
        (after_login(b"HTTP/1.1 200 OK\r\n\r\n"), "is not SOCKS 5"),
        (leave, "closed the connection"),
        (say_nothing, r"0\.5 s"),
        (drip, r"0\.5 s"),
    ],
    ids=[
        "no method",
        "a password",
        "HTTP",
        "refuses",
        "refuses oddly",
        "talks",
        "HTTP later",
        "leaves",
        "is silent",
        "drips",
    ],
)
def test_a_socks_proxy_that_fails_is_named_in_time(
    behaviour: Callable[[Peer], None],
    sentence: str,
    colour: Colour,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with hostile(behaviour) as proxy:
        monkeypatch.setenv("all_proxy", f"socks5://127.0.0.1:{proxy.port}")
        began = time.monotonic()
        with (
            colour.client("https://bedrock.example", retry=ONCE, timeout=LIMIT) as client,
            pytest.raises(errors.TransportError, match=sentence),
        ):
            client.converse()

    assert time.monotonic() - began < LIMIT + 1


def test_a_wrong_password_for_a_socks_proxy_is_named_and_not_shown(
    colour: Colour, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socks(("me", "right")) as port:
        monkeypatch.setenv("all_proxy", f"socks5://me:wrong-secret@127.0.0.1:{port}")
        with (
            colour.client("https://bedrock.example", retry=ONCE) as client,
            pytest.raises(errors.ConnectError, match="does not accept the user name") as caught,
        ):
            client.converse()

    assert "wrong-secret" not in str(caught.value)
    assert not caught.value.retryable
