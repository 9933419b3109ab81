//! JSON text, token by token, with the position of each.
//!
//! Tokens are slices of the text; nothing is copied and nothing allocated. What is returned is JSON by
//! RFC 8259: no raw control characters in strings, no leading zeros, no trailing commas. Strings are
//! UTF-8; that their escapes make sense as Unicode is checked when they are resolved ([`Text::resolve`]).

use super::{Failure, TOO_DEEP};

pub(super) type Result<T> = std::result::Result<T, Failure>;

/// Reads tokens off a text.
pub(super) struct Lexer<'a> {
    json: &'a [u8],
    at: usize,
}

/// A string as it is written, without the quotes. It is UTF-8.
#[derive(Clone, Copy)]
pub(super) struct Text<'a> {
    raw: &'a [u8],
    /// Where its opening quote stands.
    pub at: usize,
    has_escapes: bool,
}

impl<'a> Lexer<'a> {
    /// At the start of a text, behind its byte order mark if it has one.
    pub fn new(json: &'a [u8]) -> Self {
        Self { json, at: if json.starts_with(b"\xef\xbb\xbf") { 3 } else { 0 } }
    }

    /// Where the next token starts, if [`Lexer::peek`] was called.
    pub fn position(&self) -> usize {
        self.at
    }

    /// The text from here on.
    #[inline]
    pub fn rest(&self) -> &'a [u8] {
        &self.json[self.at..]
    }

    /// Steps over what was read from [`Lexer::rest`].
    #[inline]
    pub fn advance(&mut self, length: usize) {
        self.at += length;
    }

    /// The first byte of the next token.
    #[inline]
    pub fn peek(&mut self) -> Option<u8> {
        loop {
            match self.json.get(self.at).copied() {
                Some(b' ' | b'\n' | b'\r' | b'\t') => self.at += 1,
                byte => return byte,
            }
        }
    }

    /// Takes a token of one byte if it is the next.
    #[inline]
    pub fn take(&mut self, byte: u8) -> bool {
        let is_next = self.peek() == Some(byte);
        self.at += usize::from(is_next);
        is_next
    }

    /// Takes a token of one byte, or fails for the want of `what`.
    #[inline]
    pub fn expect(&mut self, byte: u8, what: &'static str) -> Result<()> {
        if self.take(byte) { Ok(()) } else { Err(self.wanted(what)) }
    }

    /// Behind an element of a list or object: whether another follows, or `close` ends it.
    #[inline]
    pub fn another(&mut self, close: u8) -> Result<bool> {
        if self.take(b',') {
            return Ok(true);
        }
        let what = if close == b']' { "expected `,` or `]`" } else { "expected `,` or `}`" };
        self.expect(close, what).map(|()| false)
    }

    /// Takes a word such as `null` if it is the next token.
    #[inline]
    pub fn take_word(&mut self, word: &'static str) -> bool {
        let is_next = self.peek() == word.as_bytes().first().copied()
            && self.json[self.at..].starts_with(word.as_bytes());
        self.at += if is_next { word.len() } else { 0 };
        is_next
    }

    /// Takes a string if it is the next token and this one, written plainly.
    #[inline]
    pub fn take_plain(&mut self, string: &'static str) -> bool {
        let is_next = self.peek() == Some(b'"')
            && self.json[self.at + 1..]
                .strip_prefix(string.as_bytes())
                .is_some_and(|behind| behind.first() == Some(&b'"'));
        self.at += if is_next { string.len() + 2 } else { 0 };
        is_next
    }

    /// Takes a string, or fails for the want of `what`.
    #[inline]
    pub fn string(&mut self, what: &'static str) -> Result<Text<'a>> {
        self.expect(b'"', what)?;
        let start = self.at;
        let mut has_escapes = false;
        let mut is_ascii = true;
        loop {
            let (length, is_run_ascii) = plain_run(&self.json[self.at..]);
            is_ascii &= is_run_ascii;
            self.at += length;
            match self.json.get(self.at) {
                Some(b'"') => break,
                Some(b'\\') => self.escape()?,
                Some(_) => return Err(self.wanted("control character in a string")),
                None => return Err(Failure::new(start - 1, "the string does not end")),
            }
            has_escapes = true;
        }
        let raw = &self.json[start..self.at];
        if !is_ascii {
            std::str::from_utf8(raw)
                .map_err(|error| Failure::new(start + error.valid_up_to(), "invalid UTF-8"))?;
        }
        self.at += 1;
        Ok(Text { raw, at: start - 1, has_escapes })
    }

    /// Steps over an escape.
    #[cold]
    fn escape(&mut self) -> Result<()> {
        let length = match self.json.get(self.at + 1) {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => 2,
            Some(b'u') if hex4(self.json, self.at + 2).is_some() => 6,
            _ => return Err(self.wanted("invalid escape in a string")),
        };
        self.at += length;
        Ok(())
    }

    /// Takes a number, or fails for the want of `what`.
    #[inline]
    pub fn number(&mut self, what: &'static str) -> Result<&'a [u8]> {
        // Whitespace is before the number, so it is not part of it.
        let first = self.peek();
        let start = self.at;
        self.at += usize::from(first == Some(b'-'));
        let leading = self.json.get(self.at).copied();
        let whole = self.digits();
        let is_number = whole == 1 || whole > 1 && leading != Some(b'0');
        if !is_number || !self.fraction_and_exponent() {
            self.at = start;
            return Err(self.wanted(what));
        }
        Ok(&self.json[start..self.at])
    }

    /// Steps over what may follow the whole part of a number; false if it is incomplete.
    #[inline]
    fn fraction_and_exponent(&mut self) -> bool {
        if self.json.get(self.at) == Some(&b'.') {
            self.at += 1;
            if self.digits() == 0 {
                return false;
            }
        }
        if let Some(b'e' | b'E') = self.json.get(self.at) {
            self.at += 1;
            if let Some(b'+' | b'-') = self.json.get(self.at) {
                self.at += 1;
            }
            return self.digits() > 0;
        }
        true
    }

    #[inline]
    fn digits(&mut self) -> usize {
        let start = self.at;
        while self.json.get(self.at).is_some_and(u8::is_ascii_digit) {
            self.at += 1;
        }
        self.at - start
    }

    /// Takes any value and forgets it; it has to be JSON all the same. `depth` is how many levels may
    /// open in it.
    pub fn skip(&mut self, depth: u32) -> Result<()> {
        match self.peek() {
            Some(b'{') => self.skip_elements(b'}', depth),
            Some(b'[') => self.skip_elements(b']', depth),
            Some(b'"') => self.string("").map(drop),
            _ if self.take_word("true") || self.take_word("false") || self.take_word("null") => Ok(()),
            _ => self.number("expected a value").map(drop),
        }
    }

    fn skip_elements(&mut self, close: u8, depth: u32) -> Result<()> {
        let inner_depth = depth.checked_sub(1).ok_or_else(|| self.wanted(TOO_DEEP))?;
        self.at += 1;
        if self.take(close) {
            return Ok(());
        }
        loop {
            if close == b'}' {
                self.string("expected a field name")?;
                self.expect(b':', "expected `:`")?;
            }
            self.skip(inner_depth)?;
            if !self.another(close)? {
                return Ok(());
            }
        }
    }

    /// Fails unless the text ends here.
    pub fn end(&mut self) -> Result<()> {
        if self.peek().is_some() { Err(self.wanted("expected nothing more")) } else { Ok(()) }
    }

    /// A failure at the next token.
    #[cold]
    pub fn wanted(&self, what: &'static str) -> Failure {
        Failure::new(self.at, what)
    }
}

impl<'a> Text<'a> {
    /// The string itself, written into `scratch` only if it has escapes.
    #[inline]
    pub fn resolve<'b>(&self, scratch: &'b mut Vec<u8>) -> Result<&'b [u8]>
    where
        'a: 'b,
    {
        if !self.has_escapes {
            return Ok(self.raw);
        }
        scratch.clear();
        self.unescape(scratch)?;
        Ok(scratch)
    }

    fn unescape(&self, out: &mut Vec<u8>) -> Result<()> {
        let mut at = 0;
        loop {
            let plain = plain_run(&self.raw[at..]).0;
            out.extend_from_slice(&self.raw[at..at + plain]);
            at += plain;
            if at >= self.raw.len() {
                return Ok(());
            }
            let escaped = self.raw.get(at + 1).copied().unwrap_or(b'\\');
            let length = if escaped == b'u' { self.unicode(at, out)? } else { 2 };
            match escaped {
                b'u' => {}
                b'b' => out.push(8),
                b'f' => out.push(12),
                b'n' => out.push(b'\n'),
                b'r' => out.push(b'\r'),
                b't' => out.push(b'\t'),
                itself => out.push(itself),
            }
            at += length;
        }
    }

    /// Resolves the `\uXXXX` at `at`, or a pair of them; returns how long it is.
    fn unicode(&self, at: usize, out: &mut Vec<u8>) -> Result<usize> {
        let first = hex4(self.raw, at + 2).unwrap_or_default();
        let second = || self.raw[at + 6..].strip_prefix(b"\\u").and_then(|digits| hex4(digits, 0));
        let (code, length) = match (first, second) {
            (0xd800..=0xdbff, second) => match second() {
                Some(low @ 0xdc00..=0xdfff) => (0x1_0000 + ((first - 0xd800) << 10) + (low - 0xdc00), 12),
                _ => (first, 6),
            },
            _ => (first, 6),
        };
        let character = char::from_u32(code)
            .ok_or_else(|| Failure::new(self.at + 1 + at, "half of a surrogate pair in a string"))?;
        out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
        Ok(length)
    }
}

fn hex4(bytes: &[u8], at: usize) -> Option<u32> {
    let digits = bytes.get(at..at + 4)?;
    digits.iter().try_fold(0, |value, digit| Some(value << 4 | char::from(*digit).to_digit(16)?))
}

/// How many bytes there are in front of the first quote, backslash or control character, and whether
/// they are ASCII for sure. Eight at a time: the strings of telemetry are short.
#[inline]
pub(super) fn plain_run(bytes: &[u8]) -> (usize, bool) {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGH: u64 = 0x8080_8080_8080_8080;
    let (words, rest) = bytes.as_chunks::<8>();
    let mut all = 0u64;
    for (index, word) in words.iter().enumerate() {
        let word = u64::from_le_bytes(*word);
        let quotes = word ^ (ONES * 0x22);
        let backslashes = word ^ (ONES * 0x5c);
        // In each of the three, the lowest high bit that is set marks a byte that is one.
        let quotes = quotes.wrapping_sub(ONES) & !quotes;
        let backslashes = backslashes.wrapping_sub(ONES) & !backslashes;
        let controls = word.wrapping_sub(ONES * 0x20) & !word;
        let ends = (quotes | backslashes | controls) & HIGH;
        all |= word;
        if ends != 0 {
            return (index * 8 + (ends.trailing_zeros() / 8) as usize, all & HIGH == 0);
        }
    }
    let length = rest.iter().position(|byte| matches!(byte, b'"' | b'\\' | ..=0x1f));
    let length = length.unwrap_or(rest.len());
    (bytes.len() - rest.len() + length, all & HIGH == 0 && rest.is_ascii())
}
