//! Protobuf to JSON in one pass over the fields of each message.
//!
//! JSON wants the elements of a list side by side and a field once. Protobuf does not insist on either:
//! a message that is written otherwise is noticed beforehand and taken field by field instead, the last
//! value of a singular field and of a oneof being the one that counts.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::lexer::plain_run;
use crate::otlp::schema::{self, Field, Kind, Message};
use crate::otlp::walk::MAX_DEPTH;
use crate::otlp::wire::{Fields, Value, read_varint};
use crate::signal::Signal;

/// Appends an export request that passed the walk.
pub(super) fn request(signal: Signal, protobuf: &[u8], out: &mut Vec<u8>) {
    out.reserve(protobuf.len() * 3);
    Writer { out }.message(schema::request(signal), protobuf, MAX_DEPTH);
}

struct Writer<'o> {
    out: &'o mut Vec<u8>,
}

/// How far the object being written has come.
struct Object {
    is_empty: bool,
    /// The number of the field whose list is open; 0 if none is.
    list: u8,
}

impl Writer<'_> {
    fn message(&mut self, message: &'static Message, bytes: &[u8], depth: u32) {
        let mut object = Object { is_empty: true, list: 0 };
        self.out.push(b'{');
        if is_in_order(message, bytes) {
            for found in Fields::of(bytes) {
                if let Some(field) = message.field(found.number) {
                    self.field(&mut object, field, found.value, depth);
                }
            }
        } else {
            self.out_of_order(&mut object, message, bytes, depth);
        }
        self.end_list(&mut object);
        self.out.push(b'}');
    }

    #[cold]
    fn out_of_order(&mut self, object: &mut Object, message: &'static Message, bytes: &[u8], depth: u32) {
        for field in message.fields {
            let number = u32::from(field.number);
            let rivals = message.rivals(field.number);
            let values = Fields::of(bytes)
                .filter(|found| 1u32.checked_shl(found.number).is_some_and(|bit| bit & rivals != 0));
            if field.repeated {
                values.for_each(|found| self.field(object, field, found.value, depth));
            } else if let Some(last) = values.last().filter(|last| last.number == number) {
                self.field(object, field, last.value, depth);
            }
        }
    }

    #[inline]
    fn field(&mut self, object: &mut Object, field: &'static Field, value: Value<'_>, depth: u32) {
        if !field.repeated {
            if field.explicit || !is_default(value) {
                self.name(object, field);
                self.value(field.kind, value, depth);
            }
            return;
        }
        match (field.kind, value) {
            (Kind::Message(_) | Kind::String | Kind::Bytes | Kind::Id(_), value) => {
                self.element(object, field);
                self.value(field.kind, value, depth);
            }
            (kind, Value::Bytes(packed)) => {
                for number in (Packed { kind, packed }) {
                    self.element(object, field);
                    self.value(kind, number, depth);
                }
            }
            (kind, number) => {
                self.element(object, field);
                self.value(kind, number, depth);
            }
        }
    }

    /// Starts an element of a list, and the list if it is the first.
    #[inline]
    fn element(&mut self, object: &mut Object, field: &'static Field) {
        if object.list == field.number {
            self.out.push(b',');
            return;
        }
        self.name(object, field);
        self.out.push(b'[');
        object.list = field.number;
    }

    #[inline]
    fn name(&mut self, object: &mut Object, field: &'static Field) {
        self.end_list(object);
        self.out.extend_from_slice(if object.is_empty { b"\"" } else { b",\"" });
        object.is_empty = false;
        self.out.extend_from_slice(field.name.as_bytes());
        self.out.extend_from_slice(b"\":");
    }

    #[inline]
    fn end_list(&mut self, object: &mut Object) {
        if object.list != 0 {
            self.out.push(b']');
            object.list = 0;
        }
    }

    #[inline]
    fn value(&mut self, kind: Kind, value: Value<'_>, depth: u32) {
        let number = value.number();
        match kind {
            Kind::Message(inner) if self.plain_attribute(inner, value.bytes()).is_some() => {}
            Kind::Message(inner) => match depth.checked_sub(1) {
                Some(depth) => self.message(inner, value.bytes(), depth),
                // The walk refuses what is deeper.
                None => self.out.extend_from_slice(b"{}"),
            },
            Kind::String => self.string(value.bytes()),
            Kind::Bytes => self.base64(value.bytes()),
            Kind::Id(_) => self.hex(value.bytes()),
            Kind::Bool => self.out.extend_from_slice(if number == 0 { b"false" } else { b"true" }),
            Kind::Int32 | Kind::Enum(_) => self.signed((number as i32).into()),
            Kind::Uint32 | Kind::Fixed32 => self.unsigned((number as u32).into()),
            Kind::Sint32 => self.signed(value.sint32().into()),
            Kind::Int64 | Kind::Sfixed64 => self.quoted(|writer| writer.signed(number as i64)),
            Kind::Uint64 | Kind::Fixed64 => self.quoted(|writer| writer.unsigned(number)),
            Kind::Double => self.double(f64::from_bits(number)),
        }
    }

    /// Writes an attribute with a short key and a value that is no message, written as every SDK writes
    /// it. They are most of telemetry by volume, and their three messages cost more than their content.
    #[inline]
    fn plain_attribute(&mut self, message: &'static Message, attribute: &[u8]) -> Option<()> {
        if !std::ptr::eq(message, &raw const schema::KEY_VALUE) {
            return None;
        }
        let [0x0a, key_length @ 1..=0x7f, rest @ ..] = attribute else { return None };
        let (key, rest) = rest.split_at_checked(usize::from(*key_length))?;
        let [0x12, value_length @ ..=0x7f, value @ ..] = rest else { return None };
        if usize::from(*value_length) != value.len() {
            return None;
        }
        let found = Fields::of(value).next().filter(|found| found.end == value.len())?;
        let field = schema::ANY_VALUE.field(found.number)?;
        if let Kind::Message(_) = field.kind {
            return None;
        }
        self.out.extend_from_slice(b"{\"key\":");
        self.string(key);
        self.out.extend_from_slice(b",\"value\":{\"");
        self.out.extend_from_slice(field.name.as_bytes());
        self.out.extend_from_slice(b"\":");
        self.value(field.kind, found.value, 0);
        self.out.extend_from_slice(b"}}");
        Some(())
    }

    #[inline]
    fn quoted(&mut self, write: impl FnOnce(&mut Self)) {
        self.out.push(b'"');
        write(self);
        self.out.push(b'"');
    }

    #[inline]
    fn string(&mut self, mut text: &[u8]) {
        self.out.push(b'"');
        loop {
            let (plain, rest) = text.split_at(plain_run(text).0);
            self.out.extend_from_slice(plain);
            let [special, rest @ ..] = rest else { break };
            self.escape(*special);
            text = rest;
        }
        self.out.push(b'"');
    }

    #[cold]
    fn escape(&mut self, special: u8) {
        const HEX: &[u8; 16] = b"0123456789abcdef";
        let letter = match special {
            b'\n' => b'n',
            b'\r' => b'r',
            b'\t' => b't',
            b'"' | b'\\' => special,
            control => {
                let digits = [HEX[usize::from(control >> 4 & 15)], HEX[usize::from(control & 15)]];
                self.out.extend_from_slice(b"\\u00");
                return self.out.extend_from_slice(&digits);
            }
        };
        self.out.extend_from_slice(&[b'\\', letter]);
    }

    fn base64(&mut self, bytes: &[u8]) {
        self.quoted(|writer| writer.out.extend_from_slice(STANDARD.encode(bytes).as_bytes()));
    }

    fn hex(&mut self, id: &[u8]) {
        let mut digits = [0; 32];
        let digits = &mut digits[..(id.len() * 2).min(32)];
        // The walk refuses ids that are longer than 16 bytes.
        let id = &id[..digits.len() / 2];
        let is_written = const_hex::encode_to_slice(id, digits).is_ok();
        self.quoted(|writer| writer.out.extend_from_slice(if is_written { digits } else { b"" }));
    }

    fn double(&mut self, value: f64) {
        if value.is_finite() {
            self.out.extend_from_slice(ryu::Buffer::new().format_finite(value).as_bytes());
            return;
        }
        self.out.extend_from_slice(match (value.is_nan(), value > 0.0) {
            (true, _) => b"\"NaN\"",
            (false, true) => b"\"Infinity\"",
            (false, false) => b"\"-Infinity\"",
        });
    }

    #[inline]
    fn signed(&mut self, value: i64) {
        if value < 0 {
            self.out.push(b'-');
        }
        self.unsigned(value.unsigned_abs());
    }

    #[inline]
    fn unsigned(&mut self, mut value: u64) {
        // 2^64 - 1 has 20 digits.
        let mut digits = [0u8; 20];
        let mut start = digits.len();
        loop {
            start -= 1;
            digits[start] = b'0' + (value % 10) as u8;
            value /= 10;
            if value == 0 {
                break;
            }
        }
        self.out.extend_from_slice(&digits[start..]);
    }
}

/// Whether each list is in one piece and nothing is set twice.
#[inline]
fn is_in_order(message: &'static Message, bytes: &[u8]) -> bool {
    let mut seen = 0u32;
    let mut list = 0u8;
    for found in Fields::of(bytes) {
        let Some(field) = message.field(found.number) else { continue };
        if field.number == list {
            continue;
        }
        if seen & message.rivals(field.number) != 0 {
            return false;
        }
        seen |= 1 << field.number;
        list = if field.repeated { field.number } else { 0 };
    }
    true
}

#[inline]
fn is_default(value: Value<'_>) -> bool {
    value.bytes().is_empty() && value.number() == 0
}

/// The numbers of a packed field.
struct Packed<'a> {
    kind: Kind,
    packed: &'a [u8],
}

impl<'a> Iterator for Packed<'a> {
    type Item = Value<'a>;

    fn next(&mut self) -> Option<Value<'a>> {
        match self.kind {
            Kind::Fixed32 => {
                let (number, rest) = self.packed.split_first_chunk()?;
                self.packed = rest;
                Some(Value::Fixed32(u32::from_le_bytes(*number)))
            }
            Kind::Fixed64 | Kind::Sfixed64 | Kind::Double => {
                let (number, rest) = self.packed.split_first_chunk()?;
                self.packed = rest;
                Some(Value::Fixed64(u64::from_le_bytes(*number)))
            }
            _ => {
                let (number, length) = read_varint(self.packed, 0)?;
                self.packed = &self.packed[length..];
                Some(Value::Varint(number))
            }
        }
    }
}
