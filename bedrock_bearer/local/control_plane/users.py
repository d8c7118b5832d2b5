"""IAM's operations on users."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from bedrock_bearer.local.control_plane.account import Account, ControlPlaneError
from bedrock_bearer.local.control_plane.policies import (
    Boundaries,
    PoliciesOfOwners,
    boundary_shape,
)
from bedrock_bearer.local.control_plane.query import (
    Parameters,
    Result,
    already_exists,
    delete_conflict,
    page_of,
    timestamp,
)
from bedrock_bearer.local.control_plane.tags import Tags, tag_shapes
from bedrock_bearer.local.principals import Group, Principal


class Users:
    """The operations on users, but those on their credentials."""

    def __init__(self, account: Account) -> None:
        self._account = account
        self.operations: dict[str, Callable[[Any, Parameters], Result]] = {
            "GetUser": lambda user, given: {"User": user_shape(user)},
            "UpdateUser": self._update,
            "DeleteUser": self._delete,
            "ListGroupsForUser": self._list_groups,
            "ListMFADevices": lambda user, given: {"MFADevices": [], "IsTruncated": False},
            **PoliciesOfOwners(account, "User").operations,
            **Boundaries(account, "User").operations,
            **Tags("User").operations,
        }

    def create(self, given: Parameters) -> Result:
        """Add a user."""
        name = self._new_name(given.get("UserName", ""))
        user = self._account.principals.add_user(
            name,
            self._account.id,
            self._account.clock(),
            partition=self._account.partition,
            path=given.get("Path", "/"),
        )
        return {"User": user_shape(user)}

    def list_all(self, given: Parameters) -> Result:
        """List the users below a path."""
        prefix = given.get("PathPrefix", "/")
        users = [user for user in self._account.users() if user.path.startswith(prefix)]
        return page_of("Users", [user_shape(user) for user in users], given)

    def _new_name(self, name: str) -> str:
        if not re.fullmatch(r"[\w+=,.@-]{1,64}", name):
            text = "The specified value for userName is invalid."
            raise ControlPlaneError(400, "ValidationError", text)
        if self._account.user(name):
            raise already_exists(f"User with name {name} already exists.")
        return name

    def _update(self, user: Principal, given: Parameters) -> Result:
        if given.get("NewUserName"):
            old_arn = user.arn
            self._account.principals.rename(user, self._new_name(given["NewUserName"]))
            self._account.keys.move(old_arn, user.arn)
        return None

    def _delete(self, user: Principal, given: Parameters) -> Result:
        if any(name.startswith("arn:") for name in user.identity):
            raise delete_conflict("Cannot delete entity, must detach all policies first.")
        if user.identity:
            raise delete_conflict("Cannot delete entity, must delete policies first.")
        if user.groups:
            raise delete_conflict("Cannot delete entity, must remove users from group first.")
        if self._account.keys.of_user(user):
            raise delete_conflict(
                "Cannot delete entity, must delete service specific credentials first."
            )
        if self._account.access_keys_of(user):
            raise delete_conflict("Cannot delete entity, must delete access keys first.")
        self._account.principals.remove(user)
        return None

    def _list_groups(self, user: Principal, given: Parameters) -> Result:
        return page_of("Groups", [group_shape(group) for group in user.groups], given)


def group_shape(group: Group) -> dict[str, Any]:
    """Return a group as IAM shows it."""
    return {
        "Path": group.path,
        "GroupName": group.name,
        "GroupId": group.unique_id,
        "Arn": group.iam_arn,
        "CreateDate": timestamp(group.created_at),
    }


def user_shape(user: Principal) -> dict[str, Any]:
    """Return a user as IAM shows it."""
    return {
        "Path": user.path,
        "UserName": user.name,
        "UserId": user.unique_id,
        "Arn": user.arn,
        "CreateDate": timestamp(user.created_at),
        **boundary_shape(user),
        **tag_shapes(user),
    }
