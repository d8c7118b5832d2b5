"""Attaches policies to the principals of a local Bedrock, and to the organisation above them."""

from __future__ import annotations

from contextlib import AbstractContextManager

from bedrock_bearer.access.document import PolicyDocument
from bedrock_bearer.local.control_plane.account import Account
from bedrock_bearer.local.http import Document
from bedrock_bearer.local.organization import Organization, PolicyKind
from bedrock_bearer.local.principals import read_policy

Policy = PolicyDocument | Document | str
"""A policy document: a model, the dict that AWS writes, or its JSON."""


class PolicyAttachments:
    """The part of `LocalBedrock` that attaches policies."""

    def __init__(self, account: Account, lock: AbstractContextManager[bool]) -> None:
        self._account = account
        self._lock = lock

    def attach_policy(
        self, principal: str | None, document: Policy, *, policy_arn: str | None = None
    ) -> None:
        """Attach an identity-based policy.

        Args:
            principal: the name or ARN of a role or user; None for every principal, existing or
                made later.
            document: the policy.
            policy_arn: the ARN of a managed policy, which refusals name. Default: the policy is
                inline.

        Raises:
            LookupError: there is no such principal.
            ValueError: the policy is not valid.
        """
        policy = read_policy(document, policy_arn)
        with self._lock:
            owners = [None] if principal is None else self._account.principals.find(principal)
            for owner in owners:
                self._account.principals.attach(owner, policy)

    def set_permissions_boundary(
        self, principal: str, document: Policy | None, *, policy_arn: str | None = None
    ) -> None:
        """Set the permissions boundary of a principal, or remove it; it is a managed policy."""
        with self._lock:
            for found in self._account.principals.find(principal):
                arn = policy_arn or self._account.arn(f"policy/boundary-of-{found.name}")
                found.boundary = None if document is None else read_policy(document, arn)
                if found.boundary is not None:
                    self._account.principals.managed[arn] = found.boundary

    def attach_session_policy(
        self, principal: str, document: Policy, *, policy_arn: str | None = None
    ) -> None:
        """Attach a session policy to a role's session."""
        policy = read_policy(document, policy_arn)
        with self._lock:
            for found in self._account.principals.find(principal):
                found.session.append(policy)

    def set_vpc_endpoint_policy(self, document: Policy | None) -> None:
        """Let all calls of Bedrock go through a VPC endpoint with this policy, or through none."""
        policy = None if document is None else read_policy(document)
        with self._lock:
            self._account.authorization.endpoint_policy = policy

    def attach_service_control_policy(
        self,
        document: Policy,
        *,
        account_id: str | None = None,
        target: str | None = None,
        policy_arn: str | None = None,
        keep_full_access: bool = True,
    ) -> None:
        """Attach a service control policy; the account joins the organisation if it has to.

        Args:
            document: the policy.
            account_id: the account it is attached to. Default: the local Bedrock's own.
            target: a unit or the root to attach it to instead, as `add_organizational_unit` and
                `root_of_organization` return them.
            policy_arn: its ARN, which refusals name. Default: refusals name none.
            keep_full_access: whether the target keeps `FullAWSAccess` beside it.
        """
        self._attach_to_organization(
            "SERVICE_CONTROL_POLICY", document, account_id, target, policy_arn, keep_full_access
        )

    def attach_resource_control_policy(
        self,
        document: Policy,
        *,
        account_id: str | None = None,
        target: str | None = None,
        policy_arn: str | None = None,
        keep_full_access: bool = True,
    ) -> None:
        """Attach a resource control policy, as `attach_service_control_policy` does."""
        self._attach_to_organization(
            "RESOURCE_CONTROL_POLICY", document, account_id, target, policy_arn, keep_full_access
        )

    def root_of_organization(self) -> str:
        """Return the id of the organisation's root; the account joins it if it has to."""
        with self._lock:
            organization = self._organization()
            organization.add_account(self._account.id)
            return organization.root.id

    def add_organizational_unit(self, name: str, *, parent: str | None = None) -> str:
        """Add a unit to the organisation, below the root or another unit; return its id."""
        with self._lock:
            organization = self._organization()
            return organization.add_unit(name, organization.find(parent) if parent else None).id

    def move_account(self, unit: str, *, account_id: str | None = None) -> None:
        """Move an account into a unit of the organisation."""
        with self._lock:
            organization = self._organization()
            account = organization.add_account(account_id or self._account.id)
            account.parent = organization.find(unit)

    def _organization(self) -> Organization:
        if self._account.authorization.organization is None:
            self._account.authorization.organization = Organization(self._account.partition)
        return self._account.authorization.organization

    def _attach_to_organization(
        self,
        kind: PolicyKind,
        document: Policy,
        account_id: str | None,
        target: str | None,
        policy_arn: str | None,
        keep_full_access: bool,
    ) -> None:
        policy = read_policy(document, policy_arn)
        with self._lock:
            organization = self._organization()
            account = organization.add_account(account_id or self._account.id)
            found = account if target is None else organization.find(target)
            organization.attach(found, kind, policy, keep_full_access=keep_full_access)
