"""What every message is made of: a role, and text.

The other blocks are in `blocks`, the messages themselves in `message`.
"""

from typing import Annotated, Literal

from bedrock_bearer.converse.base import OpenEnum, UnknownMember, WireModel

__all__ = [
    "CacheTTL",
    "ConversationRole",
    "TextContent",
    "UnknownContent",
]

ConversationRole = Annotated[Literal["user", "assistant", "system"] | str, OpenEnum()]
CacheTTL = Annotated[Literal["5m", "1h"] | str, OpenEnum()]


class UnknownContent(UnknownMember):
    """A content block this version does not know, kept as it came: see `to_wire()`."""


class TextContent(WireModel):
    """Text."""

    text: str
