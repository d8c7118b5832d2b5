"""What the answers to several keys may say of one another."""

from __future__ import annotations

from typing import Any

import pytest

from bedrock_bearer.access.denial import Denial
from bedrock_bearer.access.evidence import weigh
from bedrock_bearer.access.governing import GoverningPolicy
from bedrock_bearer.keys.description import KeyDescription, TokenType

USE = "bedrock:CallWithBearerToken"
ACCOUNT = "123456789012"
USER = f"arn:aws:iam::{ACCOUNT}:user/team/dev"
SESSION = f"arn:aws:sts::{ACCOUNT}:assumed-role/dev/run"
ARN = f"arn:aws:iam::{ACCOUNT}:policy/Deny"
BY_IDENTITY = "with an explicit deny in an identity-based policy"
BY_SCP = "with an explicit deny in a service control policy"
SHORT = KeyDescription(TokenType.SHORT_TERM, "abcd", "env A", account_id=ACCOUNT)
LONG = KeyDescription(TokenType.LONG_TERM, "efgh", "env B", account_id=ACCOUNT, user_name="dev")


def refused(
    key: KeyDescription, principal: str = USER, how: str = BY_IDENTITY, action: str = USE
) -> GoverningPolicy:
    denial = Denial.parse(f"User: {principal} is not authorized to perform: {action} {how}")
    assert denial is not None
    governing = GoverningPolicy.from_denial(denial, key)
    assert governing is not None
    return governing


def test_an_accepted_key_of_the_same_user_makes_a_verdict_consistent() -> None:
    verdict = weigh(refused(SHORT), accepted=[LONG])

    assert (verdict.certainty, verdict.other_type_accepted) == ("consistent", True)
    assert "a LONG_TERM key of the same principal is accepted" in verdict.explain()
    assert "use a LONG_TERM key" in verdict.explain()


@pytest.mark.parametrize(
    ("principal", "accepted"),
    [
        (SESSION, LONG),
        (f"arn:aws:iam::{ACCOUNT}:role/dev", LONG),
        (f"arn:aws:iam::{ACCOUNT}:user/other", LONG),
        (f"arn:aws:iam::{ACCOUNT}:root", LONG),
        (USER, SHORT),
        (USER, KeyDescription(TokenType.LONG_TERM, "efgh", "env B", account_id=ACCOUNT)),
        (USER, KeyDescription(TokenType.LONG_TERM, "efgh", "env B", user_name="dev")),
    ],
)
def test_an_accepted_key_that_may_be_anothers_proves_nothing(
    principal: str, accepted: KeyDescription
) -> None:
    verdict = weigh(refused(SHORT, principal), accepted=[accepted])

    assert (verdict.certainty, verdict.other_type_accepted) == ("inferred", None)


def test_an_accepted_key_says_nothing_of_the_mantle_endpoint() -> None:
    denied = refused(SHORT, action="bedrock-mantle:CallWithBearerToken")

    assert weigh(denied, accepted=[LONG]).certainty == "inferred"


def test_two_types_refused_in_the_same_words_are_refused_alike() -> None:
    verdict = weigh(refused(SHORT), others=[refused(LONG)])

    assert (verdict.certainty, verdict.other_type_accepted) == ("inferred", False)
    assert "the other type does not help" in verdict.explain()


@pytest.mark.parametrize(
    "other",
    [
        {"principal": f"arn:aws:iam::{ACCOUNT}:user/other"},
        {"how": BY_SCP},
        {"how": f"{BY_IDENTITY}: {ARN}"},
        {"how": f"because no identity-based policy allows the {USE} action"},
        {"action": "bedrock-mantle:CallWithBearerToken"},
    ],
    ids=["principal", "policy type", "policy ARN", "effect", "action"],
)
def test_two_types_refused_in_other_words_prove_nothing(other: dict[str, Any]) -> None:
    verdict = weigh(refused(SHORT), others=[refused(LONG, **other)])

    assert (verdict.certainty, verdict.other_type_accepted) == ("inferred", None)


def test_an_answer_meant_for_another_credential_proves_nothing() -> None:
    elsewhere = KeyDescription(TokenType.SHORT_TERM, "abcd", "env A", account_id="210987654321")

    assert weigh(refused(elsewhere), accepted=[LONG]).other_type_accepted is None


def test_what_is_known_better_is_not_forgotten() -> None:
    simulated = refused(SHORT).simulated()

    verdict = weigh(simulated, accepted=[LONG])

    assert (verdict.certainty, verdict.other_type_accepted) == ("simulated", True)
