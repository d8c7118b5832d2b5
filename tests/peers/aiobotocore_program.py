"""Calls Bedrock with aiobotocore and prints what it read, as JSON. Run by a test.

The endpoint, the key and the authority come from AWS's own environment variables.
"""

from __future__ import annotations

import asyncio
import json
import sys
from importlib import import_module
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError


async def main(model: str, prompt: str) -> dict[str, Any]:
    messages = [{"role": "user", "content": [{"text": prompt}]}]
    # Imported by name: the environment that checks types has no aiobotocore.
    config = import_module("aiobotocore.config").AioConfig(retries={"total_max_attempts": 1})
    session = import_module("aiobotocore.session").get_session()
    async with session.create_client("bedrock-runtime", config=config) as client:
        try:
            reply = await client.converse(modelId=model, messages=messages)
            del reply["ResponseMetadata"]
            opened = await client.converse_stream(modelId=model, messages=messages)
            events = [event async for event in opened["stream"]]
        except (BotoCoreError, ClientError) as error:
            return {"error": type(error).__name__, "message": str(error)}
    return {"reply": reply, "events": events}


if __name__ == "__main__":
    sys.stdout.write(json.dumps(asyncio.run(main(*sys.argv[1:]))))
