//! Reading a request without decoding it.
//!
//! Every message is a [`Part`]: a range of the request it stands in, so that what was read can be
//! edited ([`super::splice`]) or cut ([`super::split`]) by position. The three signals have one shape:
//! the request holds resource groups (field 1), those hold scope groups (field 2), those hold spans, log
//! records or metrics (field 2); a metric's data (one of five fields) holds data points (field 1).
//!
//! Views expect canonical requests ([`super::walk::Walked::is_canonical`]): a singular message field
//! stands there once. Of a scalar that is written twice they take the last, as protobuf does.

#[cfg(test)]
mod tests;

use super::attributes::{Attribute, Attributes};
use super::wire::{Field, Fields, Value, WireType, key, varint_length};

/// The fields of [`super::schema::METRIC`] that hold data points: gauge, sum, histogram, exponential
/// histogram, summary.
pub const METRIC_DATA: [u32; 5] = [5, 7, 9, 10, 11];

/// A message within a request.
#[derive(Clone, Copy, Debug)]
pub struct Part<'a> {
    request: &'a [u8],
    /// Where its key starts; 0 for the request itself.
    pub start: usize,
    /// Where its fields start.
    pub content: usize,
    /// Where it ends.
    pub end: usize,
    /// The number of the field it is.
    pub number: u32,
}

impl<'a> Part<'a> {
    /// The request itself.
    pub fn root(request: &'a [u8]) -> Self {
        Self { request, start: 0, content: 0, end: request.len(), number: 0 }
    }

    fn of(request: &'a [u8], field: &Field<'a>) -> Self {
        Self { request, start: field.start, content: field.content, end: field.end, number: field.number }
    }

    /// The request it stands in.
    pub fn request(&self) -> &'a [u8] {
        self.request
    }

    /// Its fields, without key and length.
    pub fn bytes(&self) -> &'a [u8] {
        &self.request[self.content..self.end]
    }

    /// All of it, with key and length.
    pub fn whole(&self) -> &'a [u8] {
        &self.request[self.start..self.end]
    }

    /// Its fields in order; positions are those of the request.
    pub fn fields(&self) -> Fields<'a> {
        Fields::within(self.request, self.content, self.end)
    }

    /// The messages of one field, in order.
    pub fn children(self, number: u32) -> impl Iterator<Item = Part<'a>> {
        self.fields()
            .filter(move |field| field.number == number && matches!(field.value, Value::Bytes(_)))
            .map(move |field| Part::of(self.request, &field))
    }

    /// The value of a field; the last one if it is written more than once.
    pub fn value(&self, number: u32) -> Option<Value<'a>> {
        self.fields().filter(|field| field.number == number).last().map(|field| field.value)
    }

    /// The text of a field, or nothing.
    pub fn text(&self, number: u32) -> &'a str {
        self.value(number).map_or("", Value::text)
    }

    /// The number of a field, or 0.
    pub fn number(&self, number: u32) -> u64 {
        self.value(number).map_or(0, Value::number)
    }

    /// The attributes of a field.
    pub fn attributes(self, number: u32) -> Attributes<'a> {
        Attributes::of(self, number)
    }

    /// Where the length of this message is written.
    pub(super) fn length_at(&self) -> usize {
        // Keys of OTLP fit one byte or two; a key written longer than needed is found by its end.
        let minimal = self.start + varint_length(u64::from(key(self.number, WireType::Bytes)));
        if self.request.get(minimal - 1).is_some_and(|byte| *byte < 0x80) {
            return minimal;
        }
        super::wire::read_varint(self.request, self.start).map_or(minimal, |(_, at)| at)
    }
}

/// The resource groups of a request: `ResourceSpans`, `ResourceMetrics`, `ResourceLogs`.
pub fn resource_groups(request: &[u8]) -> impl Iterator<Item = Part<'_>> {
    Part::root(request).children(1)
}

/// The scope groups of a resource group.
pub fn scope_groups(group: Part<'_>) -> impl Iterator<Item = Part<'_>> {
    group.children(2)
}

/// The resource of a resource group.
pub fn resource(group: Part<'_>) -> Option<Part<'_>> {
    group.children(1).next()
}

/// The attributes of a resource group's resource.
pub fn resource_attributes(group: Part<'_>) -> impl Iterator<Item = Attribute<'_>> {
    resource(group).into_iter().flat_map(|resource| resource.attributes(1))
}

/// The spans, log records or metrics of a scope group.
pub fn records(scope: Part<'_>) -> impl Iterator<Item = Part<'_>> {
    scope.children(2)
}

/// The data of a metric: its gauge, sum, histogram, exponential histogram or summary. The part's number
/// says which.
pub fn metric_data(metric: Part<'_>) -> Option<Part<'_>> {
    metric
        .fields()
        .find(|field| METRIC_DATA.contains(&field.number))
        .map(|field| Part::of(metric.request, &field))
}

/// The data points of a metric's data.
pub fn data_points(data: Part<'_>) -> impl Iterator<Item = Part<'_>> {
    data.children(1)
}
