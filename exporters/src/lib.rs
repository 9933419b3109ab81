//! Exporters: one folder each, two lines here each. [`support`] is what several of them share.

pub mod otlp_grpc;
pub mod prometheus_remote_write;
pub mod support;

use spindle_pipeline::component::Registry;

/// Adds every exporter to the registry.
pub fn register(registry: &mut Registry) {
    registry.exporter::<otlp_grpc::OtlpGrpc>();
    registry.exporter::<prometheus_remote_write::PrometheusRemoteWrite>();
}
