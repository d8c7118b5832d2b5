"""What a reply offers beside its fields."""

from __future__ import annotations

import copy
import pickle

import pytest

from bedrock_bearer.converse import (
    BytesSource,
    ConverseResponse,
    ImageBlock,
    Message,
    TextContent,
    TokenUsage,
    ToolUseContent,
    WebCitation,
    parse_event,
)
from bedrock_bearer.keys import KeyDescription, TokenType

KEY = KeyDescription(token_type=TokenType.LONG_TERM, last_four="abcd", source="argument")
WIRE = {
    "output": {
        "message": {
            "role": "assistant",
            "content": [
                {"reasoningContent": {"reasoningText": {"text": "Think", "signature": "s"}}},
                {"reasoningContent": {"redactedContent": "+//+Pj8="}},
                {"text": "The title is "},
                {
                    "citationsContent": {
                        "content": [{"text": "Dummy"}],
                        "citations": [{"location": {"web": {"url": "https://example.com/"}}}],
                    }
                },
                {"text": "."},
                {"toolUse": {"toolUseId": "t1", "name": "add", "input": {"a": 1}}},
            ],
        }
    },
    "stopReason": "tool_use",
    "usage": {"inputTokens": 8, "outputTokens": 21, "totalTokens": 29},
    "metrics": {"latencyMs": 551},
}


def reply() -> ConverseResponse:
    return ConverseResponse.model_validate(WIRE)


def test_the_text_holds_the_cited_passages_and_no_reasoning() -> None:
    assert reply().text == "The title is Dummy."


def test_the_reasoning_is_its_readable_text() -> None:
    assert reply().reasoning == "Think"


def test_the_tools_asked_for_are_listed() -> None:
    [tool] = reply().tool_uses
    assert (tool.tool_use_id, tool.name, tool.input) == ("t1", "add", {"a": 1})


def test_the_citations_are_listed() -> None:
    [citation] = reply().citations
    assert isinstance(citation.location, WebCitation)
    assert citation.location.web.url == "https://example.com/"


def test_the_usage_and_the_latency_are_read() -> None:
    usage = reply().usage
    assert (usage.input_tokens, usage.output_tokens, usage.total_tokens) == (8, 21, 29)
    assert (usage.cache_read_input_tokens, usage.cache_write_input_tokens) == (None, None)
    assert reply().metrics.latency_ms == 551


def test_blocks_are_told_apart_by_class() -> None:
    kinds = [type(block).__name__ for block in reply().message.content]
    assert kinds == [
        "ReasoningContent",
        "ReasoningContent",
        "TextContent",
        "CitationsContent",
        "TextContent",
        "ToolUseContent",
    ]


def test_a_reply_knows_its_request_id_and_key() -> None:
    origin = reply().with_origin(request_id="abc", key=KEY)
    assert (origin.request_id, origin.key) == ("abc", KEY)
    assert origin.to_wire() == WIRE


def test_a_reply_that_was_not_sent_has_no_request_id_and_no_key() -> None:
    assert (reply().request_id, reply().key) == (None, None)


def test_a_reply_survives_pickling_and_copying() -> None:
    origin = reply().with_origin(request_id="abc", key=KEY)
    for other in (pickle.loads(pickle.dumps(origin)), copy.deepcopy(origin)):
        assert other == origin
        assert (other.request_id, other.key, other.to_wire()) == ("abc", KEY, WIRE)


def test_a_reply_without_a_message_has_an_empty_one() -> None:
    empty = ConverseResponse.model_validate({"output": {}})
    assert empty.message == Message(role="assistant", content=[])


def test_instances_are_taken_as_they_are() -> None:
    message = Message(role="assistant", content=[TextContent(text="Hi")])
    taken = ConverseResponse.model_validate({"output": {"message": message}})
    assert taken.message is message
    assert not any(isinstance(block, ToolUseContent) for block in taken.message.content)


def test_the_input_is_counted_with_its_cache() -> None:
    usage = TokenUsage(input_tokens=3, cache_read_input_tokens=5, cache_write_input_tokens=7)
    assert usage.total_input_tokens == 15
    assert TokenUsage(input_tokens=3).total_input_tokens == 3


def test_usages_add_up() -> None:
    one = TokenUsage.model_validate(
        {
            "inputTokens": 1,
            "outputTokens": 2,
            "totalTokens": 3,
            "cacheReadInputTokens": 4,
            "cacheDetails": [{"ttl": "5m", "inputTokens": 4}],
        }
    )
    other = TokenUsage.model_validate(
        {
            "inputTokens": 10,
            "outputTokens": 20,
            "totalTokens": 30,
            "cacheDetails": [{"ttl": "1h", "inputTokens": 1}, {"ttl": "5m", "inputTokens": 2}],
        }
    )

    assert sum([one, other]) == one + other == TokenUsage() + one + other
    assert (one + other).to_wire() == {
        "inputTokens": 11,
        "outputTokens": 22,
        "totalTokens": 33,
        "cacheReadInputTokens": 4,
        "cacheDetails": [{"ttl": "5m", "inputTokens": 6}, {"ttl": "1h", "inputTokens": 1}],
    }


def test_a_usage_and_something_else_do_not_add_up() -> None:
    with pytest.raises(TypeError, match="unsupported operand"):
        TokenUsage() + 3  # type: ignore[operator]
    with pytest.raises(TypeError, match="unsupported operand"):
        3 + TokenUsage()


def test_a_repr_is_short() -> None:
    reply = ConverseResponse.model_validate(
        {
            "output": {
                "message": {
                    "role": "assistant",
                    "content": [
                        {"text": "x" * 1000},
                        {"toolUse": {"toolUseId": "t", "name": "add", "input": {"a": 1}}},
                    ],
                }
            },
            "stopReason": "tool_use",
            "usage": {"inputTokens": 1, "cacheReadInputTokens": 5, "outputTokens": 2},
        }
    )
    image = ImageBlock(format="png", source=BytesSource(bytes=b"x" * 1000))

    assert repr(reply) == (
        f"ConverseResponse(stop_reason='tool_use', text='{'x' * 80}'..., tools=['add'], "
        "input_tokens=6, output_tokens=2)"
    )
    assert repr(image) == "ImageBlock(format='png', source=BytesSource(bytes=<1000 bytes>))"
    assert len(repr(reply.message)) < 300


def test_the_repr_of_an_event_leaves_out_its_padding() -> None:
    event = parse_event(
        "contentBlockDelta", {"delta": {"text": "Hi"}, "contentBlockIndex": 0, "p": "abcdefgh"}
    )
    assert (
        repr(event) == "ContentBlockDeltaEvent(delta=TextDelta(text='Hi'), content_block_index=0)"
    )
    assert event.to_wire()["p"] == "abcdefgh"


def test_a_notebook_shows_the_text_and_the_tools() -> None:
    reply = ConverseResponse.model_validate(
        {
            "output": {
                "message": {
                    "role": "assistant",
                    "content": [
                        {"text": "# Rome"},
                        {"toolUse": {"toolUseId": "t", "name": "add", "input": {"a": 1}}},
                    ],
                }
            },
            "stopReason": "tool_use",
            "usage": {"inputTokens": 3, "outputTokens": 2},
        }
    )
    assert reply._repr_markdown_() == ("# Rome\n\n`add({'a': 1})`\n\n*tool_use, 3 + 2 tokens*")
