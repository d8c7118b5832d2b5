"""Frameworks with our adapters: a rotated key, a fallback, and their errors in our words."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from support.local import deny_token_type

from bedrock_bearer.local import LocalBedrock
from bedrock_bearer.local.http import LocalRequest, LocalResponse
from bedrock_bearer.local.server import LocalServer

PROGRAM = Path(__file__).with_name("adapters_program.py")
ROOT = Path(__file__).parents[2]

# Their environment has hundreds of packages: `FRAMEWORKS=1 python -m pytest tests/peers`.
pytestmark = pytest.mark.skipif(
    not os.environ.get("FRAMEWORKS"), reason="needs FRAMEWORKS=1: the environment is large"
)


class Recorder:
    """A local Bedrock that keeps the keys of the requests that come."""

    def __init__(self, bedrock: LocalBedrock) -> None:
        self.keys: list[str] = []
        self._bedrock = bedrock

    def handle(self, request: LocalRequest) -> LocalResponse:
        self.keys.append((request.headers["authorization"] or "").removeprefix("Bearer "))
        return self._bedrock.handle(request)


@pytest.mark.parametrize("framework", ["langchain", "litellm", "pydantic_ai", "strands"])
def test_keys_are_rotated_and_fall_back_and_errors_are_translated(
    framework: str, peer: Callable[[str], Path]
) -> None:
    bedrock = LocalBedrock()
    first, second = bedrock.mint_key("LONG_TERM"), bedrock.mint_key("LONG_TERM")
    denied = bedrock.mint_key("SHORT_TERM")
    bedrock.attach_policy(None, deny_token_type("SHORT_TERM"))
    recorder = Recorder(bedrock)
    with LocalServer(recorder, tls=True) as server:
        done = subprocess.run(
            [peer("adapters") / "python", PROGRAM, framework],
            env=os.environ
            | {
                "PYTHONPATH": str(ROOT),
                "FIRST_KEY": first,
                "SECOND_KEY": second,
                "DENIED_KEY": denied,
                "AWS_CA_BUNDLE": str(server.ca_file),
                "AWS_ENDPOINT_URL": server.url,
                "AWS_DEFAULT_REGION": "us-east-1",
                "AWS_EC2_METADATA_DISABLED": "true",
            },
            stdout=subprocess.PIPE,
            check=True,
            timeout=120,
        )

    read = json.loads(done.stdout.splitlines()[-1])
    assert read["replies"] == ["Hello! How can I help you today?"] * 3
    assert recorder.keys == [first, second, denied, second, denied]
    assert read["translated"] == "ShortTermKeyDeniedError"
    assert "bedrock:CallWithBearerToken" in read["explanation"]
    assert read["request_id"]
