//! The keys of the HTTP client, which may stand in a block `http` or, as before, beside the others.

use serde::Deserialize;
use spindle_config::Check;
use spindle_config::types::{ClientTls, Duration, Headers};
use spindle_pipeline::auth::AuthConfig;

use crate::support::auth::Middleware;
use crate::support::compression::CompressionParams;
use crate::support::http::{Cookies, HttpClientKeys, check_keys, check_url};

/// Headers that this exporter writes itself, in lower case.
pub(crate) const PROTOCOL_HEADERS: [&str; 4] =
    ["content-encoding", "content-type", "user-agent", "x-prometheus-remote-write-version"];

/// The keys of the HTTP client (`confighttp` of the Collector).
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ClientKeys {
    /// The URL to write to, for Prometheus `http://host:9090/api/v1/write`. Required. User and password in it
    /// become an `Authorization` header.
    pub endpoint: String,
    /// How long one attempt may take. Default 5s; 0 is without a bound.
    pub timeout: Duration,
    /// `snappy` or nothing: remote write knows no other.
    pub compression: String,
    /// Accepted for the Collector's sake; Snappy has no levels.
    pub compression_params: CompressionParams,
    /// TLS towards `https://` endpoints.
    pub tls: ClientTls,
    /// Headers of every request. Those of the protocol cannot be changed.
    pub headers: Headers,
    /// Not built yet.
    pub proxy_url: String,
    /// Not built yet.
    pub auth: Option<AuthConfig>,
    /// Not built yet.
    pub middlewares: Vec<Middleware>,
    /// Not built yet.
    pub cookies: Cookies,
    /// Accepted for the Collector's sake; buffers grow as they are needed.
    pub read_buffer_size: u64,
    /// Accepted for the Collector's sake; buffers grow as they are needed.
    pub write_buffer_size: u64,
    /// Connections kept for reuse, in all. Default 100.
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
}

impl Default for ClientKeys {
    fn default() -> Self {
        let shared = HttpClientKeys::default();
        Self {
            endpoint: String::new(),
            timeout: Duration::from_secs(5),
            compression: String::new(),
            compression_params: CompressionParams::default(),
            tls: shared.tls,
            headers: shared.headers,
            proxy_url: String::new(),
            auth: None,
            middlewares: Vec::new(),
            cookies: shared.cookies,
            read_buffer_size: 0,
            write_buffer_size: 512 * 1024,
            max_idle_conns: shared.max_idle_conns,
            max_idle_conns_per_host: shared.max_idle_conns_per_host,
            max_conns_per_host: 0,
            idle_conn_timeout: shared.idle_conn_timeout,
            disable_keep_alives: shared.disable_keep_alives,
            http2_read_idle_timeout: Duration::ZERO,
            http2_ping_timeout: Duration::ZERO,
            force_attempt_http2: true,
        }
    }
}

impl ClientKeys {
    /// The keys that the shared client knows.
    pub(crate) fn shared(&self) -> HttpClientKeys {
        HttpClientKeys {
            tls: self.tls.clone(),
            headers: self.headers.clone(),
            max_idle_conns: self.max_idle_conns,
            max_idle_conns_per_host: self.max_idle_conns_per_host,
            idle_conn_timeout: self.idle_conn_timeout,
            max_conns_per_host: self.max_conns_per_host,
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

    /// Whether a header is configured.
    pub(crate) fn has_header(&self, name: &str) -> bool {
        self.headers.iter().any(|(other, _)| other.eq_ignore_ascii_case(name))
    }

    /// What cannot be; `check` stands where the keys stand.
    pub(super) fn validate(&self, check: &mut Check<'_>) {
        if self.endpoint.trim().is_empty() {
            check.error("endpoint", "requires a non-empty \"endpoint\"");
        } else {
            check_url("endpoint", &self.endpoint, check);
        }
        if !matches!(self.compression.as_str(), "" | "snappy") {
            check.error("compression", "compression type must be snappy");
        }
        check_keys(&self.shared(), &PROTOCOL_HEADERS, check);
    }
}
