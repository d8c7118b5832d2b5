# mypy: disallow-any-expr
# pyright: strict
"""What replies, streams and records are made of: exact types, and no Any. It is not run."""

from __future__ import annotations

from typing import assert_type

from bedrock_bearer import (
    AsyncBedrockClient,
    AttemptRecord,
    BedrockClient,
    BedrockError,
    CallRecord,
    ConverseResponse,
    KeyDescription,
    KeySwitchRecord,
    TokenType,
)
from bedrock_bearer.access import GoverningPolicy
from bedrock_bearer.converse import (
    ApplyGuardrailResponse,
    Citation,
    ContentBlockDeltaEvent,
    ConverseStreamMetadataEvent,
    CountTokensResponse,
    ImageContent,
    Message,
    MessageStopEvent,
    TextContent,
    TextDelta,
    TokenUsage,
    ToolUseBlock,
)

MODEL = "amazon.nova-micro-v1:0"


def a_reply(client: BedrockClient) -> str:
    reply = client.converse(MODEL, "Hello")
    assert_type(reply, ConverseResponse)
    assert_type(reply.text, str)
    assert_type(reply.message, Message)
    assert_type(reply.reasoning, str)
    assert_type(reply.citations, list[Citation])
    assert_type(reply.tool_uses, list[ToolUseBlock])
    assert_type(reply.request_id, str | None)
    assert_type(reply.key, KeyDescription | None)
    stop_reason: str = reply.stop_reason
    for use in reply.tool_uses:
        assert_type(use.name, str)
        assert_type(use.tool_use_id, str)
    return stop_reason


def its_numbers(client: BedrockClient) -> int:
    reply = client.converse(MODEL, "Hello")
    assert_type(reply.usage, TokenUsage)
    assert_type(reply.usage.input_tokens, int)
    assert_type(reply.usage.output_tokens, int)
    assert_type(reply.usage.cache_read_input_tokens, int | None)
    assert_type(reply.metrics.latency_ms, int)
    return reply.usage.total_tokens


def its_blocks(client: BedrockClient) -> list[str]:
    found: list[str] = []
    for block in client.converse(MODEL, "Hello").message.content:
        if isinstance(block, TextContent):
            found.append(assert_type(block.text, str))
        elif isinstance(block, ImageContent):
            format_: str = block.image.format
            found.append(format_)
    return found


def a_stream(client: BedrockClient) -> ConverseResponse:
    with client.converse_stream(MODEL, "Hello") as stream:
        for event in stream:
            if isinstance(event, ContentBlockDeltaEvent):
                assert_type(event.content_block_index, int)
                if isinstance(event.delta, TextDelta):
                    assert_type(event.delta.text, str)
            elif isinstance(event, MessageStopEvent):
                reason: str = event.stop_reason
                print(reason)
            elif isinstance(event, ConverseStreamMetadataEvent):
                print(event.usage)
        assert_type(stream.partial, ConverseResponse)
        assert_type(stream.request_id, str | None)
        return assert_type(stream.final_response(), ConverseResponse)


def a_stream_of_text(client: BedrockClient) -> str:
    with client.converse_stream(MODEL, "Hello") as stream:
        return "".join(stream.text_stream)


async def the_same_in_an_event_loop(client: AsyncBedrockClient) -> str:
    reply = await client.converse(MODEL, "Hello")
    assert_type(reply, ConverseResponse)
    async with client.converse_stream(MODEL, "Hello") as stream:
        async for event in stream:
            if isinstance(event, ContentBlockDeltaEvent):
                assert_type(event.content_block_index, int)
        assert_type(await stream.final_response(), ConverseResponse)
        assert_type(stream.partial, ConverseResponse)
    async with client.converse_stream(MODEL, "Hello") as stream:
        return "".join([text async for text in stream.text_stream])


def other_calls(client: BedrockClient) -> int:
    counted = client.count_tokens(MODEL, "Hello")
    assert_type(counted, CountTokensResponse)
    probe = client.probe()
    assert_type(probe.request_id, str | None)
    assert_type(probe.key, KeyDescription)
    checked = client.apply_guardrail("g-1", "1", "Hello")
    assert_type(checked, ApplyGuardrailResponse)
    action: str = checked.action
    print(action)
    sibling = client.with_options(deadline=5)
    assert_type(sibling, BedrockClient)
    assert_type(client.region, str | None)
    assert_type(client.endpoint_url, str)
    return counted.input_tokens


def records(record: AttemptRecord | CallRecord | KeySwitchRecord) -> float:
    if isinstance(record, CallRecord):
        assert_type(record.input_tokens, int | None)
        assert_type(record.error, str | None)
        assert_type(record.model_id, str | None)
        return record.elapsed
    if isinstance(record, AttemptRecord):
        assert_type(record.status_code, int | None)
        assert_type(record.key, KeyDescription | None)
        return record.elapsed
    assert_type(record.replacement, KeyDescription)
    assert_type(record.replacement.token_type, TokenType | None)
    return 0


def errors(error: BedrockError) -> None:
    assert_type(error.request_id, str | None)
    assert_type(error.retryable, bool)
    assert_type(error.key, KeyDescription | None)
    assert_type(error.retry_after, float | None)


def a_denial(policy: GoverningPolicy) -> str:
    assert_type(policy.explain(), str)
    certainty: str = policy.certainty
    return certainty
