//! The run: its label on what passes, and its folder.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use harness::agent::{Agent, AgentBuilder};
use harness::capture::Capture;
use harness::cli::Session;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_client::TraceServiceClient;
use opentelemetry_proto::tonic::common::v1::any_value::Value as Oneof;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use opentelemetry_proto::tonic::resource::v1::Resource;
use prost::Message;
use serde_json::Value;
use spindle_pipeline::testing::spans;

fn agent(run: &str, back_end: &str) -> AgentBuilder {
    Agent::with(&format!(
        "{run}
receivers: {{otlp: {{protocols: {{grpc: {{endpoint: 127.0.0.1:$grpc}}}}}}}}
exporters: {{otlp_grpc: {{endpoint: {back_end}, tls: {{insecure: true}}, headers: {{authorization: Bearer hunter2}}}}}}
extensions: {{health_check: {{endpoint: 127.0.0.1:$health}}}}
service:
  extensions: [health_check]
  pipelines: {{traces: {{receivers: [otlp], exporters: [otlp_grpc]}}}}
"
    ))
}

/// Who decides about the label: the section, the variable, the client; and nobody when none of them asks.
#[tokio::test]
async fn the_label_is_stamped_as_asked_for() {
    let own = [("service.name", "a"), ("container_run", "the-clients")];
    let none = [("service.name", "a")];
    for (run, variable, sent, expected) in [
        ("", None, &own[..], &own[..]),
        ("", None, &none, &none),
        ("", Some("r7"), &none, &[("service.name", "a"), ("container_run", "r7")]),
        ("", Some("  "), &none, &none),
        ("run: {id: r8}", Some("r7"), &none, &[("service.name", "a"), ("container_run", "r8")]),
        ("run: {id: r8}", None, &own, &own),
        ("run: {id: r8, override: true}", None, &own, &[("service.name", "a"), ("container_run", "r8")]),
        ("run: {id: r8, label: run.id}", None, &own, &[own[0], own[1], ("run.id", "r8")]),
        ("run: {id: \"${env:JOB:-r9}\"}", None, &none, &[("service.name", "a"), ("container_run", "r9")]),
        ("run: {id: r8}", None, &[], &[("container_run", "r8")]),
    ] {
        let back_end = Capture::start().await;
        let mut builder = agent(run, &back_end.grpc());
        if let Some(id) = variable {
            builder = builder.variable("CONTAINER_RUN_ID", id);
        }
        let agent = builder.start().await;
        let mut client = TraceServiceClient::connect(agent.url("grpc")).await.unwrap();
        client.export(request(sent)).await.unwrap();
        back_end.wait_for_spans(2).await;
        let found = back_end.traces()[0].resource_spans[0].resource.clone().unwrap_or_default();
        assert_eq!(found.attributes, attributes(expected), "{run} {variable:?} {sent:?}");
    }
}

fn request(resource: &[(&str, &str)]) -> ExportTraceServiceRequest {
    let mut request = ExportTraceServiceRequest::decode(spans::request(2)).unwrap();
    let resource = Resource { attributes: attributes(resource), ..Resource::default() };
    request.resource_spans[0].resource = Some(resource);
    request
}

fn attributes(pairs: &[(&str, &str)]) -> Vec<KeyValue> {
    let value = |text: &str| Some(AnyValue { value: Some(Oneof::StringValue(text.to_owned())) });
    let pair = |(key, text): &(&str, &str)| KeyValue {
        key: (*key).to_owned(),
        value: value(text),
        ..KeyValue::default()
    };
    pairs.iter().map(pair).collect()
}

/// A run's folder: a manifest with the guide's keys and the configuration in effect without its secrets,
/// for their owner alone; the next run gets a folder of its own and leaves the last one as it is.
#[tokio::test]
async fn each_run_has_a_folder_of_its_own() {
    let runs = tempfile::tempdir().unwrap();
    let back_end = Capture::start().await;
    let mut folders = Vec::new();
    for id in ["first", "second"] {
        let run = format!("run: {{id: {id}, directory: {}/container_runs}}", runs.path().display());
        let agent = agent(&run, &back_end.grpc()).argument("--set=processors.batch.timeout=7s").start().await;
        let folder = runs.path().join("container_runs").join(id);
        let manifest: Value = serde_json::from_str(&read(&folder, "manifest.json")).unwrap();
        check_manifest(&manifest, id, &folder, &agent);
        check_config(&folder).await;
        let (status, output) = agent.stop().await;
        assert_eq!(status.code(), Some(0), "{output}");
        assert!(output.contains(&folder.display().to_string()), "{output}");
        folders.push((folder.clone(), read(&folder, "manifest.json")));
    }
    for (folder, manifest) in folders {
        assert_eq!(read(&folder, "manifest.json"), manifest, "nobody has touched it since");
        assert_eq!(files(&folder), ["configs/spindle.yaml", "manifest.json"]);
    }
}

fn read(folder: &Path, file: &str) -> String {
    std::fs::read_to_string(folder.join(file)).unwrap()
}

/// All files below a folder; each is for its owner alone, and so are the folders.
fn files(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let mut open = vec![folder.to_owned()];
    while let Some(path) = open.pop() {
        let metadata = path.metadata().unwrap();
        let mode = if metadata.is_dir() { 0o700 } else { 0o600 };
        assert_eq!(metadata.permissions().mode() & 0o777, mode, "{}", path.display());
        if metadata.is_dir() {
            open.extend(std::fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
        } else {
            found.push(path.strip_prefix(folder).unwrap().display().to_string());
        }
    }
    found.sort();
    found
}

fn check_manifest(manifest: &Value, id: &str, folder: &Path, agent: &Agent) {
    assert_eq!(manifest["container_run_id"], id);
    assert_eq!(manifest["label"], "container_run");
    assert_eq!(manifest["agent"]["pid"], agent.process.id());
    assert_eq!(manifest["paths"]["run"], folder.display().to_string());
    assert_eq!(manifest["paths"]["config"], folder.join("configs/spindle.yaml").display().to_string());
    let services = manifest["services"].as_object().unwrap();
    for (key, port) in [
        ("receivers::otlp::protocols::grpc::endpoint", "grpc"),
        ("extensions::health_check::endpoint", "health"),
        ("service::telemetry::metrics::readers::0", "metrics"),
    ] {
        assert_eq!(services[key], format!("127.0.0.1:{}", agent.port(port)), "{manifest}");
    }
    let surfaces = &manifest["telemetry_surfaces"];
    assert_eq!(
        (&surfaces["tracing"]["status"], &surfaces["logs"]["status"]),
        (&"enabled".into(), &"disabled".into())
    );
    let started = manifest["started_at"].as_str().unwrap();
    let shape: String =
        started.chars().map(|letter| if letter.is_ascii_digit() { '0' } else { letter }).collect();
    assert_eq!(shape, "0000-00-00T00:00:00Z");
    // Whoever reads it later wants to know what was odd about the configuration.
    let warnings = manifest["warnings"].to_string();
    assert!(
        warnings.contains("processor \\\"batch\\\" is configured and not used by any pipeline"),
        "{warnings}"
    );
}

/// It is what was in effect, properties included, and can be run again once the secrets are put back.
async fn check_config(folder: &Path) {
    let config = read(folder, "configs/spindle.yaml");
    assert!(config.contains("timeout: 7s") && config.contains("authorization: '[REDACTED]'"), "{config}");
    assert!(!config.contains("hunter2"), "{config}");
    let again =
        Session::new().file("again.yaml", &config).quietly(&["validate", "--config", "again.yaml"]).await;
    assert_eq!(again.code, 0, "{}", again.stderr);
}

/// Without an id each start is a run of its own, named by its time.
#[tokio::test]
async fn runs_without_an_id_are_named_by_their_time() {
    let runs = tempfile::tempdir().unwrap();
    let back_end = Capture::start().await;
    for count in 1..=2 {
        let run = format!("run: {{directory: {}}}", runs.path().display());
        let agent = agent(&run, &back_end.grpc()).start().await;
        let (status, output) = agent.stop().await;
        assert_eq!(status.code(), Some(0), "{output}");
        let names: Vec<String> = std::fs::read_dir(runs.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        assert_eq!(names.len(), count, "{names:?}");
        for name in names {
            let rest = name.strip_prefix("container-run-").unwrap_or_else(|| panic!("{name}"));
            let (time, id) = rest.split_once('-').unwrap_or_else(|| panic!("{name}"));
            let shape: String =
                time.chars().map(|letter| if letter.is_ascii_digit() { '0' } else { letter }).collect();
            assert_eq!(shape, "00000000T000000Z", "{name}");
            assert!(id.len() == 8 && id.chars().all(|digit| digit.is_ascii_hexdigit()), "{name}");
        }
    }
}

/// A folder that cannot be made ends the start with 1 and says which.
#[tokio::test]
async fn a_folder_that_cannot_be_made_ends_the_start() {
    let runs = tempfile::tempdir().unwrap();
    std::fs::write(runs.path().join("file"), "").unwrap();
    let run = format!("run: {{id: r1, directory: {}/file/runs}}", runs.path().display());
    let mut agent = agent(&run, "127.0.0.1:1").spawn();
    let status = agent.process.wait().await;
    let output = agent.process.output();
    assert_eq!(status.code(), Some(1), "{output}");
    assert!(
        output.contains("error: run::directory: cannot write") && output.contains("file/runs/r1"),
        "{output}"
    );
}
