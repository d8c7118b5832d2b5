"""The model that a command calls if none is named."""

from __future__ import annotations

import os

from bedrock_bearer.errors import ConfigurationError
from bedrock_bearer.keys.recognition import holds_key

MODEL_VARIABLE = "BEDROCK_BEARER_MODEL"
SMALL_MODEL = "amazon.nova-micro-v1:0"

_PROFILE_PREFIXES = (
    ("us-gov-", "us-gov"),
    ("us-", "us"),
    ("ca-", "us"),
    ("eu-", "eu"),
    ("il-", "eu"),
    ("ap-", "apac"),
    ("me-", "apac"),
)


def chosen_model(model: str | None, region: str | None) -> str:
    """Return `model`, else the environment's, else a small one of Amazon's.

    Raises:
        ConfigurationError: the variable of the environment holds a key.
    """
    chosen = model or os.environ.get(MODEL_VARIABLE) or default_model(region)
    is_key = holds_key(chosen)
    if is_key:
        del model, chosen
        raise ConfigurationError(f"{MODEL_VARIABLE} holds what looks like a key, not a model's id.")
    return chosen


def default_model(region: str | None) -> str:
    """Return a small model of Amazon's, which needs no subscription, as the Region's profile."""
    for start, prefix in _PROFILE_PREFIXES:
        if region is not None and region.startswith(start):
            return f"{prefix}.{SMALL_MODEL}"
    return SMALL_MODEL
