"""API keys: what they are, where they come from, how they are renewed."""

from bedrock_bearer.keys.api_key import KeyDescription, TokenType

__all__ = ["KeyDescription", "TokenType"]
