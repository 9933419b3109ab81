//! The tokio runtime of the agent.

use std::io;
use std::num::NonZero;

use tokio::runtime::{Builder, Runtime};

/// tokio's own variable for the number of its workers.
const WORKERS_VARIABLE: &str = "TOKIO_WORKER_THREADS";
/// One worker forwards well over a million spans a second; more only help where compression or large
/// bodies are the work, and each one costs wake-ups between threads.
const MOST_WORKERS: usize = 4;

/// A runtime whose workers leave the machine to those it is there for: half the cores, at most four,
/// unless the variable says otherwise.
pub fn build() -> io::Result<Runtime> {
    let mut builder = Builder::new_multi_thread();
    if std::env::var_os(WORKERS_VARIABLE).is_none() {
        let cores = std::thread::available_parallelism().map_or(1, NonZero::get);
        builder.worker_threads((cores / 2).clamp(1, MOST_WORKERS));
    }
    builder.thread_name("spindle-worker").enable_all().build()
}
