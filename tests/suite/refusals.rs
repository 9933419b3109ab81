//! A back end refuses what is too large, and what holds a bad span: everything else reaches it.

use std::collections::BTreeSet;

use bytes::Bytes;
use harness::agent::Agent;
use harness::capture::{Answer, Capture, Received, span_ids};
use harness::client;
use http::{Method, Request};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use prost::Message;
use spindle_pipeline::testing::spans;
use tonic::Code;

/// What the back ends take at once, about 37 spans.
const LIMIT: usize = 20_000;
/// Spans in each request.
const SPANS: u64 = 200;
const REQUESTS: u64 = 10;
/// The spans that the back ends call bad, by their ids: alone, at an edge, and two beside each other.
const BAD: [u64; 4] = [57, 200, 777, 778];
/// A span that is larger than the limit.
const HUGE: u64 = 1234;
/// Stands in that span, and must stand nowhere else.
const SECRET: &str = "hunter2hunter2";

fn judge(request: &Received) -> Answer {
    let decoded = ExportTraceServiceRequest::decode(request.body.clone()).unwrap();
    if request.body.len() > LIMIT {
        Answer::TooLarge
    } else if span_ids(&[decoded]).iter().any(|id| BAD.contains(id)) {
        Answer::Refuse(Code::InvalidArgument)
    } else {
        Answer::Ok
    }
}

/// Spans with the ids that follow `first`.
fn request(count: u64, first: u64) -> Bytes {
    let request = spans::request_with(count as usize, first);
    if !(first + 1..=first + count).contains(&HUGE) {
        return request;
    }
    let mut decoded = ExportTraceServiceRequest::decode(request).unwrap();
    let huge = &mut decoded.resource_spans[0].scope_spans[0].spans[(HUGE - first - 1) as usize];
    let value = Some(AnyValue { value: Some(Value::StringValue(SECRET.repeat(LIMIT / 10))) });
    huge.attributes.push(KeyValue { key: "prompt".to_owned(), value, ..KeyValue::default() });
    decoded.encode_to_vec().into()
}

async fn post(agent: &Agent, body: Bytes) -> u16 {
    let request = Request::builder()
        .method(Method::POST)
        .uri(format!("{}/v1/traces", agent.url("http")))
        .header("content-type", "application/x-protobuf")
        .body(body)
        .unwrap();
    client::send(request).await.unwrap().status().as_u16()
}

/// Two exporters, by gRPC and by HTTP, behind one receiver; with and without batches joined before them:
/// exactly the marked spans are missing, nothing comes twice, every loss has its reason and a sample.
#[tokio::test]
async fn only_what_is_refused_for_itself_is_lost() {
    for processors in ["", "batch"] {
        let back_ends = [Capture::start().await, Capture::start().await];
        let agent = Agent::with(&format!(
            "receivers: {{otlp: {{protocols: {{http: {{endpoint: 127.0.0.1:$http}}}}}}}}
processors: {{batch: {{timeout: 50ms}}}}
exporters:
  otlp_grpc: {{endpoint: {}, tls: {{insecure: true}}}}
  otlp_http: {{endpoint: '{}'}}
service: {{pipelines: {{traces: {{receivers: [otlp], processors: [{processors}], exporters: [otlp_grpc, otlp_http]}}}}}}
",
            back_ends[0].grpc(),
            back_ends[1].http(),
        ))
        .start()
        .await;
        for back_end in &back_ends {
            back_end.judge_by(judge);
        }
        for index in 0..REQUESTS {
            assert_eq!(post(&agent, request(SPANS, index * SPANS)).await, 200);
        }
        let lost: BTreeSet<u64> = BAD.into_iter().chain([HUGE]).collect();
        let expected: Vec<u64> = (1..=SPANS * REQUESTS).filter(|id| !lost.contains(id)).collect();
        for (exporter, back_end) in ["otlp_grpc", "otlp_http"].into_iter().zip(&back_ends) {
            let about = format!("exporter=\"{exporter}\"");
            agent.wait_for_metric("otelcol_exporter_sent_spans", &[&about], expected.len() as f64).await;
            agent.wait_for_metric("otelcol_exporter_send_failed_spans", &[&about], lost.len() as f64).await;
            let mut arrived = back_end.span_ids();
            arrived.sort_unstable();
            assert_eq!(arrived, expected, "{exporter}, processors: [{processors}]");
            let component = format!("component=\"exporter/{exporter}\"");
            for (reason, count) in [("rejected", BAD.len() as u64), ("too_large", 1)] {
                let reason = format!("reason=\"{reason}\"");
                let dropped = agent.count("otelcol_dropped_items", &[&component, &reason]).await;
                assert_eq!(dropped, count, "{exporter}, {reason}, processors: [{processors}]");
            }
            assert_eq!(agent.count("otelcol_exporter_in_flight_requests", &[&about]).await, 0);
            assert_eq!(agent.count("otelcol_exporter_queue_size", &[&about]).await, 0);
        }
        let (status, output) = agent.stop().await;
        assert_eq!(status.code(), Some(0), "{output}");
        let has_sample = |id: &u64| output.contains(&format!("span id {id:016x}"));
        assert!(BAD.iter().any(has_sample) && has_sample(&HUGE), "{output}");
        assert!(!output.contains(SECRET), "{output}");
    }
}

/// Who waits for the back end's answer hears of what became of the whole: "ok" when only bad items are
/// missing, the refusal when nothing was taken, in its own words of HTTP.
#[tokio::test]
async fn who_waits_for_the_result_hears_it() {
    let back_end = Capture::start().await;
    back_end.judge_by(judge);
    let agent = Agent::with(&format!(
        "receivers: {{otlp: {{protocols: {{http: {{endpoint: 127.0.0.1:$http}}}}}}}}
exporters: {{otlp_http: {{endpoint: '{}', sending_queue: {{wait_for_result: true}}}}}}
service: {{pipelines: {{traces: {{receivers: [otlp], exporters: [otlp_http]}}}}}}
",
        back_end.http()
    ))
    .start()
    .await;
    assert_eq!(post(&agent, request(SPANS, 0)).await, 200, "all but the bad ones");
    assert_eq!(back_end.span_count() as u64, SPANS - 2);
    let dropped = async || agent.count("otelcol_dropped_items", &[]).await;
    assert_eq!(dropped().await, 2);
    assert_eq!(post(&agent, request(1, BAD[0] - 1)).await, 400);
    assert_eq!(post(&agent, request(2, BAD[2] - 1)).await, 400, "two bad ones");
    assert_eq!(post(&agent, request(1, HUGE - 1)).await, 413);
    assert_eq!(dropped().await, 2, "the client still has the others");
}
