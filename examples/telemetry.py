"""A span of OpenTelemetry for each call, below the caller's own (extra [otel]).

`python examples/telemetry.py` prints the spans of two calls to the Bedrock on this machine. It
needs `pip install opentelemetry-sdk`; in an application, an exporter sends them to your collector.
"""

from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from bedrock_bearer.local import local_client
from bedrock_bearer.telemetry import OpenTelemetryObserver

MODEL = "us.amazon.nova-micro-v1:0"

exporter = InMemorySpanExporter()
provider = TracerProvider()
provider.add_span_processor(SimpleSpanProcessor(exporter))
tracer = provider.get_tracer("example")

with (
    local_client(on_event=OpenTelemetryObserver(tracer_provider=provider)) as client,
    tracer.start_as_current_span("a request to my application"),
):
    client.converse(MODEL, "Hello")
    with client.converse_stream(MODEL, "Tell a story.") as stream:
        stream.final_response()

for span in exporter.get_finished_spans():
    usage = {name: value for name, value in (span.attributes or {}).items() if "usage" in name}
    print(span.name, usage)
