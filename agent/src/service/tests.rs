use spindle_config::source::{Process, Source};
use spindle_config::{Diagnostic, Sources};
use spindle_pipeline::telemetry::{Metric, Telemetry};

use super::*;

fn read(yaml: &str) -> (Service, Vec<String>) {
    let mut sources = Sources::default();
    sources.add(Source::Yaml(format!("{{service: {{telemetry: {yaml}}}}}")));
    let (document, mut ignored) = spindle_config::load(&sources, &Process);
    let sections = Sections::read(&document, &mut ignored);
    let mut diagnostics = Diagnostics::default();
    let service = Service::read(&sections, &mut diagnostics);
    (service, diagnostics.iter().map(Diagnostic::one_line).collect())
}

fn run(label: &str, is_overriding: bool) -> Run {
    Run { label: label.to_owned(), id: "r1".to_owned(), is_overriding }
}

fn labels(service: &Service, run: Option<&Run>) -> Vec<(String, String)> {
    let mut labels = service.constant_labels(run);
    labels.retain(|(name, _)| name != "service_instance_id");
    labels.into_iter().map(|(name, value)| (name.into_owned(), value.into_owned())).collect()
}

fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

/// The agent's own series say which run they belong to, and what the operator says about the resource wins
/// over it unless the run is overriding.
#[test]
fn own_metrics_carry_the_run() {
    let version = ("service_version", BUILD.version);
    let spindle = ("service_name", "spindle");
    for (yaml, run, expected) in [
        ("{}", None, pairs(&[spindle, version])),
        ("{}", Some(run("container_run", false)), pairs(&[spindle, version, ("container_run", "r1")])),
        ("{}", Some(run("run.id", false)), pairs(&[spindle, version, ("run_id", "r1")])),
        ("{resource: {run.id: x}}", Some(run("run_id", false)), pairs(&[spindle, version, ("run_id", "x")])),
        ("{resource: {run.id: x}}", Some(run("run_id", true)), pairs(&[spindle, version, ("run_id", "r1")])),
        (
            "{resource: {service.name: s, a.b: x, a_b: y}}",
            None,
            pairs(&[version, ("a_b", "y"), ("service_name", "s")]),
        ),
        ("{resource: {service.version: null, service.name: null}}", None, Vec::new()),
    ] {
        assert_eq!(labels(&read(yaml).0, run.as_ref()), expected, "{yaml} {run:?}");
    }
}

/// Prometheus refuses a whole page for one label that stands there twice or has an impossible name.
#[test]
fn a_page_is_valid_whatever_the_resource_says() {
    let (service, problems) = read("{resource: {exporter: mine, \"my key!\": v, \"1abc\": w}}");
    let text = "service::telemetry::resource::exporter: the agent's own metrics have a label \"exporter\" already; this one is left out";
    assert_eq!(problems, [text]);
    let telemetry = Telemetry::new(service.constant_labels(None));
    telemetry.counter(Metric::ExporterSentSpans, vec![("exporter".into(), "otlp_grpc".into())]).inc();
    let page = telemetry.render(Suffixes::default());
    let series =
        page.lines().find(|line| line.starts_with("otelcol_exporter_sent_spans{")).expect("a series");
    assert!(series.ends_with("key_1abc=\"w\",my_key_=\"v\",exporter=\"otlp_grpc\"} 1"), "{series}");
    assert_eq!(series.matches("exporter=").count(), 1, "{series}");
}

/// The Collector reads levels in any case.
#[test]
fn levels_are_read_in_any_case() {
    for (level, expected) in [
        ("DEBUG", LogLevel::Debug),
        ("Info", LogLevel::Info),
        ("warn", LogLevel::Warn),
        ("fatal", LogLevel::Error),
    ] {
        let (service, problems) = read(&format!("{{logs: {{level: {level}}}}}"));
        assert_eq!((service.logs.level, problems), (expected, Vec::new()), "{level}");
    }
    let (_, problems) = read("{logs: {level: loud}}");
    let text =
        "service::telemetry::logs::level: unknown value \"loud\", allowed: `DEBUG`, `ERROR`, `INFO`, `WARN`";
    assert_eq!(problems, [text]);
}
