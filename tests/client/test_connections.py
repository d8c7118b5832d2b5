"""Connections of both colours: shared, bounded, given back, replaced when stale."""

from __future__ import annotations

import asyncio
import gc
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from support.clients import KEY, MODEL, Colour, FakeTime
from support.replies import FRAMES, START, begun, delta, ok, streamed, throttled
from support.server import CLOSE, HOLD, Received, serve

from bedrock_bearer import AsyncBedrockClient, BedrockClient, RetryPolicy, Timeout, errors
from bedrock_bearer.wire.clock import Clock
from bedrock_bearer.wire.pool import CONNECTION_IDLE_SECONDS

ONCE = RetryPolicy(max_attempts=1)
HELD = [begun(START, delta("Hello")), HOLD]


@contextmanager
def no_garbage_collection() -> Iterator[None]:
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


# ------------------------------------------------------------------------------ abandoned streams


@pytest.mark.parametrize("read", [0, 1, 2])
def test_more_streams_may_be_abandoned_than_there_are_connections(
    read: int, colour: Colour
) -> None:
    def answer(request: Received) -> Any:
        return HELD if request.path.endswith("converse-stream") else ok()

    with (
        serve(answer) as server,
        colour.client(server.url, max_connections=3, timeout=Timeout(pool=5)) as client,
        no_garbage_collection(),
    ):
        for _ in range(7):
            held = [iter(client.stream().__enter__())]
            for _ in range(read):
                next(held[0])
            with pytest.warns(ResourceWarning, match="dropped without being closed"):
                colour.drop(held)
        assert client.converse().text == "Hello there"


def test_an_abandoned_text_stream_gives_its_connection_back(colour: Colour) -> None:
    with (
        serve([HELD, ok()]) as server,
        colour.client(server.url, max_connections=1, timeout=Timeout(pool=5)) as client,
        no_garbage_collection(),
    ):
        held = [client.stream().__enter__().text_stream]
        assert next(held[0]) == "Hello"
        with pytest.warns(ResourceWarning):
            colour.drop(held)
        assert client.converse().text == "Hello there"


def test_a_stream_that_was_read_to_its_end_may_be_dropped(colour: Colour) -> None:
    with serve([streamed(), ok()]) as server, colour.client(server.url) as client:
        held = [client.stream().__enter__()]
        assert len(list(held[0])) == len(FRAMES)
        colour.drop(held)
        client.converse()

    assert server.connections == 1


def test_a_stream_abandoned_after_its_loop_has_ended_does_no_harm() -> None:
    def drop(held: list[Any]) -> None:
        held.clear()
        # asyncio warns as well, of the connection whose loop has ended.
        gc.collect()

    async def abandon(url: str) -> tuple[Any, Any]:
        client = AsyncBedrockClient(KEY, endpoint_url=url)
        stream = await client.converse_stream(MODEL, "Hi").__aenter__()
        return client, stream

    with serve([HELD]) as server:
        client, stream = asyncio.run(abandon(server.url))
        held = [client, stream]
        del client, stream
        with pytest.warns(ResourceWarning):
            drop(held)


# ----------------------------------------------------------------------------------- cancellation


TURNS = 200
"""Turns of the loop in which a reply that was sent comes in."""


def announced(replies: list[Any]) -> tuple[Callable[[Received], Any], asyncio.Event]:
    """Answer with these replies, and set the event when the first request has come."""
    loop, has_come, turns = asyncio.get_running_loop(), asyncio.Event(), iter(replies)

    def answer(_: Received) -> Any:
        # Taken first: the next request may be here before this thread goes on.
        reply = next(turns)
        loop.call_soon_threadsafe(has_come.set)
        return reply

    return answer, has_come


async def cancelled(call: Any, has_begun: asyncio.Event) -> None:
    """Start a call, let it get going, and cancel it."""
    task = asyncio.ensure_future(call)
    await has_begun.wait()
    for _ in range(TURNS):
        await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def read(client: AsyncBedrockClient) -> None:
    async with client.converse_stream(MODEL, "Hi") as stream:
        await stream.final_response()


@pytest.mark.parametrize("method", ["converse", "converse_stream"])
@pytest.mark.parametrize(
    "held",
    [[HOLD], [begun(START[:-1]), HOLD], HELD],
    ids=["before the reply", "within the first event", "within a stream"],
)
async def test_a_cancelled_call_gives_its_connection_back(held: list[Any], method: str) -> None:
    answer, has_come = announced([held, ok()])
    with serve(answer) as server:
        async with AsyncBedrockClient(
            KEY, endpoint_url=server.url, max_connections=1, retry=ONCE
        ) as client:
            call = client.converse(MODEL, "Hi") if method == "converse" else read(client)
            await cancelled(call, has_come)
            assert (await client.converse(MODEL, "Hi")).text == "Hello there"


async def test_a_stream_whose_reading_was_cancelled_does_not_end_in_silence() -> None:
    answer, has_come = announced([HELD])
    with serve(answer) as server:
        async with (
            AsyncBedrockClient(KEY, endpoint_url=server.url) as client,
            client.converse_stream(MODEL, "Hi") as stream,
        ):
            await anext(stream)
            await anext(stream)
            await cancelled(anext(stream), has_come)
            server.stopping.set()
            with pytest.raises(errors.StreamInterruptedError):
                await stream.final_response()


async def test_a_call_cancelled_in_the_queue_leaves_its_place_to_others() -> None:
    answer, has_come = announced([HELD, ok()])
    with serve(answer) as server:
        async with AsyncBedrockClient(KEY, endpoint_url=server.url, max_connections=1) as client:
            async with client.converse_stream(MODEL, "Hi"):
                await cancelled(client.converse(MODEL, "Hi"), has_come)
            assert (await client.converse(MODEL, "Hi")).text == "Hello there"


async def test_a_wait_for_another_attempt_can_be_cancelled() -> None:
    waits = asyncio.Event()

    async def wait(_: float) -> None:
        waits.set()
        await asyncio.Event().wait()

    retry = RetryPolicy(clock=Clock(sleep_async=wait))
    with serve([throttled(), ok()]) as server:
        async with AsyncBedrockClient(KEY, endpoint_url=server.url, retry=retry) as client:
            await cancelled(client.converse(MODEL, "Hi"), waits)
    assert len(server.requests) == 1


# ------------------------------------------------------------------------------------ event loops


def test_a_second_event_loop_is_refused_clearly() -> None:
    async def call(client: AsyncBedrockClient) -> None:
        await client.converse(MODEL, "Hi")

    with serve([ok(), ok()]) as server, asyncio.Runner() as runner:
        client = AsyncBedrockClient(KEY, endpoint_url=server.url)
        runner.run(call(client))
        with pytest.raises(errors.ConfigurationError, match="another event loop"):
            asyncio.run(call(client))
        runner.run(client.aclose())

    assert len(server.requests) == 1


def test_a_client_may_be_made_outside_the_loop_that_uses_it() -> None:
    async def call(client: AsyncBedrockClient) -> None:
        async with client:
            await client.converse(MODEL, "Hi")

    with serve([ok()]) as server:
        asyncio.run(call(AsyncBedrockClient(KEY, endpoint_url=server.url)))


def test_a_client_may_be_closed_from_a_second_event_loop() -> None:
    async def call(client: AsyncBedrockClient) -> None:
        await client.converse(MODEL, "Hi")

    with serve([ok()]) as server:
        client = AsyncBedrockClient(KEY, endpoint_url=server.url)
        with asyncio.Runner() as runner:
            runner.run(call(client))
            asyncio.run(client.aclose())
            with pytest.raises(errors.ConfigurationError, match="closed"):
                runner.run(call(client))
            assert server.hung_up.acquire(timeout=5)


# --------------------------------------------------------------------------------------- the queue


def test_a_call_that_finds_all_connections_busy_says_so_in_time(colour: Colour) -> None:
    with (
        serve([HELD]) as server,
        colour.client(
            server.url, max_connections=1, timeout=Timeout(pool=0.05), retry=ONCE
        ) as client,
        client.stream(),
        pytest.raises(errors.RequestTimeoutError, match="max_connections") as caught,
    ):
        client.converse()

    assert caught.value.phase == "pool"
    assert len(server.requests) == 1


def test_a_deadline_bounds_the_wait_for_a_connection(colour: Colour) -> None:
    with (
        serve([HELD]) as server,
        colour.client(server.url, max_connections=1, timeout=None) as client,
        client.stream(),
        pytest.raises(errors.RequestTimeoutError) as caught,
    ):
        client.converse(deadline=0.05)

    assert caught.value.phase == "deadline"


def test_threads_queue_for_connections() -> None:
    texts: list[str | None] = []
    with (
        serve(lambda _: ok()) as server,
        BedrockClient(KEY, endpoint_url=server.url, max_connections=2) as client,
    ):
        threads = [
            threading.Thread(target=lambda: texts.append(client.converse(MODEL, "Hi").text))
            for _ in range(16)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    assert texts == ["Hello there"] * 16
    assert server.connections <= 2


async def test_tasks_queue_for_connections() -> None:
    with serve(lambda _: ok()) as server:
        async with AsyncBedrockClient(KEY, endpoint_url=server.url, max_connections=2) as client:
            replies = await asyncio.gather(*(client.converse(MODEL, "Hi") for _ in range(16)))

    assert [reply.text for reply in replies] == ["Hello there"] * 16
    assert server.connections <= 2


# --------------------------------------------------------------------------------- idle connections


def test_a_server_that_closed_an_idle_connection_is_not_a_failed_call(colour: Colour) -> None:
    with (
        serve([[ok(), CLOSE], ok()]) as server,
        colour.client(server.url, retry=ONCE) as client,
    ):
        client.converse()
        assert server.hung_up.acquire(timeout=5)
        assert client.converse().text == "Hello there"

    assert server.connections == 2


def test_a_connection_idle_for_too_long_is_replaced(colour: Colour, time: FakeTime) -> None:
    with (
        serve([ok(), ok(), ok()]) as server,
        colour.client(server.url, retry=time.retry()) as client,
    ):
        client.converse()
        time.advance(CONNECTION_IDLE_SECONDS - 1)
        client.converse()
        assert server.connections == 1
        time.advance(CONNECTION_IDLE_SECONDS + 1)
        client.converse()
        assert server.hung_up.acquire(timeout=5)

    assert server.connections == 2


def test_the_connection_used_last_is_used_first_so_that_others_grow_old(
    colour: Colour, time: FakeTime
) -> None:
    replies: list[Any] = [streamed(), streamed(), *[ok()] * 9]
    with (
        serve(replies) as server,
        colour.client(server.url, retry=time.retry()) as client,
    ):
        with client.stream() as one, client.stream() as other:
            one.final_response()
            other.final_response()
        assert server.connections == 2
        for _ in range(4):
            time.advance(CONNECTION_IDLE_SECONDS * 0.6)
            client.converse()
        assert server.hung_up.acquire(timeout=5)
        assert server.connections == 2


def test_a_reply_that_ends_its_connection_is_no_failure(colour: Colour) -> None:
    closing = ok().replace(b"\r\n\r\n", b"\r\nconnection: close\r\n\r\n", 1)
    with serve([[closing, CLOSE], ok()]) as server, colour.client(server.url) as client:
        client.converse()
        assert client.converse().text == "Hello there"


def test_a_connection_in_use_when_the_client_is_closed_is_closed_after_it(colour: Colour) -> None:
    with serve([streamed()]) as server, colour.client(server.url) as client:
        with client.stream() as stream:
            client.close()
            assert stream.final_response().text == "Hello there"
        assert server.hung_up.acquire(timeout=5)
