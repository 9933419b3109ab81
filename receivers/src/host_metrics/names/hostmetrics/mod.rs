//! The names of the Collector's `hostmetrics` receiver.
//!
//! Names, units, kinds, attributes and what is on by default are those of contrib v0.158
//! (`receiver/hostmetricsreceiver/internal/scraper/*/metadata.yaml`); the values are what its library
//! (gopsutil 4.26) makes of the same files, except where the receiver's README says otherwise.

mod cpu;
mod disk;
mod filesystem;
mod load;
mod memory;
mod network;
mod paging;
mod processes;
mod system;

use super::{Attribute, Row, Table};

/// The scrapers, as indexes of [`TABLES`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scraper {
    /// CPU times and counts.
    Cpu,
    /// Block devices.
    Disk,
    /// Mounted file systems.
    Filesystem,
    /// Load averages.
    Load,
    /// Memory.
    Memory,
    /// Interfaces and connections.
    Network,
    /// Swapping and page faults.
    Paging,
    /// How many processes there are.
    Processes,
    /// The system as a whole.
    System,
}

impl Scraper {
    /// Its index in [`TABLES`].
    pub const fn index(self) -> usize {
        self as usize
    }
}

/// All metrics, by scraper.
pub static TABLES: [Table; 9] = [
    table("cpu", "spindle/host_metrics/cpu", &cpu::ROWS),
    table("disk", "spindle/host_metrics/disk", &disk::ROWS),
    table("filesystem", "spindle/host_metrics/filesystem", &filesystem::ROWS),
    table("load", "spindle/host_metrics/load", &load::ROWS),
    table("memory", "spindle/host_metrics/memory", &memory::ROWS),
    table("network", "spindle/host_metrics/network", &network::ROWS),
    table("paging", "spindle/host_metrics/paging", &paging::ROWS),
    table("processes", "spindle/host_metrics/processes", &processes::ROWS),
    table("system", "spindle/host_metrics/system", &system::ROWS),
];

/// The names of the metrics of each scraper, which are keys of the configuration.
pub static METRIC_NAMES: [&[&str]; 9] = [
    &names(&cpu::ROWS),
    &names(&disk::ROWS),
    &names(&filesystem::ROWS),
    &names(&load::ROWS),
    &names(&memory::ROWS),
    &names(&network::ROWS),
    &names(&paging::ROWS),
    &names(&processes::ROWS),
    &names(&system::ROWS),
];

const fn table(name: &'static str, scope: &'static str, rows: &'static [Row]) -> Table {
    Table { name, scope, rows }
}

const fn names<const COUNT: usize>(rows: &[Row; COUNT]) -> [&'static str; COUNT] {
    let mut names = [""; COUNT];
    let mut index = 0;
    while index < COUNT {
        names[index] = rows[index].metric.name;
        index += 1;
    }
    names
}

const fn attribute(key: &'static str) -> Attribute {
    Attribute { key, is_default: true }
}

/// KiB as bytes.
fn kibibytes(value: Option<u64>) -> Option<u64> {
    value?.checked_mul(1024)
}

/// A part of a whole, 0 to 1; not available when the whole is nothing.
fn ratio(part: Option<u64>, whole: Option<u64>) -> Option<f64> {
    let whole = whole.filter(|whole| *whole > 0)?;
    Some(part? as f64 / whole as f64)
}

/// Milliseconds as seconds.
fn seconds(milliseconds: u64) -> f64 {
    milliseconds as f64 / 1000.0
}
