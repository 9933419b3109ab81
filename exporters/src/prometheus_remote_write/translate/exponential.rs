//! Exponential histograms: native histograms of Prometheus.

use spindle_pipeline::otlp::view::Part;
use spindle_pipeline::otlp::wire::{
    put_bytes, put_double, put_header, put_varint, put_varint_field, varint_length, zigzag,
};

use super::{MOST_PARTS, Metric, NO_RECORDED_VALUE, STALE, Walk};
use crate::prometheus_remote_write::drops::Reason;
use crate::prometheus_remote_write::table::{Context, Value};
use crate::prometheus_remote_write::totals::{Buckets, Exponential, Observations};

/// Fields of `ExponentialHistogramDataPoint`.
const ATTRIBUTES: u32 = 1;
const START: u32 = 2;
const TIME: u32 = 3;
const COUNT: u32 = 4;
const SUM: u32 = 5;
const SCALE: u32 = 6;
const ZERO_COUNT: u32 = 7;
const POSITIVE: u32 = 8;
const NEGATIVE: u32 = 9;
const FLAGS: u32 = 10;
const EXEMPLARS: u32 = 11;
const ZERO_THRESHOLD: u32 = 14;

/// The coarsest and the finest schema that Prometheus has.
const SCHEMAS: std::ops::RangeInclusive<i32> = -4..=8;
/// The width of the zero bucket where OTLP says nothing, as Prometheus' translator has it.
const DEFAULT_ZERO_THRESHOLD: f64 = 1e-128;
/// Up to this many empty buckets are written out rather than skipped; a span costs more.
const SMALL_GAP: i64 = 2;

#[derive(Default)]
struct ExponentialPoint {
    start: u64,
    time: u64,
    histogram: Exponential,
    has_exemplars: bool,
    is_stale: bool,
}

impl<'a> Walk<'a, '_> {
    pub(super) fn exponential(
        &mut self,
        metric: &Metric,
        context: &Context,
        point: Part<'a>,
        index: u32,
    ) -> Result<i64, Reason> {
        let mut read = self.read_exponential(point);
        self.check_labels(context)?;
        let time = Self::time(read.time)?;
        if !read.is_stale {
            self.check(&mut read.histogram)?;
            if metric.is_delta {
                let identity = self.point_identity(metric);
                let interval = self.interval(read.start, read.time, point);
                self.to.totals.exponential(identity, interval, &mut read.histogram)?;
            }
        }
        let mut labels = self.labels(context);
        let message = self.to.table.message(|out| {
            if read.is_stale { put_stale(out, time) } else { put_histogram(out, &read.histogram, time) }
        });
        let value = Value::Histogram(message);
        let series = self.to.table.add(&mut labels, metric.plain, None, time, value, index);
        self.to.table.end_point(labels);
        let Exponential { positive, negative, .. } = read.histogram;
        (self.scratch.positive, self.scratch.negative) = (positive, negative);
        if read.has_exemplars {
            self.exemplars(point, EXEMPLARS, time, |_| series);
        }
        Ok(time)
    }

    fn read_exponential(&mut self, point: Part<'a>) -> ExponentialPoint {
        let mut read = ExponentialPoint::default();
        let histogram = &mut read.histogram;
        histogram.positive = std::mem::take(&mut self.scratch.positive);
        histogram.negative = std::mem::take(&mut self.scratch.negative);
        histogram.positive.clear();
        histogram.negative.clear();
        for field in point.fields() {
            match field.number {
                ATTRIBUTES => self.scratch.attribute(field.value.bytes()),
                START => read.start = field.value.number(),
                TIME => read.time = field.value.number(),
                COUNT => histogram.observations.count = field.value.number(),
                SUM => histogram.observations.sum = Some(field.value.double()),
                SCALE => histogram.scale = field.value.sint32(),
                ZERO_COUNT => histogram.zero_count = field.value.number(),
                POSITIVE => read_buckets(field.value.bytes(), &mut histogram.positive),
                NEGATIVE => read_buckets(field.value.bytes(), &mut histogram.negative),
                FLAGS => read.is_stale = field.value.number() & NO_RECORDED_VALUE != 0,
                EXEMPLARS => read.has_exemplars = true,
                ZERO_THRESHOLD => histogram.zero_threshold = field.value.double(),
                _ => {}
            }
        }
        read
    }

    /// Brings the scale into Prometheus' range. What Prometheus would refuse, and with it a whole request,
    /// is refused here: buckets that do not add up to the count.
    #[allow(clippy::unused_self)]
    fn check(&self, histogram: &mut Exponential) -> Result<(), Reason> {
        if histogram.scale < *SCHEMAS.start() {
            return Err(Reason::UnsupportedScale);
        }
        // A bucket is a byte on the wire and eight in memory.
        if histogram.positive.counts.len().max(histogram.negative.counts.len()) > MOST_PARTS {
            return Err(Reason::InvalidHistogram);
        }
        if histogram.scale > *SCHEMAS.end() {
            histogram.reduce_scale(*SCHEMAS.end());
        }
        let Observations { count, sum } = histogram.observations;
        let in_buckets = histogram.bucket_total().ok_or(Reason::InvalidHistogram)?;
        // Observations of NaN are in the count and in no bucket.
        let adds_up = if sum.is_some_and(f64::is_nan) { in_buckets <= count } else { in_buckets == count };
        let is_in_range = histogram.positive.is_in_range() && histogram.negative.is_in_range();
        if adds_up && is_in_range { Ok(()) } else { Err(Reason::InvalidHistogram) }
    }
}

fn read_buckets(message: &[u8], buckets: &mut Buckets) {
    for field in spindle_pipeline::otlp::wire::Fields::of(message) {
        match field.number {
            1 => buckets.offset = i64::from(field.value.sint32()),
            2 => {
                // One more than there may be shows that there are too many.
                let room = (MOST_PARTS + 1).saturating_sub(buckets.counts.len());
                buckets.counts.extend(field.value.varints().take(room));
            }
            _ => {}
        }
    }
}

/// Fields of `prometheus.Histogram`.
mod field {
    pub(super) const COUNT_INT: u32 = 1;
    pub(super) const SUM: u32 = 3;
    pub(super) const SCHEMA: u32 = 4;
    pub(super) const ZERO_THRESHOLD: u32 = 5;
    pub(super) const ZERO_COUNT_INT: u32 = 6;
    pub(super) const NEGATIVE_SPANS: u32 = 8;
    pub(super) const NEGATIVE_DELTAS: u32 = 9;
    pub(super) const POSITIVE_SPANS: u32 = 11;
    pub(super) const POSITIVE_DELTAS: u32 = 12;
    pub(super) const TIMESTAMP: u32 = 15;
}

/// A histogram that says that its series has ended.
fn put_stale(out: &mut Vec<u8>, time: i64) {
    put_varint_field(out, field::COUNT_INT, STALE);
    put_double(out, field::SUM, f64::from_bits(STALE));
    put_double(out, field::ZERO_THRESHOLD, DEFAULT_ZERO_THRESHOLD);
    put_varint_field(out, field::ZERO_COUNT_INT, 0);
    put_varint_field(out, field::TIMESTAMP, time as u64);
}

fn put_histogram(out: &mut Vec<u8>, histogram: &Exponential, time: i64) {
    let threshold = match histogram.zero_threshold {
        0.0 => DEFAULT_ZERO_THRESHOLD,
        threshold => threshold,
    };
    put_varint_field(out, field::COUNT_INT, histogram.observations.count);
    put_double(out, field::SUM, histogram.observations.sum.unwrap_or(0.0));
    put_varint_field(out, field::SCHEMA, zigzag(i64::from(histogram.scale)));
    put_double(out, field::ZERO_THRESHOLD, threshold);
    put_varint_field(out, field::ZERO_COUNT_INT, histogram.zero_count);
    put_buckets(out, &histogram.negative, field::NEGATIVE_SPANS, field::NEGATIVE_DELTAS);
    put_buckets(out, &histogram.positive, field::POSITIVE_SPANS, field::POSITIVE_DELTAS);
    put_varint_field(out, field::TIMESTAMP, time as u64);
}

/// Writes dense buckets as spans of buckets that are near each other, and the counts as differences from
/// one bucket to the next. OTLP's bucket 0 is Prometheus' bucket 1.
fn put_buckets(out: &mut Vec<u8>, buckets: &Buckets, spans: u32, deltas: u32) {
    let mut counts: Vec<u8> = Vec::new();
    let mut span: Option<(i64, u64)> = None;
    let (mut next_index, mut previous) = (0i64, 0i64);
    for (index, count) in buckets.filled() {
        let index = index + 1;
        let gap = index - next_index;
        match span.as_mut() {
            Some((_, length)) if gap <= SMALL_GAP => {
                for _ in 0..gap {
                    put_varint(&mut counts, zigzag(-previous));
                    previous = 0;
                }
                *length += gap as u64 + 1;
            }
            _ => {
                if let Some((offset, length)) = span.replace((gap, 1)) {
                    put_span(out, spans, offset, length);
                }
            }
        }
        put_varint(&mut counts, zigzag((count as i64).wrapping_sub(previous)));
        previous = count as i64;
        next_index = index + 1;
    }
    let Some((offset, length)) = span else { return };
    put_span(out, spans, offset, length);
    put_bytes(out, deltas, &counts);
}

/// Writes a `BucketSpan`: how far behind the span before it, and how many buckets.
fn put_span(out: &mut Vec<u8>, number: u32, offset: i64, length: u64) {
    put_header(out, number, 1 + varint_length(zigzag(offset)) + 1 + varint_length(length));
    put_varint_field(out, 1, zigzag(offset));
    put_varint_field(out, 2, length);
}
