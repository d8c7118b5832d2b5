"""The replies of the local Bedrock: an echo, or what a script says."""

from __future__ import annotations

import json
import secrets
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypedDict, Unpack

from bedrock_bearer.local import tokens
from bedrock_bearer.local.faults import Fault
from bedrock_bearer.local.http import Document

LATENCY_MS = 240


@dataclass(frozen=True, slots=True)
class Reply:
    """A reply of the model, in the terms of the Converse API.

    Attributes:
        content: content blocks, as the wire has them.
        stop_reason: such as `end_turn`.
        usage: token counts by their wire names; made up from the texts if None.
        latency_ms: milliseconds.
        trace: `{"guardrail": ...}`, or None.
        extra: further members of the response, such as `serviceTier`.
        fault: the fault of this reply, or None.
    """

    content: tuple[Document, ...]
    stop_reason: str = "end_turn"
    usage: Mapping[str, Any] | None = None
    latency_ms: int = LATENCY_MS
    trace: Document | None = None
    extra: Document | None = None
    fault: Fault | None = None

    def with_fault(self, fault: Fault) -> Reply:
        """Return this reply with a fault."""
        return replace(self, fault=fault)

    def body(self, request: Document) -> dict[str, Any]:
        """Return the body of the Converse response."""
        body: dict[str, Any] = {
            "metrics": {"latencyMs": self.latency_ms},
            "output": {"message": {"content": list(self.content), "role": "assistant"}},
            "stopReason": self.stop_reason,
            "usage": self.token_counts(request),
        }
        if self.trace is not None:
            body["trace"] = self.trace
        return body | dict(self.extra or {})

    def events(self, request: Document) -> list[tuple[str, dict[str, Any]]]:
        """Return the events of the ConverseStream response: name and payload of each."""
        extra = dict(self.extra or {})
        stop: dict[str, Any] = {"stopReason": self.stop_reason}
        if "additionalModelResponseFields" in extra:
            stop["additionalModelResponseFields"] = extra.pop("additionalModelResponseFields")
        metadata: dict[str, Any] = {
            "metrics": {"latencyMs": self.latency_ms},
            "usage": self.token_counts(request),
        }
        if self.trace is not None:
            metadata["trace"] = self.trace
        events: list[tuple[str, dict[str, Any]]] = [("messageStart", {"role": "assistant"})]
        for index, block in enumerate(self.content):
            events += _block_events(index, block)
        return [*events, ("messageStop", stop), ("metadata", metadata | extra)]

    def token_counts(self, request: Document) -> dict[str, Any]:
        """Return `usage`, or counts made up from the texts."""
        if self.usage is not None:
            return dict(self.usage)
        given, made = tokens.count_request(request), tokens.count_content(self.content)
        return {"inputTokens": given, "outputTokens": made, "totalTokens": given + made}


class ReplyDetails(TypedDict, total=False):
    """The attributes of a `Reply` besides its content and its trace."""

    stop_reason: str
    usage: Mapping[str, Any] | None
    latency_ms: int
    extra: Document | None
    fault: Fault | None


class AllReplyDetails(ReplyDetails, total=False):
    """The attributes of a `Reply` besides its content."""

    trace: Document | None


Step = Reply | Fault | str | Callable[[Document], Reply]
"""The answer to a call: a reply, a fault, a text, or a function that makes a reply of a request."""


def text_reply(text: str, **details: Unpack[AllReplyDetails]) -> Reply:
    """Return a reply of one text block. `details` are further attributes of `Reply`.

    >>> reply = text_reply("Hi there!", stop_reason="max_tokens", latency_ms=551)
    """
    return Reply(({"text": text},), **details)


def tool_use_reply(
    name: str,
    arguments: Mapping[str, Any],
    *,
    tool_use_id: str | None = None,
    text: str | None = None,
    **details: Unpack[AllReplyDetails],
) -> Reply:
    """Return a reply that asks for a tool, perhaps after some text.

    >>> reply = tool_use_reply("weather", {"city": "Bonn"}, text="Let me see.")
    """
    use = tool_use_block(name, arguments, tool_use_id)
    blocks = ({"text": text}, use) if text else (use,)
    completed: AllReplyDetails = {"stop_reason": "tool_use", **details}
    return Reply(blocks, **completed)


def tool_use_block(
    name: str, arguments: Mapping[str, Any], tool_use_id: str | None = None
) -> dict[str, Any]:
    """Return a `toolUse` block; an id is made up if none is given."""
    identity = tool_use_id or "tooluse_" + secrets.token_urlsafe(16)
    return {"toolUse": {"input": dict(arguments), "name": name, "toolUseId": identity}}


def reasoning_reply(
    reasoning: str,
    text: str,
    *,
    signature: str = "c2lnbmF0dXJl",
    **details: Unpack[AllReplyDetails],
) -> Reply:
    """Return a reply that reasons before it answers.

    >>> reply = reasoning_reply("6 * 7 = 42.", "The answer is 42.")
    """
    return Reply((reasoning_block(reasoning, signature), {"text": text}), **details)


def reasoning_block(reasoning: str, signature: str = "c2lnbmF0dXJl") -> dict[str, Any]:
    """Return a `reasoningContent` block."""
    return {"reasoningContent": {"reasoningText": {"signature": signature, "text": reasoning}}}


def cited_reply(
    text: str, citations: Sequence[Document], **details: Unpack[AllReplyDetails]
) -> Reply:
    """Return a reply whose text has `citations`, each in wire form.

    >>> reply = cited_reply("So it is.", [{"title": "A book"}])
    """
    block = {"citationsContent": {"citations": list(citations), "content": [{"text": text}]}}
    return Reply((block,), **details)


def structured_reply(value: Any, **details: Unpack[AllReplyDetails]) -> Reply:
    """Return a reply of structured output: its text is `value` as JSON.

    >>> structured_reply({"n": 1}).content
    ({'text': '{"n":1}'},)
    """
    return text_reply(json.dumps(value, ensure_ascii=False, separators=(",", ":")), **details)


def guardrail_reply(
    text: str, trace: Document | None = None, **details: Unpack[ReplyDetails]
) -> Reply:
    """Return the reply that a guardrail gives when it intervenes.

    >>> reply = guardrail_reply("Sorry, not that.")
    """
    completed: ReplyDetails = {"stop_reason": "guardrail_intervened", **details}
    return text_reply(text, trace=trace, **completed)


PreparedStep = Reply | Fault | Callable[[Document], Reply]


class Script:
    """Scripted replies: a queue, used first, and replies to certain prompts."""

    def __init__(self) -> None:
        self._queue: deque[PreparedStep] = deque()
        self._by_prompt: dict[str, PreparedStep] = {}

    def append(self, *steps: Step) -> None:
        """Queue steps, one for each of the next calls."""
        self._queue.extend([_checked(step) for step in steps])

    def answer(self, prompt: str, step: Step) -> None:
        """Answer this exact prompt with `step`, every time."""
        self._by_prompt[prompt.strip()] = _checked(step)

    def __len__(self) -> int:
        return len(self._queue)

    def next_step(self, request: Document) -> PreparedStep | None:
        """Return the step for a request, or None if there is none."""
        if self._queue:
            return self._queue.popleft()
        return self._by_prompt.get(last_text(request).strip())


def _checked(step: Step) -> PreparedStep:
    if isinstance(step, str):
        return text_reply(step)
    if isinstance(step, Reply | Fault) or callable(step):
        return step
    raise TypeError(f"a step is a reply, a fault, a text or a function, not {type(step).__name__}")


def last_text(request: Document) -> str:
    """Return the text of the last message; guarded text counts too."""
    messages = request.get("messages") or [{}]
    content = messages[-1].get("content") or []
    if isinstance(content, str):
        return content
    texts = [_text_of(block) for block in content]
    return "\n".join(text for text in texts if text)


def _text_of(block: Mapping[str, Any]) -> str:
    if "guardContent" in block:
        return str((block["guardContent"].get("text") or {}).get("text", ""))
    return str(block.get("text", ""))


def written_text(block: Document) -> str | None:
    """Return the text of a block of a reply, cited or not; None if it is of another kind."""
    if "citationsContent" in block:
        return "".join(part["text"] for part in block["citationsContent"].get("content", ()))
    return block.get("text")


def _block_events(index: int, block: Document) -> list[tuple[str, dict[str, Any]]]:
    kind, value = next(iter(block.items()))
    start, deltas = _SPLITTERS.get(kind, _split_unknown)(value)
    events: list[tuple[str, dict[str, Any]]] = []
    if start is not None:
        events.append(("contentBlockStart", {"contentBlockIndex": index, "start": {kind: start}}))
    for delta in deltas:
        events.append(("contentBlockDelta", {"contentBlockIndex": index, "delta": delta}))
    return [*events, ("contentBlockStop", {"contentBlockIndex": index})]


_Split = tuple[dict[str, Any] | None, list[dict[str, Any]]]


def _split_text(text: str) -> _Split:
    return None, [{"text": piece} for piece in tokens.pieces(text)]


def _split_tool_use(use: Mapping[str, Any]) -> _Split:
    start = {name: value for name, value in use.items() if name != "input"}
    text = json.dumps(use.get("input", {}), ensure_ascii=False, separators=(",", ":"))
    half = len(text) // 2
    return start, [{"toolUse": {"input": part}} for part in (text[:half], text[half:]) if part]


def _split_tool_result(result: Mapping[str, Any]) -> _Split:
    start = {name: value for name, value in result.items() if name != "content"}
    return start, [{"toolResult": list(result.get("content", []))}]


def _split_reasoning(reasoning: Mapping[str, Any]) -> _Split:
    if "redactedContent" in reasoning:
        return None, [{"reasoningContent": {"redactedContent": reasoning["redactedContent"]}}]
    text = reasoning["reasoningText"]
    deltas = [{"reasoningContent": {"text": piece}} for piece in tokens.pieces(text["text"])]
    if "signature" in text:
        deltas.append({"reasoningContent": {"signature": text["signature"]}})
    return None, deltas


def _split_citations(cited: Mapping[str, Any]) -> _Split:
    texts = [
        {"text": piece} for c in cited.get("content", []) for piece in tokens.pieces(c["text"])
    ]
    return None, [*texts, *({"citation": citation} for citation in cited.get("citations", []))]


def _split_image(image: Mapping[str, Any]) -> _Split:
    return {"format": image["format"]}, [{"image": {"source": image["source"]}}]


def _split_unknown(value: Any) -> _Split:
    raise ValueError("this content block has no form in a stream; script it for Converse only")


_SPLITTERS: dict[str, Callable[[Any], _Split]] = {
    "text": _split_text,
    "toolUse": _split_tool_use,
    "toolResult": _split_tool_result,
    "reasoningContent": _split_reasoning,
    "citationsContent": _split_citations,
    "image": _split_image,
}
