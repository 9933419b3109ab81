//! The mount table: `/proc/1/mountinfo`, the host's own, or where that cannot be opened (hidden
//! processes) `/proc/self/mountinfo`.
//!
//! Which mounts count is decided as the Collector does it (gopsutil 4.26, `disk/disk_linux.go`): without
//! `include_virtual_filesystems` those of types that need a block device, and ZFS, and no bind mounts.
//! Of several mounts at one place only the last counts here: it hides the others, and whoever asks for
//! their numbers gets its numbers.

use std::hash::BuildHasher;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use hashbrown::HashMap;
use memchr::memmem;

use super::file::{Buffer, KernelFile};
use super::text::{fields, unescape};
use crate::host_metrics::filter::MountFilter;
use crate::host_metrics::rows::{Rows, overwrite};

/// A mount.
#[derive(Clone, Debug, Default)]
pub struct Mount {
    /// What is mounted.
    pub device: String,
    /// Where, for people.
    pub point: String,
    /// Where, in the bytes that the kernel knows it by.
    pub raw_point: Vec<u8>,
    /// The type of the file system.
    pub kind: String,
    /// Whether it can be written to.
    pub is_writable: Option<bool>,
    counts: bool,
}

/// Reads the mount table.
pub struct MountTable {
    of_first_process: KernelFile,
    own: KernelFile,
    types: KernelFile,
    table: Table,
}

/// The table as far as it was read.
struct Table {
    filter: MountFilter,
    devices: DevicePaths,
    mounts: Rows<Mount>,
    /// The types that need a block device.
    physical: Rows<Vec<u8>>,
    /// The last mount at each place.
    at_point: ByHash,
    /// The first mount of each block device, which names it.
    of_device: ByHash,
    unescaped: Vec<u8>,
}

/// Hashes to indexes of mounts, so that names need not be kept twice.
type ByHash = HashMap<u64, usize, foldhash::fast::RandomState>;

/// Where the real names of devices are looked up.
struct DevicePaths {
    /// `/dev/mapper`, where they have links.
    mapper: PathBuf,
    /// `/sys/dev/block`, which knows them by number.
    block: PathBuf,
}

impl MountTable {
    /// Reads the table in `proc`; `root` is the host's root directory.
    pub fn new(root: &Path, proc: &Path, filter: MountFilter, receiver: &Arc<str>) -> Self {
        Self {
            of_first_process: KernelFile::new(proc.join("1/mountinfo"), receiver),
            own: KernelFile::new(proc.join("self/mountinfo"), receiver),
            types: KernelFile::new(proc.join("filesystems"), receiver),
            table: Table {
                filter,
                devices: DevicePaths { mapper: root.join("dev/mapper"), block: root.join("sys/dev/block") },
                mounts: Rows::default(),
                physical: Rows::default(),
                at_point: ByHash::default(),
                of_device: ByHash::default(),
                unescaped: Vec::new(),
            },
        }
    }

    /// The mounts that count, and how many errors there were.
    pub fn read(&mut self, buffer: &mut Buffer) -> (&[Mount], usize) {
        let table = &mut self.table;
        let mut errors = 0;
        table.physical.clear();
        if !table.filter.include_virtual {
            errors += self.types.read(buffer, |line| table.take_type(line));
        }
        table.mounts.clear();
        table.at_point.clear();
        table.of_device.clear();
        let file = if self.of_first_process.open() { &mut self.of_first_process } else { &mut self.own };
        errors += file.read(buffer, |line| table.take_mount(line));
        table.mounts.retain(|mount| mount.counts);
        (&table.mounts, errors)
    }
}

impl Table {
    /// A line of `/proc/filesystems`.
    fn take_type(&mut self, line: &[u8]) -> Option<()> {
        let mut fields = fields(line);
        let kind = match fields.next()? {
            b"nodev" => fields.next().filter(|kind| *kind == b"zfs"),
            kind => Some(kind),
        };
        if let Some(kind) = kind {
            kind.clone_into(self.physical.add());
        }
        Some(())
    }

    /// A line of `mountinfo` (`man proc_pid_mountinfo`).
    fn take_mount(&mut self, line: &[u8]) -> Option<()> {
        let (head, tail) = line.split_at_checked(memmem::find(line, b" - ")?)?;
        let mut head = fields(head).skip(2);
        let (number, root, point) = (head.next()?, head.next()?, head.next()?);
        let options = head.next().unwrap_or_default();
        // A source can be empty, so here each blank counts.
        let mut tail = tail[3..].split(|byte| *byte == b' ');
        let (kind, source) = (tail.next()?, tail.next()?);
        let super_options = tail.next().unwrap_or_default();

        let index = self.add(kind, point);
        self.mounts[index].is_writable = is_writable(options, super_options);
        if !self.filter.include_virtual && !self.is_physical(kind, source) {
            return Some(());
        }
        self.name_device(index, number, source, root);
        let is_part = source.starts_with(b"/") && root != b"/" && !is_subvolume(root, super_options);
        let mount = &mut self.mounts[index];
        mount.counts = (self.filter.include_virtual || !is_part)
            && self.filter.lets_pass(&mount.device, &mount.kind, &mount.point);
        Some(())
    }

    /// Adds a mount that does not count yet. One that it hides does not count any more.
    fn add(&mut self, kind: &[u8], point: &[u8]) -> usize {
        let index = self.mounts.len();
        let mount = self.mounts.add();
        mount.counts = false;
        overwrite(&mut mount.kind, kind);
        unescape(point, &mut mount.raw_point);
        overwrite(&mut mount.point, &mount.raw_point);
        let hash = self.at_point.hasher().hash_one(&mount.raw_point);
        if let Some(hidden) = self.at_point.insert(hash, index) {
            self.mounts[hidden].counts = false;
        }
        index
    }

    /// Whether a type needs a block device. Where the kernel's list cannot be read, a source that is a
    /// path stands for one.
    fn is_physical(&self, kind: &[u8], source: &[u8]) -> bool {
        if self.physical.is_empty() {
            source.starts_with(b"/")
        } else {
            self.physical.iter().any(|physical| physical == kind)
        }
    }

    /// Names the device: as its first mount does, or by its source; by the directory of it that is
    /// mounted where the source says nothing (namespaces).
    fn name_device(&mut self, index: usize, number: &[u8], source: &[u8], root: &[u8]) {
        let hash = self.of_device.hasher().hash_one(number);
        let first = *self.of_device.entry(hash).or_insert(index);
        if first < index {
            let (before, after) = self.mounts.split_at_mut(index);
            after[0].device.clone_from(&before[first].device);
            return;
        }
        let is_named = source.starts_with(b"/") || root == b"/";
        unescape(if is_named { source } else { root }, &mut self.unescaped);
        let device = &mut self.mounts[index].device;
        overwrite(device, &self.unescaped);
        self.devices.resolve(device, number);
    }
}

impl DevicePaths {
    /// Puts the kernel's name in the place of a device mapper's link, and of `/dev/root`, which is no
    /// device at all.
    fn resolve(&self, device: &mut String, number: &[u8]) {
        let link = if let Some(name) = device.strip_prefix("/dev/mapper/") {
            self.mapper.join(name)
        } else if device == "/dev/root" {
            self.block.join(String::from_utf8_lossy(number).as_ref())
        } else {
            return;
        };
        let target = std::fs::read_link(link).ok();
        if let Some(name) = target.as_deref().and_then(Path::file_name) {
            "/dev/".clone_into(device);
            device.push_str(&name.to_string_lossy());
        }
    }
}

/// A mount is writable when neither it nor its file system is read-only.
fn is_writable(options: &[u8], super_options: &[u8]) -> Option<bool> {
    let has =
        |options: &[u8], wanted: &[u8]| options.split(|byte| *byte == b',').any(|option| option == wanted);
    if has(options, b"ro") || has(super_options, b"ro") {
        return Some(false);
    }
    has(options, b"rw").then_some(true)
}

/// Btrfs mounts subvolumes, whose root is not that of the file system; a bind mount is deeper than that.
fn is_subvolume(root: &[u8], super_options: &[u8]) -> bool {
    super_options
        .split(|byte| *byte == b',')
        .find_map(|option| option.strip_prefix(b"subvol="))
        .is_some_and(|subvolume| subvolume == root)
}
