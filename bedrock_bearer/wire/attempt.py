"""The time that one attempt may take."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from bedrock_bearer.errors import ConfigurationError, RequestTimeoutError

if TYPE_CHECKING:
    from bedrock_bearer.wire.clock import Clock


LONGEST_LIMIT_SECONDS = 2_000_000
"""Sockets take no more."""

LAST_WAIT_SECONDS = 0.25
"""How long the end of a stream is waited for when its last event has come."""


@dataclass(frozen=True, slots=True)
class Timeout:
    """The time limits of one attempt, in seconds; None switches one off.

    `deadline=` bounds the whole call, whatever these limits are.

    Args:
        connect: to open a connection: the host's name, all its addresses, a proxy and TLS.
            Default 5.
        read: one wait for the server, while a reply comes. Default 300: models think.
        write: one wait for the server to take more of the request. Default 60.
        pool: to wait for one of `max_connections`. Default 10.

    Raises:
        ConfigurationError: a limit is not a positive number.
    """

    connect: float | None = 5.0
    read: float | None = 300.0
    write: float | None = 60.0
    pool: float | None = 10.0
    _reply: float | None = field(default=None, init=False, repr=False)

    def __post_init__(self) -> None:
        for name in ("connect", "read", "write", "pool"):
            check_seconds(f"Timeout({name}=...)", getattr(self, name))

    @classmethod
    def of(cls, value: float | Timeout | None) -> Timeout:
        """Return `value` as a Timeout; None is no limit at all.

        A number is the seconds from when the request begins to go out until a plain reply is
        whole, or a stream's first event has come; after that, the seconds until each next event.
        Opening a connection and waiting for one have limits of their own, of at most that long.
        """
        if isinstance(value, Timeout):
            return value
        if value is None:
            return cls(None, None, None, None)
        check_seconds("timeout=", value)
        timeout = cls(
            connect=min(5.0, value), read=value, write=min(60.0, value), pool=min(10.0, value)
        )
        object.__setattr__(timeout, "_reply", value)
        return timeout

    @property
    def reply(self) -> float | None:
        """The seconds from the request to the whole reply; None unless made from a number."""
        return self._reply


def check_seconds(name: str, value: float | None) -> None:
    """Raise ConfigurationError unless `value` is None or a number of seconds."""
    if value is None:
        return
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if not is_number or not 0 < value <= LONGEST_LIMIT_SECONDS:
        raise ConfigurationError(
            f"{name} must be a positive number of seconds, at most {LONGEST_LIMIT_SECONDS:,}, "
            "or None for no limit."
        )


class Attempt:
    """The time of one attempt: every operation on the network asks it how long it may take."""

    __slots__ = (
        "_call_started_at",
        "_ends",
        "_is_last_wait",
        "_nearest",
        "clock",
        "deadline_at",
        "request_was_sent",
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
        self.request_was_sent = False
        """Whether the request went out whole: the work may have been done and billed."""
        self._call_started_at = call_started_at
        self._ends: float | None = None
        """When what began last must be over: connecting, the reply, the next event."""
        self._is_last_wait = False
        self._nearest = ""
        self.check_deadline()

    @property
    def elapsed(self) -> float:
        """Seconds since the attempt began."""
        return self.clock.monotonic() - self.started_at

    def begin_connecting(self) -> None:
        """Start the time to open a connection."""
        self._start(self.timeout.connect)

    def begin_reply(self) -> None:
        """Start the time until the reply is whole: the request begins to go out."""
        self._start(self.timeout.reply)

    def begin_next_event(self) -> None:
        """Start the time until the next event of a stream.

        Raises:
            RequestTimeoutError: the call's deadline has passed.
        """
        self.check_deadline()
        if not self._is_last_wait:
            self._start(self.timeout.reply)

    def begin_last_wait(self) -> None:
        """Start the time for the end of a body of which all that matters has come."""
        if not self._is_last_wait:
            self._is_last_wait = True
            self._start(LAST_WAIT_SECONDS)

    def limits(self) -> dict[str, float | None]:
        """Return the limits for a client that takes them once, as the request begins."""
        self.begin_connecting()
        before = {phase: self.limit(phase) for phase in ("pool", "connect")}
        self.begin_reply()
        return before | {phase: self.limit(phase) for phase in ("write", "read")}

    def _start(self, seconds: float | None) -> None:
        self._ends = None if seconds is None else self.clock.monotonic() + seconds

    def limit(self, phase: str) -> float | None:
        """Return the seconds that an operation may take which begins now; None for no limit.

        Args:
            phase: `pool`, `connect`, `write` or `read`.

        Raises:
            RequestTimeoutError: the time is over.
        """
        limit: float | None = None if phase == "connect" else getattr(self.timeout, phase)
        self._nearest = phase
        if self._ends is None and self.deadline_at is None:
            return limit
        now = self.clock.monotonic()
        if self._ends is not None and phase != "pool":
            left = self._ends - now
            limit = left if limit is None else min(limit, left)
        if self.deadline_at is not None:
            left = self.deadline_at - now
            if limit is None or left < limit:
                self._nearest, limit = "deadline", left
        if limit is not None and limit <= 0:
            raise self.timeout_error(phase)
        return limit

    def whole_limit(self) -> float | None:
        """Return the seconds until the reply must be whole; None where only waits are limited.

        Raises:
            RequestTimeoutError: the time is over.
        """
        has_end = self._ends is not None or self.deadline_at is not None
        return self.limit("read") if has_end else None

    def check_deadline(self) -> None:
        """Raise RequestTimeoutError once the call's deadline has passed."""
        if self.deadline_at is not None and self.clock.monotonic() >= self.deadline_at:
            raise self._deadline_error()

    def timeout_error(self, phase: str) -> RequestTimeoutError:
        """Return the error for the limit that ran out: that of the phase, or the deadline."""
        return self._deadline_error() if self._nearest == "deadline" else self._phase_error(phase)

    def _deadline_error(self) -> RequestTimeoutError:
        error = RequestTimeoutError(
            "The call's deadline has passed.",
            phase="deadline",
            elapsed=self.clock.monotonic() - self._call_started_at,
        )
        error.reply_lost = self.request_was_sent
        return error

    def _phase_error(self, phase: str) -> RequestTimeoutError:
        error = RequestTimeoutError(
            _TIMEOUT_MESSAGES[phase].format(getattr(self.timeout, phase)),
            phase=phase,
            elapsed=self.elapsed,
            # Before the request has gone out whole nothing can have been billed.
            retryable=phase in ("connect", "write"),
        )
        error.reply_lost = self.request_was_sent
        return error


_TIMEOUT_MESSAGES = {
    "connect": "No connection within {:g} s. Check the network, the Region and any proxy.",
    "write": "The request could not be sent: the server took no more of it for {:g} s.",
    "read": "No reply within {:g} s. Pass a longer timeout=, or stream the reply.",
    "pool": "All connections were busy for {:g} s. Raise max_connections=, or call less at once.",
}
