"""The local Bedrock decides every call by policies, and refuses in AWS's sentences."""

from __future__ import annotations

from typing import Any

import pytest
from support.local import Caller, Clock, deny_token_type, statement

from bedrock_bearer.access import Denial, deny_use
from bedrock_bearer.local import LocalBedrock

USE = "bedrock:CallWithBearerToken"
BEDROCK_LAYER = "AccessDeniedException:http://internal.amazon.com/coral/com.amazon.bedrock/"


def denial_of(response: Any) -> Denial:
    assert response.status_code == 403
    body = response.json()
    denial = Denial.parse(body.get("Message") or body["message"])
    assert denial is not None
    return denial


def test_a_denied_short_term_key_is_refused_in_the_recorded_words() -> None:
    bedrock = LocalBedrock()
    key = bedrock.mint_key()
    bedrock.attach_policy("dev", deny_token_type("SHORT_TERM"))

    response = Caller(bedrock, key).converse()

    assert response.status_code == 403
    assert response.json() == {
        "Message": "User: arn:aws:sts::123456789012:assumed-role/dev/dev is not authorized to"
        " perform: bedrock:CallWithBearerToken on resource: * with an explicit deny in an"
        " identity-based policy"
    }


def test_a_deny_of_short_term_keys_lets_long_term_keys_pass() -> None:
    bedrock = LocalBedrock()
    key = bedrock.mint_key("LONG_TERM")
    bedrock.attach_policy(None, deny_token_type("SHORT_TERM"))

    assert Caller(bedrock, key).converse().status_code == 200


def test_a_policy_for_everybody_holds_for_principals_to_come() -> None:
    bedrock = LocalBedrock()
    bedrock.attach_policy(None, deny_token_type("LONG_TERM"))

    denial = denial_of(Caller(bedrock, bedrock.mint_key("LONG_TERM")).converse())

    assert (denial.action, denial.effect) == (USE, "explicit")


def test_a_principal_without_policies_is_refused_implicitly() -> None:
    bedrock = LocalBedrock()
    key = bedrock.mint_key(policies=[])

    denial = denial_of(Caller(bedrock, key).converse())

    assert (denial.action, denial.effect) == (USE, "implicit")
    assert denial.policy_type == "identity-based policy"


def test_a_permissions_boundary_that_does_not_allow_is_named() -> None:
    bedrock = LocalBedrock()
    key = bedrock.mint_key()
    bedrock.set_permissions_boundary("dev", statement("Allow", "s3:*"))

    denial = denial_of(Caller(bedrock, key).converse())

    assert (denial.effect, denial.policy_type) == ("implicit", "permissions boundary")


def test_a_session_policy_that_does_not_allow_is_named() -> None:
    bedrock = LocalBedrock()
    key = bedrock.mint_key()
    bedrock.attach_session_policy("dev", statement("Allow", "bedrock:InvokeModel"))

    denial = denial_of(Caller(bedrock, key).converse())

    assert (denial.effect, denial.policy_type) == ("implicit", "session policy")


def test_a_service_control_policy_that_denies_is_named() -> None:
    bedrock = LocalBedrock()
    key = bedrock.mint_key("LONG_TERM")
    bedrock.attach_service_control_policy(deny_token_type("LONG_TERM"))

    denial = denial_of(Caller(bedrock, key).converse())

    assert (denial.effect, denial.policy_type) == ("explicit", "service control policy")


def test_a_service_control_policy_holds_for_its_own_account() -> None:
    bedrock = LocalBedrock()
    key = bedrock.mint_key("LONG_TERM")
    bedrock.attach_service_control_policy(deny_token_type("LONG_TERM"), account_id="210987654321")

    assert Caller(bedrock, key).converse().status_code == 200


def test_a_denied_operation_is_refused_by_bedrock_itself() -> None:
    bedrock = LocalBedrock()
    key = bedrock.mint_key(policies=[statement("Allow", USE)])

    response = Caller(bedrock, key).converse()

    denial = denial_of(response)
    assert response.headers["x-amzn-ErrorType"] == BEDROCK_LAYER
    assert "message" in response.json()
    assert denial.action == "bedrock:InvokeModel"
    assert denial.resource == ("arn:aws:bedrock:us-east-1::foundation-model/amazon.nova-micro-v1:0")


def test_a_profile_needs_permission_for_the_model_behind_it() -> None:
    profile = "arn:aws:bedrock:us-east-1:123456789012:inference-profile/us.amazon.nova-micro-v1:0"
    bedrock = LocalBedrock()
    key = bedrock.mint_key(
        policies=[statement("Allow", USE), statement("Allow", "bedrock:*", Resource=profile)]
    )

    denial = denial_of(Caller(bedrock, key).converse(model="us.amazon.nova-micro-v1:0"))

    assert denial.resource == ("arn:aws:bedrock:us-east-1::foundation-model/amazon.nova-micro-v1:0")


@pytest.mark.parametrize(
    ("path", "action"),
    [
        ("/async-invoke?maxResults=1", "bedrock:ListAsyncInvokes"),
        ("/foundation-models", "bedrock:ListFoundationModels"),
        ("/inference-profiles", "bedrock:ListInferenceProfiles"),
    ],
)
def test_each_operation_has_its_own_action(path: str, action: str) -> None:
    bedrock = LocalBedrock()
    key = bedrock.mint_key(policies=[statement("Allow", USE)])

    assert denial_of(Caller(bedrock, key).get(path)).action == action


def test_a_stream_needs_its_own_action() -> None:
    bedrock = LocalBedrock()
    key = bedrock.mint_key(policies=[statement("Allow", [USE, "bedrock:InvokeModel"])])
    caller = Caller(bedrock, key)

    assert caller.converse().status_code == 200
    assert denial_of(caller.stream()).action == "bedrock:InvokeModelWithResponseStream"


def test_a_managed_policy_that_denies_is_named_by_its_arn() -> None:
    arn = "arn:aws:iam::123456789012:policy/NoKeys"
    bedrock = LocalBedrock()
    key = bedrock.mint_key()
    bedrock.attach_policy("dev", deny_use("SHORT_TERM"), policy_arn=arn)

    assert denial_of(Caller(bedrock, key).converse()).policy_arn == arn


def test_a_policy_may_be_for_one_principal() -> None:
    bedrock = LocalBedrock()
    bedrock.attach_policy(
        None,
        statement(
            "Deny",
            USE,
            Condition={"ArnLike": {"aws:PrincipalArn": "arn:aws:iam::*:user/one"}},
        ),
    )
    one = bedrock.mint_key("LONG_TERM", user_name="one")
    two = bedrock.mint_key("LONG_TERM", user_name="two")

    assert denial_of(Caller(bedrock, one).converse()).effect == "explicit"
    assert Caller(bedrock, two).converse().status_code == 200


def test_the_principal_arn_of_a_session_is_its_roles() -> None:
    bedrock = LocalBedrock()
    key = bedrock.mint_key()
    session_arn = "arn:aws:sts::123456789012:assumed-role/dev/dev"
    other = {"StringNotEquals": {"aws:PrincipalArn": "arn:aws:iam::123456789012:role/dev"}}
    bedrock.attach_policy("dev", statement("Deny", USE, Condition=other))
    assert Caller(bedrock, key).converse().status_code == 200

    session = {"StringEquals": {"aws:PrincipalArn": "arn:aws:iam::123456789012:role/dev"}}
    bedrock.attach_policy("dev", statement("Deny", USE, Condition=session))

    assert denial_of(Caller(bedrock, key).converse()).principal_arn == session_arn


def test_a_resource_control_policy_that_denies_is_named() -> None:
    bedrock = LocalBedrock()
    key = bedrock.mint_key()
    bedrock.attach_resource_control_policy(statement("Deny", USE, Principal="*"))

    denial = denial_of(Caller(bedrock, key).converse())

    assert (denial.effect, denial.policy_type) == ("explicit", "resource control policy")


def test_a_policy_that_is_not_valid_is_refused_when_it_is_attached() -> None:
    with pytest.raises(ValueError, match=r"Statement\[0\]"):
        LocalBedrock().attach_policy(None, {"Statement": [{"Action": "*"}]})


def test_a_principal_that_is_not_known_is_named() -> None:
    with pytest.raises(LookupError, match="no principal 'nobody'"):
        LocalBedrock().attach_policy("nobody", deny_token_type("LONG_TERM"))


def test_a_vpc_endpoint_policy_that_denies_is_named() -> None:
    bedrock = LocalBedrock()
    key = bedrock.mint_key("LONG_TERM")
    only_short_term = statement(
        "Allow",
        "*",
        Principal="*",
        Condition={"StringEquals": {"bedrock:bearerTokenType": "SHORT_TERM"}},
    )
    bedrock.set_vpc_endpoint_policy(only_short_term)

    denial = denial_of(Caller(bedrock, key).converse())
    bedrock.set_vpc_endpoint_policy(None)

    assert (denial.effect, denial.policy_type) == ("implicit", "VPC endpoint policy")
    assert Caller(bedrock, key).converse().status_code == 200


def test_a_rule_on_mfa_refuses_a_roles_key_and_not_a_users() -> None:
    bedrock = LocalBedrock()
    no_mfa = {"Bool": {"aws:MultiFactorAuthPresent": "false"}}
    bedrock.attach_policy(None, statement("Deny", USE, Condition=no_mfa))

    refused = Caller(bedrock, bedrock.mint_key("SHORT_TERM")).converse()
    accepted = Caller(bedrock, bedrock.mint_key("LONG_TERM")).converse()

    assert (refused.status_code, accepted.status_code) == (403, 200)


def test_sessions_begun_before_a_moment_can_be_refused() -> None:
    clock = Clock()
    bedrock = LocalBedrock(clock=clock)
    old = bedrock.mint_key()
    clock.move(minutes=10)
    older = {"DateLessThan": {"aws:TokenIssueTime": clock().isoformat()}}
    bedrock.attach_policy("dev", statement("Deny", "*", Condition=older))
    clock.move(minutes=10)

    new = bedrock.mint_key()

    assert Caller(bedrock, old).converse().status_code == 403
    assert Caller(bedrock, new).converse().status_code == 200
