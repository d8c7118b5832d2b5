"""The fallback check: which keys are usable before, during and after a rotation."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Literal

from bedrock_bearer import errors
from bedrock_bearer.client import BedrockClient
from bedrock_bearer.keys.sources import EnvironmentKey, KeySource, key_source
from bedrock_bearer.wire.retry import RetryPolicy

if TYPE_CHECKING:
    from bedrock_bearer.access import GoverningPolicy
    from bedrock_bearer.keys import ApiKey, KeyDescription
    from bedrock_bearer.keys.sources import AnyKey

FALLBACK_VARIABLE = "AWS_BEARER_TOKEN_BEDROCK_FALLBACK"
EXPIRES_SOON = timedelta(hours=1)

KeyStatus = Literal[
    "usable",
    "expires soon",
    "missing",
    "invalid",
    "rejected",
    "expired",
    "denied",
    "operation denied",
    "throttled",
    "unreachable",
    "failed",
]

_STATUSES: tuple[tuple[type[errors.BedrockError], KeyStatus], ...] = (
    (errors.MissingApiKeyError, "missing"),
    (errors.ConfigurationError, "invalid"),
    (errors.ApiKeyExpiredError, "expired"),
    (errors.AuthenticationError, "rejected"),
    (errors.BearerTokenDeniedError, "denied"),
    (errors.AccessDeniedError, "operation denied"),
    (errors.ThrottlingError, "throttled"),
    (errors.ModelNotReadyError, "throttled"),
    (errors.ServiceUnavailableError, "throttled"),
    (errors.InternalServerError, "throttled"),
    (errors.TransportError, "unreachable"),
)


@dataclass(frozen=True, slots=True)
class KeyCheck:
    """How one key fared.

    Attributes:
        name: how the key was named: its place in the list, or its source.
        status: `usable` or `expires soon`, or why it is not usable.
        operation: what was called, `ListAsyncInvokes` or `Converse`; None if nothing was sent.
        key: a description of the key; None if there is none.
        error: what came instead of a reply, or None.
        governing_policy: the policy that denied the key, or None.
    """

    name: str
    status: KeyStatus
    operation: str | None
    key: KeyDescription | None
    error: errors.BedrockError | None = None
    governing_policy: GoverningPolicy | None = None

    @property
    def is_usable(self) -> bool:
        """Whether calls with this key succeed now."""
        return self.status in ("usable", "expires soon")


@dataclass(frozen=True, slots=True)
class RotationReport:
    """How the keys fared, and what that means for the rotation.

    The first key is the one in use, to be retired; the others are to take over.

    Attributes:
        checks: one for each key, in their order.
        safe_to_retire: whether the first key can be retired.
        reasons: why, and what else to know: accounts, Regions, token types, governing policies.
    """

    checks: tuple[KeyCheck, ...]
    safe_to_retire: bool
    reasons: tuple[str, ...]

    @property
    def all_usable(self) -> bool:
        """Whether every key is usable."""
        return all(check.is_usable for check in self.checks)

    @property
    def any_usable(self) -> bool:
        """Whether at least one key is usable."""
        return any(check.is_usable for check in self.checks)


def check_keys(
    keys: Sequence[AnyKey] | None = None,
    *,
    region: str | None = None,
    endpoint_url: str | None = None,
    converse: bool = False,
    model_id: str | None = None,
    timeout: float = 10.0,
    retry: RetryPolicy | None = None,
    http_client: Any = None,
    now: datetime | None = None,
) -> RotationReport:
    """Check keys, all at once: is each usable, and may the first be retired?

    Args:
        keys: the key in use first, then those that are to take over. Default: the variables
            `AWS_BEARER_TOKEN_BEDROCK` and `AWS_BEARER_TOKEN_BEDROCK_FALLBACK`.
        region: the AWS Region, as for `BedrockClient`.
        endpoint_url: where to call, as for `BedrockClient`.
        converse: make a Converse call of one token instead of the free probe, which can pass where
            inference is not allowed.
        model_id: the model for that call; needed with `converse`.
        timeout: seconds that each attempt may take. Default 10.
        retry: when to try again. Default: once more after a fault that may pass.
        http_client: an `httpx.Client` to send with.
        now: the time to compare expiries with. Default: the present.

    Raises:
        ConfigurationError: no key was given, or `converse` without a model.
    """
    sources = _sources(keys)
    # A traceback that shows this frame's locals must not show the keys.
    del keys
    if not sources:
        raise errors.ConfigurationError("check_keys takes at least one key.")
    if converse and not model_id:
        raise errors.ConfigurationError("With converse=True pass a model_id= that may be used.")
    options = {
        "region": region,
        "endpoint_url": endpoint_url,
        "timeout": timeout,
        "retry": retry or RetryPolicy(max_attempts=2),
        "http_client": http_client,
    }
    called = model_id if converse else None
    moment = now or datetime.now(UTC)
    with ThreadPoolExecutor(max_workers=len(sources)) as pool:
        checks = pool.map(
            lambda named: _check(named[0], named[1], called, options, moment), sources
        )
        compared = _compared(tuple(checks))
    return _report(compared)


def is_accepted(
    key: ApiKey,
    *,
    region: str | None = None,
    endpoint_url: str | None = None,
    timeout: float = 10.0,
    http_client: Any = None,
) -> bool:
    """Return whether Bedrock accepts a key by now; a new one takes up to a minute.

    Args:
        key: the key.
        region: the AWS Region, as for `BedrockClient`.
        endpoint_url: where to call, as for `BedrockClient`.
        timeout: seconds that each attempt may take. Default 10.
        http_client: an `httpx.Client` to send with.

    Raises:
        BedrockError: what waiting does not mend, such as a policy that denies the key.
    """
    try:
        with BedrockClient(
            key, region=region, endpoint_url=endpoint_url, timeout=timeout, http_client=http_client
        ) as client:
            client.probe()
    except errors.OperationDeniedError:
        # The key was accepted; its user may not list asynchronous invocations.
        return True
    except errors.BedrockError as error:
        if error.retryable or isinstance(error, errors.ApiKeyRejectedError):
            return False
        raise
    return True


def _sources(
    keys: Sequence[AnyKey] | None,
) -> list[tuple[str, KeySource | errors.ConfigurationError]]:
    if keys is None:
        names = ("AWS_BEARER_TOKEN_BEDROCK", FALLBACK_VARIABLE)
        return [(f"env {name}", EnvironmentKey(name)) for name in names]
    return [(f"key {number}", key_source(key)) for number, key in enumerate(keys, start=1)]


def _check(
    name: str,
    source: KeySource | errors.ConfigurationError,
    model_id: str | None,
    options: dict[str, Any],
    now: datetime,
) -> KeyCheck:
    operation = "Converse" if model_id else "ListAsyncInvokes"
    try:
        if isinstance(source, errors.ConfigurationError):
            raise source
        key = source.get_key().description
    except errors.BedrockError as error:
        return KeyCheck(name, _status(error), None, None, error.with_traceback(None))
    if key.source not in name:
        name = f"{name} ({key.source})"
    if key.expires_at is not None and key.expires_at <= now:
        return KeyCheck(name, "expired", None, key)
    try:
        with BedrockClient(source, **options) as client:
            if model_id:
                client.converse(model_id, "Hi", max_tokens=1)
            else:
                client.probe()
    except errors.BedrockError as error:
        governing = getattr(error, "governing_policy", None)
        sent = None if isinstance(error, errors.ConfigurationError) else operation
        return KeyCheck(name, _status(error), sent, key, error.with_traceback(None), governing)
    soon = key.expires_at is not None and key.expires_at - now <= EXPIRES_SOON
    return KeyCheck(name, "expires soon" if soon else "usable", operation, key)


def _status(error: errors.BedrockError) -> KeyStatus:
    return next((status for kind, status in _STATUSES if isinstance(error, kind)), "failed")


def _compared(checks: tuple[KeyCheck, ...]) -> tuple[KeyCheck, ...]:
    """Return the checks with what they tell of one another: is it the type that is denied?"""
    return tuple(_compared_one(check, checks) for check in checks)


def _compared_one(check: KeyCheck, checks: tuple[KeyCheck, ...]) -> KeyCheck:
    governing, key = check.governing_policy, check.key
    if governing is None or key is None or key.token_type is None:
        return check
    others = [
        other
        for other in checks
        if other.key is not None
        and other.key.account_id == key.account_id
        and other.key.token_type not in (None, key.token_type)
    ]
    if any(other.is_usable for other in others):
        return replace(check, governing_policy=governing.with_certainty("confirmed"))
    if any(other.status == "denied" for other in others):
        return replace(check, governing_policy=governing.with_certainty("blanket"))
    return check


def _report(checks: tuple[KeyCheck, ...]) -> RotationReport:
    others = checks[1:]
    usable = [check for check in others if check.is_usable]
    reasons = list(_reasons(checks, usable))
    return RotationReport(checks, bool(usable), tuple(reasons))


def _reasons(checks: tuple[KeyCheck, ...], usable: list[KeyCheck]) -> list[str]:
    first = checks[0]
    reasons = []
    if len(checks) == 1:
        reasons.append("There is no second key to take over.")
    elif usable:
        reasons.append(f"{usable[0].name} is usable and can take over from {first.name}.")
    else:
        states = ", ".join(f"{check.name} is {check.status}" for check in checks[1:])
        reasons.append(f"No other key is usable: {states}.")
    reasons += _differences(checks)
    for check in checks:
        governing = check.governing_policy
        if governing is None:
            continue
        condition = f"{governing.condition_key} = {governing.condition_value or 'any type'}"
        reasons.append(
            f"{check.name} is denied by {governing.policy_type or 'a policy'} on "
            f"{governing.action}, condition {condition} ({governing.certainty})."
        )
    return reasons


def _differences(checks: tuple[KeyCheck, ...]) -> list[str]:
    keys = [check.key for check in checks if check.key is not None]
    reasons = []
    accounts = sorted({key.account_id for key in keys if key.account_id})
    if len(accounts) > 1:
        reasons.append(f"The keys belong to different accounts: {', '.join(accounts)}.")
    regions = sorted({key.region for key in keys if key.region})
    if len(regions) > 1:
        reasons.append(f"The short-term keys are for different Regions: {', '.join(regions)}.")
    types = {key.token_type for key in keys if key.token_type}
    if len(keys) > 1 and len(types) == 1:
        reasons.append(
            f"All keys are {types.pop()}: one policy on that type would refuse them together."
        )
    return reasons
