"""Streams of the local Bedrock, event by event."""

from __future__ import annotations

import json
from typing import Any

import pytest
from support.local import Caller

from bedrock_bearer.local import LocalBedrock, Reply
from bedrock_bearer.local import replies as say
from bedrock_bearer.wire.eventstream import EventStreamDecoder


def events(body: bytes) -> list[tuple[str, dict[str, Any]]]:
    """The events of a stream, each without its padding."""
    decoder = EventStreamDecoder()
    messages = decoder.feed(body)
    decoder.close()
    found = []
    for message in messages:
        payload = json.loads(message.payload)
        assert set(payload.pop("p")) <= set(
            "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
        )
        found.append((str(message.headers[":event-type"]), payload))
    return found


def test_a_text_comes_word_by_word(bedrock: LocalBedrock, caller: Caller) -> None:
    bedrock.script(say.text_reply("One two  three", usage={"inputTokens": 1}, latency_ms=5))

    response = caller.stream()

    assert response.headers["content-type"] == "application/vnd.amazon.eventstream"
    assert events(response.content) == [
        ("messageStart", {"role": "assistant"}),
        ("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"text": "One"}}),
        ("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"text": " two"}}),
        ("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"text": "  three"}}),
        ("contentBlockStop", {"contentBlockIndex": 0}),
        ("messageStop", {"stopReason": "end_turn"}),
        ("metadata", {"metrics": {"latencyMs": 5}, "usage": {"inputTokens": 1}}),
    ]


def test_the_words_of_a_text_give_the_text_again(bedrock: LocalBedrock, caller: Caller) -> None:
    text = "  leading, and\n\ttrailing \n"
    bedrock.script(say.text_reply(text))

    found = events(caller.stream().content)

    assert "".join(e["delta"]["text"] for name, e in found if name == "contentBlockDelta") == text


def test_a_very_long_text_comes_in_larger_pieces(bedrock: LocalBedrock, caller: Caller) -> None:
    text = "a " * 100_000
    bedrock.script(say.text_reply(text))

    found = events(caller.stream().content)
    pieces = [event["delta"]["text"] for name, event in found if name == "contentBlockDelta"]

    assert "".join(pieces) == text
    assert len(pieces) <= 2_000


def test_a_tool_use_begins_with_its_name(bedrock: LocalBedrock, caller: Caller) -> None:
    bedrock.script(say.tool_use_reply("weather", {"city": "Bonn"}, tool_use_id="t1"))

    start, *deltas, stop = events(caller.stream().content)[1:-2]

    assert start == (
        "contentBlockStart",
        {"contentBlockIndex": 0, "start": {"toolUse": {"name": "weather", "toolUseId": "t1"}}},
    )
    text = "".join(delta["delta"]["toolUse"]["input"] for _, delta in deltas)
    assert json.loads(text) == {"city": "Bonn"}
    assert stop == ("contentBlockStop", {"contentBlockIndex": 0})


def test_reasoning_comes_before_the_text_and_is_signed(
    bedrock: LocalBedrock, caller: Caller
) -> None:
    bedrock.script(say.reasoning_reply("Hm.", "Yes.", signature="sig"))

    deltas = [e["delta"] for name, e in events(caller.stream().content) if "delta" in e]

    assert deltas == [
        {"reasoningContent": {"text": "Hm."}},
        {"reasoningContent": {"signature": "sig"}},
        {"text": "Yes."},
    ]


def test_redacted_reasoning_comes_whole(bedrock: LocalBedrock, caller: Caller) -> None:
    bedrock.script(Reply(({"reasoningContent": {"redactedContent": "b3BhcXVl"}},)))

    assert events(caller.stream().content)[1][1]["delta"] == {
        "reasoningContent": {"redactedContent": "b3BhcXVl"}
    }


def test_citations_follow_the_text_they_back(bedrock: LocalBedrock, caller: Caller) -> None:
    citation = {"title": "A book", "sourceContent": [{"text": "so it is"}]}
    bedrock.script(say.cited_reply("So.", [citation]))

    deltas = [e["delta"] for name, e in events(caller.stream().content) if "delta" in e]

    assert deltas == [{"text": "So."}, {"citation": citation}]


def test_the_result_of_a_server_tool_comes_in_the_stream(
    bedrock: LocalBedrock, caller: Caller
) -> None:
    result = {"toolUseId": "t1", "status": "success", "content": [{"json": {"n": 1}}]}
    bedrock.script(Reply(({"toolResult": result},)))

    start, delta, _ = events(caller.stream().content)[1:-2]

    assert start[1]["start"] == {"toolResult": {"toolUseId": "t1", "status": "success"}}
    assert delta[1]["delta"] == {"toolResult": [{"json": {"n": 1}}]}


def test_extra_members_go_where_aws_puts_them(bedrock: LocalBedrock, caller: Caller) -> None:
    extra = {"additionalModelResponseFields": {"a": 1}, "serviceTier": {"type": "flex"}}
    bedrock.script(say.text_reply("Hi", extra=extra))

    stop, metadata = events(caller.stream().content)[-2:]

    assert stop[1] == {"stopReason": "end_turn", "additionalModelResponseFields": {"a": 1}}
    assert metadata[1]["serviceTier"] == {"type": "flex"}


def test_a_refusal_comes_before_any_event(caller: Caller) -> None:
    response = caller.stream(model="does-not-exist")

    assert response.status_code == 400
    assert response.headers["content-type"] == "application/json"


def test_an_image_comes_with_its_format_first(bedrock: LocalBedrock, caller: Caller) -> None:
    bedrock.script(Reply(({"image": {"format": "png", "source": {"bytes": "AAAA"}}},)))

    start, delta, _ = events(caller.stream().content)[1:-2]

    assert start[1]["start"] == {"image": {"format": "png"}}
    assert delta[1]["delta"] == {"image": {"source": {"bytes": "AAAA"}}}


def test_a_block_that_no_stream_knows_is_refused() -> None:
    with pytest.raises(ValueError, match="no form in a stream"):
        Reply(({"newBlock": {}},)).events({})
