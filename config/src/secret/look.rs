//! Secrets by the look of a text, for what YAML could not read: the value of a secret key up to the end of
//! its line, and every line that seems to belong to it.
//!
//! Where a text could be read, its tree decides, and this adds comments only: a secret that somebody
//! commented out, or noted beside its successor.

use std::borrow::Cow;
use std::ops::Range;

use super::text::short_tail;
use super::{NAMING_KEYS, holds_secrets, is_secret_key};
use crate::sections::SECTIONS;
use crate::tree::{Node, Value};

/// As many lines around a `value:` are searched for the name it belongs to.
const NEIGHBOURHOOD: usize = 6;

/// The keys and scalars that a text's tree accounts for.
pub(super) struct Known {
    /// Ascending; keys and scalars do not overlap.
    ranges: Vec<Range<usize>>,
    /// The text was read to its end.
    is_all: bool,
}

impl Known {
    /// Nothing: there is a text only.
    pub(super) fn nothing() -> Self {
        Self { ranges: Vec::new(), is_all: false }
    }

    pub(super) fn of(tree: &Node, is_all: bool) -> Self {
        let mut known = Self { is_all, ..Self::nothing() };
        known.add(tree);
        known.ranges.retain(|range| !range.is_empty());
        known.ranges.sort_by_key(|range| range.start);
        known
    }

    fn add(&mut self, node: &Node) {
        match &node.value {
            Value::Scalar(_) => self.ranges.push(node.origin.start as usize..node.origin.end as usize),
            Value::Sequence(items) => items.iter().for_each(|item| self.add(item)),
            Value::Mapping(mapping) => {
                for entry in mapping {
                    self.ranges.push(entry.key_origin.start as usize..entry.key_origin.end as usize);
                    self.add(&entry.value);
                }
            }
        }
    }

    /// Whether a position is inside a key or a scalar.
    fn covers(&self, at: usize) -> bool {
        let behind = self.ranges.partition_point(|range| range.start <= at);
        behind > 0 && self.ranges[behind - 1].end > at
    }
}

/// A text that is not known to be YAML, without what looks like a secret in it.
pub(crate) fn redact_by_look(text: &str) -> Cow<'_, str> {
    super::text::replaced(text, secrets_by_look(text, &Known::nothing()))
}

/// Where the secrets stand that the tree does not account for.
pub(super) fn secrets_by_look(text: &str, known: &Known) -> Vec<Range<usize>> {
    let lines: Vec<&str> = text.split_inclusive(['\n', '\r']).collect();
    let mut look = Look { known, lines: &lines, ranges: Vec::new(), below: None };
    let mut offset = 0;
    for (index, line) in lines.iter().enumerate() {
        look.line(index, offset, line.trim_end());
        offset += line.len();
    }
    look.ranges
}

struct Look<'a> {
    known: &'a Known,
    lines: &'a [&'a str],
    ranges: Vec<Range<usize>>,
    below: Option<Below>,
}

/// The value of a secret key that may go on in the next line.
struct Below {
    /// Where on its line the first key starts; what is indented further belongs to the value.
    indent: usize,
    open: Open,
}

/// Brackets and quotes that are not closed yet; until they are, indentation says nothing.
#[derive(Default)]
struct Open {
    brackets: usize,
    quote: Option<char>,
}

impl Look<'_> {
    fn line(&mut self, index: usize, offset: usize, content: &str) {
        let indent = content.len() - content.trim_start().len();
        if indent == content.len() {
            return;
        }
        // What is indented less and is no key and no item is broken, so it ends nothing.
        let dashes = content[indent..].bytes().take_while(|byte| matches!(byte, b'-' | b' ')).count();
        let is_entry = content.contains(':') || dashes > 0;
        let belongs = self.below.as_ref().is_some_and(|below| {
            let is_inside = indent > below.indent || indent == below.indent && dashes > 0;
            (below.open.is_open() || is_inside || !is_entry) && !starts_section(content)
        });
        if !belongs {
            self.below = None;
        }
        if let Some(below) = &mut self.below {
            below.open.read(content);
            self.hide_unless_known(offset, content, indent);
            return;
        }
        let Some((value_at, is_known_to_be)) = self.secret_value(index, content) else {
            return;
        };
        let mut open = Open::default();
        open.read(&content[value_at..]);
        self.below = Some(Below { indent: indent + dashes, open });
        if is_known_to_be {
            self.hide_unless_known(offset, content, value_at);
        } else {
            self.ranges.push(offset + value_at..offset + content.len());
        }
    }

    /// Whether a character can be part of a secret. What stands between values is nothing but syntax if
    /// the text has any.
    fn is_telling(&self, character: char) -> bool {
        let is_syntax = self.known.is_all && "{}[],:-|>\"'*&".contains(character);
        !is_syntax && !character.is_whitespace()
    }

    /// Hides the line from `from` on if there is anything in it that the tree does not account for; if
    /// that is a comment only, the comment.
    fn hide_unless_known(&mut self, offset: usize, content: &str, from: usize) {
        let unknown = content[from..]
            .char_indices()
            .find(|(at, character)| self.is_telling(*character) && !self.known.covers(offset + from + at));
        match unknown {
            Some((at, '#')) => self.ranges.push(offset + from + at..offset + content.len()),
            Some(_) => self.ranges.push(offset + from..offset + content.len()),
            None => {}
        }
    }

    /// Where the value of the first secret key on a line starts, and whether the tree would know that it is
    /// one.
    fn secret_value(&self, index: usize, content: &str) -> Option<(usize, bool)> {
        content.match_indices(':').find_map(|(colon, _)| {
            let key = short_tail(&content[..colon]).trim_end_matches(['"', '\'', ' ']);
            let start = key.rfind([' ', '\t', '{', ',', '[', '"', '\'']).map_or(0, |separator| separator + 1);
            let name = &key[start..];
            let value = content[colon + 1..].trim_start();
            let value_at = content.len() - value.len();
            if is_secret_key(name) || holds_secrets(name) {
                return Some((value_at, true));
            }
            // Only the tree of a whole text knows all neighbours of a `value`.
            let is_named = !self.known.is_all && name == "value" && self.neighbours_name_a_secret(index);
            is_named.then_some((value_at, false))
        })
    }

    fn neighbours_name_a_secret(&self, index: usize) -> bool {
        let from = index.saturating_sub(NEIGHBOURHOOD);
        let to = (index + NEIGHBOURHOOD + 1).min(self.lines.len());
        self.lines[from..to].iter().any(|line| {
            NAMING_KEYS.iter().any(|naming| {
                line.match_indices(naming).any(|(at, _)| {
                    let rest = line[at + naming.len()..].trim_start_matches(['"', '\'', ' ']);
                    let name = rest.strip_prefix(':').map(str::trim_start);
                    name.and_then(|name| name.split([',', '}']).next()).is_some_and(is_secret_key)
                })
            })
        })
    }
}

impl Open {
    fn is_open(&self) -> bool {
        self.brackets > 0 || self.quote.is_some()
    }

    fn read(&mut self, text: &str) {
        let mut before = ' ';
        for character in text.chars() {
            match (self.quote, character) {
                (Some(quote), _) if character == quote && before != '\\' => self.quote = None,
                (None, '{' | '[') => self.brackets += 1,
                (None, '}' | ']') => self.brackets = self.brackets.saturating_sub(1),
                (None, '"' | '\'') if matches!(before, ' ' | '\t' | ':' | ',' | '{' | '[') => {
                    self.quote = Some(character);
                }
                _ => {}
            }
            before = character;
        }
    }
}

/// A section starts at the margin, whatever was left open above it.
fn starts_section(line: &str) -> bool {
    line.split_once(':').is_some_and(|(key, _)| SECTIONS.contains(&key.trim_end()))
}
