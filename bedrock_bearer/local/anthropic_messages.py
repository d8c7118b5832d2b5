"""Anthropic's Messages at `/anthropic/v1/messages`, over the same replies as Converse.

https://docs.anthropic.com/en/api/messages
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator, Mapping
from typing import Any, Literal

from pydantic import Field

from bedrock_bearer.local import tokens
from bedrock_bearer.local.http import LocalResponse, json_response
from bedrock_bearer.local.replies import Reply, written_text
from bedrock_bearer.local.routes import RouteModel, server_sent_events
from bedrock_bearer.local.service_errors import invalid

_STOP_REASONS = ("end_turn", "max_tokens", "stop_sequence", "tool_use")


class _Message(RouteModel):
    role: Literal["user", "assistant"]
    content: str | list[dict[str, Any]]


class _Tool(RouteModel):
    name: str = Field(min_length=1, max_length=64, pattern=r"^[a-zA-Z0-9_-]+$")
    input_schema: dict[str, Any]


class MessagesRequest(RouteModel):
    """A request, as far as the local Bedrock reads it."""

    model: str
    messages: list[_Message] = Field(min_length=1)
    max_tokens: int = Field(ge=1)
    stream: bool = False
    system: str | list[dict[str, Any]] | None = None
    temperature: float | None = Field(default=None, ge=0, le=1)
    top_p: float | None = Field(default=None, ge=0, le=1)
    stop_sequences: list[str] | None = None
    tools: list[_Tool] | None = None
    tool_choice: dict[str, Any] | None = None
    output_config: dict[str, Any] | None = None

    def to_converse(self) -> dict[str, Any]:
        """Return the same request as Converse has it."""
        config: dict[str, Any] = {"maxTokens": self.max_tokens}
        request: dict[str, Any] = {
            "messages": [
                {"role": m.role, "content": _converse_blocks(m.content)} for m in self.messages
            ],
            "inferenceConfig": config,
        }
        if self.stop_sequences:
            config["stopSequences"] = self.stop_sequences
        if self.system:
            request["system"] = _converse_blocks(self.system)
        if self.tools:
            specs = [{"name": t.name, "inputSchema": {"json": t.input_schema}} for t in self.tools]
            request["toolConfig"] = {"tools": [{"toolSpec": spec} for spec in specs]}
            match (self.tool_choice or {}).get("type"):
                case "any":
                    request["toolConfig"]["toolChoice"] = {"any": {}}
                case "tool":
                    name = (self.tool_choice or {}).get("name")
                    request["toolConfig"]["toolChoice"] = {"tool": {"name": name}}
        if self.output_config:
            request["additionalModelRequestFields"] = {"output_config": self.output_config}
        return request

    def response(self, reply: Reply, usage: Mapping[str, int]) -> LocalResponse:
        """Return the reply as this route has it, streamed if the request says so."""
        if self.stream:
            return server_sent_events(self._events(reply, usage))
        message = self._message(_usage(usage))
        message["content"] = [_block(block) for block in reply.content]
        return json_response(200, message | self._stop(reply))

    def _events(self, reply: Reply, usage: Mapping[str, int]) -> Iterator[tuple[str, Any]]:
        counts = _usage(usage)
        started = self._message(counts | {"output_tokens": 1})
        yield "message_start", {"type": "message_start", "message": started}
        for index, block in enumerate(reply.content):
            for name, event in _block_events(_block(block)):
                yield name, {"type": name, "index": index, **event}
        delta = {"type": "message_delta", "delta": self._stop(reply), "usage": counts}
        yield "message_delta", delta
        yield "message_stop", {"type": "message_stop"}

    def _stop(self, reply: Reply) -> dict[str, Any]:
        reason = reply.stop_reason if reply.stop_reason in _STOP_REASONS else "refusal"
        stops = self.stop_sequences if reason == "stop_sequence" else None
        text = "".join(written_text(block) or "" for block in reply.content)
        found = next((stop for stop in stops or () if text.endswith(stop)), None)
        return {"stop_reason": reason, "stop_sequence": found}

    def _message(self, usage: dict[str, int]) -> dict[str, Any]:
        return {
            "content": [],
            "id": f"msg_bdrk_{secrets.token_hex(12)}",
            "model": self.model,
            "role": "assistant",
            "stop_reason": None,
            "stop_sequence": None,
            "type": "message",
            "usage": usage,
        }


def _converse_blocks(content: Any) -> list[dict[str, Any]]:
    if isinstance(content, str):
        return [{"text": content}]
    if not isinstance(content, list):
        raise invalid("The content has to be a text or a list of blocks.")
    return [_converse_block(block) for block in content]


def _converse_block(block: Any) -> dict[str, Any]:
    match block:
        case {"type": "text", "text": str(text)}:
            return {"text": text}
        case {"type": "tool_use", "id": use_id, "name": name}:
            return {"toolUse": {"toolUseId": use_id, "name": name, "input": block.get("input", {})}}
        case {"type": "tool_result", "tool_use_id": use_id}:
            given = block.get("content") or ""
            return {"toolResult": {"toolUseId": use_id, "content": _converse_blocks(given)}}
        case {"type": "thinking", "thinking": str(text)}:
            signature = block.get("signature", "")
            return {"reasoningContent": {"reasoningText": {"text": text, "signature": signature}}}
        case {"type": "redacted_thinking", "data": data}:
            return {"reasoningContent": {"redactedContent": data}}
        case {"type": "image", "source": {"type": "base64", "media_type": kind, "data": data}}:
            image_format = str(kind).rpartition("/")[2]
            return {"image": {"format": image_format, "source": {"bytes": data}}}
    kind = block.get("type") if isinstance(block, dict) else None
    raise invalid(f"This local Bedrock does not read blocks of type {kind!r} here.")


def _block(block: Mapping[str, Any]) -> dict[str, Any]:
    if "toolUse" in block:
        use = block["toolUse"]
        named = {"id": use["toolUseId"], "name": use["name"]}
        return {"type": "tool_use", **named, "input": use.get("input", {})}
    if "reasoningContent" in block:
        reasoning = block["reasoningContent"]
        if "redactedContent" in reasoning:
            return {"type": "redacted_thinking", "data": reasoning["redactedContent"]}
        text = reasoning.get("reasoningText") or {}
        signature = text.get("signature", "")
        return {"type": "thinking", "thinking": text.get("text", ""), "signature": signature}
    return {"type": "text", "text": written_text(block) or ""}


def _block_events(block: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    match block["type"]:
        case "tool_use":
            empty = block | {"input": {}}
            text = json.dumps(block["input"], ensure_ascii=False)
            deltas = [{"type": "input_json_delta", "partial_json": text}]
        case "thinking":
            empty = block | {"thinking": "", "signature": ""}
            pieces = tokens.pieces(block["thinking"])
            deltas = [{"type": "thinking_delta", "thinking": piece} for piece in pieces]
            deltas.append({"type": "signature_delta", "signature": block["signature"]})
        case "redacted_thinking":
            empty = block
            deltas = []
        case _:
            empty = block | {"text": ""}
            pieces = tokens.pieces(block["text"])
            deltas = [{"type": "text_delta", "text": piece} for piece in pieces]
    yield "content_block_start", {"content_block": empty}
    for delta in deltas:
        yield "content_block_delta", {"delta": delta}
    yield "content_block_stop", {}


def _usage(usage: Mapping[str, int]) -> dict[str, int]:
    return {
        "cache_creation_input_tokens": usage.get("cacheWriteInputTokens", 0),
        "cache_read_input_tokens": usage.get("cacheReadInputTokens", 0),
        "input_tokens": usage["inputTokens"],
        "output_tokens": usage["outputTokens"],
    }
