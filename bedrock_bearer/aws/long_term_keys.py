"""Long-term keys as IAM lists and creates them."""

from __future__ import annotations

import secrets
import string
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from bedrock_bearer.errors import InvalidApiKeyError, KeyLifecycleError
from bedrock_bearer.facts import CONSOLE_USER_PREFIX, LONG_TERM_PREFIX
from bedrock_bearer.keys.api_key import ApiKey
from bedrock_bearer.keys.description import utc_now


@dataclass(frozen=True, slots=True)
class LongTermKey:
    """A long-term key as IAM lists it, without its secret.

    Attributes:
        user_name: the IAM user that it belongs to.
        credential_id: IAM's id of it, `ACCA...`.
        alias: the public part of the key, or None.
        status: `Active`, `Inactive` or `Expired`.
        created_at: when it was made, in UTC.
        expires_at: when it expires, in UTC; None if it never does.
    """

    user_name: str
    credential_id: str
    alias: str | None
    status: str
    created_at: datetime
    expires_at: datetime | None

    @classmethod
    def from_wire(cls, credential: dict[str, Any]) -> LongTermKey:
        """Read one from what boto3 returns."""
        expires_at = credential.get("ExpirationDate")
        return cls(
            user_name=credential["UserName"],
            credential_id=credential["ServiceSpecificCredentialId"],
            alias=credential.get("ServiceCredentialAlias") or credential.get("ServiceUserName"),
            status=credential["Status"],
            created_at=credential["CreateDate"].astimezone(UTC),
            expires_at=expires_at.astimezone(UTC) if expires_at else None,
        )

    @property
    def retire_command(self) -> str:
        """The command that deactivates the key; with ` --delete` it deletes it afterwards."""
        return f"bedrock-bearer key retire {self.user_name} {self.credential_id}"

    @property
    def is_of_console_user(self) -> bool:
        """Whether its user is one that the AWS console made for a key."""
        return self.user_name.startswith(CONSOLE_USER_PREFIX)

    def age(self, now: datetime | None = None) -> timedelta:
        """Return how old the key is; `now` is an aware datetime."""
        return (now or utc_now()) - self.created_at

    def is_expired(self, now: datetime | None = None) -> bool:
        """Return whether the key has expired."""
        return self.expires_at is not None and (now or utc_now()) >= self.expires_at


def console_user_name() -> str:
    """Return a name like those of the users that the AWS console makes for keys."""
    letters = string.ascii_lowercase + string.digits
    return CONSOLE_USER_PREFIX + "".join(secrets.choice(letters) for _ in range(4))


@dataclass(frozen=True, slots=True)
class NewKey:
    """A key just made. IAM shows its secret only this once.

    Attributes:
        key: the key itself.
        listed: the same key as IAM lists it.
    """

    key: ApiKey
    listed: LongTermKey

    @classmethod
    def take_from(cls, credential: dict[str, Any]) -> NewKey:
        """Take the key out of what boto3 returned, and clear that.

        Raises:
            KeyLifecycleError: there is no API key of Bedrock in it.
        """
        listed = LongTermKey.from_wire(credential)
        texts = [text for text in credential.values() if isinstance(text, str)]
        credential.clear()
        key = _find_key(texts, source=f"IAM, {listed.credential_id}")
        # A traceback that shows this frame's locals must not show the key.
        texts.clear()
        if key is not None:
            return cls(key, listed)
        raise KeyLifecycleError(
            f"IAM made the key {listed.credential_id} of {listed.user_name}, but its answer holds "
            "no API key of Bedrock. Delete it and try again."
        )


def _find_key(texts: list[str], source: str) -> ApiKey | None:
    # IAM's documentation has two names for the field: ServiceCredentialSecret, ServiceApiKeyValue.
    with suppress(InvalidApiKeyError, StopIteration):
        text = next(text for text in texts if text.startswith(LONG_TERM_PREFIX))
        return ApiKey.parse(text, source=source)
    return None
