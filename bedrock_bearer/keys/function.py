"""The key that a function of the caller returns."""

from __future__ import annotations

import inspect
import time
from collections.abc import Awaitable, Callable, Coroutine
from typing import cast

from bedrock_bearer.errors import AuthenticationError, BedrockError, ConfigurationError
from bedrock_bearer.keys.api_key import ApiKey
from bedrock_bearer.keys.description import KeyDescription
from bedrock_bearer.keys.shared_run import SharedRun
from bedrock_bearer.keys.sources import GivenKey, KeptKey, parse_key

DEFAULT_TIMEOUT = 10.0
_REST_SECONDS = 30.0


class CallableKey(KeptKey):
    """The key that a function of yours returns, asked before every attempt.

    Attempts that ask at the same time share one run of a plain function. When it fails, takes too
    long or returns no key, the last good key stays in use until it expires.

    Args:
        function: returns the key, as text or `ApiKey`; a coroutine function needs an
            `AsyncBedrockClient`.
        timeout: seconds that it may take. Default 10. After a run that took longer, the last good
            key serves for half a minute before the function is asked again.
        monotonic: the clock, in seconds.
    """

    def __init__(
        self,
        function: Callable[[], GivenKey | Awaitable[GivenKey]],
        *,
        timeout: float = DEFAULT_TIMEOUT,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__()
        self._function = function
        self._timeout = timeout
        self._monotonic = monotonic
        self._rest_until = float("-inf")
        self._run = SharedRun(self._ask, timeout, self._too_late)

    def describe(self) -> KeyDescription | None:
        """Return None: the function is asked when a call is made."""
        return None

    def get_key(self) -> ApiKey:
        if _is_coroutine_function(self._function):
            raise ConfigurationError(
                "The function that gives the API key is a coroutine function: use it with an "
                "AsyncBedrockClient, or give BedrockClient a plain function."
            )
        resting = self._resting()
        if resting is not None:
            return resting
        return self._taken(self._run.result())

    async def get_key_async(self) -> ApiKey:
        resting = self._resting()
        if resting is not None:
            return resting
        if _is_coroutine_function(self._function):
            return self._taken(await self._await_function())
        return self._taken(await self._run.result_async())

    def refused(self, key: ApiKey, error: BedrockError, *, asked_again: bool = False) -> bool:
        """Return whether to ask the function again: once, for a key that was not accepted."""
        if self._last == key:
            self._last = None
        return isinstance(error, AuthenticationError) and not asked_again

    def _resting(self) -> ApiKey | None:
        """Return the last good key while a function that hung is left alone."""
        last = self._last
        if last is None or last.is_expired() or self._monotonic() >= self._rest_until:
            return None
        return last

    def _ask(self) -> ApiKey | ConfigurationError:
        try:
            return _key_of(self._function())
        except Exception as error:  # noqa: BLE001 - whatever it raises may hold the key
            return _failure(error)

    async def _await_function(self) -> ApiKey | ConfigurationError:
        import asyncio

        limit = asyncio.timeout(self._timeout)
        try:
            async with limit:
                return _key_of(await cast("Awaitable[object]", self._function()))
        except Exception as error:  # noqa: BLE001 - whatever it raises may hold the key
            return self._too_late() if limit.expired() else _failure(error)

    def _taken(self, outcome: ApiKey | ConfigurationError) -> ApiKey:
        if isinstance(outcome, ConfigurationError):
            return self._last_or_raise(outcome)
        return self._keep_new(outcome)

    def _too_late(self) -> ConfigurationError:
        self._rest_until = self._monotonic() + _REST_SECONDS
        return ConfigurationError(
            f"The function that gives the API key gave none within {self._timeout:g} s."
        )


def _is_coroutine_function(function: object) -> bool:
    call = getattr(function, "__call__", None)  # noqa: B004 - whether it can be called is known
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(call)


def _failure(error: Exception) -> ConfigurationError:
    return ConfigurationError(
        f"The function that gives the API key raised {type(error).__name__}; its text is not "
        "shown, as it may hold the key."
    )


def _key_of(given: object) -> ApiKey | ConfigurationError:
    if isinstance(given, ApiKey):
        return given
    if isinstance(given, Coroutine):
        given.close()
        return ConfigurationError(
            "The function that gives the API key returned a coroutine: pass the coroutine "
            "function itself, and use an AsyncBedrockClient."
        )
    return parse_key(cast("str", given), "the function that gives it")
