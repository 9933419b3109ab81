use std::time::Duration;

use opentelemetry_proto::tonic::collector::logs::v1::{ExportLogsPartialSuccess, ExportLogsServiceResponse};
use prost::Message;
use spindle_pipeline::component::{ComponentConfig, Consumer};
use spindle_pipeline::error::{ConsumeError, Retry};
use spindle_pipeline::export::ExportStage;
use spindle_pipeline::net::compression::Encoding;
use spindle_pipeline::net::grpc::rpc_status;
use spindle_pipeline::testing::arbitrary::{self, Options};
use spindle_pipeline::testing::{config, config_with_problems, context, contract, problems_for};
use tokio::time::Instant;

use super::*;
use crate::support::testing::{Backend, Certificates, Reply, from_tenant, http, http_with, spans};

fn exporter(yaml: &str) -> Arc<dyn Exporter> {
    OtlpHttp::build(config::<OtlpHttp>(yaml), &context("otlp_http")).expect("builds")
}

fn plain(backend: &Backend) -> Arc<dyn Exporter> {
    exporter(&format!("{{endpoint: \"http://{}\", compression: none}}", backend.address))
}

fn fine() -> Reply {
    http(200, "application/x-protobuf", "")
}

async fn answered(reply: fn() -> Reply) -> Result<Exported, ExportError> {
    let backend = Backend::start(move |_, _| reply()).await;
    plain(&backend).export(&spans(9)).await
}

/// The clauses that every exporter keeps.
#[tokio::test]
async fn keeps_the_contract() {
    contract::factory::<OtlpHttp>();
    let backend = Backend::start(|_, _| fine()).await;
    contract::exporter(&*plain(&backend), SignalSet::ALL).await;
}

/// Each signal goes to its own path below the endpoint, or to its own URL as it is written.
#[tokio::test]
async fn each_signal_has_its_url() {
    let backend = Backend::start(|_, _| fine()).await;
    let address = backend.address;
    let cases = [
        (format!("endpoint: \"http://{address}\""), ["/v1/traces", "/v1/metrics", "/v1/logs"]),
        (format!("endpoint: \"http://{address}/\""), ["/v1/traces", "/v1/metrics", "/v1/logs"]),
        (
            format!("endpoint: \"http://{address}/otlp\", logs_endpoint: \"http://{address}/loki?x=1\""),
            ["/otlp/v1/traces", "/otlp/v1/metrics", "/loki?x=1"],
        ),
        (
            format!(
                "traces_endpoint: \"http://{address}/t\", metrics_endpoint: \"http://{address}\", logs_endpoint: \"http://{address}/l/\""
            ),
            ["/t", "/", "/l/"],
        ),
    ];
    for (keys, paths) in cases {
        let exporter = exporter(&format!("{{{keys}}}"));
        for (signal, path) in Signal::ALL.into_iter().zip(paths) {
            let request = arbitrary::request(signal, 1, Options::default());
            exporter.export(&Batch::receive(signal, request).expect("well formed")).await.expect("taken");
            assert_eq!(backend.last().uri.to_string(), path, "{keys}");
        }
    }
}

/// What arrives is the request, in either encoding and by any algorithm; JSON is read back to the same bytes.
#[tokio::test]
async fn bodies_are_encoded_as_configured() {
    let names = ["none", "\"\"", "gzip", "zstd", "snappy", "zlib", "deflate", "lz4", "x-snappy-framed"];
    for name in names {
        for (encoding, content_type) in [("proto", "application/x-protobuf"), ("json", "application/json")] {
            let backend = Backend::start(|_, _| fine()).await;
            let exporter = exporter(&format!(
                "{{endpoint: \"http://{}\", compression: {name}, encoding: {encoding}}}",
                backend.address
            ));
            // The second is encoded beside the event loop.
            for batch in [spans(2), spans(500)] {
                exporter.export(&batch).await.expect("taken");
                let seen = backend.last();
                assert_eq!(seen.header("content-type"), content_type);
                let used = Encoding::from_name(seen.header("content-encoding")).unwrap_or_default();
                assert_eq!(used.name(), if name == "none" { "" } else { name.trim_matches('"') });
                let body = used.decompress(&seen.body, 10 << 20).expect("readable");
                let request = match encoding {
                    "json" => json::to_protobuf(Signal::Traces, &body).expect("OTLP/JSON"),
                    _ => body,
                };
                assert_eq!(request, batch.bytes(), "{name}, {encoding}");
            }
        }
    }
}

/// Which answers are worth another attempt is the OTLP specification's list.
#[tokio::test]
async fn statuses_are_retried_as_the_specification_says() {
    let cases = [
        (429, Retry::Now),
        (502, Retry::Now),
        (503, Retry::Now),
        (504, Retry::Now),
        (400, Retry::Never),
        (401, Retry::Never),
        (403, Retry::Never),
        (404, Retry::Never),
        (405, Retry::Never),
        (413, Retry::Never),
        (500, Retry::Never),
        (501, Retry::Never),
        (507, Retry::Never),
        (308, Retry::Never),
    ];
    for (status, expected) in cases {
        let backend = Backend::start(move |_, _| http_with(status, "x", "y")).await;
        let error = plain(&backend).export(&spans(1)).await.expect_err("refused");
        assert_eq!(error.retry(), expected, "{status}");
        let remark = if status == 413 { " (the request is too large)" } else { "" };
        let text = format!(
            "error exporting items, request to http://{}/v1/traces responded with HTTP Status Code {status}{remark}",
            backend.address
        );
        assert_eq!(error.to_string(), text);
    }
}

/// A back end that asks for time gets it.
#[tokio::test]
async fn retry_after_is_kept() {
    for (status, expected) in [(429, 3), (503, 3)] {
        let backend = Backend::start(move |_, _| http_with(status, "retry-after", "3")).await;
        let error = plain(&backend).export(&spans(1)).await.expect_err("refused");
        assert_eq!(error.retry(), Retry::After(Duration::from_secs(expected)), "{status}");
    }
}

/// Why the back end refused is in the error, whatever form it has; it is one line and not endless.
#[tokio::test]
async fn the_reason_of_a_refusal_is_told() {
    let status = || rpc_status(&ConsumeError::invalid("bad\nspan")).encode_to_vec();
    let cases: [(&str, Vec<u8>, &str); 8] = [
        ("application/x-protobuf", status(), ", Message=bad span"),
        ("application/x-protobuf; charset=utf-8", status(), ", Message=bad span"),
        ("application/x-protobuf", b"no protobuf".to_vec(), ""),
        ("application/json", br#"{"code":3,"message":"bad span"}"#.to_vec(), ", Message=bad span"),
        ("application/json", br#"{"error":"bad"}"#.to_vec(), ", Message={\"error\":\"bad\"}"),
        ("application/json", b"{".to_vec(), ", Message={"),
        ("text/html", b"<h1>\x1b[31mno</h1>".to_vec(), ", Message=<h1> [31mno</h1>"),
        ("", vec![b'x'; 100_000], "x..."),
    ];
    for (content_type, body, expected) in cases {
        let body = Bytes::from(body);
        let backend = Backend::start(move |_, _| http(400, content_type, body.clone())).await;
        let error = plain(&backend).export(&spans(1)).await.expect_err("refused").to_string();
        assert!(error.ends_with(expected) && error.len() < 1300, "{content_type}: {error}");
        assert!(!expected.is_empty() || error.ends_with("400"), "{error}");
    }
}

/// A redirect is not followed, and says where it leads.
#[tokio::test]
async fn a_redirect_is_an_error_that_says_where_to() {
    let error =
        answered(|| http_with(308, "location", "https://other/v1/traces")).await.expect_err("refused");
    let expected = "(redirects are not followed; this one leads to https://other/v1/traces)";
    assert!(error.to_string().ends_with(expected), "{error}");
}

/// Where a redirect leads is a text of a peer: it ends.
#[test]
fn a_long_location_is_cut() {
    let target = Target { uri: http::Uri::from_static("http://backend/"), authorization: None };
    let location = format!("http://other/{}", "x".repeat(100_000));
    let answer = Response::builder().status(308).header(LOCATION, location).body(Bytes::new());
    let error = read(&target, &answer.expect("an answer")).expect_err("refused").to_string();
    assert!(error.len() < 2048 && error.contains("http://other/xxx"), "{} bytes", error.len());
}

/// What the back end refuses of a request that it takes is reported, in either encoding.
#[tokio::test]
async fn a_partial_success_is_a_success_with_a_remark() {
    fn proto() -> Reply {
        let partial = ExportLogsPartialSuccess { rejected_log_records: 4, error_message: "late".to_owned() };
        let response = ExportLogsServiceResponse { partial_success: Some(partial) };
        http(200, "application/x-protobuf", response.encode_to_vec())
    }
    type Case = (fn() -> Reply, u64, &'static str);
    let cases: [Case; 9] = [
        (proto, 4, "late"),
        (fine, 0, ""),
        (|| http(204, "application/json", ""), 0, ""),
        (|| http(200, "application/json", "{}"), 0, ""),
        (
            || {
                http(
                    200,
                    "application/json",
                    r#"{"partialSuccess":{"rejectedSpans":"4","errorMessage":"late"}}"#,
                )
            },
            4,
            "late",
        ),
        (|| http(202, "application/json", r#"{"partialSuccess":{"rejectedDataPoints":4}}"#), 4, ""),
        (
            || {
                let text = r#"{"partialSuccess":{"rejectedLogRecords":"4"}}"#;
                http(200, "application/json; charset=utf-8", text)
            },
            4,
            "",
        ),
        (|| http(200, "application/json", r#"{"partialSuccess":{"errorMessage":"use v2"}}"#), 0, "use v2"),
        (|| http(200, "text/plain", "thanks"), 0, ""),
    ];
    for (reply, rejected_items, message) in cases {
        let exported = answered(reply).await.expect("taken");
        assert_eq!((exported.rejected_items, exported.message.as_str()), (rejected_items, message));
    }
}

/// A 2xx whose body is not what it claims is final: the back end has the data.
#[tokio::test]
async fn an_unreadable_success_is_not_repeated() {
    type Case = (fn() -> Reply, &'static str);
    let cases: [Case; 3] = [
        (|| http(200, "application/x-protobuf", "\n\u{7f}"), "error parsing protobuf response"),
        (|| http(200, "application/json", "<html>"), "error parsing json response"),
        (|| http(200, "application/json", vec![b' '; 100_000]), "error parsing json response"),
    ];
    for (reply, text) in cases {
        let error = answered(reply).await.expect_err("unreadable");
        assert_eq!((error.retry(), error.to_string().as_str()), (Retry::Never, text));
    }
}

/// Everything that breaks below HTTP is worth another attempt.
#[tokio::test]
async fn a_broken_connection_is_retried() {
    assert_eq!(answered(|| Reply::Hangup).await.expect_err("broken").retry(), Retry::Now);
    let nobody = exporter("{endpoint: \"http://no-such-host.invalid:4318\"}");
    assert_eq!(nobody.export(&spans(1)).await.expect_err("nobody").retry(), Retry::Now);
}

/// Credentials in the URL reach the server as a header and no error.
#[tokio::test]
async fn credentials_of_the_url_are_sent_and_not_told() {
    let backend = Backend::start(|_, _| http(401, "text/plain", "who?")).await;
    let yaml = format!("{{endpoint: \"http://user:hunter2@{}/x\"}}", backend.address);
    let error = exporter(&yaml).export(&spans(1)).await.expect_err("refused");
    assert_eq!(backend.last().header("authorization"), "Basic dXNlcjpodW50ZXIy");
    assert_eq!(backend.last().uri.to_string(), "/x/v1/traces");
    assert!(!error.to_string().contains("hunter2"), "{error}");
}

/// Who writes an authorization of their own means that one.
#[tokio::test]
async fn a_configured_authorization_counts_before_the_urls() {
    let backend = Backend::start(|_, _| fine()).await;
    let address = backend.address;
    let yaml = format!("{{endpoint: \"http://u:p@{address}\", headers: {{authorization: Bearer x}}}}");
    exporter(&yaml).export(&spans(1)).await.expect("taken");
    assert_eq!(backend.last().header("authorization"), "Bearer x");
}

/// TLS with a client certificate, over HTTP/2, end to end.
#[tokio::test]
async fn mutual_tls_works() {
    let certificates = Certificates::new();
    let acceptor = certificates.acceptor(true, &[b"h2"]);
    let backend = Backend::start_with(Some(acceptor), |_, _| fine()).await;
    let exporter = exporter(&format!(
        "{{endpoint: \"https://localhost:{}\", tls: {{ca_pem: {:?}, cert_pem: {:?}, key_pem: {:?}}}}}",
        backend.address.port(),
        certificates.ca,
        certificates.client.cert,
        certificates.client.key
    ));
    exporter.export(&spans(1)).await.expect("taken");
    assert_eq!(backend.last().version, http::Version::HTTP_2);
}

/// In its place in a pipeline: refused for now and then taken, each span arrives once.
#[tokio::test]
async fn delivers_in_the_end() {
    let backend = Backend::start(|index, _| match index {
        0 => http(503, "text/plain", "starting"),
        1 => Reply::Hangup,
        2 => Reply::Silence,
        _ => fine(),
    })
    .await;
    let config = config::<OtlpHttp>(&format!(
        "{{endpoint: \"http://{}\", timeout: 100ms, compression: none, sending_queue: {{enabled: false}},
          retry_on_failure: {{initial_interval: 10ms}}}}",
        backend.address
    ));
    let settings = OtlpHttp::settings(&config);
    let context = context("otlp_http");
    let exporter = OtlpHttp::build(config, &context).expect("builds");
    let stage = ExportStage::start(exporter, &settings, Signal::Traces, &context);
    let batch = spans(5);
    stage.consume(batch.clone()).await.expect("delivered");
    assert_eq!(backend.seen().len(), 4);
    assert_eq!(backend.last().body, batch.bytes());
    stage.stop(Instant::now() + Duration::from_secs(1)).await;
}

/// The texts are those of the Collector, which users search for, or name what is allowed.
#[test]
fn says_what_cannot_be() {
    let cases = [
        ("{}", "at least one endpoint must be specified"),
        (
            "{endpoint: \"http://h\", profiles_endpoint: \"http://h/p\"}",
            "profiles_endpoint: profiles are not built into this version of spindle yet",
        ),
        ("{endpoint: \"localhost:4318\"}", "endpoint: the endpoint must be a URL with http:// or https://"),
        ("{endpoint: \"grpc://h\"}", "endpoint: unsupported scheme \"grpc\" (http, https)"),
        (
            "{endpoint: \"http://h:99999\"}",
            "endpoint: address h:99999: invalid port \"99999\" (a number from 0 to 65535)",
        ),
        ("{logs_endpoint: \"http://a b/\"}", "logs_endpoint: invalid character ' ' in host name"),
        ("{endpoint: \"http://h\", encoding: xml}", "encoding: invalid encoding type: xml"),
        ("{endpoint: \"http://h\", compression: br}", "compression: unsupported compression type \"br\""),
        (
            "{endpoint: \"http://h\", compression_params: {level: -3}}",
            "compression_params::level: unsupported parameters {Level:-3} for compression type \"gzip\"",
        ),
        (
            "{endpoint: \"http://h\", proxy_url: \"socks5://p\"}",
            "proxy_url: only proxies with http:// can be used by this version of spindle, this one has socks5://",
        ),
        (
            "{endpoint: \"http://h\", cookies: {enabled: true}}",
            "cookies::enabled: cookies are not built into this version of spindle yet",
        ),
        (
            "{endpoint: \"http://h\", middlewares: [{id: a}]}",
            "middlewares: middlewares are not built into this version of spindle yet",
        ),
        (
            "{endpoint: \"http://h\", sending_queue: {num_consumers: 0}}",
            "sending_queue::num_consumers: `num_consumers` must be positive",
        ),
    ];
    for (yaml, problem) in cases {
        assert_eq!(config_with_problems::<OtlpHttp>(yaml).1, [problem], "{yaml}");
    }
    let fine = "{endpoint: \"https://h:4318/x\", timeout: 0s, compression_params: {level: -1}, cookies: {}}";
    assert!(config_with_problems::<OtlpHttp>(fine).1.is_empty());
}

/// A pipeline whose signal has no URL is told at the start, not when its data is lost.
#[test]
fn a_signal_without_a_url_stops_the_start() {
    let yaml = "{traces_endpoint: \"http://h/t\"}";
    let mut context = context("otlp_http");
    let build = |context: &BuildContext| OtlpHttp::build(config::<OtlpHttp>(yaml), context).err();
    let error = build(&context).expect("metrics have none");
    assert_eq!(error.message, "either endpoint or metrics_endpoint must be specified");
    context.signals = SignalSet::TRACES;
    assert_eq!(build(&context), None);
}

/// The check says so as well, for each signal that lacks one; that there is none at all is told once.
#[test]
fn a_signal_without_a_url_is_told_by_the_check() {
    let missing = "either endpoint or logs_endpoint must be specified".to_owned();
    for (yaml, signal, problems) in [
        ("{traces_endpoint: \"http://h/t\"}", Signal::Logs, vec![missing]),
        ("{traces_endpoint: \"http://h/t\"}", Signal::Traces, vec![]),
        ("{endpoint: \"http://h\"}", Signal::Logs, vec![]),
        ("{}", Signal::Logs, vec![]),
    ] {
        assert_eq!(problems_for::<OtlpHttp>(yaml, signal), problems, "{yaml} {signal}");
    }
}

/// The authenticator has the last word on each attempt, but for what belongs to the protocol, before the user
/// of a URL too, and knows whose data goes out.
#[tokio::test]
async fn requests_are_signed_by_the_authenticator() {
    let backend = Backend::start(|_, _| fine()).await;
    let exporter = exporter(&format!(
        "{{endpoint: \"http://u:p@{}\", headers: {{x-kept: kept}}, auth: {{authenticator: test_auth}}}}",
        backend.address
    ));
    exporter.export(&from_tenant(&spans(1), "blue")).await.expect("taken");
    let seen = backend.last();
    for (name, value) in [
        ("authorization", "signed"),
        ("x-tenant", "blue"),
        ("x-kept", "kept"),
        ("content-type", "application/x-protobuf"),
    ] {
        assert_eq!(seen.header(name), value, "{name}");
    }
    let config = config::<OtlpHttp>("{endpoint: \"http://h\", auth: {authenticator: a}}");
    assert_eq!(config.authenticators()[0].key, "auth::authenticator");
}
