"""Keys that step in for one another, on the local Bedrock."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NoReturn

import pytest
from support.clients import FakeTime
from support.keys import long_term_key, short_term_key

from bedrock_bearer import (
    ApiKey,
    BedrockClient,
    CallableKey,
    EnvironmentKey,
    FallbackKeys,
    KeySwitchRecord,
    RetryPolicy,
    ShortTermKeyDeniedError,
    Timeout,
    TokenType,
    errors,
)
from bedrock_bearer.access import deny_all_keys, deny_use
from bedrock_bearer.call import Call, ThreadIO, run_blocking
from bedrock_bearer.keys.default import DefaultKeys
from bedrock_bearer.local import LocalBedrock, local_async_client, local_client
from bedrock_bearer.local.faults import throttling
from bedrock_bearer.operations import list_async_invokes
from bedrock_bearer.settings import CallSettings
from bedrock_bearer.wire.attempt import Attempt
from bedrock_bearer.wire.endpoint import resolve_endpoint
from bedrock_bearer.wire.messages import WireRequest
from bedrock_bearer.wire.retry import RetryQuota
from bedrock_bearer.wire.transport import Transport

SETTINGS = CallSettings(Timeout(), None, RetryPolicy(max_attempts=1), None)


class FailingTransport(Transport):
    """Raises one error for every request, and remembers the keys it was given."""

    def __init__(self, error: errors.BedrockError) -> None:
        self.error = error
        self.keys: list[ApiKey] = []

    def open(self, request: WireRequest, key: ApiKey, attempt: Attempt) -> NoReturn:
        self.keys.append(key)
        raise self.error


MODEL = "amazon.nova-micro-v1:0"


def local_keys(bedrock: LocalBedrock) -> tuple[str, str]:
    short = bedrock.mint_key(TokenType.SHORT_TERM, user_name="dev")
    return short, bedrock.mint_key(TokenType.LONG_TERM, user_name="dev")


def test_the_second_key_answers_when_a_policy_denies_the_first() -> None:
    bedrock = LocalBedrock()
    short, long = local_keys(bedrock)
    bedrock.attach_policy(None, deny_use("SHORT_TERM").to_wire())
    records: list[Any] = []
    keys = FallbackKeys(short, long)

    with local_client(bedrock, api_key=keys, on_event=records.append) as client:
        reply = client.converse(MODEL, "Hello")

    assert reply.key is not None
    assert reply.key.token_type is TokenType.LONG_TERM
    switch = next(record for record in records if isinstance(record, KeySwitchRecord))
    assert switch.reason == "ShortTermKeyDeniedError"
    assert switch.refused is not None
    assert switch.refused.token_type is TokenType.SHORT_TERM


def test_the_same_switch_is_made_in_an_event_loop() -> None:
    async def call() -> object:
        bedrock = LocalBedrock()
        short, long = local_keys(bedrock)
        bedrock.attach_policy(None, deny_use("SHORT_TERM").to_wire())
        async with local_async_client(bedrock, api_key=FallbackKeys(short, long)) as client:
            reply = await client.converse(MODEL, "Hello")
            return reply.key.token_type if reply.key else None

    assert asyncio.run(call()) is TokenType.LONG_TERM


def test_a_switch_is_remembered_by_the_calls_that_follow() -> None:
    bedrock = LocalBedrock()
    short, long = local_keys(bedrock)
    bedrock.attach_policy(None, deny_use("SHORT_TERM").to_wire())
    records: list[Any] = []

    with local_client(bedrock, api_key=FallbackKeys(short, long)) as client:
        client.converse(MODEL, "Hello")
        client.with_options(on_event=records.append).converse(MODEL, "Hello")

    assert not any(isinstance(record, KeySwitchRecord) for record in records)


def test_the_first_key_is_tried_again_after_a_set_time() -> None:
    bedrock = LocalBedrock()
    short, long = local_keys(bedrock)
    time = FakeTime()
    bedrock.set_key_status(long, "Inactive")
    keys = FallbackKeys(long, short, return_after=60, monotonic=lambda: time.now)

    with local_client(bedrock, api_key=keys) as client:
        during = client.converse(MODEL, "Hello").key
        bedrock.set_key_status(long, "Active")
        time.advance(61)
        after = client.converse(MODEL, "Hello").key

    assert during is not None
    assert after is not None
    assert (during.token_type, after.token_type) == (TokenType.SHORT_TERM, TokenType.LONG_TERM)


def one_users_keys(bedrock: LocalBedrock) -> tuple[str, str]:
    """Return a short-term and a long-term key of one IAM user."""
    long = bedrock.mint_key(TokenType.LONG_TERM, user_name="dev")
    return bedrock.mint_key(TokenType.SHORT_TERM, user_name="user/dev"), long


def test_a_denial_fits_a_rule_on_the_type_if_the_users_other_key_is_accepted() -> None:
    bedrock = LocalBedrock()
    short, long = one_users_keys(bedrock)
    bedrock.attach_policy(None, deny_use("SHORT_TERM").to_wire())
    keys = FallbackKeys(short, long)

    with local_client(bedrock, api_key=keys) as client:
        client.converse(MODEL, "Hello")

    (refusal,) = keys.refusals
    assert isinstance(refusal.error, ShortTermKeyDeniedError)
    assert refusal.error.governing_policy is not None
    assert refusal.error.governing_policy.certainty == "consistent"
    assert refusal.error.governing_policy.other_type_accepted is True


def test_an_accepted_key_of_another_principal_proves_nothing() -> None:
    bedrock = LocalBedrock()
    short, long = local_keys(bedrock)
    bedrock.attach_policy(None, deny_use("SHORT_TERM").to_wire())
    keys = FallbackKeys(short, long)

    with local_client(bedrock, api_key=keys) as client:
        client.converse(MODEL, "Hello")

    (refusal,) = keys.refusals
    assert isinstance(refusal.error, ShortTermKeyDeniedError)
    assert refusal.error.governing_policy is not None
    assert refusal.error.governing_policy.certainty == "inferred"
    assert refusal.error.governing_policy.other_type_accepted is None


def test_a_denial_of_both_types_is_known_and_lists_each_key() -> None:
    bedrock = LocalBedrock()
    short, long = one_users_keys(bedrock)
    bedrock.attach_policy(None, deny_all_keys().to_wire())

    with (
        local_client(bedrock, api_key=FallbackKeys(short, long)) as client,
        pytest.raises(errors.LongTermKeyDeniedError) as caught,
    ):
        client.converse(MODEL, "Hello")

    assert caught.value.governing_policy is not None
    assert caught.value.governing_policy.certainty == "inferred"
    assert caught.value.governing_policy.other_type_accepted is False
    _, reasons = caught.value.message.split("All 2 keys were refused:")
    first, second = reasons.strip().splitlines()
    assert "SHORT_TERM" in first
    assert "ShortTermKeyDeniedError: User: arn:aws:iam::" in first
    assert "LONG_TERM" in second
    assert "LongTermKeyDeniedError: User: arn:aws:iam::" in second


def test_throttling_never_switches_keys() -> None:
    bedrock = LocalBedrock()
    short, long = local_keys(bedrock)
    bedrock.inject(throttling())
    keys = FallbackKeys(short, long)

    with (
        local_client(bedrock, api_key=keys, retry=RetryPolicy(max_attempts=1)) as client,
        pytest.raises(errors.ThrottlingError),
    ):
        client.converse(MODEL, "Hello")

    assert keys.refusals == []


@pytest.mark.parametrize("first", ["", "AKIAIOSFODNN7EXAMPLE", "ABSKcut"])
def test_a_text_that_is_not_a_key_is_skipped(first: str) -> None:
    bedrock = LocalBedrock()
    _, long = local_keys(bedrock)

    with local_client(bedrock, api_key=FallbackKeys(first, long)) as client:
        reply = client.converse(MODEL, "Hello")

    assert reply.key is not None
    assert reply.key.token_type is TokenType.LONG_TERM


def test_a_short_term_key_of_another_region_is_skipped() -> None:
    bedrock = LocalBedrock()
    _, long = local_keys(bedrock)
    keys = FallbackKeys(long, short_term_key("eu-west-1"))

    with local_client(bedrock, api_key=keys) as client:
        bedrock.set_key_status(long, "Inactive")
        with pytest.raises(errors.RegionError, match="All 2 keys were refused"):
            client.converse(MODEL, "Hello")


def test_a_client_can_be_made_though_the_first_key_is_of_another_region() -> None:
    bedrock = LocalBedrock()
    _, long = local_keys(bedrock)
    records: list[Any] = []
    keys = FallbackKeys(short_term_key("eu-west-1"), long)

    with local_client(bedrock, api_key=keys, on_event=records.append) as client:
        reply = client.converse(MODEL, "Hello")

    assert reply.key is not None
    assert reply.key.token_type is TokenType.LONG_TERM
    switch = next(record for record in records if isinstance(record, KeySwitchRecord))
    assert switch.reason == "RegionError"


def test_a_client_without_a_region_takes_that_of_the_first_key() -> None:
    keys = FallbackKeys(short_term_key("eu-west-1"), long_term_key())

    with BedrockClient(keys) as client:
        assert client.region == "eu-west-1"


def test_on_event_gets_one_record_of_a_missing_key() -> None:
    bedrock = LocalBedrock()
    _, long = local_keys(bedrock)
    records: list[Any] = []
    keys = FallbackKeys(EnvironmentKey("NOT_SET"), long)

    with local_client(bedrock, api_key=keys, on_event=records.append) as client:
        client.converse(MODEL, "Hello")
        client.converse(MODEL, "Hello")

    (switch,) = [record for record in records if isinstance(record, KeySwitchRecord)]
    assert (switch.refused, switch.reason) == (None, "MissingApiKeyError")
    assert switch.replacement.token_type is TokenType.LONG_TERM


def test_unreadable_keys_that_nobody_asks_about_do_not_fill_the_memory() -> None:
    keys = FallbackKeys(EnvironmentKey("NO_SUCH_KEY"), EnvironmentKey("NOR_THIS_ONE"))
    for _ in range(100):
        with pytest.raises(errors.MissingApiKeyError):
            keys.get_key()

    assert len(keys.pop_unavailable()) == 2
    assert not keys.pop_unavailable()


def test_the_log_says_which_key_took_over_and_why(caplog: pytest.LogCaptureFixture) -> None:
    bedrock = LocalBedrock()
    short, long = local_keys(bedrock)
    bedrock.attach_policy(None, deny_use("SHORT_TERM").to_wire())

    with (
        caplog.at_level("INFO", "bedrock_bearer"),
        local_client(bedrock, api_key=FallbackKeys(short, long)) as client,
    ):
        client.converse(MODEL, "Hello")

    text = caplog.text
    assert f"LONG_TERM ...{long[-4:]} from api_key argument (fingerprint" in text
    assert ") takes over from SHORT_TERM" in text
    assert "ShortTermKeyDeniedError" in text
    assert long[20:-8] not in text


def test_only_one_call_tries_the_refused_key_again() -> None:
    time = FakeTime()
    keys = FallbackKeys(long_term_key("first"), long_term_key("second"), monotonic=lambda: time.now)
    keys.refused(keys.get_key(), errors.ApiKeyRejectedError("No.", status_code=403))
    time.advance(301)

    assert [keys.get_key().user_name for _ in range(3)] == ["first", "second", "second"]


def test_all_calls_come_back_once_the_first_key_is_accepted_again() -> None:
    time = FakeTime()
    keys = FallbackKeys(long_term_key("first"), long_term_key("second"), monotonic=lambda: time.now)
    keys.refused(keys.get_key(), errors.ApiKeyRejectedError("No.", status_code=403))
    time.advance(301)
    keys.accepted(keys.get_key())

    assert [keys.get_key().user_name for _ in range(3)] == ["first", "first", "first"]
    assert keys.refusals == []


def test_one_switch_is_remembered_by_all_threads() -> None:
    bedrock = LocalBedrock()
    short, long = local_keys(bedrock)
    bedrock.attach_policy(None, deny_use("SHORT_TERM").to_wire())
    records: list[Any] = []

    with local_client(
        bedrock, api_key=FallbackKeys(short, long), on_event=records.append
    ) as client:
        client.converse(MODEL, "Hello")
        with ThreadPoolExecutor(20) as pool:
            list(pool.map(lambda _: client.converse(MODEL, "Hello"), range(100)))

    assert sum(isinstance(record, KeySwitchRecord) for record in records) == 1


def test_a_renewable_key_is_renewed_before_another_takes_over() -> None:
    bedrock = LocalBedrock()
    old, new = (bedrock.mint_key(TokenType.LONG_TERM, user_name="dev") for _ in range(2))
    bedrock.set_key_status(old, "Inactive")
    given = iter([old, new])
    keys = FallbackKeys(CallableKey(lambda: next(given)), long_term_key())

    with local_client(bedrock, api_key=keys) as client:
        client.converse(MODEL, "Hello")

    assert keys.refusals == []


def test_a_function_that_gives_the_refused_key_again_gives_way() -> None:
    bedrock = LocalBedrock()
    short, long = local_keys(bedrock)
    bedrock.set_key_status(long, "Inactive")
    keys = FallbackKeys(CallableKey(lambda: long), short)

    with local_client(bedrock, api_key=keys) as client:
        reply = client.converse(MODEL, "Hello")

    assert reply.key is not None
    assert reply.key.token_type is TokenType.SHORT_TERM


@pytest.mark.parametrize(
    "error",
    [
        errors.OperationDeniedError("No.", status_code=403),
        errors.ModelAccessError("No.", status_code=403),
        errors.InvalidRequestError("No.", status_code=400),
        errors.AuthorizationHeaderMissingError("No.", status_code=403),
        errors.ConnectError("No."),
    ],
    ids=lambda error: type(error).__name__,
)
def test_an_error_that_is_not_about_the_key_never_switches_keys(error: errors.BedrockError) -> None:
    keys = FallbackKeys(long_term_key("first"), long_term_key("second"))
    transport = FailingTransport(error)
    endpoint = resolve_endpoint("bedrock-runtime", "us-east-1")
    call = Call(list_async_invokes(), SETTINGS, keys, RetryQuota(), endpoint, ThreadIO(transport))

    with pytest.raises(type(error)):
        run_blocking(call.run())

    assert transport.keys == [ApiKey.parse(long_term_key("first"))]
    assert keys.refusals == []


def test_denials_in_different_accounts_are_not_taken_for_one_policy() -> None:
    bedrock = LocalBedrock()
    short, _ = local_keys(bedrock)
    other = bedrock.mint_key(TokenType.LONG_TERM, account_id="210987654321")
    bedrock.attach_policy(None, deny_all_keys().to_wire())
    keys = FallbackKeys(short, other)

    with (
        local_client(bedrock, api_key=keys) as client,
        pytest.raises(errors.LongTermKeyDeniedError),
    ):
        client.converse(MODEL, "Hello")

    certainties = [
        refusal.error.governing_policy.certainty
        for refusal in keys.refusals
        if isinstance(refusal.error, errors.BearerTokenDeniedError)
        and refusal.error.governing_policy
    ]
    assert certainties == ["inferred", "inferred"]


def test_keys_that_cannot_be_used_at_all_are_one_error() -> None:
    with pytest.raises(errors.MissingApiKeyError, match="All 2 keys were refused"):
        FallbackKeys("", "x").get_key()


def test_one_key_is_no_fallback() -> None:
    with pytest.raises(errors.ConfigurationError, match="two keys"):
        FallbackKeys(long_term_key())


def test_a_key_given_twice_is_tried_once_for_a_call() -> None:
    bedrock = LocalBedrock()
    _, long = local_keys(bedrock)
    bedrock.set_key_status(long, "Inactive")

    with (
        local_client(bedrock, api_key=FallbackKeys(long, ApiKey.parse(long))) as client,
        pytest.raises(errors.ApiKeyRejectedError),
    ):
        client.converse(MODEL, "Hello")


# ----------------------------------------------------------------------- the environment's keys


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    monkeypatch.delenv("AWS_BEARER_TOKEN_BEDROCK_FILE", raising=False)
    monkeypatch.delenv("AWS_BEARER_TOKEN_BEDROCK_FALLBACK", raising=False)
    return monkeypatch


def test_a_client_without_a_key_falls_back_to_the_second_variable(
    environment: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    bedrock = LocalBedrock()
    good = bedrock.mint_key("LONG_TERM", user_name="dev")
    environment.setenv("AWS_BEARER_TOKEN_BEDROCK", long_term_key())
    environment.setenv("AWS_BEARER_TOKEN_BEDROCK_FALLBACK", good)
    records: list[Any] = []

    with local_client(bedrock, api_key=DefaultKeys(), on_event=records.append) as client:
        reply = client.converse(MODEL, "Hello")

    assert reply.key is not None
    assert reply.key.source == "env AWS_BEARER_TOKEN_BEDROCK_FALLBACK"
    (switch,) = [record for record in records if isinstance(record, KeySwitchRecord)]
    assert switch.replacement == reply.key
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "from env AWS_BEARER_TOKEN_BEDROCK (fingerprint" in caplog.text


@pytest.mark.parametrize("value", [None, "", " \n"])
def test_without_a_second_variable_only_the_first_is_used(
    value: str | None, environment: pytest.MonkeyPatch
) -> None:
    environment.setenv("AWS_BEARER_TOKEN_BEDROCK", long_term_key())
    if value is not None:
        environment.setenv("AWS_BEARER_TOKEN_BEDROCK_FALLBACK", value)

    with (
        local_client(LocalBedrock(), api_key=DefaultKeys()) as client,
        pytest.raises(errors.ApiKeyRejectedError) as caught,
    ):
        client.converse(MODEL, "Hello")

    assert "keys were refused" not in caught.value.message


def test_a_second_variable_that_is_set_later_is_used(environment: pytest.MonkeyPatch) -> None:
    bedrock = LocalBedrock()
    first, second = (bedrock.mint_key("LONG_TERM", user_name="dev") for _ in range(2))
    environment.setenv("AWS_BEARER_TOKEN_BEDROCK", first)

    with local_client(bedrock, api_key=DefaultKeys()) as client:
        client.converse(MODEL, "Hello")
        environment.setenv("AWS_BEARER_TOKEN_BEDROCK_FALLBACK", second)
        bedrock.delete_key(first)
        reply = client.converse(MODEL, "Hello")

    assert reply.key is not None
    assert reply.key.source == "env AWS_BEARER_TOKEN_BEDROCK_FALLBACK"


def test_a_client_takes_the_environments_keys_by_default(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("AWS_BEARER_TOKEN_BEDROCK", "ABSKcut")
    environment.setenv("AWS_BEARER_TOKEN_BEDROCK_FALLBACK", long_term_key())

    retry = RetryPolicy(max_attempts=1)
    with (
        BedrockClient(region="us-east-1", endpoint_url="http://127.0.0.1:9", retry=retry) as client,
        pytest.raises(errors.ConnectError) as caught,
    ):
        client.probe()

    assert caught.value.key is not None
    assert caught.value.key.source == "env AWS_BEARER_TOKEN_BEDROCK_FALLBACK"
