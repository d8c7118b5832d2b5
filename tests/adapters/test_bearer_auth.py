"""A key source of ours as the `auth=` of httpx and httpx2, over real sockets."""

from __future__ import annotations

import pickle
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from adapters.conftest import Family, Service
from support.keys import long_term_key, short_term_key
from support.local import NOVA, converse_request, deny_token_type
from support.replies import ok
from support.server import CLOSE, Received, Reply, http_reply, serve

from bedrock_bearer import (
    ApiKey,
    ConfigurationError,
    FallbackKeys,
    FileKey,
    MissingApiKeyError,
    RegionError,
)
from bedrock_bearer.adapters import BearerAuth

KEY = long_term_key()
OTHER = long_term_key("other")
REJECTED = "Authentication failed: Please make sure your API Key is valid."


def converse(family: Family, service: Service, source: Any) -> Any:
    auth = BearerAuth(source, origin=service.url)
    url = f"{service.url}/model/{NOVA}/converse"
    return family.post(url, auth, json=converse_request("Hello"), verify=service.tls)


def test_a_request_carries_the_key(family: Family, service: Service) -> None:
    key = service.bedrock.mint_key()

    response = converse(family, service, key)

    assert response.status_code == 200
    assert service.keys == [key]


def test_a_denied_key_falls_back_to_the_next(family: Family, service: Service) -> None:
    denied, allowed = service.bedrock.mint_key("SHORT_TERM"), service.bedrock.mint_key("LONG_TERM")
    service.bedrock.attach_policy(None, deny_token_type("SHORT_TERM"))
    keys = FallbackKeys(denied, allowed)

    first, second = converse(family, service, keys), converse(family, service, keys)

    assert (first.status_code, second.status_code) == (200, 200)
    # The switch is remembered.
    assert service.keys == [denied, allowed, allowed]


def test_the_answer_of_the_last_key_stays_when_all_are_refused(
    family: Family, service: Service
) -> None:
    keys = [service.bedrock.mint_key(), service.bedrock.mint_key("LONG_TERM")]
    service.bedrock.attach_policy(None, deny_token_type("SHORT_TERM"))
    service.bedrock.attach_policy(None, deny_token_type("LONG_TERM"))

    response = converse(family, service, FallbackKeys(*keys))

    assert response.status_code == 403
    assert service.keys == keys


def test_a_single_key_that_is_refused_is_sent_once(family: Family, service: Service) -> None:
    key = service.bedrock.mint_key()
    service.bedrock.attach_policy(None, deny_token_type("SHORT_TERM"))

    assert converse(family, service, key).status_code == 403
    assert service.keys == [key]


def test_a_key_that_was_rotated_is_used_by_the_next_request(
    family: Family, service: Service, tmp_path: Path
) -> None:
    old, new = service.bedrock.mint_key(), service.bedrock.mint_key("LONG_TERM")
    file = tmp_path / "key"
    file.write_text(old)
    source = FileKey(file)

    converse(family, service, source)
    file.write_text(new)
    converse(family, service, source)

    assert service.keys == [old, new]


def test_a_401_of_an_openai_shaped_route_switches_keys(family: Family) -> None:
    refusal = http_reply({"error": {"message": "Invalid bearer token"}}, status=401)

    with serve([refusal, ok()]) as server:
        auth = BearerAuth(FallbackKeys(KEY, OTHER), origin=server.url)
        response = family.post(f"{server.url}/openai/v1/chat/completions", auth, json={})

    assert response.status_code == 200
    assert [each.headers["authorization"] for each in server.requests] == [
        f"Bearer {KEY}",
        f"Bearer {OTHER}",
    ]


def test_a_body_that_cannot_be_sent_twice_is_sent_once(family: Family) -> None:
    async def parts_async() -> Any:
        yield b"{}"

    def parts() -> Iterator[bytes]:
        yield b"{}"

    with serve([http_reply({"Message": REJECTED}, status=403)]) as server:
        response = family.post(
            server.url,
            BearerAuth(FallbackKeys(KEY, OTHER), origin=server.url),
            content=parts_async() if family.is_async else parts(),
        )

    assert response.status_code == 403
    assert len(server.requests) == 1


@pytest.mark.parametrize("status", [400, 404, 429, 500])
def test_other_errors_leave_the_key_in_use(family: Family, status: int) -> None:
    with serve([http_reply({"message": "No."}, status=status)]) as server:
        auth = BearerAuth(FallbackKeys(KEY, OTHER), origin=server.url)

        assert family.post(server.url, auth, json={}).status_code == status


def test_the_key_goes_to_its_origin_alone(family: Family) -> None:
    with serve([]) as server, serve([]) as pinned:
        auth = BearerAuth(KEY, origin=pinned.url)

        with pytest.raises(ConfigurationError, match="The API key was not sent"):
            family.post(server.url, auth, json={})

    assert server.requests == []


@pytest.mark.parametrize(
    "url",
    [
        "http://bedrock-runtime.us-east-1.amazonaws.com/model/x/converse",
        "https://example.com/model/x/converse",
        "https://bedrock-runtime.us-east-1.amazonaws.com.example.com/model/x/converse",
        "http://127.0.0.1:9/model/x/converse",
    ],
)
def test_without_an_origin_the_key_goes_to_bedrock_alone(family: Family, url: str) -> None:
    with pytest.raises(ConfigurationError, match="The API key was not sent"):
        family.post(url, BearerAuth(KEY), json={})


@pytest.mark.parametrize(
    "url",
    [
        "https://bedrock-runtime.us-east-1.amazonaws.com/openai/v1/chat/completions",
        "https://bedrock-mantle.eu-west-1.api.aws/v1/responses",
    ],
)
def test_without_an_origin_the_key_goes_to_every_endpoint_of_bedrock(
    family: Family, url: str
) -> None:
    seen: list[str] = []

    def answer(request: Any) -> Any:
        seen.append(request.headers["authorization"])
        return family.module.Response(200)

    transport = family.module.MockTransport(answer)
    family.post(url, BearerAuth(KEY), json={}, transport=transport)

    assert seen == [f"Bearer {KEY}"]


def test_a_short_term_key_is_not_sent_to_another_region(family: Family) -> None:
    url = "https://bedrock-runtime.us-east-1.amazonaws.com/model/x/converse"

    with pytest.raises(RegionError, match="was made in us-west-2"):
        family.post(url, BearerAuth(short_term_key("us-west-2")), json={})


def test_a_key_of_another_region_falls_back(family: Family) -> None:
    url = "https://bedrock-runtime.us-east-1.amazonaws.com/model/x/converse"
    seen: list[str] = []

    def answer(request: Any) -> Any:
        seen.append(request.headers["authorization"])
        return family.module.Response(200)

    auth = BearerAuth(FallbackKeys(short_term_key("us-west-2"), KEY))
    family.post(url, auth, json={}, transport=family.module.MockTransport(answer))

    assert seen == [f"Bearer {KEY}"]


@pytest.mark.parametrize("origin", ["http://example.com", "ftp://x", "example.com", ""])
def test_an_origin_that_would_send_the_key_unencrypted_is_refused(origin: str) -> None:
    with pytest.raises(ConfigurationError):
        BearerAuth(KEY, origin=origin)


@pytest.mark.parametrize("location", ["/elsewhere", "/start", "http://localhost:{port}/elsewhere"])
@pytest.mark.parametrize("status", [302, 307])
def test_a_redirect_is_followed_without_the_key(family: Family, location: str, status: int) -> None:
    def answer(request: Received) -> Reply:
        if len(server.requests) == 2:
            return ok()
        target = location.format(port=server.port)
        return http_reply(status=status, headers={"location": target})

    with serve(answer) as server:
        auth = BearerAuth(KEY, origin=server.url)
        response = family.post(server.url + "/start", auth, json={}, follow_redirects=True)

    assert response.status_code == 200
    first, second = server.requests
    assert first.headers["authorization"] == f"Bearer {KEY}"
    assert "authorization" not in second.headers


def test_the_same_request_can_be_sent_again(family: Family) -> None:
    with serve([ok(), ok()]) as server:
        request = family.module.Request("POST", server.url, json={})
        auth = BearerAuth(KEY, origin=server.url)
        for _ in range(2):
            if family.is_async:
                _send_async(family, request, auth)
            else:
                with family.module.Client(auth=auth, trust_env=False) as client:
                    client.send(request)

    assert [sent.headers["authorization"] for sent in server.requests] == [f"Bearer {KEY}"] * 2


def test_a_caller_may_trace_its_requests_as_before(family: Family) -> None:
    seen: list[str] = []

    def trace(name: str, info: Any) -> None:
        seen.append(name)

    async def trace_async(name: str, info: Any) -> None:
        seen.append(name)

    with serve([ok()]) as server:
        request = family.module.Request(
            "POST",
            server.url,
            json={},
            extensions={"trace": trace_async if family.is_async else trace},
        )
        auth = BearerAuth(KEY, origin=server.url)
        if family.is_async:
            _send_async(family, request, auth)
        else:
            with family.module.Client(auth=auth, trust_env=False) as client:
                client.send(request)

    assert "http11.send_request_headers.started" in seen


def _send_async(family: Family, request: Any, auth: Any) -> None:
    import asyncio

    async def send() -> None:
        async with family.module.AsyncClient(auth=auth, trust_env=False) as client:
            await client.send(request)

    asyncio.run(send())


@pytest.mark.parametrize("reply", [ok(), http_reply(status=403), [CLOSE]])
def test_the_key_is_in_no_response_request_and_error_afterwards(
    family: Family, reply: Reply
) -> None:
    with serve([reply]) as server:
        try:
            response = family.post(server.url, BearerAuth(KEY, origin=server.url), json={})
            requests = [response.request]
        except family.module.TransportError as error:
            requests = [error.request]

    assert server.requests[0].headers["authorization"] == f"Bearer {KEY}"
    assert KEY not in str([dict(request.headers) for request in requests])
    assert KEY.encode() not in pickle.dumps(requests[0])


def test_the_auth_shows_no_key_and_cannot_be_pickled() -> None:
    auth = BearerAuth(KEY, origin="https://127.0.0.1:8443")

    assert repr(auth) == "<BearerAuth for 127.0.0.1>"
    with pytest.raises(TypeError, match="cannot be pickled"):
        pickle.dumps(auth)


def test_a_missing_key_is_told_before_anything_is_sent(family: Family) -> None:
    with (
        serve([]) as server,
        pytest.raises(MissingApiKeyError, match="AWS_BEARER_TOKEN_BEDROCK is not set"),
    ):
        family.post(server.url, BearerAuth(origin=server.url), json={})

    assert server.requests == []


def test_a_function_is_asked_once_more_when_its_key_is_refused(family: Family) -> None:
    keys = iter([KEY, OTHER])

    async def give_async() -> ApiKey:
        return ApiKey.parse(next(keys))

    source: Any = give_async if family.is_async else lambda: next(keys)
    with serve([http_reply({"Message": REJECTED}, status=403), ok()]) as server:
        auth = BearerAuth(source, origin=server.url)

        assert family.post(server.url, auth, json={}).status_code == 200


def test_making_one_imports_neither_httpx() -> None:
    program = (
        "import sys\n"
        "from bedrock_bearer.adapters import BearerAuth, boto3_session, translate_error\n"
        f"auth = BearerAuth({KEY!r})\n"
        "translate_error('hello')\n"
        "assert not {'httpx', 'httpx2', 'boto3', 'botocore', 'openai'} & set(sys.modules)\n"
        "import httpx2\n"
        "assert isinstance(auth, httpx2.Auth) and isinstance(auth, BearerAuth)\n"
        "import httpx\n"
        "assert isinstance(auth, httpx.Auth) and isinstance(auth, httpx2.Auth)\n"
    )

    subprocess.run([sys.executable, "-c", program], check=True)
