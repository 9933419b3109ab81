//! The protobuf wire format: reading fields off a slice, and writing them.
//!
//! [`Fields`] is for bytes that passed the walk: it ends at the first thing it cannot read instead of
//! reporting it.

#[cfg(test)]
mod tests;

use bytes::BufMut;

/// How a value is laid out, the low three bits of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WireType {
    /// A variable-length integer.
    Varint = 0,
    /// Eight bytes.
    Fixed64 = 1,
    /// A length and that many bytes.
    Bytes = 2,
    /// Fields up to the matching end; deprecated, found only in unknown fields.
    GroupStart = 3,
    /// The end of a group.
    GroupEnd = 4,
    /// Four bytes.
    Fixed32 = 5,
}

impl WireType {
    /// The wire type of a key.
    pub const fn of_key(key: u32) -> Option<Self> {
        Some(match key & 7 {
            0 => Self::Varint,
            1 => Self::Fixed64,
            2 => Self::Bytes,
            3 => Self::GroupStart,
            4 => Self::GroupEnd,
            5 => Self::Fixed32,
            _ => return None,
        })
    }
}

/// The key of a field: its number and how its value is laid out.
pub const fn key(number: u32, wire_type: WireType) -> u32 {
    number << 3 | wire_type as u32
}

/// Reads a varint at `at`: the value and the position behind it. At most ten bytes and 64 bits.
#[inline]
pub fn read_varint(bytes: &[u8], at: usize) -> Option<(u64, usize)> {
    let first = *bytes.get(at)?;
    if first < 0x80 {
        return Some((u64::from(first), at + 1));
    }
    read_long_varint(bytes, at)
}

fn read_long_varint(bytes: &[u8], at: usize) -> Option<(u64, usize)> {
    let mut value = 0u64;
    for (index, byte) in bytes.get(at..)?.iter().take(10).enumerate() {
        // The tenth byte holds the 64th bit and nothing else.
        if index == 9 && *byte > 1 {
            return None;
        }
        value |= u64::from(byte & 0x7f) << (7 * index);
        if *byte < 0x80 {
            return Some((value, at + index + 1));
        }
    }
    None
}

/// What the varint of a `sint32` or `sint64` field holds: small for small numbers of either sign.
pub const fn zigzag(value: i64) -> u64 {
    (value << 1 ^ value >> 63) as u64
}

/// How many bytes a varint takes, 1 to 10.
pub const fn varint_length(value: u64) -> usize {
    ((value | 1).ilog2() as usize * 9 + 73) / 64
}

/// Writes a varint.
#[inline]
pub fn put_varint(out: &mut impl BufMut, mut value: u64) {
    while value >= 0x80 {
        out.put_u8(value as u8 | 0x80);
        value >>= 7;
    }
    out.put_u8(value as u8);
}

/// Writes a field of bytes.
pub fn put_bytes(out: &mut impl BufMut, number: u32, value: &[u8]) {
    put_header(out, number, value.len());
    out.put_slice(value);
}

/// Writes key and length of a field whose bytes follow.
pub fn put_header(out: &mut impl BufMut, number: u32, length: usize) {
    put_varint(out, u64::from(key(number, WireType::Bytes)));
    put_varint(out, length as u64);
}

/// Writes a varint field.
pub fn put_varint_field(out: &mut impl BufMut, number: u32, value: u64) {
    put_varint(out, u64::from(key(number, WireType::Varint)));
    put_varint(out, value);
}

/// Writes an eight-byte field.
pub fn put_fixed64(out: &mut impl BufMut, number: u32, value: u64) {
    put_varint(out, u64::from(key(number, WireType::Fixed64)));
    out.put_u64_le(value);
}

/// Writes a four-byte field.
pub fn put_fixed32(out: &mut impl BufMut, number: u32, value: u32) {
    put_varint(out, u64::from(key(number, WireType::Fixed32)));
    out.put_u32_le(value);
}

/// Writes a double field.
pub fn put_double(out: &mut impl BufMut, number: u32, value: f64) {
    put_fixed64(out, number, value.to_bits());
}

/// How long a field of `length` bytes is with its key and length.
pub const fn field_length(number: u32, length: usize) -> usize {
    varint_length((number << 3) as u64) + varint_length(length as u64) + length
}

/// The value of a field.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Value<'a> {
    /// A varint; signed types are its two's complement.
    Varint(u64),
    /// Eight bytes, little endian.
    Fixed64(u64),
    /// Four bytes, little endian.
    Fixed32(u32),
    /// A string, bytes, a message or packed numbers.
    Bytes(&'a [u8]),
    /// A group, without its end.
    Group,
}

impl<'a> Value<'a> {
    /// The bytes, or nothing when it is a number.
    pub fn bytes(self) -> &'a [u8] {
        match self {
            Self::Bytes(bytes) => bytes,
            _ => &[],
        }
    }

    /// The text, or nothing when it is none.
    pub fn text(self) -> &'a str {
        std::str::from_utf8(self.bytes()).unwrap_or("")
    }

    /// The number as 64 bits, or 0 when it is bytes.
    pub fn number(self) -> u64 {
        match self {
            Self::Varint(value) | Self::Fixed64(value) => value,
            Self::Fixed32(value) => u64::from(value),
            Self::Bytes(_) | Self::Group => 0,
        }
    }

    /// The number of a `sint32` field.
    pub fn sint32(self) -> i32 {
        let number = self.number() as u32;
        (number >> 1) as i32 ^ -((number & 1) as i32)
    }

    /// The number as a double.
    pub fn double(self) -> f64 {
        f64::from_bits(self.number())
    }

    /// The numbers of a repeated eight-byte field, which come packed or one by one.
    pub fn fixed64s(self) -> impl Iterator<Item = u64> {
        let single = if let Self::Fixed64(number) = self { Some(number) } else { None };
        let packed = self.bytes().chunks_exact(8).filter_map(|chunk| chunk.try_into().ok());
        single.into_iter().chain(packed.map(u64::from_le_bytes))
    }

    /// The numbers of a repeated varint field, which come packed or one by one.
    pub fn varints(self) -> impl Iterator<Item = u64> {
        let single = if let Self::Varint(number) = self { Some(number) } else { None };
        let (packed, mut at) = (self.bytes(), 0);
        let numbers = std::iter::from_fn(move || {
            let (number, end) = read_varint(packed, at)?;
            at = end;
            Some(number)
        });
        single.into_iter().chain(numbers)
    }
}

/// A field and where it stands.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Field<'a> {
    /// The field's number.
    pub number: u32,
    /// Its value.
    pub value: Value<'a>,
    /// Where its key starts.
    pub start: usize,
    /// Where the bytes of its value start, behind the length if it has one.
    pub content: usize,
    /// Where it ends.
    pub end: usize,
}

/// The fields of a message in order.
#[derive(Clone, Debug)]
pub struct Fields<'a> {
    bytes: &'a [u8],
    at: usize,
    end: usize,
}

impl<'a> Fields<'a> {
    /// The fields of a message that is the whole slice.
    pub fn of(message: &'a [u8]) -> Self {
        Self { bytes: message, at: 0, end: message.len() }
    }

    /// The fields of the message at `start..end` of `bytes`; positions are those of `bytes`.
    pub fn within(bytes: &'a [u8], start: usize, end: usize) -> Self {
        Self { bytes, at: start, end: end.min(bytes.len()) }
    }

    #[inline]
    fn read(&mut self) -> Option<Field<'a>> {
        let bytes = &self.bytes[..self.end];
        let start = self.at;
        let (key, at) = read_varint(bytes, start)?;
        let key = u32::try_from(key).ok()?;
        let (value, content, end) = read_value(bytes, at, key)?;
        self.at = end;
        Some(Field { number: key >> 3, value, start, content, end })
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = Field<'a>;

    #[inline]
    fn next(&mut self) -> Option<Field<'a>> {
        if self.at >= self.end {
            return None;
        }
        let field = self.read();
        if field.is_none() {
            self.at = self.end;
        }
        field
    }
}

#[inline]
fn read_value(bytes: &[u8], at: usize, key: u32) -> Option<(Value<'_>, usize, usize)> {
    match WireType::of_key(key)? {
        WireType::Varint => {
            let (value, end) = read_varint(bytes, at)?;
            Some((Value::Varint(value), at, end))
        }
        WireType::Fixed64 => {
            let value = u64::from_le_bytes(bytes.get(at..at + 8)?.try_into().ok()?);
            Some((Value::Fixed64(value), at, at + 8))
        }
        WireType::Fixed32 => {
            let value = u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?);
            Some((Value::Fixed32(value), at, at + 4))
        }
        WireType::Bytes => {
            let (length, content) = read_varint(bytes, at)?;
            let end = content.checked_add(usize::try_from(length).ok()?)?;
            Some((Value::Bytes(bytes.get(content..end)?), content, end))
        }
        WireType::GroupStart => Some((Value::Group, at, skip_group(bytes, at, key >> 3, 0)?)),
        WireType::GroupEnd => None,
    }
}

/// The position behind a group's end. `depth` is bounded because groups nest.
fn skip_group(bytes: &[u8], mut at: usize, number: u32, depth: usize) -> Option<usize> {
    if depth > 100 {
        return None;
    }
    loop {
        let (key, content) = read_varint(bytes, at)?;
        let key = u32::try_from(key).ok()?;
        at = match WireType::of_key(key)? {
            WireType::GroupEnd => return (key >> 3 == number).then_some(content),
            WireType::GroupStart => skip_group(bytes, content, key >> 3, depth + 1)?,
            _ => read_value(bytes, content, key)?.2,
        };
    }
}
