"""Calls Bedrock with aiobotocore and prints what it read, as JSON."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from importlib import import_module
from typing import Any

from botocore.exceptions import ClientError

SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
REQUEST: dict[str, Any] = {
    "modelId": "us.anthropic.claude-sonnet-4-6",
    "messages": [{"role": "user", "content": [{"text": "Hello"}]}],
}
TOOL = {"toolSpec": {"name": "weather", "inputSchema": {"json": SCHEMA}}}
TOOLS = {"tools": [TOOL], "toolChoice": {"any": {}}}
STRUCTURE = {"jsonSchema": {"name": "city", "schema": json.dumps(SCHEMA)}}
OUTPUT = {"textFormat": {"type": "json_schema", "structure": STRUCTURE}}


def client() -> Any:
    # Imported by name: the environment that checks types has no aiobotocore.
    return import_module("aiobotocore.session").get_session().create_client("bedrock-runtime")


async def block(runtime: Any, **options: Any) -> Any:
    reply = await runtime.converse(**REQUEST, **options)
    return reply["output"]["message"]["content"][0]


async def main() -> dict[str, Any]:
    async with client() as runtime:
        opened = await runtime.converse_stream(**REQUEST)
        events = [event async for event in opened["stream"]]
        use = (await block(runtime, toolConfig=TOOLS))["toolUse"]
        structured = (await block(runtime, outputConfig=OUTPUT))["text"]
        text = (await block(runtime))["text"]
    os.environ["AWS_BEARER_TOKEN_BEDROCK"] = os.environ["SHORT_TERM_KEY"]
    denied = ""
    async with client() as runtime:
        try:
            await runtime.converse(**REQUEST)
        except ClientError as error:
            denied = str(error)
    deltas = [e["contentBlockDelta"]["delta"]["text"] for e in events if "contentBlockDelta" in e]
    return {
        "text": text,
        "stream": "".join(deltas),
        "tool": {"name": use["name"], "input": use["input"]},
        "structured": json.loads(structured),
        "denied": denied,
    }


if __name__ == "__main__":
    sys.stdout.write(json.dumps(asyncio.run(main())))
