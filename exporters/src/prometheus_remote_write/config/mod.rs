//! The keys of the `prometheus_remote_write` exporter, with the Collector's names and defaults.

mod client_keys;
mod validate;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use serde::Deserialize;
use spindle_config::types::{ClientTls, Duration, Headers, Optional};
use spindle_pipeline::auth::AuthConfig;
use spindle_pipeline::export::RetryConfig;

use super::MOST_SAMPLES;
use super::naming::{MetricNamer, push_label_name};
use super::request::Limits;
use super::translate::{Pattern, Promote, Settings};
use crate::support::auth::Middleware;
use crate::support::compression::CompressionParams;
use crate::support::http::Cookies;
pub use client_keys::ClientKeys;
pub(super) use client_keys::PROTOCOL_HEADERS;

/// Larger requests than this are refused by Prometheus' own receiver.
const DEFAULT_BATCH_BYTES: i64 = 3_000_000;
const WITH_SUFFIXES: &str = "UnderscoreEscapingWithSuffixes";
const WITHOUT_SUFFIXES: &str = "UnderscoreEscapingWithoutSuffixes";
const VERSION_1: &str = "prometheus.WriteRequest";
const VERSION_2: &str = "io.prometheus.write.v2.Request";

/// The exporter's keys. Those of the HTTP client, from `endpoint` to `force_attempt_http2`, may also stand
/// in a block `http`; if it is written, only the keys in it count. [`ClientKeys`] describes them.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// See [`ClientKeys::endpoint`].
    pub endpoint: String,
    /// See [`ClientKeys::timeout`]. Also counts with a block `http` that says nothing of it.
    pub timeout: Duration,
    /// See [`ClientKeys::compression`].
    pub compression: String,
    /// See [`ClientKeys::compression_params`].
    pub compression_params: CompressionParams,
    /// See [`ClientKeys::tls`].
    pub tls: ClientTls,
    /// See [`ClientKeys::headers`].
    pub headers: Headers,
    /// See [`ClientKeys::proxy_url`].
    pub proxy_url: String,
    /// See [`ClientKeys::auth`].
    pub auth: Option<AuthConfig>,
    /// See [`ClientKeys::middlewares`].
    pub middlewares: Vec<Middleware>,
    /// See [`ClientKeys::cookies`].
    pub cookies: Cookies,
    /// See [`ClientKeys::read_buffer_size`].
    pub read_buffer_size: u64,
    /// See [`ClientKeys::write_buffer_size`].
    pub write_buffer_size: u64,
    /// See [`ClientKeys::max_idle_conns`].
    pub max_idle_conns: usize,
    /// See [`ClientKeys::max_idle_conns_per_host`].
    pub max_idle_conns_per_host: usize,
    /// See [`ClientKeys::max_conns_per_host`].
    pub max_conns_per_host: usize,
    /// See [`ClientKeys::idle_conn_timeout`].
    pub idle_conn_timeout: Duration,
    /// See [`ClientKeys::disable_keep_alives`].
    pub disable_keep_alives: bool,
    /// See [`ClientKeys::http2_read_idle_timeout`].
    pub http2_read_idle_timeout: Duration,
    /// See [`ClientKeys::http2_ping_timeout`].
    pub http2_ping_timeout: Duration,
    /// See [`ClientKeys::force_attempt_http2`].
    pub force_attempt_http2: bool,
    /// The keys of the HTTP client in a block of their own.
    pub http: Option<ClientKeys>,
    /// How a request is repeated that the server could not take.
    pub retry_on_failure: Retry,
    /// The queue in front of it.
    pub remote_write_queue: RemoteWriteQueue,
    /// How many requests may be on their way at once. Default: `remote_write_queue.num_consumers`.
    pub max_batch_request_parallelism: Option<i64>,
    /// The most bytes of a request before compression. Default 3000000, which is also what 0 means.
    pub max_batch_size_bytes: i64,
    /// Goes in front of every metric's name, with an underscore. Default none.
    pub namespace: String,
    /// Labels of every series that has none of the same name. Default none.
    pub external_labels: BTreeMap<String, String>,
    /// Deprecated: `false` is `translation_strategy: UnderscoreEscapingWithoutSuffixes`. Default true.
    pub add_metric_suffixes: bool,
    /// `UnderscoreEscapingWithSuffixes` (default): names in Prometheus' legacy character set that end in
    /// unit and kind; `UnderscoreEscapingWithoutSuffixes`: without these endings. `NoUTF8EscapingWithSuffixes`
    /// and `NoTranslation` need remote write 2.0, which is not built yet.
    pub translation_strategy: String,
    /// Send what is known about metric families (type, help, unit) with every batch. Default false.
    pub send_metadata: bool,
    /// `prometheus.WriteRequest` (default), which is remote write 1.0. `io.prometheus.write.v2.Request` is not
    /// built yet.
    pub protobuf_message: String,
    /// Leave out the labels `otel_scope_*`. Default false.
    pub disable_scope_info: bool,
    /// Deprecated: makes all resource attributes labels of every series.
    pub resource_to_telemetry_conversion: ResourceToTelemetry,
    /// Which resource attributes become labels of every series. Default none.
    pub resource_constant_labels: ResourceConstantLabels,
    /// The metric `target_info`.
    pub target_info: TargetInfo,
    /// Not built: remote write needs a queue on disk, which comes with `sending_queue`.
    pub wal: Optional<Wal>,
    /// Client metadata that goes on as headers of requests. The receiver must keep it (`include_metadata`).
    pub include_metadata_keys: Vec<String>,
    /// Not built yet: needs remote write 2.0.
    pub convert_explicit_histograms_to_nhcb: bool,
    /// Not built yet: needs remote write 2.0.
    pub keep_classic_histograms: bool,
}

/// `retry_on_failure`, for each request by itself.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Retry {
    /// Repeat requests that failed. Default true.
    pub enabled: bool,
    /// The wait behind the first failure. Default 50ms.
    pub initial_interval: Duration,
    /// How much each wait may differ from its interval, as a share of it, 0 to 1. Default 0.5.
    pub randomization_factor: f64,
    /// What each interval is multiplied by for the next. Default 1.5.
    pub multiplier: f64,
    /// The longest interval. Default 30s.
    pub max_interval: Duration,
    /// How long to repeat a request; 0 is for ever. Default 5m.
    pub max_elapsed_time: Duration,
}

/// `remote_write_queue`.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RemoteWriteQueue {
    /// Answer when the queue has the data; otherwise when the server has. Default true.
    pub enabled: bool,
    /// How many batches it holds. Default 10000.
    pub queue_size: i64,
    /// How many requests may be on their way at once, unless `max_batch_request_parallelism` says so. Default
    /// 5. The order of samples does not depend on it.
    pub num_consumers: i64,
}

/// `resource_to_telemetry_conversion`.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ResourceToTelemetry {
    /// Make all resource attributes labels. Default false.
    pub enabled: bool,
    /// But not `service.name`, `service.namespace` and `service.instance.id`, which make `job` and `instance`.
    /// Default false.
    pub exclude_service_attributes: bool,
}

/// `resource_constant_labels`. In patterns `*` stands for any characters and `?` for one.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ResourceConstantLabels {
    /// Patterns of attributes that become labels; none for all, if there is something in `excluded`.
    pub included: Vec<String>,
    /// Patterns of attributes that do not.
    pub excluded: Vec<String>,
}

/// `target_info`.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TargetInfo {
    /// Send a series `target_info` for each resource, with its attributes as labels. Default true.
    pub enabled: bool,
}

/// `wal`, whose keys are read so that the one error is about the block.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Wal {
    /// Not built.
    pub directory: String,
    /// Not built.
    pub buffer_size: i64,
    /// Not built.
    pub truncate_frequency: Duration,
    /// Not built.
    pub lag_record_frequency: Duration,
}

impl Default for Retry {
    fn default() -> Self {
        let RetryConfig { enabled, randomization_factor, multiplier, max_interval, max_elapsed_time, .. } =
            RetryConfig::default();
        let initial_interval = Duration::from_millis(50);
        Self { enabled, initial_interval, randomization_factor, multiplier, max_interval, max_elapsed_time }
    }
}

impl Retry {
    /// As the export stage has them.
    pub(super) fn settings(&self) -> RetryConfig {
        RetryConfig {
            enabled: self.enabled,
            initial_interval: self.initial_interval,
            randomization_factor: self.randomization_factor,
            multiplier: self.multiplier,
            max_interval: self.max_interval,
            max_elapsed_time: self.max_elapsed_time,
        }
    }
}

impl Default for RemoteWriteQueue {
    fn default() -> Self {
        Self { enabled: true, queue_size: 10_000, num_consumers: 5 }
    }
}

impl Default for TargetInfo {
    fn default() -> Self {
        Self { enabled: true }
    }
}

impl Default for Config {
    fn default() -> Self {
        let client = ClientKeys::default();
        Self {
            endpoint: client.endpoint,
            timeout: client.timeout,
            compression: client.compression,
            compression_params: client.compression_params,
            tls: client.tls,
            headers: client.headers,
            proxy_url: client.proxy_url,
            auth: client.auth,
            middlewares: client.middlewares,
            cookies: client.cookies,
            read_buffer_size: client.read_buffer_size,
            write_buffer_size: client.write_buffer_size,
            max_idle_conns: client.max_idle_conns,
            max_idle_conns_per_host: client.max_idle_conns_per_host,
            max_conns_per_host: client.max_conns_per_host,
            idle_conn_timeout: client.idle_conn_timeout,
            disable_keep_alives: client.disable_keep_alives,
            http2_read_idle_timeout: client.http2_read_idle_timeout,
            http2_ping_timeout: client.http2_ping_timeout,
            force_attempt_http2: client.force_attempt_http2,
            http: None,
            retry_on_failure: Retry::default(),
            remote_write_queue: RemoteWriteQueue::default(),
            max_batch_request_parallelism: None,
            max_batch_size_bytes: DEFAULT_BATCH_BYTES,
            namespace: String::new(),
            external_labels: BTreeMap::new(),
            add_metric_suffixes: true,
            translation_strategy: String::new(),
            send_metadata: false,
            protobuf_message: VERSION_1.to_owned(),
            disable_scope_info: false,
            resource_to_telemetry_conversion: ResourceToTelemetry::default(),
            resource_constant_labels: ResourceConstantLabels::default(),
            target_info: TargetInfo::default(),
            wal: Optional::Absent,
            include_metadata_keys: Vec::new(),
            convert_explicit_histograms_to_nhcb: false,
            keep_classic_histograms: false,
        }
    }
}

impl Config {
    /// The keys of the HTTP client that count.
    pub(super) fn client(&self) -> ClientKeys {
        if let Some(keys) = &self.http {
            let is_silent = keys.timeout == ClientKeys::default().timeout;
            return ClientKeys {
                timeout: if is_silent { self.timeout } else { keys.timeout },
                ..keys.clone()
            };
        }
        ClientKeys {
            endpoint: self.endpoint.clone(),
            timeout: self.timeout,
            compression: self.compression.clone(),
            compression_params: self.compression_params,
            tls: self.tls.clone(),
            headers: self.headers.clone(),
            proxy_url: self.proxy_url.clone(),
            auth: self.auth.clone(),
            middlewares: self.middlewares.clone(),
            cookies: self.cookies,
            read_buffer_size: self.read_buffer_size,
            write_buffer_size: self.write_buffer_size,
            max_idle_conns: self.max_idle_conns,
            max_idle_conns_per_host: self.max_idle_conns_per_host,
            max_conns_per_host: self.max_conns_per_host,
            idle_conn_timeout: self.idle_conn_timeout,
            disable_keep_alives: self.disable_keep_alives,
            http2_read_idle_timeout: self.http2_read_idle_timeout,
            http2_ping_timeout: self.http2_ping_timeout,
            force_attempt_http2: self.force_attempt_http2,
        }
    }

    /// Where a key of the HTTP client is written.
    pub(super) fn client_key(&self, key: &str) -> String {
        if self.http.is_some() { format!("http::{key}") } else { key.to_owned() }
    }

    /// How large requests may be.
    pub(super) fn limits(&self) -> Limits {
        let bytes =
            if self.max_batch_size_bytes == 0 { DEFAULT_BATCH_BYTES } else { self.max_batch_size_bytes };
        Limits { samples: MOST_SAMPLES, bytes: usize::try_from(bytes).unwrap_or(usize::MAX) }
    }

    /// How many requests may be on their way at once.
    pub(super) fn shards(&self) -> usize {
        let shards = self.max_batch_request_parallelism.unwrap_or(self.remote_write_queue.num_consumers);
        usize::try_from(shards).unwrap_or(1).max(1)
    }

    /// How metrics are translated.
    pub(super) fn settings(&self) -> Settings {
        let with_suffixes = match self.translation_strategy.as_str() {
            "" => self.add_metric_suffixes,
            strategy => strategy != WITHOUT_SUFFIXES,
        };
        let external_labels = self.external_labels.iter().filter_map(|(key, value)| {
            let mut name = String::new();
            push_label_name(&mut name, key).then(|| (name, value.clone()))
        });
        Settings {
            namer: MetricNamer::new(&self.namespace, with_suffixes),
            promote: self.promote(),
            scope_info: !self.disable_scope_info,
            target_info: self.target_info.enabled,
            external_labels: external_labels.collect(),
            metadata: self.send_metadata,
        }
    }

    fn promote(&self) -> Promote {
        let ResourceConstantLabels { included, excluded } = &self.resource_constant_labels;
        if !included.is_empty() || !excluded.is_empty() {
            let patterns = |texts: &[String]| texts.iter().map(|text| Pattern::new(text)).collect();
            return Promote::Matching { included: patterns(included), excluded: patterns(excluded) };
        }
        let ResourceToTelemetry { enabled, exclude_service_attributes } =
            self.resource_to_telemetry_conversion;
        if enabled { Promote::All { without_service: exclude_service_attributes } } else { Promote::None }
    }
}
