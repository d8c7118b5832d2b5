"""The models behind an inference profile, read with real boto3 from the local Bedrock."""

from __future__ import annotations

import pytest
from support.local import statement

from bedrock_bearer.access.preflight import ModelResources, resources_of
from bedrock_bearer.aws.inference_profiles import with_models_of_profile
from bedrock_bearer.errors import ConfigurationError
from bedrock_bearer.local import LocalBedrock

HAIKU = "anthropic.claude-3-5-haiku-20241022-v1:0"


@pytest.fixture(autouse=True)
def _known_access_key(aws: LocalBedrock, monkeypatch: pytest.MonkeyPatch) -> None:
    access_key_id, secret = aws.create_access_key("administrator")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", access_key_id)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", secret)


def resources(model: str) -> ModelResources:
    named = resources_of(model, partition="aws", region="us-east-1", account="123456789012")
    return with_models_of_profile(named, region="us-east-1")


def test_aws_lists_the_models_behind_a_profile(
    aws: LocalBedrock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_BEARER_TOKEN_BEDROCK", aws.mint_key(policies=[]))

    found = resources(f"us.{HAIKU}")

    assert found.certain == tuple(
        f"arn:aws:bedrock:{region}::foundation-model/{HAIKU}"
        for region in ("us-east-1", "us-east-2", "us-west-2")
    )
    assert (found.possible, found.unknown) == ((), ())


def test_an_application_profile_tells_its_models(aws: LocalBedrock) -> None:
    arn = aws.add_inference_profile("mine", HAIKU)

    assert resources(arn).certain == (f"arn:aws:bedrock:us-east-1::foundation-model/{HAIKU}",)


def test_a_foundation_model_is_not_asked_about(aws: LocalBedrock) -> None:
    aws.attach_policy("administrator", statement("Deny", "bedrock:*"))

    assert resources(HAIKU).profile is None


def test_a_profile_that_may_not_be_read_says_which_permission_is_needed(aws: LocalBedrock) -> None:
    aws.attach_policy("administrator", statement("Deny", "bedrock:GetInferenceProfile"))

    with pytest.raises(ConfigurationError, match="permission bedrock:GetInferenceProfile"):
        resources(f"us.{HAIKU}")


def test_a_profile_that_does_not_exist_is_said(aws: LocalBedrock) -> None:
    with pytest.raises(ConfigurationError, match="ResourceNotFoundException"):
        resources("us.amazon.unknown-v1:0")
