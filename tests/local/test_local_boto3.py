"""The newest boto3, with a bearer key over TLS, against the local Bedrock: a client not ours."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest
from botocore.exceptions import ClientError, EventStreamError
from support.local import HELLO, NOVA, ClientMaker, deny_token_type

from bedrock_bearer import errors
from bedrock_bearer.client import BedrockClient
from bedrock_bearer.local import Guardrail, LocalBedrock, Reply, faults
from bedrock_bearer.local import replies as say
from bedrock_bearer.wire.retry import RetryPolicy

TOOL: dict[str, Any] = {
    "toolSpec": {
        "name": "weather",
        "inputSchema": {"json": {"type": "object", "properties": {"city": {"type": "string"}}}},
    }
}


@pytest.fixture
def runtime(bedrock: LocalBedrock, make_client: ClientMaker) -> Any:
    return make_client("bedrock-runtime", key=bedrock.mint_key())


@pytest.fixture
def ours(bedrock: LocalBedrock, servers: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Our own client on the same socket."""
    _, server = servers["https"]
    monkeypatch.setenv("AWS_CA_BUNDLE", server.ca_file)
    with BedrockClient(
        bedrock.mint_key(),
        region="us-east-1",
        endpoint_url=server.url,
        retry=RetryPolicy(max_attempts=1),
    ) as client:
        yield client


def without_metadata(response: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in response.items() if name != "ResponseMetadata"}


CITATION = {
    "title": "A book",
    "sourceContent": [{"text": "so it is"}],
    "location": {"documentChar": {"documentIndex": 0, "start": 0, "end": 8}},
}

REPLIES = {
    "text": say.text_reply("Hi there!"),
    "tool use": say.tool_use_reply(
        "weather", {"city": "Bonn"}, tool_use_id="t1", text="Let me see"
    ),
    "reasoning": say.reasoning_reply("Hm.", "Yes."),
    "citations": say.cited_reply("So.", [CITATION]),
    "structured": say.structured_reply({"n": 1}),
    "service tier": say.text_reply("Hi", extra={"serviceTier": {"type": "flex"}}),
    "cache": say.text_reply(
        "Hi",
        usage={
            "inputTokens": 1,
            "outputTokens": 2,
            "totalTokens": 10,
            "cacheReadInputTokens": 3,
            "cacheWriteInputTokens": 4,
        },
    ),
}


@pytest.mark.parametrize("reply", REPLIES.values(), ids=list(REPLIES))
def test_boto3_reads_every_reply_as_we_do(
    bedrock: LocalBedrock, runtime: Any, ours: BedrockClient, reply: Reply
) -> None:
    bedrock.script(reply, reply)

    theirs = runtime.converse(modelId=NOVA, messages=HELLO, toolConfig={"tools": [TOOL]})

    mine = ours.converse(NOVA, HELLO, tool_config={"tools": [TOOL]})
    assert without_metadata(theirs) == mine.to_wire()


@pytest.mark.parametrize("reply", REPLIES.values(), ids=list(REPLIES))
def test_boto3_reads_every_stream_as_we_do(
    bedrock: LocalBedrock, runtime: Any, ours: BedrockClient, reply: Reply
) -> None:
    bedrock.script(reply, reply)

    with closing(runtime.converse_stream(modelId=NOVA, messages=HELLO)["stream"]) as events:
        theirs = list(events)

    with ours.converse_stream(NOVA, HELLO) as stream:
        mine = [without_padding(event.to_wire()) for event in stream]
    assert [event for pair in theirs for event in pair.values()] == mine


def without_padding(event: dict[str, Any]) -> dict[str, Any]:
    payload: Any = next(iter(event.values())) if len(event) == 1 else event
    return {name: value for name, value in payload.items() if name != "p"}


def test_boto3_goes_through_a_tool_loop(bedrock: LocalBedrock, runtime: Any) -> None:
    bedrock.script(say.tool_use_reply("weather", {"city": "Bonn"}), say.text_reply("Sunny."))
    config = {"tools": [TOOL]}

    first = runtime.converse(modelId=NOVA, messages=HELLO, toolConfig=config)
    asked = first["output"]["message"]
    use = asked["content"][0]["toolUse"]
    result = {"toolResult": {"toolUseId": use["toolUseId"], "content": [{"text": "sun"}]}}
    messages = [*HELLO, asked, {"role": "user", "content": [result]}]
    second = runtime.converse(modelId=NOVA, messages=messages, toolConfig=config)

    assert first["stopReason"] == "tool_use"
    assert second["output"]["message"]["content"] == [{"text": "Sunny."}]


CLASSES: list[tuple[str, int, type[errors.BedrockError]]] = [
    ("AccessDeniedException", 403, errors.AccessDeniedError),
    ("InternalServerException", 500, errors.InternalServerError),
    ("ModelErrorException", 424, errors.ModelError),
    ("ModelNotReadyException", 429, errors.ModelNotReadyError),
    ("ModelTimeoutException", 408, errors.ModelTimeoutError),
    ("ResourceNotFoundException", 404, errors.APIError),
    ("ServiceUnavailableException", 503, errors.ServiceUnavailableError),
    ("ThrottlingException", 429, errors.ThrottlingError),
    ("ValidationException", 400, errors.InvalidRequestError),
]


@pytest.mark.parametrize(("code", "status", "ours_is"), CLASSES)
def test_boto3_raises_the_class_that_is_modelled_and_we_raise_ours(
    bedrock: LocalBedrock,
    runtime: Any,
    ours: BedrockClient,
    code: str,
    status: int,
    ours_is: type[errors.BedrockError],
) -> None:
    bedrock.inject(faults.error(code), times=2)

    with pytest.raises(getattr(runtime.exceptions, code)) as theirs:
        runtime.converse(modelId=NOVA, messages=HELLO)
    with pytest.raises(ours_is):
        ours.converse(NOVA, HELLO)

    assert theirs.value.response["ResponseMetadata"]["HTTPStatusCode"] == status


def test_boto3_raises_the_exception_in_a_stream(bedrock: LocalBedrock, runtime: Any) -> None:
    bedrock.inject(faults.exception_in_stream("modelStreamErrorException"))
    stream = runtime.converse_stream(modelId=NOVA, messages=HELLO)["stream"]

    with closing(stream), pytest.raises(EventStreamError, match="modelStreamErrorException"):
        list(stream)


def test_boto3_is_refused_with_a_denied_short_term_key_and_answered_with_a_long_term_one(
    bedrock: LocalBedrock, make_client: ClientMaker
) -> None:
    short_term, long_term = bedrock.mint_key("SHORT_TERM"), bedrock.mint_key("LONG_TERM")
    bedrock.attach_policy(None, deny_token_type("SHORT_TERM"))

    with pytest.raises(ClientError, match="explicit deny in an identity-based policy"):
        make_client("bedrock-runtime", key=short_term).converse(modelId=NOVA, messages=HELLO)
    allowed = make_client("bedrock-runtime", key=long_term).converse(modelId=NOVA, messages=HELLO)

    assert allowed["stopReason"] == "end_turn"


def test_boto3_counts_tokens(runtime: Any) -> None:
    counted = runtime.count_tokens(modelId=NOVA, input={"converse": {"messages": HELLO}})

    assert (
        counted["inputTokens"]
        == runtime.converse(modelId=NOVA, messages=HELLO)["usage"]["inputTokens"]
    )


def test_boto3_applies_a_guardrail(bedrock: LocalBedrock, runtime: Any) -> None:
    bedrock.add_guardrail(Guardrail("g1", blocked_words=("secret",), message="Not that."))

    applied = runtime.apply_guardrail(
        guardrailIdentifier="g1",
        guardrailVersion="1",
        source="INPUT",
        content=[{"text": {"text": "the secret"}}],
    )

    assert applied["action"] == "GUARDRAIL_INTERVENED"
    assert applied["outputs"] == [{"text": "Not that."}]


def test_boto3_probes(runtime: Any) -> None:
    assert runtime.list_async_invokes(maxResults=1)["asyncInvokeSummaries"] == []


def test_boto3_lists_models_and_profiles(bedrock: LocalBedrock, make_client: ClientMaker) -> None:
    control = make_client("bedrock", key=bedrock.mint_key())

    models = control.list_foundation_models()["modelSummaries"]
    profiles = control.list_inference_profiles()["inferenceProfileSummaries"]

    assert NOVA in {model["modelId"] for model in models}
    assert f"us.{NOVA}" in {profile["inferenceProfileId"] for profile in profiles}
