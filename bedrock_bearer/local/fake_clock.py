"""A clock for tests."""

from __future__ import annotations

from datetime import UTC, datetime

from bedrock_bearer.wire.clock import Clock


class FakeClock:
    """A clock that moves only when a caller waits, and records how long.

    Attributes:
        waits: the seconds of every wait, in order.
        clock: for `RetryPolicy(clock=...)`.
    """

    def __init__(self) -> None:
        self.waits: list[float] = []
        self._now = 0.0
        self.clock = Clock(self.monotonic, self.wait, self._wait_async, self.utc_now)

    def monotonic(self) -> float:
        """Return the seconds passed so far."""
        return self._now

    def utc_now(self) -> datetime:
        """Return the time of day, which begins at the first of January 1970."""
        return datetime.fromtimestamp(self._now, UTC)

    def wait(self, seconds: float) -> None:
        """Record a wait and move on by it at once."""
        self.waits.append(seconds)
        self.move(seconds)

    def move(self, seconds: float) -> None:
        """Move on by so many seconds."""
        self._now += seconds

    async def _wait_async(self, seconds: float) -> None:
        self.wait(seconds)
