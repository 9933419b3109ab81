//! What the agent costs, compared in one run with a pass-through on raw tonic that never looks inside.
//!
//! ```text
//! cargo build --release && cargo bench -p spindle-tests --bench load
//! cargo bench -p spindle-tests --bench load -- "1 span a request"      # only these rows
//! ```
//!
//! Load: 4 connections with 8 requests in flight each, spans of about 540 bytes, no compression. The
//! cost is the CPU time of the process in the middle, read from the kernel's scheduler statistics,
//! divided by the spans that went through. The two take turns, so that a machine whose speed drifts
//! drifts for both; the ratio of each pair is taken, and the median of the ratios is the result.

#![allow(clippy::panic, clippy::unwrap_used, clippy::expect_used, clippy::print_stdout)]

mod generator;
mod report;
mod servers;

use std::path::PathBuf;

/// One row of the table.
struct Scenario {
    name: &'static str,
    spans: usize,
    /// Requests of one measurement.
    requests: usize,
    pipeline: &'static str,
    must: f64,
    aim: f64,
}

const SCENARIOS: [Scenario; 4] = [
    Scenario {
        name: "otlp -> otlp_grpc, 100 spans a request",
        spans: 100,
        requests: 20_000,
        pipeline: "processors: []",
        must: 1.5,
        aim: 1.1,
    },
    Scenario {
        name: "otlp -> otlp_grpc, 1 span a request",
        spans: 1,
        requests: 100_000,
        pipeline: "processors: []",
        must: 1.2,
        aim: 1.0,
    },
    Scenario {
        name: "1 span a request, batch processor",
        spans: 1,
        requests: 100_000,
        pipeline: "processors: [batch]",
        must: 0.7,
        aim: 0.6,
    },
    Scenario {
        name: "run label, 10 % sampler, batch, 100 spans a request",
        spans: 100,
        requests: 20_000,
        pipeline: "processors: [probabilistic_sampler, batch]",
        must: 2.0,
        aim: 1.2,
    },
];

/// How often each pair is measured.
const ROUNDS: usize = 5;

fn main() {
    let mut arguments = std::env::args().skip(1).filter(|argument| argument != "--bench");
    match arguments.next().as_deref() {
        Some("sink") => servers::sink(),
        Some("pass-through") => servers::pass_through(&arguments.next().expect("the sink's address")),
        // Only rows whose name contains this.
        Some(filter) => report::run(filter),
        None => report::run(""),
    }
}

/// The release build of the agent.
fn agent_binary() -> PathBuf {
    let path = harness::peers::repository().join("target/release/spindle");
    assert!(path.exists(), "{} is missing: run cargo build --release", path.display());
    path
}

/// The agent's configuration of a scenario.
fn agent_config(scenario: &Scenario, port: u16, health: u16, sink: &str) -> String {
    let sampler = "probabilistic_sampler: {sampling_percentage: 10}, ";
    let processors =
        format!("{}batch: {{}}", if scenario.pipeline.contains("sampler") { sampler } else { "" });
    let run = if scenario.name.starts_with("run label") { "run: {id: bench}\n" } else { "" };
    format!(
        "{run}receivers: {{otlp: {{protocols: {{grpc: {{endpoint: 127.0.0.1:{port}}}}}}}}}
processors: {{{processors}}}
exporters: {{otlp_grpc: {{endpoint: {sink}, compression: none, tls: {{insecure: true}}}}}}
extensions: {{health_check: {{endpoint: 127.0.0.1:{health}}}}}
service:
  extensions: [health_check]
  telemetry: {{metrics: {{level: none}}, logs: {{level: ERROR}}}}
  pipelines: {{traces: {{receivers: [otlp], {}, exporters: [otlp_grpc]}}}}
",
        scenario.pipeline
    )
}
