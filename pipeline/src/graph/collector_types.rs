//! Types of the Collector that users may bring along and we do not have (yet), so that the error for one
//! of them can say so.

use crate::component::Kind;

const RECEIVERS: &str = "
apache dcgm docker_stats file_log filelog fluent_forward fluentforward http_check httpcheck
jaeger journald k8s_cluster k8s_events k8s_objects k8sobjects kafka kubelet_stats kubeletstats
mysql nginx nop opencensus otlp_json_file otlpjsonfile postgresql prometheus
prometheus_remote_write prometheusremotewrite redis statsd syslog tcplog udplog
windowsperfcounters zipkin
";
const PROCESSORS: &str = "
cumulative_to_delta cumulativetodelta delta_to_cumulative deltatocumulative deltatorate filter
geoip groupbyattrs groupbytrace interval isolationforest k8s_attributes k8sattributes log_dedup
logdedup metric_start_time metrics_transform metricsgeneration metricstarttime metricstransform
redaction remotetap resource_detection resourcedetection routing schema span tail_sampling
transform
";
const EXPORTERS: &str = "
aws_s3 awss3 azuremonitor clickhouse datadog elasticsearch googlecloud jaeger
jaeger_storage_exporter kafka load_balancing loadbalancing logging loki opensearch otelarrow
prometheus splunk_hec syslog zipkin
";
const CONNECTORS: &str = "
count datadog exceptions failover forward grafanacloud otlpjson round_robin roundrobin routing
service_graph servicegraph signal_to_metrics signaltometrics slowsql span_metrics spanmetrics
sum
";
const EXTENSIONS: &str = "
ack basicauth bearertokenauth db_storage docker_observer expvar file_storage headers_setter
host_observer jaeger_query jaeger_storage jaegerremotesampling k8s_observer memory_ballast
memory_limiter oauth2client oidc opamp pprof remote_sampling remotetap sigv4auth zpages
";

/// Whether the Collector, core or contrib, has a type of this name.
pub(super) fn contains(kind: Kind, name: &str) -> bool {
    let names = match kind {
        Kind::Receiver => RECEIVERS,
        Kind::Processor => PROCESSORS,
        Kind::Exporter => EXPORTERS,
        Kind::Connector => CONNECTORS,
        Kind::Extension => EXTENSIONS,
    };
    names.split_ascii_whitespace().any(|known| known == name)
}
