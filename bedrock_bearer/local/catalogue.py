"""The operations on models and inference profiles that an API key may call.

https://docs.aws.amazon.com/bedrock/latest/APIReference/API_Operations_Amazon_Bedrock.html
"""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs

from bedrock_bearer.local.constraints import expect_kind
from bedrock_bearer.local.http import LocalResponse, json_response
from bedrock_bearer.local.models import PROFILE_REGIONS, LocalModel, ModelCatalogue
from bedrock_bearer.local.operations import Call
from bedrock_bearer.local.service_errors import ServiceError, invalid
from bedrock_bearer.local.validation import read_json

CREATED_AT = "2025-01-01T00:00:00Z"
_FILTERS = {
    "byCustomizationType": "customizationsSupported",
    "byInferenceType": "inferenceTypesSupported",
    "byOutputModality": "outputModalities",
    "byProvider": "providerName",
}
"""The parameters of ListFoundationModels, and the member of a model that each looks at."""


class Catalogue:
    """Lists and describes models and inference profiles; makes application profiles."""

    def __init__(self, models: ModelCatalogue) -> None:
        self._models = models

    def list_foundation_models(self, call: Call) -> LocalResponse:
        """Answer ListFoundationModels, filtered as the query says."""
        summaries = [model.summary(call.partition, call.region) for model in self._models]
        for name, values in parse_qs(call.request.query).items():
            member, wanted = _FILTERS.get(name), values[0].lower()
            if member is not None:
                summaries = [s for s in summaries if wanted in _lowered(s[member])]
        return json_response(200, {"modelSummaries": summaries})

    def get_foundation_model(self, call: Call) -> LocalResponse:
        """Answer GetFoundationModel."""
        model_id = call.target.rpartition("/")[2]
        for model in self._models:
            if model.id == model_id:
                details = model.summary(call.partition, call.region)
                return json_response(200, {"modelDetails": details})
        raise ServiceError("ResourceNotFoundException", "Could not find the foundation model.")

    def list_inference_profiles(self, call: Call) -> LocalResponse:
        """Answer ListInferenceProfiles, of one type if the query says so."""
        wanted = parse_qs(call.request.query).get("type", [""])[0]
        profiles = [p for p in self._profiles(call) if wanted in ("", p["type"])]
        return json_response(200, {"inferenceProfileSummaries": profiles})

    def get_inference_profile(self, call: Call) -> LocalResponse:
        """Answer GetInferenceProfile; the profile is named by its id or its ARN."""
        return json_response(200, self._profile(call))

    def create_inference_profile(self, call: Call) -> LocalResponse:
        """Answer CreateInferenceProfile."""
        request = read_json(call.request.body)
        name, source = request.get("inferenceProfileName"), request.get("modelSource", {})
        expect_kind(name, str, ("inferenceProfileName",))
        expect_kind(source, dict, ("modelSource",))
        place = {"partition": call.partition, "region": call.region, "account": call.account_id}
        try:
            arn = self._models.add_profile(str(name), str(source.get("copyFrom")), **place)
        except LookupError:
            raise invalid("The provided model identifier is invalid.") from None
        return json_response(201, {"inferenceProfileArn": arn, "status": "ACTIVE"})

    def delete_inference_profile(self, call: Call) -> LocalResponse:
        """Answer DeleteInferenceProfile."""
        profile = self._profile(call)
        if self._models.profiles.pop(profile["inferenceProfileArn"], None) is None:
            raise invalid("Only an application inference profile can be deleted.")
        return json_response(200, {})

    def _profile(self, call: Call) -> dict[str, Any]:
        for profile in self._profiles(call):
            if call.target in (profile["inferenceProfileArn"], profile["inferenceProfileId"]):
                return profile
        raise ServiceError("ResourceNotFoundException", "The inference profile does not exist.")

    def _profiles(self, call: Call) -> list[dict[str, Any]]:
        area = area_of(call.region)
        described = [
            _description(
                call,
                model,
                call.arn("inference-profile", f"{area}.{model.id}"),
                f"{area.upper()} {model.name}",
                "SYSTEM_DEFINED",
            )
            | {
                "description": f"Routes requests to {model.name} in {area.upper()} Regions.",
                "models": [
                    {"modelArn": one}
                    for one in model.arns_behind(area, call.partition, call.region)
                ],
            }
            for model in self._models
        ]
        return described + [
            _description(call, profile.model, profile.arn, profile.name, "APPLICATION")
            for profile in self._models.profiles.values()
        ]


def _lowered(value: str | list[str]) -> list[str]:
    return [one.lower() for one in ([value] if isinstance(value, str) else value)]


def _description(call: Call, model: LocalModel, arn: str, name: str, kind: str) -> dict[str, Any]:
    return {
        "createdAt": CREATED_AT,
        "inferenceProfileArn": arn,
        "inferenceProfileId": arn.rpartition("/")[2],
        "inferenceProfileName": name,
        "models": [{"modelArn": model.arn(call.partition, call.region)}],
        "status": "ACTIVE",
        "type": kind,
        "updatedAt": CREATED_AT,
    }


def area_of(region: str) -> str:
    """Return the area of a Region's inference profiles, such as `us` or `apac`."""
    area = "us-gov" if region.startswith("us-gov-") else region.partition("-")[0]
    return area if area in PROFILE_REGIONS else "apac"
