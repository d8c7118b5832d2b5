"""What can be asked of policies: may a key be used, and may one be created?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

from bedrock_bearer.access.evaluation import Decision, evaluate
from bedrock_bearer.access.policy_set import PolicySet
from bedrock_bearer.access.request_context import DIRECT_CALL, LONG_TERM_KEY
from bedrock_bearer.facts import (
    AGE_KEY,
    BEDROCK_SERVICE,
    CREATE_KEY,
    IAM_REGIONS,
    SERVICE_NAME_KEY,
    TOKEN_TYPE_KEYS,
    USE_ACTIONS,
)
from bedrock_bearer.keys.description import TokenType


@dataclass(frozen=True, slots=True)
class Question:
    """A request that policies are asked about.

    Attributes:
        action: the action.
        asked: the condition keys that the question is about.
        known: further condition keys that are known, of the caller and of the way it calls.
    """

    action: str
    asked: Mapping[str, Any]
    known: Mapping[str, Any]

    def knowing(self, more: Mapping[str, Any]) -> Question:
        """Return the question with more condition keys known."""
        return replace(self, known={**self.known, **more})

    @property
    def context(self) -> dict[str, Any]:
        """All condition keys that are known."""
        return {**self.known, **self.asked}

    def describe(self) -> str:
        """Say on one line what is asked."""
        asked = [
            f"without {name}" if value is None else f"{name} = {value}"
            for name, value in self.asked.items()
        ]
        return f"{self.action} with {', '.join(asked)}"


def use_of_key(
    token_type: TokenType | str, *, mantle: bool = False, region: str | None = None
) -> Question:
    """Return the question whether a key of a type may be used, in a Region if it is known."""
    service = "bedrock-mantle" if mantle else "bedrock"
    kind = TokenType(token_type)
    known = dict(DIRECT_CALL)
    if kind is TokenType.LONG_TERM:
        known |= LONG_TERM_KEY
    if region is not None:
        known["aws:RequestedRegion"] = region
    asked = {TOKEN_TYPE_KEYS[service]: kind.value}
    return Question(USE_ACTIONS[service], asked, known)


def creation_of_key(days: int | None, *, partition: str = "aws") -> Question:
    """Return the question whether a long-term key may be created; None: one that never expires."""
    asked = {SERVICE_NAME_KEY: BEDROCK_SERVICE, AGE_KEY: days}
    known = dict(DIRECT_CALL)
    if partition in IAM_REGIONS:
        known["aws:RequestedRegion"] = IAM_REGIONS[partition]
    return Question(CREATE_KEY, asked, known)


@dataclass(frozen=True, slots=True)
class Answer:
    """What policies answer to a question.

    Attributes:
        outcome: `allowed`, `denied`, `not denied` (by these policies; others may deny) or
            `undecided`.
        decision: the decision on what is given.
    """

    outcome: Literal["allowed", "denied", "not denied", "undecided"]
    decision: Decision

    def describe(self) -> str:
        """Say on one line what the answer is and why."""
        if self.outcome == "undecided":
            return f"undecided: it {self.decision.reason}"
        if self.outcome == "not denied":
            return "not denied by these policies; others may deny it, or none may allow it"
        return f"{self.outcome}: {self.decision.reason}"


def ask(policies: PolicySet, question: Question, *, complete: bool) -> Answer:
    """Ask policies a question.

    Args:
        policies: the policies.
        question: the question. A condition key that it does not tell is unknown.
        complete: whether these are all policies that there are. If not, others may allow
            everything, and others may deny: the answer is then `denied` or `not denied`.

    Raises:
        ValueError: a policy is not valid.
    """
    asked = policies if complete else policies.beside_others()
    decision = evaluate(asked, question.action, question.context, partial=True)
    if decision.allowed and not complete:
        return Answer("not denied", replace(decision, statement=None))
    return Answer(decision.outcome, decision)
