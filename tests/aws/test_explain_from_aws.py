"""`policy explain --from-aws` with real boto3 against the served local Bedrock."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from support.local import Caller, deny_token_type, statement

from bedrock_bearer.aws.lifecycle import KeyLifecycle
from bedrock_bearer.cli.policy import policy
from bedrock_bearer.errors import ConfigurationError, KeyCreationDeniedError
from bedrock_bearer.local import LocalBedrock

HAIKU = "anthropic.claude-3-5-haiku-20241022-v1:0"
USE = "bedrock:CallWithBearerToken"


@pytest.fixture(autouse=True)
def _known_access_key(aws: LocalBedrock, monkeypatch: pytest.MonkeyPatch) -> None:
    access_key_id, secret = aws.create_access_key("administrator")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", access_key_id)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", secret)


def explain(*arguments: str, message: str | None = None) -> tuple[int, dict[str, Any]]:
    command = ["explain", "--from-aws", "--json", *arguments]
    result = CliRunner().invoke(
        policy, command if message is None else [*command, "--message", "-"], input=message
    )
    document: dict[str, Any] = json.loads(result.stdout)
    assert document["exit_code"] == result.exit_code
    return result.exit_code, document


def denial_of(bedrock: LocalBedrock, key: str) -> str:
    response = Caller(bedrock, key).converse()
    assert response.status_code == 403
    text: str = response.text
    return text


def forbid(bedrock: LocalBedrock, *actions: str) -> None:
    bedrock.attach_policy("administrator", statement("Deny", list(actions)))


def test_what_iam_toolbox_names_is_confirmed(aws: LocalBedrock) -> None:
    key = aws.mint_key()
    aws.attach_policy("dev", deny_token_type("SHORT_TERM"))

    code, document = explain(message=denial_of(aws, key))

    assert (code, document["certainty"]) == (4, "confirmed")
    assert document["decided_by"] == ["bedrock:bearerTokenType"]
    assert document["statements"][0]["statement"]["Effect"] == "Deny"
    (named,) = document["authorization_details"]["statements"]
    assert named["policy_type"] == "identity-based policy"


def test_what_the_simulator_refuses_for_one_type_is_simulated(aws: LocalBedrock) -> None:
    key = aws.mint_key()
    aws.attach_policy("dev", deny_token_type("SHORT_TERM"))
    forbid(aws, "iam:GetRequestAuthorization*")

    _, document = explain(message=denial_of(aws, key))

    assert document["certainty"] == "simulated"
    by_type = document["simulation"]["by_type"]
    assert (by_type["SHORT_TERM"]["allowed"], by_type["LONG_TERM"]["allowed"]) == (False, True)
    assert any("iam:GetRequestAuthorizationDetails is needed" in x for x in document["unanswered"])


def test_of_a_key_that_was_replaced_on_the_way_the_simulator_proves_nothing(
    aws: LocalBedrock, monkeypatch: pytest.MonkeyPatch
) -> None:
    aws.mint_key()
    monkeypatch.setenv("OWN", aws.mint_key("LONG_TERM", user_name="other"))
    aws.attach_policy("dev", deny_token_type("LONG_TERM"))
    forbid(aws, "iam:GetRequestAuthorization*")
    denial = (
        "User: arn:aws:sts::123456789012:assumed-role/dev/me is not authorized to perform: "
        f"{USE} on resource: * with an explicit deny in an identity-based policy"
    )

    _, document = explain("--key", "env:OWN", message=denial)

    by_type = document["simulation"]["by_type"]
    assert (by_type["SHORT_TERM"]["allowed"], by_type["LONG_TERM"]["allowed"]) == (True, False)
    assert document["certainty"] == "inferred"


def test_with_both_refused_the_policies_that_may_be_read_decide(aws: LocalBedrock) -> None:
    key = aws.mint_key()
    aws.attach_policy("dev", deny_token_type("SHORT_TERM"))
    forbid(aws, "iam:GetRequestAuthorization*", "iam:SimulatePrincipalPolicy")

    _, document = explain(message=denial_of(aws, key))

    assert document["certainty"] == "located"
    assert any("iam:SimulatePrincipalPolicy is needed" in line for line in document["unanswered"])


def test_with_everything_refused_nothing_is_claimed(aws: LocalBedrock) -> None:
    key = aws.mint_key()
    aws.attach_policy("dev", deny_token_type("SHORT_TERM"))
    forbid(aws, "iam:*", "organizations:*")

    _, document = explain(message=denial_of(aws, key))

    assert document["certainty"] == "inferred"
    assert document["decided_by"] is None
    assert "AWS does not say whether by token type" in document["explanation"]


def test_an_implicit_denial_is_not_confirmed(aws: LocalBedrock) -> None:
    key = aws.mint_key(policies=[])

    _, document = explain(message=denial_of(aws, key))

    assert document["certainty"] == "inferred"
    assert document["authorization_details"]["statements"] == []
    assert document["authorization_details"]["without_allow"] == ["identity-based policy"]
    by_type = document["simulation"]["by_type"]
    assert not by_type["SHORT_TERM"]["allowed"]
    assert not by_type["LONG_TERM"]["allowed"]


def test_an_unconditional_deny_is_confirmed_as_one(aws: LocalBedrock) -> None:
    key = aws.mint_key()
    aws.attach_service_control_policy(statement("Deny", USE))

    _, document = explain(message=denial_of(aws, key))

    assert (document["certainty"], document["decided_by"]) == ("confirmed", [])
    assert "use a LONG_TERM key" not in document["explanation"]


def test_the_callers_own_policies_prove_nothing_of_a_denial_without_a_principal(
    aws: LocalBedrock,
) -> None:
    aws.attach_policy("administrator", deny_token_type("SHORT_TERM"))
    text = f"not authorized to perform: {USE} with an explicit deny in an identity-based policy"

    _, document = explain("--token-type", "SHORT_TERM", message=text)

    assert document["certainty"] == "inferred"
    assert "simulation" not in document
    assert len(document["statements"]) == 1


def test_the_denial_of_a_creation_is_answered_too(aws: LocalBedrock) -> None:
    import boto3
    from botocore.exceptions import ClientError

    forbid(aws, "iam:CreateServiceSpecificCredential")
    iam = boto3.client("iam")
    iam.create_user(UserName="app")
    with pytest.raises(ClientError) as caught:
        iam.create_service_specific_credential(UserName="app", ServiceName="bedrock.amazonaws.com")

    _, document = explain(message=str(caught.value))

    (named,) = document["authorization_details"]["statements"]
    assert named["statement"]["Action"] == ["iam:CreateServiceSpecificCredential"]


def test_a_refused_creation_says_how_to_ask_aws_for_the_statement(aws: LocalBedrock) -> None:
    aws.mint_key("LONG_TERM", user_name="app")
    forbid(aws, "iam:CreateServiceSpecificCredential")

    with pytest.raises(KeyCreationDeniedError) as caught:
        KeyLifecycle().create("app")

    assert caught.value.denial is not None
    authorization_id = caught.value.denial.authorization_id
    command = "aws iam-toolbox get-request-authorization-details --authorization-id"
    assert f"{command} {authorization_id} --region us-east-1" in caught.value.message


def test_a_question_is_put_to_the_simulator_as_well(aws: LocalBedrock) -> None:
    aws.mint_key("LONG_TERM", user_name="app")
    aws.attach_service_control_policy(deny_token_type("LONG_TERM"))
    forbid(aws, "organizations:*")
    aws.attach_policy("app", statement("Allow", ["iam:*", "sts:*"]))

    _, document = explain("--token-type", "LONG_TERM")

    assert document["outcome"] == "undecided"
    by_type = document["simulation"]["by_type"]
    assert by_type["LONG_TERM"]["allowed_by_organizations"] is False
    assert by_type["SHORT_TERM"]["allowed_by_organizations"] is True


# -------------------------------------------------------------------------- preflight


def minted(aws: LocalBedrock, monkeypatch: pytest.MonkeyPatch, *allowed: Any) -> str:
    key = aws.mint_key("LONG_TERM", user_name="app", policies=list(allowed))
    monkeypatch.setenv("AWS_BEARER_TOKEN_BEDROCK", key)
    return key


def test_preflight_names_what_one_call_lacks(
    aws: LocalBedrock, monkeypatch: pytest.MonkeyPatch
) -> None:
    minted(
        aws,
        monkeypatch,
        statement("Allow", USE),
        statement(
            "Allow",
            "bedrock:InvokeModel",
            Resource=[
                f"arn:aws:bedrock:us-east-1:123456789012:inference-profile/us.{HAIKU}",
                f"arn:aws:bedrock:us-east-1::foundation-model/{HAIKU}",
            ],
        ),
    )

    code, document = explain("--model", f"us.{HAIKU}", "--key", "env:AWS_BEARER_TOKEN_BEDROCK")

    assert (code, document["outcome"]) == (4, "denied")
    assert document["statements_to_add"] == [
        {
            "Effect": "Allow",
            "Action": "bedrock:InvokeModel",
            "Resource": [
                f"arn:aws:bedrock:us-east-2::foundation-model/{HAIKU}",
                f"arn:aws:bedrock:us-west-2::foundation-model/{HAIKU}",
            ],
        }
    ]


def test_preflight_of_a_call_that_works_says_so(
    aws: LocalBedrock, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = minted(aws, monkeypatch, statement("Allow", "bedrock:*"))

    code, document = explain(
        "--model", f"us.{HAIKU}", "--stream", "--key", "env:AWS_BEARER_TOKEN_BEDROCK"
    )

    assert (code, document["outcome"]) == (0, "allowed")
    assert len(document["requirements"]) == 5
    assert Caller(aws, key).stream(model=f"us.{HAIKU}").status_code == 200


def test_preflight_says_which_models_it_could_not_read(
    aws: LocalBedrock, monkeypatch: pytest.MonkeyPatch
) -> None:
    forbid(aws, "bedrock:GetInferenceProfile")
    minted(aws, monkeypatch, statement("Allow", "bedrock:*"))

    code, document = explain("--model", f"us.{HAIKU}", "--key", "env:AWS_BEARER_TOKEN_BEDROCK")

    assert (code, document["outcome"]) == (0, "allowed")
    assert any("bedrock:GetInferenceProfile is needed" in line for line in document["unanswered"])
    assert "GetInferenceProfile" in document["unknown"][0]


# ------------------------------------------------------------------------------- lint


def lint(tmp_path: Path, document: dict[str, Any]) -> tuple[int, dict[str, Any]]:
    file = tmp_path / "policy.json"
    file.write_text(json.dumps(document))
    result = CliRunner().invoke(policy, ["lint", str(file), "--from-aws", "--json"])
    found: dict[str, Any] = json.loads(result.stdout)
    return result.exit_code, found


def test_lint_shows_the_findings_of_access_analyzer_beside_ours(
    aws: LocalBedrock, tmp_path: Path
) -> None:
    code, document = lint(tmp_path, statement("Allow", "*"))

    assert code == 4
    (finding,) = document["aws_findings"]
    assert (finding["id"], finding["severity"]) == ("ALLOW_WITH_STAR_ON_STAR", "WARNING")
    assert finding["policy"].endswith("policy.json")
    assert document["unanswered"] == []


def test_lint_goes_on_where_access_analyzer_may_not_be_asked(
    aws: LocalBedrock, tmp_path: Path
) -> None:
    forbid(aws, "access-analyzer:ValidatePolicy")

    code, document = lint(tmp_path, deny_token_type("SHORT_TERM"))

    assert "access-analyzer:ValidatePolicy is needed" in document["unanswered"][0]
    assert document["aws_findings"] == []
    assert document["findings"]
    assert code == document["exit_code"]


def test_a_statement_that_aws_names_and_that_may_not_be_read_is_said_to_be_unread(
    aws: LocalBedrock,
) -> None:
    key = aws.mint_key()
    aws.attach_policy("dev", deny_token_type("SHORT_TERM"))
    forbid(aws, "iam:GetRequestAuthorizationPolicy")

    _, document = explain(message=denial_of(aws, key))

    assert (document["certainty"], document["decided_by"]) == ("confirmed", None)
    assert "the statement that AWS names could not be read" in document["explanation"]
    assert "AWS does not say" not in document["explanation"]


def test_an_allowed_call_is_said_to_go_through_no_vpc_endpoint_with_a_policy(
    aws: LocalBedrock, monkeypatch: pytest.MonkeyPatch
) -> None:
    minted(aws, monkeypatch, statement("Allow", "bedrock:*"))

    _, document = explain("--key", "env:AWS_BEARER_TOKEN_BEDROCK")

    assert document["outcome"] == "allowed"
    assert any("VPC endpoint" in text for text in document["assumptions"])


def test_the_simulator_is_not_told_the_arn_of_a_role_whose_path_is_unknown(
    aws: LocalBedrock, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[str] = []

    def simulate(principal_arn: str, action: str, context: dict[str, Any]) -> Any:
        told.extend(context)
        raise ConfigurationError("not asked")

    monkeypatch.setattr("bedrock_bearer.aws.simulator.simulate_key_types", simulate)
    key = aws.mint_key()
    aws.attach_policy("dev", deny_token_type("SHORT_TERM"))
    forbid(aws, "iam:GetRequestAuthorization*", "iam:GetRole")

    explain(message=denial_of(aws, key))

    assert "aws:PrincipalAccount" in told
    assert "aws:PrincipalArn" not in told
