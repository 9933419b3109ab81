//! statvfs(3) on a thread of its own, because it can hang for ever (a dead NFS server).
//!
//! * A mount that does not answer within [`UsageReader::limit`] is left out and counts as an error until
//!   it answers. The log hears of it once, and of its return. Its thread is left to its fate, and another
//!   goes on with the rest.
//! * While a mount of a server hangs, other mounts of the same server are not asked.
//! * A reading waits at most [`MOST_WAITS`] limits, whatever the mounts do; those not asked by then count
//!   as errors.
//! * At most [`MOST_HANGING`] threads hang. Beyond it no further mount is asked.

use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, TryRecvError, bounded};
use tracing::{info, warn};

use super::file::Report;
use super::mounts::Mount;
use crate::host_metrics::reading::{FilesystemReading, UsageReading};
use crate::host_metrics::rows::Rows;

/// How many limits a reading waits at most.
const MOST_WAITS: u32 = 4;

/// How many threads may hang at once.
const MOST_HANGING: usize = 16;

/// Asks for the usage of the file system at a path.
pub type Ask = Arc<dyn Fn(&[u8]) -> io::Result<UsageReading> + Send + Sync>;

/// Asks the kernel.
pub fn statvfs(path: &[u8]) -> io::Result<UsageReading> {
    let usage = rustix::fs::statvfs(path)?;
    Ok(UsageReading {
        block_size: usage.f_frsize,
        blocks: usage.f_blocks,
        free: usage.f_bfree,
        available: usage.f_bavail,
        inodes: usage.f_files,
        free_inodes: usage.f_ffree,
    })
}

/// Asks mounts for their usage and cannot be held up by one.
pub struct UsageReader {
    ask: Ask,
    limit: Duration,
    worker: Option<Worker>,
    round: Rows<Question>,
    hanging: Vec<Hanging>,
    report: Report,
    receiver: Arc<str>,
}

/// A mount to ask.
#[derive(Debug, Default)]
struct Question {
    /// The row that the answer belongs to.
    row: usize,
    path: Vec<u8>,
}

enum Answer {
    /// What a row's mount said.
    Usage(usize, io::Result<UsageReading>),
    /// The round is over; its memory comes back.
    Done(Rows<Question>),
}

/// A thread that asks, and the two channels to it.
struct Worker {
    rounds: Sender<Rows<Question>>,
    answers: Receiver<Answer>,
    /// Nobody waits for its answers any more.
    is_left: Arc<AtomicBool>,
}

/// A mount that does not answer.
struct Hanging {
    point: String,
    server: Option<String>,
    /// Where its thread will be heard of when it comes back.
    answers: Receiver<Answer>,
}

impl UsageReader {
    /// Asks by `ask`, and waits at most `limit` for one mount.
    pub fn new(ask: Ask, limit: Duration, receiver: &Arc<str>) -> Self {
        let report = Report::new("the usage of file systems".to_owned(), receiver);
        Self {
            ask,
            limit,
            worker: None,
            round: Rows::default(),
            hanging: Vec::new(),
            report,
            receiver: Arc::clone(receiver),
        }
    }

    /// Asks each mount below `root` and puts the answer into the row of the same index. Returns how many
    /// gave none.
    pub fn read(&mut self, root: &Path, mounts: &[Mount], rows: &mut [FilesystemReading]) -> usize {
        let deadline = Instant::now() + self.limit * MOST_WAITS;
        self.forgive();
        let mut refusal = Ok(0);
        let mut first = Some(0);
        while let Some(start) = first
            && self.ask_from(start, root, mounts, &mut refusal)
        {
            first = self.collect(start, mounts, rows, deadline, &mut refusal);
        }
        let _ = self.report.settle(refusal);
        rows.iter().filter(|row| row.usage.is_none()).count()
    }

    /// Has the mounts from `start` on asked; false when there is none, or nobody to do it.
    fn ask_from(&mut self, start: usize, root: &Path, mounts: &[Mount], refusal: &mut Refusal) -> bool {
        let mut round = std::mem::take(&mut self.round);
        round.clear();
        for (row, mount) in mounts.iter().enumerate().skip(start) {
            if !self.is_left_out(mount) {
                let question = round.add();
                question.row = row;
                place(root, &mount.raw_point, &mut question.path);
            }
        }
        if round.is_empty() || self.hanging.len() >= MOST_HANGING {
            self.round = round;
            return false;
        }
        match self.worker() {
            Ok(worker) => worker.rounds.send(round).is_ok(),
            Err(error) => {
                *refusal = Err(format!("cannot start a thread: {error}"));
                false
            }
        }
    }

    /// Puts the answers into their rows. Returns where to go on after a mount that does not answer.
    fn collect(
        &mut self,
        start: usize,
        mounts: &[Mount],
        rows: &mut [FilesystemReading],
        deadline: Instant,
        refusal: &mut Refusal,
    ) -> Option<usize> {
        let mut asked = start;
        loop {
            let worker = self.worker.as_ref()?;
            let patience = self.limit.min(deadline.saturating_duration_since(Instant::now()));
            match worker.answers.recv_timeout(patience) {
                Ok(Answer::Usage(row, Ok(usage))) => {
                    rows[row].usage = Some(usage);
                    asked = row + 1;
                }
                Ok(Answer::Usage(row, Err(error))) => {
                    if refusal.is_ok() {
                        *refusal = Err(format!("{}: {error}", mounts[row].point));
                    }
                    asked = row + 1;
                }
                Ok(Answer::Done(round)) => {
                    self.round = round;
                    return None;
                }
                Err(_) => break,
            }
        }
        let silent = (asked..mounts.len()).find(|row| !self.is_left_out(&mounts[*row]));
        self.leave(silent.map(|row| &mounts[row]));
        silent.map(|row| row + 1).filter(|_| Instant::now() < deadline)
    }

    fn worker(&mut self) -> io::Result<&Worker> {
        let worker = match self.worker.take() {
            Some(worker) => worker,
            None => Worker::start(Arc::clone(&self.ask))?,
        };
        Ok(self.worker.insert(worker))
    }

    /// Gives the thread up, and the mount that it asks.
    fn leave(&mut self, mount: Option<&Mount>) {
        let (Some(worker), Some(mount)) = (self.worker.take(), mount) else { return };
        worker.is_left.store(true, Ordering::Relaxed);
        let (receiver, mount_point) = (&*self.receiver, mount.point.as_str());
        let device = mount.device.as_str();
        warn!(receiver, mount_point, device, "a file system does not answer; it is left out until it does");
        self.hanging.push(Hanging {
            point: mount.point.clone(),
            server: server(&mount.device).map(str::to_owned),
            answers: worker.answers,
        });
    }

    /// Takes mounts back whose threads have come back.
    fn forgive(&mut self) {
        let receiver = &*self.receiver;
        self.hanging.retain(|hanging| {
            let is_hanging = matches!(hanging.answers.try_recv(), Err(TryRecvError::Empty));
            if !is_hanging {
                info!(receiver, mount_point = hanging.point.as_str(), "a file system answers again");
            }
            is_hanging
        });
    }

    fn is_left_out(&self, mount: &Mount) -> bool {
        let server = server(&mount.device);
        self.hanging.iter().any(|hanging| {
            hanging.point == mount.point || (server.is_some() && hanging.server.as_deref() == server)
        })
    }
}

/// Why a mount could not be asked, for the log; the first of a reading.
type Refusal = Result<usize, String>;

impl Worker {
    fn start(ask: Ask) -> io::Result<Self> {
        let (rounds, given) = bounded::<Rows<Question>>(1);
        let (answered, answers) = bounded(64);
        let is_left = Arc::new(AtomicBool::new(false));
        let is_given_up = Arc::clone(&is_left);
        let work = move || {
            for round in given {
                for question in round.iter() {
                    let usage = ask(&question.path);
                    // Dropping the channel is what the reader hears of.
                    let is_unwanted = is_given_up.load(Ordering::Relaxed);
                    if is_unwanted || answered.send(Answer::Usage(question.row, usage)).is_err() {
                        return;
                    }
                }
                if answered.send(Answer::Done(round)).is_err() {
                    return;
                }
            }
        };
        std::thread::Builder::new().name("statvfs".to_owned()).spawn(work)?;
        Ok(Self { rounds, answers, is_left })
    }
}

/// Where a mount point of the host is for this process: below `root`, unless the table has it there
/// already (that of a process which sees the host's files below `root`).
fn place(root: &Path, point: &[u8], path: &mut Vec<u8>) {
    let root = root.as_os_str().as_bytes();
    let root = root.strip_suffix(b"/").unwrap_or(root);
    let is_below = point.strip_prefix(root).is_some_and(|rest| rest.is_empty() || rest[0] == b'/');
    path.clear();
    if !is_below {
        path.extend_from_slice(root);
    }
    path.extend_from_slice(point);
}

/// The machine that a device is on: `nas` of `nas:/export` and of `//nas/share`.
fn server(device: &str) -> Option<&str> {
    match device.strip_prefix("//") {
        Some(share) => share.split('/').next(),
        None => device.split_once(":/").map(|(server, _)| server),
    }
}
