//! The `debug` exporter: shows what goes through a pipeline, in the Collector's text formats.
//!
//! * Telemetry is read as it stands on the wire; nothing is decoded.
//! * A batch is shown or passed over whole, as the sampling keys say: `sampling_initial` batches of each
//!   signal a second, and each `sampling_thereafter`-th beyond. (The Collector samples messages by their text,
//!   which never thins texts that differ.)
//! * The text of a batch ends at 16 MiB. Control characters in it are escaped.
//! * Nothing here refuses data: an output that cannot be written is a warning.
//! * With `use_internal_logger` it is the agent's log that prints. It knows these events by their target, this
//!   module, and leaves them whole and as many as they are.

mod config;
mod detailed;
mod fields;
mod metrics;
mod normal;
mod output;
mod sampler;
#[cfg(test)]
mod tests;
mod text;

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use spindle_config::ComponentId;
use spindle_pipeline::component::{BuildContext, Exported, Exporter, ExporterFactory, Factory, Stability};
use spindle_pipeline::error::{BuildError, ExportError};
use spindle_pipeline::export::ExportSettings;
use spindle_pipeline::{Batch, Signal, SignalSet};
use tracing::{info, warn};

pub use config::Config;

use crate::support::compression::beside_the_loop;
use config::Verbosity;
use output::Output;
use sampler::Sampler;
use text::Text;

/// The type `debug`.
pub struct Debug;

impl Factory for Debug {
    type Config = Config;
    const TYPE: &'static str = "debug";
    const SIGNALS: SignalSet = SignalSet::ALL;
    const STABILITY: Stability = Stability::Alpha;
}

impl ExporterFactory for Debug {
    fn settings(config: &Config) -> ExportSettings {
        ExportSettings { queue: config.sending_queue.clone().into_option(), ..ExportSettings::direct() }
    }

    fn build(config: Config, context: &BuildContext) -> Result<Arc<dyn Exporter>, BuildError> {
        let output = if config.use_internal_logger {
            None
        } else {
            Some(Arc::new(Output::open(config.output_paths.as_deref())?))
        };
        let sampler = || Sampler::new(config.sampling_initial, config.sampling_thereafter);
        Ok(Arc::new(DebugExporter {
            id: context.id.clone(),
            verbosity: config.verbosity(),
            samplers: [sampler(), sampler(), sampler()],
            output,
        }))
    }
}

struct DebugExporter {
    id: ComponentId,
    verbosity: Verbosity,
    samplers: [Sampler; 3],
    /// Where to write; `None` is the agent's log.
    output: Option<Arc<Output>>,
}

/// The counts of a batch.
#[derive(Clone, Copy)]
struct Counts {
    signal: Signal,
    groups: usize,
    metrics: usize,
    items: usize,
}

impl Counts {
    fn of(batch: &Batch) -> Self {
        let signal = batch.signal();
        let (groups, metrics) = fields::count_groups(signal, &batch.bytes());
        Self { signal, groups, metrics, items: batch.items() }
    }

    /// The line with the counts, as the Collector's logger writes it without time and level.
    fn line(self) -> String {
        let Self { groups, metrics, items, .. } = self;
        match self.signal {
            Signal::Traces => format!("Traces\t{{\"resource spans\": {groups}, \"spans\": {items}}}\n"),
            Signal::Metrics => format!(
                "Metrics\t{{\"resource metrics\": {groups}, \"metrics\": {metrics}, \"data points\": {items}}}\n"
            ),
            Signal::Logs => format!("Logs\t{{\"resource logs\": {groups}, \"log records\": {items}}}\n"),
        }
    }
}

fn render(verbosity: Verbosity, signal: Signal, request: &[u8]) -> Option<String> {
    let mut text = Text::new();
    match verbosity {
        Verbosity::Basic => return None,
        Verbosity::Normal => normal::write(&mut text, signal, request),
        Verbosity::Detailed => detailed::write(&mut text, signal, request),
    }
    Some(text.finish())
}

impl DebugExporter {
    fn log(&self, counts: Counts, text: Option<&str>) {
        let (id, name) = (&self.id, counts.signal.name());
        let Counts { groups, metrics, items, .. } = counts;
        match counts.signal {
            Signal::Traces => {
                info!(exporter = %id, otelcol.signal = name, "resource spans" = groups, spans = items, "Traces");
            }
            Signal::Metrics => {
                info!(exporter = %id, otelcol.signal = name, "resource metrics" = groups, metrics, "data points" = items, "Metrics");
            }
            Signal::Logs => {
                info!(exporter = %id, otelcol.signal = name, "resource logs" = groups, "log records" = items, "Logs");
            }
        }
        if let Some(text) = text {
            info!(exporter = %id, otelcol.signal = name, "{text}");
        }
    }

    /// Writes beside the event loop: outputs may block.
    async fn write(&self, output: Arc<Output>, counts: Counts, request: Bytes) {
        let verbosity = self.verbosity;
        let written = tokio::task::spawn_blocking(move || {
            let mut lines = counts.line();
            if let Some(text) = render(verbosity, counts.signal, &request) {
                lines.push_str(&text);
                lines.push('\n');
            }
            output.write(lines.as_bytes())
        });
        if let Ok(Err(error)) = written.await {
            warn!(target: "spindle_exporters", exporter = %self.id, error = %error, "cannot write the debug output");
        }
    }
}

#[async_trait]
impl Exporter for DebugExporter {
    async fn export(&self, batch: &Batch) -> Result<Exported, ExportError> {
        if !self.samplers[batch.signal().index()].admits() {
            return Ok(Exported::default());
        }
        let (counts, request) = (Counts::of(batch), batch.bytes());
        if let Some(output) = &self.output {
            self.write(Arc::clone(output), counts, request).await;
        } else {
            let verbosity = self.verbosity;
            let text =
                beside_the_loop(request.len(), move || render(verbosity, counts.signal, &request)).await?;
            self.log(counts, text.as_deref());
        }
        Ok(Exported::default())
    }
}
