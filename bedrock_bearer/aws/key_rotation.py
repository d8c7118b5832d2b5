"""Replaces a user's key by a new one. A usable key exists at every moment.

Make the new key, wait until Bedrock accepts it, hand it over, and stop there, or retire the old
one. Each step is noted before the next begins: a rotation that was cut short goes on when it is
run again.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from bedrock_bearer.aws.handover import Handover
from bedrock_bearer.aws.lifecycle import KeyLifecycle, how_to_delete, tell
from bedrock_bearer.aws.long_term_keys import LongTermKey, NewKey
from bedrock_bearer.aws.state import RotationState, StateStore
from bedrock_bearer.errors import (
    ApiKeyRejectedError,
    BedrockError,
    KeyLifecycleError,
    KeyLimitError,
    TransportError,
)
from bedrock_bearer.keys.api_key import ApiKey
from bedrock_bearer.keys.description import KeyDescription, utc_now

logger = logging.getLogger("bedrock_bearer")

DEFAULT_WAIT = 120.0
_SECONDS_BETWEEN_PROBES = 2.0


@dataclass(frozen=True, slots=True)
class Rotation:
    """A rotation whose new key was handed over.

    Attributes:
        new: the new key, as IAM lists it.
        old: the key that it replaces; None if that was deleted meanwhile.
        fingerprint: the new key's fingerprint.
        is_retired: whether the old key was deactivated. It can be activated again until it is
            deleted.
        is_resumed: whether an earlier run, which was cut short, handed the new key over.
        key: a description of the new key; None if it cannot be read any more.
    """

    new: LongTermKey
    old: LongTermKey | None
    fingerprint: str
    is_retired: bool
    is_resumed: bool = False
    key: KeyDescription | None = None


class KeyRotation:
    """Rotates the key of one IAM user.

    Args:
        lifecycle: manages the keys.
        user_name: an IAM user with one key, or with one whose rotation was cut short.
        handover: puts the new key where it is used.
        try_key: raises if Bedrock does not accept a key, such as `rotation.try_key`.
        store: keeps the state of the rotation. Default: one in the user's state directory.
        days: days until the new key expires, 1 to 36600. Default: it never does.
        wait: seconds to wait until the new key is accepted. Default 120; IAM takes up to 60.
        monotonic: the clock, in seconds.
        sleep: waits for so many seconds on that clock.
    """

    def __init__(
        self,
        lifecycle: KeyLifecycle,
        user_name: str,
        *,
        handover: Handover,
        try_key: Callable[[ApiKey], object],
        store: StateStore | None = None,
        days: int | None = None,
        wait: float = DEFAULT_WAIT,
        monotonic: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], object] = time.sleep,
    ) -> None:
        self._lifecycle = lifecycle
        self._user_name = user_name
        self._handover = handover
        self._try_key = try_key
        self._store = store or StateStore()
        self._days = days
        self._wait = wait
        self._monotonic = monotonic
        self._sleep = sleep

    def run(self, *, retire_old: bool = False) -> Rotation:
        """Rotate the key, or go on with a rotation that was cut short.

        Args:
            retire_old: deactivate the old key in the end, after a last check of the new one.

        Raises:
            KeyLimitError: the user has two keys, and it is not certain that a rotation from here
                made the second: another person's key is never deleted.
            KeyLifecycleError: the user has no key, IAM refuses a step, or the new key did not
                arrive. The old key is active then; the message says what else exists.
            ConfigurationError: the state cannot be kept; nothing was changed.
            BedrockError: Bedrock refuses the new key, or could not be asked.
        """
        self._handover.check()
        with self._store.locked():
            return self._run(retire_old)

    def unfinished(self, *, retire_old: bool = False) -> RotationState | None:
        """Return the rotation that `run` would go on with, or None; change nothing.

        Raises:
            KeyLimitError: the last rotation is done, and its old key is still there.
        """
        keys = self._lifecycle.list_keys(self._user_name)
        return self._to_go_on_with(self._store.find(keys), keys, retire_old)

    def _run(self, retire_old: bool) -> Rotation:
        keys = self._lifecycle.list_keys(self._user_name)
        kept = self._store.find(keys)
        state = self._to_go_on_with(kept, keys, retire_old)
        if state is None:
            if kept is not None:
                self._store.remove(kept)
            keys = [self._lifecycle.key_to_replace(self._user_name)]
            state = RotationState(self._user_name, keys[0].credential_id, utc_now())
        found = {each.credential_id: each for each in keys}
        replaced, key = found.get(state.old_id), state.key
        was_handed_over = state.is_handed_over
        if not was_handed_over:
            new = self._new_key(state, keys)
            key = new.key
            self._wait_and_hand_over(new, state)
            listed = new.listed
        else:
            listed = found[str(state.new_id)]
            if self._handover.is_once:
                raise _printed_before(listed, found[state.old_id], state)
            key = self._handed_over_key(state)
        if retire_old and replaced is not None:
            self._check_before_retiring(listed, self._handed_over_key(state) or key, state)
            self._lifecycle.deactivate(replaced.user_name, replaced.credential_id)
            replaced = replace(replaced, status="Inactive")
            self._forget(state)
        else:
            state.is_reported = True
            self._save_if_possible(state)
        described = key.description if key is not None else None
        return Rotation(
            new=listed,
            old=replaced,
            fingerprint=state.fingerprint,
            is_retired=retire_old,
            is_resumed=was_handed_over,
            key=described,
        )

    # ----------------------------------------------------------------------------- one run's start

    def _to_go_on_with(
        self, state: RotationState | None, keys: list[LongTermKey], retire_old: bool
    ) -> RotationState | None:
        """Return the rotation, or None if there is none or it is over."""
        if state is None:
            return None
        found = {key.credential_id: key for key in keys}
        old, new = found.get(state.old_id), found.get(state.new_id or "")
        if state.is_handed_over:
            # Somebody has retired the old key, or deleted one of the two.
            is_retired_here = retire_old and not state.is_reported
            is_over = new is None or old is None or (old.status != "Active" and not is_retired_here)
        else:
            is_over = new is None and old is None
        if not is_over and old is not None and state.is_reported and not retire_old:
            raise KeyLimitError(
                f"The user {state.user_name} has two keys, the most that IAM allows: the rotation "
                f"to {state.new_id} (fingerprint {state.fingerprint}) is done, and the old key "
                f"{state.old_id} is still active. Before the next rotation, retire that one, "
                f"and later delete it: {old.retire_command}, then with --delete."
            )
        return None if is_over else state

    def _new_key(self, state: RotationState, keys: list[LongTermKey]) -> NewKey:
        """Return the new key of an earlier run, or make one."""
        made = next((key for key in keys if key.credential_id == state.new_id), None)
        if made is not None and state.key is not None:
            return NewKey(state.key, made)
        if unknown := _unknown_key(state, keys):
            raise KeyLimitError(
                f"The user {unknown.user_name} has two keys, the most that IAM allows. "
                f"{_may_be_ours(unknown, state)} {_AGAIN}"
            )
        return self._make(state)

    def _make(self, state: RotationState) -> NewKey:
        state.started_at, state.new_id, state.key = utc_now(), None, None
        self._store.save(state)
        try:
            new = self._lifecycle.create_only(self._user_name, days=self._days)
        except BaseException as error:
            self._after_failed_creation(state, error)
            raise
        state.new_id, state.key = new.listed.credential_id, new.key
        state.fingerprint = new.key.fingerprint
        try:
            self._store.save(state)
        except BaseException as error:
            state.new_id = state.key = None
            self._take_back(new, state, error)
            raise
        return new

    def _after_failed_creation(self, state: RotationState, error: BaseException) -> None:
        """Name a key that IAM may have made although the call failed."""
        try:
            unknown = None
            if not isinstance(error, KeyLifecycleError):
                unknown = _unknown_key(state, self._lifecycle.list_keys(self._user_name))
            if unknown is None:
                self._store.remove(state)
            else:
                tell(error, f"{_may_be_ours(unknown, state)} {_AGAIN}")
        except BedrockError as left_behind:
            tell(error, f"A key may have been made all the same ({left_behind.message}) {_AGAIN}")

    # ------------------------------------------------------------------------------ the later steps

    def _wait_and_hand_over(self, new: NewKey, state: RotationState) -> None:
        try:
            self._wait_until_accepted(new.key)
        except BaseException as error:
            self._take_back(new, state, error)
            raise
        try:
            self._handover.deliver(new)
        except BaseException as error:
            if self._handover.has_not_arrived(error):
                self._take_back(new, state, error)
            else:
                tell(error, f"{_exists(new.listed, state)} {_AGAIN} {how_to_delete(new.listed)}")
            raise
        state.key, state.is_handed_over = None, True
        # If this fails and the rotation is run again, the same key is handed over once more.
        self._save_if_possible(state)
        try:
            self._store.note_fingerprint(new.listed.credential_id, state.fingerprint)
        except BedrockError as error:
            logger.warning("%s", error)

    def _wait_until_accepted(self, key: ApiKey) -> None:
        give_up_at = self._monotonic() + self._wait
        while True:
            try:
                self._try_key(key)
            except BedrockError as error:
                if not _may_pass(error):
                    raise
                last = error.with_traceback(None)
            else:
                return
            if self._monotonic() >= give_up_at:
                break
            self._sleep(_SECONDS_BETWEEN_PROBES)
        if isinstance(last, ApiKeyRejectedError):
            raise KeyLifecycleError(
                f"Bedrock did not accept the new key within {self._wait:g} s; the old one is "
                "unchanged."
            )
        last.message = f"The new key could not be tried within {self._wait:g} s: {last.message}"
        raise last

    def _take_back(self, new: NewKey, state: RotationState, error: BaseException) -> None:
        """Delete a new key that nobody got; the old key is as it was."""
        listed = new.listed
        try:
            self._lifecycle.delete(listed.user_name, listed.credential_id)
        except BedrockError as left_behind:
            logger.warning("A key that nobody got is left behind. %s", left_behind)
            tell(error, f"{_exists(listed, state)} {_AGAIN} {how_to_delete(listed)}")
            return
        tell(error, f"The old key {state.old_id} is unchanged; the new one was deleted again.")
        self._forget(state)

    def _handed_over_key(self, state: RotationState) -> ApiKey | None:
        """Return the new key from its place; None if it cannot be read there.

        Raises:
            KeyLifecycleError: another key is there, or none.
        """
        if not self._handover.is_readable:
            return None
        in_place = self._handover.read_back()
        if in_place is not None and in_place.fingerprint == state.fingerprint:
            return in_place
        found = f"a key with the fingerprint {in_place.fingerprint}" if in_place else "no key"
        raise KeyLifecycleError(
            f"The new key {state.new_id} (fingerprint {state.fingerprint}) was handed over, but "
            f"{self._handover.where} holds {found}. The old key {state.old_id} is unchanged."
        )

    def _check_before_retiring(
        self, new: LongTermKey, key: ApiKey | None, state: RotationState
    ) -> None:
        """Check once more that the new key is usable.

        Raises:
            BedrockError: it is not, or that is not known.
        """
        stays = f"The old key {state.old_id} stays active."
        if new.status != "Active" or new.is_expired():
            raise KeyLifecycleError(f"The new key {new.credential_id} is not active. {stays}")
        if key is None:
            # An earlier run handed it over, so only its new holder can try it.
            return
        try:
            self._try_key(key)
        except BedrockError as error:
            tell(error, stays)
            raise

    def _save_if_possible(self, state: RotationState) -> None:
        try:
            self._store.save(state)
        except BedrockError as error:
            logger.warning("%s", error)

    def _forget(self, state: RotationState) -> None:
        try:
            self._store.remove(state)
        except BedrockError as error:
            logger.warning("%s", error)


_AGAIN = "Run the same command again to go on."


def _may_pass(error: BedrockError) -> bool:
    return error.retryable or isinstance(error, ApiKeyRejectedError | TransportError)


def _exists(new: LongTermKey, state: RotationState) -> str:
    return (
        f"The old key {state.old_id} is unchanged. The new key {new.credential_id} (fingerprint "
        f"{state.fingerprint or 'unknown'}) exists and is active."
    )


def _unknown_key(state: RotationState, keys: list[LongTermKey]) -> LongTermKey | None:
    """Return the key beside the old one, which this rotation or another person made."""
    return next((key for key in keys if key.credential_id != state.old_id), None)


def _may_be_ours(key: LongTermKey, state: RotationState) -> str:
    return (
        f"The old key {state.old_id} is unchanged. The key {key.credential_id}, made "
        f"{key.created_at:%Y-%m-%d %H:%M:%S} UTC, is of a rotation that was cut short (it asked "
        f"IAM for a key at {state.started_at:%H:%M:%S} UTC) or of another person: IAM does not "
        f"say. {how_to_delete(key)}"
    )


def _printed_before(new: LongTermKey, old: LongTermKey, state: RotationState) -> KeyLifecycleError:
    return KeyLifecycleError(
        f"An earlier run printed the new key {new.credential_id} (fingerprint {state.fingerprint}),"
        f" and its secret is not kept. The old key {state.old_id} is unchanged. If the new one is "
        f"in use, retire the old one: {old.retire_command}. {how_to_delete(new)} {_AGAIN}"
    )
