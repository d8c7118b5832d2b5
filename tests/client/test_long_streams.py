"""Long streams: the memory they need, and the time."""

from __future__ import annotations

import time
import tracemalloc
from collections.abc import Iterator

from support.replies import BLOCK_STOP, METADATA, START, STOP, delta

from bedrock_bearer.stream_reader import StreamReader

SHORT, LONG = 1_000, 10_000
TEXT = "word "


def parts(count: int, frame: bytes) -> Iterator[bytes]:
    """The bytes of a stream with so many deltas, as a network would bring them."""
    yield START
    for _ in range(count // 100):
        yield frame * 100
    yield BLOCK_STOP + STOP + METADATA


def read(count: int, frame: bytes) -> StreamReader:
    """Take all events of a stream and keep none of them."""
    reader = StreamReader(None, None)
    taken = 0
    for part in parts(count, frame):
        reader.feed(part)
        while reader.next_event() is not None:
            taken += 1
    reader.feed(None)
    assert taken == count + 4
    return reader


def peak(count: int, frame: bytes) -> int:
    tracemalloc.start()
    try:
        read(count, frame)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_memory_grows_with_the_text_alone_and_not_with_the_events() -> None:
    frame = delta(TEXT)
    read(SHORT, frame)
    text = (LONG - SHORT) * len(TEXT)

    grown = peak(LONG, frame) - peak(SHORT, frame)

    # The text in pieces and once more as a whole, while the block is put together.
    assert grown < 2 * text


def test_memory_does_not_grow_with_events_that_add_nothing() -> None:
    frame = delta("")
    read(SHORT, frame)

    # A fifth of a byte for each event that is read and dropped.
    assert peak(LONG, frame) - peak(SHORT, frame) < (LONG - SHORT) / 5


def test_a_stream_is_put_together_in_time_linear_in_its_length() -> None:
    def seconds(count: int) -> float:
        began = time.process_time()
        assert len(read(count, delta(TEXT)).response().text or "") == count * len(TEXT)
        return time.process_time() - began

    seconds(10_000)
    assert seconds(100_000) < 3 * 10 * seconds(10_000)
