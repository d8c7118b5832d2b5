"""The local Bedrock behind each of its carriers."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from typing import Any

import boto3
import httpx
import pytest
from botocore.config import Config
from support.aws_members import check_answers
from support.local import Caller, ClientMaker, Switch

from bedrock_bearer.local import LocalBedrock
from bedrock_bearer.local.server import LocalServer
from bedrock_bearer.local.transport import local_http_client

NO_RETRIES = Config(retries={"total_max_attempts": 1}, connect_timeout=5, read_timeout=5)


@pytest.fixture
def bedrock() -> LocalBedrock:
    return LocalBedrock()


@pytest.fixture(scope="session")
def servers() -> Iterator[dict[str, tuple[Switch, LocalServer]]]:
    """A server of HTTP and one of HTTPS."""
    http, https = Switch(), Switch()
    with LocalServer(http) as plain, LocalServer(https, tls=True) as secure:
        yield {"http": (http, plain), "https": (https, secure)}


@pytest.fixture(params=["in-process", "http", "https"])
def caller(
    bedrock: LocalBedrock,
    servers: dict[str, tuple[Switch, LocalServer]],
    request: pytest.FixtureRequest,
) -> Iterator[Caller]:
    """Somebody with a key, who calls in-process, over HTTP and over HTTPS."""
    key = bedrock.mint_key()
    if request.param == "in-process":
        with local_http_client(bedrock) as client:
            yield Caller(bedrock, key, client=client)
        return
    switch, server = servers[request.param]
    switch.bedrock = bedrock
    context = ssl.create_default_context(cafile=server.ca_file)
    with httpx.Client(verify=context) as client:
        yield Caller(bedrock, key, client=client, host=server.url)


@pytest.fixture(scope="module")
def session() -> boto3.Session:
    return boto3.Session(region_name="us-east-1")


@pytest.fixture
def make_client(
    bedrock: LocalBedrock,
    servers: Any,
    session: boto3.Session,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[ClientMaker]:
    """Makes boto3 clients of the local Bedrock, with a bearer key or an access key.

    The answers of all services but Bedrock are checked against AWS's service models.
    """
    switch, server = servers["https"]
    switch.bedrock = bedrock
    made: list[Any] = []

    def make(
        service: str, *, key: str | None = None, access_key: tuple[str, str] = ("", "")
    ) -> Any:
        if key is not None:
            monkeypatch.setenv("AWS_BEARER_TOKEN_BEDROCK", key)
        access_key_id, secret = access_key
        client = session.client(  # type: ignore[call-overload]
            service,
            endpoint_url=server.url,
            verify=server.ca_file,
            config=NO_RETRIES,
            aws_access_key_id=access_key_id or None,
            aws_secret_access_key=secret or None,
        )
        if not service.startswith("bedrock"):
            check_answers(client)
        made.append(client)
        return client

    yield make
    for client in made:
        client.close()
