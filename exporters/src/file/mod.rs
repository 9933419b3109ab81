//! The `file` exporter: requests at the end of files, as OTLP/JSON lines or in protobuf, for debugging, for
//! artefacts of a run, and for whatever reads such files later.
//!
//! * A request is answered when the system has it, whole: a crash of the agent loses nothing that was
//!   answered. A crash of the machine loses what the system had not put on the disk, usually the last half
//!   minute; at the stop everything is flushed to the disk.
//! * A disk that is full or broken is an answer worth another attempt; nothing half written stays in the file,
//!   and writing goes on when the disk is well again.
//! * Files have mode 600. A thread of its own writes, so that a slow disk delays nobody else.
//! * With `group_by` a value that comes with telemetry names a file, and never one outside of the directory.

mod config;
mod files;
mod names;
mod output;
mod record;
#[cfg(test)]
mod tests;
mod writer;

use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use spindle_config::types::Duration;
use spindle_pipeline::component::{BuildContext, Exported, Exporter, ExporterFactory, Factory, Stability};
use spindle_pipeline::error::{BuildError, ExportError};
use spindle_pipeline::export::ExportSettings;
use spindle_pipeline::{Batch, SignalSet};

pub use config::{Config, GroupBy, Rotation};

use files::{Files, Groups, Target};
use output::{Output, Settings};
use record::Layout;
use writer::Writer;

/// How long a disk may take for one request.
const TIMEOUT: Duration = Duration::from_secs(30);

/// The type `file`.
pub struct FileType;

impl Factory for FileType {
    type Config = Config;
    const TYPE: &'static str = "file";
    const SIGNALS: SignalSet = SignalSet::ALL;
    const STABILITY: Stability = Stability::Alpha;
}

impl ExporterFactory for FileType {
    fn settings(_config: &Config) -> ExportSettings {
        ExportSettings { timeout: TIMEOUT, ..ExportSettings::direct() }
    }

    fn build(config: Config, context: &BuildContext) -> Result<Arc<dyn Exporter>, BuildError> {
        let layout = Layout { format: config.format(), zstd_level: config.zstd_level() };
        let settings = Settings {
            is_lines: layout.is_lines(),
            rotation: config.rotation.as_ref().copied(),
            directory_mode: config.directory_mode(),
        };
        let failed =
            |error: std::io::Error| BuildError::new("path", format!("cannot open {}: {error}", config.path));
        let target = if let Some((prefix, suffix)) = config.pattern().filter(|_| config.group_by.enabled) {
            Target::Grouped(Groups::new(prefix, suffix, &config.group_by, settings))
        } else {
            let truncates = !config.append && settings.rotation.is_none();
            let output = Output::new(PathBuf::from(&config.path), truncates, settings);
            output.probe().map_err(failed)?;
            Target::One(Box::new(output))
        };
        let writer = Writer::start(Files::new(context.id.clone(), layout, target)).map_err(failed)?;
        Ok(Arc::new(FileExporter { writer }))
    }
}

struct FileExporter {
    writer: Writer,
}

#[async_trait]
impl Exporter for FileExporter {
    async fn export(&self, batch: &Batch) -> Result<Exported, ExportError> {
        self.writer.write(batch.clone()).await
    }

    async fn stop(&self) {
        self.writer.stop().await;
    }
}
