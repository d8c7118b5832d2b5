"""Calls Bedrock with boto3 and prints what it read, as JSON."""

from __future__ import annotations

import json
import os
import sys
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

MODEL = "us.anthropic.claude-sonnet-4-6"
SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
REQUEST: dict[str, Any] = {
    "modelId": MODEL,
    "messages": [{"role": "user", "content": [{"text": "Hello"}]}],
}
TOOL = {"toolSpec": {"name": "weather", "inputSchema": {"json": SCHEMA}}}
TOOLS = {"tools": [TOOL], "toolChoice": {"any": {}}}
STRUCTURE = {"jsonSchema": {"name": "city", "schema": json.dumps(SCHEMA)}}
OUTPUT = {"textFormat": {"type": "json_schema", "structure": STRUCTURE}}


def client() -> Any:
    return boto3.client("bedrock-runtime", config=Config(retries={"total_max_attempts": 1}))


def block_of(reply: Any) -> Any:
    return reply["output"]["message"]["content"][0]


def main() -> dict[str, Any]:
    runtime = client()
    events = runtime.converse_stream(**REQUEST)["stream"]
    deltas = [e["contentBlockDelta"]["delta"]["text"] for e in events if "contentBlockDelta" in e]
    use = block_of(runtime.converse(**REQUEST, toolConfig=TOOLS))["toolUse"]
    structured = block_of(runtime.converse(**REQUEST, outputConfig=OUTPUT))["text"]
    text = block_of(runtime.converse(**REQUEST))["text"]
    os.environ["AWS_BEARER_TOKEN_BEDROCK"] = os.environ["SHORT_TERM_KEY"]
    denied = ""
    try:
        client().converse(**REQUEST)
    except ClientError as error:
        denied = str(error)
    return {
        "text": text,
        "stream": "".join(deltas),
        "tool": {"name": use["name"], "input": use["input"]},
        "structured": json.loads(structured),
        "denied": denied,
    }


if __name__ == "__main__":
    sys.stdout.write(json.dumps(main()))
