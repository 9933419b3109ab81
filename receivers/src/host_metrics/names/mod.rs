//! Names, units and scales for what was read: tables of metrics, applied on the way out.
//!
//! A [`Row`] is a metric: what it is called, what it needs to be read, and which points it makes of a
//! reading. A convention is a set of tables. There is one so far, [`hostmetrics`]; others (those of
//! `node_exporter`) are further tables over the same readings.

pub mod hostmetrics;
mod points;
mod publish;

#[cfg(test)]
mod tests;

use spindle_pipeline::otlp::build::{MetricInfo, MetricKind};

pub use points::{Options, Points};
pub use publish::{Plan, PlannedRow, Publisher};

use super::reading::HostReading;
use super::source::Need;

/// A metric.
#[derive(Debug)]
pub struct Row {
    /// Name, unit, kind, description.
    pub metric: MetricInfo,
    /// Whether it is there without being asked for.
    pub is_default: bool,
    /// What its points say beside the value.
    pub attributes: &'static [Attribute],
    /// What must be read for it.
    pub need: Need,
    /// Makes its points.
    pub points: fn(&HostReading, &mut Points<'_>),
}

/// An attribute of points.
#[derive(Clone, Copy, Debug)]
pub struct Attribute {
    /// Its key.
    pub key: &'static str,
    /// Whether it is there without being asked for.
    pub is_default: bool,
}

/// The metrics that are scraped together and configured together.
#[derive(Debug)]
pub struct Table {
    /// The scraper's name in the configuration.
    pub name: &'static str,
    /// The scope that its metrics come from.
    pub scope: &'static str,
    /// Its metrics.
    pub rows: &'static [Row],
}

/// What becomes of points that differ only in attributes that are left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Strategy {
    /// Their values are added up.
    Sum,
    /// The mean of their values; of whole numbers, cut to a whole number.
    Avg,
    /// The smallest.
    Min,
    /// The largest.
    Max,
}

impl Strategy {
    /// All, in the order in which the Collector lists them.
    pub const ALL: [Self; 4] = [Self::Sum, Self::Avg, Self::Min, Self::Max];

    /// As the configuration writes it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Sum => "sum",
            Self::Avg => "avg",
            Self::Min => "min",
            Self::Max => "max",
        }
    }
}

impl Row {
    /// What is done without being asked for: sums are added up, gauges averaged.
    pub const fn default_strategy(&self) -> Strategy {
        match self.metric.kind {
            MetricKind::Gauge => Strategy::Avg,
            MetricKind::Counter | MetricKind::UpDownCounter => Strategy::Sum,
        }
    }
}
