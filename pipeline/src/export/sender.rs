//! Attempts with their timeout, repeated as the keys say, and every outcome counted where it happens.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_util::FutureExt;
use spindle_config::ComponentId;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::config::{ExportSettings, RetryConfig};
use super::delivery::Delivery;
use super::retry::Backoff;
use crate::batch::Batch;
use crate::component::{BuildContext, Exported, Exporter, Kind};
use crate::error::{Code, ConsumeError, ExportError, Retry};
use crate::panics::Panics;
use crate::signal::Signal;
use crate::status::{Status, StatusHandle};
use crate::telemetry::{Counter, Gauge, Metric, Telemetry};

/// The longest wait between attempts once the process is stopping.
pub const HURRIED_WAIT: Duration = Duration::from_millis(200);

pub(super) struct Sender {
    id: ComponentId,
    signal: Signal,
    exporter: Arc<dyn Exporter>,
    timeout: Duration,
    retry: RetryConfig,
    /// Nobody behind us holds the data any more when an attempt fails for good.
    owns_data: bool,
    hurry: CancellationToken,
    /// The back end called every part of a batch bad, and has taken nothing since.
    is_hopeless: AtomicBool,
    status: StatusHandle,
    telemetry: Telemetry,
    panics: Panics,
    counters: Counters,
}

/// A request that is not sent again as it is.
pub(super) struct Failure {
    pub(super) error: ExportError,
    /// As the metric of dropped items names it.
    pub(super) reason: &'static str,
    /// The same for people.
    pub(super) why: &'static str,
}

struct Counters {
    sent: Counter,
    failed: Counter,
    retries: Counter,
    in_flight: Gauge,
}

impl Sender {
    pub(super) fn new(
        exporter: Arc<dyn Exporter>,
        settings: &ExportSettings,
        signal: Signal,
        context: &BuildContext,
    ) -> Self {
        let telemetry = context.telemetry.clone();
        let labels = || vec![("exporter".into(), context.id.to_string().into())];
        Self {
            id: context.id.clone(),
            signal,
            exporter,
            timeout: settings.timeout.get(),
            retry: settings.retry.clone(),
            owns_data: settings.queue.as_ref().is_some_and(|queue| !queue.wait_for_result),
            hurry: CancellationToken::new(),
            is_hopeless: AtomicBool::new(false),
            status: context.status.clone(),
            counters: Counters {
                sent: telemetry.counter(Metric::exporter_sent(signal), labels()),
                failed: telemetry.counter(Metric::exporter_send_failed(signal), labels()),
                retries: telemetry.counter(Metric::ExporterRetries, labels()),
                in_flight: telemetry.gauge(Metric::ExporterInFlightRequests, labels()),
            },
            panics: Panics::of(&telemetry, Kind::Exporter, &context.id),
            telemetry,
        }
    }

    /// Whether nobody behind us holds the data any more.
    pub(super) fn owns_data(&self) -> bool {
        self.owns_data
    }

    /// Whether looking for bad items was in vain the last time.
    pub(super) fn is_hopeless(&self) -> bool {
        self.is_hopeless.load(Ordering::Relaxed)
    }

    /// Looking for bad items was in vain.
    pub(super) fn set_hopeless(&self) {
        self.is_hopeless.store(true, Ordering::Relaxed);
    }

    pub(super) fn id(&self) -> &ComponentId {
        &self.id
    }

    /// The process is stopping: waits between attempts become short.
    pub(super) fn hurry(&self) {
        self.hurry.cancel();
        self.exporter.hurry();
    }

    pub(super) fn count(&self, metric: fn(Signal) -> Metric, items: usize) {
        let labels = vec![("exporter".into(), self.id.to_string().into())];
        self.telemetry.counter(metric(self.signal), labels).inc_by(items as u64);
    }

    /// Delivers a batch, in parts if it must be. `settled` is told how many items have met their fate, as soon
    /// as that is counted.
    pub(super) async fn send(
        &self,
        batch: &Batch,
        settled: &(dyn Fn(usize) + Sync),
    ) -> Result<(), ConsumeError> {
        Delivery::new(self, settled).run(batch).await
    }

    /// Sends one request, attempt after attempt, until it is taken or there is no use or time left.
    pub(super) async fn deliver(&self, batch: &Batch) -> Result<(), Failure> {
        let mut backoff = Backoff::new(&self.retry);
        loop {
            let error = match self.attempt(batch).await {
                Ok(exported) => {
                    self.succeeded(batch, &exported);
                    return Ok(());
                }
                Err(error) => error,
            };
            let wait = match error.retry() {
                Retry::Never => return Err(self.gave_up(error, "rejected", "not retryable")),
                _ if !self.retry.enabled => {
                    return Err(self.gave_up(error, "retry_disabled", "retry_on_failure is disabled"));
                }
                Retry::Now => backoff.next(None),
                Retry::After(asked) => backoff.next(Some(asked)),
            };
            let Some(wait) = wait else {
                return Err(self.gave_up(error, "retries_exhausted", "no more retries left"));
            };
            let wait = if self.hurry.is_cancelled() { wait.min(HURRIED_WAIT) } else { wait };
            self.will_retry(&error, wait);
            self.wait(wait).await;
        }
    }

    async fn attempt(&self, batch: &Batch) -> Result<Exported, ExportError> {
        let _in_flight = InFlight::new(&self.counters.in_flight);
        let attempt = AssertUnwindSafe(self.exporter.export(batch)).catch_unwind();
        let outcome = if self.timeout.is_zero() {
            attempt.await
        } else {
            match tokio::time::timeout(self.timeout, attempt).await {
                Ok(outcome) => outcome,
                Err(_elapsed) => {
                    let message = format!("request timed out after {:?}", self.timeout);
                    return Err(ExportError::new(Code::DeadlineExceeded, message));
                }
            }
        };
        outcome.unwrap_or_else(|panic| {
            let message = self.panics.caught(&*panic);
            Err(ExportError::new(Code::Internal, format!("the exporter panicked: {message}")))
        })
    }

    fn succeeded(&self, batch: &Batch, exported: &Exported) {
        let items = batch.items() as u64;
        let rejected = exported.rejected_items.min(items);
        self.counters.sent.inc_by(items.saturating_sub(rejected + exported.dropped_items));
        self.status.report(Status::Ok);
        if self.is_hopeless() {
            self.is_hopeless.store(false, Ordering::Relaxed);
        }
        if rejected > 0 {
            self.telemetry.dropped(self.name(), self.signal, "partial_success").inc_by(rejected);
        }
        if rejected > 0 || !exported.message.is_empty() {
            warn!(exporter = %self.id, dropped_items = rejected, message = %exported.message, "Partial success response");
        }
    }

    fn will_retry(&self, error: &ExportError, wait: Duration) {
        self.counters.retries.inc();
        self.status.report(Status::RecoverableError(error.to_string()));
        info!(exporter = %self.id, error = %error, interval = ?wait, "Exporting failed. Will retry the request after interval.");
    }

    fn gave_up(&self, error: ExportError, reason: &'static str, why: &'static str) -> Failure {
        // A request that the back end refuses says nothing about the next one.
        if error.retry().is_possible() {
            self.status.report(Status::RecoverableError(error.to_string()));
        }
        Failure { error, reason, why }
    }

    /// Items that nobody holds any more.
    pub(super) fn count_dropped(&self, reason: &'static str, items: usize) {
        self.counters.failed.inc_by(items as u64);
        self.telemetry.dropped(self.name(), self.signal, reason).inc_by(items as u64);
    }

    /// Items that go back to the caller.
    pub(super) fn count_rejected(&self, items: usize) {
        self.counters.failed.inc_by(items as u64);
    }

    fn name(&self) -> String {
        format!("exporter/{}", self.id)
    }

    /// Sleeps; the beginning of the stop ends it.
    async fn wait(&self, wait: Duration) {
        let was_hurried = self.hurry.is_cancelled();
        tokio::select! {
            () = tokio::time::sleep(wait) => {}
            () = self.hurry.cancelled(), if !was_hurried => {}
        }
    }
}

/// Counts a request as long as it is on its way, whichever way it ends.
struct InFlight<'a>(&'a Gauge);

impl<'a> InFlight<'a> {
    fn new(gauge: &'a Gauge) -> Self {
        gauge.inc();
        Self(gauge)
    }
}

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        self.0.dec();
    }
}
