"""What may be decided when not everything about a request is known."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support import reference

from bedrock_bearer.access.evaluation import evaluate
from bedrock_bearer.access.policy_set import PolicySet
from bedrock_bearer.access.questions import ask, use_of_key

USE = "bedrock:CallWithBearerToken"
CREATE = "iam:CreateServiceSpecificCredential"
ARN = "aws:PrincipalArn"
DEV = "arn:aws:iam::123456789012:role/dev"
OTHER = "arn:aws:iam::123456789012:role/other"
ALLOW_ALL = {"Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"}}
NEVER_GIVEN = "something-else"


def deny(**condition: Any) -> dict[str, Any]:
    statement = {"Effect": "Deny", "Action": USE, "Resource": "*", "Condition": condition}
    return {"Version": "2012-10-17", "Statement": [statement]}


def decided(*policies: Any, action: str = USE, **context: Any) -> tuple[str, tuple[str, ...]]:
    known = {name.replace("__", ":"): value for name, value in context.items()}
    decision = evaluate([ALLOW_ALL, *policies], action, known, partial=True)
    return decision.outcome, decision.depends_on


def test_an_exemption_of_a_principal_depends_on_the_principal() -> None:
    policy = deny(ArnNotLike={ARN: DEV})

    assert decided(policy) == ("undecided", (ARN,))
    assert decided(policy, aws__PrincipalArn=DEV) == ("allowed", ())
    assert decided(policy, aws__PrincipalArn=OTHER) == ("denied", ())


def test_a_rule_on_the_region_depends_on_the_region() -> None:
    policy = deny(StringNotEquals={"aws:RequestedRegion": "eu-west-1"})

    assert decided(policy) == ("undecided", ("aws:RequestedRegion",))
    assert decided(policy, aws__RequestedRegion="eu-west-1") == ("allowed", ())


def test_two_rules_that_cover_every_value_deny_whatever_it_is() -> None:
    is_dev, is_not = deny(StringEquals={ARN: DEV}), deny(StringNotEquals={ARN: DEV})

    assert decided(is_dev, is_not) == ("denied", ())


def test_a_rule_that_no_value_meets_allows() -> None:
    policy = deny(StringEquals={ARN: DEV}, StringNotLike={ARN: "arn:*"})

    assert decided(policy) == ("allowed", ())


def test_a_wildcard_that_means_nothing_may_still_be_met() -> None:
    assert decided(deny(StringEquals={"aws:PrincipalTag/team": "a*"}))[0] == "undecided"


def test_a_key_that_cannot_turn_the_outcome_is_not_named() -> None:
    policy = deny(StringEquals={ARN: DEV, "bedrock:bearerTokenType": "SHORT_TERM"})

    assert decided(policy, bedrock__bearerTokenType="LONG_TERM") == ("allowed", ())
    assert decided(policy, bedrock__bearerTokenType="SHORT_TERM") == ("undecided", (ARN,))


@pytest.mark.parametrize(
    ("action", "key"),
    [
        (USE, "bedrock-mantle:bearerTokenType"),
        ("bedrock-mantle:CallWithBearerToken", "bedrock:bearerTokenType"),
        (USE, "iam:ServiceSpecificCredentialAgeDays"),
        (CREATE, "bedrock:bearerTokenType"),
    ],
)
def test_a_request_never_carries_the_keys_of_another_service(action: str, key: str) -> None:
    policy = deny(StringEquals={key: "SHORT_TERM"})
    policy["Statement"][0]["Action"] = "*"

    assert decided(policy, action=action)[0] == "allowed"


def test_what_could_not_be_read_may_hold_anything() -> None:
    policies = PolicySet(identity=[ALLOW_ALL], unread=["service control policy"])
    denied = PolicySet(
        identity=[ALLOW_ALL, deny(Null={"a:b": "true"})], unread=["service control policy"]
    )

    open_one = evaluate(policies, USE, {}, partial=True)
    assert (open_one.outcome, open_one.depends_on) == ("undecided", ("service control policy",))
    assert evaluate(denied, USE, {}).outcome == "denied"


def test_an_unread_identity_policy_may_allow() -> None:
    policies = PolicySet(unread=["identity-based policy"])

    assert evaluate(policies, USE, {}).depends_on == ("identity-based policy",)


def test_the_resource_of_an_action_that_has_one_may_be_unknown() -> None:
    allow = {"Effect": "Allow", "Action": CREATE, "Resource": "arn:aws:iam::123456789012:user/dev"}
    policies = [{"Statement": allow}]

    decision = evaluate(policies, CREATE, {}, partial=True)

    assert (decision.outcome, decision.depends_on) == ("undecided", ("resource",))
    assert evaluate(policies, CREATE, {}, allow["Resource"], partial=True).allowed


def test_a_complete_organisation_is_taken_as_it_is() -> None:
    only_denies = [deny(StringEquals={ARN: DEV})]
    policies = PolicySet(identity=[ALLOW_ALL], service_control=[only_denies])
    complete = PolicySet(
        identity=[ALLOW_ALL], service_control=[only_denies], organization_complete=True
    )

    beside = evaluate(policies, USE, {})
    assert beside.allowed
    assert "FullAWSAccess" in beside.assumptions[0]
    taken = evaluate(complete, USE, {})
    assert (taken.outcome, taken.effect) == ("denied", "implicit")


@pytest.mark.parametrize(
    ("token_type", "outcome"), [("SHORT_TERM", "undecided"), ("LONG_TERM", "allowed")]
)
def test_only_a_session_has_an_issue_time(token_type: str, outcome: str) -> None:
    revoked = deny(DateLessThan={"aws:TokenIssueTime": "2026-05-07T23:47:00Z"})
    policies = PolicySet(identity=[ALLOW_ALL, revoked])

    answer = ask(policies, use_of_key(token_type), complete=True)

    assert answer.outcome == outcome


def test_the_policy_of_a_vpc_endpoint_has_to_allow() -> None:
    statement = {"Effect": "Allow", "Principal": {"AWS": DEV}, "Action": USE, "Resource": "*"}
    policies = PolicySet(identity=[ALLOW_ALL], vpc_endpoint=[{"Statement": statement}])

    assert evaluate(policies, USE, {}, partial=True).depends_on == (ARN,)
    assert evaluate(policies, USE, {ARN: DEV}).allowed
    assert evaluate(policies, USE, {ARN: OTHER}).policy_type == "VPC endpoint policy"


@pytest.mark.parametrize(
    "condition",
    [
        {"DateGreaterThan": {"aws:CurrentTime": "2026-12-01T00:00:00Z"}},
        {"NumericLessThan": {"aws:MultiFactorAuthAge": "3600.5"}},
        {"StringEqualsIgnoreCase": {"aws:PrincipalTag/team": "Ops"}},
        {"IpAddress": {"aws:SourceIp": "2001:db8::/32"}},
        {"StringEquals": {"aws:PrincipalTag/team": "${aws:PrincipalTag/unit}"}},
        {"ForAllValues:StringLike": {"aws:TagKeys": ["team", "cost*"]}},
    ],
)
def test_a_rule_on_anything_unknown_leaves_it_undecided(condition: dict[str, Any]) -> None:
    (keys,) = condition.values()

    outcome, depends_on = decided(deny(**condition))

    assert outcome == "undecided"
    assert set(keys) <= set(depends_on)


@pytest.mark.parametrize("name", [DEV, "123456789012", "arn:aws:iam::123456789012:root"])
@pytest.mark.parametrize("element", ["Principal", "NotPrincipal"])
def test_a_statement_for_a_principal_depends_on_who_it_is(element: str, name: str) -> None:
    statement = {"Effect": "Deny", element: {"AWS": name}, "Action": USE, "Resource": "*"}

    assert decided({"Statement": statement}) == ("undecided", (ARN,))
    known = decided({"Statement": statement}, aws__PrincipalArn=DEV)
    assert known[0] == ("denied" if element == "Principal" else "allowed")


def test_a_resource_that_names_the_caller_depends_on_the_caller() -> None:
    users = "arn:aws:iam::123456789012:user"
    statement = {"Effect": "Allow", "Action": CREATE, "Resource": users + "/${aws:username}"}
    policies: list[Any] = [{"Version": "2012-10-17", "Statement": statement}]

    decision = evaluate(policies, CREATE, {}, f"{users}/dev", partial=True)

    assert (decision.outcome, decision.depends_on) == ("undecided", ("aws:username",))
    assert evaluate(policies, CREATE, {"aws:username": "dev"}, f"{users}/dev", partial=True).allowed


MANY = [
    {
        "Effect": "Deny",
        "Action": "*",
        "Resource": "*",
        "Condition": {
            "StringNotLike": {ARN: [f"arn:aws:iam::*:role/r{n}-{m}*" for n in range(8)]},
            "StringNotEquals": {f"aws:PrincipalTag/t{m}": ["a", "b", "c"]},
            "NotIpAddress": {"aws:SourceIp": ["10.0.0.0/8", "192.0.2.0/24"]},
        },
    }
    for m in range(6)
]


def test_a_long_list_of_exempt_principals_leaves_others_denied() -> None:
    roles = [f"arn:aws:iam::123456789012:role/r{n}" for n in range(700)]
    policy = deny(ArnNotLike={ARN: roles})

    assert decided(policy) == ("undecided", (ARN,))
    assert decided(policy, aws__PrincipalArn=DEV) == ("denied", ())


def test_many_rules_are_searched_for_two_outcomes() -> None:
    policies: list[Any] = [ALLOW_ALL, {"Version": "2012-10-17", "Statement": MANY}]

    assert evaluate(policies, USE, {}, partial=True).outcome == "undecided"
    assert evaluate(policies, USE, {"aws:SourceIp": "10.0.0.1"}, partial=True).allowed
    assert not evaluate(policies, USE, {"aws:SourceIp": "203.0.113.7"}).allowed


def test_among_many_rules_two_that_cover_every_value_still_deny() -> None:
    first, second = deny(StringEquals={"aws:on": "x"}), deny(StringNotEquals={"aws:on": "x"})
    policies: list[Any] = [ALLOW_ALL, first, second, {"Version": "2012-10-17", "Statement": MANY}]

    assert evaluate(policies, USE, {}, partial=True).outcome == "denied"


# --------------------------------------------------- compared with the reference evaluator

POOLS: dict[str, list[Any]] = {
    ARN: [None, DEV, OTHER, "arn:aws:iam::210987654321:user/x"],
    "aws:SourceIp": [None, "10.0.0.1", "10.1.0.1", "192.0.2.1"],
    "aws:PrincipalTag/team": [None, "a", "b", "ab", DEV, NEVER_GIVEN],
    "bedrock:bearerTokenType": ["SHORT_TERM", "LONG_TERM"],
    "aws:age": [None, "4", "5", "6", "29", "30", "31"],
    "aws:on": [None, "true", "false"],
    "aws:TagKeys": [None, ["a"], ["b"], ["a", "b"], [NEVER_GIVEN], ["a", NEVER_GIVEN], [""]],
}
TAG = "aws:PrincipalTag/team"
MORE: dict[str, list[Any]] = {
    ARN: ["a", "b", "ab", "true", "arn:*", "arn:aws:iam::123456789012:role/*"],
    TAG: ["a*", "*b", *POOLS[ARN][2:]],
    "bedrock:bearerTokenType": [None, "*_TERM"],
}
EVERY_VALUE = {key: [*values, *MORE.get(key, []), NEVER_GIVEN] for key, values in POOLS.items()}
tests_of: dict[str, st.SearchStrategy[tuple[str, Any]]] = {
    ARN: st.tuples(
        st.sampled_from(["ArnLike", "ArnNotLike", "StringEquals", "StringNotLikeIfExists", "Null"]),
        st.sampled_from([DEV, "arn:aws:iam::123456789012:role/*", [DEV, OTHER], "true", "arn:*"]),
    ),
    "aws:SourceIp": st.tuples(
        st.sampled_from(["IpAddress", "NotIpAddress", "IpAddressIfExists"]),
        st.sampled_from(["10.0.0.0/16", ["10.0.0.0/8", "192.0.2.0/24"]]),
    ),
    "aws:PrincipalTag/team": st.tuples(
        st.sampled_from(["StringLike", "StringEquals", "StringNotEquals", "StringEqualsIfExists"]),
        st.sampled_from(["a", "b", "a*", "*b", ["a", "b"], "${aws:PrincipalArn}"]),
    ),
    "bedrock:bearerTokenType": st.tuples(
        st.sampled_from(["StringEquals", "StringNotEquals", "StringLike"]),
        st.sampled_from(["SHORT_TERM", "LONG_TERM", "*_TERM", ["SHORT_TERM", "LONG_TERM"]]),
    ),
    "aws:age": st.tuples(
        st.sampled_from(["NumericLessThan", "NumericGreaterThanEquals", "NumericNotEquals"]),
        st.sampled_from(["5", "30"]),
    ),
    "aws:on": st.tuples(
        st.sampled_from(["Bool", "BoolIfExists", "Null"]), st.sampled_from(["true", "false"])
    ),
    "aws:TagKeys": st.tuples(
        st.sampled_from(["ForAllValues:StringEquals", "ForAnyValue:StringEquals"])
        | st.sampled_from(["ForAnyValue:StringNotEquals", "ForAllValues:StringNotEquals"]),
        st.sampled_from(["a", ["a", "b"]]),
    ),
}


@st.composite
def conditions(draw: st.DrawFn) -> dict[str, Any]:
    condition: dict[str, Any] = {}
    for key in draw(st.lists(st.sampled_from(list(POOLS)), max_size=2, unique=True)):
        operator, wanted = draw(tests_of[key])
        condition.setdefault(operator, {})[key] = wanted
    return condition


statements = st.builds(
    lambda effect, action, condition: {
        "Effect": effect,
        **action,
        "Resource": "*",
        "Condition": condition,
    },
    st.sampled_from(["Allow", "Deny"]),
    st.sampled_from([{"Action": "*"}, {"Action": USE}, {"NotAction": "iam:*"}, {"Action": "s3:*"}]),
    conditions(),
)
documents = st.builds(
    lambda given: {"Version": "2012-10-17", "Statement": given},
    st.lists(statements, min_size=1, max_size=3),
)
ALLOWING = {"Version": "2012-10-17", "Statement": [ALLOW_ALL["Statement"]]}
layers = st.fixed_dictionaries(
    {"identity": st.lists(documents | st.just(ALLOWING), min_size=1, max_size=2)},
    optional={
        "boundary": st.lists(documents, min_size=1, max_size=1),
        "service_control": st.lists(documents, min_size=1, max_size=1),
        "session": st.lists(documents, min_size=1, max_size=1),
    },
)
known_values = st.fixed_dictionaries(
    {}, optional={key: st.sampled_from(values) for key, values in POOLS.items()}
)


@given(layers, known_values)
def test_a_complete_request_is_decided_as_the_reference_decides(
    given: dict[str, Any], context: dict[str, Any]
) -> None:
    ours = evaluate(PolicySet(**given), USE, context)

    assert ours.outcome == ("allowed" if reference.decide(given, USE, context, "*") else "denied")


@settings(max_examples=150)
@given(layers, known_values)
def test_undecided_means_that_the_unknown_turns_it_and_decided_that_it_cannot(
    given: dict[str, Any], context: dict[str, Any]
) -> None:
    decision = evaluate(PolicySet(**given), USE, context, partial=True)

    used = {
        key.lower()
        for documents in given.values()
        for document in documents
        for statement in document["Statement"]
        for keys in statement.get("Condition", {}).values()
        for key in (*keys, ARN)
    }
    unknown = [key for key in POOLS if key.lower() in used and key not in context][:3]
    if len(unknown) < len({key for key in POOLS if key.lower() in used and key not in context}):
        return
    completions = [
        {**context, **dict(zip(unknown, values, strict=True))}
        for values in itertools.product(*(EVERY_VALUE[key] for key in unknown))
    ]
    found = {reference.decide(given, USE, completed, "*") for completed in completions}
    if decision.outcome == "undecided":
        assert found == {True, False}
        assert {key.lower() for key in decision.depends_on} <= {key.lower() for key in unknown}
    else:
        assert found == {decision.allowed}


def test_of_two_rules_that_cover_every_value_neither_is_said_to_decide() -> None:
    inside = deny(IpAddress={"aws:SourceIp": "10.0.0.0/8"})
    outside = deny(NotIpAddress={"aws:SourceIp": "10.0.0.0/8"})

    decision = evaluate([ALLOW_ALL, inside, outside], USE, {}, partial=True)

    assert (decision.outcome, decision.effect) == ("denied", "explicit")
    assert decision.policy_type == "identity-based policy"
    assert decision.statement is None


def test_a_deny_or_a_missing_allow_is_not_said_to_be_one_of_them() -> None:
    team = "aws:PrincipalTag/team"
    denying = deny(StringEquals={team: "a"})
    allowing = {"Statement": {**denying["Statement"][0], "Effect": "Allow"}}

    decision = evaluate([allowing, denying], USE, {}, partial=True)

    assert (decision.outcome, decision.effect) == ("denied", None)
    assert decision.reason.startswith("by one policy or another")
    assert decision.statement is None


@pytest.mark.parametrize(
    ("text", "known"),
    [
        ("${aws:username, 'nobody'}", {"aws__username": None}),
        ("team-${aws:PrincipalAccount}", {"aws__PrincipalAccount": "123456789012"}),
        ("team-${aws:PrincipalAccount}", {}),
        ("team-${aws:PrincipalAccount}", {"aws__PrincipalTag/team": "team-123456789012"}),
    ],
)
def test_a_value_that_equals_a_filled_in_variable_is_possible(
    text: str, known: dict[str, Any]
) -> None:
    policy = deny(StringNotLike={"aws:PrincipalTag/team": text})

    assert decided(policy, **known)[0] == "undecided"


def test_two_unknown_keys_that_a_variable_links_may_be_equal() -> None:
    role = "arn:aws:iam::123456789012:role/dev"
    policies = PolicySet(
        identity=[allow_if("ArnLike", {"aws:PrincipalArn": role})],
        boundary=[allow_if("StringLike", {"aws:PrincipalTag/team": "${aws:PrincipalArn}"})],
    )

    decision = evaluate(policies, USE, {}, partial=True)

    assert decision.outcome == "undecided"
    assert set(decision.depends_on) == {"aws:PrincipalArn", "aws:PrincipalTag/team"}


def allow_if(operator: str, condition: dict[str, str]) -> dict[str, Any]:
    statement = {
        "Effect": "Allow",
        "Action": "*",
        "Resource": "*",
        "Condition": {operator: condition},
    }
    return {"Version": "2012-10-17", "Statement": [statement]}


@pytest.mark.parametrize(
    ("condition", "known"),
    [
        # A variable behind a wildcard can be what makes a known ARN match.
        ({"ArnLike": {ARN: "arn:aws:iam::*:role/${aws:username}"}}, {"aws__PrincipalArn": DEV}),
        ({"ArnLike": {ARN: "*:*:iam::*:${aws:PrincipalTag/is}/*"}}, {"aws__PrincipalArn": DEV}),
        # A wildcard that is written as a character.
        ({"StringEquals": {"aws:PrincipalTag/team": "a${*}b"}}, {}),
    ],
)
def test_a_value_that_a_pattern_matches_is_possible(
    condition: dict[str, Any], known: dict[str, Any]
) -> None:
    assert decided(deny(**condition), **known)[0] == "undecided"


@pytest.mark.parametrize(
    "conditions",
    [
        [{"BoolIfExists": {"aws:MultiFactorAuthPresent": ["true", "false"]}}],
        [
            {"DateLessThan": {"aws:CurrentTime": "2026-01-01T00:00:00Z"}},
            {"DateGreaterThanEquals": {"aws:CurrentTime": "2026-01-01T00:00:00Z"}},
            {"Null": {"aws:CurrentTime": "true"}},
        ],
        [
            {"NumericLessThanIfExists": {"aws:MultiFactorAuthAge": "60"}},
            {"NumericGreaterThanEquals": {"aws:MultiFactorAuthAge": "60"}},
        ],
        [
            {"IpAddress": {"aws:SourceIp": "0.0.0.0/0"}},
            {"IpAddressIfExists": {"aws:SourceIp": "::/0"}},
        ],
    ],
)
def test_rules_that_cover_every_value_of_a_kind_deny(conditions: list[dict[str, Any]]) -> None:
    assert decided(*(deny(**condition) for condition in conditions)) == ("denied", ())


def test_a_user_that_may_create_its_own_keys_may_be_the_one_it_asks_for() -> None:
    own = {"Effect": "Allow", "Action": "iam:*", "Resource": "arn:aws:iam::*:user/${aws:username}"}
    policy = {"Version": "2012-10-17", "Statement": [own]}

    decision = evaluate([policy], CREATE, {"aws:username": "dev"}, partial=True)

    assert (decision.outcome, decision.depends_on) == ("undecided", ("resource",))


def test_a_key_is_created_for_a_user_and_not_for_a_role() -> None:
    users = {"Effect": "Allow", "Action": "iam:*", "Resource": "arn:aws:iam::*:user/*"}
    roles = {"Effect": "Deny", "Action": "iam:*", "Resource": "arn:aws:iam::*:role/admin-*"}
    policy = {"Version": "2012-10-17", "Statement": [users, roles]}

    assert evaluate([policy], CREATE, {}, partial=True).outcome == "allowed"
    assert evaluate([policy], "iam:PassRole", {}, partial=True).outcome == "undecided"


@pytest.mark.parametrize("element", ["Principal", "NotPrincipal"])
@pytest.mark.parametrize(
    ("arn", "user_id", "is_named"),
    [
        (DEV, None, None),
        (DEV, "AROAEXAMPLE:me", True),
        (DEV, "AROAEXAMPLE:you", False),
        (OTHER, "AROAEXAMPLE:me", False),
        ("arn:aws:iam::123456789012:user/dev", None, False),
        (None, "AROAEXAMPLE:me", None),
    ],
)
def test_a_statement_for_one_session_depends_on_the_session(
    element: str, arn: str | None, user_id: str | None, is_named: bool | None
) -> None:
    session = {"AWS": ["arn:aws:sts::123456789012:assumed-role/dev/me"]}
    statement = {"Effect": "Allow", element: session, "Action": "*", "Resource": "*"}
    policies = PolicySet(identity=[ALLOW_ALL], vpc_endpoint=[{"Statement": [statement]}])
    known = {key: value for key, value in ((ARN, arn), ("aws:userid", user_id)) if value}

    decision = evaluate(policies, USE, known, partial=True)

    outcomes = {True: "allowed", False: "denied", None: "undecided"}
    matches = is_named if element == "Principal" or is_named is None else not is_named
    assert decision.outcome == outcomes[matches]
    assert set(decision.depends_on) == (
        {ARN, "aws:userid"} - set(known) if is_named is None else set()
    )
