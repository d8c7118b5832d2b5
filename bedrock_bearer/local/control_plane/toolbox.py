"""IAM Toolbox on this machine: what decided a denial, by its authorization id.

See https://docs.aws.amazon.com/iam-toolbox/latest/APIReference/.
"""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import parse_qs, unquote

from bedrock_bearer.access.document import read_document
from bedrock_bearer.local.authorization import (
    AttachedPolicy,
    Check,
    CheckType,
    RecordedDenial,
    Request,
    matching_statements,
)
from bedrock_bearer.local.control_plane.account import Account, ControlPlaneError, signature_of
from bedrock_bearer.local.http import LocalRequest
from bedrock_bearer.local.principals import Principal

PATH_PREFIX = "/authorization-details/"

_ID = re.compile(r"[0-9a-z]{1,256}")
_POLICY_TYPES: dict[CheckType, str] = {
    "RESOURCE_CONTROL_POLICY": "RESOURCE_CONTROL_POLICY",
    "SERVICE_CONTROL_POLICY": "SERVICE_CONTROL_POLICY",
    "VPC_ENDPOINT": "VPC_ENDPOINT_POLICY",
    "PRINCIPAL": "IDENTITY_BASED_POLICY",
    "PERMISSIONS_BOUNDARY": "PERMISSIONS_BOUNDARY",
    "SESSION": "SESSION_POLICY",
}


class Toolbox:
    """The two operations of IAM Toolbox."""

    def __init__(self, account: Account) -> None:
        self._account = account

    def answer(self, request: LocalRequest) -> dict[str, Any]:
        """Return the answer to one request."""
        caller = self._account.caller_of(request)
        authorization_id, _, tail = unquote(request.path).removeprefix(PATH_PREFIX).partition("/")
        if tail not in ("", "policy"):
            raise ControlPlaneError(404, "UnknownOperationException", "There is no such path.")
        operation = "Policy" if tail else "Details"
        signature = signature_of(request)
        region = (signature.region if signature else None) or self._account.global_region
        self._account.authorize(
            caller,
            f"iam:GetRequestAuthorization{operation}",
            "*",
            region=region,
            code="AccessDeniedException",
        )
        if not _ID.fullmatch(authorization_id):
            text = f"Invalid authorization ID: {authorization_id}"
            raise ControlPlaneError(400, "ValidationException", text)
        denial = self._denial(authorization_id, region, caller)
        if not tail:
            return _details(denial)
        uri = parse_qs(request.query).get("policyUri", [""])[0]
        if not uri:
            raise ControlPlaneError(400, "ValidationException", "policyUri must not be empty.")
        return _document(denial, uri)

    def _denial(self, authorization_id: str, region: str, caller: Principal) -> RecordedDenial:
        denial = self._account.authorization.find_denial(authorization_id, region)
        if denial is None or denial.account_id != caller.account_id:
            raise _not_found()
        return denial


def _details(denial: RecordedDenial) -> dict[str, Any]:
    effect = "EXPLICIT_DENY" if denial.is_explicit else "IMPLICIT_DENY"
    shared = {key: v for key, v in denial.request.context.items() if key.startswith("aws:")}
    own = {key: v for key, v in denial.request.context.items() if key not in shared}
    return {
        "requestContext": shared,
        "evaluations": [
            {
                "action": denial.request.action,
                "resource": denial.request.resource,
                "context": own,
                "evaluatedEffect": effect,
                "checks": [_check(check, denial.request) for check in denial.checks],
            }
        ],
        "policies": _policies(denial.checks),
    }


def _check(check: Check, request: Request) -> dict[str, Any]:
    matched = [
        {"uri": attached.uri, "matchedStatements": statements}
        for attached in check.policies
        if (statements := _statements(attached, request))
    ]
    shape: dict[str, Any] = {
        "checkType": check.type,
        "evaluatedEffect": check.effect_on(request),
        "relevantPolicyTypes": [_POLICY_TYPES[check.type]],
        "matchedPolicies": matched,
    }
    return shape | ({"targetArn": check.target_arn} if check.target_arn else {})


def _statements(attached: AttachedPolicy, request: Request) -> list[dict[str, str]]:
    return [
        {
            "sid": statement.sid or f"statement-{index}",
            "evaluatedEffect": statement.effect.upper(),
        }
        for index, statement in matching_statements(attached.policy, request)
    ]


def _policies(checks: list[Check]) -> list[dict[str, Any]]:
    by_uri: dict[str, dict[str, Any]] = {}
    for check in checks:
        for attached in check.policies:
            shape = by_uri.setdefault(
                attached.uri,
                {
                    "type": _POLICY_TYPES[check.type],
                    "inline": attached.inline,
                    "uri": attached.uri,
                    "attachedTo": [],
                },
            )
            shape["attachedTo"].append({"arn": attached.attached_to})
    return list(by_uri.values())


def _document(denial: RecordedDenial, uri: str) -> dict[str, Any]:
    for check in denial.checks:
        for attached in check.policies:
            if attached.uri == uri:
                return {"policyDocument": read_document(attached.policy.document).to_wire()}
    raise _not_found()


def _not_found() -> ControlPlaneError:
    text = (
        "The requested policy or authorization details do not exist in this region or have expired."
    )
    return ControlPlaneError(404, "ResourceNotFoundException", text)
