"""The types of what callers pass: a model, the dict that boto3 takes, or plain text.

These names are for annotations. A list that is filled step by step needs one of its own:

    messages: list[MessageInput] = ["What is on this picture?"]
    messages.append(client.converse(model_id, messages).message)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias, TypedDict

from bedrock_bearer.converse.blocks import SystemContentBlock
from bedrock_bearer.converse.dicts import (
    GuardrailConfigurationDict,
    InferenceConfigurationDict,
    MessageDict,
    OutputConfigDict,
    PerformanceConfigurationDict,
    PromptVariableValuesDict,
    ServiceTierDict,
    SystemContentBlockDict,
    ToolConfigurationDict,
    UntypedDict,
)
from bedrock_bearer.converse.message import Message
from bedrock_bearer.converse.request import (
    GuardrailConfiguration,
    InferenceConfiguration,
    OutputConfig,
    PerformanceConfigLatency,
    PerformanceConfiguration,
    PromptVariableValues,
    ServiceTier,
    ServiceTierType,
)
from bedrock_bearer.converse.tools import ToolConfiguration

__all__ = [
    "ConverseOptions",
    "CountTokensOptions",
    "GuardrailConfigInput",
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
]

MessageInput: TypeAlias = str | Message | MessageDict | UntypedDict
"""One message; a text is a message of the user."""

MessagesInput: TypeAlias = MessageInput | Sequence[MessageInput]
"""A conversation: one message or several."""

SystemBlockInput: TypeAlias = str | SystemContentBlock | SystemContentBlockDict | UntypedDict
SystemInput: TypeAlias = SystemBlockInput | Sequence[SystemBlockInput]
InferenceConfigInput: TypeAlias = InferenceConfiguration | InferenceConfigurationDict | UntypedDict
ToolConfigInput: TypeAlias = ToolConfiguration | ToolConfigurationDict | UntypedDict
GuardrailConfigInput: TypeAlias = GuardrailConfiguration | GuardrailConfigurationDict | UntypedDict
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


class ConverseOptions(TypedDict, total=False):
    """What a Converse call may be given besides the model and the messages.

    Each is what AWS's request syntax has under its camelCase name; see
    https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html.
    `max_tokens`, `temperature`, `top_p` and `stop_sequences` go into `inferenceConfig`.
    """

    system: SystemInput | None
    max_tokens: int | None
    temperature: float | None
    top_p: float | None
    stop_sequences: Sequence[str] | None
    inference_config: InferenceConfigInput | None
    tool_config: ToolConfigInput | None
    guardrail_config: GuardrailConfigInput | None
    additional_model_request_fields: Any
    additional_model_response_field_paths: Sequence[str] | None
    prompt_variables: PromptVariablesInput | None
    request_metadata: Mapping[str, str] | None
    performance_config: PerformanceConfigInput | None
    service_tier: ServiceTierInput | None
    output_config: OutputConfigInput | None
    project_identifier: str | None


class CountTokensOptions(TypedDict, total=False):
    """What CountTokens may be given besides the model and the messages."""

    system: SystemInput | None
    tool_config: ToolConfigInput | None
    additional_model_request_fields: Any
