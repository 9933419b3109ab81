//! An HTTP client for exporters, and the keys that describe it (`confighttp` of the Collector).
//!
//! Connections are pooled and made on demand, over HTTP/1.1, or HTTP/2 where TLS negotiates it. A call
//! is one attempt with a bounded answer; what the answer means is the exporter's business, with
//! [`retry_after`] and [`status_error`] for what they have in common.

use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::header::{HeaderName, HeaderValue, RETRY_AFTER, USER_AGENT};
use http::{HeaderMap, Request, Response, StatusCode, Uri};
use http_body_util::{BodyExt, Full, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use serde::Deserialize;
use spindle_config::Check;
use spindle_config::types::{self, ClientTls, ClientUrl, Headers};
use spindle_pipeline::component::BuildContext;
use spindle_pipeline::error::{BuildError, Code, ExportError};
use spindle_pipeline::net::compression::Encoding;
use spindle_pipeline::net::tls;

use crate::otlp_grpc::check_compression;

/// What is read of an answer; error texts are shorter.
const MAX_RESPONSE: usize = 64 * 1024;
/// Compression of bodies above this is done beside the event loop.
const LARGE: usize = 64 * 1024;

/// The keys that all HTTP exporters share, without endpoint, timeout and compression, whose defaults
/// differ.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct HttpClientKeys {
    /// TLS towards `https://` endpoints.
    pub tls: ClientTls,
    /// Headers of every request.
    pub headers: Headers,
    /// Connections kept for reuse, in all. Default 100.
    pub max_idle_conns: usize,
    /// Connections kept for reuse to one host. Default 0, which is as many as in all.
    pub max_idle_conns_per_host: usize,
    /// How long an unused connection is kept. Default 90s; 0 is for ever.
    pub idle_conn_timeout: types::Duration,
    /// A connection for each request. Default false.
    pub disable_keep_alives: bool,
}

impl Default for HttpClientKeys {
    fn default() -> Self {
        Self {
            tls: ClientTls::default(),
            headers: Headers::default(),
            max_idle_conns: 100,
            max_idle_conns_per_host: 0,
            idle_conn_timeout: types::Duration::from_secs(90),
            disable_keep_alives: false,
        }
    }
}

/// How request bodies are compressed.
#[derive(Clone, Copy, Debug, Default)]
pub struct BodyCompression {
    /// By which algorithm.
    pub encoding: Encoding,
    /// How hard.
    pub level: Option<i32>,
}

impl BodyCompression {
    /// From the keys `compression` and `compression_params`; the check has refused what is unknown.
    pub fn from_keys(name: &str, level: Option<i32>) -> Self {
        let encoding = match name {
            "" | "none" => Encoding::Identity,
            name => Encoding::from_name(name).unwrap_or_default(),
        };
        Self { encoding, level }
    }

    /// Compresses a body, beside the event loop if it is large.
    pub async fn apply(self, body: Bytes) -> Result<Bytes, ExportError> {
        let Self { encoding, level } = self;
        if encoding == Encoding::Identity {
            return Ok(body);
        }
        let compressed = if body.len() > LARGE {
            tokio::task::spawn_blocking(move || encoding.compress(&body, level))
                .await
                .map_err(|failure| ExportError::new(Code::Internal, failure.to_string()))?
        } else {
            encoding.compress(&body, level)
        };
        compressed.map(Bytes::from).map_err(|error| ExportError::new(Code::Internal, error.to_string()))
    }
}

/// Checks `endpoint`, which must have a scheme and a host.
pub fn check_url(key: &str, endpoint: &str, check: &mut Check<'_>) {
    match ClientUrl::parse(endpoint) {
        Err(message) => check.error(key, message),
        Ok(url) if url.scheme.is_none() => {
            check.error(key, "the endpoint must be a URL with http:// or https://");
        }
        Ok(_) => {}
    }
}

/// Checks the shared keys and `compression`.
pub fn check_keys(keys: &HttpClientKeys, compression: &str, check: &mut Check<'_>) {
    check_compression(compression, check);
    keys.tls.validate(&mut check.below("tls"));
}

/// A client and the headers of its requests.
pub struct HttpClient {
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    headers: HeaderMap,
}

impl HttpClient {
    /// A client; connects on the first call. `reserved` are headers that users may not set.
    pub fn new(
        keys: &HttpClientKeys,
        reserved: &[HeaderName],
        context: &BuildContext,
    ) -> Result<Self, BuildError> {
        let tls = tls::client(&keys.tls, "tls")?;
        let connector = HttpsConnectorBuilder::new().with_tls_config(tls).https_or_http();
        let connector = match keys.tls.server_name_override.as_str() {
            "" => connector,
            name => {
                let name = rustls_pki_types::ServerName::try_from(name.to_owned()).map_err(|_| {
                    BuildError::new("tls::server_name_override", "this cannot be the name of a TLS server")
                })?;
                connector.with_server_name_resolver(hyper_rustls::FixedServerNameResolver::new(name))
            }
        };
        let connector = connector.enable_all_versions().wrap_connector(http_connector());
        let idle = if keys.max_idle_conns_per_host == 0 {
            keys.max_idle_conns
        } else {
            keys.max_idle_conns_per_host
        };
        let timeout = (!keys.idle_conn_timeout.is_zero()).then(|| keys.idle_conn_timeout.get());
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(timeout)
            .pool_max_idle_per_host(if keys.disable_keep_alives { 0 } else { idle })
            .build(connector);
        Ok(Self { client, headers: headers(keys, reserved, context)? })
    }

    /// Makes one call.
    pub async fn post(&self, request: Request<Bytes>) -> Result<Response<Bytes>, ExportError> {
        let (mut parts, body) = request.into_parts();
        for (name, value) in &self.headers {
            if !parts.headers.contains_key(name) {
                parts.headers.insert(name, value.clone());
            }
        }
        let response =
            self.client.request(Request::from_parts(parts, Full::new(body))).await.map_err(|error| {
                ExportError::new(
                    Code::Unavailable,
                    format!("failed to make an HTTP request: {}", chain(&error)),
                )
            })?;
        let (parts, incoming) = response.into_parts();
        let body = match Limited::new(incoming, MAX_RESPONSE).collect().await {
            Ok(collected) => collected.to_bytes(),
            // What stands behind a long answer does not change what it says.
            Err(error) if error.is::<http_body_util::LengthLimitError>() => Bytes::new(),
            Err(error) => {
                return Err(ExportError::new(
                    Code::Unavailable,
                    format!("failed to read the response: {error}"),
                ));
            }
        };
        Ok(Response::from_parts(parts, body))
    }
}

fn http_connector() -> HttpConnector {
    let mut connector = HttpConnector::new();
    connector.set_nodelay(true);
    connector.enforce_http(false);
    connector.set_connect_timeout(Some(Duration::from_secs(10)));
    connector
}

/// An error with its causes: hyper says "client error (Connect)" and keeps the reason to itself.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}

/// What this program calls itself.
pub fn user_agent(context: &BuildContext) -> String {
    let (system, architecture) = (std::env::consts::OS, std::env::consts::ARCH);
    format!("{}/{} ({system}/{architecture})", context.build.name, context.build.version)
}

/// Where requests go: a URL without user and password, and the header that these make.
#[derive(Clone, Debug)]
pub struct Target {
    /// The URL.
    pub uri: Uri,
    /// `Authorization`, if the URL names a user.
    pub authorization: Option<HeaderValue>,
}

impl Target {
    /// Reads the URL that is written at `key` and was checked by [`check_url`].
    pub fn parse(key: &str, endpoint: &str) -> Result<Self, BuildError> {
        let invalid = |message: String| BuildError::new(key, message);
        let url = ClientUrl::parse(endpoint).map_err(invalid)?;
        let path = match url.path.as_str() {
            "" => "/".to_owned(),
            path if path.starts_with('/') => path.to_owned(),
            query => format!("/{query}"),
        };
        let uri = Uri::builder()
            .scheme(url.scheme.as_deref().unwrap_or("http"))
            .authority(url.authority())
            .path_and_query(path)
            .build()
            .map_err(|error| invalid(error.to_string()))?;
        let authorization = url.userinfo.as_ref().and_then(|userinfo| basic_authorization(userinfo.expose()));
        Ok(Self { uri, authorization })
    }
}

/// The header for `user:password` as a URL has it, percent-encoded.
fn basic_authorization(userinfo: &str) -> Option<HeaderValue> {
    let decode = |text: &str| percent_encoding::percent_decode_str(text).collect::<Vec<u8>>();
    let (user, password) = userinfo.split_once(':').unwrap_or((userinfo, ""));
    let pair = [decode(user), decode(password)].join(&b':');
    let encoded = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, pair);
    let mut value = HeaderValue::try_from(format!("Basic {encoded}")).ok()?;
    value.set_sensitive(true);
    Some(value)
}

fn headers(
    keys: &HttpClientKeys,
    reserved: &[HeaderName],
    context: &BuildContext,
) -> Result<HeaderMap, BuildError> {
    let mut headers = HeaderMap::new();
    if let Ok(agent) = HeaderValue::try_from(user_agent(context)) {
        headers.insert(USER_AGENT, agent);
    }
    for (name, value) in keys.headers.iter() {
        let key = format!("headers::{name}");
        let name = HeaderName::try_from(name.to_ascii_lowercase())
            .map_err(|_| BuildError::new(&key, format!("\"{name}\" cannot be a header's name")))?;
        if reserved.contains(&name) {
            return Err(BuildError::new(
                &key,
                format!("the header {name} belongs to the protocol and cannot be set"),
            ));
        }
        let mut value = HeaderValue::try_from(value.expose())
            .map_err(|_| BuildError::new(&key, "this value cannot stand in a header"))?;
        value.set_sensitive(true);
        headers.insert(name, value);
    }
    Ok(headers)
}

/// The `Retry-After` of an answer: seconds, or a date.
pub fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse::<u64>() {
        return Some(Duration::from_secs(seconds));
    }
    let date = httpdate::parse_http_date(text).ok()?;
    Some(date.duration_since(SystemTime::now()).unwrap_or_default())
}

/// An unsuccessful answer as an error: retried by its status, not before `Retry-After`.
pub fn status_error(status: StatusCode, headers: &HeaderMap, message: &str) -> ExportError {
    let code = Code::from_http(status);
    let text = match message.trim() {
        "" => format!("HTTP status {status}"),
        message => format!("HTTP status {status}: {message}"),
    };
    let error = ExportError::new(code, text);
    let is_throttled = matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE);
    match retry_after(headers) {
        Some(delay) if is_throttled => error.retry_after(delay),
        _ => error,
    }
}
