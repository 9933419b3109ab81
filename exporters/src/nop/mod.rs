//! The `nop` exporter: takes everything and does nothing with it, for pipelines that only feed what stands in
//! front of their end, and for measuring.

#[cfg(test)]
mod tests;

use std::sync::Arc;

use async_trait::async_trait;
use serde::Deserialize;
use spindle_pipeline::component::{
    BuildContext, ComponentConfig, Exported, Exporter, ExporterFactory, Factory, Stability,
};
use spindle_pipeline::error::{BuildError, ExportError};
use spindle_pipeline::export::ExportSettings;
use spindle_pipeline::{Batch, SignalSet};

/// The type `nop`.
pub struct Nop;

/// It has no keys.
#[derive(Clone, Copy, Debug, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {}

impl ComponentConfig for Config {}

impl Factory for Nop {
    type Config = Config;
    const TYPE: &'static str = "nop";
    const SIGNALS: SignalSet = SignalSet::ALL;
    const STABILITY: Stability = Stability::Stable;
}

impl ExporterFactory for Nop {
    fn settings(_config: &Config) -> ExportSettings {
        ExportSettings::direct()
    }

    fn build(_config: Config, _context: &BuildContext) -> Result<Arc<dyn Exporter>, BuildError> {
        Ok(Arc::new(Nop))
    }
}

#[async_trait]
impl Exporter for Nop {
    async fn export(&self, _batch: &Batch) -> Result<Exported, ExportError> {
        Ok(Exported::default())
    }
}
