"""What may be said of a refusal, from answers of the local Bedrock."""

from __future__ import annotations

from typing import Any

import pytest

from bedrock_bearer.access.build import allow_only, deny_all_keys, deny_use
from bedrock_bearer.access.denial import Denial
from bedrock_bearer.access.governing import GoverningPolicy
from bedrock_bearer.access.policy_set import NamedPolicy, PolicySet
from bedrock_bearer.access.questions import ask, use_of_key
from bedrock_bearer.access.request_context import principal_context
from bedrock_bearer.keys.description import KeyDescription, TokenType
from bedrock_bearer.local import LocalBedrock, local_http_client
from bedrock_bearer.rotation import check_keys
from bedrock_bearer.wire.retry import RetryPolicy

USE = "bedrock:CallWithBearerToken"
ROLE = "arn:aws:iam::123456789012:role/dev"
CLAIMS = ("use a LONG_TERM key", "use a SHORT_TERM key", "a rule on bedrock:bearerTokenType fits")


def deny(**condition: Any) -> dict[str, Any]:
    given = {"Condition": condition} if condition else {}
    return {"Statement": {"Effect": "Deny", "Action": USE, "Resource": "*", **given}}


def verdicts(bedrock: LocalBedrock, *keys: str) -> list[GoverningPolicy | None]:
    with local_http_client(bedrock) as http_client:
        report = check_keys(
            list(keys),
            region="us-east-1",
            http_client=http_client,
            retry=RetryPolicy(max_attempts=1),
        )
    return [check.governing_policy for check in report.checks]


def of_a_role_and_a_user(bedrock: LocalBedrock) -> tuple[str, str]:
    long = bedrock.mint_key("LONG_TERM", user_name="dev")
    return bedrock.mint_key("SHORT_TERM", user_name="dev"), long


def of_one_user(bedrock: LocalBedrock) -> tuple[str, str]:
    long = bedrock.mint_key("LONG_TERM", user_name="dev")
    return bedrock.mint_key("SHORT_TERM", user_name="user/dev"), long


@pytest.mark.parametrize(
    "policy",
    [deny_all_keys(), deny_use("SHORT_TERM"), deny(IpAddress={"aws:SourceIp": "127.0.0.0/8"})],
    ids=["unconditional", "token type", "address"],
)
def test_whatever_denies_the_role_the_users_key_proves_nothing(policy: Any) -> None:
    bedrock = LocalBedrock()
    keys = of_a_role_and_a_user(bedrock)
    bedrock.attach_policy(ROLE, policy)

    denied, accepted = verdicts(bedrock, *keys)

    assert accepted is None
    assert denied is not None
    assert (denied.certainty, denied.other_type_accepted) == ("inferred", None)
    assert not any(claim in denied.explain() for claim in CLAIMS)


def test_each_type_denied_for_another_principal_is_not_a_denial_of_both() -> None:
    bedrock = LocalBedrock()
    keys = of_a_role_and_a_user(bedrock)
    bedrock.attach_policy(ROLE, deny_use("SHORT_TERM"))
    bedrock.attach_policy("arn:aws:iam::123456789012:user/dev", deny_use("LONG_TERM"))

    for verdict in verdicts(bedrock, *keys):
        assert verdict is not None
        assert verdict.other_type_accepted is None


def test_an_explicit_and_an_implicit_denial_are_not_one() -> None:
    bedrock = LocalBedrock()
    allow = allow_only("SHORT_TERM", mantle=False, scp=False).to_wire()
    allow["Statement"] = allow["Statement"][:1]
    long = bedrock.mint_key("LONG_TERM", user_name="dev", policies=[allow])
    short = bedrock.mint_key("SHORT_TERM", user_name="user/dev")
    bedrock.attach_policy("arn:aws:iam::123456789012:user/dev", deny_use("SHORT_TERM"))

    explicit, implicit = verdicts(bedrock, short, long)

    assert explicit is not None
    assert implicit is not None
    assert (explicit.effect, implicit.effect) == ("explicit", "implicit")
    assert (explicit.other_type_accepted, implicit.other_type_accepted) == (None, None)


def test_a_users_other_key_that_is_accepted_is_consistent_with_a_rule_on_the_type() -> None:
    bedrock = LocalBedrock()
    keys = of_one_user(bedrock)
    bedrock.attach_policy(None, deny_use("SHORT_TERM"))

    verdict, _ = verdicts(bedrock, *keys)

    assert verdict is not None
    assert (verdict.certainty, verdict.other_type_accepted) == ("consistent", True)
    assert "use a LONG_TERM key" in verdict.explain()


def refused(policy: Any, *, scp: bool = False, arn: str | None = None) -> GoverningPolicy:
    bedrock = LocalBedrock()
    key = bedrock.mint_key("SHORT_TERM")
    if scp:
        bedrock.attach_service_control_policy(policy, policy_arn=arn)
    else:
        bedrock.attach_policy(None, policy, policy_arn=arn)
    (verdict,) = verdicts(bedrock, key)
    assert verdict is not None
    return verdict


ARN = "arn:aws:iam::123456789012:policy/Deny"
BY_TYPE = deny_use("SHORT_TERM", mantle=False)
BY_ADDRESS = deny(IpAddress={"aws:SourceIp": "127.0.0.0/8"})


def test_the_only_statement_that_applies_for_certain_is_located() -> None:
    verdict = refused(BY_TYPE).located_in(PolicySet(identity=[BY_TYPE]))

    assert (verdict.certainty, verdict.decided_by) == ("located", ("bedrock:bearerTokenType",))
    assert "use a LONG_TERM key" in verdict.explain()


def test_an_unconditional_statement_is_located_and_no_type_is_blamed() -> None:
    verdict = refused(deny_all_keys()).located_in(PolicySet(identity=[deny_all_keys()]))

    assert (verdict.certainty, verdict.decided_by) == ("located", ())
    assert "use a LONG_TERM key" not in verdict.explain()


def test_a_condition_that_was_not_known_can_be_told() -> None:
    policies = PolicySet(identity=[BY_ADDRESS])

    assert refused(BY_ADDRESS).located_in(policies).certainty == "inferred"
    told = refused(BY_ADDRESS).located_in(policies, {"aws:SourceIp": "127.0.0.1"})
    assert (told.certainty, told.decided_by) == ("located", ("aws:SourceIp",))


@pytest.mark.parametrize(
    "policies",
    [
        PolicySet(service_control=[BY_TYPE]),
        PolicySet(identity=[BY_TYPE, deny_all_keys()]),
        PolicySet(identity=[BY_TYPE], unread=["identity-based policy"]),
        PolicySet(identity=[deny(ArnNotLike={"aws:PrincipalArn": ROLE})]),
        PolicySet(identity=[deny(ArnLike={"aws:PrincipalArn": ROLE, "aws:SourceArn": "arn:*"})]),
        PolicySet(identity=[deny(StringEquals={"aws:PrincipalTag/a": "${aws:PrincipalTag/b}"})]),
        PolicySet(),
    ],
    ids=["another type", "two", "unread", "exempt", "partly known", "variable", "nothing"],
)
def test_what_is_not_proven_is_not_located(policies: PolicySet) -> None:
    verdict = refused(BY_TYPE).located_in(policies)

    assert (verdict.certainty, verdict.statement) == ("inferred", None)


@pytest.mark.parametrize(("arn", "certainty"), [(ARN, "located"), (f"{ARN}2", "inferred")])
def test_the_statement_of_another_policy_than_aws_names_is_not_the_answer(
    arn: str, certainty: str
) -> None:
    verdict = refused(BY_TYPE, arn=ARN)
    assert verdict.policy_arn == ARN

    found = verdict.located_in(PolicySet(identity=[NamedPolicy(BY_TYPE, arn=arn)]))

    assert found.certainty == certainty


def not_allowed(allow: dict[str, Any]) -> str:
    bedrock = LocalBedrock()
    document = {"Statement": {"Effect": "Allow", "Action": USE, "Resource": "*", **allow}}
    key = bedrock.mint_key("SHORT_TERM", policies=[document])
    (verdict,) = verdicts(bedrock, key)
    assert verdict is not None
    return verdict.located_in(PolicySet(identity=[document])).explain()


def test_an_allow_for_the_other_type_is_to_be_widened() -> None:
    other = {"Condition": {"StringEquals": {"bedrock:bearerTokenType": "LONG_TERM"}}}

    assert "this Allow covers LONG_TERM only: widen it or add one." in not_allowed(other)


def test_an_allow_with_a_resource_is_said_to_match_never() -> None:
    text = not_allowed({"Resource": "arn:aws:bedrock:*::foundation-model/*"})

    assert "it never matches" in text
    assert "covers keys of both types" not in text


def test_what_aws_says_ranks_above_what_is_found_in_files() -> None:
    located = refused(BY_TYPE).located_in(PolicySet(identity=[BY_TYPE]))
    assert located.statement is not None

    simulated = located.simulated()
    confirmed = simulated.confirmed(located.statement)

    assert (simulated.certainty, simulated.decided_by) == ("simulated", located.decided_by)
    assert confirmed.certainty == confirmed.located(located.statement).certainty == "confirmed"


BOTH_TYPES = {
    "Statement": [
        {
            "Sid": kind,
            "Effect": "Deny",
            "Action": USE,
            "Resource": "*",
            "Condition": {"StringEquals": {"bedrock:bearerTokenType": kind}},
        }
        for kind in ("SHORT_TERM", "LONG_TERM")
    ]
}


def test_the_other_type_is_not_advised_where_another_statement_denies_it() -> None:
    governing = refused(BOTH_TYPES, scp=True).located_in(PolicySet(service_control=[BOTH_TYPES]))

    assert governing.certainty == "located"
    assert "use a LONG_TERM key" not in governing.explain()
    assert "A LONG_TERM key is refused as well" in governing.explain()


def test_the_other_type_is_not_advised_once_a_key_of_it_was_refused_alike() -> None:
    policy = deny_use("SHORT_TERM")
    governing = refused(policy, scp=True).with_other_type(False)

    located = governing.located_in(PolicySet(service_control=[policy]))

    assert located.certainty == "located"
    assert "use a LONG_TERM key" not in located.explain()


SESSION_OF_ROLE = "arn:aws:sts::123456789012:assumed-role/dev/session"


@pytest.mark.parametrize(
    ("exempt", "certainty"),
    [
        # The session's ARN does not show the path of its role.
        ("role/team/dev", "inferred"),
        ("role/team/*", "inferred"),
        ("role/team/other", "located"),
        ("role/aws-service-role/*", "located"),
        ("role/other", "located"),
    ],
)
def test_a_role_that_may_have_the_path_of_an_exemption_may_be_exempt(
    exempt: str, certainty: str
) -> None:
    denial = Denial.parse(
        f"User: {SESSION_OF_ROLE} is not authorized to perform: {USE} with an explicit deny in a "
        "service control policy"
    )
    assert denial is not None
    governing = GoverningPolicy.from_denial(denial, None)
    assert governing is not None
    policy = deny(ArnNotLike={"aws:PrincipalArn": f"arn:aws:iam::*:{exempt}"})

    assert governing.located_in(PolicySet(service_control=[policy])).certainty == certainty


def test_the_path_of_a_role_is_what_a_decision_depends_on() -> None:
    policy = deny(ArnNotLike={"aws:PrincipalArn": "arn:aws:iam::123456789012:role/team/dev"})
    question = use_of_key("SHORT_TERM").knowing(principal_context(SESSION_OF_ROLE))

    answer = ask(PolicySet(service_control=[policy]), question, complete=False)

    assert answer.outcome == "undecided"
    assert answer.decision.depends_on == ("aws:PrincipalArn",)


@pytest.mark.parametrize(
    ("policy", "certainty"), [(deny_use("LONG_TERM"), "inferred"), (deny_all_keys(), "located")]
)
def test_the_type_of_a_key_that_was_replaced_on_the_way_proves_nothing(
    policy: Any, certainty: str
) -> None:
    key = KeyDescription(
        TokenType.LONG_TERM, "abcd", "env A", account_id="123456789012", user_name="dev"
    )
    denial = Denial.parse(
        "User: arn:aws:sts::123456789012:assumed-role/proxy/me is not authorized to perform: "
        f"{USE} on resource: * with an explicit deny in a service control policy"
    )
    assert denial is not None
    governing = GoverningPolicy.from_denial(denial, key)
    assert governing is not None

    verdict = governing.located_in(PolicySet(service_control=[policy]))

    assert verdict.certainty == certainty
    assert not any(claim in verdict.explain() for claim in CLAIMS)
    assert "another credential answered" in verdict.explain()
