//! Several sources as one tree: mappings merge deep, everything else is replaced by the later source.
//!
//! Each leaf keeps the position in the source it came from, each mapping that of its first source. A null
//! clears what an earlier source said, lists are replaced whole; both as in the Collector.

use crate::tree::{Entry, Mapping, Node, Value};

/// Lays `later` over `base`.
pub fn merge(base: &mut Node, later: Node) {
    match (&mut base.value, later.value) {
        (Value::Mapping(target), Value::Mapping(entries)) => {
            entries.into_iter().for_each(|entry| merge_entry(target, entry));
        }
        (_, value) => *base = Node { value, ..later },
    }
}

fn merge_entry(target: &mut Mapping, entry: Entry) {
    let Some(present) = target.get_mut(&entry.key) else {
        target.insert(entry);
        return;
    };
    // The key of a block that a later source only adds to still stands where the block does.
    if present.value.as_mapping().is_none() || entry.value.as_mapping().is_none() {
        present.key_origin = entry.key_origin;
    }
    merge(&mut present.value, entry.value);
}

#[cfg(test)]
mod tests;
