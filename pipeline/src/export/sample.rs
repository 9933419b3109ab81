//! What a log line may say about an item that a back end refused: enough to find it, and nothing that could
//! be a secret. Names, identifiers and severities; no attribute, no body, no value.

use std::fmt::Write as _;

use crate::otlp::view::{Part, data_points, metric_data, records, resource_groups, scope_groups};
use crate::signal::Signal;

/// The longest name in a sample, in characters.
const LONGEST_NAME: usize = 64;

/// The first item of a request, in words; nothing if there is none.
pub(super) fn first_item(signal: Signal, request: &[u8]) -> String {
    let mut all = resource_groups(request).flat_map(scope_groups).flat_map(records);
    let item = match signal {
        Signal::Metrics => all.find(|metric| metric_data(*metric).is_some_and(has_points)),
        Signal::Traces | Signal::Logs => all.next(),
    };
    item.map(|item| describe(signal, &item)).unwrap_or_default()
}

fn has_points(data: Part<'_>) -> bool {
    data_points(data).next().is_some()
}

fn describe(signal: Signal, item: &Part<'_>) -> String {
    match signal {
        Signal::Traces => {
            format!("span {}, trace {}, span id {}", name(item.text(5)), hex(item, 1), hex(item, 2))
        }
        Signal::Metrics => format!("metric {}", name(item.text(1))),
        Signal::Logs => format!("log record of severity {} {}", item.number(2), name(item.text(3))),
    }
}

/// In quotes, on one line, not too long.
fn name(text: &str) -> String {
    let cut: String = text.chars().take(LONGEST_NAME).collect();
    let dots = if cut.len() < text.len() { "..." } else { "" };
    format!("{cut:?}{dots}")
}

/// An identifier; those that are longer than any identifier should be are cut.
fn hex(item: &Part<'_>, number: u32) -> String {
    let bytes = item.value(number).map_or(&[][..], |value| value.bytes());
    let mut text = String::new();
    for byte in bytes.iter().take(16) {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}

#[cfg(test)]
mod tests {
    use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
    use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
    use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
    use opentelemetry_proto::tonic::logs::v1::{LogRecord, ResourceLogs, ScopeLogs};
    use opentelemetry_proto::tonic::metrics::v1::metric::Data;
    use opentelemetry_proto::tonic::metrics::v1::{
        Gauge, Metric, NumberDataPoint, ResourceMetrics, ScopeMetrics,
    };
    use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span};
    use prost::Message;

    use super::*;
    use crate::testing::arbitrary::{self, Options};

    /// A span is found by its name and ids; a name full of control characters stays on its line.
    #[test]
    fn a_span_is_named_by_its_ids() {
        let name = format!("line\nbreak{}", "x".repeat(100));
        let span = Span { trace_id: vec![0xab; 16], span_id: vec![1; 8], name, ..Span::default() };
        let scope_spans = vec![ScopeSpans { spans: vec![span], ..ScopeSpans::default() }];
        let group = ResourceSpans { scope_spans, ..ResourceSpans::default() };
        let request = ExportTraceServiceRequest { resource_spans: vec![group] }.encode_to_vec();
        let expected = format!(
            "span \"line\\nbreak{}\"..., trace {}, span id {}",
            "x".repeat(54),
            "ab".repeat(16),
            "01".repeat(8)
        );
        assert_eq!(first_item(Signal::Traces, &request), expected);
    }

    /// The metric that is named has the point; one without points says nothing about it.
    #[test]
    fn a_metric_is_named_by_the_one_with_points() {
        let metric = |name: &str, points: usize| Metric {
            name: name.to_owned(),
            data: Some(Data::Gauge(Gauge { data_points: vec![NumberDataPoint::default(); points] })),
            ..Metric::default()
        };
        let metrics = vec![metric("empty", 0), metric("gpu.load", 1)];
        let scope_metrics = vec![ScopeMetrics { metrics, ..ScopeMetrics::default() }];
        let group = ResourceMetrics { scope_metrics, ..ResourceMetrics::default() };
        let request = ExportMetricsServiceRequest { resource_metrics: vec![group] }.encode_to_vec();
        assert_eq!(first_item(Signal::Metrics, &request), "metric \"gpu.load\"");
    }

    /// A log record's text may be a secret; its severity is none.
    #[test]
    fn a_log_record_is_named_by_its_severity() {
        let record =
            LogRecord { severity_number: 17, severity_text: "ERROR".to_owned(), ..LogRecord::default() };
        let scope_logs = vec![ScopeLogs { log_records: vec![record], ..ScopeLogs::default() }];
        let group = ResourceLogs { scope_logs, ..ResourceLogs::default() };
        let request = ExportLogsServiceRequest { resource_logs: vec![group] }.encode_to_vec();
        assert_eq!(first_item(Signal::Logs, &request), "log record of severity 17 \"ERROR\"");
    }

    /// Any request, and no request at all, gives a short line.
    #[test]
    fn every_request_gives_a_short_line() {
        for signal in Signal::ALL {
            assert_eq!(first_item(signal, &[]), "");
            for seed in 0..200 {
                let request = arbitrary::request(signal, seed, Options::default());
                let line = first_item(signal, &request);
                assert!(line.len() < 1000 && !line.contains('\n'), "{line}");
            }
        }
    }
}
