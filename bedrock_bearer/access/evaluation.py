"""AWS's evaluation of IAM policies, for the actions that govern API keys.

First any Deny, then an Allow from each layer that is there: resource control policies, service
control policies, the policy of the VPC endpoint, identity-based policies, the permissions boundary,
session policies. Where several layers refuse, the first of them in this order is named: AWS names
only one, and does not say which. See
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic_policy-eval-denyallow.html.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from bedrock_bearer.access.completions import possible_outcomes
from bedrock_bearer.access.conditions import Truth, all_of, any_of, negation
from bedrock_bearer.access.located import LocatedStatement
from bedrock_bearer.access.matching import Request, applies
from bedrock_bearer.access.policy_set import (
    IDENTITY,
    Layer,
    NamedPolicy,
    PlacedStatement,
    Policy,
    PolicySet,
    as_policy_set,
)

__all__ = ["Decision", "NamedPolicy", "Policy", "PolicySet", "evaluate"]

Outcome = Literal["allowed", "denied", "undecided"]

_FULL_ACCESS = "{} that only deny are taken to stand beside FullAWSAccess"
_UNREACHED = (
    "resource control policies reach neither Bedrock nor IAM, as far as AWS's list of services "
    "says; here they are evaluated as if they did"
)


@dataclass(frozen=True, slots=True)
class Decision:
    """What the policies say to an action.

    Attributes:
        outcome: `allowed`, `denied`, or `undecided` if it depends on something unknown.
        effect: `explicit` for a Deny, `implicit` if no policy allows it, else None. None as well
            if a Deny or a missing Allow denies, whatever is not known.
        policy_type: the layer that decided, in AWS's words; None if undecided, or if it is one or
            another.
        statement: the statement that decided, with its place; None if none did, or if it is one or
            another.
        action: the action.
        depends_on: the condition keys, `resource`, and the policy types that could not be read, on
            which an undecided outcome depends.
        assumptions: what was taken for granted, a sentence each.
    """

    outcome: Outcome
    effect: Literal["explicit", "implicit"] | None
    policy_type: str | None
    statement: LocatedStatement | None
    action: str
    depends_on: tuple[str, ...] = ()
    assumptions: tuple[str, ...] = ()

    @property
    def allowed(self) -> bool:
        """Whether the outcome is `allowed`."""
        return self.outcome == "allowed"

    @property
    def reason(self) -> str:
        """Why, in the form of AWS's own sentences."""
        if self.outcome == "undecided":
            return f"depends on {', '.join(self.depends_on)}"
        if not self.allowed and (self.effect is None or self.policy_type is None):
            return "by one policy or another, whatever is not known here"
        if self.effect == "implicit":
            return f"because no {self.policy_type} allows the {self.action} action"
        if self.allowed:
            return f"allowed by {self.statement.describe()}" if self.statement else "allowed"
        article = "an" if (self.policy_type or "").startswith("identity") else "a"
        arn = self.statement.policy_arn if self.statement else None
        return f"with an explicit deny in {article} {self.policy_type}" + (
            f": {arn}" if arn else ""
        )

    def sentence(self, principal_arn: str, *, resource: str = "*", action: str = "") -> str:
        """Return AWS's whole denial sentence."""
        return (
            f"User: {principal_arn} is not authorized to perform: {action or self.action} "
            f"on resource: {resource} {self.reason}"
        )


def evaluate(
    policies: PolicySet | Sequence[Policy],
    action: str,
    context: Mapping[str, Any] | None = None,
    resource: str = "*",
    *,
    partial: bool = False,
) -> Decision:
    """Decide on an action as AWS does.

    Args:
        policies: identity-based policies, or a `PolicySet`.
        action: the action, such as `bedrock:CallWithBearerToken`.
        context: condition keys and their values, such as
            `{"bedrock:bearerTokenType": "SHORT_TERM"}`; a list for a key with several values, None
            for a key that the request does not carry.
        resource: the ARN of the resource; `*` for an action without one.
        partial: whether a condition key that the context lacks is unknown rather than absent. The
            resource `*` of an action that has one is then unknown, too. Default: the context is
            complete, as AWS sees it.

    Raises:
        ValueError: a policy is not valid.
    """
    given = as_policy_set(policies)
    request = Request.of(action, context, resource, partial=partial)
    layers = given.layers()
    judgement = _judge(layers, request, given.unread)
    assumptions = _assumptions(given, layers)
    if judgement.outcome is not None:
        return _decided(judgement, action, assumptions)
    statements = [placed for layer in layers for placed in layer.statements]
    possible = possible_outcomes(
        lambda completed: _judge(layers, completed, given.unread).with_reason(),
        statements,
        request,
    )
    if possible.only is not None:
        judgements = [_judge(layers, one, given.unread) for one in possible.examples]
        return _decided(_common(judgements), action, assumptions)
    unread = given.unread if possible.may_stay_open else ()
    depends_on = (*possible.keys, *dict.fromkeys(unread))
    return Decision("undecided", None, None, None, action, depends_on, assumptions)


class _Judgement(NamedTuple):
    """What the layers say: `outcome` is None if that depends on something unknown."""

    outcome: Truth
    effect: Literal["explicit", "implicit"] | None = None
    policy_type: str | None = None
    statement: LocatedStatement | None = None

    def with_reason(self) -> tuple[Truth, Hashable]:
        """Return the outcome, and what tells its reason from others."""
        return self.outcome, (self.effect, self.policy_type, id(self.statement))


def _common(judgements: Sequence[_Judgement]) -> _Judgement:
    """Return what judgements with one outcome have in common: which it is, is not known."""
    first, *others = judgements
    return _Judgement(
        first.outcome,
        first.effect if all(one.effect == first.effect for one in others) else None,
        first.policy_type if all(one.policy_type == first.policy_type for one in others) else None,
        first.statement if all(one.statement is first.statement for one in others) else None,
    )


def _judge(layers: Sequence[Layer], request: Request, unread: Sequence[str]) -> _Judgement:
    denies: list[Truth] = [None for _ in unread]
    for layer in layers:
        truth, deny = _any_applies(layer.statements, "Deny", request)
        if truth:
            return _Judgement(False, "explicit", layer.policy_type, deny)
        denies.append(truth)
    allows: list[Truth] = [None for _ in unread]
    allow: LocatedStatement | None = None
    for layer in layers:
        truth, found = _any_applies(layer.statements, "Allow", request)
        if layer.assumes_full_access:
            truth = True
        if truth is False and layer.policy_type not in unread:
            return _Judgement(False, "implicit", layer.policy_type)
        if layer.policy_type == IDENTITY:
            allow = found
        allows.append(truth)
    if all_of((*map(negation, denies), *allows)):
        return _Judgement(True, None, IDENTITY, allow)
    return _Judgement(None)


def _any_applies(
    statements: Sequence[PlacedStatement], effect: str, request: Request
) -> tuple[Truth, LocatedStatement | None]:
    """Return whether a statement with this effect applies, and the first that does."""
    truths: list[Truth] = []
    for placed in statements:
        if placed.located.statement.effect != effect:
            continue
        truth = applies(placed, request)
        if truth:
            return True, placed.located
        truths.append(truth)
    return any_of(truths), None


def _decided(judgement: _Judgement, action: str, assumptions: tuple[str, ...]) -> Decision:
    _, effect, policy_type, statement = judgement
    if judgement.outcome is None:
        raise AssertionError("only a decided judgement makes a decision")
    outcome: Outcome = "allowed" if judgement.outcome else "denied"
    # A denial in the policies given holds whatever else there is.
    is_certain = effect == "explicit" and policy_type not in (None, "resource control policy")
    kept = () if is_certain else assumptions
    return Decision(outcome, effect, policy_type, statement, action, (), kept)


def _assumptions(given: PolicySet, layers: Sequence[Layer]) -> tuple[str, ...]:
    assuming = dict.fromkeys(layer.policy_type for layer in layers if layer.assumes_full_access)
    plural = [policy_type.replace("policy", "policies") for policy_type in assuming]
    unreached = [_UNREACHED] if given.resource_control else []
    return (*(_FULL_ACCESS.format(name) for name in plural), *unreached)
