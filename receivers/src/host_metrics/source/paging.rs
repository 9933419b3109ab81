//! `/proc/swaps` and `/proc/vmstat`.

use super::Part;
use super::file::{Buffer, KernelFile};
use super::text::{fields, number, unescape};
use crate::host_metrics::reading::{HostReading, PagingReading};
use crate::host_metrics::rows::overwrite;

/// Reads `/proc/swaps`.
pub struct SwapsPart {
    file: KernelFile,
    name: Vec<u8>,
}

impl SwapsPart {
    /// Reads `file`, which is not there in a kernel without swapping.
    pub fn new(file: KernelFile) -> Self {
        Self { file, name: Vec::new() }
    }
}

impl Part for SwapsPart {
    fn read(&mut self, buffer: &mut Buffer, reading: &mut HostReading) {
        let (name, swaps) = (&mut self.name, &mut reading.swaps);
        let mut heading = true;
        reading.errors += self.file.read_if_there(buffer, |line| {
            if std::mem::take(&mut heading) {
                return Some(());
            }
            let mut fields = fields(line);
            unescape(fields.next()?, name);
            // The type is second.
            let mut numbers = fields.skip(1).map(number);
            let (size, used) = (numbers.next()??, numbers.next()??);
            let swap = swaps.add();
            overwrite(&mut swap.device, name);
            (swap.size, swap.used) = (size, used);
            Some(())
        });
    }
}

/// Reads `/proc/vmstat`.
pub struct VmstatPart {
    file: KernelFile,
}

impl VmstatPart {
    /// Reads `file`.
    pub fn new(file: KernelFile) -> Self {
        Self { file }
    }
}

impl Part for VmstatPart {
    fn read(&mut self, buffer: &mut Buffer, reading: &mut HostReading) {
        let paging = &mut reading.paging;
        reading.errors += self.file.read(buffer, |line| {
            // A hundred and more lines, of which six count.
            if !line.starts_with(b"p") {
                return Some(());
            }
            let mut fields = fields(line);
            let Some(slot) = slot(paging, fields.next()?) else { return Some(()) };
            *slot = Some(number(fields.next()?)?);
            Some(())
        });
    }
}

fn slot<'p>(paging: &'p mut PagingReading, key: &[u8]) -> Option<&'p mut Option<u64>> {
    Some(match key {
        b"pgpgin" => &mut paging.block_in,
        b"pgpgout" => &mut paging.block_out,
        b"pswpin" => &mut paging.swap_in,
        b"pswpout" => &mut paging.swap_out,
        b"pgfault" => &mut paging.faults,
        b"pgmajfault" => &mut paging.major_faults,
        _ => return None,
    })
}
