//! [`Node`], the tree's one type, and the few ways to walk it.

use std::sync::Arc;

use super::{Origin, SourceId};

/// How much text takes as much room as a value does, in bytes.
const TEXT_PER_VALUE: usize = 256;

/// A value and where it was written.
#[derive(Clone, Debug)]
pub struct Node {
    /// What it is.
    pub value: Value,
    /// Where it stands; for a value that came out of `${...}`, where the reference stands.
    pub origin: Origin,
    /// The references this value was made from, for errors that follow from them.
    pub references: Vec<Reference>,
}

/// A `${scheme:name}` that took part in a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reference {
    /// As users know it: `environment variable X`, `file y`.
    pub description: Arc<str>,
    /// Nothing of that name was there, so the value is empty.
    pub unset: bool,
    /// What it refers to, word for word, if that is YAML for a list or a mapping; it is taken where a
    /// string is wanted. May be a secret.
    pub text: Option<Arc<str>>,
}

impl Reference {
    /// The reference of a value that became part of a string.
    pub(crate) fn within_a_string(self) -> Self {
        Self { text: None, ..self }
    }
}

/// YAML's three shapes.
#[derive(Clone, Debug)]
pub enum Value {
    /// A single value.
    Scalar(Scalar),
    /// A list.
    Sequence(Vec<Node>),
    /// Keys and values.
    Mapping(Mapping),
}

/// A scalar: its text as written (quotes removed) and what the text means.
#[derive(Clone, Debug, PartialEq)]
pub struct Scalar {
    /// The text, so that a number can be read as the string it was written as.
    pub text: String,
    /// Its type.
    pub kind: ScalarKind,
}

/// The type of a scalar.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum ScalarKind {
    /// `null`, `~` or nothing.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A whole number.
    Int(i128),
    /// Any other number.
    Float(f64),
    /// Text.
    String,
}

/// One `key: value`.
#[derive(Clone, Debug)]
pub struct Entry {
    /// The key.
    pub key: String,
    /// Where the key stands.
    pub key_origin: Origin,
    /// The value.
    pub value: Node,
}

/// Keys and values in the order they were written; no key twice.
#[derive(Clone, Debug, Default)]
pub struct Mapping {
    entries: Vec<Entry>,
}

impl Mapping {
    /// The entries in order.
    pub fn iter(&self) -> std::slice::Iter<'_, Entry> {
        self.entries.iter()
    }

    /// The entries in order, to change their values.
    pub fn iter_mut(&mut self) -> std::slice::IterMut<'_, Entry> {
        self.entries.iter_mut()
    }

    /// The entry of a key.
    pub fn get(&self, key: &str) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.key == key)
    }

    /// The entry of a key, to change its value.
    pub fn get_mut(&mut self, key: &str) -> Option<&mut Entry> {
        self.entries.iter_mut().find(|entry| entry.key == key)
    }

    /// Adds an entry, or replaces the value of one that is there.
    pub fn insert(&mut self, entry: Entry) {
        match self.get_mut(&entry.key) {
            Some(present) => present.value = entry.value,
            None => self.entries.push(entry),
        }
    }

    /// Adds an entry whether or not its key is there already.
    pub(super) fn push(&mut self, entry: Entry) {
        self.entries.push(entry);
    }

    /// Takes an entry out.
    pub fn remove(&mut self, key: &str) -> Option<Entry> {
        let index = self.entries.iter().position(|entry| entry.key == key)?;
        Some(self.entries.remove(index))
    }

    /// Nothing in it.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}

impl<'a> IntoIterator for &'a Mapping {
    type Item = &'a Entry;
    type IntoIter = std::slice::Iter<'a, Entry>;
    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl IntoIterator for Mapping {
    type Item = Entry;
    type IntoIter = std::vec::IntoIter<Entry>;
    fn into_iter(self) -> Self::IntoIter {
        self.entries.into_iter()
    }
}

impl Node {
    /// A node without references.
    pub fn new(value: Value, origin: Origin) -> Self {
        Self { value, origin, references: Vec::new() }
    }

    /// A null at a position.
    pub fn null(origin: Origin) -> Self {
        Self::new(Value::Scalar(Scalar { text: String::new(), kind: ScalarKind::Null }), origin)
    }

    /// A string at a position.
    pub fn string(text: impl Into<String>, origin: Origin) -> Self {
        Self::new(Value::Scalar(Scalar { text: text.into(), kind: ScalarKind::String }), origin)
    }

    /// The empty tree that sources are merged into.
    pub fn empty_mapping() -> Self {
        let origin = Origin { source: SourceId(0), start: 0, end: 0, line: 1, column: 1 };
        Self::new(Value::Mapping(Mapping::default()), origin)
    }

    /// The mapping, if it is one.
    pub fn as_mapping(&self) -> Option<&Mapping> {
        match &self.value {
            Value::Mapping(mapping) => Some(mapping),
            _ => None,
        }
    }

    /// The list, if it is one.
    pub fn as_sequence(&self) -> Option<&[Node]> {
        match &self.value {
            Value::Sequence(items) => Some(items),
            _ => None,
        }
    }

    /// The scalar, if it is one.
    pub fn as_scalar(&self) -> Option<&Scalar> {
        match &self.value {
            Value::Scalar(scalar) => Some(scalar),
            _ => None,
        }
    }

    /// The text of a scalar that is not null.
    pub fn as_text(&self) -> Option<&str> {
        self.as_scalar().filter(|scalar| scalar.kind != ScalarKind::Null).map(|scalar| scalar.text.as_str())
    }

    /// The value word for word: a scalar's text, or the text a reference led to.
    pub(crate) fn written(&self) -> Option<&str> {
        match &self.value {
            Value::Scalar(scalar) => Some(&scalar.text),
            _ => self.references.iter().find_map(|reference| reference.text.as_deref()),
        }
    }

    /// `null`, `~` or nothing.
    pub fn is_null(&self) -> bool {
        self.as_scalar().is_some_and(|scalar| scalar.kind == ScalarKind::Null)
    }

    /// The value below a key of a mapping.
    pub fn get(&self, key: &str) -> Option<&Node> {
        self.as_mapping().and_then(|mapping| mapping.get(key)).map(|entry| &entry.value)
    }

    /// How many levels of collections it has; a scalar has none.
    pub(crate) fn depth(&self) -> usize {
        let below = match &self.value {
            Value::Scalar(_) => return 0,
            Value::Sequence(items) => items.iter().map(Node::depth).max(),
            Value::Mapping(mapping) => mapping.iter().map(|entry| entry.value.depth()).max(),
        };
        1 + below.unwrap_or(0)
    }

    /// How many values it is made of; [`TEXT_PER_VALUE`] bytes of text count as one more.
    pub(crate) fn size(&self) -> usize {
        match &self.value {
            Value::Scalar(scalar) => 1 + scalar.text.len() / TEXT_PER_VALUE,
            Value::Sequence(items) => 1 + items.iter().map(Node::size).sum::<usize>(),
            Value::Mapping(mapping) => 1 + mapping.iter().map(|entry| entry.value.size()).sum::<usize>(),
        }
    }

    /// What the value is, in the words of an error message.
    pub fn describe(&self) -> &'static str {
        match &self.value {
            Value::Sequence(_) => "a list",
            Value::Mapping(_) => "a mapping",
            Value::Scalar(scalar) => match scalar.kind {
                ScalarKind::Null => "nothing",
                ScalarKind::Bool(_) => "a boolean",
                ScalarKind::Int(_) => "an integer",
                ScalarKind::Float(_) => "a number",
                ScalarKind::String => "a string",
            },
        }
    }
}
