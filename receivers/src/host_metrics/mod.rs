//! The `host_metrics` receiver: what the host does, under the names of the Collector's receiver.
//!
//! What it guarantees:
//!
//! * A value that the host does not give is an absent series, never 0. A file, a line or a mount that
//!   should have given one and did not is counted, told once, and keeps nothing else from being read.
//! * Counters carry the start of the kernel as their start.
//! * A file system that hangs holds up nothing for longer than a few seconds, once.
//!
//! [`source`] fills [`reading::HostReading`]s on a thread of their own; [`names`] turns them into metrics.

pub mod config;
pub mod filter;
pub mod names;
pub mod reading;
pub mod rows;
pub mod source;
pub mod switches;

#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;

use std::path::Path;

use async_trait::async_trait;
use spindle_pipeline::component::{
    BuildContext, Factory, Receiver, ReceiverContext, ReceiverFactory, Stability,
};
use spindle_pipeline::error::{BuildError, RunError};
use spindle_pipeline::telemetry::Telemetry;
use spindle_pipeline::{Signal, SignalSet};
use tracing::info;

use crate::support::scrape::{self, Published, ScrapeSettings};
pub use config::Config;
use names::Publisher;
use source::{HostSource, SourceSettings};

/// The type `host_metrics`.
pub struct HostMetrics;

impl Factory for HostMetrics {
    type Config = Config;
    const TYPE: &'static str = "host_metrics";
    const ALIASES: &'static [&'static str] = &["hostmetrics"];
    const SIGNALS: SignalSet = SignalSet::METRICS;
    const STABILITY: Stability = Stability::Beta;
}

impl ReceiverFactory for HostMetrics {
    fn build(config: Config, context: &BuildContext) -> Result<Box<dyn Receiver>, BuildError> {
        let id = context.id.to_string();
        let plan = config.plan();
        let source = config.source(&id, &plan).map_err(|message| BuildError::new("scrapers", message))?;
        if config.root_path.is_empty() && config.scrapers.filesystem.is_present() && is_in_container() {
            info!(receiver = %id, "there is no root_path: in a container the file systems are the container's");
        }
        let scrape = ScrapeSettings {
            id,
            thread: "host_metrics",
            interval: config.collection_interval.get(),
            initial_delay: config.initial_delay.get(),
            patience: config.patience(),
        };
        let publisher = Publisher::new(plan, config.options(), context.build.version);
        Ok(Box::new(HostReceiver { scrape, source, publisher, telemetry: context.telemetry.clone() }))
    }
}

struct HostReceiver {
    scrape: ScrapeSettings,
    source: SourceSettings,
    publisher: Publisher,
    telemetry: Telemetry,
}

#[async_trait]
impl Receiver for HostReceiver {
    async fn run(self: Box<Self>, context: ReceiverContext) -> Result<(), RunError> {
        let Self { scrape, source, mut publisher, telemetry } = *self;
        let Some(consumer) = context.outputs.get(Signal::Metrics, "") else {
            context.drain.cancelled().await;
            return Ok(());
        };
        let (source, spare) = HostSource::new(&source);
        // The reading knows itself when it was made; it may have waited for a file system since.
        scrape::run(source, scrape, context, consumer, &telemetry, |reading, _| {
            let (batch, errors) = (publisher.publish(&reading), reading.errors);
            spare.put(reading);
            Published { batch, errors }
        })
        .await
    }
}

/// As the Collector decides it: the files that Docker and Podman leave, or the number of the first
/// process.
fn is_in_container() -> bool {
    ["/.dockerenv", "/run/.containerenv"].iter().any(|file| Path::new(file).exists())
        || std::process::id() == 1
}
