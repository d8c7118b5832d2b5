"""Everything this library raises.

BedrockError
├── ConfigurationError              before anything is sent
│   ├── MissingApiKeyError
│   ├── InvalidApiKeyError
│   └── RegionError
├── TransportError                  nothing usable came back
│   ├── ConnectError
│   └── RequestTimeoutError
├── APIError                        AWS answered with an error
│   ├── AuthenticationError         the key was not accepted
│   │   ├── ApiKeyRejectedError
│   │   ├── ApiKeyExpiredError
│   │   └── AuthorizationHeaderMissingError
│   ├── AccessDeniedError           a policy or an account setting refused it
│   │   ├── BearerTokenDeniedError      on CallWithBearerToken
│   │   │   ├── ShortTermKeyDeniedError
│   │   │   ├── LongTermKeyDeniedError
│   │   │   └── BearerTokenNotAllowedError
│   │   ├── OperationDeniedError        the key was accepted, the operation was not
│   │   └── ModelAccessError            the account may not use this model (yet)
│   ├── InvalidRequestError
│   │   └── InputTooLongError           the prompt exceeds the model's context window
│   ├── ResourceNotFoundError
│   ├── ThrottlingError
│   │   └── DailyQuotaError
│   ├── ModelNotReadyError
│   ├── ModelTimeoutError
│   ├── ModelError
│   ├── InternalServerError
│   ├── ServiceUnavailableError
│   └── ServiceQuotaError
├── ResponseDecodeError             the body is not what the API promises
│   └── OutputError                 the reply does not fit the `output_type` of the call
├── StreamError
│   ├── StreamInterruptedError
│   └── EventStreamDecodeError
└── KeyLifecycleError               over IAM
    ├── KeyCreationDeniedError
    └── KeyLimitError

No error holds a request, a response or a key; each can be pickled.
Each says itself whether to retry: `retryable`, `throttling` and `retry_after`.
"""

from __future__ import annotations

import copyreg
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bedrock_bearer.access.denial import Denial
    from bedrock_bearer.access.governing import GoverningPolicy
    from bedrock_bearer.converse.response import ConverseResponse
    from bedrock_bearer.keys.description import KeyDescription


class BedrockError(Exception):
    """The base of every error of this library.

    Attributes:
        message: what happened, in one sentence or a few; never a key.
        retryable: whether the same call may succeed if it is made again.
        throttling: whether the call was refused because there were too many.
        retry_after: seconds that the service asked to wait, or None.
        request_id: AWS's id of the request (`x-amzn-RequestId`), or None.
        key: a description of the key that was used, never its secret, or None.
    """

    retryable: bool = False
    throttling: bool = False

    def __init__(
        self,
        message: str,
        *,
        retryable: bool | None = None,
        retry_after: float | None = None,
        request_id: str | None = None,
        key: KeyDescription | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        if retryable is not None:
            self.retryable = retryable
        self.retry_after = retry_after
        self.request_id = request_id
        self.key = key

    def __str__(self) -> str:
        return f"{self.message} (request id {self.request_id})" if self.request_id else self.message

    def __reduce__(self) -> tuple[Any, ...]:
        # The default would call __init__ with positional arguments only.
        return (copyreg.__newobj__, (type(self), *self.args), self.__dict__)  # type: ignore[attr-defined]


class ConfigurationError(BedrockError):
    """Something was set wrongly. Nothing was sent."""


class MissingApiKeyError(ConfigurationError):
    """No API key was found in any of the places looked at."""


class InvalidApiKeyError(ConfigurationError):
    """The text given as API key is not one. The text is not shown."""


class RegionError(ConfigurationError):
    """No AWS Region was found, or the key belongs to another one."""


class TransportError(BedrockError):
    """Nothing usable came back: the network, a proxy, TLS or the far end broke off.

    Attributes:
        reply_lost: whether the request had gone out whole: the work may have been done, and be
            billed. `RetryPolicy(retry_broken_replies=False)` does not repeat it.
    """

    reply_lost: bool = False


class ConnectError(TransportError):
    """No connection to the endpoint could be made. Nothing was sent."""

    retryable = True


class RequestTimeoutError(TransportError):
    """A time limit ran out.

    Attributes:
        phase: `pool`, `connect`, `write`, `read` or `deadline`.
        elapsed: seconds from the start of the attempt (of the call, for `deadline`).
    """

    def __init__(self, message: str, *, phase: str, elapsed: float, **details: Any) -> None:
        super().__init__(message, **details)
        self.phase = phase
        self.elapsed = elapsed


class APIError(BedrockError):
    """AWS answered with an error.

    Attributes:
        status_code: the HTTP status (200 for an error that came inside a stream).
        code: AWS's name of the error, such as `ThrottlingException`, or None.
        body: the beginning of the body as text.
        during_stream: whether it came as an event inside a stream.
        partial: the reply as far as it had come, for an error inside a stream.
    """

    def __init__(
        self,
        message: str,
        *,
        status_code: int,
        code: str | None = None,
        body: str = "",
        during_stream: bool = False,
        partial: ConverseResponse | None = None,
        **details: Any,
    ) -> None:
        super().__init__(message, **details)
        self.status_code = status_code
        self.code = code
        self.body = body
        self.during_stream = during_stream
        self.partial = partial


class AuthenticationError(APIError):
    """The key was not accepted as a key."""


class ApiKeyRejectedError(AuthenticationError):
    """AWS does not accept this key: cut short, deactivated, deleted, or of another Region."""


class ApiKeyExpiredError(AuthenticationError):
    """The key, or the session that signed it, has expired."""


class AuthorizationHeaderMissingError(AuthenticationError):
    """The request reached AWS without an Authorization header: a proxy may have dropped it."""


class AccessDeniedError(APIError):
    """A policy or a setting of the account refused the call.

    A note explains the denial, so that a traceback shows what to change.

    Attributes:
        denial: AWS's sentence, parsed; None if AWS gave none.
    """

    def __init__(self, message: str, *, denial: Denial | None = None, **details: Any) -> None:
        super().__init__(message, **details)
        self.denial = denial
        if denial is not None and not denial.is_bearer_token_denial:
            _explain(self, denial)


class BearerTokenDeniedError(AccessDeniedError):
    """A policy refused the use of this API key (`CallWithBearerToken`).

    Attributes:
        governing_policy: what is known of the policy that refused; its `certainty` says how much.
    """

    def __init__(
        self, message: str, *, governing_policy: GoverningPolicy | None = None, **details: Any
    ) -> None:
        super().__init__(message, **details)
        self.governing_policy = governing_policy

    @property
    def governing_policy(self) -> GoverningPolicy | None:
        return self._governing_policy

    @governing_policy.setter
    def governing_policy(self, policy: GoverningPolicy | None) -> None:
        # A verdict may change once another key was tried: its note is replaced.
        known = getattr(self, "_governing_policy", None)
        outdated = known.explain() if known is not None else None
        self.__notes__ = [n for n in getattr(self, "__notes__", ()) if n != outdated]
        self._governing_policy = policy
        if policy is not None:
            self.add_note(policy.explain())


class ShortTermKeyDeniedError(BearerTokenDeniedError):
    """An explicit deny refused a SHORT_TERM key; `governing_policy` says what is known of why."""


class LongTermKeyDeniedError(BearerTokenDeniedError):
    """An explicit deny refused a LONG_TERM key; `governing_policy` says what is known of why."""


class BearerTokenNotAllowedError(BearerTokenDeniedError):
    """No policy allows the use of this key: an implicit denial."""


class OperationDeniedError(AccessDeniedError):
    """The key was accepted, but its principal may not perform the operation."""


class ModelAccessError(AccessDeniedError):
    """The account may not use this model: access, Marketplace, use-case form, payment, legacy."""


class InvalidRequestError(APIError):
    """The service or the model found the request invalid."""


class InputTooLongError(InvalidRequestError):
    """The prompt, or the prompt and `max_tokens`, exceed the model's context window."""


class ResourceNotFoundError(APIError):
    """The model, inference profile or other resource does not exist here."""


class ThrottlingError(APIError):
    """Too many requests or tokens at the moment."""

    retryable = True
    throttling = True


class DailyQuotaError(ThrottlingError):
    """The account's tokens for the day are used up: trying again today is of no use."""

    retryable = False


class ModelNotReadyError(APIError):
    """The model is still being made ready."""

    retryable = True


class ModelTimeoutError(APIError):
    """The model took too long. Not retried by itself: the work may be billed twice."""


class ModelError(APIError):
    """The model failed while it processed the request."""


class InternalServerError(APIError):
    """AWS failed."""

    retryable = True


class ServiceUnavailableError(APIError):
    """AWS, or a gateway in front of it, cannot serve the request at the moment."""

    retryable = True


class ServiceQuotaError(APIError):
    """A quota of the account is exceeded."""


class ResponseDecodeError(BedrockError):
    """The body is not what the API promises.

    Attributes:
        status_code: the HTTP status.
        body: the beginning of the body as text.
    """

    def __init__(
        self, message: str, *, status_code: int | None = None, body: str = "", **details: Any
    ) -> None:
        super().__init__(message, **details)
        self.status_code = status_code
        self.body = body


class OutputError(ResponseDecodeError):
    """The reply does not fit the `output_type` of the call. It is not asked for again.

    Attributes:
        reply: the whole reply.
    """

    def __init__(self, message: str, *, reply: ConverseResponse, **details: Any) -> None:
        super().__init__(message, **details)
        self.reply = reply


class StreamError(BedrockError):
    """A stream could not be read to its end."""


class StreamInterruptedError(StreamError):
    """The stream ended before `messageStop`.

    Attributes:
        partial: the reply as far as it had come, or None.
        reply_lost: always True; see `TransportError`.
    """

    reply_lost: bool = True

    def __init__(
        self, message: str, *, partial: ConverseResponse | None = None, **details: Any
    ) -> None:
        super().__init__(message, **details)
        self.partial = partial


class EventStreamDecodeError(StreamError):
    """Bytes of a stream are not valid `application/vnd.amazon.eventstream` framing."""


class KeyLifecycleError(BedrockError):
    """IAM refused or failed to manage a key."""


class KeyCreationDeniedError(KeyLifecycleError):
    """A policy refused `iam:CreateServiceSpecificCredential`.

    Attributes:
        denial: AWS's sentence, parsed.
        condition_key: after an explicit deny, the condition key that it may turn on, such as
            `iam:ServiceSpecificCredentialAgeDays`; None if no policy allowed the key at all.
        condition_value: the value that was asked for, such as `30`, or None.
        orphaned_user: the IAM user left behind without a key, or None.
    """

    def __init__(
        self,
        message: str,
        *,
        denial: Denial | None = None,
        condition_key: str | None = None,
        condition_value: str | None = None,
        orphaned_user: str | None = None,
        **details: Any,
    ) -> None:
        super().__init__(message, **details)
        self.denial = denial
        if denial is not None:
            _explain(self, denial)
        self.condition_key = condition_key
        self.condition_value = condition_value
        self.orphaned_user = orphaned_user


class KeyLimitError(KeyLifecycleError):
    """The user already has the two keys that IAM allows."""


def install_hint(extra: str, *packages: str) -> str:
    """Say how to install what an extra of this package needs."""
    return (
        f"Install {' and '.join(packages)}, or bedrock-bearer[{extra}] from the place that you "
        "installed bedrock-bearer from."
    )


def _explain(error: BedrockError, denial: Denial) -> None:
    from bedrock_bearer.access.explanation import explain_denial

    error.add_note(explain_denial(denial))
