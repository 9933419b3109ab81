//! The keys of the `debug` exporter, with the Collector's names and defaults.

use serde::Deserialize;
use spindle_config::types::Optional;
use spindle_config::{Check, Diagnostic};
use spindle_pipeline::component::ComponentConfig;
use spindle_pipeline::export::QueueConfig;

/// The exporter's keys.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// `basic` (default): a line with counts for each batch; `normal`: about a line for each record;
    /// `detailed`: everything.
    pub verbosity: String,
    /// How many batches of a signal are shown in each second. Default 2.
    pub sampling_initial: u64,
    /// Of those beyond, every n-th is shown. Default 1, every one; 0 is none.
    pub sampling_thereafter: u64,
    /// Write through the agent's own log. Default true.
    pub use_internal_logger: bool,
    /// Where to write instead: `stdout` (default), `stderr` or files. Only when `use_internal_logger` is false.
    pub output_paths: Option<Vec<String>>,
    /// A queue in front of it. Default none.
    pub sending_queue: Optional<QueueConfig>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            verbosity: "basic".to_owned(),
            sampling_initial: 2,
            sampling_thereafter: 1,
            use_internal_logger: true,
            output_paths: None,
            sending_queue: Optional::Absent,
        }
    }
}

/// How much is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verbosity {
    Basic,
    Normal,
    Detailed,
}

impl Verbosity {
    /// Its name in any case, as the Collector takes it.
    fn from_name(name: &str) -> Option<Self> {
        match name.to_ascii_lowercase().as_str() {
            "basic" => Some(Self::Basic),
            "normal" => Some(Self::Normal),
            "detailed" => Some(Self::Detailed),
            _ => None,
        }
    }
}

impl Config {
    pub(super) fn verbosity(&self) -> Verbosity {
        Verbosity::from_name(&self.verbosity).unwrap_or(Verbosity::Basic)
    }
}

impl ComponentConfig for Config {
    fn validate(&self, check: &mut Check<'_>) {
        if Verbosity::from_name(&self.verbosity).is_none() {
            let problem =
                Diagnostic::error(format!("verbosity level \"{}\" is not supported", self.verbosity));
            check.report("verbosity", problem.note("supported: `basic`, `normal`, `detailed`"));
        }
        match &self.output_paths {
            Some(_) if self.use_internal_logger => {
                check.error("output_paths", "output_paths is not supported when use_internal_logger is true");
            }
            Some(paths) if paths.is_empty() => {
                check.error(
                    "output_paths",
                    "output_paths must not be empty when use_internal_logger is false",
                );
            }
            Some(paths) if paths.iter().any(String::is_empty) => {
                check.error("output_paths", "output_paths cannot contain empty values");
            }
            _ => {}
        }
        if let Some(queue) = self.sending_queue.as_ref() {
            queue.validate(&mut check.below("sending_queue"));
        }
    }
}
