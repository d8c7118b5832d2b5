"""What editors, notebooks and `help` show of the clients' methods."""

from __future__ import annotations

import inspect
from typing import Any

import pytest

from bedrock_bearer import AsyncBedrockClient, BedrockClient
from bedrock_bearer.converse import (
    ConverseRequest,
    ConverseTokensRequest,
    CountTokensRequest,
    InferenceConfiguration,
)
from bedrock_bearer.converse.options import ConverseOptions, CountTokensOptions
from bedrock_bearer.local import local_async_client, local_client
from bedrock_bearer.testing import FakeBedrock

CLIENTS = [BedrockClient, AsyncBedrockClient]
METHODS = [
    ("converse", ConverseOptions),
    ("converse_stream", ConverseOptions),
    ("count_tokens", CountTokensOptions),
]


@pytest.mark.parametrize("client", CLIENTS)
@pytest.mark.parametrize(("name", "options"), METHODS)
def test_every_option_of_a_call_is_in_its_signature_and_explained_in_its_help(
    client: type, name: str, options: type
) -> None:
    method = getattr(client, name)
    parameters = inspect.signature(method).parameters
    lines = [line.strip() for line in inspect.getdoc(method).splitlines()]  # type: ignore[union-attr]

    for option in options.__annotations__:
        assert parameters[option].kind is inspect.Parameter.KEYWORD_ONLY
        assert parameters[option].default is None
        assert any(line.startswith(f"{option}: ") for line in lines), option
    assert "options" not in parameters


@pytest.mark.parametrize(
    ("made_by", "client"),
    [
        (local_client, BedrockClient),
        (local_async_client, AsyncBedrockClient),
        (FakeBedrock.client, BedrockClient),
        (FakeBedrock.async_client, AsyncBedrockClient),
    ],
)
def test_a_client_of_a_local_bedrock_names_the_options_of_every_client(
    made_by: Any, client: type
) -> None:
    given = set(inspect.signature(made_by).parameters) - {"self", "bedrock"}

    assert given == set(inspect.signature(client).parameters) - {"http_client"}
    assert all(f"{option}: " in inspect.getdoc(made_by) for option in given)  # type: ignore[operator]


def test_every_option_of_a_call_has_its_place_in_the_request() -> None:
    places = {*ConverseRequest.model_fields, *InferenceConfiguration.model_fields, "tools"}
    counted = {*ConverseTokensRequest.model_fields, "tools"}

    assert {"model_id", "messages", *ConverseOptions.__annotations__} == places
    assert {"messages", *CountTokensOptions.__annotations__} == counted


@pytest.mark.parametrize("request_type", [ConverseRequest, CountTokensRequest])
def test_a_request_made_by_hand_takes_no_option_that_does_not_exist(
    request_type: type[ConverseRequest] | type[CountTokensRequest],
) -> None:
    misspelt: Any = {"tool": []}
    with pytest.raises(TypeError, match="Did you mean 'tools'"):
        request_type.build("amazon.nova-micro-v1:0", "Hello", **misspelt)


@pytest.mark.parametrize("make", [local_client, local_async_client])
@pytest.mark.parametrize(
    ("method", "option", "message"),
    [
        ("converse", "inferenceConfig", "Did you mean 'inference_config'?"),
        ("converse", "max_token", "Did you mean 'max_tokens'?"),
        ("converse_stream", "toolConfig", "Did you mean 'tool_config'?"),
        ("converse_stream", "region", "help(client.converse_stream) has them all."),
        ("count_tokens", "max_tokens", "help(client.count_tokens) has them all."),
    ],
)
async def test_an_option_that_does_not_exist_is_named_with_the_one_that_was_meant(
    make: Any, method: str, option: str, message: str
) -> None:
    with pytest.raises(TypeError) as caught:
        await getattr(make(), method)("amazon.nova-micro-v1:0", "Hello", **{option: {}})

    assert str(caught.value) == (
        f"{method}() got an unexpected keyword argument {option!r}. {message}"
    )
