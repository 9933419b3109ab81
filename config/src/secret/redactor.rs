//! [`Redactor`]: where in the texts of a configuration the secrets stand.

use std::collections::HashMap;
use std::ops::Range;

use super::look::Known;
use super::{is_plain_reference, look, text, visit_bare_keys, visit_scalars};
use crate::Document;
use crate::tree::{Node, Origin, ScalarKind, SourceId, SourceMap, parse_what_can_be, resolve_plain};

/// Where in the texts of a configuration the secrets stand.
#[derive(Debug)]
pub struct Redactor {
    ranges: HashMap<SourceId, Vec<Range<usize>>>,
}

impl Redactor {
    /// Finds them. Three ways, because each sees what the others do not: by the merged tree, which knows
    /// what references and aliases led to; by each text's own tree, in which nothing is overridden yet;
    /// and by the look of what YAML could not read.
    pub fn new(document: &Document) -> Self {
        let mut ranges: HashMap<SourceId, Vec<Range<usize>>> = HashMap::new();
        collect(&document.root, &document.sources, &mut ranges);
        for (id, source) in document.sources.iter() {
            let (tree, is_all) = parse_what_can_be(id, &source.text);
            collect(&tree, &document.sources, &mut ranges);
            let found = ranges.entry(id).or_default();
            if document.sources.is_hidden(id) {
                found.push(0..source.text.len());
            }
            found.extend(look::secrets_by_look(&source.text, &Known::of(&tree, is_all)));
            found.extend(text::secrets_in_text(&source.text));
            merge_overlapping(found);
        }
        Self { ranges }
    }

    /// The secret parts of one text, ascending and disjoint.
    pub fn ranges(&self, source: SourceId) -> &[Range<usize>] {
        self.ranges.get(&source).map_or(&[], Vec::as_slice)
    }
}

fn collect(tree: &Node, sources: &SourceMap, ranges: &mut HashMap<SourceId, Vec<Range<usize>>>) {
    let mut add = |origin: Origin, is_null: bool| {
        let range = origin.start as usize..origin.end as usize;
        let text = sources.get(origin.source).and_then(|source| source.text.get(range.clone()));
        let tells_nothing = range.is_empty()
            || text.is_some_and(is_plain_reference)
            || is_null && text.is_some_and(|text| resolve_plain(text) == ScalarKind::Null);
        if !tells_nothing {
            ranges.entry(origin.source).or_default().push(range);
        }
    };
    visit_scalars(tree, &mut |node, secret| {
        if secret {
            add(node.origin, node.is_null());
        }
    });
    visit_bare_keys(tree, false, &mut |key| add(key, false));
}

pub(super) fn merge_overlapping(ranges: &mut Vec<Range<usize>>) {
    ranges.sort_by_key(|range| range.start);
    let mut merged: Vec<Range<usize>> = Vec::with_capacity(ranges.len());
    for range in ranges.drain(..) {
        match merged.last_mut() {
            Some(last) if range.start <= last.end => last.end = last.end.max(range.end),
            _ => merged.push(range),
        }
    }
    *ranges = merged;
}
