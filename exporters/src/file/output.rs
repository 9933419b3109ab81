//! One file: records at its end, whole or not at all, and older ones put aside.
//!
//! * A record goes to the system in one piece. If that fails half way, the file is cut back to where it was.
//! * A file that ends in half a record, because a process died, is not written on: a line is ended, and a file
//!   of records behind lengths is put aside under the name of an old file.
//! * A file that was deleted, or could not be opened, is opened anew with the next record.
//! * What is no regular file (a terminal, a pipe, `/dev/null`) is only written to.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use jiff::{SignedDuration, Timestamp};
use tracing::warn;

use super::config::Rotation;
use super::names::{Backups, directory};
use super::record::LENGTH;

/// Telemetry is nobody else's business.
const FILE_MODE: u32 = 0o600;
const MEBIBYTE: u64 = 1 << 20;
/// lumberjack's own limit when none is configured, in MiB.
const DEFAULT_MEGABYTES: u64 = 100;

/// What all files of an exporter have in common.
#[derive(Clone, Copy, Debug)]
pub(super) struct Settings {
    /// Records are lines; else they stand behind their length.
    pub(super) is_lines: bool,
    pub(super) rotation: Option<Rotation>,
    /// The permissions of directories that are created; `None` creates none.
    pub(super) directory_mode: Option<u32>,
}

/// A file that is written.
pub(super) struct Output {
    path: PathBuf,
    settings: Settings,
    /// Empty the file before the first record.
    truncates: bool,
    file: Option<File>,
}

impl Output {
    pub(super) fn new(path: PathBuf, truncates: bool, settings: Settings) -> Self {
        Self { path, settings, truncates, file: None }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Whether the file can be opened, without touching what is in it.
    pub(super) fn probe(&self) -> io::Result<()> {
        self.open_file().map(|_| ())
    }

    /// Writes a record at the end.
    pub(super) fn append(&mut self, record: &[u8]) -> io::Result<()> {
        let mut file = self.ready()?;
        let mut state = file.metadata()?;
        if state.is_file() && state.len() > 0 && state.len() + record.len() as u64 > self.limit() {
            drop(file);
            self.put_aside()?;
            file = self.open_file()?;
            state = file.metadata()?;
        }
        if let Err(error) = file.write_all(record) {
            // A file that cannot be cut back is looked at again before the next record.
            if state.is_file() && file.set_len(state.len()).is_ok() {
                self.file = Some(file);
            }
            return Err(error);
        }
        self.file = Some(file);
        Ok(())
    }

    /// Has the system write what it was given.
    pub(super) fn sync(&self) -> io::Result<()> {
        self.file.as_ref().map_or(Ok(()), File::sync_data)
    }

    /// How large the file may become, in bytes.
    fn limit(&self) -> u64 {
        let megabytes = match self.settings.rotation {
            None => return u64::MAX,
            Some(Rotation { max_megabytes: 0, .. }) => DEFAULT_MEGABYTES,
            Some(rotation) => rotation.max_megabytes,
        };
        megabytes.saturating_mul(MEBIBYTE)
    }

    /// The file, open and at the end of a record.
    fn ready(&mut self) -> io::Result<File> {
        if let Some(file) = self.file.take()
            && file.metadata()?.nlink() > 0
        {
            return Ok(file);
        }
        let file = self.open_file()?;
        if !file.metadata()?.is_file() {
            return Ok(file);
        }
        if self.truncates {
            file.set_len(0)?;
            self.truncates = false;
            return Ok(file);
        }
        let file = self.mend(file)?;
        self.prune();
        Ok(file)
    }

    fn open_file(&self) -> io::Result<File> {
        if let Some(mode) = self.settings.directory_mode {
            DirBuilder::new().recursive(true).mode(mode).create(directory(&self.path))?;
        }
        OpenOptions::new().create(true).append(true).mode(FILE_MODE).open(&self.path)
    }

    /// Sees to it that the next record does not become part of half a record.
    fn mend(&self, mut file: File) -> io::Result<File> {
        if is_whole(&self.path, self.settings.is_lines)? {
            return Ok(file);
        }
        if self.settings.is_lines {
            file.write_all(b"\n")?;
            return Ok(file);
        }
        let aside = self.put_aside()?;
        warn!(file = %self.path.display(), aside = %aside.display(), "the file ends in half a record and is put aside");
        self.open_file()
    }

    /// Renames the file to the name of an old one.
    fn put_aside(&self) -> io::Result<PathBuf> {
        let aside = self.backups().new_name(Timestamp::now());
        fs::rename(&self.path, &aside)?;
        self.prune();
        Ok(aside)
    }

    fn backups(&self) -> Backups<'_> {
        Backups::of(&self.path, self.settings.rotation.is_some_and(|rotation| rotation.localtime))
    }

    /// Deletes old files beyond what is kept. What cannot be deleted stays.
    fn prune(&self) {
        let Some(rotation) = self.settings.rotation else { return };
        if (rotation.max_backups, rotation.max_days) == (0, 0) {
            return;
        }
        let outdated = self.backups().list().map(|backups| {
            let kept = if rotation.max_backups == 0 { usize::MAX } else { rotation.max_backups };
            let days = if rotation.max_days == 0 { u32::MAX } else { rotation.max_days };
            let oldest = Timestamp::now().checked_sub(SignedDuration::from_hours(i64::from(days) * 24));
            let oldest = oldest.unwrap_or(Timestamp::MIN);
            let is_outdated = move |(position, time): (usize, Timestamp)| position >= kept || time < oldest;
            backups
                .into_iter()
                .enumerate()
                .filter(move |(position, backup)| is_outdated((*position, backup.time)))
                .map(|(_, backup)| backup.path)
        });
        let outcome = outdated.and_then(|mut outdated| outdated.try_for_each(fs::remove_file));
        if let Err(error) = outcome {
            warn!(file = %self.path.display(), error = %error, "cannot delete old files");
        }
    }
}

/// Whether a file ends where a record ends.
fn is_whole(path: &Path, is_lines: bool) -> io::Result<bool> {
    let file = File::open(path)?;
    let length = file.metadata()?.len();
    if is_lines {
        let mut last = [b'\n'];
        if length > 0 {
            file.read_exact_at(&mut last, length - 1)?;
        }
        return Ok(last == [b'\n']);
    }
    let mut at = 0;
    while at + LENGTH as u64 <= length {
        let mut header = [0; LENGTH];
        file.read_exact_at(&mut header, at)?;
        at += LENGTH as u64 + u64::from(u32::from_be_bytes(header));
    }
    Ok(at == length)
}
