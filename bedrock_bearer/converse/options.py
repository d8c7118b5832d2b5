"""What a call may be given besides the model and the messages.

The clients take their options, the options' types and their meanings from here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypedDict

if TYPE_CHECKING:
    from bedrock_bearer.converse.inputs import (
        GuardrailConfigInput,
        InferenceConfigInput,
        OutputConfigInput,
        PerformanceConfigInput,
        PromptVariablesInput,
        ServiceTierInput,
        SystemInput,
        ToolConfigInput,
        ToolsInput,
    )

__all__ = ["ConverseOptions", "CountTokensOptions"]


class ConverseOptions(TypedDict, total=False):
    """The options of a Converse call. None is as good as left out.

    Each is what AWS's request has under its camelCase name; see
    https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html.

    Attributes:
        system: instructions to the model, as a text, a block, or a list of them.
        max_tokens: how many tokens the reply may have at most.
        temperature: how freely the model chooses, from 0 to 1. Lower is more predictable.
        top_p: the share of the most probable tokens to choose from, from 0 to 1.
        stop_sequences: texts that end the reply.
        inference_config: these last four as AWS's one structure, instead of one by one.
        tool_config: the tools that the model may ask for, and how it is to choose.
        tools: tools to add to it: functions, `ToolSpecification`s, or the dicts that boto3 takes.
            A function's signature and docstring become its specification.
        guardrail_config: the guardrail to apply, and whether to trace it.
        additional_model_request_fields: a JSON document of the model's own parameters.
        additional_model_response_field_paths: JSON pointers to fields that the reply is to hold
            in `additional_model_response_fields`.
        prompt_variables: the values of the variables of a prompt of Prompt management.
        request_metadata: keys and values that filter invocation logs.
        performance_config: the latency, "standard" or "optimized".
        service_tier: the processing tier, "default", "priority", "flex" or "reserved".
        output_config: the form of the reply, such as a JSON schema.
        project_identifier: the Bedrock project that the call belongs to.
    """

    system: SystemInput | None
    max_tokens: int | None
    temperature: float | None
    top_p: float | None
    stop_sequences: Sequence[str] | None
    inference_config: InferenceConfigInput | None
    tool_config: ToolConfigInput | None
    tools: ToolsInput | None
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
    """The options of a CountTokens call: those of Converse that add tokens.

    See https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_CountTokens.html.

    Attributes:
        system: instructions to the model, as a text, a block, or a list of them.
        tool_config: the tools that the model may ask for.
        tools: tools to add to it; see `ConverseOptions`.
        additional_model_request_fields: a JSON document of the model's own parameters.
    """

    system: SystemInput | None
    tool_config: ToolConfigInput | None
    tools: ToolsInput | None
    additional_model_request_fields: Any
