//! `/proc/net/dev`, `/proc/net/tcp`, `/proc/net/tcp6` and the counts of connection tracking.
//!
//! They are those of the network namespace of whoever reads, also below a `root_path`: an agent in a
//! container needs the host's network to see it.

use super::Part;
use super::file::{Buffer, KernelFile};
use super::text::{fields, number};
use crate::host_metrics::filter::Filter;
use crate::host_metrics::reading::{HostReading, TCP_STATES, TrafficReading};
use crate::host_metrics::rows::overwrite;

/// Reads `/proc/net/dev`.
pub struct InterfacesPart {
    file: KernelFile,
    filter: Filter,
}

impl InterfacesPart {
    /// Reads `file`, of which `filter` lets interfaces pass.
    pub fn new(file: KernelFile, filter: Filter) -> Self {
        Self { file, filter }
    }
}

impl Part for InterfacesPart {
    fn read(&mut self, buffer: &mut Buffer, reading: &mut HostReading) {
        let (filter, interfaces) = (&self.filter, &mut reading.interfaces);
        // Two lines of headings, which have no colon.
        let mut headings = 2;
        reading.errors += self.file.read(buffer, |line| {
            if headings > 0 {
                headings -= 1;
                return Some(());
            }
            // A name can have a colon in it (`eth0:1`); what stands behind the last has none.
            let colon = memchr::memrchr(b':', line)?;
            let mut numbers = fields(&line[colon + 1..]).map(number);
            let received = traffic(&mut numbers)?;
            // fifo, frame, compressed, multicast
            let transmitted = traffic(&mut numbers.skip(4))?;
            let interface = interfaces.add();
            overwrite(&mut interface.name, line[..colon].trim_ascii());
            (interface.received, interface.transmitted) = (received, transmitted);
            if !filter.lets_pass(&interface.name) {
                interfaces.take_back();
            }
            Some(())
        });
    }
}

fn traffic(numbers: &mut impl Iterator<Item = Option<u64>>) -> Option<TrafficReading> {
    Some(TrafficReading {
        bytes: numbers.next()??,
        packets: numbers.next()??,
        errors: numbers.next()??,
        dropped: numbers.next()??,
    })
}

/// Counts the sockets in `/proc/net/tcp` and `/proc/net/tcp6`.
///
/// The kernel walks its whole table of sockets to write these files, however few sockets there are. The
/// table has a slot for some 100 KiB of memory, so this is by far the most expensive part of a reading:
/// milliseconds on a large machine.
pub struct SocketsPart {
    v4: KernelFile,
    v6: KernelFile,
}

impl SocketsPart {
    /// Reads both files. That there is none for IPv6 is no error.
    pub fn new(v4: KernelFile, v6: KernelFile) -> Self {
        Self { v4, v6 }
    }
}

impl Part for SocketsPart {
    fn read(&mut self, buffer: &mut Buffer, reading: &mut HostReading) {
        let mut counts = [0; TCP_STATES.len()];
        let mut is_heading = true;
        let errors = self.v4.read(buffer, |line| count_socket(line, &mut is_heading, &mut counts));
        is_heading = true;
        let more = self.v6.read_if_there(buffer, |line| count_socket(line, &mut is_heading, &mut counts));
        // Sockets that were not understood are missing everywhere, so no count is right then.
        reading.tcp = (errors + more == 0).then_some(counts);
        reading.errors += errors + more;
    }
}

/// Counts a line by its state, the fourth field, in hex.
fn count_socket(line: &[u8], is_heading: &mut bool, counts: &mut [u64]) -> Option<()> {
    if std::mem::take(is_heading) {
        return Some(());
    }
    let state = std::str::from_utf8(fields(line).nth(3)?).ok()?;
    let state = usize::from_str_radix(state, 16).ok()?;
    // States that this list does not have are not of TCP.
    if let Some(count) = state.checked_sub(1).and_then(|index| counts.get_mut(index)) {
        *count += 1;
    }
    Some(())
}

/// Reads the counts of connection tracking.
pub struct ConntrackPart {
    count: KernelFile,
    limit: KernelFile,
}

impl ConntrackPart {
    /// Reads both files, which are not there when the kernel tracks nothing.
    pub fn new(count: KernelFile, limit: KernelFile) -> Self {
        Self { count, limit }
    }
}

impl Part for ConntrackPart {
    fn read(&mut self, buffer: &mut Buffer, reading: &mut HostReading) {
        for (file, slot) in
            [(&mut self.count, &mut reading.conntrack_count), (&mut self.limit, &mut reading.conntrack_limit)]
        {
            reading.errors += file.read(buffer, |line| {
                *slot = Some(number(fields(line).next()?)?);
                Some(())
            });
        }
    }
}
