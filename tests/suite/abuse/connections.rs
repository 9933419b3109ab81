//! Connections that are slow, broken, or of another protocol.

use std::time::Duration;

use bytes::Bytes;
use harness::raw::{self, GrpcConnection, framed};
use harness::wait;
use http::Method;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::{GRPC, PROTOBUF, TRACES, agent, good, lives};

/// A TLS client's first words, as OpenSSL writes them, cut short.
const CLIENT_HELLO: &[u8] = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\x00\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e\x0f";
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Bytes of another protocol end their connection, with or without an answer, and nothing else.
#[tokio::test]
async fn other_protocols_are_shown_the_door() {
    let (agent, _back_end) = agent().await;
    let junk_frames = [PREFACE, &[0xff; 200]].concat();
    for (what, bytes) in [
        ("TLS", CLIENT_HELLO),
        ("zeros", &[0; 100]),
        ("a line", b"hello\r\n\r\n".as_slice()),
        ("SSH", b"SSH-2.0-OpenSSH_9.2\r\n\r\n"),
        ("HTTP/2 that is none behind its preface", &junk_frames),
    ] {
        for port in ["grpc", "http"] {
            let answer = raw::exchange(agent.port(port), bytes).await;
            let status = raw::http_status(&answer);
            assert!(matches!(status, None | Some(400 | 505)), "{what} on {port}: {status:?}");
        }
    }
    lives(&agent).await;
}

/// Connections that break in the middle of a request cost nothing but themselves.
#[tokio::test]
async fn broken_connections_are_forgotten() {
    let (agent, back_end) = agent().await;
    let request = raw::http_request("POST", "/v1/traces", &[PROTOBUF], &good());
    for round in 0..100 {
        let cut = 1 + round * (request.len() - 2) / 100;
        raw::reset_after(agent.port("http"), &request[..cut]).await;
        raw::reset_after(agent.port("grpc"), &PREFACE[..=round % (PREFACE.len() - 1)]).await;
    }
    // Calls that are given up by their client, as with a cancelled context.
    let connection = GrpcConnection::open(agent.port("grpc")).await;
    for _ in 0..500 {
        let mut connection = connection.clone();
        let call = async { connection.call(Method::POST, TRACES, &[GRPC], framed(false, &good())).await };
        let _ = tokio::time::timeout(Duration::from_micros(200), call).await;
    }
    lives(&agent).await;
    wait::until("the connections to be closed", || async {
        let open = std::fs::read_dir(format!("/proc/{}/fd", agent.process.id())).unwrap().count();
        if open < 60 { Ok(()) } else { Err(open) }
    })
    .await;
    // Whether a call that was given up was taken is open; that it came twice is not.
    let accepted = agent.count("otelcol_receiver_accepted_spans", &[]).await;
    back_end.wait_for_spans(accepted as usize).await;
    assert_eq!(back_end.span_ids().len(), accepted as usize);
}

/// Two hundred clients that never finish their request hold up nobody, and a body that is too slow for
/// the configured time is answered with 408.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn slow_clients_hold_up_nobody() {
    let (agent, _back_end) = agent().await;
    let request = raw::http_request("POST", "/v1/traces", &[PROTOBUF], &good());
    let head = request.windows(4).position(|window| window == b"\r\n\r\n").unwrap() + 4;
    let mut slow = Vec::new();
    for count in 0..100 {
        for (port, start) in [("http", &request[..head + count]), ("grpc", PREFACE)] {
            let mut stream = raw::connect(agent.port(port)).await;
            stream.write_all(start).await.unwrap();
            slow.push(stream);
        }
    }
    lives(&agent).await;
    // They are welcome to go on.
    let mut first = slow.swap_remove(0);
    first.write_all(&request[head..]).await.unwrap();
    let answer = raw::read_until_closed(&mut first, wait::PATIENCE).await.expect("an answer");
    assert_eq!(raw::http_status(&answer), Some(200));

    let mut impatient = raw::connect(agent.port("impatient")).await;
    impatient.write_all(&request[..head + 10]).await.unwrap();
    let answer = raw::read_until_closed(&mut impatient, wait::PATIENCE).await.expect("an answer");
    assert_eq!(raw::http_status(&answer), Some(408));
    let mut impatient = raw::connect(agent.port("impatient")).await;
    impatient.write_all(&request[..head - 10]).await.unwrap();
    let answer = raw::read_until_closed(&mut impatient, wait::PATIENCE).await.expect("an end");
    assert!(matches!(raw::http_status(&answer), None | Some(408)), "{:?}", raw::http_status(&answer));
}

/// A client that asks before it sends its body, as curl does with larger ones, is asked for it.
#[tokio::test]
async fn a_client_that_asks_first_is_answered() {
    let (agent, back_end) = agent().await;
    let request = raw::http_request("POST", "/v1/traces", &[PROTOBUF, "expect: 100-continue"], &good());
    let head = request.windows(4).position(|window| window == b"\r\n\r\n").unwrap() + 4;
    let mut stream = raw::connect(agent.port("http")).await;
    stream.write_all(&request[..head]).await.unwrap();
    let mut asked = [0; 25];
    stream.read_exact(&mut asked).await.unwrap();
    assert_eq!(&asked, b"HTTP/1.1 100 Continue\r\n\r\n");
    stream.write_all(&request[head..]).await.unwrap();
    let answer = raw::read_until_closed(&mut stream, wait::PATIENCE).await.expect("an answer");
    assert_eq!(raw::http_status(&answer), Some(200));
    back_end.wait_for_spans(3).await;
}

/// More streams than a connection may have wait their turn.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_calls_at_once_are_all_answered() {
    let (agent, back_end) = agent().await;
    let connection = GrpcConnection::open(agent.port("grpc")).await;
    let message: Bytes = framed(false, &good());
    let mut calls = tokio::task::JoinSet::new();
    for _ in 0..1000 {
        let (mut connection, message) = (connection.clone(), message.clone());
        calls.spawn(async move { connection.call(Method::POST, TRACES, &[GRPC], message).await });
    }
    let mut taken = 0;
    for answer in calls.join_all().await {
        match answer.unwrap().code {
            Some(0) => taken += 1,
            // The queue may be full for a moment, and says so.
            code => assert_eq!(code, Some(14)),
        }
    }
    assert!(taken > 0);
    back_end.wait_for_spans(taken * 3).await;
    assert_eq!(back_end.span_ids().len(), taken * 3);
    lives(&agent).await;
}
