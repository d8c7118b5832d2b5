"""The pytest plugin: the fixture `fake_bedrock`. Nothing is loaded until a test uses it."""

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
