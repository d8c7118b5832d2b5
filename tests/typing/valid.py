"""What callers may write. Type checkers find nothing wrong with it; it is not run."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, TypedDict, assert_type

import httpx
import httpx2
from pydantic import BaseModel

from bedrock_bearer import (
    ApiKey,
    AsyncBedrockClient,
    AttemptRecord,
    BedrockClient,
    CallRecord,
    ConverseOptions,
    ConverseResponse,
    FallbackKeys,
    KeySwitchRecord,
    Message,
    MessagesInput,
    OnEvent,
    OutputError,
    RetryPolicy,
    StreamInterruptedError,
    Timeout,
    run_tools,
    run_tools_async,
)
from bedrock_bearer.adapters import boto3_session
from bedrock_bearer.converse import (
    AnyToolChoice,
    AutoToolChoice,
    BytesSource,
    CachePointBlock,
    CachePointContent,
    DocumentBlock,
    DocumentContent,
    GuardContent,
    GuardrailConfiguration,
    GuardrailConverseTextBlock,
    GuardText,
    ImageBlock,
    ImageContent,
    InferenceConfiguration,
    JsonSchemaDefinition,
    MessageInput,
    OutputConfig,
    OutputFormat,
    OutputFormatStructure,
    PerformanceConfiguration,
    PromptVariableValues,
    ServiceTier,
    SpecificToolChoice,
    TextContent,
    TextSource,
    ToolChoiceAny,
    ToolChoiceAuto,
    ToolChoiceTool,
    ToolConfiguration,
    ToolInputSchema,
    ToolResultBlock,
    ToolResultContent,
    ToolSpecification,
    ToolSpecTool,
    ToolUseBlock,
    ToolUseContent,
)
from bedrock_bearer.local import LocalBedrock, local_async_client, local_client
from bedrock_bearer.testing import FakeBedrock, guardrail_reply, synthetic_key, text_reply

MODEL = "amazon.nova-micro-v1:0"
IMAGE = b"\x89PNG"


def messages_as_text_models_and_dicts(client: BedrockClient) -> None:
    hello = Message(role="user", content=[TextContent(text="Hello")])
    client.converse(MODEL, "Hello")
    client.converse(MODEL, hello)
    client.converse(MODEL, {"role": "user", "content": [{"text": "Hello"}]})
    client.converse(MODEL, ["Hello"])
    client.converse(MODEL, [hello])
    client.converse(MODEL, [{"role": "user", "content": [{"text": "Hello"}]}])
    client.converse(MODEL, [hello, {"role": "assistant", "content": [{"text": "Hi"}]}, "So?"])
    client.converse(MODEL, messages=("Hello", hello))
    client.converse_stream(MODEL, [hello])
    client.count_tokens(MODEL, "Hello", system="Be brief.")


def a_conversation_that_grows(client: BedrockClient) -> None:
    messages: list[MessageInput] = ["Hello"]
    reply = client.converse(MODEL, messages)
    messages.append(reply.message)
    messages += [{"role": "user", "content": [{"text": "And now?"}]}]
    client.converse(MODEL, messages)


def only_messages(client: BedrockClient, reply: ConverseResponse) -> None:
    messages: list[Message] = [reply.message]
    client.converse(MODEL, messages)


def any_input(client: BedrockClient, messages: MessagesInput) -> ConverseResponse:
    return client.converse(MODEL, messages)


def dicts_that_nobody_typed(client: BedrockClient, text: str) -> None:
    loaded: list[dict[str, Any]] = json.loads(text)
    client.converse(MODEL, loaded)
    one: dict[str, Any] = {"role": "user", "content": [{"text": "Hello"}]}
    client.converse(MODEL, one)
    client.converse(MODEL, [one], tool_config=one, inference_config=one, system=[one])
    client.converse(MODEL, json.loads(text))


def content_as_models(client: BedrockClient) -> None:
    client.converse(
        MODEL,
        Message(
            role="user",
            content=[
                TextContent(text="What is this?"),
                ImageContent(image=ImageBlock(format="png", source=BytesSource(bytes=IMAGE))),
                DocumentContent(
                    document=DocumentBlock(name="a", format="txt", source=TextSource(text="Hello"))
                ),
                CachePointContent(cache_point=CachePointBlock(type="default", ttl="1h")),
                GuardContent(
                    guard_content=GuardText(
                        text=GuardrailConverseTextBlock(text="x", qualifiers=["query"])
                    )
                ),
                ToolUseContent(
                    tool_use=ToolUseBlock(tool_use_id="t", name="weather", input={"city": "Bonn"})
                ),
                ToolResultContent(
                    tool_result=ToolResultBlock(tool_use_id="t", content=[TextContent(text="5")])
                ),
            ],
        ),
    )


def content_as_dicts(client: BedrockClient) -> None:
    client.converse(
        MODEL,
        [
            {
                "role": "user",
                "content": [
                    {"text": "What is this?"},
                    {"image": {"format": "png", "source": {"bytes": IMAGE}}},
                    {"image": {"format": "jpeg", "source": {"s3Location": {"uri": "s3://b/k"}}}},
                    {"document": {"name": "a", "format": "pdf", "source": {"bytes": IMAGE}}},
                    {
                        "document": {
                            "name": "b",
                            "source": {"content": [{"text": "A"}, {"text": "B"}]},
                            "citations": {"enabled": True},
                        }
                    },
                    {"video": {"format": "mp4", "source": {"bytes": IMAGE}}},
                    {"audio": {"format": "mp3", "source": {"bytes": IMAGE}}},
                    {
                        "searchResult": {
                            "source": "https://example.com",
                            "title": "A page",
                            "content": [{"text": "Text"}],
                        }
                    },
                    {"guardContent": {"text": {"text": "x", "qualifiers": ["guard_content"]}}},
                    {"cachePoint": {"type": "default"}},
                ],
            },
            {
                "role": "assistant",
                "content": [
                    {"reasoningContent": {"reasoningText": {"text": "Hm.", "signature": "s"}}},
                    {"toolUse": {"toolUseId": "t", "name": "weather", "input": {"city": "Bonn"}}},
                ],
            },
            {
                "role": "user",
                "content": [
                    {
                        "toolResult": {
                            "toolUseId": "t",
                            "content": [{"text": "5"}, {"json": {"degrees": 5}}],
                            "status": "success",
                        }
                    }
                ],
            },
        ],
    )


def models_inside_dicts(client: BedrockClient) -> None:
    picture = ImageContent(image=ImageBlock(format="png", source=BytesSource(bytes=IMAGE)))
    client.converse(MODEL, {"role": "user", "content": [picture, {"text": "What is this?"}]})


def system(client: BedrockClient) -> None:
    client.converse(MODEL, "Hi", system="Be brief.")
    client.converse(MODEL, "Hi", system=["Be brief.", TextContent(text="And kind.")])
    client.converse(MODEL, "Hi", system=[{"text": "Be brief."}])
    client.converse(MODEL, "Hi", system=[{"text": "A"}, {"cachePoint": {"type": "default"}}])
    client.converse(MODEL, "Hi", system={"text": "Be brief."})
    client.converse(MODEL, "Hi", system=TextContent(text="Be brief."))


def tools_as_models(client: BedrockClient) -> None:
    weather = ToolSpecTool(
        tool_spec=ToolSpecification(
            name="weather",
            description="The weather in a city.",
            input_schema=ToolInputSchema(json={"type": "object"}),
        )
    )
    for choice in (
        ToolChoiceAuto(auto=AutoToolChoice()),
        ToolChoiceAny(any=AnyToolChoice()),
        ToolChoiceTool(tool=SpecificToolChoice(name="weather")),
    ):
        config = ToolConfiguration(tools=[weather], tool_choice=choice)
        client.converse(MODEL, "Hi", tool_config=config)
        client.count_tokens(MODEL, "Hi", tool_config=config)


def tools_as_dicts(client: BedrockClient) -> None:
    client.converse(
        MODEL,
        "Hi",
        tool_config={
            "tools": [
                {
                    "toolSpec": {
                        "name": "weather",
                        "description": "The weather in a city.",
                        "inputSchema": {"json": {"type": "object", "properties": {"city": {}}}},
                        "strict": True,
                    }
                },
                {"systemTool": {"name": "nova_grounding"}},
                {"cachePoint": {"type": "default"}},
            ],
            "toolChoice": {"tool": {"name": "weather"}},
        },
    )
    client.converse(MODEL, "Hi", tool_config={"tools": [], "toolChoice": {"auto": {}}})
    client.converse(MODEL, "Hi", tool_config={"tools": [], "toolChoice": {"any": {}}})


def options_as_models(client: BedrockClient) -> None:
    client.converse(
        MODEL,
        "Hi",
        max_tokens=100,
        temperature=0.5,
        top_p=1,
        stop_sequences=["END"],
        guardrail_config=GuardrailConfiguration(
            guardrail_identifier="g", guardrail_version="1", trace="enabled"
        ),
        additional_model_request_fields={"top_k": 5},
        additional_model_response_field_paths=["/stop_sequence"],
        prompt_variables={"city": PromptVariableValues(text="Bonn")},
        request_metadata={"team": "a"},
        performance_config=PerformanceConfiguration(latency="optimized"),
        service_tier=ServiceTier(type="flex"),
        output_config=OutputConfig(
            text_format=OutputFormat(
                type="json_schema",
                structure=OutputFormatStructure(
                    json_schema=JsonSchemaDefinition(schema="{}", name="city")
                ),
            )
        ),
        timeout=Timeout(read=60),
        deadline=120,
    )
    client.converse(
        MODEL, "Hi", inference_config=InferenceConfiguration(max_tokens=5, stop_sequences=["x"])
    )


def options_as_dicts_and_texts(client: BedrockClient) -> None:
    client.converse(
        MODEL,
        "Hi",
        inference_config={
            "maxTokens": 5,
            "temperature": 0.5,
            "topP": 0.9,
            "stopSequences": ["END"],
        },
        guardrail_config={
            "guardrailIdentifier": "g",
            "guardrailVersion": "1",
            "trace": "enabled_full",
        },
        prompt_variables={"city": "Bonn", "day": {"text": "Monday"}},
        performance_config="optimized",
        service_tier="priority",
        output_config={
            "textFormat": {
                "type": "json_schema",
                "structure": {"jsonSchema": {"schema": "{}", "name": "city"}},
            }
        },
        timeout=5.5,
        deadline=None,
    )
    client.converse(
        MODEL, "Hi", performance_config={"latency": "standard"}, service_tier={"type": "default"}
    )
    client.converse_stream(
        MODEL,
        "Hi",
        guardrail_config={
            "guardrailIdentifier": "g",
            "guardrailVersion": "1",
            "streamProcessingMode": "async",
        },
        timeout=None,
    )


def options_left_out(
    client: BedrockClient, limit: int | None, tools: ToolConfiguration | None
) -> None:
    client.converse(MODEL, "Hi", system=None, max_tokens=limit, tool_config=tools)


def options_handed_on(client: BedrockClient) -> None:
    options: ConverseOptions = {"max_tokens": 100, "temperature": 0, "system": ["Be brief."]}
    client.converse(MODEL, "Hi", **options)
    client.converse_stream(MODEL, "Hi", **options)


def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


async def subtract(a: int, b: int) -> int:
    """Subtract two numbers."""
    return a - b


class Clock:
    """The time in a place."""

    def __call__(self, place: str) -> str:
        return place

    def zone(self, place: str, *, is_summer: bool = False) -> str:
        """The zone of a place."""
        return f"{place}, {is_summer}"


def functions_of_several_signatures(client: BedrockClient) -> None:
    functions = [add, subtract, Clock().zone]
    reply = client.converse(MODEL, "1 + 1?", tools=functions)
    run_tools(reply, functions)
    run_tools(reply, {"plus": add, "zone": Clock().zone})
    client.converse(MODEL, "1 + 1?", tools=[add, Clock(), City, partial(add, 1)])
    client.count_tokens(MODEL, "1 + 1?", tools=(add, subtract))
    run_tools(reply, (add, subtract))
    run_tools(reply, [Clock(), City])


def a_loop_of_tools(client: BedrockClient, specification: ToolSpecification) -> str:
    messages: list[MessageInput] = ["1 + 1?"]
    reply = client.converse(MODEL, messages, tools=[add])
    while reply.stop_reason == "tool_use":
        messages += [reply.message, run_tools(reply, [add])]
        reply = client.converse(MODEL, messages, tools=[add])
    named: dict[str, Any] = {"name": "a", "inputSchema": {"json": {"type": "object"}}}
    client.converse(
        MODEL, messages, tools=[add, specification, named, {"systemTool": {"name": "x"}}]
    )
    run_tools(reply, {"plus": add})
    return reply.text


async def a_loop_of_tools_in_an_event_loop(client: AsyncBedrockClient) -> Message:
    reply = await client.converse(MODEL, "1 - 1?", tools=[add, subtract])
    return assert_type(await run_tools_async(reply, [add, subtract]), Message)


class City(BaseModel):
    name: str


class Movie(TypedDict):
    title: str


@dataclass
class Point:
    x: int


def replies_as_instances(client: BedrockClient) -> str:
    reply = client.converse(MODEL, "Rome?", output_type=City, max_tokens=100)
    assert_type(reply.parsed, City)
    assert_type(client.converse(MODEL, "Rome?", output_type=list[City]).parsed, list[City])
    assert_type(client.converse(MODEL, "Rome?", output_type=Movie).parsed, Movie)
    assert_type(client.converse(MODEL, "Rome?", output_type=Point).parsed, Point)
    with client.converse_stream(MODEL, "Rome?", output_type=City) as stream:
        assert_type(stream.final_response().parsed, City)
    takes_any_reply(reply)
    return reply.parsed.name


def takes_any_reply(reply: ConverseResponse) -> str:
    return reply.text


async def replies_as_instances_in_an_event_loop(client: AsyncBedrockClient) -> None:
    reply = await client.converse(MODEL, "Rome?", output_type=City)
    assert_type(reply.parsed, City)
    async with client.converse_stream(MODEL, "Rome?", output_type=City) as stream:
        assert_type((await stream.final_response()).parsed, City)


def a_reply_that_does_not_fit(error: OutputError) -> str:
    return error.reply.text


def clients(key: ApiKey, minted: Callable[[], str]) -> None:
    BedrockClient()
    BedrockClient(region="us-east-1", endpoint_url="https://example.com", max_connections=5)
    BedrockClient("key", timeout=5, deadline=10.5, retry=RetryPolicy(max_attempts=1))
    BedrockClient(key, timeout=None, deadline=None, retry=None, http_client=None, on_event=None)
    BedrockClient(minted)
    BedrockClient(FallbackKeys(key, "another"))
    BedrockClient(http_client=httpx.Client())
    BedrockClient(http_client=httpx2.Client())
    AsyncBedrockClient(http_client=httpx.AsyncClient())
    AsyncBedrockClient(http_client=httpx2.AsyncClient())


def siblings(client: BedrockClient, key: ApiKey) -> BedrockClient:
    client.with_options(timeout=None, deadline=None, on_event=None)
    client.with_options(api_key=key)
    return client.with_options(timeout=Timeout(connect=1), retry=RetryPolicy(max_attempts=2))


def observers(client: BedrockClient) -> None:
    def watch(record: AttemptRecord | CallRecord | KeySwitchRecord) -> None:
        if isinstance(record, CallRecord):
            print(record.input_tokens, record.model_id)
        elif isinstance(record, AttemptRecord):
            print(record.retry_in, record.status_code)
        else:
            print(record.reason, record.replacement.token_type)

    on_event: OnEvent = watch
    records: list[object] = []
    client.with_options(on_event=on_event)
    BedrockClient(on_event=records.append)
    AsyncBedrockClient(on_event=lambda record: print(record))


def a_guardrail(client: BedrockClient) -> None:
    client.apply_guardrail("g-1", "DRAFT", [{"text": {"text": "Hello"}}], source="INPUT")
    client.apply_guardrail("g-1", "1", "Hello", source="OUTPUT")


def a_broken_stream(client: BedrockClient) -> ConverseResponse | None:
    try:
        with client.converse_stream(MODEL, "Hello") as stream:
            return stream.final_response()
    except StreamInterruptedError as error:
        return assert_type(error.partial, ConverseResponse | None)


async def the_same_in_an_event_loop(client: AsyncBedrockClient) -> None:
    messages: list[MessageInput] = ["Hello"]
    reply = await client.converse(MODEL, messages, system="Be brief.", max_tokens=5)
    messages.append(reply.message)
    async with client.converse_stream(MODEL, messages, temperature=0.1) as stream:
        async for text in stream.text_stream:
            print(text)
        await stream.final_response()
    await client.count_tokens(MODEL, messages)
    await client.probe(deadline=5)
    await client.apply_guardrail("g-1", "1", "Hello", source="OUTPUT")


def doubles(fake: FakeBedrock, key: ApiKey) -> None:
    bedrock = LocalBedrock(region="eu-west-1")
    bedrock.script("Hi", text_reply("Hi", latency_ms=5), lambda request: text_reply(str(request)))
    bedrock.answer("Hello", guardrail_reply("No.", {"guardrail": {}}, stop_reason="end_turn"))
    assert_type(local_client(bedrock, api_key=key, timeout=None, deadline=5), BedrockClient)
    assert_type(local_async_client(region="eu-west-1", on_event=print), AsyncBedrockClient)
    assert_type(fake.client(retry=RetryPolicy(max_attempts=5), api_key="key"), BedrockClient)
    assert_type(fake.async_client(retry=fake.retry_policy(max_attempts=5)), AsyncBedrockClient)
    assert_type(synthetic_key("LONG_TERM", user_name="app"), str)
    boto3_session(key, region_name="eu-west-1").client("bedrock-runtime")
