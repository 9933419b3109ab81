//! `${...}`: references to variables, files and YAML, expanded in each value of the merged tree.
//!
//! * `${env:NAME}`, `${NAME}`: a variable; `${env:NAME:-default}` when it may be unset. An unset
//!   variable without a default is empty and a warning, as in the Collector.
//! * `${file:PATH}`: a file's YAML; `${yaml:TEXT}`: that YAML. References nest.
//! * A value that is wholly one reference takes the type of what it refers to; inside a longer string
//!   it is text. `$$` is a dollar sign.
//!
//! Expansion is bounded: at most [`MAX_EXPANSIONS`] references in all and [`MAX_DEPTH`] deep.

use std::path::Path;
use std::sync::Arc;

use crate::source::Surroundings;
use crate::tree::{Node, Origin, Reference, Scalar, ScalarKind, SourceMap, Value, parse, resolve_plain};
use crate::{Diagnostic, Diagnostics};

/// The Collector's own limit on expansions.
pub const MAX_EXPANSIONS: usize = 1000;
/// References within what references refer to.
pub const MAX_DEPTH: usize = 32;

/// Expands every value of `root` in place.
pub fn expand(
    root: &mut Node,
    texts: &mut SourceMap,
    surroundings: &dyn Surroundings,
    diagnostics: &mut Diagnostics,
) {
    Expander {
        texts,
        surroundings,
        diagnostics,
        expansions: 0,
    }
    .node(root, 0);
}

struct Expander<'a> {
    texts: &'a mut SourceMap,
    surroundings: &'a dyn Surroundings,
    diagnostics: &'a mut Diagnostics,
    expansions: usize,
}

/// What a string with references became.
struct Expanded {
    value: Value,
    origin: Origin,
    references: Vec<Reference>,
}

impl Expander<'_> {
    fn node(&mut self, node: &mut Node, depth: usize) {
        match &mut node.value {
            Value::Mapping(mapping) => {
                mapping
                    .iter_mut()
                    .for_each(|entry| self.node(&mut entry.value, depth));
            }
            Value::Sequence(items) => items.iter_mut().for_each(|item| self.node(item, depth)),
            Value::Scalar(scalar) => {
                if scalar.kind == ScalarKind::String && scalar.text.contains('$') {
                    let text = scalar.text.clone();
                    let expanded = self.string(&text, node.origin, depth);
                    node.value = expanded.value;
                    node.origin = expanded.origin;
                    node.references.extend(expanded.references);
                }
            }
        }
    }

    fn string(&mut self, text: &str, origin: Origin, depth: usize) -> Expanded {
        let mut out = String::with_capacity(text.len());
        let mut references = Vec::new();
        let mut rest = text;
        while let Some(at) = rest.find('$') {
            out.push_str(&rest[..at]);
            let tail = &rest[at..];
            if let Some(behind) = tail.strip_prefix("$$") {
                out.push('$');
                rest = behind;
            } else if let Some(length) = reference_length(tail) {
                let inner = &tail[2..length - 1];
                let target = self.reference(inner, origin, depth);
                references.extend(target.references.iter().cloned());
                rest = &tail[length..];
                if out.is_empty() && rest.is_empty() && at == 0 {
                    return whole(target, origin, references);
                }
                self.append(&mut out, &target, inner, origin);
            } else {
                out.push('$');
                rest = &tail[1..];
            }
        }
        out.push_str(rest);
        Expanded {
            value: Value::Scalar(Scalar {
                text: out,
                kind: ScalarKind::String,
            }),
            origin,
            references,
        }
    }

    fn append(&mut self, out: &mut String, target: &Node, inner: &str, origin: Origin) {
        match &target.value {
            Value::Scalar(scalar) => out.push_str(&scalar.text),
            _ => self.error(
                origin,
                format!(
                    "${{{inner}}} is {}, which cannot stand inside a string",
                    target.describe()
                ),
            ),
        }
    }

    /// The value of one reference, itself expanded.
    fn reference(&mut self, inner: &str, origin: Origin, depth: usize) -> Node {
        self.expansions += 1;
        if depth >= MAX_DEPTH || self.expansions > MAX_EXPANSIONS {
            self.error(origin, format!("too many recursive expansions in ${{{inner}}}"));
            return Node::null(origin);
        }
        let uri = match self.string(inner, origin, depth + 1).value {
            Value::Scalar(scalar) => scalar.text,
            _ => inner.to_owned(),
        };
        let mut node = self.retrieve(&uri, origin);
        self.node(&mut node, depth + 1);
        node
    }

    fn retrieve(&mut self, uri: &str, origin: Origin) -> Node {
        match uri.split_once(':') {
            Some(("env", name)) => self.variable(name, origin),
            Some(("file", path)) => self.file(path, origin),
            Some(("yaml", text)) => self.yaml("yaml:", text.to_owned(), origin),
            Some((scheme, _)) if !uri.contains(":-") || scheme.contains('.') => {
                self.error(
                    origin,
                    format!("scheme \"{scheme}\" is not supported for uri \"{uri}\" (env, file, yaml)"),
                );
                Node::null(origin)
            }
            _ => self.variable(uri, origin),
        }
    }

    fn variable(&mut self, uri: &str, origin: Origin) -> Node {
        let (name, default) = match uri.split_once(":-") {
            Some((name, default)) => (name, Some(default)),
            None => (uri, None),
        };
        if !is_variable_name(name) {
            self.error(
                origin,
                format!("environment variable \"{name}\" has invalid name: must match regex ^[a-zA-Z_][a-zA-Z0-9_]*$"),
            );
            return Node::null(origin);
        }
        let description: Arc<str> = format!("environment variable {name}").into();
        let value = self.surroundings.variable(name);
        let unset = value.is_none() && default.is_none();
        if unset {
            let message = format!("{description} is not set, so this value is empty");
            self.diagnostics.push(
                Diagnostic::warning(message)
                    .at(origin)
                    .help(format!("set it, or give a default: ${{env:{name}:-default}}")),
            );
        }
        let text = value.or_else(|| default.map(str::to_owned)).unwrap_or_default();
        let mut node = self.yaml(&description, text, origin);
        node.references.push(Reference { description, unset });
        node
    }

    fn file(&mut self, path: &str, origin: Origin) -> Node {
        match self.surroundings.read(Path::new(path)) {
            Ok(text) => {
                let mut node = self.yaml(path, text, origin);
                node.references.push(Reference {
                    description: format!("file {path}").into(),
                    unset: false,
                });
                node
            }
            Err(error) => {
                self.error(origin, format!("unable to read the file {path}: {error}"));
                Node::null(origin)
            }
        }
    }

    /// Text as YAML; what is no YAML is a string, as in the Collector.
    fn yaml(&mut self, name: &str, text: String, origin: Origin) -> Node {
        let is_one_line = !text.contains('\n');
        if is_one_line
            && !text.contains([
                ':', '[', '{', '"', '\'', '&', '*', '!', '|', '>', '#', '%', '@', '`',
            ])
        {
            let text = text.trim().to_owned();
            let kind = resolve_plain(&text);
            return Node::new(Value::Scalar(Scalar { text, kind }), origin);
        }
        let source = self.texts.add(name, text.clone());
        let mut problems = Diagnostics::default();
        match parse(source, self.texts, &mut problems) {
            Some(node) if !problems.has_errors() => node,
            _ => Node::string(text, origin),
        }
    }

    fn error(&mut self, origin: Origin, message: String) {
        self.diagnostics.push(Diagnostic::error(message).at(origin));
    }
}

/// A value that is wholly one reference: a scalar keeps standing where the reference is written, a
/// collection points into the text it came from.
fn whole(target: Node, origin: Origin, references: Vec<Reference>) -> Expanded {
    let origin = if target.as_scalar().is_some() {
        origin
    } else {
        target.origin
    };
    Expanded {
        value: target.value,
        origin,
        references,
    }
}

/// The length of the `${...}` that `text` starts with, braces balanced.
fn reference_length(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    if !text.starts_with("${") {
        return None;
    }
    let mut open = 0usize;
    let mut at = 0;
    while at < bytes.len() {
        if bytes[at..].starts_with(b"${") {
            open += 1;
            at += 2;
            continue;
        }
        if bytes[at] == b'}' {
            open -= 1;
            if open == 0 {
                return Some(at + 1);
            }
        }
        at += 1;
    }
    None
}

fn is_variable_name(name: &str) -> bool {
    name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
        && name
            .chars()
            .all(|letter| letter.is_ascii_alphanumeric() || letter == '_')
}

#[cfg(test)]
mod tests;
