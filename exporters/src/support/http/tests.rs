use std::time::Duration;

use spindle_pipeline::component::Factory;
use spindle_pipeline::error::Retry;
use spindle_pipeline::testing::{config, config_with_problems, context};

use super::*;
use crate::support::testing::{Backend, Certificates, Frames, Reply, Reserved, http, http_with};

/// The headers that a test's exporter writes itself.
pub(super) const PROTOCOL: &[&str] = &["x-version"];

/// A component whose keys are the shared ones.
pub(super) struct Keys;

impl Factory for Keys {
    type Config = HttpClientKeys;
    const TYPE: &'static str = "keys";
    const SIGNALS: spindle_pipeline::SignalSet = spindle_pipeline::SignalSet::ALL;
    const STABILITY: spindle_pipeline::component::Stability =
        spindle_pipeline::component::Stability::Development;
}

impl spindle_pipeline::component::ComponentConfig for HttpClientKeys {
    fn validate(&self, check: &mut Check<'_>) {
        check_keys(self, PROTOCOL, check);
    }
}

fn client(yaml: &str) -> HttpClient {
    HttpClient::new(&config::<Keys>(yaml), PROTOCOL, &context("keys")).expect("builds")
}

async fn post(client: &HttpClient, url: String) -> Result<Response<Bytes>, ExportError> {
    let request = Request::post(url).header("content-type", "text/plain");
    client.post(request.body(Bytes::from_static(b"body")).expect("a request")).await
}

fn url(backend: &Backend) -> String {
    format!("http://{}/path?query", backend.address)
}

async fn ok() -> Backend {
    Backend::start(|_, _| http(200, "text/plain", "fine")).await
}

/// What is sent arrives, with the headers of the request before the configured ones.
#[tokio::test]
async fn a_call_carries_body_and_headers() {
    let backend = ok().await;
    let client = client("{headers: {X-Tenant: blue, content-type: never, Host: other.host}}");
    let response = post(&client, url(&backend)).await.expect("answered");
    assert_eq!((response.status().as_u16(), response.body().as_ref()), (200, &b"fine"[..]));
    let seen = backend.last();
    assert_eq!(seen.uri.to_string(), "/path?query");
    assert_eq!(seen.body, "body");
    for (name, value) in [
        ("x-tenant", "blue"),
        ("content-type", "text/plain"),
        ("host", "other.host"),
        ("content-length", "4"),
    ] {
        assert_eq!(seen.header(name), value, "{name}");
    }
    assert!(seen.header("user-agent").starts_with("spindle/"));
}

/// User and password of a URL are sent as the browser would send them, and are no part of the URL any more.
#[test]
fn userinfo_becomes_basic_authentication() {
    let cases = [
        ("http://user:pass@h:1/p?q", "http://h:1/p?q", Some("Basic dXNlcjpwYXNz")),
        ("https://user@h", "https://h/", Some("Basic dXNlcjo=")),
        ("http://a%40b:p%2Fw@[::1]:2/", "http://[::1]:2/", Some("Basic YUBiOnAvdw==")),
        ("http://h", "http://h/", None),
    ];
    for (url, uri, authorization) in cases {
        let target = Target::parse("endpoint", url).expect("a URL");
        assert_eq!(target.uri, uri);
        assert_eq!(target.authorization.as_ref().map(|value| value.to_str().expect("text")), authorization);
        assert!(!format!("{target:?}").contains("Basic"), "{target:?}");
    }
    let error = Target::parse("endpoint", "http://user:pa ss@h").expect_err("no URL");
    assert_eq!(error.message, "endpoint must be a valid URL");
}

/// Nothing that goes wrong tells the key in the query.
#[tokio::test]
async fn errors_do_not_tell_secrets() {
    let down = Reserved::new();
    let url = format!("http://{}/v1/traces?key=hunter2", down.1);
    let error = post(&client("{}"), url).await.expect_err("nobody listens");
    let expected = format!(
        "failed to make an HTTP request: Post \"http://{}/v1/traces\": client error (Connect)",
        down.1
    );
    assert!(error.to_string().starts_with(&expected), "{error}");
    assert!(error.to_string().contains("refused"), "{error}");
    assert!(!error.to_string().contains("hunter"), "{error}");
    assert_eq!(error.retry(), Retry::Now);
}

/// What breaks below HTTP is worth another attempt, and that attempt works.
#[tokio::test]
async fn a_connection_that_breaks_is_replaced() {
    let backend = Backend::start(|index, _| match index {
        1 => Reply::Hangup,
        2 => Reply::Reset,
        _ => http(200, "text/plain", ""),
    })
    .await;
    let client = client("{}");
    post(&client, url(&backend)).await.expect("answered");
    for _ in 1..=2 {
        assert_eq!(post(&client, url(&backend)).await.expect_err("broken").retry(), Retry::Now);
    }
    post(&client, url(&backend)).await.expect("answered");
}

/// An answer has a status as soon as it has headers; what comes of its body is bounded.
#[tokio::test]
async fn bodies_end_at_the_bound_or_where_they_break() {
    let cases: [(fn() -> Reply, usize); 3] = [
        (|| http(200, "text/plain", vec![b'x'; MAX_RESPONSE + 1]), MAX_RESPONSE),
        (|| http(200, "text/plain", vec![b'x'; MAX_RESPONSE]), MAX_RESPONSE),
        (|| Reply::Answer(Response::new(Frames::of("part").then_break())), 4),
    ];
    for (reply, length) in cases {
        let backend = Backend::start(move |_, _| reply()).await;
        let response = post(&client("{}"), url(&backend)).await.expect("answered");
        assert_eq!((response.status().as_u16(), response.body().len()), (200, length));
    }
}

/// Connections are kept as the keys say.
#[tokio::test]
async fn connections_are_reused_unless_told_otherwise() {
    for (keys, connections) in [
        ("{}", 1),
        ("{max_idle_conns: 0}", 1),
        ("{max_idle_conns: 0, max_idle_conns_per_host: 1}", 1),
        ("{disable_keep_alives: true}", 3),
        ("{idle_conn_timeout: 1ms}", 3),
    ] {
        let backend = ok().await;
        let client = client(keys);
        for _ in 0..3 {
            post(&client, url(&backend)).await.expect("answered");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        assert_eq!(backend.last().connection + 1, connections, "{keys}");
    }
}

/// `max_conns_per_host` bounds what is on its way; the rest waits for its turn.
#[tokio::test]
async fn requests_on_their_way_are_bounded_as_configured() {
    let backend =
        Backend::start(|_, _| Reply::Late(Duration::from_millis(20), Box::new(http(200, "text/plain", ""))))
            .await;
    let client = Arc::new(client("{max_conns_per_host: 2}"));
    let calls = (0..6).map(|_| {
        let (client, url) = (Arc::clone(&client), url(&backend));
        tokio::spawn(async move { post(&client, url).await })
    });
    for call in calls.collect::<Vec<_>>() {
        call.await.expect("no panic").expect("answered");
    }
    assert!(backend.seen().iter().all(|seen| seen.connection < 2));
    assert_eq!(backend.seen().len(), 6);
}

/// TLS servers are asked for HTTP/2 and get HTTP/1.1 if they have nothing else, or if it is switched off.
#[tokio::test]
async fn tls_negotiates_the_version() {
    let certificates = Certificates::new();
    let ca = format!("tls: {{ca_pem: {:?}}}", certificates.ca);
    let cases: [(String, &[&[u8]], http::Version); 4] = [
        (format!("{{{ca}}}"), &[b"h2", b"http/1.1"], http::Version::HTTP_2),
        (format!("{{{ca}, http2_read_idle_timeout: 1s}}"), &[b"h2"], http::Version::HTTP_2),
        (format!("{{{ca}}}"), &[b"http/1.1"], http::Version::HTTP_11),
        (format!("{{{ca}, force_attempt_http2: false}}"), &[b"h2", b"http/1.1"], http::Version::HTTP_11),
    ];
    for (keys, alpn, version) in cases {
        let acceptor = certificates.acceptor(false, alpn);
        let backend = Backend::start_with(Some(acceptor), |_, _| http(200, "text/plain", "")).await;
        let url = format!("https://localhost:{}/", backend.address.port());
        post(&client(&keys), url).await.expect("answered");
        assert_eq!(backend.last().version, version, "{keys}");
    }
}

/// Who is not who the certificates say is not talked to.
#[tokio::test]
async fn tls_is_verified_in_both_directions() {
    let (certificates, stranger) = (Certificates::new(), Certificates::new());
    let (ca, pair) = (&certificates.ca, &certificates.client);
    let own = format!("cert_pem: {:?}, key_pem: {:?}", pair.cert, pair.key);
    let cases = [
        (false, "insecure_skip_verify: true".to_owned(), true),
        (false, format!("ca_pem: {ca:?}, server_name_override: localhost"), true),
        (false, format!("ca_pem: {ca:?}, server_name_override: other"), false),
        (false, format!("ca_pem: {:?}", stranger.ca), false),
        (false, String::new(), false),
        (true, format!("ca_pem: {ca:?}, {own}"), true),
        (true, format!("ca_pem: {ca:?}"), false),
    ];
    for (asks_for_client, tls, is_trusted) in cases {
        let acceptor = certificates.acceptor(asks_for_client, &[b"h2"]);
        let backend = Backend::start_with(Some(acceptor), |_, _| http(200, "text/plain", "")).await;
        let url = format!("https://127.0.0.1:{}/", backend.address.port());
        let outcome = post(&client(&format!("{{tls: {{{tls}}}}}")), url).await;
        assert_eq!(outcome.is_ok(), is_trusted, "{tls}: {outcome:?}");
    }
}

/// A call that is given up disturbs nobody on its connection; after a while of silence the connection is not
/// used again.
#[tokio::test]
async fn silence_does_not_poison_what_comes_after() {
    let certificates = Certificates::new();
    let acceptor = certificates.acceptor(false, &[b"h2"]);
    let backend = Backend::start_with(Some(acceptor), |index, _| {
        if index < 2 { Reply::Silence } else { http(200, "text/plain", "") }
    })
    .await;
    let client = client(&format!("{{tls: {{ca_pem: {:?}}}}}", certificates.ca));
    let url = format!("https://localhost:{}/", backend.address.port());
    for millis in [50, 1100] {
        let call = tokio::time::timeout(Duration::from_millis(millis), post(&client, url.clone()));
        assert!(call.await.is_err());
    }
    post(&client, url).await.expect("answered");
    let connections: Vec<usize> = backend.seen().iter().map(|seen| seen.connection).collect();
    assert_eq!(connections, [0, 0, 1]);
}

/// A time to wait is a number of seconds or a date, never more than a day, and nothing else.
#[test]
fn retry_after_is_read_in_both_forms() {
    let read = |text: &str| {
        let mut headers = HeaderMap::new();
        headers.insert(RETRY_AFTER, HeaderValue::from_str(text).expect("a value"));
        retry_after(&headers)
    };
    assert_eq!(read("120"), Some(Duration::from_mins(2)));
    assert_eq!(read(" 0 "), Some(Duration::ZERO));
    assert_eq!(read("18446744073709551615"), Some(Duration::from_hours(24)));
    assert_eq!(read("Wed, 21 Oct 2015 07:28:00 GMT"), Some(Duration::ZERO));
    let soon = httpdate::fmt_http_date(SystemTime::now() + Duration::from_mins(1));
    let wait = read(&soon).expect("a date");
    assert!(wait > Duration::from_secs(50) && wait <= Duration::from_mins(1), "{wait:?}");
    for bad in ["", "-1", "1.5", "soon", "18446744073709551616"] {
        assert_eq!(read(bad), None, "{bad}");
    }
    assert_eq!(retry_after(&HeaderMap::new()), None);
}

/// Only an overloaded back end's wish counts, and only where another attempt helps at all.
#[tokio::test]
async fn a_status_says_whether_and_when_to_send_again() {
    let wish = Retry::After(Duration::from_secs(7));
    for (status, expected) in [
        (429, wish),
        (503, wish),
        (502, Retry::Now),
        (504, Retry::Now),
        (500, Retry::Never),
        (400, Retry::Never),
        (301, Retry::Never),
    ] {
        let backend = Backend::start(move |_, _| http_with(status, "retry-after", "7")).await;
        let response = post(&client("{}"), url(&backend)).await.expect("answered");
        let error = answer_error(response.status(), response.headers(), "no room".to_owned());
        assert_eq!((error.retry(), error.to_string().as_str()), (expected, "no room"), "{status}");
    }
}

/// A key that does nothing yet says so instead of doing nothing.
#[test]
fn says_what_is_not_built_yet() {
    let cases = [
        (
            "{cookies: {enabled: true}}",
            "cookies::enabled: cookies are not built into this version of spindle yet",
        ),
        (
            "{middlewares: [{id: a}]}",
            "middlewares: middlewares are not built into this version of spindle yet",
        ),
        (
            "{middlewares: [{id: x}]}",
            "middlewares: middlewares are not built into this version of spindle yet",
        ),
        (
            "{tls: {cert_pem: x}}",
            "tls: for client authentication both `cert_file` and `key_file` are needed, or neither",
        ),
    ];
    for (yaml, problem) in cases {
        assert_eq!(config_with_problems::<Keys>(yaml).1, [problem]);
    }
    assert!(config_with_problems::<Keys>("{cookies: {enabled: false}}").1.is_empty());
}

/// Headers that cannot be are told by the check, not at the start alone; those that the exporter writes
/// itself are ignored.
#[tokio::test]
async fn headers_are_checked() {
    for (yaml, problems) in [
        (
            "{headers: {Content-Length: 5, \"a b\": x, X-Version: 7, token: \"top\\nsecret\"}}",
            &[
                "headers::Content-Length: the header content-length says how requests are framed and cannot be set",
                "headers::a b: \"a b\" cannot be a header's name",
                "headers::X-Version: the header X-Version belongs to the protocol; the value written here is ignored",
                "headers::token: this value cannot stand in a header",
            ][..],
        ),
        ("{headers: {X-Tenant: blue}}", &[]),
    ] {
        assert_eq!(config_with_problems::<Keys>(yaml).1, problems);
    }
    let backend = ok().await;
    let keys = config_with_problems::<Keys>("{headers: {X-Version: 7, X-Tenant: blue}}").0;
    let client = HttpClient::new(&keys, PROTOCOL, &context("keys")).expect("builds");
    post(&client, url(&backend)).await.expect("answered");
    assert_eq!((backend.last().header("x-tenant"), backend.last().header("x-version")), ("blue", ""));
}
