"""A rotation rehearsed end to end under load: not one call may fail."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import boto3
import pytest
from support.iam import iam_client
from support.local import NOW, Clock, Switch

from bedrock_bearer import (
    ApiKey,
    AsyncBedrockClient,
    CallableKey,
    EnvironmentKey,
    FallbackKeys,
    FileKey,
    KeySource,
    ShortTermKeys,
)
from bedrock_bearer.aws.handover import Handover, ToFile, ToFunction
from bedrock_bearer.aws.key_rotation import KeyRotation, Rotation
from bedrock_bearer.aws.lifecycle import KeyLifecycle
from bedrock_bearer.aws.state import StateStore
from bedrock_bearer.keys.key_file import write_key_file
from bedrock_bearer.local import LocalBedrock
from bedrock_bearer.local.http import LocalRequest, LocalResponse
from bedrock_bearer.local.server import LocalServer
from bedrock_bearer.rotation import try_key

MODEL = "amazon.nova-micro-v1:0"
TASKS = 50
CALLS_BETWEEN_STEPS = 200


@dataclass
class Load:
    """What the tasks that call without pause have seen."""

    keys: list[str] = field(default_factory=list)
    failures: list[Exception] = field(default_factory=list)
    issued: set[datetime | None] = field(default_factory=set)
    progress: asyncio.Event = field(default_factory=asyncio.Event)

    async def calls(self, count: int = CALLS_BETWEEN_STEPS) -> None:
        """Let so many further calls come to their end."""
        wanted = len(self.keys) + len(self.failures) + count
        while len(self.keys) + len(self.failures) < wanted:
            self.progress.clear()
            async with asyncio.timeout(30):
                await self.progress.wait()


class CountingSwitch(Switch):
    """Counts the calls of IAM."""

    iam_calls = 0

    def handle(self, request: LocalRequest) -> LocalResponse:
        self.iam_calls += request.body.startswith(b"Action=")
        return super().handle(request)


@asynccontextmanager
async def under_load(url: str, source: KeySource) -> AsyncIterator[Load]:
    """Call from 50 tasks, each without a pause, while the block runs."""
    load, is_over = Load(), False

    async def call_on(client: AsyncBedrockClient) -> None:
        while not is_over:
            try:
                reply = await client.converse(MODEL, "Hello")
            except Exception as error:  # noqa: BLE001 - each is counted
                load.failures.append(error)
            else:
                load.issued.add(reply.key.issued_at if reply.key else None)
                load.keys.append(reply.key.fingerprint if reply.key else "")
            load.progress.set()

    async with AsyncBedrockClient(source, region="us-east-1", endpoint_url=url) as client:
        tasks = [asyncio.create_task(call_on(client)) for _ in range(TASKS)]
        try:
            yield load
        finally:
            is_over = True
            await asyncio.gather(*tasks)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def bedrock(clock: Clock) -> LocalBedrock:
    return LocalBedrock(clock=clock)


@pytest.fixture
def url(bedrock: LocalBedrock) -> Iterator[str]:
    with LocalServer(bedrock) as server:
        yield server.url


@pytest.fixture
def lifecycle(url: str) -> Iterator[KeyLifecycle]:
    client = iam_client(url)
    yield KeyLifecycle(client)
    client.close()


async def rotate_and_delete(
    load: Load, lifecycle: KeyLifecycle, url: str, handover: Handover, state: Path
) -> Rotation:
    """Rotate the key of `app` while the load goes on, and in the end delete the old one."""
    rotation = KeyRotation(
        lifecycle,
        "app",
        handover=handover,
        try_key=partial(try_key, region="us-east-1", endpoint_url=url),
        store=StateStore(state),
    )
    await load.calls()
    done = await asyncio.to_thread(rotation.run, retire_old=True)
    await load.calls()
    assert done.old is not None
    await asyncio.to_thread(lifecycle.delete, "app", done.old.credential_id)
    await load.calls()
    return done


async def test_a_key_in_a_file_is_rotated_without_a_failed_call(
    bedrock: LocalBedrock, lifecycle: KeyLifecycle, url: str, tmp_path: Path
) -> None:
    path = tmp_path / "key"
    write_key_file(ApiKey.parse(bedrock.mint_key("LONG_TERM", user_name="app")), path)

    async with under_load(url, FileKey(path)) as load:
        done = await rotate_and_delete(
            load,
            lifecycle,
            url,
            ToFile(str(path), replace_existing=True),
            tmp_path / "state",
        )

    assert load.failures == []
    assert len(load.keys) >= 3 * CALLS_BETWEEN_STEPS
    assert load.keys[-1] == done.fingerprint


async def test_a_rotation_that_is_killed_again_and_again_fails_no_call(
    tmp_path: Path,
) -> None:
    counting, path = CountingSwitch(), tmp_path / "key"
    counting.bedrock = LocalBedrock()
    write_key_file(ApiKey.parse(counting.bedrock.mint_key("LONG_TERM", user_name="app")), path)
    command = [
        *(sys.executable, "-m", "bedrock_bearer", "key", "rotate", "app"),
        *("--out", str(path), "--retire-old", "--json"),
    ]
    environment = {
        **os.environ,
        "AWS_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "AKIAADMINISTRATOREXA",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "XDG_STATE_HOME": str(tmp_path / "state"),
    }

    with LocalServer(counting) as server:
        await be_killed_and_rotate(server.url, counting, path, command, environment)


async def be_killed_and_rotate(
    url: str, counting: CountingSwitch, path: Path, command: list[str], environment: dict[str, str]
) -> None:
    environment["AWS_ENDPOINT_URL"] = url
    async with under_load(url, FileKey(path)) as load:
        await load.calls()
        for actions in (1, 2, 3):
            process = await asyncio.create_subprocess_exec(
                *command, env=environment, stdout=PIPE, stderr=PIPE
            )
            # Let so many calls of IAM be answered, then kill it in the midst of what follows.
            seen = counting.iam_calls
            while process.returncode is None and counting.iam_calls < seen + actions:
                await asyncio.sleep(0.001)
            if process.returncode is None:
                process.kill()
            await process.communicate()
            await load.calls(50)
        code, said = await run(command, environment)
        if code == 6:
            # It was killed while IAM answered. The message names the key, and a person deletes it.
            assert "or of another person" in said["error"]["message"]
            await asyncio.to_thread(delete_newest, url)
            code, said = await run(command, environment)
        await load.calls()

    assert load.failures == []
    assert code == 0
    assert load.keys[-1] == said["new"]["fingerprint"]


async def run(command: list[str], environment: dict[str, str]) -> tuple[int | None, Any]:
    """Run a command; return its exit code and its document."""
    process = await asyncio.create_subprocess_exec(
        *command, env=environment, stdout=PIPE, stderr=PIPE
    )
    said, _ = await process.communicate()
    return process.returncode, json.loads(said)


def delete_newest(url: str) -> None:
    lifecycle = KeyLifecycle(iam_client(url))
    _, newest = lifecycle.list_keys("app")
    lifecycle.delete("app", newest.credential_id)


async def test_a_key_in_a_variable_is_rotated_without_a_failed_call(
    bedrock: LocalBedrock,
    lifecycle: KeyLifecycle,
    url: str,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    name = "AWS_BEARER_TOKEN_BEDROCK"
    monkeypatch.setenv(name, bedrock.mint_key("LONG_TERM", user_name="app"))

    async with under_load(url, EnvironmentKey()) as load:
        done = await rotate_and_delete(
            load,
            lifecycle,
            url,
            ToFunction(lambda key: monkeypatch.setenv(name, key.get_secret_value())),
            tmp_path,
        )

    assert load.failures == []
    assert load.keys[-1] == done.fingerprint


async def test_a_second_key_takes_over_without_a_failed_call(
    bedrock: LocalBedrock,
    lifecycle: KeyLifecycle,
    url: str,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    """The first key stays what the client was given; the second comes up beside it."""
    first = bedrock.mint_key("LONG_TERM", user_name="app")
    keys = FallbackKeys(first, EnvironmentKey("SECOND_KEY"))

    async with under_load(url, keys) as load:
        done = await rotate_and_delete(
            load,
            lifecycle,
            url,
            ToFunction(lambda key: monkeypatch.setenv("SECOND_KEY", key.get_secret_value())),
            tmp_path,
        )

    assert load.failures == []
    assert load.keys[-1] == done.fingerprint
    assert len(keys.refusals) == 1


async def test_a_first_key_that_expires_in_mid_run_fails_no_call(
    bedrock: LocalBedrock, clock: Clock, url: str
) -> None:
    first = bedrock.mint_key("SHORT_TERM", user_name="app", expires_in=timedelta(hours=1))
    second = bedrock.mint_key("LONG_TERM", user_name="app")
    keys = FallbackKeys(first, second)

    async with under_load(url, keys) as load:
        await load.calls()
        clock.move(hours=2)
        await load.calls()

    assert load.failures == []
    assert load.keys[-1] == ApiKey.parse(second).fingerprint
    assert [type(refusal.error).__name__ for refusal in keys.refusals] == ["ApiKeyExpiredError"]


async def test_a_key_that_a_function_gives_is_rotated_without_a_failed_call(
    bedrock: LocalBedrock, lifecycle: KeyLifecycle, url: str, tmp_path: Path
) -> None:
    vault = {"key": bedrock.mint_key("LONG_TERM", user_name="app")}

    async def fetch() -> str:
        await asyncio.sleep(0)
        return vault["key"]

    async with under_load(url, CallableKey(fetch)) as load:
        done = await rotate_and_delete(
            load,
            lifecycle,
            url,
            ToFunction(lambda key: vault.update(key=key.get_secret_value())),
            tmp_path,
        )

    assert load.failures == []
    assert load.keys[-1] == done.fingerprint


async def test_a_minted_key_that_expires_in_mid_run_is_renewed_once_and_fails_no_call(
    bedrock: LocalBedrock, clock: Clock, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("botocore.auth.get_current_datetime", clock)
    bedrock.mint_key("LONG_TERM", user_name="app")
    access_key_id, secret = bedrock.create_access_key("app")
    session = boto3.Session(access_key_id, secret, region_name="us-east-1")
    # Its own clock stands still: that the key has expired, it hears from Bedrock alone.
    keys = ShortTermKeys(session=session, clock=lambda: NOW)

    async with under_load(url, keys) as load:
        await load.calls()
        clock.move(hours=13)
        await load.calls()

    assert load.failures == []
    assert load.issued == {NOW, NOW + timedelta(hours=13)}
