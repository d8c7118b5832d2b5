"""Prompts in a Dask bag, one client for each worker: `python examples/dask_bag.py [COUNT]`

`pip install 'dask[distributed]'`. A local cluster of Dask calls a Bedrock on this machine, which
throttles 2 % of the calls; the clients retry. Against AWS, leave the server out: each worker reads
the key from its own environment.
"""

import functools
import os
import sys
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor

import dask.bag
from distributed import Client

from bedrock_bearer import BedrockClient, BedrockError, RetryPolicy
from bedrock_bearer.local import LocalBedrock, LocalServer, faults

MODEL = "us.amazon.nova-micro-v1:0"


@functools.cache
def client_of_worker(url: str) -> BedrockClient:
    """Return the client of this process."""
    return BedrockClient(endpoint_url=url, region="us-east-1", retry=RetryPolicy(max_attempts=10))


def ask(client: BedrockClient, prompt: str) -> tuple[str, str, int]:
    """Return the prompt, the answer and its tokens; a failed prompt does not fail the others."""
    try:
        reply = client.converse(MODEL, prompt)
    except BedrockError as error:
        return prompt, type(error).__name__, 0
    return prompt, reply.text, reply.usage.total_tokens


def ask_all(prompts: Iterable[str], url: str) -> list[tuple[str, str, int]]:
    """Answer one partition of the bag, some prompts at once."""
    client = client_of_worker(url)
    with ThreadPoolExecutor(16) as threads:
        return list(threads.map(lambda prompt: ask(client, prompt), prompts))


def main(count: int) -> None:
    """Ask COUNT prompts and print what came of them."""
    bedrock = LocalBedrock()
    bedrock.inject_at_rate(faults.throttling(), 0.02)
    os.environ["AWS_BEARER_TOKEN_BEDROCK"] = bedrock.mint_key("LONG_TERM")  # workers inherit it
    prompts = dask.bag.from_sequence(
        [f"Prompt number {number}" for number in range(count)], partition_size=200
    )
    began = time.monotonic()
    with (
        LocalServer(bedrock) as server,
        Client(n_workers=2, threads_per_worker=1, dashboard_address=None),
    ):
        rows = prompts.map_partitions(ask_all, url=server.url).compute()
    seconds = time.monotonic() - began
    answered = sum(answer == f"You said: {prompt}" for prompt, answer, _ in rows)
    tokens = sum(tokens for _, _, tokens in rows)
    print(f"{answered} of {count} prompts answered, {tokens} tokens, {seconds:.1f} s")


if __name__ == "__main__":
    main(int(sys.argv[1]) if sys.argv[1:] else 1000)
