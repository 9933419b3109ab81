//! `/proc/meminfo`.

use super::Part;
use super::file::{Buffer, KernelFile};
use super::text::{fields, key_value, number};
use crate::host_metrics::reading::{HostReading, MemoryReading};

/// Reads `/proc/meminfo`.
pub struct MemoryPart {
    file: KernelFile,
}

impl MemoryPart {
    /// Reads `file`.
    pub fn new(file: KernelFile) -> Self {
        Self { file }
    }
}

impl Part for MemoryPart {
    fn read(&mut self, buffer: &mut Buffer, reading: &mut HostReading) {
        let memory = &mut reading.memory;
        reading.errors += self.file.read(buffer, |line| {
            let (key, value) = key_value(line)?;
            let Some(slot) = slot(memory, key) else { return Some(()) };
            *slot = Some(number(fields(value).next()?)?);
            Some(())
        });
    }
}

fn slot<'m>(memory: &'m mut MemoryReading, key: &[u8]) -> Option<&'m mut Option<u64>> {
    Some(match key {
        b"MemTotal" => &mut memory.total,
        b"MemFree" => &mut memory.free,
        b"MemAvailable" => &mut memory.available,
        b"Buffers" => &mut memory.buffers,
        b"Cached" => &mut memory.cached,
        b"SReclaimable" => &mut memory.slab_reclaimable,
        b"SUnreclaim" => &mut memory.slab_unreclaimable,
        b"Shmem" => &mut memory.shared,
        b"Dirty" => &mut memory.dirty,
        b"HugePages_Total" => &mut memory.huge_total,
        b"HugePages_Free" => &mut memory.huge_free,
        b"HugePages_Rsvd" => &mut memory.huge_reserved,
        b"HugePages_Surp" => &mut memory.huge_surplus,
        b"Hugepagesize" => &mut memory.huge_page,
        _ => return None,
    })
}
