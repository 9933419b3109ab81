//! An HTTP client for exporters, and the keys that describe it (`confighttp` of the Collector).
//!
//! * Connections are pooled and made on demand, over HTTP/1.1, or HTTP/2 where TLS negotiates it.
//! * A call is one attempt with a bounded answer; what the answer means is the exporter's business, with
//!   [`retry_after`] and [`answer_error`] for what they have in common.
//! * A call that is given up after waiting for an answer in vain closes its connection to further calls: the
//!   other end may be gone.
//! * User and password of a URL become an `Authorization` header ([`Target`]) and appear nowhere else.
//! * Each call is signed by the authenticator of the key `auth`, over everything that is configured.
//! * Redirects are not followed. Proxies are used as `proxy` says.

mod proxy;
#[cfg(test)]
pub(super) mod tests;

use std::borrow::Cow;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::{Bytes, BytesMut};
use http::header::{HeaderValue, PROXY_AUTHORIZATION, RETRY_AFTER, USER_AGENT};
use http::{Extensions, HeaderMap, Request, Response, StatusCode, Uri};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper_rustls::{FixedServerNameResolver, HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::{CaptureConnection, HttpConnector, capture_connection};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use percent_encoding::percent_decode_str;
use serde::Deserialize;
use spindle_config::Check;
use spindle_config::types::{self, ClientTls, ClientUrl, Headers};
use spindle_pipeline::auth::{self, AuthConfig};
use spindle_pipeline::component::BuildContext;
use spindle_pipeline::error::{BuildError, Code, ExportError};
use spindle_pipeline::net::tls;
use spindle_pipeline::{Batch, RequestContext};
use tokio::sync::Semaphore;
use tokio::time::Instant;

use super::auth::{Middleware, Signer, check_middlewares};
use super::headers;
use super::target::{CONNECT_TIMEOUT, KEEP_ALIVE, PATIENCE};
use proxy::{Proxies, ProxyConnector};

/// What is read of an answer; error texts are shorter. The Collector's own bound.
const MAX_RESPONSE: usize = 64 * 1024;
/// The longest wait that an answer can ask for.
const MAX_RETRY_AFTER: Duration = Duration::from_hours(24);
/// Go's default for the answer to a ping.
const PING_TIMEOUT: Duration = Duration::from_secs(15);

/// The keys that all HTTP exporters share, without endpoint, timeout and compression, whose defaults
/// differ.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct HttpClientKeys {
    /// TLS towards `https://` endpoints.
    pub tls: ClientTls,
    /// Headers of every request.
    pub headers: Headers,
    /// Connections kept for reuse. Default 100; 0 is without a limit.
    pub max_idle_conns: usize,
    /// Connections kept for reuse to one host. Default 0, which is as many as in all.
    pub max_idle_conns_per_host: usize,
    /// Requests on their way at once, which is connections for HTTP/1.1. Default 0, without a limit.
    pub max_conns_per_host: usize,
    /// How long an unused connection is kept. Default 90s; 0 is for ever.
    pub idle_conn_timeout: types::Duration,
    /// A connection for each request. Default false.
    pub disable_keep_alives: bool,
    /// Ping an HTTP/2 connection on which nothing has come for this long. Default 0, never.
    pub http2_read_idle_timeout: types::Duration,
    /// Close it when no answer to the ping comes within this. Default 0, which is 15s.
    pub http2_ping_timeout: types::Duration,
    /// Offer HTTP/2 to TLS servers. Default true.
    pub force_attempt_http2: bool,
    /// A proxy, `http://[user:password@]host:port`, for all requests. Without it the environment's count.
    pub proxy_url: String,
    /// Not built yet.
    pub cookies: Cookies,
    /// The extension that signs requests.
    pub auth: Option<AuthConfig>,
    /// Not built yet.
    pub middlewares: Vec<Middleware>,
    /// Accepted for the Collector's sake; buffers grow as they are needed.
    pub read_buffer_size: u64,
    /// Accepted for the Collector's sake; buffers grow as they are needed.
    pub write_buffer_size: u64,
}

impl Default for HttpClientKeys {
    fn default() -> Self {
        Self {
            tls: ClientTls::default(),
            headers: Headers::default(),
            max_idle_conns: 100,
            max_idle_conns_per_host: 0,
            max_conns_per_host: 0,
            idle_conn_timeout: types::Duration::from_secs(90),
            disable_keep_alives: false,
            http2_read_idle_timeout: types::Duration::ZERO,
            http2_ping_timeout: types::Duration::ZERO,
            force_attempt_http2: true,
            proxy_url: String::new(),
            cookies: Cookies::default(),
            auth: None,
            middlewares: Vec::new(),
            read_buffer_size: 0,
            write_buffer_size: 0,
        }
    }
}

/// `cookies`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Cookies {
    /// Send back what a server sets. Not built yet.
    pub enabled: bool,
}

/// Checks `endpoint`, which must have a scheme and a host.
pub fn check_url(key: &str, endpoint: &str, check: &mut Check<'_>) {
    match ClientUrl::parse(endpoint) {
        Err(message) => check.error(key, message),
        Ok(url) if url.scheme.is_none() => {
            check.error(key, "the endpoint must be a URL with http:// or https://");
        }
        Ok(_) if endpoint.parse::<Uri>().is_err() => check.error(key, format!("{key} must be a valid URL")),
        Ok(_) => {}
    }
}

/// Checks the shared keys. `protocol` are headers that users cannot set ([`headers`]).
pub fn check_keys(keys: &HttpClientKeys, protocol: &[&str], check: &mut Check<'_>) {
    headers::check_headers(&keys.headers, protocol, check);
    keys.tls.validate(&mut check.below("tls"));
    check_middlewares(&keys.middlewares, check);
    if !keys.proxy_url.is_empty()
        && let Err(message) = proxy::check(&keys.proxy_url)
    {
        check.error("proxy_url", message);
    }
    if keys.cookies.enabled {
        check.error("cookies::enabled", "cookies are not built into this version of spindle yet");
    }
}

/// A client and the headers of its requests.
pub struct HttpClient {
    client: Client<HttpsConnector<ProxyConnector>, Full<Bytes>>,
    headers: HeaderMap,
    proxies: Proxies,
    signer: Signer,
    /// A permit for each request that may be on its way.
    slots: Option<Semaphore>,
}

impl HttpClient {
    /// A client; connects on the first call. `protocol` are headers that users cannot set ([`headers`]).
    pub fn new(
        keys: &HttpClientKeys,
        protocol: &'static [&'static str],
        context: &BuildContext,
    ) -> Result<Self, BuildError> {
        let proxies = Proxies::new(&keys.proxy_url, |name| std::env::var(name).ok())?;
        let connector = connector(keys, proxies.clone())?;
        let mut builder = Client::builder(TokioExecutor::new());
        builder
            .timer(TokioTimer::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout((!keys.idle_conn_timeout.is_zero()).then(|| keys.idle_conn_timeout.get()))
            .pool_max_idle_per_host(most_idle(keys));
        if !keys.http2_read_idle_timeout.is_zero() {
            let timeout = keys.http2_ping_timeout;
            builder
                .http2_keep_alive_interval(keys.http2_read_idle_timeout.get())
                .http2_keep_alive_timeout(if timeout.is_zero() { PING_TIMEOUT } else { timeout.get() })
                .http2_keep_alive_while_idle(true);
        }
        let mut headers = headers::from_keys(&keys.headers, protocol)?;
        if let (false, Ok(agent)) =
            (headers.contains_key(USER_AGENT), HeaderValue::try_from(headers::user_agent(context)))
        {
            headers.insert(USER_AGENT, agent);
        }
        let slots = match keys.max_conns_per_host {
            0 => None,
            most => Some(Semaphore::new(most.min(Semaphore::MAX_PERMITS))),
        };
        let signer = Signer::new(keys.auth.as_ref(), protocol, context)?;
        Ok(Self { client: builder.build(connector), headers, proxies, signer, slots })
    }

    /// Makes one call. Configured headers are added where the request has none of that name; the authenticator
    /// has the last word, and is told of the client by the `Arc<RequestContext>` among the request's extensions.
    ///
    /// The body of the answer ends after 64 KiB, or where the connection broke: its status is what counts.
    pub async fn post(&self, request: Request<Bytes>) -> Result<Response<Bytes>, ExportError> {
        let _slot = match &self.slots {
            // Nobody closes it.
            Some(slots) => slots.acquire().await.ok(),
            None => None,
        };
        let (mut parts, body) = request.into_parts();
        for (name, value) in &self.headers {
            if !parts.headers.contains_key(name) {
                parts.headers.insert(name, value.clone());
            }
        }
        let context = parts.extensions.remove::<Arc<RequestContext>>();
        self.signer.sign(&mut parts.headers, context.as_deref())?;
        if let Some(authorization) = self.proxies.authorization(&parts.uri) {
            parts.headers.insert(PROXY_AUTHORIZATION, authorization);
        }
        let uri = parts.uri.clone();
        let mut request = Request::from_parts(parts, Full::new(body));
        let mut waiting =
            Waiting { connection: Some(capture_connection(&mut request)), since: Instant::now() };
        let response = self.client.request(request).await;
        waiting.connection = None;
        let response = response.map_err(|error| {
            let text = format!("failed to make an HTTP request: Post \"{}\": {}", shown(&uri), chain(&error));
            ExportError::new(Code::Unavailable, text)
        })?;
        let (parts, incoming) = response.into_parts();
        Ok(Response::from_parts(parts, read(incoming).await))
    }
}

/// A call that waits for its answer. Dropped without one after a while, its connection takes no further
/// calls.
struct Waiting {
    connection: Option<CaptureConnection>,
    since: Instant,
}

impl Drop for Waiting {
    fn drop(&mut self) {
        if let Some(captured) = self.connection.take()
            && self.since.elapsed() >= PATIENCE
            && let Some(connection) = captured.connection_metadata().as_ref()
        {
            connection.poison();
        }
    }
}

async fn read(mut incoming: Incoming) -> Bytes {
    let mut collected = BytesMut::new();
    while let Some(Ok(frame)) = incoming.frame().await {
        let Ok(data) = frame.into_data() else { continue };
        let room = MAX_RESPONSE - collected.len();
        collected.extend_from_slice(&data[..data.len().min(room)]);
        if data.len() > room {
            break;
        }
    }
    collected.freeze()
}

fn connector(keys: &HttpClientKeys, proxies: Proxies) -> Result<HttpsConnector<ProxyConnector>, BuildError> {
    let builder =
        HttpsConnectorBuilder::new().with_tls_config(tls::client(&keys.tls, "tls")?).https_or_http();
    let builder = match keys.tls.server_name_override.as_str() {
        "" => builder,
        name => {
            let name = rustls_pki_types::ServerName::try_from(name.to_owned()).map_err(|_| {
                BuildError::new("tls::server_name_override", "this cannot be the name of a TLS server")
            })?;
            builder.with_server_name_resolver(FixedServerNameResolver::new(name))
        }
    };
    let mut tcp = HttpConnector::new();
    tcp.set_nodelay(true);
    tcp.enforce_http(false);
    tcp.set_connect_timeout(Some(CONNECT_TIMEOUT));
    tcp.set_keepalive(Some(KEEP_ALIVE));
    tcp.set_keepalive_interval(Some(KEEP_ALIVE));
    let connector = ProxyConnector { tcp, proxies };
    Ok(if keys.force_attempt_http2 {
        builder.enable_all_versions().wrap_connector(connector)
    } else {
        builder.enable_http1().wrap_connector(connector)
    })
}

fn most_idle(keys: &HttpClientKeys) -> usize {
    // Zero is "without a limit" for users and "none" for the pool.
    let limit = |most: usize| if most == 0 { usize::MAX } else { most };
    if keys.disable_keep_alives {
        return 0;
    }
    limit(keys.max_idle_conns).min(limit(keys.max_idle_conns_per_host))
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
        let invalid = || BuildError::new(key, format!("{key} must be a valid URL"));
        let mut parts = endpoint.parse::<Uri>().map_err(|_| invalid())?.into_parts();
        let mut authorization = None;
        if let Some((userinfo, host)) =
            parts.authority.as_ref().and_then(|authority| authority.as_str().rsplit_once('@'))
        {
            authorization = basic_authorization(userinfo);
            parts.authority = Some(host.parse().map_err(|_| invalid())?);
        }
        Ok(Self { uri: Uri::from_parts(parts).map_err(|_| invalid())?, authorization })
    }
}

/// The header for `user:password` as a URL has it, percent-encoded.
fn basic_authorization(userinfo: &str) -> Option<HeaderValue> {
    let (user, password) = userinfo.split_once(':').unwrap_or((userinfo, ""));
    let decode = |text| Cow::from(percent_decode_str(text));
    auth::basic(&decode(user), &decode(password)).ok()
}

/// Where [`HttpClient::post`] looks for the client whose data it sends.
pub fn context_of(batch: &Batch) -> Extensions {
    let mut extensions = Extensions::new();
    if let Some(context) = batch.context() {
        extensions.insert(Arc::clone(context));
    }
    extensions
}

/// A URL as it may be shown: without its query, which may carry secrets.
pub fn shown(uri: &Uri) -> String {
    let host = uri.authority().map_or("", http::uri::Authority::as_str);
    format!("{}://{host}{}", uri.scheme_str().unwrap_or("http"), uri.path())
}

/// An error with its causes: hyper says "client error (Connect)" and keeps the reason to itself.
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}

/// The `Retry-After` of an answer: seconds, or a date. At most a day.
pub fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    let delay = if let Ok(seconds) = text.parse::<u64>() {
        Duration::from_secs(seconds)
    } else {
        let date = httpdate::parse_http_date(text).ok()?;
        date.duration_since(SystemTime::now()).unwrap_or_default()
    };
    Some(delay.min(MAX_RETRY_AFTER))
}

/// An unsuccessful answer as an error with this text: retried by its status, not before `Retry-After`; 413 is
/// "too large".
pub fn answer_error(status: StatusCode, headers: &HeaderMap, text: String) -> ExportError {
    if status == StatusCode::PAYLOAD_TOO_LARGE {
        return ExportError::too_large(text);
    }
    let error = ExportError::new(Code::from_http(status), text);
    let is_throttled = matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE);
    match retry_after(headers) {
        Some(delay) if is_throttled => error.retry_after(delay),
        _ => error,
    }
}
