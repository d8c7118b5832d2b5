"""Retries as AWS's standard mode of 2026 does them, on tenacity.

See https://docs.aws.amazon.com/sdkref/latest/guide/feature-retry-behavior.html.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bedrock_bearer.errors import BedrockError, ConfigurationError, RequestTimeoutError
from bedrock_bearer.wire.clock import SYSTEM_CLOCK, Clock

if TYPE_CHECKING:
    from tenacity import AsyncRetrying, RetryCallState

THROTTLING_BASE_SECONDS = 1.0
TRANSIENT_BASE_SECONDS = 0.05
MAX_BACKOFF_SECONDS = 20.0
MAX_EXTRA_WAIT_SECONDS = 5.0
"""How much longer than our own backoff the service may make us wait."""

QUOTA_TOKENS = 500
TRANSIENT_COST = 14
THROTTLING_COST = 5
SUCCESS_REFUND = 1


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """When to try again, and how long to wait before.

    Retried: 500, 502, 503 and 504, throttling, a model that is not ready, and connection faults.
    Never retried: a 403, 408 or 424, or `Too many tokens per day`.

    A connection that breaks after the request went out whole may have cost a model's work, which
    AWS bills again when the call is retried. AWS's own SDKs retry it, and so does this by default.

    Args:
        max_attempts: how often a call is tried in all. Default 3; 1 switches retries off.
        retry_broken_replies: retry when the connection broke after the request went out whole
            (`error.reply_lost`). On by default; the work may be billed twice.
        retry_read_timeouts: also retry when the reply did not come in time. Off by default: the
            request went out, and the work may be billed twice.
        clock: the time to wait on; tests give their own.
        jitter: a function that gives a number from 0 to 1.

    Raises:
        ConfigurationError: `max_attempts` is not a whole number of at least 1, or a switch is
            neither True nor False.
    """

    max_attempts: int = 3
    retry_broken_replies: bool = True
    retry_read_timeouts: bool = False
    clock: Clock = SYSTEM_CLOCK
    jitter: Callable[[], float] = random.random

    def __post_init__(self) -> None:
        attempts = self.max_attempts
        if isinstance(attempts, bool) or not isinstance(attempts, int) or attempts < 1:
            raise ConfigurationError(
                "RetryPolicy(max_attempts=...) must be a whole number of at least 1; "
                "1 switches retries off."
            )
        for name in ("retry_broken_replies", "retry_read_timeouts"):
            if not isinstance(getattr(self, name), bool):
                raise ConfigurationError(f"RetryPolicy({name}=...) must be True or False.")

    def retries(self, error: BaseException | None) -> bool:
        """Return whether a call that failed with `error` is worth another attempt."""
        if isinstance(error, RequestTimeoutError) and error.phase == "read":
            return self.retry_read_timeouts
        if getattr(error, "reply_lost", False) and not self.retry_broken_replies:
            return False
        return isinstance(error, BedrockError) and error.retryable

    def delay(self, error: BedrockError, attempt: int) -> float:
        """Return the seconds to wait after attempt number `attempt` failed with `error`."""
        base = THROTTLING_BASE_SECONDS if error.throttling else TRANSIENT_BASE_SECONDS
        # The exponent is bounded so that a large max_attempts cannot overflow a float.
        backoff = self.jitter() * min(base * 2.0 ** min(attempt - 1, 64), MAX_BACKOFF_SECONDS)
        if error.retry_after is None:
            return backoff
        return max(backoff, min(error.retry_after, backoff + MAX_EXTRA_WAIT_SECONDS))


class RetryQuota:
    """The tokens that a client's retries draw on: a failing service is not flooded with retries."""

    def __init__(self, tokens: int = QUOTA_TOKENS) -> None:
        self._capacity = tokens
        self._tokens = tokens
        self._lock = threading.Lock()

    @property
    def tokens(self) -> int:
        """What is left."""
        return self._tokens

    def acquire(self, error: BedrockError) -> int | None:
        """Take what a retry after `error` costs and return it; None when too little is left."""
        cost = THROTTLING_COST if error.throttling else TRANSIENT_COST
        with self._lock:
            if self._tokens < cost:
                return None
            self._tokens -= cost
            return cost

    def refund(self, cost: int | None) -> None:
        """Give back what the last retry cost, or a little where a call needed none."""
        with self._lock:
            self._tokens = min(self._capacity, self._tokens + (cost or SUCCESS_REFUND))


class RetryRun:
    """The retries of one call: decides after each failed attempt, and builds tenacity's loop."""

    def __init__(self, policy: RetryPolicy, quota: RetryQuota, deadline_at: float | None) -> None:
        self._policy = policy
        self._quota = quota
        self._deadline_at = deadline_at
        self._last_cost: int | None = None
        self.next_delay: float | None = None
        """Seconds until the next attempt, or None when there will be none."""

    def plan(self, error: BaseException, attempt: int) -> float | None:
        """Decide about one more attempt: the seconds to wait, or None for no more."""
        self.next_delay = self._plan(error, attempt)
        return self.next_delay

    def _plan(self, error: BaseException, attempt: int) -> float | None:
        policy = self._policy
        if not isinstance(error, BedrockError) or not policy.retries(error):
            return None
        if attempt >= policy.max_attempts:
            return None
        delay = policy.delay(error, attempt)
        if self._deadline_at is not None and policy.clock.monotonic() + delay >= self._deadline_at:
            return None
        cost = self._quota.acquire(error)
        if cost is None:
            return None
        self._last_cost = cost
        return delay

    def succeeded(self) -> None:
        """Refund the quota after a success."""
        self._quota.refund(self._last_cost)

    def loop(self, sleep: Callable[[float], Awaitable[None]]) -> AsyncRetrying:
        """Return tenacity's loop for the second attempt and those after it.

        tenacity's loop for coroutines waits for nothing but the attempt and `sleep`: where these
        never suspend, it runs in a thread without an event loop.
        """
        import tenacity

        return tenacity.AsyncRetrying(sleep=sleep, retry=self._retry, wait=self._wait, reraise=True)

    def _retry(self, state: RetryCallState) -> bool:
        # `plan` was called by the attempt itself, which also reports it to `on_event`; but not for
        # an interrupt or a cancellation, which tenacity catches as well.
        failed = state.outcome is not None and isinstance(state.outcome.exception(), BedrockError)
        return failed and self.next_delay is not None

    def _wait(self, state: RetryCallState) -> float:
        return self.next_delay or 0.0
