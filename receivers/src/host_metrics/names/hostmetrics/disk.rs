//! Block devices.

use spindle_pipeline::otlp::build::MetricInfo;

use super::{Attribute, Row, attribute, seconds};
use crate::host_metrics::names::Points;
use crate::host_metrics::reading::{DiskReading, HostReading, TransferReading};
use crate::host_metrics::source::Need;

const BY_DEVICE: &[Attribute] = &[attribute("device")];
const BY_DIRECTION: &[Attribute] = &[attribute("device"), attribute("direction")];

/// Bytes of a sector in `/proc/diskstats`, whatever the device's own sectors are.
const SECTOR: u64 = 512;

pub(super) static ROWS: [Row; 7] = [
    Row {
        metric: MetricInfo::counter("system.disk.io", "By", "Bytes read from and written to the device"),
        is_default: true,
        attributes: BY_DIRECTION,
        need: Need::Disks,
        points: |reading, points| {
            by_direction(reading, points, |transfer| transfer.sectors.checked_mul(SECTOR));
        },
    },
    Row {
        metric: MetricInfo::counter(
            "system.disk.io_time",
            "s",
            "Time in which the device had something to do",
        ),
        is_default: true,
        attributes: BY_DEVICE,
        need: Need::Disks,
        points: |reading, points| by_device(reading, points, |disk| seconds(disk.busy)),
    },
    Row {
        metric: MetricInfo::counter(
            "system.disk.merged",
            "{operations}",
            "Operations that were joined to another one",
        ),
        is_default: true,
        attributes: BY_DIRECTION,
        need: Need::Disks,
        points: |reading, points| by_direction(reading, points, |transfer| Some(transfer.merged)),
    },
    Row {
        metric: MetricInfo::counter(
            "system.disk.operation_time",
            "s",
            "Time that operations took, summed over them",
        ),
        is_default: true,
        attributes: BY_DIRECTION,
        need: Need::Disks,
        points: |reading, points| {
            for disk in reading.disks.iter() {
                points.add(Some(seconds(disk.read.time)), &[&disk.name, "read"]);
                points.add(Some(seconds(disk.written.time)), &[&disk.name, "write"]);
            }
        },
    },
    Row {
        metric: MetricInfo::counter("system.disk.operations", "{operations}", "Operations that are done"),
        is_default: true,
        attributes: BY_DIRECTION,
        need: Need::Disks,
        points: |reading, points| by_direction(reading, points, |transfer| Some(transfer.operations)),
    },
    Row {
        metric: MetricInfo::up_down("system.disk.pending_operations", "{operations}", "Operations under way"),
        is_default: true,
        attributes: BY_DEVICE,
        need: Need::Disks,
        points: |reading, points| {
            for disk in reading.disks.iter() {
                points.add(Some(disk.pending), &[&disk.name]);
            }
        },
    },
    Row {
        metric: MetricInfo::counter(
            "system.disk.weighted_io_time",
            "s",
            "Time in which the device had something to do, counted once for each operation under way",
        ),
        is_default: true,
        attributes: BY_DEVICE,
        need: Need::Disks,
        points: |reading, points| by_device(reading, points, |disk| seconds(disk.weighted)),
    },
];

fn by_device(reading: &HostReading, points: &mut Points<'_>, value: fn(&DiskReading) -> f64) {
    for disk in reading.disks.iter() {
        points.add(Some(value(disk)), &[&disk.name]);
    }
}

fn by_direction(reading: &HostReading, points: &mut Points<'_>, value: fn(&TransferReading) -> Option<u64>) {
    for disk in reading.disks.iter() {
        points.add(value(&disk.read), &[&disk.name, "read"]);
        points.add(value(&disk.written), &[&disk.name, "write"]);
    }
}
