"""AWS's sentences of refusal, read and explained."""

from __future__ import annotations

import pickle
import time
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bedrock_bearer.access import Denial, GoverningPolicy, explain_denial
from bedrock_bearer.errors import OperationDeniedError, ShortTermKeyDeniedError
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
    "User: ",
    "> \n",
    "\\\\",
    "arn:aws:iam::1:user/x is ",
    "arn:",
    ". A ",
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


# ------------------------------------------------------------------------- pasted by people

DENIED = "is not authorized to perform: bedrock:CallWithBearerToken"
BY_SCP = "with an explicit deny in a service control policy"


def parsed(text: str) -> Denial:
    denial = Denial.parse(text)
    assert denial is not None
    return denial


@pytest.mark.parametrize(
    "text",
    [
        f"> User: {PRINCIPAL}\n> {DENIED}\n> {BY_SCP}",
        f"  | User: {PRINCIPAL} is not\n  | authorized to perform: {USE} with an\n"
        "  | explicit deny in a service control policy",
        f"12:00:01 ERROR app  User: {PRINCIPAL} is\n12:00:02 ERROR app  not authorized to perform: "
        f"{USE} with an\n12:00:03 ERROR app  explicit deny in a service control policy",
        '2026 {"Message":"User: ' + PRINCIPAL.replace("/", r"\/") + rf" {DENIED}\n{BY_SCP}" + '"}',
        f"User: {PRINCIPAL} {DENIED} ... {BY_SCP}",
        f"User: {PRINCIPAL} {DENIED} [...] {BY_SCP}",
    ],
    ids=["mail", "box", "log", "JSON", "elided", "elided in brackets"],
)
def test_a_denial_is_read_however_it_was_copied(text: str) -> None:
    denial = parsed(text)

    assert (denial.principal_arn, denial.effect) == (PRINCIPAL, "explicit")
    assert denial.policy_type == "service control policy"


@pytest.mark.parametrize("between", [" ", "\n", "\n\n"])
def test_two_denials_are_not_run_together(between: str) -> None:
    second = f"User: arn:aws:iam::1:user/b is not authorized to perform: iam:X {BY_SCP}: {ARN}"
    denial = parsed(f"User: {PRINCIPAL} {DENIED}{between}{second}")

    assert (denial.action, denial.principal_arn) == (USE, PRINCIPAL)
    assert (denial.effect, denial.policy_type, denial.policy_arn) == (None, None, None)


def test_another_sentence_is_not_taken_for_the_reason() -> None:
    denial = parsed(f"User: {PRINCIPAL} {DENIED}. This may come {BY_SCP}")

    assert denial.effect is None


@pytest.mark.parametrize(
    ("text", "token_type"),
    [
        (f"User: {PRINCIPAL} {DENIED}", TokenType.SHORT_TERM),
        (f"User: arn:aws:iam::123456789012:role/dev {DENIED}", TokenType.SHORT_TERM),
        (f"User: arn:aws:iam::123456789012:user/dev {DENIED}", None),
        (
            f"LongTermKeyDeniedError: User: arn:aws:iam::123456789012:user/dev {DENIED}",
            TokenType.LONG_TERM,
        ),
        (
            f"User: arn:aws:iam::123456789012:user/dev {DENIED}\nThe key was SHORT_TERM ...abcd",
            TokenType.SHORT_TERM,
        ),
        (f"User: {PRINCIPAL} is not authorized to perform: bedrock:InvokeModel", None),
    ],
)
def test_the_type_of_the_key_is_known_from_the_principal_or_the_text(
    text: str, token_type: TokenType | None
) -> None:
    denial = parsed(text)

    assert denial.token_type == token_type
    governing = GoverningPolicy.from_denial(denial, None)
    assert governing is None or governing.token_type == token_type


def test_the_authorization_id_comes_with_the_region_to_ask_in() -> None:
    denial = parsed(sentence(f"with an explicit deny in a session policy{TAIL}", ""))
    governing = GoverningPolicy.from_denial(denial, KEY)

    assert (denial.authorization_id, denial.authorization_region) == ("abc123", "us-east-1")
    assert governing is not None
    assert "--authorization-id abc123 --region us-east-1" in governing.explain()


# ----------------------------------------------------------------------------- what is said


def explained(context: str, principal: str = PRINCIPAL, action: str = USE) -> str:
    denial = parsed(f"User: {principal} is not authorized to perform: {action} {context}")
    governing = GoverningPolicy.from_denial(denial, KEY)
    return governing.explain() if governing else explain_denial(denial)


def test_an_inferred_verdict_does_not_claim_that_the_type_decides() -> None:
    text = explained(BY_SCP)

    assert "AWS does not say whether by token type, by something else" in text
    assert "or unconditionally" in text
    assert "use a LONG_TERM key" not in text
    assert "covers" not in text


def test_both_policy_types_that_aws_names_are_told() -> None:
    text = explained(
        "with an explicit deny in a VPC endpoint policy transitively through a service control "
        "policy"
    )

    assert "an explicit deny in a VPC endpoint policy" in text
    assert "transitively through a service control policy" in text


def test_the_quarantine_of_an_exposed_credential_is_not_to_be_lifted() -> None:
    arn = "arn:aws:iam::aws:policy/AWSCompromisedKeyQuarantineV3"
    text = explained(f"with an explicit deny in an identity-based policy: {arn}")

    assert "because a credential of the principal was exposed" in text
    assert "To change: rotate the credential that was exposed." in text
    assert "remove or narrow" not in text


def test_a_role_of_identity_center_is_changed_by_the_owner_of_its_permission_set() -> None:
    principal = "arn:aws:sts::123456789012:assumed-role/AWSReservedSSO_Dev_0123456789abcdef/x"
    text = explained("with an explicit deny in an identity-based policy", principal)

    assert "the owner of the permission set in IAM Identity Center" in text


@pytest.mark.parametrize(
    ("action", "context", "expected"),
    [
        (
            "bedrock:InvokeModel",
            "because no identity-based policy allows the bedrock:InvokeModel action",
            "an Allow for bedrock:InvokeModel on the model or the inference profile, and each",
        ),
        (
            "iam:CreateServiceSpecificCredential",
            f"on resource: user dev {BY_SCP}: {ARN}",
            f"an explicit deny in a service control policy {ARN}",
        ),
        ("iam:CreateServiceSpecificCredential", "", "AWS does not say which policy"),
    ],
)
def test_the_refusal_of_another_action_is_explained_with_a_remedy(
    action: str, context: str, expected: str
) -> None:
    text = explained(context, action=action)

    assert expected in text
    assert "To change: " in text
    assert "Who can change it: " in text


def test_a_traceback_of_a_denial_shows_its_explanation() -> None:
    denial = parsed(f"User: {PRINCIPAL} {DENIED} {BY_SCP}")
    governing = GoverningPolicy.from_denial(denial, KEY)
    assert governing is not None
    error = ShortTermKeyDeniedError(
        "refused", denial=denial, governing_policy=governing, status_code=403
    )

    error.governing_policy = governing.simulated()

    (note,) = pickle.loads(pickle.dumps(error)).__notes__
    assert note == governing.simulated().explain()
    other = OperationDeniedError(
        "refused",
        denial=parsed(f"User: {PRINCIPAL} is not authorized to perform: a:B"),
        status_code=403,
    )
    assert "To change" in other.__notes__[0]


WHOLE = sentence(f"with an explicit deny in a service control policy: {ARN}", " on resource: *")


@pytest.mark.parametrize(
    "text",
    [
        f"<Error><Code>AccessDenied</Code><Message>{WHOLE}</Message></Error>",
        f"<p>{WHOLE.replace(USE, f'<code>{USE}</code>')}</p>",
        WHOLE.replace(":", "&#58;"),
        f"\x1b[31m{WHOLE.replace('explicit', chr(27) + '[1mexplicit' + chr(27) + '[0m')}\x1b[0m",
        WHOLE.replace(USE, f"`{USE}`").replace("User:", "**User:**"),
    ],
    ids=["XML", "HTML", "entities", "colours", "Markdown"],
)
def test_markup_around_and_in_a_denial_is_not_part_of_it(text: str) -> None:
    denial = Denial.parse(text)

    assert denial is not None
    assert (denial.action, denial.principal_arn, denial.resource) == (USE, PRINCIPAL, "*")
    assert (denial.policy_type, denial.policy_arn) == ("service control policy", ARN)


@pytest.mark.parametrize("cut", ["…", "..."])
def test_an_action_that_was_cut_is_not_taken_for_one(cut: str) -> None:
    assert Denial.parse(f"{WHOLE.partition('WithBearer')[0]}{cut}") is None


def test_the_type_that_a_second_denial_names_is_not_that_of_the_first() -> None:
    user = WHOLE.replace(PRINCIPAL, "arn:aws:iam::123456789012:user/dev")

    denial = Denial.parse(f"{user}\nLongTermKeyDenied: {user}")

    assert denial is not None
    assert denial.token_type is None


def test_where_aws_names_no_policy_nothing_is_said_to_deny() -> None:
    denial = Denial.parse(f"User: {PRINCIPAL} is not authorized to perform: {USE}")
    assert denial is not None

    governing = GoverningPolicy.from_denial(denial, KEY)

    assert governing is not None
    assert "find the policy that refuses" in governing.explain()
    assert "the statement that denies" not in governing.explain()


@pytest.mark.parametrize(
    "reason",
    [
        f"with an explicit deny in a service control policy: {ARN}",
        "because no identity-based policy allows the bedrock:CallWithBearerToken action",
    ],
)
@pytest.mark.parametrize("width", range(60, 160, 7))
def test_a_denial_that_a_terminal_broke_inside_words_is_read_as_a_whole(
    reason: str, width: int
) -> None:
    whole = sentence(reason, " on resource: *")
    expected = Denial.parse(whole)
    broken = "\n".join(whole[at : at + width] for at in range(0, len(whole), width))

    found = Denial.parse(broken)

    assert expected is not None
    assert found == replace(expected, text=broken)


def test_a_denial_that_is_logged_twice_is_read_once() -> None:
    whole = sentence(f"with an explicit deny in a service control policy: {ARN}", "")

    found = Denial.parse(f"first try\nERROR {whole}\nERROR {whole}")

    assert found is not None
    assert found.policy_arn == ARN
