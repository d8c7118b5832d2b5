"""Checks of a request's body: AWS's service model first, then the rules that the model lacks.

Where recorded traffic shows that AWS accepts more than its documentation says, so does this:
turns of one role after another, a first turn of the assistant, blank text, `_` in a document's
name.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping
from itertools import groupby
from typing import Any

from bedrock_bearer.local import tokens
from bedrock_bearer.local.constraints import checked, expect_kind
from bedrock_bearer.local.http import MAX_BODY_BYTES, json_bytes
from bedrock_bearer.local.models import LocalModel
from bedrock_bearer.local.service_errors import ServiceError, invalid

_HALF_OF_A_PAIR = re.compile(r"\\u[dD][89a-fA-F]")
_DOCUMENT_NAME = re.compile(r"(?!.*\s\s)[a-zA-Z0-9_\s()\[\]-]+", re.ASCII)

Message = Mapping[str, Any]


def read_json(body: bytes) -> dict[str, Any]:
    """Return the JSON object in a request's body, or refuse it."""
    if len(body) > MAX_BODY_BYTES:
        raise invalid(
            "1 validation error detected: Value at 'body' failed to satisfy constraint: Member"
            f" must have length less than or equal to {MAX_BODY_BYTES}"
        )
    try:
        # From bytes, the parser would take UTF-16, and UTF-8 that is not valid.
        text = body.decode("utf-8-sig") or "{}"
        document = json.loads(text, parse_constant=_refuse, parse_float=_finite)
        if _HALF_OF_A_PAIR.search(text):
            # The parser takes half a surrogate pair, but no text in UTF-8 can hold it.
            json_bytes(document)
    except (ValueError, RecursionError):
        raise malformed() from None
    expect_kind(document, dict)
    request: dict[str, Any] = document
    return request


def malformed() -> ServiceError:
    """Return the error for a body that cannot be read."""
    return invalid("Malformed input request, please reformat your input and try again.")


def read_converse(body: bytes, model_id: str, shape: str = "ConverseRequest") -> dict[str, Any]:
    """Return a request of Converse or, by its shape, of ConverseStream, if it is valid."""
    return checked_converse(read_json(body), model_id, shape)


def checked_converse(
    document: Mapping[str, Any], model_id: str, shape: str = "ConverseRequest"
) -> dict[str, Any]:
    """Return a request of Converse, without members that are null, if it is valid."""
    request: dict[str, Any] = checked(shape, {**document, "modelId": model_id})
    del request["modelId"]
    _check_conversation(request)
    _check_objects(request)
    return request


def read_count_tokens(body: bytes, model_id: str) -> dict[str, Any]:
    """Return the `input` of a valid request of CountTokens."""
    request = checked("CountTokensRequest", {**read_json(body), "modelId": model_id})
    given: dict[str, Any] = request["input"]
    if "converse" in given:
        _check_conversation(given["converse"])
        _check_objects(given["converse"], "input.converse.")
    return given


def read_apply_guardrail(body: bytes, identifier: str, version: str) -> dict[str, Any]:
    """Return a valid request of ApplyGuardrail."""
    named = {"guardrailIdentifier": identifier, "guardrailVersion": version}
    request: dict[str, Any] = checked("ApplyGuardrailRequest", {**read_json(body), **named})
    return request


def check_limits(request: Mapping[str, Any], model: LocalModel) -> None:
    """Refuse a request that asks for more than the model can do."""
    wanted = (request.get("inferenceConfig") or {}).get("maxTokens")
    if wanted is not None and wanted > model.output_tokens:
        raise invalid(
            f"The maximum tokens you requested exceeds the model limit of {model.output_tokens}."
            f" Try again with a maximum tokens value that is lower than {model.output_tokens}."
        )
    if tokens.count_request(request) > model.context_tokens:
        raise invalid("Input is too long for requested model.")


def _check_conversation(request: Mapping[str, Any]) -> None:
    messages = request.get("messages")
    if messages is None:
        raise invalid(
            "1 validation error detected: Value null at 'messages' failed to satisfy constraint:"
            " Member must not be null"
        )
    if not messages:
        raise invalid(
            "A conversation must start with a user message."
            " Try again with a conversation that starts with a user message."
        )
    for index, message in enumerate(messages):
        if not message["content"]:
            raise invalid(
                f"The content field in the Message object at messages.{index} is empty."
                " Add a ContentBlock object to the content field and try again."
            )
        for number, block in enumerate(message["content"]):
            place = f"messages.{index}.content.{number}"
            if "toolUse" in block:
                _expect_object(block["toolUse"]["input"], f"{place}.toolUse.input")
            result = block.get("toolResult", {})
            if result.get("status") == "error" and not result["content"]:
                raise invalid(
                    f"The content field at {place}.toolResult cannot be empty when status value"
                    " is error."
                )
        _check_documents(message)
    _check_tools(messages, has_tool_config=bool(request.get("toolConfig")))


def _expect_object(value: Any, place: str) -> None:
    if not isinstance(value, dict):
        raise invalid(
            f"The format of the value at {place} is invalid. Provide a json object for the field"
            " and try again."
        )


def _check_documents(message: Message) -> None:
    blocks = message["content"]
    documents = [block["document"] for block in blocks if "document" in block]
    results = [r for b in blocks for r in b.get("toolResult", {}).get("content", ())]
    documents += [result["document"] for result in results if "document" in result]
    for document in documents:
        if not _DOCUMENT_NAME.fullmatch(document["name"]):
            raise invalid(
                "The document file name can only contain alphanumeric characters, whitespace"
                " characters, hyphens, parentheses, and square brackets. The name can't contain"
                " more than one consecutive whitespace character. Rename your document and try"
                " again."
            )
    if any("document" in block for block in blocks) and not any("text" in b for b in blocks):
        raise invalid("A text block must be included when using documents.")


def _check_tools(messages: list[Message], *, has_tool_config: bool) -> None:
    turns = list(_turns(messages))
    uses = [_ids(turn, "toolUse") for _, turn in turns]
    results = [_ids(turn, "toolResult") for _, turn in turns]
    if not has_tool_config and any([*uses, *results]):
        raise invalid(
            "The toolConfig field must be defined when using toolUse and toolResult content blocks."
        )
    for number, ((index, _), answered) in enumerate(zip(turns, results, strict=True)):
        asked = uses[number - 1] if number else []
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


def _turns(messages: list[Message]) -> Iterator[tuple[int, list[Message]]]:
    """Messages of one role in a row, with the index of the first."""
    for _, group in groupby(enumerate(messages), key=lambda numbered: numbered[1]["role"]):
        numbered = list(group)
        yield numbered[0][0], [message for _, message in numbered]


def _ids(turn: list[Message], kind: str) -> list[str]:
    """The tool-use ids of a turn's blocks of one kind, without those of server tools."""
    return [
        block[kind]["toolUseId"]
        for message in turn
        for block in message["content"]
        if kind in block
        and block[kind].get("type") != "server_tool_use"
        and message["role"] != _SERVER_SIDE.get(kind)
    ]


_SERVER_SIDE = {"toolResult": "assistant", "toolUse": "user"}


def _check_objects(request: Mapping[str, Any], above: str = "") -> None:
    """Refuse free JSON that has to be an object, wherever the model lets it be anything."""
    if "additionalModelRequestFields" in request:
        place = f"{above}additionalModelRequestFields"
        _expect_object(request["additionalModelRequestFields"], place)
    for number, tool in enumerate((request.get("toolConfig") or {}).get("tools", ())):
        if "toolSpec" in tool:
            place = f"{above}toolConfig.tools.{number}.toolSpec.inputSchema.json"
            schema = tool["toolSpec"]["inputSchema"]["json"]
            _expect_object(schema, place)
            if schema.get("type") != "object":
                raise invalid(f"The value at {place}.type must be one of the following: object.")
    text_format = (request.get("outputConfig") or {}).get("textFormat")
    if text_format is not None:
        place = "outputConfig.textFormat.structure.jsonSchema.schema"
        try:
            schema = json.loads(text_format["structure"]["jsonSchema"]["schema"])
        except ValueError:
            schema = None
        _expect_object(schema, place)


def _refuse(constant: str) -> Any:
    raise ValueError(f"{constant} is not JSON")


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError("a number beyond the range of floats")
    return number
