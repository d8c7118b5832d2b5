"""A key source of ours as the function that other SDKs call for a key."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bedrock_bearer.errors import ConfigurationError
from bedrock_bearer.keys.default import client_source
from bedrock_bearer.keys.sources import KeySource

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from bedrock_bearer.keys.sources import AnyKey


def token_provider(source: AnyKey | None = None) -> Callable[[], str]:
    """Return a function that returns the key to use now.

    SDKs such as openai call it before every request, so a rotated key is used by the next one. The
    function never learns that a key was refused: with `FallbackKeys` it gives the first key that
    can be read. `BearerAuth` falls back.

    Args:
        source: what `BedrockClient(api_key=...)` takes. Default: the environment, as there.

    Raises:
        ConfigurationError: the source is not valid. The function raises it when no key can be read.
    """
    found = client_source(source)
    # A traceback that shows this frame's locals must not show the key.
    del source
    keys = checked(found)
    return lambda: keys.get_key().get_secret_value()


def async_token_provider(source: AnyKey | None = None) -> Callable[[], Awaitable[str]]:
    """Return a coroutine function that returns the key to use now; see `token_provider`.

    Raises:
        ConfigurationError: the source is not valid.
    """
    found = client_source(source)
    del source
    keys = checked(found)

    async def token() -> str:
        return (await keys.get_key_async()).get_secret_value()

    return token


def checked(found: KeySource | ConfigurationError) -> KeySource:
    """Return what `client_source` has found.

    Raises:
        ConfigurationError: it was not valid.
    """
    if isinstance(found, ConfigurationError):
        raise found
    return found
