"""Synthetic API keys: the short-term ones signed by AWS's own generator. They open nothing."""

from __future__ import annotations

import base64
import importlib
from urllib.parse import parse_qsl, quote

from botocore.credentials import Credentials

ACCOUNT_ID = "123456789012"
SESSION_ACCESS_KEY_ID = "ASIARZPUZDIKAUEXAMPL"
SECRET_ACCESS_KEY = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
LONG_TERM_SECRET = "c3ludGhldGljIHNlY3JldCBvZiBhIGtleSB0aGF0IG9wZW5zIG5vdGhpbmc="


def long_term_key(user_name: str = "BedrockAPIKey-abcd", secret: str = LONG_TERM_SECRET) -> str:
    """Return a long-term key of the account: 132 characters for the default user."""
    return "ABSK" + encoded(f"{user_name}-at-{ACCOUNT_ID}:{secret}")


def short_term_key(
    region: str = "us-west-2",
    access_key_id: str = SESSION_ACCESS_KEY_ID,
    session_token: str | None = "IQoJ+/synthetic/session/token==",
) -> str:
    """Return a short-term key that AWS's own generator has signed just now."""
    credentials = Credentials(access_key_id, SECRET_ACCESS_KEY, session_token)
    # Imported by name: the package has no type hints.
    generator = importlib.import_module("aws_bedrock_token_generator").BedrockTokenGenerator()
    return str(generator.get_token(credentials, region))


def encoded(text: str) -> str:
    """Return a text in standard base64."""
    return base64.b64encode(text.encode()).decode()


def changed(key: str, **parameters: str | None) -> str:
    """Return a short-term key with parameters set (`X_Amz_Date="..."`) or, with None, left out."""
    url = base64.b64decode(key.removeprefix("bedrock-api-key-")).decode()
    host, _, query = url.partition("/?")
    values: dict[str, str | None] = dict(parse_qsl(query))
    values |= {name.replace("_", "-"): value for name, value in parameters.items()}
    pairs = [f"{name}={quote(value, safe='')}" for name, value in values.items() if value]
    return "bedrock-api-key-" + encoded(f"{host}/?{'&'.join(pairs)}")
