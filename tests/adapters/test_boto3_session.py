"""A key source of ours under boto3's own clients, against the local Bedrock."""

from __future__ import annotations

import json
import logging
import traceback
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import boto3
import pytest
from adapters.conftest import Service
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from support.keys import long_term_key, short_term_key
from support.local import NOVA, deny_token_type

from bedrock_bearer import (
    ConfigurationError,
    FallbackKeys,
    FileKey,
    LongTermKeyDeniedError,
    MissingApiKeyError,
    RegionError,
    ShortTermKeyDeniedError,
)
from bedrock_bearer.adapters import boto3_session, translate_error
from bedrock_bearer.local import faults

HELLO: Any = [{"role": "user", "content": [{"text": "Hello"}]}]
KEY = long_term_key()


class Boto3:
    """Makes clients of sessions of ours, and closes them."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self.made: list[Any] = []

    def client(self, source: Any = None, **options: Any) -> Any:
        session: Any = boto3_session(source, region_name="us-east-1")
        given = {"endpoint_url": self._service.url, "verify": self._service.ca_file} | options
        name = given.pop("service", "bedrock-runtime")
        client = session.client(name, **given)
        self.made.append(client)
        return client


@pytest.fixture
def theirs(service: Service) -> Iterator[Boto3]:
    clients = Boto3(service)
    yield clients
    for client in clients.made:
        client.close()


def converse(client: Any) -> Any:
    return client.converse(modelId=NOVA, messages=HELLO)


def test_it_is_a_boto3_session_that_takes_boto3s_arguments() -> None:
    session = boto3_session(KEY, region_name="eu-west-1")

    assert isinstance(session, boto3.Session)
    assert session.region_name == "eu-west-1"


def test_every_request_carries_the_key_that_is_there_then(
    service: Service, theirs: Boto3, tmp_path: Path
) -> None:
    old, new = service.bedrock.mint_key(), service.bedrock.mint_key("LONG_TERM")
    file = tmp_path / "key"
    file.write_text(old)
    client = theirs.client(FileKey(file))

    converse(client)
    file.write_text(new)
    reply = converse(client)

    assert reply["stopReason"] == "end_turn"
    assert service.keys == [old, new]


@pytest.mark.parametrize("mode", ["standard", "legacy", "adaptive"])
@pytest.mark.parametrize("attempts", [1, 3])
def test_a_denied_key_falls_back_to_the_next(
    service: Service, theirs: Boto3, mode: Any, attempts: int
) -> None:
    denied, allowed = service.bedrock.mint_key("SHORT_TERM"), service.bedrock.mint_key("LONG_TERM")
    service.bedrock.attach_policy(None, deny_token_type("SHORT_TERM"))
    retries: Any = {"mode": mode, "total_max_attempts": attempts}
    client = theirs.client(FallbackKeys(denied, allowed), config=Config(retries=retries))

    replies = [converse(client), converse(client)]

    assert [reply["stopReason"] for reply in replies] == ["end_turn", "end_turn"]
    # The switch is remembered.
    assert service.keys == [denied, allowed, allowed]


def test_streams_fall_back_too(service: Service, theirs: Boto3) -> None:
    denied, allowed = service.bedrock.mint_key("SHORT_TERM"), service.bedrock.mint_key("LONG_TERM")
    service.bedrock.attach_policy(None, deny_token_type("SHORT_TERM"))
    client = theirs.client(FallbackKeys(denied, allowed))

    with closing(client.converse_stream(modelId=NOVA, messages=HELLO)["stream"]) as stream:
        kinds = [next(iter(event)) for event in stream]

    assert kinds[0] == "messageStart"
    assert kinds[-1] == "metadata"


def test_the_control_plane_takes_the_key_and_other_services_do_not(
    service: Service, theirs: Boto3
) -> None:
    key = service.bedrock.mint_key()
    keys: dict[str, Any] = {"aws_access_key_id": "AKIAEXAMPLE", "aws_secret_access_key": "x"}

    models = theirs.client(key, service="bedrock").list_foundation_models()
    theirs.client(key, service="iam", **keys).list_users()

    assert models["modelSummaries"]
    assert service.keys[0] == key
    assert service.keys[1].startswith("AWS4-HMAC-SHA256")


def test_boto3s_retries_go_on_with_the_key_of_the_moment(service: Service, theirs: Boto3) -> None:
    first, second = service.bedrock.mint_key(), service.bedrock.mint_key("LONG_TERM")
    keys = iter([first, second])
    service.bedrock.inject(faults.error("InternalServerException"))

    reply = converse(theirs.client(lambda: next(keys)))

    assert reply["ResponseMetadata"]["RetryAttempts"] == 1
    assert service.keys == [first, second]


def test_a_refused_key_raises_boto3s_own_error_and_ours_explains_it(
    service: Service, theirs: Boto3
) -> None:
    key = service.bedrock.mint_key()
    service.bedrock.attach_policy(None, deny_token_type("SHORT_TERM"))
    client = theirs.client(key)

    with pytest.raises(client.exceptions.AccessDeniedException) as caught:
        converse(client)

    translated = translate_error(caught.value)
    assert isinstance(translated, ShortTermKeyDeniedError)
    assert translated.key is not None
    assert translated.key.last_four == key[-4:]
    # The error's response can still be written to a log as JSON.
    assert key[-4:] in json.dumps(caught.value.response)


def test_the_error_tells_the_key_that_was_refused_last(service: Service, theirs: Boto3) -> None:
    short, long = service.bedrock.mint_key("SHORT_TERM"), service.bedrock.mint_key("LONG_TERM")
    service.bedrock.attach_policy(None, deny_token_type("SHORT_TERM"))
    service.bedrock.attach_policy(None, deny_token_type("LONG_TERM"))

    with pytest.raises(ClientError) as caught:
        converse(theirs.client(FallbackKeys(short, long)))

    assert service.keys == [short, long]
    assert isinstance(translate_error(caught.value), LongTermKeyDeniedError)


def test_a_missing_key_is_told_before_anything_is_sent(service: Service, theirs: Boto3) -> None:
    with pytest.raises(MissingApiKeyError, match="AWS_BEARER_TOKEN_BEDROCK is not set"):
        converse(theirs.client())

    assert service.keys == []


def test_a_short_term_key_is_not_sent_to_another_region() -> None:
    session: Any = boto3_session(short_term_key("us-west-2"), region_name="us-east-1")

    with closing(session.client("bedrock-runtime")) as client, pytest.raises(RegionError):
        converse(client)


def test_plain_http_is_for_this_machine_alone(theirs: Boto3) -> None:
    with pytest.raises(ConfigurationError, match="not encrypted"):
        converse(theirs.client(KEY, endpoint_url="http://gateway.example.com"))


def test_the_key_is_in_no_log(
    service: Service, theirs: Boto3, caplog: pytest.LogCaptureFixture
) -> None:
    key = service.bedrock.mint_key()
    with caplog.at_level(logging.DEBUG):
        converse(theirs.client(key))

    assert "Sending http request" in caplog.text
    assert "Bearer ***" in caplog.text
    assert key[20:60] not in caplog.text


def test_the_key_is_in_no_traceback_of_a_broken_connection(
    theirs: Boto3, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[bytes] = []

    def send(connection: object, data: bytes) -> None:
        sent.append(data)
        raise ConnectionResetError("gone")

    monkeypatch.setattr("http.client.HTTPConnection.send", send)
    no_retries = Config(retries={"total_max_attempts": 1})

    shown = _traceback_of(theirs.client(KEY, config=no_retries))

    assert KEY.encode() in sent[0]
    assert "ConnectionResetError" in shown
    assert KEY not in shown


def _traceback_of(client: Any) -> str:
    """Return the traceback of a call that fails, as a tool that shows locals prints it."""
    with pytest.raises(BotoCoreError) as caught:
        converse(client)
    shown = traceback.TracebackException.from_exception(caught.value, capture_locals=True)
    return "".join(shown.format())


def test_without_boto3_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "boto3", None)

    with pytest.raises(ConfigurationError, match=r"Install boto3, or .*\[aws\]"):
        boto3_session(KEY)
