//! The `metrics:` key of a scraper: which metrics are wanted, and with which attributes.
//!
//! The metrics of a scraper are keys like any others, so a name that does not exist is reported as every
//! unknown key is: with its position, the nearest name, and the names there are.

use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use spindle_config::Check;

use super::names::hostmetrics::{METRIC_NAMES, TABLES};
use super::names::{PlannedRow, Row, Strategy, Table};

/// What the configuration says about the metrics of a scraper; `SCRAPER` is an index of [`TABLES`].
#[derive(Clone, Debug, Default)]
pub struct Switches<const SCRAPER: usize>(Vec<(&'static Row, Switch)>);

/// What it says about one metric.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Switch {
    /// Whether the metric is wanted. Default: see the metric.
    pub enabled: Option<bool>,
    /// The attributes that its points have; points that are the same without the others are merged.
    /// Default: see the metric.
    pub attributes: Option<Vec<String>>,
    /// How they are merged: `sum`, `avg`, `min` or `max`. Default `avg` for gauges, else `sum`.
    pub aggregation_strategy: Option<String>,
}

/// What can be said about a metric without attributes.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct PlainSwitch {
    enabled: Option<bool>,
}

/// The `metrics:` key of whichever scraper.
pub trait Metrics {
    /// Its metrics.
    fn table(&self) -> &'static Table;

    /// Reports attributes and strategies that do not exist, below `key`.
    fn validate(&self, check: &mut Check<'_>, key: &str);

    /// The metrics that are wanted.
    fn plan(&self) -> Vec<PlannedRow>;
}

impl<const SCRAPER: usize> Metrics for Switches<SCRAPER> {
    fn table(&self) -> &'static Table {
        &TABLES[SCRAPER]
    }

    fn validate(&self, check: &mut Check<'_>, key: &str) {
        for (row, switch) in &self.0 {
            switch.validate(row, check, &format!("{key}::{}", row.metric.name));
        }
    }

    fn plan(&self) -> Vec<PlannedRow> {
        Self::rows().iter().filter_map(|row| self.plan_row(row)).collect()
    }
}

impl<const SCRAPER: usize> Switches<SCRAPER> {
    fn plan_row(&self, row: &'static Row) -> Option<PlannedRow> {
        let switch = self.0.iter().find(|(switched, _)| std::ptr::eq(*switched, row));
        let switch = switch.map_or_else(Switch::default, |(_, switch)| switch.clone());
        let keeps = |key: &str| match &switch.attributes {
            Some(attributes) => attributes.iter().any(|wanted| wanted == key),
            None => row.attributes.iter().any(|attribute| attribute.key == key && attribute.is_default),
        };
        let chosen = switch.aggregation_strategy.as_deref().and_then(strategy);
        let is_wanted = switch.enabled.unwrap_or(row.is_default);
        is_wanted.then(|| PlannedRow::new(row, chosen.unwrap_or(row.default_strategy()), keeps))
    }

    fn rows() -> &'static [Row] {
        TABLES[SCRAPER].rows
    }
}

impl Switch {
    fn validate(&self, row: &Row, check: &mut Check<'_>, key: &str) {
        let name = row.metric.name;
        let known: Vec<&str> = row.attributes.iter().map(|attribute| attribute.key).collect();
        for attribute in self.attributes.iter().flatten().filter(|wanted| !known.contains(&wanted.as_str())) {
            let known = known.join(", ");
            let problem =
                format!("metric {name} doesn't have an attribute {attribute}, valid attributes: [{known}]");
            check.error(&format!("{key}::attributes"), problem);
        }
        if let Some(chosen) = self.aggregation_strategy.as_deref().filter(|chosen| strategy(chosen).is_none())
        {
            let known = Strategy::ALL.map(Strategy::name).join(", ");
            let problem = format!("invalid aggregation strategy \"{chosen}\", valid strategies: [{known}]");
            check.error(&format!("{key}::aggregation_strategy"), problem);
        }
    }
}

fn strategy(name: &str) -> Option<Strategy> {
    Strategy::ALL.into_iter().find(|strategy| strategy.name() == name)
}

impl<'de, const SCRAPER: usize> Deserialize<'de> for Switches<SCRAPER> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_struct("Metrics", METRIC_NAMES[SCRAPER], SwitchesVisitor::<SCRAPER>)
    }
}

struct SwitchesVisitor<const SCRAPER: usize>;

impl<'de, const SCRAPER: usize> Visitor<'de> for SwitchesVisitor<SCRAPER> {
    type Value = Switches<SCRAPER>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a mapping")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut switches = Vec::new();
        while let Some(name) = map.next_key::<String>()? {
            // Only names of the table come here.
            let Some(row) = Switches::<SCRAPER>::rows().iter().find(|row| row.metric.name == name) else {
                map.next_value::<serde::de::IgnoredAny>()?;
                continue;
            };
            let switch = if row.attributes.is_empty() {
                let PlainSwitch { enabled } = map.next_value()?;
                Switch { enabled, ..Switch::default() }
            } else {
                map.next_value()?
            };
            switches.push((row, switch));
        }
        Ok(Switches(switches))
    }
}
