"""IAM on this machine, and STS as far as it says who calls.

See https://docs.aws.amazon.com/IAM/latest/APIReference/.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from bedrock_bearer.facts import AGE_KEY, CREATE_KEY, SERVICE_NAME_KEY
from bedrock_bearer.local.control_plane.account import Account, ControlPlaneError
from bedrock_bearer.local.control_plane.credentials import Credentials
from bedrock_bearer.local.control_plane.groups import Groups
from bedrock_bearer.local.control_plane.policies import ManagedPolicies
from bedrock_bearer.local.control_plane.query import (
    IAM_NAMESPACE,
    STS_NAMESPACE,
    Parameters,
    Result,
    no_such_entity,
    query_error,
    query_response,
    read_parameters,
)
from bedrock_bearer.local.control_plane.simulator import Simulator
from bedrock_bearer.local.control_plane.users_and_roles import UsersOrRoles
from bedrock_bearer.local.http import LocalRequest, LocalResponse
from bedrock_bearer.local.principals import PolicyOwner, Principal

_CONDITION_KEYS = {
    "ServiceName": SERVICE_NAME_KEY,
    "CredentialAgeDays": AGE_KEY,
}
"""The condition keys of CreateServiceSpecificCredential, by the parameters they hold."""


class Iam:
    """IAM's operations, each allowed by the caller's policies or refused."""

    def __init__(self, account: Account) -> None:
        self._account = account
        users, roles = UsersOrRoles(account, "User"), UsersOrRoles(account, "Role")
        groups = Groups(account)
        credentials, managed = Credentials(account), ManagedPolicies(account)
        simulator = Simulator(account)
        self._credentials = credentials
        self._on_users = {
            **users.operations,
            **credentials.operations,
            **groups.operations_on_users,
        }
        self._on_roles = roles.operations
        self._on_groups = groups.operations
        self._on_the_account: dict[str, tuple[str, Callable[[Parameters], Result]]] = {
            "CreateUser": ("user/{UserName}", users.create),
            "ListUsers": ("user/", users.list_all),
            "CreateRole": ("role/{RoleName}", roles.create),
            "ListRoles": ("role/", roles.list_all),
            "CreateGroup": ("group/{GroupName}", groups.create),
            "ListGroups": ("group/", groups.list_all),
            "CreatePolicy": ("policy/{PolicyName}", managed.create),
            "GetPolicy": ("{PolicyArn}", managed.get),
            "GetPolicyVersion": ("{PolicyArn}", managed.get_version),
            "SimulatePrincipalPolicy": ("{PolicySourceArn}", simulator.simulate),
            "GetContextKeysForPrincipalPolicy": ("{PolicySourceArn}", simulator.context_keys),
        }
        """By action: the resource, with parameters in braces, and what runs."""

    def handle(self, request: LocalRequest, request_id: str) -> LocalResponse:
        """Answer one request."""
        given = read_parameters(request)
        action = given.get("Action", "")
        try:
            caller = self._account.caller_of(request)
            if action == "GetCallerIdentity":
                return query_response(action, _identity_of(caller), request_id, STS_NAMESPACE)
            result = self._run(action, given, caller)
        except ControlPlaneError as error:
            return query_error(error, request_id)
        return query_response(action, result, request_id, IAM_NAMESPACE)

    def _run(self, action: str, given: Parameters, caller: Principal) -> Result:
        if action == "ListServiceSpecificCredentials":
            return self._list_credentials(given, caller)
        if action in self._on_the_account:
            template, run = self._on_the_account[action]
            self._authorize(caller, action, self._resource(template, given))
            return run(given)
        for kind, operations in (
            ("user", self._on_users),
            ("role", self._on_roles),
            ("group", self._on_groups),
        ):
            if action in operations:
                return self._run_on(kind, operations[action], action, given, caller)
        text = f"Could not find operation {action} for version 2010-05-08"
        raise ControlPlaneError(400, "InvalidAction", text)

    def _run_on(
        self,
        kind: str,
        operation: Callable[[Any, Parameters], Result],
        action: str,
        given: Parameters,
        caller: Principal,
    ) -> Result:
        name = given.get(f"{kind.capitalize()}Name") or (caller.name if kind == "user" else "")
        owner = self._owner(kind, name)
        arn = owner.iam_arn if owner else self._account.arn(f"{kind}/{name}")
        self._authorize(caller, action, arn, given)
        if owner is None:
            raise no_such_entity(f"The {kind} with name {name} cannot be found.")
        return operation(owner, given)

    def _owner(self, kind: str, name: str) -> PolicyOwner | None:
        if kind == "group":
            return self._account.principals.groups.get(name)
        return self._account.find(name, is_user=kind == "user")

    def _resource(self, template: str, given: Parameters) -> str:
        names = ("UserName", "RoleName", "GroupName", "PolicyName", "PolicyArn", "PolicySourceArn")
        resource = template.format(**{name: given.get(name, "") for name in names})
        return resource if template.startswith("{") else self._account.arn(resource)

    def _authorize(
        self, caller: Principal, action: str, resource: str, given: Parameters | None = None
    ) -> None:
        action = f"iam:{action}"
        context = {}
        if given and action == CREATE_KEY:
            context = {key: given[name] for name, key in _CONDITION_KEYS.items() if name in given}
        self._account.authorize(caller, action, resource, context)

    def _list_credentials(self, given: Parameters, caller: Principal) -> Result:
        action = "ListServiceSpecificCredentials"
        if given.get("AllUsers", "").lower() == "true":
            self._authorize(caller, action, "*")
            return self._credentials.list_of_account(given)
        return self._run_on("user", self._credentials.list_of_user, action, given, caller)


def _identity_of(caller: Principal) -> Result:
    return {"Arn": caller.arn, "UserId": caller.user_id, "Account": caller.account_id}
