//! What the five guides have their readers do.

use std::process::Stdio;

use bytes::Bytes;
use harness::agent::Agent;
use harness::capture::Capture;
use harness::jaeger::Jaeger;
use harness::plain::{self, PlainSpan, PlainValue};
use harness::script::Script;
use harness::{client, peers, wait};
use http::{Method, Request, StatusCode};
use rustix::process::Signal;
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};

use crate::load::Load;

/// Guide 000's own configuration of receivers and readiness, with an OTLP exporter in Jaeger's place.
fn guide_000(back_end: &str) -> String {
    format!(
        "service:
  extensions: [healthcheckv2]
  pipelines:
    traces:
      receivers: [otlp]
      processors: [batch]
      exporters: [otlp_grpc]
receivers:
  otlp:
    protocols:
      grpc:
        endpoint: 127.0.0.1:$grpc
      http:
        endpoint: 127.0.0.1:$http
exporters:
  otlp_grpc:
    endpoint: {back_end}
    tls:
      insecure: true
processors:
  batch: {{}}
extensions:
  healthcheckv2:
    use_v2: true
    http:
      endpoint: 127.0.0.1:$health
      status:
        enabled: true
"
    )
}

/// Guide 000's probe, word for word but for the port: its span is in Jaeger once the provider is shut down.
#[tokio::test]
async fn the_probe_of_guide_000_is_seen() {
    let jaeger = Jaeger::start().await;
    let agent = Agent::with(&guide_000(&jaeger.grpc())).start().await;
    let path = peers::repository().join("tests/peers/python/guide_000_probe.py");
    let probe = std::fs::read_to_string(path).unwrap();
    let probe = probe.replace("127.0.0.1:4317", &format!("127.0.0.1:{}", agent.port("grpc")));
    Script::python_text("guide 000's probe", &probe).run().await;
    let spans = wait::until("the probe's span in Jaeger", || async {
        let spans = plain::of_json(&jaeger.traces_of("probe").await?);
        if spans.is_empty() { Err(anyhow::anyhow!("no spans")) } else { Ok(spans) }
    })
    .await;
    let names: Vec<&str> = spans.iter().map(|span| span.name.as_str()).collect();
    assert_eq!(names, ["smoke-span"]);
}

/// Guide 000's readiness probe: `/status` is 200 from the moment the agent takes data to the moment it
/// stops, and 503 while it does.
#[tokio::test]
async fn the_readiness_of_guide_000_is_told() {
    let back_end = Capture::start().await;
    back_end.hold();
    let mut agent = Agent::with(&guide_000(&back_end.grpc())).start().await;
    let status = format!("{}/status", agent.url("health"));
    let (code, body) = ask(&status).await;
    assert_eq!((code, &body["status"], &body["healthy"]), (StatusCode::OK, &"StatusOK".into(), &true.into()));
    let mut load = Load::on(&agent).grpc(1);
    load.wait_for_acknowledged(10).await;
    load.stop().await;
    agent.process.signal(Signal::TERM);
    let (code, body) = wait::until("503 while stopping", || async {
        let (code, body) = ask(&status).await;
        if code == StatusCode::OK { Err(code) } else { Ok((code, body)) }
    })
    .await;
    assert_eq!((code, &body["status"]), (StatusCode::SERVICE_UNAVAILABLE, &"StatusStopping".into()));
    back_end.release();
    assert_eq!(agent.process.wait().await.code(), Some(0), "{}", agent.process.output());
}

async fn ask(url: &str) -> (StatusCode, Value) {
    let request = Request::builder().method(Method::GET).uri(url).body(Bytes::new()).unwrap();
    let response = client::send(request).await.unwrap();
    (response.status(), serde_json::from_slice(response.body()).unwrap())
}

/// Guide 001: the Collector configuration of its stack runs as it is, but for its addresses, and with the
/// variable of the container's run in the environment every span says which run it is of.
#[tokio::test]
async fn the_stack_of_guide_001_knows_its_run() {
    let jaeger = Jaeger::start().await;
    let path = peers::repository().join("tests/configs/guides/001-devcontainer-collector.yaml");
    let config = std::fs::read_to_string(path).unwrap();
    let config = config
        .replace("grpc: , http: ", "grpc: {endpoint: 127.0.0.1:$grpc}, http: {endpoint: 127.0.0.1:$http}")
        .replace("jaeger:4317", &jaeger.grpc());
    let run = "container-run-20260102T030405Z-0123abcd";
    let agent = Agent::with(&config).variable("CONTAINER_RUN_ID", run).start().await;
    let script = Script::python("measure.py").option("endpoint", &agent.url("grpc"));
    // The guide's stack has no pipeline for metrics.
    let output =
        script.option("protocol", "grpc").option("instance", "one").option("signals", "traces").run();
    let groups = jaeger.wait_for_trace(output.await.trim(), 1).await;
    let spans = plain::of_json(&groups);
    assert_eq!(spans[0].resource.last(), Some(&("container_run".to_owned(), text(run))));
    // One line for each span is what `normal` means.
    agent.process.wait_for_line("work ").await;
    let (status, output) = agent.stop().await;
    assert_eq!(status.code(), Some(0), "{output}");
    assert!(output.contains("\"otlp\" alias is deprecated; use \"otlp_grpc\" instead"), "{output}");
}

/// Guide 004: a router and an engine, two processes that share a trace by its traceparent, are one trace
/// in Jaeger with both services, nothing of either lost.
#[tokio::test]
async fn the_router_and_the_engine_of_guide_004_share_a_trace() {
    let jaeger = Jaeger::start().await;
    let agent = Agent::with(&format!("run: {{id: run-004}}\n{}", guide_000(&jaeger.grpc()))).start().await;
    let trace_id = run_router_and_engine(&agent.url("grpc")).await;

    let groups = jaeger.wait_for_trace(&trace_id, 6).await;
    let spans = plain::of_json(&groups);
    assert_eq!(spans.len(), 6);
    let named = |name: &str| spans.iter().find(|span| span.name == name).unwrap();
    let root = named("semantic_router.request.received");
    let (signal, upstream) =
        (named("semantic_router.signal.evaluation"), named("semantic_router.upstream.request"));
    let engine = named("llm_request");
    let mut services = jaeger.services().await.unwrap();
    services.sort();
    assert_eq!(services, ["vllm", "vllm-semantic-router"]);
    assert_eq!(root.parent_span_id, "");
    assert_eq!((&signal.parent_span_id, &upstream.parent_span_id), (&root.span_id, &root.span_id));
    assert_eq!(engine.parent_span_id, upstream.span_id);
    assert_eq!([root.kind, signal.kind, upstream.kind, engine.kind], [2, 1, 3, 2]);
    assert_eq!(attribute(root, "user.id"), text(""));
    assert_eq!(attribute(named("semantic_router.routing.decision"), "category.name"), text(""));
    let rules = PlainValue::Array(vec![text("math"), text(""), text("code")]);
    assert_eq!(attribute(signal, "signal.matched_rules"), rules);
    let of_router: Vec<&str> = root.resource.iter().map(|(key, _)| key.as_str()).collect();
    assert_eq!(of_router, ["service.name", "service.version", "deployment.environment", "container_run"]);
    for span in &spans {
        assert_eq!(
            span.resource.last(),
            Some(&("container_run".to_owned(), text("run-004"))),
            "{}",
            span.name
        );
    }
}

/// Gives the id of the trace.
async fn run_router_and_engine(endpoint: &str) -> String {
    let mut command = Script::python("router.py").option("endpoint", endpoint).into_command();
    command.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut router = command.spawn().unwrap();
    let mut told = BufReader::new(router.stdout.take().unwrap());
    let mut traceparent = String::new();
    told.read_line(&mut traceparent).await.unwrap();
    let traceparent = traceparent.trim();
    Script::python("engine.py").option("endpoint", endpoint).option("traceparent", traceparent).run().await;
    router.stdin.take().unwrap().write_all(b"answered\n").await.unwrap();
    assert!(router.wait().await.unwrap().success());
    traceparent.split('-').nth(1).unwrap().to_owned()
}

fn attribute(span: &PlainSpan, key: &str) -> PlainValue {
    let found = span.attributes.iter().find(|(name, _)| name == key);
    found.unwrap_or_else(|| panic!("{} has no {key}", span.name)).1.clone()
}

fn text(text: &str) -> PlainValue {
    PlainValue::Text(text.to_owned())
}
