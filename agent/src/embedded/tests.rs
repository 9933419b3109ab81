use spindle_config::Document;

use super::*;
use crate::configuration;

fn options(properties: &[&str], jaeger: Option<&str>, prometheus: Option<&str>) -> Options {
    Options {
        properties: properties.iter().map(|text| (*text).to_owned()).collect(),
        jaeger: jaeger.map(str::to_owned),
        prometheus: prometheus.map(str::to_owned),
        ..Options::default()
    }
}

/// The embedded configuration of some options, in the environment of a run with this id.
fn loaded(options: &Options, id: &str) -> Document {
    let mut exporters = Exporters::default();
    if let Some(prometheus) = &options.prometheus {
        exporters.add_prometheus(prometheus).expect("a URL");
    }
    let place = Place::of(options, Some(id.to_owned()));
    let mut sources = Sources::default();
    sources.add(Source::Embedded { name: NAME, text: yaml(&place, &exporters) });
    for property in &options.properties {
        sources.add(Source::from_property(property).expect("a property"));
    }
    configuration::load(&sources).unwrap_or_else(|failure| panic!("{id}: {failure}")).document
}

fn text<'d>(document: &'d Document, path: &[&str]) -> &'d str {
    let node = path.iter().try_fold(&document.root, |node, key| node.get(key));
    node.and_then(spindle_config::Node::as_text).unwrap_or_else(|| panic!("{path:?}"))
}

/// What the banner says is true for every id and directory: the data lies in the run's folder.
#[test]
fn the_files_lie_in_the_runs_folder() {
    for (id, properties, expected_id, expected_directory) in [
        ("r1", &[][..], "r1", DIRECTORY),
        (" r1\n", &[][..], "r1", DIRECTORY),
        ("a\\b\"c: #'", &[][..], "a\\b\"c: #'", DIRECTORY),
        ("123", &[][..], "123", DIRECTORY),
        ("$$x${HOME}", &[][..], "$$x${HOME}", DIRECTORY),
        ("h\u{200b}\u{e9}", &[][..], "h\u{200b}\u{e9}", DIRECTORY),
        ("r1", &["run.id=other"][..], "other", DIRECTORY),
        ("r1", &["run={directory: /data, id: 'x y'}"][..], "x y", "/data"),
        ("r1", &["run.directory=${env:SPINDLE_UNSET:-/data}", "run.label=r"][..], "r1", "/data"),
    ] {
        let document = loaded(&options(properties, None, None), id);
        let path = text(&document, &["exporters", "file/traces", "path"]);
        assert_eq!(path, format!("{expected_directory}/{expected_id}/traces.jsonl"), "{id} {properties:?}");
        assert_eq!(text(&document, &["run", "id"]), expected_id);
    }
}

/// A password is taken as it is written, with its dollars.
#[test]
fn a_url_is_taken_word_for_word() {
    let document = loaded(&options(&[], None, Some("http://u:p$$w@localhost:9090")), "r1");
    let endpoint = text(&document, &["exporters", "prometheus_remote_write", "endpoint"]);
    assert_eq!(endpoint, "http://u:p$$w@localhost:9090/api/v1/write");
}

/// A back end that would be this agent, or that cannot be, is told before anything starts, and no password
/// with it.
#[test]
fn says_what_cannot_be_sent_to() {
    for (jaeger, prometheus, problem) in [
        (
            Some("localhost"),
            None,
            "error: --jaeger localhost is where this agent itself listens; let Jaeger take OTLP/gRPC on another port, for example 14317",
        ),
        (
            Some("http://u:hunter2@h:14317"),
            None,
            "error: --jaeger http://[REDACTED]@h:14317: a gRPC endpoint has no user and password",
        ),
        (
            Some("h:16686"),
            None,
            "error: --jaeger h:16686 is Jaeger's page; its OTLP/gRPC has another port, usually 4317",
        ),
        (Some("ftp://h"), None, "error: --jaeger: unsupported scheme \"ftp\" (http, https)"),
        (None, Some("a\"b"), "error: --prometheus: invalid character '\"' in host name"),
    ] {
        let failure = source(&options(&[], jaeger, prometheus)).expect_err("cannot be");
        assert_eq!(failure.to_string(), problem);
    }
}

/// What a new user reads and pastes is where things are, also when they were moved.
#[test]
fn the_banner_says_where_everything_is() {
    let listeners: Vec<(String, String)> = [
        ("service::telemetry::metrics (default)", "localhost:8888"),
        ("receivers::otlp::protocols::grpc::endpoint", "0.0.0.0:5317"),
        ("receivers::otlp::protocols::http::endpoint", "localhost:4318"),
        ("extensions::health_check::endpoint", "localhost:13133"),
    ]
    .map(|(path, address)| (path.to_owned(), address.to_owned()))
    .into();
    let options = options(&[], Some("h:14317"), Some("http://u:hunter2@p:9090"));
    let text = banner(&options, "r1", Path::new("/runs/r1"), &listeners);
    let version = env!("CARGO_PKG_VERSION");
    assert_eq!(
        text,
        format!(
            "spindle {version}, run r1
  receives  OTLP/gRPC on localhost:5317, OTLP/HTTP on http://localhost:4318
            in a client: OTEL_EXPORTER_OTLP_ENDPOINT=http://localhost:5317 (grpc)
            in a client: OTEL_EXPORTER_OTLP_ENDPOINT=http://localhost:4318 (http/protobuf)
  reads     this host's and its GPUs' metrics every 10 s
  writes    /runs/r1: traces.jsonl, metrics.jsonl, logs.jsonl
            and to Jaeger at h:14317 and Prometheus at http://[REDACTED]@p:9090
  tells     http://localhost:13133/status, http://localhost:8888/metrics
  ends      with Ctrl-C; your own configuration: spindle --config FILE, this one: spindle print-config
"
        )
    );
}
