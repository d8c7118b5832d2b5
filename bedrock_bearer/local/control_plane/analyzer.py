"""IAM Access Analyzer's ValidatePolicy on this machine: a few of its many findings.

See https://docs.aws.amazon.com/IAM/latest/UserGuide/access-analyzer-reference-policy-checks.html.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from bedrock_bearer.access.document import PolicyDocument, Statement, as_texts, read_document
from bedrock_bearer.local.control_plane.account import Account, ControlPlaneError, signature_of
from bedrock_bearer.local.control_plane.json_protocols import read_json_object
from bedrock_bearer.local.http import LocalRequest

PATH = "/policy/validation"
POLICY_TYPES = (
    "IDENTITY_POLICY",
    "RESOURCE_POLICY",
    "SERVICE_CONTROL_POLICY",
    "RESOURCE_CONTROL_POLICY",
)

_CHECKS = (
    "https://docs.aws.amazon.com/IAM/latest/UserGuide/access-analyzer-reference-policy-checks.html"
)


class Analyzer:
    """ValidatePolicy, with the findings that a policy on API keys may have."""

    def __init__(self, account: Account) -> None:
        self._account = account

    def answer(self, request: LocalRequest) -> dict[str, Any]:
        """Return the answer to one request."""
        return {"findings": list(self._findings(request))}

    def _findings(self, request: LocalRequest) -> Iterator[dict[str, Any]]:
        caller = self._account.caller_of(request)
        signature = signature_of(request)
        self._account.authorize(
            caller,
            "access-analyzer:ValidatePolicy",
            "*",
            region=signature.region if signature else None,
            code="AccessDeniedException",
        )
        given = read_json_object(request)
        if given.get("policyType") not in POLICY_TYPES:
            raise ControlPlaneError(400, "ValidationException", "Invalid policyType.")
        text = str(given.get("policyDocument", ""))
        try:
            document = read_document(text)
        except ValueError as error:
            yield _finding(text, "ERROR", "JSON_SYNTAX_ERROR", f"Fix the policy: {error}.", [])
            return
        yield from _of_document(text, document)


def _of_document(text: str, document: PolicyDocument) -> Iterator[dict[str, Any]]:
    if "version" not in document.model_fields_set:
        details = "We recommend that you specify the Version element with the value 2012-10-17."
        yield _finding(text, "SUGGESTION", "MISSING_VERSION", details, [])
    for index, statement in enumerate(document.statements):
        path: list[dict[str, Any]] = [{"value": "Statement"}, {"index": index}]
        yield from _of_statement(text, statement, path)


def _of_statement(
    text: str, statement: Statement, path: list[dict[str, Any]]
) -> Iterator[dict[str, Any]]:
    actions = as_texts(statement.action)
    if statement.effect == "Allow" and "*" in actions and statement.resource == "*":
        details = "Using a wildcard (*) in the Action and Resource elements is overly permissive."
        yield _finding(text, "WARNING", "ALLOW_WITH_STAR_ON_STAR", details, path)
    for number, action in enumerate(actions):
        if action != "*" and ":" not in action:
            details = f"The action {action} is not valid. It must have a service prefix."
            place = [*path, {"value": "Action"}, {"index": number}]
            yield _finding(text, "ERROR", "INVALID_ACTION", details, place)


def _finding(
    text: str, kind: str, code: str, details: str, path: list[dict[str, Any]]
) -> dict[str, Any]:
    span = {"start": _position(text, 0), "end": _position(text, len(text))}
    return {
        "findingDetails": details,
        "findingType": kind,
        "issueCode": code,
        "learnMoreLink": f"{_CHECKS}#access-analyzer-reference-policy-checks",
        "locations": [{"path": path, "span": span}],
    }


def _position(text: str, offset: int) -> dict[str, int]:
    before = text[:offset]
    return {
        "line": before.count("\n") + 1,
        "column": offset - (before.rfind("\n") + 1),
        "offset": offset,
    }
