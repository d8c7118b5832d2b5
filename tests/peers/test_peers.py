"""SDKs that nobody here wrote call `local serve --tls` as they are."""

from __future__ import annotations

import shutil
from collections.abc import Iterator

import pytest
from peers.run_all import FEATURES, JAVASCRIPT, LIGHT, drive, judge, serving


@pytest.fixture(scope="module")
def variables() -> Iterator[dict[str, str]]:
    with serving() as exported:
        yield exported


@pytest.mark.parametrize("name", LIGHT)
def test_it_reads_text_streams_tools_structured_output_and_a_denial(
    name: str, variables: dict[str, str]
) -> None:
    if name in JAVASCRIPT and shutil.which("npm") is None:
        pytest.skip("this machine has no npm")

    verdict = judge(name, drive(name, variables))

    assert [feature for feature in FEATURES if verdict[feature] == "no"] == []
