//! Receivers: one folder each, two lines here each.

pub mod otlp;

use spindle_pipeline::component::Registry;

/// Adds every receiver to the registry.
pub fn register(registry: &mut Registry) {
    registry.receiver::<otlp::Otlp>();
}
