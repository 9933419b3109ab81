//! What the two layouts read off the wire alike: fields with a default, names of enums, buckets.

use spindle_pipeline::Signal;
use spindle_pipeline::otlp::attributes::AnyValue;
use spindle_pipeline::otlp::view::{Part, metric_data, records, resource_groups, scope_groups};
use spindle_pipeline::otlp::wire::Value;

/// The fields of a metric that hold its data.
pub(super) const SUM: u32 = 7;
pub(super) const HISTOGRAM: u32 = 9;
pub(super) const EXPONENTIAL_HISTOGRAM: u32 = 10;
pub(super) const SUMMARY: u32 = 11;

/// The bytes of a field, or none.
pub(super) fn bytes(part: Part<'_>, number: u32) -> &[u8] {
    part.value(number).map_or(&[], Value::bytes)
}

/// The `AnyValue` of a field, or an empty one.
pub(super) fn any_value(part: Part<'_>, number: u32) -> AnyValue<'_> {
    AnyValue(bytes(part, number))
}

/// A double, which may be missing.
pub(super) fn double(part: Part<'_>, number: u32) -> Option<f64> {
    part.value(number).map(Value::double)
}

/// The doubles of a repeated field.
pub(super) fn doubles(part: Part<'_>, number: u32) -> impl Iterator<Item = f64> {
    fixed64s(part, number).map(f64::from_bits)
}

/// The numbers of a repeated eight-byte field.
pub(super) fn fixed64s(part: Part<'_>, number: u32) -> impl Iterator<Item = u64> {
    part.fields().filter(move |field| field.number == number).flat_map(|field| field.value.fixed64s())
}

/// The only message of a field.
pub(super) fn child(part: Part<'_>, number: u32) -> Option<Part<'_>> {
    part.children(number).next()
}

/// The value of a number point or an exemplar, which has it in one of two fields.
pub(super) enum Number {
    Int(i64),
    Double(f64),
}

/// Reads it; of both, the last counts.
pub(super) fn number(part: Part<'_>, double: u32, int: u32) -> Option<Number> {
    let field = part.fields().filter(|field| field.number == double || field.number == int).last()?;
    Some(if field.number == int {
        Number::Int(field.value.number() as i64)
    } else {
        Number::Double(field.value.double())
    })
}

/// The field of a data point that holds its attributes, by the field of the metric that holds the point.
pub(super) const fn attributes_of_points(data: u32) -> u32 {
    match data {
        HISTOGRAM => 9,
        EXPONENTIAL_HISTOGRAM => 1,
        _ => 7,
    }
}

/// SDKs make at most a few hundred; a packed list of single bytes could hold millions.
const MAX_BUCKETS: usize = 10_000;

/// A bucket of an exponential histogram; the lower bound is not part of it.
pub(super) struct Bucket {
    pub(super) lower: f64,
    pub(super) upper: f64,
    pub(super) count: u64,
}

/// The buckets of one side, from the origin outwards, as if they were the positive side; at most
/// [`MAX_BUCKETS`].
pub(super) fn exponential_buckets(point: Part<'_>, side: u32) -> Vec<Bucket> {
    let Some(buckets) = child(point, side) else { return Vec::new() };
    // Data model: the bucket of an index holds (base^index, base^(index + 1)], base being 2^(2^-scale).
    let step = 2f64.powf(-f64::from(point.value(6).map_or(0, Value::sint32)));
    let bound = |index: f64| (index * step).exp2();
    let offset = f64::from(buckets.value(1).map_or(0, Value::sint32));
    let counts = buckets.fields().filter(|field| field.number == 2).flat_map(|field| field.value.varints());
    counts
        .take(MAX_BUCKETS)
        .enumerate()
        .map(|(position, count)| {
            let index = offset + position as f64;
            Bucket { lower: bound(index), upper: bound(index + 1.0), count }
        })
        .collect()
}

/// How many resource groups and metrics a request has.
pub(super) fn count_groups(signal: Signal, request: &[u8]) -> (usize, usize) {
    let (mut groups, mut metrics) = (0, 0);
    for group in resource_groups(request) {
        groups += 1;
        if signal == Signal::Metrics {
            metrics += scope_groups(group).map(|scope| records(scope).count()).sum::<usize>();
        }
    }
    (groups, metrics)
}

/// The name of a metric's data.
pub(super) fn data_type(metric: Part<'_>) -> &'static str {
    match metric_data(metric).map(|data| data.number) {
        Some(5) => "Gauge",
        Some(SUM) => "Sum",
        Some(HISTOGRAM) => "Histogram",
        Some(EXPONENTIAL_HISTOGRAM) => "ExponentialHistogram",
        Some(SUMMARY) => "Summary",
        _ => "Empty",
    }
}

/// The name of a number in a list of names; nothing beyond it.
fn name(names: &[&'static str], number: u64) -> &'static str {
    usize::try_from(number).ok().and_then(|index| names.get(index).copied()).unwrap_or_default()
}

pub(super) fn span_kind(number: u64) -> &'static str {
    name(&["Unspecified", "Internal", "Server", "Client", "Producer", "Consumer"], number)
}

pub(super) fn status_code(number: u64) -> &'static str {
    name(&["Unset", "Ok", "Error"], number)
}

pub(super) fn temporality(number: u64) -> &'static str {
    name(&["Unspecified", "Delta", "Cumulative"], number)
}

pub(super) fn severity(number: u64) -> &'static str {
    const NAMES: [&str; 25] = [
        "Unspecified",
        "Trace",
        "Trace2",
        "Trace3",
        "Trace4",
        "Debug",
        "Debug2",
        "Debug3",
        "Debug4",
        "Info",
        "Info2",
        "Info3",
        "Info4",
        "Warn",
        "Warn2",
        "Warn3",
        "Warn4",
        "Error",
        "Error2",
        "Error3",
        "Error4",
        "Fatal",
        "Fatal2",
        "Fatal3",
        "Fatal4",
    ];
    name(&NAMES, number)
}
