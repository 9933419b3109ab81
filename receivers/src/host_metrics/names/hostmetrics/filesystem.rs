//! Mounted file systems.
//!
//! "Used" and "free" are as `df` has them: what is reserved for root is neither.

use spindle_pipeline::otlp::build::MetricInfo;

use super::{Attribute, Row, attribute, ratio};
use crate::host_metrics::names::Points;
use crate::host_metrics::reading::{FilesystemReading, HostReading, UsageReading};
use crate::host_metrics::source::Need;

const BY_MOUNT: &[Attribute] =
    &[attribute("device"), attribute("mode"), attribute("mountpoint"), attribute("type")];
const BY_STATE: &[Attribute] =
    &[attribute("device"), attribute("mode"), attribute("mountpoint"), attribute("type"), attribute("state")];

pub(super) static ROWS: [Row; 3] = [
    Row {
        metric: MetricInfo::up_down(
            "system.filesystem.inodes.usage",
            "{inodes}",
            "Inodes of the file system by state",
        ),
        is_default: true,
        attributes: BY_STATE,
        need: Need::Filesystems,
        points: |reading, points| {
            each(reading, |mount, usage| {
                // File systems without inodes of a fixed number have none to count.
                let total = Some(usage.inodes).filter(|inodes| *inodes > 0);
                let used = total.and_then(|total| total.checked_sub(usage.free_inodes));
                add(points, mount, used, "used");
                add(points, mount, total.map(|_| usage.free_inodes), "free");
            });
        },
    },
    Row {
        metric: MetricInfo::up_down("system.filesystem.usage", "By", "Bytes of the file system by state"),
        is_default: true,
        attributes: BY_STATE,
        need: Need::Filesystems,
        points: |reading, points| {
            each(reading, |mount, usage| {
                add(points, mount, used(usage), "used");
                add(points, mount, free(usage), "free");
                add(points, mount, reserved(usage), "reserved");
            });
        },
    },
    Row {
        metric: MetricInfo::gauge(
            "system.filesystem.utilization",
            "1",
            "Share of the bytes that are used, without those reserved for root",
        ),
        is_default: false,
        attributes: BY_MOUNT,
        need: Need::Filesystems,
        points: |reading, points| {
            each(reading, |mount, usage| {
                let whole = used(usage).zip(free(usage)).and_then(|(used, free)| used.checked_add(free));
                let attributes = [&*mount.device, mode(mount), &mount.mount_point, &mount.kind];
                points.add(ratio(used(usage), whole), &attributes);
            });
        },
    },
];

/// The mounts that answered and have blocks at all.
fn each(reading: &HostReading, mut take: impl FnMut(&FilesystemReading, &UsageReading)) {
    for mount in reading.filesystems.iter() {
        if let Some(usage) = mount.usage.filter(|usage| usage.blocks > 0) {
            take(mount, &usage);
        }
    }
}

fn add(points: &mut Points<'_>, mount: &FilesystemReading, value: Option<u64>, state: &str) {
    points.add(value, &[&mount.device, mode(mount), &mount.mount_point, &mount.kind, state]);
}

fn mode(mount: &FilesystemReading) -> &'static str {
    match mount.is_writable {
        Some(true) => "rw",
        Some(false) => "ro",
        None => "unknown",
    }
}

fn used(usage: &UsageReading) -> Option<u64> {
    usage.blocks.checked_sub(usage.free)?.checked_mul(usage.block_size)
}

fn free(usage: &UsageReading) -> Option<u64> {
    usage.available.checked_mul(usage.block_size)
}

fn reserved(usage: &UsageReading) -> Option<u64> {
    usage.free.checked_sub(usage.available)?.checked_mul(usage.block_size)
}
