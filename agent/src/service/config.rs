//! The keys of `service::telemetry`.

use std::collections::BTreeMap;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, Error, Visitor};
use spindle_config::types::{Duration, ListenAddress, Optional, Transport};
use spindle_config::{Check, Diagnostic};
use spindle_pipeline::telemetry::{OWN_LABELS, Suffixes, label_name};

use super::MetricsEndpoint;

/// `service::telemetry`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TelemetryConfig {
    /// The log.
    pub logs: LogsConfig,
    /// The metrics.
    pub metrics: MetricsConfig,
    /// The agent's own traces; there are none, so what is written here is only noted.
    pub traces: serde_yaml::Value,
    /// Labels of the agent's own metrics; null takes one away.
    pub resource: BTreeMap<String, Option<String>>,
}

/// `logs::level`, in any case.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogLevel {
    /// Everything.
    Debug,
    /// What an operator wants to know.
    #[default]
    Info,
    /// What may need attention.
    Warn,
    /// What failed.
    Error,
}

impl<'de> Deserialize<'de> for LogLevel {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(LogLevelVisitor)
    }
}

struct LogLevelVisitor;

impl Visitor<'_> for LogLevelVisitor {
    type Value = LogLevel;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a log level")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<LogLevel, E> {
        match text.to_ascii_lowercase().as_str() {
            "debug" => Ok(LogLevel::Debug),
            "info" => Ok(LogLevel::Info),
            "warn" => Ok(LogLevel::Warn),
            // The Collector's logger has levels above this one; nothing here is written at them.
            "error" | "dpanic" | "panic" | "fatal" => Ok(LogLevel::Error),
            _ => Err(E::unknown_variant(text, &["DEBUG", "INFO", "WARN", "ERROR"])),
        }
    }
}

/// `logs`.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LogsConfig {
    /// DEBUG, INFO (default), WARN or ERROR.
    pub level: LogLevel,
    /// console (default) or json.
    pub encoding: LogEncoding,
    /// Accepted for the Collector's sake.
    pub development: bool,
    /// Accepted for the Collector's sake: there are no callers in the lines.
    pub disable_caller: bool,
    /// Accepted for the Collector's sake: there are no stack traces in the lines.
    pub disable_stacktrace: bool,
    /// stderr (default), stdout or files.
    pub output_paths: Vec<String>,
    /// Accepted for the Collector's sake; the log's own errors go to stderr.
    pub error_output_paths: Vec<String>,
    /// Fields of every line.
    pub initial_fields: BTreeMap<String, String>,
    /// Fewer of the same lines.
    pub sampling: Optional<LogSampling>,
    /// Accepted for the Collector's sake.
    pub processors: Vec<serde_yaml::Value>,
}

impl Default for LogsConfig {
    fn default() -> Self {
        Self {
            level: LogLevel::Info,
            encoding: LogEncoding::Console,
            development: false,
            disable_caller: false,
            disable_stacktrace: false,
            output_paths: vec!["stderr".to_owned()],
            error_output_paths: vec!["stderr".to_owned()],
            initial_fields: BTreeMap::new(),
            sampling: Optional::Present(LogSampling::default()),
            processors: Vec::new(),
        }
    }
}

impl LogsConfig {
    /// Lines are JSON objects.
    pub fn is_json(&self) -> bool {
        self.encoding == LogEncoding::Json
    }
}

/// `logs::encoding`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogEncoding {
    /// Tab-separated, for people.
    #[default]
    Console,
    /// One JSON object a line.
    Json,
}

/// `logs::sampling`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LogSampling {
    /// What is counted is forgotten after this. Default 10s.
    pub tick: Duration,
    /// How many lines of one message are written in a tick. Default 10.
    pub initial: u64,
    /// And then every so many. Default 100; 0 is none.
    pub thereafter: u64,
}

impl Default for LogSampling {
    fn default() -> Self {
        Self { tick: Duration::from_secs(10), initial: 10, thereafter: 100 }
    }
}

/// `metrics`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MetricsConfig {
    /// none, basic, normal (default) or detailed; all but none are the same here.
    pub level: MetricsLevel,
    /// Replaced by `readers` in the Collector; honoured here.
    pub address: String,
    /// Where they go. Default: a page on localhost:8888.
    pub readers: Option<Vec<Reader>>,
    /// Accepted for the Collector's sake.
    pub views: Vec<serde_yaml::Value>,
}

/// `metrics::level`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MetricsLevel {
    /// No metrics.
    None,
    /// Metrics.
    Basic,
    /// Metrics.
    #[default]
    Normal,
    /// Metrics.
    Detailed,
}

/// An item of `metrics::readers`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Reader {
    /// A page that is asked for.
    pub pull: Option<PullReader>,
    /// Sending on a timer. Not built yet.
    pub periodic: Option<serde_yaml::Value>,
}

/// `pull`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PullReader {
    /// How.
    pub exporter: PullExporter,
}

/// `pull::exporter`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PullExporter {
    /// As a page that Prometheus reads.
    pub prometheus: Option<PrometheusReader>,
}

/// `pull::exporter::prometheus`.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PrometheusReader {
    /// Default localhost.
    pub host: String,
    /// Default 8888.
    pub port: u16,
    /// Accepted for the Collector's sake: there is no scope information in the page.
    pub without_scope_info: bool,
    /// No `_total`. Default false where a reader is written, true where none is.
    pub without_type_suffix: bool,
    /// No `_seconds` and `_bytes`. Default as above.
    pub without_units: bool,
    /// Accepted for the Collector's sake: the labels are always there.
    pub with_resource_constant_labels: serde_yaml::Value,
}

impl Default for PrometheusReader {
    fn default() -> Self {
        Self {
            host: "localhost".to_owned(),
            port: 8888,
            without_scope_info: false,
            without_type_suffix: false,
            without_units: false,
            with_resource_constant_labels: serde_yaml::Value::Null,
        }
    }
}

impl TelemetryConfig {
    /// What cannot be; `check` stands on `service::telemetry`.
    pub fn validate(&self, check: &mut Check<'_>) {
        if self.logs.output_paths.is_empty() {
            check.error("logs::output_paths", "at least one output path is needed");
        }
        let is_none = self.metrics.level == MetricsLevel::None;
        if self.metrics.readers.as_ref().is_some_and(Vec::is_empty) && !is_none {
            check.error(
                "metrics::readers",
                "collector telemetry metrics reader should exist when metric level is not none",
            );
        }
        if !self.metrics.address.is_empty() {
            check.report(
                "metrics::address",
                Diagnostic::warning("`address` is ignored by the Collector since v0.123 and honoured here")
                    .help("write `readers: [{pull: {exporter: {prometheus: {host, port}}}}]`"),
            );
            if let Err(message) = ListenAddress::parse(&self.metrics.address, Transport::Tcp) {
                check.error("metrics::address", message);
            }
        }
        for (index, reader) in self.metrics.readers.iter().flatten().enumerate() {
            let key = format!("metrics::readers::{index}");
            if reader.periodic.is_some() {
                check
                    .error(&key, "periodic readers are not built into this version of spindle yet; use pull");
            } else if reader.pull.as_ref().is_none_or(|pull| pull.exporter.prometheus.is_none()) {
                check.error(&key, "a reader needs `pull: {exporter: {prometheus: {}}}`");
            } else if index > 0 {
                check.error(&key, "more than one reader is not built into this version of spindle yet");
            }
        }
        for key in self.resource.keys().filter(|key| OWN_LABELS.contains(&label_name(key).as_str())) {
            check.warning(
                &format!("resource::{key}"),
                format!("the agent's own metrics have a label \"{key}\" already; this one is left out"),
            );
        }
        if !self.traces.is_null() {
            check.warning("traces", "spindle has no traces of its own; this section has no effect");
        }
    }
}

impl MetricsConfig {
    /// Where the page is served.
    pub fn endpoint(&self) -> Option<MetricsEndpoint> {
        if self.level == MetricsLevel::None {
            return None;
        }
        let key = "service::telemetry::metrics".to_owned();
        if !self.address.is_empty() {
            let address = ListenAddress::parse(&self.address, Transport::Tcp).ok()?;
            return Some(MetricsEndpoint {
                address,
                key: format!("{key}::address"),
                suffixes: Suffixes::default(),
            });
        }
        let Some(readers) = &self.readers else {
            let address = ListenAddress::Tcp { host: "localhost".to_owned(), port: 8888 };
            return Some(MetricsEndpoint {
                address,
                key: format!("{key} (default)"),
                suffixes: Suffixes::default(),
            });
        };
        let prometheus = readers.first()?.pull.as_ref()?.exporter.prometheus.as_ref()?;
        Some(MetricsEndpoint {
            address: ListenAddress::Tcp { host: prometheus.host.clone(), port: prometheus.port },
            key: format!("{key}::readers::0"),
            suffixes: Suffixes { types: !prometheus.without_type_suffix, units: !prometheus.without_units },
        })
    }
}
