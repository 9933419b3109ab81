//! Runs the scenarios and prints the table.

use std::io::Write;
use std::time::{Duration, Instant};

use harness::process::Process;
use harness::{client, ports};
use tempfile::TempDir;
use tokio::process::Command;

use super::generator::{self, Load};
use super::{ROUNDS, SCENARIOS, Scenario, agent_binary, agent_config};

/// Batches wait 200 ms and their sending takes its time; CPU is read after that.
const SETTLE: Duration = Duration::from_millis(600);

#[tokio::main]
pub async fn run(filter: &str) {
    let sink = Server::start("sink", None).await;
    let pass_through = Server::start("pass-through", Some(&sink.address)).await;
    println!(
        "| CPU per span, relative to raw tonic | must | aim | measured (median) | min - max | peak RSS | refused |"
    );
    println!("|---|---|---|---|---|---|---|");
    for scenario in SCENARIOS.iter().filter(|scenario| scenario.name.contains(filter)) {
        measure(scenario, &sink.address, &pass_through).await;
    }
    println!();
    idle_and_ready(&sink.address).await;
    latency(&sink.address).await;
    let size = std::fs::metadata(agent_binary()).unwrap().len();
    println!("release binary: {:.1} MB (at most 12)", size as f64 / 1e6);
}

async fn measure(scenario: &Scenario, sink: &str, pass_through: &Server) {
    let agent = RunningAgent::start(scenario, sink).await;
    // Both are warm before anything counts.
    generator::send(&pass_through.address, scenario.spans, scenario.requests / 10, None).await;
    generator::send(&agent.address, scenario.spans, scenario.requests / 10, None).await;
    let (mut ratios, mut refused) = (Vec::new(), 0);
    for _ in 0..ROUNDS {
        let (base, _) = cost(&pass_through.process, &pass_through.address, scenario).await;
        let (own, load) = cost(&agent.process, &agent.address, scenario).await;
        ratios.push(own / base);
        refused += load.refused;
    }
    ratios.sort_by(f64::total_cmp);
    let (_, peak) = agent.process.memory();
    println!(
        "| {} | {} | {} | {:.2} | {:.2} - {:.2} | {:.0} MiB | {refused} |",
        scenario.name,
        scenario.must,
        scenario.aim,
        ratios[ROUNDS / 2],
        ratios[0],
        ratios[ROUNDS - 1],
        peak as f64 / f64::from(1 << 20),
    );
    std::io::stdout().flush().unwrap();
}

/// CPU seconds per span of a process under a scenario's load.
async fn cost(process: &Process, address: &str, scenario: &Scenario) -> (f64, Load) {
    let before = process.cpu();
    let load = generator::send(address, scenario.spans, scenario.requests, None).await;
    tokio::time::sleep(SETTLE).await;
    let spent = process.cpu().saturating_sub(before);
    (spent.as_secs_f64() / (scenario.spans * scenario.requests) as f64, load)
}

async fn idle_and_ready(sink: &str) {
    let mut times = Vec::new();
    for _ in 0..ROUNDS {
        let agent = RunningAgent::start(&SCENARIOS[0], sink).await;
        times.push(agent.ready_after);
        if times.len() == ROUNDS {
            tokio::time::sleep(Duration::from_secs(1)).await;
            let (idle, _) = agent.process.memory();
            println!("idle RSS: {:.1} MiB (at most 12)", idle as f64 / f64::from(1 << 20));
        }
    }
    times.sort_unstable();
    println!(
        "ready (/status 200) after {:.1} ms, median of {ROUNDS} (at most 30)",
        times[ROUNDS / 2].as_secs_f64() * 1e3
    );
}

/// 20,000 spans a second, 100 a request.
async fn latency(sink: &str) {
    let agent = RunningAgent::start(&SCENARIOS[0], sink).await;
    generator::send(&agent.address, 100, 200, None).await;
    let load = generator::send(&agent.address, 100, 4000, Some(Duration::from_millis(5))).await;
    println!(
        "latency at {:.0} spans/s: p50 {:.2} ms, p99 {:.2} ms (at most 3)",
        load.rate,
        load.percentile(0.5).as_secs_f64() * 1e3,
        load.percentile(0.99).as_secs_f64() * 1e3,
    );
}

/// The sink or the pass-through, in a process of its own.
struct Server {
    process: Process,
    address: String,
}

impl Server {
    async fn start(role: &str, upstream: Option<&str>) -> Self {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.arg(role).args(upstream);
        let process = Process::start(role, command);
        process.wait_for_line("listening on ").await;
        let output = process.output();
        let address = output.lines().find_map(|line| line.strip_prefix("listening on ")).unwrap().to_owned();
        Self { process, address }
    }
}

struct RunningAgent {
    process: Process,
    address: String,
    ready_after: Duration,
    _folder: TempDir,
}

impl RunningAgent {
    async fn start(scenario: &Scenario, sink: &str) -> Self {
        let (port, health) = (ports::free(), ports::free());
        let folder = tempfile::tempdir().unwrap();
        let config = folder.path().join("spindle.yaml");
        std::fs::write(&config, agent_config(scenario, port, health, sink)).unwrap();
        let mut command = Command::new(agent_binary());
        command.arg("--config").arg(&config).current_dir(folder.path());
        let start = Instant::now();
        let process = Process::start("spindle", command);
        let status = format!("http://127.0.0.1:{health}/status");
        while client::get(&status).await.is_err() {
            assert!(
                start.elapsed() < Duration::from_secs(10),
                "the agent does not start:\n{}",
                process.output()
            );
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        Self { process, address: format!("127.0.0.1:{port}"), ready_after: start.elapsed(), _folder: folder }
    }
}
