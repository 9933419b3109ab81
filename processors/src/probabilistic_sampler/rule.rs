//! The decision about one item, the same for spans and log records.

use super::hash::{self, Hasher};
use super::threshold::{Randomness, Threshold};

/// How a sampler decides.
#[derive(Clone, Debug)]
pub(super) struct Rule {
    /// `None` when not even one bucket of the hash stays.
    threshold: Option<Threshold>,
    hasher: Hasher,
    fails_closed: bool,
}

/// What an item says about sampling that was done before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Earlier {
    /// Nothing.
    Nothing,
    /// It has a randomness or a threshold, which this mode cannot use.
    Sampled,
    /// Something that cannot be read.
    Broken,
}

/// What is known about an item.
#[derive(Clone, Copy, Debug)]
pub(super) struct Evidence {
    /// Made from what is hashed; `None` when there is nothing to hash.
    pub(super) randomness: Option<Randomness>,
    /// What it carries.
    pub(super) earlier: Earlier,
    /// The threshold that its priority asks for.
    pub(super) priority: Option<Threshold>,
}

/// What becomes of an item.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Decision {
    pub(super) is_kept: bool,
    /// What is written on an item that is kept; `None` leaves it as it is.
    pub(super) mark: Option<Mark>,
    /// What decided.
    pub(super) policy: Policy,
}

/// What is written on an item that is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Mark {
    /// The randomness that decided; `None` leaves the item's own.
    pub(super) randomness: Option<Randomness>,
    pub(super) threshold: Threshold,
}

/// What decided about an item, as the metric names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Policy {
    /// The hash.
    Hash,
    /// There was nothing to hash.
    Missing,
    /// The item's priority.
    Priority,
}

impl Rule {
    pub(super) fn new(percentage: f32, seed: u32, fails_closed: bool) -> Self {
        Self { threshold: hash::threshold(percentage), hasher: Hasher::new(seed), fails_closed }
    }

    /// The randomness of what is hashed. A sampler that keeps nothing hashes nothing.
    pub(super) fn randomness(&self, data: &[u8]) -> Option<Randomness> {
        self.threshold.map(|_| self.hasher.randomness(data))
    }

    /// Decides.
    ///
    /// An item that cannot be decided about stays or goes by `fail_closed`, and one that carries somebody
    /// else's sampling information is left as it is; a priority overrides both.
    pub(super) fn decide(&self, evidence: &Evidence) -> Decision {
        let undecided = if self.fails_closed { Threshold::NEVER } else { Threshold::ALWAYS };
        let Some(regular) = self.threshold else { return decide_to_drop(undecided, evidence) };
        let is_decidable = evidence.randomness.is_some() && evidence.earlier == Earlier::Nothing;
        let threshold = evidence.priority.unwrap_or(if is_decidable { regular } else { undecided });
        let randomness = evidence.randomness.unwrap_or(Randomness::GREATEST);
        let mark = Mark { randomness: Some(randomness), threshold };
        Decision {
            is_kept: threshold.keeps(randomness),
            mark: (evidence.earlier == Earlier::Nothing).then_some(mark),
            policy: match (evidence.priority, evidence.randomness) {
                (Some(_), _) => Policy::Priority,
                (None, Some(_)) => Policy::Hash,
                (None, None) => Policy::Missing,
            },
        }
    }
}

/// A sampler at 0 % keeps only what a priority asks for, and, unless it fails closed, what is broken. It
/// lowers no probability that an item has, so it marks what was sampled before as well.
fn decide_to_drop(undecided: Threshold, evidence: &Evidence) -> Decision {
    let regular = if evidence.earlier == Earlier::Broken { undecided } else { Threshold::NEVER };
    let threshold = evidence.priority.unwrap_or(regular);
    Decision {
        is_kept: threshold.keeps(Randomness::GREATEST),
        mark: Some(Mark { randomness: None, threshold }),
        policy: Policy::Priority,
    }
}
