use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value as AnyVariant;
use opentelemetry_proto::tonic::common::v1::{ArrayValue, InstrumentationScope, KeyValue};
use opentelemetry_proto::tonic::metrics::v1::exponential_histogram_data_point::Buckets as PointBuckets;
use opentelemetry_proto::tonic::metrics::v1::metric::Data as MetricData;
use opentelemetry_proto::tonic::metrics::v1::summary_data_point::ValueAtQuantile;
use opentelemetry_proto::tonic::metrics::v1::{
    Exemplar, ExponentialHistogram, ExponentialHistogramDataPoint, Histogram, HistogramDataPoint,
    NumberDataPoint, Summary, SummaryDataPoint, exemplar, number_data_point,
};
use proptest::prelude::*;
use prost::Message;
use spindle_pipeline::otlp::split::{Limits as Cut, concat, split};
use spindle_pipeline::run::Run;
use spindle_pipeline::testing::arbitrary::{self, Options};
use spindle_pipeline::{Batch, Signal};

use super::*;
use crate::prometheus_remote_write::testing::{
    NO_LIMITS, attribute, gauge, lines, metric, point, prompb, request, request_of, requests, seconds, sum,
    text, translated,
};

fn plain() -> Settings {
    Settings { namer: MetricNamer::new("", true), scope_info: true, target_info: true, ..Settings::default() }
}

use crate::prometheus_remote_write::naming::MetricNamer;

fn service() -> Vec<KeyValue> {
    vec![text("service.name", "engine"), text("service.instance.id", "i-1")]
}

fn dropped(translator: &Translator) -> Vec<(&'static str, u64)> {
    let counts = translator.drops.by_reason(Reason::RetriesExhausted);
    counts.into_iter().map(|(reason, count)| (reason.name(), count)).collect()
}

fn run(id: &str) -> Runs {
    let run = Run { label: "container_run".to_owned(), id: id.to_owned(), is_overriding: false };
    Runs::of_this_process(Some(Arc::new(run)))
}

/// Gauges and sums of both kinds of numbers, with `job` and `instance` from the resource.
#[test]
fn numbers_become_samples() {
    let ints = |value| NumberDataPoint {
        value: Some(number_data_point::Value::AsInt(value)),
        ..point(2, 0.0, vec![text("http.route", "/v1")])
    };
    let metrics = vec![
        gauge(
            "queue.length",
            vec![point(1, 1.5, vec![text("tier", "a")]), point(2, 2.5, vec![text("tier", "a")])],
        ),
        sum("requests", 2, true, vec![ints(7)]),
        sum("active.requests", 2, false, vec![ints(-3)]),
        metric("cache.hit", "1", gauge("", vec![point(3, 0.25, vec![])]).data.expect("has data")),
    ];
    assert_eq!(
        lines(plain(), &request(service(), metrics)),
        [
            r#"active_requests{http_route="/v1",instance="i-1",job="engine"} -3 @2000"#,
            r#"cache_hit_ratio{instance="i-1",job="engine"} 0.25 @3000"#,
            r#"queue_length{instance="i-1",job="engine",tier="a"} 1.5 @1000"#,
            r#"queue_length{instance="i-1",job="engine",tier="a"} 2.5 @2000"#,
            r#"requests_total{http_route="/v1",instance="i-1",job="engine"} 7 @2000"#,
        ]
    );
}

fn histogram_point(counts: &[u64], bounds: &[f64]) -> HistogramDataPoint {
    HistogramDataPoint {
        time_unix_nano: seconds(5),
        count: counts.iter().sum(),
        sum: Some(12.5),
        bucket_counts: counts.to_vec(),
        explicit_bounds: bounds.to_vec(),
        ..HistogramDataPoint::default()
    }
}

fn histogram(name: &str, temporality: i32, points: Vec<HistogramDataPoint>) -> Metric {
    metric_of(
        name,
        "s",
        MetricData::Histogram(Histogram { data_points: points, aggregation_temporality: temporality }),
    )
}

fn metric_of(name: &str, unit: &str, data: MetricData) -> Metric {
    metric(name, unit, data)
}

type Metric = opentelemetry_proto::tonic::metrics::v1::Metric;

/// Buckets are cumulative, bounds are written as Go writes them, and `_sum` is there only if it is known.
#[test]
fn histograms_become_cumulative_buckets() {
    let bounds = [-0.5, 0.001, 0.000_000_1, 1.0, 2.5, 1e21];
    let sorted = [bounds[0], bounds[2], bounds[1], bounds[3], bounds[4], bounds[5]];
    let points = vec![histogram_point(&[1, 2, 3, 0, 4, 0, 1], &sorted)];
    assert_eq!(
        lines(plain(), &request(vec![], vec![histogram("ttft", 2, points)])),
        [
            r#"ttft_seconds_bucket{le="+Inf"} 11 @5000"#,
            r#"ttft_seconds_bucket{le="-0.5"} 1 @5000"#,
            r#"ttft_seconds_bucket{le="0.0000001"} 3 @5000"#,
            r#"ttft_seconds_bucket{le="0.001"} 6 @5000"#,
            r#"ttft_seconds_bucket{le="1"} 6 @5000"#,
            r#"ttft_seconds_bucket{le="1000000000000000000000"} 10 @5000"#,
            r#"ttft_seconds_bucket{le="2.5"} 10 @5000"#,
            r"ttft_seconds_count 11 @5000",
            r"ttft_seconds_sum 12.5 @5000",
        ]
    );
    let without = HistogramDataPoint { sum: None, count: 3, ..histogram_point(&[], &[]) };
    assert_eq!(
        lines(plain(), &request(vec![], vec![histogram("x", 2, vec![without])])),
        [r#"x_seconds_bucket{le="+Inf"} 3 @5000"#, "x_seconds_count 3 @5000"]
    );
}

/// The infinite bucket is there once, also for senders that write its bound.
#[test]
fn a_written_bound_of_infinity_is_the_infinite_bucket() {
    let point = histogram_point(&[1, 2], &[1.0, f64::INFINITY]);
    let mut translator = Translator::new(plain(), Runs::default());
    let lines = translated(&mut translator, &request(vec![], vec![histogram("x", 2, vec![point])]));
    assert_eq!(lines[0], r#"x_seconds_bucket{le="+Inf"} 3 @5000"#);
    assert_eq!(lines.len(), 4);
    assert_eq!(dropped(&translator), []);
}

/// Bounds that do not grow would give the same series twice.
#[test]
fn histograms_whose_bounds_do_not_grow_are_dropped() {
    for bounds in [vec![1.0, 1.0], vec![2.0, 1.0], vec![f64::NAN], vec![1.0, f64::NAN], vec![f64::NAN, 1.0]] {
        let counts = vec![1; bounds.len() + 1];
        let points = vec![histogram_point(&counts, &bounds)];
        let mut translator = Translator::new(plain(), Runs::default());
        let lines = translated(&mut translator, &request(vec![], vec![histogram("x", 2, points)]));
        assert!(lines.is_empty(), "{bounds:?}: {lines:?}");
        assert_eq!(dropped(&translator), [("invalid_histogram", 1)], "{bounds:?}");
    }
}

/// Each bucket becomes a series; a peer cannot make millions of them with one point.
#[test]
fn histograms_and_summaries_have_a_bounded_number_of_series() {
    let bounds: Vec<f64> = (0..=MOST_PARTS).map(|bound| bound as f64).collect();
    let quantiles = vec![ValueAtQuantile { quantile: 0.5, value: 0.0 }; MOST_PARTS + 1];
    let summary = SummaryDataPoint {
        time_unix_nano: seconds(5),
        quantile_values: quantiles,
        ..SummaryDataPoint::default()
    };
    for metric in [
        histogram("h", 2, vec![histogram_point(&vec![0; MOST_PARTS + 2], &bounds)]),
        metric("s", "", MetricData::Summary(Summary { data_points: vec![summary] })),
    ] {
        let mut translator = Translator::new(plain(), Runs::default());
        assert!(translated(&mut translator, &request(vec![], vec![metric])).is_empty());
        assert_eq!(dropped(&translator), [("invalid_histogram", 1)]);
    }
    let largest = histogram_point(&vec![0; MOST_PARTS + 1], &bounds[1..]);
    assert_eq!(
        lines(plain(), &request(vec![], vec![histogram("h", 2, vec![largest])])).len(),
        MOST_PARTS + 3
    );
}

/// What two tenants send under the same labels has nothing to do with each other.
#[test]
fn origins_are_kept_apart() {
    let resource = [service(), vec![text("host.name", "n")]].concat();
    let delta = request(resource, vec![sum("s", 1, true, vec![point(5, 3.0, vec![])])]);
    let bytes = delta.encode_to_vec();
    let mut translator = Translator::new(plain(), Runs::default());
    for origin in [b"a", b"b"] {
        translator.begin(origin);
        translator.translate(&bytes, 0);
        let series: usize =
            requests(&translator, NO_LIMITS, 1).iter().map(|request| request.timeseries.len()).sum();
        assert_eq!((series, dropped(&translator)), (2, vec![]), "the sum and target_info");
    }
}

/// Summaries as Prometheus has them.
#[test]
fn summaries_become_quantiles() {
    let quantile = |quantile, value| ValueAtQuantile { quantile, value };
    let point = SummaryDataPoint {
        time_unix_nano: seconds(5),
        count: 10,
        sum: 4.5,
        quantile_values: vec![quantile(0.5, 0.25), quantile(0.99, 1.5), quantile(1.0, 2.0)],
        attributes: vec![text("zone", "z")],
        ..SummaryDataPoint::default()
    };
    let data = MetricData::Summary(Summary { data_points: vec![point] });
    assert_eq!(
        lines(plain(), &request(vec![], vec![metric("rpc", "ms", data)])),
        [
            r#"rpc_milliseconds_count{zone="z"} 10 @5000"#,
            r#"rpc_milliseconds_sum{zone="z"} 4.5 @5000"#,
            r#"rpc_milliseconds{quantile="0.5",zone="z"} 0.25 @5000"#,
            r#"rpc_milliseconds{quantile="0.99",zone="z"} 1.5 @5000"#,
            r#"rpc_milliseconds{quantile="1",zone="z"} 2 @5000"#,
        ]
    );
}

fn exponential_point(scale: i32, offset: i32, counts: &[u64]) -> ExponentialHistogramDataPoint {
    ExponentialHistogramDataPoint {
        time_unix_nano: seconds(5),
        count: counts.iter().fold(0, |sum, count| sum.wrapping_add(*count)),
        sum: Some(3.5),
        scale,
        positive: Some(PointBuckets { offset, bucket_counts: counts.to_vec() }),
        ..ExponentialHistogramDataPoint::default()
    }
}

fn exponential(temporality: i32, points: Vec<ExponentialHistogramDataPoint>) -> ExportMetricsServiceRequest {
    let data = ExponentialHistogram { data_points: points, aggregation_temporality: temporality };
    request(vec![], vec![metric("x", "", MetricData::ExponentialHistogram(data))])
}

/// Buckets move one up, because Prometheus' buckets are named by their upper bound; gaps of up to two
/// are filled, larger ones start a span.
#[test]
fn exponential_histograms_become_native() {
    let cases: &[(ExponentialHistogramDataPoint, &str)] = &[
        (exponential_point(0, 0, &[1, 2]), "schema:0 count:3 sum:3.5 zero:0<1e-128 +1:1 +2:2"),
        (exponential_point(3, -5, &[0, 0, 4, 1]), "schema:3 count:5 sum:3.5 zero:0<1e-128 +-2:4 +-1:1"),
        (
            exponential_point(-4, 7, &[1, 0, 0, 2, 0, 0, 0, 3, 0]),
            "schema:-4 count:6 sum:3.5 zero:0<1e-128 +8:1 +9:0 +10:0 +11:2 +15:3",
        ),
        // Two steps coarser: indices 4..=7 are index 1, and so on.
        (
            exponential_point(10, 3, &[1, 2, 3, 4, 5, 6]),
            "schema:8 count:21 sum:3.5 zero:0<1e-128 +1:1 +2:14 +3:6",
        ),
        (exponential_point(9, -3, &[1, 2, 3]), "schema:8 count:6 sum:3.5 zero:0<1e-128 +-1:1 +0:5"),
        (exponential_point(i32::MAX, -1, &[1, 2]), "schema:8 count:3 sum:3.5 zero:0<1e-128 +0:1 +1:2"),
        (
            ExponentialHistogramDataPoint {
                count: 9,
                zero_count: 2,
                zero_threshold: 0.25,
                negative: Some(PointBuckets { offset: 1, bucket_counts: vec![4] }),
                sum: None,
                ..exponential_point(0, 0, &[3])
            },
            "schema:0 count:9 sum:0 zero:2<2.5e-1 -2:4 +1:3",
        ),
    ];
    for (point, expected) in cases {
        let lines = lines(plain(), &exponential(2, vec![point.clone()]));
        assert_eq!(lines, [format!("x histogram({expected}) @5000")]);
    }
}

/// Prometheus refuses a whole request for one such histogram, and millions of buckets are nobody's.
#[test]
fn exponential_histograms_that_prometheus_refuses_are_dropped() {
    let of_count = |count| ExponentialHistogramDataPoint { count, ..exponential_point(0, 0, &[1, 2]) };
    for (point, reason) in [
        (exponential_point(-5, 0, &[1]), "unsupported_scale"),
        (of_count(2), "invalid_histogram"),
        (of_count(4), "invalid_histogram"),
        (exponential_point(0, i32::MAX, &[1]), "invalid_histogram"),
        (exponential_point(0, 0, &[u64::MAX, 5]), "invalid_histogram"),
        (exponential_point(20, 0, &vec![0; MOST_PARTS + 1]), "invalid_histogram"),
    ] {
        let mut translator = Translator::new(plain(), Runs::default());
        assert!(translated(&mut translator, &exponential(2, vec![point])).is_empty());
        assert_eq!(dropped(&translator), [(reason, 1)]);
    }
    let nan = ExponentialHistogramDataPoint { sum: Some(f64::NAN), ..of_count(9) };
    assert_eq!(lines(plain(), &exponential(2, vec![nan])).len(), 1, "observations of NaN are in no bucket");
}

/// A series that ends says so in every form a point can have, else queries see its last value for five
/// minutes.
#[test]
fn points_without_a_value_become_stale_markers() {
    let number = NumberDataPoint { flags: 1, value: None, ..point(5, 0.0, vec![]) };
    let explicit = HistogramDataPoint { flags: 1, sum: None, count: 0, ..histogram_point(&[0, 0], &[1.0]) };
    let summary = SummaryDataPoint {
        time_unix_nano: seconds(5),
        flags: 1,
        quantile_values: vec![ValueAtQuantile { quantile: 0.5, value: 0.0 }],
        ..SummaryDataPoint::default()
    };
    let native = ExponentialHistogramDataPoint {
        time_unix_nano: seconds(5),
        flags: 1,
        ..ExponentialHistogramDataPoint::default()
    };
    let data = ExponentialHistogram { data_points: vec![native], aggregation_temporality: 2 };
    let metrics = vec![
        gauge("g", vec![number]),
        histogram("h", 2, vec![explicit]),
        metric("n", "", MetricData::ExponentialHistogram(data)),
        metric("s", "", MetricData::Summary(Summary { data_points: vec![summary] })),
    ];
    assert_eq!(
        lines(plain(), &request(vec![], metrics)),
        [
            "g stale @5000",
            r#"h_seconds_bucket{le="+Inf"} stale @5000"#,
            r#"h_seconds_bucket{le="1"} stale @5000"#,
            "h_seconds_count stale @5000",
            "h_seconds_sum stale @5000",
            "n histogram(stale) @5000",
            "s_count stale @5000",
            "s_sum stale @5000",
            r#"s{quantile="0.5"} stale @5000"#,
        ]
    );
}

/// A scraped stale marker is a NaN among others: its bits arrive.
#[test]
fn values_arrive_bit_by_bit() {
    for bits in [STALE, 0x7ff8_0000_0000_0001, (-0.0f64).to_bits(), f64::INFINITY.to_bits(), 1] {
        let request = request(vec![], vec![gauge("g", vec![point(5, f64::from_bits(bits), vec![])])]);
        let mut translator = Translator::new(plain(), Runs::default());
        let _ = translated(&mut translator, &request);
        let sample = requests(&translator, NO_LIMITS, 1)[0].timeseries[0].samples[0];
        assert_eq!(sample.value.to_bits(), bits);
    }
}

fn exemplar(time: u64, value: f64, trace: u8, filtered: Vec<KeyValue>) -> Exemplar {
    Exemplar {
        time_unix_nano: seconds(time),
        value: Some(exemplar::Value::AsDouble(value)),
        trace_id: vec![trace; 16],
        span_id: if trace == 0 { vec![] } else { vec![trace; 8] },
        filtered_attributes: filtered,
    }
}

/// A trace is found from the bucket its request fell into.
#[test]
fn exemplars_are_in_their_buckets() {
    let exemplars = vec![
        exemplar(4, 9.0, 3, vec![]),
        exemplar(2, 0.5, 1, vec![text("z.key", "v"), text("a", "b"), text("trace.id", "mine")]),
        exemplar(3, 1.0, 2, vec![]),
        exemplar(0, 1.5, 0, vec![]),
        Exemplar { value: None, ..exemplar(1, 0.0, 9, vec![]) },
    ];
    let point = HistogramDataPoint { exemplars, ..histogram_point(&[1, 1, 1], &[1.0, 2.0]) };
    let lines = lines(plain(), &request(vec![], vec![histogram("h", 2, vec![point])]));
    let exemplars: Vec<&String> = lines.iter().filter(|line| line.contains('#')).collect();
    assert_eq!(
        exemplars,
        [
            r#"h_seconds_bucket{le="+Inf"} # {span_id="0303030303030303",trace_id="03030303030303030303030303030303"} 9 @4000"#,
            r#"h_seconds_bucket{le="1"} # {a="b",span_id="0101010101010101",trace_id="01010101010101010101010101010101",z_key="v"} 0.5 @2000"#,
            r#"h_seconds_bucket{le="1"} # {span_id="0202020202020202",trace_id="02020202020202020202020202020202"} 1 @3000"#,
            r#"h_seconds_bucket{le="2"} #  1.5 @5000"#,
        ]
    );
}

/// OpenMetrics allows 128 characters: the ids stay, the rest goes.
#[test]
fn exemplars_that_would_be_too_long_keep_their_ids() {
    // The ids measure 8 + 32 + 7 + 16 characters, which leaves 65.
    for (length, is_kept) in [(64, true), (65, false)] {
        let long = vec![text("k", &"é".repeat(length))];
        let point = NumberDataPoint { exemplars: vec![exemplar(5, 1.0, 1, long)], ..point(5, 1.0, vec![]) };
        let lines = lines(plain(), &request(vec![], vec![sum("c", 2, true, vec![point])]));
        assert_eq!(lines[0].contains("k="), is_kept, "{}", lines[0]);
        assert!(lines[0].contains("trace_id=") && lines[0].contains("span_id="));
    }
}

/// Counters have exemplars, gauges have none.
#[test]
fn gauges_have_no_exemplars() {
    let point = NumberDataPoint { exemplars: vec![exemplar(5, 1.0, 1, vec![])], ..point(5, 1.0, vec![]) };
    let metrics = vec![gauge("g", vec![point.clone()]), sum("u", 2, false, vec![point])];
    assert_eq!(lines(plain(), &request(vec![], metrics)), ["g 1 @5000", "u 1 @5000"]);
}

/// Attributes whose names become the same are joined in the order of their keys; the same value is not
/// repeated, and what is empty is no label.
#[test]
fn labels_that_collide_are_joined() {
    let attributes = vec![
        text("foo_bar", "3"),
        text("foo.bar", "1"),
        text("foo:bar", "2"),
        text("same.x", "s"),
        text("same_x", "s"),
        text("empty", ""),
        attribute("flag", AnyVariant::BoolValue(true)),
        attribute("list", AnyVariant::ArrayValue(ArrayValue { values: vec![] })),
        text("__name__", "not_this"),
        text("Upper", "U"),
        attribute("number", AnyVariant::DoubleValue(2.0)),
    ];
    assert_eq!(
        lines(plain(), &request(vec![], vec![gauge("g", vec![point(5, 1.0, attributes)])])),
        [r#"g{Upper="U",flag="true",foo_bar="1;2;3",list="[]",number="2",same_x="s"} 1 @5000"#]
    );
}

/// Names sort by their bytes, so capital letters come before `__name__`.
#[test]
fn labels_are_sorted_by_their_bytes() {
    let attributes = vec![text("z", "1"), text("A", "2"), text("__meta__", "3"), text("le", "4")];
    let mut translator = Translator::new(plain(), Runs::default());
    let point = HistogramDataPoint { attributes, ..histogram_point(&[1, 0], &[1.0]) };
    let _ = translated(&mut translator, &request(vec![], vec![histogram("h", 2, vec![point])]));
    let requests = requests(&translator, NO_LIMITS, 1);
    let names: HashSet<Vec<&str>> = requests[0]
        .timeseries
        .iter()
        .map(|series| series.labels.iter().map(|label| label.name.as_str()).collect())
        .collect();
    assert_eq!(names, HashSet::from([vec!["A", "__meta__", "__name__", "le", "z"]]));
    let bucket = |series: &&prompb::TimeSeries| series.labels[2].value == "h_seconds_bucket";
    let bounds: Vec<&str> =
        requests[0].timeseries.iter().filter(bucket).map(|series| series.labels[3].value.as_str()).collect();
    assert_eq!(bounds, ["1", "+Inf"], "a bound replaces the attribute");
}

/// The same labels are one series, whichever metric they come from.
#[test]
fn a_gauge_named_like_a_bucket_is_the_bucket() {
    let metrics = vec![
        histogram("h", 2, vec![histogram_point(&[1, 1], &[1.0])]),
        gauge("h_seconds_bucket", vec![point(5, 7.0, vec![text("le", "1")])]),
        gauge("other", vec![point(5, 7.0, vec![text("quantile", "0.5"), text("le", "1")])]),
        gauge("other", vec![point(5, 8.0, vec![text("quantile", "0.6"), text("le", "1")])]),
    ];
    let mut translator = Translator::new(plain(), Runs::default());
    let lines = translated(&mut translator, &request(vec![], metrics));
    assert_eq!(lines.len(), 6, "{lines:?}");
    assert!(lines.contains(&r#"h_seconds_bucket{le="1"} 7 @5000"#.to_owned()), "the last value stays");
    assert_eq!(dropped(&translator), [("duplicate_sample", 1)]);
}

/// Two values at one time: the last stays, and the loss is counted; the same value twice is no loss.
#[test]
fn of_samples_with_the_same_time_the_last_stays() {
    let points = |values: &[(u64, f64)]| {
        vec![gauge("g", values.iter().map(|(time, value)| point(*time, *value, vec![])).collect())]
    };
    for (values, expected, lost) in [
        (vec![(1, 1.0), (1, 2.0)], vec!["g 2 @1000"], 1),
        (vec![(1, 1.0), (1, 1.0)], vec!["g 1 @1000"], 0),
        (vec![(2, 1.0), (1, 2.0), (2, 3.0), (1, 2.0)], vec!["g 2 @1000", "g 3 @2000"], 1),
        (vec![(3, 1.0), (1, 2.0), (2, 3.0)], vec!["g 1 @3000", "g 2 @1000", "g 3 @2000"], 0),
        (vec![(3, 1.0), (1, 2.0), (1, 3.0), (1, 4.0)], vec!["g 1 @3000", "g 4 @1000"], 2),
    ] {
        let mut translator = Translator::new(plain(), Runs::default());
        assert_eq!(translated(&mut translator, &request(vec![], points(&values))), expected);
        assert_eq!(
            translator.drops.by_reason(Reason::RetriesExhausted).iter().map(|drop| drop.1).sum::<u64>(),
            lost
        );
        let requests = requests(&translator, NO_LIMITS, 1);
        assert!(requests[0].timeseries[0].samples.is_sorted_by_key(|sample| sample.timestamp));
    }
}

/// Scope, service, run, external labels and a point's own attributes: who wins over whom.
#[test]
fn labels_come_from_all_sides_and_each_once() {
    let resource = vec![
        text("service.namespace", "prod"),
        text("service.name", "engine"),
        text("service.instance.id", "i-1"),
        text("container_run", "r-client"),
        text("host.name", "node-1"),
    ];
    let scope = InstrumentationScope {
        name: "lib".to_owned(),
        version: "1.2".to_owned(),
        attributes: vec![text("team", "x"), text("name", "not this"), text("empty", "")],
        ..InstrumentationScope::default()
    };
    let points = vec![
        point(5, 1.0, vec![text("job", "mine"), text("region", "mine"), text("otel.scope.name", "mine")]),
        point(5, 2.0, vec![text("container_run", "of the point")]),
    ];
    let settings = Settings {
        external_labels: vec![
            ("container_run".to_owned(), "external".to_owned()),
            ("otel_scope_version".to_owned(), "external".to_owned()),
            ("region".to_owned(), "eu".to_owned()),
        ],
        target_info: false,
        ..plain()
    };
    let mut request = request_of(resource, scope, vec![gauge("g", points)]);
    request.resource_metrics[0].scope_metrics[0].schema_url = "https://schema".to_owned();
    let mut translator = Translator::new(settings.clone(), run("r-1"));
    assert_eq!(
        translated(&mut translator, &request),
        [
            r#"g{container_run="of the point",instance="i-1",job="prod/engine",otel_scope_name="lib",otel_scope_schema_url="https://schema",otel_scope_team="x",otel_scope_version="1.2",region="eu"} 2 @5000"#,
            r#"g{container_run="r-client",instance="i-1",job="prod/engine",otel_scope_name="lib",otel_scope_schema_url="https://schema",otel_scope_team="x",otel_scope_version="1.2",region="mine"} 1 @5000"#,
        ]
    );
    let without = Settings { scope_info: false, ..settings };
    let mut translator = Translator::new(without, Runs::default());
    assert_eq!(
        translated(&mut translator, &request)[0],
        r#"g{container_run="external",instance="i-1",job="prod/engine",otel_scope_name="mine",otel_scope_version="external",region="mine"} 1 @5000"#
    );
}

/// One label finds everything of a run: it is on every series, `target_info` included, whether or not
/// somebody stamped the resource.
#[test]
fn the_run_is_a_label_of_every_series() {
    let metrics = vec![
        histogram("h", 2, vec![histogram_point(&[1, 0], &[1.0])]),
        gauge("g", vec![point(5, 1.0, vec![])]),
    ];
    for (resource, id) in
        [([service(), vec![text("container_run", "r-client")]].concat(), "r-client"), (service(), "r-1")]
    {
        let mut translator = Translator::new(plain(), run("r-1"));
        let lines = translated(&mut translator, &request(resource, metrics.clone()));
        assert_eq!(lines.len(), 6, "{lines:?}");
        assert!(lines.iter().any(|line| line.starts_with("target_info{")));
        let label = format!("container_run={id:?}");
        assert!(lines.iter().all(|line| line.contains(&label)), "{lines:?}");
    }
}

/// A run that overrides is the label whatever a client says, on its resource or on a point.
#[test]
fn an_overriding_run_replaces_what_clients_say() {
    let own = vec![text("container_run", "r-client")];
    for (is_overriding, resource, id) in [
        (true, own.clone(), "r-1"),
        (true, vec![], "r-1"),
        (false, own.clone(), "r-point"),
        (false, vec![], "r-point"),
    ] {
        let run = Run { label: "container_run".to_owned(), id: "r-1".to_owned(), is_overriding };
        let mut translator = Translator::new(plain(), Runs::of_this_process(Some(Arc::new(run))));
        let metrics = vec![gauge("g", vec![point(5, 1.0, vec![text("container_run", "r-point")])])];
        let lines = translated(&mut translator, &request([service(), resource].concat(), metrics));
        let gauge = lines.iter().find(|line| line.starts_with("g{")).expect("the gauge");
        assert!(gauge.contains(&format!("container_run={id:?}")), "{gauge}");
        let info = lines.iter().find(|line| line.starts_with("target_info{")).expect("the target");
        assert!(!is_overriding || info.contains("container_run=\"r-1\""), "{info}");
    }
}

/// `target_info` carries what the resource says, once for each target and time.
#[test]
fn resources_are_described_by_target_info() {
    let resource = |extra: Vec<KeyValue>| [service(), extra].concat();
    let gauges =
        |times: &[u64]| vec![gauge("g", times.iter().map(|time| point(*time, 1.0, vec![])).collect())];
    let of = |request: &ExportMetricsServiceRequest| -> Vec<String> {
        lines(plain(), request).into_iter().filter(|line| line.starts_with("target_info")).collect()
    };
    // Nothing but the identity, or no identity: no target.
    assert!(of(&request(service(), gauges(&[5]))).is_empty());
    assert!(of(&request(vec![text("host.name", "n")], gauges(&[5]))).is_empty());
    // The latest time of the resource, and the earliest, because there was none before.
    let described = request(resource(vec![text("host.name", "n"), text("", "no key")]), gauges(&[5, 9, 7]));
    let line = r#"target_info{host_name="n",instance="i-1",job="engine"} 1"#;
    assert_eq!(of(&described), [format!("{line} @5000"), format!("{line} @9000")]);
    // One for each half of the look-back that the points reach over.
    let long = request(resource(vec![text("host.name", "n")]), gauges(&[10, 100, 160, 290, 301]));
    let at = |time: u64| format!("{line} @{time}000");
    assert_eq!(of(&long), [at(10), at(100), at(290), at(301)]);
    // Two resources of one target: the later describes it.
    let mut two = described.clone();
    two.resource_metrics
        .extend(request(resource(vec![text("host.name", "m")]), gauges(&[9])).resource_metrics);
    let line = r#"target_info{host_name="m",instance="i-1",job="engine"} 1"#;
    assert_eq!(of(&two), [format!("{line} @5000"), format!("{line} @9000")]);
    // A namespace is in front of it as of any metric.
    let named = Settings { namer: MetricNamer::new("ns", false), ..plain() };
    assert!(lines(named, &described).iter().any(|line| line.starts_with("ns_target_info{")));
    let without = Settings { target_info: false, ..plain() };
    assert!(!lines(without, &described).iter().any(|line| line.contains("target_info")));
}

/// Times of a target only grow, also from batch to batch: Prometheus refuses what is older. The earliest
/// time of a batch is left out while the last `target_info` is near enough to be found.
#[test]
fn target_info_is_never_older_than_before() {
    let mut translator = Translator::new(plain(), Runs::default());
    let mut times = |times: &[u64]| -> Vec<i64> {
        let resource = [service(), vec![text("host.name", "n")]].concat();
        let points = times.iter().map(|time| point(*time, 1.0, vec![])).collect();
        let _ = translated(&mut translator, &request(resource, vec![gauge("g", points)]));
        let requests = requests(&translator, NO_LIMITS, 1);
        let series = requests[0].timeseries.iter();
        let info =
            |series: &&prompb::TimeSeries| series.labels.iter().any(|label| label.value == "target_info");
        series.filter(info).flat_map(|series| &series.samples).map(|sample| sample.timestamp / 1000).collect()
    };
    assert_eq!(times(&[5]), [5]);
    assert!(times(&[5]).is_empty() && times(&[4]).is_empty());
    assert_eq!(times(&[6, 7]), [7]);
    assert_eq!(times(&[3, 9]), [9]);
    assert_eq!(times(&[159, 165]), [165], "150 seconds later");
    assert_eq!(times(&[316, 320]), [316, 320], "more than that");
    assert_eq!(times(&[300, 420, 500]), [420, 500], "each stretch");
}

/// `resource_to_telemetry_conversion` and `resource_constant_labels`.
#[test]
fn resource_attributes_become_labels_if_wanted() {
    let resource =
        [service(), vec![text("k8s.pod.name", "p"), text("host.name", "n"), text("zone", "r")]].concat();
    let metrics = vec![gauge("g", vec![point(5, 1.0, vec![text("zone", "p"), text("k8s_pod_name", "q")])])];
    let patterns = |texts: &[&str]| texts.iter().map(|text| Pattern::new(text)).collect();
    for (promote, expected) in [
        (Promote::None, r#"g{instance="i-1",job="engine",k8s_pod_name="q",zone="p"} 1 @5000"#),
        (
            Promote::All { without_service: false },
            r#"g{host_name="n",instance="i-1",job="engine",k8s_pod_name="p;q",service_instance_id="i-1",service_name="engine",zone="r"} 1 @5000"#,
        ),
        (
            Promote::All { without_service: true },
            r#"g{host_name="n",instance="i-1",job="engine",k8s_pod_name="p;q",zone="r"} 1 @5000"#,
        ),
        (
            Promote::Matching { included: patterns(&["k8s.*", "host.?ame"]), excluded: vec![] },
            r#"g{host_name="n",instance="i-1",job="engine",k8s_pod_name="p;q",zone="p"} 1 @5000"#,
        ),
        (
            Promote::Matching { included: vec![], excluded: patterns(&["service.*", "zone", "host*"]) },
            r#"g{instance="i-1",job="engine",k8s_pod_name="p;q",zone="p"} 1 @5000"#,
        ),
    ] {
        let settings = Settings { promote, target_info: false, ..plain() };
        assert_eq!(lines(settings, &request(resource.clone(), metrics.clone())), [expected]);
    }
}

/// Patterns as opentelemetry-configuration describes them.
#[test]
fn patterns_match_whole_names() {
    for (pattern, text, expected) in [
        ("a", "a", true),
        ("a", "ab", false),
        ("", "", true),
        ("*", "", true),
        ("*", "x\ny", true),
        ("a*c", "abcbc", true),
        ("a*c", "abcb", false),
        ("a?c", "aéc", true),
        ("a?c", "ac", false),
        ("*.secret.*", "k8s.secret.name", true),
        ("**a", "ba", true),
    ] {
        assert_eq!(Pattern::new(pattern).matches(text), expected, "{pattern} {text}");
    }
}

/// Every point that has no samples is counted under what is wrong with it.
#[test]
fn points_that_cannot_be_translated_are_counted() {
    let value_less = NumberDataPoint { value: None, ..point(5, 0.0, vec![]) };
    let long = "x".repeat(70_000);
    for (metric, reason) in [
        (gauge("", vec![point(5, 1.0, vec![])]), "invalid_name"),
        (gauge("@@", vec![point(5, 1.0, vec![])]), "invalid_name"),
        (gauge("g", vec![point(5, 1.0, vec![text("", "v")])]), "invalid_label"),
        (gauge("g", vec![point(5, 1.0, vec![text("____", "v")])]), "invalid_label"),
        (gauge("g", vec![point(5, 1.0, vec![text("a", &long)])]), "labels_too_long"),
        (gauge("g", vec![point(0, 1.0, vec![])]), "no_timestamp"),
        (gauge("g", vec![value_less]), "no_value"),
        (sum("s", 0, true, vec![point(5, 1.0, vec![])]), "invalid_temporality"),
        (sum("s", 3, true, vec![point(5, 1.0, vec![])]), "invalid_temporality"),
        (sum("s", 1, true, vec![point(5, f64::NAN, vec![])]), "no_value"),
    ] {
        let mut translator = Translator::new(plain(), Runs::default());
        let good = gauge("good", vec![point(5, 1.0, vec![])]);
        let lines = translated(&mut translator, &request(vec![], vec![metric, good]));
        assert_eq!(lines, ["good 1 @5000"], "{reason}");
        assert_eq!(dropped(&translator), [(reason, 1)]);
    }
    let mut translator = Translator::new(plain(), Runs::default());
    let of_long_resource =
        request(vec![text("service.name", &long)], vec![gauge("g", vec![point(5, 1.0, vec![])])]);
    assert!(translated(&mut translator, &of_long_resource).is_empty());
    assert_eq!(dropped(&translator), [("labels_too_long", 1)]);
}

/// Metadata names each family once, with the type that it had where it was scraped.
#[test]
fn families_are_described_if_wanted() {
    let scraped = |kind: &str, metric: Metric| Metric {
        description: "help".to_owned(),
        metadata: vec![text("prometheus.type", kind)],
        ..metric
    };
    let metrics = vec![
        sum("requests", 2, true, vec![point(5, 1.0, vec![])]),
        sum("requests", 2, true, vec![point(6, 1.0, vec![])]),
        scraped("unknown", gauge("odd", vec![point(5, 1.0, vec![])])),
        scraped("info", sum("about", 2, false, vec![point(5, 1.0, vec![])])),
        scraped("stateset", sum("state", 2, false, vec![point(5, 1.0, vec![])])),
        histogram("h", 2, vec![histogram_point(&[1], &[])]),
    ];
    let mut translator = Translator::new(Settings { metadata: true, ..plain() }, Runs::default());
    let _ = translated(&mut translator, &request(vec![], metrics));
    let entry = |entry: &Metadata| (entry.name.clone(), entry.kind, entry.help.clone(), entry.unit.clone());
    let entries: Vec<_> = translator.metadata.iter().map(entry).collect();
    let expect =
        |name: &str, kind, help: &str, unit: &str| (name.to_owned(), kind, help.to_owned(), unit.to_owned());
    assert_eq!(
        entries,
        [
            expect("requests_total", 1, "", ""),
            expect("odd", 0, "help", ""),
            expect("about", 6, "help", ""),
            expect("state", 7, "help", ""),
            expect("h_seconds", 3, "", "seconds"),
        ]
    );
}

/// Labels, sorted and complete, as one text.
fn identity(series: &prompb::TimeSeries) -> String {
    format!("{:?}", series.labels)
}

/// What RW 1.0 asks of labels, and that no series has two samples of one time in the whole batch.
fn check(requests: &[prompb::WriteRequest]) -> BTreeMap<String, Vec<i64>> {
    let mut times: BTreeMap<String, Vec<i64>> = BTreeMap::new();
    for series in requests.iter().flat_map(|request| &request.timeseries) {
        let names: Vec<&str> = series.labels.iter().map(|label| label.name.as_str()).collect();
        assert!(names.is_sorted() && names.windows(2).all(|pair| pair[0] != pair[1]), "{names:?}");
        assert!(names.contains(&"__name__"), "{names:?}");
        assert!(series.labels.iter().all(|label| !label.name.is_empty() && !label.value.is_empty()));
        assert!(!series.samples.is_empty() || !series.histograms.is_empty());
        let samples = series.samples.iter().map(|sample| sample.timestamp);
        let histograms = series.histograms.iter().map(|histogram| histogram.timestamp);
        times.entry(identity(series)).or_default().extend(samples.chain(histograms));
        for exemplar in &series.exemplars {
            let names: Vec<&str> = exemplar.labels.iter().map(|label| label.name.as_str()).collect();
            assert!(names.windows(2).all(|pair| pair[0] < pair[1]), "{names:?}");
        }
    }
    times
}

fn settings(choice: u8) -> Settings {
    Settings {
        namer: MetricNamer::new(if choice & 1 == 0 { "" } else { "ns" }, choice & 2 == 0),
        promote: if choice & 4 == 0 { Promote::None } else { Promote::All { without_service: false } },
        scope_info: choice & 8 == 0,
        target_info: choice & 16 == 0,
        external_labels: vec![("region".to_owned(), "eu".to_owned())],
        metadata: choice & 32 == 0,
    }
}

/// Translates a random request whole and in pieces of so many items, and compares.
fn compare_cut_with_whole(seed: u64, items: usize) -> Result<(), TestCaseError> {
    let options = Options { unknown_fields: false, unusual_encoding: false, most_records: 6 };
    let request = arbitrary::request(Signal::Metrics, seed, options);
    let batch = Batch::receive(Signal::Metrics, request).expect("well formed");
    let pieces = split(Signal::Metrics, &batch.bytes(), Cut { items, bytes: usize::MAX });
    let settings = Settings { target_info: false, ..plain() };
    let mut whole = Translator::new(settings.clone(), Runs::default());
    whole.begin(b"");
    whole.translate(&batch.bytes(), 0);
    let expected = check(&requests(&whole, NO_LIMITS, 1));
    let mut parts = Translator::new(settings, Runs::default());
    let mut got: BTreeMap<String, Vec<i64>> = BTreeMap::new();
    let mut drops: BTreeMap<&str, u64> = BTreeMap::new();
    for piece in pieces {
        parts.begin(b"");
        parts.translate(&piece.bytes, 0);
        let counted = dropped(&parts);
        if piece.items == 1 {
            // A summary that has a quantile twice loses one of the two, and is counted beside its samples.
            let without_samples = counted.iter().filter(|(reason, _)| *reason != "duplicate_sample").count();
            prop_assert_eq!(without_samples, usize::from(parts.table.series.is_empty()));
        }
        for (reason, count) in counted {
            *drops.entry(reason).or_insert(0) += count;
        }
        for (series, times) in check(&requests(&parts, NO_LIMITS, 1)) {
            got.entry(series).or_default().extend(times);
        }
    }
    // Between batches nothing can be brought into order or folded any more.
    let without_folded = |drops: BTreeMap<&'static str, u64>| -> BTreeMap<&str, u64> {
        drops.into_iter().filter(|(reason, _)| *reason != "duplicate_sample").collect()
    };
    prop_assert_eq!(without_folded(drops), without_folded(dropped(&whole).into_iter().collect()));
    for times in got.values_mut() {
        times.sort_unstable();
        times.dedup();
    }
    prop_assert_eq!(got, expected);
    Ok(())
}

/// Attributes with few keys, some of which become the same label or none.
fn attributes() -> impl Strategy<Value = Vec<KeyValue>> {
    let long = "k".repeat(20_000);
    let keys = ["a", "a.b", "a_b", "b", "__name__", "__", "9", "service.name", &long].map(str::to_owned);
    let value = prop_oneof![
        Just(AnyVariant::StringValue(String::new())),
        "[a-c]{1,2}".prop_map(AnyVariant::StringValue),
        (0i64..3).prop_map(AnyVariant::IntValue),
    ];
    let pair = (proptest::sample::select(keys.to_vec()), value);
    let attributes = proptest::collection::vec(pair, 0..6);
    attributes.prop_map(|list| list.into_iter().map(|(key, value)| attribute(&key, value)).collect())
}

proptest! {
    /// Any request that the walk lets pass is translated: the result decodes, labels are in order, no
    /// series has two samples of a time.
    #[test]
    fn any_request_is_translated(seed in any::<u64>(), choice in any::<u8>(), bytes in 50usize..5000, shards in 1usize..4) {
        let request = arbitrary::request(Signal::Metrics, seed, Options { most_records: 8, ..Options::default() });
        let batch = Batch::receive(Signal::Metrics, request).expect("well formed");
        let mut translator = Translator::new(settings(choice), run("r"));
        translator.begin(b"");
        prop_assert_eq!(translator.translate(&batch.bytes(), 0), None);
        let whole = requests(&translator, NO_LIMITS, 1);
        for times in check(&whole).values() {
            prop_assert!(times.windows(2).all(|pair| pair[0] < pair[1]), "{:?}", times);
        }
        // Small requests and several shards hold the same samples.
        let cut = requests(&translator, Limits { samples: 3, bytes }, shards);
        for request in &cut {
            let samples = |series: &prompb::TimeSeries| series.samples.len() + series.histograms.len();
            let count: usize = request.timeseries.iter().map(samples).sum();
            prop_assert!(count <= 3);
            prop_assert!(request.encoded_len() <= bytes || count == 1, "{} bytes", request.encoded_len());
        }
        prop_assert_eq!(check(&cut), check(&whole));
    }

    /// However a request is cut into batches, each series has the same samples in the same order, and the
    /// same points are dropped; each point by itself has samples or is counted.
    #[test]
    fn the_cut_into_batches_changes_nothing(seed in any::<u64>(), items in 1usize..4) {
        compare_cut_with_whole(seed, items)?;
    }

    /// What is kept of one point for the next changes nothing: each is translated as if it were alone,
    /// whatever keys it has in whatever order.
    #[test]
    fn points_do_not_depend_on_each_other(points in proptest::collection::vec(attributes(), 2..12)) {
        let points: Vec<NumberDataPoint> =
            (1..).zip(points).map(|(time, attributes)| point(time, 1.0, attributes)).collect();
        let settings = Settings {
            promote: Promote::All { without_service: false },
            target_info: false,
            ..plain()
        };
        let resource = vec![text("b", "resource"), text("service.name", "engine")];
        let translate =
            |points| lines(settings.clone(), &request(resource.clone(), vec![gauge("g", points)]));
        let mut alone: Vec<String> = points.iter().flat_map(|point| translate(vec![point.clone()])).collect();
        alone.sort();
        prop_assert_eq!(translate(points), alone);
    }

    /// A damaged request that the walk still lets pass does no harm.
    #[test]
    fn damaged_requests_do_no_harm(seed in any::<u64>()) {
        let request = arbitrary::request(Signal::Metrics, seed, Options::default());
        let damaged = arbitrary::damage(&request, seed ^ 1);
        if let Ok(batch) = Batch::receive(Signal::Metrics, damaged) {
            let mut translator = Translator::new(plain(), Runs::default());
            translator.begin(b"");
            translator.translate(&batch.bytes(), 0);
            check(&requests(&translator, NO_LIMITS, 2));
        }
    }
}

/// A batch whose series take more than a table may hold is translated in parts, none of its points twice
/// and none left out, and the table stays small.
#[test]
fn large_batches_are_translated_in_parts() {
    let resource = vec![text("service.name", &"n".repeat(40_000)), text("host.name", "h")];
    let points =
        (0..3_000).map(|index| point(5, f64::from(index), vec![text("id", &index.to_string())])).collect();
    let one = request(resource, vec![gauge("g", points), gauge("", vec![point(5, 1.0, vec![])])]);
    let bytes = concat(&[bytes::Bytes::from(one.encode_to_vec())]);
    let mut translator = Translator::new(plain(), Runs::default());
    translator.begin(b"");
    let (mut from, mut values, mut parts, mut targets) = (Some(0), Vec::new(), 0, 0);
    while let Some(position) = from {
        from = translator.translate(&bytes, position);
        parts += 1;
        assert!(translator.table.size() < MOST_BYTES + 200_000, "{}", translator.table.size());
        for series in requests(&translator, NO_LIMITS, 1).iter().flat_map(|request| &request.timeseries) {
            if series.labels.iter().any(|label| label.value == "target_info") {
                targets += 1;
            } else {
                values.push(series.samples[0].value as usize);
            }
        }
    }
    values.sort_unstable();
    assert_eq!(values, (0..3_000).collect::<Vec<usize>>());
    assert!(parts > 2, "{parts}");
    translator.release();
    assert!(translator.table.labels.capacity() <= 1 << 20, "idle, it is small again");
    assert_eq!(targets, 1);
    assert_eq!(dropped(&translator), [("invalid_name", 1)]);
}

/// Requests that were found to be translated otherwise in pieces.
#[test]
fn cuts_that_were_found_to_matter() {
    compare_cut_with_whole(8_022_034_001_895_250_184, 1).expect("the same");
}
