//! Where things stand: the parser's markers as [`Origin`]s.
//!
//! The parser counts characters and lets some spans run on into the blanks and comments behind a value;
//! an origin counts bytes and covers what was written, nothing more.

use saphyr_parser::{Marker, ScalarStyle, Span};

use super::{Origin, SourceId};

/// The byte order mark, which takes no column.
const MARK: char = '\u{feff}';

/// Turns the parser's markers into byte offsets.
pub(super) struct Positions<'a> {
    source: SourceId,
    text: &'a str,
    lines: Vec<usize>,
    last: Last,
}

/// The last answer. Markers mostly go forward, and a line can be long, so it is a good place to start from.
struct Last {
    line: usize,
    column: usize,
    byte: usize,
}

impl<'a> Positions<'a> {
    pub(super) fn new(source: SourceId, text: &'a str) -> Self {
        Self { source, text, lines: line_starts(text), last: Last { line: 0, column: 0, byte: 0 } }
    }

    /// Where a scalar stands, its tag and anchor included.
    pub(super) fn scalar(&mut self, span: Span, style: ScalarStyle) -> Origin {
        let (start, end) = (self.byte(span.start), self.byte(span.end));
        let end = match style {
            ScalarStyle::SingleQuoted | ScalarStyle::DoubleQuoted => {
                quoted_end(self.text, start, end).unwrap_or_else(|| self.trimmed(start, end))
            }
            _ => self.trimmed(start, end),
        };
        self.origin(span.start, start, end)
    }

    /// Where a key, an alias or the first token of a collection stands.
    pub(super) fn token(&mut self, span: Span) -> Origin {
        let (start, end) = (self.byte(span.start), self.byte(span.end));
        self.origin(span.start, start, self.trimmed(start, end))
    }

    /// Where a list starts: the parser points behind the dash when the list is not indented.
    pub(super) fn list(&mut self, span: Span) -> Origin {
        let origin = self.token(span);
        let start = origin.start as usize;
        let starts_well = self.text[start..].starts_with(['-', '[', '&', '!']);
        let before = self.text[..start].trim_end_matches([' ', '\t', '\r', '\n']);
        match before.strip_suffix('-') {
            Some(up_to_dash) if !starts_well => self.at(up_to_dash.len(), start),
            _ => origin,
        }
    }

    /// A collection that started at `start` and ends here.
    pub(super) fn close(&mut self, start: Origin, span: Span) -> Origin {
        let from = self.byte(span.start);
        // Only a closing bracket has an extent.
        let end = if span.is_empty() { self.trimmed(start.start as usize, from) } else { from + 1 };
        Origin { end: narrow(end.max(start.start as usize)), ..start }
    }

    /// Where a syntax error is shown. The parser finds some only at the end of the text, where nothing is
    /// to be seen; those are shown where the text stopped.
    pub(super) fn error(&mut self, marker: Marker) -> Origin {
        let byte = self.byte(marker);
        let is_nothing = |character: char| character.is_whitespace() || character == MARK;
        if !self.text[byte..].chars().all(is_nothing) {
            return self.origin(marker, byte, byte);
        }
        let written = self.text.trim_end_matches(is_nothing);
        let last = written.char_indices().next_back().map_or(0, |(at, _)| at);
        self.at(last, written.len())
    }

    /// The empty place behind a key.
    pub(super) fn behind(&self, key: Origin) -> Origin {
        let end = key.end as usize;
        self.at(end, end)
    }

    /// A range of bytes as an origin, without the parser's help.
    fn at(&self, start: usize, end: usize) -> Origin {
        let line = self.lines.partition_point(|line_start| *line_start <= start).max(1);
        let columns = self.text.get(self.line_start(line)..start).unwrap_or("").chars().count();
        Origin {
            source: self.source,
            start: narrow(start),
            end: narrow(end),
            line: narrow(line),
            column: narrow(columns + 1),
        }
    }

    fn origin(&self, marker: Marker, start: usize, end: usize) -> Origin {
        // The parser can be off at the end of a line, and goes on to a line that is not there when a text
        // without a last line break ends.
        let is_line_end = self.text[start..].chars().next().is_none_or(|next| matches!(next, '\n' | '\r'));
        if is_line_end {
            return self.at(start, end.max(start));
        }
        Origin {
            source: self.source,
            start: narrow(start),
            end: narrow(end.max(start)),
            line: narrow(marker.line()),
            column: narrow(marker.col() + 1),
        }
    }

    /// Where the text of a line starts, a byte order mark passed over.
    fn line_start(&self, line: usize) -> usize {
        let start = self.lines.get(line.saturating_sub(1)).copied().unwrap_or(self.text.len());
        start + if self.text[start..].starts_with(MARK) { MARK.len_utf8() } else { 0 }
    }

    fn trimmed(&self, start: usize, end: usize) -> usize {
        let written = self.text.get(start..end).unwrap_or("");
        start + written.trim_end().len()
    }

    /// By line and column: the parser's index is wrong behind some characters of several bytes.
    fn byte(&mut self, marker: Marker) -> usize {
        let (line, column) = (marker.line(), marker.col());
        if line != self.last.line || column < self.last.column {
            self.last = Last { line, column: 0, byte: self.line_start(line) };
        }
        let line_end = self.lines.get(line).map_or(self.text.len(), |next| next - 1);
        let rest = self.text.get(self.last.byte..line_end).unwrap_or("");
        let rest = rest.strip_suffix('\r').unwrap_or(rest);
        let steps = column - self.last.column;
        let advance = rest.char_indices().nth(steps).map_or(rest.len(), |(offset, _)| offset);
        self.last = Last { line, column, byte: self.last.byte + advance };
        self.last.byte
    }
}

/// The first byte of each line.
fn line_starts(text: &str) -> Vec<usize> {
    let bytes = text.as_bytes();
    let breaks = (0..bytes.len()).filter(|&at| is_line_break(bytes, at)).map(|at| at + 1);
    std::iter::once(0).chain(breaks).collect()
}

/// Whether a line ends with this byte: `\n`, or `\r` without one.
fn is_line_break(bytes: &[u8], at: usize) -> bool {
    bytes[at] == b'\n' || bytes[at] == b'\r' && bytes.get(at + 1) != Some(&b'\n')
}

fn narrow(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

/// The end of the quoted scalar in `start..end`, in front of which a tag, an anchor and comments may stand.
fn quoted_end(text: &str, start: usize, end: usize) -> Option<usize> {
    let bytes = text.get(start..end)?.as_bytes();
    let mut at = 0;
    let quote = loop {
        match *bytes.get(at)? {
            quote @ (b'"' | b'\'') => break quote,
            b'#' => at += bytes[at..].iter().position(|byte| matches!(byte, b'\n' | b'\r'))?,
            byte if byte.is_ascii_whitespace() => at += 1,
            _ => at += bytes[at..].iter().position(u8::is_ascii_whitespace)?,
        }
    };
    loop {
        at += 1;
        match *bytes.get(at)? {
            b'\\' if quote == b'"' => at += 1,
            byte if byte == quote && quote == b'\'' && bytes.get(at + 1) == Some(&quote) => at += 1,
            byte if byte == quote => return Some(start + at + 1),
            _ => {}
        }
    }
}
