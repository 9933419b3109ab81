//! Sockets and how connections on them are kept.

use std::convert::Infallible;
use std::path::Path;
use std::pin::Pin;
use std::task::{Context, Poll};

use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream};

use super::*;

/// One request on a connection.
pub(super) async fn exchange(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    is_http2: bool,
    request: Request<Full<Bytes>>,
) -> Answer {
    let stream = TokioIo::new(stream);
    let response = if is_http2 {
        let (mut sender, connection) =
            hyper::client::conn::http2::handshake(TokioExecutor::new(), stream).await.expect("HTTP/2");
        tokio::spawn(async move { drop(connection.await) });
        sender.send_request(request).await.expect("answered")
    } else {
        let (mut sender, connection) = hyper::client::conn::http1::handshake(stream).await.expect("HTTP/1");
        tokio::spawn(async move { drop(connection.await) });
        sender.send_request(request).await.expect("answered")
    };
    let (parts, body) = response.into_parts();
    let collected = body.collect().await.expect("a whole body");
    let trailers = collected.trailers().cloned().unwrap_or_default();
    Answer { status: parts.status, headers: parts.headers, body: collected.to_bytes(), trailers }
}

fn unix_yaml(folder: &Path) -> String {
    let path = folder.display();
    format!(
        "{{protocols: {{grpc: {{endpoint: {path}/grpc.sock, transport: unix}},
            http: {{endpoint: \"unix://{path}/http.sock\", transport: unix}}}}}}"
    )
}

/// Both doors may be unix sockets: their files are there while the receiver is, one that was left behind is
/// in nobody's way, and one that is in use is not taken.
#[tokio::test]
async fn both_doors_may_be_unix_sockets() {
    let folder = tempfile::tempdir().expect("a folder");
    let [grpc_path, http_path] = ["grpc.sock", "http.sock"].map(|name| folder.path().join(name));
    drop(std::os::unix::net::UnixListener::bind(&grpc_path).expect("leaves its file behind"));
    let receiver = Otlp::build(config::<Otlp>(&unix_yaml(folder.path())), &context("otlp")).expect("binds");
    let error = Otlp::build(config::<Otlp>(&unix_yaml(folder.path())), &context("otlp"));
    let error = error.err().expect("is in use");
    assert_eq!(error.key, "protocols::grpc::endpoint");
    assert!(error.message.contains("another process listens there"), "{error}");

    let (sink, drain) = (Sink::new(), CancellationToken::new());
    let outputs = Outputs::none().with(Signal::Traces, sink.clone());
    let status = context("otlp").status;
    let task = tokio::spawn(receiver.run(ReceiverContext { outputs, drain: drain.clone(), status }));
    let grpc_request = Request::post(format!("http://localhost{}", grpc::path(Signal::Traces)))
        .header("content-type", "application/grpc")
        .body(Full::new(framed(0, &spans::request(1))));
    let stream = UnixStream::connect(&grpc_path).await.expect("connects");
    assert_eq!(exchange(stream, true, grpc_request.expect("a request")).await.code(), 0);
    let http_request = Request::post("/v1/traces")
        .header("host", "localhost")
        .header("content-type", "application/x-protobuf")
        .body(Full::new(spans::request(1)));
    let stream = UnixStream::connect(&http_path).await.expect("connects");
    assert_eq!(exchange(stream, false, http_request.expect("a request")).await.status, StatusCode::OK);
    assert!(sink.taken().iter().all(|batch| batch.context().is_some_and(|context| context.peer.is_none())));
    assert_eq!(sink.items(), 2);

    drain.cancel();
    task.await.expect("ends").expect("well");
    assert!(!grpc_path.exists() && !http_path.exists(), "the files go with the receiver");
}

/// `keepalive` is what the server does with connections; 0 is the Collector's default for each key.
#[test]
fn keepalive_keys_are_the_servers_options() {
    let options = |yaml: &str| {
        let yaml = format!("{{protocols: {{grpc: {{keepalive: {yaml}}}}}}}");
        config::<Otlp>(&yaml).protocols.grpc.as_ref().expect("open").serve_options()
    };
    let seconds = Duration::from_secs;
    let defaults = options("{}");
    assert_eq!((defaults.max_idle, defaults.max_age, defaults.max_age_grace), (None, None, None));
    assert_eq!((defaults.ping_interval, defaults.ping_timeout), (Some(seconds(7200)), seconds(20)));
    let options = options(
        "{server_parameters: {max_connection_idle: 1s, max_connection_age: 2s, max_connection_age_grace: 3s,
            time: 4s, timeout: 0s}, enforcement_policy: {min_time: 10s, permit_without_stream: true}}",
    );
    assert_eq!(options.max_idle, Some(seconds(1)));
    assert_eq!((options.max_age, options.max_age_grace), (Some(seconds(2)), Some(seconds(3))));
    assert_eq!((options.ping_interval, options.ping_timeout), (Some(seconds(4)), seconds(20)));
}

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";

/// The type of the next frame, and whether it is an acknowledgement; `None` at the end.
async fn next_frame(stream: &mut TcpStream) -> Option<(u8, bool)> {
    let mut head = [0; 9];
    stream.read_exact(&mut head).await.ok()?;
    let length = usize::from(head[1]) << 8 | usize::from(head[2]);
    stream.read_exact(&mut vec![0; length]).await.ok()?;
    Some((head[3], head[4] & 1 == 1))
}

/// Clients that ping more often than `enforcement_policy` has it are answered and not sent away: a client
/// that a Collector would punish for it works here.
#[tokio::test]
async fn frequent_pings_are_answered_and_not_punished() {
    let doors = open(
        "{protocols: {http: {endpoint: 127.0.0.1:0}, grpc: {endpoint: 127.0.0.1:0,
            keepalive: {enforcement_policy: {min_time: 5m, permit_without_stream: false}}}}}",
    );
    let mut stream = TcpStream::connect(doors.grpc).await.expect("connects");
    let ping = [0, 0, 8, 6, 0, 0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8];
    stream.write_all(&[PREFACE, &ping.repeat(20)].concat()).await.expect("writes");
    let mut answered = 0;
    while answered < 20 {
        match next_frame(&mut stream).await.expect("the connection stays open") {
            (6, true) => answered += 1,
            (7, _) => panic!("sent away"),
            _ => {}
        }
    }
}

/// Connections without calls, and old ones, are told to go away as the keys say.
#[tokio::test]
async fn idle_and_old_connections_are_told_to_go() {
    for key in ["max_connection_idle", "max_connection_age"] {
        let doors = open(&format!(
            "{{protocols: {{http: {{endpoint: 127.0.0.1:0}}, grpc: {{endpoint: 127.0.0.1:0,
                keepalive: {{server_parameters: {{{key}: 100ms}}}}}}}}}}"
        ));
        let mut stream = TcpStream::connect(doors.grpc).await.expect("connects");
        stream.write_all(PREFACE).await.expect("writes");
        let mut was_told = false;
        let ending = async {
            while let Some((kind, _)) = next_frame(&mut stream).await {
                was_told |= kind == 7;
            }
        };
        tokio::time::timeout(Duration::from_secs(10), ending).await.expect("is closed");
        assert!(was_told, "{key}: closed without a GOAWAY");
    }
}

/// A body that is announced and does not come.
struct Stalled;

impl http_body::Body for Stalled {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        _context: &mut Context<'_>,
    ) -> Poll<Option<Result<http_body::Frame<Bytes>, Infallible>>> {
        Poll::Pending
    }
}

/// At the stop nobody waits for a body that does not come: its client is told to send again, elsewhere, and
/// what other clients have sent is answered.
#[tokio::test]
async fn stalled_bodies_do_not_hold_up_the_stop() {
    let doors = open(BOTH);
    let mut http1 = TcpStream::connect(doors.http).await.expect("connects");
    let head = "POST /v1/traces HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-protobuf\r\nContent-Length: 1000\r\n\r\n";
    http1.write_all(format!("{head}some").as_bytes()).await.expect("writes");
    // A call of which the body never comes.
    let stream = TokioIo::new(TcpStream::connect(doors.grpc).await.expect("connects"));
    let handshake = hyper::client::conn::http2::handshake(TokioExecutor::new(), stream);
    let (mut sender, connection) = handshake.await.expect("HTTP/2");
    tokio::spawn(async move { drop(connection.await) });
    let request = Request::post(format!("http://localhost{}", grpc::path(Signal::Traces)))
        .header("content-type", "application/grpc")
        .body(Stalled)
        .expect("a request");
    let calling = tokio::spawn(async move { sender.send_request(request).await });
    tokio::time::sleep(Duration::from_millis(100)).await;
    doors.drain.cancel();
    let ended = tokio::time::timeout(Duration::from_secs(4), doors.task).await;
    ended.expect("in time").expect("ends").expect("well");
    let mut answer = String::new();
    http1.read_to_string(&mut answer).await.expect("an answer");
    assert!(answer.starts_with("HTTP/1.1 503 "), "{answer}");
    let answer = calling.await.expect("ends").expect("an answer");
    assert_eq!(answer.headers()["grpc-status"], "14");
    assert!(doors.sink.taken().is_empty());
}
