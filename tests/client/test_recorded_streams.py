"""Recorded streams: however they are cut, the same; cut short or corrupt, never in silence."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator
from typing import Any

import pytest
from support.clients import Colour
from support.server import CLOSE, chunk, serve, stream_head
from support.shared import needs_shared
from support.traffic import Exchange, exchanges

from bedrock_bearer import errors
from bedrock_bearer.converse import MessageStopEvent
from bedrock_bearer.stream_reader import StreamReader
from bedrock_bearer.wire.eventstream import EventStreamDecoder, encode_message

STREAMS = [pytest.param(each, id=each.name) for each in exchanges("converse-stream")]
LONGEST_BY_SINGLE_BYTES = 4000
"""Over a socket, where each byte is a chunk of its own."""

pytestmark = needs_shared


def read(parts: Iterable[bytes]) -> tuple[list[Any], Any]:
    """Return the events of a stream, and the reply they make."""
    reader = StreamReader(None, None)
    events = []
    for part in [*parts, None]:
        reader.feed(part)
        while (event := reader.next_event()) is not None:
            events.append(event)
    return events, reader.response()


def cuts(body: bytes, sizes: Iterable[int]) -> Iterator[bytes]:
    at = 0
    for size in sizes:
        if at >= len(body):
            return
        yield body[at : at + size]
        at += size


def random_cuts(body: bytes, seed: str) -> list[bytes]:
    chance = random.Random(seed)
    sizes = iter(lambda: chance.choice((0, 1, 2, 7, 100, 1000, 5000)), None)
    return list(cuts(body, sizes))


def frames_of(body: bytes) -> list[bytes]:
    frames = [
        encode_message(dict(message.headers), message.payload)
        for message in EventStreamDecoder().feed(body)
    ]
    assert b"".join(frames) == body
    return frames


def test_there_are_recorded_streams() -> None:
    assert len(STREAMS) > 50


@pytest.mark.parametrize("exchange", STREAMS)
def test_a_stream_gives_the_same_events_and_reply_however_it_is_cut(exchange: Exchange) -> None:
    body = exchange.body()
    expected = read([body])

    assert read(cuts(body, iter(lambda: 1, None))) == expected
    assert read(random_cuts(body, exchange.name)) == expected
    assert len(expected[0]) == len(frames_of(body))


@pytest.mark.parametrize("exchange", STREAMS)
def test_a_stream_cut_at_any_frame_before_its_end_raises(exchange: Exchange) -> None:
    frames = frames_of(exchange.body())
    events, _ = read(frames)
    (end,) = [at for at, event in enumerate(events) if isinstance(event, MessageStopEvent)]

    for count in range(end + 1):
        with pytest.raises(errors.StreamInterruptedError) as caught:
            read(frames[:count])
        assert caught.value.partial is not None


@pytest.mark.parametrize("exchange", STREAMS)
def test_a_stream_cut_after_its_end_gives_the_reply(exchange: Exchange) -> None:
    frames = frames_of(exchange.body())
    events, reply = read(frames)
    (end,) = [at for at, event in enumerate(events) if isinstance(event, MessageStopEvent)]

    _, without_figures = read(frames[: end + 1])

    assert without_figures.message == reply.message
    assert without_figures.stop_reason == reply.stop_reason


@pytest.mark.parametrize("exchange", STREAMS)
def test_no_flipped_byte_gives_a_wrong_event(exchange: Exchange) -> None:
    frames = frames_of(exchange.body())
    for count, frame in enumerate(frames):
        # What follows would show a length that makes the frame swallow its neighbour.
        following = b"".join(frames[count + 1 : count + 2])
        for at in range(len(frame)):
            flipped = bytearray(frame + following)
            flipped[at] ^= 1 + at % 255
            reader = StreamReader(None, None)
            with pytest.raises(errors.EventStreamDecodeError):
                reader.feed(bytes(flipped))
            assert reader.next_event() is None


# ----------------------------------------------------------------------------------- over a socket


def over_a_socket(colour: Colour, parts: Iterable[bytes]) -> tuple[list[Any], Any]:
    body = b"".join(chunk(part) for part in parts if part) + chunk(b"")
    with colour.streaming([stream_head(), body]) as stream:
        return list(stream), stream.final_response()


@pytest.mark.parametrize("exchange", STREAMS[::9])
def test_a_stream_over_a_socket_gives_the_same_however_it_is_chunked(
    exchange: Exchange, colour: Colour
) -> None:
    body = exchange.body()
    expected, reply = read([body])
    ways = [[body], frames_of(body), random_cuts(body, exchange.name)]
    if len(body) <= LONGEST_BY_SINGLE_BYTES:
        ways.append([body[at : at + 1] for at in range(len(body))])

    for parts in ways:
        events, accumulated = over_a_socket(colour, parts)
        assert events == expected
        assert accumulated.to_wire() == reply.to_wire()


@pytest.mark.parametrize("exchange", STREAMS[::20])
def test_a_stream_over_a_socket_cut_at_any_frame_before_its_end_raises(
    exchange: Exchange, colour: Colour
) -> None:
    frames = frames_of(exchange.body())
    events, _ = read(frames)
    end = next(at for at, event in enumerate(events) if isinstance(event, MessageStopEvent))
    counts = iter(range(1, end + 1))

    def answer(_: object) -> list[Any]:
        body = b"".join(chunk(frame) for frame in frames[: next(counts)])
        return [stream_head(), body, CLOSE]

    with serve(answer) as server, colour.client(server.url) as client:
        for count in range(1, end + 1):
            with client.stream() as stream, pytest.raises(errors.StreamInterruptedError) as caught:
                list(stream)
            assert caught.value.partial is not None
            assert len(server.requests) == count
