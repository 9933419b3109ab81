//! Edits of decoded requests, against which those of their bytes are proven.
//!
//! They work on opentelemetry-proto's types as anybody would write it, and share no code with the views.

use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue, any_value};
use opentelemetry_proto::tonic::logs::v1::ScopeLogs;
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::{Metric, ScopeMetrics};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::ScopeSpans;

use crate::batch::Decoded;

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

/// What dropping by predicate means: groups that become empty go too, groups that were empty stay.
pub fn retain(decoded: &mut Decoded, mut keep: impl FnMut() -> bool) {
    match decoded {
        Decoded::Traces(request) => {
            retain_groups!(request, resource_spans, scope_spans, |scope: &mut ScopeSpans| {
                let had = scope.spans.len();
                scope.spans.retain(|_| keep());
                (had, scope.spans.len())
            });
        }
        Decoded::Logs(request) => {
            retain_groups!(request, resource_logs, scope_logs, |scope: &mut ScopeLogs| {
                let had = scope.log_records.len();
                scope.log_records.retain(|_| keep());
                (had, scope.log_records.len())
            });
        }
        Decoded::Metrics(request) => {
            retain_groups!(request, resource_metrics, scope_metrics, |scope: &mut ScopeMetrics| {
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
            });
        }
    }
}

fn retain_list<T>(list: &mut Vec<T>, keep: &mut impl FnMut() -> bool) -> (usize, usize) {
    let had = list.len();
    list.retain(|_| keep());
    (had, list.len())
}

/// The resource of each group.
pub fn resources(decoded: &mut Decoded) -> Vec<&mut Option<Resource>> {
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

/// What setting a resource attribute means.
pub fn set_attribute(resource: &mut Option<Resource>, key: &str, value: &str, overwrite: bool) {
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

/// The attributes of every item, in order.
pub fn item_attributes(decoded: &mut Decoded) -> Vec<&mut Vec<KeyValue>> {
    match decoded {
        Decoded::Traces(request) => request
            .resource_spans
            .iter_mut()
            .flat_map(|group| &mut group.scope_spans)
            .flat_map(|scope| &mut scope.spans)
            .map(|span| &mut span.attributes)
            .collect(),
        Decoded::Logs(request) => request
            .resource_logs
            .iter_mut()
            .flat_map(|group| &mut group.scope_logs)
            .flat_map(|scope| &mut scope.log_records)
            .map(|record| &mut record.attributes)
            .collect(),
        Decoded::Metrics(request) => request
            .resource_metrics
            .iter_mut()
            .flat_map(|group| &mut group.scope_metrics)
            .flat_map(|scope| &mut scope.metrics)
            .filter_map(|metric| metric.data.as_mut())
            .flat_map(point_attributes)
            .collect(),
    }
}

fn point_attributes(data: &mut Data) -> Vec<&mut Vec<KeyValue>> {
    match data {
        Data::Gauge(data) => data.data_points.iter_mut().map(|point| &mut point.attributes).collect(),
        Data::Sum(data) => data.data_points.iter_mut().map(|point| &mut point.attributes).collect(),
        Data::Histogram(data) => data.data_points.iter_mut().map(|point| &mut point.attributes).collect(),
        Data::ExponentialHistogram(data) => {
            data.data_points.iter_mut().map(|point| &mut point.attributes).collect()
        }
        Data::Summary(data) => data.data_points.iter_mut().map(|point| &mut point.attributes).collect(),
    }
}

/// The items of each record list, every one alone in a copy of everything around it.
macro_rules! each_alone {
    ($request:expr, $groups:ident, $scopes:ident, $records:ident, $variant:ident, $cut:expr) => {{
        let mut items = Vec::new();
        for group in &$request.$groups {
            for scope in &group.$scopes {
                for record in scope.$records.iter().flat_map($cut) {
                    let (mut one, mut around, mut alone) = ($request.clone(), group.clone(), scope.clone());
                    alone.$records = vec![record];
                    around.$scopes = vec![alone];
                    one.$groups = vec![around];
                    items.push(Decoded::$variant(one));
                }
            }
        }
        items
    }};
}

/// The points of a metric, every one alone in a copy of the metric.
macro_rules! points_alone {
    ($metric:expr, $data:expr, $variant:ident) => {{
        let one = |point: &_| {
            let mut data = $data.clone();
            data.data_points = vec![Clone::clone(point)];
            Metric { data: Some(Data::$variant(data)), ..$metric.clone() }
        };
        $data.data_points.iter().map(one).collect()
    }};
}

fn metrics_alone(metric: &Metric) -> Vec<Metric> {
    match &metric.data {
        None => Vec::new(),
        Some(Data::Gauge(data)) => points_alone!(metric, data, Gauge),
        Some(Data::Sum(data)) => points_alone!(metric, data, Sum),
        Some(Data::Histogram(data)) => points_alone!(metric, data, Histogram),
        Some(Data::ExponentialHistogram(data)) => points_alone!(metric, data, ExponentialHistogram),
        Some(Data::Summary(data)) => points_alone!(metric, data, Summary),
    }
}

/// Each item alone in a copy of everything around it: two requests that hold the same items under the same
/// resource, scope and metric in the same order give the same list.
pub fn items_alone(decoded: &Decoded) -> Vec<Decoded> {
    match decoded {
        Decoded::Traces(request) => {
            each_alone!(request, resource_spans, scope_spans, spans, Traces, |span| [span.clone()])
        }
        Decoded::Logs(request) => {
            each_alone!(request, resource_logs, scope_logs, log_records, Logs, |record| [record.clone()])
        }
        Decoded::Metrics(request) => {
            each_alone!(request, resource_metrics, scope_metrics, metrics, Metrics, metrics_alone)
        }
    }
}
