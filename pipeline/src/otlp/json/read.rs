//! JSON to protobuf in one pass over the text, into one buffer.

use std::borrow::Cow;
use std::ops::Range;

use super::attribute::PlainAttribute;
use super::lexer::{Lexer, Result};
use super::{Failure, Step, TOO_DEEP};
use crate::otlp::schema::{self, Field, Kind, Message};
use crate::otlp::walk::MAX_DEPTH;
use crate::otlp::wire::{WireType, key, put_varint, varint_length};
use crate::signal::Signal;

/// Reads an export request.
pub(super) fn request(signal: Signal, json: &[u8]) -> Result<Vec<u8>> {
    let mut reader = Reader {
        lexer: Lexer::new(json),
        out: Vec::with_capacity(json.len() / 2),
        scratch: Vec::new(),
        widths: [1; MAX_DEPTH as usize + 1],
    };
    // The two outer levels hold nearly everything, which is about a third as long as its text.
    let width = varint_length(json.len() as u64 / 3) as u8;
    reader.widths[MAX_DEPTH as usize - 2..].fill(width);
    reader.message(schema::request(signal), MAX_DEPTH)?;
    reader.lexer.end()?;
    // It may wait in a queue, where memory is counted by length.
    reader.out.shrink_to_fit();
    Ok(reader.out)
}

/// Reads a text once; [`super::scalar`] has its half for what is no message.
pub(super) struct Reader<'a> {
    pub(super) lexer: Lexer<'a>,
    pub(super) out: Vec<u8>,
    /// For strings with escapes.
    pub(super) scratch: Vec<u8>,
    /// How many bytes the length of the last message took, by levels left. The length of the next is
    /// given as many in advance, so that its content rarely has to move when the length is known. Always
    /// leaving one byte, or a buffer for each level, costs 5 % more.
    widths: [u8; MAX_DEPTH as usize + 1],
}

impl Reader<'_> {
    /// Reads an object as the fields of a message; `depth` is how many levels may open in it.
    fn message(&mut self, message: &'static Message, depth: u32) -> Result<()> {
        self.lexer.expect(b'{', "expected an object")?;
        if self.lexer.take(b'}') {
            return Ok(());
        }
        let mut seen = 0u32;
        let mut next = 0usize;
        loop {
            match self.name(message, next)? {
                Some((position, field)) => {
                    next = position + 1;
                    self.field(message, field, &mut seen, depth)
                        .map_err(|failure| failure.within(Step::Field(field.name)))?;
                }
                None => self.lexer.skip(depth)?,
            }
            if !self.lexer.another(b'}')? {
                return Ok(());
            }
        }
    }

    /// Takes a field's name and colon, and finds the field. Clients write fields in the order of the
    /// table or nearly so: the one at `next` is tried first.
    #[inline]
    fn name(&mut self, message: &'static Message, next: usize) -> Result<Option<(usize, &'static Field)>> {
        let expected = message.fields.get(next);
        let found = if let Some(field) = expected.filter(|field| self.lexer.take_plain(field.name)) {
            Some((next, field))
        } else {
            let name = self.lexer.string("expected a field name")?.resolve(&mut self.scratch)?;
            find(message, name, next)
        };
        self.lexer.expect(b':', "expected `:`")?;
        Ok(found)
    }

    /// Reads the value of a field.
    fn field(
        &mut self,
        message: &'static Message,
        field: &'static Field,
        seen: &mut u32,
        depth: u32,
    ) -> Result<()> {
        if self.lexer.take_word("null") {
            return Ok(());
        }
        let taken = *seen & message.rivals(field.number);
        if taken != 0 {
            return Err(self.set_twice(message, field, taken));
        }
        *seen |= 1 << field.number;
        match (field.kind, field.repeated) {
            (Kind::Message(inner), false) => self.nested(field, inner, depth),
            (Kind::Message(inner), true) => self.elements(|reader| reader.nested(field, inner, depth)),
            (Kind::String | Kind::Bytes | Kind::Id(_), false) => self.bytes(field),
            (Kind::String | Kind::Bytes | Kind::Id(_), true) => self.elements(|reader| reader.bytes(field)),
            (_, false) => self.number(field),
            (_, true) => self.packed(field, depth),
        }
    }

    #[cold]
    fn set_twice(&self, message: &'static Message, field: &'static Field, taken: u32) -> Failure {
        let rival = message.field(taken.trailing_zeros()).filter(|rival| rival.number != field.number);
        let what = match rival {
            Some(rival) => format!("excludes `{}`, which is set too", rival.name).into(),
            None => Cow::from("is set twice"),
        };
        Failure::new(self.lexer.position(), what)
    }

    /// Reads a list.
    fn elements(&mut self, mut element: impl FnMut(&mut Self) -> Result<()>) -> Result<()> {
        self.lexer.expect(b'[', "expected a list")?;
        if self.lexer.take(b']') {
            return Ok(());
        }
        let mut index = 0;
        loop {
            element(self).map_err(|failure| failure.within(Step::Element(index)))?;
            index += 1;
            if !self.lexer.another(b']')? {
                return Ok(());
            }
        }
    }

    fn nested(&mut self, field: &'static Field, inner: &'static Message, depth: u32) -> Result<()> {
        if depth >= 2
            && std::ptr::eq(inner, &raw const schema::KEY_VALUE)
            && let Some(attribute) = PlainAttribute::read(self.lexer.rest())
        {
            attribute.put(field.number, &mut self.out);
            self.lexer.advance(attribute.length);
            return Ok(());
        }
        let Some(depth) = depth.checked_sub(1) else {
            self.lexer.peek();
            return Err(self.lexer.wanted(TOO_DEEP));
        };
        let gap = self.open(field, depth);
        self.message(inner, depth)?;
        self.close(gap, depth);
        Ok(())
    }

    /// Reads a list of numbers, which are written as one field.
    fn packed(&mut self, field: &'static Field, depth: u32) -> Result<()> {
        let start = self.out.len();
        // They are at the level of the messages beside them, and share their guess.
        let level = depth.saturating_sub(1);
        let gap = self.open(field, level);
        self.elements(|reader| {
            let (wire_type, bits) = reader.number_bits(field)?;
            reader.put_number(wire_type, bits);
            Ok(())
        })?;
        if self.out.len() == gap.end {
            self.out.truncate(start);
        } else {
            self.close(gap, level);
        }
        Ok(())
    }

    /// Writes a key and leaves a gap for the length.
    #[inline]
    fn open(&mut self, field: &'static Field, level: u32) -> Range<usize> {
        put_varint(&mut self.out, u64::from(key(field.number.into(), WireType::Bytes)));
        let start = self.out.len();
        self.out.resize(start + usize::from(self.widths[level as usize]), 0);
        start..self.out.len()
    }

    /// Writes the length of what follows the gap into it, and moves what follows if the gap does not fit.
    #[inline]
    fn close(&mut self, gap: Range<usize>, level: u32) {
        let mut length = (self.out.len() - gap.end) as u64;
        let width = varint_length(length);
        if width != gap.len() {
            self.move_content(gap.clone(), width);
            self.widths[level as usize] = width as u8;
        }
        for byte in &mut self.out[gap.start..gap.start + width - 1] {
            *byte = length as u8 | 0x80;
            length >>= 7;
        }
        self.out[gap.start + width - 1] = length as u8;
    }

    #[cold]
    fn move_content(&mut self, gap: Range<usize>, width: usize) {
        let end = self.out.len();
        let content = gap.start + width;
        if width > gap.len() {
            self.out.resize(end + width - gap.len(), 0);
        }
        self.out.copy_within(gap.end..end, content);
        self.out.truncate(content + end - gap.end);
    }
}

/// The field of that name, and its position; the search starts at `next`.
#[inline]
fn find(message: &'static Message, name: &[u8], next: usize) -> Option<(usize, &'static Field)> {
    let fields = message.fields.iter().enumerate();
    let (before, behind) = (fields.clone().take(next), fields.skip(next));
    let found = behind.chain(before).find(|(_, field)| field.name.as_bytes() == name);
    found.or_else(|| find_proto_name(message, name))
}

/// The same for the names of the proto files: `trace_id` is `traceId`.
#[cold]
fn find_proto_name(message: &'static Message, name: &[u8]) -> Option<(usize, &'static Field)> {
    if !name.contains(&b'_') {
        return None;
    }
    message.fields.iter().enumerate().find(|(_, field)| {
        let expected = field.name.bytes().flat_map(|byte| {
            let underscore = byte.is_ascii_uppercase().then_some(b'_');
            underscore.into_iter().chain([byte.to_ascii_lowercase()])
        });
        expected.eq(name.iter().copied())
    })
}
