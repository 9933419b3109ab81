//! Attributes on the wire: reading them, and writing values.

#[cfg(test)]
mod tests;

use bytes::BufMut;

use super::view::Part;
use super::wire::{self, Field, Fields, Value};

/// The attributes of one field of a message, in order.
#[derive(Clone, Debug)]
pub struct Attributes<'a> {
    fields: Fields<'a>,
    number: u32,
}

/// An attribute and where it stands.
#[derive(Clone, Copy, Debug)]
pub struct Attribute<'a> {
    /// Its key.
    pub key: &'a str,
    /// Its value.
    pub value: AnyValue<'a>,
    /// Where it starts in the request, its field key included.
    pub start: usize,
    /// Where it ends.
    pub end: usize,
}

impl<'a> Attributes<'a> {
    pub(super) fn of(part: Part<'a>, number: u32) -> Self {
        Self { fields: part.fields(), number }
    }

    /// The value of the first attribute with this key.
    pub fn get(self, key: &str) -> Option<AnyValue<'a>> {
        let number = self.number;
        self.fields.filter(|field| field.number == number).find_map(|field| value_of(field.value, key))
    }
}

impl<'a> Iterator for Attributes<'a> {
    type Item = Attribute<'a>;

    fn next(&mut self) -> Option<Attribute<'a>> {
        let number = self.number;
        self.fields.by_ref().find(|field| field.number == number).map(|field| Attribute::read(&field))
    }
}

impl<'a> Attribute<'a> {
    fn read(field: &Field<'a>) -> Self {
        let (key, value) = key_and_value(field.value.bytes());
        let key = std::str::from_utf8(key).unwrap_or("");
        Self { key, value: AnyValue(value), start: field.start, end: field.end }
    }
}

/// The value of a field that is an attribute, if the attribute has this key. For who looks for one key
/// and goes over the fields of a message anyway.
#[inline]
pub fn value_of<'a>(attribute: Value<'a>, key: &str) -> Option<AnyValue<'a>> {
    let (found, value) = key_and_value(attribute.bytes());
    (found == key.as_bytes()).then_some(AnyValue(value))
}

/// The bytes of an attribute's key and of its value; the last of each counts.
#[inline]
pub fn key_and_value(attribute: &[u8]) -> (&[u8], &[u8]) {
    usual_key_and_value(attribute).unwrap_or_else(|| unusual_key_and_value(attribute))
}

/// As every SDK writes an attribute: a key of at most 127 bytes, a value of at most 16383, nothing else.
#[inline]
fn usual_key_and_value(attribute: &[u8]) -> Option<(&[u8], &[u8])> {
    let [0x0a, key_length @ ..=0x7f, rest @ ..] = attribute else { return None };
    let (key, rest) = rest.split_at_checked(usize::from(*key_length))?;
    let (length, value) = match rest {
        [0x12, length @ ..=0x7f, value @ ..] => (usize::from(*length), value),
        [0x12, low, high @ ..=0x7f, value @ ..] => (usize::from(low & 0x7f) | usize::from(*high) << 7, value),
        _ => return None,
    };
    (value.len() == length).then_some((key, value))
}

#[cold]
fn unusual_key_and_value(attribute: &[u8]) -> (&[u8], &[u8]) {
    Fields::of(attribute).fold((&[], &[]), |(key, value), field| match field.number {
        1 => (field.value.bytes(), value),
        2 => (key, field.value.bytes()),
        _ => (key, value),
    })
}

/// The bytes of an `AnyValue` message.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AnyValue<'a>(pub &'a [u8]);

/// What an [`AnyValue`] holds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Any<'a> {
    /// Nothing.
    Empty,
    /// Text.
    String(&'a str),
    /// True or false.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// Any number.
    Double(f64),
    /// Bytes.
    Bytes(&'a [u8]),
    /// A list; see [`AnyValue::items`].
    Array(&'a [u8]),
    /// Keys and values; see [`AnyValue::entries`].
    Map(&'a [u8]),
}

impl<'a> AnyValue<'a> {
    /// No value.
    pub const EMPTY: Self = Self(&[]);

    /// What it holds; of several, the last, as in any oneof.
    #[inline]
    pub fn get(self) -> Any<'a> {
        match self.0 {
            // As every SDK writes it: one text of at most 127 bytes, nothing else.
            [0x0a, length @ ..=0x7f, text @ ..] if usize::from(*length) == text.len() => {
                Any::String(std::str::from_utf8(text).unwrap_or(""))
            }
            _ => self.get_unusual(),
        }
    }

    fn get_unusual(self) -> Any<'a> {
        Fields::of(self.0).fold(Any::Empty, |held, field| match (field.number, field.value) {
            (1, value) => Any::String(value.text()),
            (2, value) => Any::Bool(value.number() != 0),
            (3, value) => Any::Int(value.number() as i64),
            (4, value) => Any::Double(value.double()),
            (5, value) => Any::Array(value.bytes()),
            (6, value) => Any::Map(value.bytes()),
            (7, value) => Any::Bytes(value.bytes()),
            _ => held,
        })
    }

    /// The text, if it is text.
    pub fn as_str(self) -> Option<&'a str> {
        match self.get() {
            Any::String(text) => Some(text),
            _ => None,
        }
    }

    /// The items, if it is a list.
    pub fn items(self) -> impl Iterator<Item = AnyValue<'a>> {
        let list = if let Any::Array(list) = self.get() { list } else { &[] };
        Fields::of(list).filter(|field| field.number == 1).map(|field| AnyValue(field.value.bytes()))
    }

    /// The entries, if it is a map.
    pub fn entries(self) -> impl Iterator<Item = Attribute<'a>> {
        let map = if let Any::Map(map) = self.get() { map } else { &[] };
        Fields::of(map).filter(|field| field.number == 1).map(|field| Attribute::read(&field))
    }
}

/// A value to be written. Text is the common case; the rest is what processors and scrapers make.
#[derive(Clone, Debug, PartialEq)]
pub enum NewValue<'a> {
    /// Text.
    String(&'a str),
    /// True or false.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// Any number.
    Double(f64),
    /// An `AnyValue` message, as it stands elsewhere.
    Raw(&'a [u8]),
}

impl<'a> From<&'a str> for NewValue<'a> {
    fn from(text: &'a str) -> Self {
        Self::String(text)
    }
}

impl From<i64> for NewValue<'_> {
    fn from(value: i64) -> Self {
        Self::Int(value)
    }
}

impl NewValue<'_> {
    /// How long its `AnyValue` message is.
    pub fn length(&self) -> usize {
        match self {
            Self::String(text) => wire::field_length(1, text.len()),
            Self::Bool(_) => 2,
            Self::Int(value) => 1 + wire::varint_length(*value as u64),
            Self::Double(_) => 9,
            Self::Raw(bytes) => bytes.len(),
        }
    }

    /// Writes the fields of its `AnyValue` message.
    pub fn put(&self, out: &mut impl BufMut) {
        match self {
            Self::String(text) => wire::put_bytes(out, 1, text.as_bytes()),
            Self::Bool(value) => wire::put_varint_field(out, 2, u64::from(*value)),
            Self::Int(value) => wire::put_varint_field(out, 3, *value as u64),
            Self::Double(value) => wire::put_double(out, 4, *value),
            Self::Raw(bytes) => out.put_slice(bytes),
        }
    }

    /// The bytes of its `AnyValue` message.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.length());
        self.put(&mut out);
        out
    }
}

/// How long an attribute is as field `number` of a message.
pub fn attribute_length(number: u32, key: &str, value: &NewValue<'_>) -> usize {
    wire::field_length(number, content_length(key, value.length()))
}

fn content_length(key: &str, value_length: usize) -> usize {
    wire::field_length(1, key.len()) + wire::field_length(2, value_length)
}

/// Writes an attribute as field `number` of the message that is being written.
pub fn put_attribute(out: &mut impl BufMut, number: u32, key: &str, value: &NewValue<'_>) {
    let value_length = value.length();
    wire::put_header(out, number, content_length(key, value_length));
    wire::put_bytes(out, 1, key.as_bytes());
    wire::put_header(out, 2, value_length);
    value.put(out);
}

/// The text of a value as the Collector prints it (`AsString` of pdata 1.61): numbers in decimal, bytes
/// in base64, lists and maps as JSON with sorted keys. A list or map that JSON cannot hold, because a
/// number in it is not finite, is empty, as there.
pub fn to_text(value: AnyValue<'_>) -> std::borrow::Cow<'_, str> {
    match value.get() {
        Any::Empty => "".into(),
        Any::String(text) => text.into(),
        Any::Bool(value) => if value { "true" } else { "false" }.into(),
        Any::Int(value) => value.to_string().into(),
        Any::Double(value) => double_text(value).into(),
        Any::Bytes(bytes) => base64::Engine::encode(&base64::engine::general_purpose::STANDARD, bytes).into(),
        Any::Array(_) | Any::Map(_) => {
            let mut out = String::new();
            let is_json = put_json(&mut out, value, 0);
            if is_json { out.into() } else { "".into() }
        }
    }
}

/// A number as ECMAScript writes it: plain between 1e-6 and 1e21, with an exponent outside.
fn double_text(value: f64) -> String {
    if value.is_nan() {
        return "NaN".to_owned();
    }
    if value.is_infinite() {
        return if value > 0.0 { "Infinity" } else { "-Infinity" }.to_owned();
    }
    let magnitude = value.abs();
    if magnitude != 0.0 && !(1e-6..1e21).contains(&magnitude) {
        let text = format!("{value:e}");
        return match text.split_once('e') {
            Some((digits, exponent)) if !exponent.starts_with('-') => format!("{digits}e+{exponent}"),
            _ => text,
        };
    }
    format!("{value}")
}

/// Writes a value as JSON; false when it has none.
fn put_json(out: &mut String, value: AnyValue<'_>, depth: usize) -> bool {
    // The walk bounds nesting at 100; this bound is for values that did not pass it.
    if depth > 100 {
        return false;
    }
    match value.get() {
        Any::Empty => out.push_str("null"),
        Any::String(text) => put_json_string(out, text),
        Any::Array(_) => {
            out.push('[');
            for (index, item) in value.items().enumerate() {
                out.push_str(if index > 0 { "," } else { "" });
                if !put_json(out, item, depth + 1) {
                    return false;
                }
            }
            out.push(']');
        }
        Any::Map(_) => return put_json_map(out, value, depth),
        Any::Bytes(_) => put_json_string(out, &to_text(value)),
        Any::Double(number) if !number.is_finite() => return false,
        Any::Bool(_) | Any::Int(_) | Any::Double(_) => out.push_str(&to_text(value)),
    }
    true
}

fn put_json_map(out: &mut String, map: AnyValue<'_>, depth: usize) -> bool {
    // Go's maps print in the order of their keys, and hold the last of those that are written twice.
    let mut entries: Vec<Attribute<'_>> = map.entries().collect();
    entries.reverse();
    entries.sort_by_key(|entry| entry.key);
    entries.dedup_by_key(|entry| entry.key);
    out.push('{');
    for (index, entry) in entries.iter().enumerate() {
        out.push_str(if index > 0 { "," } else { "" });
        put_json_string(out, entry.key);
        out.push(':');
        if !put_json(out, entry.value, depth + 1) {
            return false;
        }
    }
    out.push('}');
    true
}

/// A JSON string with the escapes that Go's encoder writes.
pub fn put_json_string(out: &mut String, text: &str) {
    use std::fmt::Write as _;
    out.push('"');
    for character in text.chars() {
        match character {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            character if (character as u32) < 0x20 || matches!(character, '\u{2028}' | '\u{2029}') => {
                // Writing to a string cannot fail.
                let _ = write!(out, "\\u{:04x}", character as u32);
            }
            character => out.push(character),
        }
    }
    out.push('"');
}
