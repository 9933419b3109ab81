//! The edges: where batches go from one component to the next, where they are counted, and where a panic
//! ends.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use async_trait::async_trait;
use futures_util::FutureExt;
use spindle_config::ComponentId;

use crate::batch::Batch;
use crate::component::{Consumer, Kind, Transform};
use crate::error::ConsumeError;
use crate::panics::Panics;
use crate::run::Stamp;
use crate::signal::Signal;
use crate::telemetry::{Counter, Metric, Telemetry};

/// Behind a receiver: counts what it hands over, by what became of it.
pub struct ReceiverEdge {
    next: Arc<dyn Consumer>,
    accepted: Counter,
    refused: Counter,
    successes: Counter,
    refusals: Counter,
}

impl ReceiverEdge {
    /// The edge of a receiver for one signal and transport.
    pub fn new(
        next: Arc<dyn Consumer>,
        telemetry: &Telemetry,
        receiver: &ComponentId,
        signal: Signal,
        transport: &'static str,
    ) -> Self {
        let labels =
            || vec![("receiver".into(), receiver.to_string().into()), ("transport".into(), transport.into())];
        let outcome = |outcome: &'static str| {
            let mut labels = labels();
            labels.push(("outcome".into(), outcome.into()));
            telemetry.counter(Metric::ReceiverRequests, labels)
        };
        Self {
            next,
            accepted: telemetry.counter(Metric::receiver_accepted(signal), labels()),
            refused: telemetry.counter(Metric::receiver_refused(signal), labels()),
            successes: outcome("success"),
            refusals: outcome("refused"),
        }
    }
}

#[async_trait]
impl Consumer for ReceiverEdge {
    async fn consume(&self, batch: Batch) -> Result<(), ConsumeError> {
        let items = batch.items() as u64;
        let result = self.next.consume(batch).await;
        let (items_counter, requests) = match result {
            Ok(()) => (&self.accepted, &self.successes),
            Err(_) => (&self.refused, &self.refusals),
        };
        items_counter.inc_by(items);
        requests.inc();
        result
    }
}

/// The first stage behind a receiver: the run's label, once for all pipelines.
pub(super) struct StampStage {
    pub(super) stamp: Stamp,
    pub(super) next: Arc<dyn Consumer>,
}

#[async_trait]
impl Consumer for StampStage {
    async fn consume(&self, batch: Batch) -> Result<(), ConsumeError> {
        self.next.consume(self.stamp.apply(batch)).await
    }
}

/// What the graph counts for a processor.
pub(super) struct ProcessorCounters {
    incoming: Counter,
    outgoing: Counter,
    panics: Panics,
}

impl ProcessorCounters {
    pub(super) fn new(telemetry: &Telemetry, id: &ComponentId, signal: Signal) -> Self {
        let labels = || {
            vec![("processor".into(), id.to_string().into()), ("otel_signal".into(), signal.name().into())]
        };
        Self {
            incoming: telemetry.counter(Metric::ProcessorIncomingItems, labels()),
            outgoing: telemetry.counter(Metric::ProcessorOutgoingItems, labels()),
            panics: Panics::of(telemetry, Kind::Processor, id),
        }
    }

    fn panicked(&self, panic: &(dyn std::any::Any + Send)) -> ConsumeError {
        let message = self.panics.caught(panic);
        ConsumeError::permanent(format!("{} panicked: {message}", self.panics.component()))
    }
}

/// In front of a processor with state: counts what goes in, and turns its panic into an error.
pub(super) struct ProcessorEdge {
    pub(super) counters: Arc<ProcessorCounters>,
    pub(super) next: Arc<dyn Consumer>,
}

#[async_trait]
impl Consumer for ProcessorEdge {
    async fn consume(&self, batch: Batch) -> Result<(), ConsumeError> {
        self.counters.incoming.inc_by(batch.items() as u64);
        let consumed = AssertUnwindSafe(self.next.consume(batch)).catch_unwind().await;
        consumed.unwrap_or_else(|panic| Err(self.counters.panicked(&*panic)))
    }
}

/// Behind a processor with state: counts what comes out.
pub(super) struct OutgoingEdge {
    pub(super) counters: Arc<ProcessorCounters>,
    pub(super) next: Arc<dyn Consumer>,
}

#[async_trait]
impl Consumer for OutgoingEdge {
    async fn consume(&self, batch: Batch) -> Result<(), ConsumeError> {
        let items = batch.items() as u64;
        let result = self.next.consume(batch).await;
        if result.is_ok() {
            self.counters.outgoing.inc_by(items);
        }
        result
    }
}

/// One processor of a [`TransformStage`].
pub(super) struct TransformStep {
    pub(super) transform: Arc<dyn Transform>,
    pub(super) counters: ProcessorCounters,
    pub(super) dropped: Counter,
}

impl TransformStep {
    fn apply(&self, batch: Batch) -> Result<Option<Batch>, ConsumeError> {
        let items = batch.items();
        self.counters.incoming.inc_by(items as u64);
        let transformed = catch_unwind(AssertUnwindSafe(|| self.transform.transform(batch)))
            .unwrap_or_else(|panic| Err(self.counters.panicked(&*panic)))?;
        let left = transformed.as_ref().map_or(0, Batch::items);
        self.counters.outgoing.inc_by(left as u64);
        self.dropped.inc_by(items.saturating_sub(left) as u64);
        Ok(transformed)
    }
}

/// Neighbouring processors without state, as one stage.
pub(super) struct TransformStage {
    pub(super) steps: Vec<TransformStep>,
    pub(super) next: Arc<dyn Consumer>,
}

#[async_trait]
impl Consumer for TransformStage {
    async fn consume(&self, mut batch: Batch) -> Result<(), ConsumeError> {
        for step in &self.steps {
            match step.apply(batch)? {
                Some(transformed) => batch = transformed,
                None => return Ok(()),
            }
        }
        self.next.consume(batch).await
    }
}
