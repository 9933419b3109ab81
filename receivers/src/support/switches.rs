//! The key `metrics` of a scraper, as the Collector has it: each metric can be switched on or off.

use std::collections::BTreeMap;

use serde::Deserialize;
use spindle_config::{Check, Diagnostic, nearest, quoted_list};

/// `metrics: {<name>: {enabled: true}}`. What is not written keeps its default.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(transparent)]
pub struct MetricSwitches(BTreeMap<String, MetricSwitch>);

#[derive(Clone, Copy, Debug, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct MetricSwitch {
    enabled: Option<bool>,
}

impl MetricSwitches {
    /// Whether a metric is made.
    pub fn is_enabled(&self, name: &str, by_default: bool) -> bool {
        self.0.get(name).and_then(|switch| switch.enabled).unwrap_or(by_default)
    }

    /// Reports names that are not metrics of the component. `check` stands at the key `metrics`.
    pub fn validate<'a>(&self, check: &mut Check<'_>, known: impl Iterator<Item = &'a str> + Clone) {
        for name in self.0.keys().filter(|name| !known.clone().any(|known| known == name.as_str())) {
            let mut diagnostic = Diagnostic::error(format!("has invalid keys: {name}"));
            if let Some(meant) = nearest(name, known.clone()) {
                diagnostic = diagnostic.help(format!("did you mean `{meant}`?"));
            }
            let allowed = format!("allowed here: {}", quoted_list(known.clone()));
            check.report(name, diagnostic.note(allowed));
        }
    }
}
