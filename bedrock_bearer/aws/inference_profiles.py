"""Asks AWS which foundation models are behind an inference profile. Needs the extra `[aws]`."""

from __future__ import annotations

from typing import Any

from bedrock_bearer.access.preflight import ModelResources
from bedrock_bearer.aws.session import aws_client, aws_errors, needing

GET_PROFILE = "bedrock:GetInferenceProfile"


def with_models_of_profile(
    resources: ModelResources, *, region: str, session: Any = None
) -> ModelResources:
    """Return the ARNs that a call needs, with the models that AWS lists behind its profile.

    Args:
        resources: as `resources_of` returns them; without a profile, nothing is asked.
        region: the Region that is called.
        session: the `boto3.Session` whose credentials are used. Default: a new one.

    Raises:
        ConfigurationError: boto3 or AWS credentials are missing, the profile may not be read, or
            there is none of this name in the Region.
        TransportError: AWS cannot be reached.
    """
    if resources.profile is None:
        return resources
    what = f"The inference profile {resources.model} was not read"
    # With a key in the environment, boto3 would use the key in place of the AWS credentials.
    settings = {"signature_version": "v4"}
    client = aws_client("bedrock", what, session=session, region=region, settings=settings)
    with aws_errors(what, needing(GET_PROFILE)):
        answer = client.get_inference_profile(inferenceProfileIdentifier=resources.model)
    return ModelResources(
        resources.model,
        str(answer["inferenceProfileArn"]),
        tuple(str(one["modelArn"]) for one in answer["models"]),
    )
