//! Files of one line: `/proc/loadavg` and `/proc/uptime`.

use super::Part;
use super::file::{Buffer, KernelFile};
use super::text::{decimal, fields};
use crate::host_metrics::reading::HostReading;

/// Reads `/proc/loadavg`.
pub struct LoadPart {
    file: KernelFile,
}

impl LoadPart {
    /// Reads `file`.
    pub fn new(file: KernelFile) -> Self {
        Self { file }
    }
}

impl Part for LoadPart {
    fn read(&mut self, buffer: &mut Buffer, reading: &mut HostReading) {
        let load = &mut reading.load;
        reading.errors += self.file.read(buffer, |line| {
            let mut averages = fields(line).map(decimal);
            *load = Some([averages.next()??, averages.next()??, averages.next()??]);
            Some(())
        });
    }
}

/// Reads `/proc/uptime`.
pub struct UptimePart {
    file: KernelFile,
}

impl UptimePart {
    /// Reads `file`.
    pub fn new(file: KernelFile) -> Self {
        Self { file }
    }
}

impl Part for UptimePart {
    fn read(&mut self, buffer: &mut Buffer, reading: &mut HostReading) {
        let uptime = &mut reading.uptime;
        reading.errors += self.file.read(buffer, |line| {
            *uptime = Some(decimal(fields(line).next()?)?);
            Some(())
        });
    }
}
