"""ConverseStream, of both colours."""

from __future__ import annotations

from typing import Any

import pytest
from support.clients import Colour
from support.replies import (
    BLOCK_STOP,
    FRAMES,
    METADATA,
    REPLY,
    REQUEST_ID,
    START,
    STOP,
    begun,
    delta,
    event,
    exception,
    ok,
    streamed,
)
from support.server import CLOSE, HOLD, chunk, http_reply, serve, stream_head

from bedrock_bearer import RetryPolicy, Timeout, errors
from bedrock_bearer.converse import (
    ContentBlockDeltaEvent,
    ContentBlockStopEvent,
    ConverseStreamMetadataEvent,
    MessageStartEvent,
    MessageStopEvent,
    UnknownEvent,
)
from bedrock_bearer.converse.accumulator import MAX_BLOCKS, MAX_UNKNOWN_EVENTS
from bedrock_bearer.converse.base import MAX_VALUES
from bedrock_bearer.wire.eventstream import encode_message

ONCE = RetryPolicy(max_attempts=1)
BEFORE_STOP = FRAMES.index(STOP)


def read_all(colour: Colour, reply: Any, **options: Any) -> tuple[list[Any], Any]:
    """The events of a stream, and the error it ends with."""
    events: list[Any] = []
    with serve([reply]) as server, colour.client(server.url, retry=ONCE, **options) as client:
        try:
            with client.stream() as stream:
                events.extend(stream)
        except errors.BedrockError as error:
            return events, error
    return events, None


# --------------------------------------------------------------------------------- what is read


def test_a_stream_gives_typed_events(colour: Colour) -> None:
    events, error = read_all(colour, streamed())

    assert error is None
    assert [type(each) for each in events] == [
        MessageStartEvent,
        ContentBlockDeltaEvent,
        ContentBlockDeltaEvent,
        ContentBlockStopEvent,
        MessageStopEvent,
        ConverseStreamMetadataEvent,
    ]


def test_a_stream_asks_for_converse_stream(colour: Colour) -> None:
    with (
        serve([streamed()]) as server,
        colour.client(server.url) as client,
        client.stream(max_tokens=5) as stream,
    ):
        stream.final_response()

    (request,) = server.requests
    assert request.path == "/model/amazon.nova-micro-v1%3A0/converse-stream"
    assert request.json["inferenceConfig"] == {"maxTokens": 5}


def test_nothing_is_sent_until_the_stream_is_entered(colour: Colour) -> None:
    with serve([streamed()]) as server, colour.client(server.url) as client:
        client.stream()

    assert server.requests == []


def test_a_stream_that_was_not_entered_says_how(colour: Colour) -> None:
    with colour.client("https://bedrock.example") as client:
        stream = client.stream()
        with pytest.raises(errors.StreamError, match="with"):
            list(stream)
        with pytest.raises(errors.StreamError, match="with"):
            stream.final_response()
        stream.close()


def test_text_stream_gives_the_pieces_of_text(colour: Colour) -> None:
    frames = [START, delta("Hello"), delta(""), delta(" there"), BLOCK_STOP, STOP, METADATA]
    with colour.streaming(streamed(*frames)) as stream:
        assert list(stream.text_stream) == ["Hello", " there"]


def test_final_response_is_the_reply_that_converse_gives(colour: Colour) -> None:
    with (
        serve([streamed(), ok()]) as server,
        colour.client(server.url) as client,
        client.stream() as stream,
    ):
        accumulated = stream.final_response()
        whole = client.converse()

    assert accumulated.to_wire() == whole.to_wire() == REPLY
    assert (accumulated.request_id, accumulated.key) == (whole.request_id, whole.key)
    assert type(accumulated) is type(whole)


def test_final_response_may_follow_the_events_and_be_asked_twice(colour: Colour) -> None:
    with colour.streaming(streamed()) as stream:
        list(stream)
        assert stream.final_response().text == "Hello there"
        assert stream.final_response().text == "Hello there"


def test_final_response_is_there_after_the_with(colour: Colour) -> None:
    with colour.streaming(streamed()) as stream:
        list(stream)
    assert stream.final_response().text == "Hello there"


def test_a_stream_knows_its_request(colour: Colour) -> None:
    with colour.streaming(streamed()) as stream:
        assert stream.request_id == REQUEST_ID


def test_partial_is_the_reply_as_far_as_it_has_come(colour: Colour) -> None:
    with colour.streaming(streamed()) as stream:
        events = iter(stream)
        next(events)
        assert stream.partial.text == ""
        next(events)
        assert stream.partial.text == "Hello"


def test_the_input_of_a_tool_is_put_together(colour: Colour) -> None:
    frames = [
        START,
        event(
            "contentBlockStart",
            {"contentBlockIndex": 0, "start": {"toolUse": {"toolUseId": "t1", "name": "add"}}},
        ),
        event(
            "contentBlockDelta",
            {"contentBlockIndex": 0, "delta": {"toolUse": {"input": '{"a": 1, '}}},
        ),
        event(
            "contentBlockDelta",
            {"contentBlockIndex": 0, "delta": {"toolUse": {"input": '"b": 2}'}}},
        ),
        BLOCK_STOP,
        STOP,
    ]
    with colour.streaming(streamed(*frames)) as stream:
        (tool_use,) = stream.final_response().tool_uses

    assert (tool_use.tool_use_id, tool_use.name, tool_use.input) == ("t1", "add", {"a": 1, "b": 2})


def test_an_event_of_an_unknown_kind_is_kept(colour: Colour) -> None:
    frames = [START, event("newEvent", {"a": 1}), STOP]
    events, error = read_all(colour, streamed(*frames))

    assert error is None
    assert isinstance(events[1], UnknownEvent)


def test_a_connection_whose_stream_was_read_is_used_again(colour: Colour) -> None:
    with (
        serve([streamed(), ok()]) as server,
        colour.client(server.url) as client,
        client.stream() as stream,
    ):
        stream.final_response()
        client.converse()

    assert server.connections == 1


def test_metadata_may_be_missing(colour: Colour) -> None:
    with colour.streaming(streamed(*FRAMES[:-1])) as stream:
        reply = stream.final_response()

    assert (reply.text, reply.stop_reason) == ("Hello there", "end_turn")


# ------------------------------------------------------------------------------------ closed early


def test_a_stream_may_be_closed_early_and_gives_its_connection_back(colour: Colour) -> None:
    held = [begun(START, delta("Hello")), HOLD]
    with serve([held, ok()]) as server, colour.client(server.url, max_connections=1) as client:
        with client.stream() as stream:
            next(iter(stream))
        assert client.converse().text == "Hello there"


def test_close_may_be_called_within_the_with_and_again(colour: Colour) -> None:
    held = [begun(START), HOLD]
    with (
        serve([held, ok()]) as server,
        colour.client(server.url, max_connections=1) as client,
        client.stream() as stream,
    ):
        stream.close()
        stream.close()
        assert client.converse().text == "Hello there"


def test_final_response_of_a_stream_closed_early_is_an_error_with_what_had_come(
    colour: Colour,
) -> None:
    held = [begun(START, delta("Hello")), HOLD]
    with colour.streaming(held) as stream:
        events = iter(stream)
        next(events)
        next(events)
        stream.close()
        with pytest.raises(errors.StreamInterruptedError, match="closed") as caught:
            stream.final_response()

    assert caught.value.partial is not None
    assert caught.value.partial.text == "Hello"


def test_a_stream_closed_early_gives_no_more_events(colour: Colour) -> None:
    with colour.streaming(streamed()) as stream:
        next(iter(stream))
        stream.close()
        with pytest.raises(errors.StreamInterruptedError, match="closed"):
            list(stream)


def test_a_stream_closed_before_it_was_read_gives_no_event(colour: Colour) -> None:
    with colour.streaming(streamed()) as stream:
        stream.close()
        with pytest.raises(errors.StreamInterruptedError, match="closed"):
            next(iter(stream))


def test_a_stream_is_opened_once(colour: Colour) -> None:
    with colour.streaming(streamed()) as stream:
        stream.final_response()
        with pytest.raises(errors.StreamError, match="once"):
            stream.__enter__()


def test_a_stream_that_broke_breaks_again_and_never_ends_in_silence(colour: Colour) -> None:
    with colour.streaming(streamed(START, delta("Hello"))) as stream:
        for _ in range(3):
            with pytest.raises(errors.StreamInterruptedError):
                list(stream)
        with pytest.raises(errors.StreamInterruptedError):
            stream.final_response()


# ----------------------------------------------------------------------------------- what breaks


@pytest.mark.parametrize("count", range(1, BEFORE_STOP + 1))
@pytest.mark.parametrize("ending", ["ended", "closed"])
def test_a_stream_cut_between_events_raises_with_the_partial_reply(
    ending: str, count: int, colour: Colour
) -> None:
    frames = FRAMES[:count]
    reply = streamed(*frames) if ending == "ended" else [begun(*frames), CLOSE]

    events, error = read_all(colour, reply)

    assert len(events) == count
    assert isinstance(error, errors.StreamInterruptedError)
    assert error.partial is not None
    assert error.partial.text == "".join(["", "Hello", " there"][:count])
    assert error.request_id == REQUEST_ID
    assert error.key is not None
    assert not error.retryable


@pytest.mark.parametrize("kept", [1, 11, 12, 40, -1])
def test_a_stream_cut_inside_an_event_raises_with_the_partial_reply(
    kept: int, colour: Colour
) -> None:
    last = delta(" there")[:kept]

    events, error = read_all(colour, streamed(START, delta("Hello"), last))

    assert len(events) == 2
    assert isinstance(error, errors.StreamInterruptedError)
    assert error.partial is not None
    assert error.partial.text == "Hello"


def test_a_connection_reset_within_an_event_raises_with_the_partial_reply(colour: Colour) -> None:
    cut = chunk(delta(" there"))[:-20]

    events, error = read_all(colour, [begun(START, delta("Hello")), cut, CLOSE])

    assert len(events) == 2
    assert isinstance(error, errors.StreamInterruptedError)
    assert error.partial is not None
    assert error.partial.text == "Hello"


def test_a_cut_within_the_figures_after_the_message_raises_and_leaves_the_reply(
    colour: Colour,
) -> None:
    cut = streamed(*FRAMES[:-1], METADATA[:-5])
    with serve([cut]) as server, colour.client(server.url) as client, client.stream() as stream:
        with pytest.raises(errors.StreamInterruptedError):
            list(stream)
        assert stream.final_response().text == "Hello there"


@pytest.mark.parametrize(
    ("name", "error_class"),
    [
        ("throttlingException", errors.ThrottlingError),
        ("validationException", errors.InvalidRequestError),
        ("internalServerException", errors.InternalServerError),
        ("serviceUnavailableException", errors.ServiceUnavailableError),
        ("modelStreamErrorException", errors.ModelError),
        ("somethingNewException", errors.APIError),
    ],
)
def test_an_exception_inside_a_stream_is_the_class_that_http_would_give(
    name: str, error_class: type[errors.APIError], colour: Colour
) -> None:
    frames = [START, delta("Hello"), exception(name, "It went wrong.")]

    events, error = read_all(colour, streamed(*frames))

    assert len(events) == 2
    assert isinstance(error, error_class)
    assert error.during_stream
    assert error.status_code == 200
    assert error.code is not None
    assert error.code.lower() == name.lower()
    assert error.message == "It went wrong."
    assert error.partial is not None
    assert error.partial.text == "Hello"
    assert error.request_id == REQUEST_ID
    assert error.key is not None


def test_an_exception_that_is_already_an_error_message_is_raised(colour: Colour) -> None:
    headers = {
        ":message-type": "error",
        ":error-code": "InternalServerException",
        ":error-message": "It went wrong.",
    }

    _, error = read_all(colour, streamed(START, encode_message(headers)))

    assert isinstance(error, errors.InternalServerError)
    assert error.message == "It went wrong."


def test_a_corrupt_event_is_refused_and_those_before_it_are_given(colour: Colour) -> None:
    corrupt = bytearray(delta(" there"))
    corrupt[-8] ^= 1

    events, error = read_all(colour, streamed(START, delta("Hello"), bytes(corrupt), STOP))

    assert len(events) == 2
    assert isinstance(error, errors.EventStreamDecodeError)


def test_an_event_that_is_not_json_is_refused(colour: Colour) -> None:
    headers = {":message-type": "event", ":event-type": "contentBlockDelta"}

    events, error = read_all(colour, streamed(START, encode_message(headers, b"{")))

    assert len(events) == 1
    assert isinstance(error, errors.EventStreamDecodeError)
    assert "contentBlockDelta" in error.message


def test_events_that_make_no_reply_are_refused(colour: Colour) -> None:
    strange = event("messageStop", {"stopReason": "end_turn", "usage": "much"})
    with (
        colour.streaming(streamed(START, strange)) as stream,
        pytest.raises(errors.EventStreamDecodeError, match="do not make a reply"),
    ):
        stream.final_response()


@pytest.mark.parametrize(
    "reply",
    [
        http_reply(b"<html>Sign in</html>", headers={"content-type": "text/html"}),
        http_reply(REPLY),
        [stream_head({"content-type": "text/event-stream"}), chunk(START), chunk(b"")],
    ],
    ids=["a page", "json", "another kind of stream"],
)
def test_a_reply_of_another_type_is_no_stream(reply: Any, colour: Colour) -> None:
    _, error = read_all(colour, reply)

    assert isinstance(error, errors.ResponseDecodeError)
    assert error.request_id == REQUEST_ID


def test_a_page_that_claims_to_be_an_event_stream_is_refused(colour: Colour) -> None:
    _, error = read_all(colour, [stream_head(), chunk(b"<html>Sign in</html>"), chunk(b"")])

    assert isinstance(error, errors.EventStreamDecodeError)


def test_a_stream_that_falls_silent_times_out(colour: Colour) -> None:
    held = [begun(START, delta("Hello")), HOLD]

    events, error = read_all(colour, held, timeout=Timeout(read=1))

    assert len(events) == 2
    assert isinstance(error, errors.RequestTimeoutError)
    assert error.phase == "read"


MANY: dict[str, Any] = {"many": [{}] * (MAX_VALUES // 200)}


@pytest.mark.parametrize(
    "frames",
    [
        [
            event("contentBlockDelta", {"contentBlockIndex": number, "delta": {"text": ""}})
            for number in range(MAX_BLOCKS + 1)
        ],
        [event("new", {})] * (MAX_UNKNOWN_EVENTS + 1),
        [event("new", MANY)] * 21,
        [event("messageStart", MANY)] * 21,
        [event("contentBlockDelta", {"contentBlockIndex": 0, "delta": MANY})] * 21,
        [event("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"text": "", **MANY}})] * 21,
    ],
    ids=["blocks", "unknown events", "values", "fields", "unknown deltas", "fields of deltas"],
)
def test_a_stream_that_would_fill_memory_is_refused(frames: list[bytes], colour: Colour) -> None:
    body = stream_head() + chunk(b"".join([START, *frames])) + chunk(b"")
    with colour.streaming(body) as stream, pytest.raises(errors.EventStreamDecodeError):
        stream.final_response()


def test_the_input_of_a_tool_that_would_fill_memory_stays_a_text(colour: Colour) -> None:
    tool = {"toolUse": {"toolUseId": "id", "name": "tool"}}
    pieces = ["[", *["{}," * 1000] * (MAX_VALUES // 10_000), "0]"]
    frames = [
        START,
        event("contentBlockStart", {"contentBlockIndex": 0, "start": tool}),
        *(
            event("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"toolUse": {"input": p}}})
            for p in pieces
        ),
        *FRAMES[3:],
    ]
    with colour.streaming(streamed(*frames)) as stream:
        reply = stream.final_response()

    assert reply.tool_uses[0].input == "".join(pieces)
