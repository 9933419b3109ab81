//! The keys of both versions, with the Collector's names and defaults.

use serde::Deserialize;
use serde::de::Deserializer;
use spindle_config::Check;
use spindle_config::types::{Duration, Headers, ListenAddress, Optional, ServerTls, Transport};
use spindle_pipeline::component::{ComponentConfig, Listener};

const DEFAULT_ENDPOINT: &str = "localhost:13133";

/// The keys of both types. Version 1 reads those at the top, version 2 those below `http`; either type
/// takes all of them, and `/` and `/status` are served in any case.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Where version 1 listens. Default localhost:13133.
    pub endpoint: String,
    /// tcp (default), tcp4, tcp6 or unix.
    pub transport: Transport,
    /// TLS, off unless written.
    pub tls: Option<ServerTls>,
    /// The path of version 1. Default /.
    pub path: String,
    /// Bodies of version 1 instead of its own.
    pub response_body: Option<ResponseBody>,
    /// Accepted and without effect, as in the Collector, which has deprecated it.
    pub check_collector_pipeline: serde_yaml::Value,
    /// Accepted for the Collector's sake: both versions are always served.
    pub use_v2: bool,
    /// Version 2 over HTTP.
    pub http: Option<HttpConfig>,
    /// Version 2 over gRPC. Not built yet.
    pub grpc: Optional<serde_yaml::Value>,
    /// When a component's failure makes the answer one.
    pub component_health: ComponentHealth,
    /// Headers of every response.
    pub response_headers: Headers,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            endpoint: String::new(),
            transport: Transport::Tcp,
            tls: None,
            path: "/".to_owned(),
            response_body: None,
            check_collector_pipeline: serde_yaml::Value::Null,
            use_v2: false,
            http: None,
            grpc: Optional::Absent,
            component_health: ComponentHealth::default(),
            response_headers: Headers::default(),
        }
    }
}

/// `response_body`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ResponseBody {
    /// When all is well.
    pub healthy: String,
    /// When it is not.
    pub unhealthy: String,
}

/// `http`.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct HttpConfig {
    /// Where version 2 listens. Default localhost:13133.
    pub endpoint: String,
    /// tcp (default), tcp4, tcp6 or unix.
    pub transport: Transport,
    /// TLS, off unless written.
    pub tls: Option<ServerTls>,
    /// The status page.
    pub status: PathConfig,
    /// The page with the configuration. Not built yet.
    pub config: PathConfig,
}

impl Default for HttpConfig {
    fn default() -> Self {
        Self {
            endpoint: String::new(),
            transport: Transport::Tcp,
            tls: None,
            status: PathConfig { enabled: true, path: "/status".to_owned() },
            config: PathConfig { enabled: false, path: "/config".to_owned() },
        }
    }
}

/// `http::status` and `http::config`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PathConfig {
    /// Whether it is served.
    pub enabled: bool,
    /// Where.
    pub path: String,
}

/// `component_health`.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ComponentHealth {
    /// A component that failed for good makes the answer 500. Default false.
    pub include_permanent_errors: bool,
    /// A component that fails for longer than `recovery_duration` makes the answer 500. Default false.
    pub include_recoverable_errors: bool,
    /// Default 5m.
    pub recovery_duration: Duration,
}

impl Default for ComponentHealth {
    fn default() -> Self {
        Self {
            include_permanent_errors: false,
            include_recoverable_errors: false,
            recovery_duration: Duration::from_secs(300),
        }
    }
}

impl Config {
    /// The key of the address and the address.
    pub fn listen(&self) -> (&'static str, ListenAddress) {
        let (key, endpoint, transport) = match &self.http {
            Some(http) if self.endpoint.is_empty() => {
                ("http::endpoint", http.endpoint.as_str(), http.transport)
            }
            _ => ("endpoint", self.endpoint.as_str(), self.transport),
        };
        let endpoint = if endpoint.is_empty() { DEFAULT_ENDPOINT } else { endpoint };
        let fallback = ListenAddress::Tcp { host: "localhost".to_owned(), port: 13133 };
        (key, ListenAddress::parse(endpoint, transport).unwrap_or(fallback))
    }

    /// The TLS keys and where they stand.
    pub fn tls(&self) -> Option<(&'static str, &ServerTls)> {
        let own = self.tls.as_ref().map(|tls| ("tls", tls));
        own.or_else(|| self.http.as_ref()?.tls.as_ref().map(|tls| ("http::tls", tls)))
    }

    /// The path of the status page, if it is served.
    pub fn status_path(&self) -> Option<&str> {
        match &self.http {
            None => Some("/status"),
            Some(http) => Some(http.status.path.as_str())
                .filter(|_| http.status.enabled)
                .map(|path| if path.is_empty() { "/status" } else { path }),
        }
    }

    fn check(&self, check: &mut Check<'_>) {
        let http_endpoint = self.http.as_ref().map(|http| ("http::endpoint", &http.endpoint, http.transport));
        let endpoints = [Some(("endpoint", &self.endpoint, self.transport)), http_endpoint];
        for (key, endpoint, transport) in endpoints.into_iter().flatten() {
            if let (false, Err(message)) = (endpoint.is_empty(), ListenAddress::parse(endpoint, transport)) {
                check.error(key, message);
            }
        }
        if !self.path.starts_with('/') {
            check.error("path", "path must start with /");
        }
        if let Some((key, tls)) = self.tls() {
            tls.validate(&mut check.below(key));
        }
        if self.http.as_ref().is_some_and(|http| http.config.enabled) {
            check.error(
                "http::config",
                "the configuration page is not built into this version of spindle yet",
            );
        }
        if self.grpc.is_present() {
            check.error(
                "grpc",
                "the gRPC health service is not built into this version of spindle yet; use http",
            );
        }
    }
}

/// The keys of `health_check`.
#[derive(Clone, Debug, Default)]
pub struct V1Config(pub Config);

/// The keys of `healthcheckv2`.
#[derive(Clone, Debug, Default)]
pub struct V2Config(pub Config);

macro_rules! as_config {
    ($type:ident) => {
        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                Config::deserialize(deserializer).map(Self)
            }
        }

        impl ComponentConfig for $type {
            fn validate(&self, check: &mut Check<'_>) {
                self.0.check(check);
            }

            fn listeners(&self) -> Vec<Listener> {
                let (key, address) = self.0.listen();
                vec![Listener { key: key.to_owned(), address, protocol: "tcp" }]
            }
        }
    };
}

as_config!(V1Config);
as_config!(V2Config);
