"""Token counts, made up from the number of characters; no tokenizer is used."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

CHARACTERS_PER_TOKEN = 4
TOKENS_PER_MESSAGE = 3
TOKENS_PER_FILE = 1_500
MAX_PIECES = 2_000
"""A stream has no more pieces of one text: to make each takes time, and others wait."""

_WORD = re.compile(r"\s*\S+\s*$|\s*\S+")


def count_text(text: str) -> int:
    """Estimate the tokens of a text: one for every four characters, at least one."""
    return max(1, -(-len(text) // CHARACTERS_PER_TOKEN)) if text else 0


def count_content(blocks: Iterable[Mapping[str, Any]]) -> int:
    """Estimate the tokens of content blocks."""
    return sum(_count_value(block) for block in blocks)


def count_request(request: Mapping[str, Any]) -> int:
    """Estimate the input tokens of a Converse request."""
    messages = request.get("messages") or []
    count = sum(TOKENS_PER_MESSAGE + count_content(m.get("content") or []) for m in messages)
    return (
        count
        + count_content(request.get("system") or [])
        + _count_value(request.get("toolConfig") or {})
    )


def pieces(text: str) -> list[str]:
    """Cut a text into the pieces of a stream: a word each, or some words if it is very long.

    The space before a word belongs to it.
    """
    words = _WORD.findall(text) or ([text] if text else [])
    size = max(1, -(-len(words) // MAX_PIECES))
    return ["".join(words[start : start + size]) for start in range(0, len(words), size)]


def _count_value(value: Any) -> int:
    if isinstance(value, str):
        return count_text(value)
    if isinstance(value, Mapping):
        if "cachePoint" in value:
            return 0
        if "bytes" in value or "s3Location" in value:
            # An image, a document or a video: its base64 is not read as text.
            return TOKENS_PER_FILE
        return sum(_count_value(item) for item in value.values())
    if isinstance(value, list):
        return sum(_count_value(item) for item in value)
    return 1
