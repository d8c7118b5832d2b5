"""Our client against ministack, a server that nobody here wrote."""

from __future__ import annotations

import os
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
from support.local import NOVA

from bedrock_bearer import AsyncBedrockClient, BedrockClient
from bedrock_bearer.converse.dicts import GuardrailConfigurationDict
from bedrock_bearer.errors import APIError
from bedrock_bearer.local import LocalBedrock

START_SECONDS = 60
RUNTIME = "bedrock-runtime.us-east-1.amazonaws.com"
CONTROL = "bedrock.us-east-1.amazonaws.com"


@pytest.fixture(scope="session")
def ministack(
    peer: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    """The URL of a ministack on loopback."""
    folder = tmp_path_factory.mktemp("ministack")
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
    process = subprocess.Popen(
        [peer("ministack") / "ministack"],
        env=os.environ | {"BIND_HOST": "127.0.0.1", "GATEWAY_PORT": str(port)},
        cwd=folder,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        wait_until_open(port, process)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait()


def wait_until_open(port: int, process: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + START_SECONDS
    while process.poll() is None and time.monotonic() < end:
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=1):
                return
        except OSError:
            # A server of others says nothing when it is ready: it can only be asked.
            time.sleep(0.1)
    raise RuntimeError(f"ministack did not open port {port}; it ended with {process.poll()}")


class Rerouted(httpx.HTTPTransport):
    """Sends everything to one address and leaves the `Host` header: ministack routes by it."""

    def __init__(self, url: str) -> None:
        super().__init__()
        self._url = httpx.URL(url)

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        request.url = self._url.copy_with(raw_path=request.url.raw_path)
        return super().handle_request(request)


class AsyncRerouted(httpx.AsyncHTTPTransport):
    """The same for async clients."""

    def __init__(self, url: str) -> None:
        super().__init__()
        self._url = httpx.URL(url)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        request.url = self._url.copy_with(raw_path=request.url.raw_path)
        return await super().handle_async_request(request)


@pytest.fixture
def key() -> str:
    return LocalBedrock().mint_key()


@pytest.fixture
def client(ministack: str, key: str) -> Iterator[BedrockClient]:
    with httpx.Client(transport=Rerouted(ministack)) as http_client:
        yield BedrockClient(key, region="us-east-1", http_client=http_client)


@pytest.fixture(scope="session")
def guardrail(ministack: str) -> str:
    """The id of a guardrail that blocks the word `forbidden`."""
    created = httpx.post(
        f"{ministack}/guardrails",
        headers={"Host": CONTROL},
        json={
            "name": "words",
            "blockedInputMessaging": "Not that.",
            "blockedOutputsMessaging": "Not this.",
            "wordPolicyConfig": {"wordsConfig": [{"text": "forbidden"}]},
        },
    ).json()
    return str(created.get("guardrailId") or created["GuardrailId"])


def test_a_reply_is_read(client: BedrockClient) -> None:
    reply = client.converse(NOVA, "Hello", max_tokens=50)

    assert reply.text.startswith("[ministack mock")
    assert reply.stop_reason == "end_turn"
    assert reply.usage.total_tokens == reply.usage.input_tokens + reply.usage.output_tokens


def test_a_stream_is_read(client: BedrockClient) -> None:
    with client.converse_stream(NOVA, "Hello") as stream:
        text = "".join(stream.text_stream)
        reply = stream.final_response()

    assert text == reply.text
    assert text.startswith("[ministack mock")
    assert reply.usage.output_tokens > 0


async def test_async_clients_read_the_same(ministack: str, key: str, client: BedrockClient) -> None:
    async with httpx.AsyncClient(transport=AsyncRerouted(ministack)) as http_client:
        theirs = AsyncBedrockClient(key, region="us-east-1", http_client=http_client)
        reply = await theirs.converse(NOVA, "Hello")
        async with theirs.converse_stream(NOVA, "Hello") as stream:
            text = "".join([piece async for piece in stream.text_stream])

    assert reply.text == text == client.converse(NOVA, "Hello").text


def test_a_guardrail_intervenes(client: BedrockClient, guardrail: str) -> None:
    config: GuardrailConfigurationDict = {
        "guardrailIdentifier": guardrail,
        "guardrailVersion": "DRAFT",
        "trace": "enabled",
    }

    reply = client.converse(NOVA, "a forbidden word", guardrail_config=config)

    assert reply.stop_reason == "guardrail_intervened"
    assert reply.text == "Not that."
    assert reply.trace is not None


def test_a_guardrail_intervenes_in_a_stream(client: BedrockClient, guardrail: str) -> None:
    config: GuardrailConfigurationDict = {
        "guardrailIdentifier": guardrail,
        "guardrailVersion": "DRAFT",
        "trace": "enabled",
    }

    with client.converse_stream(NOVA, "a forbidden word", guardrail_config=config) as stream:
        reply = stream.final_response()

    assert reply.stop_reason == "guardrail_intervened"


def test_an_error_is_classified(client: BedrockClient) -> None:
    config: GuardrailConfigurationDict = {
        "guardrailIdentifier": "gr-none",
        "guardrailVersion": "DRAFT",
    }

    with pytest.raises(APIError) as caught:
        client.converse(NOVA, "Hello", guardrail_config=config)

    assert caught.value.status_code in (400, 404)
    assert "gr-none" in caught.value.message


def test_the_probe_is_answered(client: BedrockClient) -> None:
    assert client.probe().key.token_type == "SHORT_TERM"
