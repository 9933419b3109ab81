//! One request in the many ways that JSON may legally spell it.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};
use fastrand::Rng;
use serde_json::Value;

use crate::otlp::schema::{self, Field, Kind, Message};
use crate::signal::Signal;

/// Spells a request that [`super::to_json`] wrote, another way for each seed.
pub(super) fn request(signal: Signal, value: &Value, seed: u64) -> String {
    let mut speller = Speller { rng: Rng::with_seed(seed), out: String::new() };
    if speller.rng.u8(..8) == 0 {
        speller.out.push('\u{feff}');
    }
    speller.message(schema::request(signal), value);
    speller.space();
    speller.out
}

struct Speller {
    rng: Rng,
    out: String,
}

impl Speller {
    fn one_in(&mut self, times: u8) -> bool {
        self.rng.u8(..times) == 0
    }

    fn space(&mut self) {
        if self.one_in(8) {
            self.out.push_str(self.rng.choice([" ", "\n\t", "\r\n    ", "  "]).unwrap_or_default());
        }
    }

    fn token(&mut self, token: &str) {
        self.space();
        self.out.push_str(token);
        self.space();
    }

    fn message(&mut self, message: &'static Message, value: &Value) {
        let mut fields: Vec<&'static Field> = message.fields.iter().collect();
        if self.one_in(4) {
            self.rng.shuffle(&mut fields);
        }
        let mut is_first = true;
        self.token("{");
        for field in fields {
            let value = value.get(field.name);
            if value.is_none() && !self.one_in(6) {
                continue;
            }
            self.comma(&mut is_first);
            self.name(field.name);
            match value {
                Some(value) => self.field(field, value),
                // Null is unset, even where another of a oneof is set.
                None => self.token("null"),
            }
            if self.one_in(12) {
                self.comma(&mut is_first);
                self.unknown();
            }
        }
        self.token("}");
    }

    fn comma(&mut self, is_first: &mut bool) {
        if !std::mem::take(is_first) {
            self.token(",");
        }
    }

    fn name(&mut self, name: &str) {
        if self.one_in(4) {
            let mut proto_name = String::new();
            for character in name.chars() {
                if character.is_ascii_uppercase() {
                    proto_name.push('_');
                }
                proto_name.push(character.to_ascii_lowercase());
            }
            self.string(&proto_name);
        } else {
            self.string(name);
        }
        self.token(":");
    }

    fn field(&mut self, field: &'static Field, value: &Value) {
        let Some(elements) = value.as_array().filter(|_| field.repeated) else {
            return self.value(field.kind, value);
        };
        let mut is_first = true;
        self.token("[");
        for element in elements {
            self.comma(&mut is_first);
            self.value(field.kind, element);
        }
        self.token("]");
    }

    fn value(&mut self, kind: Kind, value: &Value) {
        // What stands in quotes is taken out of them, so that it can be put into them or not.
        let plain = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        match kind {
            Kind::Message(inner) => self.message(inner, value),
            Kind::String => self.string(&plain),
            Kind::Id(_) => {
                let spelled = if self.rng.bool() { plain.to_uppercase() } else { plain };
                self.string(&spelled);
            }
            Kind::Bytes => {
                let bytes = STANDARD.decode(plain).unwrap_or_default();
                let engine = [&STANDARD, &STANDARD_NO_PAD, &URL_SAFE, &URL_SAFE_NO_PAD][self.rng.usize(..4)];
                self.string(&engine.encode(bytes));
            }
            Kind::Bool => self.token(&plain),
            Kind::Double => self.double(&plain),
            Kind::Enum(names) => {
                let name = names.iter().find(|(_, value)| value.to_string() == plain);
                match name.filter(|_| self.rng.bool()) {
                    Some((name, _)) => self.string(name),
                    None => self.token(&plain),
                }
            }
            _ => self.whole(&plain),
        }
    }

    fn double(&mut self, plain: &str) {
        match plain {
            "NaN" | "Infinity" | "-Infinity" => self.string(plain),
            plain if self.one_in(3) => self.string(plain),
            plain => self.token(plain),
        }
    }

    fn whole(&mut self, plain: &str) {
        let spelled = match self.rng.u8(..8) {
            0 => format!("{plain}.0"),
            1 if plain != "0" => format!("{plain}00E-2"),
            2 if plain.ends_with('0') && plain.len() > 1 => format!("{}e+1", &plain[..plain.len() - 1]),
            _ => plain.to_owned(),
        };
        if self.rng.bool() {
            self.string(&spelled);
        } else {
            self.token(&spelled);
        }
    }

    fn string(&mut self, text: &str) {
        self.space();
        self.out.push('"');
        let escapes_all = self.one_in(16);
        for character in text.chars() {
            match character {
                '"' | '\\' => self.out.extend(['\\', character]),
                '/' if self.rng.bool() => self.out.push_str("\\/"),
                character if escapes_all || character < ' ' => {
                    for unit in character.encode_utf16(&mut [0; 2]) {
                        write!(self.out, "\\u{unit:04X}").expect("a string takes everything");
                    }
                }
                character => self.out.push(character),
            }
        }
        self.out.push('"');
        self.space();
    }

    fn unknown(&mut self) {
        const VALUES: [&str; 9] = [
            "null",
            "-1.5e+300",
            "true",
            "\"\\\"}] \\uD800\"",
            "[]",
            "{}",
            "[[], {\"traceId\": [null, 1, \"x\"]}, {}]",
            "{\"a\": {\"b\": [0, false]}, \"name\": 7}",
            "1e999",
        ];
        let number = self.rng.u16(..);
        self.string(&format!("unknown{number}"));
        self.token(":");
        let value = VALUES[self.rng.usize(..VALUES.len())];
        self.token(value);
    }
}
