"""Guardrails of the local Bedrock: blocked words, and the message that replaces them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from bedrock_bearer.local.http import Document
from bedrock_bearer.local.replies import Reply, guardrail_reply
from bedrock_bearer.local.service_errors import invalid

POLICY_UNITS = (
    "topicPolicyUnits",
    "contentPolicyUnits",
    "wordPolicyUnits",
    "sensitiveInformationPolicyUnits",
    "sensitiveInformationPolicyFreeUnits",
    "contextualGroundingPolicyUnits",
)
CHARACTERS_PER_UNIT = 1_000
PROCESSING_LATENCY_MS = 12


@dataclass(frozen=True, slots=True)
class Guardrail:
    """A guardrail with a word policy.

    Attributes:
        identifier: its id.
        blocked_words: words that it blocks; upper and lower case are the same.
        message: the reply when a word is blocked.
        version: the published version; `DRAFT` is always accepted too.
    """

    identifier: str
    blocked_words: tuple[str, ...]
    message: str = "Sorry, the model cannot answer this question."
    version: str = "1"

    def matches(self, text: str) -> list[str]:
        """Return the blocked words found in a text."""
        lowered = text.lower()
        return [word for word in self.blocked_words if word.lower() in lowered]

    def usage(self, text: str) -> dict[str, int]:
        """Return the policy units that the text costs."""
        units = -(-len(text) // CHARACTERS_PER_UNIT)
        return {name: units if name == "wordPolicyUnits" else 0 for name in POLICY_UNITS}

    def assessment(self, text: str) -> dict[str, Any]:
        """Return the assessment of a text, as traces and ApplyGuardrail show it."""
        coverage = {"textCharacters": {"guarded": len(text), "total": len(text)}}
        result: dict[str, Any] = {
            "invocationMetrics": {
                "guardrailCoverage": coverage,
                "guardrailProcessingLatency": PROCESSING_LATENCY_MS,
                "usage": self.usage(text),
            }
        }
        words = [{"action": "BLOCKED", "match": word} for word in self.matches(text)]
        if words:
            result["wordPolicy"] = {"customWords": words, "managedWordLists": []}
        return result

    def apply(self, texts: Iterable[str]) -> dict[str, Any]:
        """Return the body of an ApplyGuardrail response."""
        text = "\n".join(texts)
        blocked = bool(self.matches(text))
        return {
            "action": "GUARDRAIL_INTERVENED" if blocked else "NONE",
            "assessments": [self.assessment(text)],
            "guardrailCoverage": {"textCharacters": {"guarded": len(text), "total": len(text)}},
            "outputs": [{"text": self.message}] if blocked else [],
            "usage": self.usage(text),
        }


class Guardrails:
    """The guardrails of the account, by id."""

    def __init__(self) -> None:
        self._by_id: dict[str, Guardrail] = {}

    def add(self, guardrail: Guardrail) -> None:
        """Add a guardrail, or replace the one of the same id."""
        self._by_id[guardrail.identifier] = guardrail

    def require(self, identifier: str, version: str) -> Guardrail:
        """Return the guardrail that an id or ARN means, or refuse it as Bedrock does."""
        guardrail = self._by_id.get(identifier.rpartition("/")[2])
        if guardrail is None or version not in ("DRAFT", guardrail.version):
            raise invalid(
                "The guardrail identifier or version provided in the request does not exist."
            )
        return guardrail


def guarded_text(request: Document) -> str:
    """Return the text that a guardrail reads: the guarded blocks if any, else all texts."""
    blocks = [b for m in request.get("messages") or [] for b in m.get("content") or []]
    guarded = [
        (b["guardContent"].get("text") or {}).get("text", "") for b in blocks if "guardContent" in b
    ]
    return "\n".join(guarded or [b["text"] for b in blocks if "text" in b])


def guard_input(guardrail: Guardrail, request: Document) -> Reply | None:
    """Return the guardrail's reply if it blocks the request, else None."""
    text = guarded_text(request)
    if not guardrail.matches(text):
        return None
    trace = {"inputAssessment": {guardrail.identifier: guardrail.assessment(text)}}
    usage = {"inputTokens": 0, "outputTokens": 0, "totalTokens": 0}
    return guardrail_reply(guardrail.message, _trace(request, trace), usage=usage)


def guard_output(guardrail: Guardrail, request: Document, reply: Reply) -> Reply:
    """Return the reply, or the guardrail's message if it blocks the reply."""
    text = "\n".join(block["text"] for block in reply.content if "text" in block)
    if not guardrail.matches(text):
        return reply
    trace = {
        "modelOutput": [text],
        "outputAssessments": {guardrail.identifier: [guardrail.assessment(text)]},
    }
    return guardrail_reply(guardrail.message, _trace(request, trace))


def _trace(request: Document, trace: Document) -> Document | None:
    wanted = (request.get("guardrailConfig") or {}).get("trace", "disabled")
    return None if wanted == "disabled" else {"guardrail": trace}
