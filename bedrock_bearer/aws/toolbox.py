"""Asks IAM Toolbox what decided a denial, by its authorization id. Needs the extra `[aws]`.

AWS answers in the Region of the denial, for at least 24 hours, to principals of the same account
or organisation. See
https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot_access-denied-authorization-id.html.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from bedrock_bearer.access.denial import Denial
from bedrock_bearer.access.document import Statement, read_document
from bedrock_bearer.access.governing import GoverningPolicy
from bedrock_bearer.access.located import LocatedStatement
from bedrock_bearer.aws.session import Refusal, aws_client, aws_errors, aws_session, needing
from bedrock_bearer.errors import BedrockError, ConfigurationError

READ_DETAILS = "iam:GetRequestAuthorizationDetails"

_POLICY_TYPES = {
    "IDENTITY_BASED_POLICY": "identity-based policy",
    "RESOURCE_BASED_POLICY": "resource-based policy",
    "PERMISSIONS_BOUNDARY": "permissions boundary",
    "SESSION_POLICY": "session policy",
    "SERVICE_CONTROL_POLICY": "service control policy",
    "RESOURCE_CONTROL_POLICY": "resource control policy",
    "VPC_ENDPOINT_POLICY": "VPC endpoint policy",
    # These are named after the check; the others are named alike.
    "PRINCIPAL": "identity-based policy",
    "RESOURCE": "resource-based policy",
    "SESSION": "session policy",
    "VPC_ENDPOINT": "VPC endpoint policy",
}
_SERVICE = "iam-toolbox"
_WAITS = (1.0, 2.0)
"""Seconds between attempts: AWS stores the details a few seconds after the denial."""


@dataclass(frozen=True, slots=True)
class DecidingStatement:
    """A statement that, as AWS says, denied the request.

    Attributes:
        policy_type: the kind of its policy, in AWS's words (`service control policy`).
        policy_uri: the ARN of a managed policy; an opaque id of an inline one.
        inline: whether the policy is inline.
        sid: the statement's Sid; AWS makes one up for a statement without.
        statement: the statement, if its policy could be read and it was found in it.
        index: its place in the policy, counted from 0, or None.
    """

    policy_type: str
    policy_uri: str
    inline: bool
    sid: str | None
    statement: Statement | None = None
    index: int | None = None

    def located(self) -> LocatedStatement | None:
        """Return the statement with its place, or None if its text is not known."""
        if self.statement is None or self.index is None:
            return None
        arn, name = (None, self.policy_uri) if self.inline else (self.policy_uri, None)
        return LocatedStatement(self.policy_type, 0, self.index, self.statement, arn, name)

    def describe(self) -> str:
        """Return one line that says which statement this is, with its text if it is known."""
        located = self.located()
        if located is not None:
            return located.describe()
        return f"Statement {self.sid or 'without a Sid'} of {self.policy_type} {self.policy_uri}"


@dataclass(frozen=True, slots=True)
class AuthorizationDetails:
    """What decided a denial, as AWS itself says.

    Attributes:
        authorization_id: the id of the denial.
        region: the Region that was asked.
        effect: `explicit` or `implicit`, or None if AWS evaluated something else.
        statements: the statements that denied it; none for an implicit denial.
        without_allow: for an implicit denial, the kinds of policy that did not allow it.
        context: the condition keys of the request, and their values.
        unread: what could not be read, and why, a line each.
    """

    authorization_id: str
    region: str
    effect: Literal["explicit", "implicit"] | None
    statements: tuple[DecidingStatement, ...]
    without_allow: tuple[str, ...]
    context: Mapping[str, Any]
    unread: tuple[str, ...] = ()

    @property
    def decided_by(self) -> tuple[str, ...] | None:
        """The condition keys that the deciding statement tests; None if that is not known.

        Several statements that test different keys deny each by itself: None as well.
        """
        located = [one.located() for one in self.statements]
        tested = {one.condition_keys if one else None for one in located}
        return tested.pop() if len(tested) == 1 else None

    def explain(self) -> str:
        """Say in a few lines what AWS answered."""
        return "\n".join(self._lines())

    def _lines(self) -> Iterator[str]:
        for one in self.statements:
            yield f"AWS names the statement: {one.describe()}."
        if not self.statements:
            yield "AWS lists no statement that denied this request."
        for policy_type in self.without_allow:
            yield f"AWS says that no {policy_type} allows it."
        yield from (f"Not read: {line}" for line in self.unread)


def fetch_authorization_details(
    denial: Denial, *, session: Any = None, sleep: Callable[[float], object] = time.sleep
) -> AuthorizationDetails:
    """Ask AWS what decided a denial.

    AWS stores the details a moment after the denial, so an id that is not found is asked for
    again, for three seconds.

    Args:
        denial: a denial with an authorization id. The Region that its link names is asked.
        session: the `boto3.Session` whose credentials are used. Default: a new one.
        sleep: waits between attempts.

    Raises:
        ConfigurationError: the denial has no authorization id, boto3 or AWS credentials are
            missing, these credentials may not read the details, or AWS does not find them.
        TransportError: AWS cannot be reached.
    """
    authorization_id, what = denial.authorization_id, "AWS's own answer was not read"
    if authorization_id is None:
        raise ConfigurationError(f"{what}: the denial carries no authorization id.")
    session = session or aws_session(what)
    if _SERVICE not in session.get_available_services():
        raise ConfigurationError(f"{what}: this boto3 does not know IAM Toolbox. Upgrade boto3.")
    client = aws_client(_SERVICE, what, session=session, region=denial.authorization_region)
    region = str(client.meta.region_name)
    for wait in (*_WAITS, None):
        try:
            pages = _read_pages(client, authorization_id, what)
        except _NotFoundError as error:
            if wait is None:
                raise _not_found(what, authorization_id, region, str(error)) from None
            sleep(wait)
        else:
            break
    return _Reader(client, denial, authorization_id, region).read(pages)


def confirm(governing: GoverningPolicy, details: AuthorizationDetails) -> GoverningPolicy:
    """Return a verdict, `confirmed` if AWS named the statement.

    Where AWS names several, each denies by itself: one that does not look at the type of the key
    is taken first, since a key of the other type does not help against it. The verdict holds no
    statement if the text of one of them is not known.
    """
    if not details.statements:
        return governing
    located = [one.located() for one in details.statements]
    known = [one for one in located if one is not None]
    if len(known) < len(located):
        return governing.confirmed(None)
    of_any_type = [one for one in known if not one.looks_at(governing.condition_key)]
    return governing.confirmed((of_any_type or known)[0])


class _NotFoundError(BedrockError):
    """AWS does not know the authorization id, or not yet."""


def _read_pages(client: Any, authorization_id: str, what: str) -> list[dict[str, Any]]:
    def refused(what: str, refusal: Refusal) -> BedrockError:
        if refusal.code == "ResourceNotFoundException":
            return _NotFoundError(str(refusal))
        return needing(READ_DETAILS)(what, refusal)

    with aws_errors(what, refused):
        paginator = client.get_paginator("get_request_authorization_details")
        return list(paginator.paginate(authorizationId=authorization_id))


def _not_found(what: str, authorization_id: str, region: str, said: str) -> ConfigurationError:
    return ConfigurationError(
        f"{what}: {region} has no authorization details {authorization_id}: {said} AWS keeps them "
        "for at least 24 hours, and shows them to the principal's account or organisation alone."
    )


class _Reader:
    """Reads the answer for one denial, and the policies that it names."""

    def __init__(self, client: Any, denial: Denial, authorization_id: str, region: str) -> None:
        self._client = client
        self._denial = denial
        self._id = authorization_id
        self._region = region
        self._unread: list[str] = []

    def read(self, pages: list[dict[str, Any]]) -> AuthorizationDetails:
        evaluation = self._evaluation([one for page in pages for one in page["evaluations"]])
        policies = {one.get("uri"): one for page in pages for one in page["policies"]}
        effect: Any = {"EXPLICIT_DENY": "explicit", "IMPLICIT_DENY": "implicit"}.get(
            evaluation.get("evaluatedEffect", "")
        )
        checks = evaluation.get("checks") or [evaluation]
        statements = [
            self._statement(policies, check, matched["uri"], statement.get("sid"))
            for check in checks
            for matched in check.get("matchedPolicies", [])
            for statement in matched.get("matchedStatements", [])
            if statement.get("evaluatedEffect") == "DENY"
        ]
        without_allow = [
            _POLICY_TYPES.get(check.get("checkType", ""), _plain(check.get("checkType", "")))
            for check in checks
            if check.get("checkType") and check.get("evaluatedEffect") == "IMPLICIT_DENY"
        ]
        return AuthorizationDetails(
            self._id,
            self._region,
            effect,
            tuple(sorted(statements, key=self._is_of_another_type)),
            tuple(dict.fromkeys(without_allow)) if effect == "implicit" else (),
            {**pages[0]["requestContext"], **evaluation.get("context", {})},
            tuple(dict.fromkeys(self._unread)),
        )

    def _evaluation(self, evaluations: list[dict[str, Any]]) -> dict[str, Any]:
        """Return the denied evaluation of the action that was refused."""
        denied = [one for one in evaluations if one.get("evaluatedEffect") != "ALLOW"]
        wanted = self._denial.action.lower()
        of_action = [one for one in denied if one.get("action", "").lower() == wanted]
        return next(iter(of_action), {})

    def _statement(
        self, policies: dict[str, Any], check: dict[str, Any], uri: str, sid: str | None
    ) -> DecidingStatement:
        policy = policies.get(uri, {})
        kind = policy.get("type") or check.get("checkType", "")
        found = self._find(uri, sid)
        return DecidingStatement(
            _POLICY_TYPES.get(kind, _plain(kind)),
            uri,
            bool(policy.get("inline")),
            sid,
            *(found or ()),
        )

    def _find(self, uri: str, sid: str | None) -> tuple[Statement, int] | None:
        """Return the statement with this Sid in the policy as it was evaluated, and its place."""
        what = f"The policy {uri} was not read"
        try:
            with aws_errors(what):
                answer = self._client.get_request_authorization_policy(
                    authorizationId=self._id, policyUri=uri
                )
            statements = read_document(answer["policyDocument"]).statements
        except (BedrockError, ValueError) as error:
            self._unread.append(f"{uri}: {error}")
            return None
        denying = [(one, i) for i, one in enumerate(statements) if one.effect == "Deny"]
        named = [found for found in denying if sid is not None and found[0].sid == sid]
        if not named:
            # AWS makes up a Sid for a statement without one.
            named = [found for found in denying if found[0].sid is None]
        return named[0] if len(named) == 1 else None

    def _is_of_another_type(self, one: DecidingStatement) -> bool:
        """Put the type that AWS's sentence names first."""
        return one.policy_type != self._denial.policy_type


def _plain(name: str) -> str:
    return name.replace("_", " ").lower() or "policy"
