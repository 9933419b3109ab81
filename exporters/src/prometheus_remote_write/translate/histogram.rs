//! Histograms with explicit bounds: `_sum`, `_count` and a cumulative `_bucket` for each bound.

use spindle_pipeline::otlp::view::Part;

use super::{MOST_PARTS, Metric, NO_RECORDED_VALUE, STALE, Walk};
use crate::prometheus_remote_write::drops::Reason;
use crate::prometheus_remote_write::table::{Context, ExtraKind, PointLabels, Value};
use crate::prometheus_remote_write::totals::Observations;

/// Fields of `HistogramDataPoint`.
const START: u32 = 2;
const TIME: u32 = 3;
const COUNT: u32 = 4;
const SUM: u32 = 5;
const BUCKET_COUNTS: u32 = 6;
const EXPLICIT_BOUNDS: u32 = 7;
const EXEMPLARS: u32 = 8;
const ATTRIBUTES: u32 = 9;
const FLAGS: u32 = 10;

#[derive(Default)]
struct HistogramPoint {
    start: u64,
    time: u64,
    observations: Observations,
    has_exemplars: bool,
    is_stale: bool,
}

impl<'a> Walk<'a, '_> {
    pub(super) fn histogram(
        &mut self,
        metric: &Metric,
        context: &Context,
        point: Part<'a>,
        index: u32,
    ) -> Result<i64, Reason> {
        let mut read = self.read_histogram(point);
        self.check_labels(context)?;
        let time = Self::time(read.time)?;
        self.check_bounds()?;
        if metric.is_delta && !read.is_stale {
            let identity = self.point_identity(metric);
            let interval = self.interval(read.start, read.time, point);
            let (bounds, counts) = (&self.scratch.bounds, &mut self.scratch.counts);
            self.to.totals.histogram(identity, interval, &mut read.observations, bounds, counts)?;
        }
        let mut labels = self.labels(context);
        let at = At { time, index, is_stale: read.is_stale };
        self.add_histogram(metric, &mut labels, &read.observations, at);
        self.to.table.end_point(labels);
        if read.has_exemplars {
            let bounds = std::mem::take(&mut self.scratch.bounds);
            let buckets = std::mem::take(&mut self.scratch.buckets);
            self.exemplars(point, EXEMPLARS, time, |value| {
                let bucket = bounds.partition_point(|bound| value.is_nan() || *bound < value);
                buckets[bucket.min(buckets.len() - 1)]
            });
            (self.scratch.bounds, self.scratch.buckets) = (bounds, buckets);
        }
        Ok(time)
    }

    fn read_histogram(&mut self, point: Part<'a>) -> HistogramPoint {
        let mut read = HistogramPoint::default();
        self.scratch.bounds.clear();
        self.scratch.counts.clear();
        for field in point.fields() {
            match field.number {
                START => read.start = field.value.number(),
                TIME => read.time = field.value.number(),
                COUNT => read.observations.count = field.value.number(),
                SUM => read.observations.sum = Some(field.value.double()),
                BUCKET_COUNTS => self.scratch.counts.extend(field.value.fixed64s()),
                EXPLICIT_BOUNDS => {
                    self.scratch.bounds.extend(field.value.fixed64s().map(f64::from_bits));
                }
                ATTRIBUTES => self.scratch.attribute(field.value.bytes()),
                EXEMPLARS => read.has_exemplars = true,
                FLAGS => read.is_stale = field.value.number() & NO_RECORDED_VALUE != 0,
                _ => {}
            }
        }
        read
    }

    /// Bounds must grow, and not be too many. A last one of infinity, which OTLP leaves out, is left out.
    fn check_bounds(&mut self) -> Result<(), Reason> {
        let bounds = &mut self.scratch.bounds;
        if bounds.last() == Some(&f64::INFINITY) {
            bounds.pop();
        }
        let grow = bounds.windows(2).all(|pair| pair[0] < pair[1]);
        if grow && bounds.len() <= MOST_PARTS && !bounds.first().is_some_and(|bound| bound.is_nan()) {
            Ok(())
        } else {
            Err(Reason::InvalidHistogram)
        }
    }

    /// Adds the samples of a histogram. The series of its buckets are in the scratch afterwards.
    fn add_histogram(
        &mut self,
        metric: &Metric,
        labels: &mut PointLabels,
        observations: &Observations,
        at: At,
    ) {
        let table = &mut self.to.table;
        let scratch = &mut self.scratch;
        // A point without values cannot say whether the series has a sum: if it does, it ends as well.
        if let Some(sum) = observations.sum.or(at.is_stale.then_some(0.0)) {
            table.add(labels, metric.sum, None, at.time, at.value(sum), at.index);
        }
        let count = at.value(observations.count as f64);
        table.add(labels, metric.count, None, at.time, count, at.index);
        scratch.buckets.clear();
        let mut cumulative = 0u64;
        let bounds = &scratch.bounds[..scratch.bounds.len().min(scratch.counts.len())];
        for (bound, in_bucket) in bounds.iter().zip(&scratch.counts) {
            cumulative = cumulative.wrapping_add(*in_bucket);
            let le = table.extra(ExtraKind::Le, *bound);
            let value = at.value(cumulative as f64);
            scratch.buckets.push(table.add(labels, metric.bucket, Some(le), at.time, value, at.index));
        }
        scratch.bounds.truncate(scratch.buckets.len());
        let infinite = table.extra(ExtraKind::Le, f64::INFINITY);
        scratch.buckets.push(table.add(labels, metric.bucket, Some(infinite), at.time, count, at.index));
    }
}

/// When and where from a sample is.
#[derive(Clone, Copy)]
pub(super) struct At {
    pub(super) time: i64,
    pub(super) index: u32,
    pub(super) is_stale: bool,
}

impl At {
    /// The value, unless the series ends.
    pub(super) fn value(self, value: f64) -> Value {
        Value::Float(if self.is_stale { STALE } else { value.to_bits() })
    }
}
