"""Whether policies allow everything that one Converse call with an API key needs.

A call needs the use of the key, and the model. Through an inference profile it needs the profile
and each foundation model behind it, in each Region that the profile routes to. See
https://docs.aws.amazon.com/bedrock/latest/userguide/inference-profiles-prereq.html.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bedrock_bearer.access.evaluation import Decision, Outcome, evaluate
from bedrock_bearer.access.policy_set import PolicySet
from bedrock_bearer.facts import TOKEN_TYPE_KEY, USE_KEY

INVOKE = "bedrock:InvokeModel"
INVOKE_STREAM = "bedrock:InvokeModelWithResponseStream"
PROFILE_ARN_KEY = "bedrock:InferenceProfileArn"
REQUESTED_REGION_KEY = "aws:RequestedRegion"

_AREA_REGIONS = {
    "us": ("us-east-1", "us-east-2", "us-west-1", "us-west-2"),
    "us-gov": ("us-gov-east-1", "us-gov-west-1"),
    "eu": (
        *("eu-central-1", "eu-central-2", "eu-north-1", "eu-south-1", "eu-south-2"),
        *("eu-west-1", "eu-west-2", "eu-west-3"),
    ),
    "apac": (
        *("ap-northeast-1", "ap-northeast-2", "ap-northeast-3", "ap-south-1", "ap-south-2"),
        *("ap-southeast-1", "ap-southeast-2", "ap-southeast-3", "ap-southeast-4"),
    ),
    "jp": ("ap-northeast-1", "ap-northeast-3"),
    "au": ("ap-southeast-2", "ap-southeast-4"),
    "ca": ("ca-central-1", "ca-west-1"),
    "sa": ("sa-east-1",),
    "global": (),
}
"""The Regions that a profile of an area may route to; only AWS knows those of each profile."""

_UNKNOWN_ACCOUNT = ":*:"
MODEL_ARN = re.compile(
    r"arn:(?P<partition>aws[a-z-]*):bedrock:(?P<region>[a-z0-9-]*):(?P<account>[0-9]*):"
    r"(?P<kind>foundation-model|inference-profile|application-inference-profile)/(?P<id>[^/\s]+)"
)


@dataclass(frozen=True, slots=True)
class ModelResources:
    """The ARNs that a call of a model needs.

    Attributes:
        model: what is called: an id or an ARN.
        profile: the ARN of the inference profile, or None.
        certain: the foundation models that the call needs for certain.
        possible: those that it may need besides, because the profile's Regions are not known.
        unknown: what is not known, a sentence each.
    """

    model: str
    profile: str | None
    certain: tuple[str, ...]
    possible: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Requirement:
    """One thing that a call needs, and what the policies say to it.

    Attributes:
        action: the action.
        resource: the ARN, or `*` for the use of the key.
        decision: what the policies say.
        is_certain: whether the call needs it for certain.
    """

    action: str
    resource: str
    decision: Decision
    is_certain: bool = True

    @property
    def is_missing(self) -> bool:
        """Whether an Allow is missing, rather than that a Deny matches."""
        return self.decision.effect == "implicit"

    @property
    def resource_to_allow(self) -> str:
        """The resource as an Allow names it: in any Region, where that is not known."""
        if self.is_certain:
            return self.resource
        parts = self.resource.split(":")
        return ":".join([*parts[:3], "*", *parts[4:]])

    def describe(self) -> str:
        """Return one line that says what is needed, and what the policies say."""
        may = "" if self.is_certain else " (if the profile routes there)"
        line = f"{self.decision.outcome}: {self.action} on {self.resource}{may}"
        statement = self.decision.statement
        if self.decision.effect == "explicit" and statement is not None:
            return f"{line}: {statement.describe()}"
        return line if self.decision.allowed else f"{line}: {self.decision.reason}"


@dataclass(frozen=True, slots=True)
class Preflight:
    """What one call needs, and what of it the policies allow.

    Attributes:
        requirements: everything that the call needs.
        unknown: what is not known of the call, a sentence each.
        models_are_unknown: whether it needs foundation models of which nothing is known.
    """

    requirements: tuple[Requirement, ...]
    unknown: tuple[str, ...] = ()
    models_are_unknown: bool = False

    @property
    def outcome(self) -> Outcome:
        """`denied` if something needed for certain is; `undecided` if that is not known.

        Of the foundation models that may be behind a profile, at least one is.
        """
        certain = {one.decision.outcome for one in self.requirements if one.is_certain}
        possible = {one.decision.outcome for one in self.requirements if not one.is_certain}
        if "denied" in certain or possible == {"denied"}:
            return "denied"
        if certain | possible == {"allowed"} and not self.models_are_unknown:
            return "allowed"
        return "undecided"

    @property
    def depends_on(self) -> tuple[str, ...]:
        """What an undecided outcome depends on: condition keys, or the profile's models."""
        keys = [key for one in self.requirements for key in one.decision.depends_on]
        possible = {one.decision.outcome for one in self.requirements if not one.is_certain}
        if self.models_are_unknown or len(possible) > 1:
            keys.append("the foundation models behind the inference profile")
        return tuple(dict.fromkeys(keys)) if self.outcome == "undecided" else ()

    @property
    def statements_to_add(self) -> list[dict[str, Any]]:
        """The Allow statements that are missing, as policies have them.

        Of a profile whose Regions are not known, they name the model in any Region.
        """
        missing: dict[str, dict[str, None]] = {}
        for one in self.requirements:
            if one.is_missing:
                missing.setdefault(one.action, {})[one.resource_to_allow] = None
        return [
            {"Effect": "Allow", "Action": action, "Resource": _one_or_list(list(resources))}
            for action, resources in missing.items()
        ]


def _one_or_list(texts: list[str]) -> str | list[str]:
    return texts[0] if len(texts) == 1 else texts


def resources_of(model: str, *, partition: str, region: str, account: str | None) -> ModelResources:
    """Return the ARNs that a call of a model needs, as far as its name tells.

    Args:
        model: the id or the ARN of a foundation model or an inference profile.
        partition: the partition, such as `aws`.
        region: the Region that is called.
        account: the account that calls, or None if it is not known.
    """
    arn = MODEL_ARN.fullmatch(model)
    name = arn["id"] if arn else model
    if arn:
        partition, region = arn["partition"], arn["region"] or region
        account = arn["account"] or account
    if arn and arn["kind"] == "application-inference-profile":
        unknown = "The models behind an application inference profile are known to AWS alone."
        return ModelResources(model, model, (), unknown=(unknown,))

    def foundation_model(model_id: str, in_region: str) -> str:
        return f"arn:{partition}:bedrock:{in_region}::foundation-model/{model_id}"

    area, _, model_id = name.partition(".")
    if area not in _AREA_REGIONS or (arn and arn["kind"] == "foundation-model"):
        return ModelResources(model, None, (foundation_model(name, region),))
    owner = f":{account}:" if account else _UNKNOWN_ACCOUNT
    profile = f"arn:{partition}:bedrock:{region}{owner}inference-profile/{name}"
    if area == "global":
        models = (foundation_model(model_id, region), foundation_model(model_id, ""))
        return ModelResources(model, profile, models)
    possible = [foundation_model(model_id, one) for one in _AREA_REGIONS[area]]
    unknown = f"Which Regions {name} routes to is known to AWS alone (bedrock:GetInferenceProfile)."
    return ModelResources(model, profile, (), tuple(possible), (unknown,))


def preflight(
    policies: PolicySet,
    resources: ModelResources,
    context: Mapping[str, Any],
    *,
    stream: bool = False,
) -> Preflight:
    """Decide on everything that one Converse call with an API key needs.

    Args:
        policies: the policies of the principal.
        resources: what the model's name, or AWS, says that the call needs.
        context: the condition keys that are known, `bedrock:bearerTokenType` among them.
        stream: whether the call is ConverseStream.

    Raises:
        ValueError: a policy is not valid.
    """
    action = INVOKE_STREAM if stream else INVOKE
    # The condition key of the token type is documented for the use of the key alone.
    known = {key: value for key, value in context.items() if key != TOKEN_TYPE_KEY}
    requirements = [_required(policies, USE_KEY, "*", {**context, PROFILE_ARN_KEY: None})]
    if resources.profile is not None:
        of_profile = {**known, PROFILE_ARN_KEY: None}
        requirements.append(_required(policies, action, resources.profile, of_profile))
    for model in (*resources.certain, *resources.possible):
        of_model = {
            **known,
            PROFILE_ARN_KEY: resources.profile,
            REQUESTED_REGION_KEY: requested_region(model),
        }
        is_certain = model in resources.certain
        requirements.append(_required(policies, action, model, of_model, is_certain=is_certain))
    return Preflight(
        tuple(requirements),
        resources.unknown,
        models_are_unknown=not (resources.certain or resources.possible),
    )


def requested_region(model_arn: str) -> str:
    """Return what `aws:RequestedRegion` holds where a foundation model is called.

    It is the Region that a profile routes to. A model without a Region, behind a global profile,
    has the value that AWS documents for it.
    """
    return model_arn.split(":")[3] or "unspecified"


def _required(
    policies: PolicySet,
    action: str,
    resource: str,
    context: Mapping[str, Any],
    *,
    is_certain: bool = True,
) -> Requirement:
    decision = evaluate(policies, action, context, resource, partial=True)
    if decision.outcome == "denied" and _UNKNOWN_ACCOUNT in f"{resource} {context}":
        # A policy may name the account, which is not known.
        known = {key: text for key, text in context.items() if _UNKNOWN_ACCOUNT not in str(text)}
        asked = "*" if _UNKNOWN_ACCOUNT in resource else resource
        decision = evaluate(policies, action, known, asked, partial=True)
    return Requirement(action, resource, decision, is_certain)
