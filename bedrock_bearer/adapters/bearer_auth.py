"""A key source of ours as the `auth=` of httpx and of httpx2."""

from __future__ import annotations

import functools
import sys
from collections.abc import AsyncGenerator, Callable, Generator, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NoReturn

from bedrock_bearer.adapters.note import KEY_EXTENSION, KeyNote
from bedrock_bearer.adapters.request_keys import RequestKeys
from bedrock_bearer.adapters.tokens import checked
from bedrock_bearer.call import run_blocking
from bedrock_bearer.errors import ConfigurationError
from bedrock_bearer.facts import DEFAULT_PORTS
from bedrock_bearer.keys.default import client_source
from bedrock_bearer.wire.endpoint import read_origin, region_of_aws_host

if TYPE_CHECKING:
    from bedrock_bearer.keys.api_key import ApiKey
    from bedrock_bearer.keys.sources import AnyKey

    # Both families of httpx take it as an `Auth` of their own.
    _Base: Any
else:
    _Base = object


class BearerAuth(_Base):  # type: ignore[misc]
    """Authorizes the requests of an `httpx` or `httpx2` client, sync or async, with an API key.

    The key is read for every request. When AWS refuses it as a key, the source is asked for
    another one and the request is sent again, provided that its body is in memory. The key goes to
    one origin only, is kept off redirects and is not left in the request afterwards.

    Args:
        source: what `BedrockClient(api_key=...)` takes. Default: the environment, as there.
        origin: the URL whose scheme, host and port may get the key: https, or http on this
            machine. Default: any endpoint of Amazon Bedrock, over https.

    Raises:
        ConfigurationError: the source or the origin is not valid. A request raises it when no key
            can be read, or when it goes to another origin.
    """

    def __init__(self, source: AnyKey | None = None, *, origin: str | None = None) -> None:
        found = client_source(source)
        # A traceback that shows this frame's locals must not show the key.
        del source
        self._source = checked(found)
        self._origin = None if origin is None else read_origin(origin, "origin=")

    @property  # type: ignore[misc]
    def __class__(self) -> type:
        # httpx and httpx2 ask `isinstance(auth, Auth)`, each with a class of its own. Subclassing
        # both would import both.
        loaded = (sys.modules.get(name) for name in ("httpx", "httpx2"))
        classes = [auth for module in loaded if (auth := getattr(module, "Auth", None))]
        return _subclass_of(*classes)

    def __repr__(self) -> str:
        return f"<BearerAuth for {self._origin[1] if self._origin else 'Amazon Bedrock'}>"

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError("A BearerAuth cannot be pickled: the key would be written out.")

    def sync_auth_flow(self, request: Any) -> Generator[Any, Any, None]:
        """Send a request with one key after the other, for a `Client`."""
        keys = self._keys_for(request, in_a_loop=False)
        with _kept_off_redirects(request, is_async=False):
            key = run_blocking(keys.take())
            while True:
                try:
                    response = yield _authorized(request, key)
                finally:
                    _forget_key(request)
                if _is_final(request, response, keys):
                    return
                answer = response.status_code, response.headers, response.read()
                if not run_blocking(keys.take_another(*answer)):
                    return
                key = keys.used()

    async def async_auth_flow(self, request: Any) -> AsyncGenerator[Any, Any]:
        """Send a request with one key after the other, for an `AsyncClient`."""
        keys = self._keys_for(request, in_a_loop=True)
        with _kept_off_redirects(request, is_async=True):
            key = await keys.take()
            while True:
                try:
                    response = yield _authorized(request, key)
                finally:
                    _forget_key(request)
                if _is_final(request, response, keys):
                    return
                answer = response.status_code, response.headers, await response.aread()
                if not await keys.take_another(*answer):
                    return
                key = keys.used()

    def _keys_for(self, request: Any, *, in_a_loop: bool) -> RequestKeys:
        url = request.url
        port = url.port or DEFAULT_PORTS.get(url.scheme)
        if self._origin is None:
            is_pinned = url.scheme == "https" and region_of_aws_host(url.host) is not None
        else:
            is_pinned = (url.scheme, url.host, port) == self._origin
        if not is_pinned:
            expected = self._origin[1] if self._origin else "an endpoint of Amazon Bedrock"
            raise ConfigurationError(
                f"The API key was not sent: the request goes to {url.scheme}://{url.host}:{port}, "
                f"and BearerAuth is for {expected} alone. Set origin= to change that."
            )
        return RequestKeys(self._source, url.scheme, url.host, in_a_loop=in_a_loop)


@functools.cache
def _subclass_of(*classes: type) -> type:
    return type("BearerAuth", (BearerAuth, *classes), {})


def _authorized(request: Any, key: ApiKey) -> Any:
    request.headers["Authorization"] = f"Bearer {key.get_secret_value()}"
    return request


def _is_final(request: Any, response: Any, keys: RequestKeys) -> bool:
    """Return whether a response is handed on, whatever the source of keys would say."""
    for each in (response, *response.history):
        _forget_key(each.request)
    if response.next_request is not None:
        _forget_key(response.next_request)
    if response.is_success:
        keys.accepted()
        return True
    response.extensions[KEY_EXTENSION] = KeyNote.of(keys.used())
    return not _is_in_memory(request)


def _is_in_memory(request: Any) -> bool:
    try:
        return request.content is not None
    except RuntimeError:
        # RequestNotRead, of either family: the body is a stream that cannot be sent twice.
        return False


def _forget_key(request: Any) -> None:
    # Errors of httpx, and of the SDKs built on it, keep the request.
    request.headers.pop("Authorization", None)


@contextmanager
def _kept_off_redirects(request: Any, *, is_async: bool) -> Iterator[None]:
    """Have httpcore, at the last moment, drop the key from a request that a redirect leads to.

    httpx follows a redirect without asking its auth again, and keeps the header on the same host.
    A key that was sent already has come back to the same URL.
    The hook is httpcore's `trace` extension: https://www.encode.io/httpcore/extensions/#trace.
    """
    given = request.extensions
    others: Callable[[str, Any], Any] | None = given.get("trace")
    host, target = request.url.raw_host, request.url.raw_path
    sent_keys: set[int] = set()

    def may_go(url: Any, header: tuple[bytes, bytes]) -> bool:
        name, value = header
        if name.lower() != b"authorization":
            return True
        if (url.host, url.target) != (host, target) or hash(value) in sent_keys:
            return False
        sent_keys.add(hash(value))
        return True

    def trace(name: str, info: Any) -> Any:
        sent = info.get("request") if name.endswith("send_request_headers.started") else None
        if sent is not None:
            sent.headers = [header for header in sent.headers if may_go(sent.url, header)]
        return None if others is None else others(name, info)

    async def trace_async(name: str, info: Any) -> None:
        returned = trace(name, info)
        if returned is not None:
            await returned

    hook = trace_async if is_async else trace
    request.extensions = {**given, "trace": hook}
    try:
        yield
    finally:
        # The caller may send the same request again.
        request.extensions = given
