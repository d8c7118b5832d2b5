"""Calls Bedrock with pydantic-ai and prints what it read, as JSON."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from importlib import import_module
from typing import Any

from pydantic import BaseModel

MODEL = "us.anthropic.claude-sonnet-4-6"
CALLS: list[dict[str, Any]] = []


class City(BaseModel):
    city: str


def weather(city: str) -> str:
    """Tell the weather in a city."""
    CALLS.append({"name": "weather", "input": {"city": city}})
    return "sunny"


def agent(key: str, **options: Any) -> Any:
    # Imported by name: the environment that checks types has no pydantic-ai.
    provider = import_module("pydantic_ai.providers.bedrock").BedrockProvider(api_key=key)
    models = import_module("pydantic_ai.models.bedrock")
    model = models.BedrockConverseModel(MODEL, provider=provider)
    return import_module("pydantic_ai").Agent(model, **options)


async def stream(key: str) -> str:
    async with agent(key).run_stream("Hello") as result:
        return "".join([piece async for piece in result.stream_text(delta=True)])


def main() -> dict[str, Any]:
    key = os.environ["LONG_TERM_KEY"]
    denied = ""
    try:
        agent(os.environ["SHORT_TERM_KEY"]).run_sync("Hello")
    except Exception as error:
        denied = str(error)
    agent(key, tools=[weather]).run_sync("Weather in Bonn?")
    return {
        "text": agent(key).run_sync("Hello").output,
        "stream": asyncio.run(stream(key)),
        "tool": CALLS[0],
        "structured": agent(key, output_type=City).run_sync("Hello").output.model_dump(),
        "denied": denied,
    }


if __name__ == "__main__":
    sys.stdout.write(json.dumps(main()))
