"""Spans and metrics of OpenTelemetry, made of the records that `on_event` gets.

The names are those of the conventions for generative AI, which are still in development:
https://github.com/open-telemetry/semantic-conventions-genai. What they have no name for is called
`bedrock_bearer.*`. Records hold no content, so neither do the spans.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from bedrock_bearer.errors import ConfigurationError, install_hint
from bedrock_bearer.facts import DEFAULT_PORTS
from bedrock_bearer.version import __version__
from bedrock_bearer.wire.records import CallRecord

if TYPE_CHECKING:
    from opentelemetry.metrics import MeterProvider
    from opentelemetry.trace import TracerProvider

    from bedrock_bearer.wire.records import Record

_OPERATION_NAMES = {
    "Converse": "chat",
    "ConverseStream": "chat",
    "CountTokens": "count_tokens",
    "ApplyGuardrail": "apply_guardrail",
    "ListAsyncInvokes": "list_async_invokes",
}
"""The conventions know `chat`; the others are AWS's names in their spelling."""

_SECONDS = (0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92)
_TOKENS = tuple(4**power for power in range(14))
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class OpenTelemetryObserver:
    """Makes a span and measurements of each call: `BedrockClient(on_event=...)`.

    The span is a child of the span that was current when the call was made, or when a stream was
    opened, and covers all attempts and the reading of a stream.

    Args:
        tracer_provider: makes the spans. Default: the global one.
        meter_provider: takes the metrics. Default: the global one.

    Raises:
        ConfigurationError: OpenTelemetry is not installed.
    """

    def __init__(
        self,
        tracer_provider: TracerProvider | None = None,
        meter_provider: MeterProvider | None = None,
    ) -> None:
        try:
            from opentelemetry import metrics, trace
        except ImportError:
            raise ConfigurationError(
                "OpenTelemetryObserver needs OpenTelemetry. "
                + install_hint("otel", "opentelemetry-api")
            ) from None
        self._tracer = trace.get_tracer("bedrock_bearer", __version__, tracer_provider)
        meter = metrics.get_meter("bedrock_bearer", __version__, meter_provider)
        self._duration = meter.create_histogram(
            "gen_ai.client.operation.duration",
            unit="s",
            description="GenAI operation duration.",
            explicit_bucket_boundaries_advisory=_SECONDS,
        )
        self._first_chunk = meter.create_histogram(
            "gen_ai.client.operation.time_to_first_chunk",
            unit="s",
            description="Time to receive the first chunk of a streamed reply.",
            explicit_bucket_boundaries_advisory=_SECONDS,
        )
        self._tokens = meter.create_histogram(
            "gen_ai.client.token.usage",
            unit="{token}",
            description="Number of input and output tokens used.",
            explicit_bucket_boundaries_advisory=_TOKENS,
        )

    def __call__(self, record: Record) -> None:
        """Take a record; those of attempts and of key switches are part of their call's."""
        if not isinstance(record, CallRecord):
            return
        from opentelemetry.trace import SpanKind, Status, StatusCode, set_span_in_context

        common = _common_attributes(record)
        start = record.started_at or datetime.now(UTC) - timedelta(seconds=record.elapsed)
        span = self._tracer.start_span(
            _span_name(record),
            kind=SpanKind.CLIENT,
            attributes={**common, **_span_attributes(record)},
            start_time=_nanoseconds(start),
        )
        if record.error is not None:
            span.set_status(Status(StatusCode.ERROR, record.error))
        self._measure(record, common, set_span_in_context(span))
        span.end(_nanoseconds(start + timedelta(seconds=record.elapsed)))

    def _measure(self, record: CallRecord, common: dict[str, Any], context: Any) -> None:
        failed = {"error.type": record.error} if record.error else {}
        self._duration.record(record.elapsed, {**common, **failed}, context)
        if record.operation == "ConverseStream" and record.first_reply_after is not None:
            self._first_chunk.record(record.first_reply_after, common, context)
        for token_type, count in (
            ("input", _input_tokens(record)),
            ("output", record.output_tokens),
        ):
            if count is not None:
                attributes = {**common, "gen_ai.token.type": token_type}
                self._tokens.record(count, attributes, context)


def _span_name(record: CallRecord) -> str:
    name = _operation_name(record)
    return f"{name} {record.model_id}" if record.model_id else name


def _operation_name(record: CallRecord) -> str:
    return _OPERATION_NAMES.get(record.operation, record.operation)


def _common_attributes(record: CallRecord) -> dict[str, Any]:
    """Return the attributes of spans and of metrics."""
    attributes: dict[str, Any] = {
        "gen_ai.operation.name": _operation_name(record),
        "gen_ai.provider.name": "aws.bedrock",
    }
    if record.model_id is not None:
        attributes["gen_ai.request.model"] = record.model_id
    if record.endpoint_url is not None:
        url = urlsplit(record.endpoint_url)
        attributes["server.address"] = url.hostname
        attributes["server.port"] = url.port or DEFAULT_PORTS.get(url.scheme)
    return attributes


def _span_attributes(record: CallRecord) -> dict[str, Any]:
    is_stream = record.operation == "ConverseStream"
    key = record.key
    attributes = {
        "error.type": record.error,
        "gen_ai.output.type": record.output_format,
        "gen_ai.request.max_tokens": record.max_tokens,
        "gen_ai.request.stop_sequences": record.stop_sequences or None,
        "gen_ai.request.stream": True if is_stream else None,
        # The conventions want a double, and callers may write 0 or 1.
        "gen_ai.request.temperature": _float(record.temperature),
        "gen_ai.request.top_p": _float(record.top_p),
        "gen_ai.response.finish_reasons": (record.stop_reason,) if record.stop_reason else None,
        "gen_ai.response.time_to_first_chunk": record.first_reply_after if is_stream else None,
        "gen_ai.usage.input_tokens": _input_tokens(record),
        "gen_ai.usage.output_tokens": record.output_tokens,
        "gen_ai.usage.cache_read.input_tokens": record.cache_read_input_tokens,
        "gen_ai.usage.cache_write.input_tokens": record.cache_write_input_tokens,
        "aws.bedrock.guardrail.id": record.guardrail and record.guardrail.rpartition("/")[2],
        "aws.request_id": record.request_id,
        "cloud.region": record.region,
        "bedrock_bearer.attempts": record.attempts,
        "bedrock_bearer.key.type": key.token_type.value if key and key.token_type else None,
        "bedrock_bearer.key.fingerprint": (key.fingerprint or None) if key else None,
        **{f"bedrock_bearer.tags.{name}": value for name, value in record.tags.items()},
    }
    return {name: value for name, value in attributes.items() if value is not None}


def _float(number: float | None) -> float | None:
    return None if number is None else float(number)


def _input_tokens(record: CallRecord) -> int | None:
    """Return all input tokens: the conventions count the cached ones, AWS's `inputTokens` not."""
    if record.input_tokens is None:
        return None
    cached = (record.cache_read_input_tokens or 0) + (record.cache_write_input_tokens or 0)
    return record.input_tokens + cached


def _nanoseconds(moment: datetime) -> int:
    return (moment - _EPOCH) // timedelta(microseconds=1) * 1000
