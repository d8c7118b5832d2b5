"""OpenAI's Chat Completions at `/openai/v1/chat/completions`, over the same replies as Converse.

https://docs.aws.amazon.com/bedrock/latest/userguide/inference-chat-completions.html
"""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Iterator, Mapping
from typing import Any, Literal

from pydantic import Field

from bedrock_bearer.local import tokens
from bedrock_bearer.local.http import LocalResponse, json_response
from bedrock_bearer.local.replies import Reply, written_text
from bedrock_bearer.local.routes import RouteModel, server_sent_events
from bedrock_bearer.local.service_errors import invalid

_FINISH_REASONS = {
    "max_tokens": "length",
    "tool_use": "tool_calls",
    "guardrail_intervened": "content_filter",
    "content_filtered": "content_filter",
}


class _Part(RouteModel):
    type: str
    text: str = ""


class _CalledFunction(RouteModel):
    name: str
    arguments: str = "{}"


class _ToolCall(RouteModel):
    id: str
    function: _CalledFunction


class _Message(RouteModel):
    role: Literal["system", "developer", "user", "assistant", "tool"]
    content: str | list[_Part] | None = None
    tool_calls: list[_ToolCall] | None = None
    tool_call_id: str | None = None

    def text(self) -> str:
        if isinstance(self.content, list):
            return "\n".join(part.text for part in self.content if part.type == "text")
        return self.content or ""


class _Function(RouteModel):
    name: str = Field(min_length=1, max_length=64, pattern=r"^[a-zA-Z0-9_-]+$")
    description: str | None = None
    parameters: dict[str, Any] | None = None


class _Tool(RouteModel):
    type: Literal["function"]
    function: _Function


class _NamedFunction(RouteModel):
    name: str


class _ToolChoice(RouteModel):
    function: _NamedFunction


class _JsonSchema(RouteModel):
    definition: dict[str, Any] = Field(alias="schema")


class _ResponseFormat(RouteModel):
    json_schema: _JsonSchema | None = None


class _StreamOptions(RouteModel):
    include_usage: bool = False


class ChatRequest(RouteModel):
    """A request, as far as the local Bedrock reads it."""

    model: str
    messages: list[_Message] = Field(min_length=1)
    stream: bool = False
    stream_options: _StreamOptions | None = None
    max_tokens: int | None = Field(default=None, ge=1)
    max_completion_tokens: int | None = Field(default=None, ge=1)
    temperature: float | None = Field(default=None, ge=0, le=2)
    top_p: float | None = Field(default=None, ge=0, le=1)
    stop: str | list[str] | None = None
    tools: list[_Tool] | None = None
    tool_choice: str | _ToolChoice | None = None
    response_format: _ResponseFormat | None = None

    def to_converse(self) -> dict[str, Any]:
        """Return the same request as Converse has it."""
        system = [m.text() for m in self.messages if m.role in ("system", "developer")]
        request: dict[str, Any] = {
            "messages": [_converse_message(m) for m in self.messages if m.role in _ROLES],
            "inferenceConfig": {},
        }
        if system:
            request["system"] = [{"text": text} for text in system]
        limit = self.max_completion_tokens or self.max_tokens
        if limit is not None:
            request["inferenceConfig"]["maxTokens"] = limit
        if self.stop:
            stops = [self.stop] if isinstance(self.stop, str) else self.stop
            request["inferenceConfig"]["stopSequences"] = stops
        if self.tools:
            request["toolConfig"] = self._tool_config(self.tools)
        if self.response_format is not None and self.response_format.json_schema is not None:
            schema = self.response_format.json_schema.definition
            own = {"output_config": {"format": {"type": "json_schema", "schema": schema}}}
            request["additionalModelRequestFields"] = own
        return request

    def _tool_config(self, tools: list[_Tool]) -> dict[str, Any]:
        specs = [
            {
                "toolSpec": {
                    "name": tool.function.name,
                    "inputSchema": {"json": tool.function.parameters or {"type": "object"}},
                }
            }
            for tool in tools
        ]
        config: dict[str, Any] = {"tools": specs}
        if self.tool_choice == "required":
            config["toolChoice"] = {"any": {}}
        elif isinstance(self.tool_choice, _ToolChoice):
            config["toolChoice"] = {"tool": {"name": self.tool_choice.function.name}}
        return config

    def response(self, reply: Reply, usage: Mapping[str, int]) -> LocalResponse:
        """Return the reply as this route has it, streamed if the request says so."""
        if self.stream:
            return server_sent_events(self._chunks(reply, usage))
        body = self._frame("chat.completion") | {
            "choices": [
                {
                    "finish_reason": _finish_reason(reply),
                    "index": 0,
                    "logprobs": None,
                    "message": _message(reply),
                }
            ],
            "usage": _usage(usage),
        }
        return json_response(200, body)

    def _chunks(self, reply: Reply, usage: Mapping[str, int]) -> Iterator[tuple[None, Any]]:
        frame = self._frame("chat.completion.chunk")

        def chunk(delta: dict[str, Any], finish_reason: str | None = None) -> tuple[None, Any]:
            choice = {"delta": delta, "finish_reason": finish_reason, "index": 0}
            return None, frame | {"choices": [choice]}

        yield chunk({"content": "", "role": "assistant"})
        for text in _texts(reply):
            for piece in tokens.pieces(text):
                yield chunk({"content": piece})
        for number, call in enumerate(_tool_calls(reply)):
            yield chunk({"tool_calls": [{"index": number, **call}]})
        yield chunk({}, _finish_reason(reply))
        if self.stream_options is not None and self.stream_options.include_usage:
            yield None, frame | {"choices": [], "usage": _usage(usage)}
        yield None, "[DONE]"

    def _frame(self, kind: str) -> dict[str, Any]:
        return {
            "created": int(time.time()),
            "id": f"chatcmpl-{secrets.token_hex(12)}",
            "model": self.model,
            "object": kind,
        }


_ROLES = ("user", "assistant", "tool")


def _converse_message(message: _Message) -> dict[str, Any]:
    if message.role == "tool":
        content = [{"text": message.text()}]
        result = {"toolUseId": message.tool_call_id or "", "content": content}
        return {"role": "user", "content": [{"toolResult": result}]}
    blocks: list[dict[str, Any]] = [{"text": message.text()}] if message.text() else []
    for call in message.tool_calls or ():
        use = {
            "toolUseId": call.id,
            "name": call.function.name,
            "input": _arguments(call.function.arguments),
        }
        blocks.append({"toolUse": use})
    return {"role": message.role, "content": blocks or [{"text": " "}]}


def _arguments(text: str) -> dict[str, Any]:
    try:
        arguments = json.loads(text or "{}")
    except ValueError:
        arguments = None
    if not isinstance(arguments, dict):
        raise invalid("The arguments of a tool call have to be a JSON object.")
    return arguments


def _message(reply: Reply) -> dict[str, Any]:
    message: dict[str, Any] = {
        "content": "".join(_texts(reply)) or None,
        "refusal": None,
        "role": "assistant",
    }
    calls = list(_tool_calls(reply))
    return message | {"tool_calls": calls} if calls else message


def _texts(reply: Reply) -> list[str]:
    texts = map(written_text, reply.content)
    return [text for text in texts if text is not None]


def _tool_calls(reply: Reply) -> Iterator[dict[str, Any]]:
    for block in reply.content:
        if "toolUse" in block:
            use = block["toolUse"]
            arguments = json.dumps(use.get("input", {}), ensure_ascii=False)
            function = {"arguments": arguments, "name": use["name"]}
            yield {"function": function, "id": use["toolUseId"], "type": "function"}


def _finish_reason(reply: Reply) -> str:
    return _FINISH_REASONS.get(reply.stop_reason, "stop")


def _usage(usage: Mapping[str, int]) -> dict[str, int]:
    return {
        "completion_tokens": usage["outputTokens"],
        "prompt_tokens": usage["inputTokens"],
        "total_tokens": usage["totalTokens"],
    }
