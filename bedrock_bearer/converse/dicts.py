"""The dicts that requests take, as TypedDicts under AWS's names.

Written by tests/support/dict_types.py from the models: change those, and run it again.
Wherever one of these dicts may stand, the model may stand too, and so may a `dict[str, Any]`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Never, NotRequired, Protocol, TypeAlias, TypedDict

from bedrock_bearer.converse.blocks import (
    CachePointBlock,
    CachePointType,
    ContentBlock,
    GuardrailConverseContentBlock,
    GuardrailConverseContentQualifier,
    GuardrailConverseImageBlock,
    GuardrailConverseImageFormat,
    GuardrailConverseImageSource,
    GuardrailConverseTextBlock,
    ReasoningContentBlock,
    ReasoningTextBlock,
    ToolAdditionBlock,
    ToolReference,
    ToolRemovalBlock,
    ToolResultBlock,
    ToolResultContentBlock,
    ToolResultStatus,
    ToolUseBlock,
    ToolUseType,
)
from bedrock_bearer.converse.citations import (
    Citation,
    CitationGeneratedContent,
    CitationLocation,
    CitationsConfig,
    CitationsContentBlock,
    CitationSourceContent,
    DocumentCharLocation,
    DocumentChunkLocation,
    DocumentPageLocation,
    SearchResultBlock,
    SearchResultContentBlock,
    SearchResultLocation,
    WebLocation,
)
from bedrock_bearer.converse.configuration import (
    GuardrailStreamProcessingMode,
    GuardrailTrace,
    JsonSchemaDefinition,
    OutputFormat,
    OutputFormatStructure,
    OutputFormatType,
    PerformanceConfigLatency,
    ServiceTierType,
)
from bedrock_bearer.converse.content import CacheTTL, ConversationRole
from bedrock_bearer.converse.guardrail_content import (
    GuardrailContentQualifier,
    GuardrailImageBlock,
    GuardrailImageFormat,
    GuardrailImageSource,
    GuardrailTextBlock,
)
from bedrock_bearer.converse.media import (
    AudioBlock,
    AudioFormat,
    AudioSource,
    DocumentBlock,
    DocumentContentBlock,
    DocumentFormat,
    DocumentSource,
    ErrorBlock,
    ImageBlock,
    ImageFormat,
    ImageSource,
    S3Location,
    VideoBlock,
    VideoFormat,
    VideoSource,
)
from bedrock_bearer.converse.tools import (
    AnyToolChoice,
    AutoToolChoice,
    SpecificToolChoice,
    SystemTool,
    Tool,
    ToolChoice,
    ToolInputSchema,
    ToolSpecification,
)

__all__ = [
    "AnyToolChoiceDict",
    "AudioBlockDict",
    "AudioContentDict",
    "AudioSourceDict",
    "AutoToolChoiceDict",
    "BlobValue",
    "BytesSourceDict",
    "CachePointBlockDict",
    "CachePointContentDict",
    "CitationDict",
    "CitationGeneratedContentDict",
    "CitationLocationDict",
    "CitationSourceContentDict",
    "CitationsConfigDict",
    "CitationsContentBlockDict",
    "CitationsContentDict",
    "ContentBlockDict",
    "ContentSourceDict",
    "DocumentBlockDict",
    "DocumentCharCitationDict",
    "DocumentCharLocationDict",
    "DocumentChunkCitationDict",
    "DocumentChunkLocationDict",
    "DocumentContentBlockDict",
    "DocumentContentDict",
    "DocumentPageCitationDict",
    "DocumentPageLocationDict",
    "DocumentSourceDict",
    "ErrorBlockDict",
    "GuardContentDict",
    "GuardImageDict",
    "GuardTextDict",
    "GuardrailConfigurationDict",
    "GuardrailContentBlockDict",
    "GuardrailConverseContentBlockDict",
    "GuardrailConverseImageBlockDict",
    "GuardrailConverseImageSourceDict",
    "GuardrailConverseTextBlockDict",
    "GuardrailImageBlockDict",
    "GuardrailImageContentDict",
    "GuardrailImageSourceDict",
    "GuardrailTextBlockDict",
    "GuardrailTextContentDict",
    "ImageBlockDict",
    "ImageContentDict",
    "ImageSourceDict",
    "InferenceConfigurationDict",
    "JsonContentDict",
    "JsonSchemaDefinitionDict",
    "MessageDict",
    "OutputConfigDict",
    "OutputFormatDict",
    "OutputFormatStructureDict",
    "PerformanceConfigurationDict",
    "PromptVariableValuesDict",
    "ReasoningContentBlockDict",
    "ReasoningContentDict",
    "ReasoningTextBlockDict",
    "ReasoningTextDict",
    "RedactedReasoningDict",
    "S3LocationDict",
    "S3SourceDict",
    "SearchResultBlockDict",
    "SearchResultCitationDict",
    "SearchResultContentBlockDict",
    "SearchResultContentDict",
    "SearchResultLocationDict",
    "ServiceTierDict",
    "SpecificToolChoiceDict",
    "SystemContentBlockDict",
    "SystemToolDict",
    "SystemToolToolDict",
    "TextContentDict",
    "TextSourceDict",
    "ToolAdditionBlockDict",
    "ToolAdditionContentDict",
    "ToolChoiceAnyDict",
    "ToolChoiceAutoDict",
    "ToolChoiceDict",
    "ToolChoiceToolDict",
    "ToolConfigurationDict",
    "ToolDict",
    "ToolInputSchemaDict",
    "ToolReferenceDict",
    "ToolRemovalBlockDict",
    "ToolRemovalContentDict",
    "ToolResultBlockDict",
    "ToolResultContentBlockDict",
    "ToolResultContentDict",
    "ToolSpecToolDict",
    "ToolSpecificationDict",
    "ToolUseBlockDict",
    "ToolUseContentDict",
    "UntypedDict",
    "VideoBlockDict",
    "VideoContentDict",
    "VideoSourceDict",
    "WebCitationDict",
    "WebLocationDict",
]


class _UnknownKeyOrWrongValue(Sequence[Never]):
    """Never made: type checkers show this name for a dict that is none of those below."""


class UntypedDict(Protocol):
    """A dict that a type checker knows too little of to check it.

    That is a `dict[str, Any]`, or an unannotated variable whose values have several types. A
    dict written in place is not one: its values are not those that `__setitem__` has to take.
    """

    def __setitem__(self, key: str, value: _UnknownKeyOrWrongValue, /) -> None: ...


BlobValue: TypeAlias = bytes | bytearray | memoryview | str
"""Bytes, or base64 text as it is on the wire."""


class AnyToolChoiceDict(TypedDict):
    """The model uses some tool."""


class AudioBlockDict(TypedDict):
    """A sound."""

    format: AudioFormat
    source: AudioSource | AudioSourceDict | UntypedDict
    error: NotRequired[ErrorBlock | ErrorBlockDict | UntypedDict]


class AudioContentDict(TypedDict):
    """A sound."""

    audio: AudioBlock | AudioBlockDict | UntypedDict


class AutoToolChoiceDict(TypedDict):
    """The model decides."""


class BytesSourceDict(TypedDict):
    """The data itself: raw `bytes` in Python, base64 on the wire."""

    bytes: BlobValue


class CachePointBlockDict(TypedDict):
    """Everything before this point may be cached."""

    type: CachePointType
    ttl: NotRequired[CacheTTL]


class CachePointContentDict(TypedDict):
    """A cache point."""

    cachePoint: CachePointBlock | CachePointBlockDict | UntypedDict


class CitationDict(TypedDict):
    """A source the model relied on."""

    title: NotRequired[str]
    source: NotRequired[str]
    sourceContent: NotRequired[
        Sequence[CitationSourceContent | CitationSourceContentDict | UntypedDict]
    ]
    location: NotRequired[CitationLocation | CitationLocationDict | UntypedDict]


class CitationGeneratedContentDict(TypedDict):
    """What the model says on the strength of it."""

    text: NotRequired[str]


class CitationSourceContentDict(TypedDict):
    """What the source says."""

    text: NotRequired[str]


class CitationsConfigDict(TypedDict):
    """Whether the model cites a document or a search result."""

    enabled: bool


class CitationsContentDict(TypedDict):
    """Text with its citations."""

    citationsContent: CitationsContentBlock | CitationsContentBlockDict | UntypedDict


class CitationsContentBlockDict(TypedDict):
    """Text the model backs with citations."""

    content: NotRequired[
        Sequence[CitationGeneratedContent | CitationGeneratedContentDict | UntypedDict]
    ]
    citations: NotRequired[Sequence[Citation | CitationDict | UntypedDict]]


class ContentSourceDict(TypedDict):
    """A document given in pieces, each of which can be cited."""

    content: Sequence[DocumentContentBlock | DocumentContentBlockDict | UntypedDict]


class DocumentBlockDict(TypedDict):
    """A document. The model sees `name`: keep it neutral."""

    name: str
    source: DocumentSource | DocumentSourceDict | UntypedDict
    format: NotRequired[DocumentFormat]
    context: NotRequired[str]
    citations: NotRequired[CitationsConfig | CitationsConfigDict | UntypedDict]


class DocumentCharCitationDict(TypedDict):
    """Cited from characters of a document."""

    documentChar: DocumentCharLocation | DocumentCharLocationDict | UntypedDict


class DocumentCharLocationDict(TypedDict):
    """Characters of a document, counted from 0."""

    documentIndex: NotRequired[int]
    start: NotRequired[int]
    end: NotRequired[int]


class DocumentChunkCitationDict(TypedDict):
    """Cited from pieces of a document."""

    documentChunk: DocumentChunkLocation | DocumentChunkLocationDict | UntypedDict


class DocumentChunkLocationDict(TypedDict):
    """Pieces of a document."""

    documentIndex: NotRequired[int]
    start: NotRequired[int]
    end: NotRequired[int]


class DocumentContentDict(TypedDict):
    """A document."""

    document: DocumentBlock | DocumentBlockDict | UntypedDict


class DocumentContentBlockDict(TypedDict):
    """A piece of a document given in pieces."""

    text: NotRequired[str]


class DocumentPageCitationDict(TypedDict):
    """Cited from pages of a document."""

    documentPage: DocumentPageLocation | DocumentPageLocationDict | UntypedDict


class DocumentPageLocationDict(TypedDict):
    """Pages of a document."""

    documentIndex: NotRequired[int]
    start: NotRequired[int]
    end: NotRequired[int]


class ErrorBlockDict(TypedDict):
    """Why a block could not be given."""

    message: NotRequired[str]


class GuardContentDict(TypedDict):
    """Content for the guardrail to assess."""

    guardContent: GuardrailConverseContentBlock | GuardrailConverseContentBlockDict | UntypedDict


class GuardImageDict(TypedDict):
    """A guarded image."""

    image: GuardrailConverseImageBlock | GuardrailConverseImageBlockDict | UntypedDict


class GuardTextDict(TypedDict):
    """Guarded text."""

    text: GuardrailConverseTextBlock | GuardrailConverseTextBlockDict | UntypedDict


class GuardrailConfigurationDict(TypedDict):
    """The guardrail to apply. `stream_processing_mode` is for ConverseStream alone."""

    guardrailIdentifier: NotRequired[str]
    guardrailVersion: NotRequired[str]
    trace: NotRequired[GuardrailTrace]
    streamProcessingMode: NotRequired[GuardrailStreamProcessingMode]


class GuardrailConverseImageBlockDict(TypedDict):
    """An image for the guardrail to assess."""

    format: GuardrailConverseImageFormat
    source: GuardrailConverseImageSource | GuardrailConverseImageSourceDict | UntypedDict


class GuardrailConverseTextBlockDict(TypedDict):
    """Text for the guardrail to assess."""

    text: str
    qualifiers: NotRequired[Sequence[GuardrailConverseContentQualifier]]


class GuardrailImageBlockDict(TypedDict):
    """An image to check."""

    format: GuardrailImageFormat
    source: GuardrailImageSource | GuardrailImageSourceDict | UntypedDict


class GuardrailImageContentDict(TypedDict):
    """An image to check."""

    image: GuardrailImageBlock | GuardrailImageBlockDict | UntypedDict


class GuardrailTextBlockDict(TypedDict):
    """Text to check. `qualifiers` say what a contextual grounding check is to use it as."""

    text: str
    qualifiers: NotRequired[Sequence[GuardrailContentQualifier]]


class GuardrailTextContentDict(TypedDict):
    """Text to check."""

    text: GuardrailTextBlock | GuardrailTextBlockDict | UntypedDict


class ImageBlockDict(TypedDict):
    """An image. `source` is None only where a stream broke off or `error` says why."""

    format: ImageFormat
    source: NotRequired[ImageSource | ImageSourceDict | UntypedDict]
    error: NotRequired[ErrorBlock | ErrorBlockDict | UntypedDict]


class ImageContentDict(TypedDict):
    """An image."""

    image: ImageBlock | ImageBlockDict | UntypedDict


class InferenceConfigurationDict(TypedDict):
    """How the model writes: `max_tokens`, `temperature` and `top_p` from 0 to 1, stop sequences."""

    maxTokens: NotRequired[int]
    temperature: NotRequired[float]
    topP: NotRequired[float]
    stopSequences: NotRequired[Sequence[str]]


class JsonContentDict(TypedDict):
    """JSON, as a tool gives it; read it as `json_`."""

    json: Any


class JsonSchemaDefinitionDict(TypedDict):
    """The schema a structured reply must fit, as JSON text; read it as `schema_`."""

    schema: str
    name: NotRequired[str]
    description: NotRequired[str]


class MessageDict(TypedDict):
    """One turn of a conversation.

    https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Message.html
    """

    role: ConversationRole
    content: str | Sequence[ContentBlock | ContentBlockDict | UntypedDict]


class OutputConfigDict(TypedDict):
    """Structured output, and how much effort the model makes."""

    textFormat: NotRequired[OutputFormat | OutputFormatDict | UntypedDict]
    effort: NotRequired[str]


class OutputFormatDict(TypedDict):
    """The format of a reply's text."""

    type: OutputFormatType
    structure: OutputFormatStructure | OutputFormatStructureDict | UntypedDict


class OutputFormatStructureDict(TypedDict):
    """The structure of a reply."""

    jsonSchema: NotRequired[JsonSchemaDefinition | JsonSchemaDefinitionDict | UntypedDict]


class PerformanceConfigurationDict(TypedDict):
    """`latency`: standard or optimized."""

    latency: NotRequired[PerformanceConfigLatency]


class PromptVariableValuesDict(TypedDict):
    """The value of a variable in a prompt of Prompt management."""

    text: NotRequired[str]


class ReasoningContentDict(TypedDict):
    """What the model thought before it answered."""

    reasoningContent: ReasoningContentBlock | ReasoningContentBlockDict | UntypedDict


class ReasoningTextDict(TypedDict):
    """Reasoning in the clear."""

    reasoningText: ReasoningTextBlock | ReasoningTextBlockDict | UntypedDict


class ReasoningTextBlockDict(TypedDict):
    """Reasoning in the clear. Send it back unchanged, `signature` included."""

    text: NotRequired[str]
    signature: NotRequired[str]


class RedactedReasoningDict(TypedDict):
    """Reasoning the provider encrypted. Send it back unchanged."""

    redactedContent: BlobValue


class S3LocationDict(TypedDict):
    """An object in S3; `bucket_owner` is an account id."""

    uri: str
    bucketOwner: NotRequired[str]


class S3SourceDict(TypedDict):
    """Data that lies in S3."""

    s3Location: S3Location | S3LocationDict | UntypedDict


class SearchResultBlockDict(TypedDict):
    """A search result the model can cite; `source` is a URL or an identifier."""

    source: str
    title: str
    content: Sequence[SearchResultContentBlock | SearchResultContentBlockDict | UntypedDict]
    citations: NotRequired[CitationsConfig | CitationsConfigDict | UntypedDict]


class SearchResultCitationDict(TypedDict):
    """Cited from a search result."""

    searchResultLocation: SearchResultLocation | SearchResultLocationDict | UntypedDict


class SearchResultContentDict(TypedDict):
    """A search result."""

    searchResult: SearchResultBlock | SearchResultBlockDict | UntypedDict


class SearchResultContentBlockDict(TypedDict):
    """A piece of a search result."""

    text: NotRequired[str]


class SearchResultLocationDict(TypedDict):
    """Pieces of a search result."""

    searchResultIndex: NotRequired[int]
    start: NotRequired[int]
    end: NotRequired[int]


class ServiceTierDict(TypedDict):
    """`type`: priority, default, flex or reserved."""

    type: ServiceTierType


class SpecificToolChoiceDict(TypedDict):
    """The model uses this tool."""

    name: str


class SystemToolDict(TypedDict):
    """A tool the service runs itself, by name."""

    name: str


class SystemToolToolDict(TypedDict):
    """A tool the service runs."""

    systemTool: SystemTool | SystemToolDict | UntypedDict


class TextContentDict(TypedDict):
    """Text."""

    text: str


class TextSourceDict(TypedDict):
    """A document given as text."""

    text: str


class ToolAdditionBlockDict(TypedDict):
    """From here on the model may use this tool."""

    tool: ToolReference | ToolReferenceDict | UntypedDict


class ToolAdditionContentDict(TypedDict):
    """A tool joins."""

    toolAddition: ToolAdditionBlock | ToolAdditionBlockDict | UntypedDict


class ToolChoiceAnyDict(TypedDict):
    """The model must use some tool."""

    any: AnyToolChoice | AnyToolChoiceDict | UntypedDict


class ToolChoiceAutoDict(TypedDict):
    """The model decides whether to use a tool."""

    auto: AutoToolChoice | AutoToolChoiceDict | UntypedDict


class ToolChoiceToolDict(TypedDict):
    """The model must use this tool."""

    tool: SpecificToolChoice | SpecificToolChoiceDict | UntypedDict


class ToolConfigurationDict(TypedDict):
    """The tools, and how to choose."""

    tools: Sequence[Tool | ToolDict | UntypedDict]
    toolChoice: NotRequired[ToolChoice | ToolChoiceDict | UntypedDict]


class ToolInputSchemaDict(TypedDict):
    """The JSON Schema of a tool's input; read it as `json_`."""

    json: NotRequired[Any]


class ToolReferenceDict(TypedDict):
    """A tool that joins or leaves in the middle of a conversation."""

    type: NotRequired[str]
    name: NotRequired[str]
    serverName: NotRequired[str]


class ToolRemovalBlockDict(TypedDict):
    """From here on the model may not use this tool."""

    tool: ToolReference | ToolReferenceDict | UntypedDict


class ToolRemovalContentDict(TypedDict):
    """A tool leaves."""

    toolRemoval: ToolRemovalBlock | ToolRemovalBlockDict | UntypedDict


class ToolResultBlockDict(TypedDict):
    """What a tool gave."""

    toolUseId: str
    content: Sequence[ToolResultContentBlock | ToolResultContentBlockDict | UntypedDict]
    status: NotRequired[ToolResultStatus]
    type: NotRequired[str]


class ToolResultContentDict(TypedDict):
    """What a tool gave."""

    toolResult: ToolResultBlock | ToolResultBlockDict | UntypedDict


class ToolSpecToolDict(TypedDict):
    """A tool of yours."""

    toolSpec: ToolSpecification | ToolSpecificationDict | UntypedDict


class ToolSpecificationDict(TypedDict):
    """A tool of yours. With `strict` the model's input always fits the schema."""

    name: str
    inputSchema: ToolInputSchema | ToolInputSchemaDict | UntypedDict
    description: NotRequired[str]
    strict: NotRequired[bool]


class ToolUseBlockDict(TypedDict):
    """The model asks for a tool; answer with a `ToolResultBlock` of the same `tool_use_id`.

    `input` is what the model wrote, usually a dict; a stream that broke off or held malformed JSON
    leaves it as the raw text, a str.
    """

    toolUseId: str
    name: str
    input: NotRequired[Any]
    type: NotRequired[ToolUseType]


class ToolUseContentDict(TypedDict):
    """The model asks for a tool."""

    toolUse: ToolUseBlock | ToolUseBlockDict | UntypedDict


class VideoBlockDict(TypedDict):
    """A video."""

    format: VideoFormat
    source: VideoSource | VideoSourceDict | UntypedDict


class VideoContentDict(TypedDict):
    """A video."""

    video: VideoBlock | VideoBlockDict | UntypedDict


class WebCitationDict(TypedDict):
    """Cited from the web."""

    web: WebLocation | WebLocationDict | UntypedDict


class WebLocationDict(TypedDict):
    """A page on the web."""

    url: NotRequired[str]
    domain: NotRequired[str]


AudioSourceDict: TypeAlias = BytesSourceDict | S3SourceDict
CitationLocationDict: TypeAlias = (
    WebCitationDict
    | DocumentCharCitationDict
    | DocumentPageCitationDict
    | DocumentChunkCitationDict
    | SearchResultCitationDict
)
ContentBlockDict: TypeAlias = (
    TextContentDict
    | ImageContentDict
    | DocumentContentDict
    | VideoContentDict
    | AudioContentDict
    | ToolUseContentDict
    | ToolResultContentDict
    | GuardContentDict
    | CachePointContentDict
    | ReasoningContentDict
    | CitationsContentDict
    | SearchResultContentDict
    | ToolAdditionContentDict
    | ToolRemovalContentDict
)
DocumentSourceDict: TypeAlias = BytesSourceDict | S3SourceDict | TextSourceDict | ContentSourceDict
GuardrailContentBlockDict: TypeAlias = GuardrailTextContentDict | GuardrailImageContentDict
GuardrailConverseContentBlockDict: TypeAlias = GuardTextDict | GuardImageDict
GuardrailConverseImageSourceDict: TypeAlias = BytesSourceDict
GuardrailImageSourceDict: TypeAlias = BytesSourceDict
ImageSourceDict: TypeAlias = BytesSourceDict | S3SourceDict
ReasoningContentBlockDict: TypeAlias = ReasoningTextDict | RedactedReasoningDict
SystemContentBlockDict: TypeAlias = TextContentDict | GuardContentDict | CachePointContentDict
ToolDict: TypeAlias = ToolSpecToolDict | SystemToolToolDict | CachePointContentDict
ToolChoiceDict: TypeAlias = ToolChoiceAutoDict | ToolChoiceAnyDict | ToolChoiceToolDict
ToolResultContentBlockDict: TypeAlias = (
    TextContentDict
    | JsonContentDict
    | ImageContentDict
    | DocumentContentDict
    | VideoContentDict
    | SearchResultContentDict
)
VideoSourceDict: TypeAlias = BytesSourceDict | S3SourceDict
