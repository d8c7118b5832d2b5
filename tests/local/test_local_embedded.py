"""This library's clients on a local Bedrock in the same process."""

from __future__ import annotations

import pytest
from support.local import NOVA, deny_token_type

from bedrock_bearer import errors
from bedrock_bearer.local import LocalBedrock, local_async_client, local_client


def test_a_client_comes_with_a_bedrock_and_a_key_of_its_own() -> None:
    with local_client() as client:
        reply = client.converse(NOVA, "Hello")

    assert reply.text == "Hello! How can I help you today?"
    assert reply.key is not None
    assert reply.key.token_type == "SHORT_TERM"


async def test_an_async_client_does_too() -> None:
    async with local_async_client(region="eu-west-1") as client:
        reply = await client.converse(NOVA, "Hello")

    assert reply.key is not None
    assert reply.key.region == "eu-west-1"


def test_a_bedrock_and_a_key_can_be_given() -> None:
    bedrock = LocalBedrock()
    bedrock.attach_policy(None, deny_token_type("LONG_TERM"))

    with (
        local_client(bedrock, api_key=bedrock.mint_key("LONG_TERM")) as client,
        pytest.raises(errors.LongTermKeyDeniedError),
    ):
        client.converse(NOVA, "Hello")
