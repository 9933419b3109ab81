//! The configurations that the project shows: samples of components, examples, blocks of pages. Each is
//! good, and the files start as they are, but for their ports.

use std::path::{Path, PathBuf};

use harness::agent::Agent;
use harness::cli::Session;
use harness::{peers, ports};
use serde_json::Value;

/// Where components are, each with a page and a sample.
const ROOMS: [&str; 4] = ["receivers/src", "processors/src", "exporters/src", "agent/src/extensions"];

/// What examples ask their reader to set.
const VARIABLE: (&str, &str) = ("CONTAINER_RUN_ID", "run-1");

/// Every sample and example is good; starts, is ready, and ends with 0 on SIGTERM. An example may bring old
/// names along, as its readers do; there is no other warning.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_sample_starts_and_stops() {
    let samples = samples();
    let pages = ROOMS.iter().flat_map(|room| files_named(room, "README.md")).count();
    assert_eq!(samples.len(), pages, "a sample beside each page");
    for file in samples.into_iter().chain(examples()) {
        let name = file.strip_prefix(peers::repository()).unwrap().display().to_string();
        let text = std::fs::read_to_string(&file).unwrap();
        let session = Session::new().file("sample.yaml", &text).variable(VARIABLE.0, VARIABLE.1);
        let ended = session.quietly(&["validate", "--config", "sample.yaml"]).await;
        assert_eq!((ended.code, ended.stdout.as_str()), (0, ""), "{name}:\n{}", ended.stderr);
        let is_example = name.starts_with("docs/");
        for warning in ended.stderr.lines().filter(|line| line.starts_with("warning: ")) {
            assert!(is_example && warning.contains("alias is deprecated"), "{name}:\n{}", ended.stderr);
        }
        let printed = session.quietly(&["print-config", "--format", "json", "--config", "sample.yaml"]).await;
        let config: Value = serde_json::from_str(&printed.stdout).unwrap();

        let mut agent = Agent::as_it_is(&text).variable(VARIABLE.0, VARIABLE.1);
        for property in moved(&config) {
            agent = agent.argument("--set").argument(&property);
        }
        let (status, output) = agent.start().await.stop().await;
        assert_eq!(status.code(), Some(0), "{name}:\n{output}");
        assert!(!output.contains("\terror\t"), "{name}:\n{output}");
    }
}

fn samples() -> Vec<PathBuf> {
    ROOMS.iter().flat_map(|room| files_named(room, "sample.yaml")).collect()
}

/// Whole configurations for users, as many as there are.
fn examples() -> Vec<PathBuf> {
    let is_yaml = |path: &PathBuf| path.extension().is_some_and(|ending| ending == "yaml");
    files_below(&peers::repository().join("docs/examples")).into_iter().filter(is_yaml).collect()
}

fn files_named(folder: &str, name: &str) -> Vec<PathBuf> {
    let files = files_below(&peers::repository().join(folder));
    // Recorded data has pages of its own.
    let is_data = |path: &PathBuf| path.components().any(|part| part.as_os_str() == "testdata");
    files.into_iter().filter(|path| path.ends_with(name) && !is_data(path)).collect()
}

/// All files below a folder, in order; none when it is not there.
fn files_below(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).into_iter().flatten() {
        let path = entry.unwrap().path();
        if path.is_dir() { files.extend(files_below(&path)) } else { files.push(path) }
    }
    files.sort();
    files
}

/// The properties that move everything that listens to free ports, and everything that writes into the
/// folder the agent runs in.
fn moved(config: &Value) -> Vec<String> {
    let mut moved = Vec::new();
    let mut at_a_free_port = |path: String| moved.push(format!("{path}=127.0.0.1:{}", ports::free()));
    for (id, receiver) in of_type(&config["receivers"], &["otlp"]) {
        for protocol in keys(&receiver["protocols"]) {
            at_a_free_port(format!("receivers.{id}.protocols.{protocol}.endpoint"));
        }
    }
    for (id, _) in of_type(&config["extensions"], &["health_check"]) {
        at_a_free_port(format!("extensions.{id}.endpoint"));
    }
    for (id, extension) in of_type(&config["extensions"], &["healthcheckv2", "health_check_v2"]) {
        for protocol in keys(extension).into_iter().filter(|key| ["http", "grpc"].contains(&key.as_str())) {
            at_a_free_port(format!("extensions.{id}.{protocol}.endpoint"));
        }
    }
    for (id, exporter) in of_type(&config["exporters"], &["file"]) {
        let path = exporter["path"].as_str().unwrap();
        moved.push(format!("exporters.{id}.path=./{}", path.trim_start_matches(['.', '/'])));
    }
    if config["run"]["directory"].is_string() {
        moved.push("run.directory=./runs".to_owned());
    }
    let page = format!("{{host: 127.0.0.1, port: {}}}", ports::free());
    moved.push(format!("service.telemetry.metrics.readers=[{{pull: {{exporter: {{prometheus: {page}}}}}}}]"));
    moved
}

/// The components of some types, with their ids.
fn of_type<'a>(section: &'a Value, types: &'a [&str]) -> impl Iterator<Item = (&'a String, &'a Value)> {
    let components = section.as_object().into_iter().flatten();
    components.filter(move |(id, _)| types.contains(&id.split('/').next().unwrap()))
}

fn keys(mapping: &Value) -> Vec<String> {
    mapping.as_object().into_iter().flatten().map(|(key, _)| key.clone()).collect()
}

/// What pages show as a whole configuration is one.
#[tokio::test]
async fn whole_configurations_on_pages_are_good() {
    let mut pages: Vec<PathBuf> = ROOMS.iter().flat_map(|room| files_named(room, "README.md")).collect();
    let is_page = |path: &PathBuf| path.extension().is_some_and(|ending| ending == "md");
    pages.extend(files_below(&peers::repository().join("docs")).into_iter().filter(is_page));
    pages.push(peers::repository().join("README.md"));
    pages.push(peers::repository().join("ARCHITECTURE.md"));
    for page in pages {
        // The first page is written last.
        let text = std::fs::read_to_string(&page).unwrap_or_default();
        for block in configurations(&text) {
            let session = Session::new().file("block.yaml", &block);
            let ended = session.quietly(&["validate", "--config", "block.yaml"]).await;
            assert_eq!(ended.code, 0, "{}:\n{block}\n{}", page.display(), ended.stderr);
        }
    }
}

/// The fenced blocks that are whole configurations: a service with pipelines at the left margin. In a
/// console's block, it is what stands between `<<EOF` and `EOF`.
fn configurations(page: &str) -> Vec<String> {
    let mut found = Vec::new();
    for block in page.split("```").skip(1).step_by(2) {
        let (language, body) = block.split_once('\n').unwrap_or_default();
        let body = match language.trim() {
            "yaml" => body.to_owned(),
            "console" | "bash" | "sh" | "shell" => here_documents(body),
            _ => continue,
        };
        let has = |key: &str| body.lines().any(|line| line.starts_with(key));
        if has("service:") && has("receivers:") && has("exporters:") && body.contains("pipelines:") {
            found.push(body);
        }
    }
    found
}

fn here_documents(block: &str) -> String {
    let behind = block.split_once("EOF").and_then(|(_, rest)| rest.split_once('\n'));
    behind.map_or("", |(_, rest)| rest.split("\nEOF").next().unwrap_or("")).to_owned()
}

/// The reader of pages finds what it should, and nothing else.
#[test]
fn whole_configurations_are_found_on_pages() {
    let whole = "receivers:\nexporters:\nservice:\n  pipelines:\n";
    for (page, expected) in [
        (format!("a\n```yaml\n{whole}```\nb\n```yaml\nservice:\n```\n"), vec![whole.to_owned()]),
        (
            format!("```console\n$ cat >a.yaml <<'EOF'\n{whole}EOF\n$ spindle\n```\n"),
            vec![whole.trim_end().to_owned()],
        ),
        (format!("```text\n{whole}```\n"), vec![]),
        ("```yaml\nprocessors:\n```\n".to_owned(), vec![]),
    ] {
        assert_eq!(configurations(&page), expected, "{page}");
    }
}
