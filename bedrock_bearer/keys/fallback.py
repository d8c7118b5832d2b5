"""Several keys, of which the next is used when one is refused."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from copy import copy
from typing import TYPE_CHECKING

from bedrock_bearer.access.evidence import weigh
from bedrock_bearer.errors import (
    BearerTokenDeniedError,
    BedrockError,
    ConfigurationError,
    MissingApiKeyError,
)
from bedrock_bearer.keys.given import key_source
from bedrock_bearer.keys.sources import KeyRefusal, KeySource

if TYPE_CHECKING:
    from bedrock_bearer.access.governing import GoverningPolicy
    from bedrock_bearer.keys.api_key import ApiKey
    from bedrock_bearer.keys.description import KeyDescription
    from bedrock_bearer.keys.sources import AnyKey

logger = logging.getLogger("bedrock_bearer")

RETURN_AFTER_SECONDS = 300.0


class _Member:
    """One of the keys: whether it is skipped, and until when."""

    def __init__(self, source: KeySource, number: int) -> None:
        self.source = source
        self.number = number
        self.refusal: KeyRefusal | None = None
        self.is_skipped = False
        self.skipped_until = float("-inf")
        # Only the latest: a source that renews its key must not fill the memory.
        self.given: deque[ApiKey] = deque(maxlen=8)


class FallbackKeys(KeySource):
    """Uses the first key until it is refused as a key, then the next.

    Refused as a key means missing, malformed, of another Region, rejected, expired, or denied on
    `CallWithBearerToken`. Throttling, model access, validation and the denial of an operation never
    switch keys. A switch is remembered over calls, threads and tasks. After `return_after` one call
    tries the refused key again; the others follow once it was accepted. When all keys are refused,
    the last error is raised, with each key's own reason in its message.

    Args:
        keys: two or more keys, each a text, an `ApiKey`, a function or a source.
        return_after: seconds after which a refused key is tried again. Default 300.
        monotonic: the clock, in seconds.

    Raises:
        ConfigurationError: there are fewer than two keys.
    """

    may_replace_key = True

    def __init__(
        self,
        *keys: AnyKey,
        return_after: float = RETURN_AFTER_SECONDS,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        sources = [key_source(key) for key in keys]
        # A traceback that shows this frame's locals must not show the keys.
        del keys
        if len(sources) < 2:
            raise ConfigurationError("FallbackKeys takes two keys or more.")
        # A malformed key is a refused one: the others may still serve.
        self._members = [
            _Member(_BrokenKey(source) if isinstance(source, ConfigurationError) else source, n)
            for n, source in enumerate(sources, start=1)
        ]
        self.keys_per_call = sum(member.source.keys_per_call for member in self._members)
        self._return_after = return_after
        self._monotonic = monotonic
        self._lock = threading.Lock()
        # Bounded: adapters report no switches, so they take nothing out.
        self._unavailable: deque[KeyRefusal] = deque(maxlen=len(self._members))

    @property
    def refusals(self) -> list[KeyRefusal]:
        """The last refusal of each key that was not accepted since, in the order of the keys."""
        return [member.refusal for member in self._members if member.refusal is not None]

    def get_key(self) -> ApiKey:
        for member in self._in_turn():
            try:
                return self._given(member, member.source.get_key())
            except ConfigurationError as error:
                self._unavailable_key(member, error)
        raise self._none_left()

    async def get_key_async(self) -> ApiKey:
        for member in self._in_turn():
            try:
                return self._given(member, await member.source.get_key_async())
            except ConfigurationError as error:
                self._unavailable_key(member, error)
        raise self._none_left()

    def describe(self) -> KeyDescription | None:
        """Return a description of the first key that can be read."""
        for member in self._members:
            try:
                return member.source.describe()
            except ConfigurationError:
                continue
        return None

    def refused(self, key: ApiKey, error: BedrockError, *, asked_again: bool = False) -> bool:
        """Return whether another key, or a renewed one, can be tried."""
        member = next((member for member in self._members if key in member.given), None)
        if member is None:
            return False
        if member.source.refused(key, error, asked_again=asked_again):
            return True
        self._skip(member, key.description, error)
        self._weigh_refusals()
        if not all(member.is_skipped for member in self._members):
            return True
        error.message = f"{error.message}\n{self._all_refused()}"
        self._try_all_again()
        return False

    def accepted(self, key: ApiKey) -> None:
        """Use the key again if it was refused before, and note what this says of other refusals."""
        for member in self._members:
            refusal = member.refusal
            if refusal is None:
                continue
            if key in member.given:
                member.refusal, member.is_skipped = None, False
            else:
                _weigh(refusal, accepted=[key.description])

    def pop_unavailable(self) -> Sequence[KeyRefusal]:
        if not self._unavailable:
            return ()
        with self._lock:
            popped = list(self._unavailable)
            self._unavailable.clear()
        return popped

    def _in_turn(self) -> Iterator[_Member]:
        """Yield the keys to try, in their order."""
        for member in self._members:
            with self._lock:
                if member.is_skipped:
                    now = self._monotonic()
                    if now < member.skipped_until:
                        continue
                    # One call tries it again; the others skip it until that call has its answer.
                    member.skipped_until = now + self._return_after
            yield member

    def _given(self, member: _Member, key: ApiKey) -> ApiKey:
        if key not in member.given:
            member.given.append(key)
        return key

    def _unavailable_key(self, member: _Member, error: ConfigurationError) -> None:
        refusal = self._skip(member, None, error.with_traceback(None))
        if refusal is not None:
            self._unavailable.append(refusal)

    def _skip(
        self, member: _Member, key: KeyDescription | None, error: BedrockError
    ) -> KeyRefusal | None:
        """Skip a key from now on; return its refusal, or None if it was skipped already."""
        refusal = KeyRefusal(key, error)
        with self._lock:
            was_skipped = member.is_skipped
            member.refusal, member.is_skipped = refusal, True
            member.skipped_until = self._monotonic() + self._return_after
        if was_skipped:
            return None
        logger.warning("%s is skipped: %s.", _name(member, refusal), type(error).__name__)
        return refusal

    def _weigh_refusals(self) -> None:
        """Note what the refusals say of one another."""
        others = [policy for refusal in self.refusals if (policy := _policy_of(refusal))]
        for refusal in self.refusals:
            _weigh(refusal, others=others)

    def _all_refused(self) -> str:
        lines = [
            f"{_name(member, member.refusal)}: {type(member.refusal.error).__name__}: "
            f"{member.refusal.error.message}"
            for member in self._members
            if member.refusal is not None
        ]
        return "\n- ".join([f"All {len(self._members)} keys were refused:", *lines])

    def _none_left(self) -> ConfigurationError:
        message = f"No API key can be used. {self._all_refused()}"
        self._try_all_again()
        return MissingApiKeyError(message)

    def _try_all_again(self) -> None:
        # Once none is left, the next call tries them all: a policy may have changed.
        with self._lock:
            for member in self._members:
                member.is_skipped = False


def _name(member: _Member, refusal: KeyRefusal) -> str:
    return str(refusal.key) if refusal.key is not None else f"key {member.number}"


def _policy_of(refusal: KeyRefusal) -> GoverningPolicy | None:
    error = refusal.error
    return error.governing_policy if isinstance(error, BearerTokenDeniedError) else None


def _weigh(
    refusal: KeyRefusal,
    *,
    accepted: Sequence[KeyDescription] = (),
    others: Sequence[GoverningPolicy] = (),
) -> None:
    error = refusal.error
    if isinstance(error, BearerTokenDeniedError) and error.governing_policy is not None:
        weighed = weigh(error.governing_policy, accepted=accepted, others=others)
        # Setting it builds the explanation again, which would slow every accepted call down.
        if weighed != error.governing_policy:
            error.governing_policy = weighed


class _BrokenKey(KeySource):
    """A text that is not a key."""

    def __init__(self, error: ConfigurationError) -> None:
        self._error = error

    def get_key(self) -> ApiKey:
        raise copy(self._error)
