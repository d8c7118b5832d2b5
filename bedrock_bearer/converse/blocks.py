"""The blocks a message may hold besides text.

A union of AWS is here a union of classes, one for each member, with that member as its one field:
`{"toolUse": {...}}` is `ToolUseContent(tool_use=ToolUseBlock(...))`. What this version does not
know becomes an `Unknown...` that keeps it.

https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_ContentBlock.html
"""

from typing import Annotated, Literal

from pydantic import Field

from bedrock_bearer.converse.base import (
    Blob,
    Boolean,
    Document,
    Integer,
    Lazy,
    OpenEnum,
    OpenUnion,
    UnknownMember,
    WireModel,
)
from bedrock_bearer.converse.content import CacheTTL, TextContent, UnknownContent

ImageFormat = Annotated[Literal["png", "jpeg", "gif", "webp"] | str, OpenEnum()]
DocumentFormat = Annotated[
    Literal["pdf", "csv", "doc", "docx", "xls", "xlsx", "html", "txt", "md"] | str, OpenEnum()
]
VideoFormat = Annotated[
    Literal["mkv", "mov", "mp4", "webm", "flv", "mpeg", "mpg", "wmv", "three_gp"] | str, OpenEnum()
]
AudioFormat = Annotated[
    Literal[
        "mp3", "opus", "wav", "aac", "flac", "mp4", "ogg", "mkv", "mka", "x-aac", "m4a", "mpeg",
        "mpga", "pcm", "webm",
    ]
    | str,
    OpenEnum(),
]  # fmt: skip
CachePointType = Annotated[Literal["default"] | str, OpenEnum()]
ToolUseType = Annotated[Literal["server_tool_use"] | str, OpenEnum()]
ToolResultStatus = Annotated[Literal["success", "error"] | str, OpenEnum()]
GuardrailConverseImageFormat = Annotated[Literal["png", "jpeg"] | str, OpenEnum()]
GuardrailConverseContentQualifier = Annotated[
    Literal["grounding_source", "query", "guard_content"] | str, OpenEnum()
]


# Where the bytes of an image, a document, a video or a sound come from.


class S3Location(WireModel):
    """An object in S3; `bucket_owner` is an account id."""

    uri: str
    bucket_owner: str | None = None


class BytesSource(WireModel):
    """The data itself: raw `bytes` in Python, base64 on the wire."""

    bytes: Blob


class S3Source(WireModel):
    """Data that lies in S3."""

    s3_location: Lazy[S3Location]


class TextSource(WireModel):
    """A document given as text."""

    text: str


class DocumentContentBlock(WireModel):
    """A piece of a document given in pieces."""

    text: str | None = None


class ContentSource(WireModel):
    """A document given in pieces, each of which can be cited."""

    content: list[Lazy[DocumentContentBlock]]


ImageSource = Annotated[BytesSource | S3Source | UnknownMember, OpenUnion()]
VideoSource = Annotated[BytesSource | S3Source | UnknownMember, OpenUnion()]
AudioSource = Annotated[BytesSource | S3Source | UnknownMember, OpenUnion()]
DocumentSource = Annotated[
    BytesSource | S3Source | TextSource | ContentSource | UnknownMember, OpenUnion()
]


class ErrorBlock(WireModel):
    """Why a block could not be given."""

    message: str | None = None


class ImageBlock(WireModel):
    """An image. `source` is None only where a stream broke off or `error` says why."""

    format: ImageFormat
    source: ImageSource | None = None
    error: Lazy[ErrorBlock] | None = None


class VideoBlock(WireModel):
    """A video."""

    format: VideoFormat
    source: VideoSource


class AudioBlock(WireModel):
    """A sound."""

    format: AudioFormat
    source: AudioSource
    error: Lazy[ErrorBlock] | None = None


class CitationsConfig(WireModel):
    """Whether the model cites a document or a search result."""

    enabled: Boolean


class DocumentBlock(WireModel):
    """A document. The model sees `name`: keep it neutral."""

    name: str
    source: DocumentSource
    format: DocumentFormat | None = None
    context: str | None = None
    citations: Lazy[CitationsConfig] | None = None


class SearchResultContentBlock(WireModel):
    """A piece of a search result."""

    text: str | None = None


class SearchResultBlock(WireModel):
    """A search result the model can cite; `source` is a URL or an identifier."""

    source: str
    title: str
    content: list[Lazy[SearchResultContentBlock]]
    citations: Lazy[CitationsConfig] | None = None


class CachePointBlock(WireModel):
    """Everything before this point may be cached."""

    type: CachePointType
    ttl: CacheTTL | None = None


# Guarded content.


class GuardrailConverseTextBlock(WireModel):
    """Text for the guardrail to assess."""

    text: str
    qualifiers: list[GuardrailConverseContentQualifier] | None = None


GuardrailConverseImageSource = Annotated[BytesSource | UnknownMember, OpenUnion()]


class GuardrailConverseImageBlock(WireModel):
    """An image for the guardrail to assess."""

    format: GuardrailConverseImageFormat
    source: GuardrailConverseImageSource


class GuardText(WireModel):
    """Guarded text."""

    text: Lazy[GuardrailConverseTextBlock]


class GuardImage(WireModel):
    """A guarded image."""

    image: Lazy[GuardrailConverseImageBlock]


GuardrailConverseContentBlock = Annotated[GuardText | GuardImage | UnknownMember, OpenUnion()]


# Reasoning.


class ReasoningTextBlock(WireModel):
    """Reasoning in the clear. Send it back unchanged, `signature` included."""

    text: str = ""
    signature: str | None = None


class ReasoningText(WireModel):
    """Reasoning in the clear."""

    reasoning_text: Lazy[ReasoningTextBlock]


class RedactedReasoning(WireModel):
    """Reasoning the provider encrypted. Send it back unchanged."""

    redacted_content: Blob


ReasoningContentBlock = Annotated[ReasoningText | RedactedReasoning | UnknownMember, OpenUnion()]


# Citations.


class WebLocation(WireModel):
    """A page on the web."""

    url: str | None = None
    domain: str | None = None


class DocumentCharLocation(WireModel):
    """Characters of a document, counted from 0."""

    document_index: Integer | None = None
    start: Integer | None = None
    end: Integer | None = None


class DocumentPageLocation(WireModel):
    """Pages of a document."""

    document_index: Integer | None = None
    start: Integer | None = None
    end: Integer | None = None


class DocumentChunkLocation(WireModel):
    """Pieces of a document."""

    document_index: Integer | None = None
    start: Integer | None = None
    end: Integer | None = None


class SearchResultLocation(WireModel):
    """Pieces of a search result."""

    search_result_index: Integer | None = None
    start: Integer | None = None
    end: Integer | None = None


class WebCitation(WireModel):
    """Cited from the web."""

    web: Lazy[WebLocation]


class DocumentCharCitation(WireModel):
    """Cited from characters of a document."""

    document_char: Lazy[DocumentCharLocation]


class DocumentPageCitation(WireModel):
    """Cited from pages of a document."""

    document_page: Lazy[DocumentPageLocation]


class DocumentChunkCitation(WireModel):
    """Cited from pieces of a document."""

    document_chunk: Lazy[DocumentChunkLocation]


class SearchResultCitation(WireModel):
    """Cited from a search result."""

    search_result_location: Lazy[SearchResultLocation]


CitationLocation = Annotated[
    WebCitation
    | DocumentCharCitation
    | DocumentPageCitation
    | DocumentChunkCitation
    | SearchResultCitation
    | UnknownMember,
    OpenUnion(),
]


class CitationSourceContent(WireModel):
    """What the source says."""

    text: str | None = None


class CitationGeneratedContent(WireModel):
    """What the model says on the strength of it."""

    text: str | None = None


class Citation(WireModel):
    """A source the model relied on."""

    title: str | None = None
    source: str | None = None
    source_content: list[Lazy[CitationSourceContent]] | None = None
    location: CitationLocation | None = None


class CitationsContentBlock(WireModel):
    """Text the model backs with citations."""

    content: list[Lazy[CitationGeneratedContent]] | None = None
    citations: list[Lazy[Citation]] | None = None


# The members of ContentBlock.


class ImageContent(WireModel):
    """An image."""

    image: Lazy[ImageBlock]


class DocumentContent(WireModel):
    """A document."""

    document: Lazy[DocumentBlock]


class VideoContent(WireModel):
    """A video."""

    video: Lazy[VideoBlock]


class AudioContent(WireModel):
    """A sound."""

    audio: Lazy[AudioBlock]


class SearchResultContent(WireModel):
    """A search result."""

    search_result: Lazy[SearchResultBlock]


class JsonContent(WireModel):
    """JSON, as a tool gives it; read it as `json_`."""

    json_: Document = Field(alias="json")


class ToolUseBlock(WireModel):
    """The model asks for a tool; answer with a `ToolResultBlock` of the same `tool_use_id`.

    `input` is what the model wrote, usually a dict; a stream that broke off or held malformed JSON
    leaves it as the raw text, a str.
    """

    tool_use_id: str
    name: str
    input: Document = Field(default_factory=dict)
    type: ToolUseType | None = None


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
    """What a tool gave."""

    tool_use_id: str
    content: list[ToolResultContentBlock]
    status: ToolResultStatus | None = None
    type: str | None = None


class ToolReference(WireModel):
    """A tool that joins or leaves in the middle of a conversation."""

    type: str | None = None
    name: str | None = None
    server_name: str | None = None


class ToolAdditionBlock(WireModel):
    """From here on the model may use this tool."""

    tool: Lazy[ToolReference]


class ToolRemovalBlock(WireModel):
    """From here on the model may not use this tool."""

    tool: Lazy[ToolReference]


class ToolUseContent(WireModel):
    """The model asks for a tool."""

    tool_use: Lazy[ToolUseBlock]


class ToolResultContent(WireModel):
    """What a tool gave."""

    tool_result: Lazy[ToolResultBlock]


class GuardContent(WireModel):
    """Content for the guardrail to assess."""

    guard_content: GuardrailConverseContentBlock


class CachePointContent(WireModel):
    """A cache point."""

    cache_point: Lazy[CachePointBlock]


class ReasoningContent(WireModel):
    """What the model thought before it answered."""

    reasoning_content: ReasoningContentBlock


class CitationsContent(WireModel):
    """Text with its citations."""

    citations_content: Lazy[CitationsContentBlock]


class ToolAdditionContent(WireModel):
    """A tool joins."""

    tool_addition: Lazy[ToolAdditionBlock]


class ToolRemovalContent(WireModel):
    """A tool leaves."""

    tool_removal: Lazy[ToolRemovalBlock]


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
