//! Free loopback ports.

use std::collections::HashSet;
use std::hash::{BuildHasher, RandomState};
use std::net::TcpListener;
use std::ops::Range;
use std::sync::Mutex;

/// Below the range from which the system takes ports for outgoing connections: a port of that range can
/// be in use again before the server that it was found for has bound it.
const RANGE: Range<u16> = 10_000..32_000;

/// A port that nobody listens on now, and that this process has not given out before.
pub fn free() -> u16 {
    static GIVEN: Mutex<Option<HashSet<u16>>> = Mutex::new(None);
    let mut attempt = 0u32;
    loop {
        attempt += 1;
        let port = random_in_range(attempt);
        let is_free = TcpListener::bind(("127.0.0.1", port)).is_ok();
        if is_free && GIVEN.lock().unwrap().get_or_insert_with(HashSet::new).insert(port) {
            return port;
        }
    }
}

/// Random, because other test processes look for ports at the same time.
fn random_in_range(attempt: u32) -> u16 {
    let random = RandomState::new().hash_one(attempt);
    RANGE.start + (random % u64::try_from(RANGE.len()).unwrap()) as u16
}
