"""A local Bedrock that boto3 finds by the variables of the environment."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from support.local import ADMINISTRATOR

from bedrock_bearer.local import LocalBedrock
from bedrock_bearer.local.server import LocalServer


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[LocalBedrock]:
    """Serve a local Bedrock whose denials carry authorization ids; boto3 calls it as AWS."""
    bedrock = LocalBedrock(authorization_ids=True)
    with LocalServer(bedrock) as server:
        monkeypatch.setenv("AWS_ENDPOINT_URL", server.url)
        monkeypatch.setenv("AWS_REGION", "us-east-1")
        monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", ADMINISTRATOR[0])
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", ADMINISTRATOR[1])
        monkeypatch.delenv("AWS_PROFILE", raising=False)
        monkeypatch.delenv("AWS_BEARER_TOKEN_BEDROCK", raising=False)
        yield bedrock
