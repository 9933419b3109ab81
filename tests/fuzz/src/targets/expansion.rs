//! `${...}` in a single value.
//!
//! An input is a value and, behind lines of `=====`, the variables `A` and `B`, the file `f` and a last text.
//! Expansion ends, within bounds; a text whose dollar signs are doubled is that text; a text without any stays
//! as it is.

use spindle_config::expand::{MAX_EXPANSIONS, expand};
use spindle_config::tree::{Entry, Mapping};
use spindle_config::{Diagnostics, Document, Node, Origin, SourceMap, Value};

use super::config::{WORDS, World, count, positions_are_true, within_bounds};
use crate::{PATIENCE, Target, about, kind};

/// See the module.
pub const TARGET: Target =
    Target { name: "expansion", check, longest: 64 << 10, words: WORDS, patience: PATIENCE, fresh: None };

fn check(input: &[u8]) -> u64 {
    let world = World::of(input);
    let (document, diagnostics) = expanded(&world, &world.text);
    within_bounds(&document.root);
    positions_are_true(&document, &diagnostics);
    assert!(document.sources.iter().count() <= MAX_EXPANSIONS + 1, "a text for each reference and no more");
    let doubled = world.property.as_deref().unwrap_or(&world.text).replace('$', "$$");
    let (plain, problems) = expanded(&world, &doubled);
    let text = plain.root.get("value").and_then(Node::as_text).unwrap_or_default();
    assert!(problems.is_empty(), "a text without references has problems");
    assert_eq!(text, doubled.replace("$$", "$"), "doubled dollar signs");
    let size = count(&document.root);
    let mut messages: Vec<_> = diagnostics.iter().filter_map(|item| item.message.get(..14)).collect();
    messages.dedup();
    messages.truncate(4);
    kind((about(size.values), about(size.text), about(size.depth), messages))
}

/// The value of a key, expanded.
fn expanded(world: &World, text: &str) -> (Document, Diagnostics) {
    let mut sources = SourceMap::default();
    let mut diagnostics = Diagnostics::default();
    let source = sources.add("in.yaml", text);
    let origin = Origin { source, start: 0, end: 0, line: 1, column: 1 };
    let mut mapping = Mapping::default();
    let value = Node::string(text, origin);
    mapping.insert(Entry { key: "value".to_owned(), key_origin: origin, value });
    let mut root = Node::new(Value::Mapping(mapping), origin);
    expand(&mut root, &mut sources, world, &mut diagnostics);
    (Document { root, sources }, diagnostics)
}
