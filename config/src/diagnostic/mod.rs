//! Problems as data: what is wrong, where it stands, what is allowed, what was probably meant.
//!
//! Checks collect [`Diagnostic`]s into [`Diagnostics`]; [`Diagnostics::render`] prints the lot the way
//! rustc does, in the order of the text. Texts are lower case without a final period.

mod render;
mod shown;

#[cfg(test)]
mod tests;

pub use render::Style;

use crate::secret::redact_urls;
use crate::tree::Origin;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Nothing starts with this.
    Error,
    /// It starts, and probably does not do what was meant.
    Warning,
}

/// One problem.
#[derive(Clone, Debug)]
pub struct Diagnostic {
    /// How bad it is.
    pub severity: Severity,
    /// What is wrong, in one line; the key path goes into `path`, not in here.
    pub message: String,
    /// The key path, segments joined by `::` as the Collector writes it; empty when there is none.
    pub path: String,
    /// Where it stands.
    pub origin: Option<Origin>,
    /// What to do about it.
    pub help: Vec<String>,
    /// What else the reader should know.
    pub notes: Vec<String>,
}

impl Diagnostic {
    /// A problem that prevents the start.
    pub fn error(message: impl Into<String>) -> Self {
        Self::new(Severity::Error, message.into())
    }

    /// A problem that does not prevent the start.
    pub fn warning(message: impl Into<String>) -> Self {
        Self::new(Severity::Warning, message.into())
    }

    fn new(severity: Severity, message: String) -> Self {
        Self { severity, message, path: String::new(), origin: None, help: Vec::new(), notes: Vec::new() }
    }

    /// Says where it stands.
    #[must_use]
    pub fn at(mut self, origin: Origin) -> Self {
        self.origin = Some(origin);
        self
    }

    /// Says which key it is about.
    #[must_use]
    pub fn path(mut self, path: impl Into<String>) -> Self {
        self.path = path.into();
        self
    }

    /// Adds what to do about it.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help.push(help.into());
        self
    }

    /// Adds what else to know.
    #[must_use]
    pub fn note(mut self, note: impl Into<String>) -> Self {
        self.notes.push(note.into());
        self
    }

    /// `path: message`, the form without positions that the Collector prints. Secrets that the message
    /// quotes are blotted out.
    pub fn one_line(&self) -> String {
        let message = redact_urls(&self.message);
        if self.path.is_empty() { message.into_owned() } else { format!("{}: {message}", self.path) }
    }
}

/// All problems of one configuration.
#[derive(Clone, Debug, Default)]
pub struct Diagnostics {
    items: Vec<Diagnostic>,
    /// Key paths whose values could not be read and stand at their defaults.
    unreadable: Vec<String>,
}

impl Diagnostics {
    /// Adds one. The same problem at the same place, as two pipelines can find it, is kept once.
    pub fn push(&mut self, diagnostic: Diagnostic) {
        let known = self.items.iter().any(|item| {
            item.message == diagnostic.message
                && item.origin == diagnostic.origin
                && item.path == diagnostic.path
        });
        if !known {
            self.items.push(diagnostic);
        }
    }

    /// Notes that the value of a key could not be read, so that nobody complains about its default.
    pub(crate) fn mark_unreadable(&mut self, path: String) {
        self.unreadable.push(path);
    }

    /// Whether a check of this key would judge a default in the place of something unreadable: the key
    /// itself, one below it, or the block right around it.
    pub(crate) fn is_unreadable(&self, path: &str) -> bool {
        let is_below = |inner: &str, outer: &str| {
            inner.strip_prefix(outer).is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
        };
        self.unreadable.iter().any(|unreadable| {
            is_below(path, unreadable)
                || unreadable.rsplit_once("::").is_some_and(|(parent, _)| parent == path)
        })
    }

    /// Adds those of another collection.
    pub fn extend(&mut self, other: Diagnostics) {
        self.unreadable.extend(other.unreadable);
        for item in other.items {
            self.push(item);
        }
    }

    /// Whether anything prevents the start.
    pub fn has_errors(&self) -> bool {
        self.items.iter().any(|item| item.severity == Severity::Error)
    }

    /// Errors and warnings, in the order they were found.
    pub fn iter(&self) -> std::slice::Iter<'_, Diagnostic> {
        self.items.iter()
    }

    /// How many of one severity.
    pub fn count(&self, severity: Severity) -> usize {
        self.items.iter().filter(|item| item.severity == severity).count()
    }

    /// No problem at all.
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }
}
