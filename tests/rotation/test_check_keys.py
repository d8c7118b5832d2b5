"""The fallback check, on the local Bedrock."""

from __future__ import annotations

import json
import threading
from datetime import timedelta
from typing import Any

import pytest
from click.testing import CliRunner
from support.clients import ENVIRONMENT
from support.keys import long_term_key, short_term_key
from support.local import statement
from support.server import CLOSE, Received, Reply, http_reply, serve

from bedrock_bearer import (
    EnvironmentKey,
    RetryPolicy,
    RotationReport,
    TokenType,
    check_keys,
    errors,
)
from bedrock_bearer.access import deny_all_keys, deny_use
from bedrock_bearer.cli import cli
from bedrock_bearer.local import LocalBedrock
from bedrock_bearer.local.faults import close_before_headers, throttling
from bedrock_bearer.local.faults import error as fault
from bedrock_bearer.local.transport import local_http_client

MODEL = "amazon.nova-micro-v1:0"
NO_ACCESS = "You don't have access to the model with the specified model ID."


def checked(bedrock: LocalBedrock, *keys: str, **options: Any) -> RotationReport:
    options.setdefault("retry", RetryPolicy(max_attempts=1))
    with local_http_client(bedrock) as http_client:
        return check_keys(list(keys), region="us-east-1", http_client=http_client, **options)


def statuses(report: RotationReport) -> list[str]:
    return [check.status for check in report.checks]


def two_keys(bedrock: LocalBedrock) -> tuple[str, str]:
    long = bedrock.mint_key(TokenType.LONG_TERM, user_name="dev")
    return bedrock.mint_key(TokenType.SHORT_TERM, user_name="dev"), long


def test_two_good_keys_make_it_safe_to_retire_the_first() -> None:
    bedrock = LocalBedrock()

    report = checked(bedrock, *two_keys(bedrock))

    assert statuses(report) == ["usable", "usable"]
    assert report.safe_to_retire


def test_an_expired_key_is_found_without_a_call_and_may_go() -> None:
    bedrock = LocalBedrock()
    _, long = two_keys(bedrock)
    expired = bedrock.mint_key(TokenType.SHORT_TERM, expires_in=timedelta(hours=-1))

    report = checked(bedrock, expired, long)

    assert statuses(report) == ["expired", "usable"]
    assert report.checks[0].operation is None
    assert report.safe_to_retire


def test_a_new_key_that_is_not_active_yet_keeps_the_old_one_needed() -> None:
    bedrock = LocalBedrock()
    short, long = two_keys(bedrock)
    bedrock.set_key_status(long, "Inactive")

    before = checked(bedrock, short, long)
    bedrock.set_key_status(long, "Active")
    after = checked(bedrock, short, long)

    assert (statuses(before), before.safe_to_retire) == (["usable", "rejected"], False)
    assert (statuses(after), after.safe_to_retire) == (["usable", "usable"], True)


def one_users_keys(bedrock: LocalBedrock) -> tuple[str, str]:
    """Return a short-term and a long-term key of one IAM user."""
    long = bedrock.mint_key(TokenType.LONG_TERM, user_name="dev")
    return bedrock.mint_key(TokenType.SHORT_TERM, user_name="user/dev"), long


def test_a_denial_fits_a_rule_on_the_type_if_the_users_other_key_is_accepted() -> None:
    bedrock = LocalBedrock()
    short, long = one_users_keys(bedrock)
    bedrock.attach_policy(None, deny_use("SHORT_TERM").to_wire())

    report = checked(bedrock, short, long)

    assert statuses(report) == ["denied", "usable"]
    governing = report.checks[0].governing_policy
    assert governing is not None
    assert (governing.condition_value, governing.certainty) == ("SHORT_TERM", "consistent")


def test_an_accepted_key_of_another_principal_proves_nothing() -> None:
    bedrock = LocalBedrock()
    bedrock.attach_policy(None, deny_use("SHORT_TERM").to_wire())

    report = checked(bedrock, *two_keys(bedrock))

    governing = report.checks[0].governing_policy
    assert governing is not None
    assert (governing.certainty, governing.other_type_accepted) == ("inferred", None)
    assert any("none of the other type belongs to the same principal" in r for r in report.reasons)


def test_a_denial_of_both_types_is_known() -> None:
    bedrock = LocalBedrock()
    keys = one_users_keys(bedrock)
    bedrock.attach_policy(None, deny_all_keys().to_wire())

    report = checked(bedrock, *keys)

    assert statuses(report) == ["denied", "denied"]
    assert [
        check.governing_policy.other_type_accepted
        for check in report.checks
        if check.governing_policy
    ] == [False, False]


def test_a_short_term_key_of_another_region_is_not_sent() -> None:
    bedrock = LocalBedrock()
    _, long = two_keys(bedrock)

    report = checked(bedrock, short_term_key("eu-west-1"), long)

    assert statuses(report) == ["wrong Region", "usable"]
    assert report.checks[0].operation is None


def test_a_key_that_is_about_to_expire_is_usable_and_said_to() -> None:
    bedrock = LocalBedrock()
    soon = bedrock.mint_key(TokenType.SHORT_TERM, expires_in=timedelta(minutes=10))

    report = checked(bedrock, soon)

    assert statuses(report) == ["expires soon"]
    assert report.all_usable


def test_throttling_and_a_broken_line_are_told_apart() -> None:
    bedrock = LocalBedrock()
    _, long = two_keys(bedrock)
    bedrock.inject(throttling())
    throttled = checked(bedrock, long)
    bedrock.inject(close_before_headers())
    unreachable = checked(bedrock, long)

    assert statuses(throttled) + statuses(unreachable) == ["throttled", "unreachable"]


def test_the_check_says_whether_the_key_or_the_operation_was_refused() -> None:
    bedrock = LocalBedrock()
    long = bedrock.mint_key(TokenType.LONG_TERM, user_name="dev")
    bedrock.attach_policy(
        None,
        {"Statement": {"Effect": "Deny", "Action": "bedrock:InvokeModel", "Resource": "*"}},
    )

    probed = checked(bedrock, long)
    called = checked(bedrock, long, converse=True, model_id=MODEL)

    assert statuses(probed) == ["usable"]
    assert statuses(called) == ["operation denied"]
    assert called.checks[0].operation == "Converse"


def test_a_key_of_another_account_does_not_make_it_safe() -> None:
    bedrock = LocalBedrock()
    _, long = two_keys(bedrock)
    other = bedrock.mint_key(TokenType.LONG_TERM, account_id="210987654321")

    report = checked(bedrock, long, other)

    assert (report.all_usable, report.safe_to_retire) == (True, False)
    assert any("another account" in reason for reason in report.reasons)


def test_a_key_for_another_region_does_not_make_it_safe(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ENVIRONMENT:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", "/dev/null")
    bedrock = LocalBedrock()
    keys = [bedrock.mint_key(region=region) for region in ("us-east-1", "eu-west-1")]

    with local_http_client(bedrock) as http_client:
        report = check_keys(keys, http_client=http_client)

    assert (report.all_usable, report.safe_to_retire) == (True, False)
    assert "eu-west-1 instead of us-east-1" in report.reasons[0]


def test_the_same_key_twice_does_not_make_it_safe() -> None:
    bedrock = LocalBedrock()
    _, long = two_keys(bedrock)

    report = checked(bedrock, long, long)

    assert not report.safe_to_retire
    assert "the same key" in report.reasons[0]


def test_a_key_that_is_about_to_expire_does_not_make_it_safe() -> None:
    bedrock = LocalBedrock()
    _, long = two_keys(bedrock)
    soon = bedrock.mint_key(user_name="dev", expires_in=timedelta(minutes=10))

    report = checked(bedrock, long, soon)

    assert not report.safe_to_retire
    assert "expires within the hour" in report.reasons[0]


@pytest.mark.parametrize(
    ("types", "said"),
    [
        (("SHORT_TERM", "LONG_TERM"), "Both token types are covered"),
        (("LONG_TERM", "LONG_TERM"), "All keys are LONG_TERM"),
    ],
)
def test_the_verdict_says_whether_both_types_are_covered(types: list[str], said: str) -> None:
    bedrock = LocalBedrock()

    report = checked(bedrock, *(bedrock.mint_key(each, user_name="dev") for each in types))

    assert any(reason.startswith(said) for reason in report.reasons)


def test_the_verdict_says_how_far_the_type_explains_a_denial() -> None:
    bedrock = LocalBedrock()
    keys = one_users_keys(bedrock)
    bedrock.attach_service_control_policy(deny_use("SHORT_TERM").to_wire())

    report = checked(bedrock, *keys)

    assert report.safe_to_retire
    assert report.reasons[-1].endswith(
        "is denied by the service control policy on bedrock:CallWithBearerToken: a LONG_TERM key "
        "of the same principal is accepted, so a rule on bedrock:bearerTokenType fits (consistent)."
    )


def test_a_probe_that_is_denied_says_that_the_key_was_accepted() -> None:
    bedrock = LocalBedrock()
    allowed = statement("Allow", ["bedrock:CallWithBearerToken", "bedrock:InvokeModel"])
    key = bedrock.mint_key(TokenType.LONG_TERM, policies=[allowed])

    probed = checked(bedrock, key)
    called = checked(bedrock, key, converse=True, model_id=MODEL)

    assert statuses(probed) + statuses(called) == ["operation denied", "usable"]
    assert "The key itself was accepted" in (probed.checks[0].advice or "")


def test_a_model_that_is_not_enabled_says_nothing_against_the_key() -> None:
    bedrock = LocalBedrock()
    _, long = two_keys(bedrock)
    bedrock.inject(fault("AccessDeniedException", NO_ACCESS))

    report = checked(bedrock, long, converse=True, model_id=MODEL)

    assert statuses(report) == ["failed"]
    assert isinstance(report.checks[0].error, errors.ModelAccessError)


def test_the_default_keys_are_those_of_two_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    bedrock = LocalBedrock()
    short, long = two_keys(bedrock)
    monkeypatch.setenv("AWS_BEARER_TOKEN_BEDROCK", short)
    monkeypatch.setenv("AWS_BEARER_TOKEN_BEDROCK_FALLBACK", long)

    with local_http_client(bedrock) as http_client:
        report = check_keys(region="us-east-1", http_client=http_client)

    assert [check.key.token_type for check in report.checks if check.key] == [
        TokenType.SHORT_TERM,
        TokenType.LONG_TERM,
    ]


def test_a_source_that_fails_is_one_key_that_is_not_usable() -> None:
    def fail() -> str:
        raise OSError

    bedrock = LocalBedrock()
    _, long = two_keys(bedrock)
    with local_http_client(bedrock) as http_client:
        report = check_keys([fail, long], region="us-east-1", http_client=http_client)

    assert statuses(report) == ["invalid", "usable"]


def test_all_keys_are_checked_at_once() -> None:
    barrier = threading.Barrier(3, timeout=10)

    def answer(_: Received) -> Reply:
        barrier.wait()
        return http_reply({"asyncInvokeSummaries": []})

    with serve(answer) as server:
        report = check_keys([long_term_key(name) for name in "abc"], endpoint_url=server.url)

    assert report.all_usable


def test_no_keys_are_refused() -> None:
    with pytest.raises(errors.ConfigurationError, match="at least one key"):
        check_keys([])


@pytest.mark.parametrize(
    "keys", ["ABSK", b"ABSK", 5, EnvironmentKey()], ids=["text", "bytes", "number", "source"]
)
def test_a_key_in_place_of_a_list_is_refused(keys: Any) -> None:
    with pytest.raises(errors.ConfigurationError, match="takes a list of at least one key"):
        check_keys(keys)


# ------------------------------------------------------------------------------ in the shell


DENIED = (
    "User: arn:aws:iam::123456789012:user/dev is not authorized to perform: "
    "bedrock:CallWithBearerToken on resource: * with an explicit deny in an identity-based policy"
)
FIRST, SECOND = long_term_key("first"), long_term_key("second")


def run(answers: dict[str, Reply], *arguments: str, **variables: str) -> Any:
    """Run the check against a server that answers each key in its own way."""

    def answer(request: Received) -> Reply:
        return answers[request.headers["authorization"].removeprefix("Bearer ")]

    with serve(answer) as server:
        environ = {
            "AWS_BEARER_TOKEN_BEDROCK": FIRST,
            "AWS_BEARER_TOKEN_BEDROCK_FALLBACK": SECOND,
            "AWS_ENDPOINT_URL": server.url,
            "AWS_REGION": "us-east-1",
            **variables,
        }
        return CliRunner().invoke(cli, ["check", *arguments], env=environ)


GOOD = http_reply({"asyncInvokeSummaries": []})
REJECTED = http_reply(
    {"Message": "Authentication failed: Please make sure your API Key is valid."}, status=403
)
REFUSED = http_reply({"Message": DENIED}, status=403)
THROTTLED = http_reply({"message": "Too many requests, please wait."}, status=429)


@pytest.mark.parametrize(
    ("first", "second", "arguments", "code"),
    [
        (GOOD, GOOD, [], 0),
        (REFUSED, GOOD, [], 0),
        (REFUSED, GOOD, ["--any"], 0),
        (REJECTED, REJECTED, ["--any"], 4),
        (GOOD, THROTTLED, [], 4),
        (THROTTLED, THROTTLED, ["--any"], 5),
        (GOOD, [CLOSE], [], 4),
        ([CLOSE], [CLOSE], ["--any"], 7),
    ],
    ids=[
        "both good",
        "first denied",
        "any",
        "none",
        "second throttled",
        "all throttled",
        "second broken",
        "all broken",
    ],
)
def test_the_exit_code_says_what_a_script_should_do(
    first: Reply,
    second: Reply,
    arguments: list[str],
    code: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("bedrock_bearer.rotation.RetryPolicy", lambda **_: RetryPolicy(1))
    result = run({FIRST: first, SECOND: second}, *arguments)

    assert result.exit_code == code, result.output


def test_the_table_explains_and_gives_a_verdict() -> None:
    result = run({FIRST: REFUSED, SECOND: GOOD})

    assert "LONG_TERM" in result.output
    assert "denied" in result.output
    assert "It is safe to retire env AWS_BEARER_TOKEN_BEDROCK." in result.output
    assert FIRST[20:-8] not in result.output


def test_json_is_one_document_on_failure_too() -> None:
    result = run({FIRST: GOOD, SECOND: REFUSED}, "--json")

    document = json.loads(result.stdout)
    assert document["exit_code"] == result.exit_code == 4
    assert [key["status"] for key in document["keys"]] == ["usable", "denied"]
    assert document["safe_to_retire"] is False


def test_a_missing_key_is_a_matter_of_configuration() -> None:
    result = run({FIRST: GOOD}, "--key", "env:NO_SUCH_KEY")

    assert result.exit_code == 3
    assert "missing" in result.output


def test_a_key_in_place_of_its_source_is_refused_without_being_shown() -> None:
    result = run({}, "--key", FIRST)

    assert result.exit_code == 2
    assert FIRST[20:-8] not in result.output
