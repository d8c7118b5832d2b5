"""A Bedrock on this machine, to try things without AWS: keys, policies, replies and faults."""

from bedrock_bearer.local.bedrock import LocalBedrock
from bedrock_bearer.local.embedded import local_async_client, local_client
from bedrock_bearer.local.guardrails import Guardrail
from bedrock_bearer.local.models import LocalModel
from bedrock_bearer.local.replies import Reply

__all__ = [
    "Guardrail",
    "LocalBedrock",
    "LocalModel",
    "Reply",
    "local_async_client",
    "local_client",
]
