"""The types of what callers pass: a model, the dict that boto3 takes, or plain text.

These names are for annotations. A list that is filled step by step needs one of its own:

    messages: list[MessageInput] = ["What is on this picture?"]
    messages.append(client.converse(model_id, messages).message)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeAlias

from bedrock_bearer.converse.blocks import SystemContentBlock
from bedrock_bearer.converse.configuration import (
    GuardrailConfiguration,
    OutputConfig,
    PerformanceConfigLatency,
    PerformanceConfiguration,
    PromptVariableValues,
    ServiceTier,
    ServiceTierType,
)
from bedrock_bearer.converse.dicts import (
    GuardrailConfigurationDict,
    GuardrailContentBlockDict,
    InferenceConfigurationDict,
    MessageDict,
    OutputConfigDict,
    PerformanceConfigurationDict,
    PromptVariableValuesDict,
    ServiceTierDict,
    SystemContentBlockDict,
    ToolConfigurationDict,
    ToolDict,
    ToolSpecificationDict,
    UntypedDict,
)
from bedrock_bearer.converse.guardrail_content import GuardrailContentBlock
from bedrock_bearer.converse.inference import InferenceConfiguration
from bedrock_bearer.converse.message import Message
from bedrock_bearer.converse.tools import Tool, ToolConfiguration, ToolFunction, ToolSpecification

__all__ = [
    "GuardrailConfigInput",
    "GuardrailContentBlockInput",
    "GuardrailContentInput",
    "InferenceConfigInput",
    "MessageInput",
    "MessagesInput",
    "OutputConfigInput",
    "PerformanceConfigInput",
    "PromptVariablesInput",
    "ServiceTierInput",
    "SystemBlockInput",
    "SystemInput",
    "ToolConfigInput",
    "ToolInput",
    "ToolsInput",
]

MessageInput: TypeAlias = str | Message | MessageDict | UntypedDict
"""One message; a text is a message of the user."""

MessagesInput: TypeAlias = MessageInput | Sequence[MessageInput]
"""A conversation: one message or several."""

SystemBlockInput: TypeAlias = str | SystemContentBlock | SystemContentBlockDict | UntypedDict
SystemInput: TypeAlias = SystemBlockInput | Sequence[SystemBlockInput]
InferenceConfigInput: TypeAlias = InferenceConfiguration | InferenceConfigurationDict | UntypedDict
ToolConfigInput: TypeAlias = ToolConfiguration | ToolConfigurationDict | UntypedDict
ToolInput: TypeAlias = (
    ToolFunction | ToolSpecification | Tool | ToolDict | ToolSpecificationDict | UntypedDict
)
ToolsInput: TypeAlias = Sequence[ToolInput]
GuardrailConfigInput: TypeAlias = GuardrailConfiguration | GuardrailConfigurationDict | UntypedDict
GuardrailContentBlockInput: TypeAlias = (
    str | GuardrailContentBlock | GuardrailContentBlockDict | UntypedDict
)
GuardrailContentInput: TypeAlias = GuardrailContentBlockInput | Sequence[GuardrailContentBlockInput]
"""What ApplyGuardrail checks: a text, a block, or a list of them."""

PromptVariablesInput: TypeAlias = Mapping[
    str, str | PromptVariableValues | PromptVariableValuesDict | UntypedDict
]
PerformanceConfigInput: TypeAlias = (
    PerformanceConfigLatency | PerformanceConfiguration | PerformanceConfigurationDict | UntypedDict
)
"""A text is the latency: standard or optimized."""

ServiceTierInput: TypeAlias = ServiceTierType | ServiceTier | ServiceTierDict | UntypedDict
"""A text is the type: priority, default, flex or reserved."""

OutputConfigInput: TypeAlias = OutputConfig | OutputConfigDict | UntypedDict
