"""AWS's sentences of refusal, read and explained."""

from __future__ import annotations

import pickle
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bedrock_bearer.access import Denial, GoverningPolicy
from bedrock_bearer.keys import KeyDescription, TokenType

USE = "bedrock:CallWithBearerToken"
PRINCIPAL = "arn:aws:sts::123456789012:assumed-role/dev/dev"
ARN = "arn:aws:organizations::123456789012:policy/o-abc/service_control_policy/p-def"
KEY = KeyDescription(TokenType.SHORT_TERM, "abcd", "env X", account_id="123456789012")

EXPLICIT = {
    "a service control policy": "service control policy",
    "a resource control policy": "resource control policy",
    "a VPC endpoint policy": "VPC endpoint policy",
    "a permissions boundary": "permissions boundary",
    "a session policy": "session policy",
    "a sessions policy": "session policy",
    "a resource-based policy": "resource-based policy",
    "the role trust policy": "role trust policy",
    "an identity-based policy": "identity-based policy",
}
IMPLICIT = [
    "service control policy",
    "VPC endpoint policy",
    "permissions boundary",
    "session policy",
    "resource-based policy",
    "identity-based policy",
]
TAIL = (
    ". Go to https://us-east-1.console.aws.amazon.com/iam/home?region=us-east-1"
    "#/authorization-details/abc123 for complete details, or call the "
    "GetRequestAuthorizationDetails API with the following authorization id: abc123"
)
WHO = {
    "service control policy": "organisation",
    "resource control policy": "organisation",
    "permissions boundary": "boundary",
    "VPC endpoint policy": "network",
    "identity-based policy": "administrator",
}


def sentence(context: str, resource: str) -> str:
    return f"User: {PRINCIPAL} is not authorized to perform: {USE}{resource} {context}"


@pytest.mark.parametrize("tail", ["", TAIL], ids=["", "authorization id"])
@pytest.mark.parametrize("arn", ["", f": {ARN}"], ids=["", "policy ARN"])
@pytest.mark.parametrize("resource", ["", " on resource: *"], ids=["", "resource"])
@pytest.mark.parametrize("named", EXPLICIT)
def test_an_explicit_denial_is_read_and_explained(
    named: str, resource: str, arn: str, tail: str
) -> None:
    denial = Denial.parse(sentence(f"with an explicit deny in {named}{arn}{tail}", resource))

    assert denial is not None
    assert (denial.action, denial.principal_arn) == (USE, PRINCIPAL)
    assert (denial.effect, denial.policy_type) == ("explicit", EXPLICIT[named])
    assert denial.resource == ("*" if resource else None)
    assert denial.policy_arn == (ARN if arn else None)
    assert denial.authorization_id == ("abc123" if tail else None)
    governing = GoverningPolicy.from_denial(denial, KEY)
    assert governing is not None
    explained = governing.explain()
    assert EXPLICIT[named] in explained.replace("\n", " ")
    assert "bedrock:bearerTokenType = SHORT_TERM" in explained
    assert WHO.get(EXPLICIT[named], "") in explained


@pytest.mark.parametrize("tail", ["", TAIL], ids=["", "authorization id"])
@pytest.mark.parametrize("resource", ["", " on resource: *"], ids=["", "resource"])
@pytest.mark.parametrize("policy_type", IMPLICIT)
def test_an_implicit_denial_is_read_and_explained(
    policy_type: str, resource: str, tail: str
) -> None:
    context = f"because no {policy_type} allows the {USE} action{tail}"
    denial = Denial.parse(sentence(context, resource))

    assert denial is not None
    assert (denial.effect, denial.policy_type) == ("implicit", policy_type)
    governing = GoverningPolicy.from_denial(denial, KEY)
    assert governing is not None
    explained = governing.explain()
    assert "Allow" in explained
    assert "LONG_TERM" in explained


def test_another_credential_that_answered_is_pointed_out() -> None:
    other = KeyDescription(TokenType.LONG_TERM, "abcd", "env X", account_id="210987654321")
    denial = Denial.parse(sentence("with an explicit deny in a session policy", ""))
    assert denial is not None
    governing = GoverningPolicy.from_denial(denial, other)

    assert governing is not None
    assert governing.answered_for_another_principal


def test_accounts_and_arns_can_be_masked() -> None:
    denial = Denial.parse(sentence("with an explicit deny in a session policy", ""))
    assert denial is not None
    governing = GoverningPolicy.from_denial(denial, KEY)
    assert governing is not None

    assert "123456789012" in governing.explain()
    assert "123456789012" not in governing.explain(redact=True)


def test_what_is_known_of_a_refusal_can_be_pickled() -> None:
    denial = Denial.parse(sentence("with an explicit deny in a session policy", ""))
    assert denial is not None
    governing = GoverningPolicy.from_denial(denial, KEY)

    assert pickle.loads(pickle.dumps((denial, governing))) == (denial, governing)


@given(st.text(max_size=300))
def test_no_text_is_too_strange_to_be_read(text: str) -> None:
    for one in (text, sentence(text, ""), sentence("", text)):
        Denial.parse(one)


HOSTILE = [
    "not authorized to perform: ",
    "User: arn:aws:iam::1:user/x is not authorized to perform: a:b on resource: ",
    "with an explicit deny in a ",
    "because no ",
    ": arn:",
    "\n \t",
    "a:",
]


@pytest.mark.parametrize("piece", HOSTILE)
def test_a_hundred_kilobytes_of_hostile_text_take_no_time(piece: str) -> None:
    def seconds(length: int) -> float:
        text = (piece * (length // len(piece) + 1))[:length]
        start = time.process_time()
        Denial.parse("x is not authorized to perform: a:b " + text)
        Denial.parse(text)
        return time.process_time() - start

    seconds(1000)
    assert min(seconds(100_000) for _ in range(3)) < 0.5
