"""The models that the local Bedrock offers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from bedrock_bearer.access.preflight import MODEL_ARN
from bedrock_bearer.local.minting import random_name
from bedrock_bearer.local.service_errors import invalid

PROFILE_REGIONS = {
    "us": ("us-east-1", "us-east-2", "us-west-2"),
    "us-gov": ("us-gov-east-1", "us-gov-west-1"),
    "eu": ("eu-central-1", "eu-north-1", "eu-west-1", "eu-west-3"),
    "apac": ("ap-northeast-1", "ap-south-1", "ap-southeast-1", "ap-southeast-2"),
    "jp": ("ap-northeast-1", "ap-northeast-3"),
    "au": ("ap-southeast-2", "ap-southeast-4"),
    "ca": ("ca-central-1",),
    "sa": ("sa-east-1",),
    "global": ("",),
}
"""The Regions that the inference profiles of an area route to, besides the Region that is called.

A global profile has a foundation model without a Region instead.
"""


@dataclass(frozen=True, slots=True)
class LocalModel:
    """A foundation model.

    Attributes:
        on_demand: whether its own id can be called; if not, it needs an inference profile.
        context_tokens: the most input tokens.
        output_tokens: the most output tokens.
        reads_images: whether it takes images.
    """

    id: str
    name: str
    provider: str
    on_demand: bool = True
    context_tokens: int = 1_000_000
    output_tokens: int = 128_000
    reads_images: bool = False

    @property
    def is_anthropic(self) -> bool:
        """Whether it is served as Anthropic's Messages."""
        return self.provider == "Anthropic"

    @property
    def has_chat_completions(self) -> bool:
        """Whether it is served as OpenAI's Chat Completions."""
        return self.provider not in ("Anthropic", "Amazon")

    def arn(self, partition: str, region: str) -> str:
        """The ARN of the model in a Region."""
        return f"arn:{partition}:bedrock:{region}::foundation-model/{self.id}"

    def arns_behind(self, area: str, partition: str, region: str) -> tuple[str, ...]:
        """Return the ARNs of the model that an inference profile of an area routes to."""
        regions = dict.fromkeys((region, *PROFILE_REGIONS[area]))
        return tuple(self.arn(partition, one) for one in regions)

    def summary(self, partition: str, region: str) -> dict[str, Any]:
        """The model as `ListFoundationModels` shows it."""
        return {
            "modelArn": self.arn(partition, region),
            "modelId": self.id,
            "modelName": self.name,
            "providerName": self.provider,
            "inputModalities": ["TEXT", "IMAGE"] if self.reads_images else ["TEXT"],
            "outputModalities": ["TEXT"],
            "responseStreamingSupported": True,
            "customizationsSupported": [],
            "inferenceTypesSupported": ["ON_DEMAND" if self.on_demand else "INFERENCE_PROFILE"],
            "modelLifecycle": {"status": "ACTIVE"},
        }


def _claude(
    id_: str, name: str, output_tokens: int = 64_000, *, on_demand: bool = False
) -> LocalModel:
    return LocalModel(
        f"anthropic.claude-{id_}",
        f"Claude {name}",
        "Anthropic",
        on_demand,
        200_000,
        output_tokens,
        reads_images=True,
    )


def _text(id_: str, name: str, provider: str, *, on_demand: bool = True) -> LocalModel:
    return LocalModel(id_, name, provider, on_demand, 128_000, 16_384)


MODELS = (
    LocalModel("amazon.nova-micro-v1:0", "Nova Micro", "Amazon", True, 128_000, 10_000),
    LocalModel("amazon.nova-lite-v1:0", "Nova Lite", "Amazon", True, 300_000, 10_000, True),
    LocalModel("amazon.nova-pro-v1:0", "Nova Pro", "Amazon", True, 300_000, 10_000, True),
    LocalModel("amazon.nova-premier-v1:0", "Nova Premier", "Amazon", False, reads_images=True),
    LocalModel("amazon.nova-2-lite-v1:0", "Nova 2 Lite", "Amazon", False, 1_000_000, 64_000, True),
    _claude("3-haiku-20240307-v1:0", "3 Haiku", 4_096, on_demand=True),
    _claude("3-sonnet-20240229-v1:0", "3 Sonnet", 4_096, on_demand=True),
    _claude("3-5-sonnet-20240620-v1:0", "3.5 Sonnet", 8_192, on_demand=True),
    _claude("3-5-sonnet-20241022-v2:0", "3.5 Sonnet v2", 8_192, on_demand=True),
    _claude("3-5-haiku-20241022-v1:0", "3.5 Haiku", 8_192, on_demand=True),
    _claude("3-7-sonnet-20250219-v1:0", "3.7 Sonnet", 128_000),
    _claude("sonnet-4-20250514-v1:0", "Sonnet 4"),
    _claude("opus-4-20250514-v1:0", "Opus 4", 32_000),
    _claude("opus-4-1-20250805-v1:0", "Opus 4.1", 32_000),
    _claude("sonnet-4-5-20250929-v1:0", "Sonnet 4.5"),
    _claude("haiku-4-5-20251001-v1:0", "Haiku 4.5"),
    _claude("opus-4-5-20251101-v1:0", "Opus 4.5"),
    _claude("sonnet-4-6", "Sonnet 4.6", 128_000),
    _claude("opus-4-6-v1", "Opus 4.6", 128_000),
    _claude("sonnet-5", "Sonnet 5", 128_000),
    LocalModel("deepseek.r1-v1:0", "DeepSeek-R1", "DeepSeek", False, 128_000, 32_768),
    _text("ai21.jamba-1-5-mini-v1:0", "Jamba 1.5 Mini", "AI21 Labs"),
    _text("cohere.command-r-v1:0", "Command R", "Cohere"),
    _text("meta.llama3-8b-instruct-v1:0", "Llama 3 8B", "Meta"),
    _text("meta.llama3-1-8b-instruct-v1:0", "Llama 3.1 8B", "Meta"),
    _text("meta.llama3-2-1b-instruct-v1:0", "Llama 3.2 1B", "Meta"),
    _text("meta.llama4-maverick-17b-instruct-v1:0", "Llama 4 Maverick", "Meta", on_demand=False),
    _text("mistral.mistral-7b-instruct-v0:2", "Mistral 7B", "Mistral AI"),
    _text("mistral.voxtral-mini-3b-2507", "Voxtral Mini 3B", "Mistral AI"),
    _text("openai.gpt-oss-20b-1:0", "gpt-oss-20b", "OpenAI"),
    _text("openai.gpt-oss-120b-1:0", "gpt-oss-120b", "OpenAI"),
)
"""Foundation models. Their token limits are approximate."""


@dataclass(frozen=True, slots=True)
class CalledModel:
    """The model that a request's `modelId` names, and the ARNs that need a permission."""

    requested_id: str
    model: LocalModel | None
    resources: tuple[str, ...]

    def require(self) -> LocalModel:
        """Return the model, or refuse the id as Bedrock does."""
        if self.model is None:
            raise invalid("The provided model identifier is invalid.")
        is_profile = len(self.resources) > 1
        if not self.model.on_demand and not is_profile:
            raise invalid(
                f"Invocation of model ID {self.requested_id} with on-demand throughput isn\u2019t"
                " supported. Retry your request with the ID or ARN of an inference profile that"
                " contains this model."
            )
        return self.model


@dataclass(frozen=True, slots=True)
class ApplicationProfile:
    """An application inference profile: a name of one's own for a model."""

    name: str
    arn: str
    model: LocalModel


class ModelCatalogue:
    """Finds models by id, by ARN and by inference profile."""

    def __init__(self, models: tuple[LocalModel, ...] = MODELS) -> None:
        self._models = {model.id: model for model in models}
        self.profiles: dict[str, ApplicationProfile] = {}

    def __iter__(self) -> Iterator[LocalModel]:
        return iter(self._models.values())

    def find(self, requested: str, *, partition: str, region: str, account: str) -> CalledModel:
        """Return what `requested` names; its model is None if there is no such model."""
        if requested in self.profiles:
            profile = self.profiles[requested]
            return CalledModel(
                requested, profile.model, (profile.arn, profile.model.arn(partition, region))
            )
        arn = MODEL_ARN.fullmatch(requested)
        name = arn["id"] if arn else requested
        area, _, model_id = name.partition(".")
        if area in PROFILE_REGIONS and not (arn and arn["kind"] == "foundation-model"):
            model = self._models.get(model_id)
            profile_arn = f"arn:{partition}:bedrock:{region}:{account}:inference-profile/{name}"
            behind = model.arns_behind(area, partition, region) if model else ()
            return CalledModel(requested, model, (profile_arn, *behind))
        of_model = f"arn:{partition}:bedrock:{region}::foundation-model/{name}"
        return CalledModel(requested, self._models.get(name), (of_model,))

    def add_profile(
        self, name: str, model_id: str, *, partition: str, region: str, account: str
    ) -> str:
        """Add an application inference profile and return its ARN.

        Raises:
            LookupError: there is no such model.
        """
        model = self.find(model_id, partition=partition, region=region, account=account).model
        if model is None:
            raise LookupError(f"there is no model {model_id!r} here")
        kind = "application-inference-profile"
        arn = f"arn:{partition}:bedrock:{region}:{account}:{kind}/{random_name(12)}"
        self.profiles[arn] = ApplicationProfile(name, arn, model)
        return arn
