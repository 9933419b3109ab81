use spindle_config::{Diagnostics, Sections, SourceMap};
use spindle_pipeline::component::Registry;
use spindle_pipeline::graph::Plan;
use spindle_pipeline::testing::{contract, problems_for, spans};

use super::*;
use crate::support::goldens::{Goldens, build};

fn goldens() -> Goldens {
    Goldens::read(include_str!("testdata/collector.json"))
}

/// The clauses that every component keeps.
#[test]
fn keeps_the_contract() {
    contract::factory::<AttributesProcessor>();
    let actions = "actions: [{key: new, value: [1], action: insert}, {pattern: '^s', action: delete}]";
    for (signal, include) in [
        (Signal::Traces, "include: {match_type: regexp, span_names: [a]}"),
        (Signal::Metrics, "exclude: {match_type: regexp, metric_names: [a]}"),
        (Signal::Logs, "include: {log_severity_number: {min: 9}}"),
    ] {
        let yaml = format!("{{{include}, {actions}}}");
        contract::transform(&*build::<AttributesProcessor>(&yaml, signal), signal);
    }
}

/// Users bring their actions along: what comes out is what the Collector's own processor made of the same
/// request, recorded, for every way to choose items.
#[test]
fn does_what_the_collector_does() {
    goldens().check_cases::<AttributesProcessor>();
}

/// The texts are those of the Collector, which users search for.
#[test]
fn says_what_the_collector_says() {
    goldens().check_refusals::<AttributesProcessor>();
}

/// A request in which no action changes anything is not copied.
#[test]
fn passes_on_the_same_bytes_when_nothing_changes() {
    let yaml = "{actions: [{key: http.route, value: x, action: insert}, {key: none, action: delete}]}";
    let batch = Batch::receive(Signal::Traces, spans::request(2)).expect("well formed");
    let after = build::<AttributesProcessor>(yaml, Signal::Traces).transform(batch.clone());
    let after = after.expect("transforms").expect("drops nothing");
    assert_eq!(after.bytes().as_ptr(), batch.bytes().as_ptr());
}

/// What the Collector's own texts do not cover: its list of span kinds has holes, its regular expressions
/// another wording, and that resources mean nothing for metrics it does not say at all.
#[test]
fn says_what_the_collector_words_otherwise() {
    for (signal, include, problem) in [
        (
            Signal::Traces,
            "{match_type: strict, span_kinds: [SERVER]}",
            "include::span_kinds: span_kinds string must match one of the standard span kinds when match_type=strict: [SPAN_KIND_CLIENT SPAN_KIND_CONSUMER SPAN_KIND_INTERNAL SPAN_KIND_PRODUCER SPAN_KIND_SERVER]",
        ),
        (
            Signal::Traces,
            "{match_type: regexp, span_names: ['(']}",
            "include::span_names: error creating span name filters: error parsing regexp: unclosed group: `(`",
        ),
        (
            Signal::Logs,
            "{match_type: regexp, attributes: [{key: a}, {key: b, value: '['}]}",
            "include::attributes::1::value: error creating attribute filters: error parsing regexp: unclosed character class: `[`",
        ),
        (
            Signal::Logs,
            "{match_type: regexp, libraries: [{name: a, version: '*'}]}",
            "include::libraries::0::version: error creating library version filters: error parsing regexp: repetition operator missing expression: `*`",
        ),
        (
            Signal::Metrics,
            "{match_type: strict, resources: [{key: a}]}",
            "include::resources: resources are not looked at for metrics, as in the Collector; metric_names alone decide",
        ),
    ] {
        let yaml = format!("{{include: {include}, actions: [{{key: a, action: delete}}]}}");
        assert_eq!(problems_for::<AttributesProcessor>(&yaml, signal), [problem]);
    }
}

/// A key that does not fit the signal of one of the pipelines is found before anything starts, with its
/// position.
#[test]
fn the_plan_checks_keys_by_the_signals_of_the_pipelines() {
    let text = "
processors:
  attributes:
    include: {match_type: strict, span_names: [a]}
    actions: [{key: a, action: delete}]
service:
  pipelines:
    traces: {receivers: [], processors: [attributes], exporters: []}
    logs: {receivers: [], processors: [attributes], exporters: []}
";
    let mut texts = SourceMap::default();
    let mut diagnostics = Diagnostics::default();
    let source = texts.add("test.yaml", text);
    let root = spindle_config::tree::parse(source, &texts, &mut diagnostics).expect("YAML");
    let document = spindle_config::Document { root, sources: texts };
    let sections = Sections::read(&document, &mut diagnostics);
    let mut registry = Registry::default();
    registry.processor::<AttributesProcessor>();
    Plan::read(&sections, &registry, Vec::new(), &mut diagnostics);
    let found: Vec<_> = diagnostics
        .iter()
        .filter(|diagnostic| diagnostic.one_line().starts_with("processors::attributes"))
        .map(|diagnostic| (diagnostic.one_line(), diagnostic.origin.map(|origin| origin.line)))
        .collect();
    let text = "processors::attributes::include::span_names: services, span_names, span_kinds and metric_names are not valid for log records";
    assert_eq!(found, [(text.to_owned(), Some(4))]);
}
