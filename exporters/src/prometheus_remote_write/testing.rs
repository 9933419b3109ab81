//! What the tests of this folder share: remote write messages as prost decodes them, OTLP as prost encodes
//! it, and samples as lines of text.

use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::common::v1::{AnyValue, InstrumentationScope, KeyValue, any_value};
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::number_data_point::Value as PointValue;
use opentelemetry_proto::tonic::metrics::v1::{
    Gauge, Metric, NumberDataPoint, ResourceMetrics, ScopeMetrics, Sum,
};
use opentelemetry_proto::tonic::resource::v1::Resource;
use prost::Message;
use spindle_pipeline::run::Runs;
use spindle_pipeline::{Batch, Signal};

use super::request::{Cursor, Limits, WriteRequest};
use super::translate::{Settings, Translator};

/// `prometheus.WriteRequest` and what is in it, from Prometheus' `prompb`.
pub(super) mod prompb {
    #[derive(Clone, PartialEq, prost::Message)]
    pub(crate) struct WriteRequest {
        #[prost(message, repeated, tag = "1")]
        pub(crate) timeseries: Vec<TimeSeries>,
        #[prost(message, repeated, tag = "3")]
        pub(crate) metadata: Vec<MetricMetadata>,
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub(crate) struct MetricMetadata {
        #[prost(int32, tag = "1")]
        pub(crate) kind: i32,
        #[prost(string, tag = "2")]
        pub(crate) metric_family_name: String,
        #[prost(string, tag = "4")]
        pub(crate) help: String,
        #[prost(string, tag = "5")]
        pub(crate) unit: String,
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub(crate) struct TimeSeries {
        #[prost(message, repeated, tag = "1")]
        pub(crate) labels: Vec<Label>,
        #[prost(message, repeated, tag = "2")]
        pub(crate) samples: Vec<Sample>,
        #[prost(message, repeated, tag = "3")]
        pub(crate) exemplars: Vec<Exemplar>,
        #[prost(message, repeated, tag = "4")]
        pub(crate) histograms: Vec<Histogram>,
    }

    #[derive(Clone, PartialEq, Eq, Hash, prost::Message)]
    pub(crate) struct Label {
        #[prost(string, tag = "1")]
        pub(crate) name: String,
        #[prost(string, tag = "2")]
        pub(crate) value: String,
    }

    #[derive(Clone, Copy, PartialEq, prost::Message)]
    pub(crate) struct Sample {
        #[prost(double, tag = "1")]
        pub(crate) value: f64,
        #[prost(int64, tag = "2")]
        pub(crate) timestamp: i64,
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub(crate) struct Exemplar {
        #[prost(message, repeated, tag = "1")]
        pub(crate) labels: Vec<Label>,
        #[prost(double, tag = "2")]
        pub(crate) value: f64,
        #[prost(int64, tag = "3")]
        pub(crate) timestamp: i64,
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub(crate) struct Histogram {
        #[prost(uint64, tag = "1")]
        pub(crate) count_int: u64,
        #[prost(double, tag = "3")]
        pub(crate) sum: f64,
        #[prost(sint32, tag = "4")]
        pub(crate) schema: i32,
        #[prost(double, tag = "5")]
        pub(crate) zero_threshold: f64,
        #[prost(uint64, tag = "6")]
        pub(crate) zero_count_int: u64,
        #[prost(message, repeated, tag = "8")]
        pub(crate) negative_spans: Vec<BucketSpan>,
        #[prost(sint64, repeated, tag = "9")]
        pub(crate) negative_deltas: Vec<i64>,
        #[prost(message, repeated, tag = "11")]
        pub(crate) positive_spans: Vec<BucketSpan>,
        #[prost(sint64, repeated, tag = "12")]
        pub(crate) positive_deltas: Vec<i64>,
        #[prost(int32, tag = "14")]
        pub(crate) reset_hint: i32,
        #[prost(int64, tag = "15")]
        pub(crate) timestamp: i64,
    }

    #[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
    pub(crate) struct BucketSpan {
        #[prost(sint32, tag = "1")]
        pub(crate) offset: i32,
        #[prost(uint32, tag = "2")]
        pub(crate) length: u32,
    }
}

/// Limits that nothing in a test meets.
pub(super) const NO_LIMITS: Limits = Limits { samples: usize::MAX, bytes: usize::MAX };

/// The requests of all shards, in order.
pub(super) fn requests(translator: &Translator, limits: Limits, shards: usize) -> Vec<prompb::WriteRequest> {
    let mut decoded = Vec::new();
    for shard in 0..shards {
        let mut cursor = Cursor::new(shard, shards);
        let mut request = WriteRequest::default();
        while translator.write_request(&mut cursor, limits, &mut request) {
            decoded.push(prompb::WriteRequest::decode(request.body.as_slice()).expect("well formed"));
        }
    }
    decoded
}

/// Translates a request to lines of text, sorted.
pub(super) fn lines(settings: Settings, request: &ExportMetricsServiceRequest) -> Vec<String> {
    let mut translator = Translator::new(settings, Runs::default());
    translated(&mut translator, request)
}

/// Translates another request.
pub(super) fn translated(translator: &mut Translator, request: &ExportMetricsServiceRequest) -> Vec<String> {
    let batch = Batch::receive(Signal::Metrics, request.encode_to_vec().into()).expect("well formed");
    translator.begin(b"");
    assert_eq!(translator.translate(&batch.bytes(), 0), None, "fits one table");
    let requests = requests(translator, NO_LIMITS, 1);
    let mut lines: Vec<String> =
        requests.iter().flat_map(|request| &request.timeseries).flat_map(render).collect();
    lines.sort();
    lines
}

/// A series as `name{labels} value @milliseconds`, one line for each sample and exemplar.
pub(super) fn render(series: &prompb::TimeSeries) -> Vec<String> {
    let name = series.labels.iter().find(|label| label.name == "__name__").expect("has a name");
    let others: Vec<prompb::Label> =
        series.labels.iter().filter(|label| label.name != "__name__").cloned().collect();
    let id = format!("{}{}", name.value, braces(&others));
    let samples = series.samples.iter().map(|sample| {
        let value = if sample.value.to_bits() == 0x7ff0_0000_0000_0002 {
            "stale".to_owned()
        } else {
            sample.value.to_string()
        };
        format!("{id} {value} @{}", sample.timestamp)
    });
    let exemplars = series.exemplars.iter().map(|exemplar| {
        format!("{id} # {} {} @{}", braces(&exemplar.labels), exemplar.value, exemplar.timestamp)
    });
    let histograms = series
        .histograms
        .iter()
        .map(|histogram| format!("{id} {} @{}", render_histogram(histogram), histogram.timestamp));
    samples.chain(exemplars).chain(histograms).collect()
}

fn render_histogram(histogram: &prompb::Histogram) -> String {
    if histogram.sum.to_bits() == 0x7ff0_0000_0000_0002 {
        return "histogram(stale)".to_owned();
    }
    let side = |name: &str, spans: &[prompb::BucketSpan], deltas: &[i64]| {
        let (mut index, mut count, mut deltas) = (0i64, 0i64, deltas.iter());
        let mut buckets = String::new();
        for span in spans {
            index += i64::from(span.offset);
            for _ in 0..span.length {
                count += deltas.next().expect("a delta for each bucket");
                buckets.push_str(&format!(" {name}{index}:{count}"));
                index += 1;
            }
        }
        assert_eq!(deltas.next(), None, "a bucket for each delta");
        buckets
    };
    format!(
        "histogram(schema:{} count:{} sum:{} zero:{}<{:e}{}{})",
        histogram.schema,
        histogram.count_int,
        histogram.sum,
        histogram.zero_count_int,
        histogram.zero_threshold,
        side("-", &histogram.negative_spans, &histogram.negative_deltas),
        side("+", &histogram.positive_spans, &histogram.positive_deltas),
    )
}

fn braces(labels: &[prompb::Label]) -> String {
    if labels.is_empty() {
        return String::new();
    }
    let pairs: Vec<String> = labels.iter().map(|label| format!("{}={:?}", label.name, label.value)).collect();
    format!("{{{}}}", pairs.join(","))
}

/// A text attribute.
pub(super) fn text(key: &str, value: &str) -> KeyValue {
    attribute(key, any_value::Value::StringValue(value.to_owned()))
}

/// An attribute.
pub(super) fn attribute(key: &str, value: any_value::Value) -> KeyValue {
    KeyValue { key: key.to_owned(), value: Some(AnyValue { value: Some(value) }), ..KeyValue::default() }
}

/// Seconds since 1970 in nanoseconds.
pub(super) const fn seconds(seconds: u64) -> u64 {
    seconds * 1_000_000_000
}

/// A request of metrics of one resource and scope.
pub(super) fn request(resource: Vec<KeyValue>, metrics: Vec<Metric>) -> ExportMetricsServiceRequest {
    request_of(resource, InstrumentationScope::default(), metrics)
}

/// The same with a scope.
pub(super) fn request_of(
    resource: Vec<KeyValue>,
    scope: InstrumentationScope,
    metrics: Vec<Metric>,
) -> ExportMetricsServiceRequest {
    let scope_metrics = ScopeMetrics { scope: Some(scope), metrics, ..ScopeMetrics::default() };
    let group = ResourceMetrics {
        resource: Some(Resource { attributes: resource, ..Resource::default() }),
        scope_metrics: vec![scope_metrics],
        ..ResourceMetrics::default()
    };
    ExportMetricsServiceRequest { resource_metrics: vec![group] }
}

/// A metric with data.
pub(super) fn metric(name: &str, unit: &str, data: Data) -> Metric {
    Metric { name: name.to_owned(), unit: unit.to_owned(), data: Some(data), ..Metric::default() }
}

/// A gauge of points.
pub(super) fn gauge(name: &str, points: Vec<NumberDataPoint>) -> Metric {
    metric(name, "", Data::Gauge(Gauge { data_points: points }))
}

/// A sum of points. Temporality 1 is delta, 2 cumulative.
pub(super) fn sum(name: &str, temporality: i32, is_monotonic: bool, points: Vec<NumberDataPoint>) -> Metric {
    let sum = Sum { data_points: points, aggregation_temporality: temporality, is_monotonic };
    metric(name, "", Data::Sum(sum))
}

/// A point of a time in seconds.
pub(super) fn point(time: u64, value: f64, attributes: Vec<KeyValue>) -> NumberDataPoint {
    NumberDataPoint {
        time_unix_nano: seconds(time),
        value: Some(PointValue::AsDouble(value)),
        attributes,
        ..NumberDataPoint::default()
    }
}
