"""An application with the OpenTelemetry SDK for Python, unmodified.

It sends everything twice: to --endpoint by the protocol and compression under test, and to --direct, a
back end that keeps what it gets, so that the test knows what the SDK itself puts on the wire. It prints
its spans as OTLP/JSON, told from the SDK's own objects.
"""

import argparse
import json
import logging
import random
import sys

import describe
from opentelemetry import trace
from opentelemetry._logs import LogRecord, SeverityNumber
from opentelemetry.exporter.otlp.proto.grpc._log_exporter import OTLPLogExporter as GrpcLogs
from opentelemetry.exporter.otlp.proto.grpc.metric_exporter import OTLPMetricExporter as GrpcMetrics
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter as GrpcSpans
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter as HttpLogs
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter as HttpMetrics
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter as HttpSpans
from opentelemetry.metrics import Observation
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import MetricExporter, MetricExportResult, PeriodicExportingMetricReader
from opentelemetry.sdk.metrics.view import ExponentialBucketHistogramAggregation, View
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import SpanLimits, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
from opentelemetry.trace import Link, SpanContext, SpanKind, Status, StatusCode, TraceFlags, TraceState

SCHEMA = "https://opentelemetry.io/schemas/1.30.0"
# One of each type, and what is easily lost on the way.
EVERY_TYPE = {
    "string": "Zürich, 東京 🦀",
    "string.empty": "",
    "bool": False,
    "int": 42,
    "int.zero": 0,
    "int.beyond_double": 9007199254740993,
    "int.max": 2**63 - 1,
    "int.min": -(2**63),
    "double": 0.1,
    "double.whole": 3.0,
    "double.negative_zero": -0.0,
    "double.large": 1.5e300,
    "bytes": b"\x00\xff\xfe raw",
    "bytes.empty": b"",
    "strings": ["a", "", "c"],
    "bools": [True, False],
    "ints": [1, 0, -(2**53) - 1],
    "doubles": [0.5, -2.0],
    "bytes.array": [b"\x01", b""],
    "array.empty": [],
    "map": {"inner": {"deep": [1, "two"]}},
    "gen_ai.response.finish_reasons": '["stop"]',
}
FOREVER_MS = 3_600_000


class SomeShortTraceIds(RandomIdGenerator):
    """As SGLang makes them on demand: only the low 64 bits of a trace id are random."""

    is_short = False

    def generate_trace_id(self):
        return random.getrandbits(64) | 1 if self.is_short else super().generate_trace_id()


class Recorder(SpanProcessor):
    def __init__(self):
        self.spans = []

    def on_end(self, span):
        self.spans.append(span)


class Twice(MetricExporter):
    """Gives two exporters the same reading; each reader of its own would have times of its own."""

    def __init__(self, exporters):
        super().__init__()
        self._exporters = exporters

    def export(self, metrics_data, timeout_millis=10_000, **kwargs):
        for exporter in self._exporters:
            if exporter.export(metrics_data, timeout_millis) is not MetricExportResult.SUCCESS:
                return MetricExportResult.FAILURE
        return MetricExportResult.SUCCESS

    def force_flush(self, timeout_millis=10_000):
        return True

    def shutdown(self, timeout_millis=30_000, **kwargs):
        for exporter in self._exporters:
            exporter.shutdown()


def options():
    parser = argparse.ArgumentParser()
    parser.add_argument("--endpoint", required=True)
    parser.add_argument("--protocol", choices=["grpc", "http"], required=True)
    parser.add_argument("--compression", choices=["none", "gzip", "deflate"], required=True)
    parser.add_argument("--direct", required=True)
    return parser.parse_args()


def exporters(kind, given):
    """The exporter under test and the direct one."""
    direct = {"traces": GrpcSpans, "metrics": GrpcMetrics, "logs": GrpcLogs}[kind](endpoint=given.direct, insecure=True)
    if given.protocol == "grpc":
        import grpc

        compression = {
            "none": grpc.Compression.NoCompression,
            "gzip": grpc.Compression.Gzip,
            "deflate": grpc.Compression.Deflate,
        }[given.compression]
        factory = {"traces": GrpcSpans, "metrics": GrpcMetrics, "logs": GrpcLogs}[kind]
        tested = factory(endpoint=given.endpoint, insecure=True, compression=compression)
    else:
        compression = {
            "none": Compression.NoCompression,
            "gzip": Compression.Gzip,
            "deflate": Compression.Deflate,
        }[given.compression]
        factory = {"traces": HttpSpans, "metrics": HttpMetrics, "logs": HttpLogs}[kind]
        tested = factory(endpoint=f"{given.endpoint}/v1/{kind}", compression=compression)
    return [tested, direct]


def resource(given):
    attributes = {
        "service.name": f"python-{given.protocol}-{given.compression}",
        "deployment.environment": "",
        "cluster": ["a", ""],
    }
    return Resource.create(attributes, SCHEMA)


def inference(provider, ids):
    """A trace as SGLang makes it: 64-bit id, leading blank, slices that link to the one before."""
    tracer = provider.get_tracer("sglang server")
    ids.is_short = True
    with tracer.start_as_current_span(" Req a1b2c3d4", attributes={"rid": "a1b2c3d4", "module": "sglang::request"}):
        with tracer.start_as_current_span("Scheduler [TP 0]  [PP 0]  [DP 0] (host:3d1219c7 | pid:19010)"):
            with tracer.start_as_current_span("prefill_waiting") as waiting:
                pass
            link = Link(waiting.get_span_context(), {"slice": 1, "why": ""})
            with tracer.start_as_current_span("decode_forward", links=[link]) as forward:
                forward.add_event("retract", {"tokens": 17, "empty": ""})
                forward.set_status(Status(StatusCode.OK))
    ids.is_short = False


def application(provider):
    """A trace below a parent elsewhere, with one of everything."""
    tracer = provider.get_tracer("app", "1.2.3", SCHEMA, attributes={"scope.kind": "test", "scope.rank": 1})
    state = TraceState([("vendor", "opaque:1"), ("ot", "th:8;rv:0123456789abcd")])
    elsewhere = SpanContext(random.getrandbits(128) | 1, random.getrandbits(64) | 1, True, TraceFlags(1), state)
    context = trace.set_span_in_context(trace.NonRecordingSpan(elsewhere))
    for kind in SpanKind:
        with tracer.start_as_current_span(f"of kind {kind.name}", context, kind=kind) as span:
            span.set_attributes(EVERY_TYPE)
    remote = Link(elsewhere, EVERY_TYPE)
    with tracer.start_as_current_span("fails", context, kind=SpanKind.CLIENT, links=[remote, remote]) as span:
        span.add_event("everything", EVERY_TYPE, 1_700_000_000_123_456_789)
        span.record_exception(ValueError("Zürich\nis far"))
        span.set_status(Status(StatusCode.ERROR, "could not, really"))
    with tracer.start_as_current_span("drops", context) as span:
        span.set_attributes({f"key.{number:03}": number for number in range(70)})
        for number in range(6):
            span.add_event(f"event {number}", {f"key.{index}": index for index in range(40)})
            span.add_link(elsewhere, {f"key.{index}": index for index in range(40)})
    with tracer.start_as_current_span("", context):
        pass


def send_spans(given):
    ids, recorder = SomeShortTraceIds(), Recorder()
    limits = SpanLimits(
        max_span_attributes=64, max_events=4, max_links=4, max_event_attributes=32, max_link_attributes=32
    )
    provider = TracerProvider(id_generator=ids, span_limits=limits, resource=resource(given))
    provider.add_span_processor(recorder)
    for exporter in exporters("traces", given):
        provider.add_span_processor(BatchSpanProcessor(exporter, schedule_delay_millis=FOREVER_MS))
    inference(provider, ids)
    application(provider)
    provider.shutdown()
    return recorder.spans


def send_logs(given):
    provider = LoggerProvider(resource=resource(given))
    for exporter in exporters("logs", given):
        provider.add_log_record_processor(BatchLogRecordProcessor(exporter, schedule_delay_millis=FOREVER_MS))
    logger = provider.get_logger("app.logs", "2.0", SCHEMA, {"scope.kind": "test"})
    traced = SpanContext(random.getrandbits(64) | 1, random.getrandbits(64) | 1, False, TraceFlags(1))
    context = trace.set_span_in_context(trace.NonRecordingSpan(traced))
    bodies = ["text, 東京", "", 7, 0.25, True, b"\x00\xff", ["a", 1, None], {"a": {"b": [""]}}, None]
    for number, body in enumerate(bodies):
        logger.emit(
            LogRecord(
                timestamp=1_700_000_000_000_000_001 + number,
                observed_timestamp=1_700_000_000_000_000_002 + number,
                context=context if number % 2 else None,
                severity_text="WARNING" if number else None,
                severity_number=list(SeverityNumber)[number * 2],
                body=body,
                attributes=EVERY_TYPE if number < 3 else None,
                event_name="gen_ai.request" if number == 1 else None,
            )
        )
    provider.shutdown()
    return len(bodies)


def send_metrics(given):
    reader = PeriodicExportingMetricReader(Twice(exporters("metrics", given)), export_interval_millis=FOREVER_MS)
    exponential = View(instrument_name="exponential", aggregation=ExponentialBucketHistogramAggregation())
    provider = MeterProvider([reader], resource=resource(given), views=[exponential])
    meter = provider.get_meter("app.metrics", "3.1", SCHEMA, {"scope.kind": "test"})
    traced = SpanContext(random.getrandbits(128) | 1, random.getrandbits(64) | 1, False, TraceFlags(1))
    # A sampled span in the context makes exemplars.
    context = trace.set_span_in_context(trace.NonRecordingSpan(traced))
    counter = meter.create_counter("requests", "1", "Requests")
    counter.add(3, {"model": "a", "empty": ""}, context)
    counter.add(2**53 + 1, {"model": "b", "streams": True}, context)
    meter.create_counter("seconds", "s").add(0.25, {}, context)
    meter.create_up_down_counter("running", "{requests}").add(-4, {"rank": 0}, context)
    meter.create_gauge("usage").set(0.5, {"ratio": 0.75}, context)
    meter.create_observable_gauge("temperature", [lambda options: [Observation(71, {"gpu": 0})]], "Cel")
    for name in ("explicit", "exponential"):
        histogram = meter.create_histogram(name, "ms", "Latency")
        for latency in (0.0, 1.5, 12, 900, 1e6):
            histogram.record(latency, {"route": "/v1/chat"}, context)
    provider.shutdown()


def main():
    given = options()
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr)
    # It warns about each attribute that the limits drop, which is what they are for.
    logging.getLogger("opentelemetry.attributes").setLevel(logging.ERROR)
    spans = send_spans(given)
    records = send_logs(given)
    send_metrics(given)
    json.dump({"resourceSpans": [describe.resource_spans(span) for span in spans], "logRecords": records}, sys.stdout)


main()
