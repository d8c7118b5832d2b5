"""Errors raised by boto3, openai, anthropic and httpx themselves, as our own client's errors."""

from __future__ import annotations

import asyncio
import json
import pickle
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any
from urllib.parse import quote

import anthropic
import boto3
import httpx
import httpx2
import openai
import pytest
from adapters.conftest import Service
from botocore.config import Config
from botocore.exceptions import ClientError
from support.keys import long_term_key, short_term_key
from support.local import NOVA, deny_token_type
from support.replies import begun, exception
from support.server import http_reply, serve
from support.shared import SHARED, needs_shared

from bedrock_bearer import (
    APIError,
    ApiKey,
    ApiKeyRejectedError,
    BearerTokenDeniedError,
    BearerTokenNotAllowedError,
    BedrockClient,
    BedrockError,
    ConfigurationError,
    InvalidRequestError,
    LongTermKeyDeniedError,
    MissingApiKeyError,
    ModelError,
    OperationDeniedError,
    RetryPolicy,
    ServiceUnavailableError,
    ShortTermKeyDeniedError,
    ThrottlingError,
    translate_error,
)
from bedrock_bearer.adapters import BearerAuth, boto3_session, token_provider
from bedrock_bearer.local import faults

KEY = long_term_key()
HELLO: Any = [{"role": "user", "content": [{"text": "Hello"}]}]
DENIED = (
    "User: arn:aws:iam::123456789012:user/dev is not authorized to perform: "
    "bedrock:CallWithBearerToken on resource: * with an explicit deny in a service control policy"
)
NO_RETRIES = Config(retries={"total_max_attempts": 1})


def raised_by(function: Callable[[], object]) -> BaseException:
    """Return what a call raises."""
    with pytest.raises(BaseException) as caught:  # noqa: PT011 - each library has its own
        function()
    return caught.value


def _as_json(key: str) -> str:
    return key.replace("/", "\\/").replace("=", "\\u003d")


# ------------------------------------------------------------ each library, over one server


def by_boto3(url: str) -> BaseException:
    session: Any = boto3_session(KEY, region_name="us-east-1")
    with closing(session.client("bedrock-runtime", endpoint_url=url, config=NO_RETRIES)) as client:
        return raised_by(lambda: client.converse(modelId=NOVA, messages=HELLO))


def by_openai(url: str) -> BaseException:
    chat: Any = [{"role": "user", "content": "Hello"}]
    with openai.OpenAI(api_key=KEY, base_url=f"{url}/openai/v1", max_retries=0) as client:
        return raised_by(lambda: client.chat.completions.create(model="m", messages=chat))


def by_openai_async(url: str) -> BaseException:
    chat: Any = [{"role": "user", "content": "Hello"}]

    async def call() -> None:
        async with openai.AsyncOpenAI(
            api_key=KEY, base_url=f"{url}/openai/v1", max_retries=0
        ) as client:
            await client.chat.completions.create(model="m", messages=chat)

    return raised_by(lambda: asyncio.run(call()))


def by_openai_stream(url: str) -> BaseException:
    chat: Any = [{"role": "user", "content": "Hello"}]
    with openai.OpenAI(api_key=KEY, base_url=f"{url}/openai/v1", max_retries=0) as client:
        return raised_by(
            lambda: client.chat.completions.create(model="m", messages=chat, stream=True)
        )


def by_anthropic(url: str) -> BaseException:
    with anthropic.Anthropic(auth_token=KEY, base_url=f"{url}/anthropic", max_retries=0) as client:
        return raised_by(
            lambda: client.messages.create(
                model="m", max_tokens=9, messages=[{"role": "user", "content": "Hello"}]
            )
        )


def by_anthropic_bedrock(url: str) -> BaseException:
    with anthropic.AnthropicBedrock(
        api_key=KEY, base_url=url, aws_region="us-east-1", max_retries=0
    ) as client:
        return raised_by(
            lambda: client.messages.create(
                model="m", max_tokens=9, messages=[{"role": "user", "content": "Hello"}]
            )
        )


def _by_httpx(library: Any, url: str) -> BaseException:
    with library.Client(auth=BearerAuth(KEY, origin=url), trust_env=False) as client:
        response = client.post(f"{url}/model/{NOVA}/converse", json={})
    return raised_by(response.raise_for_status)


def by_httpx(url: str) -> BaseException:
    return _by_httpx(httpx, url)


def by_httpx2(url: str) -> BaseException:
    return _by_httpx(httpx2, url)


LIBRARIES = pytest.mark.parametrize(
    "raise_error",
    [
        by_boto3,
        by_openai,
        by_openai_async,
        by_openai_stream,
        by_anthropic,
        by_anthropic_bedrock,
        by_httpx,
        by_httpx2,
    ],
)

ROWS: list[dict[str, Any]] = (
    [
        row
        for line in (SHARED / "data" / "errors.jsonl").read_text().splitlines()
        if (row := json.loads(line))["status"] not in (None, 200)
    ]
    if SHARED.is_dir()
    else []
)


@needs_shared
@LIBRARIES
def test_it_is_the_error_that_our_own_client_raises(
    raise_error: Callable[[str], BaseException],
) -> None:
    for row in ROWS:
        if raise_error is by_boto3 and '"error"' in row["body"]:
            continue  # Of another route's answer, botocore keeps no text.
        with serve([_answer_of(row)] * 2) as server:
            theirs = raise_error(server.url)
            ours = our_error(server.url)

        translated = translate_error(theirs, key=ApiKey.parse(KEY))
        assert isinstance(translated, APIError), row
        assert type(translated) is type(ours), row
        assert translated.message.split() == ours.message.split()
        told = ("status_code", "code", "request_id", "retryable", "key")
        assert {n: getattr(translated, n) for n in told} == {n: getattr(ours, n) for n in told}
        assert _policy_of(translated) == _policy_of(ours)


def _answer_of(row: dict[str, Any]) -> bytes:
    named = row["errortype_header"] or row["error_type"]
    headers = {"x-amzn-errortype": named} if named else {}
    return http_reply(row["body"].encode(), status=row["status"], headers=headers)


def _policy_of(error: BedrockError) -> object:
    return getattr(error, "governing_policy", None)


def our_error(url: str) -> APIError:
    """Return what our own client raises."""
    retry = RetryPolicy(max_attempts=1)
    with BedrockClient(KEY, endpoint_url=url, retry=retry) as client:
        error = raised_by(lambda: client.converse(NOVA, "Hello"))
    assert isinstance(error, APIError)
    return error


@LIBRARIES
def test_a_denial_has_its_policy_its_explanation_and_its_remedy(
    raise_error: Callable[[str], BaseException],
) -> None:
    with serve(lambda _: http_reply({"Message": DENIED}, status=403)) as server:
        theirs = raise_error(server.url)

    translated = translate_error(theirs, key=ApiKey.parse(KEY))

    assert isinstance(translated, LongTermKeyDeniedError)
    assert translated.governing_policy is not None
    assert translated.governing_policy.policy_type == "service control policy"
    assert translated.key == ApiKey.parse(KEY).description
    assert not translated.retryable
    assert KEY.encode() not in pickle.dumps(translated)


@pytest.mark.parametrize("raise_error", [by_openai, by_anthropic, by_httpx, by_httpx2])
def test_a_401_of_the_openai_shaped_route_is_the_same_denial(
    raise_error: Callable[[str], BaseException],
) -> None:
    with serve(lambda _: http_reply({"error": {"message": DENIED}}, status=401)) as server:
        theirs = raise_error(server.url)

    assert isinstance(translate_error(theirs), BearerTokenDeniedError)


@pytest.mark.parametrize("raise_error", [by_boto3, by_httpx, by_httpx2])
def test_our_adapters_let_the_error_know_its_key(
    raise_error: Callable[[str], BaseException],
) -> None:
    with serve(lambda _: http_reply({"Message": DENIED}, status=403)) as server:
        theirs = raise_error(server.url)

    translated = translate_error(theirs)

    assert isinstance(translated, LongTermKeyDeniedError)
    assert translated.key == ApiKey.parse(KEY).description


def test_openai_and_anthropic_with_a_bearer_auth_let_the_error_know_its_key() -> None:
    with serve(lambda _: http_reply({"Message": DENIED}, status=403)) as server:
        http_client = httpx2.Client(auth=BearerAuth(KEY, origin=server.url))
        with openai.OpenAI(
            api_key="set by the auth", base_url=f"{server.url}/openai/v1", http_client=http_client
        ) as client:
            theirs = raised_by(client.models.list)

    assert server.requests[0].headers["authorization"] == f"Bearer {KEY}"
    assert isinstance(translate_error(theirs), LongTermKeyDeniedError)


# ------------------------------------------------------------------------ the local Bedrock


@pytest.fixture
def runtime(service: Service, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], Any]]:
    """Makes boto3's own client, with the key in the environment."""
    made: list[Any] = []

    def make(key: str) -> Any:
        monkeypatch.setenv("AWS_BEARER_TOKEN_BEDROCK", key)
        client = boto3.Session(region_name="us-east-1").client(
            "bedrock-runtime",
            endpoint_url=service.url,
            verify=service.ca_file,
            config=NO_RETRIES,
        )
        made.append(client)
        return client

    yield make
    for client in made:
        client.close()


def test_a_denied_short_term_key_over_boto3(
    service: Service, runtime: Callable[[str], Any]
) -> None:
    key = service.bedrock.mint_key()
    service.bedrock.attach_policy(None, deny_token_type("SHORT_TERM"))

    theirs = raised_by(lambda: runtime(key).converse(modelId=NOVA, messages=HELLO))

    translated = translate_error(theirs, key=ApiKey.parse(key))
    assert isinstance(translated, ShortTermKeyDeniedError)
    assert isinstance(theirs, ClientError)
    assert translated.request_id == theirs.response["ResponseMetadata"]["RequestId"]
    assert translated.message in str(theirs)


def test_an_operation_that_is_denied_over_boto3(
    service: Service, runtime: Callable[[str], Any]
) -> None:
    use = {"Effect": "Allow", "Action": "bedrock:CallWithBearerToken", "Resource": "*"}
    key = service.bedrock.mint_key(
        "LONG_TERM", policies=[{"Version": "2012-10-17", "Statement": [use]}]
    )

    theirs = raised_by(lambda: runtime(key).converse(modelId=NOVA, messages=HELLO))

    assert isinstance(translate_error(theirs), OperationDeniedError)


def test_an_exception_in_a_stream_over_boto3(
    service: Service, runtime: Callable[[str], Any]
) -> None:
    service.bedrock.inject(faults.exception_in_stream("modelStreamErrorException"))
    client = runtime(service.bedrock.mint_key())
    stream = client.converse_stream(modelId=NOVA, messages=HELLO)["stream"]

    with closing(stream):
        theirs = raised_by(lambda: list(stream))

    translated = translate_error(theirs)
    assert isinstance(translated, ModelError)
    assert translated.during_stream
    assert translated.code == "ModelStreamErrorException"


def test_a_throttled_stream_over_boto3_is_retryable() -> None:
    session: Any = boto3_session(KEY, region_name="us-east-1")
    frames = begun(exception("throttlingException", "Too many requests"))
    with (
        serve([[frames, b"0\r\n\r\n"]]) as server,
        closing(session.client("bedrock-runtime", endpoint_url=server.url)) as client,
        closing(client.converse_stream(modelId=NOVA, messages=HELLO)["stream"]) as stream,
    ):
        theirs = raised_by(lambda: list(stream))

    translated = translate_error(theirs)
    assert isinstance(translated, ThrottlingError)
    assert translated.retryable


@pytest.mark.parametrize("name", ["throttlingException", "serviceUnavailableException"])
def test_an_error_inside_a_stream_of_anthropic_is_one_of_a_stream(
    service: Service, name: str
) -> None:
    service.bedrock.inject(faults.exception_in_stream(name))
    client = anthropic.Anthropic(
        auth_token=service.bedrock.mint_key(),
        base_url=f"{service.url}/anthropic",
        http_client=httpx2.Client(verify=service.tls),
    )

    def read() -> None:
        with client.messages.stream(
            model="us.anthropic.claude-sonnet-4-6",
            max_tokens=9,
            messages=[{"role": "user", "content": "Hello"}],
        ) as stream:
            list(stream)

    with client:
        translated = translate_error(raised_by(read))

    assert isinstance(translated, ThrottlingError | ServiceUnavailableError)
    assert translated.during_stream
    assert translated.request_id


# --------------------------------------------------------------------------------- wrappers


def denied_by_boto3() -> BaseException:
    with serve(lambda _: http_reply({"Message": DENIED}, status=403)) as server:
        return by_boto3(server.url)


def test_it_looks_along_the_causes() -> None:
    try:
        raise ValueError("Error raised by bedrock service") from denied_by_boto3()
    except ValueError as error:
        translated = translate_error(error)

    assert isinstance(translated, LongTermKeyDeniedError)


def test_it_looks_into_a_group_of_errors() -> None:
    group = BaseExceptionGroup("all models failed", [KeyError("x"), denied_by_boto3()])

    assert isinstance(translate_error(group), LongTermKeyDeniedError)


def test_an_error_of_the_callers_own_while_one_is_handled_is_another_story() -> None:
    mistake = KeyError("a mistake in the handler")
    mistake.__context__ = denied_by_boto3()

    assert translate_error(mistake) is None


def test_a_cycle_of_causes_ends() -> None:
    first, second = ValueError("a"), ValueError("b")
    first.__cause__, second.__cause__ = second, first

    assert translate_error(first) is None


def test_an_error_of_ours_inside_theirs_is_found() -> None:
    base_url = "http://127.0.0.1:9/openai/v1"
    with openai.OpenAI(api_key=token_provider(), base_url=base_url, max_retries=0) as client:
        theirs = raised_by(client.models.list)

    assert isinstance(translate_error(theirs), MissingApiKeyError)


def test_an_error_of_ours_stays_as_it_is() -> None:
    error = ThrottlingError("Too many requests", status_code=429)

    assert translate_error(error) is error


# ------------------------------------------------------------------------ not Bedrock's


def test_errors_of_other_services_are_none(service: Service) -> None:
    iam = boto3.Session(
        region_name="us-east-1", aws_access_key_id="AKIAEXAMPLE", aws_secret_access_key="x"
    ).client("iam", endpoint_url=service.url, verify=service.ca_file, config=NO_RETRIES)
    with closing(iam):
        theirs = raised_by(lambda: iam.get_user(UserName="nobody"))

    assert isinstance(theirs, ClientError)
    assert translate_error(theirs) is None


def test_an_answer_of_openai_itself_is_none() -> None:
    body = {"error": {"code": "invalid_api_key", "message": "Incorrect API key provided: sk-***"}}
    headers = {"x-amzn-requestid": "", "x-request-id": "req_1"}
    with serve(lambda _: http_reply(body, status=401, headers=headers)) as server:
        base_url = f"{server.url}/v1"
        with openai.OpenAI(api_key="x", base_url=base_url, max_retries=0) as client:
            theirs = raised_by(client.models.list)

    assert isinstance(theirs, openai.AuthenticationError)
    assert translate_error(theirs) is None


@pytest.mark.parametrize(
    "error", [ValueError("x"), KeyError(), KeyboardInterrupt(), OSError(2, "x")]
)
def test_any_other_error_is_none(error: BaseException) -> None:
    assert translate_error(error) is None


# ------------------------------------------------------------------------------------- text

BOTOCORE = "An error occurred (AccessDeniedException) when calling the Converse operation: "

TEXTS: list[tuple[str, type[BedrockError] | None]] = [
    (DENIED, BearerTokenDeniedError),
    (BOTOCORE + DENIED, BearerTokenDeniedError),
    (f"2026-11-23 ERROR app: {BOTOCORE}{DENIED}", BearerTokenDeniedError),
    (json.dumps({"Message": DENIED}), BearerTokenDeniedError),
    (f"Error code: 403 - {{'Message': '{DENIED}'}}", BearerTokenDeniedError),
    (f"litellm.X: BedrockException - {json.dumps({'Message': DENIED})}", BearerTokenDeniedError),
    (
        DENIED.replace(
            "with an explicit deny in a service control policy",
            "because no identity-based policy allows the bedrock:CallWithBearerToken action",
        ),
        BearerTokenNotAllowedError,
    ),
    ("Authentication failed: Please make sure your API Key is valid.", ApiKeyRejectedError),
    ("Too many requests, please wait before trying again.", ThrottlingError),
    ("Input is too long for requested model.", InvalidRequestError),
    (
        "An error occurred (ThrottlingException) when calling the ConverseStream operation "
        "(reached max retries: 4): Too many requests",
        ThrottlingError,
    ),
    # litellm raises an exception inside a stream with nothing but these words.
    ('X: BedrockException - modelStreamErrorException {"message": "It failed"}', ModelError),
    ("", None),
    ("hello", None),
    ("{}", None),
    ("403 Forbidden", None),
    ("An error occurred (ThrottlingException) when calling the GetItem operation: No.", None),
    ("The security token included in the request is expired", None),
    (DENIED.replace("bedrock:CallWithBearerToken", "s3:GetObject"), None),
]


@pytest.mark.parametrize(("text", "expected"), TEXTS)
def test_text_is_read(text: str, expected: type[BedrockError] | None) -> None:
    translated = translate_error(text)

    assert isinstance(translated, expected or type(None))


def test_a_role_session_has_short_term_keys_only() -> None:
    session = DENIED.replace("iam::123456789012:user/dev", "sts::123456789012:assumed-role/dev/me")

    assert isinstance(translate_error(session), ShortTermKeyDeniedError)


def test_text_gives_what_it_tells_and_no_more() -> None:
    request_id = "11111111-2222-3333-4444-555555555555"
    full = translate_error(
        f"Error code: 401 - {{'Message': '{DENIED}'}} (request id: {request_id})"
    )
    bare = translate_error(DENIED)

    assert isinstance(full, BearerTokenDeniedError)
    assert isinstance(bare, BearerTokenDeniedError)
    assert (full.message, full.status_code, full.request_id) == (DENIED, 401, request_id)
    assert (bare.status_code, bare.request_id, bare.key) == (0, None, None)


def test_what_our_own_client_prints_is_read_back() -> None:
    with serve(lambda _: http_reply({"Message": DENIED}, status=403)) as server:
        ours = our_error(server.url)

    translated = translate_error(str(ours))

    assert isinstance(translated, BearerTokenDeniedError)
    assert translated.request_id == ours.request_id


def test_the_type_of_the_key_decides_the_class() -> None:
    short = ApiKey.parse(short_term_key())

    assert isinstance(translate_error(DENIED, key=short), ShortTermKeyDeniedError)
    assert isinstance(translate_error(DENIED, key=short.description), ShortTermKeyDeniedError)


@pytest.mark.parametrize("piece", ["{", "{'message': '", '"message": "', "request id ", BOTOCORE])
def test_hostile_text_takes_linear_time(piece: str) -> None:
    started = time.perf_counter()

    translate_error(piece * 100_000)

    assert time.perf_counter() - started < 5


@pytest.mark.parametrize("key", [KEY, short_term_key()])
def test_a_key_in_the_text_is_not_kept(key: str) -> None:
    translated = translate_error(f"{DENIED} (sent Authorization: Bearer {key})")

    assert translated is not None
    assert key.encode() not in pickle.dumps(translated)
    assert key[30:60] not in repr(vars(translated))


@pytest.mark.parametrize("raise_error", [by_boto3, by_httpx, by_httpx2])
@pytest.mark.parametrize("spell", [str, _as_json, quote, lambda key: key[:70]])
def test_an_echo_of_the_key_is_not_kept_however_it_is_written(
    raise_error: Callable[[str], BaseException], spell: Callable[[str], str]
) -> None:
    body = f'{{"Message": "{DENIED} (you sent {spell(KEY)})"}}'.encode()
    with serve([http_reply(body, status=403)]) as server:
        theirs = raise_error(server.url)

    translated = translate_error(theirs)

    assert isinstance(translated, LongTermKeyDeniedError)
    shown = repr(vars(translated)) + str(translated)
    for start in range(4, len(KEY) - 20):
        assert spell(KEY[start : start + 20]) not in shown


def test_a_text_given_as_the_key_is_refused_and_not_shown() -> None:
    with pytest.raises(ConfigurationError) as caught:
        translate_error(DENIED, key=KEY)  # type: ignore[arg-type]

    assert KEY not in str(caught.value)


def test_an_error_that_knows_its_key_can_be_pickled_and_written_as_json() -> None:
    with serve(lambda _: http_reply({"Message": DENIED}, status=403)) as server:
        theirs = by_boto3(server.url)

    assert isinstance(theirs, ClientError)
    copied = pickle.loads(pickle.dumps(theirs))
    assert copied.response == theirs.response
    assert json.loads(json.dumps(theirs.response)) == theirs.response


def test_a_provider_and_a_translated_error_are_all_that_openai_needs() -> None:
    with (
        serve(lambda _: http_reply({"Message": DENIED}, status=403)) as server,
        openai.OpenAI(api_key=token_provider(KEY), base_url=f"{server.url}/openai/v1") as client,
    ):
        theirs = raised_by(client.models.list)

    assert server.requests[0].headers["authorization"] == f"Bearer {KEY}"
    assert isinstance(translate_error(theirs, key=ApiKey.parse(KEY)), LongTermKeyDeniedError)


def test_what_is_neither_an_error_nor_a_text_is_refused_without_being_shown() -> None:
    given: Any = b"ABSK-and-a-secret"

    with pytest.raises(TypeError, match=r"takes an error or a text, not an object of type bytes\."):
        translate_error(given)
