from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from support.keys import ACCOUNT_ID, SESSION_ACCESS_KEY_ID, changed, long_term_key, short_term_key

from bedrock_bearer.cli.key import key

Run = Callable[..., Result]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Run:
    for name in ("AWS_BEARER_TOKEN_BEDROCK", "AWS_BEARER_TOKEN_BEDROCK_FILE"):
        monkeypatch.delenv(name, raising=False)

    def run_key(*arguments: str, stdin: str | bytes = "", **environ: str) -> Result:
        return CliRunner(env=environ).invoke(key, arguments, input=stdin)

    return run_key


def issued(ago: timedelta) -> str:
    """Return a short-term key of twelve hours that was issued some time ago."""
    return changed(short_term_key(), X_Amz_Date=f"{datetime.now(UTC) - ago:%Y%m%dT%H%M%SZ}")


def test_a_short_term_key_is_described_in_aligned_lines(run: Run) -> None:
    text = issued(timedelta(hours=8, minutes=47, seconds=30))
    result = run(AWS_BEARER_TOKEN_BEDROCK=text)
    assert result.exit_code == 0
    lines = {line[:15].strip(): line[15:] for line in result.stdout.splitlines()}
    assert lines["type"] == "SHORT_TERM"
    assert lines["last four"] == text[-4:]
    assert lines["source"] == "env AWS_BEARER_TOKEN_BEDROCK"
    assert lines["issued"].endswith(" UTC")
    assert lines["expires"].endswith(" UTC at the latest (in 3 h 12 min)")
    assert lines["Region"] == "us-west-2"
    assert lines["account"] == f"{ACCOUNT_ID} (decoded, unverified)"
    assert lines["access key id"] == SESSION_ACCESS_KEY_ID
    assert "user" not in lines


def test_a_long_term_key_is_described_with_all_that_its_user_may_be_called(run: Run) -> None:
    result = run("env:MY_KEY", MY_KEY=long_term_key("dev+1"))
    assert "user           dev+1 or dev\n" in result.stdout
    assert "expires        unknown (only IAM" in result.stdout


@pytest.mark.parametrize(
    ("ago", "words"),
    [
        (timedelta(hours=12, minutes=5, seconds=5), "(expired 5 min ago)"),
        (timedelta(hours=15, seconds=5), "(expired 3 h 0 min ago)"),
        (timedelta(days=10, hours=13), "(expired 10 days ago)"),
    ],
)
def test_an_expired_key_is_described_as_such(run: Run, ago: timedelta, words: str) -> None:
    result = run(AWS_BEARER_TOKEN_BEDROCK=issued(ago))
    assert result.exit_code == 0
    assert words in result.stdout


def test_a_key_is_described_as_json(run: Run) -> None:
    result = run("--json", "env:MY_KEY", MY_KEY=long_term_key())
    document = json.loads(result.stdout)
    assert document["ok"] is True
    assert document["key"]["token_type"] == "LONG_TERM"
    assert document["key"]["account_id"] == ACCOUNT_ID
    assert document["key"]["is_expired"] is False
    assert document["key"]["user_name_candidates"] == ["BedrockAPIKey-abcd"]


def test_a_key_is_read_from_a_file(run: Run, tmp_path: Path) -> None:
    (tmp_path / "key").write_text(long_term_key() + "\n")
    result = run(f"file:{tmp_path / 'key'}")
    assert f"source         file {tmp_path / 'key'}\n" in result.stdout


def test_a_key_is_read_from_standard_input(run: Run) -> None:
    result = run("-", stdin=long_term_key() + "\n")
    assert "source         standard input\n" in result.stdout


def test_the_file_that_a_variable_names_is_read_where_the_key_variable_is_empty(
    run: Run, tmp_path: Path
) -> None:
    (tmp_path / "key").write_text(long_term_key())
    path = str(tmp_path / "key")
    result = run(AWS_BEARER_TOKEN_BEDROCK="", AWS_BEARER_TOKEN_BEDROCK_FILE=path)
    assert f"source         file {path}\n" in result.stdout


def test_the_command_describe_can_be_named(run: Run) -> None:
    assert "LONG_TERM" in run("describe", "env:MY_KEY", MY_KEY=long_term_key()).stdout


def test_help_is_shown_for_the_group(run: Run) -> None:
    result = run("--help")
    assert result.exit_code == 0
    assert "[SOURCE] | COMMAND" in result.stdout


def test_a_missing_key_is_a_configuration_error_that_names_the_places(run: Run) -> None:
    result = run()
    assert result.exit_code == 3
    assert result.stdout == ""
    assert "AWS_BEARER_TOKEN_BEDROCK is not set" in result.stderr
    assert "AWS_BEARER_TOKEN_BEDROCK_FILE is not set" in result.stderr


def test_an_empty_variable_counts_as_missing(run: Run) -> None:
    result = run("env:MY_KEY", MY_KEY=" \n")
    assert result.exit_code == 3
    assert "MissingApiKeyError: No API key: the environment variable MY_KEY is empty" in (
        result.stderr
    )


def test_a_variable_of_a_wrong_name_is_pointed_out(run: Run) -> None:
    result = run(AWS_BEDROCK_API_KEY=long_term_key())
    assert "AWS_BEDROCK_API_KEY is set: AWS's name for it is AWS_BEARER_TOKEN_BEDROCK." in (
        result.stderr
    )
    assert long_term_key()[:12] not in result.output


def test_a_failure_is_one_json_document_too(run: Run) -> None:
    result = run("--json", "env:MY_KEY", MY_KEY="sk-0123456789abcdef")
    document = json.loads(result.stdout)
    assert result.exit_code == 3
    assert document["error"]["type"] == "InvalidApiKeyError"
    assert "another vendor" in document["error"]["message"]
    assert "0123456789" not in result.output


@pytest.mark.parametrize(
    "arguments",
    [
        [long_term_key()],
        [short_term_key()],
        [f"env:{long_term_key()}"],
        [f"file:{long_term_key()}"],
        ["env:MY_KEY", long_term_key()],
        ["describe", long_term_key()],
        ["sk-ant-api03-0123456789abcdefghij"],
        ["env:sk-ant-api03-0123456789abcdefghij"],
    ],
)
def test_a_key_in_place_of_its_source_is_refused_without_showing_it(
    run: Run, arguments: list[str]
) -> None:
    result = run(*arguments)
    assert result.exit_code == 2
    secret = arguments[-1]
    assert not [i for i in range(12, len(secret) - 8) if secret[i : i + 8] in result.output]


@pytest.mark.parametrize("source", ["", "env:", "file:", "env:A B", "nonsense", "ENV:A", "stdin"])
def test_an_argument_that_is_not_a_key_source_is_a_usage_error(run: Run, source: str) -> None:
    result = run(source)
    assert result.exit_code == 2
    assert "env:NAME, file:PATH or -" in result.stderr


def test_a_file_that_does_not_exist_is_named(run: Run, tmp_path: Path) -> None:
    result = run(f"file:{tmp_path / 'key'}")
    assert result.exit_code == 3
    assert f"MissingApiKeyError: No API key: there is no file {tmp_path / 'key'}." in result.stderr


def test_a_file_that_cannot_be_read_is_named(run: Run, tmp_path: Path) -> None:
    result = run(f"file:{tmp_path}")
    assert result.exit_code == 3
    assert "cannot be read: Is a directory" in result.stderr


def test_a_path_with_a_nul_character_is_refused(run: Run) -> None:
    assert run("file:a\0b").exit_code == 3


@pytest.mark.parametrize("encoding", ["utf-16", "utf-8-sig"])
def test_a_file_in_another_encoding_is_refused(run: Run, tmp_path: Path, encoding: str) -> None:
    (tmp_path / "key").write_text(long_term_key(), encoding=encoding)
    result = run(f"file:{tmp_path / 'key'}")
    assert result.exit_code == 3
    assert "at position 1." in result.stderr


@pytest.mark.parametrize(
    ("stdin", "words"),
    [("\n", "standard input is empty"), (b"\xff\xfe", "Standard input is not UTF-8 text")],
)
def test_standard_input_without_a_key_is_refused(run: Run, stdin: str | bytes, words: str) -> None:
    result = run("-", stdin=stdin)
    assert result.exit_code == 3
    assert words in result.stderr


def test_a_mistyped_command_of_key_is_answered_with_the_commands(run: Run) -> None:
    result = run("lst")

    assert result.exit_code == 2
    assert "The commands of `key` are create, describe, list, orphans, " in result.stderr


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="this machine has no /dev/full")
@pytest.mark.parametrize("arguments", [["policy", "deny-all"], ["policy", "lint", "--json"]])
def test_a_full_disk_is_said_in_one_line(arguments: list[str]) -> None:
    command = [sys.executable, "-c", "from bedrock_bearer.cli import main; main()", *arguments]
    with open("/dev/full", "w") as full:
        ended = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True)

    assert (ended.returncode, ended.stderr.count("\n")) == (1, 1), ended.stderr
    assert "Not everything was written: No space left on device." in ended.stderr


@pytest.mark.parametrize("options", [[], ["--json"]])
@pytest.mark.parametrize("is_full", [True, False], ids=["full disk", "closed pipe"])
def test_output_that_nobody_takes_is_a_failure_with_a_known_exit_code(
    is_full: bool, options: list[str]
) -> None:
    read_end, write_end = os.pipe()
    os.close(read_end)
    with open("/dev/full" if is_full else write_end, "w") as stdout:
        done = subprocess.run(
            [sys.executable, "-m", "bedrock_bearer", "key", *options],
            env={**os.environ, "AWS_BEARER_TOKEN_BEDROCK": long_term_key()},
            stdout=stdout,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )

    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert "Exception ignored" not in done.stderr


@pytest.mark.parametrize("command", [["key", "-"], ["check", "--key", "-"]])
def test_closed_standard_input_is_said_in_one_line(command: list[str]) -> None:
    words = " ".join(["exec", sys.executable, "-m", "bedrock_bearer", *command, "<&-"])
    done = subprocess.run(["/bin/sh", "-c", words], capture_output=True, text=True)

    assert done.returncode == 3
    assert done.stderr == "MissingApiKeyError: No API key: standard input is closed.\n"


def test_a_reply_is_printed_where_the_terminal_lacks_a_character() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "bedrock_bearer", "smoke", "--local", "A dash \u2014 here"],
        env={**os.environ, "PYTHONIOENCODING": "cp437"},
        capture_output=True,
        text=True,
    )

    assert done.returncode == 0
    assert "A dash ? here" in done.stdout
