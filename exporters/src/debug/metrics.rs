//! The metrics of `verbosity: detailed`.

use spindle_pipeline::otlp::view::{Part, data_points, metric_data};

use super::detailed::{NESTED, attributes};
use super::fields::{
    EXPONENTIAL_HISTOGRAM, HISTOGRAM, Number, SUM, SUMMARY, attributes_of_points, bytes, data_type, double,
    doubles, exponential_buckets, fixed64s, number, temporality,
};
use super::text::{Fixed, Id, Text, Time};

/// Writes a metric.
pub(super) fn metric(text: &mut Text, metric: Part<'_>) {
    text.line(format_args!("Descriptor:"));
    text.line(format_args!("     -> Name: {}", metric.text(1)));
    text.line(format_args!("     -> Description: {}", metric.text(2)));
    text.line(format_args!("     -> Unit: {}", metric.text(3)));
    text.line(format_args!("     -> DataType: {}", data_type(metric)));
    let Some(data) = metric_data(metric) else { return };
    if data.number == SUM {
        text.line(format_args!("     -> IsMonotonic: {}", data.number(3) != 0));
    }
    if matches!(data.number, SUM | HISTOGRAM | EXPONENTIAL_HISTOGRAM) {
        text.line(format_args!("     -> AggregationTemporality: {}", temporality(data.number(2))));
    }
    for (position, point) in data_points(data).enumerate() {
        data_point(text, data.number, position, point);
        if text.is_full() {
            return;
        }
    }
}

fn data_point(text: &mut Text, data: u32, position: usize, point: Part<'_>) {
    let (title, exemplars) = match data {
        HISTOGRAM => ("HistogramDataPoints", Some(8)),
        EXPONENTIAL_HISTOGRAM => ("ExponentialHistogramDataPoints", Some(11)),
        SUMMARY => ("SummaryDataPoints", None),
        _ => ("NumberDataPoints", Some(5)),
    };
    text.line(format_args!("{title} #{position}"));
    attributes(text, "", "Data point attributes", point.attributes(attributes_of_points(data)));
    text.line(format_args!("StartTimestamp: {}", Time(point.number(2))));
    text.line(format_args!("Timestamp: {}", Time(point.number(3))));
    match data {
        HISTOGRAM => histogram(text, point),
        EXPONENTIAL_HISTOGRAM => exponential_histogram(text, point),
        SUMMARY => summary(text, point),
        _ => value(text, "", number(point, 4, 6)),
    }
    for (position, exemplar) in exemplars.into_iter().flat_map(|field| point.children(field)).enumerate() {
        if position == 0 {
            text.line(format_args!("Exemplars:"));
        }
        text.line(format_args!("Exemplar #{position}"));
        text.line(format_args!("     -> Trace ID: {}", Id(bytes(exemplar, 5))));
        text.line(format_args!("     -> Span ID: {}", Id(bytes(exemplar, 4))));
        text.line(format_args!("     -> Timestamp: {}", Time(exemplar.number(2))));
        value(text, "     -> ", number(exemplar, 3, 6));
        attributes(text, NESTED, "FilteredAttributes", exemplar.attributes(7));
    }
}

fn value(text: &mut Text, indent: &str, value: Option<Number>) {
    match value {
        Some(Number::Int(value)) => text.line(format_args!("{indent}Value: {value}")),
        Some(Number::Double(value)) => text.line(format_args!("{indent}Value: {}", Fixed(value))),
        None => {}
    }
}

/// Count, and what is known of sum, minimum and maximum.
fn statistics(text: &mut Text, point: Part<'_>, min: u32, max: u32) {
    text.line(format_args!("Count: {}", point.number(4)));
    for (name, field) in [("Sum", 5), ("Min", min), ("Max", max)] {
        if let Some(value) = double(point, field) {
            text.line(format_args!("{name}: {}", Fixed(value)));
        }
    }
}

fn histogram(text: &mut Text, point: Part<'_>) {
    statistics(text, point, 11, 12);
    for (position, bound) in doubles(point, 7).enumerate() {
        text.line(format_args!("ExplicitBounds #{position}: {}", Fixed(bound)));
    }
    for (position, count) in fixed64s(point, 6).enumerate() {
        text.line(format_args!("Buckets #{position}, Count: {count}"));
    }
}

fn exponential_histogram(text: &mut Text, point: Part<'_>) {
    statistics(text, point, 12, 13);
    for bucket in exponential_buckets(point, 9).iter().rev() {
        let (low, high) = (Fixed(-bucket.upper), Fixed(-bucket.lower));
        text.line(format_args!("Bucket [{low}, {high}), Count: {}", bucket.count));
    }
    if point.number(7) != 0 {
        text.line(format_args!("Bucket [0, 0], Count: {}", point.number(7)));
    }
    for bucket in exponential_buckets(point, 8) {
        let (low, high) = (Fixed(bucket.lower), Fixed(bucket.upper));
        text.line(format_args!("Bucket ({low}, {high}], Count: {}", bucket.count));
    }
}

fn summary(text: &mut Text, point: Part<'_>) {
    text.line(format_args!("Count: {}", point.number(4)));
    text.line(format_args!("Sum: {}", Fixed(double(point, 5).unwrap_or_default())));
    for (position, quantile) in point.children(6).enumerate() {
        let (at, value) = (double(quantile, 1).unwrap_or_default(), double(quantile, 2).unwrap_or_default());
        text.line(format_args!("QuantileValue #{position}: Quantile {}, Value {}", Fixed(at), Fixed(value)));
    }
}
