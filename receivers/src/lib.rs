//! Receivers: one folder each, two lines here each. [`support`] is what several of them share.

pub mod gpu;
pub mod otlp;
pub mod support;

use spindle_pipeline::component::Registry;

/// Adds every receiver to the registry.
pub fn register(registry: &mut Registry) {
    registry.receiver::<gpu::nvml::Nvml>();
    registry.receiver::<otlp::Otlp>();
}
