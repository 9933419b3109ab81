//! Running totals: delta points turned cumulative.
//!
//! A delta point says what happened in an interval; Prometheus wants what happened since the start. The
//! total of each stream is kept, a stream being known by its resource, scope, metric and attributes.
//!
//! * A point that ends later than all before it is added. So is the first one of a stream: the total starts
//!   with it. A gap between intervals changes nothing, nor does an overlap.
//! * A point that is there again, byte for byte and at the end of what was counted, gives the same total
//!   again and is not added: a client sends again what was not acknowledged.
//! * Any other point that ends no later than what was counted, or starts before the stream did, is refused
//!   as out of order, or as a duplicate if it ends at the same time.
//! * A histogram with other bounds, or another width of the zero bucket, starts its total anew. Prometheus
//!   takes that for a restart of the process, which it can handle.
//! * Exponential histograms are added at the coarser of their scales, and made coarser until each side has
//!   no more than 160 buckets.
//! * The totals that were used last are kept, in [`MEMORY`]. A stream that was forgotten starts anew.
//!
//! Totals live in the process: after a restart all start anew.

mod exponential;

#[cfg(test)]
mod tests;

use super::drops::Reason;
use super::generations::{Cost, Generations};

pub(super) use exponential::{Buckets, Exponential};

/// What totals may cost, in bytes: room for about 130,000 sums, of which the half that was used last is
/// certain to be kept.
const MEMORY: usize = 32 << 20;
/// What an entry costs beside its buckets, with its place in the map.
const ENTRY: usize = 256;

/// When a delta point started and ended, in nanoseconds, and a hash of all it says.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Interval {
    pub(super) start: u64,
    pub(super) time: u64,
    pub(super) content: u64,
}

/// The value of a number point.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Number {
    Int(i64),
    Double(f64),
}

impl Number {
    /// As the bits of a double. Doubles are passed on bit by bit: NaN has many meanings.
    pub(super) fn to_bits(self) -> u64 {
        match self {
            Self::Int(value) => (value as f64).to_bits(),
            Self::Double(value) => value.to_bits(),
        }
    }
}

/// How many observations a histogram has, and their sum if it is known.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Observations {
    pub(super) count: u64,
    pub(super) sum: Option<f64>,
}

impl Observations {
    fn add(&mut self, other: Self) {
        self.count = self.count.wrapping_add(other.count);
        // A sum that is missing once, or no finite number, cannot be known from then on.
        let sum = self.sum.zip(other.sum).map(|(one, other)| one + other);
        self.sum = sum.filter(|sum| sum.is_finite());
    }
}

/// The totals of all streams.
#[derive(Debug)]
pub(super) struct Totals(Generations<Stream>);

impl Default for Totals {
    fn default() -> Self {
        Self(Generations::new(MEMORY))
    }
}

#[derive(Debug)]
struct Stream {
    first_start: u64,
    last: Interval,
    total: Total,
}

#[derive(Debug)]
enum Total {
    Nothing,
    Number { int: i64, double: f64 },
    Histogram { observations: Observations, bounds: Vec<f64>, counts: Vec<u64> },
    Exponential(Exponential),
}

impl Cost for Stream {
    fn cost(&self) -> usize {
        ENTRY
            + match &self.total {
                Total::Nothing | Total::Number { .. } => 0,
                Total::Histogram { bounds, counts, .. } => 8 * (bounds.capacity() + counts.capacity()),
                Total::Exponential(total) => total.cost(),
            }
    }
}

/// What to do with a point.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Admission {
    Add,
    Repeat,
}

impl Stream {
    fn new() -> Self {
        Self { first_start: u64::MAX, last: Interval::default(), total: Total::Nothing }
    }

    fn admit(&mut self, interval: Interval) -> Result<Admission, Reason> {
        let Interval { start, time, content } = interval;
        let is_first = matches!(self.total, Total::Nothing);
        if is_first {
            self.first_start = start;
        } else if time == self.last.time {
            let is_same = start == self.last.start && content == self.last.content;
            return if is_same { Ok(Admission::Repeat) } else { Err(Reason::Duplicate) };
        } else if time < self.last.time || (start != 0 && start < self.first_start) {
            return Err(Reason::OutOfOrder);
        }
        self.last = interval;
        Ok(Admission::Add)
    }
}

impl Totals {
    /// The total of a sum with a point. What is no finite number would be the total for ever.
    pub(super) fn number(&mut self, stream: u128, interval: Interval, value: Number) -> Result<f64, Reason> {
        if matches!(value, Number::Double(value) if !value.is_finite()) {
            return Err(Reason::NoValue);
        }
        self.0.update(stream, Stream::new, |stream| {
            let admission = stream.admit(interval)?;
            if !matches!(stream.total, Total::Number { .. }) {
                stream.total = Total::Number { int: 0, double: 0.0 };
            }
            let Total::Number { int, double } = &mut stream.total else { return Ok(0.0) };
            if admission == Admission::Add {
                match value {
                    Number::Int(value) => match int.checked_add(value) {
                        Some(sum) => *int = sum,
                        None => *double += value as f64,
                    },
                    Number::Double(value) => *double += value,
                }
            }
            Ok(*int as f64 + *double)
        })
    }

    /// Puts the total of a histogram in the place of a point: its observations and the counts of its
    /// buckets.
    pub(super) fn histogram(
        &mut self,
        stream: u128,
        interval: Interval,
        point: &mut Observations,
        point_bounds: &[f64],
        point_counts: &mut Vec<u64>,
    ) -> Result<(), Reason> {
        self.0.update(stream, Stream::new, |stream| {
            let admission = stream.admit(interval)?;
            match &mut stream.total {
                Total::Histogram { observations, bounds, counts }
                    if bounds == point_bounds && counts.len() == point_counts.len() =>
                {
                    if admission == Admission::Add {
                        observations.add(*point);
                        for (total, count) in counts.iter_mut().zip(&*point_counts) {
                            *total = total.wrapping_add(*count);
                        }
                    }
                    *point = *observations;
                    point_counts.copy_from_slice(counts);
                }
                total => {
                    *total = Total::Histogram {
                        observations: *point,
                        bounds: point_bounds.to_vec(),
                        counts: point_counts.clone(),
                    };
                }
            }
            Ok(())
        })
    }

    /// Puts the total of an exponential histogram in the place of a point.
    pub(super) fn exponential(
        &mut self,
        stream: u128,
        interval: Interval,
        point: &mut Exponential,
    ) -> Result<(), Reason> {
        self.0.update(stream, Stream::new, |stream| {
            let admission = stream.admit(interval)?;
            match &mut stream.total {
                Total::Exponential(total) if total.can_add(point) => {
                    if admission == Admission::Add {
                        total.add(point);
                    }
                }
                total => {
                    let mut first = point.clone();
                    first.limit_buckets();
                    *total = Total::Exponential(first);
                }
            }
            if let Total::Exponential(total) = &stream.total {
                point.clone_from(total);
            }
            Ok(())
        })
    }
}
