//! Which labels are the same series.
//!
//! A series is known by 128 bits of its labels, two independent hashes with seeds of this process, so two
//! series are not taken for one by chance or on purpose. The labels `le` and `quantile` count by
//! themselves: a gauge `x_bucket` with the attribute `le` is the same series as a histogram's bucket.

use std::hash::{BuildHasher, Hasher};

use foldhash::fast::{FixedState, RandomState};

use super::label_set::{Extra, ExtraKind, LabelSet};

/// Two hashes of one thing.
pub(super) type Lanes = [u64; 2];

/// The two hash functions of a table.
#[derive(Clone, Debug)]
pub(in crate::prometheus_remote_write) struct Hashes([FixedState; 2]);

impl Default for Hashes {
    fn default() -> Self {
        let random = RandomState::default();
        Self([FixedState::with_seed(random.hash_one(1)), FixedState::with_seed(random.hash_one(2))])
    }
}

impl Hashes {
    /// The hashes of some bytes.
    pub(in crate::prometheus_remote_write) fn of(&self, bytes: &[u8]) -> Lanes {
        self.0.each_ref().map(|state| {
            let mut hasher = state.build_hasher();
            hasher.write(bytes);
            hasher.write_usize(bytes.len());
            hasher.finish()
        })
    }

    /// The hashes of a key and its value.
    pub(in crate::prometheus_remote_write) fn of_pair(&self, key: &str, value: &str) -> Lanes {
        self.0.each_ref().map(|state| {
            let mut hasher = state.build_hasher();
            hasher.write(key.as_bytes());
            hasher.write_usize(key.len());
            hasher.write(value.as_bytes());
            hasher.finish()
        })
    }

    /// One number for several hashes in their order.
    pub(in crate::prometheus_remote_write) fn combined<const N: usize>(&self, parts: [Lanes; N]) -> u128 {
        let lane = |lane: usize| {
            let mut hasher = self.0[lane].build_hasher();
            for part in &parts {
                hasher.write_u64(part[lane]);
            }
            u128::from(hasher.finish())
        };
        lane(0) | lane(1) << 64
    }

    /// The hashes of `le` or `quantile` with a value.
    pub(super) fn of_extra(&self, kind: ExtraKind, value: &str) -> Lanes {
        self.0.each_ref().map(|state| {
            let mut hasher = state.build_hasher();
            hasher.write_u8(kind as u8);
            hasher.write(value.as_bytes());
            hasher.finish()
        })
    }

    /// What a series is known by: its labels, of which `extra` replaces one of the same name.
    pub(super) fn series(&self, labels: &LabelSet, name: Lanes, extra: Option<&Extra>) -> u128 {
        let mut extras = labels.extra_hashes();
        if let Some(extra) = extra {
            extras[extra.kind as usize] = extra.hash;
        }
        self.combined([labels.hash(), name, extras[0], extras[1]])
    }
}
