"""Whether anybody takes records of calls: if not, none need be made."""

from __future__ import annotations

import logging

logger = logging.getLogger("bedrock_bearer")
logger.addHandler(logging.NullHandler())


def is_heard(on_event: object) -> bool:
    """Return whether a function of the caller's, or the log, takes records."""
    return on_event is not None or logger.isEnabledFor(logging.DEBUG)
