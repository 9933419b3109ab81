//! What surrounds every exporter: queue, batching for the wire, retry, timeout.
//!
//! An exporter makes one attempt and knows nothing of this. [`ExportStage`] is the consumer at the end of
//! a pipeline; there is one for each exporter and signal, as in the Collector.
//!
//! * With a `sending_queue` (the default) `Ok` means the queue has taken the data, or, with
//!   `wait_for_result`, that the back end has. What a memory queue has taken is delivered, or counted as
//!   dropped with a reason; a crash loses it.
//! * Without a queue `Ok` means the back end has taken it; the caller waits through the retries.
//! * A request that the back end calls too large is sent in parts, and one that it calls bad as well, until
//!   the bad items are alone; only these are dropped.
//! * Sizes count until the back end has answered: a queue is as full as what it still answers for.
//! * At the stop the queue takes nothing more, back-off sleeps end, and what is held is sent until the
//!   deadline. The rest is counted and logged.

mod batcher;
mod config;
mod delivery;
mod queue;
mod retry;
mod sample;
mod sender;

#[cfg(test)]
mod tests;

use std::sync::Arc;
use tokio::time::Instant;

use async_trait::async_trait;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tracing::{error, info};

use crate::batch::Batch;
use crate::component::{BuildContext, Consumer, Exporter};
use crate::error::ConsumeError;
use crate::signal::Signal;
use crate::telemetry::Metric;

pub use config::{BatchConfig, ExportSettings, PartitionConfig, QueueConfig, RetryConfig, Sizer, validate};
pub use retry::Backoff;

use batcher::Batcher;
use queue::{Entry, Queue};
pub use sender::HURRIED_WAIT;
use sender::Sender;

/// The end of a pipeline: an exporter and what is around it.
pub struct ExportStage {
    sender: Arc<Sender>,
    queue: Option<Arc<Queue>>,
    workers: tokio::sync::Mutex<JoinSet<()>>,
}

impl ExportStage {
    /// Starts the stage of one exporter and signal. Must be called within a runtime.
    pub fn start(
        exporter: Arc<dyn Exporter>,
        settings: &ExportSettings,
        signal: Signal,
        context: &BuildContext,
    ) -> Self {
        let sender = Arc::new(Sender::new(exporter, settings, signal, context));
        let mut workers = JoinSet::new();
        let queue = settings.queue.as_ref().map(|config| {
            let queue = Arc::new(Queue::new(config, signal, context));
            start_workers(&mut workers, config, &queue, &sender);
            queue
        });
        Self { sender, queue, workers: tokio::sync::Mutex::new(workers) }
    }

    /// The process is stopping: waits between attempts become short, so that whoever waits for an answer
    /// has it, or the data is delivered, while there is time.
    pub fn hurry(&self) {
        self.sender.hurry();
    }

    /// Takes nothing more and sends what is held until `deadline`.
    pub async fn stop(&self, deadline: Instant) {
        self.hurry();
        let Some(queue) = &self.queue else { return };
        queue.close();
        let mut workers = self.workers.lock().await;
        let drained = async { while workers.join_next().await.is_some() {} };
        if tokio::time::timeout_at(deadline, drained).await.is_err() {
            // Dropping the tasks drops the attempts that are in flight; what they held is lost.
            workers.abort_all();
            while workers.join_next().await.is_some() {}
        }
        let lost = queue.abandon();
        if lost > 0 {
            error!(dropped_items = lost, exporter = %self.sender.id(), "Could not send everything before the shutdown deadline. Dropping data.");
        } else {
            info!(exporter = %self.sender.id(), "the sending queue is drained");
        }
    }
}

fn start_workers(workers: &mut JoinSet<()>, config: &QueueConfig, queue: &Arc<Queue>, sender: &Arc<Sender>) {
    if let Some(batch) = config.batch.as_ref() {
        let permits = Arc::new(Semaphore::new(config.num_consumers as usize));
        let batcher =
            Batcher::new(batch.clone(), config.sizer, Arc::clone(queue), Arc::clone(sender), permits);
        workers.spawn(batcher.run());
        return;
    }
    for _ in 0..config.num_consumers {
        let (queue, sender) = (Arc::clone(queue), Arc::clone(sender));
        workers.spawn(async move {
            while let Some(Entry { batch, ticket }) = queue.pop().await {
                let settled = |items| {
                    ticket.settle(items);
                };
                let result = sender.send(&batch, &settled).await;
                ticket.answer(result);
            }
        });
    }
}

#[async_trait]
impl Consumer for ExportStage {
    async fn consume(&self, batch: Batch) -> Result<(), ConsumeError> {
        let Some(queue) = &self.queue else { return self.sender.send(&batch, &|_| {}).await };
        let items = batch.items();
        let result = queue.push(batch).await;
        if result.is_err() && queue.counts_as_enqueue_failure() {
            self.sender.count(Metric::exporter_enqueue_failed, items);
        }
        result
    }
}
