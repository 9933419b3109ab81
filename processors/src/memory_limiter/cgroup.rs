//! The control group that bounds this process's memory, version 1 or 2.
//!
//! A process is in one group of each hierarchy, and every group from there to the top may have a limit;
//! the smallest is the one that the kernel enforces first. It may be shared with other processes: all
//! containers of a pod, all of a devcontainer.

use std::path::{Path, PathBuf};

use super::memory::{field_after, read};

/// Limits above this are how version 1 says that there is none.
const NO_LIMIT: u64 = 1 << 60;

/// A group that has a limit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Cgroup {
    folder: PathBuf,
    version: &'static Version,
    /// What all of its processes may hold, in bytes.
    pub(super) limit: u64,
}

/// The names of a version's files.
#[derive(Debug, PartialEq, Eq)]
struct Version {
    file_system: &'static str,
    limit: &'static str,
    usage: &'static str,
    /// What of the usage is the page cache, which the kernel takes back before it kills anybody.
    cache: [&'static str; 2],
}

static VERSION_1: Version = Version {
    file_system: "cgroup",
    limit: "memory.limit_in_bytes",
    usage: "memory.usage_in_bytes",
    cache: ["total_inactive_file", "total_active_file"],
};
static VERSION_2: Version = Version {
    file_system: "cgroup2",
    limit: "memory.max",
    usage: "memory.current",
    cache: ["inactive_file", "active_file"],
};

impl Cgroup {
    /// The group with the smallest limit of those that this process is in; `root` is `/`.
    pub(super) fn find(root: &Path) -> Option<Self> {
        let groups = read(&root.join("proc/self/cgroup")).ok()?;
        let mounts = read(&root.join("proc/self/mountinfo")).ok()?;
        // Where both versions are mounted, memory belongs to version 1 if it is there.
        let (version, path) = match path_of(&groups, |controllers| controllers == "memory") {
            Some(path) => (&VERSION_1, path),
            None => (&VERSION_2, path_of(&groups, str::is_empty)?),
        };
        let mount = Mount::find(&mounts, version)?;
        mount
            .folders(root, path)
            .filter_map(|folder| {
                let limit = version.limit(&folder)?;
                Some(Self { folder, version, limit })
            })
            .min_by_key(|group| group.limit)
    }

    /// What its processes hold, in bytes, without the page cache.
    pub(super) fn used(&self) -> Option<u64> {
        let usage: u64 = read(&self.folder.join(self.version.usage)).ok()?.trim().parse().ok()?;
        let statistics = read(&self.folder.join("memory.stat")).unwrap_or_default();
        let cache = |name| field_after(&statistics, name).unwrap_or(0);
        Some(usage.saturating_sub(self.version.cache.into_iter().map(cache).sum()))
    }
}

impl Version {
    fn limit(&self, folder: &Path) -> Option<u64> {
        let limit: u64 = read(&folder.join(self.limit)).ok()?.trim().parse().ok()?;
        (limit < NO_LIMIT).then_some(limit)
    }
}

/// The path of the group in the hierarchy one of whose controllers is wanted, from lines such as
/// `4:memory:/pod/container` and, for version 2, `0::/pod/container`.
fn path_of(groups: &str, is_wanted: impl Fn(&str) -> bool) -> Option<&str> {
    groups.lines().find_map(|line| {
        let mut parts = line.splitn(3, ':').skip(1);
        let controllers = parts.next()?;
        if controllers.split(',').any(&is_wanted) { parts.next() } else { None }
    })
}

/// Where a hierarchy is mounted.
struct Mount<'a> {
    /// The group that is seen at the mount point.
    top: &'a str,
    point: &'a str,
}

impl<'a> Mount<'a> {
    /// From lines such as `35 31 0:32 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory`.
    fn find(mounts: &'a str, version: &Version) -> Option<Self> {
        mounts.lines().find_map(|line| {
            let (mount, kind) = line.split_once(" - ")?;
            let mut kind = kind.split(' ');
            let is_it = kind.next() == Some(version.file_system)
                && (version == &VERSION_2 || kind.nth(1)?.split(',').any(|option| option == "memory"));
            let mut mount = mount.split(' ').skip(3);
            if is_it { Some(Self { top: mount.next()?, point: mount.next()? }) } else { None }
        })
    }

    /// The folders of the group at `path` and of those above it that can be seen. A group that cannot be
    /// seen from here is the one at the mount point, which is how containers see their own.
    fn folders(&self, root: &Path, path: &str) -> impl Iterator<Item = PathBuf> {
        let point = root.join(self.point.trim_start_matches('/'));
        let below = path.strip_prefix(self.top.trim_end_matches('/')).unwrap_or("");
        let folder = point.join(below.trim_start_matches('/'));
        let start = if folder.is_dir() { folder } else { point.clone() };
        let folders: Vec<PathBuf> =
            start.ancestors().take_while(|folder| folder.starts_with(&point)).map(Path::to_owned).collect();
        folders.into_iter()
    }
}
