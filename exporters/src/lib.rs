//! Exporters: one folder each, two lines here each. [`support`] is what several of them share.

pub mod debug;
pub mod file;
pub mod nop;
pub mod otlp_grpc;
pub mod otlp_http;
pub mod prometheus_remote_write;
pub mod support;
#[cfg(feature = "test-util")]
pub mod testing;

use spindle_pipeline::component::Registry;

/// Adds every exporter to the registry.
pub fn register(registry: &mut Registry) {
    registry.exporter::<debug::Debug>();
    registry.exporter::<file::FileType>();
    registry.exporter::<nop::Nop>();
    registry.exporter::<otlp_grpc::OtlpGrpc>();
    registry.exporter::<otlp_http::OtlpHttp>();
    registry.exporter::<prometheus_remote_write::PrometheusRemoteWrite>();
}
