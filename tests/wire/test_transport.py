"""HTTP of both colours: proxies, a caller's own client, interception, faults."""

from __future__ import annotations

import gzip
import json
import socket
import ssl
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import httpx2
import pytest
import respx
import trustme
from support.clients import KEY, Colour
from support.replies import FRAMES, REPLY, START, begun, delta, ok, streamed
from support.server import CLOSE, HOLD, http_reply, serve

from bedrock_bearer import RetryPolicy, Timeout, errors

ONCE = RetryPolicy(max_attempts=1)
BEDROCK = "https://bedrock.example"


# ---------------------------------------------------------------------------------------- proxies


@pytest.mark.parametrize("variable", ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"])
def test_https_goes_through_a_tunnel_of_the_proxy(
    variable: str, colour: Colour, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serve([http_reply(status=403)]) as proxy:
        monkeypatch.setenv(variable, proxy.url)
        with (
            colour.client(BEDROCK, retry=ONCE) as client,
            pytest.raises(errors.ConnectError),
        ):
            client.converse()

    (request,) = proxy.requests
    assert (request.method, request.path) == ("CONNECT", "bedrock.example:443")
    assert "authorization" not in request.headers


def test_a_proxy_without_a_scheme_is_taken_for_http(
    colour: Colour, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serve([http_reply(status=403)]) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy.url.removeprefix("http://"))
        with (
            colour.client(BEDROCK, retry=ONCE) as client,
            pytest.raises(errors.ConnectError),
        ):
            client.converse()

    assert proxy.requests[0].method == "CONNECT"


def test_the_password_of_a_proxy_goes_to_the_proxy_alone(
    colour: Colour, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serve([http_reply(status=407)]) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy.url.replace("//", "//user:pass-word@"))
        with (
            colour.client(BEDROCK, retry=ONCE) as client,
            pytest.raises(errors.ConnectError) as caught,
        ):
            client.converse()

    assert proxy.requests[0].headers["proxy-authorization"] == "Basic dXNlcjpwYXNzLXdvcmQ="
    assert "pass-word" not in str(caught.value)


@pytest.mark.parametrize("variable", ["http_proxy", "ALL_PROXY"])
def test_plain_http_goes_through_a_proxy_of_this_machine(
    variable: str, colour: Colour, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serve([ok()]) as proxy, serve([]) as server:
        monkeypatch.setenv(variable, proxy.url)
        with colour.client(server.url) as client:
            assert client.converse().text == "Hello there"

    assert proxy.requests[0].path.startswith(f"{server.url}/model/")
    assert server.requests == []


def test_plain_http_never_goes_through_a_proxy_elsewhere_which_would_see_the_key(
    colour: Colour, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", "http://192.0.2.1:3128")
    with serve([ok()]) as server, colour.client(server.url) as client:
        assert client.converse().text == "Hello there"


@pytest.mark.parametrize("hosts", ["127.0.0.1", "*", "other.example, 127.0.0.1"])
def test_no_proxy_names_hosts_to_call_directly(
    hosts: str, colour: Colour, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serve([]) as proxy, serve([ok()]) as server:
        monkeypatch.setenv("http_proxy", proxy.url)
        monkeypatch.setenv("no_proxy", hosts)
        with colour.client(server.url) as client:
            assert client.converse().text == "Hello there"

    assert proxy.requests == []


def test_no_proxy_of_other_hosts_leaves_the_proxy_in_use(
    colour: Colour, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serve([ok()]) as proxy, serve([]) as server:
        monkeypatch.setenv("http_proxy", proxy.url)
        monkeypatch.setenv("NO_PROXY", "example.com,127.0.0.2")
        with colour.client(server.url) as client:
            client.converse()

    assert len(proxy.requests) == 1


@pytest.mark.parametrize("proxy", ["ftp://127.0.0.1", "http://", "://"])
def test_a_proxy_that_cannot_be_used_is_refused_before_anything_is_sent(
    proxy: str, colour: Colour, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", proxy)

    with pytest.raises(errors.ConfigurationError, match="HTTPS_PROXY"):
        colour.client(BEDROCK)


# -------------------------------------------------------------------------------------------- TLS


@pytest.mark.parametrize("variable", ["AWS_CA_BUNDLE", "SSL_CERT_FILE"])
def test_a_ca_bundle_that_cannot_be_read_is_named(
    variable: str, colour: Colour, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv(variable, str(tmp_path / "missing.pem"))
    with (
        colour.client(BEDROCK) as client,
        pytest.raises(errors.ConfigurationError, match=variable),
    ):
        client.converse()


@pytest.mark.parametrize("trusted", ["AWS_CA_BUNDLE", "SSL_CERT_FILE", None])
def test_a_server_is_believed_only_with_a_certificate_that_is_trusted(
    trusted: str | None, colour: Colour, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    authority = trustme.CA()
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(tls)
    if trusted:
        authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
        monkeypatch.setenv(trusted, str(tmp_path / "ca.pem"))

    with serve([ok()], tls) as server, colour.client(server.url, retry=ONCE) as client:
        if trusted:
            assert client.converse().text == "Hello there"
            return
        with pytest.raises(errors.ConnectError, match="certificate"):
            client.converse()


# ---------------------------------------------------------------------------- a caller's own client


@contextmanager
def own_client(colour: Colour, family: Any, **options: Any) -> Iterator[Any]:
    """A caller's own client of the same colour, of httpx or httpx2."""
    own = (family.AsyncClient if colour.is_async else family.Client)(**options)
    try:
        yield own
    finally:
        colour.finish(own.aclose if colour.is_async else own.close)


families = pytest.mark.parametrize("family", [httpx, httpx2], ids=["httpx", "httpx2"])


@families
def test_a_callers_own_client_sends_the_calls(family: Any, colour: Colour) -> None:
    seen: list[str] = []

    def hook(request: Any) -> None:
        seen.append(request.url.path)

    async def hook_async(request: Any) -> None:
        hook(request)

    hooks = {"request": [hook_async if colour.is_async else hook]}
    with (
        own_client(colour, family, event_hooks=hooks) as own,
        serve([ok(), streamed()]) as server,
        colour.client(server.url, http_client=own) as client,
    ):
        assert client.converse().text == "Hello there"
        with client.stream() as stream:
            assert stream.final_response().text == "Hello there"

    assert [path.rpartition("/")[2] for path in seen] == ["converse", "converse-stream"]
    assert server.connections == 1


@families
def test_a_reply_that_an_event_hook_has_read_is_not_lost(family: Any, colour: Colour) -> None:
    async def read_in_loop(response: Any) -> None:
        await response.aread()

    hooks = {"response": [read_in_loop if colour.is_async else lambda response: response.read()]}
    packed = http_reply(
        gzip.compress(json.dumps(REPLY).encode()), headers={"content-encoding": "gzip"}
    )
    with (
        own_client(colour, family, event_hooks=hooks) as own,
        serve([ok(), packed, streamed()]) as server,
        colour.client(server.url, http_client=own, retry=ONCE, timeout=2) as client,
    ):
        assert client.converse().text == "Hello there"
        assert client.converse().text == "Hello there"
        with client.stream() as stream:
            assert stream.final_response().text == "Hello there"


@families
def test_closing_our_client_leaves_the_callers_own_open(family: Any, colour: Colour) -> None:
    with own_client(colour, family) as own, serve([ok()]) as server:
        with colour.client(server.url, http_client=own) as client:
            client.converse()
        assert not own.is_closed


@families
def test_the_settings_of_a_callers_own_client_change_neither_key_nor_destination(
    family: Any, colour: Colour
) -> None:
    settings: dict[str, Any] = {
        "auth": ("user", "password"),
        "headers": {"authorization": "Bearer other", "x-own": "1"},
        "follow_redirects": True,
        "base_url": "http://192.0.2.1",
        "timeout": 0.000001,
    }
    with serve([ok()]) as elsewhere:
        redirect = http_reply(status=307, headers={"location": elsewhere.url})
        with (
            own_client(colour, family, **settings) as own,
            serve([ok(), redirect]) as server,
            colour.client(server.url, http_client=own) as client,
        ):
            assert client.converse().text == "Hello there"
            with pytest.raises(errors.APIError) as caught:
                client.converse()

    assert caught.value.status_code == 307
    assert server.requests[0].headers["authorization"] == f"Bearer {KEY}"
    assert elsewhere.requests == []


@families
def test_the_errors_of_a_callers_own_client_are_ours(family: Any, colour: Colour) -> None:
    replies: list[Any] = [[HOLD], [CLOSE], [ok()[:-5], CLOSE]]
    with (
        own_client(colour, family) as own,
        serve(replies) as server,
        colour.client(
            server.url, http_client=own, retry=ONCE, timeout=Timeout(read=0.05)
        ) as client,
    ):
        with pytest.raises(errors.RequestTimeoutError):
            client.converse()
        for _ in range(2):
            with pytest.raises(errors.TransportError):
                client.converse()


@families
def test_a_deadline_holds_over_a_callers_own_client(family: Any, colour: Colour) -> None:
    with (
        own_client(colour, family) as own,
        serve([[begun(START, delta("Hello")), HOLD]]) as server,
        colour.client(server.url, http_client=own, deadline=0.2) as client,
        pytest.raises(errors.RequestTimeoutError) as caught,
        client.stream() as stream,
    ):
        list(stream)

    assert caught.value.phase == "deadline"


@families
def test_a_pool_of_a_callers_own_client_that_is_full_says_so(family: Any, colour: Colour) -> None:
    with (
        own_client(colour, family, limits=family.Limits(max_connections=1)) as own,
        serve([[begun(START), HOLD]]) as server,
        colour.client(
            server.url, http_client=own, retry=ONCE, timeout=Timeout(pool=0.05)
        ) as client,
        client.stream(),
        pytest.raises(errors.RequestTimeoutError) as caught,
    ):
        client.converse()

    assert caught.value.phase == "pool"


@families
def test_a_callers_own_client_that_is_closed_is_named(family: Any, colour: Colour) -> None:
    with own_client(colour, family) as own:
        pass
    with (
        colour.client(BEDROCK, http_client=own) as client,
        pytest.raises(errors.ConfigurationError, match="http_client"),
    ):
        client.converse()


@families
def test_a_callers_own_client_of_the_other_colour_is_refused(family: Any, colour: Colour) -> None:
    wrong, right = ("Client", "AsyncClient") if colour.is_async else ("AsyncClient", "Client")

    with pytest.raises(errors.ConfigurationError, match=rf"httpx\.{right}\b.*\b{wrong}\b"):
        colour.client(BEDROCK, http_client=getattr(family, wrong)())


def test_httpx2_is_not_imported_unless_the_caller_uses_it() -> None:
    code = (
        "import sys; from bedrock_bearer import BedrockClient; "
        f"BedrockClient({KEY!r}, endpoint_url={BEDROCK!r}); assert 'httpx2' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


# ------------------------------------------------------------------------------------ interception


def test_respx_intercepts_our_own_connections(colour: Colour) -> None:
    with respx.mock(using="httpcore") as router, colour.client(BEDROCK) as client:
        route = router.post(url__startswith=f"{BEDROCK}/model/").respond(json=REPLY)

        assert client.converse().text == "Hello there"

    assert route.calls.last.request.headers["authorization"] == f"Bearer {KEY}"


def test_respx_intercepts_streams(colour: Colour) -> None:
    headers = {"content-type": "application/vnd.amazon.eventstream"}
    body = b"".join(FRAMES)
    with respx.mock(using="httpcore") as router, colour.client(BEDROCK) as client:
        router.post(url__startswith=BEDROCK).respond(content=body, headers=headers)
        with client.stream(deadline=60) as stream:
            assert stream.final_response().text == "Hello there"


def test_respx_intercepts_a_callers_own_client(colour: Colour) -> None:
    with (
        own_client(colour, httpx) as own,
        respx.mock(using="httpx") as router,
        colour.client(BEDROCK, http_client=own) as client,
    ):
        router.post(url__startswith=BEDROCK).respond(json=REPLY)
        assert client.converse().text == "Hello there"


def test_an_encoded_reply_is_read_wherever_it_comes_from(colour: Colour) -> None:
    headers = {"content-encoding": "gzip"}
    body = gzip.compress(json.dumps(REPLY).encode())
    mocked = httpx.MockTransport(lambda _: httpx.Response(200, content=body, headers=headers))
    with (
        own_client(colour, httpx, transport=mocked) as own,
        colour.client(BEDROCK, http_client=own) as client,
    ):
        assert client.converse().text == "Hello there"
    with respx.mock(using="httpcore") as router, colour.client(BEDROCK) as client:
        router.post(url__startswith=BEDROCK).respond(content=body, headers=headers)
        assert client.converse().text == "Hello there"


def test_respx_can_make_a_call_fail(colour: Colour) -> None:
    with respx.mock(using="httpcore") as router, colour.client(BEDROCK, retry=ONCE) as client:
        router.post(url__startswith=BEDROCK).mock(side_effect=httpx.ConnectError)
        with pytest.raises(errors.ConnectError):
            client.converse()


# ------------------------------------------------------------------------------------------ faults


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        ([CLOSE], "closed the connection before its reply"),
        ([b"nonsense\r\n\r\n", CLOSE], "head of the reply is not valid HTTP"),
        ([ok()[:-5], CLOSE], "closed the connection within its reply"),
        (
            [b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n", CLOSE],
            "body of the reply is not valid HTTP",
        ),
    ],
    ids=["nothing", "nonsense", "cut", "bad chunk"],
)
def test_a_broken_reply_is_a_fault_of_the_connection(
    reply: Any, reason: str, colour: Colour
) -> None:
    with (
        serve([reply]) as server,
        colour.client(server.url, retry=ONCE) as client,
        pytest.raises(errors.TransportError, match=reason) as caught,
    ):
        client.converse()

    assert caught.value.retryable
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None


@pytest.fixture
def no_host_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)


@pytest.mark.usefixtures("no_host_is_known")
def test_a_host_that_does_not_exist_is_a_fault_of_the_connection(colour: Colour) -> None:
    with (
        colour.client(BEDROCK, retry=ONCE) as client,
        pytest.raises(errors.ConnectError, match="Name or service not known"),
    ):
        client.converse()


@pytest.mark.usefixtures("no_host_is_known")
def test_a_region_whose_host_does_not_exist_is_named(colour: Colour) -> None:
    with (
        colour.client(region="eu-nowhere-7", retry=ONCE) as client,
        pytest.raises(errors.ConnectError, match="offered in the Region eu-nowhere-7"),
    ):
        client.converse()


def test_a_failure_within_the_handling_of_another_error_tells_its_own_reason(
    colour: Colour,
) -> None:
    def fall_back() -> None:
        try:
            raise FileNotFoundError(2, "No such file or directory")
        except FileNotFoundError:
            client.converse()

    with (
        serve([[CLOSE]]) as server,
        colour.client(server.url, retry=ONCE) as client,
        pytest.raises(errors.TransportError) as caught,
    ):
        fall_back()

    assert "No such file" not in caught.value.message


def test_a_connection_that_failed_is_not_used_again(colour: Colour) -> None:
    with (
        serve([[ok()[:-5], CLOSE], ok()]) as server,
        colour.client(server.url, retry=ONCE, max_connections=1) as client,
    ):
        with pytest.raises(errors.TransportError):
            client.converse()
        assert client.converse().text == "Hello there"

    assert server.connections == 2
