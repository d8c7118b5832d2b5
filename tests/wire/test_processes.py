"""Connections and what may happen to their process: forks, interrupts, threads, memory."""

from __future__ import annotations

import asyncio
import gc
import multiprocessing
import os
import pickle
import random
import signal
import ssl
import subprocess
import sys
import textwrap
import threading
import time
import traceback
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import trustme
from support.clients import KEY, MODEL, Colour
from support.hostile import Peer, hostile
from support.replies import FRAMES, START, delta, ok
from support.server import HOLD, Received, chunk, http_reply, serve, stream_head

from bedrock_bearer import AsyncBedrockClient, BedrockClient, RetryPolicy, errors
from bedrock_bearer.keys.stored import FileKey

ONCE = RetryPolicy(max_attempts=1)
needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")


def echo(request: Received) -> bytes:
    """Answer with the words of the request."""
    text = request.json["messages"][0]["content"][0]["text"]
    return http_reply(
        {
            "output": {"message": {"role": "assistant", "content": [{"text": text}]}},
            "stopReason": "end_turn",
            "usage": {"inputTokens": 1, "outputTokens": 1, "totalTokens": 2},
            "metrics": {"latencyMs": 1},
        }
    )


def texts(client: BedrockClient, name: str) -> list[str]:
    return [client.converse(MODEL, f"{name} {number}").text for number in range(20)]


def in_child(work: Any) -> int:
    """Fork, do the work in the child, and return its exit code."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            work()
            code = 0
        except BaseException:  # noqa: BLE001 - the child must not go on in the test
            traceback.print_exc()
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


# -------------------------------------------------------------------------------------------- forks


@needs_fork
@pytest.mark.parametrize("over_tls", [False, True])
def test_a_forked_process_uses_no_connection_of_its_parent(
    over_tls: bool, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    monkeypatch.setenv("AWS_CA_BUNDLE", str(tmp_path / "ca.pem"))
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(tls)

    with (
        serve(echo, tls if over_tls else None) as server,
        BedrockClient(KEY, endpoint_url=server.url, retry=ONCE) as client,
    ):
        assert client.converse(MODEL, "before").text == "before"
        context = multiprocessing.get_context("fork")
        child = context.Process(target=_call_in_child, args=(client,))
        child.start()
        assert texts(client, "parent") == [f"parent {number}" for number in range(20)]
        child.join()

    assert child.exitcode == 0
    assert server.connections == 2


def _call_in_child(client: BedrockClient) -> None:
    assert texts(client, "child") == [f"child {number}" for number in range(20)]


@needs_fork
def test_a_stream_of_the_parent_ends_in_the_child_and_goes_on_in_the_parent() -> None:
    go_on = threading.Event()

    def answer(peer: Peer) -> None:
        peer.request()
        peer.send(stream_head() + b"".join(map(chunk, FRAMES[:2])))
        go_on.wait(10)
        peer.send(b"".join(map(chunk, FRAMES[2:])) + chunk(b""))
        peer.hold()

    def read_on() -> None:
        with pytest.raises(errors.StreamInterruptedError, match="process that opened it"):
            stream.final_response()
        stream.close()

    with (
        hostile(answer) as server,
        BedrockClient(KEY, endpoint_url=server.url, retry=ONCE) as client,
        client.converse_stream(MODEL, "Hi") as stream,
    ):
        next(stream)
        next(stream)
        assert in_child(read_on) == 0
        go_on.set()
        assert stream.final_response().text == "Hello there"


@needs_fork
def test_connections_of_an_event_loop_outlive_a_child_that_is_forked_in_it() -> None:
    async def calls(url: str) -> None:
        async with AsyncBedrockClient(KEY, endpoint_url=url, retry=ONCE) as client:
            assert (await client.converse(MODEL, "before")).text == "before"
            child = os.fork()
            if child == 0:
                code = 1
                try:
                    del client
                    gc.collect()
                    code = 0
                finally:
                    os._exit(code)
            assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
            assert (await client.converse(MODEL, "after")).text == "after"

    with serve(echo) as server:
        asyncio.run(calls(server.url))
    assert server.connections == 1


# --------------------------------------------------------------------------------------- interrupts

INTERRUPTS = int(os.environ.get("INTERRUPTS", "300"))
"""The environment may ask for more: INTERRUPTS=3000."""


class SoftTimeLimitError(Exception):
    """What the signal handler of a task queue raises."""


@contextmanager
def interrupts(chance: random.Random) -> Iterator[Any]:
    """Give a function that lets a signal come at a random point of what follows."""

    def handle(*_: object) -> None:
        raise SoftTimeLimitError

    previous = signal.signal(signal.SIGALRM, handle)
    try:
        yield lambda longest: signal.setitimer(signal.ITIMER_REAL, chance.uniform(1e-5, longest))
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, previous)


def shown_of(value: object) -> str:
    """Return the repr of a value, which an interrupt may have left half made."""
    try:
        return repr(value)
    except Exception:  # noqa: BLE001 - nothing is shown then
        return ""


def leaks_of(error: BaseException) -> bool:
    """Return whether an interrupt shows a part of the key in the frames it came through."""
    shown = "".join(
        shown_of(value)
        for frame, _ in traceback.walk_tb(error.__traceback__)
        if "/tests/" not in frame.f_code.co_filename
        for value in frame.f_locals.values()
    )
    return any(KEY[start : start + 20] in shown for start in range(40, len(KEY) - 20))


def interrupted(count: int) -> int:
    """Interrupt so many calls over one connection somewhere; return how many showed the key."""

    def answer(request: Received) -> Any:
        if request.path.endswith("converse-stream"):
            return [stream_head() + b"".join(map(chunk, FRAMES)) + chunk(b"")]
        return ok()

    def call(number: int) -> None:
        if number % 3:
            client.converse(MODEL, "Hi")
            return
        with client.converse_stream(MODEL, "Hi") as stream:
            stream.final_response()

    made = leaks = number = 0
    with (
        serve(answer) as server,
        BedrockClient(KEY, endpoint_url=server.url, max_connections=1, retry=ONCE) as client,
        interrupts(random.Random(7)) as soon,
    ):
        call(0)
        began = time.perf_counter()
        call(0)
        longest = (time.perf_counter() - began) * 1.5
        while made < count:
            number += 1
            try:
                soon(longest)
                call(number)
                signal.setitimer(signal.ITIMER_REAL, 0)
            except SoftTimeLimitError as error:
                made += 1
                leaks += leaks_of(error)
            except errors.TransportError:
                signal.setitimer(signal.ITIMER_REAL, 0)
        assert client.converse(MODEL, "Hi", timeout=5).text == "Hello there"
    return leaks


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="needs timers")
def test_interrupts_at_random_points_lose_no_place_and_show_no_key() -> None:
    # In a process of its own: Python warns of the sockets that were being made meanwhile.
    program = f"from wire.test_processes import interrupted\nprint(interrupted({INTERRUPTS}))\n"
    tests = Path(__file__).parents[1]
    # An interrupt inside of coverage's own tracer would leave its lock taken.
    environment = {n: v for n, v in os.environ.items() if not n.startswith("COVERAGE_")}
    environment["PYTHONPATH"] = f"{tests}{os.pathsep}{tests.parent}"
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", program],
        capture_output=True,
        text=True,
        env=environment,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) == 0


async def test_cancellations_at_random_points_lose_no_place() -> None:
    """An event loop turns a signal into a cancellation; one that raises would break the loop."""
    chance = random.Random(3)
    ended = 0

    async def call(number: int) -> str | None:
        if number % 3:
            return (await client.converse(MODEL, "Hi")).text
        async with client.converse_stream(MODEL, "Hi") as stream:
            return (await stream.final_response()).text

    def answer(request: Received) -> Any:
        if request.path.endswith("converse-stream"):
            return [stream_head() + b"".join(map(chunk, FRAMES)) + chunk(b"")]
        return ok()

    with serve(answer) as server:
        client = AsyncBedrockClient(KEY, endpoint_url=server.url, max_connections=2, retry=ONCE)
        await call(0)
        began = time.perf_counter()
        await call(0)
        longest = (time.perf_counter() - began) * 3
        for number in range(INTERRUPTS):
            calls = [asyncio.ensure_future(call(number + place)) for place in range(4)]
            for task in calls:
                await asyncio.sleep(chance.uniform(0, longest / 4))
                task.cancel()
            outcomes = await asyncio.gather(*calls, return_exceptions=True)
            ended += sum(isinstance(outcome, asyncio.CancelledError) for outcome in outcomes)
        for number in range(6):
            assert await asyncio.wait_for(call(number), 5) == "Hello there"
        await client.aclose()

    assert ended > 0


def test_an_interrupted_large_upload_shows_no_key_in_its_frames() -> None:
    def deaf(peer: Peer) -> None:
        peer.hold()

    with (
        hostile(deaf) as server,
        BedrockClient(KEY, endpoint_url=server.url, retry=ONCE) as client,
        interrupts(random.Random(1)),
    ):
        signal.setitimer(signal.ITIMER_REAL, 0.3)
        with pytest.raises(SoftTimeLimitError) as caught:
            client.converse(MODEL, "x" * 20_000_000)

    frames = [frame for frame, _ in traceback.walk_tb(caught.value.__traceback__)]
    assert not any(KEY[40:60] in repr(value) for f in frames for value in f.f_locals.values())


# ------------------------------------------------------------------------------------------ threads


def test_closing_a_stream_in_another_thread_wakes_its_reader() -> None:
    outcome: list[BaseException | str] = []

    def read() -> None:
        try:
            outcome.append(stream.final_response().text)
        except errors.BedrockError as error:
            outcome.append(error)

    with (
        serve([[stream_head() + chunk(START) + chunk(delta("Hi")), HOLD], ok()]) as server,
        BedrockClient(KEY, endpoint_url=server.url, max_connections=1, retry=ONCE) as client,
    ):
        stream = client.converse_stream(MODEL, "Hi").__enter__()
        next(stream)
        next(stream)
        reader = threading.Thread(target=read)
        reader.start()
        time.sleep(0.1)
        stream.close()
        reader.join(5)
        assert not reader.is_alive()
        assert client.converse(MODEL, "Hi", timeout=5).text == "Hello there"

    assert isinstance(outcome[0], errors.StreamInterruptedError)


def run_program(program: str, url: str, colour: Colour) -> subprocess.CompletedProcess[str]:
    """Run a program that takes a server's URL and the kind of client."""
    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program), url, colour.name],
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )


SHUTDOWN_PROGRAM = """
    import asyncio, sys
    from bedrock_bearer import AsyncBedrockClient, BedrockClient

    url, kind = sys.argv[1:]

    def open_stream():
        client = BedrockClient(%r, endpoint_url=url)
        stream = client.converse_stream("model", "Hi").__enter__()
        return client, stream, next(stream)

    async def open_stream_async():
        client = AsyncBedrockClient(%r, endpoint_url=url)
        stream = await client.converse_stream("model", "Hi").__aenter__()
        return client, stream, await anext(stream)

    kept = asyncio.run(open_stream_async()) if kind == "async" else open_stream()
"""


def test_an_interpreter_ends_in_silence_while_a_stream_is_open(colour: Colour) -> None:
    program = SHUTDOWN_PROGRAM % (KEY, KEY)
    with serve([[stream_head() + chunk(START) + chunk(delta("Hi")), HOLD]]) as server:
        done = run_program(program, server.url, colour)

    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


# ------------------------------------------------------------------------------------------- memory

MEMORY_PROGRAM = """
    import asyncio, pathlib, re, sys
    from bedrock_bearer import AsyncBedrockClient, BedrockClient, BedrockError, RetryPolicy

    def peak_kilobytes():
        # Not ru_maxrss: a process inherits that from the one that started it.
        status = pathlib.Path("/proc/self/status").read_text()
        return re.search(r"VmHWM:\\s+([0-9]+) kB", status)[1]

    url, kind = sys.argv[1:]
    arguments = {"api_key": %r, "endpoint_url": url, "retry": RetryPolicy(max_attempts=1)}

    async def call_async():
        async with AsyncBedrockClient(**arguments) as client:
            await client.converse("model", "Hi")

    def call():
        with BedrockClient(**arguments) as client:
            client.converse("model", "Hi")

    try:
        asyncio.run(call_async()) if kind == "async" else call()
    except BedrockError as error:
        print(type(error).__name__, peak_kilobytes())
"""


def endless(peer: Peer) -> None:
    peer.request()
    peer.send(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")
    peer.flood(chunk(b" " * 1_000_000))


def announced(peer: Peer) -> None:
    peer.request()
    peer.send(b"HTTP/1.1 200 OK\r\ncontent-length: 600000000\r\n\r\n")
    peer.flood(b" " * 1_000_000)


def endless_error(peer: Peer) -> None:
    peer.request()
    peer.send(b"HTTP/1.1 500 No\r\ntransfer-encoding: chunked\r\n\r\n")
    peer.flood(chunk(b"x" * 1_000_000))


@pytest.mark.parametrize("behaviour", [endless, announced, endless_error])
def test_no_reply_takes_more_memory_than_it_may(behaviour: Any, colour: Colour) -> None:
    program = MEMORY_PROGRAM % KEY
    with hostile(behaviour) as server:
        done = run_program(program, server.url, colour)
    done.check_returncode()
    name, kilobytes = done.stdout.split()

    assert name in ("ResponseDecodeError", "InternalServerError")
    assert int(kilobytes) * 1024 < 300_000_000


# ---------------------------------------------------------------------------------------- pickling


def call_in_worker(client: BedrockClient) -> str:
    return client.converse(MODEL, "from a worker").text


@pytest.mark.parametrize("method", multiprocessing.get_all_start_methods())
def test_a_client_that_reads_its_key_from_the_environment_can_be_given_to_a_worker(
    method: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_BEARER_TOKEN_BEDROCK", KEY)
    with serve(echo) as server, BedrockClient(endpoint_url=server.url, retry=ONCE) as client:
        assert KEY.encode() not in pickle.dumps(client)
        context = multiprocessing.get_context(method)
        with ProcessPoolExecutor(1, mp_context=context) as workers:
            assert workers.submit(pickle_and_call, pickle.dumps(client)).result(60)


def pickle_and_call(pickled: bytes) -> bool:
    with pickle.loads(pickled) as client:
        return call_in_worker(client) == "from a worker"


def test_a_client_keeps_its_settings_over_a_pickle(tmp_path: Path, colour: Colour) -> None:
    (tmp_path / "key").write_text(KEY)
    client = colour.client_class(
        FileKey(tmp_path / "key"), endpoint_url="http://127.0.0.1:1/base", timeout=7, deadline=9
    )
    twin = pickle.loads(pickle.dumps(client))

    assert type(twin) is type(client)
    assert twin.endpoint_url == "http://127.0.0.1:1/base"
    assert pickle.dumps(twin) == pickle.dumps(client)


def test_a_client_with_a_fixed_key_says_how_to_build_it_in_the_worker(colour: Colour) -> None:
    client = colour.client_class(KEY, endpoint_url="http://127.0.0.1:1")
    with pytest.raises(TypeError, match="Make the client in the worker"):
        pickle.dumps(client)
