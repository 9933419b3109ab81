//! What a reference refers to: the three schemes, and their texts as YAML.

use std::path::Path;
use std::sync::Arc;

use super::{Expander, Place};
use crate::tree::{Node, Origin, Reference, Scalar, ScalarKind, Value, parse, resolve_plain};
use crate::{Diagnostic, Diagnostics};

/// Characters that a line must have to be more than a plain scalar.
const YAML_CHARACTERS: [char; 14] = [':', '[', '{', '"', '\'', '&', '*', '!', '|', '>', '#', '%', '@', '`'];
/// Or words that it must start with.
const YAML_WORDS: [&str; 4] = ["-", "?", "---", "..."];

impl Expander<'_> {
    /// What `uri` refers to, not yet expanded.
    pub(super) fn retrieve(&mut self, uri: &str, origin: Origin, place: Place) -> Node {
        match uri.split_once(':') {
            Some(("env", name)) => self.variable(name, origin, place),
            Some(("file", path)) => self.file(path, origin, place),
            Some(("yaml", text)) => self.yaml("${yaml:...}", text, origin, place),
            Some((scheme, rest)) if !rest.starts_with('-') => {
                let message = if place.secret {
                    "this reference has a scheme that is not supported (env, file, yaml)".to_owned()
                } else {
                    format!("scheme \"{scheme}\" is not supported for uri \"{uri}\" (env, file, yaml)")
                };
                self.error(origin, message);
                Node::null(origin)
            }
            _ => self.variable(uri, origin, place),
        }
    }

    fn variable(&mut self, uri: &str, origin: Origin, place: Place) -> Node {
        let (name, default) = match uri.split_once(":-") {
            Some((name, default)) => (name, Some(default)),
            None => (uri, None),
        };
        if !is_variable_name(name) {
            let shown = if place.secret { String::new() } else { format!(" \"{name}\"") };
            self.error(
                origin,
                format!(
                    "environment variable{shown} has invalid name: must match regex ^[a-zA-Z_][a-zA-Z0-9_]*$"
                ),
            );
            return Node::null(origin);
        }
        let description: Arc<str> = format!("environment variable {name}").into();
        let value = self.surroundings.variable(name);
        let unset = value.is_none() && default.is_none();
        let mut node = match (value, default) {
            (Some(text), _) => self.yaml(&description, &text, origin, place),
            // Who writes an empty default means an empty string, not nothing.
            (None, Some("")) => Node::string("", origin),
            (None, Some(text)) => self.yaml(&description, text, origin, place),
            (None, None) => self.nothing(name, origin),
        };
        name_reference(&mut node, description, unset);
        node
    }

    fn nothing(&mut self, name: &str, origin: Origin) -> Node {
        let message = format!("environment variable {name} is not set, so this value is empty");
        let help = format!("set it, or give a default: ${{env:{name}:-default}}");
        self.diagnostics.push(Diagnostic::warning(message).at(origin).help(help));
        Node::null(origin)
    }

    fn file(&mut self, path: &str, origin: Origin, place: Place) -> Node {
        match self.surroundings.read(Path::new(path)) {
            Ok(text) => {
                let mut node = self.yaml(path, &text, origin, place);
                name_reference(&mut node, format!("file {path}").into(), false);
                node
            }
            Err(error) => {
                self.error(origin, format!("unable to read the file {path}: {error}"));
                Node::null(origin)
            }
        }
    }

    /// Text as YAML. What is no YAML, or is YAML for a string, is that text word for word, as in the
    /// Collector: a password may hold quotes, colons and a `#`, a certificate has its line breaks.
    fn yaml(&mut self, name: &str, text: &str, origin: Origin, place: Place) -> Node {
        let text = without_last_break(text);
        if is_plain_scalar(text.trim()) {
            return plain(text, resolve_plain(text.trim()), origin);
        }
        let source = self.texts.add(name, text);
        let mut problems = Diagnostics::default();
        let parsed = parse(source, self.texts, &mut problems).filter(|_| !problems.has_errors());
        let kind = match parsed {
            Some(collection) if collection.as_scalar().is_none() => {
                if place.secret {
                    self.texts.hide(source);
                }
                return from_text(collection, name, text);
            }
            // `#1` is nothing to YAML, and a string to who wrote it.
            Some(node) => node.as_scalar().map(|scalar| scalar.kind).filter(|kind| *kind != ScalarKind::Null),
            None => None,
        };
        self.texts.take_back(source);
        plain(text, kind.unwrap_or(ScalarKind::String), origin)
    }
}

/// A list or a mapping that keeps the text it was made from.
fn from_text(mut node: Node, name: &str, text: &str) -> Node {
    node.references.push(Reference { description: name.into(), unset: false, text: Some(text.into()) });
    node
}

fn plain(text: &str, kind: ScalarKind, origin: Origin) -> Node {
    let text = text.to_owned();
    Node::new(Value::Scalar(Scalar { text, kind }), origin)
}

/// Says where a value came from. If it is a list or a mapping, its reference is there already.
fn name_reference(node: &mut Node, description: Arc<str>, unset: bool) {
    if let Some(reference) = node.references.last_mut() {
        reference.description = description;
        return;
    }
    node.references.push(Reference { description, unset, text: None });
}

/// A file of one line ends with a line break that nobody means.
fn without_last_break(text: &str) -> &str {
    match text.strip_suffix('\n') {
        Some(line) if !line.contains('\n') => line.strip_suffix('\r').unwrap_or(line),
        _ => text,
    }
}

/// Whether YAML would make the text, blanks around it removed, a plain scalar of one line.
fn is_plain_scalar(text: &str) -> bool {
    let first_word = text.split_whitespace().next().unwrap_or("");
    !text.contains(['\n', '\r']) && !text.contains(YAML_CHARACTERS) && !YAML_WORDS.contains(&first_word)
}

fn is_variable_name(name: &str) -> bool {
    name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
        && name.chars().all(|letter| letter.is_ascii_alphanumeric() || letter == '_')
}
