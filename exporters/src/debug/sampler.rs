//! Which batches are shown.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// The time in which batches are counted together, that of the Collector.
const TICK: Duration = Duration::from_secs(1);

/// Admits the first batches of each second, and then every n-th.
pub(super) struct Sampler {
    initial: u64,
    thereafter: u64,
    tick: Mutex<Tick>,
}

struct Tick {
    since: Instant,
    count: u64,
}

impl Sampler {
    pub(super) fn new(initial: u64, thereafter: u64) -> Self {
        Self { initial, thereafter, tick: Mutex::new(Tick { since: Instant::now(), count: 0 }) }
    }

    /// Counts a batch, and says whether it is shown.
    pub(super) fn admits(&self) -> bool {
        let mut tick = self.tick.lock().unwrap_or_else(PoisonError::into_inner);
        if tick.since.elapsed() >= TICK {
            *tick = Tick { since: Instant::now(), count: 0 };
        }
        tick.count += 1;
        match tick.count.saturating_sub(self.initial) {
            0 => true,
            beyond => self.thereafter > 0 && beyond.is_multiple_of(self.thereafter),
        }
    }
}
