//! [`Check`]: what a component says about values that can be read and still cannot be right.

use crate::decode::with_references;
use crate::tree::{Node, Origin};
use crate::{Diagnostic, Diagnostics};

/// Collects the semantic problems of one part of the tree. Keys are named by their path below that
/// part, `protocols::grpc::endpoint`; positions are found by it.
#[derive(Debug)]
pub struct Check<'a> {
    node: &'a Node,
    path: String,
    key_origin: Option<Origin>,
    diagnostics: &'a mut Diagnostics,
}

impl<'a> Check<'a> {
    /// Checks `node`, which stands at `path`, below a key at `key_origin`.
    pub fn new(
        node: &'a Node,
        path: impl Into<String>,
        key_origin: Option<Origin>,
        diagnostics: &'a mut Diagnostics,
    ) -> Self {
        Self { node, path: path.into(), key_origin, diagnostics }
    }

    /// The value at `key`, a path joined by `::`, cannot be. An empty key is the part itself; a key that
    /// is not written is reported at the nearest one around it.
    pub fn error(&mut self, key: &str, message: impl Into<String>) {
        self.report(key, Diagnostic::error(message));
    }

    /// The value at `key` can be, and is probably not meant.
    pub fn warning(&mut self, key: &str, message: impl Into<String>) {
        self.report(key, Diagnostic::warning(message));
    }

    /// Reports a diagnostic that has its help and notes already, at `key`. What is said about a value
    /// that could not be read is left out: it would be about the default in its place.
    pub fn report(&mut self, key: &str, diagnostic: Diagnostic) {
        let (origin, node) = self.locate(key);
        let path = match (self.path.as_str(), key) {
            (path, "") => path.to_owned(),
            ("", key) => key.to_owned(),
            (path, key) => format!("{path}::{key}"),
        };
        if !self.diagnostics.is_unreadable(&path) {
            self.diagnostics.push(with_references(diagnostic.at(origin).path(path), node));
        }
    }

    /// Reports each entry that is there twice in the list at `key`, in whatever case, with the Collector's text.
    pub fn distinct(&mut self, key: &str, entries: &[String]) {
        let name = key.rsplit("::").next().unwrap_or(key);
        for (index, entry) in entries.iter().enumerate() {
            if entries[..index].iter().any(|before| before.eq_ignore_ascii_case(entry)) {
                let entry = entry.to_ascii_lowercase();
                let place = format!("{key}::{index}");
                self.error(&place, format!("duplicate entry in {name}: \"{entry}\" (case-insensitive)"));
            }
        }
    }

    /// The check of a part of this part.
    pub fn below<'b>(&'b mut self, key: &str) -> Check<'b> {
        let (origin, node) = self.locate(key);
        let path = if self.path.is_empty() { key.to_owned() } else { format!("{}::{key}", self.path) };
        Check { node, path, key_origin: Some(origin), diagnostics: self.diagnostics }
    }

    /// Whether the user wrote a value at `key`.
    pub fn is_written(&self, key: &str) -> bool {
        key.split("::")
            .try_fold(self.node, |node, segment| step(node, segment).map(|(_, node)| node))
            .is_some()
    }

    /// Where `key` stands; the nearest key around it if it is not written.
    pub fn origin(&self, key: &str) -> Origin {
        self.locate(key).0
    }

    /// The node this check is about.
    pub fn node(&self) -> &'a Node {
        self.node
    }

    fn locate(&self, key: &str) -> (Origin, &'a Node) {
        let mut node = self.node;
        let mut origin = self.key_origin.unwrap_or(node.origin);
        for segment in key.split("::").filter(|segment| !segment.is_empty()) {
            let Some((key_origin, next)) = step(node, segment) else {
                break;
            };
            node = next;
            let is_written = !node.is_null() || !node.references.is_empty();
            let is_shown_whole = node.as_scalar().is_some() && is_written;
            origin = if is_shown_whole { node.origin } else { key_origin };
        }
        (origin, node)
    }
}

/// One segment of a path: a key, or an index into a list.
fn step<'a>(node: &'a Node, segment: &str) -> Option<(Origin, &'a Node)> {
    if let Some(items) = node.as_sequence() {
        let item = items.get(segment.parse::<usize>().ok()?)?;
        return Some((item.origin, item));
    }
    let entry = node.as_mapping()?.get(segment)?;
    Some((entry.key_origin, &entry.value))
}

#[cfg(test)]
mod tests;
