//! The `resource` processor: edits the attributes of resources.
//!
//! What it guarantees:
//!
//! * The actions leave on every resource what the Collector's leave, in the same order
//!   ([`crate::support::actions`]).
//! * It drops nothing, and a request in which no action changes anything goes on as the same bytes.
//! * A resource that is not written is made when an action gives it an attribute, because to the Collector
//!   every group has one.

mod config;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use spindle_pipeline::component::{
    BuildContext, BuiltProcessor, Factory, ProcessorFactory, Stability, Transform,
};
use spindle_pipeline::error::{BuildError, ConsumeError};
use spindle_pipeline::otlp::attribute_list::AttributeList;
use spindle_pipeline::otlp::splice::edit_resources;
use spindle_pipeline::{Batch, Signal, SignalSet};

use crate::support::actions::Actions;
pub use config::Config;

/// The type `resource`.
pub struct ResourceProcessor;

impl Factory for ResourceProcessor {
    type Config = Config;
    const TYPE: &'static str = "resource";
    const SIGNALS: SignalSet = SignalSet::ALL;
    const STABILITY: Stability = Stability::Beta;
}

impl ProcessorFactory for ResourceProcessor {
    fn build(config: &Config, _: &BuildContext, _: Signal) -> Result<BuiltProcessor, BuildError> {
        Ok(BuiltProcessor::Transform(Arc::new(EditResources::new(config)?)))
    }
}

struct EditResources {
    actions: Actions,
}

impl EditResources {
    fn new(config: &Config) -> Result<Self, BuildError> {
        Ok(Self { actions: Actions::new(&config.attributes, "attributes")? })
    }
}

impl Transform for EditResources {
    fn transform(&self, batch: Batch) -> Result<Option<Batch>, ConsumeError> {
        let request = batch.bytes();
        let context = self.actions.context_values(batch.context().map(Arc::as_ref));
        let mut list = AttributeList::default();
        let edited = edit_resources(&request, |resource| {
            resource.attributes(&mut list, |list| self.actions.apply(list, &context));
        });
        Ok(Some(match edited {
            Some(bytes) => batch.with_bytes(bytes, batch.items()),
            None => batch,
        }))
    }
}
