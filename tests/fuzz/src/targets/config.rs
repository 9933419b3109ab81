//! Text to a configuration or to a report.
//!
//! An input is a configuration and, behind lines of `=====`, the variables `A` and `B`, the file `f` and the
//! argument of a `--set`. Whatever it is, what was read is within bounds, every position is true, and the
//! report and the printed tree can be made.

use std::fmt::Write as _;
use std::io;
use std::path::Path;

use spindle_config::diagnostic::Style;
use spindle_config::print::Printed;
use spindle_config::source::Source;
use spindle_config::tree::{self, MAX_DEPTH};
use spindle_config::{
    Diagnostics, Document, Node, Origin, Sections, SourceMap, Sources, Surroundings, Value, load,
};

use crate::{PATIENCE, Target, about, kind};

/// See the module.
pub const TARGET: Target =
    Target { name: "config", check, longest: 16 << 10, words: WORDS, patience: PATIENCE, fresh: None };

pub(super) const WORDS: &[&[u8]] = &[
    b"\n",
    b"\n  ",
    b"\n    ",
    b"\r\n",
    b"\r",
    b"\t",
    b": ",
    b":",
    b"- ",
    b"? ",
    b", ",
    b"[",
    b"]",
    b"{",
    b"}",
    b"\"",
    b"'",
    b"''",
    b"\\",
    b"\\x41",
    b"|\n",
    b"|2-\n",
    b">+\n",
    b"# ",
    b"&a ",
    b"*a",
    b"*a, ",
    b"<<: ",
    b"!!int ",
    b"!!binary ",
    b"!x ",
    b"---\n",
    b"...\n",
    b"%YAML 1.2\n",
    b"@",
    b"`",
    b"~",
    b"null",
    b"true",
    b".inf",
    b".nan",
    b"0x1f",
    b"1_000",
    b"${env:A}",
    b"${A}",
    b"${B:-",
    b"${env:B:-${A}}",
    b"${file:f}",
    b"${yaml:[1]}",
    b"${",
    b"}",
    b"$$",
    b"$",
    b"\n=====\n",
    b"password: ",
    b"headers:\n",
    b"receivers:\n",
    b"service:\n  pipelines:\n",
    b"traces/x:\n",
    b"a::b: ",
    b"http://u:p@h:1/",
    b"\xc3\xa4",
    b"\xf0\x9f\x98\x80",
    b"\xef\xbb\xbf",
    b"\xc2\x85",
    b"\xe2\x80\xa8",
    b"\0",
];

/// The most text that a tree may hold; beyond it, the loader itself has to refuse.
const MOST_TEXT: usize = 64 << 20;
/// And the most values.
const MOST_VALUES: usize = 4_000_000;

/// The world of an input.
pub(super) struct World {
    pub(super) text: String,
    a: Option<String>,
    b: Option<String>,
    file: Option<String>,
    pub(super) property: Option<String>,
}

impl World {
    pub(super) fn of(input: &[u8]) -> Self {
        let input = String::from_utf8_lossy(input);
        let mut parts = input.split("\n=====\n").map(str::to_owned);
        Self {
            text: parts.next().unwrap_or_default(),
            a: parts.next(),
            b: parts.next(),
            file: parts.next(),
            property: parts.next(),
        }
    }
}

impl Surroundings for World {
    fn variable(&self, name: &str) -> Option<String> {
        match name {
            "A" => self.a.clone(),
            "B" => self.b.clone(),
            _ => None,
        }
    }

    fn read(&self, path: &Path) -> io::Result<String> {
        let text = self.file.clone().filter(|_| path == Path::new("f"));
        text.ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, "no such file"))
    }
}

fn check(input: &[u8]) -> u64 {
    let world = World::of(input);
    let mut sources = Sources::default();
    sources.add(Source::Embedded { name: "in.yaml", text: world.text.clone() });
    if let Some(Ok(property)) = world.property.as_deref().map(Source::from_property) {
        sources.add(property);
    }
    let (document, mut diagnostics) = load(&sources, &world);
    within_bounds(&document.root);
    Sections::read(&document, &mut diagnostics);
    positions_are_true(&document, &diagnostics);
    // Reports of very many problems are long; each one is rendered with its lines.
    if diagnostics.iter().count() <= 50 {
        assert_eq!(diagnostics.render(&document, Style::Plain).is_empty(), diagnostics.is_empty());
    }
    Printed::redacted(&document.root).to_yaml().ok();
    comes_back(&document.root);
    let mut shape = String::new();
    for diagnostic in diagnostics.iter().take(4) {
        shape.push_str(diagnostic.message.get(..16).unwrap_or_default());
    }
    kind((shape, about(count(&document.root).values)))
}

/// What a tree holds.
#[derive(Default)]
pub(super) struct Count {
    pub(super) values: usize,
    pub(super) text: usize,
    pub(super) depth: usize,
}

pub(super) fn count(node: &Node) -> Count {
    let mut count = Count::default();
    add(node, 0, &mut count);
    count
}

fn add(node: &Node, depth: usize, count: &mut Count) {
    count.values += 1;
    count.depth = count.depth.max(depth);
    match &node.value {
        Value::Scalar(scalar) => count.text += scalar.text.len(),
        Value::Sequence(items) => items.iter().for_each(|item| add(item, depth + 1, count)),
        Value::Mapping(mapping) => mapping.iter().for_each(|entry| {
            count.text += entry.key.len();
            add(&entry.value, depth + 1, count);
        }),
    }
}

pub(super) fn within_bounds(root: &Node) {
    let Count { values, text, depth } = count(root);
    assert!(depth <= MAX_DEPTH + 1, "{depth} levels");
    assert!(values <= MOST_VALUES, "{values} values");
    assert!(text <= MOST_TEXT, "{text} bytes of text");
}

/// Every position lies on characters of its text; of a few, line and column are counted again.
pub(super) fn positions_are_true(document: &Document, diagnostics: &Diagnostics) {
    let mut origins: Vec<Origin> = diagnostics.iter().filter_map(|item| item.origin).collect();
    for entry in document.root.as_mapping().into_iter().flatten() {
        origins.push(entry.key_origin);
        each_origin(&entry.value, &mut origins);
    }
    let step = origins.len() / 50 + 1;
    for (index, origin) in origins.into_iter().enumerate() {
        let text = &document.sources.get(origin.source).expect("a text").text;
        let covered = text.get(origin.start as usize..origin.end as usize);
        assert!(covered.is_some(), "{origin:?} lies in no text");
        if index % step == 0 {
            let counted = counted(text, origin.start as usize);
            assert_eq!((origin.line, origin.column), counted, "line and column of {origin:?}");
        }
    }
}

fn each_origin(node: &Node, origins: &mut Vec<Origin>) {
    origins.push(node.origin);
    match &node.value {
        Value::Scalar(_) => {}
        Value::Sequence(items) => items.iter().for_each(|item| each_origin(item, origins)),
        Value::Mapping(mapping) => mapping.iter().for_each(|entry| {
            origins.push(entry.key_origin);
            each_origin(&entry.value, origins);
        }),
    }
}

/// Line and column, counted from the start of the text.
fn counted(text: &str, at: usize) -> (u32, u32) {
    let before = text[..at].replace("\r\n", "\n").replace('\r', "\n");
    let line = before.rsplit('\n').next().unwrap_or("");
    let line = line.strip_prefix('\u{feff}').unwrap_or(line);
    (before.matches('\n').count() as u32 + 1, line.chars().count() as u32 + 1)
}

/// A small tree that is printed and read again is the same tree: `print-config` gives a configuration.
fn comes_back(root: &Node) {
    if count(root).values > 200 {
        return;
    }
    let Ok(printed) = Printed::unredacted(root).to_yaml() else { return };
    // The writer takes these for line breaks, as YAML 1.1 did, and the reader does not.
    if printed.contains(['\u{85}', '\u{2028}', '\u{2029}']) {
        return;
    }
    let mut texts = SourceMap::default();
    let mut diagnostics = Diagnostics::default();
    let source = texts.add("printed", printed.as_str());
    let read = tree::parse(source, &texts, &mut diagnostics);
    let messages: Vec<_> = diagnostics.iter().map(spindle_config::Diagnostic::one_line).collect();
    assert!(messages.is_empty(), "the printed tree is refused: {messages:?}\n{printed}");
    let (was, is) = (shape(root), read.as_ref().map(shape).unwrap_or_default());
    assert!(was == is, "printed and read again: {was} became {is}\n{printed}");
}

/// A tree as one line, numbers by their value.
fn shape(node: &Node) -> String {
    let mut out = String::new();
    write_shape(node, &mut out);
    out
}

fn write_shape(node: &Node, out: &mut String) {
    match &node.value {
        Value::Scalar(scalar) => {
            let text = (scalar.kind == tree::ScalarKind::String).then_some(&scalar.text);
            // Writing to a string cannot fail.
            let _ = write!(out, "{:?} {text:?},", scalar.kind);
        }
        Value::Sequence(items) => {
            out.push('[');
            for item in items {
                write_shape(item, out);
            }
            out.push(']');
        }
        Value::Mapping(mapping) => {
            out.push('{');
            for entry in mapping {
                let _ = write!(out, "{:?}: ", entry.key);
                write_shape(&entry.value, out);
            }
            out.push('}');
        }
    }
}
