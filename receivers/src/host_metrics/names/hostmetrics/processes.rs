//! How many processes there are.

use spindle_pipeline::otlp::build::MetricInfo;

use super::{Row, attribute};
use crate::host_metrics::reading::{HostReading, PROCESS_STATES};
use crate::host_metrics::source::Need;

pub(super) static ROWS: [Row; 2] = [
    Row {
        metric: MetricInfo::up_down("system.processes.count", "{processes}", "Processes by state"),
        is_default: true,
        attributes: &[attribute("status")],
        need: Need::Processes,
        points: |reading, points| {
            for (state, count) in STATES.into_iter().zip(counts(reading)) {
                // Nothing pages on a recent kernel, and few are hidden.
                let is_rare = matches!(state, "paging" | "unknown");
                points.add(count.filter(|count| *count > 0 || !is_rare), &[state]);
            }
        },
    },
    Row {
        metric: MetricInfo::counter(
            "system.processes.created",
            "{processes}",
            "Processes and threads that were made",
        ),
        is_default: true,
        attributes: &[],
        need: Need::Stat,
        points: |reading, points| points.add(reading.scheduler.created, &[]),
    },
];

const COUNT: usize = PROCESS_STATES.len() + 1;

/// The Collector's names, in the order of [`PROCESS_STATES`].
const STATES: [&str; COUNT] =
    ["running", "sleeping", "blocked", "idle", "stopped", "paging", "zombies", "unknown"];

const RUNNING: usize = 0;
const BLOCKED: usize = 2;

/// Processes by state. As in the Collector, what runs and what is blocked is said by the scheduler, which
/// knows it at one moment.
fn counts(reading: &HostReading) -> [Option<u64>; COUNT] {
    let mut counts = reading.processes.map_or([None; COUNT], |counts| counts.map(Some));
    counts[RUNNING] = reading.scheduler.running.or(counts[RUNNING]);
    counts[BLOCKED] = reading.scheduler.blocked.or(counts[BLOCKED]);
    counts
}
