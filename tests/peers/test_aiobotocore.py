"""aiobotocore, an async client not ours, reads the local Bedrock as we do."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.local import NOVA, deny_token_type

from bedrock_bearer.local import LocalBedrock, Reply, faults, local_client
from bedrock_bearer.local import replies as say
from bedrock_bearer.local.server import LocalServer

PROGRAM = Path(__file__).with_name("aiobotocore_program.py")


@pytest.fixture
def run(peer: Callable[[str], Path]) -> Callable[..., dict[str, Any]]:
    """Lets aiobotocore call a local Bedrock and returns what it read."""

    def run_program(bedrock: LocalBedrock, key: str) -> dict[str, Any]:
        with LocalServer(bedrock, tls=True) as server:
            output = subprocess.run(
                [peer("aiobotocore") / "python", PROGRAM, NOVA, "Hello"],
                env=os.environ
                | {
                    "AWS_BEARER_TOKEN_BEDROCK": key,
                    "AWS_CA_BUNDLE": str(server.ca_file),
                    "AWS_ENDPOINT_URL": server.url,
                    "AWS_REGION": "us-east-1",
                    "AWS_DEFAULT_REGION": "us-east-1",
                },
                stdout=subprocess.PIPE,
                check=True,
                timeout=60,
            ).stdout
        read: dict[str, Any] = json.loads(output)
        return read

    return run_program


@pytest.mark.parametrize(
    "reply",
    [
        say.text_reply("Hi there, and how are you?"),
        say.tool_use_reply("weather", {"city": "Bonn"}, tool_use_id="t1"),
        say.reasoning_reply("Hm.", "Yes."),
    ],
    ids=["text", "tool use", "reasoning"],
)
def test_it_reads_replies_and_streams_as_we_do(
    run: Callable[..., dict[str, Any]], reply: Reply
) -> None:
    bedrock = LocalBedrock()
    bedrock.script(reply, reply, reply, reply)

    theirs = run(bedrock, bedrock.mint_key())

    with local_client(bedrock) as client:
        assert client.converse(NOVA, "Hello").to_wire() == theirs["reply"]
        with client.converse_stream(NOVA, "Hello") as stream:
            mine = [event.to_wire() for event in stream]
    without_padding = [{n: v for n, v in event.items() if n != "p"} for event in mine]
    assert without_padding == [next(iter(event.values())) for event in theirs["events"]]


def test_it_is_refused_with_a_denied_key(run: Callable[..., dict[str, Any]]) -> None:
    bedrock = LocalBedrock()
    bedrock.attach_policy(None, deny_token_type("SHORT_TERM"))

    theirs = run(bedrock, bedrock.mint_key())

    assert theirs["error"] == "AccessDeniedException"
    assert "bedrock:CallWithBearerToken" in theirs["message"]


def test_it_meets_an_exception_in_a_stream(run: Callable[..., dict[str, Any]]) -> None:
    bedrock = LocalBedrock()
    bedrock.script(
        say.text_reply("Hi"), say.text_reply("Hi").with_fault(faults.exception_in_stream())
    )

    theirs = run(bedrock, bedrock.mint_key())

    assert theirs["error"] == "EventStreamError"
    assert "modelStreamErrorException" in theirs["message"]
