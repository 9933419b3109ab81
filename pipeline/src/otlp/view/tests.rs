use opentelemetry_proto::tonic::metrics::v1::metric::Data;

use super::super::attributes::{Any, AnyValue};
use super::*;
use crate::Signal;
use crate::batch::Decoded;
use crate::testing::arbitrary::{self, Options};

/// Views see what decoding sees: the same groups, spans, names, ids and times, in the same order.
#[test]
fn spans_are_read_as_they_decode() {
    for seed in 0..200 {
        let request = arbitrary::request(Signal::Traces, seed, Options::default());
        let Some(Decoded::Traces(decoded)) = Decoded::read(Signal::Traces, &request) else {
            panic!("decodes")
        };
        let groups: Vec<Part<'_>> = resource_groups(&request).collect();
        assert_eq!(groups.len(), decoded.resource_spans.len());
        for (group, expected) in groups.into_iter().zip(&decoded.resource_spans) {
            assert_eq!(group.text(3), expected.schema_url);
            assert_eq!(resource(group).is_some(), expected.resource.is_some());
            for (scope, expected) in scope_groups(group).zip(&expected.scope_spans) {
                assert_eq!(records(scope).count(), expected.spans.len());
                for (span, expected) in records(scope).zip(&expected.spans) {
                    assert_eq!(span.value(1).map_or(&[][..], |id| id.bytes()), expected.trace_id);
                    assert_eq!(span.text(5), expected.name);
                    assert_eq!(span.number(7), expected.start_time_unix_nano);
                    assert_eq!(span.number(16), u64::from(expected.flags));
                    let keys: Vec<&str> = span.attributes(9).map(|attribute| attribute.key).collect();
                    let expected_keys: Vec<&str> =
                        expected.attributes.iter().map(|pair| pair.key.as_str()).collect();
                    assert_eq!(keys, expected_keys);
                }
            }
        }
    }
}

/// The data points of every kind of metric are found, whichever field they stand in.
#[test]
fn data_points_are_found_in_every_kind_of_metric() {
    for seed in 0..200 {
        let request = arbitrary::request(Signal::Metrics, seed, Options::default());
        let Some(Decoded::Metrics(decoded)) = Decoded::read(Signal::Metrics, &request) else {
            panic!("decodes")
        };
        let metrics = decoded
            .resource_metrics
            .iter()
            .flat_map(|group| &group.scope_metrics)
            .flat_map(|scope| &scope.metrics);
        let views = resource_groups(&request).flat_map(scope_groups).flat_map(records);
        for (view, expected) in views.zip(metrics) {
            assert_eq!(view.text(1), expected.name);
            let found = metric_data(view).map(|data| (data.number, data_points(data).count()));
            let expected = expected.data.as_ref().map(|data| match data {
                Data::Gauge(data) => (5, data.data_points.len()),
                Data::Sum(data) => (7, data.data_points.len()),
                Data::Histogram(data) => (9, data.data_points.len()),
                Data::ExponentialHistogram(data) => (10, data.data_points.len()),
                Data::Summary(data) => (11, data.data_points.len()),
            });
            assert_eq!(found, expected);
        }
    }
}

/// An attribute's value is read as what it is.
#[test]
fn a_part_knows_its_bytes() {
    let request = crate::testing::spans::request(1);
    let span = resource_groups(&request).flat_map(scope_groups).flat_map(records).next().expect("a span");
    assert_eq!(span.whole().len(), span.end - span.start);
    assert_eq!(&span.whole()[span.whole().len() - span.bytes().len()..], span.bytes());
    assert_eq!(span.attributes(9).get("gen_ai.usage.prompt_tokens").map(AnyValue::get), Some(Any::Int(1234)));
    assert_eq!(span.attributes(9).get("missing"), None);
}
