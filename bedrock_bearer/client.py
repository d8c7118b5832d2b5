"""The client for threads: its public methods, and what it shares with the one for event loops."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Generic, Self, TypeVar, Unpack

from bedrock_bearer import operations
from bedrock_bearer.call import Call, LoopIO, ThreadIO, run_blocking
from bedrock_bearer.converse.options import ConverseOptions, CountTokensOptions
from bedrock_bearer.errors import ConfigurationError, InvalidApiKeyError, RegionError
from bedrock_bearer.keys.default import client_source
from bedrock_bearer.keys.sources import KeySource
from bedrock_bearer.settings import UNSET, CallSettings, Unset
from bedrock_bearer.signatures import spell_out_options
from bedrock_bearer.wire.attempt import Timeout
from bedrock_bearer.wire.endpoint import Endpoint, check_key, resolve_endpoint
from bedrock_bearer.wire.exchange import DEFAULT_MAX_REPLY_BYTES
from bedrock_bearer.wire.retry import RetryPolicy, RetryQuota
from bedrock_bearer.wire.transport import DEFAULT_MAX_CONNECTIONS, Transport

if TYPE_CHECKING:
    from bedrock_bearer.converse.apply_guardrail import (
        ApplyGuardrailResponse,
        GuardrailContentSource,
        GuardrailOutputScope,
    )
    from bedrock_bearer.converse.count_tokens import CountTokensResponse
    from bedrock_bearer.converse.inputs import GuardrailContentInput, MessagesInput
    from bedrock_bearer.converse.response import ConverseResponse, OutputT
    from bedrock_bearer.keys.sources import AnyKey
    from bedrock_bearer.operations import Operation, ProbeResult
    from bedrock_bearer.streams import ConverseStream

    # Used in an annotation that is a string.
    from bedrock_bearer.wire.foreign import HttpxClient  # noqa: F401
    from bedrock_bearer.wire.records import OnEvent
    from bedrock_bearer.wire.transport import AsyncTransport


Reply = TypeVar("Reply")
HttpClient = TypeVar("HttpClient")
Client = TypeVar("Client", bound="BaseClient[Any]")

DEFAULT_TIMEOUT = Timeout()


class BaseClient(Generic[HttpClient]):
    """What both clients have in common: the settings, the key, and where calls go."""

    _is_async = False
    _transport_class: ClassVar[type[Transport] | type[AsyncTransport]]
    _io_class: ClassVar[type[ThreadIO] | type[LoopIO]]

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
        max_reply_bytes: int = DEFAULT_MAX_REPLY_BYTES,
        http_client: HttpClient | None = None,
        on_event: OnEvent | None = None,
    ) -> None:
        _check_count("max_connections=", max_connections)
        _check_count("max_reply_bytes=", max_reply_bytes)
        defaults = CallSettings(DEFAULT_TIMEOUT, None, RetryPolicy(), None, self._is_async)
        self._settings = defaults.changed(
            timeout=timeout,
            deadline=deadline,
            retry=RetryPolicy() if retry is None else retry,
            on_event=on_event,
        )
        source = client_source(api_key)
        # A traceback that shows this frame's locals must not show the key.
        del api_key
        if isinstance(source, ConfigurationError):
            raise source
        endpoint = _endpoint_for(source, region, endpoint_url)
        self._start(source, endpoint, http_client, max_connections, max_reply_bytes)

    def _start(
        self, source: KeySource, endpoint: Endpoint, http_client: HttpClient | None, *limits: int
    ) -> None:
        """Make what carries the calls; `limits` are `max_connections` and `max_reply_bytes`."""
        self._source = source
        self._endpoint = endpoint
        self._limits = limits
        self._http_client = http_client
        self._quota = RetryQuota()
        clock = self._settings.retry.clock
        self._transport: Any = self._transport_class(endpoint.url, clock, http_client, *limits)
        self._io = self._io_class(self._transport)
        self._owns_transport = True

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle the settings, so that a worker process can build the same client."""
        if self._http_client is not None:
            raise TypeError(
                f"A {type(self).__name__} with an http_client= of yours cannot be pickled. Make "
                "the client in the worker."
            )
        return _rebuilt, (type(self), self._settings, self._source, self._endpoint, self._limits)

    @property
    def region(self) -> str | None:
        """The AWS Region; None for a custom endpoint without one."""
        return self._endpoint.region

    @property
    def endpoint_url(self) -> str:
        """Where the calls go."""
        return self._endpoint.url

    def __repr__(self) -> str:
        # A traceback may show a client whose __init__ failed.
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
            source = client_source(api_key)
            # A traceback that shows this frame's locals must not show the key.
            del api_key
            if isinstance(source, ConfigurationError):
                raise source
            sibling._source = source
            description = source.describe()
            if description is not None and not source.may_replace_key:
                check_key(description, self._endpoint)
        return sibling

    def _call(
        self,
        operation: Operation[Reply],
        timeout: float | Timeout | None | Unset,
        deadline: float | None | Unset,
    ) -> Call[Reply]:
        settings = self._settings.changed(timeout=timeout, deadline=deadline)
        return Call(operation, settings, self._source, self._quota, self._endpoint, self._io)


def _rebuilt(
    client_class: type[Client],
    settings: CallSettings,
    source: KeySource,
    endpoint: Endpoint,
    limits: tuple[int, ...],
) -> Client:
    client = object.__new__(client_class)
    client._settings = settings
    client._start(source, endpoint, None, *limits)
    return client


def _check_count(name: str, value: object) -> None:
    if isinstance(value, bool) or not isinstance(value, int):
        raise ConfigurationError(f"{name} takes a whole number.")
    if value < 1:
        raise ConfigurationError(f"{name} must be at least 1.")


def _endpoint_for(source: KeySource, region: str | None, endpoint_url: str | None) -> Endpoint:
    description = source.describe()
    try:
        return resolve_endpoint(
            "bedrock-runtime", region=region, endpoint_url=endpoint_url, key=description
        )
    except (RegionError, InvalidApiKeyError):
        if not source.may_replace_key:
            raise
    # The key described does not fit the endpoint: it is refused when its turn comes.
    return resolve_endpoint("bedrock-runtime", region=region, endpoint_url=endpoint_url)


class BedrockClient(BaseClient["HttpxClient"]):
    """Calls Amazon Bedrock with an API key, from any number of threads.

    Args:
        api_key: the key, a function that returns it, or a source of keys. Default: the
            environment variable `AWS_BEARER_TOKEN_BEDROCK`, else the file that
            `AWS_BEARER_TOKEN_BEDROCK_FILE` names; then, if it is set,
            `AWS_BEARER_TOKEN_BEDROCK_FALLBACK`. All are read anew for every attempt.
        region: the AWS Region. Default: `AWS_REGION`, `AWS_DEFAULT_REGION`, the Region inside a
            short-term key, then the profile in `~/.aws/config`.
        endpoint_url: where to call instead of the Region's endpoint. Default:
            `AWS_ENDPOINT_URL_BEDROCK_RUNTIME`, then `AWS_ENDPOINT_URL`.
        timeout: seconds for one attempt, or a `Timeout`. Default: 5 to connect, 300 to read.
        deadline: seconds for a whole call, retries included. Default: no limit.
        retry: when to try again. Default: `RetryPolicy()`, three attempts.
        max_connections: how many requests may be under way at once; further ones wait for
            `Timeout.pool` seconds. Default 1000.
        max_reply_bytes: how large a reply, or a whole stream, may be; a larger one raises
            `ResponseDecodeError`. Default 100 MB.
        http_client: an `httpx.Client` or `httpx2.Client` to send with instead of connections of
            our own. It stays yours to close.
        on_event: a function that gets an `AttemptRecord`, `CallRecord` or `KeySwitchRecord`.

    Raises:
        ConfigurationError: something is set wrongly, or no key or Region was found.

    See https://docs.aws.amazon.com/bedrock/latest/userguide/api-keys-use.html.
    """

    _transport_class = Transport
    _io_class = ThreadIO

    @spell_out_options(ConverseOptions)
    def converse(
        self,
        model_id: str,
        messages: MessagesInput | None = None,
        *,
        output_type: type[OutputT] | None = None,
        timeout: float | Timeout | None | Unset = UNSET,
        deadline: float | None | Unset = UNSET,
        **options: Unpack[ConverseOptions],
    ) -> ConverseResponse[OutputT]:
        """Send messages to a model and return its reply.

        Args:
            model_id: a model, an inference profile or a prompt, as id or ARN.
            messages: a text, a message or a list of messages; each a model object or the dict
                that the API takes. Left out only for a prompt of Prompt management.
            output_type: a class, dataclass, TypedDict or list of them: the reply's `parsed` is one.
                The model is held to its JSON Schema, or has to call a tool with it as input. To go
                on with the conversation, append the output as a text of the assistant: a tool
                that was called would have to be answered.
            timeout: seconds for one attempt, instead of the client's.
            deadline: seconds for the whole call, instead of the client's.
            options: see `ConverseOptions`.

        Raises:
            ConfigurationError: something is set wrongly; nothing was sent.
            TransportError: no usable reply came.
            APIError: AWS answered with an error.
            ResponseDecodeError: the reply is not what the API promises.
            OutputError: the reply does not fit `output_type`; the error has it as `reply`.

        See https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html.
        """
        operation = operations.converse(model_id, messages, options, output_type)
        return run_blocking(self._call(operation, timeout, deadline).run())

    @spell_out_options(ConverseOptions)
    def converse_stream(
        self,
        model_id: str,
        messages: MessagesInput | None = None,
        *,
        output_type: type[OutputT] | None = None,
        timeout: float | Timeout | None | Unset = UNSET,
        deadline: float | None | Unset = UNSET,
        **options: Unpack[ConverseOptions],
    ) -> ConverseStream[OutputT]:
        """Send messages to a model and return its reply as a stream, to be used in a `with`.

        The request goes out when the `with` is entered, and is retried until the first event.

        Args:
            model_id: as for `converse`.
            messages: as for `converse`.
            output_type: as for `converse`; `final_response().parsed` is the output.
            timeout: seconds for one attempt, instead of the client's.
            deadline: seconds for the whole call, instead of the client's.
            options: see `ConverseOptions`.

        Raises:
            ConfigurationError: something is set wrongly; nothing was sent. The errors of
                `converse` are raised when the `with` is entered, and while the stream is read
                also:
            StreamInterruptedError: the stream ended before the message did.
            EventStreamDecodeError: its bytes are corrupt.

        See https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_ConverseStream.html.
        """
        from bedrock_bearer.streams import ConverseStream

        operation = operations.converse_stream(model_id, messages, options, output_type)
        return ConverseStream(self._call(operation, timeout, deadline))

    @spell_out_options(CountTokensOptions)
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

        Args:
            model_id: as for `converse`.
            messages: as for `converse`.
            timeout: seconds for one attempt, instead of the client's.
            deadline: seconds for the whole call, instead of the client's.
            options: see `CountTokensOptions`.

        Raises:
            BedrockError: as `converse`.

        See https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_CountTokens.html.
        """
        operation = operations.count_tokens(model_id, messages, options)
        return run_blocking(self._call(operation, timeout, deadline).run())

    def apply_guardrail(
        self,
        guardrail_identifier: str,
        guardrail_version: str,
        content: GuardrailContentInput,
        *,
        source: GuardrailContentSource = "INPUT",
        output_scope: GuardrailOutputScope | None = None,
        timeout: float | Timeout | None | Unset = UNSET,
        deadline: float | None | Unset = UNSET,
    ) -> ApplyGuardrailResponse:
        """Check a text, or text and images, with a guardrail, without calling a model.

        Args:
            guardrail_identifier: the id or ARN of the guardrail.
            guardrail_version: a version number, or "DRAFT".
            content: what to check: a text, a block, or a list of them, as model or as dict.
            source: "INPUT" for what a user wrote, "OUTPUT" for what a model wrote.
            output_scope: "FULL" also reports what was not detected. Default: "INTERVENTIONS".
            timeout: seconds for one attempt, instead of the client's.
            deadline: seconds for the whole call, instead of the client's.

        Raises:
            BedrockError: as `converse`.

        See https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_ApplyGuardrail.html.
        """
        operation = operations.apply_guardrail(
            guardrail_identifier,
            guardrail_version,
            content,
            source=source,
            output_scope=output_scope,
        )
        return run_blocking(self._call(operation, timeout, deadline).run())

    def probe(
        self,
        *,
        timeout: float | Timeout | None | Unset = UNSET,
        deadline: float | None | Unset = UNSET,
    ) -> ProbeResult:
        """Make a free authenticated call: is the key accepted? No tokens are billed.

        The call is ListAsyncInvokes. An `OperationDeniedError` from it also says that the key
        itself was accepted.

        Args:
            timeout: seconds for one attempt, instead of the client's.
            deadline: seconds for the whole call, instead of the client's.

        Raises:
            BedrockError: as `converse`.

        See https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_ListAsyncInvokes.html.
        """
        operation = operations.list_async_invokes()
        return run_blocking(self._call(operation, timeout, deadline).run())

    def close(self) -> None:
        """Close the connections. A sibling of `with_options` and a caller's client stay open."""
        if self._owns_transport:
            self._transport.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
