"""Decides what a principal may do, and keeps the details of denials for IAM Toolbox.

The checks and their order are those of
https://docs.aws.amazon.com/iam-toolbox/latest/APIReference/API_GetRequestAuthorizationDetails.html.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from bedrock_bearer.access import matching
from bedrock_bearer.access.document import Statement
from bedrock_bearer.access.evaluation import Decision, evaluate
from bedrock_bearer.access.policy_set import Layer, NamedPolicy, PolicySet
from bedrock_bearer.local.minting import random_name
from bedrock_bearer.local.organization import KINDS, Organization
from bedrock_bearer.local.principals import Group, Principal, Principals
from bedrock_bearer.regions import partition_of

CheckType = Literal[
    "RESOURCE_CONTROL_POLICY",
    "SERVICE_CONTROL_POLICY",
    "VPC_ENDPOINT",
    "PRINCIPAL",
    "PERMISSIONS_BOUNDARY",
    "SESSION",
]
RETENTION = timedelta(hours=24)
MOST_DENIALS = 10_000
"""So many denials are kept; beyond that the oldest are dropped early."""

_CONSOLES = {"aws-cn": "console.amazonaws.cn", "aws-us-gov": "console.amazonaws-us-gov.com"}


@dataclass(frozen=True, slots=True)
class AttachedPolicy:
    """A policy, and what it is attached to.

    Attributes:
        uri: the ARN of a managed policy, an opaque id of an inline one.
        attached_to: the ARN of the principal, the group or the organisation's target.
    """

    policy: NamedPolicy
    uri: str
    inline: bool
    attached_to: str


@dataclass(frozen=True, slots=True)
class Request:
    """What is asked of AWS."""

    action: str
    resource: str
    context: Mapping[str, Any]


CheckEffect = Literal["ALLOW", "EXPLICIT_DENY", "IMPLICIT_DENY"]


@dataclass(frozen=True, slots=True)
class Check:
    """The policies of one type at one place: at least one has to allow, and none may deny.

    Attributes:
        target_arn: the organisation's target, for policies of the organisation.
    """

    type: CheckType
    policies: list[AttachedPolicy]
    target_arn: str | None = None

    def effect_on(self, request: Request) -> CheckEffect:
        """Return what this check alone decides."""
        effects = {
            statement.effect
            for attached in self.policies
            for _, statement in matching_statements(attached.policy, request)
        }
        if "Deny" in effects:
            return "EXPLICIT_DENY"
        return "ALLOW" if effects else "IMPLICIT_DENY"


@dataclass(frozen=True, slots=True)
class RecordedDenial:
    """A denial, as it is kept for IAM Toolbox."""

    request: Request
    checks: list[Check]
    region: str
    account_id: str
    denied_at: datetime
    is_explicit: bool


@dataclass(slots=True)
class Authorization:
    """Decides on requests by all policies that apply to their principal.

    Attributes:
        organization: the organisation of the accounts, or None.
        endpoint_policy: the policy of the VPC endpoint that calls of Bedrock go through, or None.
        gives_ids: whether denials carry an authorization id.
    """

    principals: Principals
    clock: Callable[[], datetime]
    gives_ids: bool = False
    organization: Organization | None = None
    endpoint_policy: NamedPolicy | None = None
    _denials: dict[str, RecordedDenial] = field(default_factory=dict)

    def refusal(
        self,
        principal: Principal,
        action: str,
        context: Mapping[str, Any],
        resource: str = "*",
        *,
        region: str,
        shown: str | None = None,
        through_endpoint: bool = False,
    ) -> str | None:
        """Return AWS's sentence if the principal may not do this, or None if it may.

        Args:
            context: the condition keys of this request, besides those that every request has.
            region: the Region that is asked.
            shown: the resource as the sentence names it, where that is not the ARN.
            through_endpoint: whether the request goes through the VPC endpoint, if there is one.
        """
        known = {**self.context_of(principal, region), **context}
        checks = self.checks_of(principal, through_endpoint=through_endpoint)
        request = Request(action, resource, known)
        decision = decide(checks, request)
        if decision.allowed:
            return None
        sentence = decision.sentence(principal.arn, resource=shown or resource)
        if not self.gives_ids:
            return sentence
        denial = RecordedDenial(
            request,
            checks,
            region,
            principal.account_id,
            self.clock(),
            is_explicit=decision.effect == "explicit",
        )
        return sentence + _tail(self._keep(denial), region)

    def context_of(self, principal: Principal, region: str) -> dict[str, Any]:
        """Return the condition keys that every request of a principal has."""
        now = self.clock().astimezone(UTC)
        context = {
            "aws:PrincipalArn": principal.iam_arn,
            "aws:PrincipalAccount": principal.account_id,
            "aws:PrincipalType": "User" if principal.is_user else "AssumedRole",
            "aws:PrincipalIsAWSService": "false",
            "aws:userid": principal.user_id,
            "aws:RequestedRegion": region,
            "aws:SecureTransport": "true",
            "aws:ViaAWSService": "false",
            "aws:SourceIp": "127.0.0.1",
            "aws:CurrentTime": now.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "aws:EpochTime": str(int(now.timestamp())),
        }
        if principal.is_user:
            context["aws:username"] = principal.name
        for name, value in principal.tags.items():
            context[f"aws:PrincipalTag/{name}"] = value
        if self.organization and self.organization.path_of(principal.account_id):
            context["aws:PrincipalOrgID"] = self.organization.id
        return context

    def checks_of(self, principal: Principal, *, through_endpoint: bool = False) -> list[Check]:
        """Return what a request of the principal has to pass, in AWS's order."""
        return [
            *self._organization_checks(principal.account_id),
            *(self._endpoint_check(principal.account_id) if through_endpoint else []),
            Check("PRINCIPAL", self.identity_policies_of(principal)),
            *_boundary_check(principal),
            *_session_check(principal),
        ]

    def identity_policies_of(self, owner: Principal | Group) -> list[AttachedPolicy]:
        """Return identity-based policies; those of its groups are included for a user."""
        groups = owner.groups if isinstance(owner, Principal) else []
        owners: list[Principal | Group] = [owner, *groups]
        return [
            AttachedPolicy(
                policy,
                name if policy.arn else f"inline:{one.iam_arn}:{name}",
                policy.arn is None,
                one.iam_arn,
            )
            for one in owners
            for name, policy in self.principals.policies_of(one).items()
        ]

    def find_denial(self, authorization_id: str, region: str) -> RecordedDenial | None:
        """Return the denial with this id, in the Region where it happened, if it is still kept."""
        denial = self._denials.get(authorization_id)
        if denial is None or denial.region != region:
            return None
        return denial if self.clock() - denial.denied_at < RETENTION else None

    def _organization_checks(self, account_id: str) -> list[Check]:
        if self.organization is None:
            return []
        path = self.organization.path_of(account_id)
        return [
            Check(
                kind,
                [AttachedPolicy(p.policy, p.arn, False, target.arn) for p in target.attached(kind)],
                target.arn,
            )
            for kind in reversed(KINDS)
            for target in path
        ]

    def _endpoint_check(self, account_id: str) -> list[Check]:
        if self.endpoint_policy is None:
            return []
        arn = f"arn:aws:ec2:us-east-1:{account_id}:vpc-endpoint/vpce-local"
        return [Check("VPC_ENDPOINT", [AttachedPolicy(self.endpoint_policy, arn, True, arn)])]

    def _keep(self, denial: RecordedDenial) -> str:
        while len(self._denials) >= MOST_DENIALS:
            del self._denials[next(iter(self._denials))]
        authorization_id = random_name(26)
        self._denials[authorization_id] = denial
        return authorization_id


def decide(checks: list[Check], request: Request) -> Decision:
    """Evaluate a request against the policies of its checks."""

    def policies(check_type: CheckType) -> list[list[NamedPolicy]]:
        return [[a.policy for a in c.policies] for c in checks if c.type == check_type]

    def flat(check_type: CheckType) -> list[NamedPolicy]:
        return [policy for level in policies(check_type) for policy in level]

    applying = PolicySet(
        identity=flat("PRINCIPAL"),
        boundary=flat("PERMISSIONS_BOUNDARY"),
        session=flat("SESSION"),
        vpc_endpoint=flat("VPC_ENDPOINT"),
        service_control=policies("SERVICE_CONTROL_POLICY"),
        resource_control=policies("RESOURCE_CONTROL_POLICY"),
        organization_complete=True,
    )
    return evaluate(applying, request.action, request.context, request.resource)


def matching_statements(policy: NamedPolicy, request: Request) -> list[tuple[int, Statement]]:
    """Return the statements of a policy that apply to a request, each with its index."""
    asked = matching.Request.of(request.action, request.context, request.resource)
    return [
        (placed.located.statement_index, placed.located.statement)
        for placed in Layer.of("", enumerate([policy])).statements
        if matching.applies(placed, asked)
    ]


def _boundary_check(principal: Principal) -> list[Check]:
    policy = principal.boundary
    if policy is None:
        return []
    uri = policy.arn or f"boundary:{principal.iam_arn}"
    attached = AttachedPolicy(policy, uri, policy.arn is None, principal.iam_arn)
    return [Check("PERMISSIONS_BOUNDARY", [attached])]


def _session_check(principal: Principal) -> list[Check]:
    attached = [
        AttachedPolicy(
            policy,
            policy.arn or f"session:{principal.arn}:{number}",
            policy.arn is None,
            principal.arn,
        )
        for number, policy in enumerate(principal.session, 1)
    ]
    return [Check("SESSION", attached)] if attached else []


def _tail(authorization_id: str, region: str) -> str:
    console = _CONSOLES.get(partition_of(region), "console.aws.amazon.com")
    link = f"https://{region}.{console}/iam/home?region={region}"
    return (
        f". Go to {link}#/authorization-details/{authorization_id} for complete details, or call"
        " the GetRequestAuthorizationDetails API with the following authorization id:"
        f" {authorization_id}"
    )
