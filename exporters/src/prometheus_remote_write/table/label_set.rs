//! Sets of labels as they stand in a request: encoded, sorted by name, each name once, no value empty.
//!
//! A point's labels come from two sides. The [`Context`] is what all points of a scope have in common; a
//! label of it either wins over an attribute of the same name (`job`, `instance`, the scope) or stands
//! back (the run, external labels). Attributes whose names become the same are joined by `;`.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::collections::BTreeMap;

use spindle_pipeline::otlp::wire::{WireType, field_length, key, put_bytes, put_header};

use super::Span;
use super::identity::{Hashes, Lanes};

/// Writes a `Label` as field 1 of the message that is being written: of a `TimeSeries`, or of an
/// `Exemplar`.
pub(in crate::prometheus_remote_write) fn put_label(out: &mut Vec<u8>, name: &str, value: &str) {
    const NAME: u8 = key(1, WireType::Bytes) as u8;
    const VALUE: u8 = key(2, WireType::Bytes) as u8;
    let length = 4 + name.len() + value.len();
    if length < 0x80 {
        // The common case: all lengths are one byte.
        out.reserve(length + 2);
        out.extend_from_slice(&[NAME, length as u8, NAME, name.len() as u8]);
        out.extend_from_slice(name.as_bytes());
        out.extend_from_slice(&[VALUE, value.len() as u8]);
        out.extend_from_slice(value.as_bytes());
        return;
    }
    put_header(out, 1, field_length(1, name.len()) + field_length(2, value.len()));
    put_bytes(out, 1, name.as_bytes());
    put_bytes(out, 2, value.as_bytes());
}

/// The labels that tell the series of one histogram or summary from each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(in crate::prometheus_remote_write) enum ExtraKind {
    /// The upper bound of a bucket.
    Le = 0,
    /// A quantile of a summary.
    Quantile = 1,
}

impl ExtraKind {
    /// The label's name.
    pub(in crate::prometheus_remote_write) const fn name(self) -> &'static str {
        match self {
            Self::Le => "le",
            Self::Quantile => "quantile",
        }
    }
}

/// The label `le` or `quantile` with a value.
#[derive(Clone, Copy, Debug)]
pub(in crate::prometheus_remote_write) struct Extra {
    pub(super) kind: ExtraKind,
    pub(super) label: Span,
    pub(super) hash: Lanes,
}

/// The buffers that attributes share: their label names, and values that are not text on the wire.
#[derive(Clone, Copy, Debug)]
pub(in crate::prometheus_remote_write) struct Texts<'t> {
    pub(in crate::prometheus_remote_write) names: &'t str,
    pub(in crate::prometheus_remote_write) values: &'t str,
}

/// An attribute as a label. Its name, and its value unless that is text already, stand in [`Texts`].
#[derive(Clone, Copy, Debug)]
pub(in crate::prometheus_remote_write) struct Attribute<'a> {
    /// The attribute's own key.
    pub(in crate::prometheus_remote_write) key: &'a str,
    /// Where its label name stands.
    pub(in crate::prometheus_remote_write) name: Span,
    value: Text<'a>,
    /// It is the resource's, which replaces a point's attribute of the same key.
    pub(in crate::prometheus_remote_write) is_of_resource: bool,
}

#[derive(Clone, Copy, Debug)]
enum Text<'a> {
    Borrowed(&'a str),
    Kept(Span),
}

impl<'a> Attribute<'a> {
    /// An attribute whose label name stands at `name`; a value that is not text on the wire goes to `values`.
    pub(in crate::prometheus_remote_write) fn new(
        key: &'a str,
        name: Span,
        value: Cow<'a, str>,
        is_of_resource: bool,
        values: &mut String,
    ) -> Self {
        let value = match value {
            Cow::Borrowed(value) => Text::Borrowed(value),
            Cow::Owned(value) => {
                let start = values.len();
                values.push_str(&value);
                Text::Kept(Span::new(start, values.len()))
            }
        };
        Self { key, name, value, is_of_resource }
    }

    /// The label's name.
    #[inline]
    pub(in crate::prometheus_remote_write) fn name<'t>(&self, texts: Texts<'t>) -> &'t str {
        &texts.names[self.name.start as usize..self.name.end as usize]
    }

    /// How long name and value are together.
    pub(in crate::prometheus_remote_write) fn length(&self) -> usize {
        let value = match self.value {
            Text::Borrowed(value) => value.len(),
            Text::Kept(span) => span.length(),
        };
        self.name.length() + value
    }

    /// The label's value.
    pub(in crate::prometheus_remote_write) fn value<'t>(&self, texts: Texts<'t>) -> &'t str
    where
        'a: 't,
    {
        match self.value {
            Text::Borrowed(value) => value,
            Text::Kept(span) => &texts.values[span.start as usize..span.end as usize],
        }
    }
}

/// The labels that all points of a resource and scope have, sorted by name.
#[derive(Clone, Debug, Default)]
pub(in crate::prometheus_remote_write) struct Context {
    labels: Vec<ContextLabel>,
    bytes: Vec<u8>,
}

#[derive(Clone, Debug)]
struct ContextLabel {
    name: String,
    encoded: Span,
    value: Span,
    wins: bool,
}

/// Collects the labels of a context.
#[derive(Clone, Debug, Default)]
pub(in crate::prometheus_remote_write) struct ContextBuilder {
    /// Value, and whether it wins.
    labels: BTreeMap<String, (String, bool)>,
    length: usize,
}

impl ContextBuilder {
    /// A label that replaces an attribute of the same name, and one that was given before.
    pub(in crate::prometheus_remote_write) fn winning(&mut self, name: &str, value: &str) {
        if !value.is_empty() {
            self.length += name.len() + value.len();
            self.labels.insert(name.to_owned(), (value.to_owned(), true));
        }
    }

    /// A label where there is no attribute of the same name and no label that was given before.
    pub(in crate::prometheus_remote_write) fn yielding(&mut self, name: &str, value: &str) {
        if !value.is_empty() && !self.labels.contains_key(name) {
            self.length += name.len() + value.len();
            self.labels.insert(name.to_owned(), (value.to_owned(), false));
        }
    }

    /// The value of a label that was given.
    pub(in crate::prometheus_remote_write) fn value(&self, name: &str) -> Option<&str> {
        self.labels.get(name).map(|(value, _)| value.as_str())
    }

    /// At least how long names and values are together.
    pub(in crate::prometheus_remote_write) fn length(&self) -> usize {
        self.length
    }

    /// The labels, sorted and encoded.
    pub(in crate::prometheus_remote_write) fn build(self) -> Context {
        let mut context = Context::default();
        for (name, (value, wins)) in self.labels {
            let start = context.bytes.len();
            put_label(&mut context.bytes, &name, &value);
            let end = context.bytes.len();
            context.labels.push(ContextLabel {
                name,
                encoded: Span::new(start, end),
                value: Span::new(end - value.len(), end),
                wins,
            });
        }
        context
    }
}

impl Context {
    /// How long its labels are, encoded.
    pub(in crate::prometheus_remote_write) fn length(&self) -> usize {
        self.bytes.len()
    }
}

/// The labels of a point, without name.
#[derive(Clone, Copy, Debug)]
pub(in crate::prometheus_remote_write) struct LabelSet {
    bytes: Span,
    name_at: u32,
    /// Where `le` and `quantile` stand, or would.
    extras: [Span; 2],
    extra_hashes: [Lanes; 2],
    hash: Lanes,
}

impl LabelSet {
    /// Writes the labels of a point behind those that are in `out`. Attributes are sorted by name and, of
    /// one name, by key.
    pub(super) fn write(
        out: &mut Vec<u8>,
        hashes: &Hashes,
        context: &Context,
        attributes: &[Attribute<'_>],
        texts: Texts<'_>,
    ) -> Self {
        let mut writer = Writer::new(out, hashes);
        let mut labels = context.labels.as_slice();
        let mut rest = attributes;
        while let Some(attribute) = rest.first() {
            let name = attribute.name(texts);
            let same = 1 + rest[1..].iter().take_while(|other| other.name(texts) == name).count();
            let (group, behind) = rest.split_at(same);
            rest = behind;
            let mut is_placed = false;
            while let Some((label, others)) = labels.split_first() {
                match compare(&label.name, name) {
                    Ordering::Less => writer.context(label, context),
                    Ordering::Equal if label.wins => {
                        writer.context(label, context);
                        is_placed = true;
                    }
                    Ordering::Equal => {}
                    Ordering::Greater => break,
                }
                labels = others;
            }
            if !is_placed {
                writer.attributes(name, group, texts);
            }
        }
        for label in labels {
            writer.context(label, context);
        }
        writer.finish()
    }

    pub(super) fn start(&self) -> usize {
        self.bytes.start as usize
    }

    pub(super) fn hash(&self) -> Lanes {
        self.hash
    }

    pub(super) fn extra_hashes(&self) -> [Lanes; 2] {
        self.extra_hashes
    }

    /// How long the labels are with a name and an extra label.
    pub(in crate::prometheus_remote_write) fn length(
        &self,
        name: Span,
        extra: Option<(ExtraKind, Span)>,
    ) -> usize {
        let replaced = extra.map_or(0, |(kind, _)| self.extras[kind as usize].length());
        self.bytes.length() - replaced + name.length() + extra.map_or(0, |(_, label)| label.length())
    }

    /// Writes the labels with a name and an extra label. `labels` is the buffer this set stands in, `bytes`
    /// the one of name and extra label.
    pub(in crate::prometheus_remote_write) fn put(
        &self,
        out: &mut Vec<u8>,
        labels: &[u8],
        bytes: &[u8],
        name: Span,
        extra: Option<(ExtraKind, Span)>,
    ) {
        let mut at = self.bytes.start;
        let mut copy_to = |out: &mut Vec<u8>, end: u32| {
            out.extend_from_slice(&labels[at as usize..end as usize]);
            at = end;
        };
        let Some((kind, label)) = extra else {
            copy_to(out, self.name_at);
            out.extend_from_slice(name.of(bytes));
            copy_to(out, self.bytes.end);
            return;
        };
        let place = self.extras[kind as usize];
        // `__name__` sorts before `le` and `quantile`.
        copy_to(out, self.name_at);
        out.extend_from_slice(name.of(bytes));
        copy_to(out, place.start);
        out.extend_from_slice(label.of(bytes));
        at = place.end;
        out.extend_from_slice(&labels[at as usize..self.bytes.end as usize]);
    }
}

/// Writes labels in order and notes where those go that come later.
struct Writer<'o, 'h> {
    out: &'o mut Vec<u8>,
    hashes: &'h Hashes,
    start: usize,
    name_at: Option<usize>,
    extras: [Option<Span>; 2],
    extra_hashes: [Lanes; 2],
    has_extras: bool,
}

const EXTRAS: [ExtraKind; 2] = [ExtraKind::Le, ExtraKind::Quantile];

impl<'o, 'h> Writer<'o, 'h> {
    fn new(out: &'o mut Vec<u8>, hashes: &'h Hashes) -> Self {
        let start = out.len();
        Self {
            out,
            hashes,
            start,
            name_at: None,
            extras: [None; 2],
            extra_hashes: [[0; 2]; 2],
            has_extras: false,
        }
    }

    fn context(&mut self, label: &ContextLabel, context: &Context) {
        let start = self.out.len();
        self.out.extend_from_slice(label.encoded.of(&context.bytes));
        self.placed(&label.name, start, label.value.of(&context.bytes));
    }

    fn attributes(&mut self, name: &str, group: &[Attribute<'_>], texts: Texts<'_>) {
        let start = self.out.len();
        let several;
        let value = if let [single] = group {
            single.value(texts)
        } else {
            several = joined(group, texts);
            &several
        };
        put_label(self.out, name, value);
        self.placed(name, start, value.as_bytes());
    }

    /// A label was written from `start` on.
    fn placed(&mut self, name: &str, start: usize, value: &[u8]) {
        if self.name_at.is_none() && name > "__name__" {
            self.name_at = Some(start);
        }
        for kind in EXTRAS {
            let place = &mut self.extras[kind as usize];
            if place.is_some() {
                continue;
            }
            match compare(name, kind.name()) {
                Ordering::Less => {}
                Ordering::Equal => {
                    *place = Some(Span::new(start, self.out.len()));
                    self.has_extras = true;
                    let value = std::str::from_utf8(value).unwrap_or_default();
                    self.extra_hashes[kind as usize] = self.hashes.of_extra(kind, value);
                }
                Ordering::Greater => *place = Some(Span::new(start, start)),
            }
        }
    }

    fn finish(self) -> LabelSet {
        let end = self.out.len();
        let extras = self.extras.map(|place| place.unwrap_or(Span::new(end, end)));
        let bytes = Span::new(self.start, end);
        let hash = if self.has_extras {
            let [le, quantile] = extras;
            let parts = [
                Span { start: bytes.start, end: le.start },
                Span { start: le.end, end: quantile.start },
                Span { start: quantile.end, end: bytes.end },
            ];
            self.hashes.of(&parts.map(|part| part.of(self.out)).concat())
        } else {
            self.hashes.of(bytes.of(self.out))
        };
        LabelSet {
            bytes,
            name_at: self.name_at.unwrap_or(end) as u32,
            extras,
            extra_hashes: self.extra_hashes,
            hash,
        }
    }
}

/// Most names differ in their first letter.
#[inline]
fn compare(name: &str, other: &str) -> Ordering {
    match name.as_bytes().first().cmp(&other.as_bytes().first()) {
        Ordering::Equal => name.cmp(other),
        order => order,
    }
}

/// The different values of attributes whose names became the same.
fn joined(group: &[Attribute<'_>], texts: Texts<'_>) -> String {
    let mut joined = String::new();
    for attribute in group {
        let value = attribute.value(texts);
        if joined.is_empty() {
            joined.push_str(value);
        } else if joined != value {
            joined.push(';');
            joined.push_str(value);
        }
    }
    joined
}
