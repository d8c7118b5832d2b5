"""IAM's policy simulator.

It knows no more of a request than its caller says: a condition key without a value is absent, and
is listed as missing. See
https://docs.aws.amazon.com/IAM/latest/APIReference/API_SimulatePrincipalPolicy.html.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from bedrock_bearer.access.document import read_document
from bedrock_bearer.access.evaluation import Decision
from bedrock_bearer.local.authorization import (
    AttachedPolicy,
    Check,
    Request,
    decide,
    matching_statements,
)
from bedrock_bearer.local.control_plane.account import Account, ControlPlaneError
from bedrock_bearer.local.control_plane.policies import document_text
from bedrock_bearer.local.control_plane.query import (
    Parameters,
    Result,
    members_of,
    no_such_entity,
    page_of,
    texts_of,
)
from bedrock_bearer.local.principals import Group, PolicyOwner, read_policy

_ACTION = re.compile(r"[a-z0-9-]+:[A-Za-z0-9*]+")
_VARIABLE = re.compile(r"\$\{([^},]+)")
_OF_ORGANIZATION = ("SERVICE_CONTROL_POLICY", "RESOURCE_CONTROL_POLICY")


class Simulator:
    """SimulatePrincipalPolicy, and the context keys it asks for."""

    def __init__(self, account: Account) -> None:
        self._account = account

    def context_keys(self, given: Parameters) -> Result:
        """Return the condition keys that the principal's own policies test."""
        policies = self._identity_policies(self._source(given), given)
        return {"ContextKeyNames": condition_keys(policies)}

    def simulate(self, given: Parameters) -> Result:
        """Evaluate each action, once for each resource."""
        checks = self._checks(given)
        context = _context(given)
        resources = texts_of(given, "ResourceArns") or ["*"]
        results = []
        for action in texts_of(given, "ActionNames"):
            if not _ACTION.fullmatch(action):
                raise _invalid(f"Invalid Action Name: {action}")
            requests = [Request(action, resource, context) for resource in resources]
            results.append(_result(checks, requests))
        return page_of("EvaluationResults", results, given)

    def _checks(self, given: Parameters) -> list[Check]:
        source = self._source(given)
        authorization = self._account.authorization
        identity = Check("PRINCIPAL", self._identity_policies(source, given))
        if isinstance(source, Group):
            return [identity]
        # The simulator is not told of a session, and so of no session policy.
        others = [
            check
            for check in authorization.checks_of(source)
            if check.type not in ("PRINCIPAL", "SESSION")
        ]
        return [*others, identity]

    def _source(self, given: Parameters) -> PolicyOwner:
        arn = given.get("PolicySourceArn", "")
        if ":iam:" not in arn:
            text = f"Invalid Entity Arn: {arn} does not clearly define entity type and name."
            raise _invalid(text)
        principals = self._account.principals
        of_account = [one for one in principals if one.account_id == self._account.id]
        owners: list[PolicyOwner] = [*of_account, *principals.groups.values()]
        for owner in owners:
            if owner.iam_arn == arn:
                return owner
        raise no_such_entity(f"The entity with ARN {arn} cannot be found.")

    def _identity_policies(self, source: PolicyOwner, given: Parameters) -> list[AttachedPolicy]:
        try:
            added = [
                AttachedPolicy(read_policy(text), f"PolicyInputList.{number}", True, source.iam_arn)
                for number, text in enumerate(texts_of(given, "PolicyInputList"), 1)
            ]
        except ValueError as error:
            raise _invalid(str(error)) from None
        return [*self._account.authorization.identity_policies_of(source), *added]


def condition_keys(policies: list[AttachedPolicy]) -> list[str]:
    """Return the condition keys that policies test, and those in their policy variables."""
    found: dict[str, str] = {}
    for attached in policies:
        for statement in read_document(attached.policy.document).statements:
            tested = [key for keys in statement.condition.values() for key in keys]
            variables = _VARIABLE.findall(json.dumps(statement.to_wire()))
            for key in [*tested, *variables]:
                if ":" in key:
                    found.setdefault(key.lower(), key)
    return list(found.values())


def _result(checks: list[Check], requests: list[Request]) -> dict[str, Any]:
    decisions = [decide(checks, one) for one in requests]
    worst = max(range(len(decisions)), key=lambda index: _severity(decisions[index]))
    request, decision = requests[worst], decisions[worst]
    result = {
        "EvalActionName": request.action,
        "EvalResourceName": request.resource,
        **_decided(checks, request, decision, "EvalDecision"),
    }
    if any(check.type in _OF_ORGANIZATION for check in checks):
        allowed = decide_by(checks, request, *_OF_ORGANIZATION)
        result["OrganizationsDecisionDetail"] = {"AllowedByOrganizations": allowed}
    if any(check.type == "PERMISSIONS_BOUNDARY" for check in checks):
        allowed = decide_by(checks, request, "PERMISSIONS_BOUNDARY")
        result["PermissionsBoundaryDecisionDetail"] = {"AllowedByPermissionsBoundary": allowed}
    if [one.resource for one in requests] != ["*"]:
        result["ResourceSpecificResults"] = [
            {
                "EvalResourceName": one.resource,
                **_decided(checks, one, decided, "EvalResourceDecision"),
            }
            for one, decided in zip(requests, decisions, strict=True)
        ]
    return result


def decide_by(checks: list[Check], request: Request, *types: str) -> bool:
    """Return whether each check of these types allows a request, and none denies it."""
    return all(check.effect_on(request) == "ALLOW" for check in checks if check.type in types)


def _severity(decision: Decision) -> int:
    return (None, "implicit", "explicit").index(decision.effect)


def _decided(
    checks: list[Check], request: Request, decision: Decision, name: str
) -> dict[str, Any]:
    policies = [attached for check in checks for attached in check.policies]
    given = {key.lower() for key in request.context}
    effect = {None: "allowed", "explicit": "explicitDeny", "implicit": "implicitDeny"}
    return {
        name: effect[decision.effect],
        "MatchedStatements": list(_matched_statements(checks, request, decision)),
        "MissingContextValues": [
            key for key in condition_keys(policies) if key.lower() not in given
        ],
    }


def _matched_statements(
    checks: list[Check], request: Request, decision: Decision
) -> Iterator[dict[str, Any]]:
    if decision.effect == "implicit":
        return
    wanted = "Allow" if decision.allowed else "Deny"
    for check in checks:
        if check.type in _OF_ORGANIZATION:
            continue
        for attached in check.policies:
            for index, statement in matching_statements(attached.policy, request):
                if statement.effect == wanted:
                    yield _statement_shape(attached, index)


def _statement_shape(attached: AttachedPolicy, index: int) -> dict[str, Any]:
    """Return where a statement is: its policy, and its first and last column in the document."""
    text = document_text(attached.policy)
    end = 0
    for statement in read_document(attached.policy.document).statements[: index + 1]:
        written = json.dumps(statement.to_wire())
        start = text.index(written, end)
        end = start + len(written)
    kind = attached.attached_to.rpartition(":")[2].partition("/")[0]
    if not attached.inline:
        kind = "aws-managed" if ":iam::aws:" in attached.uri else "user-managed"
    return {
        "SourcePolicyId": attached.policy.name or attached.uri,
        "SourcePolicyType": kind,
        "StartPosition": {"Line": 1, "Column": start + 1},
        "EndPosition": {"Line": 1, "Column": end + 1},
    }


def _context(given: Parameters) -> dict[str, Any]:
    context: dict[str, Any] = {}
    for entry in members_of(given, "ContextEntries"):
        values = texts_of(entry, "ContextKeyValues")
        is_list = entry.get("ContextKeyType", "string").endswith("List")
        context[entry.get("ContextKeyName", "")] = values if is_list else (values or [""])[0]
    return context


def _invalid(message: str) -> ControlPlaneError:
    return ControlPlaneError(400, "InvalidInput", message)
