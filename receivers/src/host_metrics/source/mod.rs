//! [`HostSource`]: fills [`HostReading`]s from `/proc` and `/sys`.
//!
//! * One `Part` for each thing that is read, and only those that some metric needs. They run one after
//!   the other; what one of them cannot read is absent, counted, and of no concern to the others.
//! * Nothing here can hang but the file systems, which are asked on a thread of their own (`usage`).
//! * Past the first readings nothing is allocated: files stay open, and readings come back to be filled
//!   again.

mod cpuinfo;
mod disks;
mod file;
mod filesystems;
mod load;
mod memory;
mod mounts;
mod network;
mod paging;
mod processes;
mod stat;
#[cfg(test)]
mod tests;
mod text;
mod usage;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, bounded};

use super::filter::{Filter, MountFilter};
use super::reading::HostReading;
use crate::support::scrape::{Source, unix_nanoseconds};
use cpuinfo::{ClocksPart, CoresPart};
use disks::DisksPart;
use file::{Buffer, KernelFile};
use filesystems::FilesystemsPart;
use load::{LoadPart, UptimePart};
use memory::MemoryPart;
use mounts::MountTable;
use network::{ConntrackPart, InterfacesPart, SocketsPart};
use paging::{SwapsPart, VmstatPart};
use processes::ProcessesPart;
use stat::StatPart;
use usage::UsageReader;

pub use usage::{Ask, statvfs};

/// What a metric needs to be read. `/proc/stat` always is: it says when the counters started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// `/proc/stat`.
    Stat,
    /// `/proc/cpuinfo`.
    Clocks,
    /// The topology of the CPUs.
    Cores,
    /// `/proc/meminfo`.
    Memory,
    /// `/proc/loadavg`.
    Load,
    /// `/proc/net/dev`.
    Interfaces,
    /// `/proc/net/tcp` and `tcp6`.
    Sockets,
    /// The counts of connection tracking.
    Conntrack,
    /// `/proc/diskstats`.
    Disks,
    /// The mount table and its file systems.
    Filesystems,
    /// `/proc/swaps`.
    Swaps,
    /// `/proc/vmstat`.
    Vmstat,
    /// The state of every process.
    Processes,
    /// `/proc/uptime`.
    Uptime,
}

/// How to read the host.
#[derive(Clone)]
pub struct SourceSettings {
    /// The receiver's id, for the log.
    pub receiver: Arc<str>,
    /// The host's root directory as this process sees it; `/` or empty for its own.
    pub root: PathBuf,
    /// What is wanted.
    pub needs: Vec<Need>,
    /// Which block devices count.
    pub disks: Filter,
    /// Which network interfaces count.
    pub interfaces: Filter,
    /// Which mounts count.
    pub mounts: MountFilter,
    /// How long one mount may take to answer.
    pub mount_limit: Duration,
    /// Who asks a mount.
    pub ask: Ask,
}

/// Reads one thing into a reading that was emptied before.
trait Part: Send {
    fn read(&mut self, buffer: &mut Buffer, reading: &mut HostReading);
}

/// Fills readings.
pub struct HostSource {
    parts: Vec<Box<dyn Part>>,
    buffer: Buffer,
    spare: Receiver<Box<HostReading>>,
    ticks_per_second: u64,
    page_size: u64,
}

/// Where readings go to be filled again.
#[derive(Clone)]
pub struct Spare(Sender<Box<HostReading>>);

impl Spare {
    /// Gives a reading back.
    pub fn put(&self, reading: Box<HostReading>) {
        // When there are enough, this one goes.
        let _ = self.0.try_send(reading);
    }
}

impl HostSource {
    /// A source, and where to give its readings back.
    pub fn new(settings: &SourceSettings) -> (Self, Spare) {
        let (sender, spare) = bounded(2);
        let source = Self {
            parts: parts(settings),
            buffer: Buffer::default(),
            spare,
            ticks_per_second: rustix::param::clock_ticks_per_second(),
            page_size: rustix::param::page_size() as u64,
        };
        (source, Spare(sender))
    }
}

impl Source for HostSource {
    type Reading = Box<HostReading>;

    fn read(&mut self) -> Box<HostReading> {
        let mut reading = self.spare.try_recv().unwrap_or_default();
        reading.begin(unix_nanoseconds());
        reading.ticks_per_second = self.ticks_per_second;
        reading.page_size = self.page_size;
        for part in &mut self.parts {
            part.read(&mut self.buffer, &mut reading);
        }
        reading
    }
}

fn parts(settings: &SourceSettings) -> Vec<Box<dyn Part>> {
    let is_own = settings.root.as_os_str().is_empty();
    let root = if is_own { Path::new("/") } else { settings.root.as_path() };
    let (proc, cpus) = (root.join("proc"), root.join("sys/devices/system/cpu"));
    let file = |name: &str| KernelFile::new(proc.join(name), &settings.receiver);
    // First, because other parts look at the CPUs that it finds.
    let mut parts: Vec<Box<dyn Part>> = vec![Box::new(StatPart::new(file("stat")))];
    let mut seen = vec![Need::Stat];
    for need in &settings.needs {
        if seen.contains(need) {
            continue;
        }
        seen.push(*need);
        parts.push(match need {
            Need::Stat => continue,
            Need::Clocks => Box::new(ClocksPart::new(file("cpuinfo"), cpus.clone())),
            Need::Cores => Box::new(CoresPart::new(cpus.clone())),
            Need::Memory => Box::new(MemoryPart::new(file("meminfo"))),
            Need::Load => Box::new(LoadPart::new(file("loadavg"))),
            Need::Interfaces => Box::new(InterfacesPart::new(file("net/dev"), settings.interfaces.clone())),
            Need::Sockets => Box::new(SocketsPart::new(file("net/tcp"), file("net/tcp6"))),
            Need::Conntrack => Box::new(ConntrackPart::new(
                file("sys/net/netfilter/nf_conntrack_count"),
                file("sys/net/netfilter/nf_conntrack_max"),
            )),
            Need::Disks => Box::new(DisksPart::new(file("diskstats"), settings.disks.clone())),
            Need::Filesystems => Box::new(filesystems(settings, root, &proc)),
            Need::Swaps => Box::new(SwapsPart::new(file("swaps"))),
            Need::Vmstat => Box::new(VmstatPart::new(file("vmstat"))),
            Need::Processes => Box::new(ProcessesPart::new(proc.clone(), &settings.receiver)),
            Need::Uptime => Box::new(UptimePart::new(file("uptime"))),
        });
    }
    parts
}

fn filesystems(settings: &SourceSettings, root: &Path, proc: &Path) -> FilesystemsPart {
    let table = MountTable::new(root, proc, settings.mounts.clone(), &settings.receiver);
    let usage = UsageReader::new(Arc::clone(&settings.ask), settings.mount_limit, &settings.receiver);
    FilesystemsPart::new(root.to_owned(), table, usage)
}
