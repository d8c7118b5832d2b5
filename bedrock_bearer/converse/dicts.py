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
    """The model must use a tool."""


class AudioBlockDict(TypedDict):
    """A sound."""

    format: AudioFormat
    source: AudioSource | AudioSourceDict | UntypedDict
    error: NotRequired[ErrorBlock | ErrorBlockDict | UntypedDict]


class AudioContentDict(TypedDict):
    """A sound."""

    audio: AudioBlock | AudioBlockDict | UntypedDict


class AutoToolChoiceDict(TypedDict):
    """The model decides whether to use a tool."""


class BytesSourceDict(TypedDict):
    """The data itself: `bytes` in Python, base64 on the wire."""

    bytes: BlobValue


class CachePointBlockDict(TypedDict):
    """Marks that everything before it may be cached; `ttl` is for how long."""

    type: CachePointType
    ttl: NotRequired[CacheTTL]


class CachePointContentDict(TypedDict):
    """A cache point."""

    cachePoint: CachePointBlock | CachePointBlockDict | UntypedDict


class CitationDict(TypedDict):
    """A source that the model relied on."""

    title: NotRequired[str]
    source: NotRequired[str]
    sourceContent: NotRequired[
        Sequence[CitationSourceContent | CitationSourceContentDict | UntypedDict]
    ]
    location: NotRequired[CitationLocation | CitationLocationDict | UntypedDict]


class CitationGeneratedContentDict(TypedDict):
    """Text that the model wrote from its sources."""

    text: NotRequired[str]


class CitationSourceContentDict(TypedDict):
    """A passage of the source."""

    text: NotRequired[str]


class CitationsConfigDict(TypedDict):
    """Whether the model is to cite a document or a search result."""

    enabled: bool


class CitationsContentDict(TypedDict):
    """Text with its citations."""

    citationsContent: CitationsContentBlock | CitationsContentBlockDict | UntypedDict


class CitationsContentBlockDict(TypedDict):
    """Text of the model, with its citations."""

    content: NotRequired[
        Sequence[CitationGeneratedContent | CitationGeneratedContentDict | UntypedDict]
    ]
    citations: NotRequired[Sequence[Citation | CitationDict | UntypedDict]]


class ContentSourceDict(TypedDict):
    """A document in pieces, each of which can be cited."""

    content: Sequence[DocumentContentBlock | DocumentContentBlockDict | UntypedDict]


class DocumentBlockDict(TypedDict):
    """A document. The model sees `name`, so it should be neutral: AWS warns of prompt injection."""

    name: str
    source: DocumentSource | DocumentSourceDict | UntypedDict
    format: NotRequired[DocumentFormat]
    context: NotRequired[str]
    citations: NotRequired[CitationsConfig | CitationsConfigDict | UntypedDict]


class DocumentCharCitationDict(TypedDict):
    """A citation from characters of a document."""

    documentChar: DocumentCharLocation | DocumentCharLocationDict | UntypedDict


class DocumentCharLocationDict(TypedDict):
    """Characters of a document, counted from 0."""

    documentIndex: NotRequired[int]
    start: NotRequired[int]
    end: NotRequired[int]


class DocumentChunkCitationDict(TypedDict):
    """A citation from pieces of a document."""

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
    """A piece of a document."""

    text: NotRequired[str]


class DocumentPageCitationDict(TypedDict):
    """A citation from pages of a document."""

    documentPage: DocumentPageLocation | DocumentPageLocationDict | UntypedDict


class DocumentPageLocationDict(TypedDict):
    """Pages of a document."""

    documentIndex: NotRequired[int]
    start: NotRequired[int]
    end: NotRequired[int]


class ErrorBlockDict(TypedDict):
    """Why the block has no data."""

    message: NotRequired[str]


class GuardContentDict(TypedDict):
    """Content for the guardrail to check."""

    guardContent: GuardrailConverseContentBlock | GuardrailConverseContentBlockDict | UntypedDict


class GuardImageDict(TypedDict):
    """An image for the guardrail to check."""

    image: GuardrailConverseImageBlock | GuardrailConverseImageBlockDict | UntypedDict


class GuardTextDict(TypedDict):
    """Text for the guardrail to check."""

    text: GuardrailConverseTextBlock | GuardrailConverseTextBlockDict | UntypedDict


class GuardrailConfigurationDict(TypedDict):
    """The guardrail to apply. `stream_processing_mode` is only for ConverseStream."""

    guardrailIdentifier: NotRequired[str]
    guardrailVersion: NotRequired[str]
    trace: NotRequired[GuardrailTrace]
    streamProcessingMode: NotRequired[GuardrailStreamProcessingMode]


class GuardrailConverseImageBlockDict(TypedDict):
    """An image for the guardrail to check."""

    format: GuardrailConverseImageFormat
    source: GuardrailConverseImageSource | GuardrailConverseImageSourceDict | UntypedDict


class GuardrailConverseTextBlockDict(TypedDict):
    """Text for the guardrail to check."""

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
    """An image. `source` is None only if the stream broke off or `error` says why."""

    format: ImageFormat
    source: NotRequired[ImageSource | ImageSourceDict | UntypedDict]
    error: NotRequired[ErrorBlock | ErrorBlockDict | UntypedDict]


class ImageContentDict(TypedDict):
    """An image."""

    image: ImageBlock | ImageBlockDict | UntypedDict


class InferenceConfigurationDict(TypedDict):
    """How the model writes. `temperature` and `top_p` are from 0 to 1."""

    maxTokens: NotRequired[int]
    temperature: NotRequired[float]
    topP: NotRequired[float]
    stopSequences: NotRequired[Sequence[str]]


class JsonContentDict(TypedDict):
    """JSON from a tool; the attribute is `json_`."""

    json: Any


class JsonSchemaDefinitionDict(TypedDict):
    """The JSON Schema of a structured reply, as JSON text; the attribute is `schema_`."""

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
    """The format of the reply, and how much effort the model makes."""

    textFormat: NotRequired[OutputFormat | OutputFormatDict | UntypedDict]
    effort: NotRequired[str]


class OutputFormatDict(TypedDict):
    """The format of a reply's text."""

    type: OutputFormatType
    structure: OutputFormatStructure | OutputFormatStructureDict | UntypedDict


class OutputFormatStructureDict(TypedDict):
    """The structure of a reply's text."""

    jsonSchema: NotRequired[JsonSchemaDefinition | JsonSchemaDefinitionDict | UntypedDict]


class PerformanceConfigurationDict(TypedDict):
    """The latency: "standard" or "optimized"."""

    latency: NotRequired[PerformanceConfigLatency]


class PromptVariableValuesDict(TypedDict):
    """The value of a variable in a prompt of Prompt management."""

    text: NotRequired[str]


class ReasoningContentDict(TypedDict):
    """The reasoning of the model before it answered."""

    reasoningContent: ReasoningContentBlock | ReasoningContentBlockDict | UntypedDict


class ReasoningTextDict(TypedDict):
    """Readable reasoning."""

    reasoningText: ReasoningTextBlock | ReasoningTextBlockDict | UntypedDict


class ReasoningTextBlockDict(TypedDict):
    """Readable reasoning. Send it back unchanged, with its `signature`."""

    text: NotRequired[str]
    signature: NotRequired[str]


class RedactedReasoningDict(TypedDict):
    """Reasoning that the provider encrypted. Send it back unchanged."""

    redactedContent: BlobValue


class S3LocationDict(TypedDict):
    """An object in S3; `bucket_owner` is an account id."""

    uri: str
    bucketOwner: NotRequired[str]


class S3SourceDict(TypedDict):
    """Data in S3."""

    s3Location: S3Location | S3LocationDict | UntypedDict


class SearchResultBlockDict(TypedDict):
    """A search result that the model can cite; `source` is a URL or an identifier."""

    source: str
    title: str
    content: Sequence[SearchResultContentBlock | SearchResultContentBlockDict | UntypedDict]
    citations: NotRequired[CitationsConfig | CitationsConfigDict | UntypedDict]


class SearchResultCitationDict(TypedDict):
    """A citation from a search result."""

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
    """The processing tier: "priority", "default", "flex" or "reserved"."""

    type: ServiceTierType


class SpecificToolChoiceDict(TypedDict):
    """The model must use this tool."""

    name: str


class SystemToolDict(TypedDict):
    """A tool that the service runs, by its name."""

    name: str


class SystemToolToolDict(TypedDict):
    """A tool that the service runs."""

    systemTool: SystemTool | SystemToolDict | UntypedDict


class TextContentDict(TypedDict):
    """Text."""

    text: str


class TextSourceDict(TypedDict):
    """A document as text."""

    text: str


class ToolAdditionBlockDict(TypedDict):
    """From here on the model may use this tool."""

    tool: ToolReference | ToolReferenceDict | UntypedDict


class ToolAdditionContentDict(TypedDict):
    """A tool is added."""

    toolAddition: ToolAdditionBlock | ToolAdditionBlockDict | UntypedDict


class ToolChoiceAnyDict(TypedDict):
    """The model must use a tool."""

    any: AnyToolChoice | AnyToolChoiceDict | UntypedDict


class ToolChoiceAutoDict(TypedDict):
    """The model decides whether to use a tool."""

    auto: AutoToolChoice | AutoToolChoiceDict | UntypedDict


class ToolChoiceToolDict(TypedDict):
    """The model must use this tool."""

    tool: SpecificToolChoice | SpecificToolChoiceDict | UntypedDict


class ToolConfigurationDict(TypedDict):
    """The tools, and how the model is to choose."""

    tools: Sequence[Tool | ToolDict | UntypedDict]
    toolChoice: NotRequired[ToolChoice | ToolChoiceDict | UntypedDict]


class ToolInputSchemaDict(TypedDict):
    """The JSON Schema of a tool's input; the attribute is `json_`."""

    json: NotRequired[Any]


class ToolReferenceDict(TypedDict):
    """A tool that is added or removed in the middle of a conversation."""

    type: NotRequired[str]
    name: NotRequired[str]
    serverName: NotRequired[str]


class ToolRemovalBlockDict(TypedDict):
    """From here on the model may not use this tool."""

    tool: ToolReference | ToolReferenceDict | UntypedDict


class ToolRemovalContentDict(TypedDict):
    """A tool is removed."""

    toolRemoval: ToolRemovalBlock | ToolRemovalBlockDict | UntypedDict


class ToolResultBlockDict(TypedDict):
    """The result of a tool."""

    toolUseId: str
    content: Sequence[ToolResultContentBlock | ToolResultContentBlockDict | UntypedDict]
    status: NotRequired[ToolResultStatus]
    type: NotRequired[str]


class ToolResultContentDict(TypedDict):
    """The result of a tool."""

    toolResult: ToolResultBlock | ToolResultBlockDict | UntypedDict


class ToolSpecToolDict(TypedDict):
    """A tool of your own."""

    toolSpec: ToolSpecification | ToolSpecificationDict | UntypedDict


class ToolSpecificationDict(TypedDict):
    """A tool of your own. With `strict`, the model's input always fits the schema."""

    name: str
    inputSchema: ToolInputSchema | ToolInputSchemaDict | UntypedDict
    description: NotRequired[str]
    strict: NotRequired[bool]


class ToolUseBlockDict(TypedDict):
    """The model asks for a tool. Answer with a `ToolResultBlock` of the same `tool_use_id`.

    `input` is what the model wrote, usually a dict. It is the raw text, a str, if a stream broke
    off or the JSON in it was malformed.
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
    """A citation from the web."""

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
