"""Calls Bedrock with langchain-aws and prints what it read, as JSON."""

from __future__ import annotations

import json
import os
import sys
from importlib import import_module
from typing import Any

from pydantic import BaseModel

MODEL = "us.anthropic.claude-sonnet-4-6"


class City(BaseModel):
    """A city."""

    city: str


def weather(city: str) -> str:
    """Tell the weather in a city."""
    return "sunny"


def chat() -> Any:
    # Imported by name: the environment that checks types has no langchain.
    return import_module("langchain_aws").ChatBedrockConverse(model=MODEL)


def text_of(content: Any) -> str:
    if isinstance(content, str):
        return content
    return "".join(block.get("text", "") for block in content)


def main() -> dict[str, Any]:
    model = chat()
    (call,) = model.bind_tools([weather]).invoke("Weather in Bonn?").tool_calls
    structured = model.with_structured_output(City).invoke("Hello")
    streamed = "".join(text_of(chunk.content) for chunk in model.stream("Hello"))
    text = text_of(model.invoke("Hello").content)
    os.environ["AWS_BEARER_TOKEN_BEDROCK"] = os.environ["SHORT_TERM_KEY"]
    denied = ""
    try:
        chat().invoke("Hello")
    except Exception as error:
        denied = str(error)
    return {
        "text": text,
        "stream": streamed,
        "tool": {"name": call["name"], "input": call["args"]},
        "structured": structured.model_dump(),
        "denied": denied,
    }


if __name__ == "__main__":
    sys.stdout.write(json.dumps(main()))
