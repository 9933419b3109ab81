//! What is read of the memory: what the process holds, what its control group holds, what there is.

use std::io;
use std::path::{Path, PathBuf};

use super::cgroup::Cgroup;

/// One look at the memory, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Usage {
    /// What the process holds: its anonymous resident memory.
    pub(super) process: u64,
    /// What the control group holds that bounds it, if one does.
    pub(super) cgroup: Option<u64>,
}

/// Looks at the memory.
pub(super) trait ReadMemory: Send + 'static {
    /// One look, which takes some ten microseconds.
    fn read(&mut self) -> io::Result<Usage>;

    /// Has the allocator return what is free to the kernel. Called before each look while data is refused.
    fn give_back(&mut self);
}

/// More than what the allocator (mimalloc 3) puts into pages that several blocks share.
const BLOCK_OF_ITS_OWN: usize = 4 << 20;

/// The kernel's files.
///
/// The process's memory is `RssAnon`: what the allocator has from the kernel, without the program itself
/// and its libraries, which take nothing from anybody. The kernel counts it for each CPU apart and adds
/// up now and then, so that on machines with many CPUs it may be some MiB off. The allocator's own count
/// of what is in use cannot be had from safe code; what it keeps for later is in `RssAnon` as well.
#[derive(Debug)]
pub(super) struct Kernel {
    root: PathBuf,
    pub(super) cgroup: Option<Cgroup>,
}

impl Kernel {
    /// `root` is `/`, except in tests.
    pub(super) fn new(root: &Path) -> Self {
        Self { root: root.to_owned(), cgroup: Cgroup::find(root) }
    }

    /// The memory there is, in bytes: the control group's limit, else the machine's memory.
    pub(super) fn total(&self) -> io::Result<u64> {
        let machine = self.kibibytes("proc/meminfo", &["MemTotal:"]);
        match (&self.cgroup, machine) {
            (Some(cgroup), Ok(machine)) => Ok(cgroup.limit.min(machine)),
            (Some(cgroup), Err(_)) => Ok(cgroup.limit),
            (None, machine) => machine,
        }
    }

    /// The first of these fields that is there, in bytes.
    fn kibibytes(&self, file: &str, fields: &[&str]) -> io::Result<u64> {
        let path = self.root.join(file);
        let text = read(&path)?;
        let found = fields.iter().find_map(|field| field_after(&text, field));
        found.map(|kibibytes| kibibytes * 1024).ok_or_else(|| {
            io::Error::other(format!("{} has no {}", path.display(), fields.first().unwrap_or(&"field")))
        })
    }
}

impl ReadMemory for Kernel {
    fn read(&mut self) -> io::Result<Usage> {
        Ok(Usage {
            // Kernels before 4.5 count everything together.
            process: self.kibibytes("proc/self/status", &["RssAnon:", "VmRSS:"])?,
            cgroup: self.cgroup.as_ref().and_then(Cgroup::used),
        })
    }

    /// mimalloc returns what was freed a second ago or longer, but only when some thread happens to free a
    /// page. An agent that refuses everything frees next to none, and would go on refusing with all its
    /// memory free. A block that fills a page of its own is never touched, so it costs no memory.
    fn give_back(&mut self) {
        drop(std::hint::black_box(Vec::<u8>::with_capacity(BLOCK_OF_ITS_OWN)));
    }
}

/// A file as text, with its path in the error.
pub(super) fn read(path: &Path) -> io::Result<String> {
    std::fs::read_to_string(path)
        .map_err(|error| io::Error::new(error.kind(), format!("cannot read {}: {error}", path.display())))
}

/// The number behind a name at the start of a line: `RssAnon:   1234 kB`, `inactive_file 4096`.
pub(super) fn field_after(text: &str, name: &str) -> Option<u64> {
    text.lines().find_map(|line| {
        let mut words = line.split_ascii_whitespace();
        if words.next() == Some(name) { words.next()?.parse().ok() } else { None }
    })
}
