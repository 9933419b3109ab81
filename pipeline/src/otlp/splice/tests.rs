use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue, any_value};
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::resource::v1::Resource;
use proptest::prelude::*;

use super::*;
use crate::batch::Decoded;
use crate::otlp::walk;
use crate::testing::arbitrary::{self, Options};

fn signal() -> impl Strategy<Value = Signal> {
    prop_oneof![Just(Signal::Traces), Just(Signal::Metrics), Just(Signal::Logs)]
}

fn request(signal: Signal, seed: u64) -> Bytes {
    arbitrary::request(signal, seed, Options { unknown_fields: seed.is_multiple_of(2), ..Options::default() })
}

/// Every n-th item stays, by a counter that both sides run.
fn keeper(seed: u64) -> impl FnMut() -> bool {
    let mut rng = fastrand::Rng::with_seed(seed);
    let share = rng.u8(..5);
    move || rng.u8(..4) < share
}

macro_rules! retain_groups {
    ($request:expr, $groups:ident, $scopes:ident, $keep_scope:expr) => {
        $request.$groups.retain_mut(|group| {
            let mut dropped = false;
            group.$scopes.retain_mut(|scope| {
                let (had, kept) = $keep_scope(scope);
                let goes = had > 0 && kept == 0;
                dropped |= goes;
                !goes
            });
            !(dropped && group.$scopes.is_empty())
        })
    };
}

/// What dropping by predicate means, on objects.
fn retain_decoded(decoded: &mut Decoded, mut keep: impl FnMut() -> bool) {
    match decoded {
        Decoded::Traces(request) => retain_groups!(
            request,
            resource_spans,
            scope_spans,
            |scope: &mut opentelemetry_proto::tonic::trace::v1::ScopeSpans| {
                let had = scope.spans.len();
                scope.spans.retain(|_| keep());
                (had, scope.spans.len())
            }
        ),
        Decoded::Logs(request) => retain_groups!(
            request,
            resource_logs,
            scope_logs,
            |scope: &mut opentelemetry_proto::tonic::logs::v1::ScopeLogs| {
                let had = scope.log_records.len();
                scope.log_records.retain(|_| keep());
                (had, scope.log_records.len())
            }
        ),
        Decoded::Metrics(request) => retain_groups!(
            request,
            resource_metrics,
            scope_metrics,
            |scope: &mut opentelemetry_proto::tonic::metrics::v1::ScopeMetrics| {
                let had = scope.metrics.len();
                scope.metrics.retain_mut(|metric| {
                    let (had, kept) = match metric.data.as_mut() {
                        None => (0, 0),
                        Some(Data::Gauge(data)) => retain_list(&mut data.data_points, &mut keep),
                        Some(Data::Sum(data)) => retain_list(&mut data.data_points, &mut keep),
                        Some(Data::Histogram(data)) => retain_list(&mut data.data_points, &mut keep),
                        Some(Data::ExponentialHistogram(data)) => {
                            retain_list(&mut data.data_points, &mut keep)
                        }
                        Some(Data::Summary(data)) => retain_list(&mut data.data_points, &mut keep),
                    };
                    !(had > 0 && kept == 0)
                });
                (had, scope.metrics.len())
            }
        ),
    }
}

fn retain_list<T>(list: &mut Vec<T>, keep: &mut impl FnMut() -> bool) -> (usize, usize) {
    let had = list.len();
    list.retain(|_| keep());
    (had, list.len())
}

fn resources_of(decoded: &mut Decoded) -> Vec<&mut Option<Resource>> {
    match decoded {
        Decoded::Traces(request) => {
            request.resource_spans.iter_mut().map(|group| &mut group.resource).collect()
        }
        Decoded::Metrics(request) => {
            request.resource_metrics.iter_mut().map(|group| &mut group.resource).collect()
        }
        Decoded::Logs(request) => request.resource_logs.iter_mut().map(|group| &mut group.resource).collect(),
    }
}

fn text(value: &str) -> AnyValue {
    AnyValue { value: Some(any_value::Value::StringValue(value.to_owned())) }
}

/// What setting a resource attribute means, on objects.
fn set_decoded(resource: &mut Option<Resource>, key: &str, value: &str, overwrite: bool) {
    let attributes = &mut resource.get_or_insert_default().attributes;
    let Some(first) = attributes.iter().position(|attribute| attribute.key == key) else {
        attributes.push(KeyValue { key: key.to_owned(), value: Some(text(value)), ..KeyValue::default() });
        return;
    };
    if overwrite {
        if attributes[first].value != Some(text(value)) {
            attributes[first] =
                KeyValue { key: key.to_owned(), value: Some(text(value)), ..KeyValue::default() };
        }
        let mut index = 0;
        attributes.retain(|attribute| {
            index += 1;
            attribute.key != key || index - 1 == first
        });
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1500))]

    /// Dropping items on the wire gives what decode, drop, encode gives, and drops the groups that
    /// become empty and no other.
    #[test]
    fn retaining_equals_decode_retain_encode(signal in signal(), seed: u64) {
        let request = request(signal, seed);
        let before = walk(signal, &request).expect("well formed").items;
        let mut oracle = Decoded::read(signal, &request).expect("decodes");
        retain_decoded(&mut oracle, keeper(seed));
        let mut keep = keeper(seed);
        let (left, dropped) = retain(signal, &request, |_| keep());
        prop_assert_eq!(before - dropped, oracle.items());
        match left {
            Some(left) => {
                prop_assert_eq!(walk(signal, &left).expect("well formed").items, oracle.items());
                prop_assert_eq!(Decoded::read(signal, &left).expect("decodes"), oracle);
            }
            None => prop_assert!(oracle.encode().is_empty() || oracle.items() == 0),
        }
    }

    /// Keeping everything copies nothing.
    #[test]
    fn retaining_everything_is_the_same_bytes(signal in signal(), seed: u64) {
        let request = request(signal, seed);
        let (left, dropped) = retain(signal, &request, |_| true);
        let left = left.expect("nothing was dropped");
        prop_assert_eq!(dropped, 0);
        prop_assert_eq!(left.as_ptr(), request.as_ptr());
    }

    /// Stamping a resource attribute equals decode, edit, encode: where it is missing, where it is there
    /// once or more often, where there is no resource; with and without overwriting.
    #[test]
    fn setting_a_resource_attribute_equals_decode_edit_encode(signal in signal(), seed: u64, overwrite: bool, long: bool) {
        let request = request(signal, seed);
        let (key, value) = ("service.name", if long { "x".repeat(200) } else { "sglang".to_owned() });
        let mut oracle = Decoded::read(signal, &request).expect("decodes");
        for resource in resources_of(&mut oracle) {
            set_decoded(resource, key, &value, overwrite);
        }
        let edited = edit_resources(&request, |resource| resource.set(key, &value, overwrite)).unwrap_or(request);
        walk(signal, &edited).expect("well formed");
        prop_assert_eq!(Decoded::read(signal, &edited).expect("decodes"), oracle);
    }

    /// Setting what is there already leaves the bytes alone.
    #[test]
    fn setting_twice_edits_once(signal in signal(), seed: u64) {
        let request = request(signal, seed);
        let once = edit_resources(&request, |resource| resource.set("run", "r1", true)).unwrap_or(request);
        prop_assert!(edit_resources(&once, |resource| resource.set("run", "r1", true)).is_none());
        prop_assert!(edit_resources(&once, |resource| resource.set("run", "r2", false)).is_none());
    }
}
