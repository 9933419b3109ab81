//! Buffers that points are read into, one after the other.
//!
//! The points of a metric mostly have the same attributes in the same order. So the names that keys become
//! are kept by their place in the point, and so is the order of the labels: of the next point only the
//! values are new.

use std::borrow::Cow;

use spindle_pipeline::otlp::attributes::{AnyValue, key_and_value, to_text};

use crate::prometheus_remote_write::naming::push_label_name;
use crate::prometheus_remote_write::table::{Attribute, Span, Texts};
use crate::prometheus_remote_write::totals::Buckets;

/// Names kept for one resource. Points that have nothing in common would keep more and more of them.
const MOST_NAME_BYTES: usize = 64 << 10;

/// What is read of a point.
#[derive(Default)]
pub(super) struct Scratch<'a> {
    /// The attributes of the point, the promoted ones of its resource first until they are sorted.
    pub(super) attributes: Vec<Attribute<'a>>,
    /// The resource's attributes that become labels of every point.
    promoted: Vec<Attribute<'a>>,
    /// The names of labels.
    names: String,
    /// Where those of the promoted attributes end.
    promoted_names: usize,
    /// Values that are not text on the wire.
    values: String,
    /// Where those of the promoted attributes end.
    promoted_values: usize,
    /// The keys of points, by their place in the point that had them last.
    keys: Vec<Key<'a>>,
    /// The place of the next attribute.
    place: usize,
    order: Order,
    sorted: Vec<Attribute<'a>>,
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

/// A key and the label name that it becomes, if it becomes one.
#[derive(Clone, Copy)]
struct Key<'a> {
    key: &'a str,
    name: Option<Span>,
}

impl<'a> Scratch<'a> {
    /// Another resource starts.
    pub(super) fn begin_resource(&mut self) {
        self.promoted.clear();
        (self.promoted_names, self.promoted_values) = (0, 0);
        self.values.clear();
        self.forget_names();
    }

    /// Makes an attribute of the resource a label of all its points.
    pub(super) fn promote(&mut self, key: &'a str, value: AnyValue<'a>) {
        let key = self.learn(key);
        if let Some(attribute) = self.read(key, value, true) {
            self.promoted.push(attribute);
        }
        (self.promoted_names, self.promoted_values) = (self.names.len(), self.values.len());
    }

    /// Another point of the resource starts.
    pub(super) fn begin_point(&mut self) {
        self.attributes.clear();
        self.attributes.extend_from_slice(&self.promoted);
        self.values.truncate(self.promoted_values);
        self.place = 0;
        self.has_invalid_label = false;
        if self.names.len() - self.promoted_names > MOST_NAME_BYTES {
            self.forget_names();
        }
    }

    /// `target_info` starts, whose labels are the resource's attributes and nothing else.
    pub(super) fn begin_target(&mut self) {
        self.begin_resource();
        self.begin_point();
    }

    fn forget_names(&mut self) {
        self.names.truncate(self.promoted_names);
        self.keys.clear();
        self.order = Order::default();
    }

    /// Reads an attribute of the point, a `KeyValue` message.
    #[inline]
    pub(super) fn attribute(&mut self, key_value: &'a [u8]) {
        let (key, value) = key_and_value(key_value);
        let key = match self.keys.get(self.place) {
            Some(known) if known.key.as_bytes() == key => *known,
            _ => self.learn_in_place(std::str::from_utf8(key).unwrap_or("")),
        };
        self.place += 1;
        self.add(key, AnyValue(value));
    }

    /// Adds an attribute of the point.
    pub(super) fn pair(&mut self, key: &'a str, value: AnyValue<'a>) {
        let key = self.learn(key);
        self.add(key, value);
    }

    fn add(&mut self, key: Key<'a>, value: AnyValue<'a>) {
        match self.read(key, value, false) {
            Some(attribute) => self.attributes.push(attribute),
            None => self.has_invalid_label |= !is_harmless(key.key, value),
        }
    }

    fn learn_in_place(&mut self, key: &'a str) -> Key<'a> {
        let key = self.learn(key);
        if let Some(known) = self.keys.get_mut(self.place) {
            *known = key;
        } else {
            self.keys.push(key);
        }
        key
    }

    /// The name of a key; none if Prometheus can have none, or it is the metric's.
    fn learn(&mut self, key: &'a str) -> Key<'a> {
        let start = self.names.len();
        let has_name = key != "__name__" && push_label_name(&mut self.names, key);
        Key { key, name: has_name.then(|| Span::new(start, self.names.len())) }
    }

    /// The attribute as a label; nothing if it has no value, or no name, or Prometheus' own.
    fn read(&mut self, key: Key<'a>, value: AnyValue<'a>, is_of_resource: bool) -> Option<Attribute<'a>> {
        let value: Cow<'a, str> = to_text(value);
        let name = key.name.filter(|_| !value.is_empty())?;
        Some(Attribute::new(key.key, name, value, is_of_resource, &mut self.values))
    }

    /// Brings the attributes into the order of their label names, and of one name of their keys. An
    /// attribute of the resource replaces the point's of the same key.
    pub(super) fn sort_attributes(&mut self) {
        if !self.order.is_of(&self.attributes) {
            let texts = Texts { names: &self.names, values: &self.values };
            self.order.find(&self.attributes, texts);
        }
        if !self.order.is_sorted {
            self.sorted.clear();
            self.sorted.extend(self.order.places.iter().map(|place| self.attributes[*place]));
            std::mem::swap(&mut self.attributes, &mut self.sorted);
        }
        if !self.promoted.is_empty() {
            self.attributes.dedup_by(|later, earlier| later.key == earlier.key && earlier.is_of_resource);
        }
    }

    /// The texts that the attributes stand in.
    pub(super) fn texts(&self) -> Texts<'_> {
        Texts { names: &self.names, values: &self.values }
    }
}

/// The order of a point's attributes.
#[derive(Default)]
struct Order {
    /// The names in the order of the point. A name is in the buffer once for each key that was learned.
    names: Vec<Span>,
    /// Which attribute comes when.
    places: Vec<usize>,
    is_sorted: bool,
}

impl Order {
    fn is_of(&self, attributes: &[Attribute<'_>]) -> bool {
        self.names.len() == attributes.len()
            && self.names.iter().zip(attributes).all(|(name, attribute)| *name == attribute.name)
    }

    fn find(&mut self, attributes: &[Attribute<'_>], texts: Texts<'_>) {
        self.names.clear();
        self.names.extend(attributes.iter().map(|attribute| attribute.name));
        self.places.clear();
        self.places.extend(0..attributes.len());
        self.places.sort_unstable_by(|one, other| {
            let (one, other) = (&attributes[*one], &attributes[*other]);
            let by_name = one.name(texts).cmp(other.name(texts));
            by_name.then_with(|| one.key.cmp(other.key)).then(other.is_of_resource.cmp(&one.is_of_resource))
        });
        self.is_sorted = self.places.is_sorted();
    }
}

/// Whether an attribute may be left out: labels without a value are no labels, and the name is the
/// metric's.
fn is_harmless(key: &str, value: AnyValue<'_>) -> bool {
    key == "__name__" || to_text(value).is_empty()
}
