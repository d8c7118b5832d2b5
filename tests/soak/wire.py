"""Calls and streams over a server that fails now and then, counted: python tests/soak/wire.py

Not part of the test run. One call in twenty meets a fault. Ends with exit code 1 if a call was
lost, if one got the reply of another, or if memory or open files grew.
"""

from __future__ import annotations

import asyncio
import json
import multiprocessing
import os
import random
import sys
import time
from collections import Counter
from multiprocessing.connection import Connection
from pathlib import Path

import click

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from support.clients import KEY
from support.hostile import Peer, hostile
from support.replies import BLOCK_STOP, METADATA, REPLY, START, STOP, delta
from support.server import chunk, http_reply, stream_head

from bedrock_bearer import AsyncBedrockClient, BedrockError, RetryPolicy

FAULTY = 0.05
AT_ONCE = 50
WARM_UP = 0.3
ALLOWED_GROWTH = 0.1


def serve(ready: Connection) -> None:
    """Answer each call with its own words, but for the faults."""

    def treat(peer: Peer) -> None:
        while request := peer.request():
            text = json.loads(request.partition(b"\r\n\r\n")[2])["messages"][0]["content"][0]
            if b"/converse-stream " in request:
                frames = [START, delta(text["text"]), BLOCK_STOP, STOP, METADATA]
                reply = stream_head() + b"".join(map(chunk, frames)) + chunk(b"")
            else:
                message = {"role": "assistant", "content": [text]}
                reply = http_reply({**REPLY, "output": {"message": message}})
            if random.random() < FAULTY:
                fault = random.choice(["cut", "reset", "garbage", "surplus", "error"])
                if fault == "cut":
                    peer.send(reply[: len(reply) // 2])
                    return
                if fault == "reset":
                    peer.reset()
                    return
                if fault == "garbage":
                    peer.send(bytes(range(256)))
                    return
                reply = reply + reply if fault == "surplus" else http_reply(b"{}", status=503)
            peer.send(reply)

    with hostile(treat, backlog=512) as server:
        ready.send(server.url)
        ready.recv()


def memory() -> int:
    """Return the resident memory of this process in KiB."""
    return int(Path("/proc/self/status").read_text().partition("VmRSS:")[2].split()[0])


def open_files() -> int:
    """Return how many files this process has open."""
    return len(os.listdir("/proc/self/fd"))


async def soak(url: str, calls: int, streams: int) -> tuple[Counter[str], list[tuple[int, int]]]:
    """Make all calls; return what came of them, and memory and open files over time."""
    outcomes: Counter[str] = Counter()
    figures: list[tuple[int, int]] = []
    total = calls + streams
    # Mixed, so that what a first stream takes is taken before the memory is compared.
    kinds = iter(random.sample(["call"] * calls + ["stream"] * streams, total))

    async def work(client: AsyncBedrockClient, number: int) -> None:
        for kind in kinds:
            number += AT_ONCE
            words = f"number {number}"
            try:
                if kind == "call":
                    text = (await client.converse("model", words)).text
                else:
                    async with client.converse_stream("model", words) as stream:
                        text = (await stream.final_response()).text
                outcomes[f"{kind} ok" if text == words else f"{kind} got another's reply"] += 1
            except BedrockError as error:
                outcomes[f"{kind} {type(error).__name__}"] += 1
            if outcomes.total() % max(total // 40, 1) == 0:
                figures.append((memory(), open_files()))

    policy = RetryPolicy(max_attempts=1)
    async with AsyncBedrockClient(
        KEY, endpoint_url=url, retry=policy, max_connections=AT_ONCE, timeout=10
    ) as client:
        await asyncio.gather(*(work(client, number) for number in range(AT_ONCE)))
    return outcomes, figures


@click.command()
@click.option("--calls", default=100_000, show_default=True)
@click.option("--streams", default=10_000, show_default=True)
def main(calls: int, streams: int) -> None:
    """Make calls over a server that fails now and then."""
    ours, theirs = multiprocessing.Pipe()
    server = multiprocessing.get_context("fork").Process(target=serve, args=(theirs,), daemon=True)
    server.start()
    began = time.monotonic()
    outcomes, figures = asyncio.run(soak(ours.recv(), calls, streams))
    seconds = time.monotonic() - began
    ours.send("stop")
    warm, (last, last_files) = figures[int(len(figures) * WARM_UP)], figures[-1]
    growth = last / warm[0] - 1
    click.echo(f"{outcomes.total()} of {calls + streams} calls in {seconds:.0f} s")
    for outcome, count in outcomes.most_common():
        click.echo(f"  {count:8} {outcome}")
    click.echo(f"memory: {warm[0]} KiB once warm, {last} KiB at the end ({growth:+.1%})")
    click.echo(f"open files: {warm[1]} once warm, {last_files} at the end")
    is_mixed = any("another's" in outcome for outcome in outcomes)
    is_whole = outcomes.total() == calls + streams
    if is_mixed or not is_whole or growth > ALLOWED_GROWTH or last_files > warm[1] + AT_ONCE:
        sys.exit(1)


if __name__ == "__main__":
    main()
