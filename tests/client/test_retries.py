"""When both colours try again, and when they do not. Time is injected: nothing waits."""

from __future__ import annotations

import itertools
import socket
from typing import Any

import pytest
from support.clients import KEY, Colour, FakeTime
from support.keys import long_term_key
from support.replies import (
    FRAMES,
    INTERNAL,
    START,
    begun,
    delta,
    error,
    exception,
    ok,
    streamed,
    throttled,
)
from support.server import CLOSE, HOLD, Received, http_reply, serve, stream_head

from bedrock_bearer import ApiKey, RetryPolicy, Timeout, errors
from bedrock_bearer.keys.sources import KeySource

# --------------------------------------------------------------------------- what is tried again


@pytest.mark.parametrize(
    "failure",
    [
        INTERNAL,
        error(502, "BadGateway"),
        error(503, "ServiceUnavailableException"),
        http_reply(b"<html>Bad gateway</html>", status=504),
        throttled(),
        error(429, "TooManyRequestsException"),
        http_reply(b"", status=429),
        error(429, "ModelNotReadyException"),
        [CLOSE],
        [ok()[:-5], CLOSE],
    ],
    ids=["500", "502", "503", "504", "throttled", "too many", "429", "not ready", "closed", "cut"],
)
def test_what_may_pass_is_tried_again(failure: Any, colour: Colour, time: FakeTime) -> None:
    with (
        serve([failure, ok()]) as server,
        colour.client(server.url, retry=time.retry()) as client,
    ):
        assert client.converse().text == "Hello there"

    assert len(server.requests) == 2
    assert len(time.waits) == 1


@pytest.mark.parametrize(
    ("failure", "error_class"),
    [
        (error(403, "AccessDeniedException"), errors.AccessDeniedError),
        (error(403, "UnrecognizedClientException"), errors.ApiKeyRejectedError),
        (error(403, "ExpiredTokenException"), errors.ApiKeyExpiredError),
        (error(408, "ModelTimeoutException"), errors.ModelTimeoutError),
        (error(424, "ModelErrorException"), errors.ModelError),
        (error(400, "ValidationException"), errors.InvalidRequestError),
        (error(400, "ServiceQuotaExceededException"), errors.ServiceQuotaError),
        (error(404, "ResourceNotFoundException"), errors.ResourceNotFoundError),
        (
            error(429, "ThrottlingException", "Too many tokens per day, please wait."),
            errors.DailyQuotaError,
        ),
        (error(501, "NotImplemented"), errors.APIError),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_what_will_not_pass_is_not_tried_again(
    failure: Any, error_class: type[errors.APIError], colour: Colour, time: FakeTime
) -> None:
    with (
        serve([failure, ok()]) as server,
        colour.client(server.url, retry=time.retry()) as client,
        pytest.raises(error_class) as caught,
    ):
        client.converse()

    assert not caught.value.retryable
    assert len(server.requests) == 1
    assert time.waits == []


def test_a_refused_connection_is_tried_again(colour: Colour, time: FakeTime) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}"
        with (
            colour.client(url, retry=time.retry()) as client,
            pytest.raises(errors.ConnectError) as caught,
        ):
            client.converse()

    assert caught.value.retryable
    assert len(time.waits) == 2


def test_a_read_timeout_is_not_tried_again(colour: Colour, time: FakeTime) -> None:
    with (
        serve([[HOLD], ok()]) as server,
        colour.client(server.url, retry=time.retry(), timeout=Timeout(read=0.05)) as client,
        pytest.raises(errors.RequestTimeoutError) as caught,
    ):
        client.converse()

    assert caught.value.phase == "read"
    assert not caught.value.retryable
    assert len(server.requests) == 1


def test_a_read_timeout_is_tried_again_when_asked_for(colour: Colour, time: FakeTime) -> None:
    replies: list[Any] = [[ok()[:-5], HOLD], ok()]

    def answer(_: Received) -> Any:
        if len(replies) == 2:
            time.advance(599.95)
        return replies.pop(0)

    retry = time.retry(retry_read_timeouts=True)
    with serve(answer) as server, colour.client(server.url, retry=retry, timeout=600) as client:
        assert client.converse().text == "Hello there"

    assert time.waits == [0.05]


# ------------------------------------------------------------------------------ how long it waits


def test_throttling_waits_from_one_second_on(colour: Colour, time: FakeTime) -> None:
    retry = time.retry(max_attempts=7)
    with (
        serve([throttled()] * 6 + [ok()]) as server,
        colour.client(server.url, retry=retry) as client,
    ):
        client.converse()

    assert time.waits == [1, 2, 4, 8, 16, 20]


def test_other_faults_wait_from_a_twentieth_second_on(colour: Colour, time: FakeTime) -> None:
    retry = time.retry(max_attempts=4)
    with (
        serve([INTERNAL, [CLOSE], error(429, "ModelNotReadyException"), ok()]) as server,
        colour.client(server.url, retry=retry) as client,
    ):
        client.converse()

    assert time.waits == pytest.approx([0.05, 0.1, 0.2])


def test_the_jitter_scales_the_whole_wait(colour: Colour, time: FakeTime) -> None:
    with (
        serve([throttled(), throttled(), ok()]) as server,
        colour.client(server.url, retry=time.retry(jitter=0.25)) as client,
    ):
        client.converse()

    assert time.waits == [0.25, 0.5]


@pytest.mark.parametrize(
    ("asked", "waited"),
    [("3500", 3.5), ("500", 1.0), ("60000", 6.0), ("-1", 1.0), ("soon", 1.0), ("", 1.0)],
)
def test_the_service_may_ask_for_a_wait_in_milliseconds(
    asked: str, waited: float, colour: Colour, time: FakeTime
) -> None:
    with (
        serve([throttled(x_amz_retry_after=asked), ok()]) as server,
        colour.client(server.url, retry=time.retry()) as client,
    ):
        client.converse()

    assert time.waits == [waited]


# --------------------------------------------------------------------------------- how many times


@pytest.mark.parametrize("attempts", [1, 2, 3, 5])
def test_a_call_is_tried_max_attempts_times(attempts: int, colour: Colour, time: FakeTime) -> None:
    with (
        serve([throttled()] * 9) as server,
        colour.client(server.url, retry=time.retry(max_attempts=attempts)) as client,
        pytest.raises(errors.ThrottlingError) as caught,
    ):
        client.converse()

    assert len(server.requests) == attempts
    assert len(time.waits) == attempts - 1
    assert caught.value.retryable


def test_by_default_a_call_is_tried_three_times(colour: Colour) -> None:
    instant = RetryPolicy(jitter=lambda: 0.0)
    with (
        serve([INTERNAL] * 9) as server,
        colour.client(server.url, retry=instant) as client,
        pytest.raises(errors.InternalServerError),
    ):
        client.converse()

    assert len(server.requests) == 3


def test_the_attempts_of_a_call_share_an_id_and_count_up(colour: Colour, time: FakeTime) -> None:
    with (
        serve([INTERNAL, INTERNAL, ok(), ok()]) as server,
        colour.client(server.url, retry=time.retry()) as client,
    ):
        client.converse()
        client.converse()

    ids = [request.headers["amz-sdk-invocation-id"] for request in server.requests]
    assert ids[0] == ids[1] == ids[2] != ids[3]
    assert [request.headers["amz-sdk-request"] for request in server.requests] == [
        "attempt=1; max=3",
        "attempt=2; max=3",
        "attempt=3; max=3",
        "attempt=1; max=3",
    ]


def test_each_attempt_reads_the_key_anew(
    colour: Colour, time: FakeTime, monkeypatch: pytest.MonkeyPatch
) -> None:
    variable, rotated = "AWS_BEARER_TOKEN_BEDROCK", long_term_key("BedrockAPIKey-rotated")
    monkeypatch.setenv(variable, KEY)
    time.before_wait = lambda: monkeypatch.setenv(variable, rotated)
    with (
        serve([INTERNAL, ok()]) as server,
        colour.client(server.url, api_key=None, retry=time.retry()) as client,
    ):
        client.converse()

    sent = [request.headers["authorization"] for request in server.requests]
    assert sent == [f"Bearer {KEY}", f"Bearer {rotated}"]


class Interrupted(BaseException):
    """What is no error: an interrupt, a cancellation."""


class InterruptedSource(KeySource):
    """Gives a key once or more, and is then interrupted."""

    def __init__(self, attempts: int) -> None:
        self._turns = iter(range(attempts))

    def describe(self) -> None:
        return None

    def get_key(self) -> ApiKey:
        if next(self._turns, None) is None:
            raise Interrupted
        return ApiKey.parse(KEY)


@pytest.mark.parametrize("attempts", [0, 1, 2])
def test_an_interrupt_is_never_tried_again(attempts: int, colour: Colour, time: FakeTime) -> None:
    with (
        serve([INTERNAL] * 9) as server,
        colour.client(
            server.url, api_key=InterruptedSource(attempts), retry=time.retry(max_attempts=9)
        ) as client,
        pytest.raises(Interrupted),
    ):
        client.converse()

    assert len(server.requests) == len(time.waits) == attempts


# -------------------------------------------------------------------------------------- the quota


def calls_until_none_is_retried(client: Any, server: Any) -> int:
    """Make calls that fail; return how many of them were tried again."""
    for retried in itertools.count():
        before = len(server.requests)
        with pytest.raises(errors.APIError):
            client.converse()
        if len(server.requests) == before + 1:
            return retried
    return 0


@pytest.mark.parametrize(("failure", "retries"), [(throttled(), 100), (INTERNAL, 35)])
def test_the_retries_of_a_client_draw_on_one_quota(
    failure: bytes, retries: int, colour: Colour, time: FakeTime
) -> None:
    retry = time.retry(max_attempts=2)
    with serve(lambda _: failure) as server, colour.client(server.url, retry=retry) as client:
        assert calls_until_none_is_retried(client, server) == retries


def test_a_success_without_a_retry_gives_one_token_back(colour: Colour, time: FakeTime) -> None:
    replies = [INTERNAL]
    retry = time.retry(max_attempts=2)
    with serve(lambda _: replies[0]) as server, colour.client(server.url, retry=retry) as client:
        calls_until_none_is_retried(client, server)
        # 35 retries at 14 tokens leave 10 of the 500.
        replies[0] = ok()
        for _ in range(4):
            client.converse()
        replies[0] = INTERNAL
        assert calls_until_none_is_retried(client, server) == 1
        replies[0] = ok()
        for _ in range(13):
            client.converse()
        replies[0] = INTERNAL
        assert calls_until_none_is_retried(client, server) == 0


def test_a_success_after_a_retry_gives_back_what_the_retry_cost(
    colour: Colour, time: FakeTime
) -> None:
    replies = itertools.cycle([INTERNAL, ok()])
    with (
        serve(lambda _: next(replies)) as server,
        colour.client(server.url, retry=time.retry()) as client,
    ):
        for _ in range(60):
            client.converse()
    assert len(time.waits) == 60


def test_siblings_share_the_quota(colour: Colour, time: FakeTime) -> None:
    retry = time.retry(max_attempts=2)
    with serve(lambda _: throttled()) as server, colour.client(server.url, retry=retry) as client:
        calls_until_none_is_retried(client, server)
        assert calls_until_none_is_retried(client.with_options(timeout=5), server) == 0


# ---------------------------------------------------------------------------------------- streams


@pytest.mark.parametrize(
    "failure",
    [
        throttled(),
        INTERNAL,
        [CLOSE],
        streamed(exception("throttlingException")),
        streamed(exception("serviceUnavailableException")),
        [stream_head(), CLOSE],
        [stream_head(), b"0\r\n\r\n"],
        [begun(START[:-3]), CLOSE],
        streamed(START[:-3]),
    ],
    ids=[
        "throttled",
        "500",
        "closed",
        "exception: throttled",
        "exception: unavailable",
        "closed after the head",
        "empty",
        "closed in the first event",
        "ended in the first event",
    ],
)
def test_a_stream_is_tried_again_before_its_first_event(
    failure: Any, colour: Colour, time: FakeTime
) -> None:
    with (
        serve([failure, streamed()]) as server,
        colour.client(server.url, retry=time.retry()) as client,
        client.stream() as stream,
    ):
        assert len(list(stream)) == len(FRAMES)
        assert stream.final_response().text == "Hello there"

    assert len(server.requests) == 2


@pytest.mark.parametrize(
    ("frames", "error_class"),
    [
        ([START, exception("throttlingException")], errors.ThrottlingError),
        ([START, delta("Hello")], errors.StreamInterruptedError),
    ],
)
def test_a_stream_is_never_tried_again_after_its_first_event(
    frames: list[bytes],
    error_class: type[errors.BedrockError],
    colour: Colour,
    time: FakeTime,
) -> None:
    with (
        serve([streamed(*frames), streamed()]) as server,
        colour.client(server.url, retry=time.retry()) as client,
        client.stream() as stream,
        pytest.raises(error_class),
    ):
        list(stream)

    assert len(server.requests) == 1
    assert time.waits == []


def test_an_exception_that_will_not_pass_is_not_tried_again(colour: Colour, time: FakeTime) -> None:
    with (
        serve([streamed(exception("validationException")), streamed()]) as server,
        colour.client(server.url, retry=time.retry()) as client,
        pytest.raises(errors.InvalidRequestError) as caught,
        client.stream(),
    ):
        pass

    assert caught.value.during_stream
    assert len(server.requests) == 1


def test_a_stream_that_never_begins_is_interrupted_after_all_attempts(
    colour: Colour, time: FakeTime
) -> None:
    with (
        serve([streamed(START[:-3])] * 3) as server,
        colour.client(server.url, retry=time.retry()) as client,
        pytest.raises(errors.StreamInterruptedError) as caught,
        client.stream(),
    ):
        pass

    assert len(server.requests) == 3
    assert caught.value.retryable


def test_the_attempts_of_a_stream_share_one_connection_place(
    colour: Colour, time: FakeTime
) -> None:
    replies = [streamed(exception("throttlingException")), [CLOSE], streamed()]
    with (
        serve(replies) as server,
        colour.client(server.url, retry=time.retry(), max_connections=1) as client,
        client.stream() as stream,
    ):
        assert stream.final_response().text == "Hello there"
