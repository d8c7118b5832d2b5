"""The examples run, and so does what the README shows."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = sorted((ROOT / "examples").glob("*.py"))


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_an_example_runs(path: Path) -> None:
    done = subprocess.run([sys.executable, path], capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr
    assert done.stdout


def test_the_readme_shows_names_that_are_there() -> None:
    import bedrock_bearer

    text = (ROOT / "README.md").read_text()
    imported = re.findall(r"from bedrock_bearer import (\w+)", text)
    classes = re.findall(r"`(\w+(?:Error|Policy|Client|Keys))`", text)

    assert imported
    assert set(imported + classes) <= set(bedrock_bearer.__all__)
