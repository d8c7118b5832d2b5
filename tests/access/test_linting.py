"""What the lint finds in policies that govern keys, and what it leaves alone."""

from __future__ import annotations

from typing import Any

import pytest

from bedrock_bearer.access.build import (
    allow_only,
    deny_all_keys,
    deny_key_creation,
    deny_use,
    limit_key_age,
)
from bedrock_bearer.access.document import PolicyDocument
from bedrock_bearer.access.linting import Finding, lint

USE, MANTLE = "bedrock:CallWithBearerToken", "bedrock-mantle:CallWithBearerToken"
CREATE = "iam:CreateServiceSpecificCredential"
AGE = "iam:ServiceSpecificCredentialAgeDays"
SERVICE = "iam:ServiceSpecificCredentialServiceName"
LONGER_THAN_30: dict[str, Any] = {"NumericGreaterThan": {AGE: "30"}}
FOREVER: dict[str, Any] = {"Null": {AGE: "true"}}
TYPE, MANTLE_TYPE = "bedrock:bearerTokenType", "bedrock-mantle:bearerTokenType"
SCP = "service control policy"


def document(*statements: dict[str, Any]) -> dict[str, Any]:
    return {"Version": "2012-10-17", "Statement": list(statements)}


def deny(action: Any, resource: str = "*", **condition: Any) -> dict[str, Any]:
    given = {"Condition": condition} if condition else {}
    return {"Effect": "Deny", "Action": action, "Resource": resource, **given}


def allow(action: Any, resource: str = "*", **condition: Any) -> dict[str, Any]:
    return {**deny(action, resource, **condition), "Effect": "Allow"}


def found(*statements: dict[str, Any], policy_type: str | None = SCP) -> dict[str, int | None]:
    return {one.id: one.statement for one in lint(document(*statements), policy_type)}


@pytest.mark.parametrize(
    ("statements", "expected"),
    [
        # Other services have actions about bearer tokens, too.
        ([deny([USE, MANTLE, "logs:CallWithBearerToken", "sts:GetServiceBearerToken"])], {}),
        # A list of the services that are in use is not about keys.
        ([{**deny(None), "NotAction": ["bedrock:*", "s3:*"]}], {}),
        # A reset carries no age, so a limit on the age does not cover it.
        (
            [deny([CREATE, "iam:ResetServiceSpecificCredential"], **LONGER_THAN_30, **FOREVER)],
            {"age-without-null": 0, "reset-open": 0},
        ),
        # Where the other service's test holds without its key, the two keys can stand together.
        (
            [deny([USE, MANTLE], StringNotEquals={TYPE: "SHORT_TERM", MANTLE_TYPE: "SHORT_TERM"})],
            {},
        ),
        (
            [deny([USE, MANTLE], StringEquals={TYPE: "LONG_TERM", MANTLE_TYPE: "LONG_TERM"})],
            {"wrong-namespace-key": 0},
        ),
        ([deny("bedrock-mantle:*", StringEquals={TYPE: "LONG_TERM"})], {"wrong-namespace-key": 0}),
        # A token type is no truth value.
        ([deny(USE, Bool={TYPE: "true"}), deny([USE, MANTLE])], {"unknown-value": 0}),
        # Actions that AWS does not have.
        ([deny(["bedrock:CreateApiKey", "bedrock:DeleteApiKey"])], {"unknown-action": 0}),
        ([deny("bedrock:*ApiKey*")], {"unknown-action": 0}),
        ([deny("bedrock-mantle:InvokeModel")], {"unknown-action": 0}),
        ([deny("bedrock:CreateInference")], {"unknown-action": 0}),
        # Only one endpoint is closed.
        ([deny(USE)], {"mantle-open": 0}),
        ([deny(MANTLE)], {"bedrock-open": 0}),
        ([deny([USE, MANTLE])], {}),
        ([deny(USE), deny(MANTLE)], {}),
        ([deny("*")], {}),
        ([deny("bedrock:*")], {"mantle-open": 0}),
        ([deny(USE), deny(MANTLE, StringEquals={MANTLE_TYPE: "LONG_TERM"})], {"mantle-open": 0}),
        ([deny(MANTLE), deny(USE, StringEquals={TYPE: "LONG_TERM"})], {}),
        ([deny("bedrock:*", StringNotEquals={"aws:RequestedRegion": "eu-west-1"})], {}),
        ([deny("bedrock:InvokeModel")], {}),
        # The condition key of the other endpoint.
        (
            [deny([USE, MANTLE], StringEquals={TYPE: "LONG_TERM"})],
            {"wrong-namespace-key": 0, "mantle-open": 0},
        ),
        ([deny([USE, MANTLE], StringNotEquals={TYPE: "SHORT_TERM"})], {"wrong-namespace-key": 0}),
        (
            [
                deny(
                    [USE, MANTLE],
                    StringEqualsIfExists={TYPE: "LONG_TERM", MANTLE_TYPE: "LONG_TERM"},
                )
            ],
            {},
        ),
        ([deny(USE, StringEquals={MANTLE_TYPE: "LONG_TERM"})], {"wrong-namespace-key": 0}),
        # Values that AWS does not know.
        (
            [deny([USE], StringEquals={TYPE: "long_term"}), deny(MANTLE)],
            {"unknown-value": 0, "bedrock-open": 1},
        ),
        (
            [
                deny(USE, StringLike={TYPE: "LONG*"}),
                deny(MANTLE, StringEqualsIgnoreCase={MANTLE_TYPE: "long_term"}),
            ],
            {},
        ),
        # Resources and actions.
        (
            [deny([USE, MANTLE], "arn:aws:bedrock:*:*:foundation-model/*")],
            {"resource-on-bearer-action": 0},
        ),
        ([allow("bedrock:*", "arn:aws:bedrock:*::foundation-model/x")], {}),
        ([deny("bedrock:Converse")], {"unknown-action": 0}),
        ([deny(["bedrock:ConverseStream", "bedrock:InvokeModel"])], {"unknown-action": 0}),
        ([deny("bedrock-runtime:InvokeModel")], {"unknown-action": 0}),
        ([deny("bedrock:CallWithBearerTokens")], {"unknown-action": 0}),
        ([deny("iam:CreateServiceSpecificCredentials")], {"unknown-action": 0}),
        ([deny("iam:ListServiceSpecificCredentials")], {}),
        ([deny("aws-external-anthropic:CallWithBearerToken")], {}),
        # The age of keys.
        (
            [deny(CREATE, NumericGreaterThan={AGE: "30"})],
            {"age-without-null": 0, "reset-open": 0},
        ),
        (
            [
                deny(CREATE, NumericGreaterThan={AGE: "30"}),
                deny(CREATE, Null={AGE: "true"}),
                deny("iam:ResetServiceSpecificCredential"),
            ],
            {},
        ),
        ([deny(CREATE, NumericGreaterThanIfExists={AGE: "30"})], {"reset-open": 0}),
        ([deny("iam:*ServiceSpecific*", NumericGreaterThanIfExists={AGE: "30"})], {}),
        (
            [
                deny(CREATE, StringEquals={SERVICE: "logs.amazonaws.com"}, **condition)
                for condition in (LONGER_THAN_30, FOREVER)
            ],
            {"reset-open": 0},
        ),
        ([deny(CREATE)], {}),
    ],
)
def test_what_a_control_policy_lets_through_is_found(
    statements: list[dict[str, Any]], expected: dict[str, int]
) -> None:
    assert found(*statements) == expected


@pytest.mark.parametrize(
    ("statements", "expected"),
    [
        ([allow(USE)], {"invoke-not-allowed": 0}),
        ([allow([USE, "bedrock:InvokeModel"])], {}),
        ([allow("bedrock:*")], {}),
        ([allow(USE), allow("bedrock:InvokeModel*", "arn:aws:bedrock:*::foundation-model/x")], {}),
        ([allow(MANTLE)], {"invoke-not-allowed": 0}),
        ([allow([MANTLE, "bedrock-mantle:CreateInference"])], {}),
        ([allow(CREATE, NumericLessThanEquals={AGE: "90"})], {}),
        ([allow(CREATE, NumericLessThanEqualsIfExists={AGE: "90"})], {"age-without-null": 0}),
    ],
)
def test_what_an_identity_policy_lacks_is_found(
    statements: list[dict[str, Any]], expected: dict[str, int]
) -> None:
    assert found(*statements, policy_type="identity-based policy") == expected


@pytest.mark.parametrize(
    "policy",
    [
        deny_use("SHORT_TERM"),
        deny_use("LONG_TERM", exempt=["arn:aws:iam::123456789012:role/admin"]),
        allow_only("SHORT_TERM", scp=True),
        deny_all_keys(),
        deny_key_creation(),
        limit_key_age(30, deny_reset=True),
    ],
)
def test_nothing_is_found_in_the_policies_that_this_library_writes(policy: PolicyDocument) -> None:
    assert lint(policy, SCP) == []


def test_the_policy_of_a_vpc_endpoint_is_for_one_service() -> None:
    assert found(deny(USE), policy_type="VPC endpoint policy") == {}


def test_a_finding_shows_a_request_and_how_to_mend_it() -> None:
    (finding,) = lint(document(deny(USE)), SCP)

    assert finding == Finding(
        "mantle-open",
        "warning",
        0,
        "SHORT_TERM and LONG_TERM keys are denied on Bedrock's own endpoints, but not on the "
        "bedrock-mantle endpoint, which has an action of its own.",
        "bedrock-mantle:CallWithBearerToken with bedrock-mantle:bearerTokenType = SHORT_TERM",
        "Deny bedrock-mantle:CallWithBearerToken as well (its condition key is "
        "bedrock-mantle:bearerTokenType).",
    )


def test_a_document_that_iam_refuses_is_not_linted() -> None:
    with pytest.raises(ValueError, match="needs either Resource or NotResource"):
        lint({"Statement": {"Effect": "Deny", "Action": USE}})
