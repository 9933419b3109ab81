//! `/proc/stat`: CPU times, the scheduler's counts, when the kernel started.
//!
//! Counters that grow only: the kernel is known to take back some of a CPU's idle and I/O wait time. A
//! step back of at most [`HELD_BACK`] is not passed on; the counter stands still until it has caught up,
//! because every consumer would take the step for a restart and count all the time since the boot again.
//! A larger step back is a restart (a CPU that was taken out and put back).

use std::mem;

use sysinfo::System;

use super::Part;
use super::file::{Buffer, KernelFile};
use super::text::{fields, number};
use crate::host_metrics::reading::{CPU_STATES, CpuTimes, HostReading};
use crate::host_metrics::rows::overwrite;

/// The largest step back that is held back, in ticks: 3 s at 100 ticks a second, as much as `node_exporter`
/// forgives (`collector/cpu_linux.go`, `jumpBackSeconds`).
const HELD_BACK: u64 = 300;

const NANOSECONDS: u64 = 1_000_000_000;

/// Reads `/proc/stat`.
pub struct StatPart {
    file: KernelFile,
    state: State,
}

/// What is known from the readings before.
#[derive(Default)]
struct State {
    boot: Option<u64>,
    all: Memory,
    cpus: Vec<Memory>,
}

/// What a line said the last time.
#[derive(Default)]
struct Memory {
    name: String,
    ticks: [Option<u64>; CPU_STATES],
}

impl StatPart {
    /// Reads `file`.
    pub fn new(file: KernelFile) -> Self {
        Self { file, state: State::default() }
    }
}

impl Part for StatPart {
    fn read(&mut self, buffer: &mut Buffer, reading: &mut HostReading) {
        let state = &mut self.state;
        reading.errors += self.file.read(buffer, |line| state.take(line, reading));
        // A CPU that is offline now starts without a memory when it comes back.
        state.cpus.truncate(reading.cpus.len());
        // The start of all counters must not move with the clock, so the first answer stands.
        state.boot = state.boot.or_else(|| System::boot_time().ok()?.checked_mul(NANOSECONDS));
        reading.boot = state.boot;
    }
}

impl State {
    fn take(&mut self, line: &[u8], reading: &mut HostReading) -> Option<()> {
        let mut fields = fields(line);
        let Some(key) = fields.next() else { return Some(()) };
        let scheduler = &mut reading.scheduler;
        match key {
            b"cpu" => reading.all_cpus = Some(self.all.times(ticks(fields)?)),
            b"btime" => self.boot = self.boot.or(Some(number(fields.next()?)?.checked_mul(NANOSECONDS)?)),
            b"processes" => scheduler.created = Some(number(fields.next()?)?),
            b"procs_running" => scheduler.running = Some(number(fields.next()?)?),
            b"procs_blocked" => scheduler.blocked = Some(number(fields.next()?)?),
            name if is_cpu(name) => {
                let ticks = ticks(fields)?;
                let index = reading.cpus.len();
                let cpu = reading.cpus.add();
                overwrite(&mut cpu.name, name);
                cpu.times = self.memory_of(index, &cpu.name).times(ticks);
            }
            // What else there is, and what later kernels add.
            _ => {}
        }
        Some(())
    }

    /// The memory of a CPU. Lines keep their order, so it nearly always stands at `index`. Those before
    /// it are of CPUs that went.
    fn memory_of(&mut self, index: usize, name: &str) -> &mut Memory {
        let cpus = &mut self.cpus;
        let index = index.min(cpus.len());
        match cpus[index..].iter().position(|memory| memory.name == name) {
            Some(0) => {}
            Some(distance) => drop(cpus.drain(index..index + distance)),
            None => cpus.insert(index, Memory { name: name.to_owned(), ..Memory::default() }),
        }
        &mut cpus[index]
    }
}

/// `cpu` and a number.
fn is_cpu(name: &[u8]) -> bool {
    name.strip_prefix(b"cpu").is_some_and(|digits| number(digits).is_some())
}

/// The ticks of a line; states that an old kernel does not have are absent.
fn ticks<'a>(fields: impl Iterator<Item = &'a [u8]>) -> Option<[Option<u64>; CPU_STATES]> {
    let mut ticks = [None; CPU_STATES];
    let mut count = 0;
    for (state, field) in ticks.iter_mut().zip(fields) {
        *state = Some(number(field)?);
        count += 1;
    }
    // User, nice, system and idle have been there for ever.
    (count >= 4).then_some(ticks)
}

impl Memory {
    fn times(&mut self, now: [Option<u64>; CPU_STATES]) -> CpuTimes {
        let before = mem::replace(&mut self.ticks, now);
        let mut since = [None; CPU_STATES];
        for ((now, before), since) in self.ticks.iter_mut().zip(before).zip(&mut since) {
            let (Some(ticks), Some(before)) = (now.as_mut(), before) else { continue };
            if *ticks < before && before - *ticks <= HELD_BACK {
                *ticks = before;
            }
            *since = ticks.checked_sub(before);
        }
        CpuTimes { ticks: self.ticks, since }
    }
}
