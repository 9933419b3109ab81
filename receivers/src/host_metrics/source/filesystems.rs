//! Mounted file systems: the mount table, and what each mount says of itself.

use std::path::PathBuf;

use super::Part;
use super::file::Buffer;
use super::mounts::MountTable;
use super::usage::UsageReader;
use crate::host_metrics::reading::HostReading;

/// Reads the mounts and their usage.
pub struct FilesystemsPart {
    root: PathBuf,
    table: MountTable,
    usage: UsageReader,
}

impl FilesystemsPart {
    /// Reads `table` and asks each mount, below `root`.
    pub fn new(root: PathBuf, table: MountTable, usage: UsageReader) -> Self {
        Self { root, table, usage }
    }
}

impl Part for FilesystemsPart {
    fn read(&mut self, buffer: &mut Buffer, reading: &mut HostReading) {
        let (mounts, errors) = self.table.read(buffer);
        for mount in mounts {
            let row = reading.filesystems.add();
            row.device.clone_from(&mount.device);
            row.mount_point.clone_from(&mount.point);
            row.kind.clone_from(&mount.kind);
            row.is_writable = mount.is_writable;
            row.usage = None;
        }
        reading.errors += errors + self.usage.read(&self.root, mounts, &mut reading.filesystems);
    }
}
