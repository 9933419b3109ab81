//! A segment file: its head, its records, and how to find the whole ones in a damaged file.
//!
//! `docs/queue-format.md` is the specification. Two checksums guard a record: one over its header, so that
//! a damaged payload is skipped by its length, and one over its payload. A damaged header is skipped by
//! looking for the next valid one. Each header carries a number that is random for each segment; a payload
//! that looks like a record is therefore never taken for one.

use std::io;

use bytes::Bytes;
use crc32c::{crc32c, crc32c_append};

use super::io::{DiskFile, read_exact_at};

/// The format version that is written, and the only one that is read.
pub const VERSION: u32 = 1;
/// How long the head of a segment is, in bytes.
pub const HEAD_LEN: usize = 36;
/// How long the header of a record is, in bytes.
pub const RECORD_HEADER_LEN: usize = 28;
/// Sequence and segment numbers are below this, so that adding to one never overflows.
pub(super) const NUMBER_LIMIT: u64 = 1 << 63;

const MAGIC: [u8; 8] = *b"SPNDLSEG";
/// How much of a file is held in memory while it is read.
const WINDOW: usize = 256 << 10;

/// The name of a segment's file.
pub fn file_name(number: u64) -> String {
    format!("{number:020}.seg")
}

/// The number in a segment's file name, if it is one.
pub fn number_of(name: &str) -> Option<u64> {
    let digits = name.strip_suffix(".seg").filter(|digits| digits.len() == 20)?;
    digits.parse().ok().filter(|number| *number < NUMBER_LIMIT && file_name(*number) == name)
}

/// The head of a segment.
pub(super) fn head(number: u64, first_sequence: u64, salt: u32) -> [u8; HEAD_LEN] {
    let mut head = [0; HEAD_LEN];
    head[..8].copy_from_slice(&MAGIC);
    head[8..12].copy_from_slice(&VERSION.to_le_bytes());
    head[12..16].copy_from_slice(&salt.to_le_bytes());
    head[16..24].copy_from_slice(&number.to_le_bytes());
    head[24..32].copy_from_slice(&first_sequence.to_le_bytes());
    let checksum = crc32c(&head[..32]);
    head[32..].copy_from_slice(&checksum.to_le_bytes());
    head
}

/// What the first bytes of a segment say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Head {
    Good {
        salt: u32,
    },
    /// The head is damaged, the first record behind it is not and has told the number.
    Salvaged {
        salt: u32,
    },
    UnknownVersion(u32),
    /// Not even a head: the process ended before it was written.
    TooShort,
    Unreadable,
}

pub(super) fn read_head(file: &dyn DiskFile, len: u64) -> io::Result<Head> {
    if len < HEAD_LEN as u64 {
        return Ok(Head::TooShort);
    }
    let mut head = [0; HEAD_LEN];
    read_exact_at(file, &mut head, 0)?;
    if number_u32(&head, 32) == crc32c(&head[..32]) && head[..8] == MAGIC {
        let version = number_u32(&head, 8);
        let salt = number_u32(&head, 12);
        return Ok(if version == VERSION { Head::Good { salt } } else { Head::UnknownVersion(version) });
    }
    if len < (HEAD_LEN + RECORD_HEADER_LEN) as u64 {
        return Ok(Head::Unreadable);
    }
    let mut record = [0; RECORD_HEADER_LEN];
    read_exact_at(file, &mut record, HEAD_LEN as u64)?;
    let salt = number_u32(&record, 0);
    Ok(RecordHeader::read(&record, salt).map_or(Head::Unreadable, |_| Head::Salvaged { salt }))
}

fn number_u32(bytes: &[u8], at: usize) -> u32 {
    bytes.get(at..at + 4).and_then(|four| four.try_into().ok()).map_or(0, u32::from_le_bytes)
}

fn number_u64(bytes: &[u8], at: usize) -> u64 {
    bytes.get(at..at + 8).and_then(|eight| eight.try_into().ok()).map_or(0, u64::from_le_bytes)
}

/// What precedes a payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct RecordHeader {
    pub length: u32,
    pub sequence: u64,
    pub items: u32,
    pub checksum: u32,
}

impl RecordHeader {
    pub fn write(&self, salt: u32, to: &mut Vec<u8>) {
        let start = to.len();
        to.extend_from_slice(&salt.to_le_bytes());
        to.extend_from_slice(&self.length.to_le_bytes());
        to.extend_from_slice(&self.sequence.to_le_bytes());
        to.extend_from_slice(&self.items.to_le_bytes());
        to.extend_from_slice(&self.checksum.to_le_bytes());
        let checksum = crc32c(to.get(start..).unwrap_or_default());
        to.extend_from_slice(&checksum.to_le_bytes());
    }

    fn read(bytes: &[u8], salt: u32) -> Option<Self> {
        let bytes = bytes.get(..RECORD_HEADER_LEN)?;
        let header = Self {
            length: number_u32(bytes, 4),
            sequence: number_u64(bytes, 8),
            items: number_u32(bytes, 16),
            checksum: number_u32(bytes, 20),
        };
        let is_valid = number_u32(bytes, 0) == salt
            && number_u32(bytes, 24) == crc32c(&bytes[..24])
            && (1..NUMBER_LIMIT).contains(&header.sequence);
        is_valid.then_some(header)
    }

    /// What the record takes in its file, in bytes.
    pub fn size(&self) -> u64 {
        RECORD_HEADER_LEN as u64 + u64::from(self.length)
    }
}

/// What comes next in a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// A record whose header is good and whose payload is not longer than the file.
    Record { at: u64, header: RecordHeader },
    /// Bytes that are no record. A whole one, or the end, follows.
    Damaged { from: u64, to: u64 },
    /// The beginning of a record that was never finished, or zeros, up to the end.
    Torn { from: u64, to: u64 },
    /// Nothing more.
    End,
}

/// Reads a segment from its first record on, a window of bytes at a time.
pub(super) struct Scanner {
    file: Box<dyn DiskFile>,
    salt: u32,
    offset: u64,
    end: u64,
    window: Vec<u8>,
    window_at: u64,
}

impl Scanner {
    pub fn new(file: Box<dyn DiskFile>, salt: u32, end: u64) -> Self {
        Self { file, salt, offset: HEAD_LEN as u64, end, window: Vec::new(), window_at: 0 }
    }

    pub fn offset(&self) -> u64 {
        self.offset
    }

    pub fn file(&self) -> &dyn DiskFile {
        &*self.file
    }

    /// The file has grown to `end` bytes that may be read.
    pub fn extend(&mut self, end: u64) {
        self.end = self.end.max(end);
    }

    /// Moves past what it returns; after an error it stays where it was.
    pub fn step(&mut self) -> io::Result<Step> {
        let (from, end) = (self.offset, self.end);
        let step = if from >= end {
            return Ok(Step::End);
        } else if end - from < RECORD_HEADER_LEN as u64 {
            Step::Torn { from, to: end }
        } else if let Some(header) = self.header_at(from)? {
            let fits = header.size() <= end - from;
            if fits { Step::Record { at: from, header } } else { Step::Torn { from, to: end } }
        } else if self.is_zero_from(from)? {
            Step::Torn { from, to: end }
        } else {
            Step::Damaged { from, to: self.resynchronise(from + 1)? }
        };
        self.offset = match step {
            Step::Record { at, header } => at + header.size(),
            Step::Damaged { to, .. } | Step::Torn { to, .. } => to,
            Step::End => end,
        };
        Ok(step)
    }

    /// Goes back to a step that could not be dealt with.
    pub fn back_to(&mut self, offset: u64) {
        self.offset = offset;
    }

    /// The payload of a record; `None` if it is not the one that was written.
    pub fn payload(&mut self, at: u64, header: &RecordHeader) -> io::Result<Option<Bytes>> {
        let from = at + RECORD_HEADER_LEN as u64;
        let length = header.length as usize;
        let payload = if length <= WINDOW {
            self.window_at_least(from, length)?.get(..length).unwrap_or_default().to_vec()
        } else {
            let mut payload = vec![0; length];
            read_exact_at(&*self.file, &mut payload, from)?;
            payload
        };
        Ok((crc32c(&payload) == header.checksum).then(|| Bytes::from(payload)))
    }

    /// Whether the payload of a record is the one that was written. Holds no more than a window of it.
    pub fn is_whole(&mut self, at: u64, header: &RecordHeader) -> io::Result<bool> {
        let mut from = at + RECORD_HEADER_LEN as u64;
        let mut left = header.length as usize;
        let mut checksum = 0;
        while left > 0 {
            let window = self.window_at_least(from, 1)?;
            let part = window.get(..left.min(window.len())).unwrap_or_default();
            checksum = crc32c_append(checksum, part);
            let read = part.len();
            from += read as u64;
            left -= read;
        }
        Ok(checksum == header.checksum)
    }

    fn header_at(&mut self, at: u64) -> io::Result<Option<RecordHeader>> {
        let salt = self.salt;
        Ok(RecordHeader::read(self.window_at_least(at, RECORD_HEADER_LEN)?, salt))
    }

    /// Where the next valid header is at or behind `at`, or the end.
    fn resynchronise(&mut self, mut at: u64) -> io::Result<u64> {
        let salt = self.salt.to_le_bytes();
        while at + RECORD_HEADER_LEN as u64 <= self.end {
            let window = self.window_at_least(at, RECORD_HEADER_LEN)?;
            let Some(found) = window.windows(salt.len()).position(|four| four == salt) else {
                at += (window.len() - salt.len() + 1) as u64;
                continue;
            };
            at += found as u64;
            if at + RECORD_HEADER_LEN as u64 > self.end {
                break;
            }
            if self.header_at(at)?.is_some() {
                return Ok(at);
            }
            at += 1;
        }
        Ok(self.end)
    }

    fn is_zero_from(&mut self, mut at: u64) -> io::Result<bool> {
        while at < self.end {
            let window = self.window_at_least(at, 1)?;
            if window.iter().any(|byte| *byte != 0) {
                return Ok(false);
            }
            at += window.len() as u64;
        }
        Ok(true)
    }

    /// The bytes in memory from `at` on, at least `least` of them, read if need be. The caller has made
    /// sure that the file is so long.
    fn window_at_least(&mut self, at: u64, least: usize) -> io::Result<&[u8]> {
        let start = at.checked_sub(self.window_at).map(|start| start as usize);
        let start = start.filter(|start| self.window.len() >= start + least);
        if let Some(start) = start {
            return Ok(self.window.get(start..).unwrap_or_default());
        }
        let length = (self.end.saturating_sub(at)).min(WINDOW as u64) as usize;
        // A failed read must leave no window that looks valid.
        self.window_at = u64::MAX;
        self.window.resize(length.max(least), 0);
        read_exact_at(&*self.file, &mut self.window, at)?;
        self.window_at = at;
        Ok(&self.window)
    }
}
