"""The local Bedrock checks keys as AWS does."""

from __future__ import annotations

from datetime import timedelta

import httpx
import pytest
from support.local import Caller, Clock

from bedrock_bearer import ShortTermKeyDeniedError
from bedrock_bearer.access import deny_use
from bedrock_bearer.keys import TokenType
from bedrock_bearer.local import LocalBedrock, local_client
from bedrock_bearer.local.transport import local_http_client

AUTHENTICATION_LAYER = (
    "AccessDeniedException:http://internal.amazon.com/coral/com.amazon.coral.service/"
)


def assert_key_refused(response: httpx.Response, sentence: str) -> None:
    assert response.status_code == 403
    assert response.headers["x-amzn-ErrorType"] == AUTHENTICATION_LAYER
    assert response.json() == {"Message": sentence}


@pytest.mark.parametrize("token_type", list(TokenType))
def test_a_minted_key_is_accepted(token_type: TokenType) -> None:
    bedrock = LocalBedrock()

    response = Caller(bedrock, bedrock.mint_key(token_type)).converse()

    assert response.status_code == 200


def test_a_missing_header_is_refused_as_recorded() -> None:
    response = Caller(LocalBedrock(), None).converse()

    assert_key_refused(response, "Authorization header is missing")


def test_a_key_of_another_service_is_refused_by_its_prefix() -> None:
    response = Caller(LocalBedrock(), "sk-another").converse()

    assert_key_refused(response, "Invalid API Key format: Must start with pre-defined prefix")


def test_a_key_minted_elsewhere_is_refused() -> None:
    key = LocalBedrock().mint_key()

    response = Caller(LocalBedrock(), key).converse()

    assert_key_refused(response, "Authentication failed: Please make sure your API Key is valid.")


def test_a_key_is_refused_once_it_has_expired() -> None:
    clock = Clock()
    bedrock = LocalBedrock(clock=clock)
    caller = Caller(bedrock, bedrock.mint_key(expires_in=timedelta(hours=1)))
    assert caller.converse().status_code == 200

    clock.move(hours=1)

    assert_key_refused(caller.converse(), "Bearer Token has expired")


def test_a_key_can_be_minted_expired() -> None:
    bedrock = LocalBedrock()

    response = Caller(bedrock, bedrock.mint_key(expires_in=timedelta(seconds=-1))).converse()

    assert_key_refused(response, "Bearer Token has expired")


def test_a_long_term_key_never_expires_unless_told_to() -> None:
    clock = Clock()
    bedrock = LocalBedrock(clock=clock)
    caller = Caller(bedrock, bedrock.mint_key("LONG_TERM"))

    clock.move(days=10_000)

    assert caller.converse().status_code == 200


def test_a_short_term_key_is_refused_in_another_region() -> None:
    bedrock = LocalBedrock()
    key = bedrock.mint_key(region="us-west-2")
    west = "https://bedrock-runtime.us-west-2.amazonaws.com"

    assert Caller(bedrock, key, host=west).converse().status_code == 200
    assert_key_refused(
        Caller(bedrock, key).converse(),
        "Authentication failed: Please make sure your API Key is valid.",
    )


def test_a_long_term_key_is_accepted_in_every_region() -> None:
    bedrock = LocalBedrock()
    key = bedrock.mint_key("LONG_TERM")

    response = Caller(
        bedrock, key, host="https://bedrock-runtime.eu-central-1.amazonaws.com"
    ).converse()

    assert response.status_code == 200


def test_an_inactive_key_is_refused_until_it_is_active_again() -> None:
    bedrock = LocalBedrock()
    key = bedrock.mint_key("LONG_TERM")
    caller = Caller(bedrock, key)

    bedrock.set_key_status(key, "Inactive")
    refused = caller.converse()
    bedrock.set_key_status(key, "Active")

    assert refused.status_code == 403
    assert caller.converse().status_code == 200


def test_a_reset_gives_a_new_key_and_voids_the_old_one() -> None:
    bedrock = LocalBedrock()
    old = bedrock.mint_key("LONG_TERM")

    new = bedrock.reset_key(old)

    assert Caller(bedrock, old).converse().status_code == 403
    assert Caller(bedrock, new).converse().status_code == 200


def test_a_deleted_key_is_refused() -> None:
    bedrock = LocalBedrock()
    key = bedrock.mint_key("LONG_TERM")

    bedrock.delete_key(key)

    assert Caller(bedrock, key).converse().status_code == 403


def test_a_key_that_is_not_known_is_not_shown() -> None:
    with pytest.raises(LookupError) as caught:
        LocalBedrock().delete_key("bedrock-api-key-secret")

    assert "secret" not in str(caught.value)


def test_a_sigv4_signature_is_refused_as_recorded() -> None:
    client = local_http_client(LocalBedrock())

    response = client.get(
        "https://bedrock-runtime.us-east-1.amazonaws.com/async-invoke",
        headers={"Authorization": "AWS4-HMAC-SHA256 Credential=AKIAEXAMPLE/20261123/x"},
    )

    assert response.status_code == 403
    assert response.headers["x-amzn-ErrorType"].startswith("UnrecognizedClientException:")
    assert response.json() == {"message": "The security token included in the request is invalid."}


def test_a_long_term_key_has_the_length_of_a_real_one() -> None:
    assert len(LocalBedrock().mint_key("LONG_TERM")) == 132


def test_the_second_long_term_key_of_a_user_is_numbered() -> None:
    import base64

    bedrock = LocalBedrock()
    bedrock.mint_key("LONG_TERM", user_name="app")

    second = bedrock.mint_key("LONG_TERM", user_name="app")

    decoded = base64.b64decode(second.removeprefix("ABSK")).decode()
    assert decoded.startswith("app+1-at-123456789012:")


def test_a_status_is_active_or_inactive() -> None:
    bedrock = LocalBedrock()

    with pytest.raises(ValueError, match="Active or Inactive"):
        bedrock.set_key_status(bedrock.mint_key(), "Asleep")  # type: ignore[arg-type]


def test_a_short_term_key_cannot_be_reset() -> None:
    bedrock = LocalBedrock()

    with pytest.raises(ValueError, match="only a long-term key"):
        bedrock.reset_key(bedrock.mint_key())


def test_a_key_may_live_in_another_partition() -> None:
    bedrock = LocalBedrock(region="us-gov-west-1")

    bedrock.attach_policy(None, deny_use("SHORT_TERM"))

    with (
        local_client(bedrock, region="us-gov-west-1", api_key=bedrock.mint_key()) as client,
        pytest.raises(ShortTermKeyDeniedError) as caught,
    ):
        client.probe()
    assert str(caught.value.denial and caught.value.denial.principal_arn) == (
        "arn:aws-us-gov:sts::123456789012:assumed-role/dev/dev"
    )
