"""What the automated reasoning checks of a guardrail found.

https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_GuardrailAutomatedReasoningFinding.html
"""

from typing import Annotated, Literal

from bedrock_bearer.converse.base import Number, OpenEnum, OpenUnion, UnknownMember, WireModel

__all__ = [
    "GuardrailAutomatedReasoningFinding",
    "GuardrailAutomatedReasoningImpossible",
    "GuardrailAutomatedReasoningImpossibleFinding",
    "GuardrailAutomatedReasoningInputTextReference",
    "GuardrailAutomatedReasoningInvalid",
    "GuardrailAutomatedReasoningInvalidFinding",
    "GuardrailAutomatedReasoningLogicWarning",
    "GuardrailAutomatedReasoningLogicWarningType",
    "GuardrailAutomatedReasoningNoTranslations",
    "GuardrailAutomatedReasoningNoTranslationsFinding",
    "GuardrailAutomatedReasoningPolicyAssessment",
    "GuardrailAutomatedReasoningRule",
    "GuardrailAutomatedReasoningSatisfiable",
    "GuardrailAutomatedReasoningSatisfiableFinding",
    "GuardrailAutomatedReasoningScenario",
    "GuardrailAutomatedReasoningStatement",
    "GuardrailAutomatedReasoningTooComplex",
    "GuardrailAutomatedReasoningTooComplexFinding",
    "GuardrailAutomatedReasoningTranslation",
    "GuardrailAutomatedReasoningTranslationAmbiguous",
    "GuardrailAutomatedReasoningTranslationAmbiguousFinding",
    "GuardrailAutomatedReasoningTranslationOption",
    "GuardrailAutomatedReasoningValid",
    "GuardrailAutomatedReasoningValidFinding",
]


GuardrailAutomatedReasoningLogicWarningType = Annotated[
    Literal["ALWAYS_FALSE", "ALWAYS_TRUE"] | str, OpenEnum()
]


class GuardrailAutomatedReasoningStatement(WireModel):
    """A statement, in logic and in words."""

    logic: str | None = None
    natural_language: str | None = None


class GuardrailAutomatedReasoningInputTextReference(WireModel):
    """A piece of the text that was checked."""

    text: str | None = None


class GuardrailAutomatedReasoningTranslation(WireModel):
    """How the text was turned into logic; `confidence` from 0 to 1."""

    premises: list[GuardrailAutomatedReasoningStatement] | None = None
    claims: list[GuardrailAutomatedReasoningStatement] | None = None
    untranslated_premises: list[GuardrailAutomatedReasoningInputTextReference] | None = None
    untranslated_claims: list[GuardrailAutomatedReasoningInputTextReference] | None = None
    confidence: Number | None = None


class GuardrailAutomatedReasoningScenario(WireModel):
    """A case in which the statements are true."""

    statements: list[GuardrailAutomatedReasoningStatement] | None = None


class GuardrailAutomatedReasoningRule(WireModel):
    """A rule of the policy."""

    identifier: str | None = None
    policy_version_arn: str | None = None


class GuardrailAutomatedReasoningLogicWarning(WireModel):
    """An error in the logic itself."""

    type: GuardrailAutomatedReasoningLogicWarningType | None = None
    premises: list[GuardrailAutomatedReasoningStatement] | None = None
    claims: list[GuardrailAutomatedReasoningStatement] | None = None


class GuardrailAutomatedReasoningValidFinding(WireModel):
    """The claims follow from the policy."""

    translation: GuardrailAutomatedReasoningTranslation | None = None
    claims_true_scenario: GuardrailAutomatedReasoningScenario | None = None
    supporting_rules: list[GuardrailAutomatedReasoningRule] | None = None
    logic_warning: GuardrailAutomatedReasoningLogicWarning | None = None


class GuardrailAutomatedReasoningInvalidFinding(WireModel):
    """The claims contradict the policy."""

    translation: GuardrailAutomatedReasoningTranslation | None = None
    contradicting_rules: list[GuardrailAutomatedReasoningRule] | None = None
    logic_warning: GuardrailAutomatedReasoningLogicWarning | None = None


class GuardrailAutomatedReasoningSatisfiableFinding(WireModel):
    """The claims can be true or false under the policy."""

    translation: GuardrailAutomatedReasoningTranslation | None = None
    claims_true_scenario: GuardrailAutomatedReasoningScenario | None = None
    claims_false_scenario: GuardrailAutomatedReasoningScenario | None = None
    logic_warning: GuardrailAutomatedReasoningLogicWarning | None = None


class GuardrailAutomatedReasoningImpossibleFinding(WireModel):
    """The premises contradict each other or the policy."""

    translation: GuardrailAutomatedReasoningTranslation | None = None
    contradicting_rules: list[GuardrailAutomatedReasoningRule] | None = None
    logic_warning: GuardrailAutomatedReasoningLogicWarning | None = None


class GuardrailAutomatedReasoningTranslationOption(WireModel):
    """One way to read the text."""

    translations: list[GuardrailAutomatedReasoningTranslation] | None = None


class GuardrailAutomatedReasoningTranslationAmbiguousFinding(WireModel):
    """The text can be read in several ways."""

    options: list[GuardrailAutomatedReasoningTranslationOption] | None = None
    difference_scenarios: list[GuardrailAutomatedReasoningScenario] | None = None


class GuardrailAutomatedReasoningTooComplexFinding(WireModel):
    """The text is too complex to be checked."""


class GuardrailAutomatedReasoningNoTranslationsFinding(WireModel):
    """Nothing in the text is about the policy."""


class GuardrailAutomatedReasoningValid(WireModel):
    """The claims follow from the policy."""

    valid: GuardrailAutomatedReasoningValidFinding


class GuardrailAutomatedReasoningInvalid(WireModel):
    """The claims contradict the policy."""

    invalid: GuardrailAutomatedReasoningInvalidFinding


class GuardrailAutomatedReasoningSatisfiable(WireModel):
    """The claims can be true or false under the policy."""

    satisfiable: GuardrailAutomatedReasoningSatisfiableFinding


class GuardrailAutomatedReasoningImpossible(WireModel):
    """The premises contradict each other or the policy."""

    impossible: GuardrailAutomatedReasoningImpossibleFinding


class GuardrailAutomatedReasoningTranslationAmbiguous(WireModel):
    """The text can be read in several ways."""

    translation_ambiguous: GuardrailAutomatedReasoningTranslationAmbiguousFinding


class GuardrailAutomatedReasoningTooComplex(WireModel):
    """The text is too complex to be checked."""

    too_complex: GuardrailAutomatedReasoningTooComplexFinding


class GuardrailAutomatedReasoningNoTranslations(WireModel):
    """Nothing in the text is about the policy."""

    no_translations: GuardrailAutomatedReasoningNoTranslationsFinding


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
