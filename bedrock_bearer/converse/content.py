"""The parts that every message has: a role and text.

The other blocks are in `blocks`, and messages are in `message`.
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
    """A content block that this version does not know. `to_wire()` gives it back unchanged."""


class TextContent(WireModel):
    """Text."""

    text: str
