"""The examples run, without an account, and so does what the README names."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = sorted((ROOT / "examples").glob("*.py"))


def missing_packages(path: Path) -> list[str]:
    """Return what an example imports and this environment lacks."""
    names = {
        name.partition(".")[0]
        for node in ast.walk(ast.parse(path.read_text()))
        for name in (
            [node.module or ""]
            if isinstance(node, ast.ImportFrom)
            else [alias.name for alias in node.names]
            if isinstance(node, ast.Import)
            else []
        )
    }
    return sorted(name for name in names if find_spec(name) is None)


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_an_example_runs(path: Path) -> None:
    if missing := missing_packages(path):
        pytest.skip(f"not installed: {', '.join(missing)}")
    command = [sys.executable, str(path)]
    if path.name.startswith("test_"):
        command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", str(path)]

    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)

    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout


def test_each_example_says_what_it_shows_and_how_it_is_run() -> None:
    for path in EXAMPLES:
        told = ast.get_docstring(ast.parse(path.read_text())) or ""
        assert f"examples/{path.name}" in told, path.name


def test_the_readme_shows_names_that_are_there() -> None:
    import bedrock_bearer

    text = (ROOT / "README.md").read_text()
    imported = [
        name.strip()
        for names in re.findall(r"from bedrock_bearer import (.+)", text)
        for name in names.split(",")
    ]
    classes = re.findall(r"`(\w+(?:Error|RetryPolicy|Client|Keys))`", text)

    assert imported
    assert set(imported + classes) <= set(bedrock_bearer.__all__)
