//! `/proc/diskstats`.

use super::Part;
use super::file::{Buffer, KernelFile};
use super::text::{fields, number};
use crate::host_metrics::filter::Filter;
use crate::host_metrics::reading::{DiskReading, HostReading, TransferReading};
use crate::host_metrics::rows::overwrite;

/// Reads `/proc/diskstats`.
pub struct DisksPart {
    file: KernelFile,
    filter: Filter,
}

impl DisksPart {
    /// Reads `file`, of which `filter` lets devices pass.
    pub fn new(file: KernelFile, filter: Filter) -> Self {
        Self { file, filter }
    }
}

impl Part for DisksPart {
    fn read(&mut self, buffer: &mut Buffer, reading: &mut HostReading) {
        let (filter, disks) = (&self.filter, &mut reading.disks);
        reading.errors += self.file.read(buffer, |line| {
            let disk = disks.add();
            let understood = read_disk(line, disk);
            // Devices that never did anything (loop0 to loop7) are left out, as the Collector does.
            let counts = understood.unwrap_or_default() && filter.lets_pass(&disk.name);
            if !counts {
                disks.take_back();
            }
            understood.map(|_| ())
        });
    }
}

/// Reads a line (Documentation/admin-guide/iostats.rst); whether the device did anything yet.
fn read_disk(line: &[u8], disk: &mut DiskReading) -> Option<bool> {
    let mut fields = fields(line).skip(2);
    overwrite(&mut disk.name, fields.next()?);
    let mut numbers = fields.map(number);
    disk.read = transfer(&mut numbers)?;
    disk.written = transfer(&mut numbers)?;
    (disk.pending, disk.busy, disk.weighted) = (numbers.next()??, numbers.next()??, numbers.next()??);
    let idle = TransferReading::default();
    let totals = [disk.pending, disk.busy, disk.weighted];
    Some(disk.read != idle || disk.written != idle || totals != [0; 3])
}

fn transfer(numbers: &mut impl Iterator<Item = Option<u64>>) -> Option<TransferReading> {
    Some(TransferReading {
        operations: numbers.next()??,
        merged: numbers.next()??,
        sectors: numbers.next()??,
        time: numbers.next()??,
    })
}
