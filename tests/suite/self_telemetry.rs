//! What the agent tells about itself: the metrics page and the log.

use std::collections::BTreeSet;

use harness::agent::{Agent, AgentBuilder};
use harness::capture::{Answer, Capture};
use harness::prometheus::Prometheus;
use harness::raw::{GrpcConnection, framed};
use harness::{client, golden, ports, raw, wait};
use http::Method;
use serde_json::Value;
use spindle_pipeline::testing::spans;
use tonic::Code;

use crate::load::Load;

const TRACES: &str = harness::grpc::path(spindle_pipeline::Signal::Traces);

/// All signals, through a processor, to a back end; `telemetry` is the section of that name.
fn agent(back_end: &str, telemetry: &str) -> AgentBuilder {
    Agent::with(&format!(
        "run: {{id: run-7}}
receivers: {{otlp: {{protocols: {{grpc: {{endpoint: 127.0.0.1:$grpc}}, http: {{endpoint: 127.0.0.1:$http}}}}}}}}
processors: {{batch: {{timeout: 10ms}}}}
exporters:
  otlp_grpc:
    endpoint: {back_end}
    tls: {{insecure: true}}
    retry_on_failure: {{initial_interval: 10ms, max_interval: 10ms, max_elapsed_time: 0}}
    sending_queue: {{num_consumers: 1}}
service:
  telemetry: {telemetry}
  pipelines:
    traces: {{receivers: [otlp], processors: [batch], exporters: [otlp_grpc]}}
    metrics: {{receivers: [otlp], processors: [batch], exporters: [otlp_grpc]}}
    logs: {{receivers: [otlp], processors: [batch], exporters: [otlp_grpc]}}
"
    ))
}

/// Spans over both protocols, one bad request, and one batch that the back end drops.
async fn use_everything(agent: &Agent, back_end: &Capture) {
    back_end.answer([Answer::Refuse(Code::Unavailable), Answer::Refuse(Code::PermissionDenied)]);
    let load = Load::on(agent).grpc(1).http(1);
    load.wait_for_acknowledged(100).await;
    load.finish().await;
    let bad = raw::http_request("POST", "/v1/traces", &["content-type: application/json"], b"{");
    assert_eq!(raw::http_status(&raw::exchange(agent.port("http"), &bad).await), Some(400));
    back_end.wait_for_spans(50).await;
}

/// The page has the Collector's names: bare as by default, and with the suffixes for type and unit as a
/// reader that is written by hand has them; every series says which run and which process it is of.
#[tokio::test]
async fn the_metrics_page_has_the_collectors_names() {
    let page = "{host: 127.0.0.1, port: $metrics";
    for (golden, flags) in [
        ("metrics/names.txt", ", without_type_suffix: true, without_units: true"),
        ("metrics/names_with_suffixes.txt", ""),
        ("metrics/names_with_units.txt", ", without_type_suffix: true"),
    ] {
        let back_end = Capture::start().await;
        let reader = format!("{page}{flags}}}");
        let telemetry =
            format!("{{metrics: {{readers: [{{pull: {{exporter: {{prometheus: {reader}}}}}}}]}}}}");
        let agent = agent(&back_end.grpc(), &telemetry).start().await;
        use_everything(&agent, &back_end).await;
        let page = client::get(&format!("{}/metrics", agent.url("metrics"))).await.unwrap();
        golden::check(golden, &families(&page));
        for line in page.lines().filter(|line| !line.starts_with('#')) {
            for label in ["container_run=\"run-7\"", "service_name=\"spindle\"", "service_instance_id=\""] {
                assert!(line.contains(label), "{label} is not in {line}");
            }
        }
    }
}

/// Each family with its type, and the label names of its series beside those that all have.
fn families(page: &str) -> String {
    let mut families = String::new();
    let mut seen = BTreeSet::new();
    for line in page.lines() {
        if let Some(family) = line.strip_prefix("# TYPE ") {
            families.push_str(&format!("{family}\n"));
        }
        let Some((name, labels)) = line.split_once('{').filter(|_| !line.starts_with('#')) else { continue };
        let labels = labels.rsplit_once('}').unwrap().0;
        let names: Vec<&str> = labels
            .split("\",")
            .map(|label| label.split_once('=').unwrap().0)
            .filter(|label| !label.starts_with("service_") && *label != "container_run")
            .collect();
        let series = format!("    {name}{{{}}}\n", names.join(","));
        if seen.insert(series.clone()) {
            families.push_str(&series);
        }
    }
    families
}

/// The numbers are those of what was sent, told apart by receiver, transport and outcome; labels of the
/// resource are as the configuration says.
#[tokio::test]
async fn the_numbers_are_right() {
    let back_end = Capture::start().await;
    let telemetry =
        "{resource: {service.name: my-agent, deployment.environment: test, service.version: null}}";
    let agent = agent(&back_end.grpc(), telemetry).start().await;
    let mut connection = GrpcConnection::open(agent.port("grpc")).await;
    for count in [2, 3] {
        let call = framed(false, &spans::request(count));
        let answer =
            connection.call(Method::POST, TRACES, &[("content-type", "application/grpc")], call).await;
        assert_eq!(answer.unwrap().code, Some(0));
    }
    let good = raw::http_request(
        "POST",
        "/v1/traces",
        &["content-type: application/x-protobuf"],
        &spans::request(4),
    );
    raw::exchange(agent.port("http"), &good).await;
    let bad = raw::http_request("POST", "/v1/traces", &["content-type: application/x-protobuf"], b"bad");
    raw::exchange(agent.port("http"), &bad).await;
    agent.wait_for_metric("otelcol_exporter_sent_spans", &[], 9.0).await;
    let of = |name: &'static str, labels: &'static [&'static str]| agent.count(name, labels);
    let (grpc, http) =
        (&["receiver=\"otlp\"", "transport=\"grpc\""], &["receiver=\"otlp\"", "transport=\"http\""]);
    assert_eq!(of("otelcol_receiver_accepted_spans", grpc).await, 5);
    assert_eq!(of("otelcol_receiver_accepted_spans", http).await, 4);
    let failure = &["transport=\"http\"", "outcome=\"failure\""];
    let success = &["transport=\"http\"", "outcome=\"success\""];
    assert_eq!(of("otelcol_receiver_requests", failure).await, 1);
    assert_eq!(of("otelcol_receiver_requests", success).await, 1);
    assert_eq!(of("otelcol_processor_incoming_items", &["otel_signal=\"traces\""]).await, 9);
    assert_eq!(of("otelcol_processor_outgoing_items", &["otel_signal=\"traces\""]).await, 9);
    assert_eq!(of("otelcol_processor_batch_batch_send_size_sum", &[]).await, 9);
    assert_eq!(of("otelcol_exporter_queue_capacity", &["data_type=\"traces\""]).await, 1000);
    let labels = &["service_name=\"my-agent\"", "deployment_environment=\"test\"", "container_run=\"run-7\""];
    assert_eq!(of("otelcol_exporter_sent_spans", labels).await, 9);
    let page = client::get(&format!("{}/metrics", agent.url("metrics"))).await.unwrap();
    assert!(!page.contains("service_version"), "a null takes a label away");
}

/// A real Prometheus reads the page, and every series of it has the run's label.
#[tokio::test]
async fn prometheus_scrapes_the_page() {
    let back_end = Capture::start().await;
    let agent = agent(&back_end.grpc(), "{}").start().await;
    use_everything(&agent, &back_end).await;
    let prometheus = Prometheus::start_scraping(&[format!("127.0.0.1:{}", agent.port("metrics"))]).await;
    let query =
        "otelcol_receiver_accepted_spans{container_run=\"run-7\",transport=\"grpc\",receiver=\"otlp\"} > 0";
    prometheus.wait_for(query).await;
    assert_eq!(prometheus.wait_for("up").await[0].value, "1");
    assert_eq!(prometheus.query("{__name__=~\"otelcol_.*\",container_run!=\"run-7\"}").await.unwrap(), []);
    let on_the_page = client::get(&format!("{}/metrics", agent.url("metrics"))).await.unwrap();
    let families: BTreeSet<&str> =
        on_the_page.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next()).collect();
    let scraped = prometheus.query("count by (__name__) ({__name__=~\"otelcol_.*\"})").await.unwrap();
    for family in families {
        let is_scraped = scraped.iter().any(|series| series.labels["__name__"].starts_with(family));
        assert!(is_scraped, "{family} is on the page and not in Prometheus");
    }
}

/// A life from start to stop, in both formats of the log.
#[tokio::test]
async fn the_log_tells_a_life_in_both_formats() {
    for (encoding, golden) in [("console", "log/console.txt"), ("json", "log/json.txt")] {
        let nobody = ports::free();
        let telemetry = format!("{{logs: {{encoding: {encoding}, initial_fields: {{node: n17}}}}}}");
        let mut agent = agent(&format!("127.0.0.1:{nobody}"), &telemetry).start().await;
        let mut load = Load::on(&agent).grpc(1);
        load.wait_for_acknowledged(5).await;
        load.stop().await;
        agent.process.wait_for_line("Exporting failed").await;
        agent.process.signal(rustix::process::Signal::TERM);
        agent.process.wait_for_line("the sending queue is drained").await;
        agent.process.signal(rustix::process::Signal::TERM);
        let status = agent.process.wait().await;
        let output = agent.process.output();
        assert_eq!(status.code(), Some(1), "{output}");
        let masked = [
            ("grpc", agent.port("grpc")),
            ("http", agent.port("http")),
            ("metrics", agent.port("metrics")),
            ("nobody", nobody),
        ];
        golden::check(golden, &telling(&output, &masked, encoding == "json"));
    }
}

/// The lines, each once, without what differs between two runs: times, ports, intervals. What starts at
/// the same time is told in any order.
fn telling(output: &str, ports: &[(&str, u16)], is_json: bool) -> String {
    let mut lines: Vec<String> = Vec::new();
    for line in output.lines() {
        let mut line = line.to_owned();
        for (name, port) in ports {
            line = line.replace(&format!("127.0.0.1:{port}"), &format!("127.0.0.1:<{name}>"));
        }
        let line = masked(&line, is_json);
        if !lines.contains(&line) {
            lines.push(line);
        }
    }
    let is_of_the_start = |line: &String| {
        line.contains("Starting GRPC")
            || line.contains("Starting HTTP")
            || line.contains("Serving metrics")
            || line.contains("Everything is ready")
    };
    let from = lines.iter().position(is_of_the_start).unwrap();
    let to = lines.iter().rposition(is_of_the_start).unwrap();
    lines[from..=to].sort();
    lines.join("\n") + "\n"
}

/// What the process itself prints stands as it is.
fn masked(line: &str, is_json: bool) -> String {
    let time = if is_json { value_in(line, "\"ts\":\"", '"') } else { value_in(line, "", '\t') };
    let Some(time) = time else { return line.to_owned() };
    assert!(is_time(time), "{time}");
    let line = line.replacen(time, "<time>", 1);
    match value_in(&line, "\"interval\":\"", '"') {
        Some(interval) => line.replacen(interval, "<interval>", 1),
        None => line,
    }
}

/// What stands between a text and the next `end`.
fn value_in<'a>(line: &'a str, before: &str, end: char) -> Option<&'a str> {
    let start = line.find(before)? + before.len();
    line[start..].split_once(end).map(|(value, _)| value)
}

/// `2026-01-02T03:04:05.678Z`.
fn is_time(text: &str) -> bool {
    let shape: String =
        text.chars().map(|letter| if letter.is_ascii_digit() { '0' } else { letter }).collect();
    shape == "0000-00-00T00:00:00.000Z"
}

/// An error that repeats is one line, and in the end its count; what is said of every attempt is sampled.
/// The metric tells how many lines were held back.
#[tokio::test]
async fn repeated_lines_are_thinned() {
    let back_end = Capture::start().await;
    back_end.answer((0..60).map(|_| Answer::Refuse(Code::PermissionDenied)));
    let agent = agent(&back_end.grpc(), "{}").start().await;
    let load = Load::on(&agent).grpc(2);
    agent.wait_for_metric("otelcol_dropped_items", &["reason=\"rejected\""], 60.0).await;
    back_end.wait_for_spans(20).await;
    load.finish().await;
    let rejections = back_end.arrived().iter().filter(|request| !request.is_accepted).count();
    let held = agent.count("otelcol_log_suppressed_lines", &[]).await;
    let (status, output) = agent.stop().await;
    assert_eq!(status.code(), Some(0), "{output}");
    let lines: Vec<&str> =
        output.lines().filter(|line| line.contains("Exporting failed. Dropping data.")).collect();
    // The first at once, one more for each ten seconds, and the count at the end.
    assert!((2..=4).contains(&lines.len()), "{output}");
    let count = |line: &str| {
        let fields: Value = serde_json::from_str(line.split('\t').nth(3).unwrap()).unwrap();
        fields["repeated"].as_u64().unwrap_or(0)
    };
    let told: u64 = lines.iter().map(|line| 1 + count(line)).sum();
    // A repetition that is told with its own line is counted by the line.
    assert!(
        told as usize >= rejections && told as usize <= rejections + lines.len(),
        "{told} of {rejections}"
    );
    assert!(held >= (rejections - lines.len()) as u64, "{held} held back");
}

/// Attempts that fail hundreds of times a minute leave a few lines, not hundreds.
#[tokio::test]
async fn failing_attempts_are_sampled() {
    let agent = agent(&format!("127.0.0.1:{}", ports::free()), "{}")
        .argument("--shutdown-timeout")
        .argument("1s")
        .start()
        .await;
    let mut load = Load::on(&agent).grpc(1);
    load.wait_for_acknowledged(5).await;
    load.stop().await;
    agent.wait_for_metric("otelcol_exporter_retries", &[], 150.0).await;
    let retries = agent.count("otelcol_exporter_retries", &[]).await;
    let (_, output) = agent.stop().await;
    let lines = output.matches("Exporting failed. Will retry").count();
    // Ten in each ten seconds and every hundredth of the rest; a busy machine may take a while.
    assert!(lines >= 10 && (lines as u64) < retries / 2, "{lines} lines of {retries} retries");
}

/// The level decides what is written, and a file takes it when one is named.
#[tokio::test]
async fn the_log_goes_where_it_is_told_to() {
    let back_end = Capture::start().await;
    let agent = agent(&back_end.grpc(), "{logs: {level: debug, output_paths: [agent.log]}}").spawn();
    let path = agent.folder().join("agent.log");
    wait::until("the log file", || async {
        let text = std::fs::read_to_string(&path).unwrap_or_default();
        if text.contains("Everything is ready") { Ok(()) } else { Err(text) }
    })
    .await;
    let bad = raw::http_request("POST", "/v1/traces", &["content-type: application/json"], b"{");
    raw::exchange(agent.port("http"), &bad).await;
    let (status, output) =
        agent.stop_keeping(|folder| std::fs::read_to_string(folder.join("agent.log")).unwrap()).await;
    assert_eq!(status.code(), Some(0));
    assert!(output.contains("\tdebug\tbad request\t"), "{output}");

    let quiet = self::agent(&back_end.grpc(), "{logs: {level: error}}").spawn();
    let page = format!("{}/metrics", quiet.url("metrics"));
    wait::until("the metrics page", || client::get(&page)).await;
    let (status, output) = quiet.stop().await;
    assert_eq!((status.code(), output.as_str()), (Some(0), ""));
}
