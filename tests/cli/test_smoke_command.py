"""`bedrock-bearer smoke` in a shell."""

from __future__ import annotations

import json
from typing import Any

import pytest
from click.testing import CliRunner, Result
from support.keys import long_term_key
from support.server import CLOSE, Received, Reply, http_reply, serve

from bedrock_bearer.cli import cli
from bedrock_bearer.cli.default_model import default_model

KEY = long_term_key()
REPLY = {
    "metrics": {"latencyMs": 551},
    "output": {"message": {"role": "assistant", "content": [{"text": "Hi there"}]}},
    "stopReason": "end_turn",
    "usage": {"inputTokens": 8, "outputTokens": 21, "totalTokens": 29},
}
DENIED = {
    "Message": "User: arn:aws:iam::123456789012:user/dev is not authorized to perform: "
    "bedrock:CallWithBearerToken on resource: * with an explicit deny in an identity-based policy"
}


def run(*arguments: str, **environ: str | None) -> Result:
    cleared = {"AWS_BEARER_TOKEN_BEDROCK": None, "AWS_REGION": None, "AWS_DEFAULT_REGION": None}
    return CliRunner().invoke(cli, ["smoke", *arguments], env=cleared | environ)


def run_against(answer: Reply, *arguments: str, **environ: str) -> tuple[Result, list[Received]]:
    with serve(lambda _: answer) as server:
        settings = {
            "AWS_BEARER_TOKEN_BEDROCK": KEY,
            "AWS_REGION": "us-east-1",
            "AWS_ENDPOINT_URL": server.url,
        }
        return run(*arguments, **(settings | environ)), server.requests


@pytest.mark.parametrize("arguments", [[], ["--stream"]])
def test_the_local_bedrock_answers_without_an_account(arguments: list[str]) -> None:
    result = run("--local", *arguments)

    assert result.exit_code == 0
    assert result.stdout.strip()
    assert "not AWS" in result.stderr


def test_the_reply_is_on_stdout_and_the_figures_on_stderr() -> None:
    result, _ = run_against(http_reply(REPLY))

    assert result.exit_code == 0
    assert result.stdout == "Hi there\n"
    for figure in (
        "8 in, 21 out, 29 in all",
        "551 ms",
        "us-east-1",
        "LONG_TERM",
        "env AWS_BEARER",
    ):
        assert figure in result.stderr


def test_json_is_one_document() -> None:
    result, _ = run_against(http_reply(REPLY), "--json")

    document: dict[str, Any] = json.loads(result.stdout)
    assert document["total_tokens"] == 29
    assert document["key"]["token_type"] == "LONG_TERM"


def test_a_refusal_is_explained() -> None:
    result, _ = run_against(http_reply(DENIED, status=403))

    assert result.exit_code == 4
    assert "LongTermKeyDeniedError" in result.stderr
    assert "bedrock:bearerTokenType = LONG_TERM" in result.stderr


def test_a_refusal_in_json_names_the_governing_policy() -> None:
    result, _ = run_against(http_reply(DENIED, status=403), "--json")

    document = json.loads(result.stdout)
    assert result.exit_code == document["exit_code"] == 4
    assert document["error"]["governing_policy"]["condition_value"] == "LONG_TERM"


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (http_reply({"message": "Too many requests"}, status=429), 5),
        (http_reply({"message": "No."}, status=503), 5),
        (http_reply({"message": "The provided model identifier is invalid."}, status=400), 6),
        (http_reply({"Message": "Bearer Token has expired"}, status=403), 4),
        ([CLOSE], 7),
    ],
    ids=["throttled", "unavailable", "rejected", "expired", "network"],
)
def test_the_exit_code_says_what_to_do(
    answer: Reply, code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bedrock_bearer.wire.retry.MAX_BACKOFF_SECONDS", 0.0)

    result, _ = run_against(answer)

    assert result.exit_code == code


@pytest.mark.parametrize(
    ("environ", "words"),
    [
        ({"AWS_REGION": "us-east-1"}, "AWS_BEARER_TOKEN_BEDROCK"),
        ({"AWS_BEARER_TOKEN_BEDROCK": "sk-x", "AWS_REGION": "us-east-1"}, "cannot be used"),
        ({"AWS_BEARER_TOKEN_BEDROCK": KEY, "AWS_CONFIG_FILE": "/nowhere"}, "AWS_REGION"),
    ],
    ids=["no key", "no API key", "no Region"],
)
def test_what_is_missing_is_said_with_its_own_exit_code(
    environ: dict[str, str], words: str
) -> None:
    result = run(**environ)

    assert result.exit_code == 3
    assert words in result.stderr


def test_a_model_that_is_not_to_be_had_says_what_to_pass() -> None:
    answer = http_reply({"message": "The provided model identifier is invalid."}, status=400)

    result, _ = run_against(answer)

    assert "-m" in result.stderr
    assert "BEDROCK_BEARER_MODEL" in result.stderr


def test_the_model_can_be_set_for_good() -> None:
    _, requests = run_against(http_reply(REPLY), BEDROCK_BEARER_MODEL="my.model")

    assert requests[0].path == "/model/my.model/converse"


@pytest.mark.parametrize(
    ("region", "model"),
    [
        ("us-east-1", "us.amazon.nova-micro-v1:0"),
        ("eu-west-1", "eu.amazon.nova-micro-v1:0"),
        ("ap-south-1", "apac.amazon.nova-micro-v1:0"),
        ("us-gov-west-1", "us-gov.amazon.nova-micro-v1:0"),
        ("sa-east-1", "amazon.nova-micro-v1:0"),
        (None, "amazon.nova-micro-v1:0"),
    ],
)
def test_the_default_model_is_called_through_the_regions_profile(
    region: str | None, model: str
) -> None:
    assert default_model(region) == model


def test_a_key_in_place_of_a_command_is_not_shown() -> None:
    result = CliRunner().invoke(cli, [KEY])

    assert result.exit_code == 2
    assert KEY[20:-8] not in result.output


def test_a_fallback_to_the_second_key_is_a_warning_on_stderr() -> None:
    result, _ = run_against(
        http_reply(REPLY),
        "--json",
        AWS_BEARER_TOKEN_BEDROCK="ABSKcut",
        AWS_BEARER_TOKEN_BEDROCK_FALLBACK=KEY,
    )

    assert json.loads(result.stdout)["key"]["source"] == "env AWS_BEARER_TOKEN_BEDROCK_FALLBACK"
    assert "Warning: key 1 is skipped: InvalidApiKeyError." in result.stderr


def test_a_key_in_the_variable_of_the_model_is_not_sent() -> None:
    result, received = run_against(http_reply(REPLY), BEDROCK_BEARER_MODEL=KEY)

    assert (result.exit_code, received) == (3, [])
    assert KEY[:20] not in result.output
