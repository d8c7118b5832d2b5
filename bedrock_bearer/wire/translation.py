"""From what breaks below HTTP, or in a caller's own client, to one of our errors."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bedrock_bearer.errors import BedrockError, ConnectError, TransportError
from bedrock_bearer.wire.http1 import ReplyError
from bedrock_bearer.wire.tls import reason_of

if TYPE_CHECKING:
    from bedrock_bearer.wire.attempt import Attempt

_TIMEOUT_PHASES = {
    "ConnectTimeout": "connect",
    "WriteTimeout": "write",
    "PoolTimeout": "pool",
    "TimeoutException": "read",
}
_HTTP_PACKAGES = ("httpcore", "httpx", "httpcore2", "httpx2")


def translate(error: BaseException, attempt: Attempt) -> BedrockError | None:
    """Return our error for one of the network's, whose text and attributes may hold the key.

    None for what is not a failure of the network: a cancellation, an interrupt, a bug. httpx,
    which a mock or a caller's own client may use, and its family have the same names for the same
    things.
    """
    if isinstance(error, BedrockError):
        return error
    if isinstance(error, ReplyError):
        return broken(f"{error}", attempt)
    names = [kind.__name__ for kind in type(error).__mro__ if _package(kind) in _HTTP_PACKAGES]
    for name in names:
        if name in _TIMEOUT_PHASES:
            return attempt.timeout_error(_TIMEOUT_PHASES[name])
    reason = _reason(error)
    if "ConnectError" in names or "ProxyError" in names:
        return ConnectError(f"No connection to the endpoint could be made: {reason}.")
    if "LocalProtocolError" in names or "UnsupportedProtocol" in names:
        return TransportError("The request is not valid HTTP and was not sent.")
    if names or isinstance(error, OSError):
        return broken(reason, attempt)
    return None


def broken(reason: str, attempt: Attempt) -> TransportError:
    """Return the error for a connection that broke."""
    error = TransportError(
        f"The connection broke before the reply was whole: {reason}.", retryable=True
    )
    error.reply_lost = attempt.request_was_sent
    return error


def _package(kind: type) -> str:
    return kind.__module__.partition(".")[0]


def _reason(error: BaseException) -> str:
    """Return the operating system's or TLS's words for it: httpx's own may hold the key."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, OSError):
            return reason_of(cause)
        cause = cause.__cause__ or _network_context(cause)
    return type(error).__name__


def _network_context(error: BaseException) -> BaseException | None:
    """Return what was handled when `error` was raised, but not what our caller was handling."""
    context = error.__context__
    if context is None or context.__traceback__ is None:
        return None
    module = str(context.__traceback__.tb_frame.f_globals.get("__name__"))
    return context if module.partition(".")[0] in (*_HTTP_PACKAGES, "anyio") else None
