"""The policies of users, roles and groups, inline and managed."""

from __future__ import annotations

import json
from base64 import b32encode
from datetime import datetime
from hashlib import sha256
from typing import Any
from urllib.parse import quote

from bedrock_bearer.access.document import read_document
from bedrock_bearer.access.policy_set import NamedPolicy
from bedrock_bearer.local.control_plane.account import Account, ControlPlaneError
from bedrock_bearer.local.control_plane.query import (
    Operations,
    Parameters,
    Result,
    already_exists,
    no_such_entity,
    page_of,
    timestamp,
)
from bedrock_bearer.local.principals import PolicyOwner, read_policy

VERSION_ID = "v1"


class PoliciesOfOwners:
    """The operations on the policies of users, of roles or of groups.

    Args:
        kind: `User`, `Role` or `Group`, as the operations are named.
    """

    def __init__(self, account: Account, kind: str) -> None:
        self._principals = account.principals
        self._kind = kind
        self.operations: Operations = {
            f"Attach{kind}Policy": self._attach,
            f"Detach{kind}Policy": self._detach,
            f"ListAttached{kind}Policies": self._list_attached,
            f"Put{kind}Policy": self._put,
            f"Get{kind}Policy": self._get,
            f"Delete{kind}Policy": self._delete,
            f"List{kind}Policies": self._list,
        }

    def _attach(self, owner: PolicyOwner, given: Parameters) -> Result:
        arn = given.get("PolicyArn", "")
        owner.identity[arn] = managed_policy(self._principals.managed, arn)
        return None

    def _detach(self, owner: PolicyOwner, given: Parameters) -> Result:
        arn = given.get("PolicyArn", "")
        if owner.identity.pop(arn, None) is None:
            raise no_such_entity(f"Policy {arn} was not found.")
        return None

    def _list_attached(self, owner: PolicyOwner, given: Parameters) -> Result:
        arns = [name for name in self._all(owner) if name.startswith("arn:")]
        attached = [{"PolicyName": arn.rpartition("/")[2], "PolicyArn": arn} for arn in arns]
        return page_of("AttachedPolicies", attached, given)

    def _put(self, owner: PolicyOwner, given: Parameters) -> Result:
        name = given.get("PolicyName", "")
        owner.identity[name] = _read(given, name=name)
        return None

    def _get(self, owner: PolicyOwner, given: Parameters) -> Result:
        name = given.get("PolicyName", "")
        policy = self._all(owner).get(name)
        if policy is None:
            raise self._not_found(name)
        return {
            f"{self._kind}Name": owner.name,
            "PolicyName": name,
            "PolicyDocument": quote(document_text(policy), safe=""),
        }

    def _delete(self, owner: PolicyOwner, given: Parameters) -> Result:
        name = given.get("PolicyName", "")
        if owner.identity.pop(name, None) is None:
            raise self._not_found(name)
        return None

    def _list(self, owner: PolicyOwner, given: Parameters) -> Result:
        names = [name for name in self._all(owner) if not name.startswith("arn:")]
        return page_of("PolicyNames", names, given)

    def _all(self, owner: PolicyOwner) -> dict[str, NamedPolicy]:
        return self._principals.policies_of(owner)

    def _not_found(self, name: str) -> ControlPlaneError:
        return no_such_entity(f"The {self._kind.lower()} policy with name {name} cannot be found.")


class ManagedPolicies:
    """The operations on managed policies."""

    def __init__(self, account: Account) -> None:
        self._account = account
        self._managed = account.principals.managed

    def create(self, given: Parameters) -> Result:
        """Make a managed policy of the account."""
        arn = self._account.arn(f"policy{given.get('Path', '/')}{given.get('PolicyName', '')}")
        if arn in self._managed:
            raise already_exists(f"A policy called {given.get('PolicyName')} already exists.")
        self._managed[arn] = _read(given, arn=arn)
        return {"Policy": _policy_shape(arn, self._account.clock())}

    def get(self, given: Parameters) -> Result:
        """Return a policy without its document."""
        arn = given.get("PolicyArn", "")
        managed_policy(self._managed, arn)
        return {"Policy": _policy_shape(arn, self._account.clock())}

    def get_version(self, given: Parameters) -> Result:
        """Return the one version that a policy has here, with its document."""
        arn, version_id = given.get("PolicyArn", ""), given.get("VersionId", "")
        policy = managed_policy(self._managed, arn)
        if version_id != VERSION_ID:
            raise no_such_entity(f"Policy {arn} version {version_id} does not exist.")
        return {
            "PolicyVersion": {
                "Document": quote(document_text(policy), safe=""),
                "VersionId": VERSION_ID,
                "IsDefaultVersion": True,
                "CreateDate": timestamp(self._account.clock()),
            }
        }


def managed_policy(managed: dict[str, NamedPolicy], arn: str) -> NamedPolicy:
    """Return the managed policy with this ARN."""
    policy = managed.get(arn)
    if policy is None:
        raise no_such_entity(f"Policy {arn} does not exist or is not attachable.")
    return policy


def document_text(policy: NamedPolicy) -> str:
    """Return a policy's document as the local IAM stores it: JSON on one line."""
    return json.dumps(read_document(policy.document).to_wire())


def _read(given: Parameters, *, name: str | None = None, arn: str | None = None) -> NamedPolicy:
    try:
        return read_policy(given.get("PolicyDocument", ""), arn, name)
    except ValueError as error:
        raise ControlPlaneError(400, "MalformedPolicyDocument", str(error)) from None


def _policy_shape(arn: str, now: datetime) -> dict[str, Any]:
    path, _, name = arn.partition(":policy")[2].rpartition("/")
    return {
        "PolicyName": name,
        "PolicyId": f"ANPA{b32encode(sha256(arn.encode()).digest()).decode()[:16]}",
        "Arn": arn,
        "Path": f"{path}/",
        "DefaultVersionId": VERSION_ID,
        "AttachmentCount": 0,
        "IsAttachable": True,
        "CreateDate": timestamp(now),
        "UpdateDate": timestamp(now),
    }
