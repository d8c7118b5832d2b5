"""The data model of Converse, ConverseStream, CountTokens and ApplyGuardrail.

`ConverseRequest.build` makes a request, `ConverseResponse` reads a reply, `parse_event` reads an
event of a stream, and `StreamAccumulator` puts the events together. What AWS adds later is kept.
"""

# ruff: noqa: F403  type checkers follow the star to the `__all__` of the module.

from typing import TYPE_CHECKING

from bedrock_bearer.lazy import lazy_names

if TYPE_CHECKING:
    from bedrock_bearer.converse.accumulator import *
    from bedrock_bearer.converse.apply_guardrail import *
    from bedrock_bearer.converse.automated_reasoning import *
    from bedrock_bearer.converse.base import *
    from bedrock_bearer.converse.blocks import *
    from bedrock_bearer.converse.citations import *
    from bedrock_bearer.converse.configuration import *
    from bedrock_bearer.converse.content import *
    from bedrock_bearer.converse.count_tokens import *
    from bedrock_bearer.converse.dicts import *
    from bedrock_bearer.converse.functions import *
    from bedrock_bearer.converse.guardrail_content import *
    from bedrock_bearer.converse.guardrails import *
    from bedrock_bearer.converse.inference import *
    from bedrock_bearer.converse.inputs import *
    from bedrock_bearer.converse.media import *
    from bedrock_bearer.converse.message import *
    from bedrock_bearer.converse.options import *
    from bedrock_bearer.converse.request import *
    from bedrock_bearer.converse.response import *
    from bedrock_bearer.converse.stream import *
    from bedrock_bearer.converse.tools import *
else:
    # What most calls use comes first.
    __getattr__, __dir__ = lazy_names(
        __name__,
        [
            "base",
            "content",
            "message",
            "inference",
            "request",
            "response",
            "configuration",
            "media",
            "citations",
            "blocks",
            "tools",
            "stream",
            "accumulator",
            "functions",
            "count_tokens",
            "guardrails",
            "guardrail_content",
            "apply_guardrail",
            "automated_reasoning",
            "options",
            "inputs",
            "dicts",
        ],
    )
