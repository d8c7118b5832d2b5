"""AWS's own answer to a denial, read with real boto3 from the local Bedrock."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber
from support.local import Caller, Clock, deny_token_type, statement

from bedrock_bearer.access.denial import Denial
from bedrock_bearer.access.governing import GoverningPolicy
from bedrock_bearer.aws.toolbox import (
    AuthorizationDetails,
    confirm,
    fetch_authorization_details,
)
from bedrock_bearer.errors import ConfigurationError
from bedrock_bearer.local import LocalBedrock

ARN = "arn:aws:iam::123456789012:policy/NoKeys"


def denied(bedrock: LocalBedrock, key: str, region: str = "us-east-1") -> Denial:
    caller = Caller(bedrock, key, host=f"https://bedrock-runtime.{region}.amazonaws.com")
    denial = Denial.parse(caller.converse().json()["Message"])
    assert denial is not None
    return denial


def fetched(denial: Denial) -> AuthorizationDetails:
    return fetch_authorization_details(denial, sleep=lambda seconds: None)


def with_sid(document: dict[str, Any], sid: str) -> dict[str, Any]:
    return {**document, "Statement": [{"Sid": sid, **document["Statement"][0]}]}


def test_aws_names_the_statement_of_an_explicit_denial(aws: LocalBedrock) -> None:
    key = aws.mint_key()
    aws.attach_policy("dev", with_sid(deny_token_type("SHORT_TERM"), "NoShort"), policy_arn=ARN)

    details = fetched(denied(aws, key))

    (deciding,) = details.statements
    located = deciding.located()
    assert details.effect == "explicit"
    assert (deciding.policy_type, deciding.policy_uri, deciding.sid) == (
        "identity-based policy",
        ARN,
        "NoShort",
    )
    assert located is not None
    assert (located.policy_arn, located.sid, located.statement_index) == (ARN, "NoShort", 0)
    assert details.decided_by == ("bedrock:bearerTokenType",)
    assert details.context["bedrock:bearerTokenType"] == "SHORT_TERM"
    assert f"AWS names the statement: Statement[0] (NoShort) of identity-based policy {ARN}" in (
        details.explain()
    )


def test_a_statement_without_a_sid_is_found_in_its_policy(aws: LocalBedrock) -> None:
    key = aws.mint_key()
    document = deny_token_type("SHORT_TERM")
    document["Statement"].insert(0, {"Effect": "Allow", "Action": "bedrock:*", "Resource": "*"})
    aws.attach_policy("dev", document)

    (deciding,) = fetched(denied(aws, key)).statements

    assert deciding.inline
    assert deciding.index == 1


def test_of_two_statements_without_a_sid_neither_is_chosen(aws: LocalBedrock) -> None:
    key = aws.mint_key()
    document = deny_token_type("SHORT_TERM")
    document["Statement"].append({"Effect": "Deny", "Action": "s3:*", "Resource": "*"})
    aws.attach_policy("dev", document)

    details = fetched(denied(aws, key))

    assert [one.statement for one in details.statements] == [None]
    assert details.decided_by is None
    assert "AWS names the statement: Statement statement-0 of identity-based" in details.explain()


def test_every_statement_that_denies_is_named_the_type_in_the_sentence_first(
    aws: LocalBedrock,
) -> None:
    key = aws.mint_key()
    aws.attach_policy("dev", deny_token_type("SHORT_TERM"))
    aws.attach_service_control_policy(statement("Deny", "bedrock:CallWithBearerToken"))
    denial = denied(aws, key)

    first = fetched(denial).statements
    other = fetched(replace(denial, policy_type="identity-based policy")).statements

    assert [one.policy_type for one in first] == [
        "service control policy",
        "identity-based policy",
    ]
    assert [one.policy_type for one in other] == [
        "identity-based policy",
        "service control policy",
    ]
    assert fetched(denial).decided_by is None


def test_an_implicit_denial_names_no_statement_but_who_did_not_allow(aws: LocalBedrock) -> None:
    details = fetched(denied(aws, aws.mint_key(policies=[])))

    assert details.effect == "implicit"
    assert details.statements == ()
    assert details.without_allow == ("identity-based policy",)
    assert details.explain().splitlines() == [
        "AWS lists no statement that denied this request.",
        "AWS says that no identity-based policy allows it.",
    ]


def test_aws_is_asked_in_the_region_of_the_denial(aws: LocalBedrock) -> None:
    key = aws.mint_key("LONG_TERM", policies=[])

    details = fetched(denied(aws, key, "eu-central-1"))

    assert details.region == "eu-central-1"


def test_a_policy_that_may_not_be_read_leaves_the_sid(aws: LocalBedrock) -> None:
    key = aws.mint_key()
    aws.attach_policy("dev", with_sid(deny_token_type("SHORT_TERM"), "NoShort"), policy_arn=ARN)
    denial = denied(aws, key)
    aws.attach_policy("administrator", statement("Deny", "iam:GetRequestAuthorizationPolicy"))

    details = fetched(denial)

    assert [(one.sid, one.statement) for one in details.statements] == [("NoShort", None)]
    assert "Not read: " + ARN in details.explain()
    assert "AccessDeniedException" in details.explain()


def test_a_refusal_says_which_permission_is_needed(aws: LocalBedrock) -> None:
    denial = denied(aws, aws.mint_key(policies=[]))
    aws.attach_policy("administrator", statement("Deny", "iam:GetRequestAuthorizationDetails"))

    with pytest.raises(ConfigurationError, match="permission iam:GetRequestAuthorizationDetails"):
        fetched(denial)


def test_an_id_that_is_not_found_is_asked_for_again_for_three_seconds(aws: LocalBedrock) -> None:
    clock = Clock()
    aws.clock = clock
    denial = denied(aws, aws.mint_key(policies=[]))
    clock.move(hours=25)
    waited: list[float] = []

    with pytest.raises(ConfigurationError, match="us-east-1 has no authorization details"):
        fetch_authorization_details(denial, sleep=waited.append)

    assert sum(waited) == 3


def test_details_that_come_late_are_read(aws: LocalBedrock) -> None:
    clock = Clock()
    aws.clock = clock
    denial = denied(aws, aws.mint_key(policies=[]))
    clock.move(hours=25)

    details = fetch_authorization_details(denial, sleep=lambda s: clock.move(hours=-1))

    assert details.effect == "implicit"


def test_a_denial_without_an_id_is_not_asked_about() -> None:
    denial = Denial.parse("User: x is not authorized to perform: bedrock:CallWithBearerToken")
    assert denial is not None

    with pytest.raises(ConfigurationError, match="carries no authorization id"):
        fetched(denial)


class CannedSession:
    """A session of boto3 whose client of IAM Toolbox gives canned answers."""

    region_name = "us-east-1"
    services: tuple[str, ...] = ("iam-toolbox",)

    def __init__(self, evaluations: list[dict[str, Any]], policies: list[dict[str, Any]]) -> None:
        self._client: Any = boto3.client(
            "iam-toolbox",
            region_name="us-east-1",
            aws_access_key_id="AKIAIOSFODNN7EXAMPLE",
            aws_secret_access_key="secret",
        )
        stubber = Stubber(self._client)
        answer = {"requestContext": {}, "evaluations": evaluations, "policies": policies}
        stubber.add_response("get_request_authorization_details", answer)
        stubber.activate()

    def get_available_services(self) -> tuple[str, ...]:
        return self.services

    def client(self, service: str, **options: Any) -> Any:
        return self._client


DENIAL = Denial.parse(
    "User: arn:aws:iam::123456789012:user/app is not authorized to perform:"
    " bedrock:CallWithBearerToken on resource: * with an explicit deny in an identity-based policy."
    " Go to https://us-east-1.console.aws.amazon.com/iam/home?region=us-east-1"
    "#/authorization-details/abc for complete details, or call the GetRequestAuthorizationDetails"
    " API with the following authorization id: abc"
)
NAMED = [{"uri": ARN, "matchedStatements": [{"sid": "No", "evaluatedEffect": "DENY"}]}]
POLICIES = [{"type": "IDENTITY_BASED_POLICY", "inline": False, "uri": ARN}]


def canned(evaluations: list[dict[str, Any]]) -> AuthorizationDetails:
    assert DENIAL is not None
    return fetch_authorization_details(DENIAL, session=CannedSession(evaluations, POLICIES))


def evaluated(**members: Any) -> dict[str, Any]:
    whole = {"action": "bedrock:CallWithBearerToken", "resource": "*"}
    return {**whole, "evaluatedEffect": "EXPLICIT_DENY", **members}


def test_an_answer_in_the_older_form_names_the_statement_as_well() -> None:
    details = canned([evaluated(matchedPolicies=NAMED)])

    (deciding,) = details.statements
    assert (deciding.policy_type, deciding.sid) == ("identity-based policy", "No")


def test_a_check_that_denies_without_a_statement_names_none() -> None:
    check = {"checkType": "PRINCIPAL", "evaluatedEffect": "EXPLICIT_DENY", "matchedPolicies": []}

    details = canned([evaluated(checks=[check])])

    assert (details.effect, details.statements) == ("explicit", ())


def test_a_boto3_without_iam_toolbox_is_to_be_upgraded() -> None:
    assert DENIAL is not None
    session = CannedSession([], [])
    session.services = ("iam",)

    with pytest.raises(ConfigurationError, match="this boto3 does not know IAM Toolbox"):
        fetch_authorization_details(DENIAL, session=session)


def test_the_evaluation_of_another_action_is_not_the_answer() -> None:
    details = canned([evaluated(action="iam:PassRole", matchedPolicies=NAMED)])

    assert (details.effect, details.statements) == (None, ())


# --------------------------------------------------------------------------- the verdict


def verdict(denial: Denial) -> GoverningPolicy:
    governing = GoverningPolicy.from_denial(denial, None)
    assert governing is not None
    return confirm(governing, fetched(denial))


def test_the_statement_that_aws_names_is_confirmed(aws: LocalBedrock) -> None:
    key = aws.mint_key()
    aws.attach_policy("dev", with_sid(deny_token_type("SHORT_TERM"), "NoShort"), policy_arn=ARN)

    governing = verdict(denied(aws, key))

    assert governing.certainty == "confirmed"
    assert governing.statement is not None
    assert governing.statement.sid == "NoShort"
    assert governing.decided_by == ("bedrock:bearerTokenType",)
    assert "Certainty: confirmed, AWS itself named the statement." in governing.explain()
    assert "use a LONG_TERM key" in governing.explain()


def test_nothing_is_confirmed_where_aws_lists_no_statement(aws: LocalBedrock) -> None:
    governing = verdict(denied(aws, aws.mint_key(policies=[])))

    assert governing.certainty == "inferred"
    assert governing.statement is None


def test_a_statement_whose_text_is_not_known_is_confirmed_without_it(aws: LocalBedrock) -> None:
    key = aws.mint_key()
    aws.attach_policy("dev", with_sid(deny_token_type("SHORT_TERM"), "NoShort"))
    denial = denied(aws, key)
    aws.attach_policy("administrator", statement("Deny", "iam:GetRequestAuthorizationPolicy"))

    governing = verdict(denial)

    assert governing.certainty == "confirmed"
    assert (governing.statement, governing.decided_by) == (None, None)
    assert "use a LONG_TERM key" not in governing.explain()


def test_another_type_of_key_is_not_advised_where_a_second_deny_covers_it(
    aws: LocalBedrock,
) -> None:
    key = aws.mint_key()
    aws.attach_policy("dev", deny_token_type("SHORT_TERM"))
    aws.attach_policy("dev", with_sid(statement("Deny", "bedrock:*"), "Everything"))

    governing = verdict(denied(aws, key))

    assert governing.statement is not None
    assert governing.statement.sid == "Everything"
    assert "use a LONG_TERM key" not in governing.explain()
