"""The request of Converse and ConverseStream.

https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html
"""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Annotated, Any, TypeVar, Unpack

from pydantic import BaseModel, Field, ValidationError

from bedrock_bearer.converse.base import Document, WireModel, read_model
from bedrock_bearer.converse.inference import InferenceConfiguration
from bedrock_bearer.converse.message import Message
from bedrock_bearer.converse.options import ConverseOptions
from bedrock_bearer.signatures import check_options, spell_out_options

# The modules with tools and with rarer settings are imported when a request has some.
if TYPE_CHECKING:
    from bedrock_bearer.converse.blocks import SystemContentBlock
    from bedrock_bearer.converse.configuration import (
        GuardrailConfiguration,
        OutputConfig,
        PerformanceConfiguration,
        PromptVariableValues,
        ServiceTier,
    )
    from bedrock_bearer.converse.inputs import MessagesInput
    from bedrock_bearer.converse.tools import ToolConfiguration
else:
    from bedrock_bearer.converse.base import Deferred
    from bedrock_bearer.converse.message import SystemContentBlock

    _SETTINGS = "bedrock_bearer.converse.configuration"
    GuardrailConfiguration = Annotated[Any, Deferred(f"{_SETTINGS}:GuardrailConfiguration")]
    OutputConfig = Annotated[Any, Deferred(f"{_SETTINGS}:OutputConfig")]
    PerformanceConfiguration = Annotated[Any, Deferred(f"{_SETTINGS}:PerformanceConfiguration")]
    PromptVariableValues = Annotated[Any, Deferred(f"{_SETTINGS}:PromptVariableValues")]
    ServiceTier = Annotated[Any, Deferred(f"{_SETTINGS}:ServiceTier")]
    ToolConfiguration = Annotated[Any, Deferred("bedrock_bearer.converse.tools:ToolConfiguration")]

__all__ = ["ConverseRequest"]


ModelT = TypeVar("ModelT", bound=WireModel)


class ConverseRequest(WireModel):
    """A request to Converse or ConverseStream.

    `model_id` goes into the path: `to_wire()` is the body, without it. Use `build` to make one.
    """

    model_id: str = Field(default="", exclude=True)
    messages: list[Message] | None = None
    system: list[SystemContentBlock] | None = None
    inference_config: InferenceConfiguration | None = None
    tool_config: ToolConfiguration | None = None
    guardrail_config: GuardrailConfiguration | None = None
    additional_model_request_fields: Document = None
    prompt_variables: dict[str, PromptVariableValues] | None = None
    additional_model_response_field_paths: list[str] | None = None
    request_metadata: dict[str, str] | None = None
    performance_config: PerformanceConfiguration | None = None
    service_tier: ServiceTier | None = None
    output_config: OutputConfig | None = None
    project_identifier: str | None = None

    @classmethod
    @spell_out_options(ConverseOptions)
    def build(
        cls,
        model_id: str,
        messages: "MessagesInput | None" = None,
        **options: Unpack[ConverseOptions],
    ) -> "ConverseRequest":
        """Build a request from models, from the dicts that boto3 takes, or from plain text.

        Args:
            model_id: a model id, an inference profile or an ARN.
            messages: one message or a list of them; a text is a message of the user. They may be
                left out only for a prompt of Prompt management. A message's content may be plain
                text.
            options: see `ConverseOptions`.

        Raises:
            ValueError: an argument is not valid. The message is one sentence that names the place,
                such as `messages[2].content[0]`.
            TypeError: there is no such option.
        """
        check_options("converse", options, ConverseOptions)
        given: dict[str, Any] = {**options}
        tools = given.pop("tools", None)
        inline = {name: given.pop(name, None) for name in InferenceConfiguration.model_fields}
        given |= {
            "model_id": checked_model_id(model_id),
            "messages": read_messages(messages, model_id, given.get("prompt_variables")),
            "system": read_system(given.get("system")),
            "inference_config": _inference_config(given.get("inference_config"), inline),
            "tool_config": with_tools(given.get("tool_config"), tools),
            "prompt_variables": _prompt_variables(given.get("prompt_variables")),
            "performance_config": _text_as("latency", given.get("performance_config")),
            "service_tier": _text_as("type", given.get("service_tier")),
        }
        return read_input(cls, {name: value for name, value in given.items() if value is not None})


def read_input(model: type[ModelT], value: Mapping[str, Any]) -> ModelT:
    """Read what a caller passed. The ValueError says in one sentence what is wrong, and where."""
    try:
        return read_model(model, value)
    except ValidationError as error:
        from bedrock_bearer.converse.problems import sentence

        problem = sentence(error)
    # Raised here so that pydantic's error, which holds the input, is not chained to it.
    raise ValueError(problem)


def checked_model_id(model_id: str) -> str:
    if not isinstance(model_id, str):
        raise ValueError(f"model_id: Input should be a string, not {type(model_id).__name__}")
    if not model_id.strip():
        raise ValueError("model_id is empty: pass a model id, an inference profile or an ARN")
    return model_id


def read_messages(messages: Any, model_id: str, prompt_variables: Any) -> list[Any] | None:
    if messages is None:
        if prompt_variables is not None or ":prompt/" in str(model_id):
            return None
        raise ValueError("messages is missing: pass a text, a message or a list of messages")
    several = as_list(messages, "messages")
    if not several:
        raise ValueError("messages is empty: pass a text, a message or a list of messages")
    return [_message(message, place) for place, message in enumerate(several)]


def _message(message: Any, place: int) -> Any:
    if isinstance(message, str):
        return {"role": "user", "content": [{"text": message}]}
    if isinstance(message, Message):
        return message
    if isinstance(message, Mapping):
        return _message_dict(message, place)
    hint = "; append its .message" if hasattr(message, "stop_reason") else ""
    raise ValueError(
        f"messages[{place}]: Input should be a text, a Message or a dict, "
        f"not {type(message).__name__}{hint}"
    )


def _message_dict(message: Mapping[str, Any], place: int) -> dict[str, Any]:
    if "role" not in message:
        raise ValueError(f"messages[{place}].role is missing: user or assistant")
    if isinstance(message.get("content"), str):
        return {**message, "content": [{"text": message["content"]}]}
    return dict(message)


def read_system(system: Any) -> list[Any] | None:
    if system is None:
        return None
    return [
        {"text": block} if isinstance(block, str) else block for block in as_list(system, "system")
    ]


def as_list(value: Any, name: str) -> list[Any]:
    if isinstance(value, (str, Mapping, BaseModel)):
        return [value] if value else []
    if isinstance(value, Iterable) and not isinstance(value, (bytes, bytearray)):
        return list(value)
    raise ValueError(
        f"{name}: Input should be a text, a dict or a list, not {type(value).__name__}"
    )


def _inference_config(config: Any, inline: dict[str, Any]) -> Any:
    inline = {name: value for name, value in inline.items() if value is not None}
    if config is None:
        return inline or None
    if not inline or not isinstance(config, (Mapping, InferenceConfiguration)):
        return config
    if isinstance(config, Mapping):
        config = read_input(InferenceConfiguration, config)
    for name in inline:
        if getattr(config, name) is not None:
            raise ValueError(f"{name} is given twice: as an argument and in inference_config")
    return {**config.to_wire(), **inline}


def with_tools(config: Any, tools: Any) -> Any:
    """Return a tool configuration with more tools."""
    if tools is None:
        return config
    from bedrock_bearer.converse.functions import tool_of

    tools = checked_tools(tools)
    given = config.to_wire() if isinstance(config, WireModel) else config or {}
    return {**given, "tools": [*given.get("tools", ()), *map(tool_of, tools)]}


def checked_tools(tools: Any) -> list[Any]:
    if isinstance(tools, Iterable) and not isinstance(tools, (str, Mapping, BaseModel)):
        return list(tools)
    raise ValueError(f"tools: Input should be a list of tools, not {type(tools).__name__}")


def _prompt_variables(variables: Any) -> Any:
    if not isinstance(variables, Mapping):
        return variables
    return {
        name: {"text": value} if isinstance(value, str) else value
        for name, value in variables.items()
    }


def _text_as(key: str, value: Any) -> Any:
    return {key: value} if isinstance(value, str) else value
