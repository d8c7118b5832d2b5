"""Many prompts at once, with progress, retries and a total: `python examples/fan_out.py [COUNT]`

It runs on the Bedrock on this machine, which throttles 2 % of the calls. A semaphore bounds how
many prompts wait at once; the client retries what is throttled. `pip install tqdm` for the bar.
"""

import asyncio
import sys
import time

from tqdm import tqdm

from bedrock_bearer import AsyncBedrockClient, BedrockError, RetryPolicy
from bedrock_bearer.local import LocalBedrock, faults, local_async_client

MODEL = "us.amazon.nova-micro-v1:0"
AT_ONCE = 200


async def ask_all(client: AsyncBedrockClient, prompts: list[str]) -> tuple[list[str | None], int]:
    """Return the answers, None where a prompt failed for good, and the tokens of all."""
    places = asyncio.Semaphore(AT_ONCE)
    tokens = 0
    with tqdm(total=len(prompts), mininterval=1) as bar:

        async def ask(prompt: str) -> str | None:
            nonlocal tokens
            async with places:
                try:
                    reply = await client.converse(MODEL, prompt)
                except BedrockError as error:
                    tqdm.write(f"{prompt}: {type(error).__name__}")
                    return None
                finally:
                    bar.update()
            tokens += reply.usage.total_tokens
            return reply.text

        return await asyncio.gather(*[ask(prompt) for prompt in prompts]), tokens


async def main(count: int) -> None:
    """Ask COUNT prompts and print what came of them."""
    bedrock = LocalBedrock()
    bedrock.inject_at_rate(faults.throttling(), 0.02)
    prompts = [f"Prompt number {number}" for number in range(count)]
    retry = RetryPolicy(max_attempts=10)
    began = time.monotonic()
    async with local_async_client(bedrock, retry=retry) as client:
        answers, tokens = await ask_all(client, prompts)
    answered = sum(
        answer == f"You said: {prompt}" for answer, prompt in zip(answers, prompts, strict=True)
    )
    seconds = time.monotonic() - began
    print(f"{answered} of {count} prompts answered, {tokens} tokens, {seconds:.1f} s")


asyncio.run(main(int(sys.argv[1]) if sys.argv[1:] else 500))
