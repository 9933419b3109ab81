//! Several sources as one tree: mappings merge deep, everything else is replaced by the later source.
//!
//! Each leaf keeps the position in the source it came from. A null clears what an earlier source said,
//! lists are replaced whole; both as in the Collector.

use crate::tree::{Node, Value};

/// Lays `later` over `base`.
pub fn merge(base: &mut Node, later: Node) {
    let Value::Mapping(entries) = later.value else {
        *base = later;
        return;
    };
    let Value::Mapping(target) = &mut base.value else {
        *base = Node {
            value: Value::Mapping(entries),
            origin: later.origin,
            references: later.references,
        };
        return;
    };
    for entry in entries {
        match target.get_mut(&entry.key) {
            Some(present) => {
                present.key_origin = entry.key_origin;
                merge(&mut present.value, entry.value);
            }
            None => target.insert(entry),
        }
    }
}
