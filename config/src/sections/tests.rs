use super::*;
use crate::diagnostic::Style;
use crate::testing::{World, messages};

const SMALLEST: &str = "receivers:\n  otlp:\nexporters:\n  debug:\nservice:\n  pipelines:\n    traces:\n      receivers: [otlp]\n      exporters: [debug]\n";

/// Reads the sections of a text and calls `test` with them and with what is wrong.
fn with_sections<R>(text: &str, test: impl FnOnce(&Sections<'_>, &Document, &Diagnostics) -> R) -> R {
    let (document, mut diagnostics) = World::default().load(text);
    let sections = Sections::read(&document, &mut diagnostics);
    test(&sections, &document, &diagnostics)
}

fn problems(text: &str) -> Vec<String> {
    with_sections(text, |_, _, diagnostics| messages(diagnostics))
}

fn names(mentions: &[Mention]) -> Vec<&str> {
    mentions.iter().map(|mention| mention.id.as_str()).collect()
}

/// Protects the reading of a whole configuration, every section once.
#[test]
fn a_whole_configuration_is_read() {
    let text = "receivers:\n  otlp:\n  otlp/2: {a: 1}\nprocessors:\n  batch:\nexporters:\n  debug:\nconnectors:\n  \
                span_metrics:\nextensions:\n  health_check:\nservice:\n  extensions: [health_check]\n  telemetry: {x: 1}\n  \
                pipelines:\n    traces/a:\n      receivers: [otlp, otlp/2]\n      processors: [batch]\n      exporters: [debug, span_metrics]\n    \
                metrics:\n      receivers: span_metrics\n      exporters: debug, debug/2\nrun:\n  id: x\n";
    with_sections(text, |sections, document, diagnostics| {
        assert!(diagnostics.is_empty(), "{:?}", messages(diagnostics));
        let ids = |components: &[Component<'_>]| {
            components.iter().map(|component| component.id.to_string()).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(ids(&sections.receivers), "otlp otlp/2");
        assert_eq!(ids(&sections.processors), "batch");
        assert_eq!(ids(&sections.exporters), "debug");
        assert_eq!(ids(&sections.connectors), "span_metrics");
        assert_eq!(ids(&sections.extensions), "health_check");
        assert_eq!(names(&sections.enabled_extensions), ["health_check"]);
        assert_eq!(document.sources.describe(sections.receivers[1].origin), "in.yaml:3:3");
        assert!(sections.receivers[0].body.is_null());
        assert!(sections.telemetry.is_some());
        assert_eq!(document.sources.describe(sections.run.unwrap().1), "in.yaml:23:1");
        let traces = &sections.pipelines[0];
        assert_eq!((traces.id.component_type(), traces.id.name()), ("traces", "a"));
        assert_eq!(names(&traces.receivers), ["otlp", "otlp/2"]);
        assert_eq!(names(&traces.processors), ["batch"]);
        assert_eq!(names(&traces.exporters), ["debug", "span_metrics"]);
        assert_eq!(document.sources.describe(traces.receivers[1].origin), "in.yaml:17:25");
        assert_eq!(names(&sections.pipelines[1].receivers), ["span_metrics"]);
        assert_eq!(names(&sections.pipelines[1].exporters), ["debug", "debug/2"]);
    });
}

/// Protects the words for what no configuration can do without.
#[test]
fn the_least_is_required() {
    assert!(problems(SMALLEST).is_empty());
    let no_receiver = "no receiver configuration specified in config";
    let no_exporter = "no exporter configuration specified in config";
    let no_pipeline = "service::pipelines: service must have at least one pipeline";
    let table: &[(&str, &[&str])] = &[
        ("", &[no_receiver, no_exporter, no_pipeline]),
        ("receivers:\nexporters: {}\nservice:\n", &[no_receiver, no_exporter, no_pipeline]),
        ("receivers: {a: }\nservice: {pipelines: {}}\n", &[no_exporter, no_pipeline]),
        ("connectors: {a: }\nservice: {pipelines: {traces: }}\n", &[]),
    ];
    for (text, expected) in table {
        assert_eq!(problems(text), *expected, "{text:?}");
    }
}

/// Protects the report of a broken text: what could not be read is not called missing.
#[test]
fn what_could_not_be_read_is_not_missing() {
    let table = [
        ("receivers: [\n", "YAML syntax: while parsing a node, did not find expected node content"),
        ("text", "the configuration is a mapping of sections, this is a string"),
    ];
    for (text, expected) in table {
        assert_eq!(problems(text), [expected], "{text}");
    }
    let wrong =
        SMALLEST.replace("receivers:\n  otlp:\n", "receivers: [otlp]\n").replace("  debug:\n", "  1x:\n");
    assert_eq!(
        problems(&wrong),
        [
            "receivers: expected a mapping, found a list",
            "exporters: in \"1x\" id: invalid character(s) in type \"1x\" (a letter, then letters, digits and _, at most 63)",
        ]
    );
}

/// Protects the collecting of everything that can be wrong with the shape of a configuration.
#[test]
fn what_is_wrong_with_the_shape_is_said_at_once() {
    let text = "reciever: {}\nreceivers:\n  otlp:\n  ' otlp ':\n  /x:\n  a/:\nprocessors: 5\nexporters:\n  debug:\nservice:\n  \
                pipeline: {}\n  extensions: [health_check, [x], 'a b']\n  pipelines:\n    traces:\n      reciever: [a]\n      \
                receivers: [otlp, otlp, '']\n      processors: {}\n      exporters: [debug, ~]\n    'traces ': [x]\n    metrics: 5\n";
    let expected = [
        "has invalid keys: reciever",
        "receivers: duplicate name \"otlp\"",
        "receivers: in \"/x\" id: the part before / should not be empty",
        "receivers: in \"a/\" id: the part after / should not be empty",
        "processors: expected a mapping, found an integer",
        "service: has invalid keys: pipeline",
        "service::extensions: expected a list of component ids, found a list",
        "service::extensions: in \"a b\" id: invalid character(s) in type \"a b\" (a letter, then letters, digits and _, at most 63)",
        "service::pipelines::traces: has invalid keys: reciever",
        "service::pipelines::traces::receivers: references \"otlp\" multiple times",
        "service::pipelines::traces::receivers: in \"\" id: the part before / should not be empty",
        "service::pipelines::traces::processors: expected a list of component ids, found a mapping",
        "service::pipelines::traces::exporters: expected a list of component ids, found nothing",
        "service::pipelines: duplicate name \"traces\"",
        "service::pipelines::metrics: expected a mapping, found an integer",
    ];
    assert_eq!(problems(text), expected);
    for text in ["service: 5\n", "service: []\n"] {
        assert!(problems(text)[0].starts_with("service: expected a mapping, found a"), "{text}");
    }
    assert_eq!(
        problems(
            &format!("{SMALLEST}  telemetry:\nrun:\n")
                .replace("pipelines:\n    traces", "pipelines: []\n  x")
        ),
        ["service: has invalid keys: x", "service::pipelines: expected a mapping, found a list"]
    );
}

/// Protects the report of a misspelt section: position, nearest name, allowed names.
#[test]
fn unknown_sections_get_help() {
    with_sections(&format!("exporter: {{}}\n{SMALLEST}"), |_, document, diagnostics| {
        insta::assert_snapshot!(diagnostics.render(document, Style::Plain), @"
        error: has invalid keys: exporter
         --> in.yaml:1:1
          |
        1 | exporter: {}
          | ^^^^^^^^
          |
          = help: did you mean `exporters`?
          = note: allowed here: `connectors`, `exporters`, `extensions`, `processors`, `receivers`, `run`, `service`

        1 error
        ");
    });
}
