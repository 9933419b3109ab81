//! Which records are done: everything below one sequence number, and ranges above it.
//!
//! Records are done out of order, but nearly in order: the number of ranges is at most the number of
//! records that were given out and are not done yet, plus one.

use std::collections::BTreeMap;

/// The sequence numbers that need not be given again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct DoneSet {
    lowest: u64,
    /// From first to last, both included, all above `lowest`, none touching another.
    ranges: BTreeMap<u64, u64>,
}

impl DoneSet {
    /// Everything below `lowest` is done.
    pub fn below(lowest: u64) -> Self {
        Self { lowest, ranges: BTreeMap::new() }
    }

    /// The lowest number that is not done.
    pub fn lowest(&self) -> u64 {
        self.lowest
    }

    /// The ranges above it, from first to last.
    pub fn ranges(&self) -> impl ExactSizeIterator<Item = (u64, u64)> {
        self.ranges.iter().map(|(first, last)| (*first, *last))
    }

    /// The number behind all that are done.
    pub fn end(&self) -> u64 {
        self.ranges.last_key_value().map_or(self.lowest, |(_, last)| last.saturating_add(1))
    }

    pub fn contains(&self, sequence: u64) -> bool {
        sequence < self.lowest
            || self.ranges.range(..=sequence).next_back().is_some_and(|(_, last)| sequence <= *last)
    }

    /// All from `first` to `last` are done; an empty range changes nothing.
    pub fn mark(&mut self, first: u64, last: u64) {
        let (mut first, mut last) = (first.max(self.lowest), last);
        if first > last {
            return;
        }
        while let Some((&start, &end)) = self.ranges.range(..=last.saturating_add(1)).next_back() {
            if end.saturating_add(1) < first {
                break;
            }
            self.ranges.remove(&start);
            (first, last) = (first.min(start), last.max(end));
        }
        if first == self.lowest {
            self.lowest = last.saturating_add(1);
        } else {
            self.ranges.insert(first, last);
        }
    }
}
