//! What is wrong with a part of a configuration, before it is known whether it is checked or built.

use spindle_config::{Check, Diagnostic};
use spindle_pipeline::error::BuildError;

/// Something that cannot be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The key it is about, below the part; empty for the part itself.
    pub key: String,
    /// What it is, in the Collector's words where it has some.
    pub message: String,
    /// What else is known.
    pub note: Option<String>,
}

impl Problem {
    /// A problem with a key.
    pub fn new(key: impl Into<String>, message: impl Into<String>) -> Self {
        Self { key: key.into(), message: message.into(), note: None }
    }

    /// With what else is known.
    #[must_use]
    pub fn note(self, note: impl Into<String>) -> Self {
        Self { note: Some(note.into()), ..self }
    }

    /// As the Collector words it while it makes the filters of `what`; of nothing in particular when that
    /// is empty.
    #[must_use]
    pub fn within(self, what: &str) -> Self {
        if what.is_empty() {
            return self;
        }
        Self { message: format!("error creating {what} filters: {}", self.message), ..self }
    }

    /// Reports it; the part stands at `part`.
    pub fn report(self, part: &str, check: &mut Check<'_>) {
        let mut diagnostic = Diagnostic::error(&*self.message);
        if let Some(note) = &self.note {
            diagnostic = diagnostic.note(note.clone());
        }
        check.report(&self.path(part), diagnostic);
    }

    /// As an error of the build; the part stands at `part`.
    pub fn into_build_error(self, part: &str) -> BuildError {
        BuildError::new(self.path(part), self.message)
    }

    fn path(&self, part: &str) -> String {
        if self.key.is_empty() { part.to_owned() } else { format!("{part}::{}", self.key) }
    }
}
