"""The request and the reply of CountTokens.

https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_CountTokens.html
"""

from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field

from bedrock_bearer.converse.base import (
    Blob,
    Document,
    Integer,
    OpenUnion,
    UnknownMember,
    WireModel,
)
from bedrock_bearer.converse.blocks import SystemContentBlock
from bedrock_bearer.converse.message import Message
from bedrock_bearer.converse.request import (
    checked_model_id,
    read_input,
    read_messages,
    read_system,
    with_tools,
)
from bedrock_bearer.converse.tools import ToolConfiguration

if TYPE_CHECKING:
    from bedrock_bearer.converse.inputs import (
        MessagesInput,
        SystemInput,
        ToolConfigInput,
        ToolsInput,
    )

__all__ = [
    "ConverseTokensInput",
    "ConverseTokensRequest",
    "CountTokensInput",
    "CountTokensRequest",
    "CountTokensResponse",
    "InvokeModelTokensInput",
    "InvokeModelTokensRequest",
]


class ConverseTokensRequest(WireModel):
    """The parts of a Converse request that have tokens."""

    messages: list[Message] | None = None
    system: list[SystemContentBlock] | None = None
    tool_config: ToolConfiguration | None = None
    additional_model_request_fields: Document = None


class InvokeModelTokensRequest(WireModel):
    """The body of an InvokeModel request."""

    body: Blob


class ConverseTokensInput(WireModel):
    """Count the tokens of a Converse request."""

    converse: ConverseTokensRequest


class InvokeModelTokensInput(WireModel):
    """Count the tokens of an InvokeModel request."""

    invoke_model: InvokeModelTokensRequest


CountTokensInput = Annotated[
    InvokeModelTokensInput | ConverseTokensInput | UnknownMember, OpenUnion()
]


class CountTokensRequest(WireModel):
    """A request to CountTokens; `to_wire()` is the body, without `model_id`."""

    model_id: str = Field(default="", exclude=True)
    input: CountTokensInput

    @classmethod
    def build(
        cls,
        model_id: str,
        messages: "MessagesInput",
        *,
        system: "SystemInput | None" = None,
        tool_config: "ToolConfigInput | None" = None,
        tools: "ToolsInput | None" = None,
        additional_model_request_fields: Any = None,
    ) -> "CountTokensRequest":
        """Build a request from the arguments of `ConverseRequest.build` that have tokens.

        Raises:
            ValueError: an argument is not valid; see `ConverseRequest.build`.
        """
        given = {
            "messages": read_messages(messages, model_id, None),
            "system": read_system(system),
            "tool_config": with_tools(tool_config, tools),
            "additional_model_request_fields": additional_model_request_fields,
        }
        body = read_input(
            ConverseTokensRequest,
            {name: value for name, value in given.items() if value is not None},
        )
        return cls(model_id=checked_model_id(model_id), input=ConverseTokensInput(converse=body))


class CountTokensResponse(WireModel):
    """The reply of CountTokens."""

    input_tokens: Integer = 0
