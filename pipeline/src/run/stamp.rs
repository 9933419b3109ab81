//! Putting the run's label on the resources of a batch.

use super::Runs;
use crate::batch::Batch;
use crate::otlp::splice::edit_resources;
use crate::otlp::view::{Part, records, scope_groups};

/// Stamps every resource of a batch that has items: a group without any has nothing to say, and a request of
/// millions of them would become thirty times as large. A value that the client set stays unless the run is overriding.
#[derive(Clone, Debug)]
pub struct Stamp {
    runs: Runs,
}

impl Stamp {
    /// Stamps what `runs` says; `None` when there is nothing to stamp.
    pub fn new(runs: Runs) -> Option<Self> {
        runs.of_process().is_some().then_some(Self { runs })
    }

    /// The stamped batch; the same one when every resource carries the label already.
    pub fn apply(&self, batch: Batch) -> Batch {
        let edited = edit_resources(&batch.bytes(), |resource| {
            if let (true, Some(run)) = (has_items(resource.group), self.runs.of_resource(resource.group)) {
                resource.set(&run.label, &run.id, run.is_overriding);
            }
        });
        match edited {
            Some(bytes) => batch.with_bytes(bytes, batch.items()),
            None => batch,
        }
    }
}

fn has_items(resource_group: Part<'_>) -> bool {
    scope_groups(resource_group).any(|scope| records(scope).next().is_some())
}
