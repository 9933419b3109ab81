//! The run: one label on everything that belongs together.
//!
//! [`Runs::of_resource`] and [`Runs::of_process`] are the one place that answers "which run does this
//! belong to?". Today the answer is always this process's run; whoever stamps asks all the same, so that
//! one node agent can serve several runs later.

mod stamp;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use jiff::Timestamp;

pub use stamp::Stamp;

/// The label that is stamped when the configuration names no other.
pub const DEFAULT_LABEL: &str = "container_run";
/// The variable that names the run when the configuration does not.
pub const RUN_ID_VARIABLE: &str = "CONTAINER_RUN_ID";

/// A run and the label it is known by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Run {
    /// The attribute's and the series label's name.
    pub label: String,
    /// The run's id.
    pub id: String,
    /// Our value replaces one that the client set.
    pub is_overriding: bool,
}

/// Which run something belongs to.
#[derive(Clone, Debug, Default)]
pub struct Runs {
    own: Option<Arc<Run>>,
}

impl Runs {
    /// Everything belongs to one run, or to none.
    pub fn of_this_process(run: Option<Arc<Run>>) -> Self {
        Self { own: run }
    }

    /// The run that telemetry of a resource belongs to.
    pub fn of_resource(&self, resource_group: crate::otlp::view::Part<'_>) -> Option<&Arc<Run>> {
        let _ = resource_group;
        self.own.as_ref()
    }

    /// The run that this process itself belongs to: its own metrics, its scrapers' readings.
    pub fn of_process(&self) -> Option<&Arc<Run>> {
        self.own.as_ref()
    }
}

/// A new id: `container-run-<UTC time>-<8 hex digits>`, for example
/// `container-run-20261121T180600Z-1a2b3c4d`.
pub fn generate_id() -> String {
    let now = Timestamp::now().strftime("%Y%m%dT%H%M%SZ");
    format!("container-run-{now}-{:08x}", fastrand::u32(..))
}
