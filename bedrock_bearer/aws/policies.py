"""Reads the policies of a principal from IAM and Organizations. Needs the extra `[aws]`.

This takes AWS credentials: an API key cannot read policies. See
https://docs.aws.amazon.com/IAM/latest/UserGuide/access_policies_manage.html and
https://docs.aws.amazon.com/organizations/latest/APIReference/API_ListPoliciesForTarget.html.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from bedrock_bearer.access.denial import account_of
from bedrock_bearer.access.document import read_document
from bedrock_bearer.access.policy_set import IDENTITY, NamedPolicy, PolicySet
from bedrock_bearer.access.request_context import principal_context
from bedrock_bearer.aws.session import aws_client, aws_errors, aws_session, failure_name
from bedrock_bearer.errors import ConfigurationError

_PRINCIPAL = re.compile(
    r"arn:[a-z0-9-]+:(?:iam|sts)::[0-9]{12}:(?P<kind>user|role|assumed-role)/(?P<name>\S+)"
)
_NOT_IN_USE = ("AWSOrganizationsNotInUseException", "PolicyTypeNotEnabledException")


@dataclass(frozen=True, slots=True)
class FetchedPolicies:
    """The policies of a principal, as far as they may be read.

    Attributes:
        principal_arn: the principal.
        policies: the policies that were read.
        unread: what could not be read, and why, a line each. It may decide as well.
        context: the condition keys of the principal's requests that AWS tells, such as its ARN, its
            tags and its organisation.
    """

    principal_arn: str
    policies: PolicySet
    unread: list[str]
    context: dict[str, Any] = field(default_factory=dict)


def fetch_policies(principal_arn: str | None = None, *, session: Any = None) -> FetchedPolicies:
    """Read the policies of a principal from IAM, and those above its account from Organizations.

    For a user: its own policies and those of its groups, inline and managed, and its permissions
    boundary. For a role or a session of one: the role's. What may not be read is listed, and the
    rest is read. Only credentials of the principal's own account can read its identity-based
    policies, and usually only those of the management account the organisation's.

    Args:
        principal_arn: an IAM user, a role or a session of a role. Default: whose credentials
            are used.
        session: the `boto3.Session` whose credentials are used. Default: a new one.

    Raises:
        ConfigurationError: boto3 is not installed, there are no valid AWS credentials, or IAM
            has no such user or role.
        TransportError: AWS cannot be reached.
    """
    what = "The policies were not read"
    session = session or aws_session(what)
    sts = aws_client("sts", what, session=session)
    with aws_errors(what):
        caller_arn = str(sts.get_caller_identity()["Arn"])
    return _Reading(session, principal_arn or caller_arn, account_of(caller_arn)).fetched()


class _Reading:
    """Reads all policies once, and notes what may not be read."""

    def __init__(self, session: Any, principal_arn: str, caller_account: str | None) -> None:
        from botocore.exceptions import BotoCoreError, ClientError

        found = _PRINCIPAL.fullmatch(principal_arn)
        if found is None:
            raise ConfigurationError(
                f"{principal_arn} is not an IAM user or role: its policies cannot be read."
            )
        self._arn = principal_arn
        self._is_session = found["kind"] == "assumed-role"
        self._kind = "user" if found["kind"] == "user" else "role"
        # A path comes before the name of a user or role, a session's name after the role's.
        self._name = found["name"].split("/")[0 if self._is_session else -1]
        self._caller_account = caller_account
        self._iam = aws_client("iam", "IAM was not called", session=session)
        self._organizations = aws_client(
            "organizations", "Organizations was not called", session=session
        )
        self._failures = (BotoCoreError, ClientError)
        self._unread: list[str] = []
        self._unread_types: dict[str, None] = {}
        self._policy_type = IDENTITY
        self._context = principal_context(principal_arn)

    def fetched(self) -> FetchedPolicies:
        boundary, identity = self._in_account()
        targets = self._targets()
        policies = PolicySet(
            identity=identity,
            boundary=boundary,
            service_control=self._of_organisation("SERVICE_CONTROL_POLICY", targets),
            resource_control=self._of_organisation("RESOURCE_CONTROL_POLICY", targets),
            organization_complete=True,
        )
        if self._is_session:
            self._policy_type = "session policy"
            self._note_unread("session policies and session tags: AWS does not show them")
        # Resource control policies do not reach the actions that govern keys.
        self._unread_types.pop("resource control policy", None)
        policies = replace(policies, unread=tuple(self._unread_types))
        return FetchedPolicies(self._arn, policies, self._unread, self._context)

    def _in_account(self) -> tuple[list[NamedPolicy], list[NamedPolicy]]:
        """Return the permissions boundary and the identity-based policies."""
        account = account_of(self._arn)
        if account != self._caller_account:
            self._unread_types["permissions boundary"] = None
            self._note_unread(
                "identity-based policies and permissions boundary: the AWS credentials are of "
                f"the account {self._caller_account}, not of {account}"
            )
            return [], []
        self._policy_type = "permissions boundary"
        boundary = self._boundary()
        self._policy_type = IDENTITY
        return boundary, self._identity()

    def _identity(self) -> list[NamedPolicy]:
        policies = self._policies_of(self._kind, self._name)
        if self._kind == "user":
            groups = self._listed(self._iam, "list_groups_for_user", UserName=self._name)
            for group in groups:
                policies += self._policies_of("group", group["GroupName"])
        return policies

    def _policies_of(self, kind: str, name: str) -> list[NamedPolicy]:
        """Return the inline and the managed policies of a user, a group or a role."""
        owner = {f"{kind.capitalize()}Name": name}
        policies = []
        for inline in self._listed(self._iam, f"list_{kind}_policies", **owner):
            answer = self._asked(self._iam, f"get_{kind}_policy", PolicyName=inline, **owner)
            if answer is not None:
                owned = f"{inline} of the {kind} {name}"
                # AWS names no inline policy by an ARN: it has none.
                policies += self._document(answer["PolicyDocument"], owned, "")
        for attached in self._listed(self._iam, f"list_attached_{kind}_policies", **owner):
            policies += self._managed(attached["PolicyArn"])
        return policies

    def _boundary(self) -> list[NamedPolicy]:
        named = self._kind.capitalize()
        answer = self._asked(self._iam, f"get_{self._kind}", **{f"{named}Name": self._name})
        if answer is None:
            return []
        principal = answer[named]
        self._context |= {"aws:PrincipalArn": principal["Arn"]}
        tags = principal.get("Tags") or []
        self._context |= {f"aws:PrincipalTag/{tag['Key']}": tag["Value"] for tag in tags}
        boundary = principal.get("PermissionsBoundary")
        return self._managed(boundary["PermissionsBoundaryArn"]) if boundary else []

    def _managed(self, arn: str) -> list[NamedPolicy]:
        policy = self._asked(self._iam, "get_policy", PolicyArn=arn)
        if policy is None:
            return []
        name, version_id = policy["Policy"]["PolicyName"], policy["Policy"]["DefaultVersionId"]
        version = self._asked(self._iam, "get_policy_version", PolicyArn=arn, VersionId=version_id)
        if version is None:
            return []
        return self._document(version["PolicyVersion"]["Document"], name, arn)

    def _document(self, document: Any, name: str, arn: str | None = None) -> list[NamedPolicy]:
        try:
            return [NamedPolicy(read_document(document), name, arn)]
        except ValueError as error:
            self._note_unread(f"{arn or name}: {error}")
        return []

    def _targets(self) -> list[str]:
        """Return the account and all above it, up to the root of the organisation."""
        self._policy_type = "service control policy"
        account = account_of(self._arn)
        answer = self._asked(self._organizations, "describe_organization")
        is_own = account == self._caller_account
        if not is_own and answer is None and self._policy_type not in self._unread_types:
            self._note_unread(
                f"service control policies: {account} is not the account of the AWS credentials, "
                "which are of no organisation"
            )
        # No such policy applies without an organisation, or in its management account.
        if account is None or answer is None:
            return []
        organization = answer["Organization"]
        if organization["MasterAccountId"] == account:
            self._context["aws:PrincipalOrgID"] = organization["Id"]
            return []
        targets = [account]
        while not targets[-1].startswith("r-"):
            parents = list(self._listed(self._organizations, "list_parents", ChildId=targets[-1]))
            if not parents:
                break
            targets.append(parents[0]["Id"])
        # The organisation is that of the credentials; another account may be of another one.
        if is_own or len(targets) > 1:
            self._context["aws:PrincipalOrgID"] = organization["Id"]
        return targets

    def _of_organisation(self, kind: str, targets: list[str]) -> list[list[NamedPolicy]]:
        self._policy_type = kind.lower().replace("_", " ")
        levels = [
            [
                policy
                for summary in self._listed(
                    self._organizations, "list_policies_for_target", TargetId=target, Filter=kind
                )
                for policy in self._described(summary)
            ]
            for target in targets
        ]
        return [level for level in levels if level]

    def _described(self, summary: dict[str, Any]) -> list[NamedPolicy]:
        answer = self._asked(self._organizations, "describe_policy", PolicyId=summary["Id"])
        if answer is None:
            return []
        return self._document(answer["Policy"]["Content"], summary["Name"], summary["Arn"])

    def _asked(self, client: Any, operation: str, **arguments: str) -> dict[str, Any] | None:
        """Return the answer, or None after noting why there is none."""
        try:
            answer: dict[str, Any] = getattr(client, operation)(**arguments)
        except self._failures as error:
            self._note(client, operation, arguments, error)
            return None
        return answer

    def _listed(self, client: Any, operation: str, **arguments: str) -> Iterator[Any]:
        """Yield the members of a list, as far as it may be read."""
        paginator = client.get_paginator(operation)
        try:
            for page in paginator.paginate(**arguments):
                for key in paginator.result_keys:
                    yield from key.search(page) or []
        except self._failures as error:
            self._note(client, operation, arguments, error)

    def _note(
        self, client: Any, operation: str, arguments: dict[str, str], error: Exception
    ) -> None:
        code = failure_name(error)
        if code in _NOT_IN_USE:
            return
        if code == "NoSuchEntity" and operation == f"get_{self._kind}":
            raise ConfigurationError(f"IAM has no {self._kind} {self._name}.")
        service = client.meta.service_model.service_name
        action = client.meta.method_to_api_mapping[operation]
        asked = ", ".join(f"{name}={value}" for name, value in arguments.items())
        self._note_unread(f"{service}:{action}({asked}): {code}")

    def _note_unread(self, what: str) -> None:
        self._unread.append(what)
        self._unread_types[self._policy_type] = None
