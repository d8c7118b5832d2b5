"""What ApplyGuardrail checks.

https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_GuardrailContentBlock.html
"""

from typing import Annotated, Literal

from bedrock_bearer.converse.base import OpenEnum, OpenUnion, UnknownMember, WireModel
from bedrock_bearer.converse.media import BytesSource

__all__ = [
    "GuardrailContentBlock",
    "GuardrailContentQualifier",
    "GuardrailImageBlock",
    "GuardrailImageContent",
    "GuardrailImageFormat",
    "GuardrailImageSource",
    "GuardrailTextBlock",
    "GuardrailTextContent",
]


GuardrailContentQualifier = Annotated[
    Literal["grounding_source", "query", "guard_content"] | str, OpenEnum()
]
GuardrailImageFormat = Annotated[Literal["png", "jpeg"] | str, OpenEnum()]
GuardrailImageSource = Annotated[BytesSource | UnknownMember, OpenUnion()]


class GuardrailTextBlock(WireModel):
    """Text to check. `qualifiers` say what a contextual grounding check is to use it as."""

    text: str
    qualifiers: list[GuardrailContentQualifier] | None = None


class GuardrailImageBlock(WireModel):
    """An image to check."""

    format: GuardrailImageFormat
    source: GuardrailImageSource


class GuardrailTextContent(WireModel):
    """Text to check."""

    text: GuardrailTextBlock


class GuardrailImageContent(WireModel):
    """An image to check."""

    image: GuardrailImageBlock


GuardrailContentBlock = Annotated[
    GuardrailTextContent | GuardrailImageContent | UnknownMember, OpenUnion()
]
