//! Names of old files, and parts of paths that come from telemetry.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

/// When a file was put aside, as its name says it; the format of lumberjack, which the Collector uses.
const BACKUP_TIME: &str = "%Y-%m-%dT%H-%M-%S%.3f";
/// The longest value that becomes a part of a path, in bytes; file systems end names at 255.
const MAX_SEGMENT: usize = 200;

/// The names of the old files of one path: `name-<time>.ext` beside `name.ext`.
pub(super) struct Backups<'a> {
    path: &'a Path,
    zone: TimeZone,
}

/// An old file.
#[derive(Debug, PartialEq)]
pub(super) struct Backup {
    /// When it was put aside.
    pub(super) time: Timestamp,
    pub(super) path: PathBuf,
}

impl<'a> Backups<'a> {
    pub(super) fn of(path: &'a Path, is_local_time: bool) -> Self {
        Self { path, zone: if is_local_time { TimeZone::system() } else { TimeZone::UTC } }
    }

    /// The name without its extension, and that extension with its dot.
    fn name(&self) -> (String, String) {
        let name = self.path.file_name().map(OsStr::to_string_lossy).unwrap_or_default();
        let at = name.rfind('.').unwrap_or(name.len());
        (name[..at].to_owned(), name[at..].to_owned())
    }

    /// A name for a file that is put aside now. No other file has it.
    pub(super) fn new_name(&self, now: Timestamp) -> PathBuf {
        let (name, extension) = self.name();
        let mut time = now;
        loop {
            let shown = time.to_zoned(self.zone.clone()).strftime(BACKUP_TIME).to_string();
            let candidate = self.path.with_file_name(format!("{name}-{shown}{extension}"));
            if !candidate.exists() {
                return candidate;
            }
            // Two in one millisecond: lumberjack would lose the first.
            time += SignedDuration::from_millis(1);
        }
    }

    /// The old files that are there, the newest first.
    pub(super) fn list(&self) -> std::io::Result<Vec<Backup>> {
        let mut backups = Vec::new();
        for entry in std::fs::read_dir(directory(self.path))? {
            let entry = entry?;
            if let Some(time) = self.time_in(&entry.file_name()) {
                backups.push(Backup { time, path: entry.path() });
            }
        }
        backups.sort_by_key(|backup| std::cmp::Reverse(backup.time));
        Ok(backups)
    }

    fn time_in(&self, file_name: &OsStr) -> Option<Timestamp> {
        let (name, extension) = self.name();
        let time = file_name.to_str()?.strip_prefix(&name)?.strip_prefix('-')?.strip_suffix(&extension)?;
        let time = DateTime::strptime(BACKUP_TIME, time).ok()?;
        Some(time.to_zoned(self.zone.clone()).ok()?.timestamp())
    }
}

/// The directory a file lies in.
pub(super) fn directory(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    }
}

/// A value of telemetry in the place of the `*` between `prefix` and `suffix`. It is a part of one name:
/// it cannot lead out of the directory, whatever it says. What cannot stand in a name becomes `_`.
pub(super) fn path_of_segment(prefix: &str, value: &str, suffix: &str) -> PathBuf {
    let mut end = value.len().min(MAX_SEGMENT);
    while !value.is_char_boundary(end) {
        end -= 1;
    }
    let is_unfit = |character: char| matches!(character, '/' | '\\') || character.is_control();
    let mut segment = value[..end].replace(is_unfit, "_");
    let before = prefix.rsplit('/').next().unwrap_or_default();
    let behind = suffix.split('/').next().unwrap_or_default();
    if matches!(format!("{before}{segment}{behind}").as_str(), "" | "." | "..") {
        segment = "_".repeat(segment.len().max(1));
    }
    PathBuf::from(format!("{prefix}{segment}{suffix}"))
}
