//! What the tests of this crate share: a small world, and trees as text.

use std::collections::HashMap;
use std::path::Path;

use crate::diagnostic::Style;
use crate::source::{Source, Sources, Surroundings};
use crate::tree::{Node, Origin, ScalarKind, SourceMap, Value};
use crate::{Diagnostics, Document, load};

/// Variables and files as a test wants them.
#[derive(Default)]
pub(crate) struct World {
    variables: HashMap<String, String>,
    files: HashMap<String, String>,
}

impl World {
    pub(crate) fn variable(mut self, name: &str, value: &str) -> Self {
        self.variables.insert(name.to_owned(), value.to_owned());
        self
    }

    pub(crate) fn file(mut self, path: &str, text: &str) -> Self {
        self.files.insert(path.to_owned(), text.to_owned());
        self
    }

    /// Loads one text, called `in.yaml`.
    pub(crate) fn load(&self, text: &str) -> (Document, Diagnostics) {
        self.load_with(text, &[])
    }

    /// Loads one text and lays `--set` properties over it.
    pub(crate) fn load_with(&self, text: &str, properties: &[&str]) -> (Document, Diagnostics) {
        let mut sources = Sources::default();
        sources.add(embedded(text));
        for property in properties {
            sources.add(Source::from_property(property).unwrap());
        }
        load(&sources, self)
    }

    /// Loads one text and renders what is wrong with it.
    pub(crate) fn report(&self, text: &str) -> String {
        let (document, diagnostics) = self.load(text);
        diagnostics.render(&document, Style::Plain)
    }
}

impl Surroundings for World {
    fn variable(&self, name: &str) -> Option<String> {
        self.variables.get(name).cloned()
    }

    fn read(&self, path: &Path) -> std::io::Result<String> {
        let text = self.files.get(path.to_str().unwrap_or_default()).cloned();
        text.ok_or_else(|| std::io::Error::new(std::io::ErrorKind::NotFound, "no such file"))
    }
}

/// A source called `in.yaml`.
pub(crate) fn embedded(text: &str) -> Source {
    Source::Embedded { name: "in.yaml", text: text.to_owned() }
}

/// Loads a text in an empty world; it has no errors.
pub(crate) fn load_clean(text: &str) -> Document {
    let (document, diagnostics) = World::default().load(text);
    assert!(diagnostics.is_empty(), "{}", diagnostics.render(&document, Style::Plain));
    document
}

/// The messages, without positions.
pub(crate) fn messages(diagnostics: &Diagnostics) -> Vec<String> {
    diagnostics.iter().map(crate::Diagnostic::one_line).collect()
}

/// A tree as one line: `{a: [1, "x"], b: null}`, strings quoted.
pub(crate) fn shape(node: &Node) -> String {
    match &node.value {
        Value::Sequence(items) => format!("[{}]", items.iter().map(shape).collect::<Vec<_>>().join(", ")),
        Value::Mapping(mapping) => {
            let entries = mapping.iter().map(|entry| format!("{}: {}", entry.key, shape(&entry.value)));
            format!("{{{}}}", entries.collect::<Vec<_>>().join(", "))
        }
        Value::Scalar(scalar) => match scalar.kind {
            ScalarKind::Null => "null".to_owned(),
            ScalarKind::Bool(value) => value.to_string(),
            ScalarKind::Int(value) => value.to_string(),
            ScalarKind::Float(value) => format!("{value:?}"),
            ScalarKind::String => format!("{:?}", scalar.text),
        },
    }
}

/// The text an origin covers.
pub(crate) fn covered(sources: &SourceMap, origin: Origin) -> &str {
    &sources.get(origin.source).unwrap().text[origin.start as usize..origin.end as usize]
}

/// The value at a path such as `a::0::b`.
pub(crate) fn at<'a>(node: &'a Node, path: &str) -> &'a Node {
    path.split("::").fold(node, |node, segment| match node.as_sequence() {
        Some(items) => &items[segment.parse::<usize>().unwrap()],
        None => node.get(segment).unwrap_or_else(|| panic!("no {segment} in {path}")),
    })
}
