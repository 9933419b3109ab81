use std::time::Duration as StdDuration;

use spindle_pipeline::component::ExporterFactory;
use spindle_pipeline::testing::{config, config_with_problems, context};

use super::*;
use crate::prometheus_remote_write::PrometheusRemoteWrite;

fn problems(yaml: &str) -> Vec<String> {
    config_with_problems::<PrometheusRemoteWrite>(yaml).1
}

/// The defaults are the Collector's, but for the endpoint, which has none.
#[test]
fn the_defaults_are_the_collectors() {
    assert_eq!(problems("{}"), ["endpoint: requires a non-empty \"endpoint\""]);
    let config = config::<PrometheusRemoteWrite>("endpoint: http://h:9090/api/v1/write");
    assert_eq!(config.client().timeout, Duration::from_secs(5));
    assert_eq!((config.limits().bytes, config.limits().samples), (3_000_000, 2_000));
    assert_eq!(config.shards(), 5);
    let retry = config.retry_on_failure.settings();
    assert_eq!(
        (retry.initial_interval, retry.max_interval, retry.max_elapsed_time),
        (Duration::from_millis(50), Duration::from_secs(30), Duration::from_secs(300))
    );
    let settings = config.settings();
    assert!(settings.target_info && settings.scope_info && !settings.metadata);
    let half = self_config("{endpoint: 'http://h', retry_on_failure: {max_interval: 1s}}");
    assert_eq!(half.retry_on_failure.initial_interval, Duration::from_millis(50));
}

fn self_config(yaml: &str) -> Config {
    config::<PrometheusRemoteWrite>(yaml)
}

/// The export stage hands over one batch at a time, joined to what fills requests, and repeats nothing
/// itself.
#[test]
fn the_queue_hands_over_batches_in_order() {
    let of = |yaml: &str| PrometheusRemoteWrite::settings(&self_config(yaml));
    let settings = of(
        "{endpoint: 'http://h', remote_write_queue: {num_consumers: 30}, include_metadata_keys: [X-Tenant]}",
    );
    let queue = settings.queue.expect("has a queue");
    let batch = queue.batch.as_ref().expect("joins batches");
    assert_eq!((queue.num_consumers, queue.queue_size), (1, 10_000));
    assert_eq!((batch.flush_timeout, batch.min_size, batch.max_size), (Duration::from_secs(5), 2_000, 0));
    assert_eq!(batch.partition.metadata_keys, ["X-Tenant"]);
    assert!(settings.timeout.is_zero());
    let mut backoff = spindle_pipeline::export::Backoff::new(&settings.retry);
    assert_eq!(backoff.next(Some(StdDuration::ZERO)), None, "what comes back is final");
    assert_eq!(of("{endpoint: 'http://h', remote_write_queue: {enabled: false, queue_size: 0}}").queue, None);
    let small = of("{endpoint: 'http://h', remote_write_queue: {queue_size: 1}}").queue.expect("has a queue");
    assert_eq!(small.batch.as_ref().map(|batch| batch.min_size), Some(1), "a full queue does not wait");
}

/// Both places of the client's keys work; the block wins, and says so.
#[test]
fn the_block_http_wins() {
    let yaml = "{endpoint: 'http://flat', timeout: 9s, headers: {a: b}, http: {endpoint: 'http://nested/w'}}";
    let (config, problems) = config_with_problems::<PrometheusRemoteWrite>(yaml);
    let client = config.client();
    assert_eq!((client.endpoint.as_str(), client.headers.is_empty()), ("http://nested/w", true));
    assert_eq!(client.timeout, Duration::from_secs(9), "the exporter's own timeout");
    assert_eq!(
        problems,
        [
            "endpoint: `endpoint` is ignored, because the block `http` is written",
            "headers: `headers` is ignored, because the block `http` is written",
        ]
    );
    let both = self_config("{timeout: 9s, http: {endpoint: 'http://h', timeout: 2s}}");
    assert_eq!(both.client().timeout, Duration::from_secs(2));
    assert_eq!(self::problems("http: {}"), ["http::endpoint: requires a non-empty \"endpoint\""]);
    let broken = self_config("http: {endpoint: 'https://h', tls: {ca_pem: no}}");
    let error = PrometheusRemoteWrite::build(broken, &context("prometheus_remote_write")).err();
    assert_eq!(error.expect("fails").key, "http::tls::ca_pem", "named where it is written");
}

/// The keys that choose names.
#[test]
fn strategies_choose_suffixes() {
    for (yaml, expected) in [
        ("{}", "a_seconds_total"),
        ("{add_metric_suffixes: false}", "a"),
        ("{translation_strategy: UnderscoreEscapingWithoutSuffixes}", "a"),
        (
            "{translation_strategy: UnderscoreEscapingWithSuffixes, add_metric_suffixes: false}",
            "a_seconds_total",
        ),
    ] {
        let (config, _) = config_with_problems::<PrometheusRemoteWrite>(yaml);
        let name = config.settings().namer.name("a", "s", super::super::naming::MetricKind::Counter);
        assert_eq!(name.as_deref(), Some(expected), "{yaml}");
    }
    let config = self_config("{endpoint: 'http://h', external_labels: {clus.ter: a, _x: b}}");
    let labels = config.settings().external_labels;
    assert_eq!(labels, [("key_x".to_owned(), "b".to_owned()), ("clus_ter".to_owned(), "a".to_owned())]);
}

/// Texts are those of the Collector where it has them; users search for them.
#[test]
fn says_what_cannot_be() {
    for (yaml, expected) in [
        ("endpoint: h:9090", "endpoint: the endpoint must be a URL with http:// or https://"),
        ("{compression: gzip}", "compression: compression type must be snappy"),
        (
            "{remote_write_queue: {queue_size: 0}}",
            "remote_write_queue::queue_size: a 0 size queue will drop all the data",
        ),
        (
            "{remote_write_queue: {queue_size: -1}}",
            "remote_write_queue::queue_size: remote write queue size can't be negative",
        ),
        (
            "{remote_write_queue: {num_consumers: -1}}",
            "remote_write_queue::num_consumers: remote write consumer number can't be negative",
        ),
        (
            "{max_batch_request_parallelism: 0}",
            "max_batch_request_parallelism: max_batch_request_parallelism can't be set to below 1",
        ),
        ("{max_batch_size_bytes: -1}", "max_batch_size_bytes: max_batch_size_bytes must be greater than 0"),
        ("{translation_strategy: Snake}", "translation_strategy: invalid translation_strategy: Snake"),
        (
            "{translation_strategy: NoTranslation}",
            "translation_strategy: translation strategy NoTranslation requires Prometheus Remote Write 2.0 (UTF-8 support)",
        ),
        (
            "{translation_strategy: NoUTF8EscapingWithSuffixes}",
            "translation_strategy: translation strategy NoUTF8EscapingWithSuffixes requires Prometheus Remote Write 2.0 (UTF-8 support)",
        ),
        (
            "{protobuf_message: io.prometheus.write.v2.Request}",
            "protobuf_message: remote write 2.0 (io.prometheus.write.v2.Request) is not built into this version of spindle yet; use prometheus.WriteRequest",
        ),
        (
            "{protobuf_message: other}",
            "protobuf_message: unknown type for remote write protobuf message other, supported: prometheus.WriteRequest, io.prometheus.write.v2.Request",
        ),
        ("{wal: {directory: ./w}}", "wal: a write-ahead log is not built into this version of spindle"),
        (
            "{convert_explicit_histograms_to_nhcb: true}",
            "convert_explicit_histograms_to_nhcb: native histograms with custom buckets need remote write 2.0, which is not built into this version of spindle yet",
        ),
        (
            "{keep_classic_histograms: true}",
            "keep_classic_histograms: native histograms with custom buckets need remote write 2.0, which is not built into this version of spindle yet",
        ),
        (
            "{resource_to_telemetry_conversion: {enabled: true}, resource_constant_labels: {included: [a]}}",
            "resource_constant_labels: cannot configure both resource_to_telemetry_conversion and resource_constant_labels; resource_to_telemetry_conversion is deprecated",
        ),
        (
            "{resource_constant_labels: {enabled: true}}",
            "resource_constant_labels: has invalid keys: enabled",
        ),
        (
            "{external_labels: {a: ''}}",
            "external_labels::a: prometheus remote write: external labels configuration contains an empty key or value",
        ),
        ("{external_labels: {____: b}}", "external_labels::____: \"____\" gives no label name"),
        (
            "{include_metadata_keys: [Content-Type]}",
            "include_metadata_keys::0: include_metadata_keys entry \"Content-Type\" collides with a reserved remote write header",
        ),
        ("{include_metadata_keys: ['a b']}", "include_metadata_keys::0: \"a b\" cannot be a header's name"),
        (
            "{include_metadata_keys: [a, A]}",
            "include_metadata_keys::1: duplicate entry in include_metadata_keys: \"a\" (case-insensitive)",
        ),
        ("{sending_queue: {}}", "has invalid keys: sending_queue"),
        (
            "{middlewares: [{id: a}]}",
            "middlewares: middlewares are not built into this version of spindle yet",
        ),
        ("{proxy_url: p}", "proxy_url: the proxy must be a URL with http://"),
        (
            "{cookies: {enabled: true}}",
            "cookies::enabled: cookies are not built into this version of spindle yet",
        ),
        (
            "{retry_on_failure: {max_elapsed_time: 1s}}",
            "retry_on_failure::max_elapsed_time: 'max_elapsed_time' must not be less than 'max_interval'",
        ),
        (
            "{headers: {X-Prometheus-Remote-Write-Version: 0.1.0}}",
            "headers::X-Prometheus-Remote-Write-Version: the header X-Prometheus-Remote-Write-Version belongs to the protocol; the value written here is ignored",
        ),
        (
            "{add_metric_suffixes: false}",
            "add_metric_suffixes: `add_metric_suffixes` is deprecated. Please use `translation_strategy: UnderscoreEscapingWithoutSuffixes` instead.",
        ),
    ] {
        let problems = problems(yaml);
        assert!(problems.contains(&expected.to_owned()), "{yaml}: {problems:#?}");
    }
    let harmless = "{endpoint: 'http://h', wal: {enabled: false}, cookies: {enabled: false}, protobuf_message: prometheus.WriteRequest, compression: snappy, max_batch_size_bytes: 0}";
    assert!(problems(harmless).is_empty(), "{:?}", problems(harmless));
}
