"""IAM Toolbox of the local Bedrock, and ValidatePolicy, called with real boto3."""

from __future__ import annotations

import json
from typing import Any

import pytest
from botocore.exceptions import ClientError
from support.local import (
    ADMINISTRATOR,
    Caller,
    ClientMaker,
    Clock,
    deny_token_type,
    statement,
)

from bedrock_bearer.access.denial import Denial
from bedrock_bearer.local import LocalBedrock, authorization


@pytest.fixture
def bedrock() -> LocalBedrock:
    return LocalBedrock(authorization_ids=True)


@pytest.fixture
def toolbox(make_client: ClientMaker) -> Any:
    return make_client("iam-toolbox", access_key=ADMINISTRATOR)


def denied(bedrock: LocalBedrock, key: str, region: str = "us-east-1") -> Denial:
    caller = Caller(bedrock, key, host=f"https://bedrock-runtime.{region}.amazonaws.com")
    denial = Denial.parse(caller.converse().json()["Message"])
    assert denial is not None
    return denial


def deciding(details: dict[str, Any]) -> list[Any]:
    (evaluation,) = details["evaluations"]
    return [
        (check["checkType"], policy["uri"], one["sid"])
        for check in evaluation["checks"]
        for policy in check["matchedPolicies"]
        for one in policy["matchedStatements"]
        if one["evaluatedEffect"] == "DENY"
    ]


def test_a_denial_ends_as_awss_do(bedrock: LocalBedrock) -> None:
    key = bedrock.mint_key()
    bedrock.attach_policy("dev", deny_token_type("SHORT_TERM"))

    denial = denied(bedrock, key)

    assert denial.authorization_id is not None
    assert denial.text.endswith(
        "with an explicit deny in an identity-based policy. Go to"
        " https://us-east-1.console.aws.amazon.com/iam/home?region=us-east-1"
        f"#/authorization-details/{denial.authorization_id} for complete details, or call the"
        " GetRequestAuthorizationDetails API with the following authorization id:"
        f" {denial.authorization_id}"
    )


def test_an_explicit_denial_is_answered_with_its_statement(
    bedrock: LocalBedrock, toolbox: Any
) -> None:
    arn = "arn:aws:iam::123456789012:policy/NoKeys"
    key = bedrock.mint_key()
    document = deny_token_type("SHORT_TERM")
    document["Statement"][0]["Sid"] = "NoShortTermKeys"
    bedrock.attach_policy("dev", document, policy_arn=arn)
    authorization_id = denied(bedrock, key).authorization_id

    details = toolbox.get_request_authorization_details(authorizationId=authorization_id)
    policy = toolbox.get_request_authorization_policy(
        authorizationId=authorization_id, policyUri=arn
    )

    (evaluation,) = details["evaluations"]
    assert evaluation["evaluatedEffect"] == "EXPLICIT_DENY"
    assert evaluation["context"] == {"bedrock:bearerTokenType": "SHORT_TERM"}
    assert details["requestContext"]["aws:PrincipalArn"].endswith(":role/dev")
    assert deciding(details) == [("PRINCIPAL", arn, "NoShortTermKeys")]
    assert policy["policyDocument"] == document
    assert {one["uri"]: one["inline"] for one in details["policies"]}[arn] is False


def test_every_layer_is_a_check_in_awss_order(bedrock: LocalBedrock, toolbox: Any) -> None:
    key = bedrock.mint_key()
    bedrock.move_account(bedrock.add_organizational_unit("teams"))
    bedrock.set_permissions_boundary("dev", statement("Allow", "bedrock:*"))
    bedrock.attach_session_policy("dev", statement("Allow", "bedrock:*"))
    bedrock.set_vpc_endpoint_policy(statement("Allow", "*", Principal="*"))
    bedrock.attach_service_control_policy(deny_token_type("SHORT_TERM"))

    details = toolbox.get_request_authorization_details(
        authorizationId=denied(bedrock, key).authorization_id
    )

    checks = details["evaluations"][0]["checks"]
    assert [check["checkType"] for check in checks] == [
        *["RESOURCE_CONTROL_POLICY"] * 3,
        *["SERVICE_CONTROL_POLICY"] * 3,
        "VPC_ENDPOINT",
        "PRINCIPAL",
        "PERMISSIONS_BOUNDARY",
        "SESSION",
    ]
    assert [check["evaluatedEffect"] for check in checks].count("EXPLICIT_DENY") == 1
    assert checks[5]["evaluatedEffect"] == "EXPLICIT_DENY"
    assert checks[5]["targetArn"].endswith("/123456789012")


def test_an_implicit_denial_matches_no_statement(bedrock: LocalBedrock, toolbox: Any) -> None:
    key = bedrock.mint_key(policies=[])

    details = toolbox.get_request_authorization_details(
        authorizationId=denied(bedrock, key).authorization_id
    )

    assert details["evaluations"][0]["evaluatedEffect"] == "IMPLICIT_DENY"
    assert deciding(details) == []


def test_the_denial_of_a_creation_carries_an_id_too(
    bedrock: LocalBedrock, make_client: ClientMaker, toolbox: Any
) -> None:
    iam = make_client("iam", access_key=ADMINISTRATOR)
    iam.create_user(UserName="app")
    bedrock.attach_policy("administrator", statement("Deny", "iam:CreateService*"))

    with pytest.raises(ClientError) as caught:
        iam.create_service_specific_credential(UserName="app", ServiceName="bedrock.amazonaws.com")

    denial = Denial.parse(str(caught.value))
    assert denial is not None
    details = toolbox.get_request_authorization_details(authorizationId=denial.authorization_id)
    assert details["evaluations"][0]["resource"].endswith(":user/app")
    assert len(deciding(details)) == 1


def test_a_denial_is_found_in_its_own_region_alone(bedrock: LocalBedrock, toolbox: Any) -> None:
    key = bedrock.mint_key("LONG_TERM", policies=[])

    denial = denied(bedrock, key, "eu-central-1")

    assert "region=eu-central-1#" in denial.text
    with pytest.raises(toolbox.exceptions.ResourceNotFoundException):
        toolbox.get_request_authorization_details(authorizationId=denial.authorization_id)


def test_a_denial_is_kept_for_a_day(bedrock: LocalBedrock, toolbox: Any) -> None:
    clock = Clock()
    bedrock.clock = clock
    authorization_id = denied(bedrock, bedrock.mint_key(policies=[])).authorization_id

    clock.move(hours=23)
    toolbox.get_request_authorization_details(authorizationId=authorization_id)
    clock.move(hours=1)

    with pytest.raises(toolbox.exceptions.ResourceNotFoundException):
        toolbox.get_request_authorization_details(authorizationId=authorization_id)


def test_of_many_denials_the_oldest_are_dropped(
    bedrock: LocalBedrock, toolbox: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(authorization, "MOST_DENIALS", 2)
    key = bedrock.mint_key(policies=[])
    oldest, *others = (denied(bedrock, key).authorization_id for _ in range(3))

    for authorization_id in others:
        toolbox.get_request_authorization_details(authorizationId=authorization_id)
    with pytest.raises(toolbox.exceptions.ResourceNotFoundException):
        toolbox.get_request_authorization_details(authorizationId=oldest)


def test_the_toolbox_says_what_is_wrong(bedrock: LocalBedrock, toolbox: Any) -> None:
    authorization_id = denied(bedrock, bedrock.mint_key(policies=[])).authorization_id

    with pytest.raises(toolbox.exceptions.ResourceNotFoundException):
        toolbox.get_request_authorization_details(authorizationId="unknown")
    with pytest.raises(toolbox.exceptions.ValidationException):
        toolbox.get_request_authorization_details(authorizationId="NOT-ONE")
    with pytest.raises(toolbox.exceptions.ResourceNotFoundException):
        toolbox.get_request_authorization_policy(
            authorizationId=authorization_id, policyUri="arn:aws:iam::aws:policy/Other"
        )
    bedrock.attach_policy("administrator", statement("Deny", "iam:GetRequestAuthorization*"))
    with pytest.raises(toolbox.exceptions.AccessDeniedException, match="explicit deny"):
        toolbox.get_request_authorization_details(authorizationId=authorization_id)


def test_another_account_does_not_read_a_denial(
    bedrock: LocalBedrock, make_client: ClientMaker
) -> None:
    authorization_id = denied(bedrock, bedrock.mint_key(policies=[])).authorization_id
    bedrock.mint_key(
        user_name="other", account_id="210987654321", policies=[statement("Allow", "*")]
    )
    toolbox = make_client("iam-toolbox", access_key=bedrock.create_access_key("other"))

    with pytest.raises(toolbox.exceptions.ResourceNotFoundException):
        toolbox.get_request_authorization_details(authorizationId=authorization_id)


def test_without_authorization_ids_a_denial_carries_none() -> None:
    bedrock = LocalBedrock()

    assert denied(bedrock, bedrock.mint_key(policies=[])).authorization_id is None


# --------------------------------------------------------------------------- ValidatePolicy


def test_validate_policy_finds_what_is_wrong(make_client: ClientMaker) -> None:
    analyzer = make_client("accessanalyzer", access_key=ADMINISTRATOR)
    document = {"Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}

    findings = analyzer.validate_policy(
        policyDocument=json.dumps(document), policyType="IDENTITY_POLICY"
    )["findings"]

    assert [(one["findingType"], one["issueCode"]) for one in findings] == [
        ("SUGGESTION", "MISSING_VERSION"),
        ("WARNING", "ALLOW_WITH_STAR_ON_STAR"),
    ]
    broken = analyzer.validate_policy(policyDocument="{", policyType="IDENTITY_POLICY")
    assert [one["findingType"] for one in broken["findings"]] == ["ERROR"]


def test_validate_policy_may_be_refused(bedrock: LocalBedrock, make_client: ClientMaker) -> None:
    analyzer = make_client("accessanalyzer", access_key=ADMINISTRATOR)
    bedrock.attach_policy("administrator", statement("Deny", "access-analyzer:*"))

    with pytest.raises(analyzer.exceptions.AccessDeniedException):
        analyzer.validate_policy(policyDocument="{}", policyType="IDENTITY_POLICY")
