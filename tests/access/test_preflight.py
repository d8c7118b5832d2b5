"""Preflight: what one Converse call needs, and what of it the policies allow."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.local import Caller

from bedrock_bearer.access.policy_set import PolicySet
from bedrock_bearer.access.preflight import (
    ModelResources,
    Preflight,
    preflight,
    resources_of,
)
from bedrock_bearer.local import LocalBedrock

USE = "bedrock:CallWithBearerToken"
HAIKU = "anthropic.claude-3-5-haiku-20241022-v1:0"
PROFILE = f"arn:aws:bedrock:us-east-1:123456789012:inference-profile/us.{HAIKU}"
SHORT_TERM = {"bedrock:bearerTokenType": "SHORT_TERM"}


def model_arn(region: str) -> str:
    return f"arn:aws:bedrock:{region}::foundation-model/{HAIKU}"


def allow(action: str | list[str], resource: str | list[str] = "*", **more: Any) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": action, "Resource": resource, **more}


def checked(
    *statements: dict[str, Any],
    model: str = f"us.{HAIKU}",
    account: str | None = "123456789012",
    **options: Any,
) -> Preflight:
    resources = resources_of(model, partition="aws", region="us-east-1", account=account)
    policies = PolicySet(identity=[{"Version": "2012-10-17", "Statement": [*statements]}])
    return preflight(policies, resources, SHORT_TERM, **options)


def needed(result: Preflight) -> list[tuple[str, str]]:
    return [(one.action, one.resource) for one in result.requirements]


def test_a_foundation_model_needs_itself_and_the_use_of_the_key() -> None:
    result = checked(allow(USE), allow("bedrock:InvokeModel"), model="amazon.nova-micro-v1:0")

    assert result.outcome == "allowed"
    assert needed(result) == [
        (USE, "*"),
        (
            "bedrock:InvokeModel",
            "arn:aws:bedrock:us-east-1::foundation-model/amazon.nova-micro-v1:0",
        ),
    ]


def test_a_profile_needs_the_profile_and_the_model_in_every_region() -> None:
    result = checked(allow("bedrock:*"))

    assert result.outcome == "allowed"
    assert (needed(result)[1], result.requirements[1].is_certain) == (
        ("bedrock:InvokeModel", PROFILE),
        True,
    )
    assert [one.resource for one in result.requirements[2:]] == [
        model_arn(region) for region in ("us-east-1", "us-east-2", "us-west-1", "us-west-2")
    ]


def test_a_stream_needs_its_own_action() -> None:
    result = checked(allow([USE, "bedrock:InvokeModel"]), stream=True)

    assert result.outcome == "denied"
    assert {one["Action"] for one in result.statements_to_add} == {
        "bedrock:InvokeModelWithResponseStream"
    }


def test_a_missing_use_of_the_key_is_named_with_the_statement_to_add() -> None:
    result = checked(allow("bedrock:InvokeModel"))

    assert result.outcome == "denied"
    assert result.statements_to_add == [allow(USE)]


def test_a_missing_model_is_named_with_the_statement_to_add() -> None:
    result = checked(allow(USE), allow("bedrock:InvokeModel", PROFILE))

    assert result.outcome == "denied"
    assert result.statements_to_add == [allow("bedrock:InvokeModel", model_arn("*"))]


def test_with_the_missing_statements_added_the_call_is_allowed() -> None:
    before = checked(allow("s3:*"))

    after = checked(*before.statements_to_add)

    assert (before.outcome, after.outcome) == ("denied", "allowed")


def test_a_model_allowed_in_one_region_alone_leaves_it_open() -> None:
    result = checked(allow(USE), allow("bedrock:InvokeModel", [PROFILE, model_arn("us-east-1")]))

    assert result.outcome == "undecided"
    assert result.depends_on == ("the foundation models behind the inference profile",)
    assert "GetInferenceProfile" in result.unknown[0]


def test_the_models_that_aws_lists_decide_it() -> None:
    statements = [allow(USE), allow("bedrock:InvokeModel", [PROFILE, model_arn("us-east-1")])]
    policies = PolicySet(identity=[{"Version": "2012-10-17", "Statement": statements}])

    one = preflight(policies, ModelResources("x", PROFILE, (model_arn("us-east-1"),)), SHORT_TERM)
    both = preflight(
        policies,
        ModelResources("x", PROFILE, (model_arn("us-east-1"), model_arn("us-west-2"))),
        SHORT_TERM,
    )

    assert (one.outcome, both.outcome) == ("allowed", "denied")


def test_a_global_profile_needs_the_model_here_and_without_a_region() -> None:
    result = checked(allow("bedrock:*"), model=f"global.{HAIKU}")

    assert [one.resource for one in result.requirements[2:]] == [
        model_arn("us-east-1"),
        model_arn(""),
    ]
    assert result.outcome == "allowed"


def test_the_models_behind_an_application_profile_are_not_known() -> None:
    arn = "arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/abc"

    result = checked(allow("bedrock:*"), model=arn)

    assert result.outcome == "undecided"
    assert needed(result) == [(USE, "*"), ("bedrock:InvokeModel", arn)]


def test_a_deny_is_named_with_its_statement() -> None:
    deny = {"Sid": "No", "Effect": "Deny", "Action": "bedrock:InvokeModel", "Resource": PROFILE}

    result = checked(allow("bedrock:*"), deny)

    assert result.outcome == "denied"
    assert result.statements_to_add == []
    assert "denied: bedrock:InvokeModel on " + PROFILE in result.requirements[1].describe()
    assert "(No)" in result.requirements[1].describe()


def test_a_model_may_be_allowed_through_its_profile_alone() -> None:
    through = {"StringLike": {"bedrock:InferenceProfileArn": PROFILE}}
    models = "arn:aws:bedrock:*::foundation-model/*"

    by_profile = checked(
        allow(USE),
        allow("bedrock:InvokeModel", PROFILE),
        allow("bedrock:InvokeModel", models, Condition=through),
    )
    directly = checked(
        allow(USE), allow("bedrock:InvokeModel", models, Condition=through), model=HAIKU
    )

    assert (by_profile.outcome, directly.outcome) == ("allowed", "denied")


@pytest.mark.parametrize(
    ("resource", "outcome"),
    [
        ("*", "allowed"),
        ("arn:aws:bedrock:*:*:inference-profile/*", "allowed"),
        ("arn:aws:bedrock:*:123456789012:inference-profile/*", "undecided"),
        ("arn:aws:s3:::bucket", "undecided"),
    ],
)
def test_an_account_that_is_not_known_leaves_the_profile_open(resource: str, outcome: str) -> None:
    models = "arn:aws:bedrock:*::foundation-model/*"

    result = checked(allow(USE), allow("bedrock:InvokeModel", [models, resource]), account=None)

    assert result.outcome == outcome


@pytest.mark.parametrize("account", [None, "123456789012", "210987654321"])
def test_models_allowed_through_the_profile_of_an_account_depend_on_the_account(
    account: str | None,
) -> None:
    through = {"StringLike": {"bedrock:InferenceProfileArn": PROFILE}}
    result = checked(
        allow([USE]),
        allow("bedrock:InvokeModel", "arn:aws:bedrock:*:*:inference-profile/*"),
        allow("bedrock:InvokeModel", model_arn("*"), Condition=through),
        account=account,
    )

    outcomes = {None: "undecided", "123456789012": "allowed", "210987654321": "denied"}
    assert result.outcome == outcomes[account]
    assert bool(result.statements_to_add) == (result.outcome == "denied")


def test_a_deny_of_all_but_the_profile_of_an_account_depends_on_the_account() -> None:
    deny = {"Effect": "Deny", "Action": "bedrock:InvokeModel", "NotResource": [PROFILE, "*model/*"]}

    assert checked(allow([USE, "bedrock:*"]), deny).outcome == "allowed"
    assert checked(allow([USE, "bedrock:*"]), deny, account=None).outcome == "undecided"


def test_a_rule_on_the_region_is_about_the_region_that_a_profile_routes_to() -> None:
    elsewhere = {"StringNotEquals": {"aws:RequestedRegion": "us-east-1"}}
    deny = {
        "Effect": "Deny",
        "Action": "bedrock:Invoke*",
        "Resource": "*",
        "Condition": elsewhere,
    }
    policies = PolicySet(identity=[{"Statement": [allow("bedrock:*"), deny]}])
    models = (model_arn("us-east-1"), model_arn("us-west-2"))
    context = {**SHORT_TERM, "aws:RequestedRegion": "us-east-1"}

    result = preflight(policies, ModelResources("x", PROFILE, models), context)

    assert [one.decision.outcome for one in result.requirements] == [
        "allowed",
        "allowed",
        "allowed",
        "denied",
    ]


def test_what_a_condition_needs_is_said() -> None:
    result = checked(allow("bedrock:*", Condition={"Bool": {"aws:MultiFactorAuthPresent": "true"}}))

    assert result.outcome == "undecided"
    assert result.depends_on == ("aws:MultiFactorAuthPresent",)


ACTIONS = st.sampled_from([USE, "bedrock:InvokeModel", "bedrock:*", "bedrock:Invoke*"])
RESOURCES = st.sampled_from(
    ["*", PROFILE, model_arn("us-east-1"), model_arn("us-west-2"), model_arn("*")]
)
CONDITIONS = st.sampled_from(
    [
        {"StringEquals": {"aws:RequestedRegion": ["us-east-1", "us-east-2"]}},
        {},
        {"StringEquals": {"bedrock:InferenceProfileArn": PROFILE}},
        {"Null": {"bedrock:InferenceProfileArn": "true"}},
    ]
)
STATEMENTS = st.builds(
    lambda effect, action, resource, condition: {
        "Effect": effect,
        "Action": action,
        "Resource": resource,
        "Condition": condition,
    },
    st.sampled_from(["Allow", "Allow", "Allow", "Deny"]),
    ACTIONS,
    RESOURCES,
    CONDITIONS,
)


@given(st.lists(STATEMENTS, min_size=1, max_size=5))
def test_with_the_models_known_it_says_what_the_local_bedrock_does(
    statements: list[dict[str, Any]],
) -> None:
    bedrock = LocalBedrock()
    document = {"Version": "2012-10-17", "Statement": statements}
    key = bedrock.mint_key(policies=[document])
    models = tuple(model_arn(region) for region in ("us-east-1", "us-east-2", "us-west-2"))

    result = preflight(
        PolicySet(identity=[document]),
        ModelResources(f"us.{HAIKU}", PROFILE, models),
        {**SHORT_TERM, "aws:RequestedRegion": "us-east-1"},
    )

    status = Caller(bedrock, key).converse(model=f"us.{HAIKU}").status_code
    assert result.outcome == ("allowed" if status == 200 else "denied")
