"""What vLLM's semantic router sends, as guide 004 shows it: a root for the request, its steps, and a call
to the engine that carries the trace on.

It prints the traceparent it would send to the engine, and ends its spans when a line comes in on stdin,
which is when the engine has answered.
"""

import argparse
import sys

from opentelemetry import propagate
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import SpanKind

# Exactly what the router's own resource has; the last one is empty when it is not configured.
RESOURCE = {"service.name": "vllm-semantic-router", "service.version": "v0.1.0", "deployment.environment": ""}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--endpoint", required=True)
    given = parser.parse_args()
    provider = TracerProvider(resource=Resource(RESOURCE))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint=given.endpoint, insecure=True)))
    tracer = provider.get_tracer("semantic-router")
    with tracer.start_as_current_span("semantic_router.request.received", kind=SpanKind.SERVER) as root:
        root.set_attributes({"request.id": "req-1", "user.id": "", "http.method": "POST"})
        with tracer.start_as_current_span("semantic_router.signal.evaluation") as signal:
            signal.set_attribute("signal.matched_rules", ["math", "", "code"])
        with tracer.start_as_current_span("semantic_router.cache.lookup") as cache:
            cache.set_attribute("cache.hit", False)
        with tracer.start_as_current_span("semantic_router.routing.decision") as decision:
            decision.set_attributes({"routing.selected_model": "gpt-4", "category.name": "", "reasoning.enabled": True})
        with tracer.start_as_current_span("semantic_router.upstream.request", kind=SpanKind.CLIENT):
            headers = {}
            propagate.inject(headers)
            print(headers["traceparent"], flush=True)
            sys.stdin.readline()
    provider.shutdown()


main()
