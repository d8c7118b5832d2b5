"""Calls Chat Completions with the openai SDK and prints what it read, as JSON."""

from __future__ import annotations

import json
import os
import sys
from typing import Any

import httpx2
import openai
from pydantic import BaseModel

MODEL = "openai.gpt-oss-20b-1:0"
SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
FUNCTION = {"type": "function", "function": {"name": "weather", "parameters": SCHEMA}}
REQUEST: dict[str, Any] = {"model": MODEL, "messages": [{"role": "user", "content": "Hello"}]}


class City(BaseModel):
    city: str


def completions(key: str) -> Any:
    client = openai.OpenAI(
        base_url=f"{os.environ['AWS_ENDPOINT_URL']}/openai/v1",
        api_key=key,
        max_retries=0,
        http_client=httpx2.Client(verify=os.environ["AWS_CA_BUNDLE"]),
    )
    return client.chat.completions


def main() -> dict[str, Any]:
    chat = completions(os.environ["LONG_TERM_KEY"])
    chunks = list(chat.create(**REQUEST, stream=True))
    asked = chat.create(**REQUEST, tools=[FUNCTION], tool_choice="required")
    function = asked.choices[0].message.tool_calls[0].function
    parsed = chat.parse(**REQUEST, response_format=City).choices[0].message.parsed
    denied = ""
    try:
        completions(os.environ["SHORT_TERM_KEY"]).create(**REQUEST)
    except openai.AuthenticationError as error:
        denied = str(error)
    return {
        "text": chat.create(**REQUEST).choices[0].message.content,
        "stream": "".join(chunk.choices[0].delta.content or "" for chunk in chunks),
        "tool": {"name": function.name, "input": json.loads(function.arguments)},
        "structured": parsed.model_dump(),
        "denied": denied,
    }


if __name__ == "__main__":
    sys.stdout.write(json.dumps(main()))
