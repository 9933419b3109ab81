use std::time::{Duration, Instant};

use bytes::Bytes;
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTracePartialSuccess, ExportTraceServiceResponse,
};
use prost::Message;
use spindle_pipeline::component::{ComponentConfig, Consumer};
use spindle_pipeline::error::{ConsumeError, Retry};
use spindle_pipeline::export::ExportStage;
use spindle_pipeline::net::compression::Encoding;
use spindle_pipeline::net::grpc::{self as net_grpc, error_trailers, unframe};
use spindle_pipeline::testing::{config, config_with_problems, context, contract};

use super::*;
use crate::support::testing::{
    Backend, Certificates, Frames, Reply, Reserved, from_tenant, grpc, grpc_ok, http, spans, trailers_only,
};

fn exporter(yaml: &str) -> Arc<dyn Exporter> {
    OtlpGrpc::build(config::<OtlpGrpc>(yaml), &context("otlp_grpc")).expect("builds")
}

fn plain(backend: &Backend) -> Arc<dyn Exporter> {
    exporter(&format!("{{endpoint: \"{}\", tls: {{insecure: true}}, compression: none}}", backend.address))
}

async fn failure(exporter: &Arc<dyn Exporter>) -> ExportError {
    exporter.export(&spans(1)).await.expect_err("the call fails")
}

const HINT: Duration = Duration::from_millis(2500);

/// The clauses that every exporter keeps, and every request arrives byte for byte on its service's path.
#[tokio::test]
async fn keeps_the_contract() {
    contract::factory::<OtlpGrpc>();
    let backend = Backend::start(|_, _| grpc_ok()).await;
    let exporter = plain(&backend);
    contract::exporter(&*exporter, SignalSet::ALL).await;
    let batch = spans(3);
    exporter.export(&batch).await.expect("taken");
    let last = backend.last();
    assert_eq!(last.uri.path(), "/opentelemetry.proto.collector.trace.v1.TraceService/Export");
    assert_eq!(unframe(&last.body).expect("framed").message, batch.bytes());
}

/// Which codes are sent again, and when, is the OTLP specification's table. A status may stand in the
/// trailers, or in the headers when there is nothing else.
#[tokio::test]
async fn every_code_is_retried_as_the_specification_says() {
    let always = [1, 4, 10, 11, 14, 15];
    for number in 1..=16 {
        for is_hinted in [false, true] {
            for has_message in [false, true] {
                let backend = Backend::start(move |_, _| refusal(number, is_hinted, has_message)).await;
                let error = failure(&plain(&backend)).await;
                let expected = match (is_hinted, number) {
                    (true, 8) => Retry::After(HINT),
                    (true, _) if always.contains(&number) => Retry::After(HINT),
                    (false, _) if always.contains(&number) => Retry::Now,
                    _ => Retry::Never,
                };
                assert_eq!(error.retry(), expected, "code {number}, hint: {is_hinted}");
                assert_eq!(error.code().grpc(), number);
                assert!(error.to_string().ends_with("desc = no room"), "{error}");
            }
        }
    }
}

fn refusal(number: i32, is_hinted: bool, has_message: bool) -> Reply {
    let error = ConsumeError::new(Code::from_grpc(number), "no room");
    let error = if is_hinted { error.retry_after(HINT) } else { error };
    let mut trailers = error_trailers(&error);
    // Our own servers name no time with a code that is final; others may.
    trailers.insert("grpc-status", number.into());
    let pairs: Vec<(&str, &str)> = trailers
        .iter()
        .map(|(name, value)| (name.as_str(), value.to_str().expect("text")))
        .filter(|(name, _)| is_hinted || *name != "grpc-status-details-bin")
        .collect();
    if has_message { grpc(&[], &pairs) } else { trailers_only(&pairs) }
}

/// A proxy that knows nothing of gRPC answers in HTTP; gRPC says what that means.
#[tokio::test]
async fn answers_of_proxies_are_read_by_their_http_status() {
    let cases = [
        (400, Code::Internal, Retry::Never),
        (401, Code::Unauthenticated, Retry::Never),
        (403, Code::PermissionDenied, Retry::Never),
        (404, Code::Unimplemented, Retry::Never),
        (429, Code::Unavailable, Retry::Now),
        (502, Code::Unavailable, Retry::Now),
        (503, Code::Unavailable, Retry::Now),
        (504, Code::Unavailable, Retry::Now),
        (500, Code::Unknown, Retry::Never),
        (302, Code::Unknown, Retry::Never),
        (200, Code::Unknown, Retry::Never),
    ];
    for (status, code, retry) in cases {
        let backend = Backend::start(move |_, _| http(status, "text/html", "<h1>no</h1>")).await;
        let error = failure(&plain(&backend)).await;
        assert_eq!((error.code(), error.retry()), (code, retry), "status {status}");
        let expected = if status == 200 { "text/html".to_owned() } else { status.to_string() };
        assert!(error.to_string().contains(&expected), "{error}");
    }
}

/// A gRPC status counts before the HTTP status around it.
#[tokio::test]
async fn a_grpc_status_counts_whatever_the_http_status() {
    let backend = Backend::start(|_, _| {
        let Reply::Answer(mut response) = trailers_only(&[("grpc-status", "14")]) else { return grpc_ok() };
        *response.status_mut() = http::StatusCode::INTERNAL_SERVER_ERROR;
        Reply::Answer(response)
    })
    .await;
    assert_eq!(failure(&plain(&backend)).await.code(), Code::Unavailable);
}

fn partial(rejected: i64, message: &str) -> Vec<u8> {
    let partial = ExportTracePartialSuccess { rejected_spans: rejected, error_message: message.to_owned() };
    ExportTraceServiceResponse { partial_success: Some(partial) }.encode_to_vec()
}

/// What the back end refuses of a request that it takes is reported, with its reason, and not repeated.
#[tokio::test]
async fn a_partial_success_is_a_success_with_a_remark() {
    let cases = [
        (Vec::new(), 0, ""),
        (partial(7, "too old"), 7, "too old"),
        (partial(0, "use v2"), 0, "use v2"),
        (partial(-1, ""), 0, ""),
    ];
    for (message, rejected_items, text) in cases {
        let backend = Backend::start(move |_, _| grpc(&message, &[("grpc-status", "0")])).await;
        let exported = plain(&backend).export(&spans(9)).await.expect("taken");
        assert_eq!((exported.rejected_items, exported.message.as_str()), (rejected_items, text));
    }
}

/// Servers in Go compress the response as the request was, unasked.
#[tokio::test]
async fn a_compressed_response_is_read() {
    let compressed = Encoding::Gzip.compress(&partial(3, "late"), None).expect("compressed");
    let mut framed = net_grpc::frame(true, compressed.len()).to_vec();
    framed.extend_from_slice(&compressed);
    for (encoding, expected) in [("gzip", Some(3)), ("brotli", None)] {
        let framed = framed.clone();
        let backend = Backend::start(move |_, _| {
            let trailers = crate::support::testing::header_map(&[("grpc-status", "0")]);
            let response = http::Response::builder()
                .header("content-type", "application/grpc+proto")
                .header("grpc-encoding", encoding);
            Reply::Answer(response.body(Frames::of(framed.clone()).then(trailers)).expect("an answer"))
        })
        .await;
        let outcome = plain(&backend).export(&spans(1)).await;
        assert_eq!(outcome.ok().map(|exported| exported.rejected_items), expected, "{encoding}");
    }
}

/// An answer that is no answer is an error that names it; it does not grow, hang or panic.
#[tokio::test]
async fn a_wrong_answer_is_an_error() {
    let bodies: [(&'static [u8], &str); 5] = [
        (b"", "missing response message"),
        (b"\0\0", "truncated message frame"),
        (b"\0\xff\xff\xff\xff", "truncated message"),
        (b"\0\0\0\0\x01\x08\x08", "more than one message"),
        (b"\0\0\0\0\x02\x0a\x05", "error parsing protobuf response"),
    ];
    for (body, expected) in bodies {
        let backend = Backend::start(move |_, _| raw(Bytes::from_static(body))).await;
        let error = failure(&plain(&backend)).await;
        assert!(error.to_string().contains(expected), "{error}");
        assert_eq!(error.retry(), Retry::Never);
    }
    let huge = Bytes::from(vec![0; 5 << 20]);
    let backend = Backend::start(move |_, _| raw(huge.clone())).await;
    let exporter = plain(&backend);
    assert_eq!(failure(&exporter).await.code(), Code::ResourceExhausted);
    let silent = Backend::start(|_, _| {
        let response = http::Response::builder().header("content-type", "application/grpc");
        Reply::Answer(response.body(Frames::of("\0\0\0\0\0")).expect("an answer"))
    })
    .await;
    assert!(failure(&plain(&silent)).await.to_string().contains("no grpc-status"));
}

fn raw(body: Bytes) -> Reply {
    let trailers = crate::support::testing::header_map(&[("grpc-status", "0")]);
    let response = http::Response::builder().header("content-type", "application/grpc");
    Reply::Answer(response.body(Frames::of(body).then(trailers)).expect("an answer"))
}

/// Whatever breaks below a call is worth another attempt, and the attempt after it goes through.
#[tokio::test]
async fn a_connection_that_breaks_is_replaced() {
    type Break = fn() -> Reply;
    let breaks: [(&str, Break); 3] = [
        ("hangup", || Reply::Hangup),
        ("reset", || Reply::Reset),
        ("broken body", || {
            let response = http::Response::builder().header("content-type", "application/grpc");
            Reply::Answer(response.body(Frames::of("\0\0").then_break()).expect("an answer"))
        }),
    ];
    for (name, broken) in breaks {
        let backend = Backend::start(move |index, _| if index == 0 { broken() } else { grpc_ok() }).await;
        let exporter = plain(&backend);
        let error = failure(&exporter).await;
        assert_eq!((error.code(), error.retry()), (Code::Unavailable, Retry::Now), "{name}: {error}");
        exporter.export(&spans(1)).await.unwrap_or_else(|error| panic!("after {name}: {error}"));
    }
}

/// A server that goes away finishes what it has begun; what comes afterwards goes elsewhere, without an
/// error in between.
#[tokio::test]
async fn goodbye_is_no_failure() {
    let backend = Backend::start(|index, _| match index {
        0 => Reply::Late(Duration::from_millis(200), Box::new(grpc_ok())),
        _ => grpc_ok(),
    })
    .await;
    let exporter = plain(&backend);
    let first = tokio::spawn({
        let exporter = Arc::clone(&exporter);
        async move { exporter.export(&spans(1)).await }
    });
    backend.wait_for(1).await;
    backend.say_goodbye();
    for _ in 0..20 {
        exporter.export(&spans(1)).await.expect("taken elsewhere");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    first.await.expect("no panic").expect("what was begun is finished");
    assert_eq!(backend.last().connection, 1);
}

/// A back end that starts after the agent is found by the next attempt, not after a back-off of our own.
#[tokio::test]
async fn a_server_that_appears_late_is_found() {
    let reserved = Reserved::new();
    let address = reserved.1;
    let exporter = exporter(&format!("{{endpoint: \"{address}\", tls: {{insecure: true}}}}"));
    let error = failure(&exporter).await;
    assert_eq!(error.retry(), Retry::Now);
    let expected = format!(
        "rpc error: code = Unavailable desc = connection error: desc = \"transport: Error while dialing: dial tcp {address}: "
    );
    assert!(error.to_string().starts_with(&expected), "{error}");
    let _backend = Backend::on_tcp(reserved.listen(), None, |_, _| grpc_ok());
    exporter.export(&spans(1)).await.expect("taken");
}

/// What a name stands for is asked when a connection is made; one that stands for nothing is retried.
#[tokio::test]
async fn an_unknown_name_is_retried() {
    let exporter = exporter("{endpoint: \"no-such-host.invalid:4317\"}");
    let error = failure(&exporter).await;
    assert_eq!(error.retry(), Retry::Now);
    assert!(error.to_string().contains("name resolver error"), "{error}");
}

/// A call that is given up does not disturb those that share its connection; a connection that gave no
/// answer at all is not used again.
#[tokio::test]
async fn silence_does_not_poison_what_comes_after() {
    let backend = Backend::start(|index, _| if index < 2 { Reply::Silence } else { grpc_ok() }).await;
    let exporter = plain(&backend);
    let given_up = |millis| {
        let exporter = Arc::clone(&exporter);
        async move {
            tokio::time::timeout(Duration::from_millis(millis), exporter.export(&spans(1))).await.is_err()
        }
    };
    assert!(given_up(50).await);
    assert!(given_up(1100).await);
    exporter.export(&spans(1)).await.expect("taken");
    let connections: Vec<usize> = backend.seen().iter().map(|seen| seen.connection).collect();
    assert_eq!(connections, [0, 0, 1]);
}

/// One slow answer is no reason to leave a connection that answers others.
#[tokio::test]
async fn a_slow_answer_among_others_keeps_its_connection() {
    let backend = Backend::start(|index, _| if index == 0 { Reply::Silence } else { grpc_ok() }).await;
    let exporter = plain(&backend);
    let slow = tokio::spawn({
        let exporter = Arc::clone(&exporter);
        async move { tokio::time::timeout(Duration::from_millis(1100), exporter.export(&spans(1))).await }
    });
    backend.wait_for(1).await;
    exporter.export(&spans(1)).await.expect("taken");
    assert!(slow.await.expect("no panic").is_err());
    exporter.export(&spans(1)).await.expect("taken");
    assert_eq!(backend.last().connection, 0);
}

/// Every algorithm of the key arrives as its name says, whatever the size.
#[tokio::test]
async fn bodies_are_compressed_as_configured() {
    let names = ["gzip", "zstd", "snappy", "zlib", "deflate", "lz4", "x-snappy-framed"];
    for (name, level) in names.map(|name| (name, 0)).into_iter().chain([("gzip", 9), ("zstd", 3)]) {
        let backend = Backend::start(|_, _| grpc_ok()).await;
        let exporter = exporter(&format!(
            "{{endpoint: \"http://{}\", compression: {name}, compression_params: {{level: {level}}}}}",
            backend.address
        ));
        // The second is compressed beside the event loop.
        for batch in [spans(1), spans(1000)] {
            exporter.export(&batch).await.expect("taken");
            let seen = backend.last();
            assert_eq!(seen.header("grpc-encoding"), name);
            let framed = unframe(&seen.body).expect("framed");
            assert!(framed.is_compressed);
            let encoding = Encoding::from_name(name).expect("known");
            assert_eq!(encoding.decompress(framed.message, 10 << 20).expect("readable"), batch.bytes());
        }
    }
}

/// Without compression there is nothing to say about it.
#[tokio::test]
async fn an_uncompressed_body_is_not_announced_as_anything() {
    for name in ["none", "\"\""] {
        let backend = Backend::start(|_, _| grpc_ok()).await;
        exporter(&format!("{{endpoint: \"http://{}\", compression: {name}}}", backend.address))
            .export(&spans(1))
            .await
            .expect("taken");
        assert!(!backend.last().headers.contains_key("grpc-encoding"));
        assert!(!unframe(&backend.last().body).expect("framed").is_compressed);
    }
}

/// The headers of the protocol are ours, the others are the user's, and the secret ones are marked.
#[tokio::test]
async fn requests_carry_the_configured_headers() {
    let backend = Backend::start(|_, _| grpc_ok()).await;
    let yaml = format!(
        "{{endpoint: \"{}\", tls: {{insecure: true}}, timeout: 3s, authority: jaeger.local,
          headers: {{X-Tenant: blue, Content-Type: text/plain, key-bin: \"z!\"}}}}",
        backend.address
    );
    // The header of the protocol is warned of.
    let (config, problems) = config_with_problems::<OtlpGrpc>(&yaml);
    assert_eq!(problems.len(), 1, "{problems:?}");
    let exporter = OtlpGrpc::build(config, &context("otlp_grpc")).expect("builds");
    exporter.export(&spans(1)).await.expect("taken");
    let seen = backend.last();
    assert_eq!(seen.method, http::Method::POST);
    assert_eq!(seen.uri.authority().map(http::uri::Authority::as_str), Some("jaeger.local"));
    let expected = [
        ("x-tenant", "blue"),
        ("content-type", "application/grpc"),
        ("te", "trailers"),
        ("grpc-timeout", "3000m"),
        ("key-bin", "eiE"),
    ];
    for (name, value) in expected {
        assert_eq!(seen.header(name), value, "{name}");
    }
    assert!(seen.header("user-agent").starts_with("spindle/"), "{}", seen.header("user-agent"));
}

/// The `user-agent` can be another, and a timeout of 0 announces none.
#[tokio::test]
async fn the_user_agent_and_no_timeout_can_be_configured() {
    let backend = Backend::start(|_, _| grpc_ok()).await;
    exporter(&format!("{{endpoint: \"http://{}\", user_agent: curl/8, timeout: 0s}}", backend.address))
        .export(&spans(1))
        .await
        .expect("taken");
    assert_eq!(backend.last().header("user-agent"), "curl/8");
    assert!(!backend.last().headers.contains_key("grpc-timeout"));
}

/// A sidecar is reached without a port.
#[tokio::test]
async fn a_unix_socket_is_an_endpoint() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("otlp.sock");
    let exporter = exporter(&format!("{{endpoint: \"unix://{}\"}}", path.display()));
    assert_eq!(failure(&exporter).await.retry(), Retry::Now);
    let backend = Backend::on_unix(&path, |_, _| grpc_ok());
    exporter.export(&spans(1)).await.expect("taken");
    assert_eq!(backend.last().uri.authority().map(http::uri::Authority::as_str), Some("localhost"));
}

fn tls_yaml(backend: &Backend, tls: &str) -> String {
    format!("{{endpoint: \"localhost:{}\", tls: {{{tls}}}}}", backend.address.port())
}

/// The server is believed when one of the configured authorities says so for the name that was asked for,
/// and a client that shows a certificate is known by it.
#[tokio::test]
async fn tls_is_verified_in_both_directions() {
    let certificates = Certificates::new();
    let (ca, stranger) = (&certificates.ca, Certificates::new());
    let client =
        |pair: &crate::support::testing::Pair| format!("cert_pem: {:?}, key_pem: {:?}", pair.cert, pair.key);
    let own = client(&certificates.client);
    let foreign = client(&stranger.client);
    let cases = [
        (false, format!("ca_pem: {ca:?}"), None),
        (false, format!("ca_pem: {ca:?}, {own}"), None),
        (false, "insecure_skip_verify: true".to_owned(), None),
        (false, format!("ca_pem: {ca:?}, min_version: \"1.3\""), None),
        (false, format!("ca_pem: {ca:?}, max_version: \"1.2\""), None),
        (false, format!("ca_pem: {:?}", stranger.ca), Some("authentication handshake failed")),
        (false, String::new(), Some("authentication handshake failed")),
        (false, format!("ca_pem: {ca:?}, server_name_override: other.host"), Some("not valid for name")),
        (true, format!("ca_pem: {ca:?}, {own}"), None),
        (true, format!("ca_pem: {ca:?}"), Some("")),
        (true, format!("ca_pem: {ca:?}, {foreign}"), Some("")),
    ];
    for (asks_for_client, tls, expected) in cases {
        let acceptor = certificates.acceptor(asks_for_client, &[b"h2"]);
        let backend = Backend::start_with(Some(acceptor), |_, _| grpc_ok()).await;
        let outcome = exporter(&tls_yaml(&backend, &tls)).export(&spans(1)).await;
        match (outcome, expected) {
            (Ok(_), None) => assert_eq!(backend.last().uri.scheme_str(), Some("https")),
            (Err(error), Some(text)) => {
                assert_eq!(error.retry(), Retry::Now, "{error}");
                assert!(error.to_string().contains(text), "{error}");
            }
            (outcome, expected) => panic!("{tls}: {outcome:?} instead of {expected:?}"),
        }
    }
}

/// Speaking TLS to a server without it, or the other way round, is told as what it is.
#[tokio::test]
async fn the_wrong_kind_of_server_is_an_error_and_no_hang() {
    let plain_backend = Backend::start(|_, _| grpc_ok()).await;
    let error = failure(&exporter(&tls_yaml(&plain_backend, "insecure_skip_verify: true"))).await;
    assert!(error.to_string().contains("authentication handshake failed"), "{error}");
    let acceptor = Certificates::new().acceptor(false, &[b"h2"]);
    let secure = Backend::start_with(Some(acceptor), |_, _| grpc_ok()).await;
    assert_eq!(failure(&plain(&secure)).await.retry(), Retry::Now);
}

/// In its place in a pipeline: refused for now and then taken, each span arrives once.
#[tokio::test]
async fn delivers_in_the_end() {
    let backend = Backend::start(|index, _| match index {
        0 => trailers_only(&[("grpc-status", "14")]),
        1 => Reply::Hangup,
        2 => Reply::Silence,
        _ => grpc_ok(),
    })
    .await;
    let config = config::<OtlpGrpc>(&format!(
        "{{endpoint: \"http://{}\", timeout: 100ms, compression: none, sending_queue: {{enabled: false}},
          retry_on_failure: {{initial_interval: 10ms}}}}",
        backend.address
    ));
    let settings = OtlpGrpc::settings(&config);
    let context = context("otlp_grpc");
    let exporter = OtlpGrpc::build(config, &context).expect("builds");
    let stage = ExportStage::start(exporter, &settings, Signal::Traces, &context);
    let batch = spans(5);
    stage.consume(batch.clone()).await.expect("delivered");
    assert_eq!(backend.seen().len(), 4);
    assert_eq!(unframe(&backend.last().body).expect("framed").message, batch.bytes());
    stage.stop((Instant::now() + Duration::from_secs(1)).into()).await;
}

/// The texts are those of the Collector, which users search for, or name what is allowed.
#[test]
fn says_what_cannot_be() {
    let cases = [
        ("{}", "endpoint: requires a non-empty \"endpoint\""),
        ("{endpoint: \" \"}", "endpoint: requires a non-empty \"endpoint\""),
        (
            "{endpoint: \"h:port\"}",
            "endpoint: address h:port: invalid port \"port\" (a number from 0 to 65535)",
        ),
        ("{endpoint: \"h:0\"}", "endpoint: address h:0: port 0 cannot be sent to"),
        ("{endpoint: \"ftp://h:1\"}", "endpoint: unsupported scheme \"ftp\" (http, https)"),
        (
            "{endpoint: \"http://h:4318/v1/traces\"}",
            "endpoint: an OTLP/gRPC endpoint has no path (\"/v1/traces\"); OTLP/HTTP is the exporter otlp_http",
        ),
        (
            "{endpoint: \"http://user:pass@h:4317\"}",
            "endpoint: a gRPC endpoint has no user and password; send them in `headers`",
        ),
        ("{endpoint: \"h:1\", balancer_name: random}", "balancer_name: invalid balancer_name: random"),
        ("{endpoint: \"h:1\", compression: brotli}", "compression: unsupported compression type \"brotli\""),
        (
            "{endpoint: \"h:1\", compression: snappy, compression_params: {level: 3}}",
            "compression_params::level: unsupported parameters {Level:3} for compression type \"snappy\"",
        ),
        (
            "{endpoint: \"h:1\", compression_params: {level: 10}}",
            "compression_params::level: unsupported parameters {Level:10} for compression type \"gzip\"",
        ),
        (
            "{endpoint: \"h:1\", middlewares: [{id: a}]}",
            "middlewares: middlewares are not built into this version of spindle yet",
        ),
        (
            "{endpoint: \"h:1\", middlewares: [{id: x}]}",
            "middlewares: middlewares are not built into this version of spindle yet",
        ),
        (
            "{endpoint: \"h:1\", headers: {token: \"top\\nsecret\"}}",
            "headers::token: this value cannot stand in a header",
        ),
        (
            "{endpoint: \"h:1\", headers: {User-Agent: x}}",
            "headers::User-Agent: the header User-Agent belongs to the protocol; the value written here is ignored",
        ),
        ("{endpoint: \"h:1\", user_agent: \"\\n\"}", "user_agent: this value cannot stand in a header"),
        ("{endpoint: \"h:1\", authority: \"a b\"}", "authority: this cannot be the `:authority` of requests"),
        (
            "{endpoint: \"h:1\", retry_on_failure: {max_elapsed_time: 1s}}",
            "retry_on_failure::max_elapsed_time: 'max_elapsed_time' must not be less than 'initial_interval'",
        ),
        (
            "{endpoint: \"h:1\", sending_queue: {queue_size: 0}}",
            "sending_queue::queue_size: `queue_size` must be positive",
        ),
    ];
    for (yaml, problem) in cases {
        let problems = config_with_problems::<OtlpGrpc>(yaml).1;
        assert!(problems.iter().any(|found| found.starts_with(problem)), "{yaml}: {problems:?}");
    }
}

/// What the check cannot see stops the start, with the key and without the secret.
#[test]
fn says_what_cannot_be_built() {
    let cases = [("{endpoint: \"h:1\", tls: {ca_pem: no}}", "tls::ca_pem", "no PEM certificate")];
    for (yaml, key, message) in cases {
        let error = OtlpGrpc::build(config::<OtlpGrpc>(yaml), &context("otlp_grpc")).err().expect("fails");
        assert_eq!((error.key.as_str(), error.message.as_str()), (key, message));
    }
}

/// An endpoint is written in many ways; what it means for TLS depends on how.
#[test]
fn endpoints_are_read_as_the_collector_reads_them() {
    let cases = [
        ("h:1", "h:1", true),
        ("h", "h:4317", true),
        ("http://h:1", "h:1", false),
        ("https://h:1/", "h:1", true),
        ("dns:///h:1", "h:1", true),
        ("dns:h:1", "h:1", true),
        ("passthrough:///h:1", "h:1", true),
        ("[::1]:1", "[::1]:1", true),
        ("unix:///run/x.sock", "localhost", false),
    ];
    for (text, authority, uses_tls) in cases {
        let endpoint = Endpoint::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
        assert_eq!(endpoint.authority(), authority, "{text}");
        assert_eq!(endpoint.uses_tls(&spindle_config::types::ClientTls::default()), uses_tls, "{text}");
    }
}

/// The authenticator has the last word on each attempt, but for what belongs to the protocol, and knows whose
/// data goes out.
#[tokio::test]
async fn calls_are_signed_by_the_authenticator() {
    let backend = Backend::start(|_, _| grpc_ok()).await;
    let exporter = exporter(&format!(
        "{{endpoint: \"{}\", tls: {{insecure: true}}, headers: {{authorization: configured, x-kept: kept}},
           auth: {{authenticator: test_auth}}}}",
        backend.address
    ));
    exporter.export(&from_tenant(&spans(1), "blue")).await.expect("taken");
    let seen = backend.last();
    for (name, value) in [
        ("authorization", "signed"),
        ("x-tenant", "blue"),
        ("x-kept", "kept"),
        ("content-type", "application/grpc"),
        ("te", "trailers"),
    ] {
        assert_eq!(seen.header(name), value, "{name}");
    }
    let config = config::<OtlpGrpc>("{endpoint: h, auth: {authenticator: a}}");
    assert_eq!(config.authenticators()[0].key, "auth::authenticator");
}
