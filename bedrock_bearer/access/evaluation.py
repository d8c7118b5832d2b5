"""AWS's evaluation of IAM policies, for the actions that govern API keys.

First any Deny, then an Allow from each layer that is there: resource control policies, service
control policies, identity-based policies, the permissions boundary, session policies. Where several
layers refuse, the first of them in this order is named: AWS names one only, and does not say which.
See
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic_policy-eval-denyallow.html.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

from bedrock_bearer.access.conditions import (
    Context,
    MissingVariableError,
    holds,
    like,
    pattern,
)
from bedrock_bearer.access.document import PolicyDocument, Statement, read_document
from bedrock_bearer.access.located import LocatedStatement

VERSION_WITH_VARIABLES = "2012-10-17"


@dataclass(frozen=True, slots=True)
class NamedPolicy:
    """A policy document, and what it is called where it comes from.

    Attributes:
        document: the document, as model, dict or JSON.
        name: its name, or the file it was read from.
        arn: its ARN.
    """

    document: PolicyDocument | Mapping[str, Any] | str
    name: str | None = None
    arn: str | None = None


Policy = PolicyDocument | Mapping[str, Any] | str | NamedPolicy


@dataclass(frozen=True, slots=True)
class PolicySet:
    """All the policies that decide on a call; a layer without policies is not there.

    The identity-based layer is always there: without an Allow of its own nothing is allowed.

    In `service_control` and `resource_control`, a list inside the list is one level of the
    organisation (the root, a unit, the account), and each level has to allow. A level that only
    denies is taken to stand beside the `FullAWSAccess` that AWS attaches to all of them.
    """

    identity: Sequence[Policy] = ()
    boundary: Sequence[Policy] = ()
    session: Sequence[Policy] = ()
    service_control: Sequence[Policy | Sequence[Policy]] = ()
    resource_control: Sequence[Policy | Sequence[Policy]] = ()

    def layers(self) -> list[Layer]:
        """Return the layers that are there, level by level, in the order of evaluation."""
        layers = [
            *_levels("resource control policy", self.resource_control),
            *_levels("service control policy", self.service_control),
            layer_of("identity-based policy", self.identity),
            layer_of("permissions boundary", self.boundary),
            layer_of("session policy", self.session),
        ]
        return [
            layer
            for layer in layers
            if layer.policies or layer.policy_type == "identity-based policy"
        ]


class Layer(NamedTuple):
    """Policies of one type of which any may allow, each with its place among those given."""

    policy_type: str
    policies: list[tuple[int, Policy]]


def layer_of(policy_type: str, policies: Sequence[Policy]) -> Layer:
    """Return policies of one type as a layer."""
    return Layer(policy_type, list(enumerate(policies)))


def _levels(policy_type: str, given: Sequence[Policy | Sequence[Policy]]) -> list[Layer]:
    places = itertools.count()
    unnested = Layer(policy_type, [])
    levels = [unnested]
    for item in given:
        if isinstance(item, Sequence) and not isinstance(item, str):
            levels.append(Layer(policy_type, [(next(places), policy) for policy in item]))
        else:
            unnested.policies.append((next(places), item))
    return levels


@dataclass(frozen=True, slots=True)
class Decision:
    """What the policies say to an action.

    Attributes:
        allowed: whether it is allowed.
        effect: `explicit` for a Deny, `implicit` where no policy allows it, None when allowed.
        policy_type: the layer that decided, in AWS's words.
        statement: the statement that decided, with its place; None for an implicit denial.
        action: the action.
        reason: why, in the form of AWS's own sentences.
    """

    allowed: bool
    effect: Literal["explicit", "implicit"] | None
    policy_type: str
    statement: LocatedStatement | None
    action: str
    reason: str = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "reason", self._reason())

    def _reason(self) -> str:
        if self.effect == "implicit":
            return f"because no {self.policy_type} allows the {self.action} action"
        if self.statement is not None and self.allowed:
            return f"allowed by {self.statement.describe()}"
        article = "an" if self.policy_type.startswith("identity") else "a"
        arn = self.statement.policy_arn if self.statement else None
        return f"with an explicit deny in {article} {self.policy_type}" + (
            f": {arn}" if arn else ""
        )

    def sentence(self, principal_arn: str, *, resource: str = "*", action: str = "") -> str:
        """Return AWS's whole sentence of refusal."""
        return (
            f"User: {principal_arn} is not authorized to perform: {action or self.action} "
            f"on resource: {resource} {self.reason}"
        )


def as_policy_set(policies: PolicySet | Sequence[Policy]) -> PolicySet:
    """Return a set of policies; a plain list is one of identity-based policies."""
    return policies if isinstance(policies, PolicySet) else PolicySet(identity=policies)


def evaluate(
    policies: PolicySet | Sequence[Policy],
    action: str,
    context: Mapping[str, Any] | None = None,
    resource: str = "*",
) -> Decision:
    """Decide on an action as AWS does.

    Args:
        policies: identity-based policies, or a `PolicySet`.
        action: the action, such as `bedrock:CallWithBearerToken`.
        context: condition keys and their values, such as
            `{"bedrock:bearerTokenType": "SHORT_TERM"}`; a list for a key with several values.
        resource: the ARN of the resource; `*` for actions without one.

    Raises:
        ValueError: a policy is not valid.
    """
    request = Request.of(action, context, resource)
    layers = [
        (layer.policy_type, list(statements_of(layer)))
        for layer in as_policy_set(policies).layers()
    ]
    for policy_type, statements in layers:
        deny = _first(statements, "Deny", request)
        if deny is not None:
            return Decision(False, "explicit", policy_type, deny, action)
    allow: LocatedStatement | None = None
    for policy_type, statements in layers:
        found = _first(statements, "Allow", request)
        if found is None and not _stands_beside_full_access(policy_type, statements):
            return Decision(False, "implicit", policy_type, None, action)
        if policy_type == "identity-based policy":
            allow = found
    return Decision(True, None, "identity-based policy", allow, action)


def _stands_beside_full_access(policy_type: str, statements: Sequence[VersionedStatement]) -> bool:
    """Return whether a level of the organisation only denies."""
    return policy_type in ("service control policy", "resource control policy") and all(
        candidate.located.statement.effect == "Deny" for candidate in statements
    )


@dataclass(frozen=True, slots=True)
class Request:
    """What the policies are asked."""

    action: str
    context: Context
    resource: str

    @classmethod
    def of(cls, action: str, context: Mapping[str, Any] | None, resource: str) -> Request:
        """Return the request with its condition keys in lower case, as AWS compares them."""
        return cls(action, {key.lower(): value for key, value in (context or {}).items()}, resource)


@dataclass(frozen=True, slots=True)
class VersionedStatement:
    """A statement with its place, and whether its document has policy variables."""

    located: LocatedStatement
    with_variables: bool


def statements_of(layer: Layer) -> Iterator[VersionedStatement]:
    """Yield the statements of a layer's policies.

    Raises:
        ValueError: a policy is not valid.
    """
    for policy_index, policy in layer.policies:
        named = policy if isinstance(policy, NamedPolicy) else NamedPolicy(policy)
        document = read_document(named.document)
        for statement_index, statement in enumerate(document.statements):
            yield VersionedStatement(
                LocatedStatement(
                    layer.policy_type,
                    policy_index,
                    statement_index,
                    statement,
                    named.arn,
                    named.name,
                ),
                document.version == VERSION_WITH_VARIABLES,
            )


def _first(
    statements: Sequence[VersionedStatement], effect: str, request: Request
) -> LocatedStatement | None:
    return next(
        (
            candidate.located
            for candidate in statements
            if candidate.located.statement.effect == effect and applies(candidate, request)
        ),
        None,
    )


def applies(
    candidate: VersionedStatement, request: Request, *, unknown_may_hold: bool = False
) -> bool:
    """Return whether a statement applies to a request.

    `unknown_may_hold` takes a condition on a key that the context lacks for one that holds.
    """
    statement = candidate.located.statement
    return (
        covers(candidate, request)
        and _is_for_principal(statement, request.context)
        and holds(
            statement.condition,
            request.context,
            with_variables=candidate.with_variables,
            unknown_may_hold=unknown_may_hold,
        )
    )


def covers(candidate: VersionedStatement, request: Request) -> bool:
    """Return whether a statement is about the action and the resource."""
    statement = candidate.located.statement
    if statement.action is not None:
        is_action = _any_action(statement.action, request.action)
    else:
        is_action = not _any_action(statement.not_action or [], request.action)
    if not is_action:
        return False
    if statement.not_resource is not None:
        return not _any_resource(statement.not_resource, candidate, request)
    return _any_resource(statement.resource or "*", candidate, request)


def _texts(value: str | list[str]) -> list[str]:
    return value if isinstance(value, list) else [value]


def _any_action(actions: str | list[str], action: str) -> bool:
    return any(
        like(pattern(wanted.lower(), {}, with_variables=False), action.lower())
        for wanted in _texts(actions)
    )


def _any_resource(
    resources: str | list[str], candidate: VersionedStatement, request: Request
) -> bool:
    for wanted in _texts(resources):
        try:
            filled = pattern(wanted, request.context, with_variables=candidate.with_variables)
        except MissingVariableError:
            continue
        if like(filled, request.resource):
            return True
    return False


def _is_for_principal(statement: Statement, context: Context) -> bool:
    if statement.principal is not None:
        return _names_principal(statement.principal, context)
    if statement.not_principal is not None:
        return not _names_principal(statement.not_principal, context)
    return True


def _names_principal(principals: str | dict[str, str | list[str]], context: Context) -> bool:
    if isinstance(principals, str):
        return True
    arn = str(context.get("aws:principalarn", ""))
    partition, account = arn.split(":")[1:5:3] if arn.count(":") >= 5 else ("", "")
    mine = {"*", arn, account, f"arn:{partition}:iam::{account}:root"} if arn else {"*"}
    return any(name in mine for names in principals.values() for name in _texts(names))
