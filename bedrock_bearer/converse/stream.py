"""The events of ConverseStream.

https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_ConverseStreamOutput.html
"""

from typing import Annotated, Any, ClassVar

from pydantic import Field

from bedrock_bearer.converse.base import (
    Blob,
    Document,
    Integer,
    OpenUnion,
    UnknownMember,
    WireModel,
    load_json,
    read_model,
)
from bedrock_bearer.converse.blocks import JsonContent, ToolResultStatus, ToolUseType
from bedrock_bearer.converse.citations import CitationLocation
from bedrock_bearer.converse.configuration import PerformanceConfiguration, ServiceTier
from bedrock_bearer.converse.content import ConversationRole, TextContent, UnknownContent
from bedrock_bearer.converse.media import ErrorBlock, ImageFormat, ImageSource
from bedrock_bearer.converse.response import (
    ConverseMetrics,
    ConverseTrace,
    StopReason,
    TokenUsage,
)

__all__ = [
    "CitationDelta",
    "CitationSourceContentDelta",
    "CitationsDelta",
    "ContentBlockDelta",
    "ContentBlockDeltaEvent",
    "ContentBlockStart",
    "ContentBlockStartEvent",
    "ContentBlockStopEvent",
    "ConverseStreamMetadataEvent",
    "ConverseStreamMetrics",
    "ConverseStreamTrace",
    "ImageBlockDelta",
    "ImageBlockStart",
    "ImageDelta",
    "ImageStart",
    "MessageStartEvent",
    "MessageStopEvent",
    "ReasoningContentBlockDelta",
    "ReasoningDelta",
    "ReasoningSignatureDelta",
    "ReasoningTextDelta",
    "RedactedReasoningDelta",
    "StreamEvent",
    "TextDelta",
    "ToolResultBlockDelta",
    "ToolResultBlockStart",
    "ToolResultDelta",
    "ToolResultStart",
    "ToolUseBlockDelta",
    "ToolUseBlockStart",
    "ToolUseDelta",
    "ToolUseStart",
    "UnknownDelta",
    "UnknownEvent",
    "UnknownStart",
    "parse_event",
    "parse_event_json",
]

# AWS has other names for the same fields at the end of a stream.
ConverseStreamMetrics = ConverseMetrics
ConverseStreamTrace = ConverseTrace


class UnknownStart(UnknownMember):
    """The start of a block that this version does not know; see `to_wire()`."""


class UnknownDelta(UnknownMember):
    """A piece of a block that this version does not know; see `to_wire()`."""


class ToolUseBlockStart(WireModel):
    """The model begins to ask for a tool."""

    tool_use_id: str
    name: str
    type: ToolUseType | None = None


class ToolResultBlockStart(WireModel):
    """The result of a tool that the service runs begins."""

    tool_use_id: str
    type: str | None = None
    status: ToolResultStatus | None = None


class ImageBlockStart(WireModel):
    """An image begins."""

    format: ImageFormat


class ToolUseStart(WireModel):
    """The model begins to ask for a tool."""

    tool_use: ToolUseBlockStart


class ToolResultStart(WireModel):
    """The result of a tool that the service runs begins."""

    tool_result: ToolResultBlockStart


class ImageStart(WireModel):
    """An image begins."""

    image: ImageBlockStart


ContentBlockStart = Annotated[
    ToolUseStart | ToolResultStart | ImageStart | UnknownStart, OpenUnion()
]


class ToolUseBlockDelta(WireModel):
    """A piece of the tool's input, as JSON text."""

    input: str


class ImageBlockDelta(WireModel):
    """A piece of an image."""

    source: ImageSource | None = None
    error: ErrorBlock | None = None


class CitationSourceContentDelta(WireModel):
    """A passage of the source."""

    text: str | None = None


class CitationsDelta(WireModel):
    """A source that the model relied on for the text of this block."""

    title: str | None = None
    source: str | None = None
    source_content: list[CitationSourceContentDelta] | None = None
    location: CitationLocation | None = None


class ReasoningTextDelta(WireModel):
    """A piece of the model's reasoning."""

    text: str


class RedactedReasoningDelta(WireModel):
    """A piece of reasoning that the provider encrypted."""

    redacted_content: Blob


class ReasoningSignatureDelta(WireModel):
    """The signature over the reasoning."""

    signature: str


ReasoningContentBlockDelta = Annotated[
    ReasoningTextDelta | RedactedReasoningDelta | ReasoningSignatureDelta | UnknownDelta,
    OpenUnion(),
]
ToolResultBlockDelta = Annotated[TextContent | JsonContent | UnknownContent, OpenUnion()]


class TextDelta(WireModel):
    """A piece of text."""

    text: str


class ToolUseDelta(WireModel):
    """A piece of a tool's input."""

    tool_use: ToolUseBlockDelta


class ToolResultDelta(WireModel):
    """A piece of the result of a tool that the service runs."""

    tool_result: list[ToolResultBlockDelta]


class ReasoningDelta(WireModel):
    """A piece of reasoning."""

    reasoning_content: ReasoningContentBlockDelta


class CitationDelta(WireModel):
    """A citation."""

    citation: CitationsDelta


class ImageDelta(WireModel):
    """A piece of an image."""

    image: ImageBlockDelta


ContentBlockDelta = Annotated[
    TextDelta
    | ToolUseDelta
    | ToolResultDelta
    | ReasoningDelta
    | CitationDelta
    | ImageDelta
    | UnknownDelta,
    OpenUnion(),
]


class MessageStartEvent(WireModel):
    """The reply begins."""

    event_type: ClassVar[str] = "messageStart"

    role: ConversationRole = "assistant"


class ContentBlockStartEvent(WireModel):
    """A block begins. Text and reasoning begin without this event."""

    event_type: ClassVar[str] = "contentBlockStart"

    start: ContentBlockStart
    content_block_index: Integer = 0


class ContentBlockDeltaEvent(WireModel):
    """A piece of a block."""

    event_type: ClassVar[str] = "contentBlockDelta"

    delta: ContentBlockDelta
    content_block_index: Integer = 0

    @property
    def text(self) -> str | None:
        """The piece of the reply's text; None if this is a piece of something else."""
        return self.delta.text if isinstance(self.delta, TextDelta) else None


class ContentBlockStopEvent(WireModel):
    """A block is complete."""

    event_type: ClassVar[str] = "contentBlockStop"

    content_block_index: Integer = 0


class MessageStopEvent(WireModel):
    """The reply is complete. The usage and the latency follow."""

    event_type: ClassVar[str] = "messageStop"

    stop_reason: StopReason = ""
    additional_model_response_fields: Document = None


class ConverseStreamMetadataEvent(WireModel):
    """The usage, the latency and the trace of the call."""

    event_type: ClassVar[str] = "metadata"

    usage: TokenUsage = Field(default_factory=TokenUsage)
    metrics: ConverseStreamMetrics = Field(default_factory=ConverseStreamMetrics)
    trace: ConverseStreamTrace | None = None
    performance_config: PerformanceConfiguration | None = None
    service_tier: ServiceTier | None = None


class UnknownEvent(WireModel):
    """An event that this version does not know; `to_wire()` gives its payload."""

    event_type: str
    payload: dict[str, Any]

    def to_wire(self) -> dict[str, Any]:
        """Return the payload unchanged."""
        return self.payload


StreamEvent = (
    MessageStartEvent
    | ContentBlockStartEvent
    | ContentBlockDeltaEvent
    | ContentBlockStopEvent
    | MessageStopEvent
    | ConverseStreamMetadataEvent
    | UnknownEvent
)

EVENTS: dict[str, type[StreamEvent]] = {
    "messageStart": MessageStartEvent,
    "contentBlockStart": ContentBlockStartEvent,
    "contentBlockDelta": ContentBlockDeltaEvent,
    "contentBlockStop": ContentBlockStopEvent,
    "messageStop": MessageStopEvent,
    "metadata": ConverseStreamMetadataEvent,
}


def parse_event(event_type: str, payload: dict[str, Any]) -> StreamEvent:
    """Return the event of an `:event-type` with its payload.

    Raises:
        ValueError: a field does not have the type that AWS documents. (A ValidationError of
            pydantic.)
    """
    event = EVENTS.get(event_type)
    if event is None:
        return UnknownEvent(event_type=event_type, payload=payload)
    return read_model(event, payload)


def parse_event_json(event_type: str, payload: bytes) -> StreamEvent:
    """Do what `parse_event` does with the bytes of a payload, which must be JSON."""
    return parse_event(event_type, load_json(payload))
