//! The process's own CPU and memory, read when the page is asked for.

use std::fs;
use std::time::Instant;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;

use super::Metric;

/// Kernel clock ticks per second, as /proc shows them on every Linux architecture we run on.
const TICKS_PER_SECOND: f64 = 100.0;

#[derive(Debug)]
pub(super) struct ProcessMetrics {
    start: Instant,
}

impl ProcessMetrics {
    pub(super) fn new() -> Self {
        Self { start: Instant::now() }
    }
}

impl Collector for ProcessMetrics {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        let mut counter =
            |metric: Metric, value: f64| encode(&mut encoder, metric, &ConstCounter::new(value));
        counter(Metric::ProcessUptime, self.start.elapsed().as_secs_f64())?;
        if let Some(seconds) = cpu_seconds() {
            counter(Metric::ProcessCpuSeconds, seconds)?;
        }
        if let Some(memory) = memory() {
            let gauges = [
                (Metric::ProcessMemoryRss, memory.resident),
                (Metric::ProcessRuntimeHeapAllocBytes, memory.anonymous),
                (Metric::ProcessRuntimeTotalSysMemoryBytes, memory.virtual_size),
            ];
            for (metric, bytes) in gauges {
                encode(&mut encoder, metric, &ConstGauge::new(bytes as i64))?;
            }
        }
        Ok(())
    }
}

fn encode(
    encoder: &mut DescriptorEncoder<'_>,
    metric: Metric,
    value: &impl EncodeMetric,
) -> Result<(), std::fmt::Error> {
    let row = metric.row();
    let descriptor = encoder.encode_descriptor(row.name, row.description, None, value.metric_type())?;
    value.encode(descriptor)
}

fn cpu_seconds() -> Option<f64> {
    let stat = fs::read_to_string("/proc/self/stat").ok()?;
    // The command may hold blanks; fields are counted behind its closing parenthesis.
    let mut fields = stat.rsplit_once(')')?.1.split_ascii_whitespace().skip(11);
    let user: f64 = fields.next()?.parse().ok()?;
    let system: f64 = fields.next()?.parse().ok()?;
    Some((user + system) / TICKS_PER_SECOND)
}

/// What the process holds, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Memory {
    pub(super) virtual_size: u64,
    pub(super) resident: u64,
    pub(super) anonymous: u64,
}

pub(super) fn memory() -> Option<Memory> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let field = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name))?;
        let kibibytes: u64 = line.trim_start_matches(':').trim().strip_suffix("kB")?.trim().parse().ok()?;
        Some(kibibytes * 1024)
    };
    Some(Memory { virtual_size: field("VmSize")?, resident: field("VmRSS")?, anonymous: field("RssAnon")? })
}
