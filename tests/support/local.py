"""A local Bedrock called with plain httpx: no part of the client takes part."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

import httpx

from bedrock_bearer.local import LocalBedrock
from bedrock_bearer.local.http import LocalRequest, LocalResponse
from bedrock_bearer.local.transport import local_http_client

NOVA = "amazon.nova-micro-v1:0"
HELLO = [{"role": "user", "content": [{"text": "Hello"}]}]
ADMINISTRATOR = ("AKIAIOSFODNN7EXAMPLE", "secret")
"""An access key that the local Bedrock does not know: whoever signs with it is administrator."""
NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
BEARER_TOKEN_TYPE = "bedrock:bearerTokenType"

ClientMaker = Callable[..., Any]
"""Makes a boto3 client of a local Bedrock; see `make_client`."""


class Clock:
    """A clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        return self.now

    def move(self, **amount: float) -> None:
        self.now += timedelta(**amount)


class Switch:
    """Lets one server, which takes long to start, serve the Bedrock of each test in turn."""

    bedrock: LocalBedrock

    def handle(self, request: LocalRequest) -> LocalResponse:
        return self.bedrock.handle(request)


class Caller:
    """Calls a Bedrock over any httpx client, with one key."""

    def __init__(
        self,
        bedrock: LocalBedrock | None,
        key: str | None,
        *,
        client: httpx.Client | None = None,
        host: str = "https://bedrock-runtime.us-east-1.amazonaws.com",
    ) -> None:
        if client is None:
            assert bedrock is not None
            client = local_http_client(bedrock)
        self._client = client
        self._headers = {} if key is None else {"Authorization": f"Bearer {key}"}
        self._host = host

    def converse(self, prompt: str = "Hello", *, model: str = NOVA, **request: Any) -> Any:
        return self.post("converse", converse_request(prompt) | request, model=model)

    def stream(self, prompt: str = "Hello", *, model: str = NOVA, **request: Any) -> Any:
        return self.post("converse-stream", converse_request(prompt) | request, model=model)

    def post(self, verb: str, request: Mapping[str, Any], *, model: str = NOVA) -> httpx.Response:
        url = f"{self._host}/model/{quote(model, safe='')}/{verb}"
        return self._client.post(url, json=request, headers=self._headers)

    def streaming(self, prompt: str = "Hello") -> AbstractContextManager[httpx.Response]:
        """Open a stream and leave its body to be read."""
        url = f"{self._host}/model/{quote(NOVA, safe='')}/converse-stream"
        request = converse_request(prompt)
        return self._client.stream("POST", url, json=request, headers=self._headers)

    def get(self, path: str) -> httpx.Response:
        return self._client.get(self._host + path, headers=self._headers)

    def post_path(self, path: str, request: Mapping[str, Any]) -> httpx.Response:
        return self._client.post(self._host + path, json=request, headers=self._headers)


def converse_request(prompt: str) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": [{"text": prompt}]}]}


def deny_token_type(token_type: str) -> dict[str, Any]:
    return statement(
        "Deny",
        "bedrock:CallWithBearerToken",
        Condition={"StringEquals": {BEARER_TOKEN_TYPE: token_type}},
    )


def statement(effect: str, action: str | list[str], **members: Any) -> dict[str, Any]:
    return {
        "Version": "2012-10-17",
        "Statement": [{"Effect": effect, "Action": action, "Resource": "*", **members}],
    }
