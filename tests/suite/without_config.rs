//! `spindle` without a configuration, as the first page has it run: everything of one run, in files, in
//! Jaeger and in Prometheus.

use std::path::Path;

use fake_nvml::Fake;
use harness::agent::Agent;
use harness::client;
use harness::jaeger::Jaeger;
use harness::plain::{self, PlainValue};
use harness::prometheus::Prometheus;
use harness::script::Script;
use serde_json::Value;

const RUN: &str = "container-run-20260102T030405Z-0123abcd";

/// A client's span and metrics, the host's and the GPUs' metrics are at both back ends and in the run's
/// folder, all with the run's label.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_configuration_everything_is_kept_and_sent() {
    let (jaeger, prometheus) = (Jaeger::start().await, Prometheus::start().await);
    let library = tempfile::tempdir().unwrap();
    let nvml = Fake::install(library.path(), fake_nvml::scripts::EIGHT_H200).unwrap();
    let agent = Agent::without_config()
        .variable("CONTAINER_RUN_ID", RUN)
        .argument("--jaeger")
        .argument(&jaeger.grpc())
        .argument("--prometheus")
        .argument(&prometheus.url())
        .argument(&format!("--set=receivers.nvml.library_path={}", nvml.library().display()))
        .start()
        .await;
    let trace_id = Script::python("measure.py")
        .option("endpoint", &agent.url("grpc"))
        .option("protocol", "grpc")
        .option("instance", "one")
        .run()
        .await;
    for family in ["app_requests_total", "system_cpu_time_seconds_total", "hw_power_watts"] {
        // The defaults read and write every few seconds.
        prometheus.wait_for(&format!("{family}{{container_run=\"{RUN}\"}}")).await;
    }
    let spans = plain::of_json(&jaeger.wait_for_trace(trace_id.trim(), 1).await);
    let label = ("container_run".to_owned(), PlainValue::Text(RUN.to_owned()));
    assert_eq!(spans[0].resource.last(), Some(&label));
    let status = client::get_json(&format!("{}/status", agent.url("health"))).await.unwrap();
    assert_eq!(status["status"], "StatusOK");
    let banner = agent.process.output();
    for text in [RUN, "OTEL_EXPORTER_OTLP_ENDPOINT", &jaeger.grpc(), &prometheus.url()] {
        assert!(banner.contains(text), "{text} is not in\n{banner}");
    }
    let keep = |folder: &Path| {
        let read =
            |name: &str| std::fs::read_to_string(folder.join("spindle-runs").join(RUN).join(name)).unwrap();
        ["traces.jsonl", "metrics.jsonl", "manifest.json"].map(read)
    };
    let (status, [traces, metrics, manifest]) = agent.stop_keeping(keep).await;
    assert_eq!(status.code(), Some(0));

    let kept: Vec<Value> = groups(&traces, "resourceSpans");
    assert_eq!(plain::of_json(&kept), spans);
    let mut names = Vec::new();
    for group in groups(&metrics, "resourceMetrics") {
        let run = group["resource"]["attributes"].as_array().unwrap().iter();
        let run: Vec<&Value> = run.filter(|pair| pair["key"] == "container_run").collect();
        assert!(run.len() == 1 && run[0]["value"]["stringValue"] == RUN, "{group}");
        let scopes = group["scopeMetrics"].as_array().unwrap().iter();
        let metrics = scopes.flat_map(|scope| scope["metrics"].as_array().unwrap());
        names.extend(metrics.map(|metric| metric["name"].as_str().unwrap().to_owned()));
    }
    for name in ["app.requests", "system.cpu.time", "hw.power"] {
        assert!(names.iter().any(|found| found == name), "{name} is not among {names:?}");
    }
    let manifest: Value = serde_json::from_str(&manifest).unwrap();
    assert_eq!(manifest["container_run_id"], RUN);
}

/// The resource groups of a file of lines.
fn groups(lines: &str, key: &str) -> Vec<Value> {
    let requests = lines.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    requests.flat_map(|request| request[key].as_array().unwrap().clone()).collect()
}
