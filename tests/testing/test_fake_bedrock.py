"""What `bedrock_bearer.testing` gives to the tests of others."""

from __future__ import annotations

import doctest
import importlib
import subprocess
import sys
from contextlib import closing
from typing import Any

import boto3
import httpx
import pytest

from bedrock_bearer import BedrockClient, errors
from bedrock_bearer.keys import ApiKey, TokenType
from bedrock_bearer.testing import (
    FakeBedrock,
    cited_reply,
    denial_reply,
    encode_message,
    error_reply,
    event_stream,
    faults,
    guardrail_reply,
    interrupted,
    reasoning_reply,
    refused_key_reply,
    structured_reply,
    synthetic_key,
    text_reply,
    tool_use_reply,
)
from bedrock_bearer.wire.eventstream import EventStreamDecoder
from bedrock_bearer.wire.retry import RetryPolicy

pytest_plugins = ["pytester"]

MODEL = "amazon.nova-micro-v1:0"
HELLO = [{"role": "user", "content": [{"text": "Hello"}]}]


@pytest.mark.parametrize("step", [3, None, {"text": "Hi"}], ids=str)
def test_what_is_no_step_is_refused_at_once(step: Any) -> None:
    with pytest.raises(TypeError, match="a step is a reply, a fault, a text or a function, not "):
        FakeBedrock(step)


def test_replies_come_in_turn() -> None:
    bedrock = FakeBedrock("first", text_reply("second"), lambda body: text_reply(str(len(body))))
    client = bedrock.client()

    assert [client.converse(MODEL, "x").text for _ in range(3)] == ["first", "second", "1"]


def test_a_stream_is_answered_with_the_same_replies() -> None:
    with FakeBedrock("Hi there!").client().converse_stream(MODEL, "Hello") as stream:
        assert "".join(stream.text_stream) == "Hi there!"


async def test_async_clients_are_answered_too() -> None:
    bedrock = FakeBedrock("Hi there!")
    async with bedrock.async_client() as client:
        reply = await client.converse(MODEL, "Hello")

    assert reply.text == "Hi there!"
    bedrock.assert_all_used()


def test_requests_are_noted_without_the_key() -> None:
    bedrock = FakeBedrock("Hi", "Hi")
    client = bedrock.client()
    client.converse(MODEL, "Hello", max_tokens=5)
    with client.converse_stream("us.other-model", "Again") as stream:
        list(stream)

    first, second = bedrock.requests
    assert (first.operation, first.model_id, first.prompt) == ("Converse", MODEL, "Hello")
    assert first.body["inferenceConfig"] == {"maxTokens": 5}
    assert (second.operation, second.model_id) == ("ConverseStream", "us.other-model")
    assert "authorization" not in first.headers
    assert "ABSK" not in repr(bedrock.requests)


def test_replies_that_nobody_asked_for_are_told() -> None:
    bedrock = FakeBedrock("first", "second")
    bedrock.client().converse(MODEL, "Hello")

    with pytest.raises(AssertionError, match="1 of the replies"):
        bedrock.assert_all_used()


def test_a_call_without_a_reply_is_told() -> None:
    client = FakeBedrock().client()

    with pytest.raises(AssertionError, match="no reply left for Converse of 'Hello'"):
        client.converse(MODEL, "Hello")


def test_retries_wait_for_nothing_and_are_noted() -> None:
    bedrock = FakeBedrock(error_reply("ThrottlingException", retry_after_ms=700), "Hi")

    assert bedrock.client().converse(MODEL, "Hello").text == "Hi"

    assert len(bedrock.waits) == 1
    assert bedrock.clock.monotonic() >= sum(bedrock.waits) > 0


def test_a_policy_of_ones_own_waits_for_nothing_either() -> None:
    bedrock = FakeBedrock(*[error_reply("ThrottlingException")] * 5)
    client = bedrock.client(retry=RetryPolicy(max_attempts=5))

    with pytest.raises(errors.ThrottlingError):
        client.converse(MODEL, "Hello")

    assert len(bedrock.waits) == 4


def test_a_late_reply_is_a_timeout_at_once() -> None:
    client = FakeBedrock(faults.latency(1000)).client(timeout=5)

    with pytest.raises(errors.RequestTimeoutError):
        client.converse(MODEL, "Hello")


def test_the_probe_and_the_count_need_no_reply() -> None:
    client = FakeBedrock().client()

    client.probe()
    assert client.count_tokens(MODEL, "Hello").input_tokens > 0


@pytest.mark.parametrize(
    ("problem", "error"),
    [
        ("missing", errors.AuthorizationHeaderMissingError),
        ("malformed", errors.ApiKeyRejectedError),
        ("rejected", errors.ApiKeyRejectedError),
        ("expired", errors.ApiKeyExpiredError),
    ],
)
def test_each_problem_of_a_key_can_be_rehearsed(
    problem: str, error: type[errors.BedrockError]
) -> None:
    client = FakeBedrock(refused_key_reply(problem)).client()  # type: ignore[arg-type]

    with pytest.raises(error):
        client.converse(MODEL, "Hello")


def test_a_denial_can_be_rehearsed() -> None:
    arn = "arn:aws:organizations::123456789012:policy/o-1/service_control_policy/p-1"
    bedrock = FakeBedrock(denial_reply(policy_type="service control policy", policy_arn=arn))
    client = bedrock.client(api_key=synthetic_key(TokenType.LONG_TERM))

    with pytest.raises(errors.LongTermKeyDeniedError) as caught:
        client.converse(MODEL, "Hello")

    assert caught.value.governing_policy is not None
    assert caught.value.governing_policy.policy_arn == arn


def test_an_implicit_denial_can_be_rehearsed() -> None:
    client = FakeBedrock(denial_reply(effect="implicit", resource=None)).client()

    with pytest.raises(errors.BearerTokenNotAllowedError):
        client.converse(MODEL, "Hello")


def test_a_denied_operation_can_be_rehearsed() -> None:
    client = FakeBedrock(denial_reply(action="bedrock:InvokeModel")).client()

    with pytest.raises(errors.OperationDeniedError):
        client.converse(MODEL, "Hello")


def test_a_broken_stream_can_be_rehearsed() -> None:
    client = FakeBedrock(interrupted("One two three", frames=3)).client()

    with (
        pytest.raises(errors.StreamInterruptedError) as caught,
        client.converse_stream(MODEL, "Hello") as stream,
    ):
        list(stream)

    assert caught.value.partial is not None
    assert caught.value.partial.text == "One two"


def test_every_kind_of_reply_is_read_by_the_client() -> None:
    bedrock = FakeBedrock(
        tool_use_reply("weather", {"city": "Bonn"}),
        reasoning_reply("Hm.", "Yes."),
        cited_reply("So.", [{"title": "A book"}]),
        structured_reply({"n": 1}),
        guardrail_reply("Not that."),
    )
    client = bedrock.client()

    tool, reasoning, cited, structured, guarded = (client.converse(MODEL, "x") for _ in range(5))

    assert tool.tool_uses[0].name == "weather"
    assert reasoning.reasoning == "Hm."
    assert cited.text == "So."
    assert structured.text == '{"n":1}'
    assert guarded.stop_reason == "guardrail_intervened"


def test_event_streams_can_be_built_for_any_transport() -> None:
    body = event_stream([("messageStart", {"role": "assistant"})])

    (message,) = EventStreamDecoder().feed(body)

    assert message.headers[":event-type"] == "messageStart"
    assert EventStreamDecoder().feed(encode_message({"a": "b"}, b"x"))[0].payload == b"x"


@pytest.mark.parametrize("module", ["bedrock_bearer.testing", "bedrock_bearer.local.replies"])
def test_the_examples_are_right(module: str) -> None:
    results = doctest.testmod(importlib.import_module(module))

    assert results.attempted > 0
    assert results.failed == 0


def test_a_double_can_be_given_to_plain_httpx() -> None:
    bedrock = FakeBedrock("Hi")

    response = bedrock.http_client().post(
        f"https://bedrock-runtime.us-east-1.amazonaws.com/model/{MODEL}/converse", json={}
    )

    assert isinstance(response, httpx.Response)
    assert response.headers["x-amzn-RequestId"] == "fake-request-1"


@pytest.mark.parametrize("token_type", list(TokenType))
def test_synthetic_keys_are_read_as_real_ones(token_type: TokenType) -> None:
    assert ApiKey.parse(synthetic_key(token_type)).token_type is token_type


def test_a_prompt_can_be_answered_every_time() -> None:
    bedrock = FakeBedrock()
    bedrock.answer("Hello", "Hi there!")
    bedrock.answer("Weather?", tool_use_reply("weather", {"city": "Bonn"}))
    client = bedrock.client()

    assert [client.converse(MODEL, "Hello").text for _ in range(2)] == ["Hi there!"] * 2
    assert client.converse(MODEL, "Weather?").tool_uses[0].name == "weather"
    bedrock.assert_all_used()


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"messages": []},
        {"messages": [{"role": "user", "content": [{"unheardOf": 1}]}]},
        {
            "messages": [{"role": "user", "content": [{"text": "Hi"}]}],
            "inferenceConfig": {"topP": 2},
        },
    ],
)
def test_a_request_that_aws_would_refuse_is_refused_and_uses_no_reply(body: Any) -> None:
    bedrock = FakeBedrock("Hi")
    url = f"https://bedrock-runtime.us-east-1.amazonaws.com/model/{MODEL}/converse"

    response = bedrock.http_client().post(url, json=body)

    assert response.status_code == 400
    assert response.headers["x-amzn-ErrorType"].startswith("ValidationException")
    assert bedrock.client().converse(MODEL, "Hello").text == "Hi"


def test_a_body_that_nests_too_deep_is_refused() -> None:
    bedrock = FakeBedrock("Hi")
    url = f"https://bedrock-runtime.us-east-1.amazonaws.com/model/{MODEL}/converse"

    response = bedrock.http_client().post(url, content=b'{"messages":' * 100_000)

    assert response.status_code == 400
    assert bedrock.requests[0].body == {}


def test_other_routes_are_answered_with_the_same_replies() -> None:
    bedrock = FakeBedrock("Hi", "Hi")
    host = "https://bedrock-runtime.us-east-1.amazonaws.com"
    hello = {"messages": [{"role": "user", "content": "Hello"}], "max_tokens": 9}
    client = bedrock.http_client()

    chat = client.post(f"{host}/openai/v1/chat/completions", json={"model": "m", **hello})
    message = client.post(
        f"{host}/anthropic/v1/messages",
        json={"model": "anthropic.m", **hello},
        headers={"x-api-key": "secret"},
    )

    assert chat.json()["choices"][0]["message"]["content"] == "Hi"
    assert message.json()["content"] == [{"type": "text", "text": "Hi"}]
    assert [request.prompt for request in bedrock.requests] == ["Hello", "Hello"]
    assert "secret" not in repr(bedrock.requests)


def test_clients_that_code_makes_by_itself_are_answered(
    served_fake_bedrock: FakeBedrock,
) -> None:
    served_fake_bedrock.reply("Hi there!")
    with BedrockClient() as client:
        assert client.converse(MODEL, "Hello").text == "Hi there!"

    assert served_fake_bedrock.requests[0].prompt == "Hello"


def test_boto3_is_answered_over_tls(monkeypatch: pytest.MonkeyPatch) -> None:
    with FakeBedrock("Hi there!").serve(tls=True) as variables:
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        client: Any = boto3.Session().client("bedrock-runtime")
        with closing(client):
            reply = client.converse(modelId=MODEL, messages=HELLO)

    assert reply["output"]["message"]["content"] == [{"text": "Hi there!"}]


def test_a_served_double_tells_at_the_end_what_it_could_not_answer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def serve_a_call_without_a_reply() -> None:
        with FakeBedrock().serve() as variables:
            for name, value in variables.items():
                monkeypatch.setenv(name, value)
            with (
                BedrockClient() as client,
                pytest.raises(errors.InvalidRequestError, match="no reply left"),
            ):
                client.converse(MODEL, "Hello")

    with pytest.raises(AssertionError, match="no reply left for Converse of 'Hello'"):
        serve_a_call_without_a_reply()


def test_a_served_double_tells_at_the_end_what_a_function_raised() -> None:
    def reply(request: Any) -> Any:
        raise KeyError("city")

    url = "{AWS_ENDPOINT_URL}/model/" + MODEL + "/converse"

    with pytest.raises(KeyError, match="city"), FakeBedrock(reply).serve() as variables:
        httpx.post(url.format_map(variables), json={"messages": HELLO})


TEST_WITH_THE_FIXTURE = """
def test_one(fake_bedrock):
    fake_bedrock.reply("Hi")
    assert fake_bedrock.client().converse("m", "Hello").text == "Hi"

def test_two(fake_bedrock):
    fake_bedrock.reply("Hi")
"""


def test_the_fixture_gives_a_double_and_asserts_that_it_was_used_up(
    pytester: pytest.Pytester,
) -> None:
    pytester.makepyfile(TEST_WITH_THE_FIXTURE)

    # As an installation's entry point loads it, whether it is installed or not.
    result = pytester.runpytest_inprocess(
        "-p",
        "no:bedrock_bearer_testing",
        "-p",
        "bedrock_bearer.pytest_plugin",
        "-p",
        "no:cacheprovider",
        "-p",
        "no:asyncio",
    )

    result.assert_outcomes(passed=2, errors=1)
    result.stdout.fnmatch_lines(["*1 of the replies of this FakeBedrock were never asked for*"])


def test_the_plugin_loads_nothing_until_it_is_used() -> None:
    code = (
        "import sys, pytest; before = set(sys.modules); import bedrock_bearer.pytest_plugin;"
        " print([m for m in set(sys.modules) - before"
        " if m.split('.')[0] in ('httpx', 'pydantic', 'tenacity', 'botocore', 'click')])"
    )

    output = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )

    assert output.stdout.strip() == "[]"
