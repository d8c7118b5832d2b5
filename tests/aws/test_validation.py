"""Access Analyzer's check of a policy, asked with real boto3 of the local Bedrock."""

from __future__ import annotations

import pytest
from support.local import statement

from bedrock_bearer.access.document import read_document
from bedrock_bearer.aws.validation import validate_policy
from bedrock_bearer.errors import ConfigurationError
from bedrock_bearer.local import LocalBedrock

EVERYTHING = read_document(statement("Allow", "*"))


def test_awss_findings_name_the_statement(aws: LocalBedrock) -> None:
    (finding,) = validate_policy(EVERYTHING)

    assert (finding.id, finding.severity, finding.statement) == (
        "ALLOW_WITH_STAR_ON_STAR",
        "WARNING",
        0,
    )
    assert finding.describe().startswith("Statement[0]: WARNING ALLOW_WITH_STAR_ON_STAR (Access")


@pytest.mark.parametrize("policy_type", [None, "service control policy", "VPC endpoint policy"])
def test_a_policy_is_checked_as_what_it_is(aws: LocalBedrock, policy_type: str | None) -> None:
    assert validate_policy(read_document(statement("Deny", "bedrock:*")), policy_type) == []


def test_a_refusal_says_which_permission_is_needed(aws: LocalBedrock) -> None:
    aws.attach_policy("administrator", statement("Deny", "access-analyzer:*"))

    with pytest.raises(ConfigurationError, match="permission access-analyzer:ValidatePolicy"):
        validate_policy(EVERYTHING)
