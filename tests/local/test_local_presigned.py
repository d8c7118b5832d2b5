"""Short-term keys made by AWS's own generator, with access keys of the local IAM."""

from __future__ import annotations

from datetime import timedelta
from importlib import import_module

import pytest
from botocore.credentials import Credentials
from support.local import Caller, statement

from bedrock_bearer.local import LocalBedrock
from bedrock_bearer.local.presigned import read_presigned

REJECTED = {"Message": "Authentication failed: Please make sure your API Key is valid."}


def signed(
    access_key: tuple[str, str],
    *,
    token: str | None = None,
    region: str = "us-east-1",
) -> str:
    access_key_id, secret = access_key
    credentials = Credentials(access_key_id, secret, token)
    # Imported by name: the package has no type hints.
    generator = import_module("aws_bedrock_token_generator").BedrockTokenGenerator()
    return str(generator.get_token(credentials, region))


@pytest.fixture
def bedrock() -> LocalBedrock:
    made = LocalBedrock()
    made.mint_key("LONG_TERM", user_name="app")
    return made


@pytest.mark.parametrize("token", [None, "a-session-token/+="])
def test_a_key_of_the_real_generator_is_verified_and_accepted(
    bedrock: LocalBedrock, token: str | None
) -> None:
    key = signed(bedrock.create_access_key("app"), token=token)

    assert Caller(bedrock, key).converse().status_code == 200


def test_its_principal_is_the_owner_of_the_access_key(bedrock: LocalBedrock) -> None:
    key = signed(bedrock.create_access_key("app"))
    bedrock.attach_policy("app", statement("Deny", "bedrock:CallWithBearerToken"))

    response = Caller(bedrock, key).converse()

    assert response.json()["Message"].startswith("User: arn:aws:iam::123456789012:user/app is not")


def test_a_key_signed_with_another_secret_is_rejected(bedrock: LocalBedrock) -> None:
    access_key_id, _ = bedrock.create_access_key("app")

    response = Caller(bedrock, signed((access_key_id, "another"))).converse()

    assert response.json() == REJECTED


def test_a_key_of_another_region_is_rejected(bedrock: LocalBedrock) -> None:
    key = signed(bedrock.create_access_key("app"), region="eu-west-1")

    assert Caller(bedrock, key).converse().json() == REJECTED


def test_it_expires(bedrock: LocalBedrock) -> None:
    key = signed(bedrock.create_access_key("app"))
    now = bedrock.clock()
    bedrock.clock = lambda: now + timedelta(hours=13)

    response = Caller(bedrock, key).converse()

    assert response.json() == {"Message": "Bearer Token has expired"}


@pytest.mark.parametrize("text", ["bedrock-api-key-", "bedrock-api-key-AAAA", "bedrock-api-key-!"])
def test_what_is_no_presigned_url_is_none(text: str) -> None:
    assert read_presigned(text) is None
