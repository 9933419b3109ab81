//! Doors with an authenticator.

use spindle_pipeline::auth::{AuthenticatorUse, Role};
use spindle_pipeline::component::ComponentConfig;
use spindle_pipeline::telemetry::Metric;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::*;

const GUARDED: &str = "{protocols: {
    grpc: {endpoint: 127.0.0.1:0, auth: {authenticator: test_auth}},
    http: {endpoint: 127.0.0.1:0, auth: {authenticator: test_auth, request_params: [x-key]},
           cors: {allowed_origins: [\"*\"]}}}}";

async fn call_with(doors: &Doors, headers: &[(&str, &str)]) -> Answer {
    let mut request = Request::post(format!("http://{}{}", doors.grpc, grpc::path(Signal::Traces)))
        .version(Version::HTTP_2);
    for (name, value) in [("content-type", "application/grpc")].iter().chain(headers) {
        request = request.header(*name, *value);
    }
    send(true, request.body(Full::new(framed(0, &spans::request(1)))).expect("a request")).await
}

/// Who has no key is told so in its own protocol and reaches no pipeline; who has one is served as ever.
#[tokio::test]
async fn only_who_is_let_in_reaches_the_pipelines() {
    let doors = open(GUARDED);
    let refused = call_with(&doors, &[]).await;
    assert_eq!((refused.status, refused.code()), (StatusCode::OK, 16));
    assert_eq!(refused.grpc_message(), "who are you");
    for format in [PROTOBUF, JSON, ("content-type", "text/plain")] {
        let refused = post(&doors, "/v1/traces", &[format], spans::request(1)).await;
        assert_eq!(refused.status, StatusCode::UNAUTHORIZED);
        assert_eq!(refused.headers["www-authenticate"], "Test");
        assert_eq!(refused.headers["content-type"].to_str().expect("text").split(';').next(), Some(format.1));
    }
    let elsewhere = post(&doors, "/elsewhere", &[], "").await;
    assert_eq!(elsewhere.status, StatusCode::UNAUTHORIZED, "strangers learn nothing of paths");
    assert_eq!(doors.sink.items(), 0);

    let key = ("x-key", "open");
    assert_eq!(call_with(&doors, &[key]).await.code(), 0);
    assert_eq!(post(&doors, "/v1/traces", &[PROTOBUF, key], spans::request(1)).await.status, StatusCode::OK);
    assert_eq!(doors.sink.items(), 2);
    let failures = |transport: &'static str| {
        let labels = vec![
            ("receiver".into(), "otlp".into()),
            ("transport".into(), transport.into()),
            ("outcome".into(), "failure".into()),
        ];
        doors.telemetry.counter(Metric::ReceiverRequests, labels).get()
    };
    assert_eq!((failures("grpc"), failures("http")), (1, 4), "each is counted");
}

/// Browsers send no credentials with a preflight, and some clients can send them in the URL only.
#[tokio::test]
async fn preflights_and_query_parameters_are_seen_to() {
    let doors = open(GUARDED);
    let preflight = Request::options(format!("http://{}/v1/traces", doors.http))
        .header("origin", "https://ui.example")
        .header("access-control-request-method", "POST");
    let answer = send(false, preflight.body(Full::default()).expect("a request")).await;
    assert_eq!(answer.status, StatusCode::NO_CONTENT);
    for (query, status) in [
        ("?x-key=open", StatusCode::OK),
        ("?a=b&x-key=%6fpen", StatusCode::OK),
        ("?x-key=shut", StatusCode::UNAUTHORIZED),
        ("?key=open", StatusCode::UNAUTHORIZED),
    ] {
        let answer = post(&doors, &format!("/v1/traces{query}"), &[PROTOBUF], spans::request(1)).await;
        assert_eq!(answer.status, status, "{query}");
    }
}

/// A stranger is answered by its headers alone: nothing of its body is waited for.
#[tokio::test]
async fn a_stranger_is_answered_before_the_body() {
    let doors = open(GUARDED);
    let mut stream = TcpStream::connect(doors.http).await.expect("connects");
    let head = "POST /v1/traces HTTP/1.1\r\nhost: h\r\ncontent-type: application/x-protobuf\r\ncontent-length: 1000000\r\n\r\n";
    stream.write_all(head.as_bytes()).await.expect("sent");
    let mut answer = [0; 12];
    let reading = tokio::time::timeout(Duration::from_secs(10), stream.read_exact(&mut answer));
    reading.await.expect("in time").expect("answered");
    assert_eq!(&answer, b"HTTP/1.1 401");
}

/// The plan checks what the doors name, each at its own key.
#[test]
fn doors_say_whom_they_ask() {
    let config = config::<Otlp>(GUARDED);
    let uses = ["protocols::grpc::", "protocols::http::"];
    assert_eq!(
        config.authenticators(),
        uses.map(|key| AuthenticatorUse::new(key, "test_auth", Role::Server))
    );
    let problems = config_with_problems::<Otlp>(
        "{protocols: {http: {auth: {authenticator: a, request_params: [a b]}}}}",
    );
    assert_eq!(problems.1, ["protocols::http::auth::request_params::0: \"a b\" cannot be a header's name"]);
}
