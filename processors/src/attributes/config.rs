//! The keys of the `attributes` processor, with the Collector's names.

use serde::Deserialize;
use spindle_config::Check;
use spindle_pipeline::Signal;
use spindle_pipeline::component::ComponentConfig;

use crate::support::actions::{self, ActionConfig};
use crate::support::matching::{self, MatchConfig};

/// The processor's keys.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// What to do with the attributes of every item, in this order. At least one action.
    pub actions: Vec<ActionConfig>,
    /// Work only on items that match. Default: on all.
    pub include: Option<MatchConfig>,
    /// Leave items alone that match; looked at after `include`. Default: none.
    pub exclude: Option<MatchConfig>,
}

impl ComponentConfig for Config {
    fn validate(&self, check: &mut Check<'_>) {
        actions::validate(&self.actions, "actions", check);
    }

    fn validate_for(&self, signal: Signal, check: &mut Check<'_>) {
        matching::validate_for(signal, self.include.as_ref(), self.exclude.as_ref(), check);
    }
}
