"""Calls Bedrock with strands and prints what it read, as JSON."""

from __future__ import annotations

import json
import os
import sys
from importlib import import_module
from typing import Any

from pydantic import BaseModel

MODEL = "us.anthropic.claude-sonnet-4-6"
CALLS: list[dict[str, Any]] = []


class City(BaseModel):
    """A city."""

    city: str


def weather(city: str) -> str:
    """Tell the weather in a city."""
    CALLS.append({"name": "weather", "input": {"city": city}})
    return "sunny"


def agent(*, streaming: bool = True, **options: Any) -> Any:
    # Imported by name: the environment that checks types has no strands.
    model = import_module("strands.models").BedrockModel(model_id=MODEL, streaming=streaming)
    return import_module("strands").Agent(model=model, callback_handler=None, **options)


def main() -> dict[str, Any]:
    agent(tools=[import_module("strands").tool(weather)])("Weather in Bonn?")
    structured = agent()("Hello", structured_output_model=City).structured_output
    text, streamed = (str(agent(streaming=way)("Hello")).strip() for way in (False, True))
    os.environ["AWS_BEARER_TOKEN_BEDROCK"] = os.environ["SHORT_TERM_KEY"]
    denied = ""
    try:
        agent()("Hello")
    except Exception as error:
        denied = str(error)
    return {
        "text": text,
        "stream": streamed,
        "tool": CALLS[0],
        "structured": structured.model_dump(),
        "denied": denied,
    }


if __name__ == "__main__":
    sys.stdout.write(json.dumps(main()))
