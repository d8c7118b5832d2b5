"""The request and the reply of CountTokens.

https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_CountTokens.html
"""

from typing import TYPE_CHECKING, Annotated, Unpack

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
from bedrock_bearer.converse.options import CountTokensOptions
from bedrock_bearer.converse.request import (
    checked_model_id,
    read_input,
    read_messages,
    read_system,
    with_tools,
)
from bedrock_bearer.converse.tools import ToolConfiguration
from bedrock_bearer.signatures import check_options, spell_out_options

if TYPE_CHECKING:
    from bedrock_bearer.converse.inputs import MessagesInput

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
    @spell_out_options(CountTokensOptions)
    def build(
        cls,
        model_id: str,
        messages: "MessagesInput",
        **options: Unpack[CountTokensOptions],
    ) -> "CountTokensRequest":
        """Build a request from the arguments of `ConverseRequest.build` that have tokens.

        Raises:
            ValueError: an argument is not valid; see `ConverseRequest.build`.
            TypeError: there is no such option.
        """
        check_options("count_tokens", options, CountTokensOptions)
        given = {
            "messages": read_messages(messages, model_id, None),
            "system": read_system(options.get("system")),
            "tool_config": with_tools(options.get("tool_config"), options.get("tools")),
            "additional_model_request_fields": options.get("additional_model_request_fields"),
        }
        body = read_input(
            ConverseTokensRequest,
            {name: value for name, value in given.items() if value is not None},
        )
        return cls(model_id=checked_model_id(model_id), input=ConverseTokensInput(converse=body))


class CountTokensResponse(WireModel):
    """The reply of CountTokens."""

    input_tokens: Integer = 0
