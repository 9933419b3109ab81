use super::*;
use crate::source::Source;
use crate::testing::{World, at, shape};
use crate::tree::SourceMap;
use crate::{Diagnostics, Document, Sources, load};

/// Merges texts called `0.yaml`, `1.yaml`, ...
fn merged(texts: &[&str]) -> Document {
    let names = ["0.yaml", "1.yaml", "2.yaml"];
    let mut sources = Sources::default();
    for (name, text) in names.iter().zip(texts) {
        sources.add(Source::Embedded { name, text: (*text).to_owned() });
    }
    let (document, diagnostics) = load(&sources, &World::default());
    assert!(diagnostics.is_empty());
    document
}

/// Protects the Collector's merge rules: maps deep, lists whole, null clears, later wins.
#[test]
fn later_sources_are_laid_over_earlier_ones() {
    let table: &[(&[&str], &str)] = &[
        (&["a: {b: 1, c: 2}\n", "a: {c: 3, d: 4}\n"], "{a: {b: 1, c: 3, d: 4}}"),
        (&["a: [1, 2]\n", "a: [3]\n"], "{a: [3]}"),
        (&["a: {b: 1}\nc: 2\n", "a:\n"], "{a: null, c: 2}"),
        (&["a:\n", "a: {b: 1}\n"], "{a: {b: 1}}"),
        (&["a: 1\n", "a: {b: 1}\n"], "{a: {b: 1}}"),
        (&["a: {b: 1}\n", "a: 1\n"], "{a: 1}"),
        (&["a: {b: {c: 1}}\n", "a: {b: {d: 2}}\n", "a: {b: {c: 3}}\n"], "{a: {b: {c: 3, d: 2}}}"),
        (&["a: 1\n", "", "# nothing\n"], "{a: 1}"),
        (&["", "b: 1\n"], "{b: 1}"),
    ];
    for (texts, expected) in table {
        assert_eq!(shape(&merged(texts).root), *expected, "{texts:?}");
    }
}

/// Protects "which file is wrong?", the question the Collector cannot answer: every leaf points into the
/// source that decided it, every block to where it was written first.
#[test]
fn each_value_remembers_the_source_it_came_from() {
    let document = merged(&[
        "receivers:\n  otlp:\n    endpoint: x\n    timeout: 1s\n",
        "# over\nreceivers:\n  otlp:\n    timeout: 2s\n  other:\nlist: [1]\n",
    ]);
    let table = [
        ("receivers", "0.yaml:1:1", "0.yaml:2:3"),
        ("receivers::otlp", "0.yaml:2:3", "0.yaml:3:5"),
        ("receivers::otlp::endpoint", "0.yaml:3:5", "0.yaml:3:15"),
        ("receivers::otlp::timeout", "1.yaml:4:5", "1.yaml:4:14"),
        ("receivers::other", "1.yaml:5:3", "1.yaml:5:8"),
        ("list", "1.yaml:6:1", "1.yaml:6:7"),
    ];
    for (path, key, value) in table {
        let (parent, name) = path.rsplit_once("::").unwrap_or(("", path));
        let parent = if parent.is_empty() { &document.root } else { at(&document.root, parent) };
        let entry = parent.as_mapping().unwrap().get(name).unwrap();
        assert_eq!(document.sources.describe(entry.key_origin), key, "key of {path}");
        assert_eq!(document.sources.describe(entry.value.origin), value, "value of {path}");
    }
}

/// Protects errors about a component that `--set` only adjusts: they point at the component, not at the
/// command line.
#[test]
fn a_property_does_not_move_the_block_it_changes() {
    let (document, _) =
        World::default().load_with("exporters:\n  otlp:\n    endpoint: x\n", &["exporters.otlp.timeout=5s"]);
    let exporters = document.root.get("exporters").unwrap().as_mapping().unwrap();
    let place = |origin| document.sources.describe(origin);
    assert_eq!(place(exporters.get("otlp").unwrap().key_origin), "in.yaml:2:3");
    let timeout = at(&document.root, "exporters::otlp::timeout");
    assert_eq!(place(timeout.origin), "--set exporters.otlp.timeout:1:1");
}

/// Protects the merge of a node that is no mapping, which only this function sees.
#[test]
fn what_is_no_mapping_is_replaced() {
    let mut texts = SourceMap::default();
    let mut diagnostics = Diagnostics::default();
    let mut node = |text: &str| {
        let id = texts.add("t", text);
        crate::tree::parse(id, &texts, &mut diagnostics).unwrap()
    };
    let mut base = node("1");
    merge(&mut base, node("{a: 1}"));
    assert_eq!(shape(&base), "{a: 1}");
    merge(&mut base, node("[2]"));
    assert_eq!(shape(&base), "[2]");
}
