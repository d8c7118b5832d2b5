"""The request and the reply of ApplyGuardrail.

https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_ApplyGuardrail.html
"""

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from bedrock_bearer.converse.base import OpenEnum, WireModel
from bedrock_bearer.converse.guardrail_content import GuardrailContentBlock
from bedrock_bearer.converse.guardrails import (
    GuardrailAssessment,
    GuardrailCoverage,
    GuardrailUsage,
)
from bedrock_bearer.converse.request import as_list, read_input

if TYPE_CHECKING:
    from bedrock_bearer.converse.inputs import GuardrailContentInput

__all__ = [
    "ApplyGuardrailRequest",
    "ApplyGuardrailResponse",
    "GuardrailAction",
    "GuardrailContentSource",
    "GuardrailOutputContent",
    "GuardrailOutputScope",
]

GuardrailAction = Annotated[Literal["NONE", "GUARDRAIL_INTERVENED"] | str, OpenEnum()]
GuardrailContentSource = Annotated[Literal["INPUT", "OUTPUT"] | str, OpenEnum()]
GuardrailOutputScope = Annotated[Literal["INTERVENTIONS", "FULL"] | str, OpenEnum()]


class ApplyGuardrailRequest(WireModel):
    """A request to ApplyGuardrail; `to_wire()` is the body, without the fields in the path."""

    guardrail_identifier: str = Field(default="", exclude=True)
    guardrail_version: str = Field(default="", exclude=True)
    source: GuardrailContentSource
    content: list[GuardrailContentBlock]
    output_scope: GuardrailOutputScope | None = None

    @classmethod
    def build(
        cls,
        guardrail_identifier: str,
        guardrail_version: str,
        content: "GuardrailContentInput",
        *,
        source: GuardrailContentSource = "INPUT",
        output_scope: GuardrailOutputScope | None = None,
    ) -> "ApplyGuardrailRequest":
        """Build a request from a text, a block, or a list of them.

        Args:
            guardrail_identifier: the id or the ARN of the guardrail.
            guardrail_version: a version number, or "DRAFT".
            content: what to check.
            source: "INPUT" for what a user wrote, "OUTPUT" for what a model wrote.
            output_scope: "FULL" also reports what was not detected. Default: "INTERVENTIONS".

        Raises:
            ValueError: an argument is not valid. The message names the place.
        """
        for name, value in (
            ("guardrail_identifier", guardrail_identifier),
            ("guardrail_version", guardrail_version),
        ):
            if not isinstance(value, str) or not value.strip():
                raise ValueError(f"{name} is empty or not a string")
        blocks = [
            {"text": {"text": block}} if isinstance(block, str) else block
            for block in as_list(content, "content")
        ]
        if not blocks:
            raise ValueError("content is empty: pass a text, a block or a list of blocks")
        given = {
            "guardrail_identifier": guardrail_identifier,
            "guardrail_version": guardrail_version,
            "source": source,
            "content": blocks,
            "output_scope": output_scope,
        }
        return read_input(cls, {name: value for name, value in given.items() if value is not None})


class GuardrailOutputContent(WireModel):
    """Text that the guardrail gives instead of what it checked."""

    text: str | None = None


class ApplyGuardrailResponse(WireModel):
    """The reply to ApplyGuardrail.

    `action` is "GUARDRAIL_INTERVENED" if the guardrail blocked or masked something; `outputs` then
    has the text to use instead.
    """

    usage: GuardrailUsage = Field(default_factory=GuardrailUsage)
    action: GuardrailAction = ""
    action_reason: str | None = None
    outputs: list[GuardrailOutputContent] = Field(default_factory=list)
    assessments: list[GuardrailAssessment] = Field(default_factory=list)
    guardrail_coverage: GuardrailCoverage | None = None
