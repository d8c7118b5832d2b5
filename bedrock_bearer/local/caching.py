"""The prompt cache: what a request's cache points write, and what later requests read."""

from __future__ import annotations

import hashlib
import json
from collections import OrderedDict
from collections.abc import Iterator
from typing import Any

from bedrock_bearer.local import tokens
from bedrock_bearer.local.http import Document

MAX_PREFIXES = 10_000


class PromptCache:
    """Remembers the prefixes that end in a cache point. They never expire and may be short.

    https://docs.aws.amazon.com/bedrock/latest/userguide/prompt-caching.html
    """

    def __init__(self) -> None:
        self._known: OrderedDict[str, None] = OrderedDict()

    def usage(self, model_id: str, request: Document, output_tokens: int) -> dict[str, int] | None:
        """Return the token counts of a request with cache points; None if it has none."""
        prefixes = list(_prefixes(model_id, request))
        if not prefixes:
            return None
        read = max((count for name, count in prefixes if name in self._known), default=0)
        cached = prefixes[-1][1]
        for name, _ in prefixes:
            self._known[name] = None
        while len(self._known) > MAX_PREFIXES:
            self._known.popitem(last=False)
        total = tokens.count_request(request)
        return {
            "cacheReadInputTokens": read,
            "cacheWriteInputTokens": cached - read,
            "inputTokens": total - cached,
            "outputTokens": output_tokens,
            "totalTokens": total + output_tokens,
        }


def _prefixes(model_id: str, request: Document) -> Iterator[tuple[str, int]]:
    """A name and the tokens of what precedes each cache point, the point itself left out."""
    digest = hashlib.sha256(model_id.encode())
    count = 0
    for block, extra in _blocks(request):
        count += extra
        if "cachePoint" in block:
            yield digest.hexdigest(), count
        else:
            digest.update(json.dumps(block, sort_keys=True).encode())
            count += tokens.count_content([block])


def _blocks(request: Document) -> Iterator[tuple[dict[str, Any], int]]:
    """Every block in the order in which the model reads them, and the tokens before it."""
    for tool in (request.get("toolConfig") or {}).get("tools", ()):
        yield tool, 0
    for block in request.get("system") or ():
        yield block, 0
    for message in request.get("messages") or ():
        for number, block in enumerate(message["content"]):
            yield block, 0 if number else tokens.TOKENS_PER_MESSAGE
