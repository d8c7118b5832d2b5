"""IAM's simulator of the local Bedrock, called with real boto3."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError
from support.local import (
    ADMINISTRATOR,
    BEARER_TOKEN_TYPE,
    ClientMaker,
    deny_token_type,
    statement,
)

from bedrock_bearer.local import LocalBedrock

USE = "bedrock:CallWithBearerToken"
ROLE = "arn:aws:iam::123456789012:role/dev"


@pytest.fixture
def iam(bedrock: LocalBedrock, make_client: ClientMaker) -> Any:
    """IAM as the administrator, of an account with the role `dev`."""
    bedrock.mint_key(user_name="dev")
    return make_client("iam", access_key=ADMINISTRATOR)


def simulate(iam: Any, token_type: str | None = None, **arguments: Any) -> dict[str, Any]:
    entry = {
        "ContextKeyName": BEARER_TOKEN_TYPE,
        "ContextKeyType": "string",
        "ContextKeyValues": [token_type],
    }
    given: dict[str, Any] = {"PolicySourceArn": ROLE, "ActionNames": [USE]}
    entries = {} if token_type is None else {"ContextEntries": [entry]}
    (result,) = iam.simulate_principal_policy(**(given | entries | arguments))["EvaluationResults"]
    found: dict[str, Any] = result
    return found


def test_a_deny_of_one_type_is_simulated_for_each_type(bedrock: LocalBedrock, iam: Any) -> None:
    bedrock.attach_policy("dev", deny_token_type("SHORT_TERM"))

    denied, allowed = simulate(iam, "SHORT_TERM"), simulate(iam, "LONG_TERM")

    assert (denied["EvalDecision"], allowed["EvalDecision"]) == ("explicitDeny", "allowed")
    (deciding,) = denied["MatchedStatements"]
    assert (deciding["SourcePolicyId"], deciding["SourcePolicyType"]) == ("inline-2", "role")
    assert deciding["EndPosition"]["Column"] > deciding["StartPosition"]["Column"]
    assert allowed["MatchedStatements"][0]["SourcePolicyType"] == "aws-managed"


def test_a_condition_key_without_a_value_is_missing(bedrock: LocalBedrock, iam: Any) -> None:
    bedrock.attach_policy("dev", deny_token_type("SHORT_TERM"))

    assert simulate(iam)["MissingContextValues"] == [BEARER_TOKEN_TYPE]
    assert simulate(iam)["EvalDecision"] == "allowed"
    assert simulate(iam, "SHORT_TERM")["MissingContextValues"] == []


def test_the_context_keys_of_a_principals_policies_are_listed(
    bedrock: LocalBedrock, iam: Any
) -> None:
    bedrock.attach_policy("dev", deny_token_type("SHORT_TERM"))
    bedrock.attach_policy(
        "dev", statement("Allow", "s3:*", Condition={"Bool": {"aws:SecureTransport": "true"}})
    )

    keys = iam.get_context_keys_for_principal_policy(PolicySourceArn=ROLE)["ContextKeyNames"]

    assert keys == [BEARER_TOKEN_TYPE, "aws:SecureTransport"]


def test_the_organisations_verdict_is_told(bedrock: LocalBedrock, iam: Any) -> None:
    assert "OrganizationsDecisionDetail" not in simulate(iam, "SHORT_TERM")
    bedrock.attach_service_control_policy(deny_token_type("SHORT_TERM"))

    denied, allowed = simulate(iam, "SHORT_TERM"), simulate(iam, "LONG_TERM")

    assert denied["OrganizationsDecisionDetail"] == {"AllowedByOrganizations": False}
    assert (denied["EvalDecision"], denied["MatchedStatements"]) == ("explicitDeny", [])
    assert allowed["OrganizationsDecisionDetail"] == {"AllowedByOrganizations": True}


def test_the_boundarys_verdict_is_told(bedrock: LocalBedrock, iam: Any) -> None:
    bedrock.set_permissions_boundary("dev", statement("Allow", "s3:*"))

    result = simulate(iam, "SHORT_TERM")

    assert result["EvalDecision"] == "implicitDeny"
    assert result["PermissionsBoundaryDecisionDetail"] == {"AllowedByPermissionsBoundary": False}


def test_one_result_tells_of_all_resources(bedrock: LocalBedrock, iam: Any) -> None:
    one, other = "arn:aws:bedrock:us-east-1::foundation-model/a.b", "arn:aws:s3:::c"
    bedrock.attach_policy("dev", statement("Deny", "bedrock:InvokeModel", Resource=one))

    result = simulate(iam, ActionNames=["bedrock:InvokeModel"], ResourceArns=[other, one])

    assert result["EvalDecision"] == "explicitDeny"
    specific = result["ResourceSpecificResults"]
    assert [each["EvalResourceDecision"] for each in specific] == ["allowed", "explicitDeny"]


def test_a_group_is_simulated_by_its_own_policies(iam: Any) -> None:
    iam.create_group(GroupName="g")

    result = simulate(iam, PolicySourceArn="arn:aws:iam::123456789012:group/g")

    assert result["EvalDecision"] == "implicitDeny"


def test_policies_may_be_added_to_the_principals_own(iam: Any) -> None:
    document = '{"Statement": {"Effect": "Deny", "Action": "*", "Resource": "*"}}'

    assert simulate(iam, PolicyInputList=[document])["EvalDecision"] == "explicitDeny"


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (
            {"PolicySourceArn": "arn:aws:sts::123456789012:assumed-role/dev/dev"},
            "InvalidInput",
        ),
        ({"PolicySourceArn": "arn:aws:iam::123456789012:role/none"}, "NoSuchEntity"),
        ({"ActionNames": ["everything"]}, "InvalidInput"),
        ({"PolicyInputList": ["{"]}, "InvalidInput"),
    ],
)
def test_the_simulator_says_what_is_wrong(iam: Any, arguments: dict[str, Any], code: str) -> None:
    with pytest.raises(ClientError) as caught:
        simulate(iam, **arguments)

    assert caught.value.response["Error"]["Code"] == code


def test_the_simulator_may_be_refused(bedrock: LocalBedrock, iam: Any) -> None:
    bedrock.attach_policy("administrator", statement("Deny", "iam:Simulate*"))

    with pytest.raises(ClientError, match="iam:SimulatePrincipalPolicy on resource: role dev"):
        simulate(iam)
