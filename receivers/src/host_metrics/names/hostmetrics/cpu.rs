//! CPU times, counts and clocks.

use spindle_pipeline::otlp::build::MetricInfo;

use super::{Attribute, Row, attribute};
use crate::host_metrics::names::Points;
use crate::host_metrics::reading::{CPU_STATES, CpuTimes, HostReading};
use crate::host_metrics::source::Need;

/// By default the CPUs are added up, as semantic conventions ask; naming `cpu` in the metric's
/// `attributes` tells them apart.
const CPU: Attribute = Attribute { key: "cpu", is_default: false };

const BY_CPU_AND_STATE: &[Attribute] = &[CPU, attribute("state")];

pub(super) static ROWS: [Row; 5] = [
    Row {
        metric: MetricInfo::gauge("system.cpu.frequency", "Hz", "How fast the CPU's clock runs"),
        is_default: false,
        attributes: &[attribute("cpu")],
        need: Need::Clocks,
        points: |reading, points| {
            for clock in reading.clocks.iter() {
                points.add(Some(clock.hertz as f64), &[&clock.name]);
            }
        },
    },
    Row {
        metric: MetricInfo::up_down("system.cpu.logical.count", "{cpu}", "Logical CPUs that are online"),
        is_default: true,
        attributes: &[],
        need: Need::Stat,
        points: |reading, points| {
            let count = Some(reading.cpus.len() as u64).filter(|count| *count > 0);
            points.add(count, &[]);
        },
    },
    Row {
        metric: MetricInfo::up_down("system.cpu.physical.count", "{cpu}", "Physical cores"),
        is_default: false,
        attributes: &[],
        need: Need::Cores,
        points: |reading, points| points.add(reading.cores, &[]),
    },
    Row {
        metric: MetricInfo::counter("system.cpu.time", "s", "Time that CPUs spent in a state"),
        is_default: true,
        attributes: BY_CPU_AND_STATE,
        need: Need::Stat,
        points: |reading, points| {
            let per_second = reading.ticks_per_second as f64;
            by_cpu_and_state(reading, points, |times| {
                times.ticks.map(|ticks| Some(ticks? as f64 / per_second))
            });
        },
    },
    Row {
        metric: MetricInfo::gauge(
            "system.cpu.utilization",
            "1",
            "Share of the time since the reading before that CPUs spent in a state",
        ),
        is_default: false,
        attributes: BY_CPU_AND_STATE,
        need: Need::Stat,
        points: |reading, points| by_cpu_and_state(reading, points, shares),
    },
];

/// The Collector's names of the states, in the order of `/proc/stat`.
const STATES: [&str; CPU_STATES] =
    ["user", "nice", "system", "idle", "wait", "interrupt", "softirq", "steal"];

type Values = [Option<f64>; CPU_STATES];

fn by_cpu_and_state(reading: &HostReading, points: &mut Points<'_>, values: impl Fn(&CpuTimes) -> Values) {
    // The kernel's own total keeps the time of CPUs that went offline, so it never steps back.
    if let Some(all) = reading.all_cpus.filter(|_| points.merges_only(0)) {
        for (state, value) in STATES.into_iter().zip(values(&all)) {
            points.add_merged(value, &[state]);
        }
        return;
    }
    for cpu in reading.cpus.iter() {
        for (state, value) in STATES.into_iter().zip(values(&cpu.times)) {
            points.add(value, &[&cpu.name, state]);
        }
    }
}

/// The shares of the time since the reading before. There are none in the first reading, and when no
/// time has passed.
fn shares(times: &CpuTimes) -> Values {
    let passed: u64 = times.since.iter().flatten().sum();
    times.since.map(|ticks| (passed > 0).then_some(ticks? as f64 / passed as f64))
}
