//! The `attributes` processor: edits the attributes of spans, log records and data points.
//!
//! What it guarantees:
//!
//! * The actions leave on every item what the Collector's leave, in the same order
//!   ([`crate::support::actions`]), on the items that the Collector would take
//!   ([`crate::support::matching`]).
//! * It drops nothing, and a request in which no action changes anything goes on as the same bytes.
//! * Of metrics it is the data points that have attributes: `include` and `exclude` choose metrics, the
//!   actions run on each point of one.

mod config;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use spindle_pipeline::component::{
    BuildContext, BuiltProcessor, Factory, ProcessorFactory, Stability, Transform,
};
use spindle_pipeline::error::{BuildError, ConsumeError};
use spindle_pipeline::otlp::attribute_list::AttributeList;
use spindle_pipeline::otlp::splice::edit_items;
use spindle_pipeline::{Batch, Signal, SignalSet};

use crate::support::actions::Actions;
use crate::support::matching::Filter;
pub use config::Config;

/// The type `attributes`.
pub struct AttributesProcessor;

impl Factory for AttributesProcessor {
    type Config = Config;
    const TYPE: &'static str = "attributes";
    const SIGNALS: SignalSet = SignalSet::ALL;
    const STABILITY: Stability = Stability::Beta;
}

impl ProcessorFactory for AttributesProcessor {
    fn build(config: &Config, _: &BuildContext, signal: Signal) -> Result<BuiltProcessor, BuildError> {
        Ok(BuiltProcessor::Transform(Arc::new(EditItems::new(config, signal)?)))
    }
}

struct EditItems {
    filter: Filter,
    actions: Actions,
}

impl EditItems {
    fn new(config: &Config, signal: Signal) -> Result<Self, BuildError> {
        Ok(Self {
            filter: Filter::new(signal, config.include.as_ref(), config.exclude.as_ref())?,
            actions: Actions::new(&config.actions, "actions")?,
        })
    }
}

impl Transform for EditItems {
    fn transform(&self, batch: Batch) -> Result<Option<Batch>, ConsumeError> {
        let request = batch.bytes();
        let context = self.actions.context_values(batch.context().map(Arc::as_ref));
        let mut list = AttributeList::default();
        let mut filter = self.filter.cursor();
        let (edited, _) = edit_items(batch.signal(), &request, |splice, item| {
            if filter.takes(item) {
                splice.edit_attributes(item.item, item.attributes, &mut list, |list| {
                    self.actions.apply(list, &context);
                });
            }
            true
        });
        let items = batch.items();
        Ok(edited.map(|bytes| batch.with_bytes(bytes, items)))
    }
}
