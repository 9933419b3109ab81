//! Network interfaces, TCP connections, connection tracking.

use spindle_pipeline::otlp::build::MetricInfo;

use super::{Attribute, Row, attribute};
use crate::host_metrics::names::Points;
use crate::host_metrics::reading::{HostReading, TCP_STATES, TrafficReading};
use crate::host_metrics::source::Need;

const BY_DIRECTION: &[Attribute] = &[attribute("device"), attribute("direction")];

pub(super) static ROWS: [Row; 7] = [
    Row {
        metric: MetricInfo::up_down("system.network.connections", "{connections}", "Connections by state"),
        is_default: true,
        attributes: &[attribute("protocol"), attribute("state")],
        need: Need::Sockets,
        points: |reading, points| {
            // All states are there, those without a connection at 0.
            for (state, count) in TCP_STATES.into_iter().zip(reading.tcp.into_iter().flatten()) {
                points.add(Some(count), &["tcp", state]);
            }
        },
    },
    Row {
        metric: MetricInfo::up_down(
            "system.network.conntrack.count",
            "{entries}",
            "Connections that are tracked",
        ),
        is_default: false,
        attributes: &[],
        need: Need::Conntrack,
        points: |reading, points| points.add(reading.conntrack_count, &[]),
    },
    Row {
        metric: MetricInfo::up_down(
            "system.network.conntrack.max",
            "{entries}",
            "Connections that can be tracked",
        ),
        is_default: false,
        attributes: &[],
        need: Need::Conntrack,
        points: |reading, points| points.add(reading.conntrack_limit, &[]),
    },
    Row {
        metric: MetricInfo::counter(
            "system.network.dropped",
            "{packets}",
            "Packets that the interface dropped",
        ),
        is_default: true,
        attributes: BY_DIRECTION,
        need: Need::Interfaces,
        points: |reading, points| by_direction(reading, points, |traffic| traffic.dropped),
    },
    Row {
        metric: MetricInfo::counter("system.network.errors", "{errors}", "Errors of the interface"),
        is_default: true,
        attributes: BY_DIRECTION,
        need: Need::Interfaces,
        points: |reading, points| by_direction(reading, points, |traffic| traffic.errors),
    },
    Row {
        metric: MetricInfo::counter("system.network.io", "By", "Bytes that passed the interface"),
        is_default: true,
        attributes: BY_DIRECTION,
        need: Need::Interfaces,
        points: |reading, points| by_direction(reading, points, |traffic| traffic.bytes),
    },
    Row {
        metric: MetricInfo::counter(
            "system.network.packets",
            "{packets}",
            "Packets that passed the interface",
        ),
        is_default: true,
        attributes: BY_DIRECTION,
        need: Need::Interfaces,
        points: |reading, points| by_direction(reading, points, |traffic| traffic.packets),
    },
];

fn by_direction(reading: &HostReading, points: &mut Points<'_>, value: fn(&TrafficReading) -> u64) {
    for interface in reading.interfaces.iter() {
        points.add(Some(value(&interface.transmitted)), &[&interface.name, "transmit"]);
        points.add(Some(value(&interface.received)), &[&interface.name, "receive"]);
    }
}
