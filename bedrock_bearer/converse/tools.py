"""The tools that a request offers, and how the model is to choose among them.

https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_ToolConfiguration.html
"""

from types import CodeType
from typing import Annotated, Any, Protocol, TypeAlias

from pydantic import Field

from bedrock_bearer.converse.base import (
    Boolean,
    Document,
    OpenUnion,
    UnknownMember,
    WireModel,
)
from bedrock_bearer.converse.blocks import CachePointContent

__all__ = [
    "AnyToolChoice",
    "AutoToolChoice",
    "SpecificToolChoice",
    "SystemTool",
    "SystemToolTool",
    "Tool",
    "ToolChoice",
    "ToolChoiceAny",
    "ToolChoiceAuto",
    "ToolChoiceTool",
    "ToolConfiguration",
    "ToolFunction",
    "ToolInputSchema",
    "ToolSpecTool",
    "ToolSpecification",
]


class _Callable(Protocol):
    """Anything that can be called.

    `Callable[..., Any]` would be lost: mypy takes it for a part of `_Function`.
    """

    def __call__(self, *arguments: Any, **named: Any) -> Any: ...


class _Function(Protocol):
    """What mypy makes of the functions in a list whose signatures differ."""

    @property
    def __code__(self) -> CodeType: ...


ToolFunction: TypeAlias = _Callable | _Function
"""A function, or anything else that can be called."""


class ToolInputSchema(WireModel):
    """The JSON Schema of a tool's input; the attribute is `json_`."""

    json_: Document = Field(default=None, alias="json")


class ToolSpecification(WireModel):
    """A tool of your own. With `strict`, the model's input always fits the schema."""

    name: str
    input_schema: ToolInputSchema
    description: str | None = None
    strict: Boolean | None = None


class SystemTool(WireModel):
    """A tool that the service runs, by its name."""

    name: str


class ToolSpecTool(WireModel):
    """A tool of your own."""

    tool_spec: ToolSpecification


class SystemToolTool(WireModel):
    """A tool that the service runs."""

    system_tool: SystemTool


Tool = Annotated[ToolSpecTool | SystemToolTool | CachePointContent | UnknownMember, OpenUnion()]


class AutoToolChoice(WireModel):
    """The model decides whether to use a tool."""


class AnyToolChoice(WireModel):
    """The model must use a tool."""


class SpecificToolChoice(WireModel):
    """The model must use this tool."""

    name: str


class ToolChoiceAuto(WireModel):
    """The model decides whether to use a tool."""

    auto: AutoToolChoice


class ToolChoiceAny(WireModel):
    """The model must use a tool."""

    any: AnyToolChoice


class ToolChoiceTool(WireModel):
    """The model must use this tool."""

    tool: SpecificToolChoice


ToolChoice = Annotated[ToolChoiceAuto | ToolChoiceAny | ToolChoiceTool | UnknownMember, OpenUnion()]


class ToolConfiguration(WireModel):
    """The tools, and how the model is to choose."""

    tools: list[Tool]
    tool_choice: ToolChoice | None = None
