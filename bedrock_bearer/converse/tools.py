"""The tools a request offers and how the model is to choose among them.

https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_ToolConfiguration.html
"""

from typing import Annotated

from pydantic import Field

from bedrock_bearer.converse.base import (
    Boolean,
    Document,
    Lazy,
    OpenUnion,
    UnknownMember,
    WireModel,
)
from bedrock_bearer.converse.blocks import (
    CachePointContent,
)


class ToolInputSchema(WireModel):
    """The JSON Schema of a tool's input; read it as `json_`."""

    json_: Document = Field(default=None, alias="json")


class ToolSpecification(WireModel):
    """A tool of yours. With `strict` the model's input always fits the schema."""

    name: str
    input_schema: Lazy[ToolInputSchema]
    description: str | None = None
    strict: Boolean | None = None


class SystemTool(WireModel):
    """A tool the service runs itself, by name."""

    name: str


class ToolSpecTool(WireModel):
    """A tool of yours."""

    tool_spec: Lazy[ToolSpecification]


class SystemToolTool(WireModel):
    """A tool the service runs."""

    system_tool: Lazy[SystemTool]


Tool = Annotated[ToolSpecTool | SystemToolTool | CachePointContent | UnknownMember, OpenUnion()]


class AutoToolChoice(WireModel):
    """The model decides."""


class AnyToolChoice(WireModel):
    """The model uses some tool."""


class SpecificToolChoice(WireModel):
    """The model uses this tool."""

    name: str


class ToolChoiceAuto(WireModel):
    """The model decides whether to use a tool."""

    auto: Lazy[AutoToolChoice]


class ToolChoiceAny(WireModel):
    """The model must use some tool."""

    any: Lazy[AnyToolChoice]


class ToolChoiceTool(WireModel):
    """The model must use this tool."""

    tool: Lazy[SpecificToolChoice]


ToolChoice = Annotated[ToolChoiceAuto | ToolChoiceAny | ToolChoiceTool | UnknownMember, OpenUnion()]


class ToolConfiguration(WireModel):
    """The tools, and how to choose."""

    tools: list[Tool]
    tool_choice: ToolChoice | None = None
