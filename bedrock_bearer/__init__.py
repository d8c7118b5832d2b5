"""A typed client for Amazon Bedrock API keys that says which policy refused a call.

The names below are loaded when they are first used: the import itself loads no dependency.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from bedrock_bearer.lazy import lazy_names
from bedrock_bearer.version import __version__ as __version__

if TYPE_CHECKING:
    from bedrock_bearer.adapters.errors import translate_error
    from bedrock_bearer.async_client import AsyncBedrockClient
    from bedrock_bearer.aws.minting import ShortTermKeys
    from bedrock_bearer.client import BedrockClient
    from bedrock_bearer.converse.functions import run_tools, run_tools_async
    from bedrock_bearer.converse.inputs import MessageInput, MessagesInput
    from bedrock_bearer.converse.message import Message
    from bedrock_bearer.converse.options import ConverseOptions
    from bedrock_bearer.converse.response import ConverseResponse
    from bedrock_bearer.errors import (
        AccessDeniedError,
        APIError,
        ApiKeyExpiredError,
        ApiKeyRejectedError,
        AuthenticationError,
        AuthorizationHeaderMissingError,
        BearerTokenDeniedError,
        BearerTokenNotAllowedError,
        BedrockError,
        ConfigurationError,
        ConnectError,
        DailyQuotaError,
        EventStreamDecodeError,
        InputTooLongError,
        InternalServerError,
        InvalidApiKeyError,
        InvalidRequestError,
        KeyCreationDeniedError,
        KeyLifecycleError,
        KeyLimitError,
        LongTermKeyDeniedError,
        MissingApiKeyError,
        ModelAccessError,
        ModelError,
        ModelNotReadyError,
        ModelTimeoutError,
        OperationDeniedError,
        OutputError,
        RegionError,
        RequestTimeoutError,
        ResourceNotFoundError,
        ResponseDecodeError,
        ServiceQuotaError,
        ServiceUnavailableError,
        ShortTermKeyDeniedError,
        StreamError,
        StreamInterruptedError,
        ThrottlingError,
        TransportError,
    )
    from bedrock_bearer.keys.api_key import ApiKey
    from bedrock_bearer.keys.description import KeyDescription, TokenType
    from bedrock_bearer.keys.fallback import FallbackKeys
    from bedrock_bearer.keys.function import CallableKey
    from bedrock_bearer.keys.sources import KeyRefusal, KeySource
    from bedrock_bearer.keys.stored import EnvironmentKey, FileKey
    from bedrock_bearer.rotation import KeyCheck, RotationReport, check_keys
    from bedrock_bearer.streams import AsyncConverseStream, ConverseStream
    from bedrock_bearer.wire.attempt import Timeout
    from bedrock_bearer.wire.records import AttemptRecord, CallRecord, KeySwitchRecord, OnEvent
    from bedrock_bearer.wire.retry import RetryPolicy

__all__ = [
    "APIError",
    "AccessDeniedError",
    "ApiKey",
    "ApiKeyExpiredError",
    "ApiKeyRejectedError",
    "AsyncBedrockClient",
    "AsyncConverseStream",
    "AttemptRecord",
    "AuthenticationError",
    "AuthorizationHeaderMissingError",
    "BearerTokenDeniedError",
    "BearerTokenNotAllowedError",
    "BedrockClient",
    "BedrockError",
    "CallRecord",
    "CallableKey",
    "ConfigurationError",
    "ConnectError",
    "ConverseOptions",
    "ConverseResponse",
    "ConverseStream",
    "DailyQuotaError",
    "EnvironmentKey",
    "EventStreamDecodeError",
    "FallbackKeys",
    "FileKey",
    "InputTooLongError",
    "InternalServerError",
    "InvalidApiKeyError",
    "InvalidRequestError",
    "KeyCheck",
    "KeyCreationDeniedError",
    "KeyDescription",
    "KeyLifecycleError",
    "KeyLimitError",
    "KeyRefusal",
    "KeySource",
    "KeySwitchRecord",
    "LongTermKeyDeniedError",
    "Message",
    "MessageInput",
    "MessagesInput",
    "MissingApiKeyError",
    "ModelAccessError",
    "ModelError",
    "ModelNotReadyError",
    "ModelTimeoutError",
    "OnEvent",
    "OperationDeniedError",
    "OutputError",
    "RegionError",
    "RequestTimeoutError",
    "ResourceNotFoundError",
    "ResponseDecodeError",
    "RetryPolicy",
    "RotationReport",
    "ServiceQuotaError",
    "ServiceUnavailableError",
    "ShortTermKeyDeniedError",
    "ShortTermKeys",
    "StreamError",
    "StreamInterruptedError",
    "ThrottlingError",
    "Timeout",
    "TokenType",
    "TransportError",
    "check_keys",
    "run_tools",
    "run_tools_async",
    "translate_error",
]

if not TYPE_CHECKING:
    __getattr__, __dir__ = lazy_names(
        __name__,
        [
            "errors",
            "keys.description",
            "keys.api_key",
            "keys.sources",
            "wire.attempt",
            "wire.records",
            "wire.retry",
            "client",
            "converse.message",
            "converse.response",
            "converse.options",
            "keys.stored",
            "keys.function",
            "keys.fallback",
            "async_client",
            "streams",
            "rotation",
            "aws.minting",
            "converse.functions",
            "converse.inputs",
            "adapters.errors",
        ],
        __all__,
    )
