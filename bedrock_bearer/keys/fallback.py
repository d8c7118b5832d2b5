"""Keys that step in for one another."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bedrock_bearer.errors import BedrockError, ConfigurationError, MissingApiKeyError
from bedrock_bearer.keys.sources import KeySource, key_source

if TYPE_CHECKING:
    from bedrock_bearer.keys.api_key import ApiKey, KeyDescription

logger = logging.getLogger("bedrock_bearer")

RETURN_AFTER_SECONDS = 300.0


@dataclass(frozen=True, slots=True)
class KeyRefusal:
    """A key that was refused as a key.

    Attributes:
        key: a description of it; None where there was none to be had.
        error: what it was refused with. A `BearerTokenDeniedError`'s `governing_policy` becomes
            `confirmed` once a key of the other type was accepted for the same account, and
            `blanket` once both types were refused.
    """

    key: KeyDescription | None
    error: BedrockError


class _Member:
    """One of the keys, and until when it is passed over."""

    def __init__(self, source: KeySource) -> None:
        self.source = source
        self.passed_over_until = float("-inf")
        self.refusal: KeyRefusal | None = None


class FallbackKeys(KeySource):
    """Uses the first key until it is refused as a key, then the next.

    Refused as a key means missing, malformed, rejected, expired, or denied on
    `CallWithBearerToken`. Throttling, model access, validation and the denial of an operation never
    switch keys. A switch is remembered over calls and threads.

    Args:
        keys: two or more keys, each a text, an `ApiKey`, a function or a source.
        return_after: seconds after which a refused key is tried again. Default 300.
        monotonic: the clock, in seconds.

    Raises:
        ConfigurationError: there are fewer than two keys.
    """

    def __init__(
        self,
        *keys: str | ApiKey | KeySource | Callable[[], str],
        return_after: float = RETURN_AFTER_SECONDS,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        sources = [key_source(key) for key in keys]
        # A traceback that shows this frame's locals must not show the keys.
        del keys
        self._members: list[_Member] = []
        for source in sources:
            if isinstance(source, ConfigurationError):
                # A malformed key is a refused one: the others may still serve.
                source = _BrokenKey(source)
            self._members.append(_Member(source))
        if len(self._members) < 2:
            raise ConfigurationError("FallbackKeys takes two keys or more.")
        self.keys_per_call = sum(member.source.keys_per_call for member in self._members)
        self._return_after = return_after
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._givers: dict[ApiKey, _Member] = {}

    @property
    def refusals(self) -> list[KeyRefusal]:
        """The keys that are passed over at the moment, and why."""
        return [member.refusal for member in self._members if member.refusal is not None]

    def get_key(self) -> ApiKey:
        for member in self._available():
            try:
                return self._given(member, member.source.get_key())
            except ConfigurationError as error:
                self._pass_over(member, None, error)
        raise self._none_left()

    async def get_key_async(self) -> ApiKey:
        for member in self._available():
            try:
                return self._given(member, await member.source.get_key_async())
            except ConfigurationError as error:
                self._pass_over(member, None, error)
        raise self._none_left()

    def describe(self) -> KeyDescription | None:
        for member in self._members:
            try:
                return member.source.describe()
            except ConfigurationError:
                continue
        return None

    def refused(self, key: ApiKey, error: BedrockError) -> bool:
        member = self._givers.get(key)
        if member is None:
            return False
        if member.source.refused(key, error):
            return True
        self._pass_over(member, key.description, error)
        self._compare_types(error)
        if any(other.refusal is None for other in self._members):
            return True
        error.message = f"{error.message} {self._all_refused()}"
        self._forget()
        return False

    def accepted(self, key: ApiKey) -> None:
        for refusal in self.refusals:
            governing = getattr(refusal.error, "governing_policy", None)
            if governing is None or governing.certainty != "inferred" or refusal.key is None:
                continue
            same_account = refusal.key.account_id == key.account_id
            if same_account and refusal.key.token_type not in (None, key.token_type):
                confirmed = governing.with_certainty("confirmed")
                refusal.error.governing_policy = confirmed  # type: ignore[attr-defined]

    def _available(self) -> list[_Member]:
        with self._lock:
            now = self._monotonic()
            for member in self._members:
                if member.refusal is not None and member.passed_over_until <= now:
                    member.refusal = None
            return [member for member in self._members if member.refusal is None]

    def _given(self, member: _Member, key: ApiKey) -> ApiKey:
        self._givers[key] = member
        return key

    def _pass_over(self, member: _Member, key: KeyDescription | None, error: BedrockError) -> None:
        with self._lock:
            member.passed_over_until = self._monotonic() + self._return_after
            member.refusal = KeyRefusal(key, error)
        logger.warning("%s was refused: %s.", key or "A key", type(error).__name__)

    def _compare_types(self, error: BedrockError) -> None:
        denied = [
            refusal
            for refusal in self.refusals
            if getattr(refusal.error, "governing_policy", None) is not None
        ]
        types = {refusal.key.token_type for refusal in denied if refusal.key is not None}
        if len(types - {None}) < 2:
            return
        for refusal in denied:
            governing = refusal.error.governing_policy  # type: ignore[attr-defined]
            refusal.error.governing_policy = governing.with_certainty("blanket")  # type: ignore[attr-defined]

    def _all_refused(self) -> str:
        reasons = [
            f"{refusal.key or 'a key that could not be had'}: {type(refusal.error).__name__}"
            for refusal in self.refusals
        ]
        return f"All {len(reasons)} keys were refused: {'; '.join(reasons)}."

    def _none_left(self) -> ConfigurationError:
        error = MissingApiKeyError(f"No API key can be used. {self._all_refused()}")
        self._forget()
        return error

    def _forget(self) -> None:
        # Once none is left, the next call tries them all again: a policy may have changed.
        with self._lock:
            for member in self._members:
                member.refusal = None


class _BrokenKey(KeySource):
    """A text that is no key."""

    def __init__(self, error: ConfigurationError) -> None:
        self._error = error

    def get_key(self) -> ApiKey:
        raise self._error.with_traceback(None)
