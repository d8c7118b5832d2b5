"""What type checkers say of code that uses the package, in tests/typing.

mypy is called as a user would in strict mode, pyright in its standard mode.
"""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from support.documents import blocks

SAMPLES = Path(__file__).resolve().parents[1] / "typing"
README = SAMPLES.parents[1] / "README.md"
VALID = ["valid.py", "no_any.py"]
MISTAKES = "mistakes.py"

Errors = dict[str, dict[int, str]]
"""What a checker says: per file, per line."""


def mypy(*files: str) -> Errors:
    # The settings are mypy's own, not this project's.
    settings = ["--strict", "--config-file=", f"--cache-dir={SAMPLES.parents[1] / '.mypy_cache'}"]
    output = run(sys.executable, "-m", "mypy", *settings, *files)
    found: Errors = {}
    for line in output.splitlines():
        if match := re.match(r"([\w/.-]+):(\d+): error: (.*)", line):
            found.setdefault(Path(match[1]).name, {})[int(match[2])] = match[3]
    return found


def pyright(*files: str) -> Errors:
    python = f"--pythonpath={sys.executable}"
    output = json.loads(run(sys.executable, "-m", "pyright", "--outputjson", python, *files))
    assert output["summary"]["filesAnalyzed"] == len(files)
    found: Errors = {}
    for said in output["generalDiagnostics"]:
        if said["severity"] == "error":
            line = said["range"]["start"]["line"] + 1
            found.setdefault(Path(said["file"]).name, {})[line] = said["message"]
    return found


def run(*command: str) -> str:
    done = subprocess.run(command, cwd=SAMPLES, capture_output=True, text=True, check=False)
    assert done.returncode in (0, 1), f"{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module", params=[mypy, pyright], ids=lambda checker: checker.__name__)
def errors(request: pytest.FixtureRequest) -> Errors:
    checker: Callable[..., Errors] = request.param
    return checker(*VALID, MISTAKES)


def planted() -> dict[range, str]:
    """Each mistake by the lines of its statement, the one below the comment that tells it."""
    text = (SAMPLES / MISTAKES).read_text()
    told = {
        number + 1: line.split("# mistake:")[1].strip()
        for number, line in enumerate(text.splitlines(), 1)
        if "# mistake:" in line
    }
    lines = {
        statement.lineno: range(statement.lineno, (statement.end_lineno or 0) + 1)
        for statement in ast.walk(ast.parse(text))
        if isinstance(statement, ast.stmt)
    }
    return {lines[number]: mistake for number, mistake in told.items()}


@pytest.mark.parametrize("file", VALID)
def test_nothing_is_wrong_with_what_is_allowed(errors: Errors, file: str) -> None:
    assert errors.get(file, {}) == {}


def test_every_mistake_is_found(errors: Errors) -> None:
    found = errors[MISTAKES]

    missed = [mistake for lines, mistake in planted().items() if not found.keys() & set(lines)]

    assert missed == []


def test_nothing_but_the_mistakes_is_found(errors: Errors) -> None:
    lines = {line for mistake in planted() for line in mistake}

    assert {line: said for line, said in errors[MISTAKES].items() if line not in lines} == {}


@pytest.mark.parametrize("checker", [mypy, pyright])
def test_nothing_is_wrong_with_the_readme(checker: Callable[..., Errors], tmp_path: Path) -> None:
    pasted = tmp_path / "readme.py"
    python = [block.text for block in blocks(README) if block.language == "python"]
    pasted.write_text("\n".join(python))

    assert checker(str(pasted)) == {}


def test_a_wrong_http_client_is_found_where_httpx2_is_not_installed(tmp_path: Path) -> None:
    """A package that a checker cannot find is Any, which takes everything."""
    settings = tmp_path / "mypy.ini"
    settings.write_text("[mypy]\nstrict = true\n[mypy-httpx2.*]\nfollow_imports = skip\n")
    code = 'from bedrock_bearer import BedrockClient\nBedrockClient(http_client="x")'
    options = [f"--config-file={settings}", f"--cache-dir={tmp_path}", "-c", code]

    output = run(sys.executable, "-m", "mypy", *options)

    assert 'Argument "http_client" to "BedrockClient" has incompatible type "str"' in output
