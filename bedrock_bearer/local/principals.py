"""The principals that call the local Bedrock, and the policies attached to them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime

from bedrock_bearer.access.document import PolicyDocument, read_document
from bedrock_bearer.access.policy_set import NamedPolicy
from bedrock_bearer.facts import LIMITED_ACCESS_ARN
from bedrock_bearer.local import minting
from bedrock_bearer.local.http import Document


def read_policy(
    document: PolicyDocument | Document | str,
    policy_arn: str | None = None,
    name: str | None = None,
) -> NamedPolicy:
    """Read a policy document; a managed policy is named as its ARN ends.

    Raises:
        ValueError: it is not a valid policy.
    """
    if policy_arn is not None:
        name = policy_arn.rpartition("/")[2]
    return NamedPolicy(read_document(document), name, policy_arn)


def _allow(sid: str, action: str | list[str], arn: str) -> NamedPolicy:
    statement = {"Sid": sid, "Effect": "Allow", "Action": action, "Resource": "*"}
    return read_policy({"Version": "2012-10-17", "Statement": [statement]}, arn)


_MANAGED = "arn:aws:iam::aws:policy"
_ALL_OF_BEDROCK = ["bedrock:*", "bedrock-mantle:*"]
LIMITED_ACCESS = _allow("BedrockAPIs", _ALL_OF_BEDROCK, LIMITED_ACCESS_ARN)
"""Allows every action of Bedrock; AWS's policy of that name lists some fifty of them."""

ADMINISTRATOR_ACCESS = _allow("AdministratorAccess", "*", f"{_MANAGED}/AdministratorAccess")

AWS_MANAGED_POLICIES = (
    LIMITED_ACCESS,
    ADMINISTRATOR_ACCESS,
    _allow("BedrockAll", _ALL_OF_BEDROCK, f"{_MANAGED}/AmazonBedrockFullAccess"),
)


@dataclass(slots=True)
class Group:
    """A group of IAM users."""

    iam_arn: str
    name: str
    created_at: datetime
    unique_id: str
    path: str = "/"
    identity: dict[str, NamedPolicy] = field(default_factory=dict)


@dataclass(slots=True)
class Principal:
    """An IAM user, or a role with its one session.

    Attributes:
        arn: as AWS's sentences name it; the session's ARN for a role.
        name: the user's name, or the role's.
        identity: inline policies by name, managed ones by ARN.
        boundary: the permissions boundary, or None.
        session: session policies.
        groups: the groups of a user.
    """

    arn: str
    name: str
    account_id: str
    created_at: datetime
    unique_id: str
    path: str = "/"
    identity: dict[str, NamedPolicy] = field(default_factory=dict)
    boundary: NamedPolicy | None = None
    session: list[NamedPolicy] = field(default_factory=list)
    groups: list[Group] = field(default_factory=list)
    tags: dict[str, str] = field(default_factory=dict)

    @property
    def is_user(self) -> bool:
        """Whether it is an IAM user."""
        return ":user/" in self.arn

    @property
    def iam_arn(self) -> str:
        """The ARN of the user, or of the role itself: what `aws:PrincipalArn` holds."""
        if self.is_user:
            return self.arn
        partition = self.arn.split(":")[1]
        return f"arn:{partition}:iam::{self.account_id}:role{self.path}{self.name}"

    @property
    def user_id(self) -> str:
        """What `aws:userid` holds: a session's has the session's name after the role's id."""
        return self.unique_id if self.is_user else f"{self.unique_id}:{self.name}"


PolicyOwner = Principal | Group


class Principals:
    """All users, roles and groups, and the managed policies.

    Attributes:
        everybody: identity-based policies that every principal has, by name or ARN.
        managed: the managed policies by ARN.
        groups: all groups by name.
    """

    def __init__(self) -> None:
        self._by_arn: dict[str, Principal] = {}
        self.everybody: dict[str, NamedPolicy] = {}
        self.managed = {str(policy.arn): policy for policy in AWS_MANAGED_POLICIES}
        self.groups: dict[str, Group] = {}

    def __iter__(self) -> Iterator[Principal]:
        return iter(list(self._by_arn.values()))

    def find_one(self, name: str, account_id: str, *, is_user: bool) -> Principal | None:
        """Return the user or the role, or None."""
        wanted = (name, account_id, is_user)
        return next((p for p in self if (p.name, p.account_id, p.is_user) == wanted), None)

    def get(self, arn: str) -> Principal | None:
        """Return the principal with that ARN, or None."""
        return self._by_arn.get(arn)

    def add(
        self,
        name: str,
        account_id: str,
        now: datetime,
        *,
        is_user: bool,
        partition: str,
        path: str = "/",
    ) -> Principal:
        """Add an IAM user, or a role with one session of the same name; it has no policy."""
        arn = f"arn:{partition}:sts::{account_id}:assumed-role/{name}/{name}"
        if is_user:
            arn = f"arn:{partition}:iam::{account_id}:user{path}{name}"
        unique_id = minting.identifier("AIDA" if is_user else "AROA", account_id)
        return self._add(Principal(arn, name, account_id, now, unique_id, path))

    def rename(self, user: Principal, name: str) -> None:
        """Give an IAM user another name; its ARN changes with it."""
        self.remove(user)
        user.arn = f"{user.arn[: -len(user.name)]}{name}"
        user.name = name
        self._add(user)

    def remove(self, principal: Principal) -> None:
        """Remove a principal; its keys are no longer accepted."""
        self._by_arn.pop(principal.arn, None)

    def find(self, name_or_arn: str) -> list[Principal]:
        """Return the principals with that name or ARN.

        Raises:
            LookupError: there is none; the message lists the names that exist.
        """
        found = [p for p in self if name_or_arn in (p.arn, p.iam_arn, p.name)]
        if not found:
            known = ", ".join(p.name for p in self) or "none yet"
            raise LookupError(f"no principal {name_or_arn!r} here; known are: {known}")
        return found

    def attach(self, owner: PolicyOwner | None, policy: NamedPolicy) -> None:
        """Attach an identity-based policy; None attaches it to everybody."""
        identity = self.everybody if owner is None else owner.identity
        prefix = "everybody" if owner is None else "inline"
        name = policy.arn or policy.name or f"{prefix}-{len(identity) + 1}"
        if policy.arn is not None:
            self.managed[policy.arn] = policy
        elif policy.name is None:
            policy = NamedPolicy(policy.document, name)
        identity[name] = policy

    def policies_of(self, owner: PolicyOwner) -> dict[str, NamedPolicy]:
        """Return the policies of a user or role itself, those of everybody included."""
        return {**(self.everybody if isinstance(owner, Principal) else {}), **owner.identity}

    def _add(self, principal: Principal) -> Principal:
        self._by_arn[principal.arn] = principal
        return principal
