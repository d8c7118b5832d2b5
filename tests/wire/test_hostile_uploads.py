"""What a server does while a large request is on its way to it."""

from __future__ import annotations

import logging
import ssl
import time
from pathlib import Path
from typing import Any

import pytest
import trustme
from support.clients import Colour
from support.hostile import Behaviour, Peer, hostile
from support.replies import REPLY
from support.server import http_reply

from bedrock_bearer import RetryPolicy, errors
from bedrock_bearer.wire import exchange, http1

ONCE = RetryPolicy(max_attempts=1)
LARGE = "x" * 8_000_000
REFUSAL = http_reply(b'{"message": "Not today."}', status=403, headers={"connection": "close"})


@pytest.fixture(params=["plain", "TLS"])
def tls(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> ssl.SSLContext | None:
    if request.param == "plain":
        return None
    issuer = trustme.CA()
    issuer.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    monkeypatch.setenv("AWS_CA_BUNDLE", str(tmp_path / "ca.pem"))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    issuer.issue_cert("127.0.0.1").configure_cert(context)
    return context


@pytest.fixture
def slow_start(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the server do its worst between the connecting and the first byte of the request."""
    made = http1.request_pieces

    def make(*arguments: Any) -> Any:
        time.sleep(0.2)
        return made(*arguments)

    monkeypatch.setattr(exchange, "request_pieces", make)


def refuse(peer: Peer) -> None:
    time.sleep(0.05)
    peer.send(REFUSAL)
    peer.reset()


def leave(peer: Peer) -> None:
    time.sleep(0.05)
    peer.reset()


def interim(peer: Peer) -> None:
    time.sleep(0.1)
    for _ in range(3):
        peer.send(b"HTTP/1.1 100 Continue\r\n\r\n")
        time.sleep(0.02)
    peer.request()
    peer.send(http_reply(REPLY))
    peer.hold()


@pytest.mark.usefixtures("slow_start")
def test_a_refusal_is_read_though_the_server_takes_nothing_and_leaves(colour: Colour) -> None:
    with (
        hostile(refuse) as server,
        colour.client(server.url, retry=ONCE) as client,
        pytest.raises(errors.AccessDeniedError, match="Not today"),
    ):
        client.converse(messages=LARGE)


@pytest.mark.usefixtures("slow_start")
def test_a_server_that_leaves_is_told_once_and_not_logged(
    colour: Colour, tls: ssl.SSLContext | None, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    with (
        hostile(leave, tls) as server,
        colour.client(server.url, retry=ONCE) as client,
        pytest.raises(errors.TransportError),
    ):
        client.converse(messages=LARGE)

    assert caplog.text == ""


def test_an_interim_reply_does_not_end_an_upload(
    colour: Colour, tls: ssl.SSLContext | None
) -> None:
    with hostile(interim, tls) as server, colour.client(server.url, retry=ONCE) as client:
        assert client.converse(messages=LARGE, timeout=20).text == "Hello there"


def cut(peer: Peer) -> None:
    peer.request()
    peer.send(REFUSAL[:-5])


def late(peer: Peer) -> None:
    cut(peer)
    peer.hold()


@pytest.mark.parametrize("behaviour", [cut, late])
def test_an_error_whose_body_is_cut_or_late_is_told(behaviour: Behaviour, colour: Colour) -> None:
    with (
        hostile(behaviour) as server,
        colour.client(server.url, retry=ONCE, timeout=0.5) as client,
    ):
        with pytest.raises(errors.AccessDeniedError, match="Not tod"):
            client.converse()
        with pytest.raises(errors.AccessDeniedError, match="Not tod"), client.stream():
            pass
