"""Makes the reply that Converse would have given out of the events of a stream."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable
from typing import Any

from bedrock_bearer.converse.base import WireModel, check_values, read_document
from bedrock_bearer.converse.content import TextContent
from bedrock_bearer.converse.media import BytesSource
from bedrock_bearer.converse.response import ConverseResponse
from bedrock_bearer.converse.stream import (
    CitationDelta,
    ContentBlockDelta,
    ContentBlockDeltaEvent,
    ContentBlockStart,
    ContentBlockStartEvent,
    ContentBlockStopEvent,
    ConverseStreamMetadataEvent,
    ImageBlockDelta,
    ImageDelta,
    ImageStart,
    MessageStartEvent,
    MessageStopEvent,
    ReasoningContentBlockDelta,
    ReasoningDelta,
    ReasoningSignatureDelta,
    ReasoningTextDelta,
    RedactedReasoningDelta,
    StreamEvent,
    TextDelta,
    ToolResultBlockDelta,
    ToolResultDelta,
    ToolResultStart,
    ToolUseDelta,
    ToolUseStart,
    UnknownEvent,
    UnknownStart,
)

__all__ = [
    "StreamAccumulator",
]

PIECES_JOINED_AT_ONCE = 1000
MAX_BLOCKS = 20_000
MAX_UNKNOWN_EVENTS = 100_000


class StreamAccumulator:
    """Takes the events of one stream in order, and makes the reply out of them.

    The input of a tool is parsed when its block stops. Until then, or if it is not JSON, `input`
    is the text so far, a str. A block of an unknown kind becomes an `UnknownContent` with the keys
    `start` and `deltas`; unknown events are in `unknown_events`.

    Args:
        clean: takes out of a text or a blob what the pieces that it was joined of did not show.
    """

    def __init__(self, clean: Callable[[Any], Any] = lambda joined: joined) -> None:
        self._clean = clean
        self.unknown_events: list[UnknownEvent] = []
        self.has_figures = False
        """Whether the usage and the latency were read."""
        self._blocks: list[_Block] = []
        self._open: dict[int, _Block] = {}
        self._message: dict[str, Any] = {"role": "assistant"}
        self._reply: dict[str, Any] = {}
        self._complete = False

    @property
    def complete(self) -> bool:
        """Whether the message has ended: `messageStop` was read."""
        return self._complete

    def add(self, event: StreamEvent) -> bool:
        """Add the next event; return whether its values are kept, and not joined to a text.

        Raises:
            ValueError: there are more blocks or unknown events than any reply has.
        """
        match event:
            case ContentBlockDeltaEvent():
                index = event.content_block_index
                return (self._open.get(index) or self._begin(index, None)).add(event.delta)
            case ContentBlockStartEvent():
                self._begin(event.content_block_index, event.start)
            case ContentBlockStopEvent():
                self._end(event.content_block_index)
            case MessageStartEvent():
                self._message.update(_fields(event))
            case MessageStopEvent():
                self._reply.update(_fields(event))
                self._complete = True
                for index in list(self._open):
                    self._end(index)
            case ConverseStreamMetadataEvent():
                self._reply.update(_fields(event))
                self.has_figures = True
            case UnknownEvent():
                if len(self.unknown_events) >= MAX_UNKNOWN_EVENTS:
                    raise ValueError("The stream has more unknown events than can be kept.")
                self.unknown_events.append(event)
        return True

    def response(self) -> ConverseResponse:
        """Return the reply so far."""
        content = [block for part in self._blocks for block in part.contents()]
        message = {**self._message, "content": content}
        return ConverseResponse.model_validate({"output": {"message": message}, **self._reply})

    def _begin(self, index: int, start: ContentBlockStart | None) -> _Block:
        self._end(index)
        if len(self._blocks) >= MAX_BLOCKS:
            raise ValueError("The stream has more content blocks than any reply.")
        block = self._open[index] = _Block(start, self._clean)
        self._blocks.append(block)
        return block

    def _end(self, index: int) -> None:
        block = self._open.pop(index, None)
        if block is not None:
            block.close()


def _fields(event: WireModel) -> dict[str, Any]:
    fields = {**(event.model_extra or {})}
    # AWS pads events so that their length tells nothing; the padding is not part of the reply.
    fields.pop("p", None)
    known = event.model_fields_set.difference(event.model_extra or ())
    return fields | {name: getattr(event, name) for name in known}


class _Pieces:
    """The pieces of one text or one blob. Many pieces are joined to save memory."""

    def __init__(self) -> None:
        self._joined: list[Any] = []
        self._recent: list[Any] = []

    def add(self, piece: str | bytes) -> None:
        self._recent.append(piece)
        # A short piece takes more memory as an object than for its text.
        if len(self._recent) == PIECES_JOINED_AT_ONCE:
            self._joined.append(self._recent[0][:0].join(self._recent))
            self._recent.clear()

    def join(self) -> Any:
        pieces = self._joined + self._recent
        return pieces[0][:0].join(pieces)


class _Block:
    """Collects the parts of one block, and makes its content of them, as wire dicts."""

    def __init__(self, start: ContentBlockStart | None, clean: Callable[[Any], Any]) -> None:
        self._start = start
        self._clean = clean
        self._parts: defaultdict[str, list[Any]] = defaultdict(list)
        self._pieces: defaultdict[str, _Pieces] = defaultdict(_Pieces)
        self._siblings: dict[str, Any] = {}
        self._contents: list[dict[str, Any]] | None = None

    def add(self, delta: ContentBlockDelta) -> bool:
        is_kept = False
        match delta:
            case TextDelta():
                self._pieces["text"].add(delta.text)
            case ReasoningDelta():
                is_kept = self._add_reasoning(delta.reasoning_content)
            case CitationDelta():
                is_kept = self._keep("citations", [delta.citation.to_wire()])
            case ToolUseDelta() if isinstance(self._start, ToolUseStart):
                self._pieces["input"].add(delta.tool_use.input)
            case ToolResultDelta() if isinstance(self._start, ToolResultStart):
                is_kept = self._keep("result", delta.tool_result)
            case ImageDelta() if isinstance(self._start, ImageStart):
                is_kept = self._keep("image", [delta.image])
            case _:
                return self._keep("unknown", [delta.to_wire()])
        if delta.__pydantic_extra__:
            self._siblings.update(delta.__pydantic_extra__)
            return True
        return is_kept

    def _keep(self, part: str, values: list[Any]) -> bool:
        self._parts[part] += values
        return True

    def _add_reasoning(self, delta: ReasoningContentBlockDelta) -> bool:
        match delta:
            case ReasoningTextDelta():
                self._pieces["reasoning"].add(delta.text)
            case ReasoningSignatureDelta():
                self._pieces["signature"].add(delta.signature)
            case RedactedReasoningDelta():
                self._pieces["redacted"].add(delta.redacted_content)
            case _:
                return self._keep("unknown", [{"reasoningContent": delta.to_wire()}])
        return False

    def close(self) -> None:
        if isinstance(self._start, ToolUseStart):
            self._parts["parsed"] = [_parse_tool_input(self._joined("input"))]
        self._contents = self._build()
        self._parts.clear()
        self._pieces.clear()

    def contents(self) -> list[dict[str, Any]]:
        return self._build() if self._contents is None else self._contents

    def _build(self) -> list[dict[str, Any]]:
        contents = [*self._reasoning(), *self._text(), *self._started()]
        if contents and self._siblings:
            contents[0] = {**self._siblings, **contents[0]}
        return contents + self._unknown()

    def _reasoning(self) -> list[dict[str, Any]]:
        contents: list[dict[str, Any]] = []
        clear = {
            key: self._joined(part)
            for key, part in (("text", "reasoning"), ("signature", "signature"))
            if part in self._pieces
        }
        if clear:
            contents.append({"reasoningContent": {"reasoningText": {"text": "", **clear}}})
        if "redacted" in self._pieces:
            contents.append({"reasoningContent": {"redactedContent": self._joined("redacted")}})
        return contents

    def _text(self) -> list[dict[str, Any]]:
        text = self._joined("text")
        if "citations" in self._parts:
            cited = {"content": [{"text": text}]} if text else {}
            return [{"citationsContent": {**cited, "citations": self._parts["citations"]}}]
        return [{"text": text}] if "text" in self._pieces else []

    def _joined(self, part: str) -> Any:
        return self._clean(self._pieces[part].join()) if part in self._pieces else ""

    def _started(self) -> list[dict[str, Any]]:
        match self._start:
            case ToolUseStart():
                parsed = self._parts.get("parsed") or [self._joined("input")]
                return [{"toolUse": {**self._start.tool_use.to_wire(), "input": parsed[0]}}]
            case ToolResultStart():
                content = _join_texts(self._parts.get("result", []), self._clean)
                return [{"toolResult": {**self._start.tool_result.to_wire(), "content": content}}]
            case ImageStart():
                image = _join_image(self._parts.get("image", []))
                return [{"image": {**self._start.image.to_wire(), **image}}]
        return []

    def _unknown(self) -> list[dict[str, Any]]:
        unknown: dict[str, Any] = {}
        if isinstance(self._start, UnknownStart):
            unknown["start"] = self._start.to_wire()
        if "unknown" in self._parts:
            unknown["deltas"] = self._parts["unknown"]
        return [unknown] if unknown else []


def _parse_tool_input(text: str) -> Any:
    if not text:
        return {}
    try:
        check_values(text.encode("utf-8", "replace"))
        return read_document(json.loads(text))
    except (ValueError, RecursionError):
        return text


def _join_texts(
    pieces: list[ToolResultBlockDelta], clean: Callable[[Any], Any]
) -> list[dict[str, Any]]:
    """Return the content of a tool's result. Neighbouring texts are pieces of one text."""
    contents: list[dict[str, Any]] = []
    texts: list[str] = []
    for piece in pieces:
        if isinstance(piece, TextContent) and not piece.model_extra:
            texts.append(piece.text)
            continue
        if texts:
            contents.append({"text": clean("".join(texts))})
            texts = []
        contents.append(piece.to_wire())
    if texts:
        contents.append({"text": clean("".join(texts))})
    return contents


def _join_image(pieces: list[ImageBlockDelta]) -> dict[str, Any]:
    image: dict[str, Any] = {}
    for piece in pieces:
        image.update(piece.to_wire())
    data = [piece.source.bytes for piece in pieces if isinstance(piece.source, BytesSource)]
    if data:
        image["source"] = {"bytes": b"".join(data)}
    return image
