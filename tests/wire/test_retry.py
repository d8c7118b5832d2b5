"""The arithmetic of retries: delays, the quota, the deadline."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from support.clients import FakeTime

from bedrock_bearer import RetryPolicy, errors
from bedrock_bearer.wire.retry import RetryQuota, RetryRun

THROTTLED = errors.ThrottlingError("Slow down.", status_code=429)
UNAVAILABLE = errors.ServiceUnavailableError("Later.", status_code=503)


def asking(seconds: float) -> errors.ThrottlingError:
    return errors.ThrottlingError("Slow down.", status_code=429, retry_after=seconds)


@pytest.mark.parametrize(
    ("error", "delays"),
    [
        (THROTTLED, [1, 2, 4, 8, 16, 20, 20]),
        (UNAVAILABLE, [0.05, 0.1, 0.2, 0.4, 0.8, 1.6, 3.2]),
        (errors.ConnectError("No."), [0.05, 0.1, 0.2, 0.4, 0.8, 1.6, 3.2]),
    ],
)
def test_the_backoff_doubles_up_to_twenty_seconds(
    error: errors.BedrockError, delays: list[float]
) -> None:
    policy = RetryPolicy(jitter=lambda: 1.0)

    assert [policy.delay(error, attempt) for attempt in range(1, 8)] == pytest.approx(delays)


def test_the_backoff_of_a_late_attempt_does_not_overflow() -> None:
    assert RetryPolicy(jitter=lambda: 1.0).delay(UNAVAILABLE, 100_000) == 20


def test_the_jitter_is_full() -> None:
    policy = RetryPolicy()
    delays = [policy.delay(THROTTLED, 5) for _ in range(2000)]

    assert min(delays) < 1
    assert max(delays) > 15
    assert all(0 <= delay <= 16 for delay in delays)


@pytest.mark.parametrize(
    ("asked", "delay"), [(0, 0.5), (0.2, 0.5), (3, 3), (5.5, 5.5), (5.6, 5.5), (3600, 5.5)]
)
def test_a_wait_that_the_service_asks_for_adds_at_most_five_seconds(
    asked: float, delay: float
) -> None:
    assert RetryPolicy(jitter=lambda: 0.5).delay(asking(asked), 1) == delay


@pytest.mark.parametrize("attempts", [0, -1, 1.5, True, "3", None])
def test_max_attempts_is_a_whole_number_of_at_least_one(attempts: Any) -> None:
    with pytest.raises(errors.ConfigurationError, match="max_attempts"):
        RetryPolicy(max_attempts=attempts)


@pytest.mark.parametrize("switch", ["retry_broken_replies", "retry_read_timeouts"])
@pytest.mark.parametrize("value", ["no", 1, None])
def test_a_switch_is_true_or_false(switch: str, value: Any) -> None:
    with pytest.raises(errors.ConfigurationError, match=f"{switch}=.*must be True or False"):
        RetryPolicy(**{switch: value})


@pytest.mark.parametrize(
    ("phase", "by_default", "when_asked"),
    [
        ("connect", True, True),
        ("write", True, True),
        ("read", False, True),
        ("pool", False, False),
        ("deadline", False, False),
    ],
)
def test_a_timeout_is_tried_again_where_nothing_can_have_been_billed(
    phase: str, by_default: bool, when_asked: bool
) -> None:
    error = errors.RequestTimeoutError(
        "Late.", phase=phase, elapsed=1.0, retryable=phase in ("connect", "write")
    )

    assert RetryPolicy().retries(error) is by_default
    assert RetryPolicy(retry_read_timeouts=True).retries(error) is when_asked


@pytest.mark.parametrize("error", [None, ValueError(), KeyboardInterrupt()])
def test_what_is_not_ours_is_not_tried_again(error: Any) -> None:
    assert not RetryPolicy().retries(error)


# -------------------------------------------------------------------------------------- the quota


@pytest.mark.parametrize(("error", "retries"), [(THROTTLED, 100), (UNAVAILABLE, 35)])
def test_the_quota_of_500_pays_5_for_throttling_and_14_for_the_rest(
    error: errors.BedrockError, retries: int
) -> None:
    quota = RetryQuota()

    costs = [quota.acquire(error) for _ in range(retries + 1)]

    assert costs[-1] is None
    assert set(costs[:-1]) == {500 // retries}


def test_the_quota_never_exceeds_its_500_tokens() -> None:
    quota = RetryQuota()
    quota.refund(14)
    quota.refund(None)

    assert quota.tokens == 500


def test_a_retry_refused_for_the_number_of_attempts_costs_nothing() -> None:
    quota = RetryQuota()
    run = RetryRun(RetryPolicy(max_attempts=2), quota, None)

    assert run.plan(THROTTLED, 2) is None
    assert quota.tokens == 500


def test_a_retry_refused_for_the_deadline_costs_nothing(time: FakeTime) -> None:
    quota = RetryQuota()
    run = RetryRun(time.retry(), quota, time.now + 1)

    assert run.plan(THROTTLED, 1) is None
    assert quota.tokens == 500


def test_a_success_refunds_the_last_retry_alone(time: FakeTime) -> None:
    quota = RetryQuota()
    run = RetryRun(time.retry(), quota, None)
    run.plan(UNAVAILABLE, 1)
    run.plan(THROTTLED, 2)
    assert quota.tokens == 500 - 14 - 5

    run.succeeded()

    assert quota.tokens == 500 - 14


def test_the_quota_counts_right_under_threads() -> None:
    quota = RetryQuota()

    def work() -> None:
        for _ in range(500):
            quota.refund(quota.acquire(THROTTLED))

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert quota.tokens == 500


# --------------------------------------------------------------------------------------- the plan


def test_a_plan_says_the_wait_until_the_next_attempt(time: FakeTime) -> None:
    run = RetryRun(time.retry(jitter=0.5), RetryQuota(), None)

    assert run.plan(THROTTLED, 1) == run.next_delay == 0.5
    assert run.plan(errors.ModelTimeoutError("Late.", status_code=408), 2) is None
    assert run.next_delay is None


@pytest.mark.parametrize(("remaining", "planned"), [(1.0, None), (1.01, 1.0)])
def test_a_wait_must_end_before_the_deadline(
    remaining: float, planned: float | None, time: FakeTime
) -> None:
    run = RetryRun(time.retry(), RetryQuota(), time.now + remaining)

    assert run.plan(THROTTLED, 1) == planned
