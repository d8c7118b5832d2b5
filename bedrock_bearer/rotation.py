"""Checks which keys are usable before, during and after a rotation."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Literal

from bedrock_bearer import errors
from bedrock_bearer.access.evidence import how_far, weigh
from bedrock_bearer.client import BedrockClient
from bedrock_bearer.facts import FALLBACK_VARIABLE, KEY_VARIABLE
from bedrock_bearer.keys.default import has_fallback
from bedrock_bearer.keys.fallback import FallbackKeys
from bedrock_bearer.keys.given import key_source
from bedrock_bearer.keys.sources import KeySource
from bedrock_bearer.keys.stored import EnvironmentKey
from bedrock_bearer.wire.retry import RetryPolicy

if TYPE_CHECKING:
    from bedrock_bearer.access.governing import GoverningPolicy
    from bedrock_bearer.keys.api_key import ApiKey
    from bedrock_bearer.keys.description import KeyDescription
    from bedrock_bearer.keys.sources import AnyKey
    from bedrock_bearer.wire.foreign import HttpxClient

EXPIRES_SOON = timedelta(hours=1)

KeyStatus = Literal[
    "usable",
    "expires soon",
    "missing",
    "invalid",
    "wrong Region",
    "rejected",
    "expired",
    "denied",
    "operation denied",
    "throttled",
    "unreachable",
    "failed",
]

_REFUSED: tuple[KeyStatus, ...] = (
    "missing",
    "invalid",
    "wrong Region",
    "rejected",
    "expired",
    "denied",
)
"""The states in which `FallbackKeys` goes on to the next key."""

_UNKNOWN: tuple[KeyStatus, ...] = ("throttled", "unreachable", "failed")
"""The states that say nothing about the key."""

_PROBE_UNKNOWN = (
    errors.InvalidRequestError,
    errors.ResourceNotFoundError,
    errors.ResponseDecodeError,
)
"""What an endpoint without the free probe answers it with."""

_STATUSES: tuple[tuple[type[errors.BedrockError], KeyStatus], ...] = (
    (errors.MissingApiKeyError, "missing"),
    (errors.RegionError, "wrong Region"),
    (errors.ConfigurationError, "invalid"),
    (errors.ApiKeyExpiredError, "expired"),
    (errors.AuthenticationError, "rejected"),
    (errors.BearerTokenDeniedError, "denied"),
    (errors.OperationDeniedError, "operation denied"),
    (errors.ThrottlingError, "throttled"),
    (errors.ModelNotReadyError, "throttled"),
    (errors.ServiceUnavailableError, "throttled"),
    (errors.InternalServerError, "throttled"),
    (errors.TransportError, "unreachable"),
)


@dataclass(frozen=True, slots=True)
class KeyCheck:
    """The state of one key.

    Attributes:
        name: the key's number in the list, or its source.
        status: `usable`, `expires soon` (usable, for less than an hour), or why it is not usable.
        operation: what was called, `ListAsyncInvokes` or `Converse`; None if nothing was sent.
        key: a description of the key; None if it could not be read.
        region: the Region that it was checked in; None if unknown.
        error: why the check failed, or None.
        governing_policy: what is known of the policy that denied the key, or None.
    """

    name: str
    status: KeyStatus
    operation: str | None
    key: KeyDescription | None
    region: str | None = None
    error: errors.BedrockError | None = None
    governing_policy: GoverningPolicy | None = None

    @property
    def is_accepted(self) -> bool:
        """Whether the key itself was accepted, whatever became of the operation."""
        return self.is_usable or self.status == "operation denied"

    @property
    def is_usable(self) -> bool:
        """Whether calls with this key succeed now."""
        return self.status in ("usable", "expires soon")

    @property
    def is_unknown(self) -> bool:
        """Whether the check does not tell if calls with this key succeed."""
        is_probe = self.operation == "ListAsyncInvokes"
        return self.status in _UNKNOWN or (self.status == "operation denied" and is_probe)

    @property
    def advice(self) -> str | None:
        """What to do about it, or None if the error says so itself."""
        if self.status == "rejected":
            return (
                "AWS does not say why: the key may be deactivated, deleted, cut, of another "
                "Region, or made within the last minute."
            )
        if self.operation == "ListAsyncInvokes" and isinstance(self.error, _PROBE_UNKNOWN):
            return (
                "The endpoint does not have the free probe (ListAsyncInvokes); gateways often lack "
                "it. Check with a Converse call (--converse), which is billed."
            )
        if self.status != "operation denied":
            return None
        if self.operation == "Converse":
            return "The key itself was accepted; its principal may not call this model."
        return (
            "The key itself was accepted; its principal may not list asynchronous invocations. "
            "Check with a Converse call (--converse) to find out if it may call a model."
        )


@dataclass(frozen=True, slots=True)
class RotationReport:
    """The state of all keys, and what it means for the rotation.

    The first key is the one in use; the others are to replace it. The first can be retired when
    another key of the same account and Region is usable for more than an hour.

    Attributes:
        checks: one for each key, in the order given.
        safe_to_retire: whether the first key can be retired.
        reasons: why, and the remarks.
        remarks: remarks on token types and governing policies.
        used_now: the key that `FallbackKeys` over these keys would use now: the first that is not
            refused as a key. None if all are refused.
        used_next: the key that it would use once that one is refused, or None.
    """

    checks: tuple[KeyCheck, ...]
    safe_to_retire: bool
    reasons: tuple[str, ...]
    remarks: tuple[str, ...] = ()
    used_now: KeyCheck | None = None
    used_next: KeyCheck | None = None

    @property
    def all_usable(self) -> bool:
        """Whether every key is usable."""
        return all(check.is_usable for check in self.checks)


def check_keys(
    keys: Sequence[AnyKey] | None = None,
    *,
    region: str | None = None,
    endpoint_url: str | None = None,
    converse: bool = False,
    model_id: str | None = None,
    timeout: float = 10.0,
    retry: RetryPolicy | None = None,
    http_client: HttpxClient | None = None,
    now: datetime | None = None,
) -> RotationReport:
    """Check keys in parallel: is each usable, and may the first be retired?

    Args:
        keys: the key in use first, then those that are to replace it. Default: the variables
            `AWS_BEARER_TOKEN_BEDROCK` and, if it is set, `AWS_BEARER_TOKEN_BEDROCK_FALLBACK`, as
            for `BedrockClient`.
        region: the AWS Region, as for `BedrockClient`.
        endpoint_url: where to call, as for `BedrockClient`.
        converse: make a billed Converse call of one token instead of the free probe. The probe
            can succeed where calling a model is not allowed.
        model_id: the model for that call; required with `converse`.
        timeout: seconds for each attempt. Default 10.
        retry: when to try again. Default: once, after an error that may pass.
        http_client: an `httpx.Client` or `httpx2.Client` to use instead of our own connections.
        now: the time to compare expiries with. Default: the current time.

    Raises:
        ConfigurationError: `keys` is no list or empty, or `converse` was given without a model.
    """
    # A text is iterable, too.
    is_list = keys is None or (isinstance(keys, Iterable) and not isinstance(keys, str | bytes))
    sources = _sources(keys) if is_list else []
    # A traceback that shows this frame's locals must not show the keys.
    del keys
    if not sources:
        raise errors.ConfigurationError("check_keys takes a list of at least one key.")
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
        checked = list(
            pool.map(lambda named: _check(named[0], named[1], called, options, moment), sources)
        )
    checks = _compare_types(tuple(check for check, _ in checked))
    used_in = _client_region([source for _, source in sources], region, endpoint_url)
    return _report(checks, [key for _, key in checked], used_in)


def try_key(key: ApiKey, **options: Any) -> None:
    """Return if Bedrock accepts a key.

    Args:
        key: the key.
        options: those of `BedrockClient`, such as `region`.

    Raises:
        BedrockError: Bedrock does not accept the key, or could not be asked.
    """
    try:
        with BedrockClient(key, **options) as client:
            client.probe()
    except errors.OperationDeniedError:
        # The key was accepted; its user may not list asynchronous invocations.
        return


def _sources(
    keys: Iterable[AnyKey] | None,
) -> list[tuple[str, KeySource | errors.ConfigurationError]]:
    if keys is None:
        both = [
            (KEY_VARIABLE, EnvironmentKey()),
            (FALLBACK_VARIABLE, EnvironmentKey(FALLBACK_VARIABLE)),
        ]
        return [(f"env {name}", source) for name, source in both[: 1 + has_fallback()]]
    return [(f"key {number}", key_source(key)) for number, key in enumerate(keys, start=1)]


def _check(
    name: str,
    source: KeySource | errors.ConfigurationError,
    model_id: str | None,
    options: dict[str, Any],
    now: datetime,
) -> tuple[KeyCheck, ApiKey | None]:
    try:
        if isinstance(source, errors.ConfigurationError):
            raise source
        key = source.get_key()
    except errors.BedrockError as error:
        # A traceback may lead to a frame that holds a key.
        return KeyCheck(name, _status(error), None, None, error=error.with_traceback(None)), None
    described = key.description
    if described.source not in name:
        name = f"{name} ({described.source})"
    if key.is_expired(now):
        return KeyCheck(name, "expired", None, described), key
    return _called(KeyCheck(name, "usable", None, described), key, model_id, options, now), key


def _called(
    check: KeyCheck, key: ApiKey, model_id: str | None, options: dict[str, Any], now: datetime
) -> KeyCheck:
    """Make the call and return the check with its outcome."""
    region, operation = None, None
    try:
        with BedrockClient(key, **options) as client:
            region, operation = client.region, "Converse" if model_id else "ListAsyncInvokes"
            if model_id:
                client.converse(model_id, "Hi", max_tokens=1)
            else:
                client.probe()
    except errors.BedrockError as error:
        return replace(
            check,
            status=_status(error),
            operation=operation,
            region=region,
            error=error.with_traceback(None),
            governing_policy=getattr(error, "governing_policy", None),
        )
    soon = key.expires_at is not None and key.expires_at - now <= EXPIRES_SOON
    status: KeyStatus = "expires soon" if soon else "usable"
    return replace(check, status=status, operation=operation, region=region)


def _status(error: errors.BedrockError) -> KeyStatus:
    return next((status for kind, status in _STATUSES if isinstance(error, kind)), "failed")


def _compare_types(checks: tuple[KeyCheck, ...]) -> tuple[KeyCheck, ...]:
    """Return the checks, with denials compared between keys of both types."""
    return tuple(_compared(check, checks) for check in checks)


def _compared(check: KeyCheck, checks: tuple[KeyCheck, ...]) -> KeyCheck:
    if check.governing_policy is None:
        return check
    governing = weigh(
        check.governing_policy,
        accepted=[other.key for other in checks if other.key and other.is_accepted],
        others=[other.governing_policy for other in checks if other.governing_policy],
    )
    if isinstance(check.error, errors.BearerTokenDeniedError):
        check.error.governing_policy = governing
    return replace(check, governing_policy=governing)


def _client_region(
    sources: list[KeySource | errors.ConfigurationError],
    region: str | None,
    endpoint_url: str | None,
) -> str | None:
    """Return the Region that one client with all these keys calls; None if that is not known."""
    given = [source for source in sources if isinstance(source, KeySource)]
    with (
        suppress(errors.BedrockError),
        BedrockClient(FallbackKeys(*given), region=region, endpoint_url=endpoint_url) as client,
    ):
        return client.region
    return None


def _report(
    checks: tuple[KeyCheck, ...], keys: list[ApiKey | None], used_in: str | None
) -> RotationReport:
    obstacles = {
        check.name: _obstacle(check, key, checks[0], keys[0])
        for check, key in zip(checks[1:], keys[1:], strict=True)
    }
    ready = [name for name, obstacle in obstacles.items() if obstacle is None]
    reasons = [f"{name} can take over from {checks[0].name}." for name in ready]
    reasons += [f"{name} {obstacle}." for name, obstacle in obstacles.items() if obstacle]
    if not obstacles:
        reasons.append("There is no second key.")
    remarks = _about_types(checks) or _about_fallback(checks)
    remarks += [_about_policy(check) for check in checks if check.governing_policy is not None]
    return RotationReport(
        checks,
        safe_to_retire=bool(ready),
        reasons=(*reasons, *remarks),
        remarks=tuple(remarks),
        **_used(checks, keys, used_in),
    )


def _used(
    checks: tuple[KeyCheck, ...], keys: list[ApiKey | None], used_in: str | None
) -> dict[str, KeyCheck | None]:
    """Return the keys that `FallbackKeys` would use now and next, in the Region of its client."""
    left = [
        check
        for check, key, earlier in zip(checks, keys, _earlier(keys), strict=True)
        if check.status not in _REFUSED
        and key not in earlier
        and (key is None or key.region in (None, used_in or key.region))
    ]
    return {"used_now": left[0] if left else None, "used_next": left[1] if len(left) > 1 else None}


def _earlier(keys: list[ApiKey | None]) -> list[list[ApiKey | None]]:
    return [keys[:position] for position in range(len(keys))]


def _obstacle(
    check: KeyCheck, key: ApiKey | None, first: KeyCheck, first_key: ApiKey | None
) -> str | None:
    """Return why a key cannot replace the first, or None if it can."""
    if key is not None and key == first_key:
        return f"is the same key as {first.name}"
    if not check.is_usable:
        return f"cannot take over: it is {check.status}"
    if check.status == "expires soon":
        return "is usable, but expires within the hour"
    if _differ(check.key, first.key, "account_id"):
        return "is usable, but belongs to another account, which lacks whatever is named by ARN"
    if _differ(check, first, "region"):
        return f"is usable, but in another Region: {check.region} instead of {first.region}"
    return None


def _differ(one: object, other: object, name: str) -> bool:
    values = {getattr(one, name, None), getattr(other, name, None)}
    return None not in values and len(values) == 2


def _about_types(checks: tuple[KeyCheck, ...]) -> list[str]:
    types = [check.key.token_type for check in checks if check.key and check.key.token_type]
    if len(types) < 2:
        return []
    if len(set(types)) == 2:
        return ["Both token types are covered: a policy that denies one leaves the other usable."]
    return [f"All keys are {types[0]}: one policy on that type would deny them all."]


def _about_fallback(checks: tuple[KeyCheck, ...]) -> list[str]:
    is_default = len(checks) == 1 and checks[0].name.startswith(f"env {KEY_VARIABLE}")
    if is_default and FALLBACK_VARIABLE in os.environ:
        return [f"{FALLBACK_VARIABLE} is empty, which is taken as not set."]
    return []


def _about_policy(check: KeyCheck) -> str:
    governing = check.governing_policy
    if governing is None:
        return ""
    who = governing.policy_type or "policy"
    how = "allowed by no" if governing.effect == "implicit" else "denied by the"
    if governing.effect is None:
        how, who = "refused by", "a policy that AWS does not name"
    arn = f" {governing.policy_arn}" if governing.policy_arn else ""
    return f"{check.name} is {how} {who}{arn} on {governing.action}: {how_far(governing)}."
