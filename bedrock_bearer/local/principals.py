"""The principals that call the local Bedrock, and the policies that decide what they may do."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from bedrock_bearer.access.document import PolicyDocument, read_document
from bedrock_bearer.access.evaluation import NamedPolicy, PolicySet, evaluate
from bedrock_bearer.facts import CALL_WITH_BEARER_TOKEN
from bedrock_bearer.local import minting
from bedrock_bearer.local.http import Document
from bedrock_bearer.local.service_errors import ServiceError, key_refused

LIMITED_ACCESS_ARN = "arn:aws:iam::aws:policy/AmazonBedrockLimitedAccess"


def read_policy(
    document: PolicyDocument | Document | str, policy_arn: str | None = None
) -> NamedPolicy:
    """Read a policy document.

    Raises:
        ValueError: it is not a valid policy.
    """
    return NamedPolicy(read_document(document), arn=policy_arn)


LIMITED_ACCESS = read_policy(
    {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Sid": "BedrockAPIs",
                "Effect": "Allow",
                "Action": ["bedrock:*", "bedrock-mantle:*"],
                "Resource": "*",
            }
        ],
    },
    LIMITED_ACCESS_ARN,
)
"""Allows every action of Bedrock; AWS's policy of that name lists some fifty of them."""

FULL_ACCESS = read_policy(
    {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}],
    }
)
ADMINISTRATOR_ACCESS = NamedPolicy(
    FULL_ACCESS.document, arn="arn:aws:iam::aws:policy/AdministratorAccess"
)


@dataclass(slots=True)
class Principal:
    """An IAM user, or a role with its one session.

    Attributes:
        arn: as AWS's sentences name it; of a role, the session's ARN.
        name: the user's name, or the role's.
        identity: inline policies by name, managed ones by ARN.
        boundary: the permissions boundary, or None.
        session: session policies.
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


class Principals:
    """All principals by ARN, and the policies that apply to all of them or to their accounts."""

    def __init__(self) -> None:
        self._by_arn: dict[str, Principal] = {}
        self._everybody: list[NamedPolicy] = []
        self._service_control: dict[str, list[NamedPolicy]] = defaultdict(list)
        self._resource_control: dict[str, list[NamedPolicy]] = defaultdict(list)

    def __iter__(self) -> Iterator[Principal]:
        return iter(list(self._by_arn.values()))

    def user(self, name: str, account_id: str) -> Principal | None:
        """Return the IAM user, or None."""
        for principal in self._by_arn.values():
            if principal.is_user and (principal.name, principal.account_id) == (name, account_id):
                return principal
        return None

    def get(self, arn: str) -> Principal | None:
        """Return the principal with that ARN, or None."""
        return self._by_arn.get(arn)

    def add_user(
        self, name: str, account_id: str, now: datetime, *, partition: str = "aws", path: str = "/"
    ) -> Principal:
        """Add an IAM user that has no policy."""
        arn = f"arn:{partition}:iam::{account_id}:user{path}{name}"
        unique_id = minting.identifier("AIDA", account_id)
        return self._add(Principal(arn, name, account_id, now, unique_id, path))

    def add_role(
        self, name: str, account_id: str, now: datetime, *, partition: str = "aws"
    ) -> Principal:
        """Add a role that has no policy, with one session of the same name."""
        arn = f"arn:{partition}:sts::{account_id}:assumed-role/{name}/{name}"
        unique_id = minting.identifier("AROA", account_id)
        return self._add(Principal(arn, name, account_id, now, unique_id))

    def remove(self, principal: Principal) -> None:
        """Remove a principal; its keys are accepted no more."""
        self._by_arn.pop(principal.arn, None)

    def find(self, name_or_arn: str) -> list[Principal]:
        """Return the principals with that name or ARN.

        Raises:
            LookupError: there is none; the message lists the names that exist.
        """
        found = [p for p in self if name_or_arn in (p.arn, p.name)]
        if not found:
            known = ", ".join(p.name for p in self) or "none yet"
            raise LookupError(f"no principal {name_or_arn!r} here; known are: {known}")
        return found

    def attach_to_everybody(self, policy: NamedPolicy) -> None:
        """Attach an identity-based policy to every principal, existing or added later."""
        self._everybody.append(policy)

    def attach_service_control_policy(self, account_id: str, policy: NamedPolicy) -> None:
        """Attach a service control policy to an account, beside `FullAWSAccess`."""
        self._service_control[account_id].append(policy)

    def attach_resource_control_policy(self, account_id: str, policy: NamedPolicy) -> None:
        """Attach a resource control policy to an account, beside `RCPFullAWSAccess`."""
        self._resource_control[account_id].append(policy)

    def policies_of(self, principal: Principal) -> PolicySet:
        """Return all policies that apply to this principal's calls."""
        return PolicySet(
            identity=[*principal.identity.values(), *self._everybody],
            boundary=[principal.boundary] if principal.boundary else [],
            session=list(principal.session),
            service_control=_beside_full_access(self._service_control[principal.account_id]),
            resource_control=_beside_full_access(self._resource_control[principal.account_id]),
        )

    def denial(
        self,
        principal: Principal,
        action: str,
        context: Mapping[str, Any],
        resource: str = "*",
        *,
        shown: str | None = None,
    ) -> str | None:
        """Return AWS's sentence if the principal may not do this, or None if it may.

        `shown` is the resource as the sentence names it, where that is not the ARN.
        """
        known = {
            "aws:PrincipalArn": principal.iam_arn,
            "aws:PrincipalAccount": principal.account_id,
        }
        decision = evaluate(self.policies_of(principal), action, {**known, **context}, resource)
        if decision.allowed:
            return None
        return decision.sentence(principal.arn, resource=shown or resource)

    def _add(self, principal: Principal) -> Principal:
        self._by_arn[principal.arn] = principal
        return principal


def _beside_full_access(policies: list[NamedPolicy]) -> list[NamedPolicy]:
    return [FULL_ACCESS, *policies] if policies else []


def refusal_by_policy(sentence: str, action: str) -> ServiceError:
    """Return AWS's refusal with this sentence, from the layer that checks the action."""
    if action.endswith(f":{CALL_WITH_BEARER_TOKEN}"):
        return key_refused(sentence)
    return ServiceError("AccessDeniedException", sentence)
