"""Sends requests, over connections of our own or a caller's httpx client.

The flow is written once, as coroutines. Over `ThreadStream`s and a client of httpx for threads they
never suspend, so that `call.run_blocking` can run them without an event loop.
"""

from __future__ import annotations

import os
import warnings
from contextlib import suppress
from typing import TYPE_CHECKING, ClassVar

from bedrock_bearer.errors import ConfigurationError
from bedrock_bearer.wire.exchange import (
    DEFAULT_MAX_REPLY_BYTES,
    Exchange,
    OpenResponse,
    OwnExchange,
    without_context,
)
from bedrock_bearer.wire.foreign import EVENT_LOOP, THREADS, Colour, ForeignConnections
from bedrock_bearer.wire.origin import Origin
from bedrock_bearer.wire.pool import Pool
from bedrock_bearer.wire.scrub import Scrubber
from bedrock_bearer.wire.translation import translate

# asyncio and what a caller's client takes are imported where they are used.
if TYPE_CHECKING:
    import asyncio

    from bedrock_bearer.keys.api_key import ApiKey
    from bedrock_bearer.wire.asyncio_network import LoopStream, LoopWaiter
    from bedrock_bearer.wire.attempt import Attempt
    from bedrock_bearer.wire.clock import Clock
    from bedrock_bearer.wire.messages import WireRequest
    from bedrock_bearer.wire.network import ThreadStream, ThreadWaiter

    Network = (
        tuple[type[ThreadWaiter], type[ThreadStream]] | tuple[type[LoopWaiter], type[LoopStream]]
    )


DEFAULT_MAX_CONNECTIONS = 1000


class BaseTransport:
    """What the transports of threads and of event loops have in common."""

    _colour: ClassVar[Colour]

    def __init__(
        self,
        url: str,
        clock: Clock,
        http_client: object = None,
        max_connections: int = DEFAULT_MAX_CONNECTIONS,
        max_reply_bytes: int = DEFAULT_MAX_REPLY_BYTES,
    ) -> None:
        waiter_class, stream_class = self._network()
        self._pool = Pool(clock, max_connections, waiter_class)
        self._origin = Origin(url, stream_class)
        self._foreign = ForeignConnections(self._colour, http_client)
        self._max_reply_bytes = max_reply_bytes
        self._scrubber = Scrubber()

    def _network(self) -> Network:
        """Return the classes of this colour: of a wait for a place, and of a connection."""
        raise NotImplementedError

    async def open(self, request: WireRequest, key: ApiKey, attempt: Attempt) -> OpenResponse:
        """Send `request` and return the reply as soon as its head has come.

        Raises:
            TransportError: no reply came, or not in time.
            ConfigurationError: the client cannot be used, or not here.
        """
        self._check_usable()
        self._scrubber.learn(key)
        exchange = self._foreign.exchange(attempt) or OwnExchange(self._pool, self._origin, attempt)
        try:
            status, headers = await exchange.open(request, key)
            return OpenResponse(
                status, headers, exchange, attempt, self._scrubber, self._max_reply_bytes
            )
        except BaseException as error:
            exchange.abandon()
            failure = translate(error, attempt)
            if failure is None:
                raise
        raise without_context(failure)

    def _check_usable(self) -> None:
        if self._pool.is_closed:
            raise ConfigurationError("This client is closed. Make a new one.")
        if self._foreign.is_closed:
            raise ConfigurationError("The http_client= that was given is closed. Pass an open one.")

    def close(self) -> None:
        """Close the unused connections. A caller's own `http_client` stays open."""
        self._pool.close()


class Transport(BaseTransport):
    """Sends requests for threads."""

    _colour = THREADS

    def _network(self) -> Network:
        from bedrock_bearer.wire.network import ThreadStream, ThreadWaiter

        return ThreadWaiter, ThreadStream

    def watch(self, response: OpenResponse, owner: object) -> None:
        """Give the connection of a response back when `owner` is dropped."""
        response.watch(owner, _abandon)


class AsyncTransport(BaseTransport):
    """Sends requests for the tasks of one event loop."""

    _colour = EVENT_LOOP
    _loop: asyncio.AbstractEventLoop | None = None

    def _network(self) -> Network:
        from bedrock_bearer.wire.asyncio_network import LoopStream, LoopWaiter

        return LoopWaiter, LoopStream

    def _check_usable(self) -> None:
        super()._check_usable()
        import asyncio

        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            loop = None
        if loop is None:
            raise ConfigurationError(
                "AsyncBedrockClient needs an event loop of asyncio or uvloop. Under trio, call a "
                "BedrockClient in trio.to_thread.run_sync(...)."
            )
        if self._loop is None:
            self._loop = loop
        if self._loop is not loop:
            raise ConfigurationError(
                "This AsyncBedrockClient was first used in another event loop, where its "
                "connections live. Make one client for each asyncio.run(...)."
            )

    def watch(self, response: OpenResponse, owner: object) -> None:
        """Give the connection of a response back when `owner` is dropped."""
        loop, process = self._loop, os.getpid()

        def abandon(exchange: Exchange) -> None:
            # The garbage collector may run in any thread, and the loop may have ended.
            if process != os.getpid():
                exchange.abandon()
            elif loop is not None and not loop.is_closed():
                with suppress(RuntimeError):
                    loop.call_soon_threadsafe(exchange.abandon)
            _warn_abandoned()

        response.watch(owner, abandon)


def _abandon(exchange: Exchange) -> None:
    exchange.abandon()
    _warn_abandoned()


def _warn_abandoned() -> None:
    warnings.warn(
        "A stream was dropped without being closed. Use `with client.converse_stream(...)`.",
        ResourceWarning,
        stacklevel=3,
    )
