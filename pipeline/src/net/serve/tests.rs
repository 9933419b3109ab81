use std::convert::Infallible;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::service::service_fn;
use spindle_config::types::{ListenAddress, Transport};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::*;
use crate::component::Kind;
use crate::net::listen::bind;
use crate::telemetry::{Metric, Telemetry};

struct Running {
    address: SocketAddr,
    drain: CancellationToken,
    task: tokio::task::JoinHandle<std::io::Result<()>>,
}

/// A server that answers "hello" after a while, to whom it is told.
fn start(options: ServeOptions, wait: Duration) -> Running {
    start_with(None, options, wait)
}

fn start_with(tls: Option<Arc<ServerConfig>>, options: ServeOptions, wait: Duration) -> Running {
    let address = ListenAddress::parse("127.0.0.1:0", Transport::Tcp).expect("parses");
    let bound = bind(&address, "endpoint").expect("binds");
    let address = bound.tcp_address().expect("tcp");
    let drain = CancellationToken::new();
    let service = service_fn(move |request: Request<Incoming>| async move {
        tokio::time::sleep(wait).await;
        let peer = request.extensions().get::<Peer>().map(|peer| peer.0.ip().to_string());
        Ok::<_, Infallible>(Response::new(Full::<Bytes>::from(format!("hello {}", peer.unwrap_or_default()))))
    });
    let task = tokio::spawn(serve(bound, tls, options, service, drain.clone()));
    Running { address, drain, task }
}

async fn get(address: SocketAddr, is_http2: bool) -> String {
    let client: hyper_util::client::legacy::Client<_, Full<Bytes>> =
        hyper_util::client::legacy::Client::builder(TokioExecutor::new()).http2_only(is_http2).build_http();
    let response = client.get(format!("http://{address}/").parse().expect("a URI")).await.expect("answered");
    String::from_utf8(response.collect().await.expect("a body").to_bytes().to_vec()).expect("text")
}

/// Both versions of HTTP come in by one door, and the service knows from where.
#[tokio::test]
async fn both_versions_are_served_on_one_socket() {
    let server = start(ServeOptions::default(), Duration::ZERO);
    assert_eq!(get(server.address, false).await, "hello 127.0.0.1");
    assert_eq!(get(server.address, true).await, "hello 127.0.0.1");
}

/// Draining waits for what is in flight and for nothing else: an idle connection does not hold it up.
#[tokio::test]
async fn draining_waits_for_requests_and_not_for_idle_connections() {
    let server = start(ServeOptions::default(), Duration::from_millis(200));
    let idle = TcpStream::connect(server.address).await.expect("connects");
    let asking = tokio::spawn(get(server.address, false));
    tokio::time::sleep(Duration::from_millis(50)).await;
    server.drain.cancel();
    assert_eq!(asking.await.expect("ends"), "hello 127.0.0.1");
    tokio::time::timeout(Duration::from_secs(5), server.task)
        .await
        .expect("in time")
        .expect("ends")
        .expect("well");
    drop(idle);
}

/// A client that sends its headers a byte at a time is sent away after the time it is given.
#[tokio::test]
async fn slow_headers_are_cut_off() {
    let options =
        ServeOptions { read_header_timeout: Some(Duration::from_millis(100)), ..ServeOptions::default() };
    let server = start(options, Duration::ZERO);
    let mut stream = TcpStream::connect(server.address).await.expect("connects");
    stream.write_all(b"GET / HTTP/1.1\r\nHost: x\r\nX-Slow: ").await.expect("writes");
    let mut rest = Vec::new();
    let closed = tokio::time::timeout(Duration::from_secs(5), stream.read_to_end(&mut rest)).await;
    assert!(closed.is_ok(), "the connection is still open");
}

/// `max_connection_idle` and `idle_timeout` close connections that nobody uses, and no others.
#[tokio::test]
async fn idle_connections_are_closed() {
    let options = ServeOptions { max_idle: Some(Duration::from_millis(100)), ..ServeOptions::default() };
    let server = start(options, Duration::from_millis(400));
    let mut stream = TcpStream::connect(server.address).await.expect("connects");
    stream.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").await.expect("writes");
    let mut answer = Vec::new();
    let closed = tokio::time::timeout(Duration::from_secs(5), stream.read_to_end(&mut answer)).await;
    assert!(closed.is_ok(), "the connection is still open");
    assert!(String::from_utf8_lossy(&answer).contains("hello"), "a request in flight is answered first");
}

/// Reads until the other side closes, which it must do within ten seconds.
async fn closed(stream: &mut TcpStream) -> String {
    let mut rest = Vec::new();
    let reading = tokio::time::timeout(Duration::from_secs(10), stream.read_to_end(&mut rest));
    // A reset has ended it as well.
    let _ = reading.await.expect("the connection is still open");
    String::from_utf8_lossy(&rest).into_owned()
}

const GET: &[u8] = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n";
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const EMPTY_SETTINGS: &[u8] = &[0, 0, 0, 4, 0, 0, 0, 0, 0];

async fn connect(server: &Running, bytes: &[u8]) -> TcpStream {
    let mut stream = TcpStream::connect(server.address).await.expect("connects");
    stream.write_all(bytes).await.expect("writes");
    stream
}

/// Reads one answer of [`start`]'s service.
async fn read_answer(stream: &mut TcpStream) {
    let mut answer = Vec::new();
    while !answer.ends_with(b"hello 127.0.0.1") {
        assert_ne!(stream.read_buf(&mut answer).await.expect("reads"), 0, "closed");
    }
}

/// A client that sends once a minute keeps its connection: only a head that has begun is timed, not the
/// time between two requests. (hyper's own timeout counts both.)
#[tokio::test]
async fn the_time_between_requests_is_no_slow_header() {
    let limit = Duration::from_millis(50);
    let options = ServeOptions { read_header_timeout: Some(limit), ..ServeOptions::default() };
    let server = start(options, Duration::ZERO);
    let mut http1 = connect(&server, GET).await;
    let mut http2 = connect(&server, &[PREFACE, EMPTY_SETTINGS].concat()).await;
    read_answer(&mut http1).await;
    tokio::time::sleep(limit * 6).await;
    http1.write_all(GET).await.expect("is open");
    read_answer(&mut http1).await;
    let mut frames = [0; 4096];
    assert_ne!(http2.read(&mut frames).await.expect("reads"), 0, "closed");
    let reading =
        tokio::time::timeout(limit, async { while http2.read(&mut frames).await.expect("reads") > 0 {} });
    assert!(reading.await.is_err(), "the HTTP/2 connection was closed");
}

/// A peer that opens connections and says nothing, or never ends its preface, does not keep them.
#[tokio::test]
async fn silent_connections_are_closed() {
    let limit = Duration::from_millis(100);
    let options = ServeOptions { read_header_timeout: Some(limit), ..ServeOptions::default() };
    let server = start(options, Duration::ZERO);
    for start in [&b""[..], &PREFACE[..10]] {
        let mut stream = connect(&server, start).await;
        assert_eq!(closed(&mut stream).await, "");
    }
}

/// Peers that begin something and stay away do not hold up the end: nothing is waited for but requests.
#[tokio::test]
async fn draining_does_not_wait_for_stalled_peers() {
    let server = start(ServeOptions::default(), Duration::ZERO);
    let begun = [
        &b""[..],
        b"GET / HTTP/1.1\r\nX-Slow: ",
        &PREFACE[..10],
        PREFACE,
        // Never answers the ping that goes before the goodbye.
        &[PREFACE, EMPTY_SETTINGS].concat(),
    ];
    let mut peers = Vec::new();
    for bytes in begun {
        peers.push(connect(&server, bytes).await);
    }
    let mut idle = connect(&server, GET).await;
    read_answer(&mut idle).await;
    tokio::time::sleep(Duration::from_millis(50)).await;
    server.drain.cancel();
    let ended = tokio::time::timeout(Duration::from_millis(2500), server.task).await;
    ended.expect("in time").expect("ends").expect("well");
}

/// A peer that does not begin its handshake is not waited for either.
#[tokio::test]
async fn draining_does_not_wait_for_handshakes() {
    let tls = crate::testing::certificates::Certificates::new().server_config(false, &[]);
    let server = start_with(Some(tls), ServeOptions::default(), Duration::ZERO);
    let _silent = connect(&server, b"").await;
    let _begun = connect(&server, b"\x16\x03\x01\x02\x00").await;
    tokio::time::sleep(Duration::from_millis(50)).await;
    server.drain.cancel();
    let ended = tokio::time::timeout(Duration::from_secs(1), server.task).await;
    ended.expect("in time").expect("ends").expect("well");
}

/// Who gives up waiting for the end gets it at once: connections do not outlive the call that serves them.
#[tokio::test]
async fn connections_end_with_the_call_that_serves_them() {
    let server = start(ServeOptions::default(), Duration::from_mins(1));
    let mut busy = connect(&server, GET).await;
    let mut idle = connect(&server, b"").await;
    tokio::time::sleep(Duration::from_millis(50)).await;
    server.task.abort();
    assert_eq!(closed(&mut busy).await, "");
    assert_eq!(closed(&mut idle).await, "");
}

/// `max_connection_age` closes connections once their requests are answered, and
/// `max_connection_age_grace` says how long that may take.
#[tokio::test]
async fn old_connections_are_closed() {
    let age = Some(Duration::from_millis(100));
    let cases = [(None, "hello 127.0.0.1"), (Some(Duration::from_millis(50)), "")];
    for (max_age_grace, expected) in cases {
        let options = ServeOptions { max_age: age, max_age_grace, ..ServeOptions::default() };
        let server = start(options, Duration::from_millis(400));
        let mut busy = connect(&server, GET).await;
        let answer = closed(&mut busy).await;
        assert!(answer.ends_with(expected) && answer.is_empty() == expected.is_empty(), "{answer}");
    }
    let options = ServeOptions { max_age: age, ..ServeOptions::default() };
    let server = start(options, Duration::ZERO);
    let mut used = connect(&server, GET).await;
    read_answer(&mut used).await;
    assert_eq!(closed(&mut used).await, "");
}

/// An HTTP/2 peer that has vanished is noticed by its silence (`keepalive::server_parameters::time`).
#[tokio::test]
async fn peers_that_do_not_answer_pings_are_closed() {
    let options = ServeOptions {
        ping_interval: Some(Duration::from_millis(50)),
        ping_timeout: Duration::from_millis(50),
        ..ServeOptions::default()
    };
    let server = start(options, Duration::ZERO);
    let mut stream = connect(&server, &[PREFACE, EMPTY_SETTINGS].concat()).await;
    closed(&mut stream).await;
}

/// Garbage on the socket ends that connection and nothing else.
#[tokio::test]
async fn garbage_ends_its_connection_only() {
    let server = start(ServeOptions::default(), Duration::ZERO);
    let mut stream = TcpStream::connect(server.address).await.expect("connects");
    stream
        .write_all(&[0x16, 3, 1, 0, 200, 1, 0, 0, 196, 3, 3, 0xff, 0, 13, 10, 13, 10])
        .await
        .expect("writes");
    let mut rest = Vec::new();
    let closed = tokio::time::timeout(Duration::from_secs(5), stream.read_to_end(&mut rest)).await;
    assert!(closed.is_ok(), "the connection is still open");
    assert_eq!(get(server.address, true).await, "hello 127.0.0.1");
}

/// A bug in a service costs the request that met it: other requests of the connection are answered, and a
/// metric counts it.
#[tokio::test]
async fn a_panic_ends_its_request_only() {
    let address = ListenAddress::parse("127.0.0.1:0", Transport::Tcp).expect("parses");
    let bound = bind(&address, "endpoint").expect("binds");
    let address = bound.tcp_address().expect("tcp");
    let telemetry = Telemetry::default();
    let panics = Panics::of(&telemetry, Kind::Receiver, "otlp");
    let service = service_fn(|request: Request<Incoming>| async move {
        let is_bug = request.uri().path() == "/bug";
        tokio::time::sleep(Duration::from_millis(if is_bug { 50 } else { 200 })).await;
        assert!(!is_bug, "a bug in the service");
        Ok::<_, Infallible>(Response::new(Full::<Bytes>::from("hello")))
    });
    let options = ServeOptions { panics, ..ServeOptions::default() };
    tokio::spawn(serve(bound, None, options, service, CancellationToken::new()));
    for is_http2 in [true, false] {
        let client: hyper_util::client::legacy::Client<_, Full<Bytes>> =
            hyper_util::client::legacy::Client::builder(TokioExecutor::new())
                .http2_only(is_http2)
                .build_http();
        let get = |path: &str| client.get(format!("http://{address}{path}").parse().expect("a URI"));
        let (good, bad) = tokio::join!(get("/"), get("/bug"));
        assert!(good.expect("answered").status().is_success());
        assert!(bad.is_err(), "there is no answer to a bug");
        assert!(get("/").await.expect("answered").status().is_success());
    }
    let labels = vec![("component".into(), "receiver/otlp".into())];
    assert_eq!(telemetry.counter(Metric::ComponentPanics, labels).get(), 2);
}
