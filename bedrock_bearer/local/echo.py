"""The reply to a request that no script answers: an echo, a tool's use, or JSON by a schema."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from bedrock_bearer.local import tokens
from bedrock_bearer.local.http import Document
from bedrock_bearer.local.replies import Reply, last_text, text_reply, tool_use_reply
from bedrock_bearer.local.schemas import example_of

GREETINGS = ("hello", "hi", "hey", "good morning", "good evening")


def echo(request: Document) -> Reply:
    """Return the reply to a request of Converse."""
    forced = _forced_tool(request)
    if forced is not None:
        spec = forced["toolSpec"]
        arguments = example_of(spec["inputSchema"]["json"])
        return tool_use_reply(spec["name"], arguments if isinstance(arguments, dict) else {})
    schema = _output_schema(request)
    text = _echo_text(request) if schema is None else json.dumps(example_of(schema))
    return _within_limits(text, request.get("inferenceConfig") or {})


def _echo_text(request: Document) -> str:
    for block in (request.get("messages") or [{}])[-1].get("content") or []:
        if "toolResult" in block:
            return "The tool answered: " + _tool_result_text(block["toolResult"])
    prompt = last_text(request).strip()
    if prompt.lower().rstrip("!.,? ") in GREETINGS:
        return "Hello! How can I help you today?"
    return f"You said: {prompt}" if prompt else "I see what you sent."


def _within_limits(text: str, config: Mapping[str, Any]) -> Reply:
    for stop in config.get("stopSequences") or ():
        if stop in text:
            return text_reply(text.partition(stop)[0] + stop, stop_reason="stop_sequence")
    limit = config.get("maxTokens")
    if not limit or tokens.count_text(text) <= limit:
        return text_reply(text)
    return text_reply(text[: limit * tokens.CHARACTERS_PER_TOKEN], stop_reason="max_tokens")


def _forced_tool(request: Document) -> dict[str, Any] | None:
    config = request.get("toolConfig") or {}
    choice = config.get("toolChoice") or {}
    tools: list[dict[str, Any]] = [tool for tool in config.get("tools") or [] if "toolSpec" in tool]
    if "any" in choice and tools:
        return tools[0]
    wanted = (choice.get("tool") or {}).get("name")
    return next((tool for tool in tools if tool["toolSpec"]["name"] == wanted), None)


def _output_schema(request: Document) -> Any:
    """The schema of `outputConfig`, or of Anthropic's own `output_config`."""
    text_format = (request.get("outputConfig") or {}).get("textFormat")
    if text_format:
        return json.loads(text_format["structure"]["jsonSchema"]["schema"])
    own = (request.get("additionalModelRequestFields") or {}).get("output_config")
    own_format = own.get("format") if isinstance(own, Mapping) else None
    return own_format.get("schema") if isinstance(own_format, Mapping) else None


def _tool_result_text(result: Mapping[str, Any]) -> str:
    parts = result.get("content", [])
    return " ".join(
        part["text"] if "text" in part else json.dumps(part["json"])
        for part in parts
        if "text" in part or "json" in part
    )
