"""One call's life: its attempts, its keys and its time.

The flow is written once, as coroutines. What it waits for is behind `CallIO`: in an event loop its
methods suspend; in a thread they block and never suspend, so that `run_blocking` can run the same
coroutines without a loop.
"""

from __future__ import annotations

import sys
import uuid
from collections.abc import Awaitable, Callable, Coroutine
from contextvars import Context, copy_context
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

from bedrock_bearer.converse.response import ConverseResponse
from bedrock_bearer.errors import BedrockError
from bedrock_bearer.keys.sources import RefusedKeys, is_key_refusal
from bedrock_bearer.version import __version__
from bedrock_bearer.wire.attempt import Attempt
from bedrock_bearer.wire.endpoint import Endpoint, check_key
from bedrock_bearer.wire.messages import WireRequest, WireResponse
from bedrock_bearer.wire.observers import has_observer, logger
from bedrock_bearer.wire.retry import RetryQuota, RetryRun

# What only a refusal or an observer needs is imported there: starting up takes time.
if TYPE_CHECKING:
    from bedrock_bearer.keys.api_key import ApiKey
    from bedrock_bearer.keys.description import KeyDescription
    from bedrock_bearer.keys.sources import KeySource
    from bedrock_bearer.operations import Operation
    from bedrock_bearer.settings import CallSettings
    from bedrock_bearer.wire.clock import Clock
    from bedrock_bearer.wire.exchange import OpenResponse
    from bedrock_bearer.wire.records import Record
    from bedrock_bearer.wire.transport import AsyncTransport, Transport

Reply = TypeVar("Reply")
Result = TypeVar("Result")

_USER_AGENT = f"bedrock-bearer/{__version__} python/{sys.version_info[0]}.{sys.version_info[1]}"


# ------------------------------------------------------------------------- what a call waits for


class CallIO(Protocol):
    """What a call waits for, and the transport below, whose coroutines wait in the same way."""

    transport: Transport | AsyncTransport

    async def get_key(self, source: KeySource) -> ApiKey:
        """Return the key for the next request."""

    async def sleep(self, clock: Clock, seconds: float) -> None:
        """Wait on a clock."""

    async def wait_for(self, observer: Coroutine[Any, Any, object]) -> None:
        """Wait for an observer that is a coroutine function."""


class ThreadIO:
    """Waits by blocking the thread; its methods never suspend."""

    def __init__(self, transport: Transport | AsyncTransport) -> None:
        self.transport = transport

    async def get_key(self, source: KeySource) -> ApiKey:
        return source.get_key()

    async def sleep(self, clock: Clock, seconds: float) -> None:
        clock.sleep(seconds)

    async def wait_for(self, observer: Coroutine[Any, Any, object]) -> None:
        observer.close()
        logger.warning("on_event returned a coroutine, which only an AsyncBedrockClient awaits.")


class LoopIO:
    """Waits in an event loop."""

    def __init__(self, transport: Transport | AsyncTransport) -> None:
        self.transport = transport

    async def get_key(self, source: KeySource) -> ApiKey:
        return await source.get_key_async()

    async def sleep(self, clock: Clock, seconds: float) -> None:
        await clock.sleep_async(seconds)

    async def wait_for(self, observer: Coroutine[Any, Any, object]) -> None:
        try:
            await observer
        except Exception:  # noqa: BLE001 - an observer's fault is not the caller's
            logger.warning("on_event raised; the call goes on.", exc_info=True)


def run_blocking(flow: Coroutine[Any, Any, Result]) -> Result:
    """Run a coroutine over `ThreadIO` to its end, without an event loop."""
    try:
        flow.send(None)
    except StopIteration as end:
        result: Result = end.value
        return result
    flow.close()
    raise RuntimeError("A blocking call tried to wait for an event loop.")


# ------------------------------------------------------------------------------------- the call


class Call(Generic[Reply]):
    """One call from start to end: its attempts, its keys, its time."""

    def __init__(
        self,
        operation: Operation[Reply],
        settings: CallSettings,
        source: KeySource,
        quota: RetryQuota,
        endpoint: Endpoint,
        io: CallIO,
    ) -> None:
        self.attempts = 0
        self.request_id: str | None = None
        self._operation = operation
        self._settings = settings
        self._source = source
        self._endpoint = endpoint
        self._io = io
        self._key: ApiKey | None = None
        self._clock = settings.retry.clock
        self._started_at = self._clock.monotonic()
        self._deadline_at = (
            None if settings.deadline is None else self._started_at + settings.deadline
        )
        self._attempt_started_at = self._started_at
        self._first_reply_after: float | None = None
        self._refused = RefusedKeys(source)
        self._refusal: BedrockError | None = None
        self._context: Context | None = None
        self._invocation_id = str(uuid.uuid4())
        self._retries = RetryRun(settings.retry, quota, self._deadline_at)

    async def run(self) -> Reply:
        """Make the call and return its reply.

        Raises:
            BedrockError: it failed, and no retry helped.
        """
        reply = await self._with_retries(self._exchange)
        await self.emit_call(reply=reply)
        return reply

    async def open_stream(self, owner: object) -> tuple[OpenResponse, Reply]:
        """Open a stream: until its first event has come, the call may be retried.

        Return the open response and the reader that takes its chunks. When `owner` is dropped
        without being closed, the connection is given back.

        Raises:
            BedrockError: no event came, and no retry helped.
        """
        # The stream may be closed in another task or trace.
        self._context = copy_context() if self.has_observer else None
        return await self._with_retries(self._open_to_first_event, owner)

    # ---------------------------------------------------------------------- attempts and keys

    async def _with_retries(
        self, exchange: Callable[..., Awaitable[Result]], *arguments: Any
    ) -> Result:
        try:
            return await self._attempt(exchange, *arguments)
        except BedrockError:
            if self._retries.next_delay is None:
                raise
        # tenacity takes time to set up, and most calls need no second attempt.
        await self._sleep(self._retries.next_delay or 0.0)
        retrying = self._retries.loop(self._sleep)
        result: Result = await retrying(self._attempt, exchange, *arguments)
        return result

    async def _sleep(self, seconds: float) -> None:
        await self._io.sleep(self._clock, seconds)

    async def _attempt(self, exchange: Callable[..., Awaitable[Result]], *arguments: Any) -> Result:
        self.attempts += 1
        self._attempt_started_at = self._clock.monotonic()
        try:
            result = await self._with_a_key(exchange, *arguments)
        except BedrockError as error:
            await self._failed(error)
            raise
        await self._succeeded()
        return result

    async def _with_a_key(
        self, exchange: Callable[..., Awaitable[Result]], *arguments: Any
    ) -> Result:
        """Make the exchange; if the key is refused and there is another, repeat it with that."""
        while True:
            key = await self._io.get_key(self._source)
            try:
                await self._use(key)
                return await exchange(key, *arguments)
            except BedrockError as error:
                if not self._has_fallback(error) and not self._has_another_key(error):
                    raise

    async def _exchange(self, key: ApiKey) -> Reply:
        """Send the request and read the reply."""
        response = await self._io.transport.open(self._request(), key, self._start_attempt())
        try:
            whole = await self._whole(response, key)
        finally:
            await response.close()
        return self._operation.read(whole, key.description)

    async def _open_to_first_event(self, key: ApiKey, owner: object) -> tuple[OpenResponse, Reply]:
        transport = self._io.transport
        response = await transport.open(self._request(), key, self._start_attempt())
        try:
            if response.status != 200:
                await self._whole(response, key)
            head = WireResponse(response.status, response.headers, b"")
            self.request_id = head.request_id
            reader: Any = self._operation.read(head, key.description)
            reader.has_echo, reader.clean = response.has_echo, response.clean
            transport.watch(response, owner)
            while (event := reader.next_event()) is None and not reader.ended:
                reader.feed(await response.next_chunk() or None)
            reader.put_back(event)
        except BaseException as error:
            await response.close()
            if isinstance(error, BedrockError):
                # The frames of its traceback hold what the server sent.
                error.with_traceback(None)
            raise
        return response, reader

    def _has_fallback(self, error: BedrockError) -> bool:
        """Switch to the operation that replaces a refused one; return whether there is one."""
        other = self._operation.fallback(error) if self._operation.fallback else None
        if other is None:
            return False
        logger.info("%s is asked in another way: %s", other.name, error.message)
        self._operation = other
        return True

    # ---------------------------------------------------------------------------- one exchange

    def _start_attempt(self) -> Attempt:
        """Return a new attempt, whose time starts now.

        Raises:
            RequestTimeoutError: the call's deadline has passed.
        """
        return Attempt(self._clock, self._settings.timeout, self._started_at, self._deadline_at)

    def _request(self) -> WireRequest:
        """Return the HTTP request, without the key."""
        operation = self._operation
        max_attempts = self._settings.retry.max_attempts
        return WireRequest(
            operation.method,
            self._endpoint.url + operation.path,
            (
                ("accept-encoding", "identity"),
                ("content-type", "application/json"),
                ("user-agent", _USER_AGENT),
                ("amz-sdk-invocation-id", self._invocation_id),
                ("amz-sdk-request", f"attempt={self.attempts}; max={max_attempts}"),
            ),
            operation.body,
        )

    async def _whole(self, response: OpenResponse, key: ApiKey) -> WireResponse:
        """Return a response with its body.

        Raises:
            APIError: AWS answered with an error.
        """
        whole = await response.read()
        self.request_id = whole.request_id
        if whole.status == 200:
            return whole
        from bedrock_bearer.wire.classify import error_from_response

        raise error_from_response(whole.status, whole.headers, whole.body, key.description)

    # ------------------------------------------------------------------------------------- keys

    async def _use(self, key: ApiKey) -> None:
        """Note the key of the next request.

        Raises:
            RegionError: the key belongs to another Region.
            BedrockError: the key was refused already in this call, and this was why.
        """
        previous, self._key = self._key, key
        for unavailable in self._source.pop_unavailable():
            await self._emit_switch(unavailable.key, key.description, unavailable.error)
        if self._refusal is not None and key in self._refused:
            raise self._refusal
        if self._refusal is not None and previous is not None:
            await self._emit_switch(previous.description, key.description, self._refusal)
        self._refusal = None
        check_key(key.description, self._endpoint)

    def _has_another_key(self, error: BedrockError) -> bool:
        """Return whether the key was refused and another one is worth a request at once."""
        key = self._key
        if key is None or not is_key_refusal(error):
            return False
        if error.key is None:
            error.key = key.description
        self._refusal = error
        return self._refused.add(key, error)

    # ---------------------------------------------------------------------------------- records

    @property
    def has_observer(self) -> bool:
        """Whether `on_event` or the log takes this call's records."""
        return has_observer(self._settings.on_event)

    async def _failed(self, error: BedrockError) -> None:
        """Decide about a retry, and tell `on_event`."""
        if error.key is None and self._key is not None:
            error.key = self._key.description
        retry_in = self._retries.plan(error, self.attempts)
        await self._emit_attempt(error, retry_in)
        if retry_in is None:
            await self.emit_call(error=error)

    async def _succeeded(self) -> None:
        """Refund the retry quota, and tell `on_event`."""
        self._retries.succeeded()
        if self._key is not None:
            self._source.accepted(self._key)
        self._first_reply_after = self._clock.monotonic() - self._started_at
        await self._emit_attempt(None, None)

    async def _emit_switch(
        self, refused: KeyDescription | None, replacement: KeyDescription, error: BedrockError
    ) -> None:
        from bedrock_bearer.wire.records import KeySwitchRecord

        reason = type(error).__name__
        logger.info("%s takes over from %s: %s.", replacement, refused or "no key", reason)
        await self._emit(KeySwitchRecord(refused, replacement, reason))

    async def _emit_attempt(self, error: BedrockError | None, retry_in: float | None) -> None:
        if not self.has_observer:
            return
        from bedrock_bearer.wire.records import AttemptRecord

        await self._emit(
            AttemptRecord(
                operation=self._operation.name,
                model_id=self._operation.model_id,
                attempt=self.attempts,
                elapsed=self._clock.monotonic() - self._attempt_started_at,
                key=self._key.description if self._key else None,
                status_code=getattr(error, "status_code", None) if error else 200,
                request_id=error.request_id if error else self.request_id,
                error=type(error).__name__ if error else None,
                code=getattr(error, "code", None),
                retry_in=retry_in,
                reply_lost=getattr(error, "reply_lost", False),
            )
        )

    async def emit_call(self, *, error: BedrockError | None = None, reply: object = None) -> None:
        """Tell `on_event` that the call is over."""
        if not self.has_observer:
            return
        from bedrock_bearer.wire.records import CallRecord

        elapsed = self._clock.monotonic() - self._started_at
        await self._emit(
            CallRecord(
                operation=self._operation.name,
                model_id=self._operation.model_id,
                attempts=self.attempts,
                elapsed=elapsed,
                key=self._key.description if self._key else None,
                request_id=(error.request_id if error else None) or self.request_id,
                error=type(error).__name__ if error else None,
                first_reply_after=self._first_reply_after,
                started_at=self._clock.utc_now() - timedelta(seconds=elapsed),
                region=self._endpoint.region,
                endpoint_url=self._endpoint.url,
                **self._operation.told,
                **_figures(reply or getattr(error, "reply", None)),
            )
        )

    async def _emit(self, record: Record) -> None:
        """Tell `on_event`, in the context of whoever made the call."""
        from bedrock_bearer.wire.records import emit

        on_event = self._settings.on_event
        context = self._context
        waiting = context.run(emit, on_event, record) if context else emit(on_event, record)
        if waiting is not None:
            await self._io.wait_for(waiting)


def _figures(reply: object) -> dict[str, Any]:
    """Return what a reply tells; a stream that was left early tells neither usage nor latency."""
    if not isinstance(reply, ConverseResponse):
        return {}
    figures: dict[str, Any] = {"stop_reason": reply.stop_reason or None}
    if "usage" in reply.model_fields_set:
        figures["input_tokens"] = reply.usage.input_tokens
        figures["output_tokens"] = reply.usage.output_tokens
        figures["cache_read_input_tokens"] = reply.usage.cache_read_input_tokens
        figures["cache_write_input_tokens"] = reply.usage.cache_write_input_tokens
    if "metrics" in reply.model_fields_set:
        figures["latency_ms"] = reply.metrics.latency_ms
    return figures
