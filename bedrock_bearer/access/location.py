"""From a denial to the statements that may have refused, and to the one that is proven to."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

from bedrock_bearer.access.conditions import Truth
from bedrock_bearer.access.denial import Effect
from bedrock_bearer.access.located import LocatedStatement
from bedrock_bearer.access.matching import Request, applies, covers_action
from bedrock_bearer.access.policy_set import IDENTITY, Layer, PlacedStatement, Policy, PolicySet


class Refusal(Protocol):
    """What `locate` needs to know of a denial. A `Denial` and a `GoverningPolicy` have it."""

    @property
    def action(self) -> str: ...
    @property
    def resource(self) -> str | None: ...
    @property
    def effect(self) -> Effect | None: ...
    @property
    def policy_type(self) -> str | None: ...
    @property
    def policy_arn(self) -> str | None: ...

    def known_context(self) -> dict[str, Any]:
        """Return the condition keys of the refused call that are known."""
        ...


def locate(
    denial: Refusal,
    policies: PolicySet | Sequence[Policy],
    context: Mapping[str, Any] | None = None,
) -> list[LocatedStatement]:
    """Return the statements that may have refused.

    For an explicit denial these are the Deny statements that apply, or may apply as far as is
    known. For an implicit one they are the Allow statements that are about the action and do not
    apply: such as an Allow for the other token type, or one that names a resource.

    Args:
        denial: a `Denial`; a `GoverningPolicy` adds the type of the key.
        policies: the policies to look in. In a plain list, any may be of the type that AWS named.
        context: more condition keys of the refused call.

    Raises:
        ValueError: a policy is not valid.
    """
    return [found.placed.located for found in _candidates(denial, policies, context)]


def prove(
    denial: Refusal,
    policies: PolicySet | Sequence[Policy],
    context: Mapping[str, Any] | None = None,
) -> LocatedStatement | None:
    """Return the statement that is proven to have refused, or None.

    It is of the type and the ARN that AWS named. For an explicit denial, it is the only Deny that
    applies for certain. For an implicit one, it is the only Allow about the action, and it does not
    apply for certain. Nothing is proven where policies of that type could not be read.
    """
    candidates = list(_candidates(denial, policies, context))
    if _is_partly_unread(denial, policies, candidates):
        return None
    if denial.effect == "implicit":
        proven = candidates if all(found.truth is False for found in candidates) else []
    else:
        proven = [found for found in candidates if found.truth]
    return proven[0].placed.located if len(proven) == 1 else None


def denies(
    denial: Refusal,
    policies: PolicySet | Sequence[Policy],
    context: Mapping[str, Any] | None = None,
) -> bool:
    """Return whether a Deny in the policies applies to the call for certain."""
    return any(found.truth for found in _candidates(denial, policies, context))


class _Candidate(NamedTuple):
    placed: PlacedStatement
    truth: Truth


def _candidates(
    denial: Refusal,
    policies: PolicySet | Sequence[Policy],
    context: Mapping[str, Any] | None,
) -> Iterator[_Candidate]:
    known = {**denial.known_context(), **(context or {})}
    # IAM names a resource in words, such as `user dev`, and the words hide its ARN.
    is_arn = denial.resource is not None and denial.resource.startswith("arn:")
    resource = denial.resource if is_arn and denial.resource else "*"
    request = Request.of(denial.action, known, resource, partial=True)
    wanted = "Allow" if denial.effect == "implicit" else "Deny"
    for placed in _of_named_policy(denial, policies):
        statement = placed.located.statement
        if statement.effect != wanted or not covers_action(statement, denial.action):
            continue
        truth = applies(placed, request)
        if truth is not (wanted == "Allow"):
            yield _Candidate(placed, truth)


def _of_named_policy(
    denial: Refusal, policies: PolicySet | Sequence[Policy]
) -> list[PlacedStatement]:
    """Return the statements of the policy type that AWS named, and of the ARN if it named one."""
    if isinstance(policies, PolicySet):
        layers = policies.layers()
    else:
        layers = [Layer.of(denial.policy_type or IDENTITY, enumerate(policies))]
    found = [
        placed
        for layer in layers
        if denial.policy_type in (None, layer.policy_type)
        for placed in layer.statements
    ]
    if denial.policy_arn is None:
        return found
    named = [placed for placed in found if placed.located.policy_arn == denial.policy_arn]
    # A file without an ARN may be the policy that AWS named; another ARN is not.
    return named or [placed for placed in found if placed.located.policy_arn is None]


def _is_partly_unread(
    denial: Refusal, policies: PolicySet | Sequence[Policy], candidates: Sequence[_Candidate]
) -> bool:
    if not isinstance(policies, PolicySet) or not policies.unread:
        return False
    if denial.policy_arn is not None:
        arns = {found.placed.located.policy_arn for found in candidates}
        return denial.policy_arn not in arns
    return denial.policy_type is None or denial.policy_type in policies.unread
