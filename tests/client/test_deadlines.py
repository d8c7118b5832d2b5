"""`deadline=` bounds a call and `timeout=` an attempt, of both colours."""

from __future__ import annotations

from typing import Any

import pytest
from support.clients import Colour, FakeTime
from support.replies import INTERNAL, START, begun, delta, ok, streamed, throttled
from support.server import HOLD, Received, serve, stream_head

from bedrock_bearer import Timeout, errors

NEVER = 600.0
"""A limit that would fail a test by its length."""


def test_a_server_that_does_not_answer_ends_the_attempt(colour: Colour) -> None:
    with serve([ok(), [HOLD]]) as server, colour.client(server.url) as client:
        # The connection is open by then: a busy machine may take longer to open one.
        client.converse()
        with pytest.raises(errors.RequestTimeoutError, match=r"0\.05 s") as caught:
            client.converse(timeout=0.05)

    assert caught.value.phase == "read"
    assert caught.value.elapsed >= 0.05


def test_a_server_that_answers_in_part_ends_the_attempt(colour: Colour, time: FakeTime) -> None:
    def answer(_: Received) -> Any:
        time.advance(NEVER - 0.05)
        return [ok()[:-5], HOLD]

    with (
        serve(answer) as server,
        colour.client(server.url, timeout=NEVER, retry=time.retry()) as client,
        pytest.raises(errors.RequestTimeoutError) as caught,
    ):
        client.converse()

    assert caught.value.phase == "read"


def test_a_calls_own_timeout_replaces_that_of_the_client(colour: Colour) -> None:
    with (
        serve([[HOLD]]) as server,
        colour.client(server.url, timeout=NEVER) as client,
        pytest.raises(errors.RequestTimeoutError),
    ):
        client.converse(timeout=0.05)


def test_no_timeout_leaves_an_attempt_unlimited(colour: Colour, time: FakeTime) -> None:
    def answer(_: Received) -> bytes:
        time.advance(10_000)
        return ok()

    with (
        serve(answer) as server,
        colour.client(server.url, timeout=None, retry=time.retry()) as client,
    ):
        assert client.converse().text == "Hello there"


def test_a_timeout_holds_for_each_attempt_anew(colour: Colour, time: FakeTime) -> None:
    replies = [INTERNAL, INTERNAL, ok()]

    def answer(_: Received) -> bytes:
        time.advance(4)
        return replies.pop(0)

    with (
        serve(answer) as server,
        colour.client(server.url, timeout=5, retry=time.retry()) as client,
    ):
        assert client.converse().text == "Hello there"


def test_a_deadline_ends_the_wait_for_an_answer(colour: Colour) -> None:
    with (
        serve([[HOLD]]) as server,
        colour.client(server.url, timeout=NEVER, deadline=0.05) as client,
        pytest.raises(errors.RequestTimeoutError, match="deadline") as caught,
    ):
        client.converse()

    assert caught.value.phase == "deadline"
    assert caught.value.elapsed >= 0.05
    assert not caught.value.retryable


def test_a_deadline_holds_where_no_timeout_is_set(colour: Colour) -> None:
    with (
        serve([[HOLD]]) as server,
        colour.client(server.url, timeout=None) as client,
        pytest.raises(errors.RequestTimeoutError) as caught,
    ):
        client.converse(deadline=0.05)

    assert caught.value.phase == "deadline"


def test_a_deadline_counts_the_time_of_all_attempts(colour: Colour, time: FakeTime) -> None:
    replies: list[Any] = [INTERNAL, [HOLD]]

    def answer(_: Received) -> Any:
        time.advance(9.9)
        return replies.pop(0)

    with (
        serve(answer) as server,
        colour.client(
            server.url, timeout=NEVER, deadline=10, retry=time.retry(jitter=0.0)
        ) as client,
        pytest.raises(errors.RequestTimeoutError) as caught,
    ):
        client.converse()

    assert caught.value.phase == "deadline"
    assert caught.value.elapsed == pytest.approx(19.8)
    assert len(server.requests) == 2


def test_no_attempt_is_made_that_the_deadline_would_not_let_begin(
    colour: Colour, time: FakeTime
) -> None:
    with (
        serve([throttled()] * 3) as server,
        colour.client(server.url, deadline=2.5, retry=time.retry()) as client,
        pytest.raises(errors.ThrottlingError),
    ):
        client.converse()

    assert time.waits == [1]
    assert len(server.requests) == 2


def test_a_wait_that_the_service_asks_for_is_not_begun_past_the_deadline(
    colour: Colour, time: FakeTime
) -> None:
    with (
        serve([throttled(x_amz_retry_after="5000")]) as server,
        colour.client(server.url, deadline=3, retry=time.retry()) as client,
        pytest.raises(errors.ThrottlingError) as caught,
    ):
        client.converse()

    assert time.waits == []
    assert caught.value.retry_after == 5


def test_a_reply_that_comes_after_the_deadline_is_too_late(colour: Colour, time: FakeTime) -> None:
    def answer(_: Received) -> bytes:
        time.advance(11)
        return ok()

    with (
        serve(answer) as server,
        colour.client(server.url, deadline=10, retry=time.retry()) as client,
        pytest.raises(errors.RequestTimeoutError) as caught,
    ):
        client.converse()

    assert caught.value.phase == "deadline"
    assert caught.value.elapsed == 11


def test_a_deadline_bounds_a_stream_that_keeps_sending(colour: Colour, time: FakeTime) -> None:
    with (
        serve([streamed()]) as server,
        colour.client(server.url, deadline=10, retry=time.retry()) as client,
        client.stream() as stream,
    ):
        events = iter(stream)
        next(events)
        time.advance(11)
        with pytest.raises(errors.RequestTimeoutError) as caught:
            list(events)

    assert caught.value.phase == "deadline"


@pytest.mark.parametrize("parts", [1, 2])
def test_a_deadline_bounds_each_wait_of_a_stream(
    parts: int, colour: Colour, time: FakeTime
) -> None:
    frames = [START, delta("Hello"), delta(" there")]
    held = [stream_head(), *(begun(frame)[len(stream_head()) :] for frame in frames[:parts]), HOLD]
    with (
        serve([held]) as server,
        colour.client(server.url, deadline=NEVER, timeout=NEVER, retry=time.retry()) as client,
        client.stream() as stream,
    ):
        events = iter(stream)
        for _ in range(parts):
            next(events)
        time.advance(NEVER - 0.05)
        with pytest.raises(errors.RequestTimeoutError) as caught:
            next(events)

    assert caught.value.phase == "deadline"


def test_a_deadline_of_one_call_does_not_follow_the_connection_to_the_next(
    colour: Colour, time: FakeTime
) -> None:
    with (
        serve([streamed(), streamed()]) as server,
        colour.client(server.url, retry=time.retry()) as client,
    ):
        with client.stream(deadline=10) as stream:
            stream.final_response()
        time.advance(20)
        with client.stream() as stream:
            assert stream.final_response().text == "Hello there"

    assert server.connections == 1


def test_a_connection_that_is_not_made_in_time_may_be_tried_again(
    colour: Colour, time: FakeTime
) -> None:
    import socket

    # A listener whose queue is full leaves further connections unanswered.
    with socket.socket() as full, socket.socket() as first, socket.socket() as second:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        for filler in (first, second):
            filler.setblocking(False)
            filler.connect_ex(full.getsockname())
        with (
            colour.client(
                f"http://127.0.0.1:{full.getsockname()[1]}",
                timeout=Timeout(connect=0.05),
                retry=time.retry(),
            ) as client,
            pytest.raises(errors.RequestTimeoutError) as caught,
        ):
            client.converse()

    assert caught.value.phase == "connect"
    assert caught.value.retryable
    assert len(time.waits) == 2
