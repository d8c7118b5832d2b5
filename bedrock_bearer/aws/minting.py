"""Short-term keys, minted with AWS's own generator. Needs the extra `[aws]`."""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable
from copy import copy
from datetime import UTC, datetime, timedelta
from importlib.util import find_spec
from typing import Any, cast

from bedrock_bearer.errors import (
    ApiKeyExpiredError,
    BedrockError,
    ConfigurationError,
    MissingApiKeyError,
    RegionError,
    install_hint,
)
from bedrock_bearer.facts import LONGEST_SHORT_TERM_SECONDS
from bedrock_bearer.keys.api_key import ApiKey
from bedrock_bearer.keys.description import KeyDescription, TokenType, utc_now
from bedrock_bearer.keys.shared_run import SharedRun
from bedrock_bearer.keys.sources import KeySource
from bedrock_bearer.regions import region_of_environment

logger = logging.getLogger("bedrock_bearer")

LONGEST_LIFETIME = timedelta(seconds=LONGEST_SHORT_TERM_SECONDS)
DEFAULT_TIMEOUT = 10.0

_MINTED = "AWS credentials"
_SESSION_MARGIN_SECONDS = 15 * 60
"""botocore begins to renew credentials so long before they end."""
_REST = timedelta(seconds=30)
_LONG_AGO = datetime.min.replace(tzinfo=UTC)


class ShortTermKeys(KeySource):
    """Short-term keys, minted from AWS credentials with AWS's own generator as they are needed.

    One key serves all calls until `renew_before` its end; then one new one is minted, whatever the
    number of threads and tasks that ask. A key that AWS answers with "expired", because the session
    that signed it has ended, is renewed and tried once. While none can be minted, the last key
    stays in use until it expires. Needs the extra `[aws]`.

    Args:
        region: the Region that the keys are for. Default: `AWS_REGION`, `AWS_DEFAULT_REGION`, then
            the session's.
        session: a `boto3.Session`, or botocore's, that gives the credentials. Default: one made
            once from the default chain.
        lifetime: how long a key lives, 12 hours at most and by default. It ends earlier where the
            session of the credentials does.
        renew_before: how long before its end a key is replaced, so that no call begins with one
            that is about to end. Default 15 minutes; half the lifetime if that is less.
        timeout: seconds that getting the credentials may take. Default 10.
        clock: tells the time, in UTC.

    Raises:
        ConfigurationError: the lifetime is not between a second and 12 hours, or the generator is
            not installed.

    See https://docs.aws.amazon.com/bedrock/latest/userguide/api-keys-generate.html.
    """

    def __init__(
        self,
        region: str | None = None,
        *,
        session: Any = None,
        lifetime: timedelta = LONGEST_LIFETIME,
        renew_before: timedelta = timedelta(minutes=15),
        timeout: float = DEFAULT_TIMEOUT,
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        if not timedelta(seconds=1) <= lifetime <= LONGEST_LIFETIME:
            raise ConfigurationError("lifetime= takes between one second and 12 hours.")
        if find_spec("aws_bedrock_token_generator") is None:
            raise ConfigurationError(
                "ShortTermKeys needs AWS's generator of keys. "
                + install_hint("aws", "aws-bedrock-token-generator", "boto3")
            )
        self._region = region or region_of_environment()
        self._session = self._given_session = session
        self._lifetime = lifetime
        self._renew_before = min(renew_before, lifetime / 2)
        self._timeout = timeout
        self._clock = clock
        self._credentials: Any = None
        self._key: ApiKey | None = None
        self._renew_at = _LONG_AGO
        self._ends_at = _LONG_AGO
        self._rest_until = _LONG_AGO
        self._run = SharedRun(self._mint_if_due, timeout, self._too_late)

    def __reduce__(self) -> tuple[Any, ...]:
        if self._given_session is not None:
            return super().__reduce__()
        arguments: dict[str, Any] = {
            "lifetime": self._lifetime,
            "renew_before": self._renew_before,
            "timeout": self._timeout,
            "clock": self._clock,
        }
        return functools.partial(type(self), **arguments), (self._region,)

    def describe(self) -> KeyDescription | None:
        """Return what is known before a key is minted: its type and, where set, its Region."""
        return KeyDescription(TokenType.SHORT_TERM, "", _MINTED, region=self._region)

    def get_key(self) -> ApiKey:
        key = self._fresh()
        if key is not None:
            return key
        return self._taken(self._run.result())

    async def get_key_async(self) -> ApiKey:
        key = self._fresh()
        if key is not None:
            return key
        return self._taken(await self._run.result_async())

    def refused(self, key: ApiKey, error: BedrockError, *, asked_again: bool = False) -> bool:
        """Return whether to ask again: for a key that has expired, which is then renewed."""
        if not isinstance(error, ApiKeyExpiredError):
            return False
        if self._key is key:
            self._key = self._credentials = None
        return True

    def _fresh(self) -> ApiKey | None:
        """Return the key, unless it is due to be renewed."""
        key, now = self._key, self._clock()
        if key is None or now >= self._ends_at:
            return None
        if now < self._rest_until:
            return key
        return None if now >= self._renew_at or self._session_ends_soon() else key

    def _session_ends_soon(self) -> bool:
        # Only credentials that can be renewed know when they end.
        refresh_needed = getattr(self._credentials, "refresh_needed", None)
        return refresh_needed is not None and refresh_needed(refresh_in=_SESSION_MARGIN_SECONDS)

    def _mint_if_due(self) -> ApiKey | ConfigurationError:
        """Mint a key, unless that was done meanwhile; return it, or what went wrong."""
        key = self._fresh()
        if key is not None:
            return key
        try:
            key = self._mint()
        except ConfigurationError as error:
            self._rest()
            return error.with_traceback(None)
        except Exception as error:  # noqa: BLE001 - whatever a provider of credentials raises
            self._rest()
            return _minting_failed(error)
        self._ends_at = self._clock() + self._lifetime
        self._renew_at = self._ends_at - self._renew_before
        self._rest()
        self._key = key
        return key

    def _mint(self) -> ApiKey:
        from aws_bedrock_token_generator import (  # type: ignore[import-untyped]
            provide_token,
        )

        frozen = _Loaded(self._frozen_credentials())
        return ApiKey.parse(
            provide_token(self._region_to_sign_for(), frozen, self._lifetime),
            source=_MINTED,
        )

    def _frozen_credentials(self) -> Any:
        if self._credentials is None:
            if self._given_session is None:
                from botocore.session import Session

                # A new session: one that is kept never looks again for credentials of a file.
                self._session = Session()
            self._credentials = self._session.get_credentials()
        if self._credentials is None:
            raise MissingApiKeyError(
                "No API key: a short-term key is signed with AWS credentials, and none were found. "
                "Set AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY."
            )
        return self._credentials.get_frozen_credentials()

    def _region_to_sign_for(self) -> str:
        region = self._region or _region_of_session(self._session)
        if not region:
            raise RegionError(
                "No AWS Region to mint a short-term key for: pass region= to ShortTermKeys, or set "
                "AWS_REGION."
            )
        return region

    def _rest(self) -> None:
        """Let a key that is still valid serve for a while before the next attempt at a new one."""
        self._rest_until = self._clock() + _REST

    def _taken(self, outcome: ApiKey | ConfigurationError) -> ApiKey:
        if isinstance(outcome, ApiKey):
            return outcome
        key = self._key
        if key is None or self._clock() >= self._ends_at:
            raise copy(outcome)
        logger.warning("No newer key; %s stays in use. %s", key.description, outcome)
        return key

    def _too_late(self) -> ConfigurationError:
        self._rest()
        return ConfigurationError(
            f"No API key could be minted: the AWS credentials did not come within "
            f"{self._timeout:g} s."
        )


class _Loaded:
    """Credentials in the form that AWS's generator takes them."""

    def __init__(self, credentials: Any) -> None:
        self._credentials = credentials

    def load(self) -> Any:
        return self._credentials


def _minting_failed(error: Exception) -> ConfigurationError:
    # botocore's own texts help; another's may hold a secret.
    is_of_botocore = type(error).__module__.startswith("botocore.")
    text = f": {error}" if is_of_botocore else "; its text is not shown, as it may hold a secret."
    return ConfigurationError(
        f"No API key could be minted: getting the AWS credentials raised "
        f"{type(error).__name__}{text}"
    )


def _region_of_session(session: Any) -> str | None:
    """Return the Region of a boto3.Session, or of botocore's."""
    is_of_boto3 = hasattr(session, "region_name")
    region = session.region_name if is_of_boto3 else session.get_config_variable("region")
    return cast("str | None", region)
