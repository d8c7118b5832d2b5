"""Models and inference profiles, as the newest boto3 asks for them."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError
from support.local import NOVA, Caller, statement

from bedrock_bearer.local import LocalBedrock

PROFILE = f"us.{NOVA}"


@pytest.fixture
def control(bedrock: LocalBedrock, make_client: Any) -> Any:
    return make_client("bedrock", key=bedrock.mint_key())


def test_a_model_is_described(control: Any) -> None:
    arn = f"arn:aws:bedrock:us-east-1::foundation-model/{NOVA}"

    found = [control.get_foundation_model(modelIdentifier=name) for name in (NOVA, arn)]

    assert [model["modelDetails"]["modelId"] for model in found] == [NOVA, NOVA]


@pytest.mark.parametrize(
    ("chosen", "member", "value"),
    [
        ({"byProvider": "anthropic"}, "providerName", "Anthropic"),
        ({"byInferenceType": "ON_DEMAND"}, "inferenceTypesSupported", ["ON_DEMAND"]),
        ({"byOutputModality": "IMAGE"}, "modelId", None),
    ],
)
def test_models_are_chosen_by_what_the_query_asks_for(
    control: Any, chosen: dict[str, str], member: str, value: Any
) -> None:
    every = control.list_foundation_models()["modelSummaries"]
    models = control.list_foundation_models(**chosen)["modelSummaries"]

    assert models == [model for model in every if model[member] == value]
    assert len(models) < len(every)


def test_a_model_that_does_not_exist_is_not_found(control: Any) -> None:
    with pytest.raises(ClientError, match="ResourceNotFoundException"):
        control.get_foundation_model(modelIdentifier="acme.none-v1")


def test_an_inference_profile_is_described_by_id_and_by_arn(control: Any) -> None:
    by_id = control.get_inference_profile(inferenceProfileIdentifier=PROFILE)
    arn = by_id["inferenceProfileArn"]
    by_arn = control.get_inference_profile(inferenceProfileIdentifier=arn)

    assert by_id["type"] == "SYSTEM_DEFINED"
    assert by_id["models"] == by_arn["models"]


def test_an_application_profile_is_made_called_and_deleted(
    bedrock: LocalBedrock, control: Any
) -> None:
    source = {"copyFrom": f"arn:aws:bedrock:us-east-1::foundation-model/{NOVA}"}
    made = control.create_inference_profile(inferenceProfileName="team", modelSource=source)
    arn = made["inferenceProfileArn"]
    caller = Caller(bedrock, bedrock.mint_key())

    listed = control.list_inference_profiles(typeEquals="APPLICATION")
    before = caller.converse(model=arn).status_code
    control.delete_inference_profile(inferenceProfileIdentifier=arn)

    assert [p["inferenceProfileArn"] for p in listed["inferenceProfileSummaries"]] == [arn]
    assert (before, caller.converse(model=arn).status_code) == (200, 400)


def test_an_application_profile_can_be_denied_by_its_arn(bedrock: LocalBedrock) -> None:
    arn = bedrock.add_inference_profile("team", PROFILE)
    bedrock.attach_policy(None, statement("Deny", "bedrock:InvokeModel", Resource=arn))
    caller = Caller(bedrock, bedrock.mint_key())

    assert caller.converse(model=arn).status_code == 403
    assert caller.converse(model=NOVA).status_code == 200


def test_a_profile_of_no_model_cannot_be_made(bedrock: LocalBedrock, control: Any) -> None:
    with pytest.raises(ClientError, match="ValidationException"):
        control.create_inference_profile(
            inferenceProfileName="team", modelSource={"copyFrom": "acme.none-v1"}
        )
    with pytest.raises(LookupError, match=r"acme\.none-v1"):
        bedrock.add_inference_profile("team", "acme.none-v1")
