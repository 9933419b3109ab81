//! One batch in the making: requests that may be joined, and the task that sends them.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use spindle_pipeline::component::{BuildContext, Consumer, Kind, wait_deadline};
use spindle_pipeline::error::{ConsumeError, Retry};
use spindle_pipeline::otlp::split::Limits;
use spindle_pipeline::panics::Panics;
use spindle_pipeline::telemetry::{Counter, Histogram, Metric, Telemetry};
use spindle_pipeline::{Batch, RequestContext, Signal};
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tracing::{error, warn};

use super::Config;

/// What receivers accept by default at the other end.
pub(super) const MAX_REQUEST_BYTES: usize = 4 << 20;
/// The waits between two offers of a batch that the next stage refused for now.
const FIRST_WAIT: Duration = Duration::from_millis(50);
const LONGEST_WAIT: Duration = Duration::from_secs(5);

/// What all shards of one processor share.
pub(super) struct ShardSettings {
    timeout: Duration,
    full: usize,
    limits: Limits,
    name: String,
    signal: Signal,
    next: Arc<dyn Consumer>,
    telemetry: Telemetry,
    panics: Panics,
    sizes: Histogram,
    byte_sizes: Histogram,
    size_triggers: Counter,
    time_triggers: Counter,
}

impl ShardSettings {
    pub(super) fn new(
        config: &Config,
        context: &BuildContext,
        signal: Signal,
        next: Arc<dyn Consumer>,
    ) -> Self {
        let labels = || vec![("processor".into(), context.id.to_string().into())];
        let telemetry = context.telemetry.clone();
        let most =
            if config.send_batch_max_size == 0 { usize::MAX } else { config.send_batch_max_size as usize };
        Self {
            timeout: config.timeout.get(),
            full: (config.send_batch_size as usize).max(1),
            limits: Limits { items: most, bytes: MAX_REQUEST_BYTES },
            name: format!("processor/{}", context.id),
            signal,
            next,
            sizes: telemetry.histogram(Metric::ProcessorBatchSendSize, labels()),
            byte_sizes: telemetry.histogram(Metric::ProcessorBatchSendSizeBytes, labels()),
            size_triggers: telemetry.counter(Metric::ProcessorBatchSizeTriggerSend, labels()),
            time_triggers: telemetry.counter(Metric::ProcessorBatchTimeoutTriggerSend, labels()),
            panics: Panics::of(&telemetry, Kind::Processor, &context.id),
            telemetry,
        }
    }

    /// Without waiting (`timeout: 0`): the caller gets the next stage's answer.
    pub(super) async fn pass_on(&self, batch: Batch) -> Result<(), ConsumeError> {
        for piece in batch.cut(self.limits) {
            self.observe(&piece);
            self.next.consume(piece).await?;
        }
        Ok(())
    }

    /// Joins what was taken. A panic here, outside of any request, costs what was taken and nothing else.
    fn join(&self, taken: Pending) -> Vec<Batch> {
        catch_unwind(AssertUnwindSafe(|| join(taken.batches, self.limits))).unwrap_or_else(|panic| {
            self.panics.caught(&*panic);
            self.telemetry.dropped(&self.name, self.signal, "rejected").inc_by(taken.items as u64);
            Vec::new()
        })
    }

    fn observe(&self, batch: &Batch) {
        self.sizes.observe(batch.items() as f64);
        self.byte_sizes.observe(batch.byte_size() as f64);
    }

    /// Offers a batch until it is taken, or called bad, or the deadline has passed, at which an offer without an
    /// answer is given up.
    async fn deliver(&self, batch: Batch, deadline: &Deadline) {
        self.observe(&batch);
        let mut wait = FIRST_WAIT;
        loop {
            let answer = tokio::select! {
                biased;
                answer = self.next.consume(batch.clone()) => answer,
                () = deadline.passed() => {
                    let silence = ConsumeError::unavailable("no answer before the shutdown deadline");
                    return self.drop_batch(&batch, "shutdown", &silence);
                }
            };
            let Err(refusal) = answer else { return };
            let pause = match refusal.retry() {
                Retry::Never => return self.drop_batch(&batch, "rejected", &refusal),
                Retry::Now => wait,
                Retry::After(asked) => asked.max(wait),
            };
            wait = (wait * 2).min(LONGEST_WAIT);
            warn!(processor = %self.name, error = %refusal, interval = ?pause, "The next stage refused a batch. Will offer it again after interval.");
            if !deadline.sleep(pause).await {
                return self.drop_batch(&batch, "shutdown", &refusal);
            }
        }
    }

    fn drop_batch(&self, batch: &Batch, reason: &'static str, refusal: &ConsumeError) {
        self.telemetry.dropped(&self.name, self.signal, reason).inc_by(batch.items() as u64);
        error!(processor = %self.name, error = %refusal, dropped_items = batch.items(), reason, "Dropping data.");
    }
}

/// One batch in the making.
pub(super) struct Shard {
    settings: Arc<ShardSettings>,
    context: Option<Arc<RequestContext>>,
    pending: Mutex<Pending>,
    /// There is something to send, or the end has come.
    ready: Notify,
    /// Something was taken to be sent, so there is room.
    room: Notify,
    deadline: Deadline,
    task: Mutex<Option<JoinHandle<()>>>,
}

#[derive(Default)]
struct Pending {
    batches: Vec<Batch>,
    items: usize,
    bytes: usize,
    due: Option<Instant>,
    is_closed: bool,
}

impl Shard {
    pub(super) fn start(settings: Arc<ShardSettings>, context: Option<Arc<RequestContext>>) -> Arc<Self> {
        let shard = Arc::new(Self {
            settings,
            context,
            pending: Mutex::default(),
            ready: Notify::new(),
            room: Notify::new(),
            deadline: Deadline::default(),
            task: Mutex::new(None),
        });
        let task = tokio::spawn(Arc::clone(&shard).run());
        *shard.task.lock().unwrap_or_else(PoisonError::into_inner) = Some(task);
        shard
    }

    /// Takes a request into the batch; waits for room while a full one is being sent.
    pub(super) async fn add(&self, batch: Batch) -> Result<(), ConsumeError> {
        let deadline = wait_deadline(&batch);
        loop {
            let room = self.room.notified();
            if self.try_add(&batch)? {
                return Ok(());
            }
            if tokio::time::timeout_at(deadline, room).await.is_err() {
                return Err(ConsumeError::unavailable(
                    "the batch processor is full: the next stage takes nothing",
                ));
            }
        }
    }

    /// False when there is no room.
    fn try_add(&self, batch: &Batch) -> Result<bool, ConsumeError> {
        let mut pending = self.lock();
        if pending.is_closed {
            return Err(ConsumeError::stopping());
        }
        if self.is_full(&pending) {
            return Ok(false);
        }
        pending.items += batch.items();
        pending.bytes += batch.byte_size();
        pending.batches.push(batch.clone());
        let is_first = pending.due.is_none();
        if is_first {
            pending.due = Some(Instant::now() + self.settings.timeout);
        }
        if is_first || self.is_full(&pending) {
            self.ready.notify_one();
        }
        Ok(true)
    }

    fn is_full(&self, pending: &Pending) -> bool {
        pending.items >= self.settings.full || pending.bytes >= MAX_REQUEST_BYTES
    }

    /// Sends what is full or due, until closed.
    async fn run(self: Arc<Self>) {
        loop {
            let ready = self.ready.notified();
            let (due, is_closed) = {
                let pending = self.lock();
                let due = if self.is_full(&pending) { Some(Instant::now()) } else { pending.due };
                (due, pending.is_closed)
            };
            match due {
                _ if is_closed => break,
                None => ready.await,
                Some(due) if due > Instant::now() => {
                    tokio::select! {
                        () = ready => {}
                        () = tokio::time::sleep_until(due) => {}
                    }
                }
                Some(_) => self.send().await,
            }
        }
        self.send().await;
    }

    async fn send(&self) {
        let taken = {
            let mut pending = self.lock();
            let is_closed = pending.is_closed;
            std::mem::replace(&mut *pending, Pending { is_closed, ..Pending::default() })
        };
        if taken.batches.is_empty() {
            return;
        }
        let trigger =
            if self.is_full(&taken) { &self.settings.size_triggers } else { &self.settings.time_triggers };
        trigger.inc();
        self.room.notify_waiters();
        for batch in self.settings.join(taken) {
            self.settings.deliver(batch.with_context(self.context.clone()), &self.deadline).await;
        }
    }

    /// Takes nothing more, and offers what is held until `deadline`.
    pub(super) fn close(&self, deadline: Instant) {
        self.lock().is_closed = true;
        self.deadline.set(deadline);
        self.room.notify_waiters();
        self.ready.notify_one();
    }

    /// Waits until everything is sent; past the deadline what is left is dropped and counted.
    pub(super) async fn finish(&self) {
        let task = self.task.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(task) = task
            && let Err(failure) = task.await
        {
            error!(processor = %self.settings.name, error = %failure, "the batch processor's task failed");
        }
    }

    fn lock(&self) -> MutexGuard<'_, Pending> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Joins requests to as few as the limits allow, in order, cutting only those that are too large alone.
fn join(batches: Vec<Batch>, limits: Limits) -> Vec<Batch> {
    let mut joined = Vec::new();
    let mut group: Vec<Batch> = Vec::new();
    let (mut items, mut bytes) = (0, 0);
    for batch in batches.into_iter().flat_map(|batch| batch.cut(limits)) {
        if !group.is_empty() && !limits.hold(items + batch.items(), bytes + batch.byte_size()) {
            joined.extend(Batch::joined(&group));
            group.clear();
            (items, bytes) = (0, 0);
        }
        items += batch.items();
        bytes += batch.byte_size();
        group.push(batch);
    }
    joined.extend(Batch::joined(&group));
    joined
}

/// The moment after which nothing is offered again; unknown until the processor stops.
#[derive(Default)]
struct Deadline {
    at: Mutex<Option<Instant>>,
    changed: Notify,
}

impl Deadline {
    fn set(&self, at: Instant) {
        *self.at.lock().unwrap_or_else(PoisonError::into_inner) = Some(at);
        self.changed.notify_one();
    }

    fn get(&self) -> Option<Instant> {
        *self.at.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns when it has passed.
    async fn passed(&self) {
        loop {
            let changed = self.changed.notified();
            match self.get() {
                Some(at) => return tokio::time::sleep_until(at).await,
                None => changed.await,
            }
        }
    }

    /// Sleeps, shorter once the end is set; false when the deadline has passed.
    async fn sleep(&self, wait: Duration) -> bool {
        let wait = if self.get().is_some() { wait.min(FIRST_WAIT) } else { wait };
        tokio::select! {
            () = tokio::time::sleep(wait) => {}
            () = self.changed.notified() => {}
        }
        self.get().is_none_or(|at| Instant::now() < at)
    }
}
