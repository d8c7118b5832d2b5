"""Messages.

The module with the other blocks is imported when a message has something else than text.
"""

from typing import TYPE_CHECKING, Annotated, Any

from bedrock_bearer.converse.base import WireModel
from bedrock_bearer.converse.content import ConversationRole

if TYPE_CHECKING:
    from bedrock_bearer.converse.blocks import ContentBlock, SystemContentBlock
else:
    from bedrock_bearer.converse.base import DeferredUnion
    from bedrock_bearer.converse.content import TextContent

    _BLOCKS = "bedrock_bearer.converse.blocks"
    ContentBlock = Annotated[Any, DeferredUnion(TextContent, f"{_BLOCKS}:ContentBlock")]
    SystemContentBlock = Annotated[Any, DeferredUnion(TextContent, f"{_BLOCKS}:SystemContentBlock")]

__all__ = ["Message"]


class Message(WireModel):
    """One turn of a conversation.

    https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Message.html
    """

    role: ConversationRole
    content: list[ContentBlock]
