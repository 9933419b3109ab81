//! The short cut for attributes.
//!
//! Most of telemetry by volume is attributes, and nearly all are written as
//! `{"key":"k","value":{"stringValue":"v"}}` without whitespace, in this order, short and without
//! escapes; or with an integer or a boolean. Recognising that shape saves three levels of reading.
//! Anything else, good or bad, is none of it and takes the long way, which alone knows the rules: what is
//! written here must be what the long way writes.

use super::lexer::plain_run;
use super::number::Whole;
use crate::otlp::wire::put_varint;

/// An attribute that is written plainly.
pub(super) struct PlainAttribute<'a> {
    key: &'a [u8],
    value: PlainValue<'a>,
    /// How long its JSON is.
    pub length: usize,
}

enum PlainValue<'a> {
    String(&'a [u8]),
    Bool(bool),
    Int(i64),
}

impl<'a> PlainAttribute<'a> {
    /// The attribute that a text starts with, if it is a plain one.
    #[inline]
    pub fn read(json: &'a [u8]) -> Option<Self> {
        let (key, rest) = plain_text(json.strip_prefix(b"{\"key\":\"")?)?;
        let rest = rest.strip_prefix(b",\"value\":{\"")?;
        let (value, rest) = if let Some(rest) = rest.strip_prefix(b"stringValue\":\"") {
            let (value, rest) = plain_text(rest)?;
            (PlainValue::String(value), rest)
        } else if let Some(rest) = rest.strip_prefix(b"intValue\":\"") {
            let (value, rest) = plain_text(rest)?;
            (PlainValue::Int(Whole::read(value).ok()?.to()?), rest)
        } else {
            let rest = rest.strip_prefix(b"boolValue\":")?;
            let is_true = rest.starts_with(b"true");
            let rest = if is_true { &rest[4..] } else { rest.strip_prefix(b"false")? };
            (PlainValue::Bool(is_true), rest)
        };
        let rest = rest.strip_prefix(b"}}")?;
        Some(Self { key, value, length: json.len() - rest.len() })
    }

    /// Writes it as field `number`, which is below 16.
    #[inline]
    pub fn put(&self, number: u8, out: &mut Vec<u8>) {
        let key_length = self.key.len() as u8;
        let key_field = if key_length == 0 { 0 } else { 2 + key_length };
        match self.value {
            PlainValue::String(value) => {
                let value_length = value.len() as u8;
                out.extend_from_slice(&[number << 3 | 2, key_field + 4 + value_length]);
                self.put_key(out);
                out.extend_from_slice(&[0x12, 2 + value_length, 0x0a, value_length]);
                out.extend_from_slice(value);
            }
            PlainValue::Bool(value) => {
                out.extend_from_slice(&[number << 3 | 2, key_field + 4]);
                self.put_key(out);
                out.extend_from_slice(&[0x12, 2, 0x10, value.into()]);
            }
            PlainValue::Int(value) => {
                let length = crate::otlp::wire::varint_length(value as u64) as u8;
                out.extend_from_slice(&[number << 3 | 2, key_field + 3 + length]);
                self.put_key(out);
                out.extend_from_slice(&[0x12, 1 + length, 0x18]);
                put_varint(out, value as u64);
            }
        }
    }

    #[inline]
    fn put_key(&self, out: &mut Vec<u8>) {
        if !self.key.is_empty() {
            out.extend_from_slice(&[0x0a, self.key.len() as u8]);
            out.extend_from_slice(self.key);
        }
    }
}

/// A short ASCII string without escapes, its opening quote already taken, and what is behind it.
#[inline]
fn plain_text(json: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, is_ascii) = plain_run(json);
    let (text, rest) = json.split_at(length);
    let rest = rest.strip_prefix(b"\"")?;
    (length < 60 && is_ascii).then_some((text, rest))
}
