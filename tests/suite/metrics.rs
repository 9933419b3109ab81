//! Metrics in a real Prometheus: of the OpenTelemetry SDK, of the host, of GPUs, and of the agent itself,
//! under the names, labels and values that their users expect, and all of one run.

use std::collections::BTreeSet;

use fake_nvml::Fake;
use harness::agent::Agent;
use harness::golden;
use harness::jaeger::Jaeger;
use harness::plain::{self, PlainValue};
use harness::prometheus::{Prometheus, Series, line};
use harness::script::Script;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_client::TraceServiceClient;
use prost::Message;
use spindle_pipeline::testing::spans;

const RUN: &str = "container-run-20260102T030405Z-0123abcd";

/// Series as lines, in their order.
fn lines(series: &[Series]) -> Vec<String> {
    let mut lines: Vec<String> = series.iter().map(line).collect();
    lines.sort();
    lines
}

/// Every instrument of Python's SDK, by both protocols, cumulative and delta: the same series with the same
/// values, the ones that are written down; and the ones that Prometheus' own OTLP receiver makes of the
/// same data. The spans of the same clients have the same run in Jaeger.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_metrics_of_the_python_sdk_are_in_prometheus() {
    let (written, translated, jaeger) =
        (Prometheus::start().await, Prometheus::start().await, Jaeger::start().await);
    let agent = Agent::with(&format!(
        "run: {{id: {RUN}}}
receivers: {{otlp: {{protocols: {{grpc: {{endpoint: 127.0.0.1:$grpc}}, http: {{endpoint: 127.0.0.1:$http}}}}}}}}
processors: {{batch: {{timeout: 50ms}}}}
exporters:
  prometheus_remote_write: {{endpoint: {written}}}
  otlp_http: {{endpoint: {translated}/api/v1/otlp}}
  otlp_grpc: {{endpoint: {jaeger}, tls: {{insecure: true}}}}
service:
  pipelines:
    traces: {{receivers: [otlp], processors: [batch], exporters: [otlp_grpc]}}
    metrics: {{receivers: [otlp], processors: [batch], exporters: [prometheus_remote_write, otlp_http]}}
",
        written = written.write_url(),
        translated = translated.url(),
        jaeger = jaeger.grpc(),
    ))
    .start()
    .await;
    let clients = [("cumulative", "grpc"), ("cumulative", "http"), ("delta", "grpc"), ("delta", "http")];
    let mut trace_ids = Vec::new();
    for (temporality, protocol) in clients {
        let script = Script::python("measure.py")
            .option("endpoint", &agent.url(protocol))
            .option("protocol", protocol)
            .option("instance", &format!("{temporality}-{protocol}"))
            .variable("OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE", temporality);
        trace_ids.push(script.run().await);
    }
    for trace_id in trace_ids {
        let spans = plain::of_json(&jaeger.wait_for_trace(trace_id.trim(), 1).await);
        let run = ("container_run".to_owned(), PlainValue::Text(RUN.to_owned()));
        assert_eq!(spans[0].resource.last(), Some(&run));
    }
    let (status, output) = agent.stop().await;
    assert_eq!(status.code(), Some(0), "{output}");

    for (temporality, protocol) in clients {
        let instance = format!("{temporality}-{protocol}");
        let found = of_instance(&written, &instance).await;
        golden::check("prometheus/python.txt", &found);
        if temporality == "cumulative" {
            assert_eq!(of_instance(&translated, &instance).await, found, "Prometheus' own translation");
            golden::check("prometheus/python_exemplars.txt", &exemplars(&written, &instance).await);
            assert_eq!(
                exemplars(&translated, &instance).await,
                exemplars(&written, &instance).await,
                "Prometheus' own translation"
            );
        }
    }
}

/// Every series of an instance, a line each, without its name.
async fn of_instance(prometheus: &Prometheus, instance: &str) -> String {
    let found = prometheus.query(&format!("{{instance=\"{instance}\"}}")).await.unwrap();
    lines(&found).join("\n").replace(instance, "<instance>") + "\n"
}

/// Every exemplar without its time: the series it is of, its labels, its value.
async fn exemplars(prometheus: &Prometheus, instance: &str) -> String {
    let found = prometheus.exemplars(&format!("{{instance=\"{instance}\"}}")).await.unwrap();
    let mut lines = BTreeSet::new();
    for series in found.as_array().unwrap() {
        let labels = &series["seriesLabels"];
        for exemplar in series["exemplars"].as_array().unwrap() {
            let name = labels["__name__"].as_str().unwrap();
            let bound = labels["le"].as_str().unwrap_or("-");
            lines.insert(format!("{name} le={bound} {} {}", exemplar["labels"], exemplar["value"]));
        }
    }
    lines.into_iter().collect::<Vec<_>>().join("\n") + "\n"
}

/// What the host and its GPUs do, the agent's own page, and a span: all of one run. Names and labels are
/// those that are written down; values that the host shows elsewhere, and those of the GPUs, are compared.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_host_the_gpus_and_the_agent_are_of_the_run_of_the_spans() {
    let (prometheus, jaeger) = (Prometheus::start().await, Jaeger::start().await);
    let library = tempfile::tempdir().unwrap();
    // Energy grows with each reading otherwise.
    let script = format!(
        "{}\n*.energy = 84512345678\n*.pcie.transmitted = 1840712332\n*.pcie.received = 3102938112",
        fake_nvml::scripts::EIGHT_H200
    );
    let nvml = Fake::install(library.path(), &script).unwrap();
    let agent = Agent::with(&format!(
        "run: {{id: {RUN}}}
receivers:
  otlp: {{protocols: {{grpc: {{endpoint: 127.0.0.1:$grpc}}}}}}
  host_metrics:
    collection_interval: 1s
    initial_delay: 0s
    scrapers: {{cpu: , memory: {{metrics: {{system.memory.limit: {{enabled: true}}}}}}, load: , disk: , filesystem: , network: , paging: , processes: , system: }}
  nvml: {{collection_interval: 1s, initial_delay: 0s, library_path: {library}, metrics: {{hw.gpu.io: {{enabled: true}}}}}}
exporters:
  prometheus_remote_write: {{endpoint: {prometheus}}}
  otlp_grpc: {{endpoint: {jaeger}, tls: {{insecure: true}}}}
service:
  pipelines:
    traces: {{receivers: [otlp], exporters: [otlp_grpc]}}
    metrics: {{receivers: [host_metrics, nvml], exporters: [prometheus_remote_write]}}
",
        library = nvml.library().display(),
        prometheus = prometheus.write_url(),
        jaeger = jaeger.grpc(),
    ))
    .start()
    .await;
    let page = Prometheus::start_scraping(&[format!("127.0.0.1:{}", agent.port("metrics"))]).await;
    let request = ExportTraceServiceRequest::decode(spans::request(1)).unwrap();
    let trace_id = plain::hex(&request.resource_spans[0].scope_spans[0].spans[0].trace_id);
    let mut client = TraceServiceClient::connect(agent.url("grpc")).await.unwrap();
    client.export(request).await.unwrap();

    prometheus.wait_for("count_over_time(system_uptime_seconds[1h]) > 1").await;
    prometheus.wait_for("count_over_time(hw_status[1h]) > 1").await;
    page.wait_for("otelcol_scraper_scraped_metric_points > 1").await;
    let spans = plain::of_json(&jaeger.wait_for_trace(&trace_id, 1).await);
    assert!(spans[0].resource.contains(&("container_run".to_owned(), PlainValue::Text(RUN.to_owned()))));
    let of_no_run =
        "{container_run!=\"RUN\",__name__=~\".+\",__name__!~\"up|scrape_.*\"}".replace("RUN", RUN);
    assert_eq!(page.query(&of_no_run).await.unwrap(), []);
    let (status, output) = agent.stop().await;
    assert_eq!(status.code(), Some(0), "{output}");

    assert_eq!(prometheus.query(&of_no_run).await.unwrap(), []);
    let all = prometheus.query("{__name__=~\".+\"}").await.unwrap();
    let (host, gpus): (Vec<_>, Vec<_>) =
        all.into_iter().partition(|series| series.labels["__name__"].starts_with("system_"));
    check_shapes(&host);
    check_host(&prometheus).await;
    let of_gpu = |gpu: &str| -> Vec<Series> {
        gpus.iter().filter(|series| series.labels["hw_name"] == gpu).cloned().collect()
    };
    // The one that has seen errors.
    let gpu = lines(&of_gpu("gpu6"));
    golden::check("prometheus/gpu.txt", &without_version(&(gpu.join("\n") + "\n")));
    for index in 0..8 {
        assert_eq!(of_gpu(&format!("gpu{index}")).len(), gpu.len(), "series of GPU {index}");
    }
    assert_eq!(gpus.len(), 8 * gpu.len());
}

/// The agent's own scopes have its version.
fn without_version(text: &str) -> String {
    let version = format!("otel_scope_version=\"{}\"", env!("CARGO_PKG_VERSION"));
    text.replace(&version, "otel_scope_version=\"<version>\"")
}

/// Compares each family of the host with the names of its labels, and with their values where these are
/// the same on every machine. A machine may have no disk, no file system of its own and no swap.
fn check_shapes(series: &[Series]) {
    const NOT_EVERYWHERE: [&str; 3] = ["system_disk_", "system_filesystem_", "system_paging_usage"];
    let mut shapes: BTreeSet<String> = series.iter().map(shape).collect();
    let known = std::fs::read_to_string(golden::path("prometheus/host.txt")).unwrap_or_default();
    let elsewhere = known.lines().filter(|line| NOT_EVERYWHERE.iter().any(|name| line.starts_with(name)));
    shapes.extend(elsewhere.map(str::to_owned));
    golden::check("prometheus/host.txt", &(shapes.into_iter().collect::<Vec<_>>().join("\n") + "\n"));
}

fn shape(series: &Series) -> String {
    let mut series = Series { value: String::new(), ..series.clone() };
    let is_of_files = series.labels["__name__"].starts_with("system_filesystem");
    for (name, value) in &mut series.labels {
        if name == "device" || (is_of_files && ["mountpoint", "type", "mode"].contains(&name.as_str())) {
            "...".clone_into(value);
        }
    }
    without_version(line(&series).trim_end())
}

/// What the kernel says in files that hold still.
async fn check_host(prometheus: &Prometheus) {
    let value = async |query: &str| -> f64 {
        let found = prometheus.query(query).await.unwrap();
        assert_eq!(found.len(), 1, "{query}: {found:?}");
        found[0].value.parse().unwrap()
    };
    let file = |path: &str| std::fs::read_to_string(path).unwrap();
    let memory = file("/proc/meminfo");
    let total = memory.lines().find_map(|line| line.strip_prefix("MemTotal:")).unwrap();
    let total: u64 = total.trim().trim_end_matches(" kB").parse().unwrap();
    assert_eq!(value("system_memory_limit_bytes").await as u64, total * 1024);
    let stat = file("/proc/stat");
    let is_of_a_cpu = |line: &&str| line.starts_with("cpu") && !line.starts_with("cpu ");
    let cpus = stat.lines().filter(is_of_a_cpu).count();
    assert_eq!(value("system_cpu_logical_count").await as usize, cpus);
    let ticks: f64 = stat.lines().next().unwrap().split_whitespace().nth(1).unwrap().parse().unwrap();
    let user = value("system_cpu_time_seconds_total{state=\"user\"}").await;
    // It was read some seconds ago.
    assert!(user <= ticks / 100.0 && user > ticks / 100.0 - 600.0, "{user} of {ticks} ticks");
    let uptime: f64 = file("/proc/uptime").split(' ').next().unwrap().parse().unwrap();
    let told = value("system_uptime_seconds").await;
    assert!(told <= uptime && told > uptime - 600.0, "{told} of {uptime}");
}
