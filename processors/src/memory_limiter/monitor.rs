//! Looks at the memory and says whether data is refused.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError, TryLockError};
use std::time::Duration;

use spindle_pipeline::error::BuildError;
use tracing::{info, warn};

use super::limits::{Limits, mebibytes};
use super::memory::{ReadMemory, Usage};

/// How many looks are made while as many bytes pass as the spike is large.
const LOOKS_PER_SPIKE: u64 = 4;

/// What is known about the memory at the moment.
pub(super) struct Monitor {
    refuses: AtomicBool,
    /// Bytes that passed since the last look.
    passed: AtomicU64,
    limits: Limits,
    reader: Mutex<Box<dyn ReadMemory>>,
    /// The memory could not be read, which was said.
    is_blind: AtomicBool,
    /// Who refuses, for the log.
    name: String,
}

/// Ends the thread that looks, when it is dropped.
pub(super) struct Timer {
    _stop: Sender<()>,
}

impl Monitor {
    /// Takes a first look.
    pub(super) fn new(
        limits: Limits,
        mut reader: Box<dyn ReadMemory>,
        name: String,
    ) -> Result<Arc<Self>, BuildError> {
        let usage = reader.read().map_err(|error| BuildError::new("", error.to_string()))?;
        let monitor = Self {
            refuses: AtomicBool::new(false),
            passed: AtomicU64::new(0),
            limits,
            reader: Mutex::new(reader),
            is_blind: AtomicBool::new(false),
            name,
        };
        monitor.judge(usage);
        Ok(Arc::new(monitor))
    }

    /// Looks again after each interval, on a thread of its own: a busy runtime must not delay it.
    pub(super) fn start(self: &Arc<Self>, interval: Duration) -> Result<Timer, BuildError> {
        let (stop, stopped) = channel();
        let monitor = Arc::clone(self);
        std::thread::Builder::new()
            .name("memory_limiter".to_owned())
            .spawn(move || monitor.run(interval, &stopped))
            .map_err(|error| BuildError::new("", format!("cannot start a thread: {error}")))?;
        Ok(Timer { _stop: stop })
    }

    fn run(&self, interval: Duration, stopped: &Receiver<()>) {
        while stopped.recv_timeout(interval) == Err(RecvTimeoutError::Timeout) {
            self.look();
        }
    }

    /// Whether `bytes` more are refused. While they are not, a look is made when many have passed since
    /// the last one, so that load that comes faster than the timer is noticed too.
    pub(super) fn refuses(&self, bytes: usize) -> bool {
        if !self.refuses.load(Ordering::Relaxed) {
            let passed = self.passed.fetch_add(bytes as u64, Ordering::Relaxed) + bytes as u64;
            if passed > self.limits.spike() / LOOKS_PER_SPIKE {
                self.look_unless_busy();
            }
        }
        self.refuses.load(Ordering::Relaxed)
    }

    /// Looks at the memory.
    pub(super) fn look(&self) {
        let mut reader = self.reader.lock().unwrap_or_else(PoisonError::into_inner);
        self.look_with(&mut **reader);
    }

    /// Somebody else who is looking already decides for all.
    fn look_unless_busy(&self) {
        match self.reader.try_lock() {
            Ok(mut reader) => self.look_with(&mut **reader),
            Err(TryLockError::Poisoned(reader)) => self.look_with(&mut **reader.into_inner()),
            Err(TryLockError::WouldBlock) => {}
        }
    }

    fn look_with(&self, reader: &mut dyn ReadMemory) {
        self.passed.store(0, Ordering::Relaxed);
        if self.refuses.load(Ordering::Relaxed) {
            reader.give_back();
        }
        match reader.read() {
            Ok(usage) => {
                self.is_blind.store(false, Ordering::Relaxed);
                self.judge(usage);
            }
            // Nothing is known, so nothing changes.
            Err(error) => {
                if !self.is_blind.swap(true, Ordering::Relaxed) {
                    warn!(processor = %self.name, error = %error, "the memory cannot be read");
                }
            }
        }
    }

    fn judge(&self, usage: Usage) {
        let above = self.limits.above(usage);
        let refused_before = self.refuses.swap(above.is_some(), Ordering::Relaxed);
        let (process, cgroup) = (mebibytes(usage.process), usage.cgroup.map(mebibytes));
        match above {
            Some(above) if !refused_before => {
                let (soft, group) = (mebibytes(self.limits.soft), self.limits.cgroup.map(mebibytes));
                warn!(processor = %self.name, above = above.name(), process_mib = process, soft_limit_mib = soft, cgroup_mib = cgroup, cgroup_soft_limit_mib = group, "memory is above the soft limit: data is refused");
            }
            None if refused_before => {
                info!(processor = %self.name, process_mib = process, cgroup_mib = cgroup, "memory is below the soft limit again: data is taken");
            }
            _ => {}
        }
    }
}
