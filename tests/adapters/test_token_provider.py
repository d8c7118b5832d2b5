"""A key source of ours as a function that other SDKs call."""

from __future__ import annotations

import asyncio
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.keys import long_term_key, short_term_key

from bedrock_bearer import FallbackKeys, FileKey, InvalidApiKeyError, MissingApiKeyError
from bedrock_bearer.adapters import async_token_provider, token_provider

FIRST, SECOND = long_term_key("first"), long_term_key("second")


def _async(source: Any = None) -> Callable[[], str]:
    provide = async_token_provider(source)

    async def token() -> str:
        return await provide()

    return lambda: asyncio.run(token())


PROVIDERS = pytest.mark.parametrize("provider", [token_provider, _async], ids=["sync", "async"])


@PROVIDERS
def test_it_gives_the_key_of_any_source(provider: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_BEARER_TOKEN_BEDROCK", FIRST)

    assert provider()() == FIRST
    assert provider(SECOND)() == SECOND
    assert provider(lambda: SECOND)() == SECOND
    assert provider(FallbackKeys(FIRST, SECOND))() == FIRST


@PROVIDERS
def test_it_reads_a_rotated_key(provider: Any, tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text(FIRST)
    token = provider(FileKey(file))

    before = token()
    file.write_text(SECOND)

    assert (before, token()) == (FIRST, SECOND)


@PROVIDERS
def test_it_says_where_it_looked_when_there_is_no_key(provider: Any) -> None:
    with pytest.raises(MissingApiKeyError, match="AWS_BEARER_TOKEN_BEDROCK is not set"):
        provider()()


@pytest.mark.parametrize("provider", [token_provider, async_token_provider])
def test_a_text_that_is_not_a_key_is_refused_and_not_shown(provider: Any) -> None:
    wrong = short_term_key()[:-9]

    with pytest.raises(InvalidApiKeyError) as caught:
        provider(wrong)

    shown = "".join(
        traceback.TracebackException.from_exception(caught.value, capture_locals=True).format()
    )
    # This test's own frame holds it, and no other.
    assert shown.count(wrong) == 1
