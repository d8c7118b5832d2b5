"""Keys from variables, files and functions, resolved before every attempt."""

from __future__ import annotations

import asyncio
import logging
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from support.clients import ENVIRONMENT, FakeTime
from support.keys import changed, long_term_key, short_term_key

from bedrock_bearer import (
    ApiKey,
    BedrockClient,
    CallableKey,
    EnvironmentKey,
    FileKey,
    KeySwitchRecord,
    errors,
)
from bedrock_bearer.local import LocalBedrock, local_client

REJECTED = errors.ApiKeyRejectedError("No.", status_code=403)
FIRST = long_term_key("first")
SECOND = long_term_key("second")
VARIABLE = "AWS_BEARER_TOKEN_BEDROCK"


def test_a_rotated_variable_is_picked_up(monkeypatch: pytest.MonkeyPatch) -> None:
    source = EnvironmentKey()
    monkeypatch.setenv(VARIABLE, FIRST)
    first = source.get_key()
    monkeypatch.setenv(VARIABLE, SECOND)

    assert (first.user_name, source.get_key().user_name) == ("first", "second")


def test_a_variable_that_has_not_changed_gives_the_same_key(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv(VARIABLE, FIRST)
    source = EnvironmentKey()

    assert source.get_key() is source.get_key()


def test_a_variable_that_names_a_file_is_followed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    path = tmp_path / "key"
    path.write_text(FIRST + "\n")
    monkeypatch.delenv(VARIABLE, raising=False)
    monkeypatch.setenv("AWS_BEARER_TOKEN_BEDROCK_FILE", str(path))

    assert EnvironmentKey().get_key().user_name == "first"


def test_a_refused_variable_is_worth_another_try_only_when_it_has_changed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv(VARIABLE, FIRST)
    source = EnvironmentKey()
    key = source.get_key()
    error = errors.ApiKeyRejectedError("No.", status_code=403)

    assert source.refused(key, error) is False
    monkeypatch.setenv(VARIABLE, SECOND)
    assert source.refused(key, error) is True


def test_a_rewritten_file_is_picked_up(tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.write_text(FIRST)
    source = FileKey(path)
    first = source.get_key()
    path.write_text(SECOND)

    assert (first.user_name, source.get_key().user_name) == ("first", "second")


def test_a_link_that_is_swapped_as_kubernetes_does_is_followed(tmp_path: Path) -> None:
    for name, key in (("one", FIRST), ("two", SECOND)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "key").write_text(key)
    link = tmp_path / "data"
    link.symlink_to("one")
    source = FileKey(link / "key")
    first = source.get_key()
    (tmp_path / "next").symlink_to("two")
    os.replace(tmp_path / "next", link)

    assert (first.user_name, source.get_key().user_name) == ("first", "second")


def test_the_last_good_key_of_a_file_is_kept_while_it_is_valid(tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.write_text(FIRST)
    source = FileKey(path)
    source.get_key()
    path.write_text("half a k")

    assert source.get_key().user_name == "first"


def test_an_expired_key_is_not_kept(tmp_path: Path) -> None:
    issued = (datetime.now(UTC) - timedelta(days=1)).strftime("%Y%m%dT%H%M%SZ")
    path = tmp_path / "key"
    path.write_text(changed(short_term_key(), X_Amz_Date=issued))
    source = FileKey(path)
    source.get_key()
    path.unlink()

    with pytest.raises(errors.MissingApiKeyError, match="there is no file"):
        source.get_key()


@pytest.mark.parametrize("name", [FIRST, f"/run/{FIRST[:40]}", FIRST[30:60]])
def test_a_key_given_as_the_name_of_a_file_is_not_shown(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AWS_BEARER_TOKEN_BEDROCK", raising=False)
    monkeypatch.setenv("AWS_BEARER_TOKEN_BEDROCK_FILE", name)

    with pytest.raises(errors.MissingApiKeyError, match="it looks like a key") as caught:
        EnvironmentKey().get_key()
    assert name not in str(caught.value)


def test_a_file_that_has_not_changed_gives_the_same_key(tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.write_text(FIRST + "\n")
    source = FileKey(path)

    assert source.get_key() is source.get_key()


def test_a_failing_file_is_logged_once_and_not_at_every_call(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "key"
    path.write_text(FIRST)
    source = FileKey(path)
    source.get_key()
    path.unlink()
    with caplog.at_level(logging.WARNING, "bedrock_bearer"):
        for _ in range(10):
            source.get_key()

    assert [record.getMessage().count("there is no file") for record in caplog.records] == [1]


def test_the_last_good_key_of_a_file_that_a_variable_names_is_kept(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    path = tmp_path / "key"
    path.write_text(FIRST)
    monkeypatch.delenv(VARIABLE, raising=False)
    monkeypatch.setenv("AWS_BEARER_TOKEN_BEDROCK_FILE", str(path))
    source = EnvironmentKey()
    source.get_key()
    path.write_text("half a k")

    assert source.get_key().user_name == "first"


def test_a_variable_that_is_gone_when_its_key_is_refused_gives_no_other(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv(VARIABLE, FIRST)
    source = EnvironmentKey()
    key = source.get_key()
    monkeypatch.delenv(VARIABLE)

    assert source.refused(key, REJECTED) is False


def test_a_function_is_asked_each_time() -> None:
    keys = iter([FIRST, SECOND])
    source = CallableKey(lambda: next(keys))

    assert [source.get_key().user_name, source.get_key().user_name] == ["first", "second"]


def test_a_coroutine_function_serves_a_client_of_an_event_loop() -> None:
    async def give() -> str:
        return FIRST

    assert asyncio.run(CallableKey(give).get_key_async()).user_name == "first"


def test_a_coroutine_function_is_refused_by_a_client_for_threads() -> None:
    async def give() -> str:
        return FIRST

    with pytest.raises(errors.ConfigurationError, match="AsyncBedrockClient"):
        CallableKey(give).get_key()


def test_an_object_whose_call_is_a_coroutine_serves_an_event_loop_too() -> None:
    class Vault:
        async def __call__(self) -> str:
            return FIRST

    assert asyncio.run(CallableKey(Vault()).get_key_async()).user_name == "first"


def test_a_plain_function_serves_an_event_loop_without_holding_it_up() -> None:
    asked = threading.Event()

    async def call() -> ApiKey:
        source = CallableKey(lambda: FIRST if asked.wait(10) else "")
        key = asyncio.ensure_future(source.get_key_async())
        await asyncio.sleep(0)
        asked.set()
        return await key

    assert asyncio.run(call()).user_name == "first"


def test_a_lambda_that_returns_a_coroutine_is_told_what_to_pass() -> None:
    async def give() -> str:
        return FIRST

    with pytest.raises(errors.ConfigurationError, match="pass the coroutine function itself"):
        CallableKey(lambda: give()).get_key()


def test_those_who_ask_at_once_share_one_run_of_the_function() -> None:
    runs = 0
    barrier, going_on = threading.Barrier(50), threading.Event()

    def give() -> str:
        nonlocal runs
        runs += 1
        going_on.wait(10)
        return FIRST

    source = CallableKey(give)

    def ask() -> ApiKey:
        if barrier.wait(10) == 0:
            threading.Timer(0.05, going_on.set).start()
        return source.get_key()

    with ThreadPoolExecutor(50) as pool:
        keys = [future.result() for future in [pool.submit(ask) for _ in range(50)]]

    assert {key.user_name for key in keys} == {"first"}
    assert runs < 10


def test_a_function_is_asked_once_more_when_its_key_is_not_accepted() -> None:
    source = CallableKey(lambda: FIRST)
    key = source.get_key()

    assert source.refused(key, REJECTED) is True
    assert source.refused(key, REJECTED, asked_again=True) is False


def test_a_function_that_gives_a_refused_key_again_costs_no_further_request() -> None:
    bedrock = LocalBedrock()
    long = bedrock.mint_key("LONG_TERM")
    bedrock.set_key_status(long, "Inactive")
    records: list[object] = []

    with (
        local_client(bedrock, api_key=CallableKey(lambda: long), on_event=records.append) as client,
        pytest.raises(errors.ApiKeyRejectedError) as caught,
    ):
        client.probe()

    assert caught.value.key is not None
    assert not any(isinstance(record, KeySwitchRecord) for record in records)


def test_a_function_that_has_a_new_key_by_now_saves_the_call() -> None:
    bedrock = LocalBedrock()
    old, new = (bedrock.mint_key("LONG_TERM", user_name="dev") for _ in range(2))
    bedrock.set_key_status(old, "Inactive")
    given = iter([old, new])
    records: list[object] = []

    with local_client(
        bedrock, api_key=CallableKey(lambda: next(given)), on_event=records.append
    ) as client:
        client.probe()

    switches = [record for record in records if isinstance(record, KeySwitchRecord)]
    assert [switch.reason for switch in switches] == ["ApiKeyRejectedError"]


def test_a_refused_key_is_not_kept_when_the_function_fails() -> None:
    keys = iter([FIRST])
    source = CallableKey(lambda: next(keys))
    source.refused(source.get_key(), REJECTED)

    with pytest.raises(errors.ConfigurationError, match="raised StopIteration"):
        source.get_key()


def test_a_client_with_a_function_needs_a_region(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ENVIRONMENT:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", "/dev/null")

    with pytest.raises(errors.RegionError, match="region="):
        BedrockClient(lambda: FIRST)


def test_a_client_takes_a_function_as_it_is() -> None:
    bedrock = LocalBedrock()
    long = bedrock.mint_key("LONG_TERM")

    with local_client(bedrock, api_key=lambda: long) as client:
        key = client.probe().key

    assert key.source == "the function that gives it"


def test_a_function_that_fails_is_one_error_without_its_text() -> None:
    def fail() -> str:
        raise ValueError(FIRST)

    with pytest.raises(errors.ConfigurationError, match="raised ValueError") as caught:
        CallableKey(fail).get_key()

    assert FIRST not in str(caught.value)
    assert caught.value.__context__ is None


def test_a_function_that_hangs_is_one_error_within_its_time() -> None:
    stop = threading.Event()

    def hang() -> str:
        stop.wait(30)
        return FIRST

    with pytest.raises(errors.ConfigurationError, match=r"none within 0\.01 s"):
        CallableKey(hang, timeout=0.01).get_key()
    stop.set()


def test_a_function_that_hangs_is_one_error_on_an_event_loop_too() -> None:
    stop = threading.Event()

    def hang() -> str:
        stop.wait(30)
        return FIRST

    with pytest.raises(errors.ConfigurationError, match=r"none within 0\.01 s"):
        asyncio.run(CallableKey(hang, timeout=0.01).get_key_async())
    stop.set()


def test_a_coroutine_that_hangs_is_one_error_within_its_time() -> None:
    async def hang() -> str:
        await asyncio.Event().wait()
        return FIRST

    with pytest.raises(errors.ConfigurationError, match=r"none within 0\.01 s"):
        asyncio.run(CallableKey(hang, timeout=0.01).get_key_async())


def test_a_function_that_hangs_holds_up_one_call_and_not_each(time: FakeTime) -> None:
    stop, runs = threading.Event(), []

    def give() -> str:
        runs.append(1)
        if len(runs) > 1:
            stop.wait(30)
        return FIRST

    source = CallableKey(give, timeout=1, monotonic=lambda: time.now)
    first = source.get_key()
    kept = [source.get_key() for _ in range(20)]
    asked_meanwhile = len(runs)
    time.advance(30)
    stop.set()
    source.get_key()

    assert kept == [first] * 20
    assert (asked_meanwhile, len(runs)) == (2, 3)


def test_a_function_that_hung_is_asked_at_once_when_its_last_key_is_refused() -> None:
    stop, runs = threading.Event(), []

    def give() -> str:
        runs.append(1)
        if len(runs) == 2:
            stop.wait(30)
        return FIRST if len(runs) < 3 else SECOND

    source = CallableKey(give, timeout=1)
    source.get_key()
    source.refused(source.get_key(), REJECTED)

    assert source.get_key().user_name == "second"
    stop.set()


def test_a_function_that_returns_rubbish_is_one_error() -> None:
    with pytest.raises(errors.InvalidApiKeyError):
        CallableKey(lambda: "rubbish").get_key()


def test_the_last_good_key_of_a_function_is_kept_when_it_fails() -> None:
    keys = iter([FIRST])
    source = CallableKey(lambda: next(keys))
    source.get_key()

    assert source.get_key().user_name == "first"
