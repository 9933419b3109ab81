//! Processors: one folder each, two lines here each. Connectors will live here as well.

pub mod attributes;
pub mod batch;
pub mod memory_limiter;
pub mod probabilistic_sampler;
pub mod resource;
pub mod support;

use spindle_pipeline::component::Registry;

/// Adds every processor to the registry.
pub fn register(registry: &mut Registry) {
    registry.processor::<attributes::AttributesProcessor>();
    registry.processor::<batch::BatchProcessor>();
    registry.processor::<memory_limiter::MemoryLimiter>();
    registry.processor::<probabilistic_sampler::ProbabilisticSampler>();
    registry.processor::<resource::ResourceProcessor>();
}
