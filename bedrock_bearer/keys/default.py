"""The keys that a client uses when it is given none."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from bedrock_bearer.facts import FALLBACK_VARIABLE
from bedrock_bearer.keys.given import key_source
from bedrock_bearer.keys.sources import KeyRefusal, KeySource
from bedrock_bearer.keys.stored import EnvironmentKey

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from bedrock_bearer.errors import BedrockError, ConfigurationError
    from bedrock_bearer.keys.api_key import ApiKey
    from bedrock_bearer.keys.description import KeyDescription


class DefaultKeys(KeySource):
    """The key in `AWS_BEARER_TOKEN_BEDROCK`, and the one in `AWS_BEARER_TOKEN_BEDROCK_FALLBACK`.

    Both variables are read anew for every attempt. The first may be a file that
    `AWS_BEARER_TOKEN_BEDROCK_FILE` names. Where the second is set, they are used as
    `FallbackKeys` are.
    """

    def __init__(self) -> None:
        self._first = EnvironmentKey()
        self._both: KeySource | None = None

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), ()

    @property
    def keys_per_call(self) -> int:  # type: ignore[override]
        return self._current().keys_per_call

    @property
    def may_replace_key(self) -> bool:  # type: ignore[override]
        return self._current().may_replace_key

    def get_key(self) -> ApiKey:
        return self._current().get_key()

    async def get_key_async(self) -> ApiKey:
        return await self._current().get_key_async()

    def describe(self) -> KeyDescription | None:
        return self._current().describe()

    def refused(self, key: ApiKey, error: BedrockError, *, asked_again: bool = False) -> bool:
        return self._current().refused(key, error, asked_again=asked_again)

    def accepted(self, key: ApiKey) -> None:
        self._current().accepted(key)

    def pop_unavailable(self) -> Sequence[KeyRefusal]:
        return self._current().pop_unavailable()

    def _current(self) -> KeySource:
        if not has_fallback():
            return self._first
        if self._both is None:
            # Most programs have one key, and starting up takes time.
            from bedrock_bearer.keys.fallback import FallbackKeys

            self._both = FallbackKeys(self._first, EnvironmentKey(FALLBACK_VARIABLE))
        return self._both


def has_fallback() -> bool:
    """Return whether `AWS_BEARER_TOKEN_BEDROCK_FALLBACK` is set to anything."""
    return bool(os.environ.get(FALLBACK_VARIABLE, "").strip())


def client_source(api_key: object) -> KeySource | ConfigurationError:
    """Return the key source of a client: what was given, else the environment's keys.

    An error is returned, not raised: the caller raises it once no frame holds the text any more.
    """
    return DefaultKeys() if api_key is None else key_source(api_key)
