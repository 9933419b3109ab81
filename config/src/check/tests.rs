use super::*;
use crate::diagnostic::Style;
use crate::testing::{World, at, messages};

const TEXT: &str = "receivers:\n  otlp:\n    protocols:\n      grpc:\n        endpoint: ${env:WHERE}\n      http:\n    list:\n      - a\n      - b: 5\n";

/// Runs `test` on a check of the receiver and returns `position path: message` of each problem.
fn problems(test: impl FnOnce(&mut Check<'_>)) -> Vec<String> {
    let (document, _) = World::default().load(TEXT);
    let node = at(&document.root, "receivers::otlp");
    let key = at(&document.root, "receivers").as_mapping().unwrap().get("otlp").unwrap().key_origin;
    let mut diagnostics = Diagnostics::default();
    test(&mut Check::new(node, "receivers::otlp", Some(key), &mut diagnostics));
    let place = |item: &Diagnostic| document.sources.describe(item.origin.unwrap());
    diagnostics.iter().map(|item| format!("{} {}", place(item), item.one_line())).collect()
}

/// Protects the place of semantic errors: the value, or the key of a block, or the nearest that is written.
#[test]
fn errors_stand_at_the_value_or_the_nearest_key_around_it() {
    let table = [
        ("", "in.yaml:2:3 receivers::otlp: m"),
        ("protocols", "in.yaml:3:5 receivers::otlp::protocols: m"),
        ("protocols::grpc", "in.yaml:4:7 receivers::otlp::protocols::grpc: m"),
        ("protocols::grpc::endpoint", "in.yaml:5:19 receivers::otlp::protocols::grpc::endpoint: m"),
        ("protocols::http", "in.yaml:6:7 receivers::otlp::protocols::http: m"),
        ("protocols::http::endpoint", "in.yaml:6:7 receivers::otlp::protocols::http::endpoint: m"),
        ("protocols::nope::endpoint", "in.yaml:3:5 receivers::otlp::protocols::nope::endpoint: m"),
        ("nope", "in.yaml:2:3 receivers::otlp::nope: m"),
        ("list::0", "in.yaml:8:9 receivers::otlp::list::0: m"),
        ("list::1::b", "in.yaml:9:12 receivers::otlp::list::1::b: m"),
        ("list::7", "in.yaml:7:5 receivers::otlp::list::7: m"),
        ("list::x", "in.yaml:7:5 receivers::otlp::list::x: m"),
    ];
    for (key, expected) in table {
        assert_eq!(problems(|check| check.error(key, "m")), [expected], "{key}");
    }
}

/// Protects checks of shared parts, a `tls:` block say, which know their own keys only.
#[test]
fn a_check_can_go_below_a_key() {
    let found = problems(|check| {
        let mut below = check.below("protocols::grpc");
        assert!(below.is_written("endpoint") && !below.is_written("tls"));
        assert!(below.node().as_mapping().is_some());
        below.warning("endpoint", "w");
        below.below("tls").error("ca_file", "e");
        below.report("", Diagnostic::error("r"));
        check.error("", "end");
    });
    assert_eq!(
        found,
        [
            "in.yaml:5:19 receivers::otlp::protocols::grpc::endpoint: w",
            "in.yaml:4:7 receivers::otlp::protocols::grpc::tls::ca_file: e",
            "in.yaml:4:7 receivers::otlp::protocols::grpc: r",
            "in.yaml:2:3 receivers::otlp: end",
        ]
    );
}

/// Protects `is_written` and `origin`, by which components tell a default from what a user wrote.
#[test]
fn what_is_written_is_known() {
    problems(|check| {
        let table = [
            ("protocols::http", true),
            ("protocols::http::endpoint", false),
            ("list::1::b", true),
            ("list::2", false),
            ("nope", false),
        ];
        for (key, expected) in table {
            assert_eq!(check.is_written(key), expected, "{key}");
        }
        assert_eq!(check.origin("protocols::grpc::endpoint").line, 5);
    });
}

/// Protects a check without a path and without a key, as of the root.
#[test]
fn a_check_of_the_root_has_no_path() {
    let (document, _) = World::default().load(TEXT);
    let mut diagnostics = Diagnostics::default();
    let mut check = Check::new(&document.root, "", None, &mut diagnostics);
    check.error("receivers", "a");
    check.below("receivers").error("otlp", "b");
    check.error("", "c");
    assert_eq!(messages(&diagnostics), ["receivers: a", "receivers::otlp: b", "c"]);
}

/// Protects the note that leads from a bad value to the variable it came from, or did not come from.
#[test]
fn a_bad_value_says_which_variable_it_came_from() {
    let report = |world: World| {
        let (document, _) = world.load(TEXT);
        let mut diagnostics = Diagnostics::default();
        Check::new(&document.root, "", None, &mut diagnostics)
            .error("receivers::otlp::protocols::grpc::endpoint", "missing port");
        diagnostics.render(&document, Style::Plain)
    };
    let set = report(World::default().variable("WHERE", "nowhere"));
    assert!(set.contains("= note: the value comes from environment variable WHERE"), "{set}");
    let unset = report(World::default());
    assert!(
        unset.contains("= note: environment variable WHERE is not set, so the value is empty"),
        "{unset}"
    );
}

/// A typing error gives one report, not a second one about the default that stands in its place.
#[test]
fn says_nothing_about_what_could_not_be_read() {
    #[derive(Default, serde::Deserialize)]
    #[serde(default, deny_unknown_fields)]
    struct Endpoint {
        endpoint: String,
        port: u16,
    }
    for (yaml, expected) in [
        ("{endpont: a, port: 1}", vec!["x: has invalid keys: endpont"]),
        ("{endpoint: [a], port: 1}", vec!["x::endpoint: expected a string, found a list"]),
        ("{port: many}", vec!["x::port: expected a number, found a string", "x::endpoint: is required"]),
    ] {
        let mut texts = crate::SourceMap::default();
        let mut diagnostics = Diagnostics::default();
        let source = texts.add("test", yaml);
        let node = crate::tree::parse(source, &texts, &mut diagnostics).expect("parses");
        let config: Endpoint = crate::decode(&node, "x", &mut diagnostics).expect("decodes");
        let mut check = Check::new(&node, "x", None, &mut diagnostics);
        if config.endpoint.is_empty() {
            check.error("endpoint", "is required");
        }
        if config.port == 0 {
            check.error("port", "must not be 0");
        }
        let lines: Vec<String> = diagnostics.iter().map(Diagnostic::one_line).collect();
        assert_eq!(lines, expected, "{yaml}");
    }
}
