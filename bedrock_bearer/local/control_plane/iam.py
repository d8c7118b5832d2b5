"""IAM on this machine: users, their policies and their credentials; and who calls, of STS.

See https://docs.aws.amazon.com/IAM/latest/APIReference/.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from bedrock_bearer.facts import AGE_KEY, CREATE_KEY, SERVICE_NAME_KEY
from bedrock_bearer.local.control_plane.account import Account, ControlPlaneError
from bedrock_bearer.local.control_plane.credentials import Credentials
from bedrock_bearer.local.control_plane.query import (
    IAM_NAMESPACE,
    STS_NAMESPACE,
    Parameters,
    Result,
    delete_conflict,
    no_such_entity,
    page_of,
    query_error,
    query_response,
    read_parameters,
    timestamp,
)
from bedrock_bearer.local.control_plane.user_policies import UserPolicies
from bedrock_bearer.local.http import LocalRequest, LocalResponse
from bedrock_bearer.local.principals import Principal

_CONDITION_KEYS = {
    "ServiceName": SERVICE_NAME_KEY,
    "CredentialAgeDays": AGE_KEY,
}
"""The condition keys of CreateServiceSpecificCredential, by the parameters they hold."""


class Iam:
    """IAM's operations, each allowed by the caller's policies or refused."""

    def __init__(self, account: Account) -> None:
        self._account = account
        self._credentials = Credentials(account)
        self._operations_on_a_user: dict[str, Callable[[Principal, Parameters], Result]] = {
            "GetUser": self._get_user,
            "DeleteUser": self._delete_user,
            "ListGroupsForUser": lambda user, given: {"Groups": [], "IsTruncated": False},
            "ListUserTags": lambda user, given: {"Tags": [], "IsTruncated": False},
            "ListMFADevices": lambda user, given: {"MFADevices": [], "IsTruncated": False},
            **UserPolicies().operations,
            **self._credentials.operations,
        }

    def handle(self, request: LocalRequest, request_id: str) -> LocalResponse:
        """Answer one request."""
        given = read_parameters(request)
        action = given.get("Action", "")
        try:
            caller = self._account.caller_of(request)
            if action == "GetCallerIdentity":
                return query_response(action, _identity_of(caller), request_id, STS_NAMESPACE)
            result = self._run(action, given, caller)
        except ControlPlaneError as refusal:
            return query_error(refusal, request_id)
        return query_response(action, result, request_id, IAM_NAMESPACE)

    def _run(self, action: str, given: Parameters, caller: Principal) -> Result:
        if action == "CreateUser":
            return self._create_user(given, caller)
        if action == "ListUsers":
            return self._list_users(given, caller)
        if action == "ListServiceSpecificCredentials":
            return self._list_credentials(given, caller)
        operation = self._operations_on_a_user.get(action)
        if operation is None:
            text = f"Could not find operation {action} for version 2010-05-08"
            raise ControlPlaneError(400, "InvalidAction", text)
        name = given.get("UserName") or caller.name
        self._authorize(caller, action, self._user_arn(name), given)
        return operation(self._user(name), given)

    def _authorize(
        self, caller: Principal, action: str, resource: str, given: Parameters | None = None
    ) -> None:
        action = f"iam:{action}"
        context = {}
        if given and action == CREATE_KEY:
            context = {key: given[name] for name, key in _CONDITION_KEYS.items() if name in given}
        self._account.authorize(caller, action, resource, context)

    def _user_arn(self, name: str) -> str:
        user = self._account.user(name)
        if user is not None:
            return user.arn
        return f"arn:{self._account.partition}:iam::{self._account.id}:user/{name}"

    def _user(self, name: str) -> Principal:
        user = self._account.user(name)
        if user is None:
            raise no_such_entity(f"The user with name {name} cannot be found.")
        return user

    def _users(self) -> list[Principal]:
        account_id = self._account.id
        return [p for p in self._account.principals if p.is_user and p.account_id == account_id]

    def _create_user(self, given: Parameters, caller: Principal) -> Result:
        name = given.get("UserName", "")
        self._authorize(caller, "CreateUser", self._user_arn(name))
        if not re.fullmatch(r"[\w+=,.@-]{1,64}", name):
            text = "The specified value for userName is invalid."
            raise ControlPlaneError(400, "ValidationError", text)
        if self._account.user(name):
            text = f"User with name {name} already exists."
            raise ControlPlaneError(409, "EntityAlreadyExists", text)
        user = self._account.principals.add_user(
            name,
            self._account.id,
            self._account.clock(),
            partition=self._account.partition,
            path=given.get("Path", "/"),
        )
        return {"User": _user_shape(user)}

    def _get_user(self, user: Principal, given: Parameters) -> Result:
        return {"User": _user_shape(user)}

    def _delete_user(self, user: Principal, given: Parameters) -> Result:
        if any(name.startswith("arn:") for name in user.identity):
            raise delete_conflict("Cannot delete entity, must detach all policies first.")
        if user.identity:
            raise delete_conflict("Cannot delete entity, must delete policies first.")
        if self._account.keys.of_user(user):
            raise delete_conflict(
                "Cannot delete entity, must delete service specific credentials first."
            )
        if self._account.access_keys_of(user):
            raise delete_conflict("Cannot delete entity, must delete access keys first.")
        self._account.principals.remove(user)
        return None

    def _list_users(self, given: Parameters, caller: Principal) -> Result:
        resource = f"arn:{self._account.partition}:iam::{self._account.id}:user/"
        self._authorize(caller, "ListUsers", resource)
        prefix = given.get("PathPrefix", "/")
        shapes = [_user_shape(user) for user in self._users() if user.path.startswith(prefix)]
        return page_of("Users", shapes, given)

    def _list_credentials(self, given: Parameters, caller: Principal) -> Result:
        if given.get("AllUsers", "").lower() == "true":
            self._authorize(caller, "ListServiceSpecificCredentials", "*")
            return self._credentials.list_of(self._users(), given)
        name = given.get("UserName") or caller.name
        self._authorize(caller, "ListServiceSpecificCredentials", self._user_arn(name))
        return self._credentials.list_of([self._user(name)], given)


def _identity_of(caller: Principal) -> Result:
    return {"Arn": caller.arn, "UserId": caller.unique_id, "Account": caller.account_id}


def _user_shape(user: Principal) -> dict[str, Any]:
    return {
        "Path": user.path,
        "UserName": user.name,
        "UserId": user.unique_id,
        "Arn": user.arn,
        "CreateDate": timestamp(user.created_at),
    }
