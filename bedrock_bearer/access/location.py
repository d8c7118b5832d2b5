"""From a refusal to the very statement that governs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from bedrock_bearer.access.denial import Denial
from bedrock_bearer.access.evaluation import (
    Policy,
    PolicySet,
    Request,
    VersionedStatement,
    applies,
    as_policy_set,
    covers,
    layer_of,
    statements_of,
)
from bedrock_bearer.access.governing import GoverningPolicy
from bedrock_bearer.access.located import LocatedStatement


def locate(
    denial: Denial | GoverningPolicy,
    policies: PolicySet | Sequence[Policy],
    context: Mapping[str, Any] | None = None,
) -> list[LocatedStatement]:
    """Return the statements that govern a refusal.

    For an explicit denial these are the Deny statements that apply. For an implicit one they are
    the Allow statements that are about the action, and whose conditions do not hold: such as an
    Allow for the other token type.

    Args:
        denial: the refusal; a `GoverningPolicy` adds the type of the key.
        policies: the policies to look in. In a plain list any may be of the type that AWS named.
        context: more condition keys of the refused call. What is not known may hold.

    Raises:
        ValueError: a policy is not valid.
    """
    known = dict(context or {})
    if isinstance(denial, GoverningPolicy) and denial.token_type is not None:
        known.setdefault(denial.condition_key, denial.token_type.value)
    resource = getattr(denial, "resource", None) or "*"
    request = Request.of(denial.action, known, resource)
    candidates = _candidates(denial, policies)
    if denial.effect == "implicit":
        return [
            candidate.located
            for candidate in candidates
            if candidate.located.statement.effect == "Allow"
            and covers(candidate, request)
            and candidate.located.statement.condition
            and not (known and applies(candidate, request))
        ]
    return [
        candidate.located
        for candidate in candidates
        if candidate.located.statement.effect == "Deny"
        and applies(candidate, request, unknown_may_hold=True)
    ]


def _candidates(
    denial: Denial | GoverningPolicy, policies: PolicySet | Sequence[Policy]
) -> list[VersionedStatement]:
    layers = as_policy_set(policies).layers()
    if not isinstance(policies, PolicySet):
        # Files do not say what kind of policy they are.
        layers = [layer_of(denial.policy_type or "identity-based policy", policies)]
    found = [
        candidate
        for layer in layers
        if denial.policy_type in (None, layer.policy_type)
        for candidate in statements_of(layer)
    ]
    named = [
        one for one in found if denial.policy_arn and one.located.policy_arn == denial.policy_arn
    ]
    return named or found
