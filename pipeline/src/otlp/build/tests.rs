use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::number_data_point::Value;

use super::*;
use crate::batch::Decoded;
use crate::otlp::walk;

const POWER: MetricInfo =
    MetricInfo { name: "hw.power", description: "Power", unit: "W", kind: MetricKind::Gauge };
const IO: MetricInfo = MetricInfo { name: "io", description: "", unit: "By", kind: MetricKind::Counter };
const USAGE: MetricInfo =
    MetricInfo { name: "usage", description: "", unit: "By", kind: MetricKind::UpDownCounter };

/// What a scraper adds is one well-formed request: resources, scopes, each metric once, its points in
/// order, counters cumulative with their start.
#[test]
fn points_become_a_request() {
    let mut builder = MetricsBuilder::default();
    builder.begin(10, 20);
    builder.resource(&[("host.name", "n1".into())], "spindle/test", "1.0");
    builder.point(&POWER, 1.5, &[("hw.id", "g0".into())]);
    builder.point(&POWER, 2.5, &[("hw.id", "g1".into())]);
    builder.point(&IO, 7u64, &[]);
    builder.resource(&[], "spindle/other", "1.0");
    builder.point(&USAGE, -3i64, &[]);
    let batch = builder.finish().expect("points");
    assert_eq!(walk(Signal::Metrics, &batch.bytes()).expect("well formed").items, 4);
    assert_eq!(batch.items(), 4);
    let decoded = batch.decoded();
    let Decoded::Metrics(request) = &*decoded else { panic!("metrics") };
    assert_eq!(request.resource_metrics.len(), 2);
    let scope = &request.resource_metrics[0].scope_metrics[0];
    assert_eq!(scope.scope.as_ref().expect("a scope").name, "spindle/test");
    let names: Vec<&str> = scope.metrics.iter().map(|metric| metric.name.as_str()).collect();
    assert_eq!(names, ["hw.power", "io"]);
    let Some(Data::Gauge(gauge)) = &scope.metrics[0].data else { panic!("a gauge") };
    assert_eq!(gauge.data_points.len(), 2);
    assert_eq!(
        (gauge.data_points[1].value, gauge.data_points[1].start_time_unix_nano),
        (Some(Value::AsDouble(2.5)), 0)
    );
    let Some(Data::Sum(sum)) = &scope.metrics[1].data else { panic!("a sum") };
    assert_eq!((sum.is_monotonic, sum.aggregation_temporality), (true, 2));
    let point = &sum.data_points[0];
    assert_eq!(
        (point.start_time_unix_nano, point.time_unix_nano, point.value),
        (10, 20, Some(Value::AsInt(7)))
    );
    let Some(Data::Sum(sum)) = &request.resource_metrics[1].scope_metrics[0].metrics[0].data else {
        panic!("a sum")
    };
    assert!(!sum.is_monotonic);
}

/// A reading without values is no request, and the next one starts clean.
#[test]
fn nothing_is_no_request_and_buffers_start_clean() {
    let mut builder = MetricsBuilder::default();
    builder.begin(1, 2);
    builder.resource(&[], "s", "1");
    assert!(builder.finish().is_none());
    for _ in 0..3 {
        builder.begin(1, 2);
        builder.resource(&[], "s", "1");
        builder.point(&POWER, 1.0, &[]);
        assert_eq!(builder.finish().expect("a point").items(), 1);
    }
}

/// A counter beyond 63 bits is a double rather than a negative number.
#[test]
fn what_does_not_fit_an_integer_is_a_double() {
    assert_eq!(PointValue::from(u64::MAX), PointValue::Double(u64::MAX as f64));
    assert_eq!(PointValue::from(7u64), PointValue::Int(7));
}
