//! Nodes to the structs of whoever owns them, with every problem found and none of them fatal.
//!
//! A config struct derives `Deserialize` with `#[serde(default, deny_unknown_fields)]`; [`decode`] does
//! the rest:
//!
//! * Each error has the position of the value it is about. Serde stops at the first, so the value that
//!   failed is masked, which leaves its default in place, and the struct is read again until nothing
//!   fails: all type errors and all unknown keys of a component come out of one call.
//! * `null` leaves the default, as in the Collector: `batch:` is `batch: {}`. In a list, which has no
//!   default to leave, a null is an error unless the item may be absent.
//! * What follows from another error, such as a required key whose value could not be read, is no error
//!   of its own.
//! * A number or boolean is taken as the text it was written as where text is wanted. What a reference
//!   led to is taken word for word there, and an unset variable as the empty string.
//! * A list may be written as one string with commas.
//!
//! Internally tagged enums and `flatten` lose positions in serde; config structs do not use them.

mod deserializer;
mod error;

#[cfg(test)]
mod tests;

use serde::de::DeserializeOwned;

use crate::tree::Node;
use crate::{Diagnostic, Diagnostics};
use deserializer::{Context, Deserializer, Path};

pub(crate) use deserializer::OPTIONAL;
pub use error::DecodeError;

/// Reads `node` as a `T`. Problems go into `diagnostics`, with key paths below `path`. The value is
/// returned even then, with defaults where it could not be read, so that it can be checked further;
/// `None` only when `node` as a whole is of the wrong shape.
pub fn decode<T: DeserializeOwned>(node: &Node, path: &str, diagnostics: &mut Diagnostics) -> Option<T> {
    let context = Context::default();
    let root = Path::Root(path);
    // Every round masks one more node, so this ends.
    let result = loop {
        match T::deserialize(Deserializer::new(node, &root, &context)) {
            Ok(value) => break Some(value),
            Err(error) => {
                let masked = error
                    .place()
                    .is_some_and(|place| !place.is(node) && context.mask(place, error.is_reported(true)));
                if error.is_reported(masked) {
                    context.report_unreadable(error.into_diagnostic(node, path));
                }
                if !masked {
                    break None;
                }
            }
        }
    };
    diagnostics.extend(context.into_diagnostics());
    result
}

/// What an error about `node` should add when the value came from somewhere else.
pub(crate) fn with_references(mut diagnostic: Diagnostic, node: &Node) -> Diagnostic {
    for reference in &node.references {
        let note = if reference.unset {
            format!("{} is not set, so the value is empty", reference.description)
        } else {
            format!("the value comes from {}", reference.description)
        };
        diagnostic = diagnostic.note(note);
    }
    diagnostic
}
