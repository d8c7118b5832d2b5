"""The time that one attempt may take."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from bedrock_bearer.errors import ConfigurationError, RequestTimeoutError

if TYPE_CHECKING:
    from bedrock_bearer.wire.clock import Clock


@dataclass(frozen=True, slots=True)
class Timeout:
    """The time limits of one attempt, in seconds; None switches one off.

    Args:
        connect: to open a connection, TLS included. Default 5.
        read: for the reply to begin, and between two parts of it. Default 300: models think.
        write: between two parts of the request. Default 60.
        pool: to wait for a free connection. Default 10.

    Raises:
        ConfigurationError: a limit is not a positive number.
    """

    connect: float | None = 5.0
    read: float | None = 300.0
    write: float | None = 60.0
    pool: float | None = 10.0

    def __post_init__(self) -> None:
        for name in ("connect", "read", "write", "pool"):
            check_seconds(f"Timeout({name}=...)", getattr(self, name))

    @classmethod
    def of(cls, value: float | Timeout | None) -> Timeout:
        """Return `value` as a Timeout: a number limits every phase, None none of them."""
        if isinstance(value, Timeout):
            return value
        if value is None:
            return cls(None, None, None, None)
        check_seconds("timeout=", value)
        return cls(
            connect=min(5.0, value), read=value, write=min(60.0, value), pool=min(10.0, value)
        )

    def within(self, seconds: float) -> Timeout:
        """Return these limits, none of them above `seconds`."""
        limits = (self.connect, self.read, self.write, self.pool)
        return Timeout(*(seconds if limit is None else min(limit, seconds) for limit in limits))


def check_seconds(name: str, value: float | None) -> None:
    if value is None:
        return
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not value > 0:
        raise ConfigurationError(
            f"{name} must be a positive number of seconds, or None for no limit."
        )


class Attempt:
    """The time of one attempt: its limits, and when it must be over."""

    __slots__ = ("clock", "deadline_at", "limits", "started_at", "timeout")

    def __init__(self, clock: Clock, timeout: Timeout, deadline_at: float | None) -> None:
        self.clock = clock
        self.started_at = clock.monotonic()
        self.deadline_at = deadline_at
        remaining = None if deadline_at is None else deadline_at - self.started_at
        if remaining is not None and remaining <= 0:
            raise self.deadline_error()
        self.timeout = timeout if remaining is None else timeout.within(remaining)
        self.limits: dict[str, float | None] = {
            "connect": self.timeout.connect,
            "read": self.timeout.read,
            "write": self.timeout.write,
            "pool": self.timeout.pool,
        }

    @property
    def elapsed(self) -> float:
        return self.clock.monotonic() - self.started_at

    def check_deadline(self) -> None:
        """Raise RequestTimeoutError once the call's deadline has passed."""
        if self.deadline_at is not None and self.clock.monotonic() >= self.deadline_at:
            raise self.deadline_error()

    def check_whole(self) -> None:
        """Raise RequestTimeoutError once a reply that should be whole has taken too long."""
        self.check_deadline()
        limit = self.timeout.read
        if limit is not None and self.elapsed >= limit:
            raise self.timeout_error("read")

    def renew_read_limit(self) -> None:
        """Let the wait for the body end with the call's deadline: the headers took some of it."""
        if self.deadline_at is None:
            return
        remaining = max(self.deadline_at - self.clock.monotonic(), 0.001)
        self.limits["read"] = min(self.timeout.read or remaining, remaining)

    def deadline_error(self) -> RequestTimeoutError:
        return RequestTimeoutError(
            "The call's deadline has passed.", phase="deadline", elapsed=self.elapsed
        )

    def timeout_error(self, phase: str) -> RequestTimeoutError:
        """Return the error for a limit that ran out, as the deadline's if that has passed too."""
        if self.deadline_at is not None and self.clock.monotonic() >= self.deadline_at:
            return self.deadline_error()
        limit = getattr(self.timeout, phase)
        error = RequestTimeoutError(
            _TIMEOUT_MESSAGES[phase].format(limit), phase=phase, elapsed=self.elapsed
        )
        # Before the request has gone out whole nothing can have been billed.
        error.retryable = phase in ("connect", "write")
        return error


_TIMEOUT_MESSAGES = {
    "connect": "No connection within {:g} s. Check the network, the Region and any proxy.",
    "write": "The request could not be sent: nothing was taken for {:g} s.",
    "read": "No reply within {:g} s. Pass a longer timeout=, or stream the reply.",
    "pool": "All connections were busy for {:g} s. Raise max_connections=, or call less at once.",
}
