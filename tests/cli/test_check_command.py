"""`bedrock-bearer check` in every state of a rotation: its exit code, its text and its JSON."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from support.clients import ENVIRONMENT
from support.local import Switch

from bedrock_bearer import RetryPolicy
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
    second: str
    variables: dict[str, str] = field(default_factory=dict)
    options: tuple[str, ...] = ()

    def check(self, *arguments: str) -> Result:
        environment = {
            "AWS_BEARER_TOKEN_BEDROCK": self.first,
            "AWS_BEARER_TOKEN_BEDROCK_FALLBACK": self.second,
            "AWS_ENDPOINT_URL": self.url,
            "AWS_REGION": "us-east-1",
            **self.variables,
        }
        return CliRunner().invoke(cli, ["check", *self.options, *arguments], env=environment)


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
    rotation.bedrock.set_key_status(rotation.second, "Inactive")


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


def missing(rotation: Rotation) -> None:
    rotation.second = ""


def malformed(rotation: Rotation) -> None:
    rotation.second = "ABSKcut"


Arrange = Callable[[Rotation], None]


@dataclass(frozen=True)
class Case:
    """A state of a rotation, and what the check makes of it."""

    arrange: Arrange
    exit_code: int
    with_any: int
    statuses: list[str]
    safe: bool
    said: str


CASES = [
    Case(leave, 0, 0, ["usable", "usable"], True, "can take over from env AWS_BEARER_TOKEN"),
    Case(let_first_expire, 4, 0, ["expired", "usable"], True, "13 h 0 min old, expired"),
    Case(not_yet_active, 4, 0, ["usable", "rejected"], False, "made within the last minute"),
    Case(deny_short_term, 4, 0, ["denied", "usable"], True, "Certainty: inferred"),
    Case(deny_both, 4, 4, ["denied", "denied"], False, "Certainty: inferred"),
    Case(wrong_region, 3, 0, ["usable", "wrong Region"], False, "eu-west-1"),
    Case(rejected_elsewhere, 4, 0, ["usable", "rejected"], False, "Authentication failed"),
    Case(unreachable, 7, 7, ["unreachable", "unreachable"], False, "unreachable"),
    Case(throttled, 5, 5, ["throttled", "throttled"], False, "Too many requests"),
    Case(missing, 3, 0, ["usable", "missing"], False, "AWS_BEARER_TOKEN_BEDROCK_FALLBACK is empty"),
    Case(malformed, 3, 0, ["usable", "invalid"], False, "is not shown"),
]
every_case = pytest.mark.parametrize("case", CASES, ids=lambda case: case.arrange.__name__)


@every_case
def test_the_exit_code_tells_a_script_what_to_do(case: Case, rotation: Rotation) -> None:
    case.arrange(rotation)

    assert rotation.check().exit_code == case.exit_code
    assert rotation.check("--any").exit_code == case.with_any


@every_case
def test_the_text_tells_people_each_state_and_the_verdict(case: Case, rotation: Rotation) -> None:
    case.arrange(rotation)
    text = rotation.check().stdout
    verdict = "It is safe to retire" if case.safe else "It is NOT safe to retire"
    lines = [line for line in text.splitlines() if line.startswith("env AWS_BEARER_TOKEN_BEDROCK")]

    assert [line.split("  ")[-1].strip() for line in lines] == case.statuses
    assert f"{verdict} env AWS_BEARER_TOKEN_BEDROCK." in text
    assert case.said in text


@every_case
def test_the_document_tells_programs_the_same(case: Case, rotation: Rotation) -> None:
    case.arrange(rotation)
    result = rotation.check("--json")
    document = json.loads(result.stdout)

    assert [key["status"] for key in document["keys"]] == case.statuses
    assert document["exit_code"] == result.exit_code == case.exit_code
    assert document["ok"] is (case.exit_code == 0)
    assert document["safe_to_retire"] is case.safe


@every_case
def test_no_key_is_ever_shown(case: Case, rotation: Rotation) -> None:
    case.arrange(rotation)
    shown = rotation.check().output + rotation.check("--json").output

    for key in (rotation.first, rotation.second):
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
            rotation.bedrock.set_key_status(rotation.second, "Active")
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


def test_a_watched_rotation_has_no_single_document(rotation: Rotation) -> None:
    assert rotation.check("--watch", "1", "--json").exit_code == 2


def test_keys_are_read_from_the_sources_given(rotation: Rotation, tmp_path: Path) -> None:
    (tmp_path / "key").write_text(rotation.second)
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
