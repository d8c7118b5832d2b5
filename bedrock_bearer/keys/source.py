"""Where a client takes its key from, before every attempt."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, cast

from bedrock_bearer.errors import (
    BedrockError,
    ConfigurationError,
    InvalidApiKeyError,
    MissingApiKeyError,
)
from bedrock_bearer.keys.api_key import ApiKey, KeyDescription

if TYPE_CHECKING:
    from collections.abc import Mapping

API_KEY_VARIABLE = "AWS_BEARER_TOKEN_BEDROCK"


class KeySource:
    """Gives the key for the next attempt. A subclass supplies `get_key`."""

    def get_key(self) -> ApiKey:
        """Return the key to use now.

        Raises:
            ConfigurationError: there is none, or what is there is no key.
        """
        raise NotImplementedError

    async def get_key_async(self) -> ApiKey:
        """Return the key to use now, for a client of an event loop."""
        return self.get_key()

    def describe(self) -> KeyDescription | None:
        """Return a description of the key at hand; None where getting one takes work.

        Raises:
            ConfigurationError: there is none, or what is there is no key.
        """
        return self.get_key().description

    def refused(self, key: ApiKey, error: BedrockError) -> bool:
        """Hear that `key` was refused; return whether another one can be had at once."""
        return False


class FixedKey(KeySource):
    """One key, given once."""

    def __init__(self, key: ApiKey) -> None:
        self._key = key

    def get_key(self) -> ApiKey:
        return self._key


class EnvironmentKey(KeySource):
    """The key in an environment variable, read anew each time: a rotated one is picked up."""

    def __init__(
        self, name: str = API_KEY_VARIABLE, environ: Mapping[str, str] | None = None
    ) -> None:
        self._name = name
        self._environ = os.environ if environ is None else environ
        self._last: ApiKey | None = None

    def get_key(self) -> ApiKey:
        if not self._environ.get(self._name, "").strip():
            raise MissingApiKeyError(
                f"No API key: the environment variable {self._name} is not set or empty, and no "
                f"api_key= was given. Set {self._name} to an Amazon Bedrock API key."
            )
        last = self._last
        if last is not None and last.is_text(self._environ[self._name]):
            return last
        self._last = ApiKey.parse(self._environ[self._name], source=f"env {self._name}")
        return self._last


def key_source(api_key: object) -> KeySource | ConfigurationError:
    """Return where the key comes from: what was given, else AWS_BEARER_TOKEN_BEDROCK.

    What is wrong is returned, to be raised once no frame holds the text any more.
    """
    if api_key is None:
        return EnvironmentKey()
    if isinstance(api_key, KeySource):
        return api_key
    if isinstance(api_key, ApiKey):
        return FixedKey(api_key)
    try:
        return FixedKey(ApiKey.parse(cast("str", api_key)))
    except InvalidApiKeyError as error:
        # Its traceback leads to this frame, which holds the text.
        return error.with_traceback(None)
