//! What can go wrong when a batch is handed over, and what the sender should do about it.
//!
//! One table ([`Code`]) maps gRPC, HTTP and retry classes onto each other, in both directions. Receivers
//! answer by it, exporters read answers by it.

mod code;

#[cfg(test)]
mod tests;

use std::fmt;
use std::time::Duration;

use http::StatusCode;
use spindle_config::Diagnostic;

pub use code::{Blame, Code, RetryClass, says_too_large};

/// Whether sending the same again can help.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retry {
    /// No: the data is bad, or nobody will ever take it.
    Never,
    /// Yes, when the sender sees fit.
    Now,
    /// Yes, but not before this has passed.
    After(Duration),
}

impl Retry {
    /// Whether sending again can help at all.
    pub fn is_possible(self) -> bool {
        self != Self::Never
    }
}

/// A batch was not taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConsumeError {
    code: Code,
    retry: Retry,
    blame: Blame,
    message: String,
}

impl ConsumeError {
    /// An error with a code of the table; the code's class decides about retrying.
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        let retry = if code.retry_class() == RetryClass::Always { Retry::Now } else { Retry::Never };
        Self { code, retry, blame: code.blame(), message: message.into() }
    }

    /// The request is too large, and will be next time. By gRPC this is told by the text alone, so the text
    /// says it ([`says_too_large`]) or is made to.
    pub fn too_large(message: impl Into<String>) -> Self {
        let mut message = message.into();
        if !says_too_large(&message) {
            message.push_str(" (the request is too large)");
        }
        let (code, retry) = (Code::ResourceExhausted, Retry::Never);
        Self { code, retry, blame: Blame::Size, message }
    }

    /// Nobody can take it at present: full, down, or short of memory.
    pub fn unavailable(message: impl Into<String>) -> Self {
        Self::new(Code::Unavailable, message)
    }

    /// The process is stopping.
    pub fn stopping() -> Self {
        Self::unavailable("the agent is shutting down")
    }

    /// The data itself is bad.
    pub fn invalid(message: impl Into<String>) -> Self {
        Self::new(Code::InvalidArgument, message)
    }

    /// A failure on our side that repeating will not mend.
    pub fn permanent(message: impl Into<String>) -> Self {
        Self::new(Code::Internal, message)
    }

    /// With a time to wait before the next attempt, which also makes it retryable: a code that no client
    /// repeats becomes [`Code::Unavailable`].
    #[must_use]
    pub fn retry_after(self, delay: Duration) -> Self {
        let code = if self.code.retry_class() == RetryClass::Never { Code::Unavailable } else { self.code };
        Self { code, retry: Retry::After(delay), blame: Blame::Nothing, ..self }
    }

    /// The code of the table.
    pub fn code(&self) -> Code {
        self.code
    }

    /// The status of an answer over HTTP: the code's, or 413 when the request is too large.
    pub fn http_status(&self) -> StatusCode {
        if self.blame == Blame::Size { StatusCode::PAYLOAD_TOO_LARGE } else { self.code.http() }
    }

    /// Whether and when to send again.
    pub fn retry(&self) -> Retry {
        self.retry
    }

    /// What in the request it is about.
    pub fn blame(&self) -> Blame {
        self.blame
    }

    /// What happened, in words.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// Of the errors of several branches the one that asks for a repetition, if any does.
    #[must_use]
    pub fn more_retryable(self, other: Self) -> Self {
        if !self.retry.is_possible() && other.retry.is_possible() { other } else { self }
    }
}

impl fmt::Display for ConsumeError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.message)
    }
}

impl std::error::Error for ConsumeError {}

/// One attempt of an exporter failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExportError(ConsumeError);

impl ExportError {
    /// The back end, or the way to it, answered with a code of the table; the code's class decides about
    /// retrying. Codes that are retried only on the back end's word need [`Self::retry_after`].
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self(ConsumeError::new(code, message))
    }

    /// The back end calls the request too large. It is not sent again as it is, whatever code that came with.
    pub fn too_large(message: impl Into<String>) -> Self {
        Self(ConsumeError::too_large(message))
    }

    /// The back end asks to wait.
    #[must_use]
    pub fn retry_after(self, delay: Duration) -> Self {
        Self(self.0.retry_after(delay))
    }

    /// The code of the table.
    pub fn code(&self) -> Code {
        self.0.code
    }

    /// Whether and when to send again.
    pub fn retry(&self) -> Retry {
        self.0.retry
    }

    /// What in the request it is about.
    pub fn blame(&self) -> Blame {
        self.0.blame
    }
}

impl fmt::Display for ExportError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

impl std::error::Error for ExportError {}

impl From<ExportError> for ConsumeError {
    fn from(error: ExportError) -> Self {
        error.0
    }
}

/// A component could not be built: a port is taken, a file cannot be opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BuildError {
    /// The key below the component's body that it is about, joined by `::`; empty for the component.
    pub key: String,
    /// What happened.
    pub message: String,
    /// What to do about it.
    pub help: Option<String>,
}

impl BuildError {
    /// An error about a key.
    pub fn new(key: impl Into<String>, message: impl Into<String>) -> Self {
        Self { key: key.into(), message: message.into(), help: None }
    }

    /// With what to do about it.
    #[must_use]
    pub fn help(self, help: impl Into<String>) -> Self {
        Self { help: Some(help.into()), ..self }
    }

    /// As a problem of the configuration; `path` is the key with what is around it.
    pub fn diagnostic(self, path: impl Into<String>) -> Diagnostic {
        let mut diagnostic = Diagnostic::error(self.message).path(path);
        diagnostic.help.extend(self.help);
        diagnostic
    }
}

impl fmt::Display for BuildError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.message)
    }
}

impl std::error::Error for BuildError {}

/// A running component ended though nobody asked it to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunError(pub String);

impl fmt::Display for RunError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl std::error::Error for RunError {}
