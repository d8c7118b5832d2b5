"""The policies that decide on a request, layer by layer."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, NamedTuple

from bedrock_bearer.access.document import PolicyDocument, read_document
from bedrock_bearer.access.located import LocatedStatement

VERSION_WITH_VARIABLES = "2012-10-17"
IDENTITY = "identity-based policy"
VPC_ENDPOINT = "VPC endpoint policy"


@dataclass(frozen=True, slots=True)
class NamedPolicy:
    """A policy document and its name.

    Attributes:
        document: the document, as model, dict or JSON.
        name: its name, or the file it was read from.
        arn: its ARN; None if unknown, empty for an inline policy, which has none.
    """

    document: PolicyDocument | Mapping[str, Any] | str
    name: str | None = None
    arn: str | None = None


Policy = PolicyDocument | Mapping[str, Any] | str | NamedPolicy

_LAYERS = (
    "identity", "boundary", "session", "service_control", "resource_control", "vpc_endpoint",
)  # fmt: skip
_ALLOW_ALL = {
    "Version": VERSION_WITH_VARIABLES,
    "Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"},
}
OTHER_POLICIES = NamedPolicy(_ALLOW_ALL, "other policies, which may allow everything")


@dataclass(frozen=True, slots=True)
class PolicySet:
    """All the policies that decide on a call. A layer without policies is not there.

    The identity-based layer is always there: without an Allow of its own nothing is allowed.

    In `service_control` and `resource_control`, a list inside the list is one level of the
    organisation (the root, a unit, the account), and each level has to allow.

    Attributes:
        identity: the policies of the principal and its groups.
        boundary: its permissions boundary.
        session: the policies passed to the session.
        service_control: the service control policies.
        resource_control: the resource control policies. AWS's list of the services that they reach
            has neither Bedrock nor IAM.
        vpc_endpoint: the policy of the VPC endpoint that the call goes through.
        unread: policy types, in AWS's words, of which some policies could not be read.
        organization_complete: whether the levels of the organisation hold all their policies. If
            not, a level that only denies is taken to stand beside the `FullAWSAccess` that AWS
            attaches by default.

    Raises:
        ValueError: a layer is a policy or a text instead of a list.
    """

    identity: Sequence[Policy] = ()
    boundary: Sequence[Policy] = ()
    session: Sequence[Policy] = ()
    service_control: Sequence[Policy | Sequence[Policy]] = ()
    resource_control: Sequence[Policy | Sequence[Policy]] = ()
    vpc_endpoint: Sequence[Policy] = ()
    unread: Sequence[str] = ()
    organization_complete: bool = False

    def __post_init__(self) -> None:
        for layer in fields(self):
            # These can be iterated over, too, but hold no policies.
            if isinstance(getattr(self, layer.name), str | Mapping | PolicyDocument | NamedPolicy):
                raise ValueError(f"{layer.name}= takes a list, also for a single one")

    def layers(self) -> list[Layer]:
        """Return the layers that are there, level by level, in the order of evaluation.

        Raises:
            ValueError: a policy is not valid.
        """
        return [
            *self._levels("resource control policy", self.resource_control),
            *self._levels("service control policy", self.service_control),
            *_layer(VPC_ENDPOINT, self.vpc_endpoint),
            Layer.of(IDENTITY, enumerate(self.identity)),
            *_layer("permissions boundary", self.boundary),
            *_layer("session policy", self.session),
        ]

    def merged_with(self, more: PolicySet) -> PolicySet:
        """Return the set with the policies of another one in each layer."""
        layers: dict[str, Any] = {
            name: [*getattr(self, name), *getattr(more, name)] for name in _LAYERS
        }
        return replace(self, **layers)

    def beside_others(self) -> PolicySet:
        """Return the set as part of a larger one, of which other policies may allow everything.

        Only one policy can be a permissions boundary or the policy of a VPC endpoint: these two
        layers stay as they are.
        """
        return replace(
            self,
            identity=[*self.identity, OTHER_POLICIES],
            session=[*self.session, OTHER_POLICIES] if self.session else (),
            service_control=_with_others(self.service_control),
            resource_control=_with_others(self.resource_control),
        )

    def _levels(self, policy_type: str, given: Sequence[Policy | Sequence[Policy]]) -> list[Layer]:
        places = itertools.count()
        unnested: list[tuple[int, Policy]] = []
        levels: list[list[tuple[int, Policy]]] = [unnested]
        for item in given:
            if isinstance(item, Sequence) and not isinstance(item, str):
                levels.append([(next(places), policy) for policy in item])
            else:
                unnested.append((next(places), item))
        layers = [Layer.of(policy_type, level) for level in levels[0 if unnested else 1 :]]
        if self.organization_complete:
            return layers
        return [layer.beside_full_access() for layer in layers if layer.statements]


class PlacedStatement(NamedTuple):
    """A statement with its place, and whether its document has policy variables."""

    located: LocatedStatement
    with_variables: bool


class Layer(NamedTuple):
    """The statements of one policy type, any of which may allow.

    Attributes:
        policy_type: the type, in AWS's words.
        statements: the statements of all its policies.
        assumes_full_access: whether `FullAWSAccess` is taken to be attached as well.
    """

    policy_type: str
    statements: list[PlacedStatement]
    assumes_full_access: bool = False

    @classmethod
    def of(cls, policy_type: str, policies: Iterator[tuple[int, Policy]] | Any) -> Layer:
        """Return policies, each with its place among those given, as a layer.

        Raises:
            ValueError: a policy is not valid.
        """
        return cls(policy_type, [one for at, p in policies for one in _placed(policy_type, at, p)])

    def beside_full_access(self) -> Layer:
        """Return the layer; one that only denies is taken to stand beside `FullAWSAccess`."""
        only_denies = all(one.located.statement.effect == "Deny" for one in self.statements)
        return self._replace(assumes_full_access=only_denies)


def as_policy_set(policies: PolicySet | Sequence[Policy]) -> PolicySet:
    """Return a set of policies; a plain list is one of identity-based policies."""
    return policies if isinstance(policies, PolicySet) else PolicySet(identity=policies)


def _layer(policy_type: str, policies: Sequence[Policy]) -> list[Layer]:
    return [Layer.of(policy_type, enumerate(policies))] if policies else []


def _placed(policy_type: str, place: int, policy: Policy) -> Iterator[PlacedStatement]:
    named = policy if isinstance(policy, NamedPolicy) else NamedPolicy(policy)
    document = read_document(named.document)
    for index, statement in enumerate(document.statements):
        located = LocatedStatement(policy_type, place, index, statement, named.arn, named.name)
        yield PlacedStatement(located, document.version == VERSION_WITH_VARIABLES)


def _with_others(given: Sequence[Policy | Sequence[Policy]]) -> list[Policy | Sequence[Policy]]:
    nested = [
        [*item, OTHER_POLICIES]
        for item in given
        if isinstance(item, Sequence) and not isinstance(item, str)
    ]
    flat = [item for item in given if not isinstance(item, Sequence) or isinstance(item, str)]
    return [*flat, *([OTHER_POLICIES] if flat else []), *nested]
