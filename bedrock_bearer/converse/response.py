"""The reply of Converse.

https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any, Generic, Literal

from pydantic import Field, PrivateAttr

from bedrock_bearer.converse.base import Document, Integer, OpenEnum, WireModel, shortened
from bedrock_bearer.converse.content import CacheTTL, TextContent
from bedrock_bearer.converse.message import Message

# The modules with blocks, guardrail traces and settings are imported when a reply has one.
if TYPE_CHECKING:
    from typing import Self

    from typing_extensions import TypeVar

    from bedrock_bearer.converse.blocks import ToolUseBlock
    from bedrock_bearer.converse.citations import Citation
    from bedrock_bearer.converse.configuration import PerformanceConfiguration, ServiceTier
    from bedrock_bearer.converse.guardrails import GuardrailTraceAssessment
    from bedrock_bearer.keys.description import KeyDescription

    OutputT = TypeVar("OutputT", default=object)
    OutputT_co = TypeVar("OutputT_co", covariant=True, default=object)

    class _TypedReply(WireModel, Generic[OutputT_co]):
        """A reply with an output of a class."""
else:
    from typing import TypeVar

    from bedrock_bearer.converse.base import Deferred

    OutputT = TypeVar("OutputT")
    OutputT_co = TypeVar("OutputT_co", covariant=True)

    class _TypedReply(WireModel):
        # Only type checkers need to know the class of the output.
        def __class_getitem__(cls, output_type):
            return cls

    _SETTINGS = "bedrock_bearer.converse.configuration"
    PerformanceConfiguration = Annotated[Any, Deferred(f"{_SETTINGS}:PerformanceConfiguration")]
    ServiceTier = Annotated[Any, Deferred(f"{_SETTINGS}:ServiceTier")]
    GuardrailTraceAssessment = Annotated[
        Any, Deferred("bedrock_bearer.converse.guardrails:GuardrailTraceAssessment")
    ]

__all__ = [
    "CacheDetail",
    "ConverseMetrics",
    "ConverseOutput",
    "ConverseResponse",
    "ConverseTrace",
    "PromptRouterTrace",
    "StopReason",
    "TokenUsage",
]

StopReason = Annotated[
    Literal[
        "end_turn", "tool_use", "max_tokens", "stop_sequence", "guardrail_intervened",
        "content_filtered", "malformed_model_output", "malformed_tool_use",
        "model_context_window_exceeded",
    ]
    | str,
    OpenEnum(),
]  # fmt: skip


class CacheDetail(WireModel):
    """The tokens written to the cache with one time to live."""

    ttl: CacheTTL = ""
    input_tokens: Integer = 0


class TokenUsage(WireModel):
    """The tokens of one call.

    The cache counts are None if the service does not report them. Their old names are read too.
    """

    input_tokens: Integer = 0
    output_tokens: Integer = 0
    total_tokens: Integer = 0
    cache_read_input_tokens: Integer | None = None
    cache_write_input_tokens: Integer | None = None
    cache_details: list[CacheDetail] | None = None

    @property
    def total_input_tokens(self) -> int:
        """The tokens of the whole input: `input_tokens`, and those that a cache read or wrote."""
        cached = (self.cache_read_input_tokens or 0) + (self.cache_write_input_tokens or 0)
        return self.input_tokens + cached

    def __add__(self, other: "TokenUsage") -> "TokenUsage":
        """Return the tokens of both calls; so `sum(usages)` works too."""
        if not isinstance(other, TokenUsage):
            return NotImplemented
        counts: dict[str, Any] = {}
        for name in _COUNTS:
            both = [getattr(self, name), getattr(other, name)]
            if both != [None, None]:
                counts[name] = sum(count or 0 for count in both)
        details: dict[str, int] = {}
        for detail in [*(self.cache_details or ()), *(other.cache_details or ())]:
            details[detail.ttl] = details.get(detail.ttl, 0) + detail.input_tokens
        if details:
            counts["cache_details"] = [
                CacheDetail(ttl=ttl, input_tokens=count) for ttl, count in details.items()
            ]
        return TokenUsage(**counts)

    def __radd__(self, other: int) -> "TokenUsage":
        # `sum` begins with 0.
        return self if other == 0 else NotImplemented

    def model_post_init(self, context: Any, /) -> None:
        extra = self.__pydantic_extra__
        if not extra:
            return
        # Not marked as set, so that to_wire() does not add the new name.
        for name in ("cache_read_input_tokens", "cache_write_input_tokens"):
            if getattr(self, name) is None:
                self.__dict__[name] = extra.get(_OLD_NAMES[name])


_COUNTS = (
    "input_tokens",
    "output_tokens",
    "total_tokens",
    "cache_read_input_tokens",
    "cache_write_input_tokens",
)
_OLD_NAMES = {
    "cache_read_input_tokens": "cacheReadInputTokenCount",
    "cache_write_input_tokens": "cacheWriteInputTokenCount",
}


class ConverseMetrics(WireModel):
    """How long the service took, in milliseconds."""

    latency_ms: Integer = 0


class PromptRouterTrace(WireModel):
    """The model that a prompt router chose."""

    invoked_model_id: str | None = None


class ConverseTrace(WireModel):
    """What the guardrail and the prompt router did."""

    guardrail: GuardrailTraceAssessment | None = None
    prompt_router: PromptRouterTrace | None = None


class ConverseOutput(WireModel):
    """The output of the model."""

    message: Message | None = None


class ConverseResponse(_TypedReply[OutputT_co]):
    """The reply of Converse, or the one that the events of a ConverseStream make.

    `trace` is set if the request asked for it, `service_tier` and `performance_config` if the
    service reports them. What the service leaves out is empty, 0 or None.
    """

    output: ConverseOutput = Field(default_factory=ConverseOutput)
    stop_reason: StopReason = ""
    usage: TokenUsage = Field(default_factory=TokenUsage)
    metrics: ConverseMetrics = Field(default_factory=ConverseMetrics)
    additional_model_response_fields: Document = None
    trace: ConverseTrace | None = None
    performance_config: PerformanceConfiguration | None = None
    service_tier: ServiceTier | None = None

    _request_id: str | None = PrivateAttr(default=None)
    _key: "KeyDescription | None" = PrivateAttr(default=None)
    _parsed: Any = PrivateAttr(default=None)
    _not_parsed: str | None = PrivateAttr(default=None)

    def with_origin(
        self, *, request_id: str | None = None, key: "KeyDescription | None" = None
    ) -> "Self":
        """Set AWS's id of the request and the description of the key, and return this reply."""
        self._request_id = request_id
        self._key = key
        return self

    def with_output(self, parsed: Any, *, missing: str | None = None) -> None:
        """Set the output, or why there is none yet."""
        self._parsed = parsed
        self._not_parsed = missing

    @property
    def parsed(self) -> "OutputT_co":
        """The reply as an instance of the `output_type` of the call; None if it had none.

        Raises:
            ValueError: the reply is not the output yet: the model asks for tools first, or the
                stream has not ended.
        """
        if self._not_parsed is not None:
            raise ValueError(self._not_parsed)
        parsed: OutputT_co = self._parsed
        return parsed

    def __repr_args__(self) -> Iterator[tuple[str | None, Any]]:
        yield "stop_reason", self.stop_reason
        yield "text", shortened(self.text)
        if self.tool_uses:
            yield "tools", [use.name for use in self.tool_uses]
        yield "input_tokens", self.usage.total_input_tokens
        yield "output_tokens", self.usage.output_tokens

    def _repr_markdown_(self) -> str:
        """Return the reply as a notebook shows it: its text, and the tools that it asks for."""
        tools = [f"`{use.name}({use.input})`" for use in self.tool_uses]
        usage = f"{self.usage.total_input_tokens} + {self.usage.output_tokens} tokens"
        return "\n\n".join([self.text, *tools, f"*{self.stop_reason}, {usage}*"]).strip()

    @property
    def request_id(self) -> str | None:
        """AWS's id of the request, for AWS Support."""
        return self._request_id

    @property
    def key(self) -> "KeyDescription | None":
        """The description of the key that was used, never the secret."""
        return self._key

    @property
    def message(self) -> Message:
        """The message of the model, to append to `messages`; empty if there is none."""
        return self.output.message or Message(role="assistant", content=[])

    @property
    def text(self) -> str:
        """The text of the reply with its cited passages, without reasoning."""
        return "".join(_texts(self.message))

    @property
    def tool_uses(self) -> "list[ToolUseBlock]":
        """The tools that the model asks for, including those that the service runs."""
        from bedrock_bearer.converse.blocks import ToolUseContent

        return [
            block.tool_use for block in self.message.content if isinstance(block, ToolUseContent)
        ]

    @property
    def reasoning(self) -> str:
        """The text of the model's reasoning; empty if it is redacted or there is none."""
        from bedrock_bearer.converse.blocks import ReasoningContent, ReasoningText

        return "".join(
            block.reasoning_content.reasoning_text.text
            for block in self.message.content
            if isinstance(block, ReasoningContent)
            and isinstance(block.reasoning_content, ReasoningText)
        )

    @property
    def citations(self) -> "list[Citation]":
        """The sources that the model relied on, in the order of the text."""
        from bedrock_bearer.converse.citations import CitationsContent

        return [
            citation
            for block in self.message.content
            if isinstance(block, CitationsContent)
            for citation in block.citations_content.citations or []
        ]


def _texts(message: Message) -> Iterator[str]:
    for block in message.content:
        if isinstance(block, TextContent):
            yield block.text
            continue
        from bedrock_bearer.converse.citations import CitationsContent

        if isinstance(block, CitationsContent):
            yield from (piece.text or "" for piece in block.citations_content.content or [])
