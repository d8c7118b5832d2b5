"""The rarer settings of a Converse request.

https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html
"""

from typing import Annotated, Literal

from pydantic import Field

from bedrock_bearer.converse.base import OpenEnum, WireModel

__all__ = [
    "GuardrailConfiguration",
    "GuardrailStreamProcessingMode",
    "GuardrailTrace",
    "JsonSchemaDefinition",
    "OutputConfig",
    "OutputFormat",
    "OutputFormatStructure",
    "OutputFormatType",
    "PerformanceConfigLatency",
    "PerformanceConfiguration",
    "PromptVariableValues",
    "ServiceTier",
    "ServiceTierType",
]


PerformanceConfigLatency = Annotated[Literal["standard", "optimized"] | str, OpenEnum()]
ServiceTierType = Annotated[Literal["priority", "default", "flex", "reserved"] | str, OpenEnum()]
GuardrailTrace = Annotated[Literal["enabled", "disabled", "enabled_full"] | str, OpenEnum()]
GuardrailStreamProcessingMode = Annotated[Literal["sync", "async"] | str, OpenEnum()]
OutputFormatType = Annotated[Literal["json_schema"] | str, OpenEnum()]


class GuardrailConfiguration(WireModel):
    """The guardrail to apply. `stream_processing_mode` is only for ConverseStream."""

    guardrail_identifier: str | None = None
    guardrail_version: str | None = None
    trace: GuardrailTrace | None = None
    stream_processing_mode: GuardrailStreamProcessingMode | None = None


class PromptVariableValues(WireModel):
    """The value of a variable in a prompt of Prompt management."""

    text: str | None = None


class PerformanceConfiguration(WireModel):
    """The latency: "standard" or "optimized"."""

    latency: PerformanceConfigLatency | None = None


class ServiceTier(WireModel):
    """The processing tier: "priority", "default", "flex" or "reserved"."""

    type: ServiceTierType


class JsonSchemaDefinition(WireModel):
    """The JSON Schema of a structured reply, as JSON text; the attribute is `schema_`."""

    schema_: str = Field(alias="schema")
    name: str | None = None
    description: str | None = None


class OutputFormatStructure(WireModel):
    """The structure of a reply's text."""

    json_schema: JsonSchemaDefinition | None = None


class OutputFormat(WireModel):
    """The format of a reply's text."""

    type: OutputFormatType
    structure: OutputFormatStructure


class OutputConfig(WireModel):
    """The format of the reply, and how much effort the model makes."""

    text_format: OutputFormat | None = None
    effort: str | None = None
