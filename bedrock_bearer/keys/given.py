"""The key source of what was given as `api_key`."""

from __future__ import annotations

from typing import cast

from bedrock_bearer.errors import ConfigurationError
from bedrock_bearer.keys.api_key import ApiKey
from bedrock_bearer.keys.sources import FixedKey, KeySource, parse_key


def key_source(api_key: object) -> KeySource | ConfigurationError:
    """Return the key source for what was given as a key.

    An error is returned, not raised: the caller raises it once no frame holds the text any more.
    """
    if isinstance(api_key, KeySource):
        return api_key
    if isinstance(api_key, ApiKey):
        return FixedKey(api_key)
    if callable(api_key):
        from bedrock_bearer.keys.function import CallableKey

        return CallableKey(api_key)
    outcome = parse_key(cast("str", api_key), "api_key argument")
    return FixedKey(outcome) if isinstance(outcome, ApiKey) else outcome
