//! A queue on disk: first in first out, in segment files of one directory.
//!
//! Guarantees:
//!
//! * [`DiskQueue::append`] answers `Ok` only after a successful `fdatasync` that covers the record, in a file
//!   whose directory entry was synced before. After a failed write or sync nobody whose record was in it is
//!   answered `Ok`; that file is cut back and never written again.
//! * Everybody who waits shares one write and one sync.
//! * A record that was answered `Ok` is given by [`DiskQueue::next`] until [`DiskQueue::done`] was called for
//!   it, over any number of restarts and crashes. After a crash what was done in the last
//!   [`Settings::cursor_interval`] may be given again. A record whose append failed, or whose caller went
//!   away, may be given as well.
//! * Records are given in the order of their sequence numbers, except those that were put back.
//! * Damage never keeps the queue from opening. Every whole record that can be told from the damage is given;
//!   the rest is counted and reported with its path ([`Finding`]), and a damaged file is kept under another
//!   name once its whole records are done.
//! * One process at a time has the directory.
//! * The files of records never take more than [`Settings::max_size`] bytes. Set-aside files are not counted.
//! * Memory does not grow with the queue: per segment some fixed fields, a read-ahead of [`READ_AHEAD`] bytes
//!   or one record, and the records on their way in, up to [`PENDING_BYTES`] or one record.
//!
//! `docs/queue-format.md` specifies the files. Nothing here knows what a payload means but [`payload`].

mod cursor;
mod done;
mod error;
pub mod io;
mod open;
pub mod payload;
mod read;
pub mod segment;
mod state;
mod write;

#[cfg(test)]
mod tests;

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use crossbeam_channel::Sender;
use tokio::sync::{Notify, Semaphore, oneshot};

pub use error::StoreError;
pub use open::{Finding, FindingKind};
pub use state::{Sizes, Stats};

use io::{Disk, RealDisk};
use read::Reader;
use state::State;
use write::{Append, Command, Writer};

/// Up to this many bytes are read before they are asked for; one record may be longer.
pub const READ_AHEAD: usize = 1 << 20;
/// Up to this many bytes wait in memory to be written; one record may be longer.
pub const PENDING_BYTES: usize = 32 << 20;

/// Where a queue is and how large it may be.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The directory, which nothing else may use. Created if missing.
    pub directory: PathBuf,
    /// A segment that is so long gets no further records, in bytes. At most a quarter of `max_size` is used.
    pub segment_size: u64,
    /// What all segments together may take, in bytes.
    pub max_size: u64,
    /// How long what is done may stay unwritten.
    pub cursor_interval: Duration,
    /// How many appends share one sync at most; 1 turns the sharing off. At least 1 is used.
    pub group_size: usize,
}

impl Settings {
    /// 32 MiB segments, no limit, the cursor every 100 ms.
    pub fn new(directory: impl Into<PathBuf>) -> Self {
        Self {
            directory: directory.into(),
            segment_size: 32 << 20,
            max_size: u64::MAX,
            cursor_interval: Duration::from_millis(100),
            group_size: 1024,
        }
    }
}

/// What is appended: two parts that are stored one behind the other, and how many items that is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Payload {
    /// The first part.
    pub head: Bytes,
    /// The second part.
    pub body: Bytes,
    /// What the record counts for in [`Sizes::items`].
    pub items: u32,
}

impl Payload {
    fn len(&self) -> usize {
        self.head.len() + self.body.len()
    }
}

/// A stored record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Its number; the later, the higher. The first is 1; some are left out.
    pub sequence: u64,
    /// How many items it was said to hold.
    pub items: u32,
    /// Both parts of what was appended.
    pub payload: Bytes,
}

/// What all sides of a queue share.
struct Shared {
    disk: Arc<dyn Disk>,
    settings: Settings,
    state: Mutex<State>,
    /// Something can be read, or the queue was closed.
    available: Notify,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An open queue. Dropping it stores the cursor and frees the directory a moment later;
/// [`DiskQueue::close`] waits for that.
pub struct DiskQueue {
    shared: Arc<Shared>,
    commands: Sender<Command>,
    pending: Arc<Semaphore>,
    reader: Arc<tokio::sync::Mutex<Reader>>,
}

impl DiskQueue {
    /// Opens or creates the queue of a directory. Reads all segments and blocks as long as that takes.
    ///
    /// Fails if another process has the directory, or if it cannot be created, locked or listed; damage in
    /// it is no failure.
    pub fn open(settings: Settings) -> Result<Self, StoreError> {
        Self::open_on(Arc::new(RealDisk), settings)
    }

    /// As [`DiskQueue::open`], on another file system.
    pub fn open_on(disk: Arc<dyn Disk>, mut settings: Settings) -> Result<Self, StoreError> {
        settings.segment_size = settings.segment_size.min(settings.max_size / 4);
        settings.group_size = settings.group_size.max(1);
        let (state, lock) = open::open(&*disk, &settings.directory)?;
        let directory = settings.directory.clone();
        let shared = Shared { disk, settings, state: Mutex::new(state), available: Notify::new() };
        let shared = Arc::new(shared);
        let (commands, received) = crossbeam_channel::unbounded();
        let writer = Writer::new(Arc::clone(&shared), received, lock);
        std::thread::Builder::new()
            .name("queue-on-disk".to_owned())
            .spawn(move || writer.run())
            .map_err(|error| StoreError::io("start the thread of", &directory, &error))?;
        let pending = Arc::new(Semaphore::new(PENDING_BYTES));
        Ok(Self { shared, commands, pending, reader: Arc::default() })
    }

    /// Stores a record and waits until it is on the disk; returns its sequence number.
    ///
    /// After an error the record is not stored, unless the disk kept what it was told to cut. When the
    /// returned future is dropped the record may be stored or not.
    pub async fn append(&self, payload: Payload) -> Result<u64, StoreError> {
        let length = payload.len();
        let size = (segment::HEAD_LEN + segment::RECORD_HEADER_LEN) as u64 + length as u64;
        let max_size = self.shared.settings.max_size.min(u64::from(u32::MAX));
        if size > max_size {
            return Err(StoreError::TooLarge { size, max_size });
        }
        let permits = length.clamp(1, PENDING_BYTES) as u32;
        let room = Arc::clone(&self.pending).acquire_many_owned(permits).await;
        let room = room.map_err(|_| StoreError::Closed)?;
        let (answer, answered) = oneshot::channel();
        let append = Append { payload, answer, _room: room };
        self.commands.send(Command::Append(append)).map_err(|_| StoreError::Closed)?;
        answered.await.unwrap_or(Err(StoreError::Closed))
    }

    /// The next record, as soon as there is one; `None` once the queue is closed.
    ///
    /// An error is that of the disk and may pass; what could not be read is tried again on the next calls,
    /// and after 3 failures in a row its segment is left for the next start.
    pub async fn next(&self) -> Result<Option<Record>, StoreError> {
        loop {
            let mut changed = std::pin::pin!(self.shared.available.notified());
            changed.as_mut().enable();
            if let Some(record) = self.try_next().await? {
                return Ok(Some(record));
            }
            if self.shared.state().is_closed {
                return Ok(None);
            }
            changed.await;
        }
    }

    /// The next record if there is one now. Errors as those of [`DiskQueue::next`].
    pub async fn try_next(&self) -> Result<Option<Record>, StoreError> {
        loop {
            if let Some(record) = self.shared.state().take_ready() {
                return Ok(Some(record));
            }
            let mut reader = Arc::clone(&self.reader).lock_owned().await;
            {
                let state = self.shared.state();
                // Whoever had the reader before us may have read ahead.
                if state.has_ready() {
                    continue;
                }
                if state.is_closed || !reader.has_more(&state) {
                    return Ok(None);
                }
            }
            // What is read goes into the shared state: it is not lost if nobody waits for it any more.
            let shared = Arc::clone(&self.shared);
            let filled = tokio::task::spawn_blocking(move || reader.fill(&shared)).await;
            filled.unwrap_or(Err(StoreError::Closed))?;
        }
    }

    /// A record was delivered, or given up for good. `false` if it was not given out, or was done already.
    pub fn done(&self, sequence: u64) -> bool {
        let (was_given, wakes) = self.shared.state().finish(sequence);
        if wakes {
            let _ = self.commands.send(Command::Wake);
        }
        was_given
    }

    /// A record was not delivered: it is the next to be given. One that is done is ignored.
    pub fn put_back(&self, record: Record) {
        self.shared.state().put_back(record);
        self.shared.available.notify_waiters();
    }

    /// What is not done, whether given out or not.
    pub fn sizes(&self) -> Sizes {
        self.shared.state().sizes()
    }

    /// Counts since the queue was opened.
    pub fn stats(&self) -> Stats {
        self.shared.state().stats()
    }

    /// What was found damaged, at most 64 places, since the queue was opened.
    pub fn findings(&self) -> Vec<Finding> {
        self.shared.state().findings().to_vec()
    }

    /// Stores what was appended before and the cursor, and frees the directory. What is not done stays.
    /// Appends that come later fail.
    pub async fn close(&self) {
        let (answer, answered) = oneshot::channel();
        if self.commands.send(Command::Close(answer)).is_ok() {
            let _ = answered.await;
        }
    }
}
