//! The `memory_limiter` processor: refuses data for now while memory is short.
//!
//! What it guarantees, and what not:
//!
//! * While the process holds more than the soft limit (the limit without the spike), or its control group
//!   more than its own limit without the spike, every request is refused with a retryable error, whose
//!   text is the Collector's. Nothing is dropped here: clients send again.
//! * Memory is looked at after every `check_interval`, on a thread of its own, and besides whenever a
//!   quarter of the spike has passed through since the last look. So what comes in between two looks is
//!   bounded in time and in bytes. What bounds the memory itself is that the spike covers what requests
//!   become on their way; the limiter has to be the first processor, and queues have their own bounds.
//! * Letting a request pass costs two loads and one addition, refusing it two loads.
//! * It refuses, it does not free: memory falls when exporters deliver what is queued. What they have freed
//!   goes back to the kernel while data is refused, with or without load.

mod cgroup;
mod config;
mod limits;
mod memory;
mod monitor;

#[cfg(test)]
mod tests;

use std::path::Path;
use std::sync::Arc;

use spindle_pipeline::component::{
    BuildContext, BuiltProcessor, Factory, ProcessorFactory, Stability, Transform,
};
use spindle_pipeline::error::{BuildError, ConsumeError};
use spindle_pipeline::telemetry::{Counter, Metric};
use spindle_pipeline::{Batch, Signal, SignalSet};
use tracing::{info, warn};

pub use config::Config;
use limits::{Limits, mebibytes};
use memory::Kernel;
use monitor::{Monitor, Timer};

/// The type `memory_limiter`.
pub struct MemoryLimiter;

impl Factory for MemoryLimiter {
    type Config = Config;
    const TYPE: &'static str = "memory_limiter";
    const SIGNALS: SignalSet = SignalSet::ALL;
    const STABILITY: Stability = Stability::Beta;
}

impl ProcessorFactory for MemoryLimiter {
    fn build(config: &Config, context: &BuildContext, signal: Signal) -> Result<BuiltProcessor, BuildError> {
        let kernel = Kernel::new(Path::new("/"));
        let limits = Limits::new(config, &kernel).map_err(|error| {
            BuildError::new(
                "limit_percentage",
                format!("failed to get total memory, use fixed memory settings (limit_mib): {error}"),
            )
        })?;
        let name = format!("{} ({signal})", context.id);
        info!(
            processor = %name,
            limit_mib = mebibytes(limits.hard),
            soft_limit_mib = mebibytes(limits.soft),
            cgroup_soft_limit_mib = limits.cgroup.map(mebibytes),
            "memory is limited"
        );
        if let Some(group) = kernel.cgroup.as_ref().filter(|group| group.limit < limits.hard) {
            warn!(processor = %name, limit_mib = mebibytes(limits.hard), cgroup_limit_mib = mebibytes(group.limit), "the limit is above that of the control group, which counts");
        }
        let monitor = Monitor::new(limits, Box::new(kernel), name)?;
        let timer = monitor.start(config.check_interval.get())?;
        Ok(BuiltProcessor::Transform(Arc::new(Limiter::new(monitor, Some(timer), context, signal))))
    }
}

struct Limiter {
    monitor: Arc<Monitor>,
    accepted: Counter,
    refused: Counter,
    _timer: Option<Timer>,
}

impl Limiter {
    fn new(monitor: Arc<Monitor>, timer: Option<Timer>, context: &BuildContext, signal: Signal) -> Self {
        let labels = || vec![("processor".into(), context.id.to_string().into())];
        Self {
            monitor,
            accepted: context.telemetry.counter(Metric::memory_limiter_accepted(signal), labels()),
            refused: context.telemetry.counter(Metric::memory_limiter_refused(signal), labels()),
            _timer: timer,
        }
    }
}

impl Transform for Limiter {
    fn transform(&self, batch: Batch) -> Result<Option<Batch>, ConsumeError> {
        if self.monitor.refuses(batch.byte_size()) {
            self.refused.inc_by(batch.items() as u64);
            return Err(ConsumeError::unavailable("data refused due to high memory usage"));
        }
        self.accepted.inc_by(batch.items() as u64);
        Ok(Some(batch))
    }
}
