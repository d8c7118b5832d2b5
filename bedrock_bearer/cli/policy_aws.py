"""What AWS itself says, for `bedrock-bearer policy explain` and `lint` with `--from-aws`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any

from bedrock_bearer.errors import BedrockError

if TYPE_CHECKING:
    from bedrock_bearer.access.denial import Denial
    from bedrock_bearer.access.governing import GoverningPolicy
    from bedrock_bearer.aws.simulator import Simulations
    from bedrock_bearer.aws.toolbox import AuthorizationDetails
    from bedrock_bearer.aws.validation import AwsFinding


@dataclass(slots=True)
class AwsAnswers:
    """What AWS answered, for the explanation and for the JSON document.

    Attributes:
        governing: the verdict, raised by what AWS answered; None if the denial is of another
            action than the use of a key.
        lines: what AWS answered, in words.
        document: the same, as members of the JSON document.
        unanswered: what AWS did not answer, and why.
    """

    governing: GoverningPolicy | None = None
    lines: list[str] = field(default_factory=list)
    document: dict[str, Any] = field(default_factory=dict)
    unanswered: list[str] = field(default_factory=list)


def ask_about_denial(
    denial: Denial,
    governing: GoverningPolicy | None,
    principal_arn: str | None,
    context: Mapping[str, Any],
) -> AwsAnswers:
    """Ask IAM Toolbox what decided a denial, and IAM's simulator where that is not confirmed.

    Args:
        denial: the denial.
        governing: what is known of it so far.
        principal_arn: the principal that was denied, or None.
        context: the condition keys that are known of the request.
    """
    answers = AwsAnswers(governing)
    if denial.authorization_id is not None:
        _ask_toolbox(denial, answers)
    verdict = answers.governing
    if verdict is not None and verdict.certainty != "confirmed" and principal_arn is not None:
        simulations = _simulate(principal_arn, verdict.action, context, answers)
        if simulations is not None and _refuses_this_type_alone(verdict, simulations):
            answers.governing = verdict.simulated()
        elif simulations is not None and _refuses_the_other_type(verdict, simulations):
            answers.governing = replace(verdict, other_type_is_denied=True)
    return answers


def ask_about_action(principal_arn: str, action: str, context: Mapping[str, Any]) -> AwsAnswers:
    """Ask IAM's simulator whether a principal may use a key, once for each type."""
    answers = AwsAnswers()
    _simulate(principal_arn, action, context, answers)
    return answers


@dataclass(slots=True)
class AccessAnalyzerFindings:
    """What IAM Access Analyzer finds in policies, each finding with its file.

    Attributes:
        findings: its findings.
        unanswered: what it did not answer, and why.
    """

    findings: list[tuple[str, AwsFinding]] = field(default_factory=list)
    unanswered: list[str] = field(default_factory=list)

    @property
    def is_clean(self) -> bool:
        """Whether it finds nothing worse than a suggestion."""
        return all(finding.severity == "SUGGESTION" for _, finding in self.findings)

    def document(self) -> dict[str, Any]:
        """Return the findings as members of the JSON document."""
        findings = [{"policy": path, **asdict(finding)} for path, finding in self.findings]
        return {"aws_findings": findings, "unanswered": self.unanswered}


def ask_access_analyzer(
    documents: Mapping[str, Any], policy_type: str | None
) -> AccessAnalyzerFindings:
    """Ask IAM Access Analyzer to validate policies, by their files."""
    from bedrock_bearer.aws.validation import validate_policy

    answers = AccessAnalyzerFindings()
    for path, document in documents.items():
        try:
            found = validate_policy(document, policy_type)
        except BedrockError as error:
            answers.unanswered.append(f"{path}: {error.message}")
        else:
            answers.findings += [(path, finding) for finding in found]
    return answers


def _ask_toolbox(denial: Denial, answers: AwsAnswers) -> None:
    from bedrock_bearer.aws.toolbox import confirm, fetch_authorization_details

    try:
        details = fetch_authorization_details(denial)
    except BedrockError as error:
        answers.unanswered.append(error.message)
        return
    if answers.governing is not None:
        answers.governing = confirm(answers.governing, details)
    verdict = answers.governing
    explained = verdict.statement.describe() if verdict and verdict.statement else None
    answers.lines += [
        line for line in details.explain().splitlines() if not explained or explained not in line
    ]
    answers.document["authorization_details"] = _details(details)


def _simulate(
    principal_arn: str, action: str, context: Mapping[str, Any], answers: AwsAnswers
) -> Simulations | None:
    from bedrock_bearer.access.request_context import RoleOfSession
    from bedrock_bearer.aws.simulator import simulate_key_types

    # A key without a value is one that the request does not carry; of a role's ARN without its
    # path the simulator would make another role.
    known = {
        key: value
        for key, value in context.items()
        if value is not None and not isinstance(value, RoleOfSession)
    }
    try:
        simulations = simulate_key_types(principal_arn, action, known)
    except BedrockError as error:
        answers.unanswered.append(error.message)
        return None
    answers.lines += simulations.explain().splitlines()
    answers.document["simulation"] = _simulation(simulations)
    return simulations


def _refuses_this_type_alone(governing: GoverningPolicy, simulations: Simulations) -> bool:
    if governing.token_type is None or governing.other_type is None:
        return False
    if governing.answered_for_another_principal:
        return False
    by_type = simulations.by_type
    return not by_type[governing.token_type].allowed and by_type[governing.other_type].allowed


def _refuses_the_other_type(governing: GoverningPolicy, simulations: Simulations) -> bool:
    other = governing.other_type
    return other is not None and not simulations.by_type[other].allowed


def _details(details: AuthorizationDetails) -> dict[str, Any]:
    return {
        "authorization_id": details.authorization_id,
        "region": details.region,
        "effect": details.effect,
        "statements": [
            {
                "policy_type": one.policy_type,
                "policy": one.policy_uri,
                "sid": one.sid,
                "index": one.index,
                "statement": one.statement.to_wire() if one.statement else None,
            }
            for one in details.statements
        ],
        "without_allow": list(details.without_allow),
        "context": dict(details.context),
    }


def _simulation(simulations: Simulations) -> dict[str, Any]:
    return {
        "principal_arn": simulations.principal_arn,
        "missing_context_values": list(simulations.missing_context_values),
        "by_type": {
            token_type.value: {
                "allowed": one.allowed,
                "effect": one.effect,
                "allowed_by_organizations": one.allowed_by_organizations,
                "allowed_by_boundary": one.allowed_by_boundary,
            }
            for token_type, one in simulations.by_type.items()
        },
    }
