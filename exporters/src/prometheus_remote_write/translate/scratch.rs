//! Buffers that points are read into, one after the other.

use std::borrow::Cow;

use spindle_pipeline::otlp::attributes::{AnyValue, key_and_value, to_text};

use crate::prometheus_remote_write::naming::push_label_name;
use crate::prometheus_remote_write::table::Attribute;
use crate::prometheus_remote_write::totals::Buckets;

/// What is read of a point.
#[derive(Default)]
pub(super) struct Scratch<'a> {
    /// The attributes of the point, the promoted ones of its resource first until they are sorted.
    pub(super) attributes: Vec<Attribute<'a>>,
    /// The resource's attributes that become labels of every point.
    promoted: Vec<Attribute<'a>>,
    /// The names of labels, and values that are not text on the wire.
    pub(super) text: String,
    /// Where the text of the promoted attributes ends.
    promoted_text: usize,
    /// An attribute of the point can have no label.
    pub(super) has_invalid_label: bool,
    /// The bounds of a histogram.
    pub(super) bounds: Vec<f64>,
    /// The counts of a histogram's buckets.
    pub(super) counts: Vec<u64>,
    /// The series of a histogram's buckets.
    pub(super) buckets: Vec<u32>,
    /// The buckets of an exponential histogram.
    pub(super) positive: Buckets,
    /// The same for negative values.
    pub(super) negative: Buckets,
}

impl<'a> Scratch<'a> {
    /// Another resource starts.
    pub(super) fn begin_resource(&mut self) {
        self.text.clear();
        self.promoted.clear();
        self.promoted_text = 0;
    }

    /// Makes an attribute of the resource a label of all its points.
    pub(super) fn promote(&mut self, key: &'a str, value: AnyValue<'a>) {
        if let Some(attribute) = read(&mut self.text, key, value, true) {
            self.promoted.push(attribute);
        }
        self.promoted_text = self.text.len();
    }

    /// Another point of the resource starts.
    pub(super) fn begin_point(&mut self) {
        self.attributes.clear();
        self.attributes.extend_from_slice(&self.promoted);
        self.text.truncate(self.promoted_text);
        self.has_invalid_label = false;
    }

    /// `target_info` starts, whose labels are the resource's attributes and nothing else.
    pub(super) fn begin_target(&mut self) {
        self.begin_resource();
        self.begin_point();
    }

    /// Reads an attribute of the point, a `KeyValue` message.
    #[inline]
    pub(super) fn attribute(&mut self, key_value: &'a [u8]) {
        let (key, value) = key_and_value(key_value);
        self.pair(std::str::from_utf8(key).unwrap_or(""), AnyValue(value));
    }

    /// Adds an attribute of the point.
    pub(super) fn pair(&mut self, key: &'a str, value: AnyValue<'a>) {
        match read(&mut self.text, key, value, false) {
            Some(attribute) => self.attributes.push(attribute),
            None => self.has_invalid_label |= !is_harmless(key, value),
        }
    }

    /// Brings the attributes into the order of their label names, and of one name of their keys. An
    /// attribute of the resource replaces the point's of the same key.
    pub(super) fn sort_attributes(&mut self) {
        let Self { attributes, text, promoted, .. } = self;
        attributes.sort_unstable_by(|one, other| {
            let by_name = one.name(text).cmp(other.name(text));
            by_name.then_with(|| one.key.cmp(other.key)).then(other.is_of_resource.cmp(&one.is_of_resource))
        });
        if !promoted.is_empty() {
            attributes.dedup_by(|later, earlier| later.key == earlier.key && earlier.is_of_resource);
        }
    }
}

/// The attribute as a label; nothing if it has no value, or no name, or Prometheus' own.
fn read<'a>(
    text: &mut String,
    key: &'a str,
    value: AnyValue<'a>,
    is_of_resource: bool,
) -> Option<Attribute<'a>> {
    let value: Cow<'a, str> = to_text(value);
    let name = text.len();
    if value.is_empty() || key == "__name__" || !push_label_name(text, key) {
        return None;
    }
    Some(Attribute::new(key, name, value, is_of_resource, text))
}

/// Whether an attribute may be left out: labels without a value are no labels, and the name is the
/// metric's.
fn is_harmless(key: &str, value: AnyValue<'_>) -> bool {
    key == "__name__" || to_text(value).is_empty()
}
