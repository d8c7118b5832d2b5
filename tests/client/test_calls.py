"""Converse, CountTokens and the probe, of both colours."""

from __future__ import annotations

import gzip
import inspect
import json
import threading
from typing import Any

import pytest
from support.clients import KEY, MODEL, Colour
from support.keys import long_term_key, short_term_key
from support.replies import REPLY, REQUEST_ID, ok
from support.server import Received, http_reply, serve

from bedrock_bearer import ApiKey, AsyncBedrockClient, BedrockClient, RetryPolicy, errors
from bedrock_bearer.converse import Message
from bedrock_bearer.streams import AsyncConverseStream, ConverseStream
from bedrock_bearer.wire.records import AttemptRecord, CallRecord

VARIABLE = "AWS_BEARER_TOKEN_BEDROCK"
GUARDRAIL = "arn:aws:bedrock:us-east-1:123456789012:guardrail/abc123"


# ------------------------------------------------------------------------------------- converse


def test_converse_gives_the_typed_reply(colour: Colour) -> None:
    with serve([ok()]) as server, colour.client(server.url) as client:
        reply = client.converse()

    assert reply.text == "Hello there"
    assert reply.stop_reason == "end_turn"
    assert reply.usage.input_tokens == 3
    assert reply.usage.output_tokens == 2
    assert reply.usage.total_tokens == 5
    assert reply.metrics.latency_ms == 120


def test_a_reply_says_which_request_and_which_key_it_came_from(colour: Colour) -> None:
    with serve([ok()]) as server, colour.client(server.url) as client:
        reply = client.converse()

    assert reply.request_id == REQUEST_ID
    assert reply.key == ApiKey.parse(KEY).description


def test_converse_sends_the_key_once_as_a_bearer_token(colour: Colour) -> None:
    with serve([ok()]) as server, colour.client(server.url) as client:
        client.converse()

    (request,) = server.requests
    assert request.headers["authorization"] == f"Bearer {KEY}"
    rest = [value for name, value in request.headers.items() if name != "authorization"]
    assert not any(KEY in text for text in [*rest, request.path, request.body.decode()])


def test_converse_sends_what_aws_asks_for(colour: Colour) -> None:
    with serve([ok()]) as server, colour.client(server.url) as client:
        client.converse(messages="Hi", max_tokens=5, system="Be brief.")

    (request,) = server.requests
    assert request.method == "POST"
    assert request.path == "/model/amazon.nova-micro-v1%3A0/converse"
    assert request.headers["host"] == server.url.removeprefix("http://")
    assert request.headers["content-type"] == "application/json"
    assert request.headers["amz-sdk-request"] == "attempt=1; max=3"
    assert request.headers["user-agent"].startswith("bedrock-bearer/")
    assert request.json == {
        "messages": [{"role": "user", "content": [{"text": "Hi"}]}],
        "system": [{"text": "Be brief."}],
        "inferenceConfig": {"maxTokens": 5},
    }


def test_a_model_arn_is_percent_encoded(colour: Colour) -> None:
    arn = "arn:aws:bedrock:us-east-1:123456789012:inference-profile/us.nova"
    with serve([ok()]) as server, colour.client(server.url) as client:
        client.converse(arn)

    encoded = arn.replace(":", "%3A").replace("/", "%2F")
    assert server.requests[0].path == f"/model/{encoded}/converse"


@pytest.mark.parametrize(
    "messages",
    [
        "Hi",
        {"role": "user", "content": [{"text": "Hi"}]},
        [{"role": "user", "content": [{"text": "Hi"}]}],
        Message.model_validate({"role": "user", "content": [{"text": "Hi"}]}),
        [Message.model_validate({"role": "user", "content": [{"text": "Hi"}]})],
    ],
    ids=["text", "dict", "list of dicts", "model", "list of models"],
)
def test_messages_may_be_a_text_dicts_or_models(messages: Any, colour: Colour) -> None:
    with serve([ok()]) as server, colour.client(server.url) as client:
        client.converse(messages=messages)

    assert server.requests[0].json["messages"] == [{"role": "user", "content": [{"text": "Hi"}]}]


def test_a_reply_can_be_appended_to_the_messages_as_it_is(colour: Colour) -> None:
    messages: list[Any] = [{"role": "user", "content": [{"text": "Hi"}]}]
    with serve([ok(), ok()]) as server, colour.client(server.url) as client:
        messages.append(client.converse(messages=messages).message)
        messages.append({"role": "user", "content": [{"text": "More"}]})
        client.converse(messages=messages)

    assert server.requests[1].json["messages"][1] == REPLY["output"]["message"]


def test_two_calls_share_a_connection(colour: Colour) -> None:
    with serve([ok(), ok()]) as server, colour.client(server.url) as client:
        client.converse()
        client.converse()

    assert server.connections == 1


@pytest.mark.parametrize(
    "wrong",
    [
        {"messages": 5},
        {"messages": "Hi", "temperature": float("nan")},
        {"messages": "Hi", "no_such_option": 1},
        {"model_id": ""},
        {"messages": "Hi", "timeout": 0},
        {"messages": "Hi", "deadline": -1},
    ],
    ids=lambda wrong: ",".join(wrong),
)
def test_what_is_set_wrongly_is_refused_before_anything_is_sent(
    wrong: dict[str, Any], colour: Colour
) -> None:
    with (
        serve([ok()]) as server,
        colour.client(server.url) as client,
        pytest.raises((errors.ConfigurationError, TypeError)),
    ):
        client.converse(**wrong)

    assert server.requests == []


@pytest.mark.parametrize(
    "wrong",
    [
        {"max_connections": 0},
        {"max_connections": True},
        {"max_connections": 1.5},
        {"timeout": -1},
        {"timeout": "5"},
        {"deadline": 0},
        {"retry": 3},
        {"timeout": float("inf")},
        {"timeout": float("nan")},
        {"deadline": 1e9},
        {"on_event": "print"},
        {"http_client": object()},
    ],
    ids=lambda wrong: ",".join(wrong),
)
def test_a_client_refuses_options_that_are_not_valid(wrong: dict[str, Any], colour: Colour) -> None:
    with pytest.raises(errors.ConfigurationError):
        colour.client("https://bedrock.example", **wrong)


@pytest.mark.parametrize("body", [b"<html>Sign in</html>", b"[]", b"\xff", b'{"output": 5}'])
def test_a_reply_that_is_not_what_the_api_promises_says_so(body: bytes, colour: Colour) -> None:
    with (
        serve([http_reply(body)]) as server,
        colour.client(server.url) as client,
        pytest.raises(errors.ResponseDecodeError) as caught,
    ):
        client.converse()

    assert caught.value.status_code == 200
    assert caught.value.request_id == REQUEST_ID
    assert not caught.value.retryable


def test_a_reply_in_gzip_is_read(colour: Colour) -> None:
    body = gzip.compress(json.dumps(REPLY).encode())
    with (
        serve([http_reply(body, headers={"content-encoding": "gzip"})]) as server,
        colour.client(server.url) as client,
    ):
        assert client.converse().text == "Hello there"


def test_sixty_four_threads_share_one_client() -> None:
    calls_each = 5
    texts: list[str | None] = []

    def answer(request: Received) -> bytes:
        body = {"output": {"message": request.json["messages"][0] | {"role": "assistant"}}}
        return http_reply(body)

    def work(number: int) -> None:
        for turn in range(calls_each):
            text = f"{number}/{turn}"
            if client.converse(MODEL, text).text == text:
                texts.append(text)

    with serve(answer) as server, BedrockClient(KEY, endpoint_url=server.url) as client:
        threads = [threading.Thread(target=work, args=(number,)) for number in range(64)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    assert len(set(texts)) == 64 * calls_each
    assert server.connections <= 64


# ------------------------------------------------------------------------------ other operations


def test_count_tokens_gives_the_number_of_input_tokens(colour: Colour) -> None:
    with serve([http_reply({"inputTokens": 12})]) as server, colour.client(server.url) as client:
        assert client.count_tokens(messages="Hi", system="Be brief.").input_tokens == 12

    (request,) = server.requests
    assert request.path == "/model/amazon.nova-micro-v1%3A0/count-tokens"
    assert request.json == {
        "input": {
            "converse": {
                "messages": [{"role": "user", "content": [{"text": "Hi"}]}],
                "system": [{"text": "Be brief."}],
            }
        }
    }


def test_apply_guardrail_says_what_to_use_instead_of_the_text(colour: Colour) -> None:
    body = {
        "action": "GUARDRAIL_INTERVENED",
        "outputs": [{"text": "Sorry, not that."}],
        "assessments": [],
        "usage": {"topicPolicyUnits": 1},
    }
    with serve([http_reply(body)]) as server, colour.client(server.url) as client:
        outcome = client.apply_guardrail(GUARDRAIL, "DRAFT", "Buy gold.", output_scope="FULL")

    assert outcome.action == "GUARDRAIL_INTERVENED"
    assert [output.text for output in outcome.outputs] == ["Sorry, not that."]
    assert outcome.usage.topic_policy_units == 1
    (request,) = server.requests
    assert request.path == (
        "/guardrail/arn%3Aaws%3Abedrock%3Aus-east-1%3A123456789012%3Aguardrail%2Fabc123"
        "/version/DRAFT/apply"
    )
    assert request.json == {
        "source": "INPUT",
        "content": [{"text": {"text": "Buy gold."}}],
        "outputScope": "FULL",
    }


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (("", "1", "Hi"), "guardrail_identifier is empty"),
        (("abc", None, "Hi"), "guardrail_version is empty or not a string"),
        (("abc", "1", []), "content is empty"),
        (("a b", "1", "Hi"), "The guardrail identifier holds whitespace"),
    ],
)
def test_a_guardrail_that_cannot_be_asked_for_is_refused_before_anything_is_sent(
    colour: Colour, arguments: tuple[Any, ...], problem: str
) -> None:
    with (
        serve([]) as server,
        colour.client(server.url) as client,
        pytest.raises(errors.ConfigurationError, match=problem),
    ):
        client.apply_guardrail(*arguments)

    assert server.requests == []


def test_a_probe_bills_nothing_and_says_which_key_was_accepted(colour: Colour) -> None:
    body: dict[str, Any] = {"asyncInvokeSummaries": []}
    with serve([http_reply(body)]) as server, colour.client(server.url) as client:
        accepted = client.probe()

    (request,) = server.requests
    assert (request.method, request.path) == ("GET", "/async-invoke?maxResults=1")
    assert accepted.key == ApiKey.parse(KEY).description
    assert accepted.request_id == REQUEST_ID


# ------------------------------------------------------------------------------------- the keys


def test_the_key_of_the_environment_is_read_anew_for_each_call(
    colour: Colour, monkeypatch: pytest.MonkeyPatch
) -> None:
    rotated = long_term_key("BedrockAPIKey-rotated")
    monkeypatch.setenv(VARIABLE, KEY)
    with serve([ok(), ok()]) as server, colour.client(server.url, api_key=None) as client:
        client.converse()
        monkeypatch.setenv(VARIABLE, rotated)
        reply = client.converse()

    sent = [request.headers["authorization"] for request in server.requests]
    assert sent == [f"Bearer {KEY}", f"Bearer {rotated}"]
    assert reply.key == ApiKey.parse(rotated, source=f"env {VARIABLE}").description


def test_an_explicit_key_beats_the_environment(
    colour: Colour, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLE, long_term_key("BedrockAPIKey-other"))
    with serve([ok()]) as server, colour.client(server.url) as client:
        client.converse()

    assert server.requests[0].headers["authorization"] == f"Bearer {KEY}"


@pytest.mark.parametrize("value", ["", " ", "\n"])
def test_an_empty_variable_is_a_missing_key(
    value: str, colour: Colour, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLE, value)

    with pytest.raises(errors.MissingApiKeyError, match=VARIABLE):
        colour.client("https://bedrock.example", api_key=None)


def test_a_variable_emptied_later_is_a_missing_key_and_nothing_is_sent(
    colour: Colour, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLE, KEY)
    with serve([ok()]) as server, colour.client(server.url, api_key=None) as client:
        monkeypatch.delenv(VARIABLE)
        with pytest.raises(errors.MissingApiKeyError):
            client.converse()

    assert server.requests == []


def test_a_short_term_key_brings_its_region(colour: Colour) -> None:
    with colour.client(api_key=short_term_key("eu-west-1")) as client:
        assert client.raw.region == "eu-west-1"
        assert client.raw.endpoint_url == "https://bedrock-runtime.eu-west-1.amazonaws.com"


def test_plain_http_beyond_this_machine_is_refused(colour: Colour) -> None:
    with pytest.raises(errors.ConfigurationError, match="unencrypted"):
        colour.client("http://bedrock.example")


def test_no_redirect_is_followed(colour: Colour) -> None:
    with serve([ok()]) as other:
        redirect = http_reply(status=307, headers={"location": other.url})
        with (
            serve([redirect]) as server,
            colour.client(server.url) as client,
            pytest.raises(errors.APIError) as caught,
        ):
            client.converse()

    assert caught.value.status_code == 307
    assert other.requests == []


# ------------------------------------------------------------------------------ siblings and ends


def test_a_sibling_shares_the_connections(colour: Colour) -> None:
    with serve([ok(), ok()]) as server, colour.client(server.url) as client:
        client.converse()
        client.with_options(timeout=5).converse()

    assert server.connections == 1


def test_closing_a_sibling_leaves_its_parent_usable(colour: Colour) -> None:
    with serve([ok(), ok()]) as server, colour.client(server.url) as client:
        with client.with_options(deadline=5) as sibling:
            sibling.converse()
        client.converse()

    assert server.connections == 1


def test_a_sibling_may_have_another_key(colour: Colour) -> None:
    other = long_term_key("BedrockAPIKey-other")
    with serve([ok(), ok()]) as server, colour.client(server.url) as client:
        client.with_options(api_key=other).converse()
        client.converse()

    sent = [request.headers["authorization"] for request in server.requests]
    assert sent == [f"Bearer {other}", f"Bearer {KEY}"]


def test_a_sibling_has_its_own_options_and_leaves_those_of_its_parent(colour: Colour) -> None:
    records: list[Any] = []
    with serve([ok(), ok()]) as server, colour.client(server.url) as client:
        sibling = client.with_options(retry=RetryPolicy(max_attempts=7), on_event=records.append)
        sibling.converse()
        client.converse()

    sent = [request.headers["amz-sdk-request"] for request in server.requests]
    assert sent == ["attempt=1; max=7", "attempt=1; max=3"]
    assert [type(record) for record in records] == [AttemptRecord, CallRecord]


def test_a_sibling_refuses_options_that_are_not_valid(colour: Colour) -> None:
    with colour.client("https://bedrock.example") as client:
        with pytest.raises(errors.ConfigurationError):
            client.with_options(timeout=0)
        with pytest.raises(errors.InvalidApiKeyError):
            client.with_options(api_key="no key")


def test_a_closed_client_says_so(colour: Colour) -> None:
    with serve([ok()]) as server:
        client = colour.client(server.url)
        client.close()

        with pytest.raises(errors.ConfigurationError, match="closed"):
            client.converse()

    assert server.requests == []


def test_a_client_may_be_closed_twice(colour: Colour) -> None:
    with serve([ok()]) as server, colour.client(server.url) as client:
        client.converse()
        client.close()
        client.close()


def test_closing_a_client_closes_its_connections(colour: Colour) -> None:
    with serve([ok()]) as server:
        with colour.client(server.url) as client:
            client.converse()
        assert server.hung_up.acquire(timeout=5)


# --------------------------------------------------------------------------------------- parity


def signatures(owner: type[Any]) -> dict[str, Any]:
    """The public names of a class, each with its parameters; those of async without their `a`."""
    found: dict[str, Any] = {}
    for name, member in inspect.getmembers(owner):
        if name.startswith("_") and name != "__init__":
            continue
        if callable(member):
            parameters = inspect.signature(member).parameters.values()
            found[name] = [(each.name, each.kind, each.default) for each in parameters]
        else:
            found[name] = type(member)
    return found


@pytest.mark.parametrize(
    ("sync", "asynchronous"),
    [(BedrockClient, AsyncBedrockClient), (ConverseStream, AsyncConverseStream)],
)
def test_both_colours_have_the_same_names_and_arguments(
    sync: type[Any], asynchronous: type[Any]
) -> None:
    expected = signatures(sync)
    found = signatures(asynchronous)

    assert found.pop("aclose") == found["close"]
    if sync is ConverseStream:
        expected.pop("__init__")
        found.pop("__init__")
    assert found == expected


@pytest.mark.parametrize("name", ["converse", "count_tokens", "apply_guardrail", "probe"])
def test_both_colours_return_the_same_types(name: str) -> None:
    sync = inspect.signature(getattr(BedrockClient, name)).return_annotation
    asynchronous = inspect.signature(getattr(AsyncBedrockClient, name)).return_annotation

    assert sync == asynchronous != inspect.Signature.empty
