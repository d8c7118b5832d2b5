"""The clients: two thin shells, for threads and for an event loop, over one plan."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import TYPE_CHECKING, Any, Self, TypeVar, Unpack

from bedrock_bearer.errors import BedrockError, ConfigurationError, RegionError, StreamError
from bedrock_bearer.keys.given import key_source
from bedrock_bearer.keys.sources import KeySource
from bedrock_bearer.plan import (
    UNSET,
    Call,
    CallSettings,
    Operation,
    ProbeResult,
    Unset,
    converse_operation,
    converse_stream_operation,
    count_tokens_operation,
    probe_operation,
)
from bedrock_bearer.regions import check_key_region
from bedrock_bearer.wire.attempt import Timeout
from bedrock_bearer.wire.endpoint import Endpoint, resolve_endpoint
from bedrock_bearer.wire.retry import RetryPolicy, RetryQuota
from bedrock_bearer.wire.transport import (
    AsyncOpenResponse,
    AsyncTransport,
    OpenResponse,
    Transport,
    WireResponse,
)

if TYPE_CHECKING:
    from bedrock_bearer.converse import ConverseResponse, CountTokensResponse, StreamEvent
    from bedrock_bearer.converse.inputs import ConverseOptions, CountTokensOptions, MessagesInput
    from bedrock_bearer.keys.api_key import ApiKey
    from bedrock_bearer.keys.sources import AnyKey
    from bedrock_bearer.stream import StreamReader
    from bedrock_bearer.wire.records import OnEvent

Reply = TypeVar("Reply")
Result = TypeVar("Result")

DEFAULT_TIMEOUT = Timeout()
DEFAULT_MAX_CONNECTIONS = 1000


class _Client:
    """What both clients are made of, without I/O."""

    _transport_class: type[Transport] | type[AsyncTransport]

    def __init__(
        self,
        api_key: AnyKey | None = None,
        *,
        region: str | None = None,
        endpoint_url: str | None = None,
        timeout: float | Timeout | None = DEFAULT_TIMEOUT,
        deadline: float | None = None,
        retry: RetryPolicy | None = None,
        max_connections: int = DEFAULT_MAX_CONNECTIONS,
        http_client: Any = None,
        on_event: OnEvent | None = None,
    ) -> None:
        if isinstance(max_connections, bool) or not isinstance(max_connections, int):
            raise ConfigurationError("max_connections= takes a whole number.")
        if max_connections < 1:
            raise ConfigurationError("max_connections= must be at least 1.")
        self._settings = CallSettings(DEFAULT_TIMEOUT, None, RetryPolicy(), None).changed(
            timeout=timeout,
            deadline=deadline,
            retry=RetryPolicy() if retry is None else retry,
            on_event=on_event,
        )
        source = key_source(api_key)
        # A traceback that shows this frame's locals must not show the key.
        del api_key
        if isinstance(source, ConfigurationError):
            raise source
        self._source = source
        self._quota = RetryQuota()
        self._endpoint = _endpoint_for(self._source, region, endpoint_url)
        self._transport: Any = self._transport_class(
            self._endpoint.url, self._settings.retry.clock, max_connections, http_client
        )
        self._owns_transport = True

    @property
    def region(self) -> str | None:
        """The AWS Region; None for a custom endpoint without one."""
        return self._endpoint.region

    @property
    def endpoint_url(self) -> str:
        """Where the calls go."""
        return self._endpoint.url

    def __repr__(self) -> str:
        # A traceback may show a client that was not made to its end.
        endpoint = getattr(self, "_endpoint", None)
        return f"<{type(self).__name__} {endpoint.url if endpoint else 'without an endpoint'}>"

    def with_options(
        self,
        *,
        api_key: AnyKey | Unset = UNSET,
        timeout: float | Timeout | None | Unset = UNSET,
        deadline: float | None | Unset = UNSET,
        retry: RetryPolicy | Unset = UNSET,
        on_event: OnEvent | None | Unset = UNSET,
    ) -> Self:
        """Return a sibling with other options that shares the connections and the retry quota.

        Closing the sibling leaves the connections open.

        Raises:
            ConfigurationError: an option is not valid.
        """
        sibling = object.__new__(type(self))
        sibling.__dict__.update(self.__dict__)
        sibling._owns_transport = False
        sibling._settings = self._settings.changed(
            timeout=timeout, deadline=deadline, retry=retry, on_event=on_event
        )
        if api_key is not UNSET:
            source = key_source(api_key)
            # A traceback that shows this frame's locals must not show the key.
            del api_key
            if isinstance(source, ConfigurationError):
                raise source
            sibling._source = source
            description = source.describe()
            if description is not None and not source.may_replace_key:
                check_key_region(description, self.region)
        return sibling

    def _call(
        self,
        operation: Operation[Reply],
        timeout: float | Timeout | None | Unset,
        deadline: float | None | Unset,
    ) -> Call[Reply]:
        settings = self._settings.changed(timeout=timeout, deadline=deadline)
        return Call(operation, settings, self._source, self._quota)


def _endpoint_for(source: KeySource, region: str | None, endpoint_url: str | None) -> Endpoint:
    description = source.describe()
    try:
        return resolve_endpoint(
            "bedrock-runtime", region=region, endpoint_url=endpoint_url, key=description
        )
    except RegionError:
        if not source.may_replace_key:
            raise
    # The key described is of another Region: it is refused when its turn comes.
    return resolve_endpoint("bedrock-runtime", region=region, endpoint_url=endpoint_url)


class BedrockClient(_Client):
    """Calls Amazon Bedrock with an API key, from any number of threads.

    Args:
        api_key: the key, a function that returns it, or a source of keys. Default: the
            environment variable `AWS_BEARER_TOKEN_BEDROCK`, then the file that
            `AWS_BEARER_TOKEN_BEDROCK_FILE` names, read anew for every attempt.
        region: the AWS Region. Default: `AWS_REGION`, `AWS_DEFAULT_REGION`, the Region inside a
            short-term key, then the profile in `~/.aws/config`.
        endpoint_url: where to call instead of the Region's endpoint. Default:
            `AWS_ENDPOINT_URL_BEDROCK_RUNTIME`, then `AWS_ENDPOINT_URL`.
        timeout: seconds for one attempt, or a `Timeout`. Default: 5 to connect, 300 to read.
        deadline: seconds for a whole call, retries included. Default: no limit.
        retry: when to try again. Default: `RetryPolicy()`, three attempts.
        max_connections: how many requests may be under way at once; further ones wait for
            `Timeout.pool` seconds. Default 1000.
        http_client: an `httpx.Client` or `httpx2.Client` to send with instead of connections of
            our own. It stays yours to close.
        on_event: a function that gets an `AttemptRecord`, `CallRecord` or `KeySwitchRecord`.

    Raises:
        ConfigurationError: something is set wrongly, or no key or Region was found.

    See https://docs.aws.amazon.com/bedrock/latest/userguide/api-keys-use.html.
    """

    _transport_class = Transport

    def converse(
        self,
        model_id: str,
        messages: MessagesInput,
        *,
        timeout: float | Timeout | None | Unset = UNSET,
        deadline: float | None | Unset = UNSET,
        **options: Unpack[ConverseOptions],
    ) -> ConverseResponse:
        """Send messages to a model and return its reply.

        Args:
            model_id: a model, an inference profile or a prompt, as id or ARN.
            messages: a text, a message or a list of messages; each a model object or the dict
                that the API takes.
            timeout: seconds for one attempt, instead of the client's.
            deadline: seconds for the whole call, instead of the client's.
            options: see `ConverseOptions`.

        Raises:
            ConfigurationError: something is set wrongly; nothing was sent.
            TransportError: no usable reply came.
            APIError: AWS answered with an error.
            ResponseDecodeError: the reply is not what the API promises.

        See https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html.
        """
        return self._run(converse_operation(model_id, messages, options), timeout, deadline)

    def converse_stream(
        self,
        model_id: str,
        messages: MessagesInput,
        *,
        timeout: float | Timeout | None | Unset = UNSET,
        deadline: float | None | Unset = UNSET,
        **options: Unpack[ConverseOptions],
    ) -> ConverseStream:
        """Send messages to a model and return its reply as a stream, to be used in a `with`.

        The request goes out when the `with` is entered, and is retried until the first event.
        Arguments and errors are those of `converse`; while the stream is read also:

        Raises:
            StreamInterruptedError: the stream ended before the message did.
            EventStreamDecodeError: its bytes are corrupt.

        See https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_ConverseStream.html.
        """
        operation = converse_stream_operation(model_id, messages, options)
        return ConverseStream(self, self._call(operation, timeout, deadline))

    def count_tokens(
        self,
        model_id: str,
        messages: MessagesInput,
        *,
        timeout: float | Timeout | None | Unset = UNSET,
        deadline: float | None | Unset = UNSET,
        **options: Unpack[CountTokensOptions],
    ) -> CountTokensResponse:
        """Return how many input tokens a Converse call with these messages would have.

        Raises:
            BedrockError: as `converse`.

        See https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_CountTokens.html.
        """
        return self._run(count_tokens_operation(model_id, messages, options), timeout, deadline)

    def probe(
        self,
        *,
        timeout: float | Timeout | None | Unset = UNSET,
        deadline: float | None | Unset = UNSET,
    ) -> ProbeResult:
        """Make a free authenticated call: is the key accepted? No tokens are billed.

        The call is ListAsyncInvokes. An `OperationDeniedError` from it also says that the key
        itself was accepted.

        Raises:
            BedrockError: as `converse`.

        See https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_ListAsyncInvokes.html.
        """
        return self._run(probe_operation(), timeout, deadline)

    def close(self) -> None:
        """Close the connections. A sibling of `with_options` and a caller's client stay open."""
        if self._owns_transport:
            self._transport.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _run(
        self,
        operation: Operation[Reply],
        timeout: float | Timeout | None | Unset,
        deadline: float | None | Unset,
    ) -> Reply:
        call = self._call(operation, timeout, deadline)
        reply: Reply = self._attempts(call, self._exchange)
        call.emit_call(reply=reply)
        return reply

    def _attempts(self, call: Call[Any], exchange: Callable[[Call[Any], ApiKey], Result]) -> Result:
        try:
            return self._attempt(call, exchange)
        except BedrockError:
            if call.retries.next_delay is None:
                raise
        # Most calls need no second attempt, and so none of what tenacity costs.
        call.retries.wait()
        result: Result = call.retries.loop()(self._attempt, call, exchange)
        return result

    def _attempt(self, call: Call[Any], exchange: Callable[[Call[Any], ApiKey], Result]) -> Result:
        call.begin_attempt()
        try:
            result = self._with_a_key(call, exchange)
        except BedrockError as error:
            call.failed(error)
            raise
        call.succeeded()
        return result

    def _with_a_key(
        self, call: Call[Any], exchange: Callable[[Call[Any], ApiKey], Result]
    ) -> Result:
        """Make the exchange; where the key is refused and another is at hand, again with that."""
        while True:
            key = call.source.get_key()
            try:
                return exchange(call, call.use(key, self.region))
            except BedrockError as error:
                if not call.try_another_key(error):
                    raise

    def _exchange(self, call: Call[Reply], key: ApiKey) -> Reply:
        request = call.request(self._endpoint)
        response: WireResponse = self._transport.send(request, key, call.timed())
        return call.read(response)

    def _open(self, call: Call[Any], key: ApiKey) -> OpenResponse:
        request = call.request(self._endpoint)
        opened: OpenResponse = self._transport.open(request, key, call.timed())
        try:
            if opened.status != 200:
                call.read(WireResponse(opened.status, opened.headers, opened.read()))
        except BaseException:
            opened.close()
            raise
        return opened


class AsyncBedrockClient(_Client):
    """Calls Amazon Bedrock with an API key from the tasks of one event loop.

    Names, arguments, defaults and errors are those of `BedrockClient`, whose methods say them;
    `http_client` is an `httpx.AsyncClient` or `httpx2.AsyncClient`.

    Raises:
        ConfigurationError: something is set wrongly, or no key or Region was found.
    """

    _transport_class = AsyncTransport

    async def converse(
        self,
        model_id: str,
        messages: MessagesInput,
        *,
        timeout: float | Timeout | None | Unset = UNSET,
        deadline: float | None | Unset = UNSET,
        **options: Unpack[ConverseOptions],
    ) -> ConverseResponse:
        """Send messages to a model and return its reply; see `BedrockClient.converse`."""
        return await self._run(converse_operation(model_id, messages, options), timeout, deadline)

    def converse_stream(
        self,
        model_id: str,
        messages: MessagesInput,
        *,
        timeout: float | Timeout | None | Unset = UNSET,
        deadline: float | None | Unset = UNSET,
        **options: Unpack[ConverseOptions],
    ) -> AsyncConverseStream:
        """Return a model's reply as a stream, to be used in an `async with`.

        See `BedrockClient.converse_stream`.
        """
        operation = converse_stream_operation(model_id, messages, options)
        return AsyncConverseStream(self, self._call(operation, timeout, deadline))

    async def count_tokens(
        self,
        model_id: str,
        messages: MessagesInput,
        *,
        timeout: float | Timeout | None | Unset = UNSET,
        deadline: float | None | Unset = UNSET,
        **options: Unpack[CountTokensOptions],
    ) -> CountTokensResponse:
        """Return how many input tokens a call would have; see `BedrockClient.count_tokens`."""
        operation = count_tokens_operation(model_id, messages, options)
        return await self._run(operation, timeout, deadline)

    async def probe(
        self,
        *,
        timeout: float | Timeout | None | Unset = UNSET,
        deadline: float | None | Unset = UNSET,
    ) -> ProbeResult:
        """Make a free authenticated call; see `BedrockClient.probe`."""
        return await self._run(probe_operation(), timeout, deadline)

    async def aclose(self) -> None:
        """Close the connections. A sibling of `with_options` and a caller's client stay open."""
        if self._owns_transport:
            await self._transport.close()

    close = aclose

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def _run(
        self,
        operation: Operation[Reply],
        timeout: float | Timeout | None | Unset,
        deadline: float | None | Unset,
    ) -> Reply:
        call = self._call(operation, timeout, deadline)
        reply: Reply = await self._attempts(call, self._exchange)
        call.emit_call(reply=reply)
        return reply

    async def _attempts(
        self, call: Call[Any], exchange: Callable[[Call[Any], ApiKey], Awaitable[Result]]
    ) -> Result:
        try:
            return await self._attempt(call, exchange)
        except BedrockError:
            if call.retries.next_delay is None:
                raise
        # Most calls need no second attempt, and so none of what tenacity costs.
        await call.retries.wait_async()
        result: Result = await call.retries.loop_async()(self._attempt, call, exchange)
        return result

    async def _attempt(
        self, call: Call[Any], exchange: Callable[[Call[Any], ApiKey], Awaitable[Result]]
    ) -> Result:
        call.begin_attempt()
        try:
            result = await self._with_a_key(call, exchange)
        except BedrockError as error:
            call.failed(error)
            raise
        call.succeeded()
        return result

    async def _with_a_key(
        self, call: Call[Any], exchange: Callable[[Call[Any], ApiKey], Awaitable[Result]]
    ) -> Result:
        """Make the exchange; where the key is refused and another is at hand, again with that."""
        while True:
            key = await call.source.get_key_async()
            try:
                return await exchange(call, call.use(key, self.region))
            except BedrockError as error:
                if not call.try_another_key(error):
                    raise

    async def _exchange(self, call: Call[Reply], key: ApiKey) -> Reply:
        request = call.request(self._endpoint)
        response: WireResponse = await self._transport.send(request, key, call.timed())
        return call.read(response)

    async def _open(self, call: Call[Any], key: ApiKey) -> AsyncOpenResponse:
        request = call.request(self._endpoint)
        opened: AsyncOpenResponse = await self._transport.open(request, key, call.timed())
        try:
            if opened.status != 200:
                call.read(WireResponse(opened.status, opened.headers, await opened.read()))
        except BaseException:
            await opened.close()
            raise
        return opened


class _Stream:
    """What both streams are made of, without I/O."""

    _chunks: Any

    def __init__(self, call: Call[ConverseResponse]) -> None:
        self._call = call
        self._reader: StreamReader | None = None
        self._opened: Any = None
        self._is_over = False

    @property
    def request_id(self) -> str | None:
        """AWS's id of the request."""
        return self._call.request_id

    @property
    def partial(self) -> ConverseResponse:
        """The reply as far as it has come.

        Raises:
            StreamError: the stream was not opened.
        """
        return self._started().response()

    def _check_new(self) -> None:
        if self._call.attempts:
            raise StreamError("A stream is opened once. Call converse_stream(...) for another.")

    def _started(self) -> StreamReader:
        if self._reader is None:
            raise StreamError(
                "The stream was not opened. Use `with client.converse_stream(...) as stream:`, "
                "for an AsyncBedrockClient `async with`."
            )
        return self._reader

    def _end(self, error: BedrockError | None = None) -> None:
        """Read no more, and tell `on_event` once that the call is over."""
        if self._is_over or self._reader is None:
            return
        self._is_over = True
        self._reader.stop()
        reply = self._reader.partial() if self._call.is_heard else None
        self._call.emit_call(error=error, reply=reply)


class ConverseStream(_Stream):
    """A model's reply as it is written: iterate over it for typed events.

    The `with` sends the request, and gives the connection back:

        with client.converse_stream(model_id, "Tell a story.") as stream:
            for text in stream.text_stream:
                print(text, end="")
            reply = stream.final_response()
    """

    def __init__(self, client: BedrockClient, call: Call[ConverseResponse]) -> None:
        super().__init__(call)
        self._client = client

    def __enter__(self) -> Self:
        self._check_new()
        self._client._attempts(self._call, self._open)
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __iter__(self) -> Iterator[StreamEvent]:
        return self

    def __next__(self) -> StreamEvent:
        reader = self._started()
        try:
            event = self._pull(reader)
        except BedrockError as error:
            failure = reader.failure(error)
        else:
            if event is not None:
                return event
            self.close()
            raise StopIteration
        self._end(failure)
        self.close()
        raise failure

    @property
    def text_stream(self) -> Iterator[str]:
        """The text of the reply, piece by piece."""
        from bedrock_bearer.stream import text_of

        return (text for event in self if (text := text_of(event)))

    def final_response(self) -> ConverseResponse:
        """Read what is left of the stream and return the whole reply, as `converse` would.

        Raises:
            StreamInterruptedError: the stream broke or was closed before the message ended.
            BedrockError: as while iterating.
        """
        for _ in self:
            pass
        return self._started().response()

    def close(self) -> None:
        """Give the connection back. What was not read is lost."""
        self._end()
        if self._opened is not None:
            self._opened.close()

    def _open(self, call: Call[Any], key: ApiKey) -> None:
        """Send the request and read to the first event: until then the call may be retried."""
        opened = self._client._open(call, key)
        try:
            reader = call.read_stream(opened.status, opened.headers)
            self._chunks = opened.chunks(self)
            reader.put_back(self._pull(reader))
        except BaseException:
            opened.close()
            raise
        self._opened, self._reader = opened, reader

    def _pull(self, reader: StreamReader) -> StreamEvent | None:
        """Return the next event, or None at the end."""
        while True:
            event = reader.next_event()
            if event is not None or reader.ended:
                return event
            reader.feed(next(self._chunks, None))


class AsyncConverseStream(_Stream):
    """A model's reply as it is written, for an event loop; otherwise as `ConverseStream`.

    async with client.converse_stream(model_id, "Tell a story.") as stream:
        async for text in stream.text_stream:
            print(text, end="")
        reply = await stream.final_response()
    """

    def __init__(self, client: AsyncBedrockClient, call: Call[ConverseResponse]) -> None:
        super().__init__(call)
        self._client = client

    async def __aenter__(self) -> Self:
        self._check_new()
        await self._client._attempts(self._call, self._open)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    def __aiter__(self) -> AsyncIterator[StreamEvent]:
        return self

    async def __anext__(self) -> StreamEvent:
        reader = self._started()
        try:
            event = await self._pull(reader)
        except BedrockError as error:
            failure = reader.failure(error)
        else:
            if event is not None:
                return event
            await self.aclose()
            raise StopAsyncIteration
        self._end(failure)
        await self.aclose()
        raise failure

    @property
    def text_stream(self) -> AsyncIterator[str]:
        """The text of the reply, piece by piece."""
        from bedrock_bearer.stream import text_of

        return (text async for event in self if (text := text_of(event)))

    async def final_response(self) -> ConverseResponse:
        """Read what is left and return the whole reply; see `ConverseStream.final_response`."""
        async for _ in self:
            pass
        return self._started().response()

    async def aclose(self) -> None:
        """Give the connection back. What was not read is lost."""
        self._end()
        if self._opened is not None:
            await self._opened.close()

    close = aclose

    async def _open(self, call: Call[Any], key: ApiKey) -> None:
        """Send the request and read to the first event: until then the call may be retried."""
        opened = await self._client._open(call, key)
        try:
            reader = call.read_stream(opened.status, opened.headers)
            self._chunks = opened.chunks(self)
            reader.put_back(await self._pull(reader))
        except BaseException:
            await opened.close()
            raise
        self._opened, self._reader = opened, reader

    async def _pull(self, reader: StreamReader) -> StreamEvent | None:
        """Return the next event, or None at the end."""
        while True:
            event = reader.next_event()
            if event is not None or reader.ended:
                return event
            reader.feed(await anext(self._chunks, None))
