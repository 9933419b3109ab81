//! Random OTLP requests, written field by field from the schema, and damage done to them.
//!
//! A seed gives the same request every time, so a failing property test is repeated by its seed.

use bytes::Bytes;
use fastrand::Rng;

use crate::otlp::schema::{self, Field, Kind, Message};
use crate::otlp::wire::{WireType, key, put_bytes, put_varint};
use crate::signal::Signal;

/// What a random request may contain.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Fields that the schema does not know.
    pub unknown_fields: bool,
    /// Singular message fields written twice, lengths and keys longer than needed, numbers unpacked.
    pub unusual_encoding: bool,
    /// Items a request holds at most per scope group.
    pub most_records: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self { unknown_fields: true, unusual_encoding: false, most_records: 5 }
    }
}

/// A random well-formed request.
pub fn request(signal: Signal, seed: u64, options: Options) -> Bytes {
    let mut writer = Writer { rng: Rng::with_seed(seed), options };
    writer.message(schema::request(signal), 0).into()
}

/// The same bytes with some of them flipped, cut, doubled or lost.
pub fn damage(bytes: &[u8], seed: u64) -> Bytes {
    let mut rng = Rng::with_seed(seed);
    let mut damaged = bytes.to_vec();
    for _ in 0..rng.usize(1..4) {
        if damaged.is_empty() {
            break;
        }
        let at = rng.usize(..damaged.len());
        match rng.u8(..5) {
            0 => damaged[at] ^= 1 << rng.u8(..8),
            1 => damaged[at] = rng.u8(..),
            2 => damaged.truncate(at),
            3 => damaged.insert(at, rng.u8(..)),
            _ => {
                damaged.remove(at);
            }
        }
    }
    damaged.into()
}

struct Writer {
    rng: Rng,
    options: Options,
}

impl Writer {
    fn message(&mut self, message: &'static Message, depth: usize) -> Vec<u8> {
        let mut out = Vec::new();
        let mut taken = 0u32;
        for field in message.fields {
            let rivals = message.rivals(field.number);
            let is_taken = field.explicit && rivals & taken != 0;
            if is_taken && !(self.options.unusual_encoding && self.rng.u8(..8) == 0) {
                continue;
            }
            let times = self.times(message, field, depth);
            if times > 0 {
                taken |= 1 << field.number;
            }
            for _ in 0..times {
                self.field(&mut out, field, depth);
            }
            if self.options.unknown_fields && self.rng.u8(..16) == 0 {
                self.unknown(&mut out, 0);
            }
        }
        out
    }

    fn times(&mut self, message: &'static Message, field: &'static Field, depth: usize) -> usize {
        let is_message = matches!(field.kind, Kind::Message(_));
        if is_message && depth > 7 {
            return 0;
        }
        if !field.repeated {
            let twice = self.options.unusual_encoding && self.rng.u8(..24) == 0;
            return usize::from(self.rng.u8(..8) < 6) + usize::from(twice);
        }
        match (message.name, field.name) {
            (_, "spans" | "logRecords" | "metrics" | "dataPoints") => {
                self.rng.usize(..=self.options.most_records)
            }
            _ => self.rng.usize(..3),
        }
    }

    fn field(&mut self, out: &mut Vec<u8>, field: &'static Field, depth: usize) {
        let number = u32::from(field.number);
        match field.kind {
            Kind::Message(inner) => {
                let bytes = self.message(inner, depth + 1);
                self.delimited(out, number, &bytes);
            }
            Kind::String => {
                let text = self.text();
                self.delimited(out, number, text.as_bytes());
            }
            Kind::Bytes => {
                let bytes: Vec<u8> = (0..self.rng.usize(..12)).map(|_| self.rng.u8(..)).collect();
                self.delimited(out, number, &bytes);
            }
            Kind::Id(length) => {
                let length = if self.rng.u8(..8) == 0 { 0 } else { length };
                let bytes: Vec<u8> = (0..length).map(|_| self.rng.u8(..)).collect();
                self.delimited(out, number, &bytes);
            }
            _ if field.repeated && !(self.options.unusual_encoding && self.rng.bool()) => {
                let mut packed = Vec::new();
                for _ in 0..self.rng.usize(1..5) {
                    self.number(&mut packed, field.kind);
                }
                self.delimited(out, number, &packed);
            }
            _ => {
                self.varint(out, u64::from(key(number, wire_type(field.kind))));
                self.number(out, field.kind);
            }
        }
    }

    fn delimited(&mut self, out: &mut Vec<u8>, number: u32, bytes: &[u8]) {
        self.varint(out, u64::from(key(number, WireType::Bytes)));
        self.varint(out, bytes.len() as u64);
        out.extend_from_slice(bytes);
    }

    /// A varint, now and then with a byte more than it needs.
    fn varint(&mut self, out: &mut Vec<u8>, value: u64) {
        put_varint(out, value);
        if self.options.unusual_encoding && value < 1 << 28 && self.rng.u8(..32) == 0 {
            if let Some(last) = out.last_mut() {
                *last |= 0x80;
            }
            out.push(0);
        }
    }

    fn number(&mut self, out: &mut Vec<u8>, kind: Kind) {
        let value = match self.rng.u8(..4) {
            0 => 0,
            1 => self.rng.u64(..200),
            2 => self.rng.u64(..) >> self.rng.u32(..64),
            _ => u64::from(self.rng.u32(..)),
        };
        match kind {
            Kind::Fixed32 => out.extend_from_slice(&(value as u32).to_le_bytes()),
            Kind::Fixed64 | Kind::Sfixed64 => out.extend_from_slice(&value.to_le_bytes()),
            Kind::Double => {
                let special = [f64::INFINITY, f64::NEG_INFINITY, -0.0, 1.5, 1e300];
                let double = if self.rng.u8(..4) == 0 {
                    self.rng.choice(special).unwrap_or(0.0)
                } else {
                    value as f64 / 7.0
                };
                out.extend_from_slice(&double.to_le_bytes());
            }
            Kind::Bool => put_varint(out, value & 1),
            Kind::Int32 | Kind::Enum(_) | Kind::Uint32 | Kind::Sint32 => put_varint(out, value & 0x7fff_ffff),
            _ => put_varint(out, value),
        }
    }

    fn text(&mut self) -> String {
        const SAMPLES: [&str; 12] = [
            "",
            "service.name",
            "sglang",
            "http.request.method",
            "a",
            "Ünïcode→✓",
            "llm_request",
            "gen_ai.usage",
            "\u{0}\u{1f}\"\\",
            "a rather long value that needs more than one machine word",
            "日本",
            "run",
        ];
        let mut text = (*self.rng.choice(SAMPLES.iter()).unwrap_or(&"")).to_owned();
        if self.rng.u8(..32) == 0 {
            text = text.repeat(30);
        }
        text
    }

    fn unknown(&mut self, out: &mut Vec<u8>, depth: usize) {
        let number = self.rng.u32(17..5000);
        match self.rng.u8(..5) {
            0 => {
                put_varint(out, u64::from(key(number, WireType::Varint)));
                put_varint(out, self.rng.u64(..));
            }
            1 => {
                put_varint(out, u64::from(key(number, WireType::Fixed32)));
                out.extend_from_slice(&[1, 2, 3, 4]);
            }
            2 => {
                put_varint(out, u64::from(key(number, WireType::Fixed64)));
                out.extend_from_slice(&[1, 2, 3, 4, 5, 6, 7, 8]);
            }
            3 if depth < 3 => {
                put_varint(out, u64::from(key(number, WireType::GroupStart)));
                self.unknown(out, depth + 1);
                put_varint(out, u64::from(key(number, WireType::GroupEnd)));
            }
            _ => put_bytes(out, number, &[0xff, 0xfe, 0]),
        }
    }
}

fn wire_type(kind: Kind) -> WireType {
    match kind {
        Kind::Fixed32 => WireType::Fixed32,
        Kind::Fixed64 | Kind::Sfixed64 | Kind::Double => WireType::Fixed64,
        Kind::String | Kind::Bytes | Kind::Id(_) | Kind::Message(_) => WireType::Bytes,
        _ => WireType::Varint,
    }
}
