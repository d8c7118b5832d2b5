"""The rooms of the package import one way, and third-party code only where it belongs."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
CHECK = ROOT / "tests/support/imports.py"


def broken(directory: Path) -> list[str]:
    done = subprocess.run(
        [sys.executable, CHECK, directory], capture_output=True, text=True, check=False
    )
    assert done.returncode in (0, 1), done.stderr
    assert "Traceback" not in done.stderr, done.stderr
    return done.stderr.splitlines()


def test_the_package_keeps_to_the_rules() -> None:
    assert broken(ROOT) == []


PLANTED = {
    "a leaf that imports in a function": (
        "facts.py",
        "def f() -> None:\n    import bedrock_bearer.keys.description\n",
        "'keys.description' is not below 'facts'",
    ),
    "an annotation of a higher room": (
        "regions.py",
        "if TYPE_CHECKING:\n    from bedrock_bearer.client import BedrockClient\n",
        "'client' is not below 'regions'",
    ),
    "the command line below it": (
        "client.py",
        "from bedrock_bearer.cli import main\n",
        "'cli' is not below 'client'",
    ),
    "a neighbour in the same row": (
        "access/denial.py",
        "from bedrock_bearer.converse.message import Message\n",
        "'converse' is not below 'access'",
    ),
    "boto3 in the client": (
        "client.py",
        "def g() -> None:\n    import boto3\n",
        "imports boto3: only",
    ),
    "third-party code in errors": (
        "errors.py",
        "import pydantic\n",
        "imports pydantic: only",
    ),
    "a package that nobody placed": (
        "wire/endpoint.py",
        "import yaml\n",
        "imports yaml: no room is given",
    ),
    "the public list": (
        "rotation.py",
        "from bedrock_bearer import BedrockClient\n",
        "imports bedrock_bearer: import from the module that defines the name",
    ),
    "a module by its name in a string": (
        "call.py",
        "import importlib\nX = importlib.import_module('bedrock_bearer.aws')\n",
        "imports a module by a name in a string",
    ),
}


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the package with every planted import, and a module that has no place."""
    directory = tmp_path_factory.mktemp("copy")
    shutil.copytree(ROOT / "bedrock_bearer", directory / "bedrock_bearer")
    for name, text, _ in PLANTED.values():
        with (directory / "bedrock_bearer" / name).open("a") as file:
            file.write(text)
    (directory / "bedrock_bearer/somewhere.py").write_text("")
    return directory


@pytest.fixture(scope="module")
def found(copy: Path) -> list[str]:
    return broken(copy)


@pytest.mark.parametrize("name", PLANTED)
def test_a_planted_import_is_found(name: str, found: list[str]) -> None:
    file, _, sentence = PLANTED[name]
    module = file.removesuffix(".py").replace("/", ".")

    assert any(module in line and sentence in line for line in found), found


def test_a_planted_circle_within_a_room_is_found(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "bedrock_bearer", tmp_path / "bedrock_bearer")
    room = tmp_path / "bedrock_bearer/wire"
    (room / "one.py").write_text("def f() -> None:\n    from bedrock_bearer.wire import two\n")
    (room / "two.py").write_text(
        "from typing import TYPE_CHECKING\n"
        "if TYPE_CHECKING:\n    from bedrock_bearer.wire.one import f\n"
    )

    (circle,) = broken(tmp_path)

    assert circle.startswith("a circle: ")
    assert "bedrock_bearer.wire.one" in circle


def test_a_module_without_a_layer_is_found(found: list[str]) -> None:
    assert "bedrock_bearer.somewhere: no layer is given for it" in found
