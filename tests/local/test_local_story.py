"""The story, and the other commands of `bedrock-bearer local`."""

from __future__ import annotations

import os
import re
import signal
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import boto3
import httpx
import pytest
from click.testing import CliRunner
from support.local import Caller

from bedrock_bearer.access.denial import Denial
from bedrock_bearer.cli.local import local
from bedrock_bearer.errors import ConfigurationError
from bedrock_bearer.keys import ApiKey
from bedrock_bearer.local import story


@pytest.fixture(scope="module")
def told() -> str:
    result = CliRunner().invoke(local, ["story"], catch_exceptions=False)
    assert result.exit_code == 0
    return result.stdout


def test_the_story_says_that_it_is_not_aws(told: str) -> None:
    assert told.startswith("A Bedrock on this machine. It is not AWS")


def test_the_story_tells_the_reply_and_its_tokens(told: str) -> None:
    assert told.count("8 tokens in, 21 out, 29 in all; 551 ms") == 3


def test_the_story_tells_the_refusal_and_explains_it(told: str) -> None:
    flat = " ".join(told.replace("|", " ").split())
    assert (
        "User: arn:aws:sts::123456789012:assumed-role/dev/dev is not authorized to perform:"
        " bedrock:CallWithBearerToken on resource: * with an explicit deny in an identity-based"
        " policy" in flat
    )
    assert "ShortTermKeyDeniedError explains" in flat
    assert "bedrock:bearerTokenType = SHORT_TERM" in flat


def test_the_story_falls_back_to_the_long_term_key(told: str) -> None:
    after = told.partition("3. ")[2]
    assert re.search(r"LONG_TERM key \.\.\..{4}: Hello", after)


def test_the_story_tells_of_five_days_of_thirty_and_of_a_key_that_slips_through(
    told: str,
) -> None:
    outcomes = re.findall(r"A key (?:for (\d+) days|that never expires): (\d+)", told)

    assert outcomes == [("5", "200"), ("30", "403"), ("", "200"), ("", "403")]


def test_the_story_is_of_a_role_a_user_and_claude_haiku() -> None:
    assert story.MODEL == "us.anthropic.claude-3-5-haiku-20241022-v1:0"


def test_the_story_fits_a_terminal(told: str) -> None:
    assert max(len(line) for line in told.splitlines()) <= 90


def test_the_story_shows_no_key(told: str) -> None:
    assert "ABSK" not in told
    assert "bedrock-api-key-" not in told


@pytest.mark.parametrize("token_type", ["SHORT_TERM", "long_term"])
def test_a_key_is_minted_in_aws_form(token_type: str) -> None:
    result = CliRunner().invoke(local, ["mint-key", "--type", token_type, "--user", "app"])

    key = ApiKey.parse(result.stdout)
    assert key.token_type == token_type.upper()


def test_a_minted_key_lives_as_long_as_told() -> None:
    result = CliRunner().invoke(local, ["mint-key", "--hours", "2", "--region", "eu-west-1"])

    description = ApiKey.parse(result.stdout)
    assert description.issued_at is not None
    assert description.expires_at is not None
    assert (description.expires_at - description.issued_at).total_seconds() == 7200
    assert description.region == "eu-west-1"


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["mint-key", "--account", "12"], "--account takes twelve digits"),
        (["serve", "--fault", "none"], "There is no fault 'none'"),
        (["serve", "--fault", "throttling:2"], "is not above 0 and at most 1"),
        (["serve", "--fault", "throttling:x"], "is not above 0 and at most 1"),
    ],
)
def test_wrong_usage_is_said(arguments: list[str], problem: str) -> None:
    result = CliRunner().invoke(local, arguments)

    assert result.exit_code == 2
    assert problem in result.stderr


def test_a_wrong_script_is_said(tmp_path: Path) -> None:
    script = tmp_path / "script.json"
    script.write_text('[{"txet": 1}]')

    result = CliRunner().invoke(local, ["serve", "--script", str(script)])

    assert isinstance(result.exception, ConfigurationError)
    assert "item 1: unknown members txet" in str(result.exception)


def test_all_faults_are_listed() -> None:
    result = CliRunner().invoke(local, ["serve", "--fault", "list"])

    assert "throttling" in result.stdout.splitlines()


@contextmanager
def serving(*arguments: str) -> Iterator[tuple[dict[str, str], subprocess.Popen[str]]]:
    """`local serve` as its user starts it, and the variables that it says to export."""
    command = [sys.executable, "-m", "bedrock_bearer", "local", "serve", *arguments]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=dict(os.environ)
    )
    watchdog = threading.Timer(30, process.kill)
    watchdog.start()
    try:
        yield exported(process), process
    finally:
        watchdog.cancel()
        process.send_signal(signal.SIGINT)
        process.communicate()


def exported(process: subprocess.Popen[str]) -> dict[str, str]:
    assert process.stdout is not None
    variables: dict[str, str] = {}
    for line in process.stdout:
        name, _, value = line.removeprefix("export ").strip().partition("=")
        variables[name] = value
        if name == "AWS_BEARER_TOKEN_BEDROCK":
            break
    return variables


def test_serve_says_how_to_use_it_and_is_used_so() -> None:
    with serving("--fault", "throttling:0.5") as (variables, process), httpx.Client() as client:
        caller = Caller(
            None,
            variables["AWS_BEARER_TOKEN_BEDROCK"],
            client=client,
            host=variables["AWS_ENDPOINT_URL"],
        )
        statuses = [caller.converse().status_code for _ in range(2)]
        process.send_signal(signal.SIGINT)
        said = process.stderr.read() if process.stderr else ""

    assert statuses == [200, 429]
    assert "not AWS" in said
    assert process.returncode in (0, 130)


def test_serve_can_deny_a_type_of_key() -> None:
    with serving("--deny", "long_term") as (variables, _), httpx.Client() as client:
        caller = Caller(
            None,
            variables["AWS_BEARER_TOKEN_BEDROCK"],
            client=client,
            host=variables["AWS_ENDPOINT_URL"],
        )
        response = caller.converse()

    assert response.status_code == 403
    assert "with an explicit deny in an identity-based policy" in response.json()["Message"]


def test_what_serve_exports_leads_boto3_to_everything_that_explains_a_denial(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with serving("--deny", "short_term", "--authorization-ids") as (variables, _):
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        with httpx.Client() as client:
            caller = Caller(
                None,
                variables["SHORT_TERM_KEY"],
                client=client,
                host=variables["AWS_ENDPOINT_URL"],
            )
            denial = Denial.parse(caller.converse().json()["Message"])
        assert denial is not None
        session = boto3.Session()

        identity = session.client("sts").get_caller_identity()
        role = session.client("iam").get_role(RoleName="dev")["Role"]
        details = session.client("iam-toolbox").get_request_authorization_details(
            authorizationId=denial.authorization_id
        )
        findings = session.client("accessanalyzer").validate_policy(
            policyDocument="{}", policyType="IDENTITY_POLICY"
        )["findings"]
        organizations = session.client("organizations")
        with pytest.raises(organizations.exceptions.AWSOrganizationsNotInUseException):
            organizations.describe_organization()

    assert identity["Arn"].endswith(":user/administrator")
    assert role["Arn"] == "arn:aws:iam::123456789012:role/dev"
    assert details["evaluations"][0]["evaluatedEffect"] == "EXPLICIT_DENY"
    assert findings[0]["findingType"] == "ERROR"


def test_serve_exports_a_key_of_each_type() -> None:
    with serving() as (variables, _), httpx.Client() as client:
        statuses = [
            Caller(None, variables[name], client=client, host=variables["AWS_ENDPOINT_URL"])
            .converse()
            .status_code
            for name in ("SHORT_TERM_KEY", "LONG_TERM_KEY", "AWS_BEARER_TOKEN_BEDROCK")
        ]

    assert statuses == [200, 200, 200]
    assert ApiKey.parse(variables["SHORT_TERM_KEY"]).token_type == "SHORT_TERM"


def test_serve_removes_its_certificate_when_it_is_told_to_end() -> None:
    with serving("--tls") as (variables, process):
        context = ssl.create_default_context(cafile=variables["AWS_CA_BUNDLE"])
        with httpx.Client(verify=context) as client:
            caller = Caller(None, None, client=client, host=variables["AWS_ENDPOINT_URL"])
            assert caller.converse().status_code == 403
        process.terminate()
        process.wait(10)

    assert process.returncode == 0
    assert not Path(variables["AWS_CA_BUNDLE"]).exists()
