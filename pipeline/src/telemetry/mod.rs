//! The agent's own metrics.
//!
//! [`Metric`] is the one list of names; `docs/metrics.md` is generated from it. The graph counts on every
//! edge and the export stage around every exporter, so component authors add only what is special to
//! them. Handles are made once and kept: counting is one atomic addition.

mod docs;
mod metric;
mod page;
mod process;

#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;

pub use docs::markdown;
pub use metric::{Instrument, Metric, MetricRow};
pub use page::Suffixes;

/// Counts things; cheap to clone and to use.
pub type Counter = prometheus_client::metrics::counter::Counter;
/// A value that goes up and down.
pub type Gauge = prometheus_client::metrics::gauge::Gauge;
/// A distribution.
pub type Histogram = prometheus_client::metrics::histogram::Histogram;

/// Label names and values.
pub type Labels = Vec<(Cow<'static, str>, Cow<'static, str>)>;

/// The prefix of every name.
pub const PREFIX: &str = "otelcol";

/// The labels that single metrics have of their own. Everything else on a series is constant, and must have
/// another name: Prometheus refuses a page on which a series has a label twice.
pub const OWN_LABELS: [&str; 12] = [
    "component",
    "data_type",
    "exporter",
    "le",
    "otel_signal",
    "outcome",
    "policy",
    "processor",
    "reason",
    "receiver",
    "sampled",
    "transport",
];

/// An attribute's key as the name of a label: letters, digits and `_`, not starting with a digit. The rules
/// are those of Prometheus's own translation of OTLP.
pub fn label_name(key: &str) -> String {
    let is_allowed = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
    let name = key.replace(|letter| !is_allowed(letter), "_");
    if name.starts_with(|first: char| first.is_ascii_digit()) { format!("key_{name}") } else { name }
}

type HistogramFamily = Family<Labels, Histogram, fn() -> Histogram>;

/// All instruments of one process.
#[derive(Clone)]
pub struct Telemetry(Arc<Inner>);

struct Inner {
    registry: Mutex<Registry>,
    counters: HashMap<Metric, Family<Labels, Counter>>,
    gauges: HashMap<Metric, Family<Labels, Gauge>>,
    histograms: HashMap<Metric, HistogramFamily>,
}

impl Telemetry {
    /// Instruments whose series all carry `constant` labels: who this process is, and its run.
    pub fn new(constant: Labels) -> Self {
        let mut registry = Registry::with_prefix_and_labels(PREFIX, constant.into_iter());
        let mut inner = Inner {
            registry: Mutex::new(Registry::default()),
            counters: HashMap::new(),
            gauges: HashMap::new(),
            histograms: HashMap::new(),
        };
        for row in metric::ROWS {
            inner.register(&mut registry, row);
        }
        registry.register_collector(Box::new(process::ProcessMetrics::new()));
        inner.registry = Mutex::new(registry);
        Self(Arc::new(inner))
    }

    /// A counter of the table. Labels are named as [`OWN_LABELS`] says, here and below.
    pub fn counter(&self, metric: Metric, labels: Labels) -> Counter {
        debug_assert!(are_own(&labels), "{labels:?}");
        self.0.counters.get(&metric).map(|family| family.get_or_create_owned(&labels)).unwrap_or_default()
    }

    /// A gauge of the table.
    pub fn gauge(&self, metric: Metric, labels: Labels) -> Gauge {
        debug_assert!(are_own(&labels), "{labels:?}");
        self.0.gauges.get(&metric).map(|family| family.get_or_create_owned(&labels)).unwrap_or_default()
    }

    /// A histogram of the table.
    pub fn histogram(&self, metric: Metric, labels: Labels) -> Histogram {
        debug_assert!(are_own(&labels), "{labels:?}");
        match self.0.histograms.get(&metric) {
            Some(family) => family.get_or_create_owned(&labels),
            None => Histogram::new(std::iter::empty()),
        }
    }

    /// Counts items that are gone for good, and why.
    pub fn dropped(
        &self,
        component: impl fmt::Display,
        signal: crate::Signal,
        reason: &'static str,
    ) -> Counter {
        self.counter(
            Metric::DroppedItems,
            vec![
                ("component".into(), component.to_string().into()),
                ("data_type".into(), signal.name().into()),
                ("reason".into(), reason.into()),
            ],
        )
    }

    /// Everything in the Prometheus text format 0.0.4, families and series in a stable order.
    pub fn render(&self, suffixes: Suffixes) -> String {
        let mut text = String::new();
        let registry = self.0.registry.lock().unwrap_or_else(PoisonError::into_inner);
        // Writing to a string cannot fail.
        let _ = prometheus_client::encoding::text::encode(&mut text, &registry);
        page::rewrite(&text, suffixes)
    }
}

impl Inner {
    fn register(&mut self, registry: &mut Registry, row: &MetricRow) {
        match row.instrument {
            Instrument::Counter => {
                let family = Family::default();
                registry.register(row.name, row.description, family.clone());
                self.counters.insert(row.metric, family);
            }
            Instrument::Gauge => {
                let family = Family::default();
                registry.register(row.name, row.description, family.clone());
                self.gauges.insert(row.metric, family);
            }
            Instrument::Histogram => {
                let family = Family::new_with_constructor(batch_size_histogram as fn() -> Histogram);
                registry.register(row.name, row.description, family.clone());
                self.histograms.insert(row.metric, family);
            }
            // Read from the system when the page is asked for.
            Instrument::Process => {}
        }
    }
}

fn are_own(labels: &Labels) -> bool {
    labels.iter().all(|(name, _)| OWN_LABELS.contains(&name.as_ref()))
}

/// The Collector's buckets for batch sizes, which serve for items and bytes alike.
fn batch_size_histogram() -> Histogram {
    Histogram::new([
        10., 25., 50., 75., 100., 250., 500., 750., 1000., 2000., 3000., 4000., 5000., 6000., 7000., 8000.,
        9000., 10_000., 20_000., 30_000., 50_000., 100_000., 1_000_000., 4_000_000.,
    ])
}

impl fmt::Debug for Telemetry {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Telemetry")
    }
}

impl Default for Telemetry {
    fn default() -> Self {
        Self::new(Vec::new())
    }
}
