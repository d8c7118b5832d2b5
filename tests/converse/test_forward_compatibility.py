"""What AWS adds later is read, kept and given back, and what we know still works."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from support.service_model import SHAPES, samples

from bedrock_bearer.converse import (
    ConverseRequest,
    ConverseResponse,
    UnknownContent,
    UnknownEvent,
    UnknownMember,
    UnknownStart,
    parse_event,
    parse_event_json,
)

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)  # fmt: skip
# No member of AWS begins with this.
NEW_NAME = st.text(max_size=12).map("zz".__add__)

REQUESTS = samples("ConverseRequest")
REPLIES = samples("ConverseResponse")
EVENTS = [event for event in samples("ConverseStreamOutput") if "metadata" not in event]


def same_json(one: Any, other: Any) -> bool:
    return json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)


def nodes(shape_name: str, value: Any) -> Iterator[tuple[str, Any]]:
    """Yield every structure of a document, unions included, with the name of its shape."""
    shape = SHAPES[shape_name]
    if shape.get("document"):
        return
    if shape["type"] == "structure":
        yield shape_name, value
        for name, part in value.items():
            yield from nodes(shape["members"][name]["shape"], part)
    elif shape["type"] == "list":
        for part in value:
            yield from nodes(shape["member"]["shape"], part)
    elif shape["type"] == "map":
        for part in value.values():
            yield from nodes(shape["value"]["shape"], part)


def enum_members(shape_name: str) -> list[str]:
    members = SHAPES[shape_name]["members"]
    return [name for name, member in members.items() if "enum" in SHAPES[member["shape"]]]


@st.composite
def later(draw: st.DrawFn, shape_name: str, documents: list[Any]) -> Any:
    """Make a document with the fields, members and values that a later service may add."""
    document = copy.deepcopy(draw(st.sampled_from(documents)))
    places = list(nodes(shape_name, document))
    for name, node in draw(st.lists(st.sampled_from(places), min_size=1, max_size=4)):
        change = draw(st.sampled_from(["field", "value", "member"]))
        if change == "member" and SHAPES[name].get("union"):
            node.clear()
            node[draw(NEW_NAME)] = draw(JSON)
        elif change == "value" and (members := [m for m in enum_members(name) if m in node]):
            node[draw(st.sampled_from(members))] = draw(st.text())
        else:
            node[draw(NEW_NAME)] = draw(JSON)
    return document


@settings(max_examples=100, deadline=None)
@given(later("ConverseRequest", REQUESTS))
def test_a_request_keeps_fields_members_and_values_that_aws_adds_later(wire: Any) -> None:
    assert same_json(ConverseRequest.model_validate(wire).to_wire(), wire)


@settings(max_examples=100, deadline=None)
@given(later("ConverseResponse", REPLIES))
def test_a_reply_keeps_fields_members_and_values_that_aws_adds_later(wire: Any) -> None:
    reply = ConverseResponse.model_validate(wire)
    content = wire["output"].get("message", {}).get("content", [])
    assert same_json(reply.to_wire(), wire)
    assert reply.stop_reason == wire["stopReason"]
    assert reply.usage.total_tokens == wire["usage"]["totalTokens"]
    assert reply.metrics.latency_ms == wire["metrics"]["latencyMs"]
    assert len(reply.message.content) == len(content)
    assert reply.text == "".join(text_of(block) for block in content)
    assert [tool.to_wire() for tool in reply.tool_uses] == [
        block["toolUse"] for block in content if "toolUse" in block
    ]


def text_of(block: dict[str, Any]) -> str:
    pieces = block.get("citationsContent", {}).get("content", [])
    return str(block.get("text", "")) + "".join(piece.get("text", "") for piece in pieces)


@settings(max_examples=100, deadline=None)
@given(later("ConverseStreamOutput", EVENTS))
def test_an_event_keeps_fields_members_and_values_that_aws_adds_later(wire: Any) -> None:
    kind, payload = next(iter(wire.items()))
    payload = payload if isinstance(payload, dict) else {"value": payload}
    assert same_json(parse_event(kind, payload).to_wire(), payload)
    assert same_json(parse_event_json(kind, json.dumps(payload).encode()).to_wire(), payload)


def test_a_content_block_of_a_new_kind_is_kept_as_unknown() -> None:
    block = {"hologram": {"format": "holo", "depth": 3}}
    wire = {"output": {"message": {"role": "assistant", "content": [{"text": "Hi"}, block]}}}
    reply = ConverseResponse.model_validate(wire)
    assert isinstance(reply.message.content[1], UnknownContent)
    assert reply.message.content[1].to_wire() == block
    assert reply.text == "Hi"


def test_an_event_of_a_new_kind_is_kept_as_unknown() -> None:
    event = parse_event("hologramStart", {"depth": 3, "p": "abc"})
    assert isinstance(event, UnknownEvent)
    assert (event.event_type, event.to_wire()) == ("hologramStart", {"depth": 3, "p": "abc"})


def test_a_start_of_a_new_kind_is_kept_as_unknown() -> None:
    event = parse_event("contentBlockStart", {"start": {"hologram": {}}, "contentBlockIndex": 0})
    assert event.event_type == "contentBlockStart"
    assert isinstance(vars(event)["start"], UnknownStart)


def test_a_member_that_is_null_does_not_hide_the_one_that_is_there() -> None:
    wire = {"role": "user", "content": [{"image": None, "text": "Hi"}, {"text": None}]}
    request = ConverseRequest.model_validate({"messages": [wire]})
    assert request.messages is not None
    assert isinstance(request.messages[0].content[1], UnknownMember)
    assert request.to_wire() == {"messages": [wire]}


def test_a_reply_without_anything_reads_as_empty() -> None:
    reply = ConverseResponse.model_validate({})
    assert (reply.text, reply.stop_reason, reply.reasoning) == ("", "", "")
    assert (reply.tool_uses, reply.citations, reply.trace) == ([], [], None)
    assert reply.usage.total_tokens == reply.metrics.latency_ms == 0
    assert reply.to_wire() == {}


def test_cache_counts_under_their_old_names_are_read_and_nothing_is_added() -> None:
    usage = {"inputTokens": 1, "cacheReadInputTokenCount": 7, "cacheWriteInputTokenCount": 9}
    reply = ConverseResponse.model_validate({"usage": usage})
    assert reply.usage.cache_read_input_tokens == 7
    assert reply.usage.cache_write_input_tokens == 9
    assert reply.usage.to_wire() == usage


def test_half_a_surrogate_pair_in_a_reply_is_kept() -> None:
    wire = {"output": {"message": {"role": "assistant", "content": [{"text": "a\ud83d"}]}}}
    assert ConverseResponse.model_validate(wire).to_wire() == wire
    payload = rb'{"delta": {"text": "a\ud83d"}, "contentBlockIndex": 0}'
    assert parse_event_json("contentBlockDelta", payload).to_wire() == json.loads(payload)
