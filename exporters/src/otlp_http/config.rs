//! The keys of the `otlp_http` exporter, with the Collector's names and defaults.

use serde::Deserialize;
use spindle_config::types::{ClientTls, Duration, Headers, Optional};
use spindle_config::{Check, Diagnostic};
use spindle_pipeline::Signal;
use spindle_pipeline::auth::{AuthConfig, AuthenticatorUse};
use spindle_pipeline::component::ComponentConfig;
use spindle_pipeline::export::{self, QueueConfig, RetryConfig};

use crate::support::auth::{Middleware, authenticators};
use crate::support::compression::{BodyCompression, CompressionParams, check_compression};
use crate::support::http::{Cookies, HttpClientKeys, check_keys, check_url};

/// Headers that this exporter writes itself, in lower case.
pub(super) const PROTOCOL_HEADERS: [&str; 2] = ["content-encoding", "content-type"];

/// The exporter's keys.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Where to send: a URL, to which `/v1/traces`, `/v1/metrics` or `/v1/logs` is added. This or the URLs
    /// of the signals are required.
    pub endpoint: String,
    /// Where to send traces instead: a whole URL.
    pub traces_endpoint: String,
    /// Where to send metrics instead: a whole URL.
    pub metrics_endpoint: String,
    /// Where to send logs instead: a whole URL.
    pub logs_endpoint: String,
    /// Accepted for the Collector's sake; there are no profiles here.
    pub profiles_endpoint: String,
    /// `proto` (default) or `json`.
    pub encoding: String,
    /// gzip (default), zstd, snappy, zlib, deflate, lz4 or none.
    pub compression: String,
    /// How hard to compress.
    pub compression_params: CompressionParams,
    /// How long one attempt may take. Default 30s; 0 is for ever.
    pub timeout: Duration,
    /// How failed attempts are repeated.
    pub retry_on_failure: RetryConfig,
    /// The queue in front of it.
    pub sending_queue: Optional<QueueConfig>,
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
    pub idle_conn_timeout: Duration,
    /// A connection for each request. Default false.
    pub disable_keep_alives: bool,
    /// Ping an HTTP/2 connection on which nothing has come for this long. Default 0, never.
    pub http2_read_idle_timeout: Duration,
    /// Close it when no answer to the ping comes within this. Default 0, which is 15s.
    pub http2_ping_timeout: Duration,
    /// Offer HTTP/2 to TLS servers. Default true.
    pub force_attempt_http2: bool,
    /// Not built yet.
    pub proxy_url: String,
    /// Not built yet; accepted when it is off.
    pub cookies: Cookies,
    /// Not built yet.
    pub auth: Option<AuthConfig>,
    /// Not built yet.
    pub middlewares: Vec<Middleware>,
    /// Accepted for the Collector's sake; buffers grow as they are needed.
    pub read_buffer_size: u64,
    /// Accepted for the Collector's sake; buffers grow as they are needed.
    pub write_buffer_size: u64,
}

/// What `encoding` names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PayloadEncoding {
    /// Protobuf.
    Proto,
    /// OTLP/JSON.
    Json,
}

impl PayloadEncoding {
    fn from_name(name: &str) -> Option<Self> {
        match name {
            "proto" => Some(Self::Proto),
            "json" => Some(Self::Json),
            _ => None,
        }
    }

    /// Its media type.
    pub const fn content_type(self) -> &'static str {
        match self {
            Self::Proto => "application/x-protobuf",
            Self::Json => "application/json",
        }
    }
}

impl Default for Config {
    fn default() -> Self {
        let keys = HttpClientKeys::default();
        Self {
            endpoint: String::new(),
            traces_endpoint: String::new(),
            metrics_endpoint: String::new(),
            logs_endpoint: String::new(),
            profiles_endpoint: String::new(),
            encoding: "proto".to_owned(),
            compression: "gzip".to_owned(),
            compression_params: CompressionParams::default(),
            timeout: Duration::from_secs(30),
            retry_on_failure: RetryConfig::default(),
            sending_queue: Optional::Present(QueueConfig::default()),
            tls: keys.tls,
            headers: keys.headers,
            max_idle_conns: keys.max_idle_conns,
            max_idle_conns_per_host: keys.max_idle_conns_per_host,
            max_conns_per_host: keys.max_conns_per_host,
            idle_conn_timeout: keys.idle_conn_timeout,
            disable_keep_alives: keys.disable_keep_alives,
            http2_read_idle_timeout: keys.http2_read_idle_timeout,
            http2_ping_timeout: keys.http2_ping_timeout,
            force_attempt_http2: keys.force_attempt_http2,
            proxy_url: keys.proxy_url,
            cookies: keys.cookies,
            auth: keys.auth,
            middlewares: keys.middlewares,
            read_buffer_size: keys.read_buffer_size,
            write_buffer_size: 512 * 1024,
        }
    }
}

impl Config {
    /// The keys of the client.
    pub(super) fn client(&self) -> HttpClientKeys {
        HttpClientKeys {
            tls: self.tls.clone(),
            headers: self.headers.clone(),
            max_idle_conns: self.max_idle_conns,
            max_idle_conns_per_host: self.max_idle_conns_per_host,
            max_conns_per_host: self.max_conns_per_host,
            idle_conn_timeout: self.idle_conn_timeout,
            disable_keep_alives: self.disable_keep_alives,
            http2_read_idle_timeout: self.http2_read_idle_timeout,
            http2_ping_timeout: self.http2_ping_timeout,
            force_attempt_http2: self.force_attempt_http2,
            proxy_url: self.proxy_url.clone(),
            cookies: self.cookies,
            auth: self.auth.clone(),
            middlewares: self.middlewares.clone(),
            read_buffer_size: self.read_buffer_size,
            write_buffer_size: self.write_buffer_size,
        }
    }

    pub(super) fn body_compression(&self) -> BodyCompression {
        BodyCompression::from_keys(&self.compression, self.compression_params)
    }

    pub(super) fn payload_encoding(&self) -> PayloadEncoding {
        PayloadEncoding::from_name(&self.encoding).unwrap_or(PayloadEncoding::Proto)
    }

    /// The key of a signal's own URL, and that URL.
    fn own_url(&self, signal: Signal) -> (&'static str, &str) {
        match signal {
            Signal::Traces => ("traces_endpoint", &self.traces_endpoint),
            Signal::Metrics => ("metrics_endpoint", &self.metrics_endpoint),
            Signal::Logs => ("logs_endpoint", &self.logs_endpoint),
        }
    }

    /// Where a signal is sent: its own URL as it is, else the common one with its path. The error names what
    /// is missing.
    pub(super) fn url(&self, signal: Signal) -> Result<String, String> {
        match (self.own_url(signal), self.endpoint.as_str()) {
            ((key, ""), "") => Err(format!("either endpoint or {key} must be specified")),
            ((_, ""), endpoint) => {
                Ok(format!("{}/v1/{signal}", endpoint.strip_suffix('/').unwrap_or(endpoint)))
            }
            ((_, own), _) => Ok(own.to_owned()),
        }
    }
}

impl ComponentConfig for Config {
    fn validate(&self, check: &mut Check<'_>) {
        let own_urls = Signal::ALL.map(|signal| self.own_url(signal));
        let urls = [("endpoint", self.endpoint.as_str())].into_iter().chain(own_urls);
        let mut is_given = false;
        for (key, url) in urls.filter(|(_, url)| !url.is_empty()) {
            is_given = true;
            check_url(key, url, check);
        }
        if !is_given {
            check.error("", "at least one endpoint must be specified");
        }
        if !self.profiles_endpoint.is_empty() {
            check.warning("profiles_endpoint", "profiles are not built into this version of spindle yet");
        }
        if PayloadEncoding::from_name(&self.encoding).is_none() {
            let problem = Diagnostic::error(format!("invalid encoding type: {}", self.encoding));
            check.report("encoding", problem.note("supported: `proto`, `json`"));
        }
        check_compression(&self.compression, self.compression_params, check);
        check_keys(&self.client(), &PROTOCOL_HEADERS, check);
        export::validate(&self.retry_on_failure, &self.sending_queue, check);
    }

    fn authenticators(&self) -> Vec<AuthenticatorUse> {
        authenticators("", self.auth.as_ref())
    }

    fn validate_for(&self, signal: Signal, check: &mut Check<'_>) {
        // That there is none at all is told already.
        let has_any = Signal::ALL.into_iter().any(|signal| !self.own_url(signal).1.is_empty());
        if let (true, Err(missing)) = (has_any, self.url(signal)) {
            check.error("", missing);
        }
    }
}
