"""IAM's simulator, asked with real boto3 of the local Bedrock."""

from __future__ import annotations

import pytest
from support.local import deny_token_type, statement

from bedrock_bearer.aws.simulator import simulate_key_types
from bedrock_bearer.errors import ConfigurationError
from bedrock_bearer.facts import USE_KEY, USE_KEY_ON_MANTLE
from bedrock_bearer.keys.description import TokenType
from bedrock_bearer.local import LocalBedrock

ROLE = "arn:aws:iam::123456789012:role/dev"
SESSION = "arn:aws:sts::123456789012:assumed-role/dev/dev"
SHORT_TERM, LONG_TERM = TokenType.SHORT_TERM, TokenType.LONG_TERM


@pytest.fixture(autouse=True)
def _dev(aws: LocalBedrock) -> None:
    aws.mint_key(user_name="dev")


def test_a_rule_on_the_type_makes_the_types_differ(aws: LocalBedrock) -> None:
    aws.attach_policy("dev", deny_token_type("SHORT_TERM"))

    simulations = simulate_key_types(ROLE, USE_KEY)

    assert simulations.explain().splitlines() == [
        "IAM's simulator, SHORT_TERM key: denied (explicit): by role policy inline-2.",
        "IAM's simulator, LONG_TERM key: allowed: by aws-managed policy"
        " AmazonBedrockLimitedAccess.",
    ]


def test_a_deny_of_every_key_does_not(aws: LocalBedrock) -> None:
    aws.attach_policy("dev", statement("Deny", USE_KEY))

    simulations = simulate_key_types(ROLE, USE_KEY)

    effects = {one.effect for one in simulations.by_type.values()}
    assert effects == {"explicit"}


def test_a_session_is_simulated_by_its_role(aws: LocalBedrock) -> None:
    assert simulate_key_types(SESSION, USE_KEY).principal_arn == ROLE


def test_a_role_that_may_not_be_read_is_taken_to_have_no_path(aws: LocalBedrock) -> None:
    aws.attach_policy("administrator", statement("Deny", "iam:GetRole"))

    assert simulate_key_types(SESSION, USE_KEY).by_type[SHORT_TERM].allowed


def test_the_organisations_verdict_is_shown(aws: LocalBedrock) -> None:
    aws.attach_service_control_policy(deny_token_type("SHORT_TERM"))

    simulations = simulate_key_types(ROLE, USE_KEY)

    assert simulations.by_type[SHORT_TERM].allowed_by_organizations is False
    assert simulations.by_type[LONG_TERM].allowed_by_organizations is True
    assert "not allowed by the organisation's policies" in simulations.explain()


def test_a_key_without_a_value_is_shown_until_it_has_one(aws: LocalBedrock) -> None:
    outside = {"NotIpAddress": {"aws:SourceIp": "10.0.0.0/8"}}
    aws.attach_policy("dev", statement("Deny", USE_KEY, Condition=outside))

    without = simulate_key_types(ROLE, USE_KEY)
    inside = simulate_key_types(ROLE, USE_KEY, {"aws:SourceIp": "10.1.2.3"})

    assert without.missing_context_values == ("aws:SourceIp",)
    assert "had no value for aws:SourceIp" in without.explain()
    assert inside.by_type[SHORT_TERM].allowed
    assert inside.missing_context_values == ()


def test_mantle_has_a_condition_key_of_its_own(aws: LocalBedrock) -> None:
    of_mantle = {"StringEquals": {"bedrock-mantle:bearerTokenType": "LONG_TERM"}}
    aws.attach_policy("dev", statement("Deny", USE_KEY_ON_MANTLE, Condition=of_mantle))

    simulations = simulate_key_types(ROLE, USE_KEY_ON_MANTLE)

    assert simulations.by_type[SHORT_TERM].allowed
    assert not simulations.by_type[LONG_TERM].allowed


def test_a_key_of_another_service_is_not_missing(aws: LocalBedrock) -> None:
    of_mantle = {"StringEquals": {"bedrock-mantle:bearerTokenType": "LONG_TERM"}}
    aws.attach_policy("dev", statement("Deny", USE_KEY_ON_MANTLE, Condition=of_mantle))

    assert simulate_key_types(ROLE, USE_KEY).missing_context_values == ()


def test_a_refusal_says_which_permission_is_needed(aws: LocalBedrock) -> None:
    aws.attach_policy("administrator", statement("Deny", "iam:SimulatePrincipalPolicy"))

    with pytest.raises(ConfigurationError, match="permission iam:SimulatePrincipalPolicy"):
        simulate_key_types(ROLE, USE_KEY)


def test_an_action_that_the_simulator_does_not_know_is_said(aws: LocalBedrock) -> None:
    with pytest.raises(ConfigurationError, match="InvalidInput: Invalid Action Name: everything"):
        simulate_key_types(ROLE, "everything")
