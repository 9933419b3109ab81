//! The life of a graph: receivers last to start and first to stop.

use std::panic::AssertUnwindSafe;

use std::time::Duration;
use tokio::time::Instant;

use futures_util::FutureExt;
use futures_util::future::join_all;
use spindle_config::ComponentId;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use super::build::Graph;
use crate::component::{Extension, ExtensionContext, Kind, Outputs, Receiver, ReceiverContext};
use crate::error::RunError;
use crate::panics::Panics;
use crate::status::{Status, StatusBoard, StatusHandle};
use crate::telemetry::Telemetry;

/// Receivers get this share of the time to answer what is in flight; the rest is for what they took.
const RECEIVERS_SHARE: f64 = 0.4;
/// Processors must have handed on what they hold by then.
const PROCESSORS_SHARE: f64 = 0.6;

/// How much later than its deadline a processor may end.
const PROCESSORS_GRACE: Duration = Duration::from_millis(250);
/// What flushing takes at most when the time is up.
const LAST_FLUSH: Duration = Duration::from_secs(1);

pub(super) struct RunningReceiver {
    id: ComponentId,
    status: StatusHandle,
    waiting: Option<(Box<dyn Receiver>, Outputs)>,
    drain: CancellationToken,
    task: Option<JoinHandle<()>>,
}

impl RunningReceiver {
    pub(super) fn new(
        id: ComponentId,
        receiver: Box<dyn Receiver>,
        outputs: Outputs,
        status: StatusHandle,
    ) -> Self {
        let waiting = Some((receiver, outputs));
        Self { id, status, waiting, drain: CancellationToken::new(), task: None }
    }

    fn start(&mut self, telemetry: &Telemetry) {
        let Some((receiver, outputs)) = self.waiting.take() else { return };
        let (drain, status) = (self.drain.clone(), self.status.clone());
        let context = ReceiverContext { outputs, drain, status };
        self.status.report(Status::Ok);
        let panics = Panics::of(telemetry, Kind::Receiver, &self.id);
        self.task = Some(spawn(panics, receiver.run(context), self.status.clone()));
    }
}

pub(super) struct RunningExtension {
    id: ComponentId,
    status: StatusHandle,
    waiting: Option<Box<dyn Extension>>,
    drain: CancellationToken,
    task: Option<JoinHandle<()>>,
}

impl RunningExtension {
    pub(super) fn new(id: ComponentId, extension: Box<dyn Extension>, status: StatusHandle) -> Self {
        Self { id, status, waiting: Some(extension), drain: CancellationToken::new(), task: None }
    }
}

/// Runs a component in a task of its own. A panic or an error ends that component and nothing else.
fn spawn(
    panics: Panics,
    run: impl Future<Output = Result<(), RunError>> + Send + 'static,
    status: StatusHandle,
) -> JoinHandle<()> {
    tokio::spawn(async move {
        match AssertUnwindSafe(run).catch_unwind().await {
            Ok(Ok(())) => status.report(Status::Stopped),
            Ok(Err(failure)) => {
                error!(component = panics.component(), error = %failure, "a component ended; the rest runs on");
                status.report(Status::PermanentError(failure.to_string()));
            }
            Err(panic) => {
                let message = panics.caught(&*panic);
                status.report(Status::PermanentError(format!("panicked: {message}")));
            }
        }
    })
}

impl Graph {
    /// Starts the extensions, which tell how things are, and then the receivers. Exporters and
    /// processors run since they were built.
    pub fn start(&mut self) {
        for extension in &mut self.extensions {
            let Some(waiting) = extension.waiting.take() else { continue };
            let context = ExtensionContext {
                drain: extension.drain.clone(),
                status: extension.status.clone(),
                board: self.board.clone(),
            };
            extension.status.report(Status::Ok);
            let panics = Panics::of(&self.telemetry, Kind::Extension, &extension.id);
            extension.task = Some(spawn(panics, waiting.run(context), extension.status.clone()));
        }
        for (status, _) in &self.exporters {
            status.report(Status::Ok);
        }
        for receiver in &mut self.receivers {
            receiver.start(&self.telemetry);
        }
    }

    /// Stops everything within one deadline: receivers take nothing more and answer what is in flight,
    /// processors hand on what they hold, queues are sent, exporters flush, extensions end.
    pub async fn stop(mut self, deadline: Instant) {
        let start = Instant::now();
        let share = |share: f64| start + deadline.saturating_duration_since(start).mul_f64(share);
        self.stages.iter().for_each(|stage| stage.hurry());
        self.stop_receivers(share(RECEIVERS_SHARE)).await;
        self.stop_processors(share(PROCESSORS_SHARE)).await;
        join_all(self.stages.iter().map(|stage| stage.stop(deadline))).await;
        self.stop_exporters(deadline).await;
        self.stop_extensions(deadline).await;
    }

    async fn stop_receivers(&mut self, deadline: Instant) {
        for receiver in &self.receivers {
            receiver.status.report(Status::Stopping);
            receiver.drain.cancel();
        }
        for receiver in &mut self.receivers {
            let Some(mut task) = receiver.task.take() else { continue };
            if tokio::time::timeout_at(deadline, &mut task).await.is_err() {
                warn!(receiver = %receiver.id, "still busy at its shutdown deadline; its clients get no answer");
                task.abort();
            }
        }
        info!("receivers are drained");
    }

    /// In the order of the data. They keep the deadline themselves, and count what they give up at it; one
    /// that does not is left behind.
    async fn stop_processors(&self, deadline: Instant) {
        for (status, processor) in &self.processors {
            status.report(Status::Stopping);
            let last = deadline.max(Instant::now()) + PROCESSORS_GRACE;
            if tokio::time::timeout_at(last, processor.stop(deadline)).await.is_err() {
                warn!(
                    processor = status.id(),
                    "still busy at its shutdown deadline; what it holds is left behind"
                );
            }
            status.report(Status::Stopped);
        }
    }

    /// All at once, so that one that hangs costs the others nothing; each gets a moment to flush even at the
    /// deadline.
    async fn stop_exporters(&self, deadline: Instant) {
        let deadline = deadline.max(Instant::now() + LAST_FLUSH);
        let stops = self.exporters.iter().map(|(status, exporter)| async move {
            if tokio::time::timeout_at(deadline, exporter.stop()).await.is_err() {
                warn!(
                    exporter = status.id(),
                    "still busy at the shutdown deadline; what it buffers is left behind"
                );
            }
            status.report(Status::Stopped);
        });
        join_all(stops).await;
    }

    async fn stop_extensions(&mut self, deadline: Instant) {
        // Even at the deadline an extension gets a moment to close its socket.
        let deadline = deadline.max(Instant::now() + Duration::from_millis(100));
        for extension in &mut self.extensions {
            extension.drain.cancel();
            let Some(mut task) = extension.task.take() else { continue };
            if tokio::time::timeout_at(deadline, &mut task).await.is_err() {
                task.abort();
            }
        }
    }

    /// How everything is.
    pub fn board(&self) -> &StatusBoard {
        &self.board
    }
}
