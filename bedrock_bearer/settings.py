"""What the calls of a client have in common: limits, retries and `on_event`."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum
from inspect import iscoroutinefunction
from typing import TYPE_CHECKING, Any, Final

from bedrock_bearer.errors import ConfigurationError
from bedrock_bearer.wire.attempt import Timeout, check_seconds
from bedrock_bearer.wire.retry import RetryPolicy

if TYPE_CHECKING:
    from bedrock_bearer.wire.records import OnEvent


class Unset(Enum):
    """Tells an argument that was left out from None, which switches a limit off."""

    UNSET = "unset"


UNSET: Final = Unset.UNSET


@dataclass(frozen=True, slots=True)
class CallSettings:
    """What a client's calls have in common."""

    timeout: Timeout
    deadline: float | None
    retry: RetryPolicy
    on_event: OnEvent | None
    is_async: bool = False

    def changed(
        self,
        *,
        timeout: float | Timeout | None | Unset = UNSET,
        deadline: float | None | Unset = UNSET,
        retry: RetryPolicy | Unset = UNSET,
        on_event: OnEvent | None | Unset = UNSET,
    ) -> CallSettings:
        """Return these settings with what was given in place of what was set.

        Raises:
            ConfigurationError: a setting is not valid.
        """
        changes: dict[str, Any] = {}
        if timeout is not UNSET:
            changes["timeout"] = Timeout.of(timeout)
        if deadline is not UNSET:
            check_seconds("deadline=", deadline)
            changes["deadline"] = deadline
        if retry is not UNSET:
            if not isinstance(retry, RetryPolicy):
                raise ConfigurationError("retry= takes a RetryPolicy.")
            changes["retry"] = retry
        if on_event is not UNSET:
            if on_event is not None and not callable(on_event):
                raise ConfigurationError("on_event= takes a function of one record, or None.")
            if iscoroutinefunction(on_event) and not self.is_async:
                raise ConfigurationError(
                    "on_event= is a coroutine function: use an AsyncBedrockClient, or give a "
                    "function that is not async."
                )
            changes["on_event"] = on_event
        return replace(self, **changes) if changes else self
