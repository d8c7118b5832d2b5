"""A key source of ours under boto3 clients, and under the frameworks that take them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypedDict, Unpack
from urllib.parse import urlsplit

from bedrock_bearer.adapters.note import KEY_METADATA, KeyNote
from bedrock_bearer.adapters.request_keys import RequestKeys
from bedrock_bearer.adapters.tokens import checked
from bedrock_bearer.call import run_blocking
from bedrock_bearer.errors import ConfigurationError, install_hint
from bedrock_bearer.keys.default import client_source

if TYPE_CHECKING:
    import boto3

    from bedrock_bearer.keys.api_key import ApiKey
    from bedrock_bearer.keys.sources import AnyKey, KeySource

_SERVICES = ("bedrock-runtime", "bedrock")
"""The services that take an API key, as botocore's events name them."""
_SENT = "bedrock_bearer_sent"
_NEXT = "bedrock_bearer_next"


class SessionArguments(TypedDict, total=False):
    """What `boto3.Session` takes."""

    aws_access_key_id: str | None
    aws_secret_access_key: str | None
    aws_session_token: str | None
    aws_account_id: str | None
    region_name: str | None
    profile_name: str | None
    botocore_session: Any


def boto3_session(
    source: AnyKey | None = None, **session_arguments: Unpack[SessionArguments]
) -> boto3.Session:
    """Return a `boto3.Session` whose `bedrock-runtime` and `bedrock` clients use API keys.

    A client of the session reads the key for every request, so a rotated key is used by the next
    one, and asks the source for another key when AWS refuses one. Other services keep their AWS
    credentials. Streams, retries and errors are boto3's own; `translate_error` explains them.

    Args:
        source: what `BedrockClient(api_key=...)` takes. Default: the environment, as there. It is
            asked in the thread of the call.
        session_arguments: what `boto3.Session` takes, such as `region_name`.

    Raises:
        ConfigurationError: the source is not valid, or boto3 is not installed. A call raises it
            when no key can be read, or when the key would be sent unencrypted.
    """
    found = client_source(source)
    # A traceback that shows this frame's locals must not show the key.
    del source
    keys = checked(found)
    try:
        import boto3
    except ImportError:
        boto3 = None  # type: ignore[assignment]
    if boto3 is None:
        raise ConfigurationError(f"boto3_session needs boto3. {install_hint('aws', 'boto3')}")
    session = boto3.Session(**session_arguments)
    # The type hints know of handlers that return nothing alone.
    events: Any = session.events
    handlers = _Handlers(keys)
    for service in _SERVICES:
        events.register_first(f"choose-signer.{service}", handlers.sign_nothing)
        events.register(f"request-created.{service}", handlers.authorize)
        events.register_first(f"needs-retry.{service}", handlers.try_another_key)
    return session


class _Handlers:
    """Handlers of botocore's events; the context of a call is the same for all its attempts.

    https://docs.aws.amazon.com/boto3/latest/guide/events.html
    """

    def __init__(self, source: KeySource) -> None:
        self._source = source

    def sign_nothing(self, **_: Any) -> object:
        """Keep botocore from adding a header of its own."""
        import botocore

        return botocore.UNSIGNED

    def authorize(self, request: Any, **_: Any) -> None:
        """Add the key to a request that is about to be sent."""
        keys: RequestKeys | None = request.context.pop(_NEXT, None)
        if keys is None:
            url = urlsplit(request.url)
            keys = RequestKeys(self._source, url.scheme, url.hostname or "", in_a_loop=False)
            run_blocking(keys.take())
        request.context[_SENT] = keys
        request.headers["Authorization"] = _Header.of(keys.used())

    def try_another_key(
        self, response: Any, request_dict: Any, caught_exception: Any, **_: Any
    ) -> int | None:
        """Return 0, which sends the request again at once, if there is another key to try."""
        _forget_frames(caught_exception)
        context = request_dict["context"]
        keys: RequestKeys | None = context.get(_SENT)
        if keys is None or response is None:
            return None
        http, parsed = response
        if http.status_code < 300:
            keys.accepted()
            return None
        parsed.setdefault("ResponseMetadata", {})[KEY_METADATA] = KeyNote.of(keys.used())
        if not run_blocking(keys.take_another(http.status_code, http.headers, http.content)):
            return None
        context[_NEXT] = keys
        return 0


class _Header(bytes):
    """The value of the Authorization header, which shows nothing in logs and tracebacks."""

    @classmethod
    def of(cls, key: ApiKey) -> _Header:
        return cls(b"Bearer " + key.get_secret_value().encode())

    def __repr__(self) -> str:
        return "b'Bearer ***'"

    __str__ = __repr__


def _forget_frames(error: BaseException | None) -> None:
    # The frames below botocore's hold the bytes that were sent, and the key with them.
    while error is not None:
        error.__traceback__ = None
        error = error.__cause__ or error.__context__
