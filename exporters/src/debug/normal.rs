//! `verbosity: normal`: a line for each resource, scope and record.
//!
//! Bounds of exponential histograms are the upper ones of their buckets, as those of the others; the
//! Collector prints the lower ones.

use spindle_pipeline::Signal;
use spindle_pipeline::otlp::attributes::{Attributes, to_text};
use spindle_pipeline::otlp::view::{
    Part, data_points, metric_data, records, resource, resource_groups, scope_groups,
};

use super::fields::{
    EXPONENTIAL_HISTOGRAM, HISTOGRAM, Number, SUMMARY, any_value, attributes_of_points, bytes, child, double,
    doubles, exponential_buckets, fixed64s, number,
};
use super::text::{Fixed, Id, Shortest, Text};

/// Writes a request.
pub(super) fn write(text: &mut Text, signal: Signal, request: &[u8]) {
    let (resource_title, scope_title) = match signal {
        Signal::Traces => ("ResourceTraces", "ScopeTraces"),
        Signal::Metrics => ("ResourceMetrics", "ScopeMetrics"),
        Signal::Logs => ("ResourceLog", "ScopeLog"),
    };
    for (position, group) in resource_groups(request).enumerate() {
        text.put(format_args!("{resource_title} #{position}"));
        put_url(text, group);
        put_attributes(text, resource(group).map(|resource| resource.attributes(1)));
        text.put(format_args!("\n"));
        for (position, scope_group) in scope_groups(group).enumerate() {
            text.put(format_args!("{scope_title} #{position}"));
            put_scope(text, scope_group);
            text.put(format_args!("\n"));
            for record in records(scope_group) {
                match signal {
                    Signal::Traces => span(text, record),
                    Signal::Metrics => metric(text, record),
                    Signal::Logs => log_record(text, record),
                }
                if text.is_full() {
                    return;
                }
            }
        }
    }
}

/// The schema of a group.
fn put_url(text: &mut Text, group: Part<'_>) {
    match group.text(3) {
        "" => {}
        url => text.put(format_args!(" [{url}]")),
    }
}

fn put_scope(text: &mut Text, group: Part<'_>) {
    let scope = child(group, 1);
    match scope.map_or(("", ""), |scope| (scope.text(1), scope.text(2))) {
        ("", "") => {}
        (name, "") => text.put(format_args!(" {name}")),
        (name, version) => text.put(format_args!(" {name}@{version}")),
    }
    put_url(text, group);
    put_attributes(text, scope.map(|scope| scope.attributes(3)));
}

/// Each attribute as ` key=value`.
fn put_attributes(text: &mut Text, attributes: Option<Attributes<'_>>) {
    for attribute in attributes.into_iter().flatten() {
        text.put(format_args!(" {}={}", attribute.key, to_text(attribute.value)));
    }
}

fn span(text: &mut Text, span: Part<'_>) {
    text.put(format_args!("{} {} {}", span.text(5), Id(bytes(span, 1)), Id(bytes(span, 2))));
    put_attributes(text, Some(span.attributes(9)));
    text.put(format_args!("\n"));
}

fn log_record(text: &mut Text, record: Part<'_>) {
    text.put(format_args!("{}", to_text(any_value(record, 5))));
    if record.attributes(6).next().is_none() {
        text.put(format_args!(" "));
    }
    put_attributes(text, Some(record.attributes(6)));
    text.put(format_args!("\n"));
}

fn metric(text: &mut Text, metric: Part<'_>) {
    let Some(data) = metric_data(metric) else { return };
    for point in data_points(data) {
        text.put(format_args!("{}{{", metric.text(1)));
        for (position, attribute) in point.attributes(attributes_of_points(data.number)).enumerate() {
            let separator = if position > 0 { "," } else { "" };
            text.put(format_args!("{separator}{}={}", attribute.key, to_text(attribute.value)));
        }
        text.put(format_args!("}} "));
        match data.number {
            HISTOGRAM => histogram(text, point),
            EXPONENTIAL_HISTOGRAM => exponential_histogram(text, point),
            SUMMARY => summary(text, point),
            _ => number_point(text, point),
        }
        text.put(format_args!("\n"));
        if text.is_full() {
            return;
        }
    }
}

fn number_point(text: &mut Text, point: Part<'_>) {
    match number(point, 4, 6) {
        Some(Number::Int(value)) => text.put(format_args!("{value}")),
        Some(Number::Double(value)) => text.put(format_args!("{}", Shortest(value))),
        None => {}
    }
}

/// Count, and what is known of sum, minimum and maximum.
fn statistics(text: &mut Text, point: Part<'_>, min: u32, max: u32) {
    text.put(format_args!("count={}", point.number(4)));
    for (name, field) in [("sum", 5), ("min", min), ("max", max)] {
        if let Some(value) = double(point, field) {
            text.put(format_args!(" {name}={}", Shortest(value)));
        }
    }
}

fn histogram(text: &mut Text, point: Part<'_>) {
    statistics(text, point, 11, 12);
    let mut bounds = doubles(point, 7);
    for count in fixed64s(point, 6) {
        match bounds.next() {
            Some(bound) => text.put(format_args!(" le{}={count}", Shortest(bound))),
            None => text.put(format_args!(" {count}")),
        }
    }
}

fn exponential_histogram(text: &mut Text, point: Part<'_>) {
    statistics(text, point, 12, 13);
    for bucket in exponential_buckets(point, 9).iter().rev() {
        text.put(format_args!(" le{}={}", Shortest(-bucket.lower), bucket.count));
    }
    if point.number(7) > 0 {
        let threshold = double(point, 14).unwrap_or_default();
        text.put(format_args!(" zero_count{}={}", Shortest(threshold), point.number(7)));
    }
    for bucket in exponential_buckets(point, 8) {
        text.put(format_args!(" le{}={}", Shortest(bucket.upper), bucket.count));
    }
}

fn summary(text: &mut Text, point: Part<'_>) {
    let sum = double(point, 5).unwrap_or_default();
    text.put(format_args!("count={} sum={}", point.number(4), Fixed(sum)));
    for quantile in point.children(6) {
        let (at, value) = (double(quantile, 1).unwrap_or_default(), double(quantile, 2).unwrap_or_default());
        text.put(format_args!(" q{}={}", Shortest(at), Shortest(value)));
    }
}
