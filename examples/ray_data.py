"""Prompts in Ray Data, one client for each actor: `python examples/ray_data.py [COUNT]`

`pip install 'ray[data]'`. A local cluster of Ray calls a Bedrock on this machine, which throttles
2 % of the calls; the clients retry. Against AWS, leave the server out, and hand each actor the name
of a key source (`env:...`, a file, `ShortTermKeys`), not the key.
"""

import sys
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import ray

from bedrock_bearer import BedrockClient, BedrockError, RetryPolicy
from bedrock_bearer.local import LocalBedrock, LocalServer, faults

MODEL = "us.amazon.nova-micro-v1:0"


class Answer:
    """What each actor runs: its client answers a batch of prompts, some at once."""

    def __init__(self, url: str) -> None:
        retry = RetryPolicy(max_attempts=10)
        # The key is read from the environment of the actor.
        self.client = BedrockClient(endpoint_url=url, region="us-east-1", retry=retry)
        self.threads = ThreadPoolExecutor(16)

    def __call__(self, batch: dict[str, Any]) -> dict[str, Any]:
        answers = list(self.threads.map(self.ask, batch["prompt"]))
        return {
            "prompt": batch["prompt"],
            "answer": [text for text, _ in answers],
            "tokens": [tokens for _, tokens in answers],
        }

    def ask(self, prompt: str) -> tuple[str, int]:
        """Return the answer and its tokens; a failed prompt does not fail its batch."""
        try:
            reply = self.client.converse(MODEL, str(prompt))
        except BedrockError as error:
            return f"{type(error).__name__}", 0
        return reply.text, reply.usage.total_tokens


def main(count: int) -> None:
    """Ask COUNT prompts and print what came of them."""
    bedrock = LocalBedrock()
    bedrock.inject_at_rate(faults.throttling(), 0.02)
    key = bedrock.mint_key("LONG_TERM")
    prompts = [{"prompt": f"Prompt number {number}"} for number in range(count)]
    with LocalServer(bedrock) as server:
        ray.init(
            num_cpus=2,
            include_dashboard=False,
            log_to_driver=False,
            runtime_env={"env_vars": {"AWS_BEARER_TOKEN_BEDROCK": key}},
        )
        began = time.monotonic()
        rows = (
            ray.data.from_items(prompts)
            .map_batches(
                Answer,
                fn_constructor_kwargs={"url": server.url},
                batch_size=200,
                compute=ray.data.ActorPoolStrategy(size=2),
            )
            .take_all()
        )
        seconds = time.monotonic() - began
        ray.shutdown()
    answered = sum(row["answer"] == f"You said: {row['prompt']}" for row in rows)
    tokens = sum(row["tokens"] for row in rows)
    print(f"{answered} of {count} prompts answered, {tokens} tokens, {seconds:.1f} s")


if __name__ == "__main__":
    main(int(sys.argv[1]) if sys.argv[1:] else 1000)
