//! OTLP/JSON to protobuf bytes and back, text to bytes, by the table in [`super::schema`].
//!
//! What [`to_protobuf`] returns passes the walk and is canonical, and it is what the same client would
//! have sent as protobuf; property tests hold both against opentelemetry-proto. No input makes either
//! direction panic, recurse deeper than the walk's limit, or take more time than its size and depth
//! explain. Nothing is allocated but the output and, for some texts, one scratch buffer.
//!
//! Read is what a client may send by the OTLP specification and by proto3's JSON mapping, and what the
//! Collector takes on top of it:
//!
//! * names in lowerCamelCase or as in the proto files; unknown ones are skipped whatever they hold;
//! * `null` is an unset field everywhere, but no element of a list (the Collector takes it for an empty
//!   message there);
//! * whole numbers as numbers or strings, exactly, `1e3` and `2.0` included; doubles also as strings,
//!   `"NaN"`, `"Infinity"` and `"-Infinity"` among them; enums as numbers or names;
//! * ids in hex of either case, other bytes in base64 of either alphabet, padded or not.
//!
//! A field that is given twice and a second one of a oneof are refused, as protojson does. The Collector
//! (`pdata/internal`, `UnmarshalJSON`) takes the last value, of a oneof too, and merges messages and
//! lists; no SDK writes such a thing, nothing says which of the two was meant, and refusing says so to
//! whoever wrote it.
//!
//! [`to_json`] writes what the specification asks for: lowerCamelCase, ids in lower-case hex, 64-bit
//! numbers as strings, enums as numbers; without what is at its default and has no presence.

mod attribute;
mod lexer;
mod number;
mod read;
mod scalar;
#[cfg(test)]
mod tests;
mod write;

use std::borrow::Cow;
use std::fmt::{self, Write as _};

use crate::signal::Signal;

const TOO_DEEP: &str = "nested deeper than 100 levels";

/// Turns an export request in JSON into the same request in protobuf.
pub fn to_protobuf(signal: Signal, json: &[u8]) -> Result<Vec<u8>, JsonError> {
    read::request(signal, json).map_err(JsonError::from)
}

/// Appends an export request in JSON to `out`. The request must have passed the walk.
pub fn to_json(signal: Signal, protobuf: &[u8], out: &mut Vec<u8>) {
    write::request(signal, protobuf, out);
}

/// Why a text is no export request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JsonError {
    /// The field it is about, as in `resourceSpans[0].scopeSpans[1].spans[2].name`; empty for the request.
    pub path: String,
    /// The byte it was noticed at.
    pub at: usize,
    /// What is wrong.
    pub message: Cow<'static, str>,
}

impl fmt::Display for JsonError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { path, at, message } = self;
        let separator = if path.is_empty() { "" } else { ": " };
        write!(formatter, "{path}{separator}{message} (byte {at})")
    }
}

impl std::error::Error for JsonError {}

/// A [`JsonError`] on its way out, one pointer wide. Each level adds where it was.
struct Failure(Box<Unlocated>);

struct Unlocated {
    at: usize,
    message: Cow<'static, str>,
    /// From the inside out.
    steps: Vec<Step>,
}

enum Step {
    Field(&'static str),
    Element(usize),
}

impl Failure {
    #[cold]
    fn new(at: usize, message: impl Into<Cow<'static, str>>) -> Self {
        Self(Box::new(Unlocated { at, message: message.into(), steps: Vec::new() }))
    }

    #[cold]
    fn within(mut self, step: Step) -> Self {
        self.0.steps.push(step);
        self
    }
}

impl From<Failure> for JsonError {
    fn from(Failure(failure): Failure) -> Self {
        let mut path = String::new();
        for step in failure.steps.iter().rev() {
            // Writing to a string cannot fail.
            let _ = match step {
                Step::Field(name) if path.is_empty() => write!(path, "{name}"),
                Step::Field(name) => write!(path, ".{name}"),
                Step::Element(index) => write!(path, "[{index}]"),
            };
        }
        Self { path, at: failure.at, message: failure.message }
    }
}
