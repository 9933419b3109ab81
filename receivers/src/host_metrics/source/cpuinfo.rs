//! The clocks of the CPUs, and how many physical cores there are.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use sysinfo::System;

use super::Part;
use super::file::{Buffer, KernelFile};
use super::text::{key_value, millionths, number};
use crate::host_metrics::reading::HostReading;
use crate::host_metrics::rows::overwrite;

/// Reads the clocks: `cpu MHz` of `/proc/cpuinfo`, and where there is no such line (ARM) the frequency
/// that `cpufreq` says. On most virtual machines of ARM there is neither, and so no value.
pub struct ClocksPart {
    cpuinfo: KernelFile,
    cpus: PathBuf,
    name: Vec<u8>,
}

impl ClocksPart {
    /// Reads `cpuinfo` and the files below `cpus`, a `/sys/devices/system/cpu`.
    pub fn new(cpuinfo: KernelFile, cpus: PathBuf) -> Self {
        Self { cpuinfo, cpus, name: Vec::new() }
    }

    /// The frequency of a CPU in hertz, as `cpufreq` says it in kilohertz.
    fn scaling_frequency(&self, cpu: &str) -> Option<u64> {
        let text = std::fs::read(self.cpus.join(cpu).join("cpufreq/scaling_cur_freq")).ok()?;
        number(text.trim_ascii())?.checked_mul(1000)
    }
}

impl Part for ClocksPart {
    fn read(&mut self, buffer: &mut Buffer, reading: &mut HostReading) {
        let (name, clocks) = (&mut self.name, &mut reading.clocks);
        reading.errors += self.cpuinfo.read(buffer, |line| {
            let Some((key, value)) = key_value(line) else { return Some(()) };
            match key {
                b"processor" => {
                    name.clear();
                    name.extend_from_slice(b"cpu");
                    name.extend_from_slice(value);
                }
                b"cpu MHz" => {
                    let hertz = millionths(value)?;
                    let clock = clocks.add();
                    overwrite(&mut clock.name, name);
                    clock.hertz = hertz;
                }
                _ => {}
            }
            Some(())
        });
        if !reading.clocks.is_empty() {
            return;
        }
        for cpu in reading.cpus.iter() {
            let Some(hertz) = self.scaling_frequency(&cpu.name) else { continue };
            let clock = reading.clocks.add();
            overwrite(&mut clock.name, cpu.name.as_bytes());
            clock.hertz = hertz;
        }
    }
}

/// Counts the physical cores, again whenever CPUs came or went.
pub struct CoresPart {
    cpus: PathBuf,
    counted_with: Option<usize>,
    cores: Option<u64>,
}

impl CoresPart {
    /// Reads the topology below `cpus`, a `/sys/devices/system/cpu`. Where there is none, the system's
    /// own idea of it (`core id` and `physical id` of its `/proc/cpuinfo`) counts: it is the same kernel
    /// also below a `root_path`.
    pub fn new(cpus: PathBuf) -> Self {
        Self { cpus, counted_with: None, cores: None }
    }
}

impl Part for CoresPart {
    fn read(&mut self, _: &mut Buffer, reading: &mut HostReading) {
        let cpus = reading.cpus.len();
        if self.counted_with != Some(cpus) {
            self.counted_with = Some(cpus);
            let asked = || System::physical_core_count().ok().map(|cores| cores as u64);
            self.cores = count_cores(&self.cpus).or_else(asked).filter(|cores| *cores > 0);
        }
        reading.cores = self.cores;
        reading.errors += usize::from(self.cores.is_none());
    }
}

/// CPUs of one core name the same siblings (Documentation/admin-guide/cputopology.rst).
fn count_cores(cpus: &Path) -> Option<u64> {
    let mut cores = BTreeSet::new();
    for entry in std::fs::read_dir(cpus).ok()?.filter_map(Result::ok) {
        let topology = entry.path().join("topology");
        // The second is the name before Linux 5.3.
        let siblings = ["core_cpus_list", "thread_siblings_list"]
            .into_iter()
            .find_map(|file| std::fs::read(topology.join(file)).ok());
        cores.extend(siblings);
    }
    (!cores.is_empty()).then_some(cores.len() as u64)
}
