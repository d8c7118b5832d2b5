"""A long prompt that is sent again and again is read from the cache from the second time on.

`python examples/prompt_cache.py` runs on the Bedrock on this machine.
"""

from bedrock_bearer.local import local_client

RULES = "Answer in one sentence. " * 400

with local_client() as client:
    for question in ("What is a river?", "What is a lake?"):
        reply = client.converse(
            "us.amazon.nova-lite-v1:0",
            question,
            system=[{"text": RULES}, {"cachePoint": {"type": "default"}}],
        )
        usage = reply.usage
        print(
            f"{question} {usage.input_tokens} tokens at the full price,"
            f" {usage.cache_write_input_tokens} written to the cache,"
            f" {usage.cache_read_input_tokens} read from it"
        )
