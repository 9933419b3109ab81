//! The `nvml` receiver: metrics of NVIDIA GPUs, read through the driver's management library.
//!
//! What it guarantees:
//!
//! * No GPU, no library, no driver is one line in the log, never an error: it tries again at growing
//!   intervals ([`Backoff`]), so a driver that is installed later is found.
//! * A value that a GPU does not have is an absent series, never 0. What the driver says it does not
//!   support, or does not permit, is not asked for again in that session.
//! * A GPU that is lost keeps one series, `hw.status` with `failed` = 1; the others are read on.
//! * A driver that is exchanged underneath ends the session: the library is shut down, unloaded, and
//!   loaded anew.
//! * The driver's calls run on one thread of their own. One that hangs holds up nothing else and is told
//!   by the scrape loop ([`crate::support::scrape`]).
//! * The library is never asked for what is known to be dear: PCIe throughput blocks 20 ms a call. Bytes over
//!   PCIe come from counts instead, which the driver may keep in 32 bits; their totals are kept here.
//!
//! [`Source`] reads in sessions, each from the library's start to its shutdown.

mod calls;
mod config;
mod field_values;
mod session;
mod source;
mod verdict;

#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use spindle_pipeline::component::{
    BuildContext, Factory, Receiver, ReceiverContext, ReceiverFactory, Stability,
};
use spindle_pipeline::error::{BuildError, RunError};
use spindle_pipeline::telemetry::Telemetry;
use spindle_pipeline::{Signal, SignalSet};

use super::names::{Metric, OPENTELEMETRY};
use super::publish::Publisher;
use crate::support::boot::boot_time;
use crate::support::scrape::{self, ScrapeSettings, unix_nanoseconds};

pub use config::{Config, GpuName, Selection};
pub use source::{Backoff, Source, SourceSettings};

/// Where the receiver's metrics say they come from.
const SCOPE: &str = "spindle/receiver/nvml";

/// How long a reading may take before the receiver counts as hanging. The first one of a session wakes
/// GPUs that nobody uses, which takes seconds without NVIDIA's persistence mode.
const PATIENCE: Duration = Duration::from_secs(15);

/// The type `nvml`.
pub struct Nvml;

impl Factory for Nvml {
    type Config = Config;
    const TYPE: &'static str = "nvml";
    const SIGNALS: SignalSet = SignalSet::METRICS;
    const STABILITY: Stability = Stability::Alpha;
}

impl ReceiverFactory for Nvml {
    fn build(config: Config, context: &BuildContext) -> Result<Box<dyn Receiver>, BuildError> {
        let (id, telemetry) = (context.id.to_string(), context.telemetry.clone());
        Ok(Box::new(NvmlReceiver { config, id, telemetry, backoff: Backoff::default(), patience: PATIENCE }))
    }
}

struct NvmlReceiver {
    config: Config,
    id: String,
    telemetry: Telemetry,
    backoff: Backoff,
    patience: Duration,
}

#[async_trait]
impl Receiver for NvmlReceiver {
    async fn run(self: Box<Self>, context: ReceiverContext) -> Result<(), RunError> {
        let Some(consumer) = context.outputs.get(Signal::Metrics, "") else {
            context.drain.cancelled().await;
            return Ok(());
        };
        // Where the boot time is unknown, counters count since we look.
        let mut publisher = publisher(&self.config, boot_time().unwrap_or_else(unix_nanoseconds));
        let source = Source::new(SourceSettings {
            id: Arc::from(self.id.as_str()),
            library: self.config.library().map(Into::into),
            fields: publisher.fields(),
            selection: self.config.selection(),
            backoff: self.backoff,
        });
        let settings = ScrapeSettings {
            id: self.id,
            thread: "nvml",
            interval: self.config.collection_interval.get(),
            initial_delay: self.config.initial_delay.get(),
            patience: self.patience,
        };
        let publish = move |reading, now| publisher.publish(&reading, now);
        scrape::run(source, settings, context, consumer, &self.telemetry, publish).await
    }
}

/// Publishes what the configuration enables, under OpenTelemetry's names. Counters count since `boot`, in
/// nanoseconds since 1970.
pub fn publisher(config: &Config, boot: u64) -> Publisher {
    let is_enabled = |metric: &Metric| config.metrics.is_enabled(metric.info.name, metric.is_default);
    Publisher::new(&OPENTELEMETRY, SCOPE, boot, is_enabled)
}
