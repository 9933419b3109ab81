mod auth;
mod cors;
mod doors;
mod limits;
mod tls;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use ::http::{HeaderMap, Method, Request, StatusCode, Version};
use bytes::{BufMut, Bytes, BytesMut};
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use prost::Message;
use spindle_pipeline::component::Outputs;
use spindle_pipeline::error::{Code, ConsumeError};
use spindle_pipeline::net::compression::Encoding;
use spindle_pipeline::net::grpc::{self, RpcStatus};
use spindle_pipeline::otlp::json;
use spindle_pipeline::testing::sink::Sink;
use spindle_pipeline::testing::{config, config_with_problems, context, contract, spans};
use spindle_pipeline::{Batch, Signal};
use tokio_util::sync::CancellationToken;

use super::*;

/// A receiver on free ports, and what stands behind it.
struct Doors {
    grpc: SocketAddr,
    http: SocketAddr,
    sink: Arc<Sink>,
    telemetry: Telemetry,
    drain: CancellationToken,
    task: tokio::task::JoinHandle<Result<(), RunError>>,
}

const BOTH: &str = "{protocols: {grpc: {endpoint: 127.0.0.1:0}, http: {endpoint: 127.0.0.1:0}}}";

fn open(yaml: &str) -> Doors {
    let protocols = config::<Otlp>(yaml).protocols;
    let build = context("otlp");
    let grpc = GrpcDoor::open(protocols.grpc.into_option().expect("grpc"), &build).expect("binds");
    let http = HttpDoor::open(protocols.http.into_option().expect("http"), &build).expect("binds");
    let addresses = [&grpc.bound, &http.bound].map(|bound| bound.tcp_address().expect("tcp"));
    let (sink, drain, context) = (Sink::new(), CancellationToken::new(), build);
    let outputs = Outputs::none().with(Signal::Traces, sink.clone()).with(Signal::Logs, sink.clone());
    let receiver = Box::new(OtlpReceiver {
        id: "otlp".to_owned(),
        panics: Panics::of(&context.telemetry, Kind::Receiver, "otlp"),
        telemetry: context.telemetry.clone(),
        grpc: Some(grpc),
        http: Some(http),
    });
    let run_context = ReceiverContext { outputs, drain: drain.clone(), status: context.status };
    let task = tokio::spawn(receiver.run(run_context));
    Doors { grpc: addresses[0], http: addresses[1], sink, telemetry: context.telemetry, drain, task }
}

struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: Bytes,
    trailers: HeaderMap,
}

impl Answer {
    /// The gRPC status, from the trailers or the headers.
    fn code(&self) -> i32 {
        let status = self.trailers.get("grpc-status").or_else(|| self.headers.get("grpc-status"));
        status.expect("has a gRPC status").to_str().expect("text").parse().expect("a number")
    }

    fn grpc_message(&self) -> String {
        let message = self.trailers.get("grpc-message").or_else(|| self.headers.get("grpc-message"));
        message.map(|message| message.to_str().expect("text").replace("%20", " ")).unwrap_or_default()
    }
}

fn client(is_http2: bool) -> Client<HttpConnector, Full<Bytes>> {
    Client::builder(TokioExecutor::new()).http2_only(is_http2).build_http()
}

async fn send(is_http2: bool, request: Request<Full<Bytes>>) -> Answer {
    let response = client(is_http2).request(request).await.expect("answered");
    let (parts, body) = response.into_parts();
    let collected = body.collect().await.expect("a whole body");
    let trailers = collected.trailers().cloned().unwrap_or_default();
    Answer { status: parts.status, headers: parts.headers, body: collected.to_bytes(), trailers }
}

fn framed(flag: u8, message: &[u8]) -> Bytes {
    let mut body = BytesMut::new();
    body.put_u8(flag);
    body.put_u32(u32::try_from(message.len()).expect("short"));
    body.put_slice(message);
    body.freeze()
}

async fn call(doors: &Doors, path: &str, encoding: &str, body: Bytes) -> Answer {
    let mut request = Request::builder()
        .method(Method::POST)
        .version(Version::HTTP_2)
        .uri(format!("http://{}{path}", doors.grpc))
        .header("content-type", "application/grpc")
        .header("te", "trailers");
    if !encoding.is_empty() {
        request = request.header("grpc-encoding", encoding);
    }
    send(true, request.body(Full::new(body)).expect("a request")).await
}

async fn export(doors: &Doors, message: &[u8]) -> Answer {
    call(doors, grpc::path(Signal::Traces), "", framed(0, message)).await
}

async fn post(doors: &Doors, path: &str, headers: &[(&str, &str)], body: impl Into<Bytes>) -> Answer {
    let mut request = Request::builder().method(Method::POST).uri(format!("http://{}{path}", doors.http));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    send(false, request.body(Full::new(body.into())).expect("a request")).await
}

const PROTOBUF: (&str, &str) = ("content-type", "application/x-protobuf");
const JSON: (&str, &str) = ("content-type", "application/json");

fn json_request(spans: usize) -> Vec<u8> {
    let mut text = Vec::new();
    json::to_json(Signal::Traces, &spans::request(spans), &mut text);
    text
}

/// The clauses that every component keeps.
#[test]
fn keeps_the_contract() {
    contract::factory::<Otlp>();
}

/// The bytes that come in are the bytes that go on, by both protocols and in every encoding.
#[tokio::test]
async fn takes_what_clients_send_in_every_encoding() {
    let doors = open(BOTH);
    let request = spans::request(5);
    for encoding in Encoding::ALL {
        let compressed = encoding.compress(&request, None).expect("compresses");
        let flag = u8::from(encoding != Encoding::Identity);
        let answer =
            call(&doors, grpc::path(Signal::Traces), encoding.name(), framed(flag, &compressed)).await;
        assert_eq!((answer.code(), answer.body.as_ref()), (0, &[0; 5][..]), "{encoding:?}");
        let headers = [PROTOBUF, ("content-encoding", encoding.name())];
        let answer = post(&doors, "/v1/traces", &headers, compressed).await;
        assert_eq!((answer.status, answer.body.len()), (StatusCode::OK, 0), "{encoding:?}");
    }
    let answer =
        post(&doors, "/v1/traces", &[("content-type", "application/json; charset=utf-8")], json_request(5))
            .await;
    assert_eq!((answer.status, answer.body.as_ref()), (StatusCode::OK, &br#"{"partialSuccess":{}}"#[..]));
    let taken = doors.sink.taken();
    assert_eq!(taken.len(), 2 * Encoding::ALL.len() + 1);
    for batch in &taken[..taken.len() - 1] {
        assert_eq!(batch.bytes(), request);
    }
    assert_eq!(
        taken.last().expect("the JSON one").decoded(),
        Batch::receive(Signal::Traces, request).expect("well formed").decoded()
    );
}

/// An empty request is taken without troubling a pipeline, as in the Collector.
#[tokio::test]
async fn an_empty_request_is_taken() {
    let doors = open(BOTH);
    assert_eq!(export(&doors, b"").await.code(), 0);
    assert_eq!(post(&doors, "/v1/logs", &[JSON], "{}").await.status, StatusCode::OK);
    assert!(doors.sink.taken().is_empty());
}

/// Everything that is wrong with a gRPC call has its status, and the connection goes on.
#[tokio::test]
async fn bad_calls_have_the_right_status() {
    let doors = open(BOTH);
    let traces = grpc::path(Signal::Traces);
    let zeros = vec![0; 5 << 20];
    let bomb = Encoding::Gzip.compress(&zeros, None).expect("compresses");
    let cases: Vec<(&str, &str, &str, Bytes, Code, &str)> = vec![
        (
            "malformed",
            traces,
            "",
            framed(0, b"\x0a\x05\x01"),
            Code::InvalidArgument,
            "malformed protobuf at byte 1",
        ),
        (
            "truncated frame",
            traces,
            "",
            Bytes::from_static(b"\0\0\0"),
            Code::InvalidArgument,
            "truncated message frame",
        ),
        (
            "truncated message",
            traces,
            "",
            Bytes::from_static(b"\0\0\0\0\x09abc"),
            Code::InvalidArgument,
            "truncated message",
        ),
        ("no message", traces, "", Bytes::new(), Code::InvalidArgument, "missing request message"),
        (
            "two messages",
            traces,
            "",
            Bytes::from_static(b"\0\0\0\0\0\0\0\0\0\0"),
            Code::InvalidArgument,
            "more than one message",
        ),
        (
            "announced too large",
            traces,
            "",
            Bytes::from_static(b"\0\xff\xff\xff\xffabc"),
            Code::ResourceExhausted,
            "larger than max",
        ),
        ("too large", traces, "", framed(0, &zeros), Code::ResourceExhausted, "larger than max"),
        ("a bomb", traces, "gzip", framed(1, &bomb), Code::ResourceExhausted, "larger than"),
        ("wrong encoding", traces, "gzip", framed(1, b"not gzip"), Code::InvalidArgument, "not valid gzip"),
        ("unknown encoding", traces, "br", framed(1, b"x"), Code::Unimplemented, "grpc-encoding"),
        (
            "compressed without saying how",
            traces,
            "",
            framed(1, b"x"),
            Code::InvalidArgument,
            "compressed flag",
        ),
        ("no such method", "/x/Y", "", framed(0, b""), Code::Unimplemented, "unknown method /x/Y"),
        (
            "a signal without a pipeline",
            grpc::path(Signal::Metrics),
            "",
            framed(0, b""),
            Code::Unimplemented,
            "no pipeline",
        ),
    ];
    for (name, path, encoding, body, code, message) in cases {
        let answer = call(&doors, path, encoding, body).await;
        assert_eq!((answer.status, answer.code()), (StatusCode::OK, code.grpc()), "{name}");
        assert!(answer.grpc_message().contains(message), "{name}: {}", answer.grpc_message());
    }
    assert_eq!(export(&doors, &spans::request(1)).await.code(), 0);
    assert_eq!(doors.sink.items(), 1);
}

/// Everything that is wrong with an HTTP request has its status; the body says what, as protobuf or JSON.
#[tokio::test]
async fn bad_requests_have_the_right_status() {
    let doors = open(
        "{protocols: {grpc: {endpoint: 127.0.0.1:0}, http: {endpoint: 127.0.0.1:0, max_request_body_size: 1000, compression_algorithms: [\"\", gzip]}}}",
    );
    let bomb = Encoding::Gzip.compress(&[0; 5000], None).expect("compresses");
    let cases: [(_, _, _, Bytes, _, _); 10] = [
        (
            "malformed",
            "/v1/traces",
            vec![PROTOBUF],
            Bytes::from_static(b"\x0a\x05\x01"),
            400,
            "malformed protobuf at byte 1",
        ),
        (
            "malformed JSON",
            "/v1/traces",
            vec![JSON],
            "{\"resourceSpans\": [1]}".into(),
            400,
            "resourceSpans[0]",
        ),
        ("too large", "/v1/traces", vec![PROTOBUF], vec![0; 1001].into(), 413, "request body too large"),
        (
            "a bomb",
            "/v1/traces",
            vec![PROTOBUF, ("content-encoding", "gzip")],
            bomb.into(),
            413,
            "larger than 1000 bytes",
        ),
        (
            "not gzip",
            "/v1/traces",
            vec![PROTOBUF, ("content-encoding", "gzip")],
            "x".into(),
            400,
            "not valid gzip",
        ),
        (
            "encoding not allowed",
            "/v1/traces",
            vec![PROTOBUF, ("content-encoding", "zstd")],
            "x".into(),
            400,
            "unsupported Content-Encoding: zstd",
        ),
        (
            "wrong type",
            "/v1/traces",
            vec![("content-type", "text/plain")],
            "x".into(),
            415,
            "415 unsupported media type",
        ),
        ("no type", "/v1/traces", vec![], "x".into(), 415, "415 unsupported media type"),
        ("no such path", "/v1/trace", vec![PROTOBUF], "".into(), 404, "404 page not found"),
        ("a signal without a pipeline", "/v1/metrics", vec![PROTOBUF], "".into(), 404, "404 page not found"),
    ];
    for (name, path, headers, body, status, message) in cases {
        let answer = post(&doors, path, &headers, body).await;
        assert_eq!(answer.status.as_u16(), status, "{name}");
        let text = match answer.headers.get("content-type").map(::http::HeaderValue::as_bytes) {
            Some(b"application/x-protobuf") => RpcStatus::decode(answer.body).expect("a status").message,
            _ => String::from_utf8(answer.body.to_vec()).expect("text"),
        };
        assert!(text.contains(message), "{name}: {text}");
    }
    let get = Request::builder().uri(format!("http://{}/v1/traces", doors.http)).body(Full::default());
    let answer = send(false, get.expect("a request")).await;
    assert_eq!(answer.status, StatusCode::METHOD_NOT_ALLOWED);
    assert_eq!(answer.headers.get("allow").map(::http::HeaderValue::as_bytes), Some(&b"POST"[..]));
    assert!(doors.sink.taken().is_empty());
}

/// The pipelines' answer is the client's answer: same code by both protocols, and the time to wait in
/// every place where a client looks for it.
#[tokio::test]
async fn the_pipelines_answer_is_the_clients_answer() {
    let doors = open(BOTH);
    for (error, code, status, retry_after) in [
        (ConsumeError::unavailable("full"), 14, 503, None),
        (ConsumeError::unavailable("full").retry_after(Duration::from_millis(2500)), 14, 503, Some("3")),
        (
            ConsumeError::new(Code::ResourceExhausted, "slow").retry_after(Duration::from_secs(7)),
            8,
            429,
            Some("7"),
        ),
        // No hint, no repetition; and not the 413 of a body that is too large.
        (ConsumeError::new(Code::ResourceExhausted, "quota"), 8, 429, None),
        (ConsumeError::invalid("bad"), 3, 400, None),
        (ConsumeError::permanent("broken"), 13, 500, None),
        (ConsumeError::new(Code::Unauthenticated, "who"), 16, 401, None),
    ] {
        let (answered, expected) = (error.clone(), error.clone());
        doors.sink.answer_with(move |_| Err(answered.clone()));
        let answer = export(&doors, &spans::request(1)).await;
        assert_eq!(answer.code(), code);
        let read = grpc::outcome(&answer.headers).expect_err("an error");
        assert_eq!(read.retry(), expected.retry(), "{expected}");
        assert_eq!(answer.headers.contains_key("google.rpc.retryinfo-bin"), retry_after.is_some());
        let answer = post(&doors, "/v1/traces", &[JSON], json_request(1)).await;
        assert_eq!(answer.status.as_u16(), status);
        assert_eq!(answer.headers.get("retry-after").map(|value| value.to_str().expect("text")), retry_after);
        let body: String = String::from_utf8(answer.body.to_vec()).expect("text");
        assert!(body.starts_with(&format!("{{\"code\":{code},\"message\":\"{expected}\"")), "{body}");
        assert_eq!(body.contains("google.rpc.RetryInfo"), retry_after.is_some(), "{body}");
        let answer = post(&doors, "/v1/traces", &[PROTOBUF], spans::request(1)).await;
        let body = RpcStatus::decode(answer.body).expect("a status");
        assert_eq!((body.code, body.message.as_str()), (code, expected.message()));
        assert_eq!(body, grpc::rpc_status(&expected));
    }
}

/// An error comes in the encoding of the request, and what is no OTLP request at all is told in plain text.
#[tokio::test]
async fn errors_have_the_content_type_that_clients_read() {
    let doors = open(BOTH);
    let bad = b"\x0a\x05\x01";
    for (path, content_type, status, answered) in [
        ("/v1/traces", "application/x-protobuf", 400, "application/x-protobuf"),
        ("/v1/traces", "application/x-protobuf; charset=utf-8", 400, "application/x-protobuf"),
        ("/v1/traces", "application/json", 400, "application/json"),
        ("/v1/traces", "Application/JSON", 400, "application/json"),
        ("/v1/traces", "text/xml", 415, "text/plain; charset=utf-8"),
        ("/v1/nothing", "application/json", 404, "text/plain; charset=utf-8"),
    ] {
        let answer = post(&doors, path, &[("content-type", content_type)], &bad[..]).await;
        assert_eq!(answer.status.as_u16(), status, "{path} {content_type}");
        assert_eq!(answer.headers["content-type"], answered, "{path} {content_type}");
    }
    let answer = export(&doors, bad).await;
    assert_eq!(answer.headers["content-type"], "application/grpc");
}

/// The commonest mistake, OTLP/HTTP on the gRPC port, is answered with where to go.
#[tokio::test]
async fn http_on_the_grpc_port_is_told_where_to_go() {
    let doors = open(BOTH);
    let request = Request::builder()
        .method(Method::POST)
        .uri(format!("http://{}/v1/traces", doors.grpc))
        .header("content-type", "application/x-protobuf")
        .body(Full::new(spans::request(1)));
    let answer = send(false, request.expect("a request")).await;
    assert_eq!(answer.status, StatusCode::HTTP_VERSION_NOT_SUPPORTED);
    assert!(String::from_utf8_lossy(&answer.body).contains("4318"));
}

/// A client's patience and, where it is asked for, its metadata travel with the batch.
#[tokio::test]
async fn deadline_and_metadata_travel_with_the_batch() {
    let doors = open(
        "{protocols: {grpc: {endpoint: 127.0.0.1:0, include_metadata: true}, http: {endpoint: 127.0.0.1:0}}}",
    );
    let request = Request::builder()
        .method(Method::POST)
        .version(Version::HTTP_2)
        .uri(format!("http://{}{}", doors.grpc, grpc::path(Signal::Traces)))
        .header("content-type", "application/grpc")
        .header("grpc-timeout", "10S")
        .header("X-Tenant", "a")
        .body(Full::new(framed(0, &spans::request(1))));
    assert_eq!(send(true, request.expect("a request")).await.code(), 0);
    post(&doors, "/v1/traces", &[PROTOBUF, ("x-tenant", "a")], spans::request(1)).await;
    let taken = doors.sink.taken();
    let (by_grpc, by_http) = (taken[0].context().expect("known"), taken[1].context().expect("known"));
    assert_eq!(by_grpc.values("x-tenant").collect::<Vec<_>>(), ["a"]);
    assert!(by_grpc.deadline.is_some() && by_grpc.peer.is_some());
    assert!(by_http.metadata.is_empty() && by_http.peer.is_some());
    let doors = open(
        "{protocols: {grpc: {endpoint: 127.0.0.1:0}, http: {endpoint: 127.0.0.1:0, include_metadata: true}}}",
    );
    post(&doors, "/v1/traces", &[PROTOBUF, ("X-Tenant", "a"), ("x-tenant", "b")], spans::request(1)).await;
    export(&doors, &spans::request(1)).await;
    let taken = doors.sink.taken();
    let (by_http, by_grpc) = (taken[0].context().expect("known"), taken[1].context().expect("known"));
    assert_eq!(by_http.values("x-tenant").collect::<Vec<_>>(), ["a", "b"]);
    assert!(by_http.deadline.is_none() && by_grpc.metadata.is_empty());
}

/// Draining answers what is in flight and takes nothing new.
#[tokio::test]
async fn draining_answers_what_is_in_flight() {
    let doors = open(BOTH);
    doors.sink.delay_by(Duration::from_millis(200));
    let request = spans::request(1);
    let in_flight = async {
        let answer = export(&doors, &request).await;
        assert_eq!(answer.code(), 0);
    };
    let draining = async {
        tokio::time::sleep(Duration::from_millis(50)).await;
        doors.drain.cancel();
    };
    tokio::join!(in_flight, draining);
    let Doors { task, grpc, .. } = doors;
    task.await.expect("ends").expect("without an error");
    assert!(tokio::net::TcpStream::connect(grpc).await.is_err(), "nobody listens any more");
}

/// The texts are those of the Collector where it has them.
#[test]
fn says_what_cannot_be() {
    for (yaml, problems) in [
        ("{}", vec!["protocols: must specify at least one protocol when using the OTLP receiver"]),
        (
            "{protocols: {grpc: {enabled: false}}}",
            vec!["protocols: must specify at least one protocol when using the OTLP receiver"],
        ),
        (
            "{protocols: {grpc: {endpoint: localhost}}}",
            vec!["protocols::grpc::endpoint: address localhost: missing port in address"],
        ),
        (
            "{protocols: {grpc: {endpoint: \"http://localhost:4317\"}}}",
            vec![
                "protocols::grpc::endpoint: \"http://localhost:4317\" has a scheme; an address to listen on is host:port",
            ],
        ),
        (
            "{protocols: {http: {traces_url_path: v1}}}",
            vec!["protocols::http::traces_url_path: `traces_url_path` must start with a slash"],
        ),
        (
            "{protocols: {http: {compression_algorithms: [br]}}}",
            vec!["protocols::http::compression_algorithms: unsupported compression type \"br\""],
        ),
        (
            "{protocols: {grpc: {tls: {cert_file: /nowhere}}}}",
            vec![
                "protocols::grpc::tls::cert_file: cannot read /nowhere: No such file or directory (os error 2)",
                "protocols::grpc::tls: TLS configuration must include both certificate and key (`cert_file` and `key_file`)",
            ],
        ),
        (
            "{protocols: {grpc: {middlewares: [{id: a}]}}}",
            vec!["protocols::grpc::middlewares: middlewares are not built into this version of spindle yet"],
        ),
        (
            "{protocols: {grpc: {max_recv_msg_size_mib: 5000}}}",
            vec!["protocols::grpc::max_recv_msg_size_mib: `max_recv_msg_size_mib` must be at most 1024"],
        ),
    ] {
        let mut found = config_with_problems::<Otlp>(yaml).1;
        found.sort();
        let mut problems: Vec<String> = problems.into_iter().map(str::to_owned).collect();
        problems.sort();
        assert_eq!(found, problems, "{yaml}");
    }
}

/// Who opens a door to other machines is told what that means; nobody is told about loopback addresses.
#[test]
fn an_exposed_door_is_told() {
    let cases = [
        (Some("127.0.0.1:4317"), false, false, None),
        (Some("[::1]:4317"), false, false, None),
        (None, false, false, None),
        (Some("0.0.0.0:4317"), false, false, Some("neither tls nor auth")),
        (Some("[::]:4317"), false, true, Some("auth without tls")),
        (Some("10.0.0.7:4317"), true, false, None),
    ];
    for (address, has_tls, has_authenticator, expected) in cases {
        let told =
            exposure(address.map(|text| text.parse().expect("an address")), has_tls, has_authenticator);
        assert_eq!(told.is_some(), expected.is_some(), "{address:?}");
        assert!(told.unwrap_or_default().contains(expected.unwrap_or_default()), "{told:?}");
    }
}
