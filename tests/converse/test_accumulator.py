"""A stream's events put together give the reply that Converse would have given."""

from __future__ import annotations

import time
from typing import Any

import pytest

from bedrock_bearer.converse import (
    ConverseResponse,
    StreamAccumulator,
    UnknownContent,
    parse_event,
)

Events = list[tuple[str, dict[str, Any]]]
STOP: Events = [("messageStop", {"stopReason": "end_turn", "p": "abc"})]


def delta(index: int, value: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    return "contentBlockDelta", {"contentBlockIndex": index, "delta": value, "p": "abcdef"}


def start(index: int, value: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    return "contentBlockStart", {"contentBlockIndex": index, "start": value, "p": "abcdef"}


def stop(index: int) -> tuple[str, dict[str, Any]]:
    return "contentBlockStop", {"contentBlockIndex": index, "p": "abcdef"}


def tool_input(index: int, text: str) -> tuple[str, dict[str, Any]]:
    return delta(index, {"toolUse": {"input": text}})


def thought(value: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    return delta(0, {"reasoningContent": value})


TOOL = {"toolUse": {"toolUseId": "t1", "name": "add"}}


def accumulated(events: Events) -> StreamAccumulator:
    accumulator = StreamAccumulator()
    for kind, payload in events:
        accumulator.add(parse_event(kind, payload))
    return accumulator


def reply_to(events: Events) -> ConverseResponse:
    return accumulated(events).response()


def content_of(events: Events) -> list[Any]:
    content: list[Any] = reply_to(events).message.to_wire()["content"]
    return content


def test_a_whole_stream_gives_the_reply_of_converse() -> None:
    usage = {"inputTokens": 8, "outputTokens": 21, "totalTokens": 29, "serverToolUsage": {}}
    trace = {"guardrail": {"actionReason": "No action."}}
    events: Events = [
        ("messageStart", {"role": "assistant", "p": "ab"}),
        delta(0, {"text": "Hel"}),
        delta(0, {"text": ""}),
        delta(0, {"text": "lo"}),
        stop(0),
        start(1, TOOL),
        tool_input(1, '{"a"'),
        tool_input(1, ": 1}"),
        stop(1),
        ("messageStop", {"stopReason": "tool_use", "additionalModelResponseFields": {"x": 1}}),
        (
            "metadata",
            {
                "usage": usage,
                "metrics": {"latencyMs": 551},
                "trace": trace,
                "serviceTier": {"type": "flex"},
                "later": 1,
                "p": "ab",
            },
        ),
    ]
    assert reply_to(events).to_wire() == {
        "output": {
            "message": {
                "role": "assistant",
                "content": [
                    {"text": "Hello"},
                    {"toolUse": {"toolUseId": "t1", "name": "add", "input": {"a": 1}}},
                ],
            }
        },
        "stopReason": "tool_use",
        "additionalModelResponseFields": {"x": 1},
        "usage": usage,
        "metrics": {"latencyMs": 551},
        "trace": trace,
        "serviceTier": {"type": "flex"},
        "later": 1,
    }


def test_the_reply_is_complete_once_the_message_stops() -> None:
    accumulator = accumulated([delta(0, {"text": "Hi"}), stop(0)])
    assert not accumulator.complete
    accumulator.add(parse_event(*STOP[0]))
    assert accumulator.complete


def test_the_reply_so_far_can_be_read_at_any_time() -> None:
    accumulator = StreamAccumulator()
    assert accumulator.response().to_wire() == {
        "output": {"message": {"role": "assistant", "content": []}}
    }
    texts = []
    for word in ("How ", "are ", "you"):
        accumulator.add(parse_event(*delta(0, {"text": word})))
        texts.append(accumulator.response().text)
    assert texts == ["How ", "How are ", "How are you"]
    assert accumulator.response().stop_reason == ""


def test_block_indexes_may_start_at_one_and_interleave() -> None:
    events = [delta(1, {"text": "a"}), delta(2, {"text": "x"}), delta(1, {"text": "b"}), stop(1)]
    assert content_of(events + STOP) == [{"text": "ab"}, {"text": "x"}]


def test_an_index_used_again_after_its_stop_is_another_block() -> None:
    events = [delta(0, {"text": "a"}), stop(0), delta(0, {"text": "b"}), stop(0)]
    assert content_of(events + STOP) == [{"text": "a"}, {"text": "b"}]


def test_the_input_of_an_unfinished_tool_is_the_text_so_far() -> None:
    assert content_of([start(0, TOOL), tool_input(0, '{"a": ')]) == [
        {"toolUse": {**TOOL["toolUse"], "input": '{"a": '}}
    ]


def test_a_tool_without_input_has_an_empty_one() -> None:
    for parts in ([], [tool_input(0, "")]):
        [block] = content_of([start(0, TOOL), *parts, stop(0), *STOP])
        assert block["toolUse"]["input"] == {}


@pytest.mark.parametrize("text", ['{"a": ', "nonsense", '{"a": NaN}', '{"a": 1e999}', "[" * 99_999])
def test_malformed_tool_input_is_kept_as_text(text: str) -> None:
    [block] = content_of([start(0, TOOL), tool_input(0, text), stop(0), *STOP])
    assert block["toolUse"]["input"] == text


def test_a_tool_block_that_never_stopped_is_parsed_when_the_message_stops() -> None:
    [block] = content_of([start(0, TOOL), tool_input(0, '{"a": 1}'), *STOP])
    assert block["toolUse"]["input"] == {"a": 1}


def test_reasoning_is_joined_with_its_signature() -> None:
    events = [thought({"text": "Thi"}), thought({"text": "nk"}), thought({"signature": "s1"})]
    reply = reply_to([*events, stop(0), *STOP])
    assert reply.reasoning == "Think"
    assert reply.message.to_wire()["content"] == [
        {"reasoningContent": {"reasoningText": {"text": "Think", "signature": "s1"}}}
    ]


def test_a_signature_alone_makes_reasoning_without_text() -> None:
    assert content_of([thought({"signature": "s1"}), stop(0), *STOP]) == [
        {"reasoningContent": {"reasoningText": {"text": "", "signature": "s1"}}}
    ]


def test_redacted_reasoning_is_joined_as_bytes() -> None:
    events = [thought({"redactedContent": "+/8="}), thought({"redactedContent": "/j4/"}), stop(0)]
    assert content_of(events + STOP) == [{"reasoningContent": {"redactedContent": "+//+Pj8="}}]


def test_citations_and_the_text_they_back_make_one_block() -> None:
    citation = {"title": "my-pdf", "location": {"documentPage": {"start": 1, "end": 2}}}
    events = [delta(0, {"text": "Du"}), delta(0, {"citation": citation}), delta(0, {"text": "mmy"})]
    reply = reply_to([*events, stop(0), *STOP])
    assert reply.text == "Dummy"
    assert reply.message.to_wire()["content"] == [
        {"citationsContent": {"content": [{"text": "Dummy"}], "citations": [citation]}}
    ]


def test_citations_without_text_make_a_block_of_their_own() -> None:
    citation = {"location": {"web": {"url": "https://example.com/"}}}
    assert content_of([delta(0, {"citation": citation}), stop(0), *STOP]) == [
        {"citationsContent": {"citations": [citation]}}
    ]


def test_the_result_of_a_server_tool_is_put_together() -> None:
    begin = {"toolResult": {"toolUseId": "t1", "type": "web_result", "status": "success"}}
    events = [
        start(0, begin),
        delta(0, {"toolResult": [{"text": "a"}, {"text": "b"}, {"json": {"n": 1}}]}),
        delta(0, {"toolResult": [{"text": "c"}]}),
        delta(0, {"toolResult": [{"text": "d"}, {"hologram": 1}]}),
        stop(0),
    ]
    content = [{"text": "ab"}, {"json": {"n": 1}}, {"text": "cd"}, {"hologram": 1}]
    assert content_of(events + STOP) == [
        {"toolResult": {**begin["toolResult"], "content": content}}
    ]


def test_an_image_is_put_together() -> None:
    events = [
        start(0, {"image": {"format": "png"}}),
        delta(0, {"image": {"source": {"bytes": "+/8="}}}),
        delta(0, {"image": {"source": {"bytes": "/j4/"}}}),
        stop(0),
    ]
    assert content_of(events + STOP) == [
        {"image": {"format": "png", "source": {"bytes": "+//+Pj8="}}}
    ]


def test_an_image_that_failed_says_why() -> None:
    error = {"message": "too dark"}
    events = [
        start(0, {"image": {"format": "png"}}),
        delta(0, {"image": {"error": error}}),
        stop(0),
    ]
    assert content_of(events + STOP) == [{"image": {"format": "png", "error": error}}]


def test_a_block_of_an_unknown_kind_is_kept_whole() -> None:
    events = [start(0, {"hologram": {"depth": 3}}), delta(0, {"hologram": "a"}), stop(0)]
    [block] = reply_to(events + STOP).message.content
    assert isinstance(block, UnknownContent)
    assert block.to_wire() == {"start": {"hologram": {"depth": 3}}, "deltas": [{"hologram": "a"}]}


def test_an_unknown_delta_is_kept_next_to_the_known_ones() -> None:
    events = [delta(0, {"text": "Hi"}), delta(0, {"hologram": "a"}), thought({"mood": 1}), stop(0)]
    assert content_of(events + STOP) == [
        {"text": "Hi"},
        {"deltas": [{"hologram": "a"}, {"reasoningContent": {"mood": 1}}]},
    ]


def test_tool_input_without_a_start_is_kept() -> None:
    assert content_of([tool_input(0, "{}"), stop(0), *STOP]) == [
        {"deltas": [{"toolUse": {"input": "{}"}}]}
    ]


def test_a_field_beside_a_known_delta_is_kept() -> None:
    events = [delta(0, {"text": "Hi", "language": "en"}), delta(0, {"text": "!"}), stop(0)]
    assert content_of(events + STOP) == [{"text": "Hi!", "language": "en"}]


def test_unknown_events_are_kept_apart() -> None:
    accumulator = accumulated([("hologram", {"depth": 3}), *STOP])
    assert [event.to_wire() for event in accumulator.unknown_events] == [{"depth": 3}]


def test_the_stop_of_a_block_that_never_began_is_ignored() -> None:
    assert content_of([stop(0), *STOP]) == []


def seconds_for(events: int) -> float:
    accumulator = StreamAccumulator()
    event = parse_event(*delta(0, {"text": "word "}))
    begin = time.process_time()
    for _ in range(events):
        accumulator.add(event)
    assert len(accumulator.response().text) == 5 * events
    return time.process_time() - begin


def test_a_hundred_thousand_events_take_time_linear_in_their_number() -> None:
    seconds_for(100)
    short = min(seconds_for(10_000) for _ in range(3))
    assert seconds_for(100_000) < 40 * short
