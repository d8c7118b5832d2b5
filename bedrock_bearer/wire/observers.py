"""Whether anything takes the records of calls; if not, none are made."""

from __future__ import annotations

import logging

logger = logging.getLogger("bedrock_bearer")
logger.addHandler(logging.NullHandler())


def has_observer(on_event: object) -> bool:
    """Return whether `on_event` or the log takes records."""
    return on_event is not None or logger.isEnabledFor(logging.DEBUG)
