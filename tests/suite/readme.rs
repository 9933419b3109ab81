//! The commands of the README, as they stand there; only ports and programs are exchanged for the test's own.

use std::path::Path;

use harness::agent::{Agent, AgentBuilder, binary};
use harness::jaeger::{self, Jaeger};
use harness::peers::repository;
use harness::prometheus::Prometheus;
use tokio::process::Command;

/// The commands of the README, block by block.
fn blocks() -> Vec<String> {
    let readme = std::fs::read_to_string(repository().join("README.md")).unwrap();
    readme
        .split("```console\n")
        .skip(1)
        .map(|rest| rest.split("```").next().unwrap().trim_end().to_owned())
        .collect()
}

/// The one line of all blocks that starts so.
fn line(start: &str) -> String {
    let all = blocks().join("\n");
    let lines: Vec<&str> = all.lines().filter(|line| line.starts_with(start)).collect();
    assert_eq!(lines.len(), 1, "{start}: {lines:?}");
    lines[0].to_owned()
}

/// A newcomer types these two first.
#[test]
fn the_first_commands_are_the_main_job_and_the_tests() {
    let blocks = blocks();
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
    let run = line("cargo run --release -- ")
        .replace("http://localhost:14317", &format!("http://{}", jaeger.grpc()))
        .replace("http://localhost:9090", &prometheus.url());
    let agent = run
        .trim_start_matches("cargo run --release -- ")
        .split(' ')
        .fold(Agent::without_config(), AgentBuilder::argument)
        .variable("CONTAINER_RUN_ID", "readme-run")
        .start()
        .await;

    let by_hand = blocks().into_iter().find(|block| block.contains("curl")).unwrap();
    let sent = Command::new("bash")
        .args(["-ec", &by_hand.replace("localhost:4318", &format!("localhost:{}", agent.port("http")))])
        .output()
        .await
        .unwrap();
    assert!(sent.status.success(), "{}", String::from_utf8_lossy(&sent.stderr));

    let trace = jaeger.wait_for_trace("5b8efff798038103d269b633813fc60c", 1).await;
    assert_eq!(jaeger::count_spans(&trace), 1);
    assert!(serde_json::to_string(&trace).unwrap().contains("readme-run"), "{trace:?}");
    let series = prometheus.wait_for("system_memory_usage_bytes").await;
    assert!(series.iter().all(|series| series.labels["container_run"] == "readme-run"), "{series:?}");

    let (status, output) = agent.stop().await;
    assert_eq!(status.code(), Some(0), "{output}");
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

/// The page on delivery promises nothing that no test holds it to.
#[test]
fn each_sentence_about_delivery_is_a_test() {
    let page = std::fs::read_to_string(repository().join("docs/delivery.md")).unwrap();
    let tests = tests_below(repository());
    let sentences: Vec<&str> =
        page.split("\n* ").skip(1).map(|rest| rest.split("\n\n").next().unwrap()).collect();
    assert!(sentences.len() > 20);
    for sentence in sentences {
        let name = sentence.trim_end().strip_suffix("`)").and_then(|rest| rest.rsplit_once("(`"));
        let (_, name) = name.unwrap_or_else(|| panic!("no test is named behind: {sentence}"));
        assert!(tests.contains(&format!("fn {name}()")), "there is no test {name}");
    }
}

/// The text of all files that hold tests.
fn tests_below(folder: &Path) -> String {
    let mut text = String::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.is_dir() && !name.starts_with('.') && !["target", "node_modules"].contains(&name.as_str()) {
            text.push_str(&tests_below(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            text.push_str(&std::fs::read_to_string(&path).unwrap());
        }
    }
    text
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
