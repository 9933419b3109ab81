//! Joining queued requests to larger ones, `sending_queue::batch`.
//!
//! The entries of a joined request stay in the queue's account until the back end has answered for all
//! of it, and share its fate.

use std::sync::Arc;
use tokio::time::Instant;

use hashbrown::HashMap;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::config::{BatchConfig, Sizer};
use super::queue::{Entry, Queue, Ticket};
use super::sender::Sender;
use crate::batch::Batch;
use crate::otlp::split::Limits;

pub(super) struct Batcher {
    config: BatchConfig,
    sizer: Sizer,
    queue: Arc<Queue>,
    sender: Arc<Sender>,
    permits: Arc<Semaphore>,
    pending: HashMap<PartitionKey, Pending, foldhash::fast::RandomState>,
    sending: JoinSet<()>,
}

/// The values of the metadata keys that keep requests apart.
type PartitionKey = Vec<Vec<String>>;

struct Pending {
    batches: Vec<Batch>,
    tickets: Vec<Ticket>,
    size: u64,
    due: Instant,
}

impl Batcher {
    pub(super) fn new(
        config: BatchConfig,
        queue_sizer: Sizer,
        queue: Arc<Queue>,
        sender: Arc<Sender>,
        permits: Arc<Semaphore>,
    ) -> Self {
        let sizer = config.sizer(queue_sizer);
        let pending = HashMap::with_hasher(foldhash::fast::RandomState::default());
        Self { config, sizer, queue, sender, permits, pending, sending: JoinSet::new() }
    }

    /// Joins and sends until the queue is closed and empty and everything is answered.
    pub(super) async fn run(mut self) {
        loop {
            let due = self.pending.values().map(|pending| pending.due).min();
            // What is due comes first: a queue that is never empty would keep it waiting for ever.
            let popped = match due {
                None => Some(self.queue.pop().await),
                Some(due) if due <= Instant::now() => None,
                Some(due) => tokio::time::timeout_at(due, self.queue.pop()).await.ok(),
            };
            let Some(entry) = popped else {
                self.flush(|pending, now| pending.due <= now).await;
                continue;
            };
            let Some(entry) = entry else { break };
            self.add(entry).await;
            while self.sending.try_join_next().is_some() {}
        }
        self.flush(|_, _| true).await;
        while self.sending.join_next().await.is_some() {}
    }

    async fn add(&mut self, mut entry: Entry) {
        entry.ticket.joins(&entry.batch);
        let key = self.partition(&entry.batch);
        let due = Instant::now() + self.config.flush_timeout.get();
        let pending = self.pending.entry(key).or_insert_with(|| Pending {
            batches: Vec::new(),
            tickets: Vec::new(),
            size: 0,
            due,
        });
        pending.size += self.sizer.size(&entry.batch) as u64;
        pending.batches.push(entry.batch);
        pending.tickets.push(entry.ticket);
        let min_size = self.config.min_size;
        if pending.size >= min_size {
            self.flush(|pending, _| pending.size >= min_size).await;
        }
    }

    fn partition(&self, batch: &Batch) -> PartitionKey {
        let keys = &self.config.partition.metadata_keys;
        keys.iter()
            .map(|key| {
                let values = batch.context().map(|context| context.values(key).map(str::to_owned).collect());
                values.unwrap_or_default()
            })
            .collect()
    }

    /// Sends those that are ready. Waits while as many requests are on their way as may be.
    async fn flush(&mut self, is_ready: impl Fn(&Pending, Instant) -> bool) {
        let now = Instant::now();
        let ready: Vec<Pending> = self
            .pending
            .extract_if(|_, pending| is_ready(pending, now))
            .map(|(_, pending)| pending)
            .collect();
        for pending in ready {
            let Ok(permit) = Arc::clone(&self.permits).acquire_owned().await else { return };
            let (sender, limits) = (Arc::clone(&self.sender), self.limits());
            self.sending.spawn(async move {
                send(&sender, pending, limits).await;
                drop(permit);
            });
        }
    }

    fn limits(&self) -> Limits {
        let most = if self.config.max_size == 0 { usize::MAX } else { self.config.max_size as usize };
        match self.sizer {
            Sizer::Bytes => Limits { bytes: most, ..Limits::NONE },
            Sizer::Items | Sizer::Requests => Limits { items: most, ..Limits::NONE },
        }
    }
}

async fn send(sender: &Sender, pending: Pending, limits: Limits) {
    let mut result = Ok(());
    let joined = Batch::joined(&pending.batches);
    for piece in joined.iter().flat_map(|joined| joined.cut(limits)) {
        let settled = |items| settle(&pending.tickets, items);
        if let Err(error) = sender.send(&piece, &settled).await {
            result = match result {
                Ok(()) => Err(error),
                Err(first) => Err(first.more_retryable(error)),
            };
        }
    }
    for ticket in pending.tickets {
        ticket.answer(result.clone());
    }
}

/// The fate of so many items is known. Which entry they are of makes no difference to what is left.
fn settle(tickets: &[Ticket], mut items: usize) {
    for ticket in tickets {
        if items == 0 {
            return;
        }
        items -= ticket.settle(items);
    }
}
