"""A local Bedrock over HTTPS for SDKs that nobody here wrote, and no key in the environment."""

from __future__ import annotations

import asyncio
import importlib
import ssl
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from support.clients import ENVIRONMENT

from bedrock_bearer.local import LocalBedrock
from bedrock_bearer.local.http import LocalRequest, LocalResponse
from bedrock_bearer.local.server import LocalServer


class Recorder:
    """Lets one server serve the Bedrock of each test in turn, and keeps the keys that come."""

    bedrock: LocalBedrock
    keys: list[str]

    def handle(self, request: LocalRequest) -> LocalResponse:
        authorization = request.headers.get("authorization") or ""
        self.keys.append(authorization.removeprefix("Bearer "))
        return self.bedrock.handle(request)


@dataclass
class Service:
    """A local Bedrock on a socket."""

    bedrock: LocalBedrock
    url: str
    ca_file: str
    keys: list[str]
    """The keys of the requests that came, in their order."""
    opened: list[Any] = field(default_factory=list)
    """Clients to be closed after the test."""

    @property
    def tls(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=self.ca_file)


@pytest.fixture(scope="session")
def recorder() -> Iterator[tuple[Recorder, LocalServer]]:
    recorder = Recorder()
    with LocalServer(recorder, tls=True) as server:
        yield recorder, server


@pytest.fixture
def service(recorder: tuple[Recorder, LocalServer]) -> Iterator[Service]:
    switch, server = recorder
    switch.bedrock, switch.keys = LocalBedrock(), []
    service = Service(switch.bedrock, server.url, str(server.ca_file), switch.keys)
    yield service
    for client in service.opened:
        client.close()


@pytest.fixture(autouse=True)
def _nothing_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ENVIRONMENT:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")


@dataclass(frozen=True)
class Family:
    """httpx or httpx2, sync or async, behind one face."""

    name: str
    is_async: bool

    @property
    def module(self) -> Any:
        return importlib.import_module(self.name)

    def post(self, url: str, auth: Any, *, json: Any = None, **options: Any) -> Any:
        """Send a POST with a client of its own and return the response."""
        body = {"content": options.pop("content")} if "content" in options else {"json": json}
        if self.is_async:
            return asyncio.run(self._post_async(url, auth, body, options))
        with self.module.Client(auth=auth, trust_env=False, **options) as client:
            return client.post(url, **body)

    async def _post_async(self, url: str, auth: Any, body: Any, options: Any) -> Any:
        async with self.module.AsyncClient(auth=auth, trust_env=False, **options) as client:
            return await client.post(url, **body)


@pytest.fixture(
    params=[(name, is_async) for name in ("httpx", "httpx2") for is_async in (False, True)],
    ids=["httpx", "httpx-async", "httpx2", "httpx2-async"],
)
def family(request: pytest.FixtureRequest) -> Family:
    return Family(*request.param)
