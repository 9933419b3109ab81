//! Thousands of requests with random damage, over both protocols. `SPINDLE_SEED` changes the damage.

use bytes::Bytes;
use harness::agent::Agent;
use harness::client::Http;
use harness::raw::{GrpcConnection, framed};
use http::{Method, Request};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use prost::Message;
use spindle_pipeline::Signal;
use spindle_pipeline::net::compression::Encoding;
use spindle_pipeline::otlp::json;
use spindle_pipeline::testing::spans;

use super::{GRPC, TRACES, agent, lives};

const ROUNDS: usize = 1500;

/// Damaged protobuf is accepted exactly when prost accepts it and its ids have their lengths, over gRPC
/// and HTTP alike; what was accepted arrives, well formed; damaged JSON and damaged compression are
/// refused with 400 or 413, never with an error of ours.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn damaged_requests_are_told_from_good_ones() {
    let seed = std::env::var("SPINDLE_SEED").map_or(20_260_102, |seed| seed.parse().unwrap());
    let (agent, back_end) = agent().await;
    let ((by_grpc, grpc), (by_http, http)) =
        tokio::join!(over_grpc(&agent, seed), over_http(&agent, seed + 1));
    // A test that damages everything beyond use, or nothing, tests nothing.
    assert!(grpc > ROUNDS / 50 && grpc < ROUNDS && http > ROUNDS / 50 && http < ROUNDS, "{grpc}, {http}");
    let accepted = agent.count("otelcol_receiver_accepted_spans", &[]).await as usize;
    let of_protobuf = agent.count("otelcol_receiver_accepted_spans", &["transport=\"grpc\""]).await as usize;
    assert_eq!(of_protobuf, by_grpc);
    assert!(accepted >= by_grpc + by_http, "{accepted} of at least {}", by_grpc + by_http);
    back_end.wait_for_spans(accepted).await;
    assert_eq!(back_end.span_count(), accepted);
    lives(&agent).await;
}

/// Gives the accepted spans, as far as they can be known, and the accepted requests.
async fn over_grpc(agent: &Agent, seed: u64) -> (usize, usize) {
    let mut random = fastrand::Rng::with_seed(seed);
    let mut connection = GrpcConnection::open(agent.port("grpc")).await;
    let (mut spans, mut requests) = (0, 0);
    for round in 0..ROUNDS {
        let message = damaged(&mut random, &spans::request(1 + round % 3));
        let answer = connection.call(Method::POST, TRACES, &[GRPC], framed(false, &message)).await.unwrap();
        let expected = judged(&message);
        let code = if expected.is_some() { 0 } else { 3 };
        assert_eq!(answer.code, Some(code), "seed {seed}, round {round}: {} {message:02x?}", answer.message);
        spans += expected.unwrap_or(0);
        requests += usize::from(expected.is_some());
    }
    (spans, requests)
}

async fn over_http(agent: &Agent, seed: u64) -> (usize, usize) {
    let mut random = fastrand::Rng::with_seed(seed);
    let client = Http::new();
    let url = format!("{}/v1/traces", agent.url("http"));
    let (mut spans, mut requests) = (0, 0);
    for round in 0..ROUNDS {
        let good = spans::request(1 + round % 3);
        let mut text = Vec::new();
        json::to_json(Signal::Traces, &good, &mut text);
        let post = Request::builder().method(Method::POST).uri(&url);
        let (request, expected) = match round % 3 {
            0 => {
                let body = damaged(&mut random, &good);
                let expected = judged(&body);
                (
                    post.header("content-type", "application/x-protobuf").body(Bytes::from(body)),
                    Some(expected),
                )
            }
            1 => {
                let body = damaged(&mut random, &text);
                (post.header("content-type", "application/json").body(body.into()), None)
            }
            _ => {
                let encoding = Encoding::ALL[1 + random.usize(..Encoding::ALL.len() - 1)];
                let body = damaged(&mut random, &encoding.compress(&good, None).unwrap());
                let post = post.header("content-encoding", encoding.name());
                (post.header("content-type", "application/x-protobuf").body(body.into()), None)
            }
        };
        let response = client.send(request.unwrap()).await.unwrap();
        let status = response.status().as_u16();
        let about = format!("seed {seed}, round {round}: {:?}", response.body());
        match expected {
            Some(expected) => assert_eq!(status, if expected.is_some() { 200 } else { 400 }, "{about}"),
            None => assert!(matches!(status, 200 | 400 | 413), "{status} {about}"),
        }
        if status == 200 {
            requests += 1;
            spans += expected.flatten().unwrap_or(0);
        }
    }
    (spans, requests)
}

/// How many spans a receiver must find in these bytes; `None` when it must refuse them.
fn judged(bytes: &[u8]) -> Option<usize> {
    let request = ExportTraceServiceRequest::decode(bytes).ok()?;
    let scopes = request.resource_spans.iter().flat_map(|group| &group.scope_spans);
    let spans: Vec<_> = scopes.flat_map(|scope| &scope.spans).collect();
    let is_id = |id: &[u8], length: usize| id.is_empty() || id.len() == length;
    let has_ids = spans.iter().all(|span| {
        is_id(&span.trace_id, 16)
            && is_id(&span.span_id, 8)
            && is_id(&span.parent_span_id, 8)
            && span.links.iter().all(|link| is_id(&link.trace_id, 16) && is_id(&link.span_id, 8))
    });
    has_ids.then_some(spans.len())
}

/// One to three of: a byte changed, a bit flipped, a piece cut out, a piece doubled, the end cut off.
fn damaged(random: &mut fastrand::Rng, bytes: &[u8]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    for _ in 0..random.usize(1..=3) {
        let at = random.usize(..bytes.len().max(1));
        let end = (at + random.usize(1..20)).min(bytes.len());
        match random.u8(..5) {
            _ if bytes.is_empty() => {}
            0 => bytes[at] = random.u8(..),
            1 => bytes[at] ^= 1 << random.u8(..8),
            2 => drop(bytes.drain(at..end)),
            3 => {
                let piece = bytes[at..end].to_vec();
                bytes.splice(at..at, piece);
            }
            _ => bytes.truncate(at),
        }
    }
    bytes
}
