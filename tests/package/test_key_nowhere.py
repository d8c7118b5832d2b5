"""The key is found nowhere it should not be."""

from __future__ import annotations

import asyncio
import copy
import gc
import json
import logging
import os
import pickle
import subprocess
import sys
import traceback
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
from support.keys import long_term_key, short_term_key
from support.server import CLOSE, HOLD, Received, Reply, http_reply, serve, stream_head

from bedrock_bearer import (
    ApiKey,
    AsyncBedrockClient,
    BedrockClient,
    BedrockError,
    ConverseResponse,
    RetryPolicy,
    Timeout,
    errors,
)

ENDINGS = ["", "\n", "\r\n", " ", "\x00", "\u2019", "\ufeff", "\tx", "\ud800"]

BEARER_DENIED = (
    "User: arn:aws:iam::123456789012:user/dev is not authorized to perform: "
    "bedrock:CallWithBearerToken on resource: * "
)


def echoing(status: int, error_type: str, message: str) -> Callable[[Received], Reply]:
    """A gateway that answers with an error and shows the request's headers in its body."""

    def answer(request: Received) -> Reply:
        body = {"message": message, "headers": request.headers}
        return http_reply(body, status=status, headers={"x-amzn-errortype": error_type})

    return answer


def answers() -> dict[str, Callable[[Received], Reply]]:
    found: dict[str, Callable[[Received], Reply]] = {
        "explicit": echoing(
            403,
            "AccessDeniedException",
            BEARER_DENIED + "with an explicit deny in a session policy",
        ),
        "implicit": echoing(
            403,
            "AccessDeniedException",
            BEARER_DENIED + "because no identity-based policy allows the action",
        ),
        "operation": echoing(
            403,
            "AccessDeniedException",
            BEARER_DENIED.replace("CallWithBearerToken", "InvokeModel"),
        ),
        "html": lambda request: http_reply(repr(request.headers).encode()),
        "closed": lambda _: [CLOSE],
        "slow": lambda request: [http_reply(repr(request.headers).encode() * 99)[:-9], HOLD],
        "half": lambda _: [http_reply({"output": {}})[:-5], CLOSE],
        "silent": lambda _: [HOLD],
        "stream cut": lambda _: [stream_head(), b"0\r\n\r\n"],
    }
    for status, name in [
        (400, "ValidationException"),
        (403, "UnrecognizedClientException"),
        (403, "ExpiredTokenException"),
        (404, "ResourceNotFoundException"),
        (408, "ModelTimeoutException"),
        (424, "ModelErrorException"),
        (429, "ThrottlingException"),
        (429, "ModelNotReadyException"),
        (400, "ServiceQuotaExceededException"),
        (500, "InternalServerException"),
        (503, "ServiceUnavailableException"),
    ]:
        found[name] = echoing(status, name, "No.")
    return found


def keys() -> list[str]:
    return [long_term_key(), short_term_key()]


def reachable_texts(error: BaseException) -> Iterator[str]:
    """Everything that a log, a debugger or an error reporter may show of an error."""
    chain: list[BaseException] = []
    pending: list[BaseException | None] = [error]
    while pending:
        current = pending.pop()
        if current is None or current in chain:
            continue
        chain.append(current)
        pending += [current.__cause__, current.__context__]
    for link in chain:
        yield str(link)
        yield repr(link)
        yield repr(vars(link))
        yield repr(link.args)
        shown = traceback.TracebackException.from_exception(link, capture_locals=True)
        # The test's own frames hold the key on purpose.
        shown.stack = traceback.StackSummary.from_list(
            [frame for frame in shown.stack if "test_key_nowhere" not in frame.filename]
        )
        shown.__cause__ = shown.__context__ = None
        yield "".join(shown.format())
        for value in vars(link).values():
            yield str(value)


def core_of(key: str) -> str:
    """A part of a key that says enough of it to be missed."""
    return key[20:-8]


def check(error: BaseException, key: str, log: pytest.LogCaptureFixture) -> None:
    secret = core_of(key)
    assert [text for text in reachable_texts(error) if secret in text] == []
    assert secret.encode() not in pickle.dumps(error)
    assert secret not in log.text


def client_options(key: str, url: str) -> dict[str, Any]:
    return {
        "api_key": key,
        "endpoint_url": url,
        "timeout": Timeout(read=0.05),
        "retry": RetryPolicy(max_attempts=1),
    }


@pytest.mark.parametrize("key", keys(), ids=["long", "short"])
@pytest.mark.parametrize("name", list(answers()))
def test_no_refusal_or_failure_shows_the_key(
    name: str, key: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    with (
        serve(answers()[name]) as server,
        BedrockClient(**client_options(key, server.url)) as client,
    ):
        with pytest.raises(BedrockError) as caught:
            client.converse("m", "Hello")
        check(caught.value, key, caplog)
        with pytest.raises(BedrockError) as caught, client.converse_stream("m", "Hello") as stream:
            stream.final_response()
        check(caught.value, key, caplog)


@pytest.mark.parametrize("key", keys(), ids=["long", "short"])
@pytest.mark.parametrize("name", list(answers()))
def test_no_refusal_or_failure_in_an_event_loop_shows_the_key(
    name: str, key: str, caplog: pytest.LogCaptureFixture
) -> None:
    async def call(url: str) -> None:
        async with AsyncBedrockClient(**client_options(key, url)) as client:
            await client.converse("m", "Hello")

    caplog.set_level(logging.DEBUG)
    with serve(answers()[name]) as server, pytest.raises(BedrockError) as caught:
        asyncio.run(call(server.url))
    check(caught.value, key, caplog)


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("key", keys(), ids=["long", "short"])
def test_a_key_with_a_strange_ending_is_refused_or_cleaned_without_being_shown(
    key: str, ending: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    text = key[:-2] + ending + key[-2:] if ending else key[:-1]

    with pytest.raises(errors.InvalidApiKeyError) as caught:
        BedrockClient(text, region="us-east-1")

    check(caught.value, key, caplog)


@pytest.mark.parametrize("ending", [e for e in ENDINGS if e not in ("\x00", "\ud800")])
@pytest.mark.parametrize("key", keys(), ids=["long", "short"])
def test_a_variable_with_a_strange_ending_never_shows_the_key(
    key: str, ending: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    monkeypatch.setenv("AWS_BEARER_TOKEN_BEDROCK", key + ending)
    with serve(answers()["UnrecognizedClientException"]) as server:
        options = client_options(key, server.url) | {"api_key": None}
        with pytest.raises(BedrockError) as caught, BedrockClient(**options) as client:
            client.converse("m", "Hello")
    check(caught.value, key, caplog)


def test_a_client_in_use_shows_no_key_to_those_who_look_at_it(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    key = long_term_key()
    records: list[object] = []
    with (
        serve(
            lambda _: http_reply({"output": {"message": {"role": "assistant", "content": []}}})
        ) as server,
        BedrockClient(key, endpoint_url=server.url, on_event=records.append) as client,
    ):
        reply = client.converse("m", "Hello")
        shown = [repr(client), repr(vars(client)), repr(reply), repr(reply.key), repr(records)]

    assert records
    assert all(core_of(key) not in text for text in shown)
    assert core_of(key) not in caplog.text


def test_a_key_shows_itself_only_when_it_is_asked_by_name() -> None:
    key = ApiKey.parse(long_term_key())

    shown = [repr(key), str(key), f"{key}", f"{key!r:>200}", repr([key])]

    assert all(core_of(key.get_secret_value()) not in text for text in shown)
    assert copy.deepcopy(key) is key
    with pytest.raises(TypeError, match="pickle"):
        pickle.dumps(key)


def test_every_error_class_survives_a_pickle_with_its_details() -> None:
    def below(root: type[BedrockError]) -> Iterator[type[BedrockError]]:
        yield root
        for child in root.__subclasses__():
            yield from below(child)

    needed: dict[type[BedrockError], dict[str, Any]] = {
        errors.APIError: {"status_code": 403},
        errors.RequestTimeoutError: {"phase": "read", "elapsed": 1.0},
        errors.OutputError: {"reply": ConverseResponse(stop_reason="end_turn")},
    }
    for error_class in below(BedrockError):
        details = next(
            (value for kind, value in needed.items() if issubclass(error_class, kind)), {}
        )
        error = error_class("No.", request_id="r-1", **details)

        twin = pickle.loads(pickle.dumps(error))

        assert type(twin) is error_class
        assert vars(twin) == vars(error)
        assert str(twin) == str(error)


@pytest.mark.parametrize("ending", ["", "\n", "\u2019", "x y"])
def test_the_command_line_never_prints_the_key(ending: str) -> None:
    key = long_term_key()
    with serve(answers()["explicit"]) as server:
        environ = os.environ | {
            "AWS_BEARER_TOKEN_BEDROCK": key + ending,
            "AWS_REGION": "us-east-1",
            "AWS_ENDPOINT_URL": server.url,
            "PYTHONUTF8": "1",
        }
        for arguments in (["smoke"], ["smoke", "--json"], ["key"], ["key", "--json"]):
            done = subprocess.run(
                [sys.executable, "-m", "bedrock_bearer", *arguments],
                env=environ,
                capture_output=True,
                check=False,
            )
            assert done.returncode in (0, 3, 4), done.stderr
            assert core_of(key).encode() not in done.stdout + done.stderr


def test_the_key_goes_to_no_other_origin_when_the_endpoint_redirects() -> None:
    with serve([http_reply()]) as other:
        redirect = http_reply(status=307, headers={"location": other.url})
        with (
            serve([redirect]) as server,
            BedrockClient(long_term_key(), endpoint_url=server.url) as client,
            pytest.raises(errors.APIError),
        ):
            client.converse("m", "Hello")

        assert other.requests == []


def test_a_callers_own_client_does_not_keep_the_key() -> None:
    key = long_term_key()
    with (
        serve(lambda _: http_reply({"output": {}})) as server,
        httpx.Client() as own,
        BedrockClient(key, endpoint_url=server.url, http_client=own) as client,
    ):
        client.converse("m", "Hello")
        shown = json.dumps([dict(own.headers), list(own.cookies)])

    gc.collect()
    assert core_of(key) not in shown
