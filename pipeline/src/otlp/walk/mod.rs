//! The one structural walk that every request takes on receipt.
//!
//! It accepts exactly what prost accepts for the same message (a property test says so): wire format,
//! wire types of known fields, UTF-8 in strings, nesting of at most 100 levels; unknown fields are
//! accepted and kept. Beyond prost it wants trace ids of 16 bytes and span ids of 8, or none, as the
//! Collector does. It counts spans, data points and log records on the way, and allocates nothing.
//!
//! Protobuf lets a writer set a singular message field twice and has readers merge the two. No SDK does
//! so, and views that had to expect it would be slow or wrong: the walk notices it
//! ([`Walked::is_canonical`]) and [`crate::batch::Batch::receive`] writes such a request anew.

#[cfg(test)]
mod tests;

use std::fmt;

use super::schema::{self, Field, Kind, Message};
use super::wire::{WireType, read_varint};
use crate::signal::Signal;

/// How deep messages may nest, prost's limit.
pub const MAX_DEPTH: u32 = 100;

/// Why a request is not well formed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Malformed {
    /// What is wrong.
    pub reason: Reason,
    /// The byte it was noticed at.
    pub at: usize,
    /// The message it is in.
    pub message: &'static str,
    /// The field it is in, if the field is known.
    pub field: Option<&'static str>,
}

/// What can be wrong with a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// Ends within a field.
    Truncated,
    /// A varint of more than 64 bits, or one that does not end.
    Varint,
    /// A field key that cannot be.
    Key,
    /// A known field with another wire type.
    WireType,
    /// Text that is not UTF-8.
    Utf8,
    /// A trace or span id of another length.
    IdLength,
    /// More than [`MAX_DEPTH`] levels.
    TooDeep,
    /// A group's end without its start.
    GroupEnd,
}

impl fmt::Display for Malformed {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let reason = match self.reason {
            Reason::Truncated => "ends within a field",
            Reason::Varint => "invalid varint",
            Reason::Key => "invalid field key",
            Reason::WireType => "wrong wire type",
            Reason::Utf8 => "invalid UTF-8",
            Reason::IdLength => "a trace id has 16 bytes and a span id 8",
            Reason::TooDeep => "nested deeper than 100 levels",
            Reason::GroupEnd => "unexpected end of a group",
        };
        let field = self.field.map(|name| format!(".{name}")).unwrap_or_default();
        write!(formatter, "malformed protobuf at byte {} in {}{field}: {reason}", self.at, self.message)
    }
}

impl std::error::Error for Malformed {}

/// What the walk found out about a well-formed request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Walked {
    /// How many spans, data points or log records it holds.
    pub items: usize,
    /// No singular message field is written twice, and no two of a oneof.
    pub is_canonical: bool,
}

/// Walks an export request and counts its items.
pub fn walk(signal: Signal, request: &[u8]) -> Result<Walked, Malformed> {
    let mut walker = Walker { request, items: 0, is_canonical: true };
    walker.message(schema::request(signal), request, MAX_DEPTH)?;
    Ok(Walked { items: walker.items, is_canonical: walker.is_canonical })
}

struct Walker<'a> {
    request: &'a [u8],
    items: usize,
    is_canonical: bool,
}

/// What is wrong, and the bytes from there on, before it is known which message and field it is in.
type Failure<'a> = (Reason, &'a [u8]);

impl<'a> Walker<'a> {
    /// Walks the fields of a message; `depth` is how many levels may still open in it.
    fn message(
        &mut self,
        message: &'static Message,
        mut rest: &'a [u8],
        depth: u32,
    ) -> Result<(), Malformed> {
        self.items += usize::from(message.is_item);
        let mut singular = 0u32;
        while !rest.is_empty() {
            let (key, behind) = read_key(rest).map_err(|failure| self.malformed(failure, message, None))?;
            let Some(field) = message.field(key >> 3) else {
                rest = skip(key, behind, depth).map_err(|failure| self.malformed(failure, message, None))?;
                continue;
            };
            rest = match field.kind {
                Kind::Message(inner) => {
                    let (content, behind) = delimited(key, behind)
                        .map_err(|failure| self.malformed(failure, message, Some(field)))?;
                    if depth == 0 {
                        return Err(self.malformed((Reason::TooDeep, rest), message, Some(field)));
                    }
                    if !field.repeated {
                        self.is_canonical &= singular & message.rivals(field.number) == 0;
                        singular |= 1 << field.number;
                    }
                    let is_plain = depth >= 2 && is_attribute(inner) && is_plain_attribute(content);
                    if !is_plain {
                        self.message(inner, content, depth - 1)?;
                    }
                    behind
                }
                _ => value(field, key, behind)
                    .map_err(|failure| self.malformed(failure, message, Some(field)))?,
            };
        }
        Ok(())
    }

    #[cold]
    fn malformed(
        &self,
        failure: Failure<'_>,
        message: &'static Message,
        field: Option<&'static Field>,
    ) -> Malformed {
        let (reason, rest) = failure;
        let at = (rest.as_ptr() as usize).wrapping_sub(self.request.as_ptr() as usize);
        Malformed { reason, at, message: message.name, field: field.map(|field| field.name) }
    }
}

#[inline]
fn read_key(rest: &[u8]) -> Result<(u32, &[u8]), Failure<'_>> {
    if let [first @ 8..=0x7f, behind @ ..] = rest
        && first & 7 < 6
    {
        return Ok((u32::from(*first), behind));
    }
    read_long_key(rest)
}

#[cold]
fn read_long_key(rest: &[u8]) -> Result<(u32, &[u8]), Failure<'_>> {
    let (key, behind) = varint(rest)?;
    let key = u32::try_from(key).map_err(|_| (Reason::Key, rest))?;
    if key >> 3 == 0 || WireType::of_key(key).is_none() {
        return Err((Reason::Key, rest));
    }
    Ok((key, behind))
}

#[inline]
fn varint(rest: &[u8]) -> Result<(u64, &[u8]), Failure<'_>> {
    if let [first @ ..=0x7f, behind @ ..] = rest {
        return Ok((u64::from(*first), behind));
    }
    let (value, length) = read_varint(rest, 0).ok_or((Reason::Varint, rest))?;
    Ok((value, &rest[length..]))
}

/// The bytes of a value that has a length, and what is behind them.
#[inline]
fn delimited(key: u32, rest: &[u8]) -> Result<(&[u8], &[u8]), Failure<'_>> {
    if key & 7 != WireType::Bytes as u32 {
        return Err((Reason::WireType, rest));
    }
    let (length, behind) = varint(rest)?;
    let length = usize::try_from(length).unwrap_or(usize::MAX);
    behind.split_at_checked(length).ok_or((Reason::Truncated, rest))
}

/// Walks a value that is no message; returns what is behind it.
#[inline]
fn value<'a>(field: &'static Field, key: u32, rest: &'a [u8]) -> Result<&'a [u8], Failure<'a>> {
    match field.kind {
        Kind::String => {
            let (text, behind) = delimited(key, rest)?;
            if is_utf8(text) { Ok(behind) } else { Err((Reason::Utf8, text)) }
        }
        Kind::Bytes => Ok(delimited(key, rest)?.1),
        Kind::Id(length) => {
            let (id, behind) = delimited(key, rest)?;
            if id.is_empty() || id.len() == usize::from(length) {
                Ok(behind)
            } else {
                Err((Reason::IdLength, id))
            }
        }
        Kind::Fixed32 => number(field, WireType::Fixed32, key, rest),
        Kind::Fixed64 | Kind::Sfixed64 | Kind::Double => number(field, WireType::Fixed64, key, rest),
        _ => number(field, WireType::Varint, key, rest),
    }
}

#[inline]
fn number<'a>(
    field: &'static Field,
    wanted: WireType,
    key: u32,
    rest: &'a [u8],
) -> Result<&'a [u8], Failure<'a>> {
    if key & 7 == wanted as u32 {
        return scalar(wanted, rest);
    }
    if !field.repeated {
        return Err((Reason::WireType, rest));
    }
    let (mut packed, behind) = delimited(key, rest)?;
    while !packed.is_empty() {
        packed = scalar(wanted, packed)?;
    }
    Ok(behind)
}

#[inline]
fn scalar(wire_type: WireType, rest: &[u8]) -> Result<&[u8], Failure<'_>> {
    let width = match wire_type {
        WireType::Varint => return Ok(varint(rest)?.1),
        WireType::Fixed32 => 4,
        _ => 8,
    };
    rest.get(width..).ok_or((Reason::Truncated, rest))
}

/// Walks an unknown field; returns what is behind it.
#[cold]
fn skip(key: u32, rest: &[u8], depth: u32) -> Result<&[u8], Failure<'_>> {
    if depth == 0 {
        return Err((Reason::TooDeep, rest));
    }
    match WireType::of_key(key) {
        Some(WireType::Bytes) => Ok(delimited(key, rest)?.1),
        Some(WireType::GroupStart) => {
            let mut position = rest;
            loop {
                let (inner, behind) = read_key(position)?;
                if inner & 7 == WireType::GroupEnd as u32 {
                    return if inner >> 3 == key >> 3 {
                        Ok(behind)
                    } else {
                        Err((Reason::GroupEnd, position))
                    };
                }
                position = skip(inner, behind, depth - 1)?;
            }
        }
        Some(WireType::GroupEnd) | None => Err((Reason::GroupEnd, rest)),
        Some(number) => scalar(number, rest),
    }
}

#[inline]
fn is_attribute(message: &'static Message) -> bool {
    std::ptr::eq(message, &raw const schema::KEY_VALUE)
}

/// Most of telemetry by volume is attributes with a short ASCII key and a short ASCII text or a number,
/// written as every SDK writes them. Recognising that shape saves the walk through it; anything else,
/// good or bad, answers false and takes the long way.
#[inline]
fn is_plain_attribute(attribute: &[u8]) -> bool {
    let [0x0a, key_length @ ..=0x7f, rest @ ..] = attribute else { return false };
    let Some((key, rest)) = rest.split_at_checked(usize::from(*key_length)) else { return false };
    let [0x12, value_length @ ..=0x7f, value @ ..] = rest else { return false };
    if usize::from(*value_length) != value.len() || !is_ascii(key) {
        return false;
    }
    match value {
        [0x0a, length, text @ ..] => usize::from(*length) == text.len() && is_ascii(text),
        // An integer in at most nine bytes, of which the last alone ends it.
        [0x18, number @ .., ..=0x7f] => number.len() < 9 && number.iter().all(|byte| *byte >= 0x80),
        [0x21, number @ ..] => number.len() == 8,
        _ => false,
    }
}

#[inline]
fn is_utf8(bytes: &[u8]) -> bool {
    is_ascii(bytes) || std::str::from_utf8(bytes).is_ok()
}

/// ASCII by words that may overlap, for the short strings of telemetry.
#[inline]
fn is_ascii(bytes: &[u8]) -> bool {
    const HIGH: u64 = 0x8080_8080_8080_8080;
    let word = |at: usize| bytes[at..at + 8].try_into().map_or(HIGH, u64::from_le_bytes);
    match bytes.len() {
        0..8 => bytes.iter().fold(0, |all, byte| all | byte) < 0x80,
        length @ 8..=16 => (word(0) | word(length - 8)) & HIGH == 0,
        length @ 17..=32 => (word(0) | word(8) | word(length - 16) | word(length - 8)) & HIGH == 0,
        _ => bytes.is_ascii(),
    }
}
