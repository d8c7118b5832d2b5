"""`bedrock-bearer policy explain --model`: whether policies allow all that one call needs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bedrock_bearer.errors import BedrockError

if TYPE_CHECKING:
    from bedrock_bearer.access.policy_set import PolicySet
    from bedrock_bearer.access.preflight import ModelResources, Preflight


@dataclass(frozen=True, slots=True)
class ModelQuestion:
    """The call that is asked about.

    Attributes:
        model: the id or ARN of the model or inference profile.
        stream: whether it is ConverseStream.
        region: the Region that is called.
        account: the account that calls, or None if it is not known.
        from_aws: whether AWS is asked which models are behind a profile.
    """

    model: str
    stream: bool
    region: str
    account: str | None
    from_aws: bool


def preflight_of(
    question: ModelQuestion, policies: PolicySet, context: Mapping[str, Any]
) -> tuple[Preflight, list[str]]:
    """Return what the call needs, and what AWS did not answer."""
    from bedrock_bearer.access.preflight import preflight

    resources, unanswered = _resources(question)
    return preflight(policies, resources, context, stream=question.stream), unanswered


def lines_of(found: Preflight, outcome: str) -> list[str]:
    """Say in words what a call needs and what is missing."""
    lines = [one.describe() for one in found.requirements]
    if found.statements_to_add:
        import json

        missing = [str(one.decision.policy_type) for one in found.requirements if one.is_missing]
        lines.append(f"Missing, to be added to the {' and the '.join(dict.fromkeys(missing))}:")
        lines += [json.dumps(statement) for statement in found.statements_to_add]
    lines += [f"Not known: {text}" for text in found.unknown]
    if found.depends_on:
        lines.append(f"It depends on {', '.join(found.depends_on)}.")
    return [*lines, f"The call as a whole: {outcome}."]


def document_of(found: Preflight) -> dict[str, Any]:
    """Return what a call needs and what is missing, as members of the JSON document."""
    return {
        "requirements": [
            {
                "action": one.action,
                "resource": one.resource,
                "certain": one.is_certain,
                "outcome": one.decision.outcome,
                "effect": one.decision.effect,
                "policy_type": one.decision.policy_type,
                "statement": one.decision.statement.to_document()
                if one.decision.statement
                else None,
            }
            for one in found.requirements
        ],
        "statements_to_add": found.statements_to_add,
        "unknown": list(found.unknown),
    }


def _resources(question: ModelQuestion) -> tuple[ModelResources, list[str]]:
    from bedrock_bearer.access.preflight import resources_of
    from bedrock_bearer.regions import partition_of

    named = resources_of(
        question.model,
        partition=partition_of(question.region),
        region=question.region,
        account=question.account,
    )
    if not question.from_aws:
        return named, []
    from bedrock_bearer.aws.inference_profiles import with_models_of_profile

    try:
        return with_models_of_profile(named, region=question.region), []
    except BedrockError as error:
        return named, [error.message]
