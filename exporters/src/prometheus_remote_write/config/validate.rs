//! What cannot be, with the Collector's texts where it has them.

use spindle_config::{Check, Diagnostic, quoted_list};
use spindle_pipeline::auth::AuthenticatorUse;
use spindle_pipeline::component::ComponentConfig;

use super::client_keys::PROTOCOL_HEADERS;
use super::{Config, RemoteWriteQueue, VERSION_1, VERSION_2, WITH_SUFFIXES, WITHOUT_SUFFIXES};
use crate::prometheus_remote_write::naming::push_label_name;
use crate::support::auth::authenticators;

/// More than fits any machine's memory.
const MOST_QUEUED: i64 = u32::MAX as i64;
/// Each is a connection.
const MOST_PARALLEL: i64 = 1_000;
const UTF8_STRATEGIES: [&str; 2] = ["NoUTF8EscapingWithSuffixes", "NoTranslation"];

/// The keys of the HTTP client that stand beside the exporter's own, without `timeout`.
const FLAT_KEYS: [&str; 19] = [
    "endpoint",
    "compression",
    "compression_params",
    "tls",
    "headers",
    "proxy_url",
    "auth",
    "middlewares",
    "cookies",
    "read_buffer_size",
    "write_buffer_size",
    "max_idle_conns",
    "max_idle_conns_per_host",
    "max_conns_per_host",
    "idle_conn_timeout",
    "disable_keep_alives",
    "http2_read_idle_timeout",
    "http2_ping_timeout",
    "force_attempt_http2",
];

impl ComponentConfig for Config {
    fn validate(&self, check: &mut Check<'_>) {
        self.validate_client(check);
        self.retry_on_failure.settings().validate(&mut check.below("retry_on_failure"));
        self.validate_queue(check);
        self.validate_names(check);
        self.validate_labels(check);
        self.validate_metadata_keys(check);
        self.validate_what_is_not_built(check);
    }

    fn authenticators(&self) -> Vec<AuthenticatorUse> {
        authenticators(&self.client_key(""), self.client().auth.as_ref())
    }
}

impl Config {
    fn validate_client(&self, check: &mut Check<'_>) {
        let Some(keys) = &self.http else { return self.client().validate(check) };
        for key in FLAT_KEYS {
            if check.is_written(key) {
                check.warning(key, format!("`{key}` is ignored, because the block `http` is written"));
            }
        }
        keys.validate(&mut check.below("http"));
    }

    fn validate_queue(&self, check: &mut Check<'_>) {
        let RemoteWriteQueue { enabled, queue_size, num_consumers } = self.remote_write_queue;
        let mut queue = check.below("remote_write_queue");
        if queue_size < 0 {
            queue.error("queue_size", "remote write queue size can't be negative");
        }
        if enabled && queue_size == 0 {
            queue.error("queue_size", "a 0 size queue will drop all the data");
        }
        if queue_size > MOST_QUEUED {
            queue.error("queue_size", format!("`queue_size` must be at most {MOST_QUEUED}"));
        }
        if num_consumers < 0 {
            queue.error("num_consumers", "remote write consumer number can't be negative");
        }
        if num_consumers > MOST_PARALLEL {
            queue.error("num_consumers", format!("`num_consumers` must be at most {MOST_PARALLEL}"));
        }
        let key = "max_batch_request_parallelism";
        match self.max_batch_request_parallelism {
            Some(parallelism) if parallelism < 1 => {
                check.error(key, "max_batch_request_parallelism can't be set to below 1");
            }
            Some(parallelism) if parallelism > MOST_PARALLEL => {
                check.error(key, format!("max_batch_request_parallelism must be at most {MOST_PARALLEL}"));
            }
            _ => {}
        }
        if self.max_batch_size_bytes < 0 {
            check.error("max_batch_size_bytes", "max_batch_size_bytes must be greater than 0");
        }
    }

    fn validate_names(&self, check: &mut Check<'_>) {
        let strategy = self.translation_strategy.as_str();
        let is_known = [WITH_SUFFIXES, WITHOUT_SUFFIXES].contains(&strategy) || strategy.is_empty();
        if UTF8_STRATEGIES.contains(&strategy) {
            let problem = Diagnostic::error(format!(
                "translation strategy {strategy} requires Prometheus Remote Write 2.0 (UTF-8 support)"
            ));
            let note = "remote write 2.0 is not built into this version of spindle yet";
            check.report("translation_strategy", problem.note(note));
        } else if !is_known {
            let problem = Diagnostic::error(format!("invalid translation_strategy: {strategy}"));
            let names = quoted_list([WITH_SUFFIXES, WITHOUT_SUFFIXES]);
            check.report("translation_strategy", problem.note(format!("allowed: {names}")));
        }
        if !self.add_metric_suffixes {
            check.warning("add_metric_suffixes", "`add_metric_suffixes` is deprecated. Please use `translation_strategy: UnderscoreEscapingWithoutSuffixes` instead.");
        }
    }

    fn validate_labels(&self, check: &mut Check<'_>) {
        for (key, value) in &self.external_labels {
            let path = format!("external_labels::{key}");
            if key.is_empty() || value.is_empty() {
                check.error(
                    &path,
                    "prometheus remote write: external labels configuration contains an empty key or value",
                );
            } else if !push_label_name(&mut String::new(), key) {
                check.error(&path, format!("\"{key}\" gives no label name"));
            }
        }
        let conversion = self.resource_to_telemetry_conversion;
        let has_conversion = conversion.enabled || conversion.exclude_service_attributes;
        let constant = &self.resource_constant_labels;
        if has_conversion && !(constant.included.is_empty() && constant.excluded.is_empty()) {
            check.error("resource_constant_labels", "cannot configure both resource_to_telemetry_conversion and resource_constant_labels; resource_to_telemetry_conversion is deprecated");
        }
    }

    fn validate_metadata_keys(&self, check: &mut Check<'_>) {
        check.distinct("include_metadata_keys", &self.include_metadata_keys);
        for (index, key) in self.include_metadata_keys.iter().enumerate() {
            let path = format!("include_metadata_keys::{index}");
            let lower = key.to_ascii_lowercase();
            if PROTOCOL_HEADERS.contains(&lower.as_str()) {
                check.error(
                    &path,
                    format!(
                        "include_metadata_keys entry \"{key}\" collides with a reserved remote write header"
                    ),
                );
            } else if http::HeaderName::try_from(lower.as_str()).is_err() {
                check.error(&path, format!("\"{key}\" cannot be a header's name"));
            }
        }
    }

    fn validate_what_is_not_built(&self, check: &mut Check<'_>) {
        match self.protobuf_message.as_str() {
            VERSION_1 => {}
            VERSION_2 => check.error(
                "protobuf_message",
                format!("remote write 2.0 ({VERSION_2}) is not built into this version of spindle yet; use {VERSION_1}"),
            ),
            other => check.error(
                "protobuf_message",
                format!("unknown type for remote write protobuf message {other}, supported: {VERSION_1}, {VERSION_2}"),
            ),
        }
        if self.wal.is_present() {
            let problem = Diagnostic::error("a write-ahead log is not built into this version of spindle");
            let help = "remove `wal`; the queue in memory (`remote_write_queue`) holds what the server does not take";
            check.report("wal", problem.help(help));
        }
        let native = [
            ("convert_explicit_histograms_to_nhcb", self.convert_explicit_histograms_to_nhcb),
            ("keep_classic_histograms", self.keep_classic_histograms),
        ];
        for (key, is_set) in native {
            if is_set {
                check.error(
                    key,
                    "native histograms with custom buckets need remote write 2.0, which is not built into this version of spindle yet",
                );
            }
        }
    }
}
