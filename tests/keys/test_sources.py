"""Keys from variables, files and functions, resolved before every attempt."""

from __future__ import annotations

import asyncio
import os
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from helpers_keys import changed, long_term_key, short_term_key

from bedrock_bearer import CallableKey, EnvironmentKey, FileKey, errors

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


def test_a_coroutine_that_hangs_is_one_error_within_its_time() -> None:
    async def hang() -> str:
        await asyncio.Event().wait()
        return FIRST

    with pytest.raises(errors.ConfigurationError, match=r"none within 0\.01 s"):
        asyncio.run(CallableKey(hang, timeout=0.01).get_key_async())


def test_a_function_that_returns_rubbish_is_one_error() -> None:
    with pytest.raises(errors.InvalidApiKeyError):
        CallableKey(lambda: "rubbish").get_key()


def test_the_last_good_key_of_a_function_is_kept_when_it_fails() -> None:
    keys = iter([FIRST])
    source = CallableKey(lambda: next(keys))
    source.get_key()

    assert source.get_key().user_name == "first"
