//! The memory limit: who is refused, with which answer, and that it ends.

use std::collections::BTreeSet;

use harness::agent::Agent;
use harness::capture::Capture;
use harness::raw::{self, GrpcConnection, framed};
use harness::{client, wait};
use http::Method;
use spindle_pipeline::testing::spans;
use tonic::Code;

use crate::load::{Load, SPANS};

const TRACES: &str = harness::grpc::path(spindle_pipeline::Signal::Traces);
const HEADERS: [(&str, &str); 2] = [("content-type", "application/grpc"), ("te", "trailers")];
const LIMIT_MIB: u64 = 96;
const SPIKE_MIB: u64 = 24;

/// The back end is gone and clients send on until the limit is reached: they are told to come again, over
/// gRPC with UNAVAILABLE and over HTTP with 503; the agent lives, stays below the limit and answers. When
/// the back end is back it takes data again, load or no load, and everything that was acknowledged arrives.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_memory_refuses_for_now_and_recovers() {
    let mut back_end = Capture::start().await;
    back_end.kill();
    let agent = Agent::with(&format!(
        "receivers: {{otlp: {{protocols: {{grpc: {{endpoint: 127.0.0.1:$grpc}}, http: {{endpoint: 127.0.0.1:$http}}}}}}}}
processors:
  memory_limiter: {{check_interval: 100ms, limit_mib: {LIMIT_MIB}, spike_limit_mib: {SPIKE_MIB}}}
exporters:
  otlp_grpc:
    endpoint: {}
    tls: {{insecure: true}}
    compression: none
    retry_on_failure: {{initial_interval: 50ms, max_interval: 200ms, max_elapsed_time: 0}}
    sending_queue: {{queue_size: 100000}}
extensions: {{health_check: {{endpoint: 127.0.0.1:$health}}}}
service:
  extensions: [health_check]
  pipelines: {{traces: {{receivers: [otlp], processors: [memory_limiter], exporters: [otlp_grpc]}}}}
",
        back_end.grpc()
    ))
    .start()
    .await;
    let mut load = Load::on(&agent).with_ballast(64 << 10).grpc(2).http(2);
    load.wait_for_refusals(40).await;
    assert_the_answers(&agent).await;
    let page = client::get(&format!("{}/status", agent.url("health"))).await.unwrap();
    assert!(page.contains("\"healthy\":true"), "{page}");
    let (_, peak) = agent.process.memory();
    // Shared pages of the binary count here as well.
    assert!(peak < (LIMIT_MIB + 64) << 20, "{} MiB at the peak", peak >> 20);
    let refused = agent.count("otelcol_processor_memory_limiter_refused_spans", &[]).await;
    assert!(refused >= 40 * SPANS as u64, "{refused} spans refused");
    assert_eq!(agent.count("otelcol_dropped_items", &[]).await, 0);

    // Nobody sends while it recovers: it has to do so by itself.
    let book = load.stop().await;
    back_end.restart().await;
    agent.process.wait_for_line("memory is below the soft limit again: data is taken").await;
    let load = Load::on(&agent).starting_at(1 << 32).grpc(1).http(1);
    load.wait_for_acknowledged(20 * SPANS).await;
    let later = load.finish().await;
    let (status, output) = agent.stop().await;
    assert_eq!(status.code(), Some(0), "{output}");
    for book in [book, later] {
        book.assert_delivered(&back_end.span_ids(), &BTreeSet::new());
    }
}

/// The words of the refusal, over both protocols.
async fn assert_the_answers(agent: &Agent) {
    let (grpc, http) = (agent.port("grpc"), agent.port("http"));
    wait::until("a refusal over both protocols", || async {
        let mut connection = GrpcConnection::open(grpc).await;
        let answer =
            connection.call(Method::POST, TRACES, &HEADERS, framed(false, &spans::request(1))).await.unwrap();
        let request = raw::http_request(
            "POST",
            "/v1/traces",
            &["content-type: application/x-protobuf"],
            &spans::request(1),
        );
        let over_http = raw::exchange(http, &request).await;
        let is_refused =
            answer.code == Some(Code::Unavailable as i32) && raw::http_status(&over_http) == Some(503);
        let text = String::from_utf8_lossy(&over_http).into_owned();
        let says = "data refused due to high memory usage";
        if is_refused && answer.message.replace("%20", " ").contains(says) && text.contains(says) {
            Ok(())
        } else {
            Err((answer, text))
        }
    })
    .await;
}
