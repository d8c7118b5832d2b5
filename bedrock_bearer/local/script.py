"""Scripts of replies, read from a JSON file.

The file holds a list. Each item is one reply. An item with `prompt` answers that exact prompt
every time; the others are queued, one for each call:

    [
      {"prompt": "Hello", "text": "Hi there!", "usage": {"inputTokens": 8, "outputTokens": 21,
                                                         "totalTokens": 29}},
      {"toolUse": {"name": "weather", "input": {"city": "Bonn"}}},
      {"text": "Sunny.", "reasoning": "The tool said so."},
      {"content": [{"text": "any content blocks"}], "stopReason": "end_turn"},
      {"error": "ThrottlingException"},
      {"fault": "close-mid-frame"}
    ]
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bedrock_bearer.local import faults, replies
from bedrock_bearer.local.faults import Fault
from bedrock_bearer.local.replies import Reply

if TYPE_CHECKING:
    from bedrock_bearer.local.bedrock import LocalBedrock

_MEMBERS = {
    "content",
    "error",
    "fault",
    "latencyMs",
    "message",
    "prompt",
    "reasoning",
    "stopReason",
    "text",
    "toolUse",
    "trace",
    "usage",
}


def load_script(path: str | Path, bedrock: LocalBedrock) -> None:
    """Read a script for `bedrock` to answer with.

    Raises:
        ValueError: the file is not a script; the text says which item is wrong.
    """
    items = json.loads(Path(path).read_text(encoding="utf-8"))
    if not isinstance(items, list):
        raise ValueError("a script is a JSON list of replies")
    for number, item in enumerate(items, 1):
        try:
            step = read_step(item)
        except ValueError as error:
            raise ValueError(f"item {number}: {error}") from None
        if "prompt" in item:
            bedrock.answer(item["prompt"], step)
        else:
            bedrock.script(step)


def read_step(item: Any) -> Reply | Fault:
    """Return the reply or fault that one item of a script describes.

    Raises:
        ValueError: the item is not valid.
    """
    if not isinstance(item, Mapping):
        raise ValueError("not a JSON object")
    unknown = sorted(set(item) - _MEMBERS)
    if unknown:
        raise ValueError(
            f"unknown members {', '.join(unknown)}; known: {', '.join(sorted(_MEMBERS))}"
        )
    if "error" in item:
        return faults.error(item["error"], item.get("message"))
    if "content" not in item and not {"text", "toolUse"} & set(item):
        return _fault(item)
    content = tuple(item["content"]) if "content" in item else tuple(_content(item))
    reply = Reply(
        content,
        stop_reason=item.get("stopReason", _stop_reason(content)),
        usage=item.get("usage"),
        latency_ms=item.get("latencyMs", replies.LATENCY_MS),
        trace=item.get("trace"),
    )
    return reply.with_fault(_fault(item)) if "fault" in item else reply


def _content(item: Mapping[str, Any]) -> list[dict[str, Any]]:
    blocks: list[dict[str, Any]] = []
    if "reasoning" in item:
        blocks.append(replies.reasoning_block(item["reasoning"]))
    if "text" in item:
        blocks.append({"text": item["text"]})
    if "toolUse" in item:
        use = item["toolUse"]
        blocks.append(
            replies.tool_use_block(use["name"], use.get("input", {}), use.get("toolUseId"))
        )
    return blocks


def _stop_reason(content: tuple[Mapping[str, Any], ...]) -> str:
    return "tool_use" if any("toolUse" in block for block in content) else "end_turn"


def _fault(item: Mapping[str, Any]) -> Fault:
    name = item.get("fault")
    if name not in faults.BY_NAME:
        known = ", ".join(faults.BY_NAME)
        raise ValueError(f"needs one of text, toolUse, content, error or fault (one of {known})")
    return faults.BY_NAME[name]()
