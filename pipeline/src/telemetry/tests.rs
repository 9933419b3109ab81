use super::*;
use crate::Signal;

fn telemetry() -> Telemetry {
    Telemetry::new(vec![("service_name".into(), "spindle".into())])
}

/// Dashboards made for the Collector's default reader find its names: no suffix.
#[test]
fn the_default_page_has_no_suffixes() {
    let telemetry = telemetry();
    telemetry.counter(Metric::ReceiverAcceptedSpans, vec![("receiver".into(), "otlp".into())]).inc_by(3);
    let page = telemetry.render(Suffixes::default());
    assert!(page.contains("# TYPE otelcol_receiver_accepted_spans counter\n"), "{page}");
    assert!(
        page.contains("otelcol_receiver_accepted_spans{service_name=\"spindle\",receiver=\"otlp\"} 3\n"),
        "{page}"
    );
    assert!(page.contains("\notelcol_process_cpu_seconds{"), "{page}");
    assert!(page.contains("\notelcol_process_memory_rss{"), "{page}");
    assert!(!page.contains("_total{"), "{page}");
    assert!(!page.contains("# EOF"), "{page}");
}

/// Dashboards made for a reader that was written by hand find theirs: `_total`, `_seconds`, `_bytes`.
#[test]
fn suffixes_follow_type_and_unit() {
    let telemetry = telemetry();
    telemetry.counter(Metric::ReceiverAcceptedSpans, Vec::new()).inc();
    let page = telemetry.render(Suffixes { types: true, units: true });
    for name in [
        "otelcol_receiver_accepted_spans_total{",
        "otelcol_process_cpu_seconds_total{",
        "otelcol_process_uptime_seconds_total{",
        "otelcol_process_memory_rss_bytes{",
        "otelcol_process_runtime_heap_alloc_bytes{",
    ] {
        assert!(page.contains(&format!("\n{name}")), "{name} in {page}");
    }
}

/// A family that nothing was counted in would show users components they do not have.
#[test]
fn families_without_series_are_left_out() {
    assert!(!telemetry().render(Suffixes::default()).contains("exporter_sent"));
}

/// The two pages of a diff must not differ by the order of a hash map.
#[test]
fn the_page_is_in_a_stable_order() {
    let telemetry = telemetry();
    for receiver in ["c", "a", "b"] {
        telemetry.counter(Metric::ReceiverAcceptedSpans, vec![("receiver".into(), receiver.into())]).inc();
    }
    let page = telemetry.render(Suffixes::default());
    let positions: Vec<_> =
        ["a", "b", "c"].iter().map(|name| page.find(&format!("receiver=\"{name}\""))).collect();
    assert!(positions.is_sorted(), "{page}");
}

/// `row()` relies on the rows standing in the order of the variants.
#[test]
fn every_metric_finds_its_own_row() {
    for row in Metric::rows() {
        assert_eq!(row.metric.row().name, row.name);
    }
    assert_eq!(Metric::receiver_accepted(Signal::Logs).row().name, "receiver_accepted_log_records");
}

/// The page in the docs is the list in the code; `UPDATE_GOLDENS=1` writes it anew.
#[test]
fn the_docs_list_every_metric() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/metrics.md");
    if std::env::var_os("UPDATE_GOLDENS").is_some() {
        std::fs::write(path, markdown()).expect("writes");
    }
    let page = std::fs::read_to_string(path).expect("docs/metrics.md");
    assert!(
        page == markdown(),
        "docs/metrics.md is out of date: run UPDATE_GOLDENS=1 cargo test -p spindle-pipeline"
    );
}

/// A resource attribute of any name becomes a label that Prometheus reads.
#[test]
fn attribute_keys_become_label_names() {
    for (key, name) in [
        ("service.name", "service_name"),
        ("my key!", "my_key_"),
        ("1abc", "key_1abc"),
        ("a:b", "a_b"),
        ("h\u{e9}", "h_"),
        ("plain_1", "plain_1"),
    ] {
        assert_eq!(label_name(key), name);
    }
}
