//! The keys of the `resource` processor, with the Collector's names.

use serde::Deserialize;
use spindle_config::Check;
use spindle_pipeline::component::ComponentConfig;

use crate::support::actions::{self, ActionConfig};

/// The processor's keys.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// What to do with the attributes of every resource, in this order. At least one action.
    pub attributes: Vec<ActionConfig>,
}

impl ComponentConfig for Config {
    fn validate(&self, check: &mut Check<'_>) {
        actions::validate(&self.attributes, "attributes", check);
    }
}
