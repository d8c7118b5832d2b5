"""An AWS organisation on this machine: a root, organisational units, accounts, and their policies.

See https://docs.aws.amazon.com/organizations/latest/userguide/orgs_getting-started_concepts.html.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

from bedrock_bearer.access.document import read_document
from bedrock_bearer.access.policy_set import NamedPolicy
from bedrock_bearer.local.minting import random_name

PolicyKind = Literal["SERVICE_CONTROL_POLICY", "RESOURCE_CONTROL_POLICY"]
TargetKind = Literal["ROOT", "ORGANIZATIONAL_UNIT", "ACCOUNT"]

KINDS: tuple[PolicyKind, ...] = ("SERVICE_CONTROL_POLICY", "RESOURCE_CONTROL_POLICY")
MANAGEMENT_ACCOUNT = "999999999999"

_FULL_ACCESS = read_document(
    {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}],
    }
)
_FULL_RESOURCE_ACCESS = read_document(
    {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Principal": "*", "Action": "*", "Resource": "*"}],
    }
)


@dataclass(frozen=True, slots=True)
class OrganizationPolicy:
    """A policy of the organisation.

    Attributes:
        policy: the document; its `arn` is what refusals name, None for no name.
        arn: its ARN, as Organizations lists it.
        aws_managed: whether AWS owns it, such as `FullAWSAccess`.
    """

    id: str
    arn: str
    name: str
    kind: PolicyKind
    policy: NamedPolicy
    aws_managed: bool = False


def _full_access(kind: PolicyKind) -> OrganizationPolicy:
    is_scp = kind == "SERVICE_CONTROL_POLICY"
    name = "FullAWSAccess" if is_scp else "RCPFullAWSAccess"
    document = _FULL_ACCESS if is_scp else _FULL_RESOURCE_ACCESS
    arn = f"arn:aws:organizations::aws:policy/{kind.lower()}/p-{name}"
    return OrganizationPolicy(f"p-{name}", arn, name, kind, NamedPolicy(document, name, arn), True)


@dataclass(slots=True)
class Target:
    """The root, a unit or an account: policies are attached to it, and to those above it."""

    id: str
    arn: str
    name: str
    kind: TargetKind
    parent: Target | None = None
    policies: list[OrganizationPolicy] = field(
        default_factory=lambda: [_full_access(kind) for kind in KINDS]
    )

    def attached(self, kind: PolicyKind) -> list[OrganizationPolicy]:
        """Return its own policies of one kind."""
        return [policy for policy in self.policies if policy.kind == kind]


class Organization:
    """An organisation. Its management account holds no principals here.

    Args:
        partition: the partition of its ARNs, such as `aws`.
    """

    def __init__(self, partition: str) -> None:
        self.partition = partition
        self.id = f"o-{random_name(10)}"
        self.arn = self._arn("organization", self.id)
        root_id = f"r-{random_name(4)}"
        self.root = Target(root_id, self._arn("root", root_id), "Root", "ROOT")
        self._targets = {root_id: self.root}

    def __iter__(self) -> Iterator[Target]:
        return iter(list(self._targets.values()))

    def get(self, target_id: str) -> Target | None:
        """Return the root, unit or account with this id, or None."""
        return self._targets.get(target_id)

    def find(self, target_id: str) -> Target:
        """Return the root, unit or account with this id.

        Raises:
            LookupError: there is none; the message lists the ids that exist.
        """
        target = self.get(target_id)
        if target is None:
            known = ", ".join(self._targets)
            raise LookupError(f"the organisation has no {target_id!r}; known are: {known}")
        return target

    def add_unit(self, name: str, parent: Target | None = None) -> Target:
        """Add an organisational unit, below the root if no parent is given."""
        unit_id = f"ou-{self.root.id[2:]}-{random_name(8)}"
        arn = self._arn("ou", unit_id)
        return self._add(Target(unit_id, arn, name, "ORGANIZATIONAL_UNIT", parent or self.root))

    def add_account(self, account_id: str) -> Target:
        """Return the account; it joins the organisation below the root if it is not part of it."""
        arn = self._arn("account", account_id)
        return self.get(account_id) or self._add(
            Target(account_id, arn, f"account {account_id}", "ACCOUNT", self.root)
        )

    def path_of(self, account_id: str) -> list[Target]:
        """Return the targets whose policies apply to an account, the root first."""
        target = self.get(account_id)
        path: list[Target] = []
        while target is not None:
            path.insert(0, target)
            target = target.parent
        return path

    def attach(
        self, target: Target, kind: PolicyKind, policy: NamedPolicy, *, keep_full_access: bool
    ) -> None:
        """Attach a policy to a target, beside the full access that AWS attaches, or instead."""
        policy_id = f"p-{random_name(10)}"
        arn = policy.arn or self._arn("policy", f"{kind.lower()}/{policy_id}")
        name = policy.name or f"{kind.title().replace('_', '')}-{policy_id[2:6]}"
        if policy.arn is not None:
            policy_id = policy.arn.rpartition("/")[2]
        if not keep_full_access:
            target.policies = [
                one for one in target.policies if one.kind != kind or not one.aws_managed
            ]
        target.policies.append(OrganizationPolicy(policy_id, arn, name, kind, policy))

    def policy(self, policy_id: str) -> OrganizationPolicy | None:
        """Return the policy with this id, or None."""
        return next(
            (one for target in self for one in target.policies if one.id == policy_id), None
        )

    def _add(self, target: Target) -> Target:
        self._targets[target.id] = target
        return target

    def _arn(self, kind: str, name: str) -> str:
        beginning = f"arn:{self.partition}:organizations::{MANAGEMENT_ACCOUNT}:{kind}/"
        return f"{beginning}{name}" if kind == "organization" else f"{beginning}{self.id}/{name}"
