"""Requests to ApplyGuardrail, and its replies."""

from __future__ import annotations

import pytest

from bedrock_bearer.converse import (
    ApplyGuardrailRequest,
    ApplyGuardrailResponse,
    GuardrailTextBlock,
    GuardrailTextContent,
)
from bedrock_bearer.converse.inputs import GuardrailContentInput

BLOCK = {"text": {"text": "Hi"}}


@pytest.mark.parametrize(
    "content",
    [
        "Hi",
        {"text": {"text": "Hi"}},
        GuardrailTextContent(text=GuardrailTextBlock(text="Hi")),
        ["Hi"],
    ],
    ids=["text", "dict", "model", "list"],
)
def test_content_is_a_text_a_block_or_a_list(content: GuardrailContentInput) -> None:
    request = ApplyGuardrailRequest.build("gr1", "DRAFT", content)

    assert (request.guardrail_identifier, request.guardrail_version) == ("gr1", "DRAFT")
    assert request.to_wire() == {"source": "INPUT", "content": [BLOCK]}


def test_source_scope_qualifiers_and_images_go_into_the_body() -> None:
    request = ApplyGuardrailRequest.build(
        "gr1",
        "3",
        [
            {"text": {"text": "Hi", "qualifiers": ["query"]}},
            {"image": {"format": "png", "source": {"bytes": b"\x00"}}},
        ],
        source="OUTPUT",
        output_scope="FULL",
    )

    assert request.to_wire() == {
        "source": "OUTPUT",
        "outputScope": "FULL",
        "content": [
            {"text": {"text": "Hi", "qualifiers": ["query"]}},
            {"image": {"format": "png", "source": {"bytes": "AA=="}}},
        ],
    }


@pytest.mark.parametrize(
    ("identifier", "version", "content", "message"),
    [
        ("", "1", "Hi", "guardrail_identifier is empty or not a string"),
        ("gr1", " ", "Hi", "guardrail_version is empty or not a string"),
        ("gr1", "1", [], "content is empty: pass a text, a block or a list of blocks"),
        ("gr1", "1", 3, "content: Input should be a text, a dict or a list, not int"),
        ("gr1", "1", {"text": "Hi"}, r"content\[0\]\.text: "),
    ],
)
def test_a_mistake_is_named_with_its_place(
    identifier: str, version: str, content: GuardrailContentInput, message: str
) -> None:
    with pytest.raises(ValueError, match=f"^{message}"):
        ApplyGuardrailRequest.build(identifier, version, content)


def test_a_reply_that_leaves_everything_out_reads_as_empty() -> None:
    reply = ApplyGuardrailResponse.model_validate({})

    assert (reply.action, reply.outputs, reply.assessments) == ("", [], [])
    assert reply.usage.topic_policy_units is None
    assert reply.to_wire() == {}
