"""Keys of a gateway in front of Bedrock, which are not Bedrock's own."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from support.clients import KEY, Colour
from support.replies import error, ok
from support.server import http_reply, serve

from bedrock_bearer import (
    ApiKey,
    ApiKeyRejectedError,
    BedrockClient,
    FallbackKeys,
    InvalidApiKeyError,
    RetryPolicy,
    check_keys,
)
from bedrock_bearer.adapters import BearerAuth

VIRTUAL = "sk-0123456789abcdefghij"
TOKEN = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl"
AWS = "https://bedrock-runtime.us-east-1.amazonaws.com"

KEYS = pytest.mark.parametrize("text", [VIRTUAL, TOKEN])


@KEYS
def test_a_gateways_key_goes_to_the_gateway(text: str, colour: Colour) -> None:
    with (
        serve([ok()]) as server,
        colour.client(server.url, api_key=ApiKey.opaque(text)) as client,
    ):
        assert client.converse().text == "Hello there"

    assert server.requests[0].headers["authorization"] == f"Bearer {text}"


@KEYS
@pytest.mark.parametrize("where", [{"endpoint_url": AWS}, {"region": "us-east-1"}])
def test_a_gateways_key_is_refused_by_name_for_aws(
    text: str, where: dict[str, Any], colour: Colour
) -> None:
    key = ApiKey.opaque(text)

    with pytest.raises(InvalidApiKeyError, match=r"it looks like a .*endpoint_url=") as caught:
        colour.client_class(key, **where)

    assert text not in str(caught.value)


def test_a_gateways_key_of_a_function_is_refused_before_it_is_sent(colour: Colour) -> None:
    client = colour.client(AWS, api_key=lambda: ApiKey.opaque(VIRTUAL))

    with client, pytest.raises(InvalidApiKeyError, match="a key of OpenAI"):
        client.converse()


def test_for_aws_a_gateways_key_falls_back_to_bedrocks() -> None:
    seen: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request.headers["authorization"])
        return httpx.Response(200, content=ok().partition(b"\r\n\r\n")[2])

    keys = FallbackKeys(ApiKey.opaque(VIRTUAL), KEY)
    with (
        httpx.Client(transport=httpx.MockTransport(answer)) as http_client,
        BedrockClient(keys, region="us-east-1", http_client=http_client) as client,
    ):
        client.converse("m", "Hi")

    assert seen == [f"Bearer {KEY}"]


def test_the_gateways_refusal_shows_no_key(colour: Colour) -> None:
    with (
        serve([error(401, "", f"Invalid bearer token {VIRTUAL}")]) as server,
        colour.client(server.url, api_key=ApiKey.opaque(VIRTUAL)) as client,
        pytest.raises(ApiKeyRejectedError) as caught,
    ):
        client.converse()

    assert VIRTUAL not in str(caught.value) + repr(vars(caught.value))


def test_a_bearer_auth_for_bedrock_refuses_a_gateways_key() -> None:
    auth = BearerAuth(ApiKey.opaque(VIRTUAL))

    with httpx.Client(auth=auth) as client, pytest.raises(InvalidApiKeyError):
        client.get(AWS)


@pytest.mark.parametrize(
    "reply",
    [
        http_reply({"detail": "Not Found"}, status=404),
        http_reply({"detail": "Method Not Allowed"}, status=405),
        http_reply(b"<html>The gateway's own page</html>", status=200),
    ],
)
def test_the_check_offers_a_converse_call_where_the_free_probe_is_missing(reply: bytes) -> None:
    with serve([reply]) as server:
        report = check_keys(
            [ApiKey.opaque(VIRTUAL)], endpoint_url=server.url, retry=RetryPolicy(max_attempts=1)
        )

    (check,) = report.checks
    assert not check.is_usable
    assert check.advice is not None
    assert "--converse" in check.advice
