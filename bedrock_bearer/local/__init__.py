"""A Bedrock on this machine, to try things without AWS: keys, policies, replies and faults.

`LocalServer` needs the extra `[local]`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from bedrock_bearer.lazy import lazy_names

if TYPE_CHECKING:
    from bedrock_bearer.local.bedrock import LocalBedrock
    from bedrock_bearer.local.embedded import local_async_client, local_client
    from bedrock_bearer.local.guardrails import Guardrail
    from bedrock_bearer.local.models import LocalModel
    from bedrock_bearer.local.replies import Reply
    from bedrock_bearer.local.server import LocalServer
    from bedrock_bearer.local.transport import local_async_http_client, local_http_client

__all__ = [
    "Guardrail",
    "LocalBedrock",
    "LocalModel",
    "LocalServer",
    "Reply",
    "local_async_client",
    "local_async_http_client",
    "local_client",
    "local_http_client",
]

if not TYPE_CHECKING:
    __getattr__, __dir__ = lazy_names(
        __name__,
        ["bedrock", "embedded", "guardrails", "models", "replies", "transport", "server"],
        __all__,
    )
