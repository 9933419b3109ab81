//! Why data points are gone: every one is counted under exactly one reason.

use super::table::PointSet;

/// Why a data point has no samples, as `otelcol_dropped_items` names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// No character of the metric's name can stand in a Prometheus name.
    InvalidName,
    /// The key of an attribute gives no label name.
    InvalidLabel,
    /// The labels of the point are longer than any back end takes.
    LabelsTooLong,
    /// The point says no time.
    NoTimestamp,
    /// The point says no value, nor that it has none; or a delta that is no finite number.
    NoValue,
    /// The metric says neither delta nor cumulative.
    InvalidTemporality,
    /// Buckets and counts of a histogram contradict each other, or there are more than 10,000 of them.
    InvalidHistogram,
    /// An exponential histogram is coarser than native histograms can be.
    UnsupportedScale,
    /// A delta point is older than what was counted.
    OutOfOrder,
    /// Another point of the same series and time has another value.
    Duplicate,
    /// The back end refused a request with a sample of it.
    Rejected,
    /// The time for repetitions ran out.
    RetriesExhausted,
    /// The back end could not be reached, and `retry_on_failure` is off.
    RetryDisabled,
}

impl Reason {
    const ALL: [Self; 13] = [
        Self::InvalidName,
        Self::InvalidLabel,
        Self::LabelsTooLong,
        Self::NoTimestamp,
        Self::NoValue,
        Self::InvalidTemporality,
        Self::InvalidHistogram,
        Self::UnsupportedScale,
        Self::OutOfOrder,
        Self::Duplicate,
        Self::Rejected,
        Self::RetriesExhausted,
        Self::RetryDisabled,
    ];

    /// The label's value.
    pub const fn name(self) -> &'static str {
        match self {
            Self::InvalidName => "invalid_name",
            Self::InvalidLabel => "invalid_label",
            Self::LabelsTooLong => "labels_too_long",
            Self::NoTimestamp => "no_timestamp",
            Self::NoValue => "no_value",
            Self::InvalidTemporality => "invalid_temporality",
            Self::InvalidHistogram => "invalid_histogram",
            Self::UnsupportedScale => "unsupported_scale",
            Self::OutOfOrder => "out_of_order",
            Self::Duplicate => "duplicate_sample",
            Self::Rejected => "rejected",
            Self::RetriesExhausted => "retries_exhausted",
            Self::RetryDisabled => "retry_disabled",
        }
    }
}

/// The data points of a batch that did not arrive. A point of several samples counts when one of them did
/// not.
#[derive(Clone, Debug, Default)]
pub struct Drops {
    /// Points without any sample.
    untranslated: [u64; Reason::ALL.len()],
    /// Points that lost a sample to another one of the same series and time.
    pub(super) replaced: PointSet,
    /// Points with a sample in a request that was refused.
    pub(super) rejected: PointSet,
    /// Points with a sample in a request that was given up.
    pub(super) given_up: PointSet,
}

impl Drops {
    /// Nothing is gone.
    pub(super) fn clear(&mut self) {
        self.untranslated = [0; Reason::ALL.len()];
        self.replaced.clear();
        self.rejected.clear();
        self.given_up.clear();
    }

    /// A point has no samples.
    pub(super) fn count(&mut self, reason: Reason) {
        self.untranslated[reason as usize] += 1;
    }

    /// How many points are gone for each reason. `give_up` is why requests were given up.
    pub(super) fn by_reason(&self, give_up: Reason) -> Vec<(Reason, u64)> {
        let mut given_up = self.given_up.clone();
        given_up.remove_all(&self.rejected);
        let mut replaced = self.replaced.clone();
        replaced.remove_all(&self.rejected);
        replaced.remove_all(&given_up);
        let sets = [
            (Reason::Duplicate, replaced.count()),
            (Reason::Rejected, self.rejected.count()),
            (give_up, given_up.count()),
        ];
        let untranslated = Reason::ALL.into_iter().zip(self.untranslated);
        untranslated.chain(sets).filter(|(_, count)| *count > 0).collect()
    }
}
