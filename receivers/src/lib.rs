//! Receivers: one folder each, two lines here each. [`support`] is what several of them share.

pub mod gpu;
pub mod host_metrics;
pub mod otlp;
pub mod support;

use spindle_pipeline::component::Registry;

/// Adds every receiver to the registry.
pub fn register(registry: &mut Registry) {
    registry.receiver::<gpu::nvml::Nvml>();
    registry.receiver::<host_metrics::HostMetrics>();
    registry.receiver::<otlp::Otlp>();
}
