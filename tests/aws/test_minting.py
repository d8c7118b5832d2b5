"""Keys minted with AWS's own generator: one at a time, renewed in time, never in a loop."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
import pytest
from botocore.credentials import Credentials, RefreshableCredentials
from support.keys import SECRET_ACCESS_KEY, SESSION_ACCESS_KEY_ID

from bedrock_bearer import ApiKey, FallbackKeys, ShortTermKeys, TokenType, errors
from bedrock_bearer.local import LocalBedrock, local_async_client, local_client

MODEL = "amazon.nova-micro-v1:0"
EXPIRED = errors.ApiKeyExpiredError("Bearer Token has expired", status_code=403)


class Session:
    """What a boto3.Session does for credentials, counted."""

    region_name: str | None = "us-east-1"

    def __init__(self, access_key: tuple[str, str] | None = None) -> None:
        self.credentials: Any = Credentials(
            *(access_key or (SESSION_ACCESS_KEY_ID, SECRET_ACCESS_KEY))
        )
        self.asked = 0
        self.before: Callable[[], object] = lambda: None

    def get_credentials(self) -> Any:
        return self

    def get_frozen_credentials(self) -> Any:
        self.asked += 1
        self.before()
        return self.credentials


class Now:
    """A clock that stands still until it is moved, and the one that keys are signed by."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = datetime.now(UTC).replace(microsecond=0)
        monkeypatch.setattr("botocore.auth.get_current_datetime", lambda: self.now)

    def __call__(self) -> datetime:
        return self.now

    def move(self, **amount: float) -> None:
        self.now += timedelta(**amount)


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> Now:
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION"):
        monkeypatch.delenv(name, raising=False)
    return Now(monkeypatch)


def test_a_key_is_minted_from_credentials(now: Now) -> None:
    key = ShortTermKeys("eu-west-1", session=Session(), clock=now).get_key()

    assert (key.token_type, key.region) == (TokenType.SHORT_TERM, "eu-west-1")
    assert key.access_key_id == SESSION_ACCESS_KEY_ID
    assert key.expires_at == now() + timedelta(hours=12)
    assert "from AWS credentials" in str(key.description)


def test_a_real_session_gives_the_credentials_and_the_region(now: Now) -> None:
    session = boto3.Session(SESSION_ACCESS_KEY_ID, SECRET_ACCESS_KEY, region_name="eu-north-1")

    assert ShortTermKeys(session=session, clock=now).get_key().region == "eu-north-1"


def test_without_a_session_the_default_chain_is_used(
    now: Now, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", SESSION_ACCESS_KEY_ID)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET_ACCESS_KEY)
    monkeypatch.setenv("AWS_REGION", "us-west-2")

    key = ShortTermKeys(clock=now).get_key()

    assert (key.access_key_id, key.region) == (SESSION_ACCESS_KEY_ID, "us-west-2")


def test_one_key_serves_until_it_is_due_to_be_renewed(now: Now) -> None:
    session = Session()
    keys = ShortTermKeys(session=session, clock=now, renew_before=timedelta(minutes=20))
    first = keys.get_key()
    now.move(hours=11, minutes=39)
    kept = keys.get_key()
    now.move(minutes=1)
    renewed = keys.get_key()

    assert kept is first
    assert renewed.issued_at == now()
    assert session.asked == 2


def test_the_end_of_the_session_renews_the_key_ahead_of_it(now: Now) -> None:
    fetched = 0

    def fetch() -> dict[str, str]:
        nonlocal fetched
        fetched += 1
        return {
            "access_key": SESSION_ACCESS_KEY_ID,
            "secret_key": SECRET_ACCESS_KEY,
            "token": f"synthetic-{fetched}",
            "expiry_time": (now() + timedelta(hours=1)).isoformat(),
        }

    session = Session()
    refreshable = RefreshableCredentials(
        *("", "", ""), now(), refresh_using=fetch, method="test", time_fetcher=now
    )
    session.get_credentials = lambda: refreshable  # type: ignore[method-assign]
    keys = ShortTermKeys(session=session, clock=now)
    first = keys.get_key()
    now.move(minutes=44)
    kept = keys.get_key()
    now.move(minutes=2)
    renewed = keys.get_key()

    assert kept is first
    assert renewed.issued_at == now()
    assert fetched == 2


def test_two_hundred_threads_that_find_the_key_expired_mint_one(now: Now) -> None:
    session = Session()
    keys = ShortTermKeys(session=session, clock=now)
    old = keys.get_key()
    now.move(hours=13)
    barrier = threading.Barrier(200)

    def ask() -> ApiKey:
        barrier.wait(30)
        return keys.get_key()

    with ThreadPoolExecutor(200) as pool:
        given = [future.result() for future in [pool.submit(ask) for _ in range(200)]]

    assert session.asked == 2
    assert len({key.get_secret_value() for key in given}) == 1
    assert given[0] != old


def test_two_hundred_tasks_that_find_the_key_expired_mint_one(now: Now) -> None:
    session = Session()
    keys = ShortTermKeys(session=session, clock=now)
    keys.get_key()
    now.move(hours=13)

    async def ask_all() -> list[ApiKey]:
        return await asyncio.gather(*[keys.get_key_async() for _ in range(200)])

    given = asyncio.run(ask_all())

    assert session.asked == 2
    assert len({key.get_secret_value() for key in given}) == 1


def test_two_hundred_calls_that_are_answered_expired_at_once_mint_one(now: Now) -> None:
    session = Session()
    keys = ShortTermKeys(session=session, clock=now)
    old = keys.get_key()
    now.move(seconds=5)
    barrier = threading.Barrier(200)

    def renew() -> ApiKey:
        barrier.wait(30)
        assert keys.refused(old, EXPIRED)
        return keys.get_key()

    with ThreadPoolExecutor(200) as pool:
        given = {future.result() for future in [pool.submit(renew) for _ in range(200)]}

    assert session.asked == 2
    assert len(given) == 1


def local_session(bedrock: LocalBedrock) -> Session:
    bedrock.mint_key(user_name="user/dev")
    return Session(bedrock.create_access_key("dev"))


def test_a_key_answered_with_expired_is_renewed_and_tried_once(now: Now) -> None:
    bedrock = LocalBedrock(clock=now)
    keys = ShortTermKeys(session=local_session(bedrock), clock=lambda: datetime.now(UTC))
    with local_client(bedrock, api_key=keys) as client:
        client.converse(MODEL, "Hello")
        now.move(hours=13)

        reply = client.converse(MODEL, "Hello")

    assert reply.key is not None
    assert reply.key.issued_at == now()


async def test_a_key_answered_with_expired_is_renewed_in_an_event_loop(now: Now) -> None:
    bedrock = LocalBedrock(clock=now)
    keys = ShortTermKeys(session=local_session(bedrock), clock=lambda: datetime.now(UTC))
    async with local_async_client(bedrock, api_key=keys) as client:
        await client.converse(MODEL, "Hello")
        now.move(hours=13)

        reply = await client.converse(MODEL, "Hello")

    assert reply.key is not None
    assert reply.key.issued_at == now()


def test_a_renewed_key_that_is_answered_with_expired_too_is_the_end(now: Now) -> None:
    bedrock = LocalBedrock(clock=lambda: now() + timedelta(hours=13))
    session = local_session(bedrock)
    session.before = lambda: now.move(seconds=1)

    with (
        local_client(bedrock, api_key=ShortTermKeys(session=session, clock=now)) as client,
        pytest.raises(errors.ApiKeyExpiredError),
    ):
        client.converse(MODEL, "Hello")

    assert session.asked == 2


def test_a_denied_key_is_not_renewed(now: Now) -> None:
    keys = ShortTermKeys(session=Session(), clock=now)
    denied = errors.ShortTermKeyDeniedError("No.", status_code=403)

    assert keys.refused(keys.get_key(), denied) is False


def test_the_last_key_is_kept_while_no_newer_one_can_be_minted(
    now: Now, caplog: pytest.LogCaptureFixture
) -> None:
    session = Session()
    keys = ShortTermKeys(session=session, clock=now)
    first = keys.get_key()
    now.move(hours=11, minutes=50)

    def fail() -> None:
        raise OSError("hunter2")

    session.before = fail
    with caplog.at_level(logging.WARNING, "bedrock_bearer"):
        kept = [keys.get_key() for _ in range(100)]

    assert set(kept) == {first}
    assert session.asked == 2
    assert "getting the AWS credentials raised OSError" in caplog.text
    assert "hunter2" not in caplog.text


def test_an_expired_key_is_not_kept(now: Now) -> None:
    session = Session()
    keys = ShortTermKeys(session=session, clock=now)
    keys.get_key()
    now.move(hours=12)

    def fail() -> None:
        raise OSError

    session.before = fail
    with pytest.raises(errors.ConfigurationError, match="raised OSError"):
        keys.get_key()


def test_credentials_that_hang_are_one_error_within_their_time(now: Now) -> None:
    stop = threading.Event()
    session = Session()
    session.before = lambda: stop.wait(30)

    with pytest.raises(errors.ConfigurationError, match=r"within 0\.01 s"):
        ShortTermKeys(session=session, clock=now, timeout=0.01).get_key()
    stop.set()


def test_a_valid_key_is_not_held_up_by_credentials_that_hang(now: Now) -> None:
    stop = threading.Event()
    session = Session()
    keys = ShortTermKeys(session=session, clock=now, timeout=1)
    first = keys.get_key()
    now.move(hours=11, minutes=50)
    session.before = lambda: stop.wait(30)

    assert [keys.get_key() for _ in range(50)] == [first] * 50
    assert session.asked == 2
    stop.set()


def test_no_credentials_are_one_error_that_says_what_to_set(now: Now) -> None:
    session = Session()
    session.get_credentials = lambda: None  # type: ignore[method-assign]

    with pytest.raises(errors.MissingApiKeyError, match="AWS_PROFILE"):
        ShortTermKeys(session=session, clock=now).get_key()


def test_no_region_is_one_error(now: Now) -> None:
    session = Session()
    session.region_name = None

    with pytest.raises(errors.RegionError, match="region= to ShortTermKeys"):
        ShortTermKeys(session=session, clock=now).get_key()


@pytest.mark.parametrize("lifetime", [timedelta(), timedelta(hours=13)])
def test_a_lifetime_that_aws_does_not_give_is_refused(lifetime: timedelta) -> None:
    with pytest.raises(errors.ConfigurationError, match="12 hours"):
        ShortTermKeys(lifetime=lifetime)


def test_a_client_takes_the_region_of_the_keys(now: Now) -> None:
    from bedrock_bearer import BedrockClient

    with BedrockClient(ShortTermKeys("eu-west-1", session=Session(), clock=now)) as client:
        assert client.region == "eu-west-1"


def test_minted_keys_give_way_to_another_when_there_are_no_credentials(now: Now) -> None:
    bedrock = LocalBedrock()
    session = Session()
    session.get_credentials = lambda: None  # type: ignore[method-assign]
    keys = FallbackKeys(ShortTermKeys(session=session, clock=now), bedrock.mint_key("LONG_TERM"))

    with local_client(bedrock, api_key=keys) as client:
        reply = client.converse(MODEL, "Hello")

    assert reply.key is not None
    assert reply.key.token_type is TokenType.LONG_TERM
