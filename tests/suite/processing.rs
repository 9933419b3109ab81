//! What processors and the exporters without a back end make of telemetry, through the built binary.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use harness::agent::Agent;
use harness::capture::Capture;
use harness::client::Http;
use harness::jaeger::Jaeger;
use harness::plain::{self, PlainSpan, PlainValue};
use harness::{golden, wait};
use http::{Method, Request, StatusCode};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use prost::Message;
use serde_json::{Value, json};

/// The start of 2026.
const START: u64 = 1_767_225_600_000_000_000;

/// Sends a request as OTLP/JSON, with a header that processors can read.
async fn send(http: &Http, agent: &Agent, signal: &str, body: &Value) {
    let request = Request::builder()
        .method(Method::POST)
        .uri(format!("{}/v1/{signal}", agent.url("http")))
        .header("content-type", "application/json")
        .header("x-tenant", "blue")
        .body(Bytes::from(body.to_string()))
        .unwrap();
    let response = http.send(request).await.unwrap();
    assert_eq!(response.status(), StatusCode::OK, "{:?}", response.body());
}

fn text(key: &str, value: &str) -> Value {
    json!({"key": key, "value": {"stringValue": value}})
}

/// A trace of two spans of an engine. The same number makes the same ids.
fn trace(number: u128, start: u64) -> Value {
    let trace_id = format!("{:032x}", number.wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835));
    let span = |id: u64, parent: &str, name: &str| {
        json!({
            "traceId": trace_id, "spanId": format!("{id:016x}"), "parentSpanId": parent, "name": name,
            "kind": 2, "startTimeUnixNano": start.to_string(), "endTimeUnixNano": (start + 500_000_000).to_string(),
            "attributes": [
                text("url.full", "http://10.0.0.7:30000/v1/chat/completions?stream=1"),
                text("gen_ai.prompt.0.content", "secret"),
                text("gen_ai.request.model", "llama"),
            ],
        })
    };
    let resource = [
        text("service.name", "sglang"),
        text("environment", "lab"),
        text("process.owner", "alice"),
        text("k8s.cluster.name", "old"),
    ];
    json!({"resourceSpans": [{
        "resource": {"attributes": resource},
        "scopeSpans": [{"spans": [span(1, "", "request"), span(2, "0000000000000001", "generate")]}],
    }]})
}

/// The sampler keeps whole traces, the same ones in every pipeline with the same seed, and counts the
/// rest; what is kept has the attributes that `resource` and `attributes` were told to leave.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sampled_and_edited_traces_are_in_jaeger() {
    const TRACES: u128 = 200;
    let (jaeger, back_end) = (Jaeger::start().await, Capture::start().await);
    let agent = Agent::with(&format!(
        "receivers: {{otlp: {{protocols: {{http: {{endpoint: 127.0.0.1:$http, include_metadata: true}}}}}}}}
processors:
  probabilistic_sampler/quarter: {{sampling_percentage: 25, hash_seed: 22}}
  probabilistic_sampler/half: {{sampling_percentage: 50, hash_seed: 22}}
  resource:
    attributes:
      - {{key: k8s.cluster.name, value: gpu-west, action: upsert}}
      - {{key: deployment.environment.name, from_attribute: environment, default_value: production, action: insert}}
      - {{key: environment, action: delete}}
      - {{key: process.owner, action: hash}}
  attributes:
    include: {{match_type: regexp, services: [\"^sglang\"]}}
    actions:
      - {{key: url.full, pattern: '^https?://[^/]+(?P<url_path>/[^?]*)', action: extract}}
      - {{key: url.full, action: delete}}
      - {{pattern: '^gen_ai\\.prompt', action: hash}}
      - {{key: tenant, from_context: metadata.x-tenant, action: insert}}
exporters:
  otlp_grpc/jaeger: {{endpoint: {jaeger}, tls: {{insecure: true}}}}
  otlp_grpc/capture: {{endpoint: {capture}, tls: {{insecure: true}}}}
service:
  pipelines:
    traces: {{receivers: [otlp], processors: [probabilistic_sampler/quarter, resource, attributes], exporters: [otlp_grpc/jaeger]}}
    traces/half: {{receivers: [otlp], processors: [probabilistic_sampler/half], exporters: [otlp_grpc/capture]}}
",
        jaeger = jaeger.grpc(),
        capture = back_end.grpc(),
    ))
    .start()
    .await;
    let http = Http::new();
    // Jaeger is asked for traces of today.
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos() as u64;
    for number in 1..=TRACES {
        send(&http, &agent, "traces", &trace(number, now)).await;
    }
    let all = 2 * TRACES as u64;
    let dropped = async |sampler: &str| {
        let component = format!("component=\"processor/probabilistic_sampler/{sampler}\"");
        agent.count("otelcol_dropped_items", &[&component, "reason=\"sampled\""]).await
    };
    let kept = (all - dropped("quarter").await, all - dropped("half").await);
    let stored = wait::until("the kept spans in Jaeger", || async {
        let spans = plain::of_json(&jaeger.traces_of("sglang").await?);
        if spans.len() as u64 == kept.0 { Ok(spans) } else { Err(anyhow::anyhow!("{} spans", spans.len())) }
    })
    .await;
    back_end.wait_for_spans(kept.1 as usize).await;
    let (status, output) = agent.stop().await;
    assert_eq!(status.code(), Some(0), "{output}");

    let taken: Vec<PlainSpan> = back_end.traces().iter().flat_map(plain::of_request).collect();
    let (quarter, half) = (trace_ids(&stored), trace_ids(&taken));
    assert_eq!((2 * quarter.len() as u64, 2 * half.len() as u64), kept, "traces are kept whole");
    assert!(quarter.is_subset(&half), "the same traces, and more of them");
    assert!((30..=70).contains(&quarter.len()) && (80..=120).contains(&half.len()), "{kept:?}");
    for span in &stored {
        assert_edited(span);
    }
}

fn trace_ids(spans: &[PlainSpan]) -> BTreeSet<&str> {
    spans.iter().map(|span| span.trace_id.as_str()).collect()
}

fn assert_edited(span: &PlainSpan) {
    let pairs = |list: &[(&str, &str)]| -> BTreeSet<(String, String)> {
        list.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    };
    let texts = |attributes: &plain::Attributes| -> BTreeSet<(String, String)> {
        let text = |value: &PlainValue| match value {
            PlainValue::Text(text) => text.clone(),
            other => panic!("{other:?}"),
        };
        attributes.iter().map(|(key, value)| (key.clone(), text(value))).collect()
    };
    // `echo -n alice | sha256sum`, `echo -n secret | sha256sum`.
    let alice = "2bd806c97f0e00af1a1fc3328fa763a9269723c8db8fac4f93af71db186d6e90";
    let secret = "2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b";
    let resource = [
        ("service.name", "sglang"),
        ("k8s.cluster.name", "gpu-west"),
        ("deployment.environment.name", "lab"),
        ("process.owner", alice),
    ];
    assert_eq!(texts(&span.resource), pairs(&resource));
    let attributes = [
        ("url_path", "/v1/chat/completions"),
        ("gen_ai.prompt.0.content", secret),
        ("gen_ai.request.model", "llama"),
        ("tenant", "blue"),
    ];
    assert_eq!(texts(&span.attributes), pairs(&attributes));
    assert!(span.trace_state.starts_with("ot=rv:"), "it says how it was sampled: {:?}", span.trace_state);
}

/// Metrics and a log record that say something of every kind.
fn metrics() -> Value {
    json!({"resourceMetrics": [{
        "resource": {"attributes": [text("service.name", "sglang")]},
        "scopeMetrics": [{"scope": {"name": "app", "version": "1"}, "metrics": [
            {"name": "requests", "unit": "1", "sum": {"aggregationTemporality": 2, "isMonotonic": true, "dataPoints": [
                {"timeUnixNano": "1767225600000000000", "asInt": "9007199254740993", "attributes": [text("model", "a")]}]}},
            {"name": "latency", "unit": "s", "histogram": {"aggregationTemporality": 2, "dataPoints": [
                {"timeUnixNano": "1767225600000000000", "count": "3", "sum": 1.5, "bucketCounts": ["1", "2"], "explicitBounds": [0.5]}]}},
        ]}],
    }]})
}

fn logs() -> Value {
    json!({"resourceLogs": [{
        "resource": {"attributes": [text("service.name", "sglang")]},
        "scopeLogs": [{"logRecords": [{
            "timeUnixNano": "1767225600000000000", "severityNumber": 13, "severityText": "WARN",
            "body": {"stringValue": "two\nlines"}, "attributes": [text("k", "v")],
        }]}],
    }]})
}

/// The file exporter's files, read back, say what was sent: lines of OTLP/JSON, and protobuf behind lengths.
#[tokio::test]
async fn files_say_what_was_sent() {
    let agent = Agent::with(
        "run: {id: r1}
receivers: {otlp: {protocols: {http: {endpoint: 127.0.0.1:$http}}}}
exporters:
  file/lines: {path: ./out/all.jsonl}
  file/proto: {path: ./out/*.bin, format: proto, group_by: {enabled: true, resource_attribute: container_run}}
service:
  pipelines:
    traces: {receivers: [otlp], exporters: [file/lines, file/proto]}
    metrics: {receivers: [otlp], exporters: [file/lines]}
    logs: {receivers: [otlp], exporters: [file/lines]}
",
    )
    .start()
    .await;
    let http = Http::new();
    for number in 1..=3 {
        send(&http, &agent, "traces", &trace(number, START)).await;
    }
    send(&http, &agent, "metrics", &metrics()).await;
    send(&http, &agent, "logs", &logs()).await;
    let (status, (lines, proto)) = agent
        .stop_keeping(|folder| {
            let lines = std::fs::read_to_string(folder.join("out/all.jsonl")).unwrap();
            (lines, std::fs::read(folder.join("out/r1.bin")).unwrap())
        })
        .await;
    assert_eq!(status.code(), Some(0));

    let run = json!({"key": "container_run", "value": {"stringValue": "r1"}});
    let stamped = |mut request: Value, groups: &str| {
        let group = &mut request[groups][0];
        group["resource"]["attributes"].as_array_mut().unwrap().push(run.clone());
        request
    };
    let lines: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let expected: Vec<PlainSpan> = (1..=3)
        .flat_map(|number| {
            plain::of_json(
                stamped(trace(number, START), "resourceSpans")["resourceSpans"].as_array().unwrap(),
            )
        })
        .collect();
    let traces = lines[..3].iter().flat_map(|line| plain::of_json(line["resourceSpans"].as_array().unwrap()));
    assert_eq!(traces.collect::<Vec<_>>(), expected);
    assert_eq!(lines[3..], [stamped(metrics(), "resourceMetrics"), stamped(logs(), "resourceLogs")]);
    let requests = behind_lengths(&proto);
    assert_eq!(requests.iter().flat_map(plain::of_request).collect::<Vec<_>>(), expected);
}

/// Messages, each behind four bytes of length, the highest first.
fn behind_lengths(mut bytes: &[u8]) -> Vec<ExportTraceServiceRequest> {
    let mut requests = Vec::new();
    while let Some((length, rest)) = bytes.split_first_chunk() {
        let (message, rest) = rest.split_at(u32::from_be_bytes(*length) as usize);
        requests.push(ExportTraceServiceRequest::decode(message).unwrap());
        bytes = rest;
    }
    assert!(bytes.is_empty());
    requests
}

/// The debug exporter prints counts through the agent's log, and everything where it is told to.
#[tokio::test]
async fn debug_prints_what_passes() {
    let agent = Agent::with(
        "receivers: {otlp: {protocols: {http: {endpoint: 127.0.0.1:$http}}}}
exporters:
  debug:
  debug/all: {verbosity: detailed, use_internal_logger: false, output_paths: [everything.txt]}
service:
  pipelines:
    traces: {receivers: [otlp], exporters: [debug, debug/all]}
    metrics: {receivers: [otlp], exporters: [debug, debug/all]}
    logs: {receivers: [otlp], exporters: [debug, debug/all]}
",
    )
    .start()
    .await;
    let http = Http::new();
    send(&http, &agent, "traces", &trace(1, START)).await;
    send(&http, &agent, "metrics", &metrics()).await;
    send(&http, &agent, "logs", &logs()).await;
    agent.process.wait_for_line("\tLogs\t").await;
    let output = agent.process.output();
    for (signal, counts) in [
        ("Traces", r#""resource spans":1,"spans":2"#),
        ("Metrics", r#""data points":2,"metrics":2"#),
        ("Logs", r#""log records":1"#),
    ] {
        let is_told =
            output.lines().any(|line| line.contains(&format!("\tinfo\t{signal}\t")) && line.contains(counts));
        assert!(is_told, "{signal}: {output}");
    }
    let everything = |folder: &Path| std::fs::read_to_string(folder.join("everything.txt")).unwrap();
    let (status, everything) = agent.stop_keeping(everything).await;
    assert_eq!(status.code(), Some(0));
    golden::check("debug.txt", &everything);
}
