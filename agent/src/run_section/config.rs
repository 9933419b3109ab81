//! The keys of `run:`.

use serde::Deserialize;
use spindle_config::{Check, Diagnostic};
use spindle_pipeline::run::DEFAULT_LABEL;
use spindle_pipeline::telemetry::{OWN_LABELS, label_name};

/// The section's keys.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RunConfig {
    /// The run's id. Default: the variable `CONTAINER_RUN_ID`, else a new one at each start.
    pub id: String,
    /// The resource attribute and series label that carries it. Default `container_run`.
    pub label: String,
    /// Where each run gets a folder of its own for its artefacts. Default none.
    pub directory: String,
    /// Our id replaces one that a client has set. Default false.
    #[serde(rename = "override")]
    pub overrides: bool,
}

impl Default for RunConfig {
    fn default() -> Self {
        Self {
            id: String::new(),
            label: DEFAULT_LABEL.to_owned(),
            directory: String::new(),
            overrides: false,
        }
    }
}

/// Labels that belong to Prometheus.
const TAKEN_LABELS: [&str; 4] = ["job", "instance", "le", "quantile"];
/// File systems take names of 255 bytes; some room is left for endings.
const LONGEST_ID: usize = 200;

impl RunConfig {
    /// What cannot be; `check` stands on the section.
    pub fn validate(&self, check: &mut Check<'_>) {
        if let Err(message) = check_id(&self.id) {
            check.error("id", message);
        }
        let is_label = self.label.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
            && self.label.chars().all(|letter| letter.is_ascii_alphanumeric() || matches!(letter, '_' | '.'));
        if !is_label || self.label.starts_with("__") {
            let problem = Diagnostic::error(format!("\"{}\" cannot be a label's name", self.label));
            check.report(
                "label",
                problem.note("a letter, then letters, digits, `_` and `.`; not starting with `__`"),
            );
        } else if TAKEN_LABELS.contains(&self.label.as_str()) {
            check.error(
                "label",
                format!("the label \"{}\" has a meaning in Prometheus; choose another", self.label),
            );
        } else if OWN_LABELS.contains(&label_name(&self.label).as_str()) {
            check.error(
                "label",
                format!(
                    "the label \"{}\" has a meaning in the agent's own metrics; choose another",
                    self.label
                ),
            );
        }
    }
}

/// An id is also the name of a folder.
pub fn check_id(id: &str) -> Result<(), String> {
    if id == "." || id == ".." || id.contains('/') || id.chars().any(char::is_control) {
        return Err(format!("the run id {id:?} cannot be a folder's name (no /, no control characters)"));
    }
    if id.len() > LONGEST_ID {
        return Err(format!("the run id is longer than {LONGEST_ID} bytes"));
    }
    Ok(())
}
