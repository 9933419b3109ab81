//! The system as a whole.

use spindle_pipeline::otlp::build::MetricInfo;

use super::Row;
use crate::host_metrics::source::Need;

pub(super) static ROWS: [Row; 1] = [Row {
    metric: MetricInfo::gauge("system.uptime", "s", "Time since the system was started"),
    is_default: true,
    attributes: &[],
    need: Need::Uptime,
    points: |reading, points| points.add(reading.uptime, &[]),
}];
