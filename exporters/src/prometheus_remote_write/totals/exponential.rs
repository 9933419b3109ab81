//! Exponential histograms that can be added.

use super::Observations;

/// The most buckets of one side of a total, as OpenTelemetry's SDKs have it.
pub(in crate::prometheus_remote_write) const MOST_BUCKETS: usize = 160;
/// The coarsest scale that Prometheus has.
const COARSEST: i32 = -4;

/// Counts of neighbouring buckets.
#[derive(Clone, Debug, Default, PartialEq)]
pub(in crate::prometheus_remote_write) struct Buckets {
    /// The index of the first.
    pub(in crate::prometheus_remote_write) offset: i64,
    /// How many observations each has.
    pub(in crate::prometheus_remote_write) counts: Vec<u64>,
}

impl Buckets {
    /// None, at index 0.
    pub(in crate::prometheus_remote_write) fn clear(&mut self) {
        self.offset = 0;
        self.counts.clear();
    }

    /// Buckets that are not empty, with their indices, in order.
    pub(in crate::prometheus_remote_write) fn filled(&self) -> impl Iterator<Item = (i64, u64)> {
        (self.offset..).zip(self.counts.iter().copied()).filter(|(_, count)| *count > 0)
    }

    /// Whether Prometheus' indices, which are 32 bits and one higher, can name them.
    pub(in crate::prometheus_remote_write) fn is_in_range(&self) -> bool {
        let end = self.offset + self.counts.len() as i64;
        self.offset >= i64::from(i32::MIN) && end < i64::from(i32::MAX)
    }

    /// Puts each 2^`steps` neighbours into one.
    fn reduce_scale(&mut self, steps: u32) {
        let steps = steps.min(63);
        let first = self.offset >> steps;
        let mut merged: Vec<u64> = Vec::new();
        for (index, count) in (self.offset..).zip(&self.counts) {
            let at = ((index >> steps) - first) as usize;
            match merged.get_mut(at) {
                Some(total) => *total = total.wrapping_add(*count),
                None => merged.push(*count),
            }
        }
        *self = Self { offset: first, counts: merged };
    }

    /// How many buckets there are from the first to the last of both, empty ones at the ends left out.
    fn width_with(&self, other: &Self) -> usize {
        let mut ends = self.filled().chain(other.filled()).map(|(index, _)| index);
        let Some(first) = ends.next() else { return 0 };
        let (low, high) = ends.fold((first, first), |(low, high), index| (low.min(index), high.max(index)));
        usize::try_from(high - low).map_or(usize::MAX, |distance| distance.saturating_add(1))
    }

    /// Adds the counts of other buckets of the same scale. The width of both is bounded by the caller.
    fn add(&mut self, other: &Self) {
        let mut filled = self.filled().chain(other.filled()).map(|(index, _)| index);
        let Some(first) = filled.next() else { return };
        let (low, high) = filled.fold((first, first), |(low, high), index| (low.min(index), high.max(index)));
        let mut counts = vec![0u64; (high - low + 1) as usize];
        for (index, count) in self.filled().chain(other.filled()) {
            let total = &mut counts[(index - low) as usize];
            *total = total.wrapping_add(count);
        }
        *self = Self { offset: low, counts };
    }
}

/// An exponential histogram.
#[derive(Clone, Debug, Default, PartialEq)]
pub(in crate::prometheus_remote_write) struct Exponential {
    pub(in crate::prometheus_remote_write) observations: Observations,
    pub(in crate::prometheus_remote_write) scale: i32,
    pub(in crate::prometheus_remote_write) zero_count: u64,
    pub(in crate::prometheus_remote_write) zero_threshold: f64,
    pub(in crate::prometheus_remote_write) positive: Buckets,
    pub(in crate::prometheus_remote_write) negative: Buckets,
}

impl Exponential {
    pub(super) fn cost(&self) -> usize {
        8 * (self.positive.counts.capacity() + self.negative.counts.capacity())
    }

    /// Makes it as coarse as `scale`, which is not above its own.
    pub(in crate::prometheus_remote_write) fn reduce_scale(&mut self, scale: i32) {
        let steps = self.scale.saturating_sub(scale).unsigned_abs();
        if steps > 0 {
            self.positive.reduce_scale(steps);
            self.negative.reduce_scale(steps);
            self.scale = scale;
        }
    }

    /// How many observations its buckets have; nothing if that is more than can be counted.
    pub(in crate::prometheus_remote_write) fn bucket_total(&self) -> Option<u64> {
        let counts = self.positive.counts.iter().chain(&self.negative.counts);
        counts.copied().try_fold(self.zero_count, u64::checked_add)
    }

    /// Whether a point can be added to this total: their zero buckets are equally wide, and at the coarsest
    /// scale there are few enough buckets.
    pub(super) fn can_add(&self, point: &Self) -> bool {
        self.zero_threshold.to_bits() == point.zero_threshold.to_bits() && self.scale_with(point).is_some()
    }

    /// The finest scale at which both together have few enough buckets.
    fn scale_with(&self, point: &Self) -> Option<i32> {
        let (mut one, mut other) = (self.clone(), point.clone());
        let mut scale = one.scale.min(other.scale);
        loop {
            one.reduce_scale(scale);
            other.reduce_scale(scale);
            let width =
                one.positive.width_with(&other.positive).max(one.negative.width_with(&other.negative));
            if width <= MOST_BUCKETS {
                return Some(scale);
            }
            if scale <= COARSEST {
                return None;
            }
            scale -= 1;
        }
    }

    /// Adds a point, of which [`Self::can_add`] was true.
    pub(super) fn add(&mut self, point: &Self) {
        let Some(scale) = self.scale_with(point) else { return };
        let mut point = point.clone();
        self.reduce_scale(scale);
        point.reduce_scale(scale);
        self.observations.add(point.observations);
        self.zero_count = self.zero_count.wrapping_add(point.zero_count);
        self.positive.add(&point.positive);
        self.negative.add(&point.negative);
    }

    /// Makes a first point fit for a total.
    pub(super) fn limit_buckets(&mut self) {
        if let Some(scale) = self.scale_with(&Self { scale: self.scale, ..Self::default() }) {
            self.reduce_scale(scale);
        }
    }
}
