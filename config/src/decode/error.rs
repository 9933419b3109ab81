//! [`DecodeError`]: serde's errors in plain words, with the node they are about.

use std::fmt;

use serde::de::{Error, Expected, Unexpected};

use super::with_references;
use crate::tree::{Entry, Node, Origin, Reference};
use crate::{Diagnostic, nearest, quoted_list};

/// An error while reading a value, and the value it is about.
#[derive(Debug)]
pub struct DecodeError(Box<Inner>);

#[derive(Debug)]
struct Inner {
    message: String,
    help: Option<String>,
    kind: Kind,
    place: Option<Place>,
}

/// What is done about an error, apart from its words.
#[derive(Debug, PartialEq)]
enum Kind {
    /// It is reported.
    Plain,
    /// Nothing stands where a value is wanted: the default stays, and nothing is reported.
    Null,
    /// A key without a default is not there.
    MissingField(&'static str),
    /// It only follows from another error, which is reported already.
    Following,
}

/// The node an error is about. The address tells nodes apart within one call of `decode`.
#[derive(Debug)]
pub(super) struct Place {
    pub(super) address: usize,
    origin: Origin,
    path: String,
    references: Vec<Reference>,
}

impl Place {
    pub(super) fn is(&self, node: &Node) -> bool {
        self.address == address(node)
    }
}

pub(super) fn address(node: &Node) -> usize {
    std::ptr::from_ref(node) as usize
}

impl DecodeError {
    fn new(message: String) -> Self {
        Self(Box::new(Inner { message, help: None, kind: Kind::Plain, place: None }))
    }

    /// Nothing stands where a value is wanted: the default stays.
    pub(super) fn null() -> Self {
        let mut error = Self::new("expected a value, found nothing".to_owned());
        error.0.kind = Kind::Null;
        error
    }

    /// A value cannot be made because of an error that is reported already.
    pub(super) fn following_another() -> Self {
        let mut error = Self::new("part of this value could not be read".to_owned());
        error.0.kind = Kind::Following;
        error
    }

    pub(super) fn expected(wanted: &str, node: &Node) -> Self {
        if node.is_null() {
            Self::null()
        } else {
            Self::new(format!("expected {wanted}, found {}", node.describe()))
        }
    }

    /// Whether the user should read it. Nothing in place of the whole value (`masked` is false) leaves no
    /// default, so that is an error too.
    pub(super) fn is_reported(&self, masked: bool) -> bool {
        match self.0.kind {
            Kind::Following => false,
            Kind::Null => !masked,
            _ => true,
        }
    }

    /// Makes an error of a null that is a list's item, not something in the item.
    pub(super) fn or_missing_item(mut self, item: &Node) -> Self {
        if self.0.kind == Kind::Null && self.place().is_none_or(|place| place.is(item)) {
            self.0.kind = Kind::Plain;
        }
        self
    }

    /// The key that is missing, unless something further in has its place already.
    pub(super) fn missing_field(&self) -> Option<&'static str> {
        match self.0.kind {
            Kind::MissingField(field) if self.0.place.is_none() => Some(field),
            _ => None,
        }
    }

    pub(super) fn place(&self) -> Option<&Place> {
        self.0.place.as_ref()
    }

    /// Says which node it is about, unless a node further in has said so already.
    pub(super) fn at(mut self, node: &Node, path: impl FnOnce() -> String) -> Self {
        if self.0.place.is_none() {
            self.0.place = Some(Place {
                address: address(node),
                origin: node.origin,
                path: path(),
                references: node.references.clone(),
            });
        }
        self
    }

    /// Says that it is about a key; taking out the value takes out the key.
    pub(super) fn at_key(mut self, entry: &Entry, path: impl FnOnce() -> String) -> Self {
        if self.0.place.is_none() {
            self.0.place = Some(Place {
                address: address(&entry.value),
                origin: entry.key_origin,
                path: path(),
                references: Vec::new(),
            });
        }
        self
    }

    pub(super) fn into_diagnostic(self, root: &Node, root_path: &str) -> Diagnostic {
        let mut diagnostic = Diagnostic::error(self.0.message);
        diagnostic.help.extend(self.0.help);
        match self.0.place {
            Some(place) => {
                let mut node = Node::null(place.origin);
                node.references = place.references;
                with_references(diagnostic.at(place.origin).path(place.path), &node)
            }
            None => diagnostic.at(root.origin).path(root_path),
        }
    }
}

impl fmt::Display for DecodeError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0.message)
    }
}

impl std::error::Error for DecodeError {}

impl Error for DecodeError {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self::new(message.to_string())
    }

    fn invalid_type(unexpected: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::new(format!("expected {}, found {}", plain_words(expected), found(unexpected)))
    }

    fn invalid_value(unexpected: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::new(format!("expected {}, found {}", plain_words(expected), found(unexpected)))
    }

    fn unknown_variant(variant: &str, expected: &'static [&'static str]) -> Self {
        let mut error = Self::new(format!(
            "unknown value \"{variant}\", allowed: {}",
            quoted_list(expected.iter().copied())
        ));
        error.0.help =
            nearest(variant, expected.iter().copied()).map(|name| format!("did you mean `{name}`?"));
        error
    }

    fn missing_field(field: &'static str) -> Self {
        let mut error = Self::new(format!("the key `{field}` is required"));
        error.0.kind = Kind::MissingField(field);
        error
    }

    fn duplicate_field(field: &'static str) -> Self {
        Self::new(format!("the key `{field}` is given twice, under its old and its new name"))
    }

    fn invalid_length(length: usize, expected: &dyn Expected) -> Self {
        let wanted = expected.to_string();
        let wanted = wanted.strip_prefix("a tuple of size ").unwrap_or(&wanted);
        Self::new(format!("expected a list of {wanted}, found {length}"))
    }
}

/// What was found, without its text: that may be a secret.
fn found(unexpected: Unexpected<'_>) -> String {
    match unexpected {
        Unexpected::Bool(value) => format!("the boolean {value}"),
        Unexpected::Unsigned(value) => value.to_string(),
        Unexpected::Signed(value) => value.to_string(),
        Unexpected::Float(value) => value.to_string(),
        Unexpected::Str(_) => "a string".to_owned(),
        Unexpected::Unit | Unexpected::Option => "nothing".to_owned(),
        Unexpected::Seq => "a list".to_owned(),
        Unexpected::Map => "a mapping".to_owned(),
        other => other.to_string(),
    }
}

/// Serde's names of what it wants, in words a user knows.
fn plain_words(expected: &dyn Expected) -> String {
    let wanted = expected.to_string();
    match wanted.as_str() {
        "u8" => "an integer from 0 to 255".to_owned(),
        "u16" => "an integer from 0 to 65535".to_owned(),
        "u32" => "an integer from 0 to 4294967295".to_owned(),
        "u64" | "usize" => "an integer that is not negative".to_owned(),
        "i8" | "i16" | "i32" | "i64" | "isize" => "an integer".to_owned(),
        "f32" | "f64" => "a number".to_owned(),
        "a sequence" => "a list".to_owned(),
        "a map" => "a mapping".to_owned(),
        other if other.starts_with("struct ") => "a mapping".to_owned(),
        _ => wanted,
    }
}
