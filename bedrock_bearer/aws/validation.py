"""Asks IAM Access Analyzer to validate a policy. Needs the extra `[aws]`.

See https://docs.aws.amazon.com/IAM/latest/UserGuide/access-analyzer-reference-policy-checks.html.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from bedrock_bearer.access.document import PolicyDocument
from bedrock_bearer.aws.session import aws_client, aws_errors, needing

VALIDATE = "access-analyzer:ValidatePolicy"

_TYPES = {
    "service control policy": "SERVICE_CONTROL_POLICY",
    "resource control policy": "RESOURCE_CONTROL_POLICY",
    "VPC endpoint policy": "RESOURCE_POLICY",
}


@dataclass(frozen=True, slots=True)
class AwsFinding:
    """A finding of AWS's own check.

    Attributes:
        id: AWS's code of it, such as `INVALID_ACTION`.
        severity: `ERROR`, `SECURITY_WARNING`, `WARNING` or `SUGGESTION`.
        statement: the index of the statement, or None.
        message: AWS's own words.
        link: the page that explains it.
    """

    id: str
    severity: str
    statement: int | None
    message: str
    link: str

    def describe(self) -> str:
        """Return the finding as one line."""
        place = "" if self.statement is None else f"Statement[{self.statement}]: "
        return f"{place}{self.severity} {self.id} (Access Analyzer): {self.message}"


def validate_policy(
    document: PolicyDocument, policy_type: str | None = None, *, session: Any = None
) -> list[AwsFinding]:
    """Return what AWS's own check finds in a policy.

    Args:
        document: the policy.
        policy_type: the kind of policy, in AWS's words (`service control policy`). Default: an
            identity-based policy, or a resource-based one if it names a principal.
        session: the `boto3.Session` whose credentials are used. Default: a new one.

    Raises:
        ConfigurationError: boto3 or AWS credentials are missing, or the check may not be called.
        TransportError: AWS cannot be reached.
    """
    what = "Access Analyzer was not asked"
    client = aws_client("accessanalyzer", what, session=session)
    with aws_errors(what, needing(VALIDATE)):
        pages = client.get_paginator("validate_policy").paginate(
            policyDocument=document.to_json(), policyType=_type_of(document, policy_type)
        )
        return [_finding(one) for page in pages for one in page["findings"]]


def _type_of(document: PolicyDocument, policy_type: str | None) -> str:
    if policy_type is not None:
        return _TYPES.get(policy_type, "IDENTITY_POLICY")
    names_principal = any(
        one.principal is not None or one.not_principal is not None for one in document.statements
    )
    return "RESOURCE_POLICY" if names_principal else "IDENTITY_POLICY"


def _finding(finding: dict[str, Any]) -> AwsFinding:
    paths = [location["path"] for location in finding["locations"]]
    indexes = [part["index"] for path in paths for part in path[1:2] if "index" in part]
    return AwsFinding(
        finding["issueCode"],
        finding["findingType"],
        indexes[0] if indexes else None,
        finding["findingDetails"],
        finding["learnMoreLink"],
    )
