"""What importing the package costs, and what it gives."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

import bedrock_bearer
from bedrock_bearer import errors


def modules_after(statement: str) -> set[str]:
    program = f"import json, sys\n{statement}\nprint(json.dumps(sorted(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    return set(json.loads(done.stdout))


@pytest.mark.parametrize(
    "statement",
    [
        "import bedrock_bearer",
        "import bedrock_bearer.errors",
        "from bedrock_bearer import BedrockError",
    ],
)
def test_importing_the_package_loads_none_of_its_dependencies(statement: str) -> None:
    loaded = modules_after(statement)

    assert loaded.isdisjoint({"httpx", "pydantic", "tenacity", "asyncio", "click", "boto3"})


def test_the_client_loads_no_extra() -> None:
    loaded = modules_after("from bedrock_bearer import AsyncBedrockClient, BedrockClient")

    assert loaded.isdisjoint({"boto3", "botocore", "hypercorn", "trustme"})


def test_asking_the_command_line_for_help_loads_no_client() -> None:
    loaded = modules_after(
        "from bedrock_bearer.cli import cli\n"
        "from click.testing import CliRunner\n"
        "assert CliRunner().invoke(cli, ['--help']).exit_code == 0"
    )

    assert loaded.isdisjoint({"httpx", "pydantic", "tenacity"})


def test_every_public_name_can_be_had() -> None:
    aliases = {"MessageInput", "MessagesInput", "OnEvent"}
    for name in set(bedrock_bearer.__all__) - aliases:
        assert getattr(bedrock_bearer, name).__name__ == name
    assert all(getattr(bedrock_bearer, name) for name in aliases)


def test_the_public_names_are_sorted_and_listed_for_completion() -> None:
    assert bedrock_bearer.__all__ == sorted(bedrock_bearer.__all__)
    assert set(bedrock_bearer.__all__) <= set(dir(bedrock_bearer))


def test_every_error_class_is_a_public_name() -> None:
    classes = {
        name
        for name, value in vars(errors).items()
        if isinstance(value, type) and issubclass(value, errors.BedrockError)
    }

    assert classes <= set(bedrock_bearer.__all__)
    assert all(f" {name} " in f"{errors.__doc__} ".replace("\n", " ") for name in classes)


def test_a_name_that_does_not_exist_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'Bedrock'"):
        bedrock_bearer.Bedrock  # type: ignore[attr-defined]  # noqa: B018
