"""What `on_event` is told, of both colours."""

from __future__ import annotations

import asyncio
import dataclasses
import logging
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any

import pytest
from support.clients import KEY, MODEL, Colour, FakeTime
from support.keys import LONG_TERM_SECRET
from support.replies import (
    FRAMES,
    INTERNAL,
    REPLY,
    REQUEST_ID,
    START,
    begun,
    delta,
    error,
    event,
    exception,
    ok,
    streamed,
    throttled,
)
from support.server import HOLD, Received, http_reply, serve

from bedrock_bearer import ApiKey, AsyncBedrockClient, BedrockClient, Timeout, errors
from bedrock_bearer.wire.records import AttemptRecord, CallRecord

DESCRIPTION = ApiKey.parse(KEY).description


def observed(
    colour: Colour, replies: list[Any], time: FakeTime, call: str = "converse", **options: Any
) -> list[Any]:
    """Make one call that takes a second to be answered each time; return its records."""
    records: list[Any] = []
    turns = iter(replies)

    def answer(_: Received) -> Any:
        time.advance(1)
        return next(turns)

    with (
        serve(answer) as server,
        colour.client(server.url, retry=time.retry(), on_event=records.append, **options) as client,
    ):
        try:
            if call == "stream":
                with client.stream(messages="A secret question") as stream:
                    list(stream)
            elif call == "probe":
                client.probe()
            else:
                getattr(client, call)(messages="A secret question")
        except errors.BedrockError:
            pass
    return records


def test_a_call_that_succeeds_at_once_gives_two_records(colour: Colour, time: FakeTime) -> None:
    attempt, call = observed(colour, [ok()], time)

    assert call.endpoint_url.startswith("http://127.0.0.1:")
    assert [attempt, dataclasses.replace(call, endpoint_url=None)] == [
        AttemptRecord(
            operation="Converse",
            model_id=MODEL,
            attempt=1,
            elapsed=1,
            key=DESCRIPTION,
            status_code=200,
            request_id=REQUEST_ID,
        ),
        CallRecord(
            operation="Converse",
            model_id=MODEL,
            attempts=1,
            elapsed=1,
            key=DESCRIPTION,
            request_id=REQUEST_ID,
            stop_reason="end_turn",
            input_tokens=3,
            output_tokens=2,
            latency_ms=120,
            first_reply_after=1,
            started_at=datetime.fromtimestamp(0, UTC),
        ),
    ]


def test_a_call_that_is_tried_again_gives_a_record_for_each_attempt(
    colour: Colour, time: FakeTime
) -> None:
    first, second, call = observed(colour, [throttled(), ok()], time)

    assert first == AttemptRecord(
        operation="Converse",
        model_id=MODEL,
        attempt=1,
        elapsed=1,
        key=DESCRIPTION,
        status_code=429,
        request_id=REQUEST_ID,
        error="ThrottlingError",
        code="ThrottlingException",
        retry_in=1,
    )
    assert (second.attempt, second.error, second.retry_in, second.elapsed) == (2, None, None, 1)
    assert (call.attempts, call.error, call.elapsed, call.first_reply_after) == (2, None, 3, 3)


def test_a_call_that_fails_names_its_error(colour: Colour, time: FakeTime) -> None:
    attempt, call = observed(colour, [error(403, "AccessDeniedException")], time)

    assert (attempt.error, attempt.code) == ("AccessDeniedError", "AccessDeniedException")
    assert attempt.retry_in is None
    assert call.error == "AccessDeniedError"
    assert call.request_id == REQUEST_ID
    assert call.first_reply_after is None


def test_an_attempt_without_an_answer_has_no_status(colour: Colour, time: FakeTime) -> None:
    attempt, call = observed(colour, [[HOLD]], time, timeout=Timeout(read=0.05))

    assert attempt.status_code is None
    assert attempt.request_id is None
    assert attempt.error == call.error == "RequestTimeoutError"


def test_a_missing_key_is_recorded_without_one(
    colour: Colour, time: FakeTime, monkeypatch: pytest.MonkeyPatch
) -> None:
    records: list[Any] = []
    monkeypatch.setenv("AWS_BEARER_TOKEN_BEDROCK", KEY)
    with colour.client(
        "https://bedrock.example", api_key=None, retry=time.retry(), on_event=records.append
    ) as client:
        monkeypatch.delenv("AWS_BEARER_TOKEN_BEDROCK")
        with pytest.raises(errors.MissingApiKeyError):
            client.converse()

    assert [(record.error, record.key) for record in records] == [("MissingApiKeyError", None)] * 2


@pytest.mark.parametrize(
    ("call", "reply", "operation", "model_id"),
    [
        ("count_tokens", http_reply({"inputTokens": 1}), "CountTokens", MODEL),
        ("probe", http_reply({}), "ListAsyncInvokes", None),
        ("stream", streamed(), "ConverseStream", MODEL),
    ],
)
def test_every_operation_is_recorded_under_the_name_that_aws_gives_it(
    call: str, reply: Any, operation: str, model_id: str | None, colour: Colour, time: FakeTime
) -> None:
    records = observed(colour, [reply], time, call)

    assert [type(record) for record in records] == [AttemptRecord, CallRecord]
    assert {(record.operation, record.model_id) for record in records} == {(operation, model_id)}


def test_a_stream_that_was_read_is_recorded_with_its_figures(
    colour: Colour, time: FakeTime
) -> None:
    _, call = observed(colour, [streamed()], time, "stream")

    assert call.error is None
    assert call.stop_reason == "end_turn"
    assert (call.input_tokens, call.output_tokens, call.latency_ms) == (3, 2, 120)
    assert call.first_reply_after == 1


def test_a_stream_that_breaks_is_recorded_once_with_its_error(
    colour: Colour, time: FakeTime
) -> None:
    frames = [START, delta("Hello"), exception("throttlingException")]

    attempt, call = observed(colour, [streamed(*frames)], time, "stream")

    assert attempt.error is None
    assert call.error == "ThrottlingError"
    assert call.attempts == 1


def test_a_stream_that_fails_before_it_begins_is_recorded(colour: Colour, time: FakeTime) -> None:
    refused = streamed(exception("validationException"))

    attempt, call = observed(colour, [refused], time, "stream")

    assert attempt.error == call.error == "InvalidRequestError"
    assert attempt.status_code == 200


def test_a_stream_that_is_closed_is_recorded_when_it_is(colour: Colour, time: FakeTime) -> None:
    records: list[Any] = []
    with (
        serve([[begun(START), HOLD]]) as server,
        colour.client(server.url, on_event=records.append) as client,
        client.stream() as stream,
    ):
        assert [type(record) for record in records] == [AttemptRecord]
        stream.close()
        stream.close()

    assert [type(record) for record in records] == [AttemptRecord, CallRecord]
    call = records[1]
    assert call.error is None
    # AWS tells the figures at the end of a stream: they are not known, which is not 0.
    assert (call.stop_reason, call.input_tokens, call.output_tokens) == (None, None, None)
    assert call.latency_ms is None


def test_records_are_frozen(colour: Colour, time: FakeTime) -> None:
    for record in observed(colour, [ok()], time):
        with pytest.raises(dataclasses.FrozenInstanceError):
            record.operation = "Other"


@pytest.mark.parametrize("call", ["converse", "stream", "count_tokens"])
def test_neither_records_nor_logs_hold_content_or_the_key(
    call: str, colour: Colour, time: FakeTime, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    reply = streamed() if call == "stream" else ok()

    records = observed(colour, [INTERNAL, reply], time, call)

    told = repr(records) + caplog.text
    assert "ThrottlingError" not in told
    assert "InternalServerError" in told
    for secret in ("secret question", "Hello", KEY, LONG_TERM_SECRET):
        assert secret not in told


def test_an_observer_that_raises_does_not_break_the_call(
    colour: Colour, caplog: pytest.LogCaptureFixture
) -> None:
    def observer(_: object) -> None:
        raise RuntimeError("the observer's own fault")

    with (
        serve([ok(), streamed()]) as server,
        colour.client(server.url, on_event=observer) as client,
    ):
        assert client.converse().text == "Hello there"
        with client.stream() as stream:
            assert stream.final_response().text == "Hello there"

    assert "the observer's own fault" in caplog.text


@pytest.mark.parametrize("call", ["converse", "stream"])
def test_the_record_of_a_call_has_its_cache_tokens_region_and_tags(
    call: str, colour: Colour, time: FakeTime
) -> None:
    usage = {
        "inputTokens": 1,
        "outputTokens": 2,
        "totalTokens": 10,
        "cacheReadInputTokens": 3,
        "cacheWriteInputTokens": 4,
    }
    frames = [*FRAMES[:-1], event("metadata", {"usage": usage, "metrics": {"latencyMs": 1}})]
    reply = streamed(*frames) if call == "stream" else http_reply({**REPLY, "usage": usage})
    records: list[Any] = []
    with (
        serve([reply]) as server,
        colour.client(
            server.url, region="eu-west-1", on_event=records.append, retry=time.retry()
        ) as client,
    ):
        if call == "stream":
            with client.stream(request_metadata={"team": "search"}) as stream:
                list(stream)
        else:
            client.converse(request_metadata={"team": "search"})

    record = records[-1]
    assert (record.cache_read_input_tokens, record.cache_write_input_tokens) == (3, 4)
    assert (record.region, record.tags) == ("eu-west-1", {"team": "search"})
    assert record.started_at == datetime.fromtimestamp(0, UTC)


def test_an_observer_that_is_a_coroutine_function_is_awaited_by_the_async_client() -> None:
    seen: list[str] = []

    async def observer(record: object) -> None:
        await asyncio.sleep(0)
        seen.append(type(record).__name__)

    async def call(url: str) -> None:
        async with AsyncBedrockClient(KEY, endpoint_url=url, on_event=observer) as client:
            await client.converse(MODEL, "Hi")
            assert seen == ["AttemptRecord", "CallRecord"]
            async with client.converse_stream(MODEL, "Hi") as stream:
                assert len(seen) == 3
                await stream.final_response()

    with serve([ok(), streamed()]) as server:
        asyncio.run(call(server.url))

    assert seen == ["AttemptRecord", "CallRecord"] * 2


def test_an_async_observer_that_raises_does_not_break_the_call(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def observer(_: object) -> None:
        raise RuntimeError("the observer's own fault")

    async def call(url: str) -> str:
        async with AsyncBedrockClient(KEY, endpoint_url=url, on_event=observer) as client:
            return (await client.converse(MODEL, "Hi")).text

    with serve([ok()]) as server:
        assert asyncio.run(call(server.url)) == "Hello there"

    assert "the observer's own fault" in caplog.text


def test_the_sync_client_takes_no_coroutine_function(caplog: pytest.LogCaptureFixture) -> None:
    async def observer(_: object) -> None: ...

    with pytest.raises(errors.ConfigurationError, match="AsyncBedrockClient"):
        BedrockClient(KEY, region="us-east-1", on_event=observer)
    with serve([ok()]) as server:
        hidden = BedrockClient(KEY, endpoint_url=server.url, on_event=lambda r: observer(r))
        with hidden as client:
            assert client.converse(MODEL, "Hi").text == "Hello there"

    assert "only an AsyncBedrockClient awaits" in caplog.text


def test_the_record_of_a_stream_is_told_in_the_context_that_opened_it(colour: Colour) -> None:
    variable: ContextVar[str] = ContextVar("variable", default="elsewhere")
    seen: list[str] = []
    with (
        serve([streamed()]) as server,
        colour.client(server.url, on_event=lambda _: seen.append(variable.get())) as client,
    ):
        stream = client.stream()
        token = variable.set("the caller")
        with stream:
            variable.reset(token)
            list(stream)

    assert seen == ["the caller", "the caller"]


def test_records_are_logged_for_debugging_without_an_observer(
    colour: Colour, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, logger="bedrock_bearer")
    with serve([ok()]) as server, colour.client(server.url) as client:
        client.converse()

    assert "CallRecord(operation='Converse'" in caplog.text
