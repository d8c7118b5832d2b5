"""The policies of a principal, read with real boto3 from the local Bedrock."""

from __future__ import annotations

import json
from typing import Any

import boto3
import pytest
from support.local import deny_token_type, statement

from bedrock_bearer.access.denial import Denial
from bedrock_bearer.access.document import read_document
from bedrock_bearer.access.evaluation import evaluate
from bedrock_bearer.access.location import locate
from bedrock_bearer.aws.policies import fetch_policies
from bedrock_bearer.facts import USE_KEY
from bedrock_bearer.local import LocalBedrock

ROLE_SESSION = "arn:aws:sts::123456789012:assumed-role/dev/dev"
USER = "arn:aws:iam::123456789012:user/app"


def wire(policies: Any) -> list[Any]:
    return [read_document(one.document).to_wire() for one in policies]


def test_a_users_own_its_groups_and_everybodys_policies_are_read(aws: LocalBedrock) -> None:
    aws.mint_key("LONG_TERM", user_name="app", policies=[statement("Allow", "bedrock:*")])
    aws.attach_policy(None, deny_token_type("SHORT_TERM"))
    iam = boto3.client("iam")
    iam.create_group(GroupName="team")
    iam.attach_group_policy(
        GroupName="team", PolicyArn="arn:aws:iam::aws:policy/AmazonBedrockLimitedAccess"
    )
    iam.add_user_to_group(GroupName="team", UserName="app")

    fetched = fetch_policies(USER)

    read = wire(fetched.policies.identity)
    assert deny_token_type("SHORT_TERM") in read
    assert statement("Allow", "bedrock:*") in read
    assert len(read) == 3
    assert fetched.unread == []


def test_a_roles_boundary_tags_and_organisation_are_read(aws: LocalBedrock) -> None:
    aws.mint_key(user_name="dev")
    aws.set_permissions_boundary("dev", statement("Allow", "bedrock:*"))
    aws.move_account(aws.add_organizational_unit("teams"))
    aws.attach_service_control_policy(deny_token_type("LONG_TERM"))
    boto3.client("iam").tag_role(RoleName="dev", Tags=[{"Key": "team", "Value": "a"}])

    fetched = fetch_policies(ROLE_SESSION)

    assert wire(fetched.policies.boundary) == [statement("Allow", "bedrock:*")]
    assert len(fetched.policies.service_control) == 3
    assert fetched.unread == ["session policies and session tags: AWS does not show them"]
    assert fetched.context["aws:PrincipalArn"] == "arn:aws:iam::123456789012:role/dev"
    assert fetched.context["aws:PrincipalTag/team"] == "a"
    assert "aws:PrincipalOrgID" in fetched.context


@pytest.mark.parametrize("full_access", [True, False])
def test_a_level_without_full_access_is_read_as_it_is(aws: LocalBedrock, full_access: bool) -> None:
    aws.mint_key("LONG_TERM", user_name="app")
    aws.attach_service_control_policy(deny_token_type("SHORT_TERM"), keep_full_access=full_access)
    context = {"bedrock:bearerTokenType": "LONG_TERM"}

    decision = evaluate(fetch_policies(USER).policies, USE_KEY, context)

    assert decision.allowed is full_access


def test_that_the_callers_account_is_in_no_organisation_says_nothing_of_another(
    aws: LocalBedrock,
) -> None:
    fetched = fetch_policies("arn:aws:iam::111122223333:user/app")

    assert "service control policy" in fetched.policies.unread
    assert "aws:PrincipalOrgID" not in fetched.context


def test_another_account_that_the_organisation_does_not_have_is_not_said_to_be_in_it(
    aws: LocalBedrock,
) -> None:
    aws.attach_service_control_policy(deny_token_type("SHORT_TERM"))

    fetched = fetch_policies("arn:aws:iam::111122223333:user/app")

    assert "service control policy" in fetched.policies.unread
    assert "aws:PrincipalOrgID" not in fetched.context


def test_an_inline_policy_is_not_the_one_that_aws_names_by_its_arn(aws: LocalBedrock) -> None:
    aws.mint_key("LONG_TERM", user_name="app")
    boto3.client("iam").put_user_policy(
        UserName="app",
        PolicyName="inline",
        PolicyDocument=json.dumps(deny_token_type("LONG_TERM")),
    )
    denial = Denial.parse(
        f"User: {USER} is not authorized to perform: {USE_KEY} with an explicit deny in an "
        "identity-based policy: arn:aws:iam::123456789012:policy/managed"
    )

    assert denial is not None
    assert locate(denial, fetch_policies(USER).policies) == []
