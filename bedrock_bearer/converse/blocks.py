"""The blocks that a message may hold besides text.

A union of AWS is a union of classes here: one class for each member, with that member as its only
field. `{"toolUse": {...}}` is `ToolUseContent(tool_use=ToolUseBlock(...))`. A member that this
version does not know becomes an `Unknown...` that keeps it.

https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_ContentBlock.html
"""

from typing import Annotated, Literal

from pydantic import Field

from bedrock_bearer.converse.base import (
    Blob,
    Document,
    OpenEnum,
    OpenUnion,
    UnknownMember,
    WireModel,
)
from bedrock_bearer.converse.citations import CitationsContent, SearchResultContent
from bedrock_bearer.converse.content import CacheTTL, TextContent, UnknownContent
from bedrock_bearer.converse.media import (
    AudioContent,
    BytesSource,
    DocumentContent,
    ImageContent,
    VideoContent,
)

__all__ = [
    "CachePointBlock",
    "CachePointContent",
    "CachePointType",
    "ContentBlock",
    "GuardContent",
    "GuardImage",
    "GuardText",
    "GuardrailConverseContentBlock",
    "GuardrailConverseContentQualifier",
    "GuardrailConverseImageBlock",
    "GuardrailConverseImageFormat",
    "GuardrailConverseImageSource",
    "GuardrailConverseTextBlock",
    "JsonContent",
    "ReasoningContent",
    "ReasoningContentBlock",
    "ReasoningText",
    "ReasoningTextBlock",
    "RedactedReasoning",
    "SystemContentBlock",
    "ToolAdditionBlock",
    "ToolAdditionContent",
    "ToolReference",
    "ToolRemovalBlock",
    "ToolRemovalContent",
    "ToolResultBlock",
    "ToolResultContent",
    "ToolResultContentBlock",
    "ToolResultStatus",
    "ToolUseBlock",
    "ToolUseContent",
    "ToolUseType",
]


CachePointType = Annotated[Literal["default"] | str, OpenEnum()]


class CachePointBlock(WireModel):
    """Marks that everything before it may be cached; `ttl` is for how long."""

    type: CachePointType
    ttl: CacheTTL | None = None


class CachePointContent(WireModel):
    """A cache point."""

    cache_point: CachePointBlock


# Content for a guardrail to check.


GuardrailConverseImageFormat = Annotated[Literal["png", "jpeg"] | str, OpenEnum()]
GuardrailConverseContentQualifier = Annotated[
    Literal["grounding_source", "query", "guard_content"] | str, OpenEnum()
]


class GuardrailConverseTextBlock(WireModel):
    """Text for the guardrail to check."""

    text: str
    qualifiers: list[GuardrailConverseContentQualifier] | None = None


GuardrailConverseImageSource = Annotated[BytesSource | UnknownMember, OpenUnion()]


class GuardrailConverseImageBlock(WireModel):
    """An image for the guardrail to check."""

    format: GuardrailConverseImageFormat
    source: GuardrailConverseImageSource


class GuardText(WireModel):
    """Text for the guardrail to check."""

    text: GuardrailConverseTextBlock


class GuardImage(WireModel):
    """An image for the guardrail to check."""

    image: GuardrailConverseImageBlock


GuardrailConverseContentBlock = Annotated[GuardText | GuardImage | UnknownMember, OpenUnion()]


class GuardContent(WireModel):
    """Content for the guardrail to check."""

    guard_content: GuardrailConverseContentBlock


# Reasoning.


class ReasoningTextBlock(WireModel):
    """Readable reasoning. Send it back unchanged, with its `signature`."""

    text: str = ""
    signature: str | None = None


class ReasoningText(WireModel):
    """Readable reasoning."""

    reasoning_text: ReasoningTextBlock


class RedactedReasoning(WireModel):
    """Reasoning that the provider encrypted. Send it back unchanged."""

    redacted_content: Blob


ReasoningContentBlock = Annotated[ReasoningText | RedactedReasoning | UnknownMember, OpenUnion()]


class ReasoningContent(WireModel):
    """The reasoning of the model before it answered."""

    reasoning_content: ReasoningContentBlock


# Tools.


ToolUseType = Annotated[Literal["server_tool_use"] | str, OpenEnum()]
ToolResultStatus = Annotated[Literal["success", "error"] | str, OpenEnum()]


class JsonContent(WireModel):
    """JSON from a tool; the attribute is `json_`."""

    json_: Document = Field(alias="json")


class ToolUseBlock(WireModel):
    """The model asks for a tool. Answer with a `ToolResultBlock` of the same `tool_use_id`.

    `input` is what the model wrote, usually a dict. It is the raw text, a str, if a stream broke
    off or the JSON in it was malformed.
    """

    tool_use_id: str
    name: str
    input: Document = Field(default_factory=dict)
    type: ToolUseType | None = None


class ToolUseContent(WireModel):
    """The model asks for a tool."""

    tool_use: ToolUseBlock


ToolResultContentBlock = Annotated[
    TextContent
    | JsonContent
    | ImageContent
    | DocumentContent
    | VideoContent
    | SearchResultContent
    | UnknownContent,
    OpenUnion(),
]


class ToolResultBlock(WireModel):
    """The result of a tool."""

    tool_use_id: str
    content: list[ToolResultContentBlock]
    status: ToolResultStatus | None = None
    type: str | None = None


class ToolResultContent(WireModel):
    """The result of a tool."""

    tool_result: ToolResultBlock


class ToolReference(WireModel):
    """A tool that is added or removed in the middle of a conversation."""

    type: str | None = None
    name: str | None = None
    server_name: str | None = None


class ToolAdditionBlock(WireModel):
    """From here on the model may use this tool."""

    tool: ToolReference


class ToolRemovalBlock(WireModel):
    """From here on the model may not use this tool."""

    tool: ToolReference


class ToolAdditionContent(WireModel):
    """A tool is added."""

    tool_addition: ToolAdditionBlock


class ToolRemovalContent(WireModel):
    """A tool is removed."""

    tool_removal: ToolRemovalBlock


# What a message and a system prompt hold.


ContentBlock = Annotated[
    TextContent
    | ImageContent
    | DocumentContent
    | VideoContent
    | AudioContent
    | ToolUseContent
    | ToolResultContent
    | GuardContent
    | CachePointContent
    | ReasoningContent
    | CitationsContent
    | SearchResultContent
    | ToolAdditionContent
    | ToolRemovalContent
    | UnknownContent,
    OpenUnion(),
]
SystemContentBlock = Annotated[
    TextContent | GuardContent | CachePointContent | UnknownContent, OpenUnion()
]
