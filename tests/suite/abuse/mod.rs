//! What no well-meaning client sends: the right answer to each, or a closed connection, and the agent
//! lives: it answers, its memory is bounded, and what good clients send meanwhile arrives.

mod connections;
mod damage;
mod grpc;
mod http;

use bytes::Bytes;
use harness::agent::Agent;
use harness::capture::Capture;
use harness::raw::{self, GrpcConnection};
use spindle_pipeline::testing::spans;

/// The receiver's default limits.
const GRPC_LIMIT: usize = 4 << 20;
const HTTP_LIMIT: usize = 20 << 20;
/// What the agent may use at its peak: two full bodies of the largest size in the compressed and the
/// decompressed form, and what a debug build needs by itself.
const MEMORY: u64 = 200 << 20;

const PROTOBUF: &str = "content-type: application/x-protobuf";
const JSON: &str = "content-type: application/json";
const TRACES: &str = harness::grpc::path(spindle_pipeline::Signal::Traces);
const GRPC: (&str, &str) = ("content-type", "application/grpc");

/// An agent with both doors at their defaults, and impatient ones beside them.
async fn agent() -> (Agent, Capture) {
    let back_end = Capture::start().await;
    let agent = Agent::with(&format!(
        "receivers:
  otlp:
    protocols:
      grpc: {{endpoint: 127.0.0.1:$grpc}}
      http: {{endpoint: 127.0.0.1:$http}}
  otlp/impatient:
    protocols:
      http: {{endpoint: 127.0.0.1:$impatient, read_timeout: 300ms, read_header_timeout: 300ms}}
exporters: {{otlp_grpc: {{endpoint: {}, tls: {{insecure: true}}}}}}
service: {{pipelines: {{traces: {{receivers: [otlp, otlp/impatient], exporters: [otlp_grpc]}}}}}}
",
        back_end.grpc()
    ))
    .start()
    .await;
    (agent, back_end)
}

/// A request that deserves its 200.
fn good() -> Bytes {
    spans::request(3)
}

/// Both doors still serve, and memory never went beyond its bound.
async fn lives(agent: &Agent) {
    let request = raw::http_request("POST", "/v1/traces", &[PROTOBUF], &good());
    assert_eq!(raw::http_status(&raw::exchange(agent.port("http"), &request).await), Some(200));
    let mut connection = GrpcConnection::open(agent.port("grpc")).await;
    let answer = connection.call(::http::Method::POST, TRACES, &[GRPC], raw::framed(false, &good())).await;
    assert_eq!(answer.unwrap().code, Some(0));
    let (_, peak) = agent.process.memory();
    assert!(peak <= MEMORY, "{} MiB at the peak", peak >> 20);
    assert_eq!(agent.count("otelcol_component_panics", &[]).await, 0);
}
