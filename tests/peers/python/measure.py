"""An application that measures, with the OpenTelemetry SDK for Python, unmodified.

Two readings of every kind of instrument, and a span of the same resource, all from fixed numbers. What the
SDK reads from its environment (temporality among it) is the caller's.
"""

import argparse
import logging
import sys

from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.grpc.metric_exporter import OTLPMetricExporter as GrpcMetrics
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter as GrpcSpans
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter as HttpMetrics
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter as HttpSpans
from opentelemetry.metrics import Observation
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.metrics.view import ExponentialBucketHistogramAggregation, View
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import SpanContext, TraceFlags

FOREVER_MS = 3_600_000
EVERY_TYPE = {
    "string": "Zürich, 東京 🦀",
    "empty": "",
    "bool": False,
    "int": -42,
    "double": 0.25,
    "strings": ["a", "", 'c"'],
    "ints": [1, 2],
    # Two keys that are one name in Prometheus.
    "same.name": "first",
    "same_name": "second",
}


def options():
    parser = argparse.ArgumentParser()
    parser.add_argument("--endpoint", required=True)
    parser.add_argument("--protocol", choices=["grpc", "http"], required=True)
    parser.add_argument("--instance", required=True)
    parser.add_argument("--signals", choices=["all", "traces"], default="all")
    return parser.parse_args()


def exporters(given):
    if given.protocol == "grpc":
        return GrpcMetrics(endpoint=given.endpoint, insecure=True), GrpcSpans(endpoint=given.endpoint, insecure=True)
    return HttpMetrics(endpoint=f"{given.endpoint}/v1/metrics"), HttpSpans(endpoint=f"{given.endpoint}/v1/traces")


class Instruments:
    def __init__(self, meter):
        self._round = 0
        self._counter = meter.create_counter("app.requests", "{request}", "Requests")
        self._seconds = meter.create_counter("app.work.total_time", "s", "Time spent")
        self._running = meter.create_up_down_counter("app.running", "{request}")
        self._usage = meter.create_gauge("app.cache-usage", "1")
        self._latency = meter.create_histogram(
            "app.latency", "ms", "Latency", explicit_bucket_boundaries_advisory=[0.5, 1.0, 100.0, 1e6]
        )
        self._exponential = meter.create_histogram("app.exponential", "By")
        meter.create_observable_gauge("app.temperature", [lambda _: [Observation(70 + self._round, {"gpu": 0})]], "Cel")
        meter.create_observable_counter("app/sent", [lambda _: [Observation(1000 * self._round)]], "By")
        meter.create_observable_up_down_counter("app.queue", [lambda _: [Observation(-self._round)]], "MBy/s")

    def measure(self, context):
        """What is measured between two readings."""
        self._round += 1
        self._counter.add(2 + self._round, EVERY_TYPE, context)
        self._counter.add(1, {"model": "b"})
        self._seconds.add(0.25)
        self._running.add(3 if self._round == 1 else -4, {"rank": 0})
        self._usage.set(self._round / 4)
        for latency in (0.0, 0.5, 12, 900, 2e6):
            self._latency.record(latency, {"route": "/v1/chat"}, context)
        for size in (0, 1.5, 3, 1000):
            self._exponential.record(size)


def main():
    given = options()
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr)
    resource = Resource(
        {
            "service.namespace": "shop",
            "service.name": "app",
            "service.instance.id": given.instance,
            "service.version": "1.4",
            "gpu.count": 8,
        }
    )
    metrics, spans = exporters(given)
    reader = PeriodicExportingMetricReader(metrics, export_interval_millis=FOREVER_MS)
    exponential = View(instrument_name="app.exponential", aggregation=ExponentialBucketHistogramAggregation())
    # Its shutdown would be one more reading.
    meters = MeterProvider([reader], resource=resource, views=[exponential], shutdown_on_exit=False)
    tracers = TracerProvider(resource=resource)
    tracers.add_span_processor(BatchSpanProcessor(spans))

    # A sampled span in the context makes exemplars; its ids are fixed, so that they can be expected.
    sampled = SpanContext(0x0AF7651916CD43DD8448EB211C80319C, 0xB7AD6B7169203331, False, TraceFlags(1))
    context = trace.set_span_in_context(trace.NonRecordingSpan(sampled))
    instruments = Instruments(meters.get_meter("app.metrics", "3.1", "https://example.com/schema", {"kind": "test"}))
    for _ in range(2 if given.signals == "all" else 0):
        instruments.measure(context)
        assert meters.force_flush()
    with tracers.get_tracer("app").start_as_current_span("work") as span:
        trace_id = f"{span.get_span_context().trace_id:032x}"
    tracers.shutdown()
    print(trace_id)


main()
