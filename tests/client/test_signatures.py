"""What editors, notebooks and `help` show of the clients' methods."""

from __future__ import annotations

import inspect

import pytest

from bedrock_bearer import AsyncBedrockClient, BedrockClient
from bedrock_bearer.converse import ConverseRequest, CountTokensRequest
from bedrock_bearer.converse.options import ConverseOptions, CountTokensOptions

CLIENTS = [BedrockClient, AsyncBedrockClient]
METHODS = [
    ("converse", ConverseOptions, ConverseRequest),
    ("converse_stream", ConverseOptions, ConverseRequest),
    ("count_tokens", CountTokensOptions, CountTokensRequest),
]


@pytest.mark.parametrize("client", CLIENTS)
@pytest.mark.parametrize(("name", "options", "_"), METHODS)
def test_every_option_of_a_call_is_in_its_signature_and_explained_in_its_help(
    client: type, name: str, options: type, _: type
) -> None:
    method = getattr(client, name)
    parameters = inspect.signature(method).parameters
    lines = [line.strip() for line in inspect.getdoc(method).splitlines()]  # type: ignore[union-attr]

    for option in options.__annotations__:
        assert parameters[option].kind is inspect.Parameter.KEYWORD_ONLY
        assert parameters[option].default is None
        assert any(line.startswith(f"{option}: ") for line in lines), option
    assert "options" not in parameters


@pytest.mark.parametrize(("_", "options", "request_type"), METHODS)
def test_the_options_of_a_call_are_those_that_its_request_takes(
    _: str, options: type, request_type: type[ConverseRequest] | type[CountTokensRequest]
) -> None:
    taken = inspect.signature(request_type.build).parameters
    assert {"model_id", "messages", *options.__annotations__} == set(taken)
