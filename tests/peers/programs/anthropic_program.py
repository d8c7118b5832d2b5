"""Calls Anthropic's Messages with the anthropic SDK and prints what it read, as JSON."""

from __future__ import annotations

import json
import os
import sys
from typing import Any

import anthropic
import httpx2
from pydantic import BaseModel

MODEL = "anthropic.claude-sonnet-4-6"
SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
TOOLS: dict[str, Any] = {
    "tools": [{"name": "weather", "input_schema": SCHEMA}],
    "tool_choice": {"type": "any"},
}
REQUEST: dict[str, Any] = {
    "model": MODEL,
    "max_tokens": 100,
    "messages": [{"role": "user", "content": "Hello"}],
}


class City(BaseModel):
    city: str


def messages(key: str) -> Any:
    client = anthropic.Anthropic(
        base_url=f"{os.environ['AWS_ENDPOINT_URL']}/anthropic",
        api_key=key,
        max_retries=0,
        http_client=httpx2.Client(verify=os.environ["AWS_CA_BUNDLE"]),
    )
    return client.messages


def main() -> dict[str, Any]:
    claude = messages(os.environ["LONG_TERM_KEY"])
    with claude.stream(**REQUEST) as stream:
        texts = list(stream.text_stream)
    use = claude.create(**REQUEST, **TOOLS).content[0]
    denied = ""
    try:
        messages(os.environ["SHORT_TERM_KEY"]).create(**REQUEST)
    except anthropic.PermissionDeniedError as error:
        denied = str(error)
    return {
        "text": claude.create(**REQUEST).content[0].text,
        "stream": "".join(texts),
        "tool": {"name": use.name, "input": use.input},
        "structured": claude.parse(**REQUEST, output_format=City).parsed_output.model_dump(),
        "denied": denied,
    }


if __name__ == "__main__":
    sys.stdout.write(json.dumps(main()))
