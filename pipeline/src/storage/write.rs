//! The thread that writes: groups of records, the cursor, and the end of segments that are done.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crc32c::{crc32c, crc32c_append};
use crossbeam_channel::{Receiver, RecvTimeoutError};
use tokio::sync::{OwnedSemaphorePermit, oneshot};
use tracing::warn;

use super::error::StoreError;
use super::io::{DirectoryLock, DiskFile, write_all_at};
use super::open::take_directory;
use super::segment::{self, HEAD_LEN, RECORD_HEADER_LEN, RecordHeader};
use super::state::{Segment, set_aside};
use super::{Payload, Shared};

/// A group is written when it has so many bytes.
const GROUP_BYTES: usize = 8 << 20;
/// When the last group had several callers, the next waits so long for as many. A sync takes far longer.
const LONGEST_LINGER: Duration = Duration::from_micros(200);
/// How long to wait after the cursor could not be stored, or a segment not be removed.
const CURSOR_RETRY: Duration = Duration::from_secs(1);

pub(super) enum Command {
    Append(Append),
    /// Something is done.
    Wake,
    Close(oneshot::Sender<()>),
}

pub(super) struct Append {
    pub payload: Payload,
    pub answer: oneshot::Sender<Result<u64, StoreError>>,
    /// The room it takes in memory.
    pub _room: OwnedSemaphorePermit,
}

struct Active {
    number: u64,
    salt: u32,
    file: Box<dyn DiskFile>,
    path: PathBuf,
    /// What is written and synced, in bytes; 0 until the head is.
    len: u64,
}

pub(super) struct Writer {
    shared: Arc<Shared>,
    commands: Receiver<Command>,
    lock: DirectoryLock,
    active: Option<Active>,
    buffer: Vec<u8>,
    /// What is in the buffer.
    headers: Vec<RecordHeader>,
    waiting: Vec<Append>,
    /// How many shared the last sync.
    last_group: usize,
    cursor_due: Instant,
}

impl Writer {
    pub fn new(shared: Arc<Shared>, commands: Receiver<Command>, lock: DirectoryLock) -> Self {
        Self {
            shared,
            commands,
            lock,
            active: None,
            buffer: Vec::new(),
            headers: Vec::new(),
            waiting: Vec::new(),
            last_group: 0,
            cursor_due: Instant::now(),
        }
    }

    /// Runs until the queue is closed or dropped.
    pub fn run(mut self) {
        self.maintain(true);
        let closed = loop {
            match self.receive() {
                Ok(Command::Append(append)) => {
                    if let Some(closed) = self.group(append) {
                        break Some(closed);
                    }
                }
                Ok(Command::Close(closed)) => break Some(closed),
                Ok(Command::Wake) | Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break None,
            }
            self.maintain(false);
        };
        self.finish();
        // The directory is free before anybody hears so.
        let Self { commands, lock, .. } = self;
        drop(lock);
        drop(commands);
        if let Some(closed) = closed {
            let _ = closed.send(());
        }
    }

    fn receive(&self) -> Result<Command, RecvTimeoutError> {
        if self.shared.state().is_dirty {
            self.commands.recv_deadline(self.cursor_due)
        } else {
            self.commands.recv().map_err(|_| RecvTimeoutError::Disconnected)
        }
    }

    /// Writes a record and all that wait behind it, with one sync unless a segment ends in between.
    fn group(&mut self, first: Append) -> Option<oneshot::Sender<()>> {
        let mut closed = None;
        let mut taken = 1;
        self.add(first);
        // Callers that were answered together come back together, the first of them before the others.
        let end = Instant::now() + LONGEST_LINGER;
        while taken < self.shared.settings.group_size && self.buffer.len() < GROUP_BYTES {
            let command = if taken < self.last_group {
                self.commands.recv_deadline(end).ok()
            } else {
                self.commands.try_recv().ok()
            };
            match command {
                Some(Command::Append(append)) => {
                    taken += 1;
                    self.add(append);
                }
                Some(Command::Wake) => {}
                Some(Command::Close(answer)) => {
                    closed = Some(answer);
                    break;
                }
                None => break,
            }
        }
        self.last_group = taken;
        self.flush();
        closed
    }

    fn add(&mut self, append: Append) {
        let size = (RECORD_HEADER_LEN + append.payload.len()) as u64;
        match self.prepare(size) {
            Ok(salt) => self.encode(append, salt),
            Err(error) => {
                if !matches!(error, StoreError::Full { .. }) {
                    self.shared.state().stats.failed_appends += 1;
                }
                let _ = append.answer.send(Err(error));
            }
        }
    }

    /// Makes sure that there is a segment with room for a record; returns its number for record headers.
    fn prepare(&mut self, size: u64) -> Result<u32, StoreError> {
        let length = self.active_end();
        let is_empty = length <= HEAD_LEN as u64;
        if self.active.is_some() && !is_empty && length + size > self.shared.settings.segment_size {
            self.flush();
            self.seal();
        }
        self.make_room(size)?;
        if let Some(active) = &self.active {
            return Ok(active.salt);
        }
        let active = self.create()?;
        let salt = active.salt;
        let sequence = self.shared.state().next_sequence;
        self.buffer.extend_from_slice(&segment::head(active.number, sequence, salt));
        self.active = Some(active);
        Ok(salt)
    }

    /// Where the next record goes in the active segment.
    fn active_end(&self) -> u64 {
        self.active.as_ref().map_or(0, |active| active.len) + self.buffer.len() as u64
    }

    fn make_room(&mut self, size: u64) -> Result<(), StoreError> {
        if self.has_room(size) {
            return Ok(());
        }
        self.flush();
        let active = self.active.as_ref().map(|active| active.number);
        let is_done = |number| {
            let state = self.shared.state();
            state.segments.get(&number).is_some_and(|segment| segment.left.requests == 0)
        };
        if active.is_some_and(is_done) {
            self.seal();
        }
        self.maintain(true);
        if self.has_room(size) { Ok(()) } else { Err(self.full()) }
    }

    fn has_room(&self, size: u64) -> bool {
        let head = if self.active.is_none() { HEAD_LEN as u64 } else { 0 };
        let used = self.shared.state().stats.disk_bytes + self.buffer.len() as u64;
        used.saturating_add(size + head) <= self.shared.settings.max_size
    }

    fn full(&self) -> StoreError {
        StoreError::Full { max_size: self.shared.settings.max_size }
    }

    fn create(&mut self) -> Result<Active, StoreError> {
        match self.try_create() {
            Err((_, error)) if error.kind() == io::ErrorKind::NotFound => {
                // The directory vanished. What was in it is gone; what comes now is not.
                self.restore_directory()?;
                self.try_create()
            }
            created => created,
        }
        .map_err(|(path, error)| StoreError::io("create", &path, &error))
    }

    fn try_create(&self) -> Result<Active, (PathBuf, io::Error)> {
        let (disk, directory) = (&self.shared.disk, &self.shared.settings.directory);
        let number = self.shared.state().next_segment;
        let path = directory.join(segment::file_name(number));
        let file = disk.create_new(&path).map_err(|error| (path.clone(), error));
        if !matches!(&file, Err((_, error)) if error.kind() == io::ErrorKind::NotFound) {
            self.shared.state().next_segment += 1;
        }
        let file = file?;
        if let Err(error) = disk.sync_dir(directory) {
            let _ = disk.remove(&path);
            return Err((path, error));
        }
        Ok(Active { number, salt: fastrand::u32(..), file, path, len: 0 })
    }

    fn restore_directory(&mut self) -> Result<(), StoreError> {
        self.lock = take_directory(&*self.shared.disk, &self.shared.settings.directory)?;
        Ok(())
    }

    fn encode(&mut self, append: Append, salt: u32) {
        let sequence = {
            let mut state = self.shared.state();
            state.next_sequence += 1;
            state.next_sequence - 1
        };
        let Payload { head, body, items } = &append.payload;
        let header = RecordHeader {
            length: append.payload.len() as u32,
            sequence,
            items: *items,
            checksum: crc32c_append(crc32c(head), body),
        };
        header.write(salt, &mut self.buffer);
        self.buffer.extend_from_slice(head);
        self.buffer.extend_from_slice(body);
        self.headers.push(header);
        self.waiting.push(append);
    }

    /// Writes what is in the buffer, syncs, and only then answers.
    fn flush(&mut self) {
        if self.headers.is_empty() {
            return;
        }
        let Some(active) = &mut self.active else { return };
        let result = write_group(&self.shared, active, &self.buffer);
        if result.is_ok() {
            active.len += self.buffer.len() as u64;
            self.shared.state().publish(active.number, active.salt, active.len, &self.headers);
        }
        let failure = result.err().map(|error| StoreError::io("write to", &active.path, &error));
        if failure.is_some() {
            self.abandon();
        }
        for (append, header) in self.waiting.drain(..).zip(self.headers.drain(..)) {
            let _ = append.answer.send(failure.clone().map_or(Ok(header.sequence), Err));
        }
        self.buffer.clear();
        self.buffer.shrink_to(2 * GROUP_BYTES);
        self.shared.available.notify_waiters();
    }

    /// A write or sync failed: nobody knows what the file holds behind its last good length.
    fn abandon(&mut self) {
        let Some(active) = self.active.take() else { return };
        let mut state = self.shared.state();
        state.stats.failed_appends += self.headers.len() as u64;
        // The numbers are used up. Should the disk have kept these records after all, they are done.
        if let (Some(first), Some(last)) = (self.headers.first(), self.headers.last()) {
            state.done.mark(first.sequence, last.sequence);
            state.is_dirty = true;
        }
        state.seal(active.number);
        drop(state);
        let cut = if active.len == 0 {
            self.shared.disk.remove(&active.path)
        } else {
            active.file.set_len(active.len)
        };
        if let Err(error) = cut {
            warn!(path = %active.path.display(), %error, "cannot cut the queue file after a failed write");
            self.shared.state().keep_uncut(active.number, self.buffer.len() as u64);
        }
    }

    fn seal(&mut self) {
        if let Some(active) = self.active.take() {
            self.shared.state().seal(active.number);
        }
    }

    /// Stores the cursor if it is due or a segment is free, and removes what is free.
    fn maintain(&mut self, is_now: bool) {
        let now = Instant::now();
        let (cursor, free) = {
            let mut state = self.shared.state();
            let free = state.free_segments();
            if !state.is_dirty || !(is_now || now >= self.cursor_due || self.is_worth_it(&free)) {
                return;
            }
            state.is_dirty = false;
            (state.cursor(), free)
        };
        self.cursor_due = now + self.shared.settings.cursor_interval;
        let mut is_stored = true;
        if let Err(error) = cursor.store(&*self.shared.disk, &self.shared.settings.directory) {
            warn!(%error, "cannot store the cursor of the queue");
            self.shared.state().stats.failed_cursors += 1;
            is_stored = false;
        }
        // Also without a cursor: a full disk needs the room, and what has no file is not given again.
        let are_removed = free.iter().all(|(number, segment)| self.remove(*number, segment));
        if !free.is_empty() {
            // Lest they come back with a power cut, when others have taken their room.
            let _ = self.shared.disk.sync_dir(&self.shared.settings.directory);
        }
        if !(is_stored && are_removed) {
            self.shared.state().is_dirty = true;
            self.cursor_due = now + CURSOR_RETRY;
        }
    }

    /// After a failure everything waits for its time, lest the thread spin.
    fn is_worth_it(&self, free: &[(u64, Segment)]) -> bool {
        let is_failing = self.cursor_due > Instant::now() + self.shared.settings.cursor_interval;
        !free.is_empty() && !is_failing
    }

    fn remove(&self, number: u64, segment: &Segment) -> bool {
        let (disk, directory) = (&self.shared.disk, &self.shared.settings.directory);
        let name = segment::file_name(number);
        let removed = if segment.is_damaged {
            set_aside(&**disk, directory, &name)
        } else {
            disk.remove(&directory.join(&name))
        };
        match removed {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                warn!(%name, %error, "cannot remove a queue file that is done");
                return false;
            }
            Err(_) => {}
            Ok(()) => self.shared.state().stats.set_aside += u64::from(segment.is_damaged),
        }
        self.shared.state().forget(number);
        true
    }

    fn finish(&mut self) {
        self.flush();
        self.seal();
        // Also if nothing was done: the numbers that were used are in it.
        self.shared.state().is_dirty = true;
        self.maintain(true);
        self.shared.state().is_closed = true;
        self.shared.available.notify_waiters();
    }
}

fn write_group(shared: &Shared, active: &Active, bytes: &[u8]) -> io::Result<()> {
    shared.state().stats.writes += 1;
    write_all_at(&*active.file, bytes, active.len)?;
    shared.state().stats.syncs += 1;
    active.file.sync_data()?;
    if active.file.is_linked()? {
        Ok(())
    } else {
        Err(io::Error::new(io::ErrorKind::NotFound, "the file was removed"))
    }
}
