//! The keys of the `otlp_grpc` exporter, with the Collector's names and defaults.

use http::HeaderValue;
use http::uri::Authority;
use serde::Deserialize;
use spindle_config::types::{ClientTls, ClientUrl, Duration, Headers, Optional};
use spindle_config::{Check, Diagnostic};
use spindle_pipeline::auth::{AuthConfig, AuthenticatorUse};
use spindle_pipeline::component::ComponentConfig;
use spindle_pipeline::export::{self, QueueConfig, RetryConfig};

use crate::support::auth::{Middleware, authenticators, check_middlewares};
use crate::support::compression::{BodyCompression, CompressionParams, check_compression};
use crate::support::grpc::Pings;
use crate::support::headers::check_headers;
use crate::support::target::Host;

/// Headers that this exporter writes itself, in lower case.
pub(super) const PROTOCOL_HEADERS: [&str; 6] =
    ["content-encoding", "content-type", "grpc-encoding", "grpc-timeout", "te", "user-agent"];

/// The exporter's keys.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Where to send: `host:port`, `http://host:port` (without TLS), `https://host:port`,
    /// `dns:///host:port` or `unix:///path`. Required.
    pub endpoint: String,
    /// gzip (default), zstd, snappy, zlib, deflate, lz4 or none.
    pub compression: String,
    /// How hard to compress.
    pub compression_params: CompressionParams,
    /// TLS, on unless `insecure: true` or the endpoint starts with `http://`.
    pub tls: ClientTls,
    /// Pings on quiet connections, off unless written.
    pub keepalive: Option<ClientKeepalive>,
    /// Accepted for the Collector's sake; buffers grow as they are needed.
    pub read_buffer_size: u64,
    /// Accepted for the Collector's sake; buffers grow as they are needed.
    pub write_buffer_size: u64,
    /// Accepted for the Collector's sake; a call to a server that is down fails and is retried.
    pub wait_for_ready: bool,
    /// Headers of every request.
    pub headers: Headers,
    /// `round_robin` (default): all addresses of the name in turn; `pick_first`: the first that works.
    pub balancer_name: String,
    /// The `:authority` of requests instead of the endpoint.
    pub authority: String,
    /// The `user-agent` of requests.
    pub user_agent: String,
    /// The extension that signs requests.
    pub auth: Option<AuthConfig>,
    /// Not built yet.
    pub middlewares: Vec<Middleware>,
    /// How long one attempt may take. Default 5s.
    pub timeout: Duration,
    /// How failed attempts are repeated.
    pub retry_on_failure: RetryConfig,
    /// The queue in front of it.
    pub sending_queue: Optional<QueueConfig>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            endpoint: String::new(),
            compression: "gzip".to_owned(),
            compression_params: CompressionParams::default(),
            tls: ClientTls::default(),
            keepalive: None,
            read_buffer_size: 0,
            write_buffer_size: 512 * 1024,
            wait_for_ready: false,
            headers: Headers::default(),
            balancer_name: "round_robin".to_owned(),
            authority: String::new(),
            user_agent: String::new(),
            auth: None,
            middlewares: Vec::new(),
            timeout: Duration::from_secs(5),
            retry_on_failure: RetryConfig::default(),
            sending_queue: Optional::Present(QueueConfig::default()),
        }
    }
}

/// `keepalive`.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ClientKeepalive {
    /// Ping when nothing has come for this long.
    pub time: Duration,
    /// Close the connection when no answer comes within this.
    pub timeout: Duration,
    /// Ping also while there are no requests.
    pub permit_without_stream: bool,
}

/// A parsed endpoint.
pub(super) struct Endpoint {
    pub(super) host: Host,
    scheme: Option<String>,
}

const DEFAULT_PORT: u16 = 4317;

impl Endpoint {
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        if let Some(path) = text.strip_prefix("unix://").or_else(|| text.strip_prefix("unix:")) {
            return Ok(Self { host: Host::Unix(path.into()), scheme: None });
        }
        let rest = ["dns:///", "passthrough:///", "dns:"].iter().find_map(|prefix| text.strip_prefix(prefix));
        let url = ClientUrl::parse(rest.unwrap_or(text))?;
        if url.userinfo.is_some() {
            return Err("a gRPC endpoint has no user and password; send them in `headers`".to_owned());
        }
        if !matches!(url.path.as_str(), "" | "/") {
            return Err(format!(
                "an OTLP/gRPC endpoint has no path (\"{}\"); OTLP/HTTP is the exporter otlp_http",
                url.path
            ));
        }
        Ok(Self { host: Host::Tcp(url.host, url.port.unwrap_or(DEFAULT_PORT)), scheme: url.scheme })
    }

    pub(super) fn authority(&self) -> String {
        match self.host.name() {
            Some((host, port)) if host.contains(':') => format!("[{host}]:{port}"),
            Some((host, port)) => format!("{host}:{port}"),
            None => "localhost".to_owned(),
        }
    }

    pub(super) fn uses_tls(&self, tls: &ClientTls) -> bool {
        match (self.scheme.as_deref(), &self.host) {
            (Some("http"), _) | (_, Host::Unix(_)) => false,
            (Some("https"), _) => true,
            _ => !tls.insecure,
        }
    }
}

impl Config {
    pub(super) fn body_compression(&self) -> BodyCompression {
        BodyCompression::from_keys(&self.compression, self.compression_params)
    }

    pub(super) fn balances(&self) -> bool {
        self.balancer_name != "pick_first"
    }

    pub(super) fn pings(&self) -> Pings {
        self.keepalive.map_or_else(Pings::default, |keepalive| Pings {
            interval: (!keepalive.time.is_zero()).then(|| keepalive.time.get()),
            timeout: keepalive.timeout.get(),
            while_idle: keepalive.permit_without_stream,
        })
    }
}

impl ComponentConfig for Config {
    fn authenticators(&self) -> Vec<AuthenticatorUse> {
        authenticators("", self.auth.as_ref())
    }

    fn validate(&self, check: &mut Check<'_>) {
        if self.endpoint.trim().is_empty() {
            check.error("endpoint", "requires a non-empty \"endpoint\"");
        } else if let Err(message) = Endpoint::parse(&self.endpoint) {
            check.error("endpoint", message);
        }
        check_compression(&self.compression, self.compression_params, check);
        if !matches!(self.balancer_name.as_str(), "round_robin" | "pick_first") {
            let problem = Diagnostic::error(format!("invalid balancer_name: {}", self.balancer_name));
            check.report("balancer_name", problem.note("supported: `pick_first`, `round_robin`"));
        }
        check_headers(&self.headers, &PROTOCOL_HEADERS, check);
        if HeaderValue::try_from(&self.user_agent).is_err() {
            check.error("user_agent", "this value cannot stand in a header");
        }
        if !self.authority.is_empty() && Authority::try_from(self.authority.as_str()).is_err() {
            check.error(
                "authority",
                "this cannot be the `:authority` of requests; it is a host, perhaps with a port",
            );
        }
        check_middlewares(&self.middlewares, check);
        self.tls.validate(&mut check.below("tls"));
        export::validate(&self.retry_on_failure, &self.sending_queue, check);
    }
}
