"""Spans and metrics of calls, as OpenTelemetry's own SDK keeps them in memory."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.semconv._incubating.attributes import (
    aws_attributes,
    cloud_attributes,
    gen_ai_attributes,
)
from opentelemetry.semconv._incubating.metrics import gen_ai_metrics
from opentelemetry.semconv.attributes import error_attributes, server_attributes
from opentelemetry.trace import SpanKind, StatusCode
from support.clients import KEY, MODEL, Colour, FakeTime
from support.keys import LONG_TERM_SECRET
from support.replies import FRAMES, INTERNAL, REPLY, REQUEST_ID, error, event, ok, streamed
from support.server import Received, http_reply, serve

from bedrock_bearer import ApiKey, ConfigurationError, errors
from bedrock_bearer.telemetry import OpenTelemetryObserver

USAGE = {
    "inputTokens": 1,
    "outputTokens": 2,
    "totalTokens": 10,
    "cacheReadInputTokens": 3,
    "cacheWriteInputTokens": 4,
}
CACHED = http_reply({**REPLY, "usage": USAGE})
CACHED_STREAM = streamed(
    *FRAMES[:-1], event("metadata", {"usage": USAGE, "metrics": {"latencyMs": 1}})
)

RENAMED = {"gen_ai.usage.cache_write.input_tokens"}
"""Called `cache_creation` by the Python package, whose copy of these names is no longer updated;
https://github.com/open-telemetry/semantic-conventions-genai has the new name."""


class Telemetry:
    """OpenTelemetry's SDK, which keeps what it is given."""

    def __init__(self) -> None:
        self._spans, self._metrics = InMemorySpanExporter(), InMemoryMetricReader()
        self.tracers = TracerProvider()
        self.tracers.add_span_processor(SimpleSpanProcessor(self._spans))
        self.meters = MeterProvider([self._metrics])
        self.observer = OpenTelemetryObserver(self.tracers, self.meters)

    @property
    def spans(self) -> list[ReadableSpan]:
        return list(self._spans.get_finished_spans())

    def span(self) -> ReadableSpan:
        (span,) = self.spans
        return span

    def points(self, name: str) -> list[Any]:
        """Return the points of a metric."""
        return [
            point
            for metric in self.metrics()
            if metric.name == name
            for point in metric_points(metric)
        ]

    def metrics(self) -> list[Any]:
        data = self._metrics.get_metrics_data()
        if data is None:
            return []
        scopes = [scope for resource in data.resource_metrics for scope in resource.scope_metrics]
        return [metric for scope in scopes for metric in scope.metrics]


def metric_points(metric: Any) -> list[Any]:
    return list(metric.data.data_points)


@pytest.fixture
def telemetry() -> Iterator[Telemetry]:
    telemetry = Telemetry()
    yield telemetry
    telemetry.tracers.shutdown()
    telemetry.meters.shutdown()


def call(
    colour: Colour,
    telemetry: Telemetry,
    time: FakeTime,
    *replies: Any,
    stream: bool = False,
    **more: Any,
) -> str:
    """Make one call that takes a second to be answered each time; return the server's URL."""
    turns = iter(replies)

    def answer(_: Received) -> Any:
        time.advance(1)
        return next(turns)

    with (
        serve(answer) as server,
        colour.client(
            server.url, region="eu-west-1", retry=time.retry(), on_event=telemetry.observer
        ) as client,
    ):
        options: dict[str, Any] = {
            "messages": "A secret question",
            "request_metadata": {"team": "search"},
            **more,
        }
        try:
            if stream:
                with client.stream(**options) as opened:
                    list(opened)
                    time.advance(2)
            else:
                client.converse(**options)
        except errors.BedrockError:
            pass
    return server.url


def test_a_call_is_a_span_of_the_conventions(
    colour: Colour, telemetry: Telemetry, time: FakeTime
) -> None:
    url = call(colour, telemetry, time, INTERNAL, CACHED)

    span = telemetry.span()
    assert span.name == f"chat {MODEL}"
    assert span.kind is SpanKind.CLIENT
    assert span.status.status_code is StatusCode.UNSET
    assert dict(span.attributes or {}) == {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "aws.bedrock",
        "gen_ai.request.model": MODEL,
        "gen_ai.response.finish_reasons": ("end_turn",),
        # AWS leaves the cached tokens out of inputTokens, the conventions count them.
        "gen_ai.usage.input_tokens": 8,
        "gen_ai.usage.output_tokens": 2,
        "gen_ai.usage.cache_read.input_tokens": 3,
        "gen_ai.usage.cache_write.input_tokens": 4,
        "server.address": "127.0.0.1",
        "server.port": int(url.rpartition(":")[2]),
        "aws.request_id": REQUEST_ID,
        "cloud.region": "eu-west-1",
        "bedrock_bearer.attempts": 2,
        "bedrock_bearer.key.type": "LONG_TERM",
        "bedrock_bearer.key.fingerprint": ApiKey.parse(KEY).description.fingerprint,
        "bedrock_bearer.tags.team": "search",
    }


GUARDRAIL = "arn:aws:bedrock:eu-west-1:123456789012:guardrail/sgi5gkybzqak"


@pytest.mark.parametrize("stream", [False, True])
def test_a_span_has_the_parameters_of_the_request(
    colour: Colour, telemetry: Telemetry, time: FakeTime, stream: bool
) -> None:
    call(
        colour,
        telemetry,
        time,
        streamed() if stream else ok(),
        stream=stream,
        temperature=0,
        inference_config={"maxTokens": 5, "topP": 1, "stopSequences": ["END"]},
        guardrail_config={"guardrailIdentifier": GUARDRAIL, "guardrailVersion": "1"},
    )

    attributes = telemetry.span().attributes or {}
    parameters = {
        "gen_ai.request.max_tokens": 5,
        "gen_ai.request.stop_sequences": ("END",),
        "gen_ai.request.temperature": 0.0,
        "gen_ai.request.top_p": 1.0,
        "aws.bedrock.guardrail.id": "sgi5gkybzqak",
    }
    assert {name: attributes.get(name) for name in parameters} == parameters
    # The conventions want doubles.
    assert isinstance(attributes["gen_ai.request.temperature"], float)
    assert isinstance(attributes["gen_ai.request.top_p"], float)
    assert parameters.keys() <= registry()


SCHEMA = {"textFormat": {"type": "json_schema", "structure": {"jsonSchema": {"schema": "{}"}}}}


@pytest.mark.parametrize("more", [{"output_config": SCHEMA}, {"output_type": dict[str, int]}])
def test_a_span_says_that_json_was_asked_for(
    colour: Colour, telemetry: Telemetry, time: FakeTime, more: dict[str, Any]
) -> None:
    call(colour, telemetry, time, ok(), **more)

    attributes = telemetry.span().attributes or {}
    assert attributes["gen_ai.output.type"] == "json"
    # The reply of the test is a text.
    assert attributes.get("error.type") == ("OutputError" if "output_type" in more else None)
    assert "gen_ai.output.type" in registry()


def test_the_span_of_a_guardrail_names_it(
    colour: Colour, telemetry: Telemetry, time: FakeTime
) -> None:
    reply = http_reply({"action": "NONE", "outputs": [], "assessments": [], "usage": {}})
    with (
        serve([reply]) as server,
        colour.client(server.url, on_event=telemetry.observer) as client,
    ):
        client.apply_guardrail(GUARDRAIL, "1", "Hello")

    span = telemetry.span()
    assert span.name == "apply_guardrail"
    assert (span.attributes or {})["aws.bedrock.guardrail.id"] == "sgi5gkybzqak"


def test_a_span_covers_its_call_retries_and_waits_included(
    colour: Colour, telemetry: Telemetry, time: FakeTime
) -> None:
    call(colour, telemetry, time, INTERNAL, ok())

    span = telemetry.span()
    assert span.start_time == 0
    assert span.end_time == pytest.approx(time.now * 1e9)


def test_a_stream_is_a_span_from_its_opening_to_its_end(
    colour: Colour, telemetry: Telemetry, time: FakeTime
) -> None:
    call(colour, telemetry, time, CACHED_STREAM, stream=True)

    span = telemetry.span()
    attributes = dict(span.attributes or {})
    assert span.name == f"chat {MODEL}"
    assert attributes["gen_ai.request.stream"] is True
    assert attributes["gen_ai.response.time_to_first_chunk"] == 1.0
    assert attributes["gen_ai.usage.input_tokens"] == 8
    assert attributes["gen_ai.response.finish_reasons"] == ("end_turn",)


def test_a_failed_call_names_its_error(
    colour: Colour, telemetry: Telemetry, time: FakeTime
) -> None:
    call(colour, telemetry, time, error(403, "AccessDeniedException"))

    span = telemetry.span()
    assert span.status.status_code is StatusCode.ERROR
    assert (span.attributes or {})["error.type"] == "AccessDeniedError"
    (duration,) = telemetry.points("gen_ai.client.operation.duration")
    assert duration.attributes["error.type"] == "AccessDeniedError"
    assert telemetry.points("gen_ai.client.token.usage") == []


@pytest.mark.parametrize("stream", [False, True])
def test_a_span_is_a_child_of_the_callers(
    stream: bool, colour: Colour, telemetry: Telemetry, time: FakeTime
) -> None:
    tracer = telemetry.tracers.get_tracer("the caller")
    with tracer.start_as_current_span("the caller's"):
        call(colour, telemetry, time, streamed() if stream else ok(), stream=stream)

    child, parent = telemetry.spans
    assert parent.name == "the caller's"
    assert child.parent == parent.get_span_context()


def test_the_span_of_a_stream_is_a_child_of_the_span_that_opened_it(
    colour: Colour, telemetry: Telemetry, time: FakeTime
) -> None:
    tracer = telemetry.tracers.get_tracer("the caller")
    with (
        serve([streamed()]) as server,
        colour.client(server.url, on_event=telemetry.observer) as client,
    ):
        stream = client.stream()
        with tracer.start_as_current_span("opens it"):
            stream.__enter__()
        with tracer.start_as_current_span("reads it"):
            list(stream)

    by_name = {span.name: span for span in telemetry.spans}
    child, parent = by_name[f"chat {MODEL}"], by_name["opens it"]
    assert child.parent == parent.get_span_context()


def test_the_metrics_are_those_of_the_conventions(
    colour: Colour, telemetry: Telemetry, time: FakeTime
) -> None:
    url = call(colour, telemetry, time, CACHED_STREAM, stream=True)

    common = {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "aws.bedrock",
        "gen_ai.request.model": MODEL,
        "server.address": "127.0.0.1",
        "server.port": int(url.rpartition(":")[2]),
    }
    (duration,) = telemetry.points("gen_ai.client.operation.duration")
    (first,) = telemetry.points("gen_ai.client.operation.time_to_first_chunk")
    tokens = {
        point.attributes["gen_ai.token.type"]: point
        for point in telemetry.points("gen_ai.client.token.usage")
    }
    assert (dict(duration.attributes), duration.sum) == (common, 1.0)
    assert (dict(first.attributes), first.sum) == (common, 1.0)
    assert {name: point.sum for name, point in tokens.items()} == {"input": 8, "output": 2}
    assert dict(tokens["input"].attributes) == {**common, "gen_ai.token.type": "input"}
    assert duration.explicit_bounds[0] == 0.01
    assert duration.explicit_bounds[-1] == 81.92
    assert tokens["input"].explicit_bounds[-1] == 67108864


def test_a_call_that_is_not_streamed_has_no_first_chunk(
    colour: Colour, telemetry: Telemetry, time: FakeTime
) -> None:
    call(colour, telemetry, time, ok())

    assert telemetry.points("gen_ai.client.operation.time_to_first_chunk") == []
    assert "gen_ai.response.time_to_first_chunk" not in (telemetry.span().attributes or {})


def test_every_name_is_in_the_registry_of_the_conventions(
    colour: Colour, telemetry: Telemetry, time: FakeTime
) -> None:
    call(colour, telemetry, time, CACHED_STREAM, stream=True)
    call(colour, telemetry, time, error(403, "AccessDeniedException"))

    names = {name for span in telemetry.spans for name in span.attributes or {}}
    names |= {
        name
        for metric in telemetry.metrics()
        for point in metric_points(metric)
        for name in point.attributes
    }
    names |= {metric.name for metric in telemetry.metrics()}
    ours = {name for name in names if name.startswith("bedrock_bearer.")}
    assert len(names - ours) > 15
    assert names - ours - RENAMED <= registry()


def test_the_units_are_those_of_the_registry(
    colour: Colour, telemetry: Telemetry, time: FakeTime
) -> None:
    call(colour, telemetry, time, CACHED_STREAM, stream=True)

    theirs = Telemetry()
    meter = theirs.meters.get_meter("the registry")
    for make in (
        gen_ai_metrics.create_gen_ai_client_operation_duration,
        gen_ai_metrics.create_gen_ai_client_operation_time_to_first_chunk,
        gen_ai_metrics.create_gen_ai_client_token_usage,
    ):
        make(meter).record(1)
    units = {metric.name: metric.unit for metric in theirs.metrics()}
    assert {metric.name: metric.unit for metric in telemetry.metrics()} == units


def registry() -> set[str]:
    """Return the names that the conventions' own Python package has."""
    modules = (
        aws_attributes,
        cloud_attributes,
        error_attributes,
        gen_ai_attributes,
        gen_ai_metrics,
        server_attributes,
    )
    values = [value for module in modules for value in vars(module).values()]
    return {value for value in values if isinstance(value, str)}


def test_neither_spans_nor_metrics_hold_content_or_the_key(
    colour: Colour, telemetry: Telemetry, time: FakeTime
) -> None:
    call(colour, telemetry, time, streamed(), stream=True)

    told = telemetry.span().to_json() + repr(telemetry.metrics())
    for secret in ("secret question", "Hello", KEY, LONG_TERM_SECRET[:20]):
        assert secret not in told


def test_without_opentelemetry_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "opentelemetry", None)

    with pytest.raises(ConfigurationError, match=r"Install opentelemetry-api, or .*\[otel\]"):
        OpenTelemetryObserver()


def test_importing_the_module_imports_no_opentelemetry() -> None:
    program = (
        "import sys, bedrock_bearer.telemetry\n"
        "assert not [name for name in sys.modules if name.startswith('opentelemetry')]"
    )

    subprocess.run([sys.executable, "-c", program], check=True)
