//! The keys of the `otlp` receiver, with the Collector's names and defaults.

use http::HeaderName;
use serde::Deserialize;
use spindle_config::types::{Duration, Headers, ListenAddress, Optional, ServerTls, Transport};
use spindle_config::{Check, Diagnostic};
use spindle_pipeline::auth::{AuthConfig, AuthenticatorUse, Role};
use spindle_pipeline::component::{ComponentConfig, Listener};
use spindle_pipeline::net::compression::Encoding;
use spindle_pipeline::net::serve::ServeOptions;

/// The receiver's keys.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// The doors; at least one.
    pub protocols: Protocols,
}

/// `protocols`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Protocols {
    /// OTLP/gRPC; `grpc:` alone opens it with its defaults.
    pub grpc: Optional<GrpcConfig>,
    /// OTLP/HTTP; `http:` alone opens it with its defaults.
    pub http: Optional<HttpConfig>,
}

/// `protocols::grpc`.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct GrpcConfig {
    /// Where to listen. Default localhost:4317; a path when the transport is unix.
    pub endpoint: String,
    /// tcp (default), tcp4, tcp6 or unix.
    pub transport: Transport,
    /// TLS, off unless written.
    pub tls: Option<ServerTls>,
    /// The largest request, before and after decompression, in MiB. Default 0, which is 4.
    pub max_recv_msg_size_mib: u32,
    /// Requests at once on one connection. Default 0, which is 200.
    pub max_concurrent_streams: u32,
    /// Accepted for the Collector's sake; buffers grow as they are needed.
    pub read_buffer_size: u64,
    /// Accepted for the Collector's sake; buffers grow as they are needed.
    pub write_buffer_size: u64,
    /// How long connections are kept.
    pub keepalive: Option<Keepalive>,
    /// Keep the metadata of requests for processors and exporters. Default false.
    pub include_metadata: bool,
    /// The extension that judges requests.
    pub auth: Option<AuthConfig>,
    /// Not built yet.
    pub middlewares: Vec<Middleware>,
}

impl Default for GrpcConfig {
    fn default() -> Self {
        Self {
            endpoint: "localhost:4317".to_owned(),
            transport: Transport::Tcp,
            tls: None,
            max_recv_msg_size_mib: 0,
            max_concurrent_streams: 0,
            read_buffer_size: 512 * 1024,
            write_buffer_size: 0,
            keepalive: None,
            include_metadata: false,
            auth: None,
            middlewares: Vec::new(),
        }
    }
}

/// `keepalive`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Keepalive {
    /// What the server does.
    pub server_parameters: ServerParameters,
    /// What it demands of clients; accepted for the Collector's sake, pings are never punished.
    pub enforcement_policy: EnforcementPolicy,
}

/// `keepalive::server_parameters`.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ServerParameters {
    /// Close a connection without requests after this. Default 0, never.
    pub max_connection_idle: Duration,
    /// Close a connection of this age once its requests are answered. Default 0, never.
    pub max_connection_age: Duration,
    /// How long those requests may take then. Default 0, as long as they need.
    pub max_connection_age_grace: Duration,
    /// Ping a silent client after this. Default 2h.
    pub time: Duration,
    /// Close the connection when it does not answer within this. Default 20s, also for 0.
    pub timeout: Duration,
}

impl Default for ServerParameters {
    fn default() -> Self {
        Self {
            max_connection_idle: Duration::ZERO,
            max_connection_age: Duration::ZERO,
            max_connection_age_grace: Duration::ZERO,
            time: Duration::from_secs(2 * 60 * 60),
            timeout: Duration::from_secs(20),
        }
    }
}

/// `keepalive::enforcement_policy`.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct EnforcementPolicy {
    /// Default 5m.
    pub min_time: Duration,
    /// Default false.
    pub permit_without_stream: bool,
}

impl Default for EnforcementPolicy {
    fn default() -> Self {
        Self { min_time: Duration::from_secs(300), permit_without_stream: false }
    }
}

/// `auth` of HTTP.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct HttpAuth {
    /// The extension that judges requests.
    pub authenticator: String,
    /// Query parameters that it sees as headers.
    pub request_params: Vec<String>,
}

/// An item of `middlewares`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Middleware {
    /// The extension.
    pub id: String,
}

/// `protocols::http`.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct HttpConfig {
    /// Where to listen. Default localhost:4318; a path when the transport is unix.
    pub endpoint: String,
    /// tcp (default), tcp4, tcp6 or unix.
    pub transport: Transport,
    /// TLS, off unless written.
    pub tls: Option<ServerTls>,
    /// Default /v1/traces.
    pub traces_url_path: String,
    /// Default /v1/metrics.
    pub metrics_url_path: String,
    /// Default /v1/logs.
    pub logs_url_path: String,
    /// The largest body, before and after decompression, in bytes. Default 20 MiB.
    pub max_request_body_size: u64,
    /// Requests from browsers of other origins, refused unless written.
    pub cors: Option<Cors>,
    /// Content encodings that are accepted; "" is none. Default all.
    pub compression_algorithms: Option<Vec<String>>,
    /// How long reading a whole request may take. Default 0, without a bound.
    pub read_timeout: Duration,
    /// How long a client may take for its headers. Default 0, which is 1m.
    pub read_header_timeout: Duration,
    /// How long answering may take. Default 0, without a bound.
    pub write_timeout: Duration,
    /// Close connections without a request after this. Default 0, never.
    pub idle_timeout: Duration,
    /// Serve more than one request on a connection. Default true.
    pub keep_alives_enabled: bool,
    /// Headers of every response.
    pub response_headers: Headers,
    /// Keep the headers of requests for processors and exporters. Default false.
    pub include_metadata: bool,
    /// The extension that judges requests.
    pub auth: Option<HttpAuth>,
    /// Not built yet.
    pub middlewares: Vec<Middleware>,
}

impl Default for HttpConfig {
    fn default() -> Self {
        Self {
            endpoint: "localhost:4318".to_owned(),
            transport: Transport::Tcp,
            tls: None,
            traces_url_path: "/v1/traces".to_owned(),
            metrics_url_path: "/v1/metrics".to_owned(),
            logs_url_path: "/v1/logs".to_owned(),
            max_request_body_size: 20 << 20,
            cors: None,
            compression_algorithms: None,
            read_timeout: Duration::ZERO,
            read_header_timeout: Duration::ZERO,
            write_timeout: Duration::ZERO,
            idle_timeout: Duration::ZERO,
            keep_alives_enabled: true,
            response_headers: Headers::default(),
            include_metadata: false,
            auth: None,
            middlewares: Vec::new(),
        }
    }
}

/// `cors`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Cors {
    /// Origins that may send, each with one `*` as a wildcard at most; `*` alone is all of them.
    pub allowed_origins: Vec<String>,
    /// Headers they may send beside those that are always safe and `X-Requested-With`; `*` is any.
    pub allowed_headers: Vec<String>,
    /// Headers of the response that scripts may read.
    pub exposed_headers: Vec<String>,
    /// How long browsers keep the answer, in seconds. Default 0, which leaves it to them.
    pub max_age: u32,
}

/// What a gRPC server of the Collector accepts when the key is 0.
const DEFAULT_MAX_MESSAGE: usize = 4 << 20;

impl GrpcConfig {
    /// Where to listen; the check has said what is wrong with it.
    pub fn address(&self) -> ListenAddress {
        address(&self.endpoint, self.transport, 4317)
    }

    /// The largest message in bytes.
    pub fn max_message(&self) -> usize {
        match self.max_recv_msg_size_mib {
            0 => DEFAULT_MAX_MESSAGE,
            mebibytes => (mebibytes as usize) << 20,
        }
    }

    /// How connections are kept.
    pub fn serve_options(&self) -> ServeOptions {
        let defaults = Keepalive::default();
        let keepalive = &self.keepalive.as_ref().unwrap_or(&defaults).server_parameters;
        let options = ServeOptions::default();
        ServeOptions {
            max_concurrent_streams: (self.max_concurrent_streams > 0).then_some(self.max_concurrent_streams),
            ping_interval: nonzero(keepalive.time),
            ping_timeout: nonzero(keepalive.timeout).unwrap_or(options.ping_timeout),
            max_age: nonzero(keepalive.max_connection_age),
            max_age_grace: nonzero(keepalive.max_connection_age_grace),
            max_idle: nonzero(keepalive.max_connection_idle),
            ..options
        }
    }

    fn validate(&self, check: &mut Check<'_>) {
        check_endpoint(&self.endpoint, self.transport, check);
        if self.max_recv_msg_size_mib > 1024 {
            check.error("max_recv_msg_size_mib", "`max_recv_msg_size_mib` must be at most 1024");
        }
        if let Some(tls) = &self.tls {
            tls.validate(&mut check.below("tls"));
        }
        check_middlewares(&self.middlewares, check);
    }
}

impl HttpConfig {
    /// Where to listen; the check has said what is wrong with it.
    pub fn address(&self) -> ListenAddress {
        address(&self.endpoint, self.transport, 4318)
    }

    /// The accepted content encodings.
    pub fn encodings(&self) -> Vec<Encoding> {
        match &self.compression_algorithms {
            None => Encoding::ALL.to_vec(),
            Some(names) => names.iter().filter_map(|name| Encoding::from_name(name)).collect(),
        }
    }

    /// How connections are kept.
    pub fn serve_options(&self) -> ServeOptions {
        let defaults = ServeOptions::default();
        ServeOptions {
            read_header_timeout: nonzero(self.read_header_timeout).or(defaults.read_header_timeout),
            keep_alive: self.keep_alives_enabled,
            max_idle: nonzero(self.idle_timeout),
            ..defaults
        }
    }

    fn validate(&self, check: &mut Check<'_>) {
        check_endpoint(&self.endpoint, self.transport, check);
        let paths = [
            ("traces_url_path", &self.traces_url_path),
            ("metrics_url_path", &self.metrics_url_path),
            ("logs_url_path", &self.logs_url_path),
        ];
        for (key, path) in paths {
            if !path.starts_with('/') {
                check.error(key, format!("`{key}` must start with a slash"));
            }
        }
        if self.max_request_body_size == 0 || self.max_request_body_size > 1 << 30 {
            check
                .error("max_request_body_size", "`max_request_body_size` must be from 1 to 1073741824 bytes");
        }
        for name in self.compression_algorithms.iter().flatten() {
            if Encoding::from_name(name).is_none() {
                let names = spindle_config::quoted_list(Encoding::ALL.map(Encoding::name));
                let problem = Diagnostic::error(format!("unsupported compression type \"{name}\""));
                check.report("compression_algorithms", problem.note(format!("supported: {names}")));
            }
        }
        if let Some(tls) = &self.tls {
            tls.validate(&mut check.below("tls"));
        }
        for (index, name) in self.auth.iter().flat_map(|auth| auth.request_params.iter().enumerate()) {
            if HeaderName::try_from(name).is_err() {
                let key = format!("auth::request_params::{index}");
                check.error(&key, format!("\"{name}\" cannot be a header's name"));
            }
        }
        check_middlewares(&self.middlewares, check);
    }
}

fn nonzero(duration: Duration) -> Option<std::time::Duration> {
    (!duration.is_zero()).then(|| duration.get())
}

fn address(endpoint: &str, transport: Transport, default_port: u16) -> ListenAddress {
    ListenAddress::parse(endpoint, transport)
        .unwrap_or(ListenAddress::Tcp { host: "localhost".to_owned(), port: default_port })
}

fn check_endpoint(endpoint: &str, transport: Transport, check: &mut Check<'_>) {
    if let Err(message) = ListenAddress::parse(endpoint, transport) {
        check.error("endpoint", message);
    }
}

fn check_middlewares(middlewares: &[Middleware], check: &mut Check<'_>) {
    if !middlewares.is_empty() {
        check.error("middlewares", "middlewares are not built into this version of spindle yet");
    }
}

impl ComponentConfig for Config {
    fn validate(&self, check: &mut Check<'_>) {
        let (grpc, http) = (self.protocols.grpc.as_ref(), self.protocols.http.as_ref());
        if grpc.is_none() && http.is_none() {
            check.report(
                "protocols",
                Diagnostic::error("must specify at least one protocol when using the OTLP receiver")
                    .help("write `protocols: {grpc: {}, http: {}}` to open both with their defaults"),
            );
        }
        if let Some(grpc) = grpc {
            grpc.validate(&mut check.below("protocols::grpc"));
        }
        if let Some(http) = http {
            http.validate(&mut check.below("protocols::http"));
        }
    }

    fn authenticators(&self) -> Vec<AuthenticatorUse> {
        let grpc = self.protocols.grpc.as_ref().and_then(|grpc| grpc.auth.as_ref());
        let http = self.protocols.http.as_ref().and_then(|http| http.auth.as_ref());
        let grpc = grpc.map(|auth| ("protocols::grpc::", &auth.authenticator));
        let http = http.map(|auth| ("protocols::http::", &auth.authenticator));
        let uses = [grpc, http].into_iter().flatten();
        uses.map(|(key, name)| AuthenticatorUse::new(key, name, Role::Server)).collect()
    }

    fn listeners(&self) -> Vec<Listener> {
        let grpc = self.protocols.grpc.as_ref().map(|grpc| ("protocols::grpc::endpoint", grpc.address()));
        let http = self.protocols.http.as_ref().map(|http| ("protocols::http::endpoint", http.address()));
        [grpc, http]
            .into_iter()
            .flatten()
            .map(|(key, address)| Listener { key: key.to_owned(), address, protocol: "tcp" })
            .collect()
    }
}
