//! The cursor file: what is done, kept over a restart.
//!
//! It is written beside the old one, synced and renamed, so one of the two is always whole. Losing it
//! repeats records and loses none. `docs/queue-format.md` is the specification.

use std::io;
use std::path::Path;

use crc32c::crc32c;

use super::done::DoneSet;
use super::io::{Disk, read_exact_at, write_all_at};
use super::segment::NUMBER_LIMIT;

/// The cursor's file name.
pub const FILE_NAME: &str = "cursor";
/// The name under which the next cursor is written.
pub(super) const NEXT_NAME: &str = "cursor.next";

const MAGIC: [u8; 8] = *b"SPNDLCUR";
const VERSION: u32 = 1;
const FIXED_LEN: usize = 40;
const RANGE_LEN: usize = 16;
/// What is done beyond so many ranges is forgotten in the file, and given again after a restart.
const MOST_RANGES: usize = 4096;

/// What the file holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Cursor {
    pub done: DoneSet,
    /// The number of the next record. No number is used twice, also not that of a record that was refused.
    pub next_sequence: u64,
    /// The number of the next segment.
    pub next_segment: u64,
}

impl Cursor {
    pub fn encode(&self) -> Vec<u8> {
        let count = self.done.ranges().len().min(MOST_RANGES);
        let mut bytes = Vec::with_capacity(FIXED_LEN + count * RANGE_LEN + 4);
        bytes.extend_from_slice(&MAGIC);
        bytes.extend_from_slice(&VERSION.to_le_bytes());
        bytes.extend_from_slice(&(count as u32).to_le_bytes());
        bytes.extend_from_slice(&self.done.lowest().to_le_bytes());
        bytes.extend_from_slice(&self.next_sequence.to_le_bytes());
        bytes.extend_from_slice(&self.next_segment.to_le_bytes());
        for (first, last) in self.done.ranges().take(count) {
            bytes.extend_from_slice(&first.to_le_bytes());
            bytes.extend_from_slice(&last.to_le_bytes());
        }
        bytes.extend_from_slice(&crc32c(&bytes).to_le_bytes());
        bytes
    }

    /// `None` if the bytes are not a whole cursor of this version.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let (content, checksum) = bytes.split_last_chunk::<4>()?;
        if u32::from_le_bytes(*checksum) != crc32c(content) {
            return None;
        }
        let (magic, rest) = content.split_first_chunk::<8>()?;
        let (version, rest) = rest.split_first_chunk::<4>()?;
        let (count, rest) = rest.split_first_chunk::<4>()?;
        if *magic != MAGIC || u32::from_le_bytes(*version) != VERSION {
            return None;
        }
        let (numbers, rest) = rest.as_chunks::<8>();
        let mut numbers = numbers.iter().map(|number| u64::from_le_bytes(*number));
        let mut number = || numbers.next().filter(|number| *number < NUMBER_LIMIT);
        let mut done = DoneSet::below(number()?);
        let (next_sequence, next_segment) = (number()?, number()?);
        for _ in 0..u32::from_le_bytes(*count) {
            let (first, last) = (number()?, number()?);
            done.mark(first, last);
        }
        (number().is_none() && rest.is_empty()).then_some(Self { done, next_sequence, next_segment })
    }

    /// Puts the file in the place of the one that is there. All of it is on the disk afterwards.
    pub fn store(&self, disk: &dyn Disk, directory: &Path) -> io::Result<()> {
        let next = directory.join(NEXT_NAME);
        let file = disk.create(&next)?;
        write_all_at(&*file, &self.encode(), 0)?;
        file.sync_data()?;
        disk.rename(&next, &directory.join(FILE_NAME))?;
        disk.sync_dir(directory)
    }
}

/// What was found where the cursor should be.
pub(super) enum Loaded {
    Cursor(Cursor),
    Missing,
    Damaged,
}

pub(super) fn load(disk: &dyn Disk, directory: &Path) -> Loaded {
    let read = || -> io::Result<Vec<u8>> {
        let file = disk.open(&directory.join(FILE_NAME))?;
        let longest = FIXED_LEN + MOST_RANGES * RANGE_LEN + 4;
        // One byte more than the longest is already wrong; there is no need to read the rest.
        let mut bytes = vec![0; file.length()?.min(longest as u64 + 1) as usize];
        read_exact_at(&*file, &mut bytes, 0)?;
        Ok(bytes)
    };
    match read() {
        Ok(bytes) => Cursor::decode(&bytes).map_or(Loaded::Damaged, Loaded::Cursor),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Loaded::Missing,
        Err(_) => Loaded::Damaged,
    }
}
