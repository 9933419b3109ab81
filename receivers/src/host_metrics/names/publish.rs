//! [`Publisher`]: a reading becomes a batch.

use spindle_pipeline::Batch;
use spindle_pipeline::otlp::build::MetricsBuilder;

use super::points::{Options, Points};
use super::{Row, Strategy, Table};
use crate::host_metrics::reading::HostReading;
use crate::host_metrics::source::Need;

/// A metric that is wanted, and how.
#[derive(Clone, Copy, Debug)]
pub struct PlannedRow {
    /// The metric.
    pub row: &'static Row,
    /// What becomes of points that differ only in attributes that are left out.
    pub strategy: Strategy,
    /// Whether an attribute is left out.
    pub merges: bool,
    /// A bit for each attribute that is kept.
    kept: u8,
}

impl PlannedRow {
    /// The metric with the attributes that `keeps` wants.
    pub fn new(row: &'static Row, strategy: Strategy, keeps: impl Fn(&str) -> bool) -> Self {
        let mut planned = Self { row, strategy, merges: false, kept: 0 };
        for (index, attribute) in row.attributes.iter().enumerate() {
            if keeps(attribute.key) {
                planned.kept |= 1 << index;
            } else {
                planned.merges = true;
            }
        }
        planned
    }

    /// Whether the points say this attribute.
    pub fn keeps(&self, attribute: usize) -> bool {
        self.kept & 1 << attribute != 0
    }
}

/// The metrics that are wanted, by scraper.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    scrapers: Vec<(&'static Table, Vec<PlannedRow>)>,
}

impl Plan {
    /// Adds a scraper.
    pub fn add(&mut self, table: &'static Table, rows: Vec<PlannedRow>) {
        self.scrapers.push((table, rows));
    }

    /// What must be read, each thing as often as it is needed.
    pub fn needs(&self) -> impl Iterator<Item = Need> {
        self.scrapers.iter().flat_map(|(_, rows)| rows).map(|planned| planned.row.need)
    }
}

/// Makes batches of readings. Its buffers are kept; only the batch is new.
pub struct Publisher {
    plan: Plan,
    options: Options,
    version: &'static str,
    builder: MetricsBuilder,
}

impl Publisher {
    /// Publishes what is planned; `version` is that of the scopes.
    pub fn new(plan: Plan, options: Options, version: &'static str) -> Self {
        Self { plan, options, version, builder: MetricsBuilder::default() }
    }

    /// The batch of a reading; `None` when it has nothing of what is planned. As the Collector's, the
    /// resource has no attributes, and each scraper is a resource of its own.
    pub fn publish(&mut self, reading: &HostReading) -> Option<Batch> {
        // A start that is not known is 0, which OTLP takes as that.
        self.builder.begin(reading.boot.unwrap_or_default(), reading.at);
        for (table, rows) in &self.plan.scrapers {
            self.builder.resource(&[], table.scope, self.version);
            for planned in rows {
                let mut points = Points::new(&mut self.builder, planned, self.options);
                (planned.row.points)(reading, &mut points);
                points.finish();
            }
        }
        self.builder.finish()
    }
}
