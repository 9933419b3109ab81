//! The processes by state: the third field of `/proc/<pid>/stat` for each of them.
//!
//! Two system calls and an answer of the kernel for each process, about 6 us; with thousands of processes
//! this is milliseconds.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use rustix::fd::OwnedFd;
use rustix::fs::{Mode, OFlags, RawDir, SeekFrom, open, openat, seek};
use rustix::io::{Errno, read};

use super::Part;
use super::file::{Buffer, Report};
use crate::host_metrics::reading::{HostReading, PROCESS_STATES};

/// How much of a `stat` file is read: the number, the name (at most 64 bytes) and the state.
const HEAD: usize = 128;

type Counts = [u64; PROCESS_STATES.len() + 1];

/// Reads the state of every process.
pub struct ProcessesPart {
    path: PathBuf,
    directory: Option<OwnedFd>,
    /// Room for names of files in the directory.
    names: Vec<u8>,
    report: Report,
}

impl ProcessesPart {
    /// Reads the processes below `path`, a `/proc`.
    pub fn new(path: PathBuf, receiver: &Arc<str>) -> Self {
        let report = Report::new(format!("the processes in {}", path.display()), receiver);
        Self { path, directory: None, names: Vec::with_capacity(16 * 1024), report }
    }

    fn count(&mut self) -> io::Result<Counts> {
        let directory = match self.directory.take() {
            Some(directory) => directory,
            None => open(&self.path, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?,
        };
        seek(&directory, SeekFrom::Start(0))?;
        let mut counts = Counts::default();
        let mut entries = RawDir::new(&directory, self.names.spare_capacity_mut());
        while let Some(entry) = entries.next() {
            let entry = entry?;
            let name = entry.file_name().to_bytes();
            if !name.iter().all(u8::is_ascii_digit) {
                continue;
            }
            match state(&directory, name) {
                Ok(letter) => counts[state_index(letter)] += 1,
                // It has ended in the meantime.
                Err(Errno::NOENT | Errno::SRCH) => {}
                // Somebody else's, on a host that hides those.
                Err(_) => counts[PROCESS_STATES.len()] += 1,
            }
        }
        self.directory = Some(directory);
        Ok(counts)
    }
}

impl Part for ProcessesPart {
    fn read(&mut self, _: &mut Buffer, reading: &mut HostReading) {
        let counts = self.count();
        reading.processes = counts.as_ref().ok().copied();
        reading.errors += self.report.settle(counts.map(|_| 0));
    }
}

fn state_index(letter: u8) -> usize {
    PROCESS_STATES.iter().position(|letters| letters.contains(&letter)).unwrap_or(PROCESS_STATES.len())
}

/// The letter behind the name, which stands in parentheses and may have any in it.
fn state(directory: &OwnedFd, pid: &[u8]) -> Result<u8, Errno> {
    let mut path = [0; 32];
    let file = b"/stat";
    let length = pid.len() + file.len();
    let room = path.get_mut(..length).ok_or(Errno::NAMETOOLONG)?;
    room[..pid.len()].copy_from_slice(pid);
    room[pid.len()..].copy_from_slice(file);
    let stat = openat(directory, &path[..length], OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?;
    let mut head = [0; HEAD];
    let count = read(&stat, &mut head)?;
    let head = &head[..count];
    let end = memchr::memrchr(b')', head).ok_or(Errno::INVAL)?;
    head.get(end + 2).copied().ok_or(Errno::INVAL)
}
