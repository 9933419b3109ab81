//! Putting the run's label on the resources of a batch.

use super::Runs;
use crate::batch::Batch;
use crate::otlp::splice::edit_resources;

/// Stamps every resource of a batch. A value that the client set stays unless the run is overriding.
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
            if let Some(run) = self.runs.of_resource(resource.group) {
                resource.set(&run.label, &run.id, run.is_overriding);
            }
        });
        match edited {
            Some(bytes) => batch.with_bytes(bytes, batch.items()),
            None => batch,
        }
    }
}
