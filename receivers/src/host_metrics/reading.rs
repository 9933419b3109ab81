//! What one look at the host gives: fixed structs of raw values, in the units of the kernel.
//!
//! * `None` is "not available": the file, the line or the field is not there. It becomes an absent
//!   series, never 0.
//! * Nothing here has a metric's name. The tables of [`super::names`] give names, units and scales on
//!   the way out, so one reading can feed several conventions.
//! * Readings are used again: [`HostReading::begin`] empties one and keeps its memory.

use super::rows::Rows;

/// One look at the host.
#[derive(Debug, Default)]
pub struct HostReading {
    /// When it was made, in nanoseconds since 1970.
    pub at: u64,
    /// When the kernel started, in nanoseconds since 1970. The same in all readings of a source.
    pub boot: Option<u64>,
    /// How many ticks of [`CpuTimes::ticks`] are a second.
    pub ticks_per_second: u64,
    /// The size of a memory page in bytes.
    pub page_size: u64,
    /// All CPUs together (`cpu` of `/proc/stat`), those that went offline included.
    pub all_cpus: Option<CpuTimes>,
    /// The logical CPUs that are online.
    pub cpus: Rows<CpuReading>,
    /// The clocks of the CPUs.
    pub clocks: Rows<ClockReading>,
    /// How many physical cores there are.
    pub cores: Option<u64>,
    /// Counts of the kernel's scheduler.
    pub scheduler: SchedulerReading,
    /// `/proc/meminfo`.
    pub memory: MemoryReading,
    /// Load averages over 1, 5 and 15 minutes.
    pub load: Option<[f64; 3]>,
    /// Network interfaces.
    pub interfaces: Rows<InterfaceReading>,
    /// TCP sockets by state, in the order of [`TCP_STATES`].
    pub tcp: Option<[u64; TCP_STATES.len()]>,
    /// Entries of the connection tracking table.
    pub conntrack_count: Option<u64>,
    /// How many entries it can have.
    pub conntrack_limit: Option<u64>,
    /// Block devices that have done anything since they appeared.
    pub disks: Rows<DiskReading>,
    /// Mounted file systems.
    pub filesystems: Rows<FilesystemReading>,
    /// Swap devices and files.
    pub swaps: Rows<SwapReading>,
    /// Paging counters of `/proc/vmstat`.
    pub paging: PagingReading,
    /// Processes by state, in the order of [`PROCESS_STATES`]; the last are those whose state is unknown.
    pub processes: Option<[u64; PROCESS_STATES.len() + 1]>,
    /// Seconds since the start of the kernel.
    pub uptime: Option<f64>,
    /// Files, lines and mounts that should have given a value and did not.
    pub errors: usize,
}

impl HostReading {
    /// Empties it for a reading made at `at`, in nanoseconds since 1970.
    pub fn begin(&mut self, at: u64) {
        let spent = std::mem::take(self);
        *self = Self {
            at,
            cpus: cleared(spent.cpus),
            clocks: cleared(spent.clocks),
            interfaces: cleared(spent.interfaces),
            disks: cleared(spent.disks),
            filesystems: cleared(spent.filesystems),
            swaps: cleared(spent.swaps),
            ..Self::default()
        };
    }
}

fn cleared<T: Default>(mut rows: Rows<T>) -> Rows<T> {
    rows.clear();
    rows
}

/// How many things a CPU can spend its time on.
pub const CPU_STATES: usize = 8;

/// A line `cpuN` of `/proc/stat`.
#[derive(Clone, Debug, Default)]
pub struct CpuReading {
    /// `cpu0`.
    pub name: String,
    /// Where its time went.
    pub times: CpuTimes,
}

/// Where the time of CPUs went: as user, nice, system, idle, waiting for I/O, in interrupts, in soft
/// interrupts, stolen by the hypervisor. What runs guests is part of user and nice.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CpuTimes {
    /// Ticks since the start of the kernel.
    pub ticks: [Option<u64>; CPU_STATES],
    /// Ticks since the reading before; `None` in the first one.
    pub since: [Option<u64>; CPU_STATES],
}

/// The clock of a CPU.
#[derive(Clone, Debug, Default)]
pub struct ClockReading {
    /// `cpu0`.
    pub name: String,
    /// Its frequency in hertz.
    pub hertz: u64,
}

/// Counts of the scheduler in `/proc/stat`.
#[derive(Clone, Copy, Debug, Default)]
pub struct SchedulerReading {
    /// Processes and threads made since the start.
    pub created: Option<u64>,
    /// Threads that run or could.
    pub running: Option<u64>,
    /// Threads that wait for I/O.
    pub blocked: Option<u64>,
}

/// Lines of `/proc/meminfo`, in KiB unless said otherwise.
#[derive(Clone, Copy, Debug, Default)]
pub struct MemoryReading {
    /// `MemTotal`.
    pub total: Option<u64>,
    /// `MemFree`.
    pub free: Option<u64>,
    /// `MemAvailable`; since Linux 3.14.
    pub available: Option<u64>,
    /// `Buffers`.
    pub buffers: Option<u64>,
    /// `Cached`, without what slabs give back.
    pub cached: Option<u64>,
    /// `SReclaimable`.
    pub slab_reclaimable: Option<u64>,
    /// `SUnreclaim`.
    pub slab_unreclaimable: Option<u64>,
    /// `Shmem`.
    pub shared: Option<u64>,
    /// `Dirty`.
    pub dirty: Option<u64>,
    /// `HugePages_Total`, in pages.
    pub huge_total: Option<u64>,
    /// `HugePages_Free`, in pages.
    pub huge_free: Option<u64>,
    /// `HugePages_Rsvd`, in pages.
    pub huge_reserved: Option<u64>,
    /// `HugePages_Surp`, in pages.
    pub huge_surplus: Option<u64>,
    /// `Hugepagesize`.
    pub huge_page: Option<u64>,
}

/// A line of `/proc/net/dev`. Counters start anew when the interface is made anew.
#[derive(Clone, Debug, Default)]
pub struct InterfaceReading {
    /// `eth0`.
    pub name: String,
    /// What came in.
    pub received: TrafficReading,
    /// What went out.
    pub transmitted: TrafficReading,
}

/// One direction of an interface.
#[derive(Clone, Copy, Debug, Default)]
pub struct TrafficReading {
    /// Bytes.
    pub bytes: u64,
    /// Packets.
    pub packets: u64,
    /// Packets with errors.
    pub errors: u64,
    /// Packets dropped.
    pub dropped: u64,
}

/// The states of TCP sockets as the kernel numbers them, from 1 on (`include/net/tcp_states.h`).
pub const TCP_STATES: [&str; 11] = [
    "ESTABLISHED",
    "SYN_SENT",
    "SYN_RECV",
    "FIN_WAIT1",
    "FIN_WAIT2",
    "TIME_WAIT",
    "CLOSE",
    "CLOSE_WAIT",
    "LAST_ACK",
    "LISTEN",
    "CLOSING",
];

/// A line of `/proc/diskstats`. The times wrap at 2^32 ms.
#[derive(Clone, Debug, Default)]
pub struct DiskReading {
    /// `sda`, `sda1`, `nvme0n1`.
    pub name: String,
    /// What was read.
    pub read: TransferReading,
    /// What was written.
    pub written: TransferReading,
    /// Requests that are under way.
    pub pending: u64,
    /// Milliseconds with at least one request under way.
    pub busy: u64,
    /// Milliseconds, each counted once for each request under way.
    pub weighted: u64,
}

/// One direction of a disk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TransferReading {
    /// Requests that are done.
    pub operations: u64,
    /// Requests that were joined to another before they were done.
    pub merged: u64,
    /// Sectors of 512 bytes, whatever the device's own sectors are.
    pub sectors: u64,
    /// Milliseconds spent, summed over requests.
    pub time: u64,
}

/// A mount.
#[derive(Clone, Debug, Default)]
pub struct FilesystemReading {
    /// What is mounted: `/dev/sda1`, `tmpfs`, `server:/export`.
    pub device: String,
    /// Where it is mounted, as the host sees it.
    pub mount_point: String,
    /// `ext4`.
    pub kind: String,
    /// Whether it can be written to; `None` when the mount says neither.
    pub is_writable: Option<bool>,
    /// What it holds; `None` when it could not be asked.
    pub usage: Option<UsageReading>,
}

/// What statvfs(3) says of a file system.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct UsageReading {
    /// Bytes of a block.
    pub block_size: u64,
    /// Blocks; 0 where there are none to count (proc, sysfs).
    pub blocks: u64,
    /// Blocks that are free.
    pub free: u64,
    /// Blocks that are free for anybody but root.
    pub available: u64,
    /// Inodes; 0 where they are not counted (btrfs, vfat).
    pub inodes: u64,
    /// Inodes that are free.
    pub free_inodes: u64,
}

/// A line of `/proc/swaps`.
#[derive(Clone, Debug, Default)]
pub struct SwapReading {
    /// `/dev/sda2`, `/swapfile`.
    pub device: String,
    /// KiB.
    pub size: u64,
    /// KiB.
    pub used: u64,
}

/// Counters of `/proc/vmstat`.
#[derive(Clone, Copy, Debug, Default)]
pub struct PagingReading {
    /// KiB read from block devices (`pgpgin`).
    pub block_in: Option<u64>,
    /// KiB written to block devices (`pgpgout`).
    pub block_out: Option<u64>,
    /// Pages read from swap (`pswpin`).
    pub swap_in: Option<u64>,
    /// Pages written to swap (`pswpout`).
    pub swap_out: Option<u64>,
    /// Page faults of both kinds (`pgfault`).
    pub faults: Option<u64>,
    /// Page faults that had to read (`pgmajfault`).
    pub major_faults: Option<u64>,
}

/// The letters of `/proc/<pid>/stat` that mean the same (`man proc_pid_stat`): running, sleeping, waiting
/// for a disk, an idle thread of the kernel, stopped, paging, a zombie.
pub const PROCESS_STATES: [&[u8]; 7] = [b"R", b"S", b"D", b"I", b"Tt", b"W", b"Z"];
