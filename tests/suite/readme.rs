//! The commands of the README, as they stand there; only ports and programs are exchanged for the test's own.

use harness::agent::binary;
use harness::jaeger::Jaeger;
use harness::peers::repository;
use harness::process::Process;
use harness::prometheus::Prometheus;
use harness::{jaeger, ports, wait};
use rustix::process::Signal;
use tokio::process::Command;

/// The blocks of a language in the README, in order.
fn blocks(language: &str) -> Vec<String> {
    let readme = std::fs::read_to_string(repository().join("README.md")).unwrap();
    readme
        .split(&format!("```{language}\n"))
        .skip(1)
        .map(|rest| rest.split("```").next().unwrap().trim_end().to_owned())
        .collect()
}

/// The one line of all blocks that starts so.
fn line(start: &str) -> String {
    let all = blocks("console").join("\n");
    let lines: Vec<&str> = all.lines().filter(|line| line.starts_with(start)).collect();
    assert_eq!(lines.len(), 1, "{start}: {lines:?}");
    lines[0].to_owned()
}

/// The embedded default on ports that are free.
struct Moved {
    settings: Vec<String>,
    http: u16,
}

impl Moved {
    fn new() -> Self {
        let http = ports::free();
        let metrics = ports::free();
        let set = |text: String| ["--set".to_owned(), text];
        let settings = [
            set(format!("receivers.otlp.protocols.grpc.endpoint=127.0.0.1:{}", ports::free())),
            set(format!("receivers.otlp.protocols.http.endpoint=127.0.0.1:{http}")),
            set("receivers.host_metrics.initial_delay=0s".to_owned()),
            set(format!("extensions.health_check.endpoint=127.0.0.1:{}", ports::free())),
            set(format!(
                "service.telemetry.metrics.readers=[{{pull: {{exporter: {{prometheus: {{host: 127.0.0.1, port: {metrics}}}}}}}}}]"
            )),
        ];
        Self { settings: settings.concat(), http }
    }
}

/// A newcomer types these two first.
#[test]
fn the_first_commands_are_the_main_job_and_the_tests() {
    let blocks = blocks("console");
    assert_eq!(blocks[0], "cargo run --release");
    assert_eq!(blocks[1], "tests/run.sh");
    let ci = std::fs::read_to_string(repository().join(".ci/run")).unwrap();
    assert!(ci.contains("/tests/run.sh"), "{ci}");
}

/// The next step of the README: a span sent by hand is in Jaeger, the host is in Prometheus, and both
/// have the run's label.
#[tokio::test]
async fn the_next_step_shows_a_trace_and_series() {
    let (jaeger, prometheus) = (Jaeger::start().await, Prometheus::start().await);
    let folder = tempfile::tempdir().unwrap();
    let moved = Moved::new();
    let run = line("cargo run --release -- ")
        .replace("http://localhost:14317", &format!("http://{}", jaeger.grpc()))
        .replace("http://localhost:9090", &prometheus.url());
    let mut command = Command::new(binary());
    command
        .args(run.trim_start_matches("cargo run --release -- ").split(' '))
        .args(&moved.settings)
        .env("CONTAINER_RUN_ID", "readme-run")
        .current_dir(folder.path());
    let mut agent = Process::start("spindle", command);
    agent.wait_for_line("Everything is ready").await;

    let by_hand = blocks("console").into_iter().find(|block| block.contains("curl")).unwrap();
    let sent = Command::new("bash")
        .args(["-ec", &by_hand.replace("localhost:4318", &format!("localhost:{}", moved.http))])
        .output()
        .await
        .unwrap();
    assert!(sent.status.success(), "{}", String::from_utf8_lossy(&sent.stderr));

    let trace = jaeger.wait_for_trace("5b8efff798038103d269b633813fc60c", 1).await;
    assert_eq!(jaeger::count_spans(&trace), 1);
    assert!(serde_json::to_string(&trace).unwrap().contains("readme-run"), "{trace:?}");
    let series = prometheus.wait_for("system_memory_usage_bytes").await;
    assert!(series.iter().all(|series| series.labels["container_run"] == "readme-run"), "{series:?}");

    agent.signal(Signal::TERM);
    assert!(agent.wait().await.success());
}

/// Without any argument everything lands in the run's folder, as lines of OTLP/JSON.
#[tokio::test]
async fn without_a_configuration_everything_is_in_the_runs_folder() {
    let folder = tempfile::tempdir().unwrap();
    let moved = Moved::new();
    let mut command = Command::new(binary());
    command.args(&moved.settings).env("CONTAINER_RUN_ID", "readme-run").current_dir(folder.path());
    let mut agent = Process::start("spindle", command);
    agent.wait_for_line("Everything is ready").await;
    let run = folder.path().join("spindle-runs/readme-run");
    wait::until("a reading in metrics.jsonl", || async {
        let lines = std::fs::read_to_string(run.join("metrics.jsonl")).unwrap_or_default();
        if lines.contains("system.memory.usage") { Ok(()) } else { Err(lines.len()) }
    })
    .await;
    agent.signal(Signal::TERM);
    assert!(agent.wait().await.success());
    for line in std::fs::read_to_string(run.join("metrics.jsonl")).unwrap().lines() {
        let request: serde_json::Value = serde_json::from_str(line).unwrap();
        assert!(request["resourceMetrics"].is_array(), "{line}");
    }
    let output = agent.output();
    assert!(output.contains("in a client: OTEL_EXPORTER_OTLP_ENDPOINT="), "{output}");
}

/// What the README says of a Collector's file.
#[tokio::test]
async fn a_collectors_file_validates() {
    let command = line("spindle validate ");
    let ended = Command::new(binary())
        .args(command.split(' ').skip(1))
        .current_dir(repository())
        .output()
        .await
        .unwrap();
    assert!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stderr));
}

/// The links of the README lead to files.
#[test]
fn links_lead_somewhere() {
    let readme = std::fs::read_to_string(repository().join("README.md")).unwrap();
    let links: Vec<&str> =
        readme.split("](").skip(1).map(|rest| rest.split([')', '#']).next().unwrap()).collect();
    assert!(links.len() > 5);
    for link in links {
        assert!(repository().join(link).exists(), "{link}");
    }
}
