"""API keys: what they are, where they come from, how they are renewed."""

from bedrock_bearer.keys.api_key import (
    ApiKey,
    KeyDescription,
    TokenType,
    account_id_from_access_key_id,
)

__all__ = ["ApiKey", "KeyDescription", "TokenType", "account_id_from_access_key_id"]
