"""`bedrock-bearer policy` in a shell."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from bedrock_bearer.access import read_document
from bedrock_bearer.cli import cli

DENIED = (
    "User: arn:aws:iam::123456789012:user/dev is not authorized to perform: "
    "bedrock:CallWithBearerToken on resource: * with an explicit deny in an identity-based policy"
)


def run(*arguments: str, text: str | None = None) -> Result:
    return CliRunner().invoke(cli, ["policy", *arguments], input=text)


@pytest.fixture
def policies(tmp_path: Path) -> list[str]:
    """The arguments for two policy files: all is allowed, but SHORT_TERM keys."""
    allow = tmp_path / "allow.json"
    allow.write_text(json.dumps({"Statement": {"Effect": "Allow", "Action": "*"}}))
    deny = tmp_path / "deny.json"
    deny.write_text(run("deny", "SHORT_TERM").stdout)
    return ["--policy", str(allow), "--policy", str(deny)]


@pytest.mark.parametrize(
    "arguments",
    [
        ["deny", "SHORT_TERM"],
        ["deny", "LONG_TERM", "--mantle", "--scp"],
        ["allow-only", "LONG_TERM"],
        ["allow-only", "LONG_TERM", "--scp"],
        ["max-age", "5"],
        ["deny-all", "--mantle"],
    ],
)
def test_a_policy_is_printed_ready_to_attach(arguments: list[str]) -> None:
    result = run(*arguments)

    assert result.exit_code == 0
    assert read_document(result.stdout).version == "2012-10-17"


@pytest.mark.parametrize(("token_type", "code"), [("SHORT_TERM", 4), ("LONG_TERM", 0)])
def test_the_exit_code_is_the_answer(token_type: str, code: int, policies: list[str]) -> None:
    assert run("explain", *policies, "--token-type", token_type).exit_code == code


def test_the_deciding_statement_is_named(policies: list[str]) -> None:
    result = run("explain", *policies, "--token-type", "SHORT_TERM")

    assert "DenyShortTermKeyUse" in result.stdout
    assert "deny.json" in result.stdout


@pytest.mark.parametrize(("days", "code"), [("5", 0), ("30", 4)])
def test_the_creation_of_a_key_can_be_asked_about(
    days: str, code: int, policies: list[str], tmp_path: Path
) -> None:
    limit = tmp_path / "limit.json"
    limit.write_text(run("max-age", "5").stdout)

    result = run("explain", *policies, "--policy", str(limit), "--age-days", days)

    assert result.exit_code == code


def test_a_pasted_denial_is_explained_and_located(policies: list[str]) -> None:
    result = run("explain", "--message", "-", "--token-type", "SHORT_TERM", *policies, text=DENIED)

    assert result.exit_code == 4
    assert "bedrock:bearerTokenType = SHORT_TERM" in result.stdout
    assert "DenyShortTermKeyUse" in result.stdout
    assert "Certainty: located" in result.stdout


def test_several_statements_that_may_have_denied_confirm_nothing(
    policies: list[str], tmp_path: Path
) -> None:
    other = tmp_path / "other.json"
    other.write_text(run("deny", "LONG_TERM").stdout)

    result = run("explain", "--message", "-", *policies, "--policy", str(other), text=DENIED)

    assert "DenyLongTermKeyUse" in result.stdout
    assert "confirmed" not in result.stdout


def test_a_pasted_denial_can_be_masked() -> None:
    result = run("explain", "--message", "-", "--redact", text=DENIED)

    assert result.exit_code == 4
    assert "123456789012" not in result.stdout


def test_json_is_one_document(policies: list[str]) -> None:
    result = run("explain", *policies, "--token-type", "SHORT_TERM", "--json")

    document: dict[str, Any] = json.loads(result.stdout)
    assert document["statement"]["sid"] == "DenyShortTermKeyUse"
    assert document["exit_code"] == 4


def test_a_text_that_is_no_denial_is_a_matter_of_usage() -> None:
    assert run("explain", "--message", "-", text="Hello").exit_code == 2


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("{", "line 1 column 2"),
        ('{"Statement":[{"Effect":"Deny","Action":"a:b","Condition":{"Foo":{}}}]}', "Statement[0]"),
    ],
)
def test_a_broken_file_is_one_line_with_the_place(
    content: str, problem: str, tmp_path: Path
) -> None:
    path = tmp_path / "broken.json"
    path.write_text(content)

    result = run("explain", "--policy", str(path), "--token-type", "SHORT_TERM")

    assert result.exit_code == 2
    assert result.stderr.count("\n") == 1
    assert result.stderr.startswith(f"{path}: {problem}")


def test_a_file_that_is_not_there_is_one_line() -> None:
    result = run("explain", "--policy", "/nowhere/x.json", "--token-type", "SHORT_TERM")

    assert result.exit_code == 2
    assert "No such file" in result.stderr
