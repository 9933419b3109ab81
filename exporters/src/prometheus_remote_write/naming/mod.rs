//! OTLP names to Prometheus names: metrics, units, labels.
//!
//! The rules are those of Prometheus' `otlptranslator` (version 1.0) with the settings that the Collector's
//! exporter and Prometheus' own OTLP receiver have by default, so that the same metric gets the same name
//! on every way into Prometheus. Version 1 of remote write knows only the legacy character set, so what
//! these functions return always fits `[a-zA-Z_:][a-zA-Z0-9_:]*`, for labels without the colon.
//!
//! Two results differ from `otlptranslator` on purpose: a metric whose name has no usable character at all
//! is refused (there it is named after its unit or `total`), and a namespace is escaped like a name.

mod label;
mod metric;
mod unit;

#[cfg(test)]
mod tests;

pub use label::push_label_name;
pub use metric::{MetricKind, MetricNamer};
pub use unit::unit_name;

/// A character that metric names keep.
fn is_metric_character(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b':'
}

/// Prometheus names start with a letter, `_` or `:`.
fn with_safe_start(name: String) -> String {
    if name.starts_with(|first: char| first.is_ascii_digit()) { format!("_{name}") } else { name }
}
