"""IAM's operations on users and on roles: themselves, their tags and permissions boundaries."""

from __future__ import annotations

import json
import re
from typing import Any
from urllib.parse import quote

from bedrock_bearer.local.control_plane.account import Account, ControlPlaneError
from bedrock_bearer.local.control_plane.policies import PoliciesOfOwners, managed_policy
from bedrock_bearer.local.control_plane.query import (
    Operations,
    Parameters,
    Result,
    already_exists,
    delete_conflict,
    members_of,
    page_of,
    timestamp,
)
from bedrock_bearer.local.principals import Principal


class UsersOrRoles:
    """The operations on users, but those on their credentials, or on roles.

    Each role has one session, of the same name.

    Args:
        kind: `User` or `Role`, as the operations are named.
    """

    def __init__(self, account: Account, kind: str) -> None:
        self._account = account
        self._kind = kind
        self._is_user = kind == "User"
        self.operations: Operations = {
            f"Get{kind}": lambda principal, given: {kind: shape_of(principal)},
            f"Delete{kind}": self._delete,
            f"Tag{kind}": self._tag,
            f"List{kind}Tags": lambda principal, given: page_of("Tags", _tags(principal), given),
            f"Put{kind}PermissionsBoundary": self._put_boundary,
            f"Delete{kind}PermissionsBoundary": self._delete_boundary,
            **PoliciesOfOwners(account, kind).operations,
        }
        if self._is_user:
            self.operations["UpdateUser"] = self._update
            no_devices = {"MFADevices": [], "IsTruncated": False}
            self.operations["ListMFADevices"] = lambda user, given: no_devices

    def create(self, given: Parameters) -> Result:
        """Add a user or role."""
        principal = self._account.principals.add(
            self._new_name(given.get(f"{self._kind}Name", "")),
            self._account.id,
            self._account.clock(),
            is_user=self._is_user,
            partition=self._account.partition,
            path=given.get("Path", "/"),
        )
        return {self._kind: shape_of(principal)}

    def list_all(self, given: Parameters) -> Result:
        """List those below a path."""
        prefix = given.get("PathPrefix", "/")
        found = [p for p in self._account.all(is_user=self._is_user) if p.path.startswith(prefix)]
        return page_of(f"{self._kind}s", [shape_of(principal) for principal in found], given)

    def _new_name(self, name: str) -> str:
        if not re.fullmatch(r"[\w+=,.@-]{1,64}", name):
            text = f"The specified value for {self._kind.lower()}Name is invalid."
            raise ControlPlaneError(400, "ValidationError", text)
        if self._account.find(name, is_user=self._is_user):
            raise already_exists(f"{self._kind} with name {name} already exists.")
        return name

    def _update(self, user: Principal, given: Parameters) -> Result:
        if given.get("NewUserName"):
            old_arn = user.arn
            self._account.principals.rename(user, self._new_name(given["NewUserName"]))
            self._account.keys.move(old_arn, user.arn)
        return None

    def _delete(self, principal: Principal, given: Parameters) -> Result:
        account = self._account
        obstacles = {
            "detach all policies": any(name.startswith("arn:") for name in principal.identity),
            "delete policies": principal.identity,
            "remove users from group": principal.groups,
            "delete service specific credentials": account.keys.of_user(principal),
            "delete access keys": self._is_user and account.access_keys_of(principal),
        }
        for to_do, is_there in obstacles.items():
            if is_there:
                raise delete_conflict(f"Cannot delete entity, must {to_do} first.")
        account.principals.remove(principal)
        return None

    def _tag(self, principal: Principal, given: Parameters) -> Result:
        for tag in members_of(given, "Tags"):
            principal.tags[tag.get("Key", "")] = tag.get("Value", "")
        return None

    def _put_boundary(self, principal: Principal, given: Parameters) -> Result:
        arn = given.get("PermissionsBoundary", "")
        principal.boundary = managed_policy(self._account.principals.managed, arn)
        return None

    def _delete_boundary(self, principal: Principal, given: Parameters) -> Result:
        principal.boundary = None
        return None


def shape_of(principal: Principal) -> dict[str, Any]:
    """Return a user or a role as IAM shows it."""
    kind = "User" if principal.is_user else "Role"
    shape: dict[str, Any] = {
        "Path": principal.path,
        f"{kind}Name": principal.name,
        f"{kind}Id": principal.unique_id,
        "Arn": principal.iam_arn,
        "CreateDate": timestamp(principal.created_at),
    }
    if not principal.is_user:
        shape["AssumeRolePolicyDocument"] = quote(json.dumps(_trust_of(principal)), safe="")
        shape["MaxSessionDuration"] = 43_200
    if principal.boundary is not None:
        shape["PermissionsBoundary"] = {
            "PermissionsBoundaryType": "PermissionsBoundaryPolicy",
            "PermissionsBoundaryArn": principal.boundary.arn,
        }
    return shape | ({"Tags": _tags(principal)} if principal.tags else {})


def _trust_of(role: Principal) -> dict[str, Any]:
    """Return a policy that lets the role's account assume it."""
    root = f"arn:{role.arn.split(':')[1]}:iam::{role.account_id}:root"
    statement = {"Effect": "Allow", "Principal": {"AWS": root}, "Action": "sts:AssumeRole"}
    return {"Version": "2012-10-17", "Statement": [statement]}


def _tags(principal: Principal) -> list[dict[str, str]]:
    return [{"Key": name, "Value": value} for name, value in principal.tags.items()]
