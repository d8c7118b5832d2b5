"""The client for the tasks of an event loop."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self, Unpack

from bedrock_bearer import operations
from bedrock_bearer.call import LoopIO
from bedrock_bearer.client import BaseClient
from bedrock_bearer.converse.options import ConverseOptions, CountTokensOptions
from bedrock_bearer.settings import UNSET, Unset
from bedrock_bearer.signatures import spell_out_options
from bedrock_bearer.wire.transport import AsyncTransport

if TYPE_CHECKING:
    from bedrock_bearer.converse.apply_guardrail import (
        ApplyGuardrailResponse,
        GuardrailContentSource,
        GuardrailOutputScope,
    )
    from bedrock_bearer.converse.count_tokens import CountTokensResponse
    from bedrock_bearer.converse.inputs import GuardrailContentInput, MessagesInput
    from bedrock_bearer.converse.response import ConverseResponse, OutputT
    from bedrock_bearer.operations import ProbeResult
    from bedrock_bearer.streams import AsyncConverseStream
    from bedrock_bearer.wire.attempt import Timeout

    # Used in an annotation that is a string.
    from bedrock_bearer.wire.foreign import AsyncHttpxClient  # noqa: F401


class AsyncBedrockClient(BaseClient["AsyncHttpxClient"]):
    """Calls Amazon Bedrock with an API key from the tasks of one event loop.

    Names, arguments, defaults and errors are those of `BedrockClient`; `http_client` is an
    `httpx.AsyncClient` or `httpx2.AsyncClient`. `on_event` may be a coroutine function: the call
    waits for it.

    Raises:
        ConfigurationError: something is set wrongly, or no key or Region was found.
    """

    _is_async = True
    _transport_class = AsyncTransport
    _io_class = LoopIO

    @spell_out_options(ConverseOptions)
    async def converse(
        self,
        model_id: str,
        messages: MessagesInput | None = None,
        *,
        output_type: type[OutputT] | None = None,
        timeout: float | Timeout | None | Unset = UNSET,
        deadline: float | None | Unset = UNSET,
        **options: Unpack[ConverseOptions],
    ) -> ConverseResponse[OutputT]:
        """Send messages to a model and return its reply; see `BedrockClient.converse`.

        Args:
            options: see `ConverseOptions`.
        """
        operation = operations.converse(model_id, messages, options, output_type)
        return await self._call(operation, timeout, deadline).run()

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
    ) -> AsyncConverseStream[OutputT]:
        """Return a model's reply as a stream, to be used in an `async with`.

        See `BedrockClient.converse_stream`.

        Args:
            options: see `ConverseOptions`.
        """
        from bedrock_bearer.streams import AsyncConverseStream

        operation = operations.converse_stream(model_id, messages, options, output_type)
        return AsyncConverseStream(self._call(operation, timeout, deadline))

    @spell_out_options(CountTokensOptions)
    async def count_tokens(
        self,
        model_id: str,
        messages: MessagesInput,
        *,
        timeout: float | Timeout | None | Unset = UNSET,
        deadline: float | None | Unset = UNSET,
        **options: Unpack[CountTokensOptions],
    ) -> CountTokensResponse:
        """Return how many input tokens a call would have; see `BedrockClient.count_tokens`.

        Args:
            options: see `CountTokensOptions`.
        """
        operation = operations.count_tokens(model_id, messages, options)
        return await self._call(operation, timeout, deadline).run()

    async def apply_guardrail(
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
        """Check content with a guardrail; see `BedrockClient.apply_guardrail`."""
        operation = operations.apply_guardrail(
            guardrail_identifier,
            guardrail_version,
            content,
            source=source,
            output_scope=output_scope,
        )
        return await self._call(operation, timeout, deadline).run()

    async def probe(
        self,
        *,
        timeout: float | Timeout | None | Unset = UNSET,
        deadline: float | None | Unset = UNSET,
    ) -> ProbeResult:
        """Make a free authenticated call; see `BedrockClient.probe`."""
        operation = operations.list_async_invokes()
        return await self._call(operation, timeout, deadline).run()

    async def aclose(self) -> None:
        """Close the connections. A sibling of `with_options` and a caller's client stay open."""
        if self._owns_transport:
            self._transport.close()

    close = aclose

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()
