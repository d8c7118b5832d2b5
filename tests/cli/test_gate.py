"""No argument that holds a key is shown or sent, wherever on the command line it stands."""

from __future__ import annotations

import json
import socket
import urllib.parse
from collections.abc import Iterator
from typing import Any

import click
import pytest
from click.testing import CliRunner, Result
from support.keys import SECRET_ACCESS_KEY, long_term_key, short_term_key

from bedrock_bearer.cli import cli
from bedrock_bearer.keys.recognition import holds_key

KEYS = {
    "long-term": long_term_key(),
    "short-term": short_term_key(),
    "other vendor's": "sk-ant-api03-Xq3vR8mZ1kLw7TyB2nHc5JdF9gPsA4uE6oQxVzKiNjMhWrYt",
}
every_key = pytest.mark.parametrize("key", KEYS.values(), ids=KEYS.keys())


def commands(
    command: click.Command, path: tuple[str, ...] = ()
) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    """Walk the whole tree of commands."""
    yield path, command
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            found = command.get_command(context, name)
            assert found is not None
            yield from commands(found, (*path, name))


def lines_with(key: str) -> Iterator[list[str]]:
    """Every command, option and position of the tree, with a key in it."""
    for path, command in commands(cli):
        yield [*path, key]
        yield [*path, f"--{key}"]
        yield [*path, f"-{key}"]
        yield [*path, "--", key]
        yield [*path, "x", "y", "z", key]
        for parameter in command.params:
            for name in parameter.opts + parameter.secondary_opts:
                if isinstance(parameter, click.Option):
                    yield [*path, name, key]
                    yield [*path, f"{name}={key}"]
                    yield [*path, f"{name}{key}"]
                    yield [*path, name, "1", key]
                    yield [*path, name, f"NAME={key}"]


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any) -> None:
        raise AssertionError("Something was sent.")

    monkeypatch.setattr(socket.socket, "connect", refuse)


def run(*arguments: str) -> Result:
    return CliRunner().invoke(cli, list(arguments), input="")


def assert_not_shown(key: str, result: Result) -> None:
    pieces = {key[start : start + 20] for start in range(len(key) - 19)}
    assert not [piece for piece in pieces if piece in result.output]


@every_key
def test_a_key_anywhere_on_the_command_line_is_refused_and_not_shown(key: str) -> None:
    tried = 0
    for line in lines_with(key):
        result = run(*line)
        tried += 1
        assert result.exit_code == 2, line
        assert isinstance(result.exception, SystemExit), line
        assert "env:NAME, file:PATH or -" in result.output
        assert_not_shown(key, result)
    assert tried > 300


@every_key
def test_the_refusal_is_one_json_document_on_request(key: str) -> None:
    for line in lines_with(key):
        if "--" in line:
            continue
        result = run(*line, "--json")
        document = json.loads(result.stdout)
        assert result.exit_code == document["exit_code"] == 2, line
        assert document["ok"] is False
        assert document["error"]["type"] == "UsageError"
        assert result.stderr == ""
        assert_not_shown(key, result)


FORMS = {
    "alone": "{}",
    "quoted": '"{}"',
    "as a bearer token": "Bearer {}",
    "as a header": "Authorization: Bearer {}",
    "as an assignment": "AWS_BEARER_TOKEN_BEDROCK={}",
    "exported": "export AWS_BEARER_TOKEN_BEDROCK='{}'",
    "as a source": "env:{}",
    "as a file": "file:/run/{}",
    "in JSON": '{{"key": "{}"}}',
    "in a URL": "https://example.com/?key={}",
    "in a sentence": "My key is {}, please help.",
    "with a line break before it": "\n{}",
}


@every_key
@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS.keys())
def test_a_key_is_recognized_in_whatever_it_is_wrapped(form: str, key: str) -> None:
    assert holds_key(form.format(key))


@pytest.mark.parametrize("key", [long_term_key(), short_term_key()], ids=["long", "short"])
def test_a_key_is_recognized_when_it_was_cut_or_written_otherwise(key: str) -> None:
    wrapped = "\n  ".join(key[start : start + 60] for start in range(0, len(key), 60))
    cuts = [key[:24], key[:40], key[:-1], key[4:], key[30:90], key[-60:]]
    written = [wrapped, urllib.parse.quote(key, safe=""), key.replace("/", "\\/")]

    assert [text for text in cuts + written if not holds_key(text)] == []


@pytest.mark.parametrize("key", [long_term_key(), short_term_key()], ids=["long", "short"])
def test_any_twenty_characters_of_a_key_are_recognized(key: str) -> None:
    # Before that there is the prefix, which is the same for all keys and no secret.
    cuts = [key[start : start + 20] for start in range(16, len(key) - 19)]

    assert [cut for cut in cuts if not holds_key(cut)] == []


def test_a_key_of_any_form_is_recognized_where_it_is_said_to_be_one() -> None:
    key = "00544933f1896be384b08f93123545eabf88c3086965007b"
    forms = ["AWS_BEARER_TOKEN_BEDROCK={}", "AWS_BEARER_TOKEN_BEDROCK='{}'", "Bearer {}"]

    assert [form for form in forms if not holds_key(form.format(key))] == []


@pytest.mark.parametrize(
    "secret",
    [
        "00544933f1896be384b08f93123545eabf88c3086965007b",
        "xqzufkQvYes58by2SJER_E-Nfz6YkHsM_ViUfPKVK-5pSiLTZ",
    ],
    ids=["hexadecimal", "with signs"],
)
def test_no_usage_error_shows_a_secret_that_nothing_recognizes(secret: str) -> None:
    errors = 0
    for line in lines_with(secret[:24]):
        for arguments in (line, [*line, "--json"]):
            if "serve" in arguments or "story" in arguments:
                continue
            result = run(*arguments, "--no-such-option", "another argument")
            errors += result.exit_code == 2
            if result.exit_code == 2:
                assert_not_shown(secret[:24], result)
    assert errors > 300


@pytest.mark.parametrize(
    "text",
    [
        "ACCA7EXAMPLEID1234567",
        "--authorization-identifiers",
        "policies/my-application-2026-11-26.json",
        "arn:aws:iam::123456789012:role/application-of-team-12",
    ],
)
def test_a_usage_error_shows_names_and_ids(text: str) -> None:
    assert text in run("check", text).output


@pytest.mark.parametrize(
    "text",
    [
        "ABSKcut",
        SECRET_ACCESS_KEY,
        "AKIAIOSFODNN7EXAMPLE",
        "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9",
        "aws-external-anthropic-api-key-abc",
        "IQoJb3JpZ2luX2VjEJr//////////wEaCXVzLWVhc3QtMSJ",
    ],
)
def test_what_looks_like_a_key_is_recognized(text: str) -> None:
    assert holds_key(text)


@pytest.mark.parametrize(
    "text",
    [
        "How do I rotate an ABSK key?",
        "Long-term keys start with ABSK, short-term ones with bedrock-api-key-.",
        "The header is Authorization: Bearer ABSK<base64>",
        "Set AWS_BEARER_TOKEN_BEDROCK=ABSK... and AWS_REGION=us-east-1.",
        "bedrock-api-key-prod",
        "file:/run/secrets/bedrock-api-key-prod.txt",
        "env:AWS_BEARER_TOKEN_BEDROCK",
        "arn:aws:bedrock:us-east-1:123456789012:inference-profile/us.amazon.nova-micro-v1:0",
        "arn:aws:iam::123456789012:role/AWSReservedSSO_AdministratorAccess_0123456789abcdef",
        "https://vpce-0123456789abcdef0-abcdefgh.bedrock-runtime.us-east-1.vpce.amazonaws.com",
        "AWS_BEARER_TOKEN_BEDROCK=/run/secrets/bedrock/my-app.key",
        "The header is called bearer-authentication-of-applications",
        "PolicyGrantingBedrockAccessToDevelopersOfTheTeam",
        "aws:TokenIssueTime=2026-11-23T12:00:00Z",
        "aws:userid=AROADBQP57FF2AEXAMPLE:session",
        "ACCA7EXAMPLEID1234567",
        "BedrockAPIKey-a1b2",
        "MyServiceRoleForBedrock2024Production",
        "/Users/JohnDoe/Library/CloudStorage/GoogleDrive/My2024Files/key",
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        "sk-learn and task-oriented-disk-based-storage",
    ],
)
def test_text_that_only_talks_about_keys_passes(text: str) -> None:
    assert not holds_key(text)


def test_a_prompt_that_talks_about_keys_is_sent() -> None:
    result = run("smoke", "--local", "Why does an ABSK key start with ABSK?")

    assert result.exit_code == 0


def test_a_value_in_json_ends_options_at_the_double_dash() -> None:
    result = run("smoke", "--local", "--", "--json")

    assert (result.exit_code, result.stdout.startswith("{")) == (0, False)


@pytest.mark.parametrize(
    "arguments",
    [
        ["--json", "--no-such-option"],
        ["nonsense", "--json"],
        ["check", "--json", "--watch", "x"],
        ["check", "--json", "extra"],
        ["key", "--json", "nonsense"],
        ["key", "create", "--json"],
        ["key", "retire", "--json"],
        ["policy", "deny", "LONG", "--json"],
        ["smoke", "", "--json"],
        ["policy", "explain", "--policy", "no-such-file", "--json"],
        ["policy", "lint", "no-such-file", "--json"],
    ],
)
def test_a_usage_error_is_one_json_document(arguments: list[str]) -> None:
    result = run(*arguments)
    document = json.loads(result.stdout)

    assert result.exit_code == document["exit_code"] == 2
    assert document["error"]["type"]
    assert document["error"]["message"]
    assert result.stderr == ""


def test_an_interrupt_is_one_json_document_with_its_code(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(**_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("bedrock_bearer.local.embedded.local_client", interrupt)
    result = run("smoke", "--local", "--json")

    assert result.exit_code == json.loads(result.stdout)["exit_code"] == 130


def test_an_unexpected_error_is_one_json_document_and_a_traceback(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(**_: Any) -> None:
        raise RuntimeError("secret")

    monkeypatch.setattr("bedrock_bearer.local.embedded.local_client", fail)
    result = run("smoke", "--local", "--json")

    assert result.exit_code == json.loads(result.stdout)["exit_code"] == 1
    assert isinstance(result.exception, RuntimeError)
    assert "secret" not in result.stdout


def test_no_help_is_cut_at_80_columns() -> None:
    for path, command in commands(cli):
        text = CliRunner().invoke(cli, [*path, "--help"], terminal_width=80).stdout
        cut = [line for line in text.splitlines()[1:] if line.endswith("...")]
        assert cut == [], path
        hidden = [p.name for p in command.params if isinstance(p, click.Option) and not p.help]
        assert hidden == [], path


@pytest.mark.parametrize(("typed", "offered"), [("", "rotate"), ("ro", "rotate")])
def test_the_shell_completes_the_commands_below_key(typed: str, offered: str) -> None:
    environment = {
        "_BEDROCK_BEARER_COMPLETE": "bash_complete",
        "COMP_WORDS": f"bedrock-bearer key {typed}",
        "COMP_CWORD": "2",
    }
    result = CliRunner().invoke(cli, [], env=environment, prog_name="bedrock-bearer")

    assert f"plain,{offered}" in result.stdout.splitlines()
