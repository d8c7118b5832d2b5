"""openai and anthropic with our keys, against the local Bedrock's routes of their shapes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anthropic
import httpx2
import openai
import pytest
from adapters.conftest import Service
from anthropic.lib.credentials import AccessToken
from support.local import deny_token_type

from bedrock_bearer import FallbackKeys, FileKey, ShortTermKeyDeniedError, translate_error
from bedrock_bearer.adapters import BearerAuth, async_token_provider, token_provider

GPT = "openai.gpt-oss-20b-1:0"
CLAUDE = "us.anthropic.claude-sonnet-4-6"
MESSAGES: Any = [{"role": "user", "content": "Hello"}]
TEXT = "Hello! How can I help you today?"

Ask = Callable[[], str]


def by_openai(service: Service, source: Any) -> Ask:
    auth = BearerAuth(source, origin=service.url)
    client = openai.OpenAI(
        base_url=f"{service.url}/openai/v1",
        api_key="-",
        http_client=httpx2.Client(auth=auth, verify=service.tls),
    )
    service.opened.append(client)

    def ask() -> str:
        reply = client.chat.completions.create(model=GPT, messages=MESSAGES)
        return str(reply.choices[0].message.content)

    return ask


def by_openai_stream(service: Service, source: Any) -> Ask:
    auth = BearerAuth(source, origin=service.url)
    client = openai.OpenAI(
        base_url=f"{service.url}/openai/v1",
        api_key="-",
        http_client=httpx2.Client(auth=auth, verify=service.tls),
    )
    service.opened.append(client)

    def ask() -> str:
        stream = client.chat.completions.create(model=GPT, messages=MESSAGES, stream=True)
        chunks = [chunk.choices[0].delta.content for chunk in stream if chunk.choices]
        return "".join(chunk or "" for chunk in chunks)

    return ask


def by_async_openai(service: Service, source: Any) -> Ask:
    async def ask() -> str:
        auth = BearerAuth(source, origin=service.url)
        async with openai.AsyncOpenAI(
            base_url=f"{service.url}/openai/v1",
            api_key="-",
            http_client=httpx2.AsyncClient(auth=auth, verify=service.tls),
        ) as client:
            reply = await client.chat.completions.create(model=GPT, messages=MESSAGES)
            return str(reply.choices[0].message.content)

    return lambda: asyncio.run(ask())


def by_anthropic(service: Service, source: Any) -> Ask:
    auth = BearerAuth(source, origin=service.url)
    client = anthropic.Anthropic(
        base_url=f"{service.url}/anthropic",
        auth_token="-",
        http_client=httpx2.Client(auth=auth, verify=service.tls),
    )
    service.opened.append(client)

    def ask() -> str:
        reply = client.messages.create(model=CLAUDE, max_tokens=99, messages=MESSAGES)
        return "".join(block.text for block in reply.content if block.type == "text")

    return ask


def by_anthropic_stream(service: Service, source: Any) -> Ask:
    auth = BearerAuth(source, origin=service.url)
    client = anthropic.Anthropic(
        base_url=f"{service.url}/anthropic",
        auth_token="-",
        http_client=httpx2.Client(auth=auth, verify=service.tls),
    )
    service.opened.append(client)

    def ask() -> str:
        with client.messages.stream(model=CLAUDE, max_tokens=99, messages=MESSAGES) as stream:
            return "".join(stream.text_stream)

    return ask


WAYS = pytest.mark.parametrize(
    "connect", [by_openai, by_openai_stream, by_async_openai, by_anthropic, by_anthropic_stream]
)


@WAYS
def test_a_key_that_was_rotated_is_used_by_the_next_call(
    connect: Callable[[Service, Any], Ask], service: Service, tmp_path: Path
) -> None:
    old, new = service.bedrock.mint_key(), service.bedrock.mint_key("LONG_TERM")
    file = tmp_path / "key"
    file.write_text(old)
    ask = connect(service, FileKey(file))

    replies = [ask()]
    file.write_text(new)
    replies.append(ask())

    assert replies == [TEXT, TEXT]
    assert service.keys == [old, new]


@WAYS
def test_a_denied_key_falls_back_to_the_next(
    connect: Callable[[Service, Any], Ask], service: Service
) -> None:
    denied, allowed = service.bedrock.mint_key("SHORT_TERM"), service.bedrock.mint_key("LONG_TERM")
    service.bedrock.attach_policy(None, deny_token_type("SHORT_TERM"))

    assert connect(service, FallbackKeys(denied, allowed))() == TEXT
    assert service.keys == [denied, allowed]


@WAYS
def test_their_error_is_translated(
    connect: Callable[[Service, Any], Ask], service: Service
) -> None:
    key = service.bedrock.mint_key("SHORT_TERM")
    service.bedrock.attach_policy(None, deny_token_type("SHORT_TERM"))

    with pytest.raises((openai.APIStatusError, anthropic.APIStatusError)) as caught:
        connect(service, key)()

    translated = translate_error(caught.value)
    assert isinstance(translated, ShortTermKeyDeniedError)
    assert translated.request_id
    assert translated.key is not None
    assert translated.key.last_four == key[-4:]


def with_openai_key(service: Service, source: Any) -> Ask:
    client = openai.OpenAI(
        base_url=f"{service.url}/openai/v1",
        api_key=token_provider(source),
        http_client=httpx2.Client(verify=service.tls),
    )
    service.opened.append(client)
    return lambda: client.chat.completions.create(model=GPT, messages=MESSAGES).id


def with_async_openai_key(service: Service, source: Any) -> Ask:
    async def ask() -> str:
        async with openai.AsyncOpenAI(
            base_url=f"{service.url}/openai/v1",
            api_key=async_token_provider(source),
            http_client=httpx2.AsyncClient(verify=service.tls),
        ) as client:
            return (await client.chat.completions.create(model=GPT, messages=MESSAGES)).id

    return lambda: asyncio.run(ask())


def with_anthropic_credentials(service: Service, source: Any) -> Ask:
    token = token_provider(source)
    client = anthropic.Anthropic(
        base_url=f"{service.url}/anthropic",
        credentials=lambda **_: AccessToken(token(), 0),
        http_client=httpx2.Client(verify=service.tls),
    )
    service.opened.append(client)
    return lambda: client.messages.create(model=CLAUDE, max_tokens=9, messages=MESSAGES).id


@pytest.mark.parametrize(
    "connect", [with_openai_key, with_async_openai_key, with_anthropic_credentials]
)
def test_a_function_is_asked_for_each_call(
    connect: Callable[[Service, Any], Ask], service: Service
) -> None:
    keys = [service.bedrock.mint_key(), service.bedrock.mint_key("LONG_TERM")]
    given = iter(keys)
    ask = connect(service, lambda: next(given))

    assert ask()
    assert ask()
    assert service.keys == keys
