"""The local Bedrock on a socket."""

from __future__ import annotations

import json
import os
import socket
import ssl
import subprocess
import sys
import time
import tracemalloc
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import quote

import h2.connection
import h2.events
import httpx
import pytest
from hyperframe.frame import GoAwayFrame
from support.local import NOVA, Caller, converse_request

from bedrock_bearer.local import LocalBedrock, faults
from bedrock_bearer.local.replies import text_reply
from bedrock_bearer.local.server import LocalServer
from bedrock_bearer.wire.eventstream import EventStreamDecoder


def test_it_listens_on_loopback_unless_told_otherwise(bedrock: LocalBedrock) -> None:
    with LocalServer(bedrock) as server:
        assert server.url == f"http://127.0.0.1:{server.port}"


def test_it_can_listen_on_ipv6(bedrock: LocalBedrock) -> None:
    try:
        server = LocalServer(bedrock, host="::1")
    except OSError:
        pytest.skip("this machine has no IPv6 loopback")
    with server, httpx.Client() as client:
        assert Caller(bedrock, None, client=client, host=server.url).converse().status_code == 403


def test_its_certificate_is_good_for_loopback_by_name_too(bedrock: LocalBedrock) -> None:
    with LocalServer(bedrock, tls=True) as server:
        context = ssl.create_default_context(cafile=server.ca_file)
        host = f"https://localhost:{server.port}"
        with httpx.Client(verify=context) as client:
            assert Caller(bedrock, None, client=client, host=host).converse().status_code == 403


def test_its_certificate_is_trusted_by_nobody_else(bedrock: LocalBedrock) -> None:
    with (
        LocalServer(bedrock, tls=True) as server,
        httpx.Client() as client,
        pytest.raises(httpx.ConnectError, match="CERTIFICATE_VERIFY_FAILED"),
    ):
        client.get(server.url)


def test_its_port_and_its_file_are_given_back(bedrock: LocalBedrock) -> None:
    with LocalServer(bedrock, tls=True) as server:
        ca_file, port = server.ca_file, server.port

    assert ca_file is not None
    assert not os.path.exists(ca_file)
    with socket.create_server(("127.0.0.1", port)) as again:
        assert again.getsockname()[1] == port


def test_a_port_that_is_taken_is_an_error(bedrock: LocalBedrock) -> None:
    with LocalServer(bedrock) as server, pytest.raises(OSError, match="in use"):
        LocalServer(bedrock, port=server.port)


def test_without_what_serves_it_says_what_to_install() -> None:
    program = """
import sys
sys.modules["trustme"] = None
from bedrock_bearer import ConfigurationError
try:
    from bedrock_bearer.local import LocalServer
except ConfigurationError as error:
    print(error)
"""
    shown = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)

    assert "needs trustme. Install hypercorn and trustme, or bedrock-bearer[local]" in shown.stdout


def test_many_call_at_once(bedrock: LocalBedrock) -> None:
    key = bedrock.mint_key()
    with (
        LocalServer(bedrock) as server,
        httpx.Client() as client,
        ThreadPoolExecutor(32) as pool,
    ):
        caller = Caller(bedrock, key, client=client, host=server.url)
        replies = list(pool.map(lambda n: caller.converse(f"number {n}"), range(200)))

    texts = [r.json()["output"]["message"]["content"][0]["text"] for r in replies]
    assert texts == [f"You said: number {n}" for n in range(200)]


def test_threads_may_change_it_while_it_answers(bedrock: LocalBedrock) -> None:
    def live(number: int) -> list[int]:
        key = bedrock.mint_key("LONG_TERM", user_name=f"user-{number}")
        caller = Caller(bedrock, key)
        before = caller.converse().status_code
        bedrock.delete_key(key)
        return [before, caller.converse().status_code]

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(live, range(50))) == [[200, 403]] * 50


def peak_memory_of_body(server: LocalServer, megabytes: int, key: str) -> tuple[int, int]:
    """Send a body of so many megabytes; return the status and by how much memory grew at most."""
    piece = b" " * 1_000_000
    tracemalloc.start()
    try:
        with httpx.Client(timeout=60) as client:
            response = client.post(
                f"{server.url}/model/{quote(NOVA)}/converse",
                content=(piece for _ in range(megabytes)),
                headers={"Authorization": f"Bearer {key}"},
            )
        return response.status_code, tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_a_body_without_a_good_key_is_not_kept(bedrock: LocalBedrock) -> None:
    with LocalServer(bedrock) as server:
        status, memory = peak_memory_of_body(server, 100, "sk-another")

    assert status == 403
    assert memory < 20_000_000


def test_a_body_beyond_the_limit_is_refused_and_not_kept(bedrock: LocalBedrock) -> None:
    with LocalServer(bedrock) as server:
        status, memory = peak_memory_of_body(server, 200, bedrock.mint_key())

    assert status == 400
    assert memory < 100_000_000


def test_a_body_within_the_limit_is_read_whole(bedrock: LocalBedrock) -> None:
    image = {"image": {"format": "png", "source": {"bytes": "A" * 4_000_000}}}
    content = [{"text": "What is this?"}, image]
    with LocalServer(bedrock) as server, httpx.Client() as client:
        caller = Caller(bedrock, bedrock.mint_key(), client=client, host=server.url)
        response = caller.converse(messages=[{"role": "user", "content": content}])

    assert response.status_code == 200


@pytest.fixture
def http2_caller(bedrock: LocalBedrock) -> Iterator[Caller]:
    with LocalServer(bedrock, tls=True) as server:
        context = ssl.create_default_context(cafile=server.ca_file)
        with httpx.Client(verify=context, http2=True) as client:
            yield Caller(bedrock, bedrock.mint_key(), client=client, host=server.url)


def test_http2_carries_replies_streams_and_refusals(
    bedrock: LocalBedrock, http2_caller: Caller
) -> None:
    replies = [http2_caller.converse(), http2_caller.stream(), http2_caller.converse(messages=[])]

    assert [r.http_version for r in replies] == ["HTTP/2"] * 3
    assert [r.status_code for r in replies] == [200, 200, 400]
    assert len(EventStreamDecoder().feed(replies[1].content)) > 5


@pytest.mark.parametrize("fault", [faults.close_before_headers(), faults.close_mid_frame()])
def test_http2_meets_a_connection_that_breaks(
    bedrock: LocalBedrock, http2_caller: Caller, fault: faults.Fault
) -> None:
    bedrock.inject(fault)

    with pytest.raises(httpx.RemoteProtocolError):
        http2_caller.stream()
    assert http2_caller.converse().status_code == 200


def test_a_stream_that_breaks_over_http2_comes_as_far_as_it_goes(
    bedrock: LocalBedrock, http2_caller: Caller
) -> None:
    bedrock.inject(faults.close_at_frame_boundary(3))
    received: list[bytes] = []

    with pytest.raises(httpx.RemoteProtocolError), http2_caller.streaming() as response:
        received.extend(response.iter_raw())

    assert len(EventStreamDecoder().feed(b"".join(received))) == 3


class _Http2Client:
    """A client that sends the frames it is told to, one connection for one stream."""

    def __init__(self, server: LocalServer, key: str) -> None:
        context = ssl.create_default_context(cafile=server.ca_file)
        context.set_alpn_protocols(["h2"])
        plain = socket.create_connection((server.host, server.port), timeout=10)
        self.socket = context.wrap_socket(plain, server_hostname=server.host)
        self.connection = h2.connection.H2Connection()
        self.connection.initiate_connection()
        path = f"/model/{quote(NOVA, safe='')}/converse-stream"
        self.headers = [
            (":method", "POST"),
            (":scheme", "https"),
            (":authority", server.host),
            (":path", path),
            ("authorization", f"Bearer {key}"),
        ]

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def read(self) -> bytes:
        """Return the body of the reply, up to its end or the end of the connection."""
        body = b""
        while data := self.socket.recv(65_536):
            for event in self.connection.receive_data(data):
                if isinstance(event, h2.events.DataReceived):
                    body += event.data
                    length = event.flow_controlled_length
                    self.connection.acknowledge_received_data(length, event.stream_id)
                elif isinstance(event, h2.events.StreamEnded):
                    return body
            self.send(self.connection.data_to_send())
        return body


@pytest.mark.parametrize("size", [1, 7, 10_000], ids="{} bytes at once".format)
def test_a_client_of_http2_that_opens_no_further_stream_gets_its_reply_whole(
    bedrock: LocalBedrock, size: int
) -> None:
    bedrock.script(text_reply("word " * 2_000))
    request = json.dumps(converse_request("Hello")).encode()
    with LocalServer(bedrock, tls=True) as server:
        client = _Http2Client(server, bedrock.mint_key())
        with client.socket:
            client.connection.send_headers(1, client.headers)
            client.connection.send_data(1, request, end_stream=True)
            sent = client.connection.data_to_send() + GoAwayFrame(0).serialize()
            for place in range(0, len(sent), size):
                client.send(sent[place : place + size])
            body = client.read()

    events = EventStreamDecoder().feed(body)
    assert events[-1].headers[":event-type"] == "metadata"
    assert len(body) > 100_000


def test_a_large_body_comes_over_http2(http2_caller: Caller) -> None:
    image = {"image": {"format": "png", "source": {"bytes": "A" * 4_000_000}}}

    response = http2_caller.converse(
        messages=[{"role": "user", "content": [{"text": "What is this?"}, image]}]
    )

    assert response.status_code == 200


def test_a_server_ends_at_once_while_clients_keep_their_connections(bedrock: LocalBedrock) -> None:
    with httpx.Client() as client, LocalServer(bedrock) as server:
        Caller(bedrock, None, client=client, host=server.url).converse()
        before = time.monotonic()
        server.close()

    assert time.monotonic() - before < 0.9


def test_a_websocket_is_refused(bedrock: LocalBedrock) -> None:
    headers = {
        "Connection": "upgrade",
        "Upgrade": "websocket",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": "YWJjZGVmZ2hpamtsbW5vcA==",
    }
    with LocalServer(bedrock) as server, httpx.Client() as client:
        assert client.get(server.url, headers=headers).status_code == 403
