//! What a queue knows in memory: its segments, what is done, and what was given out.

use std::collections::{BTreeMap, VecDeque};
use std::path::Path;

use tracing::warn;

use super::cursor::Cursor;
use super::done::DoneSet;
use super::open::Finding;
use super::segment::RecordHeader;
use super::{READ_AHEAD, Record};

/// So many findings are kept; more are counted and logged only.
pub const MOST_FINDINGS: usize = 64;
/// So many records are read before they are asked for.
const READ_AHEAD_RECORDS: usize = 64;

/// How much is in a queue.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sizes {
    /// Records.
    pub requests: u64,
    /// What the records count for.
    pub items: u64,
    /// The bytes of payloads.
    pub bytes: u64,
}

impl Sizes {
    pub(super) fn of(header: &RecordHeader) -> Self {
        Self { requests: 1, items: u64::from(header.items), bytes: u64::from(header.length) }
    }

    pub(super) fn add(&mut self, other: Self) {
        self.requests += other.requests;
        self.items += other.items;
        self.bytes += other.bytes;
    }

    pub(super) fn subtract(&mut self, other: Self) {
        self.requests = self.requests.saturating_sub(other.requests);
        self.items = self.items.saturating_sub(other.items);
        self.bytes = self.bytes.saturating_sub(other.bytes);
    }
}

/// Counts of one open queue.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// What all segments take, in bytes.
    pub disk_bytes: u64,
    /// How many segments there are.
    pub segments: u64,
    /// Writes to segments.
    pub writes: u64,
    /// Syncs of segments.
    pub syncs: u64,
    /// Records that were refused because the disk failed.
    pub failed_appends: u64,
    /// Cursors that could not be stored.
    pub failed_cursors: u64,
    /// Damaged places, torn tails included.
    pub findings: u64,
    /// Records of which a header was left and that are lost. What lost its header too cannot be counted.
    pub lost_records: u64,
    /// Files that were given another name because of damage.
    pub set_aside: u64,
}

/// A segment that has, or had, records.
#[derive(Clone, Debug, Default)]
pub(super) struct Segment {
    pub salt: u32,
    /// How much of the file may be read, in bytes.
    pub len: u64,
    pub first: u64,
    pub last: u64,
    /// What the file has behind `len` because it could not be cut, in bytes.
    pub uncut: u64,
    /// What is not done.
    pub left: Sizes,
    pub is_active: bool,
    /// Kept under another name when its records are done.
    pub is_damaged: bool,
    /// The disk fails for it. It stays as it is until the next start.
    pub is_unreadable: bool,
}

impl Segment {
    fn is_free(&self) -> bool {
        !self.is_active && !self.is_unreadable && self.left.requests == 0
    }
}

struct Given {
    segment: u64,
    size: Sizes,
}

pub(super) struct State {
    pub segments: BTreeMap<u64, Segment>,
    pub done: DoneSet,
    pub next_sequence: u64,
    pub next_segment: u64,
    /// More is done than the stored cursor says, or a free segment is still there.
    pub is_dirty: bool,
    pub is_closed: bool,
    pub stats: Stats,
    left: Sizes,
    /// Read and not done, by sequence number.
    given: BTreeMap<u64, Given>,
    ready: VecDeque<Record>,
    ready_bytes: usize,
    findings: Vec<Finding>,
}

impl State {
    pub fn new(cursor: Cursor) -> Self {
        Self {
            segments: BTreeMap::new(),
            done: cursor.done,
            next_sequence: cursor.next_sequence,
            next_segment: cursor.next_segment,
            is_dirty: false,
            is_closed: false,
            stats: Stats::default(),
            left: Sizes::default(),
            given: BTreeMap::new(),
            ready: VecDeque::new(),
            ready_bytes: 0,
            findings: Vec::new(),
        }
    }

    pub fn sizes(&self) -> Sizes {
        self.left
    }

    pub fn stats(&self) -> Stats {
        Stats { segments: self.segments.len() as u64, ..self.stats }
    }

    pub fn findings(&self) -> &[Finding] {
        &self.findings
    }

    pub fn cursor(&self) -> Cursor {
        Cursor { done: self.done.clone(), next_sequence: self.next_sequence, next_segment: self.next_segment }
    }

    pub fn report(&mut self, finding: Finding) {
        warn!(path = %finding.path.display(), from = finding.from, to = finding.to, "{}", finding.kind);
        self.stats.findings += 1;
        if self.findings.len() < MOST_FINDINGS {
            self.findings.push(finding);
        }
    }

    /// A segment was found at the start, with what is left in it.
    pub fn adopt(&mut self, number: u64, segment: Segment) {
        self.left.add(segment.left);
        self.stats.disk_bytes += segment.len;
        self.segments.insert(number, segment);
        self.is_dirty = true;
    }

    /// Records are on the disk, behind what was in their segment before.
    pub fn publish(&mut self, number: u64, salt: u32, len: u64, headers: &[RecordHeader]) {
        let (Some(first), Some(last)) = (headers.first(), headers.last()) else { return };
        let segment = self.segments.entry(number).or_insert_with(|| Segment {
            salt,
            first: first.sequence,
            is_active: true,
            ..Segment::default()
        });
        self.stats.disk_bytes += len - segment.len;
        segment.len = len;
        segment.last = last.sequence;
        for header in headers {
            segment.left.add(Sizes::of(header));
            self.left.add(Sizes::of(header));
        }
    }

    /// Nothing more will be written to a segment.
    pub fn seal(&mut self, number: u64) {
        if let Some(segment) = self.segments.get_mut(&number) {
            segment.is_active = false;
            self.is_dirty |= segment.is_free();
        }
    }

    /// What a failed write left of a sealed segment, or of one that never had records, is still there.
    pub fn keep_uncut(&mut self, number: u64, bytes: u64) {
        self.segments.entry(number).or_default().uncut += bytes;
        self.stats.disk_bytes += bytes;
        self.is_dirty = true;
    }

    /// The segments that nobody needs any more.
    pub fn free_segments(&self) -> Vec<(u64, Segment)> {
        let free = self.segments.iter().filter(|(_, segment)| segment.is_free());
        free.map(|(number, segment)| (*number, segment.clone())).collect()
    }

    pub fn forget(&mut self, number: u64) {
        if let Some(segment) = self.segments.remove(&number) {
            self.stats.disk_bytes -= segment.len + segment.uncut;
        }
    }

    /// Whether a record was done, or was given out already.
    pub fn is_known(&self, sequence: u64) -> bool {
        self.done.contains(sequence) || self.given.contains_key(&sequence)
    }

    pub fn has_ready(&self) -> bool {
        !self.ready.is_empty() && !self.is_closed
    }

    pub fn is_read_ahead(&self) -> bool {
        self.ready_bytes >= READ_AHEAD || self.ready.len() >= READ_AHEAD_RECORDS
    }

    /// A record was read.
    pub fn make_ready(&mut self, segment: u64, size: Sizes, record: Record) {
        self.given.insert(record.sequence, Given { segment, size });
        self.ready_bytes += record.payload.len();
        self.ready.push_back(record);
    }

    pub fn take_ready(&mut self) -> Option<Record> {
        if self.is_closed {
            return None;
        }
        let record = self.ready.pop_front()?;
        self.ready_bytes -= record.payload.len();
        Some(record)
    }

    pub fn put_back(&mut self, record: Record) {
        if self.given.contains_key(&record.sequence) {
            self.ready_bytes += record.payload.len();
            self.ready.push_front(record);
        }
    }

    /// A record is done: whether it was given out, and whether the writer has something to do now.
    pub fn finish(&mut self, sequence: u64) -> (bool, bool) {
        let Some(Given { segment, size }) = self.given.remove(&sequence) else { return (false, false) };
        self.done.mark(sequence, sequence);
        let is_free = self.take_out(segment, size);
        let wakes = is_free || !self.is_dirty;
        self.is_dirty = true;
        (true, wakes)
    }

    /// A record with a good header is lost.
    pub fn lose(&mut self, number: u64, header: &RecordHeader) {
        self.done.mark(header.sequence, header.sequence);
        self.take_out(number, Sizes::of(header));
        self.stats.lost_records += 1;
        self.is_dirty = true;
    }

    /// A segment was read to its end: what should be in it and was not found is lost.
    pub fn reconcile(&mut self, number: u64) {
        let Some(segment) = self.segments.get(&number) else { return };
        let (last, mut missing, mut from) = (segment.last, segment.left, segment.first);
        for (sequence, given) in self.given.range(from..=last) {
            missing.subtract(given.size);
            self.done.mark(from, sequence.saturating_sub(1));
            from = sequence + 1;
        }
        self.done.mark(from, last);
        if missing.requests > 0 {
            self.stats.lost_records += missing.requests;
            self.is_dirty = true;
        }
        self.take_out(number, missing);
    }

    fn take_out(&mut self, number: u64, size: Sizes) -> bool {
        self.left.subtract(size);
        let Some(segment) = self.segments.get_mut(&number) else { return false };
        segment.left.subtract(size);
        segment.is_free()
    }

    /// Says once that a file is damaged somewhere.
    pub fn report_damage(&mut self, number: u64, finding: Finding) {
        if let Some(segment) = self.segments.get_mut(&number) {
            segment.is_damaged = true;
        }
        self.report(finding);
    }
}

/// A name for a damaged file that is not taken: `<name>.corrupt-0` or the first free number behind it.
pub(super) fn set_aside_name(name: &str, taken: &[String]) -> String {
    let mut names = (0_u32..).map(|number| format!("{name}.corrupt-{number}"));
    names.find(|name| !taken.contains(name)).unwrap_or_default()
}

/// Renames a damaged file out of the way.
pub(super) fn set_aside(disk: &dyn super::io::Disk, directory: &Path, name: &str) -> std::io::Result<()> {
    let target = set_aside_name(name, &disk.list(directory)?);
    disk.rename(&directory.join(name), &directory.join(target))?;
    disk.sync_dir(directory)
}
