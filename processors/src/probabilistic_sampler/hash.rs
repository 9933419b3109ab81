//! The hash that decides, bit for bit the Collector's, so that both keep the same traces.

use super::threshold::{Randomness, Threshold};

/// The hash has 2^14 buckets.
const BUCKET_BITS: u32 = 14;
const BUCKETS: u32 = 1 << BUCKET_BITS;

/// 32-bit FNV-1a of the seed's four bytes in little endian, then the data.
#[derive(Clone, Copy, Debug)]
pub(super) struct Hasher {
    /// The hash of the seed.
    start: u32,
}

impl Hasher {
    pub(super) fn new(seed: u32) -> Self {
        const OFFSET_BASIS: u32 = 0x811c_9dc5;
        Self { start: fnv1a(OFFSET_BASIS, &seed.to_le_bytes()) }
    }

    /// The randomness of what is hashed: the bucket, counted from the top so that few dropped means a low
    /// threshold, in the 14 highest bits; below it bits that decide nothing.
    pub(super) fn randomness(self, data: &[u8]) -> Randomness {
        let hash = fnv1a(self.start, data);
        let bucket = u64::from(hash % BUCKETS);
        let from_top = u64::from(BUCKETS) - 1 - bucket;
        let unused = u64::from(hash >> (32 - BUCKET_BITS));
        let mixed = unused ^ (unused << 10);
        Randomness::new(from_top << 42 | mixed << 14 | bucket)
    }
}

fn fnv1a(start: u32, data: &[u8]) -> u32 {
    const PRIME: u32 = 0x0100_0193;
    data.iter().fold(start, |hash, byte| (hash ^ u32::from(*byte)).wrapping_mul(PRIME))
}

/// The threshold of a percentage; `None` when not even one bucket stays. Percentages above 100 are 100.
///
/// The number of buckets is computed in 32-bit floating point and rounded down, as the Collector does
/// it: another rounding would move traces.
pub(super) fn threshold(percentage: f32) -> Option<Threshold> {
    const BUCKETS_PER_PERCENT: f32 = 163.84;
    let kept = (percentage.min(100.0) * BUCKETS_PER_PERCENT) as u32;
    (kept > 0).then(|| Threshold(u64::from(BUCKETS - kept) << 42))
}
