//! Requests that hold everything a layout has a line for.

use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{
    AnyValue, ArrayValue, EntityRef, InstrumentationScope, KeyValue, KeyValueList,
};
use opentelemetry_proto::tonic::logs::v1::{LogRecord, ResourceLogs, ScopeLogs};
use opentelemetry_proto::tonic::metrics::v1::exponential_histogram_data_point::Buckets;
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::summary_data_point::ValueAtQuantile;
use opentelemetry_proto::tonic::metrics::v1::{
    Exemplar, ExponentialHistogram, ExponentialHistogramDataPoint, Gauge, Histogram, HistogramDataPoint,
    Metric, NumberDataPoint, ResourceMetrics, ScopeMetrics, Sum, Summary, SummaryDataPoint, exemplar,
    number_data_point,
};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span, Status, span};
use spindle_pipeline::{Batch, Decoded};

/// 2023-11-14 22:13:20 UTC.
const START: u64 = 1_700_000_000_000_000_000;
const SCHEMA: &str = "https://schema/1";

pub(super) fn all() -> [Batch; 3] {
    [traces(), metrics(), logs()]
}

fn batch(decoded: &Decoded) -> Batch {
    Batch::receive(decoded.signal(), decoded.encode()).expect("well formed")
}

fn value(value: Value) -> AnyValue {
    AnyValue { value: Some(value) }
}

fn attribute(key: &str, of: Value) -> KeyValue {
    KeyValue { key: key.to_owned(), value: Some(value(of)), ..KeyValue::default() }
}

fn text(key: &str, of: &str) -> KeyValue {
    attribute(key, Value::StringValue(of.to_owned()))
}

fn resource() -> Resource {
    let entity = EntityRef {
        schema_url: SCHEMA.to_owned(),
        r#type: "service".to_owned(),
        id_keys: vec!["service.name".to_owned()],
        description_keys: vec!["service.version".to_owned()],
    };
    let host = EntityRef { r#type: "host".to_owned(), ..EntityRef::default() };
    Resource {
        attributes: vec![text("service.name", "sglang")],
        entity_refs: vec![entity, host],
        ..Resource::default()
    }
}

fn scope() -> InstrumentationScope {
    InstrumentationScope {
        name: "engine".to_owned(),
        version: "1.2".to_owned(),
        attributes: vec![attribute("is.on", Value::BoolValue(true))],
        ..InstrumentationScope::default()
    }
}

pub(super) fn traces() -> Batch {
    let full = Span {
        trace_id: (1..=16).collect(),
        span_id: (0x11..=0x18).collect(),
        parent_span_id: (0x21..=0x28).collect(),
        trace_state: "ot=th:0".to_owned(),
        name: "llm_request".to_owned(),
        kind: span::SpanKind::Server as i32,
        start_time_unix_nano: START,
        end_time_unix_nano: START + 1_500_000_000,
        attributes: vec![
            text("gen_ai.system", "sglang"),
            attribute("tokens", Value::IntValue(-3)),
            attribute("ratio", Value::DoubleValue(0.5)),
            attribute("raw", Value::BytesValue(vec![1, 2])),
            attribute("list", Value::ArrayValue(ArrayValue { values: vec![value(Value::IntValue(1))] })),
            attribute("map", Value::KvlistValue(KeyValueList { values: vec![text("k", "v")] })),
            KeyValue { key: "none".to_owned(), ..KeyValue::default() },
        ],
        dropped_attributes_count: 1,
        events: vec![span::Event {
            time_unix_nano: START + 1,
            name: "first_token".to_owned(),
            attributes: vec![text("phase", "prefill")],
            dropped_attributes_count: 4,
        }],
        dropped_events_count: 2,
        links: vec![span::Link {
            trace_id: vec![9; 16],
            span_id: vec![8; 8],
            trace_state: "a=b".to_owned(),
            attributes: vec![text("why", "batch")],
            dropped_attributes_count: 5,
            ..span::Link::default()
        }],
        dropped_links_count: 3,
        status: Some(Status { message: "too long".to_owned(), code: 2 }),
        ..Span::default()
    };
    let scope_spans = vec![ScopeSpans {
        scope: Some(scope()),
        spans: vec![full, Span { name: "bare".to_owned(), ..Span::default() }],
        schema_url: SCHEMA.to_owned(),
    }];
    let group = ResourceSpans { resource: Some(resource()), scope_spans, schema_url: SCHEMA.to_owned() };
    batch(&Decoded::Traces(ExportTraceServiceRequest { resource_spans: vec![group] }))
}

pub(super) fn logs() -> Batch {
    let full = LogRecord {
        time_unix_nano: START,
        observed_time_unix_nano: START + 7,
        severity_number: 17,
        severity_text: "ERROR".to_owned(),
        event_name: "engine.failed".to_owned(),
        body: Some(value(Value::StringValue("out of memory".to_owned()))),
        attributes: vec![text("gpu", "0"), attribute("free", Value::IntValue(0))],
        flags: 1,
        trace_id: (1..=16).collect(),
        span_id: (0x11..=0x18).collect(),
        ..LogRecord::default()
    };
    let scope_logs = vec![ScopeLogs {
        scope: None,
        log_records: vec![full, LogRecord::default()],
        schema_url: String::new(),
    }];
    let group = ResourceLogs { resource: None, scope_logs, schema_url: String::new() };
    batch(&Decoded::Logs(ExportLogsServiceRequest { resource_logs: vec![group] }))
}

fn exemplar() -> Vec<Exemplar> {
    vec![Exemplar {
        filtered_attributes: vec![text("user", "x")],
        time_unix_nano: START,
        span_id: vec![2; 8],
        trace_id: vec![1; 16],
        value: Some(exemplar::Value::AsDouble(2.5)),
    }]
}

fn number_point(value: number_data_point::Value) -> NumberDataPoint {
    NumberDataPoint {
        attributes: vec![text("gpu", "0"), text("kind", "sm")],
        start_time_unix_nano: START,
        time_unix_nano: START + 1,
        value: Some(value),
        ..NumberDataPoint::default()
    }
}

fn metric(name: &str, data: Option<Data>) -> Metric {
    Metric { name: name.to_owned(), unit: "1".to_owned(), data, ..Metric::default() }
}

fn histogram() -> Histogram {
    Histogram {
        data_points: vec![HistogramDataPoint {
            attributes: vec![text("route", "/v1")],
            start_time_unix_nano: START,
            time_unix_nano: START + 1,
            count: 6,
            sum: Some(7.5),
            bucket_counts: vec![1, 2, 3],
            explicit_bounds: vec![0.5, 2.0],
            min: Some(0.1),
            max: Some(3.0),
            exemplars: exemplar(),
            ..HistogramDataPoint::default()
        }],
        aggregation_temporality: 2,
    }
}

fn exponential(positive: Vec<u64>) -> ExponentialHistogram {
    ExponentialHistogram {
        data_points: vec![ExponentialHistogramDataPoint {
            start_time_unix_nano: START,
            time_unix_nano: START + 1,
            count: 10,
            sum: None,
            scale: 0,
            zero_count: 4,
            zero_threshold: 0.25,
            positive: Some(Buckets { offset: 1, bucket_counts: positive }),
            negative: Some(Buckets { offset: -1, bucket_counts: vec![2, 3] }),
            ..ExponentialHistogramDataPoint::default()
        }],
        aggregation_temporality: 1,
    }
}

fn metrics() -> Batch {
    let sum = Sum {
        data_points: vec![NumberDataPoint {
            exemplars: exemplar(),
            ..number_point(number_data_point::Value::AsInt(-9))
        }],
        aggregation_temporality: 2,
        is_monotonic: true,
    };
    let summary = Summary {
        data_points: vec![SummaryDataPoint {
            count: 2,
            sum: 3.0,
            quantile_values: vec![ValueAtQuantile { quantile: 0.99, value: 15.0 }],
            ..SummaryDataPoint::default()
        }],
    };
    let gauge = Gauge {
        data_points: vec![number_point(number_data_point::Value::AsDouble(0.25)), NumberDataPoint::default()],
    };
    of_metrics(vec![
        metric("gpu.utilization", Some(Data::Gauge(gauge))),
        metric("gpu.energy", Some(Data::Sum(sum))),
        metric("ttft", Some(Data::Histogram(histogram()))),
        metric("e2e", Some(Data::ExponentialHistogram(exponential(vec![1])))),
        metric("old", Some(Data::Summary(summary))),
        metric("empty", None),
        metric("pointless", Some(Data::Gauge(Gauge::default()))),
    ])
}

/// One exponential histogram with that many buckets.
pub(super) fn many_buckets(buckets: usize) -> Batch {
    of_metrics(vec![metric("e2e", Some(Data::ExponentialHistogram(exponential(vec![1; buckets]))))])
}

fn of_metrics(metrics: Vec<Metric>) -> Batch {
    let scope_metrics = vec![ScopeMetrics { scope: Some(scope()), metrics, schema_url: String::new() }];
    let group = ResourceMetrics { resource: Some(resource()), scope_metrics, schema_url: String::new() };
    batch(&Decoded::Metrics(ExportMetricsServiceRequest { resource_metrics: vec![group] }))
}
