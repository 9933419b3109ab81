//! `${...}`: references to variables, files and YAML, expanded in each value of the merged tree.
//!
//! * `${env:NAME}`, `${NAME}`: a variable; `${env:NAME:-default}` when it may be unset. An unset
//!   variable without a default is empty and a warning, as in the Collector.
//! * `${file:PATH}`: a file's YAML; `${yaml:TEXT}`: that YAML. References nest.
//! * A value that is wholly one reference takes the type of what it refers to, and where a string is
//!   wanted, is that text word for word; inside a longer string it is text. `$$` is a dollar sign.
//!
//! Expansion is bounded: at most [`MAX_EXPANSIONS`] references in all and [`MAX_REFERENCES_DEEP`] within
//! one another, which lead to at most [`MAX_EXPANDED_BYTES`], and the tree stays within [`MAX_DEPTH`]. It
//! takes time by the length of what is written and read. What a secret key refers to is not quoted in
//! messages, and the texts it comes from are hidden.

mod retrieve;

use crate::secret;
use crate::source::Surroundings;
use crate::tree::{MAX_DEPTH, Node, Origin, Reference, Scalar, ScalarKind, SourceMap, Value};
use crate::{Diagnostic, Diagnostics};

/// More references than any configuration has.
pub const MAX_EXPANSIONS: usize = 10_000;
/// More text than all references of a configuration lead to, in bytes. A value counts as 64 at
/// least, so that short text for many values is bounded too.
pub const MAX_EXPANDED_BYTES: usize = 4 << 20;
/// What a value takes at least.
const VALUE_BYTES: usize = 64;
/// References within what references refer to.
pub const MAX_REFERENCES_DEEP: usize = 32;

/// Expands every value of `root` in place.
pub fn expand(
    root: &mut Node,
    texts: &mut SourceMap,
    surroundings: &dyn Surroundings,
    diagnostics: &mut Diagnostics,
) {
    Expander { texts, surroundings, diagnostics, expansions: 0, bytes: 0, active: Vec::new() }
        .node(root, Place::default());
}

struct Expander<'a> {
    texts: &'a mut SourceMap,
    surroundings: &'a dyn Surroundings,
    diagnostics: &'a mut Diagnostics,
    expansions: usize,
    /// What they led to, in bytes.
    bytes: usize,
    /// The references whose values are being expanded, to find those that refer to themselves.
    active: Vec<String>,
}

/// Where in the tree the expander is.
#[derive(Clone, Copy, Default)]
struct Place {
    /// How many collections are around it.
    level: usize,
    /// A secret stands here.
    secret: bool,
}

impl Place {
    fn below(self, secret: bool) -> Self {
        Self { level: self.level + 1, secret: self.secret || secret }
    }
}

/// What a string with references became.
struct Expanded {
    value: Value,
    origin: Origin,
    references: Vec<Reference>,
}

impl Expander<'_> {
    fn node(&mut self, node: &mut Node, place: Place) {
        match &mut node.value {
            Value::Mapping(mapping) => {
                let secrets: Vec<bool> =
                    mapping.iter().map(|entry| secret::entry_is_secret(mapping, &entry.key)).collect();
                for (entry, is_secret) in mapping.iter_mut().zip(secrets) {
                    self.node(&mut entry.value, place.below(is_secret));
                }
            }
            Value::Sequence(items) => items.iter_mut().for_each(|item| self.node(item, place.below(false))),
            Value::Scalar(scalar) => {
                if scalar.kind == ScalarKind::String && scalar.text.contains('$') {
                    let text = scalar.text.clone();
                    let expanded = self.string(&text, node.origin, place);
                    node.value = expanded.value;
                    node.origin = expanded.origin;
                    node.references.extend(expanded.references);
                }
            }
        }
    }

    fn string(&mut self, text: &str, origin: Origin, place: Place) -> Expanded {
        let mut out = String::with_capacity(text.len());
        let mut references = Vec::new();
        let closings = closings(text);
        let mut rest = text;
        while let Some(at) = rest.find('$') {
            out.push_str(&rest[..at]);
            let tail = &rest[at..];
            if let Some(behind) = tail.strip_prefix("$$") {
                out.push('$');
                rest = behind;
            } else if let Some(length) = closings.reference_length(text.len() - tail.len()) {
                let target = self.reference(&tail[2..length - 1], origin, place);
                if length == text.len() {
                    return whole(target, origin);
                }
                out.push_str(target.written().unwrap_or_default());
                references.extend(target.references.into_iter().map(Reference::within_a_string));
                rest = &tail[length..];
            } else {
                out.push('$');
                rest = &tail[1..];
            }
        }
        out.push_str(rest);
        Expanded { value: Value::Scalar(Scalar { text: out, kind: ScalarKind::String }), origin, references }
    }

    /// The value of one reference, itself expanded.
    fn reference(&mut self, inner: &str, origin: Origin, place: Place) -> Node {
        let shown = shown(inner, place);
        self.expansions += 1;
        if self.expansions > MAX_EXPANSIONS {
            self.error(origin, format!("more than {MAX_EXPANSIONS} references"));
            return Node::null(origin);
        }
        if self.active.len() >= MAX_REFERENCES_DEEP {
            self.error(origin, format!("too many recursive expansions in {shown}"));
            return Node::null(origin);
        }
        self.active.push(inner.to_owned());
        let uri = match self.string(inner, origin, place).value {
            Value::Scalar(scalar) => scalar.text,
            _ => inner.to_owned(),
        };
        self.active.pop();
        if self.active.contains(&uri) {
            self.error(origin, format!("{shown} refers to itself"));
            return Node::null(origin);
        }
        let mut node = self.retrieve(&uri, origin, place);
        self.bytes += node.written().map_or(0, str::len).max(VALUE_BYTES * node.size());
        if self.bytes > MAX_EXPANDED_BYTES {
            // Nothing more is expanded, and one error says so.
            self.expansions = MAX_EXPANSIONS;
            self.error(origin, format!("references lead to more than {} MiB", MAX_EXPANDED_BYTES >> 20));
            self.expansions += 1;
            return Node::null(origin);
        }
        if place.level + node.depth() > MAX_DEPTH {
            self.error(origin, format!("{shown} is nested deeper than {MAX_DEPTH} levels"));
            return Node::null(origin);
        }
        self.active.push(uri);
        self.node(&mut node, place);
        self.active.pop();
        node
    }

    fn error(&mut self, origin: Origin, message: String) {
        // One is enough: what follows is the same reference again, read from one more copy of the text.
        if self.expansions <= MAX_EXPANSIONS + 1 {
            self.diagnostics.push(Diagnostic::error(message).at(origin));
        }
    }
}

/// A value that is wholly one reference: a scalar keeps standing where the reference is written, a
/// collection points into the text it came from.
fn whole(target: Node, origin: Origin) -> Expanded {
    let origin = if target.as_scalar().is_some() { origin } else { target.origin };
    Expanded { value: target.value, origin, references: target.references }
}

/// How messages name a reference. Its text can hold a default, which below a secret key is a secret.
fn shown(inner: &str, place: Place) -> String {
    if place.secret { "this reference".to_owned() } else { format!("${{{inner}}}") }
}

/// Where the `${...}` of a text start and how long they are, braces balanced, by their start.
struct Closings(Vec<(usize, Option<usize>)>);

/// Finds them all in one pass: asking for each alone is quadratic when many are not closed.
fn closings(text: &str) -> Closings {
    let bytes = text.as_bytes();
    let mut found = Vec::new();
    let mut open = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        if bytes[at..].starts_with(b"${") {
            open.push(found.len());
            found.push((at, None));
            at += 2;
            continue;
        }
        if bytes[at] == b'}'
            && let Some((start, length)) = open.pop().and_then(|index: usize| found.get_mut(index))
        {
            *length = Some(at + 1 - *start);
        }
        at += 1;
    }
    Closings(found)
}

impl Closings {
    /// The length of the `${...}` at a position, if there is one.
    fn reference_length(&self, at: usize) -> Option<usize> {
        let index = self.0.binary_search_by_key(&at, |(start, _)| *start).ok()?;
        self.0[index].1
    }
}

#[cfg(test)]
mod tests;
