"""Amazon Bedrock API keys, read and described offline."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class TokenType(StrEnum):
    """The two kinds of key, as the condition key `bedrock:bearerTokenType` names them."""

    SHORT_TERM = "SHORT_TERM"
    LONG_TERM = "LONG_TERM"


@dataclass(frozen=True, slots=True)
class KeyDescription:
    """What may be shown of a key: everything but the secret.

    `account_id`, `user_name` and `access_key_id` are decoded from the key itself, unverified.
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
