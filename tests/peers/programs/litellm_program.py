"""Calls Bedrock with litellm and prints what it read, as JSON."""

from __future__ import annotations

import json
import os
import sys
from importlib import import_module
from typing import Any

from pydantic import BaseModel

REQUEST: dict[str, Any] = {
    "model": "bedrock/converse/us.anthropic.claude-sonnet-4-6",
    "messages": [{"role": "user", "content": "Hello"}],
}
SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
FUNCTION = {"name": "weather", "description": "Tells the weather.", "parameters": SCHEMA}
TOOL = {"type": "function", "function": FUNCTION}


class City(BaseModel):
    city: str


def main() -> dict[str, Any]:
    # It reads no AWS_CA_BUNDLE.
    os.environ["SSL_CERT_FILE"] = os.environ["AWS_CA_BUNDLE"]
    # Imported by name: the environment that checks types has no litellm.
    litellm = import_module("litellm")
    endpoint = {"aws_bedrock_runtime_endpoint": os.environ["AWS_ENDPOINT_URL"]}

    def complete(**options: Any) -> Any:
        key = os.environ["LONG_TERM_KEY"]
        return litellm.completion(**REQUEST, **endpoint, **{"api_key": key, **options})

    denied = ""
    try:
        complete(api_key=os.environ["SHORT_TERM_KEY"])
    except litellm.exceptions.PermissionDeniedError as error:
        denied = str(error)
    except litellm.exceptions.AuthenticationError as error:
        denied = str(error)
    asked = complete(tools=[TOOL], tool_choice="required")
    function = asked.choices[0].message.tool_calls[0].function
    structured = complete(response_format=City).choices[0].message.content
    chunks = list(complete(stream=True))
    return {
        "text": complete().choices[0].message.content,
        "stream": "".join(chunk.choices[0].delta.content or "" for chunk in chunks),
        "tool": {"name": function.name, "input": json.loads(function.arguments)},
        "structured": json.loads(structured),
        "denied": denied,
    }


if __name__ == "__main__":
    sys.stdout.write(json.dumps(main()))
