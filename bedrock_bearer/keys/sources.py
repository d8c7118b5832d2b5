"""Where a client takes its key from, before every attempt."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Sequence
from copy import copy
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from bedrock_bearer.errors import (
    AuthenticationError,
    AuthorizationHeaderMissingError,
    BearerTokenDeniedError,
    BedrockError,
    ConfigurationError,
    InvalidApiKeyError,
    RegionError,
)
from bedrock_bearer.keys.api_key import ApiKey

if TYPE_CHECKING:
    from bedrock_bearer.keys.description import KeyDescription

logger = logging.getLogger("bedrock_bearer")


@dataclass(frozen=True, slots=True)
class KeyRefusal:
    """A key that was refused as a key.

    Attributes:
        key: a description of it; None if no key could be read.
        error: the refusal. The `governing_policy` of a `BearerTokenDeniedError` notes what a key
            of the other type of the same principal got.
    """

    key: KeyDescription | None
    error: BedrockError


class KeySource:
    """Gives the key for the next attempt. A subclass supplies `get_key`.

    Attributes:
        keys_per_call: how many refusals of a key one call goes through before it gives up.
        may_replace_key: whether another key may be used where the one described cannot.
    """

    keys_per_call: int = 2
    may_replace_key: bool = False

    def get_key(self) -> ApiKey:
        """Return the key to use now.

        Raises:
            ConfigurationError: there is no key, or the text found is not one.
        """
        raise NotImplementedError

    async def get_key_async(self) -> ApiKey:
        """Return the key to use now, for a client on an event loop."""
        return self.get_key()

    def __reduce__(self) -> tuple[Any, ...]:
        """Refuse to be pickled, unless a subclass says how it is built anew."""
        raise TypeError(
            f"A {type(self).__name__} cannot be pickled, nor can a client that uses it: the key "
            "would be written out, or what gives it cannot be. Make the client in the worker, or "
            "let it read its key from the environment or a file: BedrockClient(), FileKey(path)."
        )

    def describe(self) -> KeyDescription | None:
        """Return a description of the current key; None if only a call can get one.

        Raises:
            ConfigurationError: there is no key, or the text found is not one.
        """
        return self.get_key().description

    def refused(self, key: ApiKey, error: BedrockError, *, asked_again: bool = False) -> bool:
        """Called when AWS refuses `key`. Return True to retry at once with another key.

        Args:
            key: the key that was refused.
            error: the refusal.
            asked_again: whether this call has asked again already and was given the same key.
        """
        return False

    def accepted(self, key: ApiKey) -> None:
        """Called when AWS accepts `key`."""

    def pop_unavailable(self) -> Sequence[KeyRefusal]:
        """Return the keys that could not be read since the last call of this, for the records."""
        return ()


def is_key_refusal(error: BedrockError) -> bool:
    """Return whether another key may do better after this error."""
    # A header that never arrived says nothing about the key.
    return isinstance(
        error, (AuthenticationError, BearerTokenDeniedError, RegionError, InvalidApiKeyError)
    ) and not isinstance(error, AuthorizationHeaderMissingError)


class RefusedKeys:
    """The keys of a source that were refused in one call."""

    def __init__(self, source: KeySource) -> None:
        self._source = source
        self._keys: list[ApiKey] = []

    def __contains__(self, key: ApiKey) -> bool:
        return key in self._keys

    def add(self, key: ApiKey, error: BedrockError) -> bool:
        """Tell the source of a refusal; return whether another key is worth a request at once.

        Each key gets one request.
        """
        asked_again = key in self._keys
        self._keys.append(key)
        may_switch = self._source.refused(key, error, asked_again=asked_again)
        return may_switch and len(self._keys) < self._source.keys_per_call


GivenKey: TypeAlias = str | ApiKey
AnyKey: TypeAlias = GivenKey | KeySource | Callable[[], GivenKey | Awaitable[GivenKey]]
"""What `BedrockClient(api_key=...)` takes."""


class FixedKey(KeySource):
    """One key, given once."""

    def __init__(self, key: ApiKey) -> None:
        self._key = key

    def get_key(self) -> ApiKey:
        return self._key


class KeptKey(KeySource):
    """Keeps the last good key, and gives it while it is valid and no newer one can be read."""

    def __init__(self) -> None:
        self._last: ApiKey | None = None
        self._problem: str | None = None

    def _keep_new(self, key: ApiKey) -> ApiKey:
        self._last, self._problem = key, None
        return key

    def _last_or_raise(self, error: ConfigurationError) -> ApiKey:
        last = self._last
        if last is None or last.is_expired():
            # A copy: those who shared the run that failed raise it each for themselves.
            raise copy(error)
        if self._problem != error.message:
            self._problem = error.message
            logger.warning("No newer key; %s stays in use. %s", last.description, error)
        return last


def parse_key(text: str, source: str) -> ApiKey | InvalidApiKeyError:
    """Return the key, or the error to raise once no frame holds the text any more."""
    try:
        return ApiKey.parse(text, source=source)
    except InvalidApiKeyError as error:
        # Its traceback holds this frame, and so the text.
        return error.with_traceback(None)
