//! Memory.

use spindle_pipeline::otlp::build::MetricInfo;

use super::{Attribute, Row, attribute, kibibytes, ratio};
use crate::host_metrics::reading::MemoryReading;
use crate::host_metrics::source::Need;

const BY_STATE: &[Attribute] = &[attribute("state")];
const BY_HUGE_STATE: &[Attribute] = &[attribute("system.memory.linux.hugepages.state")];

pub(super) static ROWS: [Row; 13] = [
    Row {
        metric: MetricInfo::up_down(
            "system.linux.memory.available",
            "By",
            "Memory that new programs could have without swapping, as the kernel estimates it",
        ),
        is_default: false,
        attributes: &[],
        need: Need::Memory,
        points: |reading, points| points.add(kibibytes(reading.memory.available), &[]),
    },
    Row {
        metric: MetricInfo::up_down(
            "system.linux.memory.dirty",
            "By",
            "Memory that waits to be written to disk",
        ),
        is_default: false,
        attributes: &[],
        need: Need::Memory,
        points: |reading, points| points.add(kibibytes(reading.memory.dirty), &[]),
    },
    Row {
        metric: MetricInfo::up_down("system.memory.limit", "By", "Memory that the system has"),
        is_default: false,
        attributes: &[],
        need: Need::Memory,
        points: |reading, points| points.add(kibibytes(reading.memory.total), &[]),
    },
    Row {
        metric: MetricInfo::up_down(
            "system.memory.linux.hugepages.limit",
            "{page}",
            "Huge pages in the pool",
        ),
        is_default: false,
        attributes: &[],
        need: Need::Memory,
        points: |reading, points| points.add(reading.memory.huge_total, &[]),
    },
    Row {
        metric: MetricInfo::up_down(
            "system.memory.linux.hugepages.page_size",
            "By",
            "The size of a huge page",
        ),
        is_default: false,
        attributes: &[],
        need: Need::Memory,
        points: |reading, points| points.add(kibibytes(reading.memory.huge_page), &[]),
    },
    Row {
        metric: MetricInfo::up_down(
            "system.memory.linux.hugepages.reserved",
            "{page}",
            "Huge pages that are promised and not handed out yet; part of the free ones",
        ),
        is_default: false,
        attributes: &[],
        need: Need::Memory,
        points: |reading, points| points.add(reading.memory.huge_reserved, &[]),
    },
    Row {
        metric: MetricInfo::up_down(
            "system.memory.linux.hugepages.surplus",
            "{page}",
            "Huge pages above the size that the pool was given",
        ),
        is_default: false,
        attributes: &[],
        need: Need::Memory,
        points: |reading, points| points.add(reading.memory.huge_surplus, &[]),
    },
    Row {
        metric: MetricInfo::up_down("system.memory.linux.hugepages.usage", "{page}", "Huge pages by state"),
        is_default: false,
        attributes: BY_HUGE_STATE,
        need: Need::Memory,
        points: |reading, points| {
            for (state, pages) in huge_states(&reading.memory) {
                points.add(pages, &[state]);
            }
        },
    },
    Row {
        metric: MetricInfo::gauge(
            "system.memory.linux.hugepages.utilization",
            "1",
            "Share of the huge pages by state",
        ),
        is_default: false,
        attributes: BY_HUGE_STATE,
        need: Need::Memory,
        points: |reading, points| {
            for (state, pages) in huge_states(&reading.memory) {
                points.add(ratio(pages, reading.memory.huge_total), &[state]);
            }
        },
    },
    Row {
        metric: MetricInfo::up_down(
            "system.memory.linux.shared",
            "By",
            "Shared memory, that of tmpfs included",
        ),
        is_default: false,
        attributes: &[],
        need: Need::Memory,
        points: |reading, points| points.add(kibibytes(reading.memory.shared), &[]),
    },
    Row {
        metric: MetricInfo::gauge("system.memory.page_size", "By", "The size of a page of memory"),
        is_default: false,
        attributes: &[],
        need: Need::Memory,
        points: |reading, points| points.add(Some(reading.page_size), &[]),
    },
    Row {
        metric: MetricInfo::up_down("system.memory.usage", "By", "Memory by state"),
        is_default: true,
        attributes: BY_STATE,
        need: Need::Memory,
        points: |reading, points| {
            for (state, size) in states(&reading.memory) {
                points.add(kibibytes(size), &[state]);
            }
        },
    },
    Row {
        metric: MetricInfo::gauge("system.memory.utilization", "1", "Share of the memory by state"),
        is_default: false,
        attributes: BY_STATE,
        need: Need::Memory,
        points: |reading, points| {
            for (state, size) in states(&reading.memory) {
                points.add(ratio(size, reading.memory.total), &[state]);
            }
        },
    },
];

/// The states of memory, in KiB. They overlap, so they do not add up to the whole: what can be had back
/// of slabs is also cached.
fn states(memory: &MemoryReading) -> [(&'static str, Option<u64>); 6] {
    let cached = memory.cached.map(|cached| cached.saturating_add(memory.slab_reclaimable.unwrap_or(0)));
    [
        ("used", used(memory, cached)),
        ("free", memory.free),
        ("buffered", memory.buffers),
        ("cached", cached),
        ("slab_reclaimable", memory.slab_reclaimable),
        ("slab_unreclaimable", memory.slab_unreclaimable),
    ]
}

/// What is not available; before Linux 3.14, which does not say what is, what is neither free nor a
/// buffer nor cached.
fn used(memory: &MemoryReading, cached: Option<u64>) -> Option<u64> {
    let unused = match memory.available {
        Some(available) => available,
        None => memory.free?.checked_add(memory.buffers?)?.checked_add(cached?)?,
    };
    memory.total?.checked_sub(unused)
}

fn huge_states(memory: &MemoryReading) -> [(&'static str, Option<u64>); 2] {
    let used = memory.huge_total.zip(memory.huge_free).and_then(|(total, free)| total.checked_sub(free));
    [("free", memory.huge_free), ("used", used)]
}
