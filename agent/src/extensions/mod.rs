//! Extensions: what runs beside the pipelines. One folder each, two lines here each.

pub mod health_check;

use spindle_pipeline::component::Registry;

/// Adds every extension to the registry.
pub fn register(registry: &mut Registry) {
    registry.extension::<health_check::HealthCheck>();
    registry.extension::<health_check::HealthCheckV2>();
}
