//! Load averages.

use spindle_pipeline::otlp::build::MetricInfo;

use super::Row;
use crate::host_metrics::names::Points;
use crate::host_metrics::reading::HostReading;
use crate::host_metrics::source::Need;

pub(super) static ROWS: [Row; 3] = [
    Row {
        metric: MetricInfo::gauge("system.cpu.load_average.15m", "{thread}", "Load average over 15 minutes"),
        is_default: true,
        attributes: &[],
        need: Need::Load,
        points: |reading, points| add(reading, points, 2),
    },
    Row {
        metric: MetricInfo::gauge("system.cpu.load_average.1m", "{thread}", "Load average over 1 minute"),
        is_default: true,
        attributes: &[],
        need: Need::Load,
        points: |reading, points| add(reading, points, 0),
    },
    Row {
        metric: MetricInfo::gauge("system.cpu.load_average.5m", "{thread}", "Load average over 5 minutes"),
        is_default: true,
        attributes: &[],
        need: Need::Load,
        points: |reading, points| add(reading, points, 1),
    },
];

fn add(reading: &HostReading, points: &mut Points<'_>, index: usize) {
    let divisor = if points.options().load_per_cpu { reading.cpus.len() } else { 1 };
    let load = reading.load.filter(|_| divisor > 0).map(|averages| averages[index] / divisor as f64);
    points.add(load, &[]);
}
