"""A reply as it is written, in an event loop: `python examples/stream.py`.

It runs on the Bedrock on this machine. Against AWS, use `AsyncBedrockClient()` instead.
"""

import asyncio

from bedrock_bearer.local import local_async_client


async def main() -> None:
    async with (
        local_async_client() as client,
        client.converse_stream("amazon.nova-micro-v1:0", "Tell a story.") as stream,
    ):
        async for text in stream.text_stream:
            print(text, end="", flush=True)
        reply = await stream.final_response()
    print(f"\n{reply.stop_reason}, {reply.usage.output_tokens} tokens")


asyncio.run(main())
