"""What IAM policies say to the use and the creation of API keys."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bedrock_bearer.access import (
    Denial,
    GoverningPolicy,
    NamedPolicy,
    PolicySet,
    allow_only,
    deny_all_keys,
    deny_key_creation,
    deny_use,
    evaluate,
    limit_key_age,
    locate,
    read_document,
)
from bedrock_bearer.keys import KeyDescription, TokenType

USE = "bedrock:CallWithBearerToken"
CREATE = "iam:CreateServiceSpecificCredential"
TYPE_KEY = "bedrock:bearerTokenType"
BOTH = ("SHORT_TERM", "LONG_TERM")
PRINCIPAL = "arn:aws:iam::123456789012:user/dev"


def document(*statements: dict[str, Any], version: str = "2012-10-17") -> dict[str, Any]:
    return {"Version": version, "Statement": list(statements)}


def statement(effect: str, action: str | list[str] = "*", **more: Any) -> dict[str, Any]:
    return {"Effect": effect, "Action": action, "Resource": "*"} | more


ALLOW_ALL: Any = document(statement("Allow"))


def of_type(token_type: str) -> dict[str, Any]:
    return {"StringEquals": {TYPE_KEY: token_type}}


def uses(policies: Any) -> dict[str, bool]:
    return {kind: evaluate(policies, USE, {TYPE_KEY: kind}).allowed for kind in BOTH}


def creation(days: int | None) -> dict[str, Any]:
    context: dict[str, Any] = {"iam:ServiceSpecificCredentialServiceName": "bedrock.amazonaws.com"}
    return context if days is None else context | {"iam:ServiceSpecificCredentialAgeDays": days}


# ----------------------------------------------------------------- what AWS's pages document


@pytest.mark.parametrize(
    ("policy", "short", "long"),
    [
        (document(statement("Deny", [CREATE, USE])), False, False),
        (document(statement("Deny", USE, Condition=of_type("LONG_TERM"))), True, False),
        (document(statement("Deny", USE, Condition=of_type("SHORT_TERM"))), False, True),
        (
            document(
                statement("Deny", USE, Condition=of_type("LONG_TERM")), statement("Allow", USE)
            ),
            True,
            False,
        ),
        (
            document(
                statement("Deny", USE, Condition=of_type("SHORT_TERM")), statement("Allow", USE)
            ),
            False,
            True,
        ),
        (document(statement("Deny", [USE, "bedrock-mantle:CallWithBearerToken"])), False, False),
    ],
)
def test_a_documented_policy_does_what_its_page_says(
    policy: dict[str, Any], short: bool, long: bool
) -> None:
    assert uses([ALLOW_ALL, policy]) == {"SHORT_TERM": short, "LONG_TERM": long}


def test_the_documented_limit_of_ninety_days_allows_no_longer_key() -> None:
    condition = {
        "StringEquals": {"iam:ServiceSpecificCredentialServiceName": "bedrock.amazonaws.com"},
        "NumericLessThanEquals": {"iam:ServiceSpecificCredentialAgeDays": "90"},
    }
    policy = document(statement("Allow", CREATE, Condition=condition))

    allowed = [evaluate([policy], CREATE, creation(days)).allowed for days in (90, 91, None)]
    assert allowed == [True, False, False]


@pytest.mark.parametrize(
    "policies",
    [
        [document(statement("Allow", USE, Condition=of_type("SHORT_TERM")))],
        [
            ALLOW_ALL,
            document(
                statement(
                    "Deny", USE, Condition={"StringNotEqualsIfExists": {TYPE_KEY: "SHORT_TERM"}}
                )
            ),
        ],
    ],
    ids=["allow one", "deny all but one"],
)
def test_a_pattern_seen_in_the_wild_leaves_one_type(policies: list[Any]) -> None:
    assert uses(policies) == {"SHORT_TERM": True, "LONG_TERM": False}


# ----------------------------------------------------------------------- the seed's outcomes


def test_use_with_a_denied_type_is_refused_and_the_other_allowed() -> None:
    assert uses([ALLOW_ALL, deny_use("SHORT_TERM")]) == {"SHORT_TERM": False, "LONG_TERM": True}


@pytest.mark.parametrize(("days", "allowed"), [(5, True), (30, False), (None, False)])
def test_a_limit_of_five_days_holds(days: int | None, allowed: bool) -> None:
    assert evaluate([ALLOW_ALL, limit_key_age(5)], CREATE, creation(days)).allowed is allowed


def test_the_statement_that_denies_a_type_is_located() -> None:
    policies = [ALLOW_ALL, deny_use("LONG_TERM"), deny_use("SHORT_TERM")]
    sentence = evaluate(policies, USE, {TYPE_KEY: "SHORT_TERM"}).sentence(PRINCIPAL)
    denial = Denial.parse(sentence)
    assert denial is not None
    key = KeyDescription(TokenType.SHORT_TERM, "abcd", "env X")
    governing = GoverningPolicy.from_denial(denial, key)
    assert governing is not None

    (found,) = locate(governing, policies)

    assert (found.sid, found.policy_index) == ("DenyShortTermKeyUse", 2)
    assert governing.located_in(policies).certainty == "located"


def test_the_statement_that_limits_the_age_is_located() -> None:
    policies = [ALLOW_ALL, limit_key_age(5)]
    denial = Denial.parse(evaluate(policies, CREATE, creation(30)).sentence(PRINCIPAL))
    assert denial is not None

    (found,) = locate(denial, policies, creation(30))

    assert found.sid == "DenyKeysThatLiveTooLong"


@pytest.mark.parametrize("partition", ["aws", "aws-us-gov", "aws-cn"])
@pytest.mark.parametrize("account", ["123456789012", "210987654321"])
def test_a_principal_is_named_by_its_account_in_any_partition(partition: str, account: str) -> None:
    root = {"AWS": f"arn:{partition}:iam::{account}:root"}
    policies = PolicySet(
        identity=[ALLOW_ALL], resource_control=[document(statement("Deny", Principal=root))]
    )
    caller = {"aws:PrincipalArn": f"arn:{partition}:iam::123456789012:user/dev"}

    assert evaluate(policies, USE, caller).allowed == (account != "123456789012")


def test_a_located_statement_for_all_keys_is_not_called_one_for_a_type() -> None:
    policies = [deny_all_keys()]
    denial = Denial.parse(evaluate(policies, USE).sentence(PRINCIPAL))
    assert denial is not None
    key = KeyDescription(TokenType.LONG_TERM, "abcd", "env X")
    governing = GoverningPolicy.from_denial(denial, key)
    assert governing is not None

    explained = governing.located(locate(governing, policies)[0]).explain()

    assert "does not look at bedrock:bearerTokenType" in explained
    assert "SHORT_TERM key if" not in explained


def test_an_allow_for_the_other_type_is_located_for_an_implicit_denial() -> None:
    policies = [document(statement("Allow", USE, Sid="ShortOnly", Condition=of_type("SHORT_TERM")))]
    denial = Denial.parse(evaluate(policies, USE, {TYPE_KEY: "LONG_TERM"}).sentence(PRINCIPAL))
    assert denial is not None

    assert [found.sid for found in locate(denial, policies)] == ["ShortOnly"]


def test_the_policy_that_aws_names_is_preferred() -> None:
    arn = "arn:aws:iam::123456789012:policy/Second"
    policies = [
        NamedPolicy(deny_all_keys(), name="first"),
        NamedPolicy(deny_all_keys(), name="second", arn=arn),
    ]
    denial = Denial.parse(
        f"User: {PRINCIPAL} is not authorized to perform: {USE} on resource: * with an explicit "
        f"deny in an identity-based policy: {arn}"
    )
    assert denial is not None

    assert [found.policy_name for found in locate(denial, policies)] == ["second"]


# ------------------------------------------------------------------------------- the layers


@pytest.mark.parametrize(
    ("layer", "policy_type"),
    [
        ("resource_control", "resource control policy"),
        ("service_control", "service control policy"),
        ("boundary", "permissions boundary"),
        ("session", "session policy"),
    ],
)
def test_each_layer_can_deny_and_must_allow(layer: str, policy_type: str) -> None:
    denying: dict[str, Any] = {layer: [ALLOW_ALL, deny_all_keys()]}
    silent: dict[str, Any] = {layer: [document(statement("Allow", "s3:*"))]}

    explicit = evaluate(PolicySet(identity=[ALLOW_ALL], **denying), USE)
    implicit = evaluate(PolicySet(identity=[ALLOW_ALL], **silent), USE)

    assert (explicit.effect, explicit.policy_type) == ("explicit", policy_type)
    assert (implicit.effect, implicit.policy_type) == ("implicit", policy_type)


@pytest.mark.parametrize("layer", ["service_control", "resource_control"])
def test_a_control_policy_that_only_denies_stands_beside_full_access(layer: str) -> None:
    only_denies: dict[str, Any] = {layer: [deny_use("SHORT_TERM")]}
    policies = PolicySet(identity=[ALLOW_ALL], **only_denies)

    assert uses(policies) == {"SHORT_TERM": False, "LONG_TERM": True}


def test_each_level_of_the_organisation_has_to_allow() -> None:
    unit = [document(statement("Allow", "s3:*")), document(statement("Allow", "bedrock:*"))]
    policies = PolicySet(identity=[ALLOW_ALL], service_control=[[ALLOW_ALL], unit])

    assert evaluate(policies, USE).allowed
    assert evaluate(policies, CREATE).policy_type == "service control policy"


def test_a_statement_is_counted_through_the_levels() -> None:
    policies = PolicySet(
        identity=[ALLOW_ALL], service_control=[[ALLOW_ALL], [ALLOW_ALL, deny_all_keys()]]
    )
    decision = evaluate(policies, USE)

    assert decision.statement is not None
    assert decision.statement.policy_index == 2


def test_without_an_identity_policy_nothing_is_allowed() -> None:
    decision = evaluate([], USE)

    assert (decision.allowed, decision.effect) == (False, "implicit")
    assert decision.reason == f"because no identity-based policy allows the {USE} action"


@pytest.mark.parametrize(
    "policy", [deny_use("SHORT_TERM"), deny_all_keys(), limit_key_age(5), deny_key_creation()]
)
def test_a_refusal_in_our_words_reads_as_one_of_awss(policy: Any) -> None:
    for action, context in ((USE, {TYPE_KEY: "SHORT_TERM"}), (CREATE, creation(30))):
        decision = evaluate([ALLOW_ALL, policy], action, context)
        if decision.allowed:
            continue
        denial = Denial.parse(decision.sentence(PRINCIPAL))
        assert denial is not None
        assert (denial.action, denial.effect, denial.policy_type) == (
            action,
            "explicit",
            "identity-based policy",
        )


@pytest.mark.parametrize("mantle", [False, True])
@pytest.mark.parametrize("scp", [False, True])
def test_allow_only_allows_one_type_on_each_endpoint_it_is_for(mantle: bool, scp: bool) -> None:
    policy = allow_only("LONG_TERM", mantle=mantle, scp=scp)
    policies = [ALLOW_ALL, policy] if scp else [policy]
    service = "bedrock-mantle" if mantle else "bedrock"

    allowed = [
        evaluate(
            policies, f"{service}:CallWithBearerToken", {f"{service}:bearerTokenType": kind}
        ).allowed
        for kind in BOTH
    ]

    assert allowed == [False, True]


# ------------------------------------------------------------------------------ conditions


@pytest.mark.parametrize(
    ("condition", "context", "expected"),
    [
        ({"StringEquals": {"a": "x"}}, {"A": "x"}, True),
        ({"StringEquals": {"a": "x"}}, {"a": "X"}, False),
        ({"StringEqualsIgnoreCase": {"a": "x"}}, {"a": "X"}, True),
        ({"StringEquals": {"a": ["x", "y"]}}, {"a": "y"}, True),
        ({"StringNotEquals": {"a": ["x", "y"]}}, {"a": "y"}, False),
        ({"StringEquals": {"a": "x"}}, {}, False),
        ({"StringNotEquals": {"a": "x"}}, {}, True),
        ({"StringEqualsIfExists": {"a": "x"}}, {}, True),
        ({"StringLike": {"a": "a*c?"}}, {"a": "abbbcd"}, True),
        ({"StringLike": {"a": "a*c?"}}, {"a": "abbbc"}, False),
        ({"StringNotLike": {"a": "b*"}}, {"a": "abc"}, True),
        ({"StringEquals": {"a": "*"}}, {"a": "x"}, False),
        ({"NumericGreaterThan": {"a": "5"}}, {"a": 5}, False),
        ({"NumericGreaterThan": {"a": "5"}}, {"a": "30"}, True),
        ({"NumericLessThanEquals": {"a": 5}}, {"a": 5.0}, True),
        ({"NumericEquals": {"a": "5"}}, {"a": "five"}, False),
        ({"NumericNotEquals": {"a": "5"}}, {"a": "6"}, True),
        ({"DateLessThan": {"a": "2026-01-02T00:00:00Z"}}, {"a": "2026-01-01T00:00:00Z"}, True),
        ({"DateGreaterThan": {"a": "0"}}, {"a": "2026-01-01T00:00:00+01:00"}, True),
        ({"DateEquals": {"a": "never"}}, {"a": "2026-01-01"}, False),
        ({"Bool": {"a": "true"}}, {"a": True}, True),
        ({"Bool": {"a": "false"}}, {}, False),
        ({"BoolIfExists": {"a": "false"}}, {}, True),
        ({"BinaryEquals": {"a": "QUI="}}, {"a": "QUI="}, True),
        ({"IpAddress": {"a": "10.0.0.0/8"}}, {"a": "10.1.2.3"}, True),
        ({"NotIpAddress": {"a": "10.0.0.0/8"}}, {"a": "10.1.2.3"}, False),
        ({"ArnLike": {"a": "arn:aws:iam::*:user/*"}}, {"a": "arn:aws:iam::1:user/x"}, True),
        ({"ArnEquals": {"a": "arn:aws:*"}}, {"a": "arn:aws:iam::1:user/x"}, False),
        ({"ArnNotLike": {"a": "arn:aws:iam::2:*"}}, {"a": "arn:aws:iam::1:user/x"}, True),
        ({"Null": {"a": "true"}}, {}, True),
        ({"Null": {"a": "false"}}, {"a": "x"}, True),
        ({"Null": {"a": True}}, {"a": "x"}, False),
        ({"ForAllValues:StringEquals": {"a": ["x", "y"]}}, {"a": ["x", "y"]}, True),
        ({"ForAllValues:StringEquals": {"a": ["x"]}}, {"a": ["x", "y"]}, False),
        ({"ForAllValues:StringEquals": {"a": ["x"]}}, {}, True),
        ({"ForAllValues:StringEquals": {"a": ["x"]}}, {"a": ""}, True),
        ({"ForAnyValue:StringNotEquals": {"a": ["x"]}}, {"a": [""]}, False),
        ({"ForAnyValue:StringNotEquals": {"a": ["x"]}}, {}, False),
        ({"ForAnyValue:StringEqualsIfExists": {"a": ["x"]}}, {}, False),
        ({"StringEqualsIfExists": {"a": "x"}}, {"a": []}, True),
        ({"Null": {"a": "true"}}, {"a": []}, True),
        ({"Null": {"a": "true"}}, {"a": None}, True),
        ({"StringNotEquals": {"a": "${b}"}}, {"a": "x"}, True),
        ({"DateLessThan": {"a": "2026-02"}}, {"a": datetime(2026, 1, 31)}, True),
        ({"BinaryEquals": {"a": "QUI="}}, {"a": b"AB"}, True),
        ({"ForAnyValue:StringEquals": {"a": ["x"]}}, {"a": ["x", "y"]}, True),
        ({"ForAnyValue:StringEquals": {"a": ["x"]}}, {}, False),
        ({"ForAnyValue:StringNotEquals": {"a": ["x"]}}, {"a": ["x", "y"]}, True),
        ({"StringEquals": {"a": "${b}"}}, {"a": "x", "b": "x"}, True),
        ({"StringEquals": {"a": "${b}"}}, {"a": "${b}"}, False),
        ({"StringEquals": {"a": "${b, 'z'}"}}, {"a": "z"}, True),
        ({"StringLike": {"a": "${*}*"}}, {"a": "*x"}, True),
        ({"StringLike": {"a": "${*}*"}}, {"a": "yx"}, False),
        ({"StringLike": {"a": "${b}"}}, {"a": "anything", "b": "*"}, False),
    ],
)
def test_a_condition_holds_as_the_reference_says(
    condition: dict[str, Any], context: dict[str, Any], expected: bool
) -> None:
    policy = document(statement("Allow", "x:Y", Condition=condition))

    assert evaluate([policy], "x:Y", context).allowed is expected


def test_the_older_language_has_no_variables() -> None:
    condition = {"StringEquals": {"a": "${b}"}}
    policy = document(statement("Allow", Condition=condition), version="2008-10-17")

    assert evaluate([policy], "x:Y", {"a": "${b}", "b": "x"}).allowed


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"Action": "X:y"}, True),
        ({"Action": ["a:b", "x:*"]}, True),
        ({"Action": "x:?"}, True),
        ({"NotAction": "x:Y"}, False),
        ({"NotAction": "a:*"}, True),
        ({"Action": "*", "Resource": "arn:aws:s3:::*"}, True),
        ({"Action": "*", "Resource": "ARN:aws:s3:::*"}, False),
        ({"Action": "*", "NotResource": "arn:aws:s3:::b"}, False),
    ],
)
def test_actions_and_resources_match_as_the_reference_says(
    given: dict[str, Any], expected: bool
) -> None:
    if "NotResource" not in given:
        given = {"Resource": "*", **given}
    policy = {"Version": "2012-10-17", "Statement": {"Effect": "Allow", **given}}

    assert evaluate([policy], "x:Y", {}, "arn:aws:s3:::b").allowed is expected


# ------------------------------------------------------------------------------- documents


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ('{"Statement":[}', "line 1 column 15: Expecting value"),
        ("[]", "the document: input should be a valid dictionary"),
        ('{"Version":"2020-01-01","Statement":[]}', "Version: input should be"),
        ('{"Statement":[{"Effect":"No","Action":"a:b"}]}', "Statement[0].Effect: input should"),
        ('{"Statement":{"Effect":"Deny"}}', "Statement: needs either Action or NotAction"),
        ('{"Statement":[{"Effect":"Deny","Action":5}]}', "Statement[0].Action: must be a text"),
        (
            '{"Statement":[{"Effect":"Allow","Action":"*","Resource":[]}]}',
            "Statement[0].Resource: must be a text or a list of texts, and not empty",
        ),
        (
            '{"Statement":[{"Effect":"Deny","Action":"a:b","Condition":{"Foo":{"a":"b"}}}]}',
            "Statement[0].Condition: 'Foo' is not a condition operator",
        ),
        (
            '{"Statement":[{"Effect":"Deny","Action":"a:b","Condition":{"Bool":{"a":{}}}}]}',
            "Statement[0].Condition.Bool.a: input should be",
        ),
        ('{"Statement":[{"Effect":"Deny","Action":"a:b","Acton":1}]}', "Statement[0].Acton: extra"),
        (
            '{"Statement":[{"Effect":"Deny","Action":"a:b"}]}',
            "Statement[0]: needs either Resource or NotResource",
        ),
        (
            '{"Statement":{"Effect":"Deny","Action":"bedrock*:CallWithBearerToken","Resource":"*"}}',
            "Statement.Action: 'bedrock*:CallWithBearerToken' is not an action",
        ),
        ('{"Statement":{"Effect":"Deny","Action":"x","Resource":"*"}}', "Statement.Action: 'x' is"),
        (
            '{"Statement":{"Effect":"Deny","Action":"*","Resource":"*","NotResource":"*"}}',
            "Statement: must not have both Resource and NotResource",
        ),
        (
            '{"Statement":{"Effect":"Deny","Action":"*","Principal":"*","NotPrincipal":"*"}}',
            "Statement: must not have both Principal and NotPrincipal",
        ),
        # One of the two would be lost.
        (
            '{"Statement":{"Effect":"Deny","Action":"*","Resource":"*","Condition":'
            '{"StringEquals":{"a:b":"c"},"StringEquals":{"d:e":"f"}}}}',
            "'StringEquals' is there twice in one JSON object",
        ),
        (
            '{"statement":{"effect":"Deny","action":"a:b","resource":"*"}}',
            "statement: extra inputs are not permitted",
        ),
    ],
)
def test_a_broken_document_says_where(text: str, problem: str) -> None:
    with pytest.raises(ValueError, match=r"^.") as caught:
        read_document(text)

    assert str(caught.value).startswith(problem)
    assert "\n" not in str(caught.value)


def test_a_document_goes_back_as_it_came() -> None:
    given = {"Version": "2012-10-17", "Id": "x", "Statement": statement("Deny", Sid="s")}

    assert read_document(given).to_wire() == given


# ------------------------------------------------------------------------------- properties


names = st.sampled_from(["a", "b", "bedrock:bearerTokenType"])
values = st.one_of(st.sampled_from(["x", "SHORT_TERM", "*", "${a}"]), st.integers(), st.booleans())
operators = st.sampled_from(
    ["StringEquals", "StringNotLike", "NumericLessThan", "DateEquals", "Bool", "Null"]
)
some_statements = st.builds(
    lambda effect, action, condition: statement(effect, action, Condition=condition),
    st.sampled_from(["Allow", "Deny"]),
    st.sampled_from(["*", USE, "bedrock:*", "s3:*"]),
    st.dictionaries(operators, st.dictionaries(names, values, max_size=2), max_size=2),
)
contexts = st.dictionaries(names, st.one_of(values, st.lists(values, max_size=2)), max_size=3)


@given(st.lists(some_statements, min_size=1, max_size=4), some_statements, contexts)
def test_another_deny_never_turns_a_no_into_a_yes(
    statements: list[dict[str, Any]], another: dict[str, Any], context: dict[str, Any]
) -> None:
    before = evaluate([document(*statements)], USE, context)
    after = evaluate([document(*statements, another | {"Effect": "Deny"})], USE, context)

    assert before.allowed or not after.allowed


strange = st.text(max_size=8) | st.floats() | st.booleans() | st.none() | st.binary(max_size=3)
all_operators = st.builds(
    "{}{}{}".format,
    st.sampled_from(["", "ForAllValues:", "ForAnyValue:"]),
    st.sampled_from(["StringLike", "ArnLike", "NumericEquals", "NumericLessThan", "DateLessThan"])
    | st.sampled_from(["Bool", "BinaryEquals", "IpAddress", "NotIpAddress", "StringNotEquals"]),
    st.sampled_from(["", "IfExists"]),
)
strange_values = st.text(max_size=8) | st.integers() | st.booleans()


@given(
    st.dictionaries(all_operators, st.dictionaries(names, strange_values, max_size=2), max_size=3),
    st.dictionaries(names, strange | st.lists(strange, max_size=2), max_size=3),
)
def test_no_valid_document_and_no_context_is_too_strange_to_decide_on(
    condition: dict[str, Any], context: dict[str, Any]
) -> None:
    decision = evaluate([document(statement("Allow", Condition=condition))], USE, context)

    assert decision.allowed in (True, False)


texts = st.text(min_size=1, max_size=12) | st.sampled_from(
    [
        "*",
        "?",
        "${",
        "${a}",
        "${*}",
        "${a, 'x'}",
        "${}",
        "bedrock:*",
        "arn:*:iam::1:root",
        PRINCIPAL,
    ]
)
one_or_more = texts | st.lists(texts, min_size=1, max_size=3)
principals = st.just("*") | st.dictionaries(
    st.sampled_from(["AWS", "Service", "Federated"]), one_or_more, max_size=2
)
anything = strange | st.lists(strange, max_size=2) | texts


def either(names: tuple[str, str], given: Any) -> Any:
    return st.dictionaries(st.sampled_from(names), given, min_size=1, max_size=1)


actions = st.sampled_from(["*", "bedrock:*", "s3:Get?", "iam:Create*"]) | st.from_regex(
    r"[a-z-]{1,8}:[A-Za-z*?]{1,12}", fullmatch=True
)
whole_statements = st.builds(
    lambda effect, *parts: {"Effect": effect} | {k: v for part in parts for k, v in part.items()},
    st.sampled_from(["Allow", "Deny"]),
    either(("Action", "NotAction"), actions | st.lists(actions, min_size=1, max_size=3)),
    either(("Resource", "NotResource"), one_or_more),
    either(("Principal", "NotPrincipal"), principals) | st.just({}),
    st.fixed_dictionaries(
        {},
        optional={
            "Sid": st.text(max_size=5),
            "Condition": st.dictionaries(
                all_operators | operators,
                st.dictionaries(
                    texts, strange_values | st.lists(strange_values, max_size=2), max_size=2
                ),
                max_size=2,
            ),
        },
    ),
)


@given(
    st.builds(
        lambda version, statements: {"Version": version, "Statement": statements},
        st.sampled_from(["2008-10-17", "2012-10-17"]),
        whole_statements | st.lists(whole_statements, max_size=3),
    ),
    st.sampled_from(["identity", "boundary", "session", "service_control", "resource_control"]),
    texts | st.sampled_from([USE, CREATE]),
    st.dictionaries(texts | st.just("aws:PrincipalArn"), anything, max_size=3),
    texts,
)
def test_whatever_a_valid_document_holds_it_is_decided_on_and_searched(
    given: dict[str, Any], layer: str, action: str, context: dict[str, Any], resource: str
) -> None:
    of_layer: Any = {layer: [read_document(given)]}
    policies = PolicySet(**of_layer)

    decision = evaluate(policies, action, context, resource)
    located = [
        found
        for how in ("with an explicit deny in an identity-based policy", "because no ... allows")
        for denial in [Denial.parse(f"User: {PRINCIPAL} is not authorized to perform: {USE} {how}")]
        if denial is not None
        for found in locate(denial, [given], context)
    ]

    assert decision.allowed in (True, False)
    assert all(found.statement in read_document(given).statements for found in located)


@given(st.lists(some_statements, min_size=1, max_size=5), contexts, st.randoms())
def test_the_order_of_statements_does_not_matter(
    statements: list[dict[str, Any]], context: dict[str, Any], random: Any
) -> None:
    shuffled = list(statements)
    random.shuffle(shuffled)

    first = evaluate([document(*statements)], USE, context)
    second = evaluate([document(*shuffled)], USE, context)

    assert (first.allowed, first.effect) == (second.allowed, second.effect)


@pytest.mark.parametrize("layer", ["identity", "boundary", "service_control", "unread"])
@pytest.mark.parametrize("given", [deny_use("SHORT_TERM"), ALLOW_ALL, "{}"], ids=["", "{}", "text"])
def test_a_single_policy_in_place_of_a_list_is_refused(layer: str, given: Any) -> None:
    with pytest.raises(ValueError, match=f"^{layer}= takes a list, also for a single one$"):
        PolicySet(**{layer: given})


def test_a_single_policy_in_place_of_policies_is_refused() -> None:
    given: Any = deny_use("SHORT_TERM")

    with pytest.raises(ValueError, match="takes a list"):
        evaluate(given, USE)
