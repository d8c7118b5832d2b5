"""IAM's operations on groups of users."""

from __future__ import annotations

from typing import Any

from bedrock_bearer.local import minting
from bedrock_bearer.local.control_plane.account import Account
from bedrock_bearer.local.control_plane.policies import PoliciesOfOwners
from bedrock_bearer.local.control_plane.query import (
    Operations,
    Parameters,
    Result,
    already_exists,
    delete_conflict,
    no_such_entity,
    page_of,
    timestamp,
)
from bedrock_bearer.local.control_plane.users_and_roles import shape_of
from bedrock_bearer.local.principals import Group, Principal


class Groups:
    """The operations on groups."""

    def __init__(self, account: Account) -> None:
        self._account = account
        self._groups = account.principals.groups
        self.operations: Operations = {
            "GetGroup": self._get,
            "AddUserToGroup": self._add_user,
            "RemoveUserFromGroup": self._remove_user,
            "DeleteGroup": self._delete,
            **PoliciesOfOwners(account, "Group").operations,
        }
        self.operations_on_users: Operations = {"ListGroupsForUser": self._list_of_user}

    def create(self, given: Parameters) -> Result:
        """Add a group."""
        name, path = given.get("GroupName", ""), given.get("Path", "/")
        if name in self._groups:
            raise already_exists(f"Group with name {name} already exists.")
        group = Group(
            self._account.arn(f"group{path}{name}"),
            name,
            self._account.clock(),
            minting.identifier("AGPA", self._account.id),
            path,
        )
        self._groups[name] = group
        return {"Group": _shape(group)}

    def list_all(self, given: Parameters) -> Result:
        """List all groups."""
        return page_of("Groups", [_shape(group) for group in self._groups.values()], given)

    def _get(self, group: Group, given: Parameters) -> Result:
        users = [shape_of(user) for user in self._account.all(is_user=True) if group in user.groups]
        return {"Group": _shape(group), **page_of("Users", users, given)}

    def _add_user(self, group: Group, given: Parameters) -> Result:
        user = self._user(given)
        if group not in user.groups:
            user.groups.append(group)
        return None

    def _remove_user(self, group: Group, given: Parameters) -> Result:
        user = self._user(given)
        if group in user.groups:
            user.groups.remove(group)
        return None

    def _list_of_user(self, user: Principal, given: Parameters) -> Result:
        return page_of("Groups", [_shape(group) for group in user.groups], given)

    def _delete(self, group: Group, given: Parameters) -> Result:
        if group.identity or any(group in user.groups for user in self._account.all(is_user=True)):
            raise delete_conflict("Cannot delete entity, must remove users and policies first.")
        del self._groups[group.name]
        return None

    def _user(self, given: Parameters) -> Principal:
        name = given.get("UserName", "")
        user = self._account.find(name, is_user=True)
        if user is None:
            raise no_such_entity(f"The user with name {name} cannot be found.")
        return user


def _shape(group: Group) -> dict[str, Any]:
    return {
        "Path": group.path,
        "GroupName": group.name,
        "GroupId": group.unique_id,
        "Arn": group.iam_arn,
        "CreateDate": timestamp(group.created_at),
    }
