//! [`KernelFile`]: a file below `/proc` or `/sys` that is read again and again.
//!
//! The file is opened once and read from its start each time, which spares the path and makes the kernel
//! write it anew. Lines are handed over one by one, so a long file (sockets) takes no more memory than a
//! short one. A file that cannot be read, and a line that cannot be understood, is an error of the
//! reading; the log hears of the first one and of the recovery.

use std::fmt::Display;
use std::fs::File;
use std::io::{self, ErrorKind};
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::sync::Arc;

use tracing::{info, warn};

/// The longest line that is read. The longest known one, `intr` of `/proc/stat`, has some two bytes for
/// each interrupt line of the machine.
const MAX_LINE: usize = 1 << 20;

/// Where lines are read to, shared by all files of a source.
#[derive(Debug)]
pub struct Buffer(Vec<u8>);

impl Default for Buffer {
    fn default() -> Self {
        Self(vec![0; 16 * 1024])
    }
}

/// A file that is read again and again.
#[derive(Debug)]
pub struct KernelFile {
    path: PathBuf,
    file: Option<File>,
    report: Report,
}

impl KernelFile {
    /// A file that need not be there yet.
    pub fn new(path: PathBuf, receiver: &Arc<str>) -> Self {
        let report = Report::new(path.display().to_string(), receiver);
        Self { path, file: None, report }
    }

    /// Whether it can be opened.
    pub fn open(&mut self) -> bool {
        if self.file.is_none() {
            self.file = File::open(&self.path).ok();
        }
        self.file.is_some()
    }

    /// Hands over its lines, without their ends. A line for which `take` returns `None` is malformed.
    /// Returns how many errors there were: 1 for a file that cannot be read, else the malformed lines.
    pub fn read(&mut self, buffer: &mut Buffer, take: impl FnMut(&[u8]) -> Option<()>) -> usize {
        let outcome = self.try_read(buffer, take);
        self.report.settle(outcome)
    }

    /// As [`Self::read`]; a file that is not there has no lines and is no error.
    pub fn read_if_there(&mut self, buffer: &mut Buffer, take: impl FnMut(&[u8]) -> Option<()>) -> usize {
        let outcome = self.try_read(buffer, take).or_else(|error| match error.kind() {
            ErrorKind::NotFound => Ok(0),
            _ => Err(error),
        });
        self.report.settle(outcome)
    }

    fn try_read(
        &mut self,
        buffer: &mut Buffer,
        mut take: impl FnMut(&[u8]) -> Option<()>,
    ) -> io::Result<usize> {
        let file = match self.file.take() {
            Some(file) => file,
            None => File::open(&self.path)?,
        };
        let mut malformed = 0;
        // A file that fails is opened anew the next time: what it belonged to may be another by then.
        each_line(&file, &mut buffer.0, |line| malformed += usize::from(take(line).is_none()))?;
        self.file = Some(file);
        Ok(malformed)
    }
}

fn each_line(file: &File, buffer: &mut Vec<u8>, mut take: impl FnMut(&[u8])) -> io::Result<()> {
    let mut offset = 0;
    // The start of a line whose end was not read yet stands at the front of the buffer.
    let mut held = 0;
    loop {
        if held == buffer.len() {
            if held >= MAX_LINE {
                return Err(io::Error::new(ErrorKind::InvalidData, "a line is longer than 1 MiB"));
            }
            buffer.resize(held * 2, 0);
        }
        let count = match file.read_at(&mut buffer[held..], offset) {
            Ok(0) => break,
            Ok(count) => count,
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        offset += count as u64;
        let filled = held + count;
        let mut start = 0;
        while let Some(length) = memchr::memchr(b'\n', &buffer[start..filled]) {
            take(&buffer[start..start + length]);
            start += length + 1;
        }
        buffer.copy_within(start..filled, 0);
        held = filled - start;
    }
    if held > 0 {
        take(&buffer[..held]);
    }
    Ok(())
}

/// Says once that something cannot be read, and once that it can again.
#[derive(Debug)]
pub struct Report {
    subject: String,
    receiver: Arc<str>,
    is_failing: bool,
}

impl Report {
    /// About `subject`, a path or whatever is read.
    pub fn new(subject: String, receiver: &Arc<str>) -> Self {
        Self { subject, receiver: Arc::clone(receiver), is_failing: false }
    }

    /// Says how a reading went: malformed parts, or why there is none. Returns the number of errors.
    pub fn settle(&mut self, outcome: Result<usize, impl Display>) -> usize {
        let (receiver, subject) = (&*self.receiver, self.subject.as_str());
        let errors = *outcome.as_ref().unwrap_or(&1);
        let was_failing = std::mem::replace(&mut self.is_failing, errors > 0);
        match outcome {
            Ok(0) if was_failing => info!(receiver, subject, "can be read again"),
            Ok(errors) if errors > 0 && !was_failing => {
                warn!(receiver, subject, errors, "has parts that cannot be understood; they are left out");
            }
            Err(error) if !was_failing => {
                warn!(receiver, subject, %error, "cannot be read; its metrics are left out");
            }
            _ => {}
        }
        errors
    }
}
