//! Values that are no messages: JSON in, wire out.

use base64::Engine as _;
use base64::alphabet::{STANDARD, URL_SAFE};
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

use super::Failure;
use super::lexer::Result;
use super::number::{NotWhole, Whole};
use super::read::Reader;
use crate::otlp::schema::{Field, Kind};
use crate::otlp::wire::{WireType, key, put_bytes, put_varint, zigzag};

const SIGNED_32: &str = "out of range, -2147483648 to 2147483647";
const UNSIGNED_32: &str = "out of range, 0 to 4294967295";
const SIGNED_64: &str = "out of range, -9223372036854775808 to 9223372036854775807";
const UNSIGNED_64: &str = "out of range, 0 to 18446744073709551615";

impl Reader<'_> {
    /// Reads and writes a string, an id or bytes.
    #[inline]
    pub(super) fn bytes(&mut self, field: &'static Field) -> Result<()> {
        let text = self.lexer.string("expected a string")?;
        let content = text.resolve(&mut self.scratch)?;
        if content.is_empty() && !field.explicit && !field.repeated {
            return Ok(());
        }
        let number = u32::from(field.number);
        match field.kind {
            Kind::Id(length) => {
                let mut id = [0; 16];
                let id = &mut id[..usize::from(length).min(16)];
                if content.len() != 2 * id.len() || const_hex::decode_to_slice(content, id).is_err() {
                    return Err(Failure::new(text.at, format!("expected {} hex digits or none", 2 * length)));
                }
                put_bytes(&mut self.out, number, id);
            }
            Kind::Bytes => {
                let bytes = decode_base64(content);
                let bytes = bytes.ok_or_else(|| Failure::new(text.at, "expected bytes in base64"))?;
                put_bytes(&mut self.out, number, &bytes);
            }
            _ => put_bytes(&mut self.out, number, content),
        }
        Ok(())
    }

    /// Reads and writes a number.
    #[inline]
    pub(super) fn number(&mut self, field: &'static Field) -> Result<()> {
        let (wire_type, bits) = self.number_bits(field)?;
        if bits != 0 || field.explicit {
            put_varint(&mut self.out, u64::from(key(field.number.into(), wire_type)));
            self.put_number(wire_type, bits);
        }
        Ok(())
    }

    /// Writes a number without its key.
    #[inline]
    pub(super) fn put_number(&mut self, wire_type: WireType, bits: u64) {
        match wire_type {
            WireType::Fixed64 => self.out.extend_from_slice(&bits.to_le_bytes()),
            WireType::Fixed32 => self.out.extend_from_slice(&(bits as u32).to_le_bytes()),
            _ => put_varint(&mut self.out, bits),
        }
    }

    /// Reads a number as the wire has it. Zero is all bits zero in every type.
    #[inline]
    pub(super) fn number_bits(&mut self, field: &'static Field) -> Result<(WireType, u64)> {
        Ok(match field.kind {
            Kind::Double => (WireType::Fixed64, self.double()?.to_bits()),
            Kind::Fixed64 => (WireType::Fixed64, self.whole(UNSIGNED_64)?),
            Kind::Sfixed64 => (WireType::Fixed64, self.whole::<i64>(SIGNED_64)? as u64),
            Kind::Fixed32 => (WireType::Fixed32, self.whole::<u32>(UNSIGNED_32)?.into()),
            Kind::Uint64 => (WireType::Varint, self.whole(UNSIGNED_64)?),
            Kind::Int64 => (WireType::Varint, self.whole::<i64>(SIGNED_64)? as u64),
            Kind::Uint32 => (WireType::Varint, self.whole::<u32>(UNSIGNED_32)?.into()),
            Kind::Int32 => (WireType::Varint, i64::from(self.whole::<i32>(SIGNED_32)?) as u64),
            Kind::Sint32 => (WireType::Varint, zigzag(self.whole::<i32>(SIGNED_32)?.into())),
            Kind::Enum(names) => (WireType::Varint, i64::from(self.enumeration(names)?) as u64),
            Kind::Bool | Kind::String | Kind::Bytes | Kind::Id(_) | Kind::Message(_) => {
                (WireType::Varint, self.boolean()?.into())
            }
        })
    }

    fn boolean(&mut self) -> Result<bool> {
        let is_true = self.lexer.take_word("true");
        if is_true || self.lexer.take_word("false") {
            return Ok(is_true);
        }
        Err(self.lexer.wanted("expected true or false"))
    }

    #[inline]
    fn whole<T: TryFrom<i128>>(&mut self, range: &'static str) -> Result<T> {
        let (text, at) = self.number_text()?;
        let whole = Whole::read(text).map_err(|reason| {
            let message = match reason {
                NotWhole::Malformed => "expected a number",
                NotWhole::Fraction => "expected a whole number",
                NotWhole::TooLarge => range,
            };
            Failure::new(at, message)
        })?;
        whole.to().ok_or_else(|| Failure::new(at, range))
    }

    fn double(&mut self) -> Result<f64> {
        let (text, at) = self.number_text()?;
        let text = std::str::from_utf8(text).unwrap_or_default();
        // Quotes may hold "NaN" and "Infinity", in Rust's grammar as in Go's with any case and `inf` too.
        let double: f64 = text.parse().map_err(|_| Failure::new(at, "expected a number"))?;
        if double.is_infinite() && text.bytes().any(|byte| byte.is_ascii_digit()) {
            return Err(Failure::new(at, "out of range for a double"));
        }
        Ok(double)
    }

    /// A number as it is written, in quotes or not, and where.
    #[inline]
    fn number_text(&mut self) -> Result<(&[u8], usize)> {
        if self.lexer.peek() == Some(b'"') {
            let text = self.lexer.string("expected a number")?;
            return Ok((text.resolve(&mut self.scratch)?, text.at));
        }
        let at = self.lexer.position();
        Ok((self.lexer.number("expected a number")?, at))
    }

    fn enumeration(&mut self, names: &'static [(&'static str, i32)]) -> Result<i32> {
        if self.lexer.peek() != Some(b'"') {
            return self.whole(SIGNED_32);
        }
        let text = self.lexer.string("expected a name")?;
        let name = text.resolve(&mut self.scratch)?;
        let known = names.iter().find(|(known, _)| known.as_bytes() == name);
        known.map(|(_, value)| *value).ok_or_else(|| {
            let (example, _) = names.last().copied().unwrap_or_default();
            Failure::new(text.at, format!("expected a number or a name such as {example}"))
        })
    }
}

fn decode_base64(text: &[u8]) -> Option<Vec<u8>> {
    const LENIENT: GeneralPurposeConfig = GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true);
    const STANDARD_ENGINE: GeneralPurpose = GeneralPurpose::new(&STANDARD, LENIENT);
    const URL_SAFE_ENGINE: GeneralPurpose = GeneralPurpose::new(&URL_SAFE, LENIENT);

    let is_url_safe = text.iter().any(|byte| matches!(byte, b'-' | b'_'));
    let engine = if is_url_safe { &URL_SAFE_ENGINE } else { &STANDARD_ENGINE };
    engine.decode(text).ok()
}
