"""One contender in one scenario, in a process of its own: prints what it measured as JSON."""

from __future__ import annotations

import json
import sys
import time
from typing import Any

from benchmarks.contenders import ASYNC, IMPORTS, SYNC

EVENTS = 5000


def import_time(contender: str, url: str, seconds: float) -> float:
    """Milliseconds to import what a user imports."""
    import importlib

    module, name = IMPORTS[contender]
    start = time.perf_counter()
    getattr(importlib.import_module(module), name)
    return (time.perf_counter() - start) * 1000


def first_reply(contender: str, url: str, seconds: float) -> dict[str, float]:
    """When the first reply was there, on the clock all processes share, and the memory then."""
    if contender in SYNC:
        SYNC[contender](url, "echo").call()
        return {"at": time.monotonic(), "memory": _resident_megabytes()}
    import asyncio

    return asyncio.run(_first_reply_async(contender, url))


async def _first_reply_async(contender: str, url: str) -> dict[str, float]:
    client = ASYNC[contender](url, "echo")
    await client.open()
    await client.call()
    result = {"at": time.monotonic(), "memory": _resident_megabytes()}
    await client.close()
    return result


def _resident_megabytes() -> float:
    with open("/proc/self/status") as status:
        (line,) = [line for line in status if line.startswith("VmRSS:")]
    return int(line.split()[1]) / 1024


def one_call(contender: str, url: str, seconds: float) -> float:
    """Microseconds for one call after another: the median."""
    client = SYNC[contender](url, "echo")
    _repeat(client.call, seconds / 4)
    return _median(_repeat(client.call, seconds)) * 1e6


def one_event(contender: str, url: str, seconds: float, model: str = "events") -> float:
    """Microseconds for one event of a long stream: the median over streams."""
    client = SYNC[contender](url, f"{model}-{EVENTS}")
    assert client.stream() == EVENTS
    return _median(_repeat(client.stream, seconds)) / EVENTS * 1e6


def one_packed_event(contender: str, url: str, seconds: float) -> float:
    """The same where many events share a chunk."""
    return one_event(contender, url, seconds, "packed")


def _repeat(work: Any, seconds: float) -> list[float]:
    times: list[float] = []
    end = time.perf_counter() + seconds
    while not times or time.perf_counter() < end:
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return times


def _median(values: list[float]) -> float:
    return sorted(values)[len(values) // 2]


def threads(contender: str, url: str, seconds: float) -> float:
    """Calls per second of 64 threads on one client."""
    import threading

    client = SYNC[contender](url, "echo")
    warm = threading.Barrier(65, timeout=120)
    calls = int(15 * seconds)

    def work() -> None:
        client.call()
        warm.wait()
        warm.wait()
        for _ in range(calls):
            client.call()

    workers = [threading.Thread(target=work) for _ in range(64)]
    for worker in workers:
        worker.start()
    warm.wait()
    start = time.perf_counter()
    warm.wait()
    for worker in workers:
        worker.join()
    return 64 * calls / (time.perf_counter() - start)


async def _event_async(contender: str, url: str, seconds: float) -> float:
    client = ASYNC[contender](url, f"events-{EVENTS}")
    await client.open()
    assert await client.stream() == EVENTS
    times: list[float] = []
    end = time.perf_counter() + seconds
    while not times or time.perf_counter() < end:
        start = time.perf_counter()
        await client.stream()
        times.append(time.perf_counter() - start)
    await client.close()
    return _median(times) / EVENTS * 1e6


async def _in_flight(contender: str, url: str, seconds: float, count: int) -> dict[str, float]:
    """Calls per second with `count` always in flight: as connections open, then with all open."""
    client = ASYNC[contender](url, "echo")
    await client.open()
    await client.call()
    # httpx's own pool takes minutes for what the others do in seconds.
    calls = count if contender == "httpx" and count > 50 else max(int(1000 * seconds), 3 * count)
    cold = await _rate(client, calls, count)
    warm = await _rate(client, calls, count)
    await client.close()
    return {"cold": cold, "warm": warm}


async def _rate(client: Any, calls: int, count: int) -> float:
    import asyncio

    remaining = iter(range(calls))

    async def work() -> None:
        for _ in remaining:
            await client.call()

    start = time.perf_counter()
    await asyncio.gather(*(work() for _ in range(count)))
    return calls / (time.perf_counter() - start)


async def _at_once(contender: str, url: str, count: int) -> dict[str, float]:
    """Seconds for `count` calls at once to a server that takes one second, cold and again."""
    import asyncio

    client = ASYNC[contender](url, "delay-1000")
    await client.open()
    times = []
    for _ in range(2):
        start = time.perf_counter()
        await asyncio.gather(*(client.call() for _ in range(count)))
        times.append(time.perf_counter() - start)
    await client.close()
    return {"cold": times[0], "warm": times[1]}


def measure(contender: str, scenario: str, url: str, seconds: float) -> Any:
    """Run one scenario."""
    plain = {
        "import": import_time,
        "first": first_reply,
        "call": one_call,
        "event": one_event,
        "event-packed": one_packed_event,
        "threads": threads,
    }
    if scenario in plain:
        return plain[scenario](contender, url, seconds)
    import asyncio

    kind, _, number = scenario.partition("-")
    if kind == "flight":
        return asyncio.run(_in_flight(contender, url, seconds, int(number)))
    if kind == "delay":
        return asyncio.run(_at_once(contender, url, int(number)))
    return asyncio.run(_event_async(contender, url, seconds))


if __name__ == "__main__":
    result = measure(sys.argv[1], sys.argv[2], sys.argv[3], float(sys.argv[4]))
    sys.stdout.write(json.dumps(result))
