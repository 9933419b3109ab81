//! The thread that writes, because disks block, and the way to it.
//!
//! The way is bounded: so many requests are on it, the next callers wait. A caller that gives up leaves its
//! request on the way; it is written all the same.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender};
use spindle_pipeline::Batch;
use spindle_pipeline::component::Exported;
use spindle_pipeline::error::{Code, ExportError};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};
use tracing::error;

use super::files::Files;

/// How many requests are on the way at once.
const MOST_JOBS: usize = 64;
/// How long the end waits for a disk.
const LAST_PATIENCE: Duration = Duration::from_secs(10);

type Answer = Result<Exported, ExportError>;

struct Job {
    batch: Batch,
    answer: oneshot::Sender<Answer>,
    _slot: OwnedSemaphorePermit,
}

/// A thread with files.
pub(super) struct Writer {
    slots: Arc<Semaphore>,
    line: Mutex<Line>,
}

#[derive(Default)]
struct Line {
    jobs: Option<Sender<Job>>,
    ended: Option<oneshot::Receiver<()>>,
}

impl Writer {
    pub(super) fn start(files: Files) -> io::Result<Self> {
        let (jobs, incoming) = crossbeam_channel::bounded(MOST_JOBS);
        let (end, ended) = oneshot::channel();
        thread::Builder::new().name("spindle-file".to_owned()).spawn(move || {
            run(files, &incoming);
            // Nobody may be waiting for it.
            let _ = end.send(());
        })?;
        let line = Line { jobs: Some(jobs), ended: Some(ended) };
        Ok(Self { slots: Arc::new(Semaphore::new(MOST_JOBS)), line: Mutex::new(line) })
    }

    /// Writes a request; answers when the system has it.
    pub(super) async fn write(&self, batch: Batch) -> Answer {
        let slot = Arc::clone(&self.slots).acquire_owned().await.map_err(|_closed| stopped())?;
        let (answer, answered) = oneshot::channel();
        let job = Job { batch, answer, _slot: slot };
        let is_sent = self.lock().jobs.as_ref().is_some_and(|jobs| jobs.try_send(job).is_ok());
        if !is_sent {
            return Err(stopped());
        }
        answered.await.unwrap_or_else(|_gone| Err(stopped()))
    }

    /// Writes what is on the way, and ends.
    pub(super) async fn stop(&self) {
        self.slots.close();
        let Line { jobs, ended } = std::mem::take(&mut *self.lock());
        drop(jobs);
        let Some(ended) = ended else { return };
        if tokio::time::timeout(LAST_PATIENCE, ended).await.is_err() {
            error!("the disk does not take what is to be written; it is left behind");
        }
    }

    fn lock(&self) -> MutexGuard<'_, Line> {
        self.line.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn run(mut files: Files, jobs: &Receiver<Job>) {
    for Job { batch, answer, _slot } in jobs {
        // A caller that has gone does not mind.
        let _ = answer.send(files.write(&batch));
    }
    files.sync();
}

fn stopped() -> ExportError {
    ExportError::new(Code::Unavailable, "the file exporter is stopped")
}
