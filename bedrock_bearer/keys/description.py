"""What may be shown of an API key: its type and everything else but the secret."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum


class TokenType(StrEnum):
    """The two types of key, as the condition key `bedrock:bearerTokenType` names them."""

    SHORT_TERM = "SHORT_TERM"
    LONG_TERM = "LONG_TERM"


@dataclass(frozen=True, slots=True)
class KeyDescription:
    """What may be shown of a key: everything but the secret.

    `account_id`, `user_name` and `access_key_id` are decoded from the key itself and unverified.
    `fingerprint` tells keys apart: the first eight hex digits of the key's SHA-256; empty if the
    key is not known yet. `foreign` is what a key looks like that is not Bedrock's, such as `a JSON
    Web Token`: for a gateway's own keys.
    """

    token_type: TokenType | None
    last_four: str
    source: str
    issued_at: datetime | None = None
    expires_at: datetime | None = None
    region: str | None = None
    account_id: str | None = None
    user_name: str | None = None
    access_key_id: str | None = None
    fingerprint: str = ""
    foreign: str | None = None

    def principal_arn(self, partition: str = "aws") -> str | None:
        """Return the ARN of a long-term key's IAM user, unverified and without an IAM path."""
        if self.user_name is None or self.account_id is None:
            return None
        return f"arn:{partition}:iam::{self.account_id}:user/{self.user_name}"

    def __str__(self) -> str:
        ending = f" ...{self.last_four}" if self.last_four else ""
        fingerprint = f" (fingerprint {self.fingerprint})" if self.fingerprint else ""
        return f"{self.token_type or 'UNKNOWN'}{ending} from {self.source}{fingerprint}"


def utc_now() -> datetime:
    """Return the present moment."""
    return datetime.now(UTC)
