"""The condition keys of a call that follow from who calls and how."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any

_PRINCIPAL = (
    r"arn:(?P<partition>[a-z0-9-]+):(?:iam|sts)::(?P<account>[0-9]{12}):"
    r"(?P<kind>user|role|assumed-role|federated-user|root)(?:/(?P<name>\S+))?"
)
_TYPES_OF_PRINCIPALS = {
    "user": "User",
    "root": "Account",
    "federated-user": "FederatedUser",
    "role": "AssumedRole",
    "assumed-role": "AssumedRole",
}
_SSO_ROLE = "AWSReservedSSO_"
_SERVICE_ROLE = "AWSServiceRoleFor"
_RESERVED_PATHS = ("aws-reserved", "aws-service-role")
"""Paths that only the roles of IAM Identity Center and of AWS's services have."""

DIRECT_CALL: Mapping[str, Any] = MappingProxyType(
    {
        "aws:SecureTransport": "true",
        "aws:ViaAWSService": "false",
        "aws:PrincipalIsAWSService": "false",
        "aws:CalledVia": None,
        "aws:CalledViaFirst": None,
        "aws:CalledViaLast": None,
    }
)
"""What holds for every call that a client makes itself, over https; None: the key is absent."""

LONG_TERM_KEY: Mapping[str, Any] = MappingProxyType(
    {
        "aws:PrincipalType": "User",
        "aws:TokenIssueTime": None,
        "aws:MultiFactorAuthPresent": None,
        "aws:MultiFactorAuthAge": None,
    }
)
"""What holds for a long-term key: it belongs to an IAM user and to no session."""


class RoleOfSession(str):
    """The ARN of a session's role without the path, which the session's ARN does not show."""

    __slots__ = ()

    def alternatives(self, texts: Iterable[str]) -> list[str]:
        """Return the ARN without a path, and with each path that one of the texts names."""
        before, _, name = self.partition(":role/")
        paths = {""} | {text.partition(":role/")[2].rpartition("/")[0] for text in texts}
        if not name.startswith(_SERVICE_ROLE):
            paths = {path for path in paths if not path.startswith(_RESERVED_PATHS)}
        named = [path.replace("*", "x").replace("?", "x") + "/" for path in sorted(paths) if path]
        return [f"{before}:role/{path}{name}" for path in ("", *named)]


def principal_context(arn: str | None) -> dict[str, Any]:
    """Return the condition keys that a principal's ARN tells.

    For a session, AWS's `aws:PrincipalArn` is the ARN of its role. The session's ARN does not show
    the role's path: what a policy that names one says to it is unknown. See
    https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-keys.html.
    """
    found = re.fullmatch(_PRINCIPAL, arn or "")
    if found is None:
        return {}
    account, kind, name = found["account"], found["kind"], found["name"] or ""
    known: dict[str, Any] = {
        "aws:PrincipalAccount": account,
        "aws:PrincipalType": _TYPES_OF_PRINCIPALS[kind],
    }
    if kind != "federated-user":
        known["aws:username"] = name.rpartition("/")[2] if kind == "user" else None
    if kind != "assumed-role":
        return known | {"aws:PrincipalArn": arn}
    role_name = name.partition("/")[0]
    if role_name.startswith(_SSO_ROLE):
        return known
    role_arn = f"arn:{found['partition']}:iam::{account}:role/{role_name}"
    return known | {"aws:PrincipalArn": RoleOfSession(role_arn)}


def user_names(arn: str | None) -> tuple[str, str] | None:
    """Return the account and the name of the IAM user that an ARN names, or None."""
    found = re.fullmatch(_PRINCIPAL, arn or "")
    if found is None or found["kind"] != "user" or not found["name"]:
        return None
    return found["account"], found["name"].rpartition("/")[2]
