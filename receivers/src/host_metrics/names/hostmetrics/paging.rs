//! Swapping and page faults.
//!
//! The Collector's library takes every counter of `/proc/vmstat` for pages and makes bytes of it, so the
//! Collector reports 4096 faults for each one. Here a fault is a fault, and an operation is a page.

use spindle_pipeline::otlp::build::MetricInfo;

use super::{Attribute, Row, attribute, ratio};
use crate::host_metrics::reading::{HostReading, SwapReading};
use crate::host_metrics::source::Need;

const BY_STATE: &[Attribute] = &[attribute("device"), attribute("state")];

pub(super) static ROWS: [Row; 4] = [
    Row {
        metric: MetricInfo::counter(
            "system.paging.faults",
            "{faults}",
            "Page faults; those that had to read are major",
        ),
        is_default: true,
        attributes: &[attribute("type")],
        need: Need::Vmstat,
        points: |reading, points| {
            let (all, major) = (reading.paging.faults, reading.paging.major_faults);
            let minor = all.zip(major).and_then(|(all, major)| all.checked_sub(major));
            points.add(major, &["major"]);
            points.add(minor, &["minor"]);
        },
    },
    Row {
        metric: MetricInfo::counter(
            "system.paging.operations",
            "{operations}",
            "Pages moved from and to swap (major) and block devices as a whole (minor)",
        ),
        is_default: true,
        attributes: &[attribute("direction"), attribute("type")],
        need: Need::Vmstat,
        points: |reading, points| {
            let paging = &reading.paging;
            points.add(paging.swap_in, &["page_in", "major"]);
            points.add(paging.swap_out, &["page_out", "major"]);
            points.add(pages(reading, paging.block_in), &["page_in", "minor"]);
            points.add(pages(reading, paging.block_out), &["page_out", "minor"]);
        },
    },
    Row {
        metric: MetricInfo::up_down("system.paging.usage", "By", "Bytes of swap by state"),
        is_default: true,
        attributes: BY_STATE,
        need: Need::Swaps,
        points: |reading, points| {
            for swap in reading.swaps.iter() {
                for (state, size) in states(swap) {
                    points.add(size.and_then(|size| size.checked_mul(1024)), &[&swap.device, state]);
                }
            }
        },
    },
    Row {
        metric: MetricInfo::gauge("system.paging.utilization", "1", "Share of swap by state"),
        is_default: false,
        attributes: BY_STATE,
        need: Need::Swaps,
        points: |reading, points| {
            for swap in reading.swaps.iter() {
                for (state, size) in states(swap) {
                    points.add(ratio(size, Some(swap.size)), &[&swap.device, state]);
                }
            }
        },
    },
];

/// KiB as pages.
fn pages(reading: &HostReading, kibibytes: Option<u64>) -> Option<u64> {
    kibibytes?.checked_mul(1024)?.checked_div(reading.page_size)
}

fn states(swap: &SwapReading) -> [(&'static str, Option<u64>); 2] {
    [("used", Some(swap.used)), ("free", swap.size.checked_sub(swap.used))]
}
