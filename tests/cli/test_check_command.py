"""`bedrock-bearer check` in every state of a rotation: its exit code, its text and its JSON."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from support.clients import ENVIRONMENT
from support.keys import long_term_key
from support.local import Switch, statement

from bedrock_bearer import BedrockClient, RetryPolicy, errors
from bedrock_bearer.access import deny_all_keys, deny_use
from bedrock_bearer.cli import cli
from bedrock_bearer.local import LocalBedrock
from bedrock_bearer.local.faults import throttling
from bedrock_bearer.local.server import LocalServer

MODEL = "amazon.nova-micro-v1:0"


@dataclass
class Rotation:
    """Two keys of one account on a local Bedrock, in the two variables."""

    bedrock: LocalBedrock
    url: str
    first: str
    second: str | None
    variables: dict[str, str] = field(default_factory=dict)
    options: tuple[str, ...] = ()

    def environment(self) -> dict[str, str]:
        second = {} if self.second is None else {"AWS_BEARER_TOKEN_BEDROCK_FALLBACK": self.second}
        return {
            "AWS_BEARER_TOKEN_BEDROCK": self.first,
            "AWS_ENDPOINT_URL": self.url,
            "AWS_REGION": "us-east-1",
            **second,
            **self.variables,
        }

    def check(self, *arguments: str) -> Result:
        words = ["check", *self.options, *arguments]
        return CliRunner().invoke(cli, words, env=self.environment())


@pytest.fixture(scope="module")
def server() -> Iterator[tuple[Switch, LocalServer]]:
    switch = Switch()
    with LocalServer(switch) as running:
        yield switch, running


@pytest.fixture
def rotation(
    server: tuple[Switch, LocalServer], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Rotation:
    for name in ENVIRONMENT:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setattr("bedrock_bearer.rotation.RetryPolicy", lambda **_: RetryPolicy(1))
    switch, running = server
    switch.bedrock = LocalBedrock()
    return Rotation(
        switch.bedrock,
        running.url,
        switch.bedrock.mint_key("SHORT_TERM", user_name="dev"),
        switch.bedrock.mint_key("LONG_TERM", user_name="dev"),
    )


def leave(rotation: Rotation) -> None:
    """Two good keys."""


def let_first_expire(rotation: Rotation) -> None:
    rotation.first = rotation.bedrock.mint_key(user_name="dev", expires_in=timedelta(hours=-1))


def not_yet_active(rotation: Rotation) -> None:
    rotation.bedrock.set_key_status(str(rotation.second), "Inactive")


def deny_short_term(rotation: Rotation) -> None:
    rotation.bedrock.attach_policy(None, deny_use("SHORT_TERM").to_wire())


def deny_both(rotation: Rotation) -> None:
    rotation.bedrock.attach_policy(None, deny_all_keys().to_wire())


def wrong_region(rotation: Rotation) -> None:
    rotation.second = rotation.bedrock.mint_key(user_name="dev", region="eu-west-1")
    rotation.options = ("--region", "us-east-1")


def rejected_elsewhere(rotation: Rotation) -> None:
    """A key of another Region, where the endpoint does not tell its own: AWS rejects it."""
    rotation.second = rotation.bedrock.mint_key(user_name="dev", region="eu-west-1")


def unreachable(rotation: Rotation) -> None:
    rotation.url = "http://127.0.0.1:9"


def throttled(rotation: Rotation) -> None:
    rotation.bedrock.inject_at_rate(throttling(), 1.0)


def malformed(rotation: Rotation) -> None:
    rotation.second = "ABSKcut"


def same_key_twice(rotation: Rotation) -> None:
    rotation.second = rotation.first


def first_missing(rotation: Rotation) -> None:
    rotation.first = ""


def first_rejected(rotation: Rotation) -> None:
    rotation.first = long_term_key()


def second_expires_soon(rotation: Rotation) -> None:
    rotation.second = rotation.bedrock.mint_key(user_name="dev", expires_in=timedelta(minutes=30))


def of_another_account(rotation: Rotation) -> None:
    rotation.second = rotation.bedrock.mint_key(
        "LONG_TERM", user_name="dev", account_id="999999999999"
    )


def deny_operation(rotation: Rotation) -> None:
    rotation.bedrock.attach_policy(None, statement("Deny", "bedrock:ListAsyncInvokes"))


UNKNOWN = "unknown"
Arrange = Callable[[Rotation], None]


@dataclass(frozen=True)
class Case:
    """A state of a rotation, and what each form of the check makes of it.

    `code` is the exit code for the first key alone, `with_any` that of --any. Two keys give 0 if
    the first may be retired, else 4. `answer` is UNKNOWN if nothing is known of the keys.
    """

    arrange: Arrange
    statuses: list[str]
    safe: bool
    code: int
    with_any: int
    said: str
    answer: str = ""


CASES = [
    Case(leave, ["usable", "usable"], True, 0, 0, "can take over from env AWS_BEARER_TOKEN"),
    Case(let_first_expire, ["expired", "usable"], True, 4, 0, "13 h 0 min old, expired"),
    Case(not_yet_active, ["usable", "rejected"], False, 0, 0, "made within the last minute"),
    Case(deny_short_term, ["denied", "usable"], True, 4, 0, "Certainty: "),
    Case(deny_both, ["denied", "denied"], False, 4, 4, "Certainty: "),
    Case(wrong_region, ["usable", "wrong Region"], False, 0, 0, "eu-west-1"),
    Case(rejected_elsewhere, ["usable", "rejected"], False, 0, 0, "Authentication failed"),
    Case(unreachable, ["unreachable", "unreachable"], False, 7, 7, "unreachable", UNKNOWN),
    Case(throttled, ["throttled", "throttled"], False, 5, 5, "Too many requests", UNKNOWN),
    Case(malformed, ["usable", "invalid"], False, 0, 0, "is not shown"),
    Case(same_key_twice, ["usable", "usable"], False, 0, 0, "is the same key as"),
    Case(first_missing, ["missing", "usable"], True, 3, 0, "can take over"),
    Case(first_rejected, ["rejected", "usable"], True, 4, 0, "can take over"),
    Case(second_expires_soon, ["usable", "expires soon"], False, 0, 0, "within the hour"),
    Case(of_another_account, ["usable", "usable"], False, 0, 0, "another account"),
    Case(
        deny_operation,
        ["operation denied"] * 2,
        False,
        4,
        4,
        "The key itself was accepted",
        UNKNOWN,
    ),
]
every_case = pytest.mark.parametrize("case", CASES, ids=lambda case: case.arrange.__name__)


@dataclass(frozen=True)
class Form:
    """A way to ask, and what the answer is read from."""

    arguments: tuple[str, ...]
    code: Callable[[Case], int]
    yes: str
    no: str


FORMS = {
    "two keys": Form(
        (),
        lambda case: 0 if case.safe else 4,
        "It is safe to retire env AWS_BEARER_TOKEN_BEDROCK",
        "It is NOT safe to retire env AWS_BEARER_TOKEN_BEDROCK",
    ),
    "two sources": Form(
        ("--key", "env:AWS_BEARER_TOKEN_BEDROCK", "--key", "env:AWS_BEARER_TOKEN_BEDROCK_FALLBACK"),
        lambda case: 0 if case.safe else 4,
        "It is safe to retire key 1",
        "It is NOT safe to retire key 1",
    ),
    "one key": Form(
        ("--key", "env:AWS_BEARER_TOKEN_BEDROCK"),
        lambda case: case.code,
        " is usable.",
        " is NOT usable: ",
    ),
    "any": Form(
        ("--any",), lambda case: case.with_any, "At least one key is usable", "No key is usable"
    ),
}
every_form = pytest.mark.parametrize("form", FORMS.values(), ids=FORMS.keys())


@every_case
@every_form
def test_verdict_text_document_and_exit_code_agree(
    case: Case, form: Form, rotation: Rotation
) -> None:
    case.arrange(rotation)
    text = rotation.check(*form.arguments)
    as_json = rotation.check(*form.arguments, "--json")
    document = json.loads(as_json.stdout)

    code = form.code(case)
    said, unsaid = (form.yes, form.no) if code == 0 else (form.no, form.yes)
    if case.answer == UNKNOWN and "retire" not in form.yes:
        said, unsaid = "usable is not known", form.no
        assert document["verdict"] == "unknown"
    assert text.exit_code == as_json.exit_code == document["exit_code"] == code
    assert said in text.stdout
    assert unsaid not in text.stdout
    assert document["ok"] is (code == 0)
    asks_to_retire = "retire" in form.yes
    assert ("retire" in text.stdout) is asks_to_retire
    assert document["safe_to_retire"] is (case.safe if asks_to_retire else None)


@every_case
def test_each_key_is_told_apart_with_its_state(case: Case, rotation: Rotation) -> None:
    case.arrange(rotation)
    text = rotation.check().stdout
    document = json.loads(rotation.check("--json").stdout)
    lines = [line for line in text.splitlines() if line.startswith("env AWS_BEARER_TOKEN_BEDROCK")]

    assert [line.split("  ")[-1].strip() for line in lines] == case.statuses
    assert [key["status"] for key in document["keys"]] == case.statuses
    for line, secret in zip(lines, (rotation.first, str(rotation.second)), strict=True):
        fingerprint = hashlib.sha256(secret.encode()).hexdigest()[:8]
        assert (fingerprint in line) is (len(secret) > 20)
    assert case.said in text


@every_case
def test_a_client_does_with_the_same_environment_what_the_check_says(
    case: Case, rotation: Rotation, monkeypatch: pytest.MonkeyPatch
) -> None:
    case.arrange(rotation)
    document = json.loads(rotation.check("--json").stdout)
    for name, value in rotation.environment().items():
        monkeypatch.setenv(name, value)

    used = next((key for key in document["keys"] if key["name"] == document["used_now"]), None)
    region = "us-east-1" if rotation.options else None
    failure: errors.BedrockError | None = None
    with BedrockClient(region=region, retry=RetryPolicy(max_attempts=1)) as client:
        try:
            client.probe()
        except errors.BedrockError as error:
            failure = error

    assert (failure is None) is (used is not None and used["usable"])
    if failure is not None and used is not None:
        assert failure.key is not None
        assert failure.key.fingerprint == used["key"]["fingerprint"]


def test_a_key_of_another_region_than_the_clients_is_not_said_to_be_used(
    rotation: Rotation, monkeypatch: pytest.MonkeyPatch
) -> None:
    rotation.first = rotation.bedrock.mint_key(user_name="dev", region="eu-west-1")
    rotation.second = rotation.bedrock.mint_key(user_name="dev", region="us-east-1")
    document = json.loads(rotation.check("--json").stdout)
    for name, value in rotation.environment().items():
        monkeypatch.setenv(name, value)

    assert [key["status"] for key in document["keys"]] == ["rejected", "usable"]
    assert document["used_now"] is None
    with BedrockClient() as client, pytest.raises(errors.RegionError):
        client.probe()


@pytest.mark.parametrize("second", ["", "  \n"])
def test_an_empty_fallback_is_taken_as_not_set_as_a_client_does(
    second: str, rotation: Rotation
) -> None:
    rotation.second = second
    result = rotation.check()

    assert result.exit_code == 0
    assert "env AWS_BEARER_TOKEN_BEDROCK is usable." in result.stdout
    assert "AWS_BEARER_TOKEN_BEDROCK_FALLBACK is empty, which is taken as not set." in result.stdout
    assert "env AWS_BEARER_TOKEN_BEDROCK_FALLBACK " not in result.stdout


def test_a_refused_key_and_one_that_cannot_be_tried_make_the_answer_unknown(
    rotation: Rotation,
) -> None:
    rotation.first, rotation.url = "ABSKcut", "http://127.0.0.1:9"
    document = json.loads(rotation.check("--any", "--json").stdout)

    assert (document["verdict"], document["exit_code"]) == ("unknown", 7)


def test_one_key_alone_in_the_environment_is_asked_about_its_use(rotation: Rotation) -> None:
    rotation.second = None
    result = rotation.check()

    assert result.exit_code == 0
    assert "env AWS_BEARER_TOKEN_BEDROCK is usable." in result.stdout
    assert "then it has no other" in result.stdout


def test_the_check_says_which_key_is_used_next_and_until_when(rotation: Rotation) -> None:
    text = rotation.check().stdout

    assert "uses env AWS_BEARER_TOKEN_BEDROCK, until 20" in text
    assert "then env AWS_BEARER_TOKEN_BEDROCK_FALLBACK, whose expiry is unknown" in text


@every_case
def test_no_key_is_ever_shown(case: Case, rotation: Rotation) -> None:
    case.arrange(rotation)
    shown = rotation.check().output + rotation.check("--json").output

    for key in (rotation.first, str(rotation.second)):
        assert len(key) < 20 or key[16:-4] not in shown


def test_the_document_names_the_governing_policy_with_its_certainty(rotation: Rotation) -> None:
    deny_short_term(rotation)
    denied, usable = json.loads(rotation.check("--json").stdout)["keys"]

    governing = denied["error"]["governing_policy"]
    assert (governing["condition_value"], governing["certainty"]) == ("SHORT_TERM", "inferred")
    assert usable["error"] is None


def test_a_converse_call_finds_what_the_probe_does_not(rotation: Rotation) -> None:
    deny: dict[str, Any] = {
        "Statement": {"Effect": "Deny", "Action": "bedrock:InvokeModel", "Resource": "*"}
    }
    rotation.bedrock.attach_policy(None, deny)
    called = rotation.check("--converse", "-m", MODEL)

    assert rotation.check().exit_code == 0
    assert called.exit_code == 4
    assert "Converse: User: " in called.stdout
    assert "The key itself was accepted" in called.stdout


def test_a_watched_rotation_prints_a_line_for_each_change(
    rotation: Rotation, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits: list[float] = []

    def wait(seconds: float) -> None:
        waits.append(seconds)
        if len(waits) == 2:
            rotation.bedrock.set_key_status(str(rotation.second), "Active")
        if len(waits) == 4:
            raise KeyboardInterrupt

    not_yet_active(rotation)
    monkeypatch.setattr("bedrock_bearer.cli.check.time.sleep", wait)
    result = rotation.check("--watch", "2.5")
    states = [line.split("  ", 1)[1].split()[-1] for line in result.stdout.splitlines()[:5]]

    assert waits == [2.5] * 4
    assert states == [
        *("usable", "rejected", "AWS_BEARER_TOKEN_BEDROCK."),
        *("usable", "AWS_BEARER_TOKEN_BEDROCK."),
    ]
    assert len(result.stdout.splitlines()) == 5


def waiting(
    rotation: Rotation, monkeypatch: pytest.MonkeyPatch, *, active_after: int | None
) -> list[float]:
    """Let the second key be accepted after so many waits, and time pass with them."""
    waits: list[float] = []

    def wait(seconds: float) -> None:
        waits.append(seconds)
        if len(waits) == active_after:
            rotation.bedrock.set_key_status(str(rotation.second), "Active")

    not_yet_active(rotation)
    monkeypatch.setattr("bedrock_bearer.cli.check.time.sleep", wait)
    monkeypatch.setattr("bedrock_bearer.cli.check.time.monotonic", lambda: sum(waits))
    return waits


def test_a_check_waits_until_it_is_safe_and_reports_its_progress_on_stderr(
    rotation: Rotation, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits = waiting(rotation, monkeypatch, active_after=3)
    result = rotation.check("--until-safe", "--json")

    assert (result.exit_code, waits) == (0, [2.0, 2.0, 2.0])
    assert json.loads(result.stdout)["safe_to_retire"] is True
    assert "NOT safe to retire" in result.stderr


def test_a_check_that_waits_gives_up_at_its_limit(
    rotation: Rotation, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits = waiting(rotation, monkeypatch, active_after=None)
    result = rotation.check("--until-safe", "5")

    assert (result.exit_code, waits) == (4, [2.0, 2.0, 1.0])
    assert "NOT safe to retire" in result.stdout


def test_a_check_that_waits_for_a_server_that_hangs_ends_in_time(rotation: Rotation) -> None:
    with socket.create_server(("127.0.0.1", 0)) as hanging:
        rotation.url = f"http://127.0.0.1:{hanging.getsockname()[1]}"
        started = time.monotonic()
        result = rotation.check("--until-safe", "0.5")

    assert result.exit_code == 4
    assert time.monotonic() - started < 5


def test_a_watched_rotation_is_a_line_of_json_for_each_change(
    rotation: Rotation, monkeypatch: pytest.MonkeyPatch
) -> None:
    waiting(rotation, monkeypatch, active_after=2)
    result = rotation.check("--watch", "1", "--until-safe", "--json")
    documents = [json.loads(line) for line in result.stdout.splitlines()]

    assert result.exit_code == 0
    assert [document["safe_to_retire"] for document in documents] == [False, True]
    assert result.stderr == ""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such signal")
def test_an_interrupted_watch_ends_with_one_more_line_of_json(rotation: Rotation) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "bedrock_bearer", "check", "--watch", "0.1", "--json"],
        env={**os.environ, **rotation.environment()},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    first = process.stdout.readline()
    process.send_signal(signal.SIGTERM)
    rest, _ = process.communicate(timeout=60)
    lines = [json.loads(line) for line in [first, *rest.splitlines()]]

    assert (lines[0]["ok"], lines[-1]["exit_code"]) == (True, 130)
    assert process.returncode == 130


def test_keys_are_read_from_the_sources_given(rotation: Rotation, tmp_path: Path) -> None:
    (tmp_path / "key").write_text(str(rotation.second))
    result = rotation.check(
        "--key", f"file:{tmp_path / 'key'}", "--key", "env:AWS_BEARER_TOKEN_BEDROCK", "--json"
    )
    keys = json.loads(result.stdout)["keys"]

    assert [key["key"]["token_type"] for key in keys] == ["LONG_TERM", "SHORT_TERM"]
    assert keys[0]["key"]["source"] == f"file {tmp_path / 'key'}"


def test_a_key_that_only_a_file_holds_is_found_by_default(
    rotation: Rotation, tmp_path: Path
) -> None:
    (tmp_path / "key").write_text(rotation.first)
    rotation.variables["AWS_BEARER_TOKEN_BEDROCK_FILE"] = str(tmp_path / "key")
    rotation.first = ""

    assert rotation.check().exit_code == 0
