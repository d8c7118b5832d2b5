"""What a guardrail did: the trace of a reply whose request asked for one.

Every field may be absent: what is there depends on the guardrail's policies.

https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_GuardrailTraceAssessment.html
"""

from typing import Annotated, Literal

from bedrock_bearer.converse.base import (
    Boolean,
    Integer,
    Lazy,
    Number,
    OpenEnum,
    OpenUnion,
    UnknownMember,
    WireModel,
)

GuardrailAutomatedReasoningLogicWarningType = Annotated[
    Literal["ALWAYS_FALSE", "ALWAYS_TRUE"] | str, OpenEnum()
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

    topics: list[Lazy[GuardrailTopic]] | None = None


class GuardrailContentFilter(WireModel):
    """A category of harmful content, and how sure the filter is."""

    type: GuardrailContentFilterType | None = None
    confidence: GuardrailContentFilterConfidence | None = None
    filter_strength: GuardrailContentFilterStrength | None = None
    action: GuardrailContentPolicyAction | None = None
    detected: Boolean | None = None


class GuardrailContentPolicyAssessment(WireModel):
    """What the content filters found."""

    filters: list[Lazy[GuardrailContentFilter]] | None = None


class GuardrailCustomWord(WireModel):
    """A word of the guardrail's own list."""

    match: str | None = None
    action: GuardrailWordPolicyAction | None = None
    detected: Boolean | None = None


class GuardrailManagedWord(WireModel):
    """A word of a list AWS keeps."""

    match: str | None = None
    type: GuardrailManagedWordType | None = None
    action: GuardrailWordPolicyAction | None = None
    detected: Boolean | None = None


class GuardrailWordPolicyAssessment(WireModel):
    """What the word filters found."""

    custom_words: list[Lazy[GuardrailCustomWord]] | None = None
    managed_word_lists: list[Lazy[GuardrailManagedWord]] | None = None


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

    pii_entities: list[Lazy[GuardrailPiiEntityFilter]] | None = None
    regexes: list[Lazy[GuardrailRegexFilter]] | None = None


class GuardrailContextualGroundingFilter(WireModel):
    """Grounding or relevance: blocked where `score` lies below `threshold`."""

    type: GuardrailContextualGroundingFilterType | None = None
    threshold: Number | None = None
    score: Number | None = None
    action: GuardrailContextualGroundingPolicyAction | None = None
    detected: Boolean | None = None


class GuardrailContextualGroundingPolicyAssessment(WireModel):
    """What the contextual grounding check found."""

    filters: list[Lazy[GuardrailContextualGroundingFilter]] | None = None


class GuardrailAutomatedReasoningStatement(WireModel):
    """A statement, in logic and in words."""

    logic: str | None = None
    natural_language: str | None = None


class GuardrailAutomatedReasoningInputTextReference(WireModel):
    """A piece of the text that was checked."""

    text: str | None = None


class GuardrailAutomatedReasoningTranslation(WireModel):
    """How the text was turned into logic; `confidence` from 0 to 1."""

    premises: list[Lazy[GuardrailAutomatedReasoningStatement]] | None = None
    claims: list[Lazy[GuardrailAutomatedReasoningStatement]] | None = None
    untranslated_premises: list[Lazy[GuardrailAutomatedReasoningInputTextReference]] | None = None
    untranslated_claims: list[Lazy[GuardrailAutomatedReasoningInputTextReference]] | None = None
    confidence: Number | None = None


class GuardrailAutomatedReasoningScenario(WireModel):
    """A case in which the statements hold."""

    statements: list[Lazy[GuardrailAutomatedReasoningStatement]] | None = None


class GuardrailAutomatedReasoningRule(WireModel):
    """A rule of the policy."""

    identifier: str | None = None
    policy_version_arn: str | None = None


class GuardrailAutomatedReasoningLogicWarning(WireModel):
    """A flaw in the logic itself."""

    type: GuardrailAutomatedReasoningLogicWarningType | None = None
    premises: list[Lazy[GuardrailAutomatedReasoningStatement]] | None = None
    claims: list[Lazy[GuardrailAutomatedReasoningStatement]] | None = None


class GuardrailAutomatedReasoningValidFinding(WireModel):
    """The claims follow from the policy."""

    translation: Lazy[GuardrailAutomatedReasoningTranslation] | None = None
    claims_true_scenario: Lazy[GuardrailAutomatedReasoningScenario] | None = None
    supporting_rules: list[Lazy[GuardrailAutomatedReasoningRule]] | None = None
    logic_warning: Lazy[GuardrailAutomatedReasoningLogicWarning] | None = None


class GuardrailAutomatedReasoningInvalidFinding(WireModel):
    """The claims contradict the policy."""

    translation: Lazy[GuardrailAutomatedReasoningTranslation] | None = None
    contradicting_rules: list[Lazy[GuardrailAutomatedReasoningRule]] | None = None
    logic_warning: Lazy[GuardrailAutomatedReasoningLogicWarning] | None = None


class GuardrailAutomatedReasoningSatisfiableFinding(WireModel):
    """The claims can be true or false under the policy."""

    translation: Lazy[GuardrailAutomatedReasoningTranslation] | None = None
    claims_true_scenario: Lazy[GuardrailAutomatedReasoningScenario] | None = None
    claims_false_scenario: Lazy[GuardrailAutomatedReasoningScenario] | None = None
    logic_warning: Lazy[GuardrailAutomatedReasoningLogicWarning] | None = None


class GuardrailAutomatedReasoningImpossibleFinding(WireModel):
    """The premises contradict each other or the policy."""

    translation: Lazy[GuardrailAutomatedReasoningTranslation] | None = None
    contradicting_rules: list[Lazy[GuardrailAutomatedReasoningRule]] | None = None
    logic_warning: Lazy[GuardrailAutomatedReasoningLogicWarning] | None = None


class GuardrailAutomatedReasoningTranslationOption(WireModel):
    """One way to read the text."""

    translations: list[Lazy[GuardrailAutomatedReasoningTranslation]] | None = None


class GuardrailAutomatedReasoningTranslationAmbiguousFinding(WireModel):
    """The text can be read in several ways."""

    options: list[Lazy[GuardrailAutomatedReasoningTranslationOption]] | None = None
    difference_scenarios: list[Lazy[GuardrailAutomatedReasoningScenario]] | None = None


class GuardrailAutomatedReasoningTooComplexFinding(WireModel):
    """The text is too complex to be checked."""


class GuardrailAutomatedReasoningNoTranslationsFinding(WireModel):
    """Nothing in the text bears on the policy."""


class GuardrailAutomatedReasoningValid(WireModel):
    """The claims follow from the policy."""

    valid: Lazy[GuardrailAutomatedReasoningValidFinding]


class GuardrailAutomatedReasoningInvalid(WireModel):
    """The claims contradict the policy."""

    invalid: Lazy[GuardrailAutomatedReasoningInvalidFinding]


class GuardrailAutomatedReasoningSatisfiable(WireModel):
    """The claims can be true or false under the policy."""

    satisfiable: Lazy[GuardrailAutomatedReasoningSatisfiableFinding]


class GuardrailAutomatedReasoningImpossible(WireModel):
    """The premises contradict each other or the policy."""

    impossible: Lazy[GuardrailAutomatedReasoningImpossibleFinding]


class GuardrailAutomatedReasoningTranslationAmbiguous(WireModel):
    """The text can be read in several ways."""

    translation_ambiguous: Lazy[GuardrailAutomatedReasoningTranslationAmbiguousFinding]


class GuardrailAutomatedReasoningTooComplex(WireModel):
    """The text is too complex to be checked."""

    too_complex: Lazy[GuardrailAutomatedReasoningTooComplexFinding]


class GuardrailAutomatedReasoningNoTranslations(WireModel):
    """Nothing in the text bears on the policy."""

    no_translations: Lazy[GuardrailAutomatedReasoningNoTranslationsFinding]


GuardrailAutomatedReasoningFinding = Annotated[
    GuardrailAutomatedReasoningValid
    | GuardrailAutomatedReasoningInvalid
    | GuardrailAutomatedReasoningSatisfiable
    | GuardrailAutomatedReasoningImpossible
    | GuardrailAutomatedReasoningTranslationAmbiguous
    | GuardrailAutomatedReasoningTooComplex
    | GuardrailAutomatedReasoningNoTranslations
    | UnknownMember,
    OpenUnion(),
]


class GuardrailAutomatedReasoningPolicyAssessment(WireModel):
    """What automated reasoning found."""

    findings: list[GuardrailAutomatedReasoningFinding] | None = None


class GuardrailUsage(WireModel):
    """The text units each policy charged for."""

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
    """How many characters were assessed."""

    guarded: Integer | None = None
    total: Integer | None = None


class GuardrailImageCoverage(WireModel):
    """How many images were assessed."""

    guarded: Integer | None = None
    total: Integer | None = None


class GuardrailCoverage(WireModel):
    """How much of the content was assessed."""

    text_characters: Lazy[GuardrailTextCharactersCoverage] | None = None
    images: Lazy[GuardrailImageCoverage] | None = None


class GuardrailInvocationMetrics(WireModel):
    """What the assessment took; `guardrail_processing_latency` in milliseconds."""

    guardrail_processing_latency: Integer | None = None
    usage: Lazy[GuardrailUsage] | None = None
    guardrail_coverage: Lazy[GuardrailCoverage] | None = None


class AppliedGuardrailDetails(WireModel):
    """Which guardrail was applied, and who imposed it."""

    guardrail_id: str | None = None
    guardrail_version: str | None = None
    guardrail_arn: str | None = None
    guardrail_origin: list[GuardrailOrigin] | None = None
    guardrail_ownership: GuardrailOwnership | None = None


class GuardrailAssessment(WireModel):
    """What one guardrail found."""

    topic_policy: Lazy[GuardrailTopicPolicyAssessment] | None = None
    content_policy: Lazy[GuardrailContentPolicyAssessment] | None = None
    word_policy: Lazy[GuardrailWordPolicyAssessment] | None = None
    sensitive_information_policy: Lazy[GuardrailSensitiveInformationPolicyAssessment] | None = None
    contextual_grounding_policy: Lazy[GuardrailContextualGroundingPolicyAssessment] | None = None
    automated_reasoning_policy: Lazy[GuardrailAutomatedReasoningPolicyAssessment] | None = None
    invocation_metrics: Lazy[GuardrailInvocationMetrics] | None = None
    applied_guardrail_details: Lazy[AppliedGuardrailDetails] | None = None


class GuardrailTraceAssessment(WireModel):
    """What the guardrail did with the input and the output, by guardrail id."""

    model_output: list[str] | None = None
    input_assessment: dict[str, Lazy[GuardrailAssessment]] | None = None
    output_assessments: dict[str, list[Lazy[GuardrailAssessment]]] | None = None
    action_reason: str | None = None
