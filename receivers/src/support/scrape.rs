//! Reading something on a timer: the blocking part on a thread of its own, the rest beside it.
//!
//! * The n-th reading is due at `start + n * interval`: no drift, whatever a reading takes. One that
//!   comes while the thread is still busy with the one before is skipped and counted.
//! * A call that hangs (a driver, a dead file system) holds up its thread and nothing else. After
//!   [`ScrapeSettings::patience`] the receiver says so in its status and once in the log; when the call
//!   comes back, so does the receiver.
//! * A panic while reading ends the receiver with an error, which the health check shows.
//! * Readings cross over by a channel, as raw values. Names are given on this side, on the way out.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::time::Instant;

use crossbeam_channel::{Receiver, Sender, TryRecvError, bounded};
use spindle_pipeline::Batch;
use spindle_pipeline::component::{Consumer, ReceiverContext};
use spindle_pipeline::error::RunError;
use spindle_pipeline::status::Status;
use spindle_pipeline::telemetry::{Counter, Metric, Telemetry};
use tokio::sync::Notify;
use tokio::time::MissedTickBehavior;
use tracing::{info, warn};

/// Something that can be read, blocking.
pub trait Source: Send + 'static {
    /// What a reading gives.
    type Reading: Send + 'static;

    /// Reads. Runs on the receiver's thread and may block.
    fn read(&mut self) -> Self::Reading;
}

/// How to read.
#[derive(Clone, Debug)]
pub struct ScrapeSettings {
    /// The receiver's id.
    pub id: String,
    /// The thread's name, at most 15 bytes.
    pub thread: &'static str,
    /// The time between two readings.
    pub interval: Duration,
    /// The wait before the first one.
    pub initial_delay: Duration,
    /// How long a reading may take before the receiver counts as hanging.
    pub patience: Duration,
}

/// What became of a reading.
#[derive(Debug, Default)]
pub struct Published {
    /// The batch to hand over.
    pub batch: Option<Batch>,
    /// Values that could not be read.
    pub errors: usize,
}

/// Reads until drained. `publish` makes a batch of a reading; `now` is when the reading was made, in
/// nanoseconds since 1970.
pub async fn run<S: Source>(
    source: S,
    settings: ScrapeSettings,
    context: ReceiverContext,
    consumer: Arc<dyn Consumer>,
    telemetry: &Telemetry,
    mut publish: impl FnMut(S::Reading, u64) -> Published + Send,
) -> Result<(), RunError> {
    let worker = Worker::start(source, settings.thread)?;
    let counters = Counters::new(telemetry, &settings.id);
    let mut watch = Watch::new(&settings, &context);
    let start = Instant::now() + settings.initial_delay;
    let mut ticks = tokio::time::interval_at(start, settings.interval);
    // A tick that was missed is not made up for; the next one is where it always was.
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    loop {
        tokio::select! {
            () = context.drain.cancelled() => return Ok(()),
            _ = ticks.tick() => {
                if worker.request() {
                    watch.requested();
                } else {
                    counters.skipped.inc();
                    watch.still_busy();
                }
            }
            () = worker.answered.notified() => {
                while let Some(reading) = worker.take()? {
                    watch.answered();
                    let published = publish(reading, unix_nanoseconds());
                    counters.errored.inc_by(published.errors as u64);
                    let Some(batch) = published.batch else { continue };
                    counters.scraped.inc_by(batch.items() as u64);
                    hand_over(consumer.as_ref(), batch, &settings.id, &counters).await;
                }
            }
        }
    }
}

async fn hand_over(consumer: &dyn Consumer, batch: Batch, id: &str, counters: &Counters) {
    let items = batch.items();
    if let Err(refusal) = consumer.consume(batch).await {
        counters.dropped.inc_by(items as u64);
        warn!(receiver = %id, error = %refusal, dropped_items = items, "The pipelines refused a reading. Dropping data.");
    }
}

/// Nanoseconds since 1970; a clock before that is 0.
pub fn unix_nanoseconds() -> u64 {
    let elapsed = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(elapsed.as_nanos()).unwrap_or(u64::MAX)
}

/// The thread and the two channels to it.
struct Worker<R> {
    requests: Sender<()>,
    readings: Receiver<R>,
    answered: Arc<Notify>,
}

impl<R: Send + 'static> Worker<R> {
    fn start<S: Source<Reading = R>>(mut source: S, name: &str) -> Result<Self, RunError> {
        let (requests, asked) = bounded::<()>(1);
        let (answers, readings) = bounded::<R>(1);
        let answered = Arc::new(Notify::new());
        let notify = Arc::clone(&answered);
        let work = move || {
            // Ends when the receiver is gone. Nobody waits for it: it may hang in a driver.
            // Dropped in this order: first the channel closes, then the receiver looks at it.
            let _last = NotifyOnDrop(Arc::clone(&notify));
            let answers = answers;
            for () in asked {
                if answers.send(source.read()).is_err() {
                    break;
                }
                notify.notify_one();
            }
        };
        std::thread::Builder::new()
            .name(name.to_owned())
            .spawn(work)
            .map_err(|error| RunError(format!("cannot start a thread: {error}")))?;
        Ok(Self { requests, readings, answered })
    }

    /// A reading that has come, if one has. An error when the thread is gone, which only a panic does.
    fn take(&self) -> Result<Option<R>, RunError> {
        match self.readings.try_recv() {
            Ok(reading) => Ok(Some(reading)),
            Err(TryRecvError::Empty) => Ok(None),
            Err(TryRecvError::Disconnected) => Err(RunError("the reading thread panicked".to_owned())),
        }
    }

    /// Asks for a reading; false when one is waiting to be started already.
    fn request(&self) -> bool {
        self.requests.try_send(()).is_ok()
    }
}

/// Wakes the receiver when the thread ends, however it does.
struct NotifyOnDrop(Arc<Notify>);

impl Drop for NotifyOnDrop {
    fn drop(&mut self) {
        self.0.notify_one();
    }
}

struct Counters {
    scraped: Counter,
    errored: Counter,
    skipped: Counter,
    dropped: Counter,
}

impl Counters {
    fn new(telemetry: &Telemetry, id: &str) -> Self {
        let labels = || vec![("receiver".into(), id.to_owned().into())];
        let signal = spindle_pipeline::Signal::Metrics;
        Self {
            scraped: telemetry.counter(Metric::ScraperScrapedMetricPoints, labels()),
            errored: telemetry.counter(Metric::ScraperErroredMetricPoints, labels()),
            skipped: telemetry.counter(Metric::ScraperSkippedReadings, labels()),
            dropped: telemetry.dropped(format_args!("receiver/{id}"), signal, "refused"),
        }
    }
}

/// Notices a reading that does not come back.
struct Watch<'a> {
    settings: &'a ScrapeSettings,
    context: &'a ReceiverContext,
    asked: Option<Instant>,
    is_hanging: bool,
}

impl<'a> Watch<'a> {
    fn new(settings: &'a ScrapeSettings, context: &'a ReceiverContext) -> Self {
        Self { settings, context, asked: None, is_hanging: false }
    }

    fn requested(&mut self) {
        self.asked.get_or_insert_with(Instant::now);
    }

    fn still_busy(&mut self) {
        let Some(waited) = self.asked.map(|asked| asked.elapsed()) else { return };
        if waited > self.settings.patience && !self.is_hanging {
            self.is_hanging = true;
            let message = format!("a reading has not come back for {waited:.0?}");
            warn!(receiver = %self.settings.id, "{message}");
            self.context.status.report(Status::RecoverableError(message));
        }
    }

    fn answered(&mut self) {
        self.asked = None;
        if std::mem::take(&mut self.is_hanging) {
            info!(receiver = %self.settings.id, "readings come back again");
            self.context.status.report(Status::Ok);
        }
    }
}

#[cfg(test)]
mod tests;
