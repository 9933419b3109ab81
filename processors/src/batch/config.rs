//! The keys of the `batch` processor, with the Collector's names and defaults.

use serde::Deserialize;
use spindle_config::Check;
use spindle_config::types::Duration;
use spindle_pipeline::component::ComponentConfig;

/// The processor's keys.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Send when a batch is this old. Default 200ms; 0 sends at once and only cuts what is too large.
    pub timeout: Duration,
    /// Send when a batch has this many spans, data points or log records. Default 8192.
    pub send_batch_size: u32,
    /// Never send more than this many at once. Default 0, without a limit.
    pub send_batch_max_size: u32,
    /// Batch requests apart whose values of these metadata keys differ. The receiver must keep metadata
    /// (`include_metadata`). Default none.
    pub metadata_keys: Vec<String>,
    /// How many combinations of their values there may be; requests beyond it are refused. 0 is without
    /// a limit. Default 1000.
    pub metadata_cardinality_limit: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            timeout: Duration::from_millis(200),
            send_batch_size: 8192,
            send_batch_max_size: 0,
            metadata_keys: Vec::new(),
            metadata_cardinality_limit: 1000,
        }
    }
}

impl ComponentConfig for Config {
    fn validate(&self, check: &mut Check<'_>) {
        if self.send_batch_max_size > 0 && self.send_batch_max_size < self.send_batch_size {
            check.error(
                "send_batch_max_size",
                "send_batch_max_size must be greater or equal to send_batch_size",
            );
        }
        check.distinct("metadata_keys", &self.metadata_keys);
    }
}
