//! Processors: one folder each, two lines here each. Connectors will live here as well.

pub mod batch;

use spindle_pipeline::component::Registry;

/// Adds every processor to the registry.
pub fn register(registry: &mut Registry) {
    registry.processor::<batch::BatchProcessor>();
}
