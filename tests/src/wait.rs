//! Waiting for conditions.

use std::fmt::Debug;
use std::future::Future;
use std::time::{Duration, Instant};

/// How long anything may take; generous, because the machine may be busy, and never reached when things
/// work.
pub const PATIENCE: Duration = Duration::from_mins(1);
const PAUSE: Duration = Duration::from_millis(25);

/// Waits until `probe` gives a value. Its errors say what is missing; the last one is in the panic.
pub async fn until<T, E: Debug, F: Future<Output = Result<T, E>>>(
    what: &str,
    mut probe: impl FnMut() -> F,
) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        match probe().await {
            Ok(value) => return value,
            Err(error) if Instant::now() > deadline => panic!("waited in vain for {what}: {error:?}"),
            Err(_) => tokio::time::sleep(PAUSE).await,
        }
    }
}
