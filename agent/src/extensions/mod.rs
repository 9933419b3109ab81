//! Extensions: what runs beside the pipelines. One folder each, two lines here each.

pub mod basicauth;
pub mod bearertokenauth;
pub mod headers_setter;
pub mod health_check;
mod support;

use spindle_pipeline::component::Registry;

/// Adds every extension to the registry.
pub fn register(registry: &mut Registry) {
    registry.extension::<basicauth::BasicAuth>();
    registry.extension::<bearertokenauth::BearerTokenAuth>();
    registry.extension::<headers_setter::HeadersSetter>();
    registry.extension::<health_check::HealthCheck>();
    registry.extension::<health_check::HealthCheckV2>();
}
