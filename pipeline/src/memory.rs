//! Memory that was freed and that the allocator keeps for later.
//!
//! An allocator gives memory back in its own time, and what a thread freed only when that thread comes for
//! more. Whoever refuses work because memory is short sees to it that no thread does, and would wait for
//! ever. So it asks ([`ask`]), and each thread that is refused work gives back what it keeps ([`give`]),
//! once for each time it was asked.

use std::cell::Cell;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

static RECLAIM: OnceLock<fn()> = OnceLock::new();
/// How often it was asked.
static ASKED: AtomicU64 = AtomicU64::new(0);

thread_local! {
    /// How often it had been asked when this thread gave back last.
    static GIVEN: Cell<u64> = const { Cell::new(0) };
}

/// Says how a thread of this process has the allocator give back what it keeps. The first call counts.
pub fn set_reclaim(reclaim: fn()) {
    // A process has one allocator, so that a second call would say the same.
    let _ = RECLAIM.set(reclaim);
}

/// Gives back what this thread keeps, and has others do so that call [`give`]. It may take milliseconds
/// after a spike. False where nobody said how.
pub fn ask() -> bool {
    ASKED.fetch_add(1, Ordering::Relaxed);
    give();
    RECLAIM.get().is_some()
}

/// Gives back what this thread keeps, unless it did since it was asked last. Costs next to nothing then.
pub fn give() {
    let asked = ASKED.load(Ordering::Relaxed);
    if GIVEN.replace(asked) != asked
        && let Some(reclaim) = RECLAIM.get()
    {
        reclaim();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    static CALLS: AtomicU64 = AtomicU64::new(0);

    /// Every thread gives back once for each time it was asked, and never unasked: giving back costs.
    #[test]
    fn each_thread_gives_back_once_when_asked() {
        assert!(!ask(), "nobody said how");
        set_reclaim(|| _ = CALLS.fetch_add(1, Ordering::Relaxed));
        let calls = || CALLS.load(Ordering::Relaxed);
        give();
        assert_eq!(calls(), 0);
        assert!(ask());
        give();
        assert_eq!(calls(), 1);
        let other = std::thread::spawn(|| (give(), give()));
        other.join().expect("no panic");
        assert_eq!(calls(), 2);
        assert!(ask());
        assert_eq!(calls(), 3);
    }
}
