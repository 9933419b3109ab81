//! The doors between two agents: TLS and mutual TLS by both protocols, and unix sockets; and peers that
//! stall at a door while its agent is to end.

use std::path::Path;
use std::time::{Duration, Instant};

use harness::agent::{Agent, AgentBuilder};
use harness::capture::Capture;
use harness::{raw, wait};
use rustix::process::Signal;
use spindle_pipeline::testing::certificates::{CertificateFiles, Certificates};
use spindle_pipeline::testing::spans;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

const PROTOBUF: &str = "content-type: application/x-protobuf";
const TRACES: &str = harness::grpc::path(spindle_pipeline::Signal::Traces);

/// An agent that takes OTLP by these protocols and hands it on to a back end.
fn gateway(protocols: &str, back_end: &Capture) -> AgentBuilder {
    Agent::with(&format!(
        "receivers: {{otlp: {{protocols: {{{protocols}}}}}}}
exporters: {{otlp_grpc: {{endpoint: {}, tls: {{insecure: true}}}}}}
service: {{pipelines: {{traces: {{receivers: [otlp], exporters: [otlp_grpc]}}}}}}
",
        back_end.grpc()
    ))
}

/// An agent beside its clients that sends on by these exporters.
fn sender(exporters: &[(&str, String)]) -> AgentBuilder {
    let names: Vec<&str> = exporters.iter().map(|(name, _)| *name).collect();
    let bodies: String = exporters.iter().map(|(name, body)| format!("  {name}: {body}\n")).collect();
    Agent::with(&format!(
        "receivers: {{otlp: {{protocols: {{http: {{endpoint: 127.0.0.1:$http}}}}}}}}
exporters:
{bodies}service: {{pipelines: {{traces: {{receivers: [otlp], exporters: [{}]}}}}}}
",
        names.join(", ")
    ))
}

/// Sends spans with the ids from `first` on, as a client without TLS, and is told "ok".
async fn send(agent: &Agent, count: usize, first: u64) {
    let request = raw::http_request("POST", "/v1/traces", &[PROTOBUF], &spans::request_with(count, first));
    assert_eq!(raw::http_status(&raw::exchange(agent.port("http"), &request).await), Some(200));
}

async fn stop_well(agent: Agent) {
    let (status, output) = agent.stop().await;
    assert_eq!(status.code(), Some(0), "{output}");
}

fn mutual_tls_protocols(files: &CertificateFiles) -> String {
    let (cert, key, ca) = (files.server.0.display(), files.server.1.display(), files.ca.display());
    let tls = format!("tls: {{cert_file: {cert}, key_file: {key}, client_ca_file: {ca}}}");
    format!("grpc: {{endpoint: 127.0.0.1:$grpc, {tls}}}, http: {{endpoint: 127.0.0.1:$http, {tls}}}")
}

/// One agent sends to another by both protocols over mutual TLS, and what it sends arrives once by each;
/// the gateway refuses the third exporter, which has no certificate, and that is nobody else's loss.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn agents_speak_mutual_tls_with_each_other() {
    let folder = tempfile::tempdir().unwrap();
    let files = Certificates::new().write_to(folder.path());
    let back_end = Capture::start().await;
    let gateway = gateway(&mutual_tls_protocols(&files), &back_end).start().await;
    let (grpc, http) = (gateway.port("grpc"), gateway.port("http"));
    let (cert, key, ca) = (files.client.0.display(), files.client.1.display(), files.ca.display());
    let known = format!("ca_file: {ca}, cert_file: {cert}, key_file: {key}");
    let retry = "retry_on_failure: {initial_interval: 50ms, max_interval: 100ms, max_elapsed_time: 0}";
    let exporters = [
        ("otlp_grpc", format!("{{endpoint: \"localhost:{grpc}\", tls: {{{known}}}}}")),
        (
            "otlp_http",
            format!("{{endpoint: \"https://localhost:{http}\", tls: {{{known}, min_version: \"1.3\"}}}}"),
        ),
        (
            "otlp_grpc/stranger",
            format!("{{endpoint: \"localhost:{grpc}\", tls: {{ca_file: {ca}}}, {retry}}}"),
        ),
    ];
    let sender = sender(&exporters).argument("--shutdown-timeout=1s").start().await;
    for first in 0..20 {
        send(&sender, 10, first * 10).await;
    }
    back_end.wait_for_spans(400).await;
    sender.wait_for_metric("otelcol_exporter_retries", &["exporter=\"otlp_grpc/stranger\""], 2.0).await;
    let mut ids = back_end.span_ids();
    ids.sort_unstable();
    assert_eq!(ids.len(), 400, "nothing came from the stranger");
    assert!(ids.chunks(2).all(|pair| pair[0] == pair[1]), "once by each protocol");
    for transport in ["grpc", "http"] {
        let label = format!("transport=\"{transport}\"");
        assert_eq!(gateway.count("otelcol_receiver_accepted_spans", &[&label]).await, 200);
    }
    gateway.process.wait_for_line("TLS handshake failed").await;
    drop(sender);
    stop_well(gateway).await;
    assert_eq!(back_end.span_ids().len(), 400);
}

fn unix_gateway(socket: &Path, back_end: &Capture) -> AgentBuilder {
    gateway(&format!("grpc: {{endpoint: \"{}\", transport: unix}}", socket.display()), back_end)
}

/// Two agents of one machine need no port between them. A gateway that is killed leaves its socket behind;
/// the next one takes its place, and what was sent in between arrives.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn agents_speak_over_a_unix_socket() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("gateway.sock");
    let back_end = Capture::start().await;
    let mut first = unix_gateway(&socket, &back_end).start().await;
    let retry = "retry_on_failure: {initial_interval: 50ms, max_interval: 100ms, max_elapsed_time: 0}";
    let exporter = format!("{{endpoint: \"unix://{}\", {retry}}}", socket.display());
    let sender = sender(&[("otlp_grpc", exporter)]).start().await;
    send(&sender, 10, 0).await;
    back_end.wait_for_spans(10).await;

    let mut busy = unix_gateway(&socket, &back_end).spawn();
    assert_eq!(busy.process.wait().await.code(), Some(1), "{}", busy.process.output());
    assert!(busy.process.output().contains("another process listens there"), "{}", busy.process.output());

    first.process.kill().await;
    assert!(socket.exists(), "a killed process cannot clean up");
    send(&sender, 10, 10).await;
    let second = unix_gateway(&socket, &back_end).start().await;
    back_end.wait_for_spans(20).await;
    stop_well(sender).await;
    stop_well(second).await;
    assert!(!socket.exists(), "one that ends in peace removes its socket");
    assert_eq!(back_end.span_ids().len(), 20);
}

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const SETTINGS: &[u8] = &[0, 0, 0, 4, 0, 0, 0, 0, 0];
const END_HEADERS: u8 = 4;

/// A frame of stream 1.
fn frame(kind: u8, flags: u8, payload: &[u8]) -> Vec<u8> {
    let [_, a, b, c] = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&[a, b, c, kind, flags, 0, 0, 0, 1], payload].concat()
}

/// The headers of a gRPC call, each by its place in HPACK's table or as a literal behind it.
fn call_headers() -> Vec<u8> {
    let literal = |index: u8, text: &str| [&[0x40 | index, text.len() as u8], text.as_bytes()].concat();
    let [post, http] = [0x83, 0x86];
    [vec![post, http], literal(4, TRACES), literal(1, "x"), literal(31, "application/grpc")].concat()
}

/// Beginnings of requests that never go on, by the door they are for.
fn beginnings() -> Vec<(&'static str, Vec<u8>)> {
    let body = frame(0, 0, b"\0\0\x0f\x42\x40some");
    // The head of the largest frame that the agent takes, and a few bytes of it.
    let cut_frame = [&[2, 0, 0, 0, 0, 0, 0, 0, 1], b"\0\0\x0f\x42\x40some".as_slice()].concat();
    let announced = "POST /v1/traces HTTP/1.1\r\nhost: x\r\ncontent-type: application/x-protobuf\r\ncontent-length: 20971520\r\n\r\nsome";
    let chunk = "POST /v1/traces HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n10\r\n{";
    vec![
        ("http", Vec::new()),
        ("http", b"POST /v1/traces HTTP/1.1\r\nhost: x\r\nx-slow: ".to_vec()),
        ("http", announced.into()),
        ("http", chunk.into()),
        ("http", b"POST /v1/traces HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\ncontent-type: application/json\r\ncontent-length: 10\r\n\r\n".to_vec()),
        ("grpc", Vec::new()),
        ("grpc", PREFACE[..7].to_vec()),
        ("grpc", [PREFACE, SETTINGS].concat()),
        ("grpc", [PREFACE, SETTINGS, &frame(1, 0, &call_headers())].concat()),
        ("grpc", [PREFACE, SETTINGS, &frame(1, END_HEADERS, &call_headers())].concat()),
        ("grpc", [PREFACE, SETTINGS, &frame(1, END_HEADERS, &call_headers()), &body].concat()),
        ("grpc", [PREFACE, SETTINGS, &frame(1, END_HEADERS, &call_headers()), &cut_frame].concat()),
        ("secure", Vec::new()),
        ("secure", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03".to_vec()),
    ]
}

/// Seven hundred peers that begin something and never go on cost little memory, whatever length
/// they announce, and do not keep SIGTERM waiting: the agent ends well before its timeout, by itself,
/// with what it has acknowledged delivered.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn peers_that_stall_do_not_hold_up_the_end() {
    let folder = tempfile::tempdir().unwrap();
    let files = Certificates::new().write_to(folder.path());
    let back_end = Capture::start().await;
    let (cert, key) = (files.server.0.display(), files.server.1.display());
    let mut agent = Agent::with(&format!(
        "receivers:
  otlp: {{protocols: {{grpc: {{endpoint: 127.0.0.1:$grpc}}, http: {{endpoint: 127.0.0.1:$http}}}}}}
  otlp/secure:
    protocols: {{http: {{endpoint: 127.0.0.1:$secure, tls: {{cert_file: {cert}, key_file: {key}}}}}}}
exporters: {{otlp_grpc: {{endpoint: {}, tls: {{insecure: true}}}}}}
service: {{pipelines: {{traces: {{receivers: [otlp, otlp/secure], exporters: [otlp_grpc]}}}}}}
",
        back_end.grpc()
    ))
    .start()
    .await;
    send(&agent, 10, 0).await;
    let (before, _) = agent.process.memory();
    let mut peers: Vec<TcpStream> = Vec::new();
    for _ in 0..50 {
        for (door, bytes) in beginnings() {
            let mut stream = raw::connect(agent.port(door)).await;
            stream.write_all(&bytes).await.unwrap();
            peers.push(stream);
        }
    }
    wait::until("all connections to be accepted", || async {
        let open = std::fs::read_dir(format!("/proc/{}/fd", agent.process.id())).unwrap().count();
        if open > peers.len() { Ok(()) } else { Err(open) }
    })
    .await;
    send(&agent, 10, 10).await;
    let (now, _) = agent.process.memory();
    assert!(now < before + (64 << 20), "{} MiB more than before", (now - before) >> 20);

    let start = Instant::now();
    agent.process.signal(Signal::TERM);
    let status = agent.process.wait().await;
    let (took, output) = (start.elapsed(), agent.process.output());
    assert_eq!(status.code(), Some(0), "{output}");
    // Two seconds for bodies, one or two for goodbyes; the timeout is 20 s, of which receivers have 8.
    assert!(took < Duration::from_secs(7), "{took:?}\n{output}");
    assert!(!output.contains("still busy"), "{output}");
    assert_eq!(back_end.span_ids().len(), 20);
    // Whose request had a head is told to come again.
    let answer = raw::read_until_closed(&mut peers[2], wait::PATIENCE).await.expect("an end");
    assert_eq!(raw::http_status(&answer), Some(503));
}
