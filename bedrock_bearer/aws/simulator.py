"""Asks IAM's policy simulator about each type of key. Needs the extra `[aws]`.

The simulator evaluates the identity-based policies and the permissions boundary of a user or role,
and the service control policies above its account; session policies and VPC endpoint policies it
does not know. See
https://docs.aws.amazon.com/IAM/latest/APIReference/API_SimulatePrincipalPolicy.html.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from bedrock_bearer.aws.session import aws_client, aws_errors, needing
from bedrock_bearer.errors import BedrockError
from bedrock_bearer.facts import TOKEN_TYPE_KEY, TOKEN_TYPE_KEYS
from bedrock_bearer.keys.description import TokenType

SIMULATE = "iam:SimulatePrincipalPolicy"

_ASSUMED_ROLE = re.compile(
    r"arn:(?P<partition>[a-z0-9-]+):sts::(?P<account>[0-9]{12}):assumed-role/(?P<role>[^/]+)/.+"
)
_TYPES_OF_KEYS = {
    "aws:currenttime": "date",
    "aws:multifactorauthpresent": "boolean",
    "aws:principalisawsservice": "boolean",
    "aws:securetransport": "boolean",
    "aws:sourceip": "ip",
    "aws:tokenissuetime": "date",
    "aws:viaawsservice": "boolean",
}
"""The condition keys that are no strings."""
_DECISIONS = {"allowed": "allowed", "explicitDeny": "explicit", "implicitDeny": "implicit"}


@dataclass(frozen=True, slots=True)
class Simulation:
    """What the simulator says of a call with one type of key.

    Attributes:
        token_type: the type of the key.
        allowed: whether the call is allowed.
        effect: `explicit`, `implicit`, or None if it is allowed.
        allowed_by_organizations: the verdict of the organisation's policies; None if the account
            is in no organisation.
        allowed_by_boundary: the verdict of the permissions boundary; None if there is none.
        missing_context_values: the condition keys that policies test and that had no value.
        policies: the policies with the deciding statements, such as `role policy inline-1`.
    """

    token_type: TokenType
    allowed: bool
    effect: str | None
    allowed_by_organizations: bool | None
    allowed_by_boundary: bool | None
    missing_context_values: tuple[str, ...]
    policies: tuple[str, ...]

    def describe(self) -> str:
        """Return one line that says what the simulator answered for this type."""
        outcome = "allowed" if self.allowed else f"denied ({self.effect})"
        return f"IAM's simulator, {self.token_type} key: {outcome}{self._why()}."

    def _why(self) -> str:
        parts = [f"by {policy}" for policy in self.policies]
        if self.allowed_by_organizations is False:
            parts.append("not allowed by the organisation's policies")
        if self.allowed_by_boundary is False:
            parts.append("not allowed by the permissions boundary")
        return f": {', '.join(parts)}" if parts else ""


@dataclass(frozen=True, slots=True)
class Simulations:
    """What the simulator says of calls with keys of both types, by one principal.

    Attributes:
        principal_arn: the user or role; the role of a session.
        action: the action that was simulated.
        by_type: the answer for each type.
    """

    principal_arn: str
    action: str
    by_type: Mapping[TokenType, Simulation]

    @property
    def missing_context_values(self) -> tuple[str, ...]:
        """The condition keys that had no value in either simulation.

        Those of other services are left out: no request of this one carries them.
        """
        service = self.action.partition(":")[0].lower()
        missing = [key for one in self.by_type.values() for key in one.missing_context_values]
        return tuple(
            dict.fromkeys(k for k in missing if k.lower().startswith(("aws:", f"{service}:")))
        )

    def explain(self) -> str:
        """Say in a few lines what the simulator answered."""
        return "\n".join(self._lines())

    def _lines(self) -> Iterator[str]:
        yield from (one.describe() for one in self.by_type.values())
        if self.missing_context_values:
            keys = ", ".join(self.missing_context_values)
            yield f"The simulator had no value for {keys}: with one it may answer otherwise."


def simulate_key_types(
    principal_arn: str,
    action: str,
    context: Mapping[str, Any] | None = None,
    *,
    session: Any = None,
) -> Simulations:
    """Ask IAM's simulator whether a principal may use a key, once for each type of key.

    Args:
        principal_arn: an IAM user, a role, or a session of a role.
        action: `bedrock:CallWithBearerToken`, or that of bedrock-mantle.
        context: further condition keys and their values; a list for a key with several values.
        session: the `boto3.Session` whose credentials are used. Default: a new one.

    Raises:
        ConfigurationError: boto3 or AWS credentials are missing, the simulator may not be called,
            or it does not know the principal or the action.
        TransportError: AWS cannot be reached.
    """
    what = "IAM's simulator was not asked"
    # What the simulator says is an extra: it is not waited for long.
    settings = {"retries": {"total_max_attempts": 2}}
    client = aws_client("iam", what, session=session, settings=settings)
    service = action.partition(":")[0]
    token_type_key = TOKEN_TYPE_KEYS.get(service.lower(), TOKEN_TYPE_KEY)
    source = _source_of(client, principal_arn)
    by_type = {}
    for token_type in TokenType:
        entries = [*_entries({**(context or {}), token_type_key: token_type.value})]
        with aws_errors(what, needing(SIMULATE)):
            answer = client.simulate_principal_policy(
                PolicySourceArn=source, ActionNames=[action], ContextEntries=entries
            )
        by_type[token_type] = _read(token_type, answer["EvaluationResults"][0])
    return Simulations(source, action, by_type)


def _source_of(client: Any, principal_arn: str) -> str:
    """Return the ARN of a session's role; only IAM knows the path in it."""
    found = _ASSUMED_ROLE.fullmatch(principal_arn)
    if found is None:
        return principal_arn
    try:
        with aws_errors("The role was not read"):
            return str(client.get_role(RoleName=found["role"])["Role"]["Arn"])
    except BedrockError:
        return f"arn:{found['partition']}:iam::{found['account']}:role/{found['role']}"


def _entries(context: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    for key, value in context.items():
        is_list = isinstance(value, (list, tuple, set, frozenset))
        yield {
            "ContextKeyName": key,
            "ContextKeyType": _TYPES_OF_KEYS.get(key.lower(), "string") + "List" * is_list,
            "ContextKeyValues": [str(item) for item in (value if is_list else [value])],
        }


def _read(token_type: TokenType, result: dict[str, Any]) -> Simulation:
    decision = _DECISIONS.get(result["EvalDecision"], result["EvalDecision"])
    allowed = decision == "allowed"
    organizations = result.get("OrganizationsDecisionDetail", {})
    boundary = result.get("PermissionsBoundaryDecisionDetail", {})
    policies = [
        f"{one.get('SourcePolicyType', 'policy')} policy {one['SourcePolicyId']}"
        for one in result.get("MatchedStatements", [])
        if one.get("SourcePolicyId")
    ]
    return Simulation(
        token_type,
        allowed,
        None if allowed else decision,
        organizations.get("AllowedByOrganizations"),
        boundary.get("AllowedByPermissionsBoundary"),
        tuple(result.get("MissingContextValues", [])),
        tuple(dict.fromkeys(policies)),
    )
