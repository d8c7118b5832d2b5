"""IAM's operations on roles."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

from bedrock_bearer.local.control_plane.account import Account
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
from bedrock_bearer.local.principals import Principal


class Roles:
    """The operations on roles. Each role has one session, of the same name."""

    def __init__(self, account: Account) -> None:
        self._account = account
        self.operations: dict[str, Callable[[Any, Parameters], Result]] = {
            "GetRole": lambda role, given: {"Role": _shape(role)},
            "DeleteRole": self._delete,
            **PoliciesOfOwners(account, "Role").operations,
            **Boundaries(account, "Role").operations,
            **Tags("Role").operations,
        }

    def create(self, given: Parameters) -> Result:
        """Add a role."""
        name = given.get("RoleName", "")
        if self._account.role(name):
            raise already_exists(f"Role with name {name} already exists.")
        role = self._account.principals.add_role(
            name,
            self._account.id,
            self._account.clock(),
            partition=self._account.partition,
            path=given.get("Path", "/"),
        )
        return {"Role": _shape(role)}

    def list_all(self, given: Parameters) -> Result:
        """List the roles below a path."""
        prefix = given.get("PathPrefix", "/")
        roles = [role for role in self._account.roles() if role.path.startswith(prefix)]
        return page_of("Roles", [_shape(role) for role in roles], given)

    def _delete(self, role: Principal, given: Parameters) -> Result:
        if role.identity:
            raise delete_conflict("Cannot delete entity, must detach all policies first.")
        self._account.principals.remove(role)
        return None


def _shape(role: Principal) -> dict[str, Any]:
    trusts = {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": {"AWS": f"arn:{role.arn.split(':')[1]}:iam::{role.account_id}:root"},
                "Action": "sts:AssumeRole",
            }
        ],
    }
    return {
        "Path": role.path,
        "RoleName": role.name,
        "RoleId": role.unique_id,
        "Arn": role.iam_arn,
        "CreateDate": timestamp(role.created_at),
        "AssumeRolePolicyDocument": quote(json.dumps(trusts), safe=""),
        "MaxSessionDuration": 43_200,
        **boundary_shape(role),
        **tag_shapes(role),
    }
