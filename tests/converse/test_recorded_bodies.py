"""Every recorded body is read and given back as the same JSON."""

from __future__ import annotations

import json
from typing import Any

import pytest
from support.shared import needs_shared
from support.traffic import Exchange, exchanges

from bedrock_bearer.converse import (
    ConverseRequest,
    ConverseResponse,
    Message,
    StreamAccumulator,
    UnknownMember,
    parse_event,
    parse_event_json,
)

pytestmark = needs_shared

REQUESTS = [each for each in exchanges("converse", "converse-stream", "error") if each.has_request]
REPLIES = exchanges("converse")
STREAMS = exchanges("converse-stream")


def name(exchange: Exchange) -> str:
    return exchange.name


def canonical(value: Any) -> str:
    return json.dumps(value, sort_keys=True)


def content_of(reply: dict[str, Any]) -> list[dict[str, Any]]:
    content: list[dict[str, Any]] = reply["output"]["message"]["content"]
    return content


def text_of(block: dict[str, Any]) -> str:
    if "citationsContent" in block:
        return "".join(piece["text"] for piece in block["citationsContent"].get("content", []))
    return str(block.get("text", ""))


def plain_stream(exchange: Exchange) -> tuple[list[tuple[str, dict[str, Any]]], StreamAccumulator]:
    events = [(kind, json.loads(payload)) for kind, payload in exchange.events()]
    accumulator = StreamAccumulator()
    for kind, payload in exchange.events():
        accumulator.add(parse_event_json(kind, payload))
    return events, accumulator


@pytest.mark.parametrize("exchange", REQUESTS, ids=name)
def test_a_recorded_request_is_given_back_as_the_same_json(exchange: Exchange) -> None:
    wire = exchange.request()
    assert canonical(ConverseRequest.model_validate(wire).to_wire()) == canonical(wire)


@pytest.mark.parametrize("exchange", REQUESTS, ids=name)
def test_a_recorded_request_can_be_built_from_its_parts(exchange: Exchange) -> None:
    wire = exchange.request()
    parts = dict(ConverseRequest.model_validate(wire))
    given = {key: value for key, value in parts.items() if value is not None}
    request = ConverseRequest.build(**{**given, "model_id": "m"})
    assert canonical(request.to_wire()) == canonical(wire)


@pytest.mark.parametrize("exchange", REPLIES, ids=name)
def test_a_recorded_reply_is_given_back_as_the_same_json(exchange: Exchange) -> None:
    wire = exchange.response()
    assert canonical(ConverseResponse.model_validate(wire).to_wire()) == canonical(wire)


@pytest.mark.parametrize("exchange", REPLIES, ids=name)
def test_a_recorded_reply_has_its_text_and_stop_reason(exchange: Exchange) -> None:
    wire = exchange.response()
    reply = ConverseResponse.model_validate(wire)
    assert reply.text == "".join(text_of(block) for block in content_of(wire))
    assert reply.stop_reason == wire["stopReason"]


@pytest.mark.parametrize("exchange", REPLIES, ids=name)
def test_a_recorded_reply_has_its_usage_and_latency(exchange: Exchange) -> None:
    wire = exchange.response()
    reply = ConverseResponse.model_validate(wire)
    usage = wire.get("usage", {})
    assert reply.usage.input_tokens == usage.get("inputTokens", 0)
    assert reply.usage.output_tokens == usage.get("outputTokens", 0)
    assert reply.usage.total_tokens == usage.get("totalTokens", 0)
    assert reply.usage.cache_read_input_tokens == usage.get("cacheReadInputTokens")
    assert reply.usage.cache_write_input_tokens == usage.get("cacheWriteInputTokens")
    assert reply.metrics.latency_ms == wire.get("metrics", {}).get("latencyMs", 0)


@pytest.mark.parametrize("exchange", REPLIES, ids=name)
def test_a_recorded_reply_has_its_tools_and_its_reasoning(exchange: Exchange) -> None:
    wire = exchange.response()
    reply = ConverseResponse.model_validate(wire)
    blocks = content_of(wire)
    tools = [block["toolUse"] for block in blocks if "toolUse" in block]
    thoughts = [block.get("reasoningContent", {}).get("reasoningText", {}) for block in blocks]
    assert [tool.to_wire() for tool in reply.tool_uses] == tools
    assert reply.reasoning == "".join(thought.get("text", "") for thought in thoughts)


@pytest.mark.parametrize("exchange", REPLIES, ids=name)
def test_a_recorded_turn_is_sent_again_unchanged(exchange: Exchange) -> None:
    wire = exchange.response()
    reply = ConverseResponse.model_validate(wire)
    request = ConverseRequest.build("m", ["Hi", reply.message, "Go on"])
    assert canonical(request.to_wire()["messages"][1]) == canonical(wire["output"]["message"])


@pytest.mark.parametrize("exchange", STREAMS, ids=name)
def test_a_recorded_event_is_given_back_as_the_same_json(exchange: Exchange) -> None:
    for kind, payload in exchange.events():
        wire = json.loads(payload)
        assert canonical(parse_event(kind, wire).to_wire()) == canonical(wire)
        assert parse_event_json(kind, payload) == parse_event(kind, wire)


@pytest.mark.parametrize("exchange", STREAMS, ids=name)
def test_a_recorded_stream_gives_its_text_stop_reason_usage_and_latency(exchange: Exchange) -> None:
    events, accumulator = plain_stream(exchange)
    reply = accumulator.response()
    deltas = [payload["delta"] for kind, payload in events if kind == "contentBlockDelta"]
    stops = [payload["stopReason"] for kind, payload in events if kind == "messageStop"]
    figures = [payload for kind, payload in events if kind == "metadata"]
    assert reply.text == "".join(delta.get("text", "") for delta in deltas)
    assert [reply.stop_reason] == (stops or [""])
    assert accumulator.complete == bool(stops)
    for figure in figures:
        figure.pop("p")
        assert figure.items() <= reply.to_wire().items()


@pytest.mark.parametrize("exchange", STREAMS, ids=name)
def test_a_recorded_stream_gives_every_tool_its_whole_input(exchange: Exchange) -> None:
    events, accumulator = plain_stream(exchange)
    inputs: dict[int, str] = {}
    for kind, payload in events:
        index = payload.get("contentBlockIndex", -1)
        if kind == "contentBlockStart" and "toolUse" in payload["start"]:
            inputs[index] = ""
        if kind == "contentBlockDelta" and "toolUse" in payload["delta"]:
            inputs[index] += payload["delta"]["toolUse"]["input"]
    expected = [json.loads(text or "{}") for text in inputs.values()]
    assert [tool.input for tool in accumulator.response().tool_uses] == expected


@pytest.mark.parametrize("exchange", STREAMS, ids=name)
def test_a_recorded_stream_leaves_nothing_unknown(exchange: Exchange) -> None:
    _, accumulator = plain_stream(exchange)
    message = accumulator.response().message
    assert not [block for block in message.content if isinstance(block, UnknownMember)]
    assert Message.model_validate(message.to_wire()) == message
    assert accumulator.unknown_events == []
