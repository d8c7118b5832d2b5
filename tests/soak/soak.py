"""A thousand clients at once on the local Bedrock's socket, for a minute: python tests/soak/soak.py

Not part of the test run. Each client holds a connection of its own and calls without a pause, one
call in four as a stream. Ends with exit code 1 if a call failed or the server's memory grew.
"""

from __future__ import annotations

import asyncio
import os
import resource
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import click

from bedrock_bearer.async_client import AsyncBedrockClient
from bedrock_bearer.errors import BedrockError
from bedrock_bearer.wire.retry import RetryPolicy

MODEL = "amazon.nova-micro-v1:0"
WARM_UP_SHARE = 0.25
ALLOWED_GROWTH = 0.05
OPEN_FILES = 10_000


def start_server() -> tuple[subprocess.Popen[str], dict[str, str]]:
    """Start `local serve`; return it and the variables that it says to export."""
    command = [sys.executable, "-m", "bedrock_bearer", "local", "serve"]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    variables: dict[str, str] = {}
    for line in server.stdout or ():
        name, _, value = line.removeprefix("export ").strip().partition("=")
        variables[name] = value
        if name == "AWS_BEARER_TOKEN_BEDROCK":
            break
    return server, variables


def memory_of(pid: int) -> int:
    """The resident memory of a process in KiB."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0])


async def call_until(
    end: float, number: int, client: AsyncBedrockClient, outcomes: Counter[str]
) -> None:
    """Call without a pause until `end`; count what came of each call."""
    while time.monotonic() < end:
        number += 1
        try:
            if number % 4:
                text = (await client.converse(MODEL, f"number {number}")).text
            else:
                async with client.converse_stream(MODEL, f"number {number}") as stream:
                    text = (await stream.final_response()).text
        except BedrockError as error:
            outcomes[f"{type(error).__name__}: {error.message[:80]}"] += 1
        else:
            outcomes["ok" if text == f"You said: number {number}" else "wrong text"] += 1


async def soak(
    url: str, key: str, clients: int, seconds: float, pid: int
) -> tuple[Counter[str], list[int]]:
    """Run all clients; return what came of the calls, and the server's memory over time."""
    outcomes: Counter[str] = Counter()
    end = time.monotonic() + seconds
    memory: list[int] = []
    async with AsyncBedrockClient(
        key,
        region="us-east-1",
        endpoint_url=url,
        max_connections=clients,
        retry=RetryPolicy(max_attempts=1),
    ) as client:
        calls = [
            asyncio.create_task(call_until(end, number * 1_000_000, client, outcomes))
            for number in range(clients)
        ]
        while time.monotonic() < end:
            memory.append(memory_of(pid))
            await asyncio.sleep(seconds / 60)
        await asyncio.gather(*calls)
    return outcomes, memory


@click.command()
@click.option("--clients", default=1000, show_default=True)
@click.option("--seconds", default=60.0, show_default=True)
def main(clients: int, seconds: float) -> None:
    """Put the local Bedrock under load."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(max(soft, OPEN_FILES), hard), hard))
    server, variables = start_server()
    try:
        url, key = variables["AWS_ENDPOINT_URL"], variables["AWS_BEARER_TOKEN_BEDROCK"]
        outcomes, memory = asyncio.run(soak(url, key, clients, seconds, server.pid))
    finally:
        server.send_signal(signal.SIGINT)
        server.wait()
    warm = memory[int(len(memory) * WARM_UP_SHARE)]
    growth = memory[-1] / warm - 1
    click.echo(f"{clients} clients, {seconds:g} s, {os.cpu_count()} cores")
    click.echo(f"{outcomes.total()} calls, {outcomes.total() / seconds:.0f} a second")
    for outcome, count in outcomes.most_common():
        click.echo(f"  {count:8} {outcome}")
    click.echo(f"server memory: {warm} KiB once warm, {memory[-1]} KiB at the end ({growth:+.1%})")
    if set(outcomes) != {"ok"} or growth > ALLOWED_GROWTH:
        sys.exit(1)


if __name__ == "__main__":
    main()
