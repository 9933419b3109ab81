//! Opening a directory: what is there, what is whole, what is left to do.
//!
//! Segments are read once from end to end and verified, a window at a time; records that the cursor calls
//! done are passed over by their headers. Nothing that is found is a reason not to open.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use super::cursor::{self, Cursor, Loaded};
use super::done::DoneSet;
use super::error::StoreError;
use super::io::{DirectoryLock, Disk, DiskFile};
use super::segment::{self, HEAD_LEN, Head, RecordHeader, Scanner, Step};
use super::state::{Segment, Sizes, State, set_aside};

/// The file whose lock says that the directory is in use.
const LOCK_NAME: &str = "lock";

/// Something that is not as it was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The file.
    pub path: PathBuf,
    /// What is wrong with it.
    pub kind: FindingKind,
    /// Where it begins, in bytes.
    pub from: u64,
    /// Where it ends, in bytes.
    pub to: u64,
}

/// What can be wrong with a file of a queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FindingKind {
    /// A write that was never finished; it was cut.
    TornTail,
    /// Bytes that are no record, or not the record that was written.
    DamagedRecord,
    /// The head of a segment is damaged; its records are used.
    DamagedHead,
    /// Neither the head nor the first record can be read; the file was set aside.
    NoSegment,
    /// Another version of this program wrote the segment; the file was set aside.
    UnknownVersion(u32),
    /// The disk cannot read the file; it stays until the next start.
    Unreadable,
    /// A segment is not there any more.
    Missing,
    /// The cursor cannot be read; all records are given again.
    DamagedCursor,
}

impl fmt::Display for FindingKind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::TornTail => "the queue file ends in an unfinished write, which is cut",
            Self::DamagedRecord => "the queue file is damaged; the records around it are used",
            Self::DamagedHead => "the head of the queue file is damaged; its records are used",
            Self::NoSegment => "the queue file is damaged and set aside",
            Self::UnknownVersion(version) => {
                return write!(
                    formatter,
                    "the queue file has the unknown version {version} and is set aside"
                );
            }
            Self::Unreadable => "the queue file cannot be read; it is left for the next start",
            Self::Missing => "the queue file is missing",
            Self::DamagedCursor => "the cursor of the queue is damaged; all records are sent again",
        })
    }
}

/// Takes the directory and finds what is in it.
pub(super) fn open(disk: &dyn Disk, directory: &Path) -> Result<(State, DirectoryLock), StoreError> {
    let lock = take_directory(disk, directory)?;
    let names = disk.list(directory).map_err(|error| StoreError::io("list", directory, &error))?;
    let mut state = match cursor::load(disk, directory) {
        Loaded::Cursor(cursor) => State::new(cursor),
        Loaded::Missing => State::new(first_cursor()),
        Loaded::Damaged => {
            let mut state = State::new(first_cursor());
            report_cursor(disk, directory, &mut state);
            state
        }
    };
    let mut numbers: Vec<u64> = names.iter().filter_map(|name| segment::number_of(name)).collect();
    numbers.sort_unstable();
    let mut opening = Opening { disk, directory, state: &mut state, previous: 0, has_unknown: false };
    for number in numbers {
        opening.segment(number);
    }
    let (previous, has_unknown) = (opening.previous, opening.has_unknown);
    // Numbers in the names of set-aside files are not used again either.
    let used = names.iter().filter_map(|name| segment::number_of(name.split(".corrupt-").next()?)).max();
    state.next_segment = state.next_segment.max(used.map_or(1, |number| number + 1));
    state.next_sequence = state.next_sequence.max(previous + 1).max(state.done.end());
    if has_unknown {
        state.next_sequence += UNKNOWN_RECORDS;
    }
    Ok((state, lock))
}

/// Creates the directory if it is missing and takes its lock.
pub(super) fn take_directory(disk: &dyn Disk, directory: &Path) -> Result<DirectoryLock, StoreError> {
    let failed = |action| move |error: io::Error| StoreError::io(action, directory, &error);
    disk.create_dir_all(directory).map_err(failed("create"))?;
    let lock = disk.lock(&directory.join(LOCK_NAME)).map_err(failed("lock"))?;
    let lock = lock.ok_or_else(|| StoreError::InUse { path: directory.to_path_buf() })?;
    match directory.parent().filter(|parent| !parent.as_os_str().is_empty()).map(|it| disk.sync_dir(it)) {
        // A parent that may be passed through but not read was made by somebody else, long ago.
        Some(Err(error)) if error.kind() != io::ErrorKind::PermissionDenied => {
            Err(StoreError::io("sync the parent of", directory, &error))
        }
        _ => Ok(lock),
    }
}

/// More records than a segment can hold.
const UNKNOWN_RECORDS: u64 = 1 << 32;

struct Opening<'a> {
    disk: &'a dyn Disk,
    directory: &'a Path,
    state: &'a mut State,
    /// The highest sequence number so far.
    previous: u64,
    /// There may be records behind `previous` that cannot be read now and can be later: their numbers are
    /// not done, and not free.
    has_unknown: bool,
}

impl Opening<'_> {
    fn segment(&mut self, number: u64) {
        let path = self.directory.join(segment::file_name(number));
        if self.recover(number, &path).is_err() {
            self.report(&path, FindingKind::Unreadable, 0, 0);
            self.has_unknown = true;
        }
    }

    fn report(&mut self, path: &Path, kind: FindingKind, from: u64, to: u64) {
        self.state.report(Finding { path: path.to_path_buf(), kind, from, to });
    }

    fn recover(&mut self, number: u64, path: &Path) -> io::Result<()> {
        let file = self.disk.open(path)?;
        let len = file.length()?;
        let head = segment::read_head(&*file, len)?;
        let salt = match head {
            Head::Good { salt } | Head::Salvaged { salt } => salt,
            Head::TooShort => {
                if len > 0 {
                    self.report(path, FindingKind::TornTail, 0, len);
                }
                return self.disk.remove(path);
            }
            Head::UnknownVersion(version) => {
                self.refuse(number, path, FindingKind::UnknownVersion(version), len);
                return Ok(());
            }
            Head::Unreadable => {
                self.refuse(number, path, FindingKind::NoSegment, len);
                return Ok(());
            }
        };
        let is_damaged = matches!(head, Head::Salvaged { .. });
        if is_damaged {
            self.report(path, FindingKind::DamagedHead, 0, HEAD_LEN as u64);
        }
        let mut segment = Segment { salt, len, is_damaged, ..Segment::default() };
        self.scan(file, path, &mut segment);
        self.state.adopt(number, segment);
        Ok(())
    }

    /// A file that cannot be used gets another name; if that fails it is found again at the next start.
    fn refuse(&mut self, number: u64, path: &Path, kind: FindingKind, len: u64) {
        self.report(path, kind, 0, len);
        self.has_unknown = true;
        if set_aside(self.disk, self.directory, &segment::file_name(number)).is_ok() {
            self.state.stats.set_aside += 1;
        }
    }

    fn scan(&mut self, file: Box<dyn DiskFile>, path: &Path, segment: &mut Segment) {
        let mut scanner = Scanner::new(file, segment.salt, segment.len);
        loop {
            let at = scanner.offset();
            let step = scanner.step();
            match step.and_then(|step| self.take(step, &mut scanner, path, segment)) {
                Ok(true) => {}
                Ok(false) => return,
                Err(_) => {
                    self.report(path, FindingKind::Unreadable, at, segment.len);
                    self.has_unknown = true;
                    segment.is_unreadable = true;
                    segment.len = at;
                    return;
                }
            }
        }
    }

    /// Whether there is more.
    fn take(
        &mut self,
        step: Step,
        scanner: &mut Scanner,
        path: &Path,
        segment: &mut Segment,
    ) -> io::Result<bool> {
        match step {
            Step::Record { at, header } if header.sequence > self.previous => {
                self.record(at, &header, scanner, path, segment)?;
            }
            // Numbers only grow; a file that was copied in is not ours to send.
            Step::Record { at, header } => {
                segment.is_damaged = true;
                self.report(path, FindingKind::DamagedRecord, at, at + header.size());
            }
            Step::Damaged { from, to } => {
                segment.is_damaged = true;
                self.report(path, FindingKind::DamagedRecord, from, to);
            }
            Step::Torn { from, to } => {
                self.report(path, FindingKind::TornTail, from, to);
                segment.len = from;
                // If it cannot be cut it is never read, and found again at the next start.
                let _ = scanner.file().set_len(from).and_then(|()| scanner.file().sync_data());
            }
            Step::End => return Ok(false),
        }
        Ok(true)
    }

    fn record(
        &mut self,
        at: u64,
        header: &RecordHeader,
        scanner: &mut Scanner,
        path: &Path,
        segment: &mut Segment,
    ) -> io::Result<()> {
        let sequence = header.sequence;
        let is_done = self.state.done.contains(sequence);
        let is_whole = is_done || scanner.is_whole(at, header)?;
        // Numbers that no record has are done, unless their records may come back.
        if !std::mem::take(&mut self.has_unknown) {
            self.state.done.mark(self.previous + 1, sequence - 1);
        }
        self.previous = sequence;
        segment.last = sequence;
        if segment.first == 0 {
            segment.first = sequence;
        }
        if !is_whole {
            segment.is_damaged = true;
            self.state.done.mark(sequence, sequence);
            self.state.stats.lost_records += 1;
            self.report(path, FindingKind::DamagedRecord, at, at + header.size());
        } else if !is_done {
            segment.left.add(Sizes::of(header));
        }
        Ok(())
    }
}

fn first_cursor() -> Cursor {
    Cursor { done: DoneSet::below(1), next_sequence: 1, next_segment: 1 }
}

fn report_cursor(disk: &dyn Disk, directory: &Path, state: &mut State) {
    let path = directory.join(cursor::FILE_NAME);
    state.report(Finding { path, kind: FindingKind::DamagedCursor, from: 0, to: 0 });
    if set_aside(disk, directory, cursor::FILE_NAME).is_ok() {
        state.stats.set_aside += 1;
    }
}
