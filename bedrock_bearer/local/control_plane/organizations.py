"""AWS Organizations on this machine, as far as it is read to explain a denial.

Every principal of a member account may call it here if its own policies allow that; AWS answers
most of it to the management account and delegated administrators alone. See
https://docs.aws.amazon.com/organizations/latest/APIReference/.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from bedrock_bearer.access.document import read_document
from bedrock_bearer.local.control_plane.account import Account, ControlPlaneError
from bedrock_bearer.local.control_plane.json_protocols import page_of, read_json_object
from bedrock_bearer.local.http import Document, LocalRequest
from bedrock_bearer.local.organization import (
    KINDS,
    MANAGEMENT_ACCOUNT,
    Organization,
    OrganizationPolicy,
    Target,
)

TARGET_PREFIX = "AWSOrganizationsV20161128."
PAGE_SIZE = 20

_POLICY_TYPES = [{"Type": kind, "Status": "ENABLED"} for kind in KINDS]


class Organizations:
    """The operations that read an organisation."""

    def __init__(self, account: Account) -> None:
        self._account = account
        self._operations: dict[str, Callable[[Organization, Document], dict[str, Any]]] = {
            "DescribeOrganization": self._describe_organization,
            "ListRoots": self._list_roots,
            "ListParents": self._list_parents,
            "ListChildren": self._list_children,
            "ListOrganizationalUnitsForParent": self._list_units,
            "ListPoliciesForTarget": self._list_policies,
            "ListTargetsForPolicy": self._list_targets,
            "DescribePolicy": self._describe_policy,
        }

    def answer(self, request: LocalRequest) -> dict[str, Any]:
        """Return the answer to one request."""
        name = request.headers.get("x-amz-target", "").removeprefix(TARGET_PREFIX)
        operation = self._operations.get(name)
        if operation is None:
            raise ControlPlaneError(400, "UnknownOperationException", f"There is no {name} here.")
        caller = self._account.caller_of(request)
        self._account.authorize(caller, f"organizations:{name}", "*", code="AccessDeniedException")
        organization = self._account.authorization.organization
        if organization is None or organization.get(self._account.id) is None:
            text = "Your account is not a member of an organization."
            raise ControlPlaneError(400, "AWSOrganizationsNotInUseException", text)
        return operation(organization, read_json_object(request))

    def _describe_organization(self, organization: Organization, given: Document) -> dict[str, Any]:
        arn = organization.arn.replace(":organization/", ":account/")
        return {
            "Organization": {
                "Id": organization.id,
                "Arn": organization.arn,
                "FeatureSet": "ALL",
                "MasterAccountArn": f"{arn}/{MANAGEMENT_ACCOUNT}",
                "MasterAccountId": MANAGEMENT_ACCOUNT,
                "MasterAccountEmail": "management@example.com",
                "AvailablePolicyTypes": _POLICY_TYPES,
            }
        }

    def _list_roots(self, organization: Organization, given: Document) -> dict[str, Any]:
        root = organization.root
        shape = {"Id": root.id, "Arn": root.arn, "Name": root.name, "PolicyTypes": _POLICY_TYPES}
        return page_of("Roots", [shape], given, PAGE_SIZE)

    def _list_parents(self, organization: Organization, given: Document) -> dict[str, Any]:
        child = organization.get(str(given.get("ChildId")))
        if child is None or child.parent is None:
            text = "You specified a child that doesn't exist."
            raise ControlPlaneError(400, "ChildNotFoundException", text)
        return page_of(
            "Parents", [{"Id": child.parent.id, "Type": child.parent.kind}], given, PAGE_SIZE
        )

    def _list_children(self, organization: Organization, given: Document) -> dict[str, Any]:
        parent = _parent(organization, given)
        children = [
            {"Id": target.id, "Type": target.kind}
            for target in organization
            if target.parent is parent and target.kind == given.get("ChildType")
        ]
        return page_of("Children", children, given, PAGE_SIZE)

    def _list_units(self, organization: Organization, given: Document) -> dict[str, Any]:
        parent = _parent(organization, given)
        units = [
            {"Id": target.id, "Arn": target.arn, "Name": target.name}
            for target in organization
            if target.parent is parent and target.kind == "ORGANIZATIONAL_UNIT"
        ]
        return page_of("OrganizationalUnits", units, given, PAGE_SIZE)

    def _list_policies(self, organization: Organization, given: Document) -> dict[str, Any]:
        target = organization.get(str(given.get("TargetId")))
        if target is None:
            text = "You specified a target that doesn't exist."
            raise ControlPlaneError(400, "TargetNotFoundException", text)
        summaries = [_summary(p) for p in target.policies if p.kind == given.get("Filter")]
        return page_of("Policies", summaries, given, PAGE_SIZE)

    def _list_targets(self, organization: Organization, given: Document) -> dict[str, Any]:
        policy = _policy(organization, given)
        targets = [
            {"TargetId": target.id, "Arn": target.arn, "Name": target.name, "Type": target.kind}
            for target in organization
            if any(attached.id == policy.id for attached in target.policies)
        ]
        return page_of("Targets", targets, given, PAGE_SIZE)

    def _describe_policy(self, organization: Organization, given: Document) -> dict[str, Any]:
        policy = _policy(organization, given)
        document = read_document(policy.policy.document).to_wire()
        return {"Policy": {"PolicySummary": _summary(policy), "Content": json.dumps(document)}}


def _parent(organization: Organization, given: Document) -> Target:
    parent = organization.get(str(given.get("ParentId")))
    if parent is None:
        text = "You specified a parent that doesn't exist."
        raise ControlPlaneError(400, "ParentNotFoundException", text)
    return parent


def _policy(organization: Organization, given: Document) -> OrganizationPolicy:
    policy = organization.policy(str(given.get("PolicyId")))
    if policy is None:
        text = "You specified a policy that doesn't exist."
        raise ControlPlaneError(400, "PolicyNotFoundException", text)
    return policy


def _summary(policy: OrganizationPolicy) -> dict[str, Any]:
    return {
        "Id": policy.id,
        "Arn": policy.arn,
        "Name": policy.name,
        "Type": policy.kind,
        "AwsManaged": policy.aws_managed,
    }
