"""Both clients behind one face, so that a behaviour is tested once and run for each."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

from bedrock_bearer import AsyncBedrockClient, BedrockClient, RetryPolicy
from bedrock_bearer.testing import FakeClock
from support.keys import long_term_key
from support.server import Reply, serve

KEY = long_term_key()
MODEL = "amazon.nova-micro-v1:0"

ENVIRONMENT = (
    "AWS_BEARER_TOKEN_BEDROCK",
    "AWS_REGION",
    "AWS_DEFAULT_REGION",
    "AWS_ENDPOINT_URL",
    "AWS_ENDPOINT_URL_BEDROCK_RUNTIME",
    "AWS_PROFILE",
    "AWS_CA_BUNDLE",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "ALL_PROXY",
    "NO_PROXY",
    "http_proxy",
    "https_proxy",
    "all_proxy",
    "no_proxy",
)
"""What the machine that runs the tests may have set."""


class FakeTime(FakeClock):
    """Time that passes when a test, or a wait, says so."""

    before_wait: Callable[[], object] = staticmethod(lambda: None)

    @property
    def now(self) -> float:
        return self.monotonic()

    def advance(self, seconds: float) -> None:
        self.move(seconds)

    def wait(self, seconds: float) -> None:
        self.before_wait()
        super().wait(seconds)

    def retry(self, jitter: float = 1.0, **options: Any) -> RetryPolicy:
        """A policy that waits on this time, its jitter held still."""
        return RetryPolicy(clock=self.clock, jitter=lambda: jitter, **options)


class StreamHandle:
    """A stream of either colour, entered; blocks until each answer is there."""

    def __init__(self, colour: Colour, stream: Any) -> None:
        self.raw = stream
        self._colour = colour

    def __enter__(self) -> StreamHandle:
        self._colour.finish(self.raw.__aenter__ if self._colour.is_async else self.raw.__enter__)
        return self

    def __exit__(self, *error: object) -> None:
        name = "__aexit__" if self._colour.is_async else "__exit__"
        self._colour.finish(getattr(self.raw, name), *error)

    def __iter__(self) -> Iterator[Any]:
        return self._colour.iterate(self.raw)

    @property
    def text_stream(self) -> Iterator[str]:
        return self._colour.iterate(self.raw.text_stream)

    @property
    def request_id(self) -> str | None:
        request_id: str | None = self.raw.request_id
        return request_id

    @property
    def partial(self) -> Any:
        return self.raw.partial

    def final_response(self) -> Any:
        return self._colour.finish(self.raw.final_response)

    def close(self) -> None:
        self._colour.finish(self.raw.close)


class ClientHandle:
    """A client of either colour; blocks until each answer is there."""

    def __init__(self, colour: Colour, client: Any) -> None:
        self.raw = client
        self._colour = colour

    def __enter__(self) -> ClientHandle:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def converse(self, model_id: Any = MODEL, messages: Any = "Hi", **options: Any) -> Any:
        return self._colour.finish(self.raw.converse, model_id, messages, **options)

    def stream(self, model_id: Any = MODEL, messages: Any = "Hi", **options: Any) -> StreamHandle:
        return StreamHandle(self._colour, self.raw.converse_stream(model_id, messages, **options))

    def count_tokens(self, model_id: Any = MODEL, messages: Any = "Hi", **options: Any) -> Any:
        return self._colour.finish(self.raw.count_tokens, model_id, messages, **options)

    def apply_guardrail(self, *arguments: Any, **options: Any) -> Any:
        return self._colour.finish(self.raw.apply_guardrail, *arguments, **options)

    def probe(self, **options: Any) -> Any:
        return self._colour.finish(self.raw.probe, **options)

    def with_options(self, **options: Any) -> ClientHandle:
        return ClientHandle(self._colour, self.raw.with_options(**options))

    def close(self) -> None:
        self._colour.finish(self.raw.close)


class Colour:
    """Sync or async: makes clients, and drives an event loop where one is needed."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.is_async = name == "async"
        self.client_class: Any = AsyncBedrockClient if self.is_async else BedrockClient
        self._runner = asyncio.Runner() if self.is_async else None

    def client(self, url: str | None = None, **options: Any) -> ClientHandle:
        """Make a client of this colour, with a synthetic key if none is given."""
        arguments: dict[str, Any] = {"api_key": KEY, "endpoint_url": url, **options}
        return ClientHandle(self, self.client_class(**arguments))

    @contextmanager
    def streaming(self, reply: Reply, **options: Any) -> Iterator[StreamHandle]:
        """Open a stream that the server answers with `reply`."""
        with (
            serve([reply]) as server,
            self.client(server.url, **options) as client,
            client.stream() as stream,
        ):
            yield stream

    def finish(self, function: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
        """Call a function of the client and wait for what it gives."""
        result = function(*arguments, **options)
        return self.run(result) if isinstance(result, Coroutine) else result

    def run(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        assert self._runner is not None
        return self._runner.run(coroutine)

    def at_once(self, count: int, call: Callable[..., Any], *arguments: Any) -> list[Any]:
        """Make the same call several times at once; return the texts of the replies."""
        if self._runner is not None:
            return [reply.text for reply in self.run(_gathered(count, call, *arguments))]
        with ThreadPoolExecutor(count) as pool:
            replies = [pool.submit(call, *arguments) for _ in range(count)]
            return [reply.result().text for reply in replies]

    def drop(self, held: list[Any]) -> None:
        """Let go of what is held, and let an event loop do what that gives it to do."""
        held.clear()
        if self._runner is not None:
            self._runner.run(_turns())

    def iterate(self, source: Any) -> Iterator[Any]:
        if not self.is_async:
            # `yield from source` would close the stream when this generator is dropped.
            yield from (item for item in source)
            return
        iterator = source.__aiter__()
        while True:
            try:
                item = self.run(_next(iterator))
            except StopAsyncIteration:
                return
            yield item
            del item

    def close(self) -> None:
        if self._runner is not None:
            self._runner.close()


async def _next(iterator: Any) -> Any:
    return await anext(iterator)


async def _gathered(count: int, call: Callable[..., Any], *arguments: Any) -> list[Any]:
    return await asyncio.gather(*(call(*arguments) for _ in range(count)))


async def _turns() -> None:
    for _ in range(10):
        await asyncio.sleep(0)
