"""Checks of a request's body; errors have AWS's own wording."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from itertools import pairwise
from typing import Any

from bedrock_bearer.local import tokens
from bedrock_bearer.local.http import MAX_BODY_BYTES, json_bytes
from bedrock_bearer.local.models import LocalModel
from bedrock_bearer.local.service_errors import ServiceError, invalid

_BLOCK = {
    "text": str,
    "image": dict,
    "document": dict,
    "toolUse": {"toolUseId": str, "name": str},
    "toolResult": {"toolUseId": str, "content": [{"text": str}]},
    "guardContent": {"text": {"text": str}},
}
_TOOL = {"toolSpec": {"name": str, "inputSchema": {"json": dict}}}
CONVERSE = {
    "messages": [{"role": str, "content": [_BLOCK]}],
    "system": [_BLOCK],
    "inferenceConfig": {"maxTokens": int, "stopSequences": [str]},
    "toolConfig": {"tools": [_TOOL], "toolChoice": {"any": dict, "tool": {"name": str}}},
    "guardrailConfig": {"guardrailIdentifier": str, "guardrailVersion": str, "trace": str},
    "outputConfig": {"textFormat": {"structure": {"jsonSchema": {}}}},
}
COUNT_TOKENS = {"input": {"converse": CONVERSE, "invokeModel": {"body": str}}}
APPLY_GUARDRAIL = {"content": [{"text": {"text": str}}]}
"""Of what kind the members of a request are, as far as anything here looks at them."""

_HALF_OF_A_PAIR = re.compile(rb"\\u[dD][89a-fA-F]")

_JSON_NAMES: dict[type, str] = {
    bool: "Boolean",
    dict: "JSONObject",
    float: "Number",
    int: "Integer",
    list: "JSONArray",
    str: "String",
}


def read_json(body: bytes) -> dict[str, Any]:
    """Return the JSON object in a request's body, or refuse it."""
    if len(body) > MAX_BODY_BYTES:
        raise invalid(
            "1 validation error detected: Value at 'body' failed to satisfy constraint: Member"
            f" must have length less than or equal to {MAX_BODY_BYTES}"
        )
    try:
        document = json.loads(body or b"{}", parse_constant=_refuse, parse_float=_finite)
        if _HALF_OF_A_PAIR.search(body):
            # The parser takes half a surrogate pair, but no text in UTF-8 can hold it.
            json_bytes(document)
    except ValueError:
        raise malformed() from None
    _expect(document, dict, "#")
    request: dict[str, Any] = document
    return request


def _refuse(constant: str) -> Any:
    raise ValueError(f"{constant} is not JSON")


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError("a number beyond the range of floats")
    return number


def malformed() -> ServiceError:
    """Return the error for a body that cannot be read."""
    return invalid("Malformed input request, please reformat your input and try again.")


def check_structure(value: Any, kind: Any, path: str = "#") -> None:
    """Refuse a request whose members are not of the kind that they have to be.

    Members that are null are taken out: they mean the same as none.
    """
    _expect(value, kind if isinstance(kind, type) else type(kind), path)
    if isinstance(kind, list):
        for index, item in enumerate(value):
            check_structure(item, kind[0], f"{path}/{index}")
    elif isinstance(kind, dict):
        for name, member in kind.items():
            if value.get(name) is None:
                value.pop(name, None)
            else:
                check_structure(value[name], member, f"{path}/{name}")


def check_converse(request: Mapping[str, Any], model: LocalModel) -> None:
    """Refuse a Converse request that Bedrock would refuse."""
    check_messages(request)
    wanted = (request.get("inferenceConfig") or {}).get("maxTokens")
    if wanted is not None and wanted < 1:
        raise invalid(
            f"1 validation error detected: Value '{wanted}' at 'inferenceConfig.maxTokens' failed"
            " to satisfy constraint: Member must have value greater than or equal to 1"
        )
    if wanted is not None and wanted > model.output_tokens:
        raise invalid(
            f"The maximum tokens you requested exceeds the model limit of {model.output_tokens}."
            " Try again with a maximum tokens value that is lower than"
            f" {model.output_tokens}."
        )
    if tokens.count_request(request) > model.context_tokens:
        raise invalid("Input is too long for requested model.")


def check_messages(request: Mapping[str, Any]) -> None:
    """Refuse messages that are missing, empty, out of turn, or lack their tool results."""
    check_structure(request, CONVERSE)
    messages = request.get("messages")
    if messages is None:
        raise invalid(
            "1 validation error detected: Value null at 'messages' failed to satisfy constraint:"
            " Member must not be null"
        )
    _check_turns(messages)
    for index, message in enumerate(messages):
        _check_content(index, message)
    _check_tools(messages, has_tool_config=bool(request.get("toolConfig")))


def _check_turns(messages: list[dict[str, Any]]) -> None:
    roles = [message.get("role") for message in messages]
    for index, role in enumerate(roles):
        if role not in ("user", "assistant"):
            raise invalid(
                f"1 validation error detected: Value '{role}' at 'messages.{index + 1}.member.role'"
                " failed to satisfy constraint: Member must satisfy enum value set:"
                " [user, assistant]"
            )
    if not roles or roles[0] != "user":
        raise invalid(
            "A conversation must start with a user message."
            " Try again with a conversation that starts with a user message."
        )
    if any(one == other for one, other in pairwise(roles)):
        raise invalid(
            "A conversation must alternate between user and assistant roles. Make sure the"
            " conversation alternates between user and assistant roles and try again."
        )


def _check_content(index: int, message: Mapping[str, Any]) -> None:
    content = message.get("content")
    if not content:
        raise invalid(
            f"The content field in the Message object at messages.{index} is empty."
            " Add a ContentBlock object to the content field and try again."
        )
    for number, block in enumerate(content):
        if isinstance(block.get("text"), str) and not block["text"].strip():
            raise invalid(
                f"The text field in the ContentBlock object at messages.{index}.content.{number}"
                " is blank. Add text to the text field, and try again."
            )
    if any("document" in block for block in content) and not any("text" in b for b in content):
        raise invalid("A text block must be included when using documents.")


def _check_tools(messages: list[dict[str, Any]], *, has_tool_config: bool) -> None:
    uses = [_ids(message, "toolUse") for message in messages]
    results = [_ids(message, "toolResult") for message in messages]
    if not has_tool_config and any([*uses, *results]):
        raise invalid(
            "The toolConfig field must be defined when using toolUse and toolResult content blocks."
        )
    for index, answered in enumerate(results):
        asked = uses[index - 1] if index else []
        if len(answered) > len(asked):
            raise invalid(
                f"The number of toolResult blocks at messages.{index}.content exceeds the number"
                " of toolUse blocks of previous turn."
            )
        missing = [identity for identity in asked if identity not in answered]
        if missing:
            raise invalid(
                f"Expected toolResult blocks at messages.{index}.content for the following Ids:"
                f" {', '.join(missing)}"
            )


def _expect(value: Any, kind: type, path: str) -> None:
    if isinstance(value, kind) and not (kind is int and isinstance(value, bool)):
        return
    raise invalid(
        f"Malformed input request: {path}: expected type: {_JSON_NAMES[kind]}, found:"
        f" {_JSON_NAMES.get(type(value), 'Null')}, please reformat your input and try again."
    )


def _ids(message: Mapping[str, Any], kind: str) -> list[str]:
    """The tool-use ids of a message's blocks of one kind, those of server tools aside."""
    blocks = [block[kind] for block in message["content"] if kind in block]
    return [
        block.get("toolUseId", "")
        for block in blocks
        if block.get("type") != "server_tool_use" and message.get("role") != _SERVER_SIDE.get(kind)
    ]


_SERVER_SIDE = {"toolResult": "assistant", "toolUse": "user"}
