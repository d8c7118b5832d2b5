"""Synthetic API keys in AWS's exact forms. Only a local Bedrock accepts them."""

from __future__ import annotations

import base64
import secrets
import string
from datetime import datetime, timedelta
from urllib.parse import quote

from bedrock_bearer.facts import (
    BEDROCK_SERVICE,
    CALL_WITH_BEARER_TOKEN,
    LONG_TERM_PREFIX,
    SHORT_TERM_PREFIX,
)

SECRET_BYTES = 45
SESSION_TOKEN_BYTES = 360


def identifier(prefix: str, account_id: str) -> str:
    """Return an id such as `ASIA...` (20 characters) that encodes the account as AWS's do."""
    encoded = (1 << 47) | (int(account_id) << 7) | secrets.randbelow(128)
    text = base64.b32encode(encoded.to_bytes(6, "big") + secrets.token_bytes(4))
    return prefix + text.decode()


def random_name(length: int) -> str:
    """Return random lower-case letters and digits, as AWS has them in ids."""
    letters = string.ascii_lowercase + string.digits
    return "".join(secrets.choice(letters) for _ in range(length))


def alias_of(user_name: str, account_id: str, number: int) -> str:
    """Return the public part of the `number`-th long-term key (from 0) of a user."""
    version = f"+{number}" if number else ""
    return f"{user_name}{version}-at-{account_id}"


def long_term_key(alias: str) -> str:
    """Return a long-term key with a fresh secret: 132 characters for a console-made user."""
    secret = base64.b64encode(secrets.token_bytes(SECRET_BYTES)).decode()
    return LONG_TERM_PREFIX + base64.b64encode(f"{alias}:{secret}".encode()).decode()


def short_term_key(
    access_key_id: str, *, region: str, issued_at: datetime, expires_in: timedelta
) -> str:
    """Return a short-term key: a presigned URL with a made-up signature."""
    day, moment = issued_at.strftime("%Y%m%d"), issued_at.strftime("%Y%m%dT%H%M%SZ")
    parameters = {
        "Action": CALL_WITH_BEARER_TOKEN,
        "X-Amz-Algorithm": "AWS4-HMAC-SHA256",
        "X-Amz-Credential": f"{access_key_id}/{day}/{region}/bedrock/aws4_request",
        "X-Amz-Date": moment,
        "X-Amz-Expires": str(int(expires_in.total_seconds())),
        "X-Amz-SignedHeaders": "host",
    }
    if access_key_id.startswith("ASIA"):
        token = base64.b64encode(secrets.token_bytes(SESSION_TOKEN_BYTES)).decode()
        parameters["X-Amz-Security-Token"] = token
    parameters["X-Amz-Signature"] = secrets.token_hex(32)
    query = "&".join(f"{name}={quote(value, safe='')}" for name, value in parameters.items())
    url = f"{BEDROCK_SERVICE}/?{query}&Version=1"
    return SHORT_TERM_PREFIX + base64.b64encode(url.encode()).decode()
