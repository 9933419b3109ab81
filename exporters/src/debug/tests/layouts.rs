//! The texts themselves, line by line.

use spindle_pipeline::Signal;

use super::requests;
use crate::debug::config::Verbosity;
use crate::debug::render;

fn rendered(verbosity: Verbosity) -> [String; 3] {
    requests::all().map(|batch| render(verbosity, batch.signal(), &batch.bytes()).expect("a text"))
}

/// `normal`: a line for each resource, scope and record.
#[test]
fn normal_is_a_line_for_each_record() {
    let [traces, metrics, logs] = rendered(Verbosity::Normal);
    assert_eq!(
        traces,
        "ResourceTraces #0 [https://schema/1] service.name=sglang
ScopeTraces #0 engine@1.2 [https://schema/1] is.on=true
llm_request 0102030405060708090a0b0c0d0e0f10 1112131415161718 gen_ai.system=sglang tokens=-3 ratio=0.5 raw=AQI= list=[1] map={\"k\":\"v\"} none=
bare  \n"
    );
    assert_eq!(
        metrics,
        "ResourceMetrics #0 service.name=sglang
ScopeMetrics #0 engine@1.2 is.on=true
gpu.utilization{gpu=0,kind=sm} 0.25
gpu.utilization{} \n\
gpu.energy{gpu=0,kind=sm} -9
ttft{route=/v1} count=6 sum=7.5 min=0.1 max=3 le0.5=1 le2=2 3
e2e{} count=10 le-1=3 le-0.5=2 zero_count0.25=4 le4=1
old{} count=2 sum=3.000000 q0.99=15
"
    );
    assert_eq!(logs, "ResourceLog #0\nScopeLog #0\nout of memory gpu=0 free=0\n \n");
}

/// `detailed`, traces: every field, with a line only where the Collector has one.
#[test]
fn detailed_shows_everything_of_traces() {
    let [traces, ..] = rendered(Verbosity::Detailed);
    assert_eq!(
        traces,
        "ResourceSpans #0
Resource SchemaURL: https://schema/1
Resource attributes:
     -> service.name: Str(sglang)
Resource entity refs:
     -> Entity ref #0:
          -> Type: service
          -> Schema URL: https://schema/1
          -> ID keys:
               -> service.name
          -> Description keys:
               -> service.version
     -> Entity ref #1:
          -> Type: host
ScopeSpans #0
ScopeSpans SchemaURL: https://schema/1
InstrumentationScope engine 1.2
InstrumentationScope attributes:
     -> is.on: Bool(true)
Span #0
    Trace ID       : 0102030405060708090a0b0c0d0e0f10
    Parent ID      : 2122232425262728
    ID             : 1112131415161718
    Name           : llm_request
    Kind           : Server
    TraceState     : ot=th:0
    Start time     : 2023-11-14 22:13:20 +0000 UTC
    End time       : 2023-11-14 22:13:21.5 +0000 UTC
    Status code    : Error
    Status message : too long
    DroppedAttributesCount: 1
    DroppedEventsCount: 2
    DroppedLinksCount: 3
Attributes:
     -> gen_ai.system: Str(sglang)
     -> tokens: Int(-3)
     -> ratio: Double(0.5)
     -> raw: Bytes(AQI=)
     -> list: Slice([1])
     -> map: Map({\"k\":\"v\"})
     -> none: Empty()
Events:
SpanEvent #0
     -> Name: first_token
     -> Timestamp: 2023-11-14 22:13:20.000000001 +0000 UTC
     -> DroppedAttributesCount: 4
     -> Attributes::
          -> phase: Str(prefill)
Links:
SpanLink #0
     -> Trace ID: 09090909090909090909090909090909
     -> ID: 0808080808080808
     -> TraceState: a=b
     -> DroppedAttributesCount: 5
     -> Attributes::
          -> why: Str(batch)
Span #1
    Trace ID       : \n    Parent ID      : \n    ID             : \n    Name           : bare
    Kind           : Unspecified
    Start time     : 1970-01-01 00:00:00 +0000 UTC
    End time       : 1970-01-01 00:00:00 +0000 UTC
    Status code    : Unset
    Status message : \n    DroppedAttributesCount: 0
    DroppedEventsCount: 0
    DroppedLinksCount: 0
"
    );
}

/// `detailed`, logs.
#[test]
fn detailed_shows_everything_of_logs() {
    let [.., logs] = rendered(Verbosity::Detailed);
    assert_eq!(
        logs,
        "ResourceLog #0
Resource SchemaURL: \nScopeLogs #0
ScopeLogs SchemaURL: \nInstrumentationScope  \nLogRecord #0
ObservedTimestamp: 2023-11-14 22:13:20.000000007 +0000 UTC
Timestamp: 2023-11-14 22:13:20 +0000 UTC
SeverityText: ERROR
SeverityNumber: Error(17)
EventName: engine.failed
Body: Str(out of memory)
Attributes:
     -> gpu: Str(0)
     -> free: Int(0)
Trace ID: 0102030405060708090a0b0c0d0e0f10
Span ID: 1112131415161718
Flags: 1
LogRecord #1
ObservedTimestamp: 1970-01-01 00:00:00 +0000 UTC
Timestamp: 1970-01-01 00:00:00 +0000 UTC
SeverityText: \nSeverityNumber: Unspecified(0)
Body: Empty()
Trace ID: \nSpan ID: \nFlags: 0
"
    );
}

/// The detailed text of the metrics, from the first to before the second of two numbers.
fn metrics_between(from: usize, to: usize) -> String {
    let batch = requests::all()[1].clone();
    let text = render(Verbosity::Detailed, Signal::Metrics, &batch.bytes()).expect("a text");
    let (_, text) = text.split_once(&format!("Metric #{from}\n")).expect("a metric");
    text.split_once(&format!("Metric #{to}\n")).map_or(text, |(text, _)| text).to_owned()
}

/// `detailed`, metrics with one value.
#[test]
fn detailed_shows_everything_of_numbers() {
    assert_eq!(
        metrics_between(0, 2),
        "Descriptor:
     -> Name: gpu.utilization
     -> Description: \n     -> Unit: 1
     -> DataType: Gauge
NumberDataPoints #0
Data point attributes:
     -> gpu: Str(0)
     -> kind: Str(sm)
StartTimestamp: 2023-11-14 22:13:20 +0000 UTC
Timestamp: 2023-11-14 22:13:20.000000001 +0000 UTC
Value: 0.250000
NumberDataPoints #1
StartTimestamp: 1970-01-01 00:00:00 +0000 UTC
Timestamp: 1970-01-01 00:00:00 +0000 UTC
Metric #1
Descriptor:
     -> Name: gpu.energy
     -> Description: \n     -> Unit: 1
     -> DataType: Sum
     -> IsMonotonic: true
     -> AggregationTemporality: Cumulative
NumberDataPoints #0
Data point attributes:
     -> gpu: Str(0)
     -> kind: Str(sm)
StartTimestamp: 2023-11-14 22:13:20 +0000 UTC
Timestamp: 2023-11-14 22:13:20.000000001 +0000 UTC
Value: -9
Exemplars:
Exemplar #0
     -> Trace ID: 01010101010101010101010101010101
     -> Span ID: 0202020202020202
     -> Timestamp: 2023-11-14 22:13:20 +0000 UTC
     -> Value: 2.500000
     -> FilteredAttributes:
          -> user: Str(x)
"
    );
}

/// `detailed`, metrics with a distribution, and metrics without anything.
#[test]
fn detailed_shows_everything_of_distributions() {
    assert_eq!(
        metrics_between(2, 7),
        "Descriptor:
     -> Name: ttft
     -> Description: \n     -> Unit: 1
     -> DataType: Histogram
     -> AggregationTemporality: Cumulative
HistogramDataPoints #0
Data point attributes:
     -> route: Str(/v1)
StartTimestamp: 2023-11-14 22:13:20 +0000 UTC
Timestamp: 2023-11-14 22:13:20.000000001 +0000 UTC
Count: 6
Sum: 7.500000
Min: 0.100000
Max: 3.000000
ExplicitBounds #0: 0.500000
ExplicitBounds #1: 2.000000
Buckets #0, Count: 1
Buckets #1, Count: 2
Buckets #2, Count: 3
Exemplars:
Exemplar #0
     -> Trace ID: 01010101010101010101010101010101
     -> Span ID: 0202020202020202
     -> Timestamp: 2023-11-14 22:13:20 +0000 UTC
     -> Value: 2.500000
     -> FilteredAttributes:
          -> user: Str(x)
Metric #3
Descriptor:
     -> Name: e2e
     -> Description: \n     -> Unit: 1
     -> DataType: ExponentialHistogram
     -> AggregationTemporality: Delta
ExponentialHistogramDataPoints #0
StartTimestamp: 2023-11-14 22:13:20 +0000 UTC
Timestamp: 2023-11-14 22:13:20.000000001 +0000 UTC
Count: 10
Bucket [-2.000000, -1.000000), Count: 3
Bucket [-1.000000, -0.500000), Count: 2
Bucket [0, 0], Count: 4
Bucket (2.000000, 4.000000], Count: 1
Metric #4
Descriptor:
     -> Name: old
     -> Description: \n     -> Unit: 1
     -> DataType: Summary
SummaryDataPoints #0
StartTimestamp: 1970-01-01 00:00:00 +0000 UTC
Timestamp: 1970-01-01 00:00:00 +0000 UTC
Count: 2
Sum: 3.000000
QuantileValue #0: Quantile 0.990000, Value 15.000000
Metric #5
Descriptor:
     -> Name: empty
     -> Description: \n     -> Unit: 1
     -> DataType: Empty
Metric #6
Descriptor:
     -> Name: pointless
     -> Description: \n     -> Unit: 1
     -> DataType: Gauge
"
    );
}
