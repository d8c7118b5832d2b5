"""What a call is, without I/O: both clients build, decide and read here."""

from __future__ import annotations

import contextlib
import sys
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from enum import Enum
from inspect import iscoroutinefunction
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar

from bedrock_bearer import __version__
from bedrock_bearer.converse import ConverseRequest, ConverseResponse
from bedrock_bearer.converse.base import load_json, read_model
from bedrock_bearer.errors import (
    AuthenticationError,
    AuthorizationHeaderMissingError,
    BearerTokenDeniedError,
    BedrockError,
    ConfigurationError,
    RegionError,
    ResponseDecodeError,
)
from bedrock_bearer.keys.api_key import ApiKey
from bedrock_bearer.keys.description import KeyDescription
from bedrock_bearer.regions import check_key_region
from bedrock_bearer.wire.attempt import Attempt, Timeout, check_seconds
from bedrock_bearer.wire.endpoint import Endpoint, path_segment
from bedrock_bearer.wire.observers import is_heard, logger
from bedrock_bearer.wire.retry import RetryPolicy, RetryQuota, RetryRun
from bedrock_bearer.wire.transport import WireRequest, WireResponse

# What only a refusal, a stream or an observer needs is imported there: starting up takes time.
if TYPE_CHECKING:
    from bedrock_bearer.converse import CountTokensRequest, CountTokensResponse
    from bedrock_bearer.converse.inputs import ConverseOptions, CountTokensOptions, MessagesInput
    from bedrock_bearer.keys.sources import KeySource
    from bedrock_bearer.stream import StreamReader
    from bedrock_bearer.wire.records import OnEvent

Reply = TypeVar("Reply")

KEY_REFUSALS = (AuthenticationError, BearerTokenDeniedError, RegionError)
"""The errors after which another key may do better."""


class Unset(Enum):
    """Tells an argument that was left out from None, which switches a limit off."""

    UNSET = "unset"


UNSET: Final = Unset.UNSET


@dataclass(frozen=True, slots=True)
class ProbeResult:
    """The key was accepted, and its principal may list asynchronous invocations.

    Attributes:
        key: a description of the key that was accepted.
        request_id: AWS's id of the request.
    """

    key: KeyDescription
    request_id: str | None


@dataclass(frozen=True, slots=True)
class CallSettings:
    """What a client's calls have in common."""

    timeout: Timeout
    deadline: float | None
    retry: RetryPolicy
    on_event: OnEvent | None

    def changed(
        self,
        *,
        timeout: float | Timeout | None | Unset = UNSET,
        deadline: float | None | Unset = UNSET,
        retry: RetryPolicy | Unset = UNSET,
        on_event: OnEvent | None | Unset = UNSET,
    ) -> CallSettings:
        """Return these settings with what was given in place of what was set."""
        changes: dict[str, Any] = {}
        if timeout is not UNSET:
            changes["timeout"] = Timeout.of(timeout)
        if deadline is not UNSET:
            check_seconds("deadline=", deadline)
            changes["deadline"] = deadline
        if retry is not UNSET:
            if not isinstance(retry, RetryPolicy):
                raise ConfigurationError("retry= takes a RetryPolicy.")
            changes["retry"] = retry
        if on_event is not UNSET:
            if on_event is not None and not callable(on_event):
                raise ConfigurationError("on_event= takes a function of one record, or None.")
            if iscoroutinefunction(on_event):
                raise ConfigurationError("on_event= takes a function that is not async.")
            changes["on_event"] = on_event
        return replace(self, **changes) if changes else self


# ------------------------------------------------------------------------------- the operations


@dataclass(frozen=True, slots=True)
class Operation(Generic[Reply]):
    """One thing to ask of AWS: where, with what, and how the answer reads."""

    name: str
    method: str
    path: str
    body: bytes
    read: Callable[[WireResponse, KeyDescription], Reply]
    model_id: str | None = None


def converse_operation(
    model_id: str, messages: MessagesInput, options: ConverseOptions
) -> Operation[ConverseResponse]:
    """Plan a Converse call.

    Raises:
        ConfigurationError: an argument is not valid.
    """
    body = _body(ConverseRequest, model_id, messages, options)
    return _model_operation("Converse", model_id, "converse", body, _read_converse)


def converse_stream_operation(
    model_id: str, messages: MessagesInput, options: ConverseOptions
) -> Operation[ConverseResponse]:
    """Plan a ConverseStream call.

    Raises:
        ConfigurationError: an argument is not valid.
    """
    body = _body(ConverseRequest, model_id, messages, options)
    return _model_operation("ConverseStream", model_id, "converse-stream", body, _read_converse)


def count_tokens_operation(
    model_id: str, messages: MessagesInput, options: CountTokensOptions
) -> Operation[CountTokensResponse]:
    """Plan a CountTokens call.

    Raises:
        ConfigurationError: an argument is not valid.
    """
    from bedrock_bearer.converse import CountTokensRequest

    body = _body(CountTokensRequest, model_id, messages, options)
    return _model_operation("CountTokens", model_id, "count-tokens", body, _read_count)


def probe_operation() -> Operation[ProbeResult]:
    """Plan the free authenticated call: ListAsyncInvokes of one."""
    return Operation("ListAsyncInvokes", "GET", "/async-invoke?maxResults=1", b"", _read_probe)


def _model_operation(
    name: str,
    model_id: str,
    verb: str,
    body: bytes,
    read: Callable[[WireResponse, KeyDescription], Reply],
) -> Operation[Reply]:
    return Operation(name, "POST", f"/model/{path_segment(model_id)}/{verb}", body, read, model_id)


def _body(
    request: type[ConverseRequest] | type[CountTokensRequest],
    model_id: str,
    messages: Any,
    options: Mapping[str, Any],
) -> bytes:
    try:
        return request.build(model_id, messages, **options).to_wire_json()
    except (ValueError, RecursionError) as error:
        problem = str(error) or type(error).__name__
    raise ConfigurationError(f"The call was not sent: {problem}")


_NOT_BEDROCK = "Does the endpoint lead to Amazon Bedrock, or to a proxy's own page?"


def _read_converse(response: WireResponse, key: KeyDescription) -> ConverseResponse:
    reply: ConverseResponse = _validate(ConverseResponse, response)
    return reply.with_origin(request_id=request_id_of(response.headers), key=key)


def _read_count(response: WireResponse, key: KeyDescription) -> CountTokensResponse:
    from bedrock_bearer.converse import CountTokensResponse

    count: CountTokensResponse = _validate(CountTokensResponse, response)
    return count


def _read_probe(response: WireResponse, key: KeyDescription) -> ProbeResult:
    _json_object(response)
    return ProbeResult(key, request_id_of(response.headers))


def _validate(model: type[Any], response: WireResponse) -> Any:
    try:
        return read_model(model, _json_object(response))
    except ValueError:
        problem = f"The reply does not have the form of a {model.__name__}."
    raise _decode_error(problem, response)


def _json_object(response: WireResponse) -> dict[str, Any]:
    document: Any = None
    with contextlib.suppress(ValueError, RecursionError):
        document = load_json(response.body)
    if not isinstance(document, dict):
        raise _decode_error(
            f"The reply is not the JSON that the API promises. {_NOT_BEDROCK}", response
        )
    return document


def _decode_error(message: str, response: WireResponse) -> ResponseDecodeError:
    from bedrock_bearer.wire.classify import MAX_BODY_CHARACTERS

    return ResponseDecodeError(
        message,
        status_code=response.status,
        body=response.body[:MAX_BODY_CHARACTERS].decode("utf-8", "replace"),
        request_id=request_id_of(response.headers),
    )


def request_id_of(headers: Mapping[str, str]) -> str | None:
    """Return AWS's id of the request, out of headers with lower-case names."""
    return headers.get("x-amzn-requestid")


# ------------------------------------------------------------------------------- one call's life


_USER_AGENT = f"bedrock-bearer/{__version__} python/{sys.version_info[0]}.{sys.version_info[1]}"


class Call(Generic[Reply]):
    """One call from start to end: its attempts, its keys, its time."""

    def __init__(
        self,
        operation: Operation[Reply],
        settings: CallSettings,
        source: KeySource,
        quota: RetryQuota,
    ) -> None:
        self.operation = operation
        self.settings = settings
        self.source = source
        self.key: ApiKey | None = None
        self.request_id: str | None = None
        self.attempts = 0
        self._clock = settings.retry.clock
        self._started_at = self._clock.monotonic()
        self._deadline_at = (
            None if settings.deadline is None else self._started_at + settings.deadline
        )
        self._attempt_started_at = self._started_at
        self._first_reply_after: float | None = None
        self._refused: list[ApiKey] = []
        self._refusal: BedrockError | None = None
        self._invocation_id = str(uuid.uuid4())
        self.retries = RetryRun(settings.retry, quota, self._deadline_at)

    def begin_attempt(self) -> None:
        """Count an attempt."""
        self.attempts += 1
        self._attempt_started_at = self._clock.monotonic()

    def timed(self) -> Attempt:
        """Start the time of a request.

        Raises:
            RequestTimeoutError: the call's deadline has passed.
        """
        return Attempt(self._clock, self.settings.timeout, self._started_at, self._deadline_at)

    def request(self, endpoint: Endpoint) -> WireRequest:
        """Return what goes over the wire, but for the key."""
        operation = self.operation
        return WireRequest(
            operation.method,
            endpoint.url + operation.path,
            (
                ("accept-encoding", "identity"),
                ("content-type", "application/json"),
                ("user-agent", _USER_AGENT),
                ("amz-sdk-invocation-id", self._invocation_id),
                (
                    "amz-sdk-request",
                    f"attempt={self.attempts}; max={self.settings.retry.max_attempts}",
                ),
            ),
            operation.body,
        )

    def use(self, key: ApiKey, region: str | None) -> ApiKey:
        """Note the key of the next request.

        Raises:
            RegionError: the key belongs to another Region.
            BedrockError: the key was refused already in this call, and this was why.
        """
        refused, self.key = self.key, key
        for passed_over in self.source.pop_unavailable():
            self._emit_switch(passed_over.key, key.description, passed_over.error)
        if self._refusal is not None and key in self._refused:
            raise self._refusal
        if self._refusal is not None and refused is not None:
            self._emit_switch(refused.description, key.description, self._refusal)
        self._refusal = None
        check_key_region(key.description, region)
        return key

    def read(self, response: WireResponse) -> Reply:
        """Return the typed reply.

        Raises:
            APIError: AWS answered with an error.
            ResponseDecodeError: the body is not what the API promises.
        """
        key = self._used_key()
        self.request_id = request_id_of(response.headers)
        # A proxy's own page may show the request's headers.
        body = response.body.replace(key.get_secret_value().encode(), b"[API key]")
        if response.status != 200:
            from bedrock_bearer.wire.classify import error_from_response

            raise error_from_response(response.status, response.headers, body, key.description)
        if body is not response.body:
            response = replace(response, body=body)
        return self.operation.read(response, key.description)

    def read_stream(self, status: int, headers: Mapping[str, str]) -> StreamReader:
        """Return the reader for a stream that has begun.

        Raises:
            ResponseDecodeError: the reply is not an event stream.
        """
        self.request_id = request_id_of(headers)
        if "vnd.amazon.eventstream" not in headers.get("content-type", ""):
            raise ResponseDecodeError(
                f"The reply is not an event stream. {_NOT_BEDROCK}",
                status_code=status,
                request_id=self.request_id,
            )
        from bedrock_bearer.stream import StreamReader

        return StreamReader(self._used_key().description, self.request_id)

    def _used_key(self) -> ApiKey:
        if self.key is None:
            raise RuntimeError("no request was sent yet")
        return self.key

    def try_another_key(self, error: BedrockError) -> bool:
        """Return whether another key is worth a request at once; each key gets one."""
        key = self.key
        # A header that never arrived says nothing of the key.
        is_refusal = isinstance(error, KEY_REFUSALS)
        if not is_refusal or isinstance(error, AuthorizationHeaderMissingError) or key is None:
            return False
        asked_again = key in self._refused
        self._refused.append(key)
        if error.key is None:
            error.key = key.description
        may_switch = self.source.refused(key, error, asked_again=asked_again)
        self._refusal = error
        return may_switch and len(self._refused) < self.source.keys_per_call

    def failed(self, error: BedrockError) -> None:
        """Decide about a retry, and tell `on_event`."""
        if error.key is None and self.key is not None:
            error.key = self.key.description
        retry_in = self.retries.plan(error, self.attempts)
        self._emit_attempt(error, retry_in)
        if retry_in is None:
            self.emit_call(error=error)

    def succeeded(self) -> None:
        """Refund the retry quota, and tell `on_event`."""
        self.retries.succeeded()
        if self.key is not None:
            self.source.accepted(self.key)
        self._first_reply_after = self._clock.monotonic() - self._started_at
        self._emit_attempt(None, None)

    def _emit_switch(
        self, refused: KeyDescription | None, replacement: KeyDescription, error: BedrockError
    ) -> None:
        from bedrock_bearer.wire.records import KeySwitchRecord, emit

        reason = type(error).__name__
        logger.info("%s takes over from %s: %s.", replacement, refused or "no key", reason)
        emit(self.settings.on_event, KeySwitchRecord(refused, replacement, reason))

    def _emit_attempt(self, error: BedrockError | None, retry_in: float | None) -> None:
        if not self.is_heard:
            return
        from bedrock_bearer.wire.records import AttemptRecord, emit

        emit(
            self.settings.on_event,
            AttemptRecord(
                operation=self.operation.name,
                model_id=self.operation.model_id,
                attempt=self.attempts,
                elapsed=self._clock.monotonic() - self._attempt_started_at,
                key=self.key.description if self.key else None,
                status_code=getattr(error, "status_code", None) if error else 200,
                request_id=error.request_id if error else self.request_id,
                error=type(error).__name__ if error else None,
                code=getattr(error, "code", None),
                retry_in=retry_in,
            ),
        )

    @property
    def is_heard(self) -> bool:
        """Whether anybody takes this call's records."""
        return is_heard(self.settings.on_event)

    def emit_call(self, *, error: BedrockError | None = None, reply: object = None) -> None:
        """Tell `on_event` that the call is over."""
        if not self.is_heard:
            return
        from bedrock_bearer.wire.records import CallRecord, emit

        emit(
            self.settings.on_event,
            CallRecord(
                operation=self.operation.name,
                model_id=self.operation.model_id,
                attempts=self.attempts,
                elapsed=self._clock.monotonic() - self._started_at,
                key=self.key.description if self.key else None,
                request_id=(error.request_id if error else None) or self.request_id,
                error=type(error).__name__ if error else None,
                first_reply_after=self._first_reply_after,
                **_figures(reply),
            ),
        )


def _figures(reply: object) -> dict[str, Any]:
    if not isinstance(reply, ConverseResponse):
        return {}
    return {
        "stop_reason": reply.stop_reason,
        "input_tokens": reply.usage.input_tokens if reply.usage else None,
        "output_tokens": reply.usage.output_tokens if reply.usage else None,
        "latency_ms": reply.metrics.latency_ms if reply.metrics else None,
    }
