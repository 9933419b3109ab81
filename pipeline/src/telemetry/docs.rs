//! `docs/metrics.md`, generated from the list.

use super::{Instrument, Metric, MetricRow, PREFIX};

const INTRODUCTION: &str = "# The agent's own metrics

Served at `http://localhost:8888/metrics` unless `service::telemetry::metrics` says otherwise. This page is generated from
the list in `pipeline/src/telemetry/metric.rs`; a test keeps the two equal.

Names are the Collector's. The default page writes them without the suffixes for type and unit
(`otelcol_exporter_sent_spans`); a prometheus reader written in the configuration adds them
(`otelcol_exporter_sent_spans_total`) unless it has `without_type_suffix: true` and `without_units: true`. Every series
carries `service_name`, `service_version`, `service_instance_id` and the run's label.

Reasons in `otelcol_dropped_items`: `rejected` (called bad by the back end or the next stage), `too_large` (a single
item that the back end calls too large), `retries_exhausted`, `retry_disabled`, `partial_success`, `shutdown`, `refused` (a
scraper's reading), `sampled` and `filtered` (on purpose).

| name | with suffixes | type | |
|---|---|---|---|
";

/// The page.
pub fn markdown() -> String {
    let rows: String = Metric::rows().iter().map(row).collect();
    format!("{INTRODUCTION}{rows}")
}

fn row(row: &MetricRow) -> String {
    let is_counter = match row.instrument {
        Instrument::Counter => true,
        Instrument::Process => matches!(row.metric, Metric::ProcessUptime | Metric::ProcessCpuSeconds),
        Instrument::Gauge | Instrument::Histogram => false,
    };
    let kind = match row.instrument {
        Instrument::Histogram => "histogram",
        _ if is_counter => "counter",
        _ => "gauge",
    };
    let unit = super::page::unit_suffix(row.unit);
    let unit = if row.name.ends_with(unit) { "" } else { unit };
    let total = if is_counter { "_total" } else { "" };
    format!(
        "| `{PREFIX}_{name}` | `{PREFIX}_{name}{unit}{total}` | {kind} | {description}. |\n",
        name = row.name,
        description = row.description
    )
}
