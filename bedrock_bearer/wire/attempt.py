"""The time that one attempt may take."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bedrock_bearer.errors import ConfigurationError, RequestTimeoutError

if TYPE_CHECKING:
    from bedrock_bearer.wire.clock import Clock


SHORTEST_LIMIT_SECONDS = 0.001
LONGEST_LIMIT_SECONDS = 2_000_000
"""Sockets take no more."""


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


def check_seconds(name: str, value: float | None) -> None:
    if value is None:
        return
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if not is_number or not 0 < value <= LONGEST_LIMIT_SECONDS:
        raise ConfigurationError(
            f"{name} must be a positive number of seconds, at most {LONGEST_LIMIT_SECONDS:,}, "
            "or None for no limit."
        )


class Attempt:
    """The time of one attempt: its limits, and when the call must be over."""

    __slots__ = (
        "_call_started_at",
        "_deadline_is_nearer",
        "clock",
        "deadline_at",
        "started_at",
        "timeout",
    )

    def __init__(
        self, clock: Clock, timeout: Timeout, call_started_at: float, deadline_at: float | None
    ) -> None:
        self.clock = clock
        self.timeout = timeout
        self.started_at = clock.monotonic()
        self.deadline_at = deadline_at
        self._call_started_at = call_started_at
        self._deadline_is_nearer = False
        self.check_deadline()

    @property
    def elapsed(self) -> float:
        return self.clock.monotonic() - self.started_at

    @property
    def limits(self) -> dict[str, float | None]:
        """The limits of all phases, for httpcore."""
        limits = {
            "connect": self.timeout.connect,
            "read": self.timeout.read,
            "write": self.timeout.write,
            "pool": self.timeout.pool,
        }
        return limits if self.deadline_at is None else _LimitsWithDeadline(self, limits)

    def limit(self, phase: str) -> float | None:
        """Return the limit of a phase that begins now; the deadline may come before its own."""
        limit: float | None = getattr(self.timeout, phase)
        if self.deadline_at is None:
            return limit
        remaining = max(self.deadline_at - self.clock.monotonic(), SHORTEST_LIMIT_SECONDS)
        self._deadline_is_nearer = limit is None or remaining < limit
        return remaining if self._deadline_is_nearer else limit

    def check_deadline(self) -> None:
        """Raise RequestTimeoutError once the call's deadline has passed."""
        if self.deadline_at is not None and self.clock.monotonic() >= self.deadline_at:
            raise self._deadline_error()

    def check_whole(self) -> None:
        """Raise RequestTimeoutError once a reply that should be whole has taken too long."""
        self.check_deadline()
        limit = self.timeout.read
        if limit is not None and self.elapsed >= limit:
            raise self._phase_error("read")

    def timeout_error(self, phase: str) -> RequestTimeoutError:
        """Return the error for the limit of a phase that ran out, which may be the deadline."""
        return self._deadline_error() if self._deadline_is_nearer else self._phase_error(phase)

    def _deadline_error(self) -> RequestTimeoutError:
        return RequestTimeoutError(
            "The call's deadline has passed.",
            phase="deadline",
            elapsed=self.clock.monotonic() - self._call_started_at,
        )

    def _phase_error(self, phase: str) -> RequestTimeoutError:
        return RequestTimeoutError(
            _TIMEOUT_MESSAGES[phase].format(getattr(self.timeout, phase)),
            phase=phase,
            elapsed=self.elapsed,
            # Before the request has gone out whole nothing can have been billed.
            retryable=phase in ("connect", "write"),
        )


class _LimitsWithDeadline(dict[str, float | None]):
    """Limits that httpcore asks for as each phase begins, when others have used up some time."""

    def __init__(self, attempt: Attempt, limits: dict[str, float | None]) -> None:
        super().__init__(limits)
        self._attempt = attempt

    def get(self, phase: str, default: Any = None) -> Any:
        return self._attempt.limit(phase)


_TIMEOUT_MESSAGES = {
    "connect": "No connection within {:g} s. Check the network, the Region and any proxy.",
    "write": "The request could not be sent: nothing was taken for {:g} s.",
    "read": "No reply within {:g} s. Pass a longer timeout=, or stream the reply.",
    "pool": "All connections were busy for {:g} s. Raise max_connections=, or call less at once.",
}
