//! The tree: YAML values that know where they stand.
//!
//! [`parse`] builds it from text, [`resolve_plain`] decides the type of a plain scalar. The shapes are
//! YAML's own; nothing here knows about components.

mod build;
mod node;
mod parse;
mod position;
mod scalar;

#[cfg(test)]
mod tests;

use std::collections::HashSet;

pub use node::{Entry, Mapping, Node, Reference, Scalar, ScalarKind, Value};
pub use parse::parse;
pub(crate) use parse::parse_what_can_be;
pub use scalar::resolve_plain;

/// Deeper than any configuration is. No tree is, whatever was read, merged and expanded.
pub const MAX_DEPTH: usize = 200;

/// Which text of a [`SourceMap`] a position points into.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SourceId(u32);

/// Where a key or a value was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Origin {
    /// The text it stands in.
    pub source: SourceId,
    /// Byte offset of the first byte.
    pub start: u32,
    /// Byte offset behind the last byte.
    pub end: u32,
    /// Line, from 1.
    pub line: u32,
    /// Column in characters, from 1.
    pub column: u32,
}

/// One text that configuration came from.
#[derive(Debug)]
pub struct SourceText {
    /// What the user called it: a path, or `--set a.b=c`.
    pub name: String,
    /// The text itself.
    pub text: String,
}

/// All texts of one configuration.
#[derive(Debug, Default)]
pub struct SourceMap {
    texts: Vec<SourceText>,
    hidden: HashSet<SourceId>,
}

impl SourceMap {
    /// Keeps a text and returns its id.
    pub fn add(&mut self, name: impl Into<String>, text: impl Into<String>) -> SourceId {
        let id = SourceId(u32::try_from(self.texts.len()).unwrap_or(u32::MAX));
        self.texts.push(SourceText { name: name.into(), text: text.into() });
        id
    }

    /// Forgets the text that was added last, to which no position refers.
    pub(crate) fn take_back(&mut self, id: SourceId) {
        self.texts.truncate(id.0 as usize);
    }

    /// Says that a text is a secret as a whole, whatever it looks like: `--set a.password=...`, or a
    /// variable that a password refers to.
    pub fn hide(&mut self, id: SourceId) {
        self.hidden.insert(id);
    }

    /// Whether a text is a secret as a whole.
    pub fn is_hidden(&self, id: SourceId) -> bool {
        self.hidden.contains(&id)
    }

    /// The text behind an id; every id this map handed out has one.
    pub fn get(&self, id: SourceId) -> Option<&SourceText> {
        self.texts.get(id.0 as usize)
    }

    /// All texts with their ids.
    pub fn iter(&self) -> impl Iterator<Item = (SourceId, &SourceText)> {
        self.texts.iter().zip(0..).map(|(text, id)| (SourceId(id), text))
    }

    /// `name:line:column` of a position, as compilers write it.
    pub fn describe(&self, origin: Origin) -> String {
        let name = self.get(origin.source).map_or("?", |text| text.name.as_str());
        format!("{name}:{}:{}", origin.line, origin.column)
    }
}
