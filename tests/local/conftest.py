"""The local Bedrock behind each of its carriers."""

from __future__ import annotations

import ssl
from collections.abc import Iterator

import httpx
import pytest
from support.local import Caller, Switch

from bedrock_bearer.local import LocalBedrock
from bedrock_bearer.local.server import LocalServer
from bedrock_bearer.local.transport import local_http_client


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
