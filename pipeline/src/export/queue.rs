//! The queue in memory: bounded, first in first out, and exact about who still answers for what.
//!
//! When more comes in than goes out, answers are delayed before requests are refused: once the queue
//! holds [`PACE_BYTES`] or [`PACE_REQUESTS`], each request waits up to [`LONGEST_PACE`] for something to
//! leave. Senders that wait for their answers slow down to what the back end takes, and the queue stays
//! small; a back end that is down fills it as fast as it ever did, a tenth of a second per request later.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, oneshot};

use super::config::{QueueConfig, Sizer};
use crate::batch::Batch;
use crate::component::{BuildContext, wait_deadline};
use crate::error::{Code, ConsumeError};
use crate::signal::Signal;
use crate::telemetry::{Counter, Gauge, Metric};

pub(super) struct Queue {
    entries: Mutex<VecDeque<Entry>>,
    ready: Notify,
    /// A permit for each unit of size that is free.
    room: Arc<Semaphore>,
    /// Permits for what may be held without delaying answers.
    pace: Arc<Semaphore>,
    capacity: usize,
    sizer: Sizer,
    blocks: bool,
    waits_for_result: bool,
    size: Gauge,
    dropped_at_shutdown: Counter,
}

/// Up to this many bytes in the queue nobody is slowed down.
const PACE_BYTES: usize = 16 << 20;
/// Up to this many requests in the queue nobody is slowed down.
const PACE_REQUESTS: usize = 64;
/// How long an answer is delayed at most.
const LONGEST_PACE: Duration = Duration::from_millis(100);
/// The bytes behind one permit of `pace`.
const PACE_UNIT: usize = 16 << 10;
const PACE_UNITS: usize = PACE_BYTES / PACE_UNIT;

/// A batch in the queue, and the ticket that must be answered for it.
pub(super) struct Entry {
    pub(super) batch: Batch,
    pub(super) ticket: Ticket,
}

/// The room an entry takes and whoever waits for its fate. Dropping it unanswered tells the waiter that
/// the batch was not delivered, and counts what nobody waits for as lost.
pub(super) struct Ticket {
    /// The items whose fate is not known yet.
    items: AtomicUsize,
    units: usize,
    waiter: Option<oneshot::Sender<Result<(), ConsumeError>>>,
    size: Gauge,
    lost: Option<Counter>,
    _room: OwnedSemaphorePermit,
    pace: Option<OwnedSemaphorePermit>,
}

impl Ticket {
    /// The batch waits for others to be joined with, by will and not because the back end is slow: from now
    /// on it slows senders down by its bytes alone, however small and many requests are.
    pub(super) fn joins(&mut self, batch: &Batch) {
        let by_size = batch.byte_size() / PACE_UNIT;
        if let Some(pace) = &mut self.pace {
            drop(pace.split(pace.num_permits().saturating_sub(by_size)));
        }
    }

    /// The fate of up to so many items of the batch is known and counted: they cannot be lost any more. Returns
    /// of how many this is new.
    pub(super) fn settle(&self, items: usize) -> usize {
        let left = self.items.load(Ordering::Relaxed);
        let settled = items.min(left);
        // Only the task that holds the ticket changes this.
        self.items.store(left - settled, Ordering::Relaxed);
        settled
    }

    /// The fate of the batch is known; whoever reported it has counted it.
    pub(super) fn answer(mut self, result: Result<(), ConsumeError>) {
        self.lost = None;
        if let Some(waiter) = self.waiter.take() {
            // A waiter that has gone does not mind.
            let _ = waiter.send(result);
        }
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.size.dec_by(self.units as i64);
        if let (Some(lost), None) = (&self.lost, &self.waiter) {
            lost.inc_by(*self.items.get_mut() as u64);
        }
    }
}

impl Queue {
    pub(super) fn new(config: &QueueConfig, signal: Signal, context: &BuildContext) -> Self {
        let labels = || {
            vec![
                ("exporter".into(), context.id.to_string().into()),
                ("data_type".into(), signal.name().into()),
            ]
        };
        let capacity = usize::try_from(config.queue_size).unwrap_or(usize::MAX).min(Semaphore::MAX_PERMITS);
        context.telemetry.gauge(Metric::ExporterQueueCapacity, labels()).set(capacity as i64);
        Self {
            entries: Mutex::new(VecDeque::new()),
            ready: Notify::new(),
            room: Arc::new(Semaphore::new(capacity)),
            pace: Arc::new(Semaphore::new(PACE_UNITS)),
            capacity,
            sizer: config.sizer,
            blocks: config.block_on_overflow,
            waits_for_result: config.wait_for_result,
            size: context.telemetry.gauge(Metric::ExporterQueueSize, labels()),
            dropped_at_shutdown: context.telemetry.dropped(
                format_args!("exporter/{}", context.id),
                signal,
                "shutdown",
            ),
        }
    }

    /// Takes a batch, or refuses it. With `wait_for_result` answers when the back end has.
    pub(super) async fn push(&self, batch: Batch) -> Result<(), ConsumeError> {
        let units = self.sizer.size(&batch);
        if units > self.capacity {
            let message =
                format!("the request is larger than the sending queue ({units} > {})", self.capacity);
            return Err(ConsumeError::new(Code::InvalidArgument, message));
        }
        let room = self.room(&batch, u32::try_from(units).unwrap_or(u32::MAX)).await?;
        let pace = self.pace(&batch).await;
        let answer = self.enter(batch, units, room, pace)?;
        match answer {
            Some(answer) => answer.await.unwrap_or_else(|_| Err(ConsumeError::stopping())),
            None => Ok(()),
        }
    }

    /// Puts a batch that has its room into the queue, unless that was closed in the meantime: then nobody may
    /// be left to send it. The receiver of its fate, if somebody waits for it.
    fn enter(
        &self,
        batch: Batch,
        units: usize,
        room: OwnedSemaphorePermit,
        pace: Option<OwnedSemaphorePermit>,
    ) -> Result<Option<oneshot::Receiver<Result<(), ConsumeError>>>, ConsumeError> {
        let mut entries = self.lock();
        // Whoever pops looks at this under the same lock, and only when there is no entry left.
        if self.room.is_closed() {
            return Err(ConsumeError::stopping());
        }
        let (waiter, answer) = self.waits_for_result.then(oneshot::channel).unzip();
        self.size.inc_by(units as i64);
        let ticket = Ticket {
            items: AtomicUsize::new(batch.items()),
            units,
            waiter,
            size: self.size.clone(),
            lost: Some(self.dropped_at_shutdown.clone()),
            _room: room,
            pace,
        };
        entries.push_back(Entry { batch, ticket });
        drop(entries);
        self.ready.notify_one();
        Ok(answer)
    }

    async fn room(&self, batch: &Batch, units: u32) -> Result<OwnedSemaphorePermit, ConsumeError> {
        match Arc::clone(&self.room).try_acquire_many_owned(units) {
            Ok(room) => return Ok(room),
            Err(tokio::sync::TryAcquireError::Closed) => return Err(ConsumeError::stopping()),
            Err(tokio::sync::TryAcquireError::NoPermits) if !self.blocks => {
                return Err(ConsumeError::unavailable("sending queue is full"));
            }
            Err(tokio::sync::TryAcquireError::NoPermits) => {}
        }
        let acquired = Arc::clone(&self.room).acquire_many_owned(units);
        match tokio::time::timeout_at(wait_deadline(batch), acquired).await {
            Ok(Ok(room)) => Ok(room),
            Ok(Err(_closed)) => Err(ConsumeError::stopping()),
            Err(_elapsed) => Err(ConsumeError::unavailable("sending queue is full")),
        }
    }

    /// Waits a little while the queue holds much; `None` when it still does.
    async fn pace(&self, batch: &Batch) -> Option<OwnedSemaphorePermit> {
        let units = (batch.byte_size() / PACE_UNIT).clamp(PACE_UNITS / PACE_REQUESTS, PACE_UNITS) as u32;
        if let Ok(permit) = Arc::clone(&self.pace).try_acquire_many_owned(units) {
            return Some(permit);
        }
        let permit = Arc::clone(&self.pace).acquire_many_owned(units);
        tokio::time::timeout(LONGEST_PACE, permit).await.ok()?.ok()
    }

    /// The next entry; waits for one. `None` when the queue is closed and empty.
    pub(super) async fn pop(&self) -> Option<Entry> {
        loop {
            let ready = self.ready.notified();
            {
                let mut entries = self.lock();
                if let Some(entry) = entries.pop_front() {
                    if !entries.is_empty() {
                        // One wake-up may have stood for several entries: pass it on.
                        self.ready.notify_one();
                    }
                    return Some(entry);
                }
                if self.room.is_closed() {
                    self.ready.notify_one();
                    return None;
                }
            }
            ready.await;
        }
    }

    /// Takes nothing more; what is held can still be popped.
    pub(super) fn close(&self) {
        self.room.close();
        self.pace.close();
        self.ready.notify_one();
    }

    /// Lets go of everything; returns how many items were lost at the shutdown in all.
    pub(super) fn abandon(&self) -> u64 {
        self.lock().clear();
        self.dropped_at_shutdown.get()
    }

    /// Whether a refusal is the queue's own, rather than the back end's answer passed on.
    pub(super) fn counts_as_enqueue_failure(&self) -> bool {
        !self.waits_for_result
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<Entry>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
