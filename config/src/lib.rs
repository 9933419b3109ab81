//! Text to a checked tree in which every node remembers where it was written.
//!
//! What this crate guarantees:
//!
//! * **Positions first.** Every key and value knows its source, line and column, through references
//!   (`${env:X}`), merges of several sources and `--set`. Whoever finds a problem later, be it a type
//!   error or two components that want one port, can point at the text the user wrote.
//! * **All problems at once.** Nothing here stops at the first error: [`decode()`] masks what it could
//!   not read and goes on, [`Check`] collects, and [`Diagnostics`] renders the lot as rustc does.
//! * **No secrets.** What a secret key holds ([`secret::is_secret_key`]) is blotted out in every
//!   rendered line and in every printed tree.
//! * **No component is known here.** The tree is the Collector's language; what a key means is decided
//!   by the crate that owns the component.
//!
//! The way through: [`Sources`] -> [`load`] -> [`Document`] -> [`decode()`] for each component.

pub mod check;
pub mod decode;
pub mod diagnostic;
pub mod expand;
pub mod id;
pub mod merge;
pub mod print;
pub mod secret;
pub mod sections;
pub mod source;
pub mod tree;
pub mod types;

mod names;

#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;

pub use check::Check;
pub use decode::decode;
pub use diagnostic::{Diagnostic, Diagnostics, Severity};
pub use id::ComponentId;
pub use names::{nearest, quoted_list};
pub use sections::{Component, Pipeline, Sections};
pub use source::{Sources, Surroundings};
pub use tree::{Mapping, Node, Origin, SourceMap, Value};

/// A loaded configuration: one tree, and the texts its positions point into.
#[derive(Debug)]
pub struct Document {
    /// The merged and expanded tree; its root is always a mapping.
    pub root: Node,
    /// The texts that [`Origin`]s refer to.
    pub sources: SourceMap,
}

/// Reads, parses, merges and expands `sources`.
///
/// The document is returned even when there are errors, with what could be read, so that later checks
/// can add theirs to one report.
pub fn load(sources: &Sources, surroundings: &dyn Surroundings) -> (Document, Diagnostics) {
    let mut texts = SourceMap::default();
    let mut diagnostics = Diagnostics::default();
    let mut root = Node::empty_mapping();
    for source in sources.iter() {
        if let Some(tree) = source.read(&mut texts, surroundings, &mut diagnostics) {
            merge::merge(&mut root, tree);
        }
    }
    expand::expand(&mut root, &mut texts, surroundings, &mut diagnostics);
    (Document { root, sources: texts }, diagnostics)
}
