//! Writing metrics requests for receivers that make their own data, straight to the wire.
//!
//! A scraper describes each metric once, in a static [`MetricInfo`], and adds points to it. The order is
//! resource, scope, metrics, points; each is closed when the next of its kind starts.

#[cfg(test)]
mod tests;

use bytes::Bytes;

use super::attributes::{NewValue, attribute_length, put_attribute};
use super::wire::{field_length, put_bytes, put_double, put_fixed64, put_header, put_varint_field};
use crate::batch::Batch;
use crate::signal::Signal;

/// What is known of a metric before it has a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MetricInfo {
    /// Its name.
    pub name: &'static str,
    /// What it measures, in a sentence without a period.
    pub description: &'static str,
    /// Its unit in UCUM.
    pub unit: &'static str,
    /// How its values relate.
    pub kind: MetricKind,
}

impl MetricInfo {
    /// A metric each of whose values stands alone.
    pub const fn gauge(name: &'static str, unit: &'static str, description: &'static str) -> Self {
        Self { name, description, unit, kind: MetricKind::Gauge }
    }

    /// A metric that only grows.
    pub const fn counter(name: &'static str, unit: &'static str, description: &'static str) -> Self {
        Self { name, description, unit, kind: MetricKind::Counter }
    }

    /// A metric that is a sum and goes both ways.
    pub const fn up_down(name: &'static str, unit: &'static str, description: &'static str) -> Self {
        Self { name, description, unit, kind: MetricKind::UpDownCounter }
    }
}

/// How the values of a metric relate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MetricKind {
    /// Each value stands alone.
    Gauge,
    /// Values since the start that only grow.
    Counter,
    /// Values that can be added up over attributes and go both ways.
    UpDownCounter,
}

impl MetricKind {
    /// The field of `Metric` that holds its data.
    const fn data_number(self) -> u32 {
        match self {
            Self::Gauge => 5,
            Self::Counter | Self::UpDownCounter => 7,
        }
    }
}

/// The value of a point.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum PointValue {
    /// A whole number.
    Int(i64),
    /// Any number.
    Double(f64),
}

impl From<f64> for PointValue {
    fn from(value: f64) -> Self {
        Self::Double(value)
    }
}

impl From<i64> for PointValue {
    fn from(value: i64) -> Self {
        Self::Int(value)
    }
}

impl From<u64> for PointValue {
    /// OTLP has no unsigned integers: what does not fit becomes a double.
    fn from(value: u64) -> Self {
        i64::try_from(value).map_or(Self::Double(value as f64), Self::Int)
    }
}

/// An attribute of a point.
pub type PointAttribute<'a> = (&'a str, NewValue<'a>);

/// Attributes that many points share, in wire form: encoded once, copied to each point.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SharedAttributes(Vec<u8>);

impl SharedAttributes {
    /// Encodes attributes.
    pub fn new(attributes: &[PointAttribute<'_>]) -> Self {
        let mut shared = Self::default();
        for (key, value) in attributes {
            put_attribute(&mut shared.0, POINT_ATTRIBUTES, key, value);
        }
        shared
    }
}

/// A metrics request being written. The buffers are kept from one request to the next.
#[derive(Debug, Default)]
pub struct MetricsBuilder {
    request: Vec<u8>,
    group: Vec<u8>,
    scope: Vec<u8>,
    data: Vec<u8>,
    point: Vec<u8>,
    metric: Option<MetricInfo>,
    group_has_metrics: bool,
    items: usize,
    start: u64,
    now: u64,
}

const CUMULATIVE: u64 = 2;
/// The field of `NumberDataPoint` that holds its attributes.
const POINT_ATTRIBUTES: u32 = 7;

impl MetricsBuilder {
    /// Starts a request: points are of time `now`, counters count since `start`, both in nanoseconds
    /// since 1970.
    pub fn begin(&mut self, start: u64, now: u64) {
        self.end_group();
        self.request.clear();
        self.items = 0;
        (self.start, self.now) = (start, now);
    }

    /// Counters that follow count since another time, in nanoseconds since 1970.
    pub fn count_since(&mut self, start: u64) {
        self.start = start;
    }

    /// Starts a resource, with its attributes, and the scope that its metrics come from. One without
    /// points is not written.
    pub fn resource(&mut self, attributes: &[PointAttribute<'_>], scope_name: &str, scope_version: &str) {
        self.end_group();
        let length = attributes.iter().map(|(key, value)| attribute_length(1, key, value)).sum();
        put_header(&mut self.group, 1, length);
        for (key, value) in attributes {
            put_attribute(&mut self.group, 1, key, value);
        }
        put_header(
            &mut self.scope,
            1,
            field_length(1, scope_name.len()) + field_length(2, scope_version.len()),
        );
        put_bytes(&mut self.scope, 1, scope_name.as_bytes());
        put_bytes(&mut self.scope, 2, scope_version.as_bytes());
    }

    /// Adds a point. Points of one metric come one after the other; a metric without points is not
    /// written.
    pub fn point(
        &mut self,
        info: &MetricInfo,
        value: impl Into<PointValue>,
        attributes: &[PointAttribute<'_>],
    ) {
        self.shared_point(info, value, &SharedAttributes::default(), attributes);
    }

    /// Adds a point with attributes that it shares with others, and some of its own.
    pub fn shared_point(
        &mut self,
        info: &MetricInfo,
        value: impl Into<PointValue>,
        shared: &SharedAttributes,
        attributes: &[PointAttribute<'_>],
    ) {
        if self.metric.as_ref() != Some(info) {
            self.end_metric();
            self.metric = Some(*info);
        }
        self.point.clear();
        if info.kind != MetricKind::Gauge {
            put_fixed64(&mut self.point, 2, self.start);
        }
        put_fixed64(&mut self.point, 3, self.now);
        match value.into() {
            PointValue::Double(value) => put_double(&mut self.point, 4, value),
            PointValue::Int(value) => put_fixed64(&mut self.point, 6, value as u64),
        }
        self.point.extend_from_slice(&shared.0);
        for (key, value) in attributes {
            put_attribute(&mut self.point, POINT_ATTRIBUTES, key, value);
        }
        put_bytes(&mut self.data, 1, &self.point);
        self.items += 1;
    }

    /// Ends the request. `None` when no point was added.
    pub fn finish(&mut self) -> Option<Batch> {
        self.end_group();
        if self.items == 0 {
            return None;
        }
        let bytes = Bytes::copy_from_slice(&self.request);
        self.request.clear();
        let items = std::mem::take(&mut self.items);
        Some(Batch::from_parts(Signal::Metrics, bytes, items))
    }

    fn end_metric(&mut self) {
        let Some(info) = self.metric.take() else { return };
        if info.kind != MetricKind::Gauge {
            put_varint_field(&mut self.data, 2, CUMULATIVE);
        }
        if info.kind == MetricKind::Counter {
            put_varint_field(&mut self.data, 3, 1);
        }
        let metric = &mut self.point;
        metric.clear();
        put_bytes(metric, 1, info.name.as_bytes());
        put_bytes(metric, 2, info.description.as_bytes());
        put_bytes(metric, 3, info.unit.as_bytes());
        put_bytes(metric, info.kind.data_number(), &self.data);
        put_bytes(&mut self.scope, 2, metric);
        self.group_has_metrics = true;
        self.data.clear();
    }

    fn end_group(&mut self) {
        self.end_metric();
        if std::mem::take(&mut self.group_has_metrics) {
            put_bytes(&mut self.group, 2, &self.scope);
            put_bytes(&mut self.request, 1, &self.group);
        }
        self.group.clear();
        self.scope.clear();
    }
}
