"""What a guardrail did: its trace in a reply, and its assessments.

Every field may be absent, depending on the policies of the guardrail.

https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_GuardrailTraceAssessment.html
"""

from typing import Annotated, Literal

from bedrock_bearer.converse.automated_reasoning import GuardrailAutomatedReasoningPolicyAssessment
from bedrock_bearer.converse.base import Boolean, Integer, Number, OpenEnum, WireModel

__all__ = [
    "AppliedGuardrailDetails",
    "GuardrailAssessment",
    "GuardrailContentFilter",
    "GuardrailContentFilterConfidence",
    "GuardrailContentFilterStrength",
    "GuardrailContentFilterType",
    "GuardrailContentPolicyAction",
    "GuardrailContentPolicyAssessment",
    "GuardrailContextualGroundingFilter",
    "GuardrailContextualGroundingFilterType",
    "GuardrailContextualGroundingPolicyAction",
    "GuardrailContextualGroundingPolicyAssessment",
    "GuardrailCoverage",
    "GuardrailCustomWord",
    "GuardrailImageCoverage",
    "GuardrailInvocationMetrics",
    "GuardrailManagedWord",
    "GuardrailManagedWordType",
    "GuardrailOrigin",
    "GuardrailOwnership",
    "GuardrailPiiEntityFilter",
    "GuardrailPiiEntityType",
    "GuardrailRegexFilter",
    "GuardrailSensitiveInformationPolicyAction",
    "GuardrailSensitiveInformationPolicyAssessment",
    "GuardrailTextCharactersCoverage",
    "GuardrailTopic",
    "GuardrailTopicPolicyAction",
    "GuardrailTopicPolicyAssessment",
    "GuardrailTopicType",
    "GuardrailTraceAssessment",
    "GuardrailUsage",
    "GuardrailWordPolicyAction",
    "GuardrailWordPolicyAssessment",
]


GuardrailContentFilterConfidence = Annotated[
    Literal["NONE", "LOW", "MEDIUM", "HIGH"] | str, OpenEnum()
]
GuardrailContentFilterStrength = Annotated[
    Literal["NONE", "LOW", "MEDIUM", "HIGH"] | str, OpenEnum()
]
GuardrailContentFilterType = Annotated[
    Literal["INSULTS", "HATE", "SEXUAL", "VIOLENCE", "MISCONDUCT", "PROMPT_ATTACK"] | str,
    OpenEnum(),
]
GuardrailContentPolicyAction = Annotated[Literal["BLOCKED", "NONE"] | str, OpenEnum()]
GuardrailContextualGroundingFilterType = Annotated[
    Literal["GROUNDING", "RELEVANCE"] | str, OpenEnum()
]
GuardrailContextualGroundingPolicyAction = Annotated[Literal["BLOCKED", "NONE"] | str, OpenEnum()]
GuardrailManagedWordType = Annotated[Literal["PROFANITY"] | str, OpenEnum()]
GuardrailOrigin = Annotated[
    Literal["REQUEST", "ACCOUNT_ENFORCED", "ORGANIZATION_ENFORCED"] | str, OpenEnum()
]
GuardrailOwnership = Annotated[Literal["SELF", "CROSS_ACCOUNT"] | str, OpenEnum()]
GuardrailPiiEntityType = Annotated[
    Literal[
        "ADDRESS",
        "AGE",
        "AWS_ACCESS_KEY",
        "AWS_SECRET_KEY",
        "CA_HEALTH_NUMBER",
        "CA_SOCIAL_INSURANCE_NUMBER",
        "CREDIT_DEBIT_CARD_CVV",
        "CREDIT_DEBIT_CARD_EXPIRY",
        "CREDIT_DEBIT_CARD_NUMBER",
        "DRIVER_ID",
        "EMAIL",
        "INTERNATIONAL_BANK_ACCOUNT_NUMBER",
        "IP_ADDRESS",
        "LICENSE_PLATE",
        "MAC_ADDRESS",
        "NAME",
        "PASSWORD",
        "PHONE",
        "PIN",
        "SWIFT_CODE",
        "UK_NATIONAL_HEALTH_SERVICE_NUMBER",
        "UK_NATIONAL_INSURANCE_NUMBER",
        "UK_UNIQUE_TAXPAYER_REFERENCE_NUMBER",
        "URL",
        "USERNAME",
        "US_BANK_ACCOUNT_NUMBER",
        "US_BANK_ROUTING_NUMBER",
        "US_INDIVIDUAL_TAX_IDENTIFICATION_NUMBER",
        "US_PASSPORT_NUMBER",
        "US_SOCIAL_SECURITY_NUMBER",
        "VEHICLE_IDENTIFICATION_NUMBER",
    ]
    | str,
    OpenEnum(),
]
GuardrailSensitiveInformationPolicyAction = Annotated[
    Literal["ANONYMIZED", "BLOCKED", "NONE"] | str, OpenEnum()
]
GuardrailTopicPolicyAction = Annotated[Literal["BLOCKED", "NONE"] | str, OpenEnum()]
GuardrailTopicType = Annotated[Literal["DENY"] | str, OpenEnum()]
GuardrailWordPolicyAction = Annotated[Literal["BLOCKED", "NONE"] | str, OpenEnum()]


class GuardrailTopic(WireModel):
    """A denied topic."""

    name: str | None = None
    type: GuardrailTopicType | None = None
    action: GuardrailTopicPolicyAction | None = None
    detected: Boolean | None = None


class GuardrailTopicPolicyAssessment(WireModel):
    """What the topic filter found."""

    topics: list[GuardrailTopic] | None = None


class GuardrailContentFilter(WireModel):
    """A category of harmful content, and how sure the filter is."""

    type: GuardrailContentFilterType | None = None
    confidence: GuardrailContentFilterConfidence | None = None
    filter_strength: GuardrailContentFilterStrength | None = None
    action: GuardrailContentPolicyAction | None = None
    detected: Boolean | None = None


class GuardrailContentPolicyAssessment(WireModel):
    """What the content filters found."""

    filters: list[GuardrailContentFilter] | None = None


class GuardrailCustomWord(WireModel):
    """A word of the guardrail's own list."""

    match: str | None = None
    action: GuardrailWordPolicyAction | None = None
    detected: Boolean | None = None


class GuardrailManagedWord(WireModel):
    """A word of a list that AWS keeps."""

    match: str | None = None
    type: GuardrailManagedWordType | None = None
    action: GuardrailWordPolicyAction | None = None
    detected: Boolean | None = None


class GuardrailWordPolicyAssessment(WireModel):
    """What the word filters found."""

    custom_words: list[GuardrailCustomWord] | None = None
    managed_word_lists: list[GuardrailManagedWord] | None = None


class GuardrailPiiEntityFilter(WireModel):
    """A piece of personal data."""

    match: str | None = None
    type: GuardrailPiiEntityType | None = None
    action: GuardrailSensitiveInformationPolicyAction | None = None
    detected: Boolean | None = None


class GuardrailRegexFilter(WireModel):
    """A match of a regular expression."""

    name: str | None = None
    match: str | None = None
    regex: str | None = None
    action: GuardrailSensitiveInformationPolicyAction | None = None
    detected: Boolean | None = None


class GuardrailSensitiveInformationPolicyAssessment(WireModel):
    """What the filters for sensitive information found."""

    pii_entities: list[GuardrailPiiEntityFilter] | None = None
    regexes: list[GuardrailRegexFilter] | None = None


class GuardrailContextualGroundingFilter(WireModel):
    """Grounding or relevance: blocked if `score` is below `threshold`."""

    type: GuardrailContextualGroundingFilterType | None = None
    threshold: Number | None = None
    score: Number | None = None
    action: GuardrailContextualGroundingPolicyAction | None = None
    detected: Boolean | None = None


class GuardrailContextualGroundingPolicyAssessment(WireModel):
    """What the contextual grounding check found."""

    filters: list[GuardrailContextualGroundingFilter] | None = None


class GuardrailUsage(WireModel):
    """The text units that each policy charged for."""

    topic_policy_units: Integer | None = None
    content_policy_units: Integer | None = None
    word_policy_units: Integer | None = None
    sensitive_information_policy_units: Integer | None = None
    sensitive_information_policy_free_units: Integer | None = None
    contextual_grounding_policy_units: Integer | None = None
    content_policy_image_units: Integer | None = None
    automated_reasoning_policy_units: Integer | None = None
    automated_reasoning_policies: Integer | None = None


class GuardrailTextCharactersCoverage(WireModel):
    """How many characters were checked."""

    guarded: Integer | None = None
    total: Integer | None = None


class GuardrailImageCoverage(WireModel):
    """How many images were checked."""

    guarded: Integer | None = None
    total: Integer | None = None


class GuardrailCoverage(WireModel):
    """How much of the content was checked."""

    text_characters: GuardrailTextCharactersCoverage | None = None
    images: GuardrailImageCoverage | None = None


class GuardrailInvocationMetrics(WireModel):
    """What the check took; `guardrail_processing_latency` is in milliseconds."""

    guardrail_processing_latency: Integer | None = None
    usage: GuardrailUsage | None = None
    guardrail_coverage: GuardrailCoverage | None = None


class AppliedGuardrailDetails(WireModel):
    """Which guardrail was applied, and who imposed it."""

    guardrail_id: str | None = None
    guardrail_version: str | None = None
    guardrail_arn: str | None = None
    guardrail_origin: list[GuardrailOrigin] | None = None
    guardrail_ownership: GuardrailOwnership | None = None


class GuardrailAssessment(WireModel):
    """What one guardrail found."""

    topic_policy: GuardrailTopicPolicyAssessment | None = None
    content_policy: GuardrailContentPolicyAssessment | None = None
    word_policy: GuardrailWordPolicyAssessment | None = None
    sensitive_information_policy: GuardrailSensitiveInformationPolicyAssessment | None = None
    contextual_grounding_policy: GuardrailContextualGroundingPolicyAssessment | None = None
    automated_reasoning_policy: GuardrailAutomatedReasoningPolicyAssessment | None = None
    invocation_metrics: GuardrailInvocationMetrics | None = None
    applied_guardrail_details: AppliedGuardrailDetails | None = None


class GuardrailTraceAssessment(WireModel):
    """What the guardrail did with the input and the output, by guardrail id."""

    model_output: list[str] | None = None
    input_assessment: dict[str, GuardrailAssessment] | None = None
    output_assessments: dict[str, list[GuardrailAssessment]] | None = None
    action_reason: str | None = None
