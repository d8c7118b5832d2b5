"""The pytest plugin: fixtures of a test double. Nothing is loaded until a test uses one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from bedrock_bearer.testing import FakeBedrock


@pytest.fixture
def fake_bedrock() -> Iterator[FakeBedrock]:
    """A `bedrock_bearer.testing.FakeBedrock`; at the end, every reply must have been used."""
    from bedrock_bearer.testing import FakeBedrock

    fake = FakeBedrock()
    yield fake
    fake.assert_all_used()


@pytest.fixture
def served_fake_bedrock(
    fake_bedrock: FakeBedrock, monkeypatch: pytest.MonkeyPatch
) -> Iterator[FakeBedrock]:
    """A `fake_bedrock` on loopback: `BedrockClient()` calls it, by environment variables.

    Needs the extra [local].
    """
    monkeypatch.delenv("AWS_BEARER_TOKEN_BEDROCK_FALLBACK", raising=False)
    monkeypatch.delenv("AWS_ENDPOINT_URL_BEDROCK_RUNTIME", raising=False)
    with fake_bedrock.serve() as variables:
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        yield fake_bedrock
