//! The source line that a diagnostic shows, its secrets blotted out, and what to underline in it.

use std::ops::Range;

use crate::Document;
use crate::secret::{REDACTED, Redactor};
use crate::tree::Origin;

/// One source line as it is shown.
pub(super) struct ShownLine {
    /// The name of the source.
    pub(super) name: String,
    /// The line's number.
    pub(super) number: usize,
    /// The column in the source, from 1.
    pub(super) column: usize,
    /// The line with secrets replaced.
    pub(super) text: String,
    /// What to underline, on character boundaries of `text`.
    pub(super) underlined: Range<usize>,
}

impl ShownLine {
    /// The line `origin` starts on. `None` when its source is not there.
    pub(super) fn new(origin: Origin, document: &Document, redactor: &Redactor) -> Option<Self> {
        let source = document.sources.get(origin.source)?;
        let text = source.text.as_str();
        let start = floor_boundary(text, origin.start as usize);
        let end = floor_boundary(text, (origin.end as usize).max(start));
        let line = line_around(text, start);
        let mut copy = Copy::new(text, line.start);
        for secret in redactor.ranges(origin.source) {
            let hidden = secret.start.max(line.start)..secret.end.min(line.end);
            if hidden.start < hidden.end {
                copy.hide(hidden);
            }
        }
        copy.up_to(line.end);
        let written = line.start + text[line.clone()].trim_end().len();
        let end = end.min(written).max(start);
        let underlined = copy.position(start)..copy.position(end);
        Some(Self {
            name: source.name.clone(),
            number: origin.line as usize,
            column: origin.column as usize,
            underlined: at_least_one_character(&copy.shown, underlined),
            text: copy.shown,
        })
    }
}

/// As much of a line is shown around a position; a configuration can be one line of a megabyte.
const SHOWN: usize = 500;

/// The line a position is on, without its line break and without a byte order mark.
fn line_around(text: &str, at: usize) -> Range<usize> {
    let mut start = text[..at].rfind(['\n', '\r']).map_or(0, |found| found + 1);
    if text[start..at].starts_with('\u{feff}') {
        start += '\u{feff}'.len_utf8();
    }
    let end = text[at..].find(['\n', '\r']).map_or(text.len(), |length| at + length);
    let start = start.max(floor_boundary(text, at.saturating_sub(SHOWN)));
    let end = end.min(floor_boundary(text, at + SHOWN));
    start..end
}

fn floor_boundary(text: &str, at: usize) -> usize {
    let at = at.min(text.len());
    (0..=at).rev().find(|&at| text.is_char_boundary(at)).unwrap_or(0)
}

fn at_least_one_character(text: &str, range: Range<usize>) -> Range<usize> {
    if !range.is_empty() {
        return range;
    }
    let length = text[range.start..].chars().next().map_or(0, char::len_utf8);
    range.start..range.start + length
}

/// A line being copied with parts replaced, and how positions in the source map to the copy.
struct Copy<'a> {
    source: &'a str,
    shown: String,
    copied_to: usize,
    /// (positions in the source, where they went), ascending; a hidden part goes to one range.
    parts: Vec<(Range<usize>, Range<usize>)>,
}

impl<'a> Copy<'a> {
    fn new(source: &'a str, line_start: usize) -> Self {
        Self { source, shown: String::new(), copied_to: line_start, parts: Vec::new() }
    }

    fn up_to(&mut self, to: usize) {
        let part = self.source.get(self.copied_to..to).unwrap_or("");
        self.add(to, part);
    }

    fn hide(&mut self, secret: Range<usize>) {
        self.up_to(secret.start);
        self.add(secret.end, REDACTED);
    }

    fn add(&mut self, to: usize, shown: &str) {
        let from = self.shown.len();
        self.shown.push_str(shown);
        self.parts.push((self.copied_to..to, from..self.shown.len()));
        self.copied_to = to;
    }

    /// Where a position went. Inside a hidden part that is where the part starts.
    fn position(&self, at: usize) -> usize {
        let part = self.parts.iter().find(|(source, _)| at < source.end);
        match part {
            Some((source, shown)) if source.len() == shown.len() => {
                shown.start + at.saturating_sub(source.start)
            }
            Some((_, shown)) => shown.start,
            None => self.shown.len(),
        }
    }
}
