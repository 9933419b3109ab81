"""What vLLM sends for a request whose traceparent came from a router."""

import argparse

from opentelemetry import propagate
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import SpanKind

RESOURCE = {
    "service.name": "vllm",
    "vllm.instrumenting_module_name": "vllm.llm_engine",
    "vllm.process_id": 4711,
    "vllm.process_kind": "api_server",
    "vllm.process_name": "",
}
REQUEST = {
    "gen_ai.request.id": "chatcmpl-1",
    "gen_ai.request.max_tokens": 256,
    "gen_ai.request.temperature": 0.7,
    "gen_ai.usage.prompt_tokens": 1234,
    "gen_ai.usage.completion_tokens": 17,
    "gen_ai.latency.time_to_first_token": 0.05,
    "gen_ai.latency.e2e": 0.9,
}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--endpoint", required=True)
    parser.add_argument("--traceparent", required=True)
    given = parser.parse_args()
    provider = TracerProvider(resource=Resource.create(RESOURCE))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint=given.endpoint, insecure=True)))
    tracer = provider.get_tracer("vllm.tracing.otel")
    context = propagate.extract({"traceparent": given.traceparent})
    with tracer.start_as_current_span("llm_request", context, kind=SpanKind.SERVER, attributes=REQUEST):
        pass
    provider.shutdown()


main()
