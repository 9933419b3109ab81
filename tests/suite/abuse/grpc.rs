//! OTLP/gRPC, call by call.

use bytes::Bytes;
use harness::raw::{self, GrpcConnection, framed};
use http::Method;
use spindle_pipeline::net::compression::Encoding;

use super::{GRPC, GRPC_LIMIT, TRACES, agent, good, lives};

const OK: i32 = 0;
const INVALID_ARGUMENT: i32 = 3;
const RESOURCE_EXHAUSTED: i32 = 8;
const UNIMPLEMENTED: i32 = 12;

type Case = (&'static str, &'static str, Vec<(&'static str, &'static str)>, Bytes, i32);

/// Every call gets the code that a client can act on.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_bad_grpc_call_gets_its_code() {
    let (agent, back_end) = agent().await;
    let mut connection = GrpcConnection::open(agent.port("grpc")).await;
    for (what, path, headers, body, code) in cases() {
        let answer = connection.call(Method::POST, path, &headers, body).await;
        let answer = answer.unwrap_or_else(|error| panic!("{what}: {error}"));
        assert_eq!((answer.http.as_u16(), answer.code), (200, Some(code)), "{what}: {answer:?}");
        assert_eq!(answer.message.is_empty(), code == OK, "{what}: {answer:?}");
        assert!(
            !answer.headers.contains_key("google.rpc.retryinfo-bin"),
            "{what}: bad requests are not repeated"
        );
    }
    lives(&agent).await;
    back_end.wait_for_spans(18).await;
    assert_eq!(back_end.span_ids().len(), 18);
}

fn cases() -> Vec<Case> {
    let good = good();
    let gzip = Encoding::Gzip.compress(&good, None).unwrap();
    let in_gzip = vec![GRPC, ("grpc-encoding", "gzip")];
    let announced = [&[0][..], &u32::MAX.to_be_bytes(), b"short"].concat();
    let short = [&[0][..], &100u32.to_be_bytes(), b"short"].concat();
    let long = [&framed(false, &good)[..], b"more"].concat();
    let mut cases: Vec<Case> = vec![
        ("good", TRACES, vec![GRPC], framed(false, &good), OK),
        ("nothing in its frame", TRACES, vec![GRPC], framed(false, b""), OK),
        ("good in gzip", TRACES, in_gzip.clone(), framed(true, &gzip), OK),
        ("gzip announced and not used", TRACES, in_gzip.clone(), framed(false, &good), OK),
        ("a timeout that is none", TRACES, vec![GRPC, ("grpc-timeout", "soon")], framed(false, &good), OK),
        ("garbage", TRACES, vec![GRPC], framed(false, b"this is no protobuf"), INVALID_ARGUMENT),
        ("truncated", TRACES, vec![GRPC], framed(false, &good[..good.len() - 1]), INVALID_ARGUMENT),
        ("no frame", TRACES, vec![GRPC], Bytes::new(), INVALID_ARGUMENT),
        ("half a frame's head", TRACES, vec![GRPC], Bytes::from_static(&[0, 0]), INVALID_ARGUMENT),
        ("less than the frame says", TRACES, vec![GRPC], short.into(), INVALID_ARGUMENT),
        ("more than the frame says", TRACES, vec![GRPC], long.into(), INVALID_ARGUMENT),
        ("compressed by nothing", TRACES, vec![GRPC], framed(true, &gzip), INVALID_ARGUMENT),
        ("gzip that is none", TRACES, in_gzip.clone(), framed(true, &good), INVALID_ARGUMENT),
        ("half of a gzip", TRACES, in_gzip, framed(true, &gzip[..gzip.len() / 2]), INVALID_ARGUMENT),
        (
            "an encoding nobody knows",
            TRACES,
            vec![GRPC, ("grpc-encoding", "br")],
            framed(true, &gzip),
            UNIMPLEMENTED,
        ),
        (
            "more than the limit",
            TRACES,
            vec![GRPC],
            framed(false, &vec![0; GRPC_LIMIT + 1]),
            RESOURCE_EXHAUSTED,
        ),
        ("more than the limit, only announced", TRACES, vec![GRPC], announced.into(), RESOURCE_EXHAUSTED),
        (
            "another method",
            "/opentelemetry.proto.collector.trace.v1.TraceService/Import",
            vec![GRPC],
            framed(false, &good),
            UNIMPLEMENTED,
        ),
        ("another service", "/no.such.Service/Export", vec![GRPC], framed(false, &good), UNIMPLEMENTED),
        (
            "a signal without a pipeline",
            "/opentelemetry.proto.collector.logs.v1.LogsService/Export",
            vec![GRPC],
            framed(false, b""),
            UNIMPLEMENTED,
        ),
    ];
    let zeros = vec![0; GRPC_LIMIT * 8];
    for encoding in Encoding::ALL.into_iter().filter(|encoding| *encoding != Encoding::Identity) {
        let bomb = encoding.compress(&zeros, None).unwrap();
        let headers = vec![GRPC, ("grpc-encoding", encoding.name())];
        cases.push(("a bomb", TRACES, headers, framed(true, &bomb), RESOURCE_EXHAUSTED));
    }
    cases
}

/// What is not gRPC at all gets an HTTP status and a word about where it belongs.
#[tokio::test]
async fn what_is_not_grpc_is_told_so() {
    let (agent, _back_end) = agent().await;
    let mut connection = GrpcConnection::open(agent.port("grpc")).await;
    for (what, method, content_type, status) in [
        ("JSON", Method::POST, "application/json", 415),
        ("OTLP/HTTP", Method::POST, "application/x-protobuf", 415),
        ("a GET", Method::GET, "application/grpc", 405),
    ] {
        let headers = [("content-type", content_type)];
        let answer = connection.call(method, TRACES, &headers, good()).await.unwrap();
        assert_eq!((answer.http.as_u16(), answer.code), (status, None), "{what}: {answer:?}");
    }
    let request = raw::http_request("POST", "/v1/traces", &["content-type: application/json"], b"{}");
    let answer = raw::exchange(agent.port("grpc"), &request).await;
    assert_eq!(raw::http_status(&answer), Some(505));
    let text = String::from_utf8(answer).unwrap();
    assert!(text.contains("OTLP/HTTP has a port of its own, by default 4318"), "{text}");
    // The other way round works: OTLP/HTTP has no quarrel with HTTP/2.
    let mut connection = GrpcConnection::open(agent.port("http")).await;
    let headers = [("content-type", "application/x-protobuf")];
    let answer = connection.call(Method::POST, "/v1/traces", &headers, good()).await.unwrap();
    assert_eq!(answer.http.as_u16(), 200);
    lives(&agent).await;
}
