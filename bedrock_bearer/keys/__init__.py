"""API keys: what they are, where they come from, how they are renewed."""

from bedrock_bearer.keys.api_key import ApiKey
from bedrock_bearer.keys.decoding import account_id_from_access_key_id
from bedrock_bearer.keys.description import KeyDescription, TokenType

__all__ = ["ApiKey", "KeyDescription", "TokenType", "account_id_from_access_key_id"]
